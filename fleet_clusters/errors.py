"""The failure of a check or a request, and its text. This module imports nothing that takes time."""

import re


class CheckFailedError(Exception):
    """A check has failed.

    Attributes:
        found: what was found.
        remedy: what to do, in one line.
    """

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.found = found
        self.remedy = remedy


class AccessDeniedError(CheckFailedError):
    """An API server denies the request."""


def plain(error: Exception) -> str:
    """Return the last line of an error's text, without the error number."""
    lines = str(error).strip().splitlines()
    return re.sub(r"^\[Errno -?\d+\] ", "", lines[-1]) if lines else type(error).__name__
