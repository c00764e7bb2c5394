"""Tests of `rehearsal/faults/`."""
