"""Tests of `rehearsal/engine/`."""
