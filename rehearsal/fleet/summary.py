"""The state of the whole pattern, for people."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from rehearsal.cluster.interface import ApiServer, Clusters
from rehearsal.cluster.objects import (
    Object,
    annotations_of,
    child,
    condition,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    status_of,
)
from rehearsal.fleet.membership import CLUSTER_ID, LOCATION

Line: TypeAlias = tuple[str, bool, str]
"""What, whether it is well, and the particulars."""

_NETWORKING: Final = "networking.fleet.azure.com/v1alpha1"


def summary(clusters: Clusters) -> list[Line]:
    """Describe the state of every fleet."""
    return [line for hub in clusters.hubs() for line in _fleet(clusters, hub)]


def _fleet(clusters: Clusters, hub: ApiServer) -> Iterator[Line]:
    items = hub.list("cluster.kubernetes-fleet.io/v1", "MemberCluster")
    there = [name_of(item) for item in items if is_true(item, "Joined")]
    yield "members joined", len(there) == len(items), f"{len(there)}/{len(items)}: {', '.join(there)}"
    for item in hub.list("placement.kubernetes-fleet.io/v1", "ClusterResourcePlacement"):
        yield _placement(item)
    regions = {name_of(item): labels_of(item).get(LOCATION, "") for item in items}
    found = {name_of(item): clusters.get(annotations_of(item).get(CLUSTER_ID, "")) for item in items}
    members = {name: cluster for name, cluster in found.items() if cluster}
    for member, cluster in members.items():
        if not cluster.reachable:
            yield f"cluster {member}", False, "does not answer"
            continue
        for item in cluster.list("networking.fleet.azure.com/v1beta1", "ServiceExport"):
            yield _export(member, item)
    for member, cluster in members.items():
        if not cluster.reachable:
            continue
        for item in cluster.list(_NETWORKING, "MultiClusterService"):
            yield _entry_point(clusters, hub, members, regions, (member, item))


def _placement(item: Object) -> Line:
    entries: list[Object] = status_of(item).get("placementStatuses") or []
    names = [entry["clusterName"] for entry in entries if is_true(entry, "Available")]
    available = is_true(item, "ClusterResourcePlacementAvailable") and len(names) == len(entries)
    return f"placement {name_of(item)}", available, f"available on {len(names)} cluster(s): {', '.join(names)}"


def _export(member: str, item: Object) -> Line:
    conflict = condition(item, "Conflict")
    well = is_true(item, "Valid") and conflict is not None and conflict["status"] == "False"
    found = conflict if is_true(item, "Valid") else condition(item, "Valid")
    what = f"export {namespace_of(item)}/{name_of(item)} on {member}"
    return (what, well, "valid, no conflict" if well else found["message"] if found else "no status yet")


def _entry_point(
    clusters: Clusters,
    hub: ApiServer,
    members: Mapping[str, ApiServer],
    regions: Mapping[str, str],
    entry: tuple[str, Object],
) -> Line:
    member, item = entry
    what = f"entry point {namespace_of(item)}/{name_of(item)} on {member}"
    addresses = [address["ip"] for address in child(status_of(item), "loadBalancer").get("ingress", ())]
    if not is_true(item, "Valid") or not addresses:
        valid = condition(item, "Valid")
        return (what, False, valid["message"] if valid and not is_true(item, "Valid") else "no address yet")
    counts = _endpoints(hub, members[member], item)
    lost = [
        source
        for source in counts
        if source in members and not clusters.routable(members[member].id, members[source].id)
    ]
    pods = ", ".join(
        f"{count} in {regions.get(source, source)}{' (no route to them)' if source in lost else ''}"
        for source, count in sorted(counts.items())
    )
    return (what, bool(counts) and not lost, f"{addresses[0]}, endpoints: {pods or 'none'}")


def _endpoints(hub: ApiServer, cluster: ApiServer, item: Object) -> Counter[str]:
    """Count the endpoints behind a MultiClusterService by the member that they run on."""
    # An imported slice is called like its export, which is in the namespace `fleet-member-<member>` of the hub.
    sources = {
        name_of(piece): namespace_of(piece).removeprefix("fleet-member-")
        for piece in hub.list(_NETWORKING, "EndpointSliceExport")
    }
    derived = f"{namespace_of(item)}-{name_of(item)}"
    counts: Counter[str] = Counter()
    for piece in cluster.list("discovery.k8s.io/v1", "EndpointSlice", "fleet-system"):
        if labels_of(piece).get("kubernetes.io/service-name") == derived and name_of(piece) in sources:
            counts[sources[name_of(piece)]] += len(piece.get("endpoints") or ())
    return +counts
