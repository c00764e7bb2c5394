"""Rehearses the program: the real Pulumi engine runs it against a local stand-in for Azure and Kubernetes."""
