"""A ClusterResourcePlacement's objects on the hub: snapshots and bindings.

A placement has snapshots of its selected resources, a snapshot of its policy, and a binding for each target cluster. A
binding moves by one stage a round: scheduled, rollout started, work synchronized, applied wave by wave, available. The
Work object between hub and member is left out; the binding takes its role.
"""

from typing import Final

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.objects import Object, labels_of, name_of

_GROUP: Final = "placement.kubernetes-fleet.io"
API_VERSION: Final = f"{_GROUP}/v1"
PLACEMENT: Final = f"ClusterResourcePlacement.{_GROUP}"
SNAPSHOT: Final = f"ClusterResourceSnapshot.{_GROUP}"
POLICY: Final = f"ClusterSchedulingPolicySnapshot.{_GROUP}"
BINDING: Final = f"ClusterResourceBinding.{_GROUP}"
APPLIED_WORK: Final = f"AppliedWork.{_GROUP}"
MEMBER_CLUSTER: Final = "MemberCluster.cluster.kubernetes-fleet.io"

PARENT: Final = "kubernetes-fleet.io/parent-CRP"
INDEX: Final = "kubernetes-fleet.io/resource-index"
GENERATION: Final = "kubernetes-fleet.io/CRP-generation"
"""The annotation of a policy's snapshot with the placement's generation."""
WORK_CLEANUP: Final = "kubernetes-fleet.io/work-cleanup"


def parts(hub: Cluster, key: str, placement: Object) -> list[Object]:
    """Return a placement's objects of one kind."""
    return [item for item in hub.objects(key) if labels_of(item).get(PARENT) == name_of(placement)]


def bindings(hub: Cluster, placement: Object) -> list[Object]:
    """Return the bindings, ordered by cluster."""
    found = parts(hub, BINDING, placement)
    return sorted(found, key=lambda binding: binding["spec"]["targetCluster"])


def latest_snapshot(hub: Cluster, placement: Object) -> Object | None:
    """Return the latest snapshot of resources, which the rollout brings to every cluster."""
    found = parts(hub, SNAPSHOT, placement)
    return max(found, key=lambda item: int(labels_of(item)[INDEX])) if found else None


def new_part(placement: Object, kind: str, name: str, specification: Object) -> Object:
    """Return a new object of a placement."""
    metadata = {"name": name, "labels": {PARENT: name_of(placement)}}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": specification}
