"""Errors that a component raises. Pulumi shows the message of a RunError without a traceback."""

import pulumi


class ExistingError(pulumi.RunError):
    """An existing resource cannot be read, or is not what the pattern needs."""


class GlobalAddressError(pulumi.RunError):
    """Azure has not made the global address as it was asked to."""
