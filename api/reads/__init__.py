"""Who looked: the audit of calls that show users."""
