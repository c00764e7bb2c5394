"""Measures every figure that the product promises: `python -m rehearsal.bench`."""
