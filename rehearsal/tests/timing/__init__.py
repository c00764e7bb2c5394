"""Tests of what is said about Azure's time."""
