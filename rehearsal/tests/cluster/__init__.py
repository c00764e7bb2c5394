"""Tests of `rehearsal/cluster/`."""
