"""The program, rehearsed: the real Pulumi engine runs it against a local stand-in for Azure and Kubernetes."""
