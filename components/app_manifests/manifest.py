"""Manifests of an app, and functions that look into them. Values of a manifest may be Outputs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, NotRequired, TypeAlias, TypedDict, cast

import pulumi

Manifest: TypeAlias = dict[str, Any]
"""One object as kubectl would take it; values may be Outputs."""

Path: TypeAlias = tuple[str | int, ...]
"""The keys and indices that lead to a value in a manifest."""

SCALED: Final = ("Deployment", "StatefulSet")
"""Workloads with a number of replicas."""
WORKLOADS: Final = (*SCALED, "DaemonSet", "Job", "CronJob")
# Kinds that would also take effect on the hub: on its quotas and its other users (learn:
# kubernetes-fleet/concepts-resource-placement). A PodDisruptionBudget will be refused there (Azure/fleet v0.18.12,
# cmd/hubagent/options/webhooks.go, enable-pdbs).
FOR_MEMBERS_ONLY: Final = ("LimitRange", "PodDisruptionBudget", "ResourceQuota", "Role", "RoleBinding")
OVERRIDE: Final = "ResourceOverride"
"""Stays on the hub, and says how an object differs on some members."""
LARGEST_ENVELOPE: Final = 50  # objects (Azure/fleet v0.18.12, apis/placement/v1beta1, ResourceEnvelope)
MEMBER_NAME: Final = "fleet.azure.com/member-name"  # learn: kubernetes-fleet/concepts-member-cluster-labels


class ManifestsError(pulumi.RunError):
    """The message lists all mistakes in the manifests. Pulumi shows the message of a RunError without a traceback.

    Attributes:
        mistakes: the mistakes alone.
    """

    def __init__(self, heading: str, mistakes: Sequence[str] = ()) -> None:
        super().__init__("\n".join([heading, *(f"  {mistake}" for mistake in mistakes)]))
        self.mistakes = mistakes


class AppManifests(TypedDict):
    """An app's manifests, and the manifests of Fleet's objects for it."""

    namespace: str
    """The app's namespace, which is placed as a whole."""
    service: str
    """The Service that all clusters share."""
    app: Sequence[Manifest]
    """The app's own objects, in the order of files and documents."""
    export: Manifest
    """The ServiceExport, which offers the Service to the fleet."""
    placement: Manifest
    """The ClusterResourcePlacement, which places the namespace; empty if another stack places it."""
    entry_point: Manifest
    """The MultiClusterService, which balances over the Service of all clusters."""
    others: NotRequired[Sequence[str]]
    """Other Services that all clusters share."""
    secrets: NotRequired[Mapping[str, Mapping[str, int]]]
    """Secrets to generate: for each name, the keys and the lengths of their values. Values are letters and digits."""


class Problem(NamedTuple):
    """A finding about an object.

    Attributes:
        manifest: the object.
        path: the place in it.
        text: what is wrong, and what to do.
    """

    manifest: Manifest
    path: Path
    text: str


def part(value: Mapping[str, Any], key: str) -> Manifest:
    """Return a mapping inside another one; empty if there is none, or if it is an Output."""
    found = value.get(key)
    return cast("Manifest", found) if isinstance(found, dict) else {}


def parts(value: Mapping[str, Any], key: str) -> list[Manifest]:
    """Return the mappings of a list inside a mapping."""
    found = value.get(key)
    return [each for each in cast("list[Any]", found) if isinstance(each, dict)] if isinstance(found, list) else []


def named(app: Iterable[Manifest], kind: str, name: object) -> Manifest | None:
    """Return the object with a kind and a name."""
    return next((each for each in app if each["kind"] == kind and each["metadata"]["name"] == name), None)


def selects(selector: Mapping[str, Any], workload: Manifest) -> bool:
    """Return whether a Service's selector selects the pods of a workload."""
    spec = part(workload, "spec")
    spec = part(part(spec, "jobTemplate"), "spec") if workload["kind"] == "CronJob" else spec
    labels = part(part(part(spec, "template"), "metadata"), "labels")
    return selector.items() <= labels.items()


def selecting(members: Iterable[object]) -> Manifest:
    """Return the label selector of members, by their names."""
    return {"matchExpressions": [{"key": MEMBER_NAME, "operator": "In", "values": [*members]}]}


def overlay(manifest: Manifest, changes: Mapping[str, Any]) -> Manifest:
    """Return a manifest with changes applied: mappings are joined, everything else is replaced."""
    merged = dict(manifest)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = (
            overlay(cast("Manifest", below), cast("Manifest", value))
            if isinstance(below, dict) and isinstance(value, dict)
            else value
        )
    return merged
