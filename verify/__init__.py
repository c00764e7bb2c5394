"""Looks at a deployment as its users do, and says what is well, what is not, and what to do."""
