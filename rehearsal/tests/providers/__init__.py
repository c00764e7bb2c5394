"""Tests of `rehearsal/providers/`."""
