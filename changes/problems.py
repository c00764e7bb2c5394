"""The report of changes that cannot be made."""

from collections.abc import Iterable, Iterator
from typing import Final

import pulumi

from settings import Problem, report, secret_keys, show

from .state import lower

_HEADING: Final = (
    'The running stack cannot be changed like this; nothing was done. See docs/operations.md, "What cannot change":'
)


class ChangeError(pulumi.RunError):
    """The message lists all changes that cannot be made. Pulumi shows the message of a RunError without a traceback."""


def refuse(problems: Iterable[Problem]) -> None:
    """Report problems, if there are any.

    Raises:
        ChangeError: the message lists them all.
    """
    if found := [*problems]:
        raise ChangeError(report(_HEADING, found, secret_keys()))


def other_id(path: str, before: object, after: object, kind: str, name: str) -> Iterator[Problem]:
    """Find a changed ID, even if only its spelling changed: the engine would replace the member."""
    if not before or before == after:  # missing after a failed `up`
        return
    what = "this spelling of the ID" if lower(before) == lower(after) else "another ID"
    yield Problem(path, f"{kind} {show(name)} was created with {what}: {before}", "put it back")
