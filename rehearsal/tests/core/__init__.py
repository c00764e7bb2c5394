"""Tests of `rehearsal/core/`."""
