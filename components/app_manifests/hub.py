"""An app's objects as they are put on the hub."""

from collections.abc import Collection, Sequence
from typing import Final

from . import checks
from .manifest import FOR_MEMBERS_ONLY, AppManifests, Manifest, ManifestsError, named, overlay, part, parts
from .pods import autoscaled, replicated

_ENVELOPE: Final = "members-only"
# Fields of a Service that say how one cluster makes it reachable. Entry Services are reached by the fleet alone.
_OF_ONE_CLUSTER: Final = (
    *("allocateLoadBalancerNodePorts", "clusterIP", "clusterIPs", "externalIPs", "externalTrafficPolicy"),
    *("healthCheckNodePort", "loadBalancerClass", "loadBalancerIP", "loadBalancerSourceRanges", "type"),
)


def hub_objects(
    manifests: AppManifests, entries: Collection[str], *, replicas: int | None, internal: bool, global_address: bool
) -> tuple[Manifest, list[Manifest]]:
    """Return the shared Service, and the app's objects as they are put on the hub.

    The checks are for manifests that the caller made. `load` has reported the same mistakes with file and line.

    Args:
        manifests: the app.
        entries: the names of the entry Services.
        replicas: the replicas of the one workload behind the Service; None for the manifest's.
        internal: whether the entry points' addresses are in their VNets.
        global_address: whether a global address leads to the entry points.

    Raises:
        ManifestsError: the app has mistakes.
    """
    app, name = manifests["app"], manifests["service"]
    if (service := named(app, "Service", name)) is None:
        raise ManifestsError(f"The app has no Service {name!r} to export; nothing was deployed.")
    if mistakes := [
        f"  {manifest['kind']} {manifest['metadata']['name']}: {text}"
        for manifest, _, text in checks.problems(
            app, name, entries=entries, internal=internal, global_address=global_address
        )
    ]:
        raise ManifestsError("\n".join(["The app has mistakes; nothing was deployed:", *mistakes]))
    changed: dict[int, Manifest] = {}
    if replicas is not None:
        if isinstance(workload := replicated(app, name), str):
            raise ManifestsError(f"replicas cannot be set: {workload}; nothing was deployed.")
        changed[id(workload)] = overlay(workload, {"spec": {"replicas": replicas}})
    for workload in autoscaled(app).values():
        # Not on the hub either: its own autoscaler may change the number, which the provider would then report.
        spec = {key: value for key, value in workload["spec"].items() if key != "replicas"}
        changed[id(workload)] = workload | {"spec": spec}
    placement = manifests["placement"]["metadata"]["name"]
    overrides = [override(autoscaler, workload, placement) for autoscaler, workload in autoscaled(app).items()]
    objects = enveloped([changed.get(id(manifest), manifest) for manifest in app], manifests["namespace"])
    offers = [manifest for entry in entries for manifest in offered(manifests, service, entry)]
    return service, [*objects, *overrides, *offers]


def override(autoscaler: str, workload: Manifest, placement: object) -> Manifest:
    """Return the ResourceOverride that lets an autoscaler set a workload's replicas on the members.

    The hub's API server sets `replicas: 1` if the field is missing, and Fleet writes every field that the hub has
    (Azure/fleet v0.18.12, pkg/controllers/workapplier/apply.go). The override removes the field before a member gets
    the object. It names the placement, so that it takes effect at once and not with the app's next change
    (apis/placement/v1/override_types.go).
    """
    group, _, version = str(workload["apiVersion"]).rpartition("/")
    selector = {"group": group, "version": version, "kind": workload["kind"], "name": workload["metadata"]["name"]}
    rule: Manifest = {
        "clusterSelector": {"clusterSelectorTerms": []},  # all clusters
        "overrideType": "JSONPatch",
        "jsonPatchOverrides": [{"op": "remove", "path": "/spec/replicas"}],
    }
    return {
        "apiVersion": "placement.kubernetes-fleet.io/v1",
        "kind": "ResourceOverride",
        "metadata": {"name": autoscaler},
        "spec": {
            "placement": {"name": placement},
            "resourceSelectors": [selector],
            "policy": {"overrideRules": [rule]},
        },
    }


def enveloped(app: Sequence[Manifest], namespace: object) -> list[Manifest]:
    """Return an app's objects. Kinds that would take effect on the hub too are in one ResourceEnvelope.

    The hub stores an envelope's objects as data, and Fleet creates them on the members.
    """
    data = {
        f"{each['kind'].lower()}-{each['metadata']['name']}": {
            **each,
            "metadata": {**each["metadata"], "namespace": namespace},
        }
        for each in app
        if each["kind"] in FOR_MEMBERS_ONLY
    }
    envelope: Manifest = {
        "apiVersion": "placement.kubernetes-fleet.io/v1beta1",
        "kind": "ResourceEnvelope",
        "metadata": {"name": _ENVELOPE},
        "data": data,
    }
    return [*(each for each in app if each["kind"] not in FOR_MEMBERS_ONLY), *([envelope] if data else [])]


def offered(manifests: AppManifests, service: Manifest, name: str) -> list[Manifest]:
    """Return what offers the app's pods to the fleet as the Service `name`: its ServiceExport, and the Service itself.

    Fleet lets one cluster in the whole fleet import a Service. Each further entry point has a Service of its own, with
    the selector and the ports of the shared one.
    """
    if name == manifests["service"]:
        return [manifests["export"]]
    spec = {key: value for key, value in service["spec"].items() if key not in _OF_ONE_CLUSTER}
    spec["ports"] = [{key: value for key, value in port.items() if key != "nodePort"} for port in parts(spec, "ports")]
    metadata = {"name": name, **({"labels": labels} if (labels := part(service["metadata"], "labels")) else {})}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec},
        overlay(manifests["export"], {"metadata": {"name": name}}),
    ]


def importing(manifests: AppManifests, name: str) -> Manifest:
    """Return the MultiClusterService that imports the Service `name`."""
    if name == manifests["service"]:
        return manifests["entry_point"]
    return overlay(manifests["entry_point"], {"metadata": {"name": name}, "spec": {"serviceImport": {"name": name}}})
