"""`rollcall up`: an embedded Kafka and PostgreSQL, and all services beside them."""
