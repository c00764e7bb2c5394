"""Tests that share a fleet with the program's stack on it."""
