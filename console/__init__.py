"""Everything a person touches: command line, HTTP API, demo."""
