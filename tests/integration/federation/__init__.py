"""Several deployments, added up by views over postgres_fdw."""
