"""The exceptions of the rehearsal.

    RehearsalError            the rehearsal cannot start or go on; the message is for people
    ├── UnparsableError       a file cannot be read or parsed
    ├── ProfileError          a profile of faults says what no profile can say
    ├── UnreadableError       the state of an earlier run cannot be used
    ├── ProcessError          a process of a real cluster did not start
    └── UnknownTypeError      the table of durations lacks types of resources
    RefusedError              an operation was refused; the message is what the real provider prints
    ├── ApiError              by an API server
    ├── UnreachableError      because the provider finds no cluster
    └── NotReadyError         although the resource was created; the engine keeps it, with the reasons
    OverrideError             an override does not fit its object; the message is the hub's

`core/toolchain.py` and `engine/install.py` have those of installing tools.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias


class RehearsalError(Exception):
    """The rehearsal cannot start, cannot go on or did not succeed; the message says why, for people."""


class UnparsableError(RehearsalError):
    """A file cannot be read or parsed; the message names the file and the line."""


class ProfileError(RehearsalError):
    """A profile of faults cannot be used."""


class UnreadableError(RehearsalError):
    """The files of an earlier run cannot be used; the message says what and why."""


class ProcessError(RehearsalError):
    """A server did not start, or ended by itself; the message says which, and what it said last."""


class UnknownTypeError(RehearsalError):
    """The table of durations lacks types of resources; the message names them."""


class RefusedError(Exception):
    """An operation that Azure or Kubernetes refuses; its text is what the real provider would print."""


Reason: TypeAlias = Literal[
    "NotFound", "NoMatch", "AlreadyExists", "Conflict", "Unauthorized", "Forbidden", "Invalid", "Unreachable", "Refused"
]


class ApiError(RefusedError):
    """A request that an API server refuses, with its message and the reason of its status."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class UnreachableError(RefusedError):
    """The provider cannot reach a cluster, and why; never with a part of the kubeconfig."""


class NotReadyError(RefusedError):
    """An object that was created but did not become ready: the engine keeps it in its state, with the reasons."""

    def __init__(
        self,
        message: str,
        *,
        resource_id: str,
        outputs: dict[str, Any],
        reasons: Sequence[str],
        inputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.outputs = outputs
        self.reasons = list(reasons)
        self.inputs = inputs


class OverrideError(Exception):
    """An override that does not fit its object; the message is what the hub says."""
