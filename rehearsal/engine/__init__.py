"""The real Pulumi engine: where it comes from, its commands, the program that it runs, the server that it calls."""
