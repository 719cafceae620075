"""What is kept in PostgreSQL, exactly once."""
