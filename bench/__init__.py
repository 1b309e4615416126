"""The benchmarks that `docs/measured.md` quotes: `make bench`."""
