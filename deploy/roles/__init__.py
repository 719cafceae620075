"""Who may do what: roles of PostgreSQL, API keys, rights in Kafka, and their secrets."""
