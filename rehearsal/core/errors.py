"""The exceptions of the rehearsal.

    RehearsalError            the rehearsal cannot start or continue
    ├── UnparsableError       a file cannot be read or parsed
    ├── ProfileError          a profile of faults is invalid
    ├── UnreadableError       the files of an earlier run cannot be used
    ├── ProcessError          a process of a real cluster did not start
    ├── UnknownTypeError      the table of durations lacks types of resources
    └── ToolchainError        a command cannot be downloaded, built or run
        └── EngineError       there is no usable `pulumi` command
    RefusedError              an operation was refused; the message is the real provider's
    ├── ApiError              by an API server
    ├── UnreachableError      because the provider cannot reach the cluster
    └── NotReadyError         although the resource was created; the engine keeps it, with the reasons
    OverrideError             an override does not fit its object; the message is the hub's

`providers/kubernetes.py` has one more for itself, of an object that is not ready in time.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias


class RehearsalError(Exception):
    """The rehearsal cannot start, cannot continue or has failed; the message has the reason."""


class UnparsableError(RehearsalError):
    """A file cannot be read or parsed; the message names the file and the line."""


class ProfileError(RehearsalError):
    """A profile of faults is invalid."""


class UnreadableError(RehearsalError):
    """The files of an earlier run cannot be used; the message has the file and the reason."""


class ProcessError(RehearsalError):
    """A server did not start, or ended unexpectedly; the message has its name and its last output."""


class UnknownTypeError(RehearsalError):
    """The table of durations lacks types of resources; the message names them."""


class ToolchainError(RehearsalError):
    """A command cannot be downloaded, built or run; the message has the reason."""


class EngineError(ToolchainError):
    """There is no usable `pulumi` command; the message lists the attempts."""


class RefusedError(Exception):
    """An operation that Azure or Kubernetes refuses; the message is the real provider's."""


Reason: TypeAlias = Literal[
    "NotFound", "NoMatch", "AlreadyExists", "Conflict", "Unauthorized", "Forbidden", "Invalid", "Unreachable", "Refused"
]


class ApiError(RefusedError):
    """A request that an API server refuses, with the server's message and reason."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class UnreachableError(RefusedError):
    """The provider cannot reach a cluster. The message has the reason, and never quotes the kubeconfig."""


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
    """An override that does not fit its object; the message is the hub's."""
