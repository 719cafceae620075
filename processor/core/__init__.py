"""What the log does to presence and analytics. PURE: nothing here knows PostgreSQL or Kafka."""
