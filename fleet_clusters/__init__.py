"""A fleet's clusters as their API servers show them: for `components/`, which waits, and `verify/`, which checks."""
