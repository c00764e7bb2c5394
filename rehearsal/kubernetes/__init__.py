"""Kubernetes clusters in memory, the Fleet controllers on them, and the Kubernetes provider above."""
