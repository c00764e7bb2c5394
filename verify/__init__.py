"""Checks a deployment from its users' side, and prints a remedy for each check that fails."""
