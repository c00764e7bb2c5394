"""How the providers' HTTP clients handle a failure: whether they retry the request, and what they print.

azure-native's client retries a request 3 times, after 20, 60 and 120 s or the seconds in Retry-After, up to 120 s. It
retries certain statuses, broken connections, and one conflict (azure-native, provider/pkg/azure/client_azcore.go;
azcore v1.17.0, runtime/policy_retry.go).

A Kubernetes client retries 10 times if the answer has Retry-After, and reads also after a broken connection (client-go
v0.34.1, rest/with_retry.go and request.go).
"""

from typing import Final

from rehearsal.azure.errors import ANOTHER_OPERATION_IN_PROGRESS, elided
from rehearsal.core.protocol import Call, Verb
from rehearsal.faults.catalogue import Failure

_AZURE_PAUSES: Final = (20, 60, 120)
_AZURE_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504, None})
_KUBERNETES_TRIES: Final = 10
_KUBERNETES_PAUSE: Final = 1  # without Retry-After


def can_meet(failure: Failure, call: Call) -> bool:
    """Return whether the provider of a resource can meet a failure."""
    match _package(call):
        case "azure-native":
            return failure.azure is not None
        case "kubernetes":
            return bool(failure.kubernetes)
        case _:
            return False


def pause(failure: Failure, verb: Verb, call: Call, failed: int) -> int | None:
    """Return the seconds until the provider's next attempt; None if it reports the failure to the engine."""
    if _package(call) == "kubernetes":
        repeats = failure.retry_after is not None or (failure.breaks_connection and verb == "read")
        return (failure.retry_after or _KUBERNETES_PAUSE) if repeats and failed <= _KUBERNETES_TRIES else None
    error = failure.azure
    repeats = error is not None and (error.status in _AZURE_STATUSES or error == ANOTHER_OPERATION_IN_PROGRESS)
    if not repeats or failed > len(_AZURE_PAUSES) or (failure.retry_after or 0) > _AZURE_PAUSES[-1]:
        return None
    return failure.retry_after or _AZURE_PAUSES[failed - 1]


def printed(failure: Failure, verb: Verb, call: Call, status: int | None = None) -> str:
    """Return the provider's error message.

    Args:
        failure: a failure that the provider can meet.
        verb: the kind of operation.
        call: the operation's context.
        status: the HTTP status, if it differs from the one in Azure's error.
    """
    if failure.azure is None or _package(call) == "kubernetes":
        kind = call.token.rsplit(":", 1)[-1]
        text = failure.kubernetes.format(verb=_KUBERNETES_VERBS.get(verb, verb), kind=f"{kind.lower()}s")
        return _KUBERNETES_PREFIXES.get(verb, "").format(name=call.name) + text
    values = {
        "action": "delete" if verb == "delete" else "write",
        "method": _METHODS[verb],
        "seconds": failure.retry_after,
        "subject": "Deletion of resource" if verb == "delete" else "Resource",
    }
    return failure.azure.printed(elided(values), status)


_METHODS: Final = {"create": "Put", "read": "Get", "update": "Put", "delete": "Delete", "invoke": "Post"}
_KUBERNETES_VERBS: Final = {"read": "get", "update": "patch"}
# pulumi/pulumi-kubernetes 4.32, provider/pkg/provider/provider.go
_KUBERNETES_PREFIXES: Final = {
    "create": 'resource "{name}" was not successfully created by the Kubernetes API server: ',
    "update": 'update of resource "{name}" failed: ',
}


def _package(call: Call) -> str:
    return call.token.split(":")[0]
