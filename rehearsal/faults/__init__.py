"""Failures and outages to inject into a rehearsal, each with its source."""
