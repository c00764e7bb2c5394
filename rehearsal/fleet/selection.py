"""The resources that a ClusterResourcePlacement selects on the hub, and their form for the members.

Sources: Azure/fleet v0.18.12 pkg/utils/controller/resource_selector_resolver.go, pkg/utils/apiresources.go,
pkg/controllers/workapplier/waves.go and availability_tracker.go.
"""

from copy import deepcopy
from typing import Final, Literal, TypeAlias

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.kinds import KINDS, find_kind, key_of, split_api_version
from rehearsal.cluster.objects import (
    Object,
    annotations_of,
    child,
    deleting,
    digest,
    generation_of,
    labels_of,
    matches,
    name_of,
    namespace_of,
    status_of,
)
from rehearsal.core.errors import RefusedError

_SELECTORS: Final = "NamespaceWithResourceSelectors"
HASH: Final = "kubernetes-fleet.io/spec-hash"
ENVELOPE: Final = "ResourceEnvelope.placement.kubernetes-fleet.io"
Availability: TypeAlias = Literal["available", "not yet", "not trackable"]

_LAST_WAVE: Final = 6
_WAVES: Final = {
    "Namespace": 0,
    **dict.fromkeys(
        (
            "NetworkPolicy.networking.k8s.io",
            "ResourceQuota",
            "LimitRange",
            "PodDisruptionBudget.policy",
            "ServiceAccount",
            "Secret",
            "ConfigMap",
            "PersistentVolumeClaim",
            "IngressClass.networking.k8s.io",
        ),
        1,
    ),
    **dict.fromkeys(("ClusterRole.rbac.authorization.k8s.io", "Role.rbac.authorization.k8s.io"), 2),
    **dict.fromkeys(("ClusterRoleBinding.rbac.authorization.k8s.io", "RoleBinding.rbac.authorization.k8s.io"), 3),
    **dict.fromkeys(
        (
            "Service",
            "DaemonSet.apps",
            "ReplicaSet.apps",
            "Deployment.apps",
            "HorizontalPodAutoscaler.autoscaling",
            "StatefulSet.apps",
            "Job.batch",
            "CronJob.batch",
            "Ingress.networking.k8s.io",
        ),
        4,
    ),
}
# The order of selected resources in a placement; other kinds come after these (resource_selector_resolver.go:58).
_ORDER: Final = {
    kind: number
    for number, kind in enumerate(
        (
            "Namespace",
            "NetworkPolicy",
            "ResourceQuota",
            "LimitRange",
            "PodDisruptionBudget",
            "ServiceAccount",
            "Secret",
            "ConfigMap",
            "PersistentVolumeClaim",
            "ClusterRole",
            "ClusterRoleBinding",
            "Role",
            "RoleBinding",
            "Service",
            "DaemonSet",
            "ReplicaSet",
            "Deployment",
            "HorizontalPodAutoscaler",
            "StatefulSet",
            "Job",
            "CronJob",
            "IngressClass",
            "Ingress",
        )
    )
}
# Never placed (resource_selector_resolver.go:649-710): the cluster's own kinds, and Fleet's except for its envelopes
# (pkg/utils/apiresources.go:215).
_KEPT_BACK: Final = ("Pod", "Node", "ServiceImport.networking.fleet.azure.com")
_KEPT_BACK_GROUPS: Final = ("cluster.kubernetes-fleet.io", "placement.kubernetes-fleet.io")
# Available as soon as they are applied (availability_tracker.go:287-321).
_DATA: Final = frozenset(
    key
    for key, wave in _WAVES.items()
    if wave in (0, 1, 2, 3) and key not in ("PodDisruptionBudget.policy", "PersistentVolumeClaim")
)
_REMOVED_METADATA: Final = (
    "resourceVersion",
    "generation",
    "uid",
    "deletionTimestamp",
    "managedFields",
    "ownerReferences",
    "creationTimestamp",
)
_REMOVED_ANNOTATIONS: Final = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
)


def wave(item: Object) -> int:
    """Return the wave in which an object is applied."""
    return _WAVES.get(key_of(item), _LAST_WAVE)


def select(hub: Cluster, placement: Object) -> list[Object]:
    """Return the manifests that a placement sends to members, in the placement's order.

    Raises:
        RefusedError: a namespace cannot be placed.
    """
    found: dict[str, Object] = {}
    selectors: list[Object] = placement["spec"]["resourceSelectors"]
    # Selectors of namespaced kinds are for this namespace.
    space = next((each.get("name", "") for each in selectors if each.get("selectionScope") == _SELECTORS), "")
    for selector in selectors:
        for item in _selected(hub, name_of(placement), selector, space):
            found[item["metadata"]["uid"]] = item
    items = sorted(found.values(), key=_place)
    return [_manifest(item) for item in items]


def _place(item: Object) -> tuple[int, str, str, str, str]:
    kind = item["kind"]
    return (_ORDER.get(kind, len(_ORDER)), item["apiVersion"], kind, namespace_of(item), name_of(item))


def _selected(hub: Cluster, placement: str, selector: Object, space: str) -> list[Object]:
    api_version = "/".join(part for part in (selector["group"], selector["version"]) if part)
    kind = find_kind(api_version, selector["kind"], hub.role)
    if kind is None:
        return []
    items = [
        item
        for item in hub.objects(kind.key)
        if (name_of(item) == selector["name"] if selector.get("name") else True)
        and matches(selector.get("labelSelector") or {}, labels_of(item))
        and not deleting(item)
    ]
    if kind.key != "Namespace":
        return [item for item in items if namespace_of(item) in ("", space) and (not space or _travels(hub, item))]
    for name in [selector["name"]] if selector.get("name") else [name_of(item) for item in items]:
        if name.startswith(("fleet-", "kube-")) or name == "default":
            # "Rresource" is upstream's spelling (resource_selector_resolver.go:438-441).
            raise RefusedError(
                f"invalid clusterRresourcePlacement {placement}: namespace {name} is not allowed to propagate"
            )
    if selector.get("selectionScope") in ("NamespaceOnly", _SELECTORS):
        return items
    names = {name_of(item) for item in items}
    return items + [item for item in hub.everything() if namespace_of(item) in names and _travels(hub, item)]


def _travels(hub: Cluster, item: Object) -> bool:
    key = key_of(item)
    own = (key, name_of(item)) in (("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default"))
    owned = key == "ReplicaSet.apps" and "ownerReferences" in item["metadata"]
    token = key == "Secret" and item.get("type") == "kubernetes.io/service-account-token"
    # EndpointSlices of a Service are created on each member.
    managed = key == "EndpointSlice.discovery.k8s.io" and "endpointslice.kubernetes.io/managed-by" in labels_of(item)
    derived = key == "Endpoints" and hub.find("Service", name_of(item), namespace_of(item)) is not None
    return (
        key not in _KEPT_BACK
        and (key == ENVELOPE or KINDS[key].group not in _KEPT_BACK_GROUPS)
        and not (own or owned or token or managed or derived or deleting(item))
    )


def _manifest(item: Object) -> Object:
    result = deepcopy({key: value for key, value in item.items() if key != "status"})
    metadata = {key: value for key, value in result["metadata"].items() if key not in _REMOVED_METADATA}
    annotations = {key: value for key, value in annotations_of(item).items() if key not in _REMOVED_ANNOTATIONS}
    result["metadata"] = metadata | {"annotations": annotations}
    if key_of(item) == "Service":
        # Each member assigns its own addresses and node ports (resource_selector_resolver.go:194-214).
        if result["spec"].get("clusterIP") != "None":
            for field in ("clusterIP", "clusterIPs", "healthCheckNodePort"):
                result["spec"].pop(field, None)
        for port in result["spec"].get("ports") or ():
            port.pop("nodePort", None)
    return seal(result)


def seal(manifest: Object) -> Object:
    """Return a manifest with its own hash, by which a member recognizes it."""
    metadata: Object = manifest["metadata"]
    annotations = {key: value for key, value in annotations_of(manifest).items() if key != HASH}
    result = {**manifest, "metadata": {**metadata, "annotations": annotations}}
    result["metadata"]["annotations"] = annotations | {HASH: digest(result, 64)}
    return result


def identity(item: Object) -> Object:
    """Return the reference to an object in placements."""
    group, version = split_api_version(item["apiVersion"])
    parts = {
        "group": group,
        "version": version,
        "kind": item["kind"],
        "name": name_of(item),
        "namespace": namespace_of(item),
    }
    return {key: value for key, value in parts.items() if value}


def availability(item: Object) -> Availability:
    """Return an object's availability on a member, if it can be determined."""
    status = status_of(item)
    key = key_of(item)
    if key in _DATA:
        return "available"
    match key:
        case "Deployment.apps":
            replicas = item["spec"]["replicas"]
            ready = (
                status.get("availableReplicas") == status.get("updatedReplicas") == replicas
                and status.get("unavailableReplicas") == 0
            )
        case "StatefulSet.apps":
            ready = (
                status.get("availableReplicas") == item["spec"]["replicas"]
                and status.get("currentReplicas") == status.get("updatedReplicas")
                and status.get("currentRevision") == status.get("updateRevision")
            )
        case "DaemonSet.apps":
            ready = status.get("numberAvailable") == status.get("desiredNumberScheduled") and status.get(
                "currentNumberScheduled"
            ) == status.get("updatedNumberScheduled")
        case "Service" if item["spec"]["type"] == "LoadBalancer":
            return "available" if child(status, "loadBalancer").get("ingress") else "not yet"
        case "Service" if item["spec"]["type"] != "ExternalName":
            return "available" if item["spec"].get("clusterIP") else "not yet"
        case _:
            return "not trackable"
    return "available" if ready and status.get("observedGeneration") == generation_of(item) else "not yet"
