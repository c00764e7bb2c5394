"""Membership of a fleet: joining, leaving, and the state of the whole pattern for humans."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from rehearsal.kubernetes import networking
from rehearsal.kubernetes.bindings import MEMBER_CLUSTER, PLACEMENT
from rehearsal.kubernetes.kinds import key_of
from rehearsal.kubernetes.objects import (
    Object,
    annotations_of,
    child,
    condition,
    deleting,
    digest,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    put_condition,
    seconds,
    status_of,
)
from rehearsal.kubernetes.workloads import namespace

if TYPE_CHECKING:
    from rehearsal.kubernetes.apiserver import Cluster
    from rehearsal.kubernetes.world import World

CLUSTER_ID: Final = "fleet.azure.com/cluster-resource-id"
"""The annotation with which Azure's control plane names the member's cluster (Azure/fleet issue 1146)."""
LOCATION: Final = "fleet.azure.com/location"
_MEMBER_NAME: Final = "kubernetes-fleet.io/member-name"
_FINALIZERS: Final = ("kubernetes-fleet.io/membercluster-finalizer", "kubernetes-fleet.io/cluster-profile-cleanup")

# Measured: a leave takes 7 s with live agents; without them it is forced (hubagent --force-delete-wait-time).
_LEAVE: Final = 7
_FORCED_LEAVE: Final = 15 * 60


def join(hub: "Cluster", member: str, cluster: "Cluster", labels: Mapping[str, str]) -> None:
    """Create the MemberCluster, or change its labels.

    The location label holds the region's short name (Azure/fleet pkg/utils/labels/labels_azure.go:11).
    """
    hub.apply(
        {
            "apiVersion": "cluster.kubernetes-fleet.io/v1",
            "kind": "MemberCluster",
            "metadata": {
                "name": member,
                "labels": {**labels, LOCATION: cluster.location},
                "annotations": {CLUSTER_ID: cluster.id},
            },
            "spec": {
                "identity": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "User",
                    "name": digest(cluster.id, 32),
                },
                "heartbeatPeriodSeconds": 15,
            },
        }
    )


def joined(hub: "Cluster", member: str) -> bool:
    """Say whether a member's agents have reported to the hub."""
    item = hub.find(MEMBER_CLUSTER, member)
    return item is not None and is_true(item, "Joined")


def leave(hub: "Cluster", member: str) -> None:
    """Delete the MemberCluster, as Azure's control plane does.

    Raises:
        RefusedError: it has live exports.
    """
    if hub.find(MEMBER_CLUSTER, member):
        hub.delete("cluster.kubernetes-fleet.io/v1", "MemberCluster", member, user="fleet")


def members(world: "World", hub: "Cluster") -> None:
    """The hub agent admits members whose agents report (fleet v0.18.9 pkg/controllers/membercluster/v1beta1)."""
    for item in hub.objects(MEMBER_CLUSTER):
        cluster = world.get(annotations_of(item)[CLUSTER_ID])
        alive = cluster is not None and cluster.reachable and not world.stopped("agents", cluster)
        if deleting(item):
            _part(world, hub, item, cluster if alive else None)
        elif condition(item, "ReadyToJoin") is None:
            space = networking.member_namespace(name_of(item))
            if hub.find("Namespace", space) is None:
                hub.create(namespace(space))
            for finalizer in _FINALIZERS:
                hub.set_finalizer(item, finalizer, present=True)
            hub.set_metadata(item, "labels", _MEMBER_NAME, name_of(item))
            hub.set_condition(
                item, "ReadyToJoin", "True", "MemberClusterReadyToJoin", "Member cluster is ready to join the fleet"
            )
        elif alive and cluster and condition(item, "Joined") is None:
            _admit(world, hub, item, cluster)


def _admit(world: "World", hub: "Cluster", item: Object, cluster: "Cluster") -> None:
    if cluster.find("Namespace", "fleet-system") is None:
        cluster.create(namespace("fleet-system"))
    report = {"type": "Joined", "status": "True", "reason": "AgentJoined", "message": ""}
    agents = [
        {"type": agent, "conditions": put_condition([], report, world.now)}
        for agent in ("MemberAgent", "MultiClusterServiceAgent", "ServiceExportImportAgent")
    ]
    count = str(len(cluster.objects("Node")))
    hub.set_status(
        item,
        {**item["status"], "agentStatus": agents, "properties": {"kubernetes-fleet.io/node-count": {"value": count}}},
    )
    hub.set_condition(item, "Joined", "True", "MemberClusterJoined", "Member cluster has successfully joined the fleet")


def _part(world: "World", hub: "Cluster", item: Object, cluster: "Cluster | None") -> None:
    # The agents take the fleet's networking with them; workloads stay (fleet v0.18.9 internalmembercluster/v1beta1).
    if cluster:
        for key in (networking.SERVICE, networking.EXPORT):
            for entry in cluster.objects(key):
                cluster.discard(entry)
    since = seconds(item["metadata"]["deletionTimestamp"])
    if not world.elapsed(since, _LEAVE if cluster else _FORCED_LEAVE):
        return
    space = hub.find("Namespace", networking.member_namespace(name_of(item)))
    if space and not deleting(space):
        for entry in list(hub.everything()):
            # What members keep from going with the namespace; an import goes when the hub has taken its claim back.
            if namespace_of(entry) == name_of(space) and key_of(entry) != networking.INTERNAL_IMPORT:
                entry["metadata"].pop("finalizers", None)
        hub.discard(space)
    elif space is None:
        for finalizer in _FINALIZERS:
            hub.set_finalizer(item, finalizer, present=False)


CONTROLLERS: Final = (members,)


def summary(world: "World", hub: "Cluster") -> list[tuple[str, bool, str]]:
    """Describe a fleet's state: what, whether it is well, and details."""
    items = hub.objects(MEMBER_CLUSTER)
    there = [name_of(item) for item in items if is_true(item, "Joined")]
    lines = [("members joined", len(there) == len(items), f"{len(there)}/{len(items)}: {', '.join(there)}")]
    for item in hub.objects(PLACEMENT):
        entries: list[Object] = status_of(item).get("placementStatuses") or []
        names = [entry["clusterName"] for entry in entries if is_true(entry, "Available")]
        available = is_true(item, "ClusterResourcePlacementAvailable") and len(names) == len(entries)
        detail = f"available on {len(names)} cluster(s): {', '.join(names)}"
        lines.append((f"placement {name_of(item)}", available, detail))
    regions = {name_of(item): labels_of(item).get(LOCATION, "") for item in items}
    members = [(member, cluster) for member, cluster in world.members(hub).items() if cluster]
    for member, cluster in members:
        lines += [_describe_export(member, item) for item in cluster.objects(networking.EXPORT)]
    for member, cluster in members:
        lines += [_describe_entry(hub, member, cluster, item, regions) for item in cluster.objects(networking.SERVICE)]
    return lines


def _describe_export(member: str, item: Object) -> tuple[str, bool, str]:
    conflict = condition(item, "Conflict")
    well = is_true(item, "Valid") and conflict is not None and conflict["status"] == "False"
    found = conflict if is_true(item, "Valid") else condition(item, "Valid")
    what = f"export {namespace_of(item)}/{name_of(item)} on {member}"
    return (what, well, "valid, no conflict" if well else found["message"] if found else "no status yet")


def _describe_entry(
    hub: "Cluster", member: str, cluster: "Cluster", item: Object, regions: Mapping[str, str]
) -> tuple[str, bool, str]:
    what = f"entry point {namespace_of(item)}/{name_of(item)} on {member}"
    addresses = [entry["ip"] for entry in child(status_of(item), "loadBalancer").get("ingress", ())]
    if not is_true(item, "Valid") or not addresses:
        valid = condition(item, "Valid")
        return (what, False, valid["message"] if valid and not is_true(item, "Valid") else "no address yet")
    counts = networking.endpoint_counts(hub, cluster, item)
    pods = ", ".join(f"{count} in {regions.get(source, source)}" for source, count in counts.items())
    return (what, bool(counts), f"{addresses[0]}, endpoints: {pods or 'none'}")
