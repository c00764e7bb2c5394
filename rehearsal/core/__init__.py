"""Shared by all parts of the rehearsal: the providers' protocol, wire values, storage, child processes."""
