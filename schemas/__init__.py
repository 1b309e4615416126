"""Contracts and vocabulary: the catalogue, the topics, the Avro schemas and the pure rules over them."""
