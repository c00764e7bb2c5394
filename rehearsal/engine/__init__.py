"""The real Pulumi engine: installation, commands, the program that it runs, and the providers that it calls."""
