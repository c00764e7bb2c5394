"""Tests of `rehearsal/azure/`."""
