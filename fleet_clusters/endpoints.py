"""The endpoints that an entry point balances over: EndpointSlices that Fleet imports on its cluster.

Sources: Azure/fleet-networking v0.3.25, pkg/controllers/member/endpointsliceimport, pkg/common/uniquename.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from .api_server import ClusterClient

Slice: TypeAlias = Mapping[str, Any]
"""An EndpointSlice, as the API server has it."""

SYSTEM: Final = "fleet-system"
"""The namespace of the objects that Fleet imports."""
ASKED_AGAIN: Final = "fleet-l4-lb/asked-again"
"""The annotation of a slice that `export_again` writes."""
_SERVICE: Final = "kubernetes.io/service-name"


def path(namespace: str = SYSTEM) -> str:
    """Return the API path of a namespace's slices; without a namespace, of those that Fleet imports."""
    return f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"


def imported(slices: Iterable[Slice], namespace: str, entry_points: Collection[str]) -> list[Slice]:
    """Return the slices of entry points. Their Services in `fleet-system` have names `<namespace>-<name>`."""
    services = {f"{namespace}-{name}" for name in entry_points}
    return [each for each in slices if _labels(each).get(_SERVICE) in services]


def by_member(slices: Iterable[Slice], namespace: str, members: Collection[str]) -> dict[str | None, list[Slice]]:
    """Return the slices of each member; the slices of other members have the key None.

    Only a slice's name shows its member: `<member>-<namespace>-<slice>-<suffix>`. If the names of two members match,
    the longer one counts.
    """
    found: dict[str | None, list[Slice]] = {member: [] for member in members}
    for each in slices:
        name = each["metadata"]["name"]
        fitting = [member for member in members if name.startswith(f"{member}-{namespace}-")]
        found.setdefault(max(fitting, key=len, default=None), []).append(each)
    return found


def addresses(slices: Iterable[Slice]) -> list[str]:
    """Return the addresses of the pods in slices."""
    return [address for each in slices for endpoint in each.get("endpoints") or () for address in endpoint["addresses"]]


def export_again(member: "ClusterClient", namespace: str, service: str, stamp: str) -> None:
    """Make a member's agent export the endpoints of a Service once more, and so the hub offer them once more.

    Fleet can lose endpoints on their way, and does not look for them again. But each change of a slice passes through,
    also that of an annotation: the export has the slice's version (member/endpointslice, UpdateFromMetaObject).

    Args:
        member: the member's cluster.
        namespace: the Service's namespace.
        service: the Service.
        stamp: the annotation's value, another one each time.

    Raises:
        CheckFailedError: the API server does not answer, or denies the request.
    """
    for each in member.items(path(namespace)):
        if _labels(each).get(_SERVICE) == service:
            member.merge(
                f"{path(namespace)}/{each['metadata']['name']}", {"metadata": {"annotations": {ASKED_AGAIN: stamp}}}
            )


def _labels(item: Slice) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}
