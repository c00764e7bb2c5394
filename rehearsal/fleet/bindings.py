"""The parts of a ClusterResourcePlacement on the hub.

It keeps snapshots of what it selects, one of its policy, and a binding for each cluster that it goes to. A binding
stands for the way to that cluster and moves by one stage a round: scheduled, rollout started, work synchronized,
applied wave by wave, available. The Work object between hub and member is left out; the binding does its part.
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
"""The annotation of a policy's snapshot that says which generation of the placement it was taken from."""
WORK_CLEANUP: Final = "kubernetes-fleet.io/work-cleanup"


def parts(hub: Cluster, key: str, placement: Object) -> list[Object]:
    """Return the parts of one kind."""
    return [item for item in hub.objects(key) if labels_of(item).get(PARENT) == name_of(placement)]


def bindings(hub: Cluster, placement: Object) -> list[Object]:
    """Return the bindings in the order of their clusters."""
    found = parts(hub, BINDING, placement)
    return sorted(found, key=lambda binding: binding["spec"]["targetCluster"])


def latest_snapshot(hub: Cluster, placement: Object) -> Object | None:
    """Return what is to be on every cluster in the end."""
    found = parts(hub, SNAPSHOT, placement)
    return max(found, key=lambda item: int(labels_of(item)[INDEX])) if found else None


def new_part(placement: Object, kind: str, name: str, specification: Object) -> Object:
    """Return a part to create."""
    metadata = {"name": name, "labels": {PARENT: name_of(placement)}}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": specification}
