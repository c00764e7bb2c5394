"""What happens to a fleet, told once for every kind of fleet.

Each scenario yields the name of a step, or a refusal, where everything that follows by itself is to happen first.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol, TypeAlias

from rehearsal.azure.arm import ClusterBackend
from rehearsal.cluster.interface import ApiServer
from rehearsal.cluster.objects import Object
from rehearsal.core.errors import ApiError, RefusedError
from rehearsal.tests.objects import USER, in_locations, new_object

_PLACEMENT = "placement.kubernetes-fleet.io/v1"
_BOTH = in_locations("eastus2", "westus2")
_NETWORKING = "networking.fleet.azure.com"


class Fleet(Protocol):
    """A hub with the members east and west."""

    @property
    def clusters(self) -> ClusterBackend:
        """The clusters."""
        ...

    @property
    def ids(self) -> dict[str, str]:
        """The clusters' ids."""
        ...

    def __getitem__(self, name: str) -> ApiServer:
        """Return the API server of `hub`, `east` or `west`."""
        ...


def deployment(space: str, replicas: int = 2) -> Object:
    labels = {"app": "front"}
    container = {"name": "web", "image": "shop:1", "ports": [{"containerPort": 8080}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return new_object("apps/v1", "Deployment", "front", space, spec=spec)


def service(space: str, **spec: Any) -> Object:  # noqa: ANN401 - JSON
    ports = [{"port": 80, "targetPort": 8080}]
    return new_object("v1", "Service", "front", space, spec={"selector": {"app": "front"}, "ports": ports, **spec})


def export(space: str) -> Object:
    return new_object(f"{_NETWORKING}/v1beta1", "ServiceExport", "front", space)


def entry_point(space: str, name: str = "front") -> Object:
    spec = {"serviceImport": {"name": "front"}}
    return new_object(f"{_NETWORKING}/v1alpha1", "MultiClusterService", name, space, spec=spec)


def placement(space: str, policy: Object) -> Object:
    selector = {"group": "", "version": "v1", "kind": "Namespace", "name": space}
    spec: Object = {"resourceSelectors": [selector], "policy": policy}
    return new_object("placement.kubernetes-fleet.io/v1", "ClusterResourcePlacement", space, spec=spec)


def put(server: ApiServer, *items: Object) -> None:
    for item in items:
        server.create(item, user=USER)


def remove(server: ApiServer, item: Object) -> None:
    metadata = item["metadata"]
    server.delete(item["apiVersion"], item["kind"], metadata["name"], metadata.get("namespace", ""), user=USER)


def namespace(space: str) -> Object:
    return new_object("v1", "Namespace", space)


def app(space: str) -> list[Object]:
    return [namespace(space), deployment(space), service(space), export(space)]


def refused(server: ApiServer, item: Object, *, change: bool = False) -> str:
    try:
        (server.apply if change else server.create)(item, user=USER)
    except ApiError as error:
        return f"{error.reason}: {error}"
    return "admitted"


def article(fleet: Fleet, space: str) -> Iterator[str]:
    """The article from its first placement, which matches no label, to the end."""
    hub, east, west = fleet["hub"], fleet["east"], fleet["west"]
    put(hub, *app(space))
    yield "the app is on the hub"
    put(hub, placement(space, in_locations("east", "west")))
    yield "placed where no member is"
    hub.apply(placement(space, _BOTH), user=USER)
    yield "placed on both"
    put(east, entry_point(space))
    yield "entry point in east"
    put(west, entry_point(space))
    yield "a second one in west"
    remove(east, entry_point(space))
    yield "handed over to west"
    remove(hub, placement(space, _BOTH))
    yield "the placement deleted"
    remove(hub, namespace(space))
    yield "the namespace deleted"


def on_the_hub(fleet: Fleet, space: str) -> Iterator[str]:
    """What has no effect on the hub, and what a placement makes of it."""
    hub = fleet["hub"]
    put(hub, namespace(space))
    pod = new_object("v1", "Pod", "front", space, spec={"containers": [{"name": "web", "image": "shop:1"}]})
    yield refused(hub, pod)
    put(hub, deployment(space), service(space, type="LoadBalancer"), export(space), entry_point(space))
    yield "all on the hub"
    # On one member, because it is chance which of two would import first.
    put(hub, placement(space, in_locations("eastus2")))
    yield "and placed in east"
    remove(hub, placement(space, _BOTH))
    yield "placement deleted"
    remove(hub, namespace(space))
    yield "gone"


def conflict(fleet: Fleet, space: str) -> Iterator[str]:
    """Two members export a service with different ports; one of them gives in."""
    east, west, hub = fleet["east"], fleet["west"], fleet["hub"]
    put(hub, namespace(space))
    put(east, *app(space))
    yield "exported in east"
    put(west, namespace(space), service(space, ports=[{"port": 81, "targetPort": 8080}]), export(space))
    yield "with other ports in west"
    remove(west, service(space))
    yield "without the service in west"
    put(west, service(space))
    yield "with the same ports in west"
    for server in (east, west, hub):
        remove(server, namespace(space))
    yield "gone"


def late_service(fleet: Fleet, space: str) -> Iterator[str]:
    """A service that is exported and imported before it exists, and after it is gone."""
    hub, east = fleet["hub"], fleet["east"]
    put(hub, namespace(space))
    put(east, namespace(space), export(space), entry_point(space))
    yield "exported and imported before there is a service"
    put(east, service(space))
    yield "the service appears"
    remove(east, service(space))
    yield "and goes"
    remove(east, namespace(space))
    remove(hub, namespace(space))
    yield "gone"


def missing_namespace(fleet: Fleet, space: str) -> Iterator[str]:
    """A placement of a namespace that comes later, gets something in it, and goes again."""
    hub = fleet["hub"]
    put(hub, placement(space, _BOTH))
    yield "a namespace that is not there"
    put(hub, namespace(space))
    yield "there it is"
    put(hub, deployment(space))
    yield "with something in it"
    remove(hub, namespace(space))
    yield "the namespace is deleted"
    remove(hub, placement(space, _BOTH))
    yield "gone"


def two_on_one(fleet: Fleet, space: str) -> Iterator[str]:
    """Two entry points for one service on one member, until it is no longer exported."""
    hub, east = fleet["hub"], fleet["east"]
    put(hub, namespace(space))
    put(east, *app(space), entry_point(space))
    yield "exported and imported"
    put(east, entry_point(space, "other"))
    yield "another entry point for the same service"
    remove(east, export(space))
    yield "no longer exported"
    remove(east, namespace(space))
    remove(hub, namespace(space))
    yield "gone"


def guarded(fleet: Fleet, space: str) -> Iterator[str]:
    """What a user with every right may not write on the hub, in the words that say so."""
    hub = fleet["hub"]
    member, name = "fleet-member-east", f"{space}-front"
    for reserved in ("fleet-system", "kube-system", member):
        yield refused(hub, new_object("v1", "ConfigMap", name, reserved, data={}))
    yield refused(hub, new_object("v1", "ServiceAccount", name, member))
    yield refused(hub, namespace(f"kube-{space}"))
    spec: Object = {"serviceImportReference": {"clusterId": "east", "kind": "ServiceImport", "name": "front"}}
    spec["serviceImportReference"] |= {"namespace": space, "resourceVersion": "1", "generation": 1, "uid": "1"}
    spec["serviceImportReference"]["namespacedName"] = f"{space}/front"
    yield refused(hub, new_object(f"{_NETWORKING}/v1alpha1", "InternalServiceImport", name, member, spec=spec))
    joined = hub.get("cluster.kubernetes-fleet.io/v1", "MemberCluster", "east")
    marks = joined["metadata"]["annotations"]
    yield refused(hub, _member(joined, name=f"{space}-north"))
    yield refused(hub, _member(joined, heartbeatPeriodSeconds=30), change=True)
    yield refused(hub, _member(joined, annotations=dict.fromkeys(marks, "another")), change=True)
    yield refused(hub, _member(joined, annotations={"note": space}), change=True)
    yield refused(hub, _member(joined, annotations={**marks, "note": space}), change=True)


def _member(joined: Object, *, name: str = "east", annotations: Object | None = None, **spec: int) -> Object:
    metadata = joined["metadata"]
    item = new_object("cluster.kubernetes-fleet.io/v1", "MemberCluster", name, spec={**joined["spec"], **spec})
    item["metadata"] |= {"labels": metadata["labels"], "annotations": annotations or metadata["annotations"]}
    return item


def autoscaled(fleet: Fleet, space: str) -> Iterator[str]:
    """An override leaves the number of pods to an autoscaler, through a change, until both are gone."""
    hub = fleet["hub"]
    override, autoscaler = _autoscaling(space)
    put(hub, namespace(space), deployment(space), override, autoscaler)
    yield "the app is on the hub"
    # An autoscaler cannot be tracked, so that each cluster would count as unavailable for a minute after a change.
    placed = placement(space, _BOTH)
    placed["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"unavailablePeriodSeconds": 1}}
    put(hub, placed)
    yield "placed, and scaled on each member"
    newer = deployment(space)
    newer["spec"]["revisionHistoryLimit"] = 5
    hub.apply(newer, user=USER)
    yield "changed in another field"
    remove(hub, autoscaler)
    yield "without the autoscaler"
    remove(hub, override)
    yield "without the override"
    remove(hub, placed)
    remove(hub, namespace(space))
    yield "gone"


def staged(fleet: Fleet, space: str) -> Iterator[str]:
    """A placement whose versions are brought by update runs, first to west, then to east."""
    hub, external = fleet["hub"], {"type": "External"}

    def placed(policy: Object, **strategy: object) -> Object:
        item = placement(space, policy)
        return item | {"spec": item["spec"] | {"strategy": {**external, **strategy}}}

    def stages(*locations: str) -> Object:
        each = [
            {"name": f"stage{number}", "labelSelector": {"matchLabels": {"fleet.azure.com/location": location}}}
            for number, location in enumerate(locations, 1)
        ]
        return new_object(_PLACEMENT, "ClusterStagedUpdateStrategy", space, spec={"stages": each})

    def run(name: str, **spec: str) -> Object:
        spec = {"placementName": space, "stagedRolloutStrategyName": space, "state": "Run", **spec}
        return new_object(_PLACEMENT, "ClusterStagedUpdateRun", f"{space}-{name}", spec=spec)

    put(hub, *app(space), stages("westus2", "eastus2"))
    yield refused(hub, placed(_BOTH, rollingUpdate={"maxSurge": 1}))
    put(hub, placed(_BOTH))
    yield "placed without a run"
    put(hub, run("one"))
    yield "the first version everywhere"
    yield refused(hub, placed(_BOTH, type="RollingUpdate"), change=True)
    yield refused(hub, run("one", placementName="other"), change=True)
    hub.apply(deployment(space, 1), user=USER)
    yield "a change without a run"
    put(hub, run("two"))
    yield "a change with a run"
    remove(hub, placed(_BOTH))
    yield "the placement deleted"
    remove(hub, namespace(space))
    yield "the namespace deleted"


def _autoscaling(space: str) -> tuple[Object, Object]:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "front"}
    limits = {"scaleTargetRef": reference, "minReplicas": 3, "maxReplicas": 4}
    selector = {"group": "apps", "version": "v1", "kind": "Deployment", "name": "front"}
    rule: Object = {
        "clusterSelector": {"clusterSelectorTerms": []},
        "jsonPatchOverrides": [{"op": "remove", "path": "/spec/replicas"}],
    }
    specification: Object = {
        "placement": {"name": space},
        "resourceSelectors": [selector],
        "policy": {"overrideRules": [rule]},
    }
    return (
        new_object("placement.kubernetes-fleet.io/v1", "ResourceOverride", "load", space, spec=specification),
        new_object("autoscaling/v2", "HorizontalPodAutoscaler", "load", space, spec=limits),
    )


def membership(fleet: Fleet, space: str) -> Iterator[str]:
    """A member may not leave while it exports; then it leaves, and joins again."""
    hub, west = fleet["hub"], fleet["west"]
    yield "joined"
    put(hub, namespace(space), deployment(space), service(space), placement(space, _BOTH))
    yield "placed"
    put(west, export(space))
    yield "exported by one that wants to leave"
    try:
        fleet.clusters.leave(fleet.ids["hub"], "west")
    except RefusedError as error:
        yield str(error)
    remove(west, export(space))
    yield "no longer exported"
    fleet.clusters.leave(fleet.ids["hub"], "west")
    yield "left"
    fleet.clusters.join(fleet.ids["hub"], "west", fleet.ids["west"], {})
    yield "joined again"
    put(west, export(space))
    yield "exported again"
    remove(hub, placement(space, _BOTH))
    remove(hub, namespace(space))
    yield "gone"


Scenario: TypeAlias = Callable[[Fleet, str], Iterator[str]]
"""Told with a fleet and the name of a namespace of its own; yields the name of each step."""

SCENARIOS: Final[tuple[Scenario, ...]] = (
    article,
    on_the_hub,
    conflict,
    late_service,
    missing_namespace,
    two_on_one,
    guarded,
    autoscaled,
    staged,
    membership,
)
