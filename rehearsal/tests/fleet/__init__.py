"""Tests of `rehearsal/fleet/`."""
