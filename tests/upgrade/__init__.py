"""The proof that an upgrade of the program leaves users' stacks as they are: `python -m tests.upgrade COMMIT`."""
