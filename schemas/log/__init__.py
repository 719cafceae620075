"""What is in Kafka: records, topics, and how clients reach them."""
