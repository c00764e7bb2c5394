"""Reads a fleet's clusters through their API servers, for `components/` and `verify/`."""
