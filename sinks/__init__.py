"""Where lineage rests and is read."""
