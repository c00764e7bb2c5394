"""Kinds that an app can have, and why it cannot have others."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

# The namespaced kinds of the Kubernetes API reference, v1.36. Other kinds need a CustomResourceDefinition, which is
# cluster-scoped: the placement of a namespace does not place it. Nor does it place the Endpoints of a Service, which
# EndpointSlices replace.
KINDS: Final = {
    "v1": (
        *("ConfigMap", "LimitRange", "PersistentVolumeClaim", "ResourceQuota", "Secret", "Service"),
        "ServiceAccount",
    ),
    "apps/v1": ("DaemonSet", "Deployment", "StatefulSet"),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "batch/v1": ("CronJob", "Job"),
    "discovery.k8s.io/v1": ("EndpointSlice",),
    "networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
    "placement.kubernetes-fleet.io/v1": ("ResourceOverride",),  # Fleet's own; it stays on the hub
    "policy/v1": ("PodDisruptionBudget",),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding"),
}
"""The kinds that an app can have, by apiVersion."""

_VERSIONS: Final = {kind: version for version, kinds in KINDS.items() for kind in kinds}
_CLUSTER_SCOPED: Final = (
    *("APIService", "CSIDriver", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass"),
    *("MutatingAdmissionPolicy", "MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume"),
    *("PriorityClass", "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy", "ValidatingWebhookConfiguration"),
)
_DENIED: Final = ("Pod", "ReplicaSet")  # Azure/fleet v0.18.12, pkg/webhook/pod and pkg/webhook/replicaset
# Kubernetes' own groups that have a dot (API reference, v1.36); any other group with a dot has custom resources.
_GROUPS: Final = re.compile(
    r"(admissionregistration|apiextensions|apiregistration|authentication|authorization|certificates|coordination"
    r"|discovery|events|(flowcontrol|internal)\.apiserver|networking|node|rbac\.authorization|resource|scheduling"
    r"|storage|storagemigration)\.k8s\.io"
)
_FLEET_GROUPS: Final = ("networking.fleet.azure.com", "placement.kubernetes-fleet.io", "cluster.kubernetes-fleet.io")


def refusal(version: str, kind: str) -> str:
    """Return the reason why an app cannot have a kind; empty if it can."""
    return "" if kind in KINDS.get(version, ()) else next(_reasons(version, kind))


def _reasons(version: str, kind: str) -> Iterator[str]:
    group = version.rpartition("/")[0]
    if kind == "ClusterResourceOverride":
        yield f"{kind} is cluster-scoped, and a namespace is all that the app has; use a ResourceOverride"
    if group in _FLEET_GROUPS and kind not in _VERSIONS:
        yield f"{kind} is one of Fleet's objects, which belong in manifests/fleet/"
    if "." in group and group not in _FLEET_GROUPS and not _GROUPS.fullmatch(group):
        placed = "which cannot be placed: its CustomResourceDefinition is cluster-scoped"
        yield f"{kind} of {group} is a custom resource, {placed}"
    if kind in _CLUSTER_SCOPED:
        yield f"{kind} is cluster-scoped, and only the app's namespace is placed: it would stay on the hub"
    if kind in _DENIED:
        yield f"the hub denies a {kind}, because it runs no pods; use a Deployment"
    if kind == "Endpoints":
        yield "Fleet does not place Endpoints; use an EndpointSlice of discovery.k8s.io/v1"
    if version == "autoscaling/v1" and kind == "HorizontalPodAutoscaler":
        # Fields differ (kubernetes.io: tasks/run-application/horizontal-pod-autoscale, "API object").
        yield "use apiVersion: autoscaling/v2, with spec.metrics in place of targetCPUUtilizationPercentage"
    if kind in _VERSIONS:
        yield f"{version} has no {kind}; use apiVersion: {_VERSIONS[kind]}"
    nearest = get_close_matches(kind, _VERSIONS, n=1)
    remedy = f"did you mean {nearest[0]}?" if nearest else f"the kinds are {', '.join(sorted(_VERSIONS))}"
    yield f"{kind} of {version} is not a kind that an app can have; {remedy}"
