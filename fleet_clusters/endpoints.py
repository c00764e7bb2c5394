"""The endpoints that an entry point balances over: EndpointSlices that Fleet imports on its cluster.

Sources: Azure/fleet-networking v0.3.25, pkg/controllers/member/endpointsliceimport, pkg/common/uniquename.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, TypeAlias

Slice: TypeAlias = Mapping[str, Any]
"""An EndpointSlice, as the API server has it."""

SYSTEM: Final = "fleet-system"
"""The namespace of the objects that Fleet imports."""
PATH: Final = f"/apis/discovery.k8s.io/v1/namespaces/{SYSTEM}/endpointslices"
"""The API path of the slices."""


def imported(slices: Iterable[Slice], namespace: str, entry_points: Collection[str]) -> list[Slice]:
    """Return the slices of entry points. Their Services in `fleet-system` have names `<namespace>-<name>`."""
    services = {f"{namespace}-{name}" for name in entry_points}
    return [each for each in slices if _labels(each).get("kubernetes.io/service-name") in services]


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


def _labels(item: Slice) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}
