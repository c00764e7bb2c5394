"""The real Fleet: its controllers on real API servers."""
