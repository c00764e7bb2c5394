"""The real Fleet: its own controllers on real API servers."""
