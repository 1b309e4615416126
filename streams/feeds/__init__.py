"""Log files that already exist, turned into events."""
