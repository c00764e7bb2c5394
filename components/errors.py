"""Errors about existing resources."""

import pulumi


class ExistingError(pulumi.RunError):
    """An existing resource cannot be read, or is not what the pattern needs.

    Pulumi shows the message of a RunError without a traceback.
    """
