"""The public benchmark for rights over data that flows as events: docs/gdprbench.md. `python -m bench.gdprbench`."""
