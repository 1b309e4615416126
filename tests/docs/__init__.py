"""The recipes of the documentation, carried out."""
