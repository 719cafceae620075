"""PostgreSQL's schema, its migrations, and queries by name."""
