"""The way into the log, and what comes back from it."""
