"""Everything that runs on Kafka."""
