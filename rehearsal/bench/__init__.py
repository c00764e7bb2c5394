"""Every figure that the product promises, measured: `python -m rehearsal.bench`."""
