"""Tests of the whole program under the real engine."""
