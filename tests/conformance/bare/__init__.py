"""Tests that share a fleet without an app and without the engine."""
