"""Members that join and leave a fleet."""

from collections.abc import Mapping
from typing import Final

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.interface import Part
from rehearsal.cluster.kinds import key_of
from rehearsal.cluster.objects import (
    Object,
    annotations_of,
    condition,
    deleting,
    digest,
    is_true,
    name_of,
    namespace_of,
    put_condition,
    seconds,
    timestamp,
)
from rehearsal.cluster.workloads import namespace
from rehearsal.core import delays
from rehearsal.fleet import networking
from rehearsal.fleet.bindings import MEMBER_CLUSTER
from rehearsal.fleet.view import FleetView

CLUSTER_ID: Final = "fleet.azure.com/cluster-resource-id"
"""Azure's annotation with the ID of the member's cluster (Azure/fleet issue 1146)."""
LOCATION: Final = "fleet.azure.com/location"
_MEMBER_NAME: Final = "kubernetes-fleet.io/member-name"
_FINALIZERS: Final = ("kubernetes-fleet.io/membercluster-finalizer", "kubernetes-fleet.io/cluster-profile-cleanup")

# Each agent's conditions on the hub after joining (observed).
_REPORTS: Final = {
    "MemberAgent": {"Healthy": "InternalMemberClusterHealthy", "Joined": "InternalMemberClusterJoined"},
    "MultiClusterServiceAgent": {"Joined": "AgentJoined"},
    "ServiceExportImportAgent": {"Joined": "AgentJoined"},
}


def join(hub: Cluster, member: str, cluster: Cluster, labels: Mapping[str, str]) -> None:
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


def joined(hub: Cluster, member: str) -> bool:
    """Return whether a member's agents have reported to the hub."""
    item = hub.find(MEMBER_CLUSTER, member)
    return item is not None and is_true(item, "Joined")


def leave(hub: Cluster, member: str) -> None:
    """Delete the MemberCluster, as Azure's control plane does.

    Raises:
        RefusedError: the member has live exports.
    """
    if hub.find(MEMBER_CLUSTER, member):
        hub.delete("cluster.kubernetes-fleet.io/v1", "MemberCluster", member)


def members(fleet: FleetView, hub: Cluster) -> None:
    """Admit members whose agents report, like the hub agent (fleet v0.18.12 pkg/controllers/membercluster/v1beta1)."""
    for item in hub.objects(MEMBER_CLUSTER):
        cluster = fleet.get(annotations_of(item)[CLUSTER_ID])
        alive = cluster is not None and cluster.reachable and not fleet.is_down(Part.AGENTS, cluster)
        if deleting(item):
            _remove_member(fleet, hub, item, cluster if alive else None)
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
        elif condition(item, "Joined") is not None:
            _record_reports(fleet, hub, item, alive=alive)
        elif alive and cluster:
            _admit(fleet, hub, item, cluster)


def _admit(fleet: FleetView, hub: Cluster, item: Object, cluster: Cluster) -> None:
    if cluster.find("Namespace", "fleet-system") is None:
        cluster.create(namespace("fleet-system"))
    agents = [
        {"type": agent, "conditions": [_report(fleet, name, reason) for name, reason in reports.items()]}
        for agent, reports in _REPORTS.items()
    ]
    count = str(len(cluster.objects("Node")))
    hub.set_status(
        item,
        {**item["status"], "agentStatus": agents, "properties": {"kubernetes-fleet.io/node-count": {"value": count}}},
    )
    hub.set_condition(item, "Joined", "True", "MemberClusterJoined", "Member cluster has successfully joined the fleet")


def _record_reports(fleet: FleetView, hub: Cluster, item: Object, *, alive: bool) -> None:
    """Record the last report of silent agents. For live agents, which report every 15 s, nothing is recorded."""
    agents = [{**agent} for agent in item["status"]["agentStatus"]]
    for agent in agents:
        if alive:
            agent.pop("lastReceivedHeartbeat", None)
        else:
            agent.setdefault("lastReceivedHeartbeat", timestamp(fleet.now))
    hub.set_status(item, {**item["status"], "agentStatus": agents})


def _report(fleet: FleetView, name: str, reason: str) -> Object:
    entry = {"type": name, "status": "True", "reason": reason, "message": "", "observedGeneration": 1}
    return put_condition([], entry, fleet.now)[0]


def _remove_member(fleet: FleetView, hub: Cluster, item: Object, cluster: Cluster | None) -> None:
    # Agents that leave remove the fleet's networking; workloads stay (fleet v0.18.12 internalmembercluster/v1beta1).
    if cluster:
        for key in (networking.SERVICE, networking.EXPORT):
            for entry in cluster.objects(key):
                cluster.discard(entry)
    since = seconds(item["metadata"]["deletionTimestamp"])
    if not fleet.elapsed(since, delays.LEAVE if cluster else delays.FORCED_LEAVE):
        return
    space = hub.find("Namespace", networking.member_namespace(name_of(item)))
    if space and not deleting(space):
        for entry in list(hub.everything()):
            # Remove the finalizers that members set in the namespace. An import goes when the hub has removed its
            # claim.
            if namespace_of(entry) == name_of(space) and key_of(entry) != networking.INTERNAL_IMPORT:
                entry["metadata"].pop("finalizers", None)
        hub.discard(space)
    elif space is None:
        for finalizer in _FINALIZERS:
            hub.set_finalizer(item, finalizer, present=False)


CONTROLLERS: Final = (members,)
