"""Failures on demand, each with its source."""
