"""Tests of the real Fleet's parts."""
