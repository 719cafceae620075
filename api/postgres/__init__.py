"""PostgreSQL as the API reads it: bounded, and away without harm."""
