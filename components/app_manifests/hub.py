"""An app's objects as they are put on the hub."""

from collections.abc import Mapping, Sequence
from typing import Final

from . import checks, overrides
from .manifest import FOR_MEMBERS_ONLY, OVERRIDE, AppManifests, Manifest, ManifestsError, named, overlay, part, parts
from .pods import autoscaled, replicated

_ENVELOPE: Final = "members-only"
# Fields of a Service that say how one cluster makes it reachable. Entry Services are reached by the fleet alone.
_OF_ONE_CLUSTER: Final = (
    *("allocateLoadBalancerNodePorts", "clusterIP", "clusterIPs", "externalIPs", "externalTrafficPolicy"),
    *("healthCheckNodePort", "loadBalancerClass", "loadBalancerIP", "loadBalancerSourceRanges", "type"),
)


def hub_objects(  # noqa: PLR0913 - what decides how an app is placed
    manifests: AppManifests,
    entries: Mapping[str, str],
    *,
    replicas: int | None,
    member_replicas: Mapping[str, int],
    internal: bool,
    global_address: bool,
) -> tuple[dict[str, Manifest], list[Manifest]]:
    """Return the shared Services by name, and the app's objects as they are put on the hub.

    The checks are for manifests that the caller made. `load` has reported the same mistakes with file and line.

    Args:
        manifests: the app.
        entries: the shared Service of each entry Service, by the latter's name.
        replicas: the replicas of the one workload behind each shared Service; None for the manifest's.
        member_replicas: the same on single members, by their names.
        internal: whether the entry points' addresses are in their VNets.
        global_address: whether a global address leads to the entry points.

    Raises:
        ManifestsError: the app has mistakes.
    """
    app, name = manifests["app"], manifests["service"]
    shared = {
        each: [entry for entry, of in entries.items() if of == each] for each in (name, *manifests.get("others", ()))
    }
    services = {each: found for each in shared if (found := named(app, "Service", each))}
    if missing := [*(shared.keys() - services)]:
        raise ManifestsError(f"The app has no Service {missing[0]!r} to export; nothing was deployed.")
    if mistakes := [
        f"{manifest['kind']} {manifest['metadata']['name']}: {text}"
        for manifest, _, text in checks.problems(
            app, shared, member_replicas=member_replicas, internal=internal, global_address=global_address
        )
    ]:
        raise ManifestsError("The app has mistakes; nothing was deployed:", mistakes)
    changed: dict[int, Manifest] = {}
    # A team's namespace is placed by a placement of the same name (team_namespace.py).
    placement = part(manifests["placement"], "metadata").get("name", manifests["namespace"])
    if replicas is not None or member_replicas:
        for each in shared:
            if isinstance(workload := replicated(app, each), str):
                raise ManifestsError(f"replicas cannot be set: {workload}; nothing was deployed.")
            if replicas is not None:
                changed[id(workload)] = overlay(workload, {"spec": {"replicas": replicas}})
    for workload in autoscaled(app).values():
        # Not on the hub either: its own autoscaler may change the number, which the provider would then report.
        spec = {key: value for key, value in workload["spec"].items() if key != "replicas"}
        changed[id(workload)] = workload | {"spec": spec}
    changed |= {id(each): overrides.of_placement(each, placement) for each in app if each["kind"] == OVERRIDE}
    objects = enveloped([changed.get(id(manifest), manifest) for manifest in app], manifests["namespace"])
    offers = [manifest for entry, of in entries.items() for manifest in offered(manifests, services[of], entry)]
    return services, [*objects, *overrides.own(app, shared, placement, member_replicas), *offers]


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
    export = manifests["export"]
    if name != manifests["service"]:
        export = overlay(export, {"metadata": {"name": name}})
    if name == service["metadata"]["name"]:
        return [export]
    spec = {key: value for key, value in service["spec"].items() if key not in _OF_ONE_CLUSTER}
    spec["ports"] = [{key: value for key, value in port.items() if key != "nodePort"} for port in parts(spec, "ports")]
    metadata = {"name": name, **({"labels": labels} if (labels := part(service["metadata"], "labels")) else {})}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec},
        export,
    ]


def importing(manifests: AppManifests, name: str) -> Manifest:
    """Return the MultiClusterService that imports the Service `name`."""
    if name == manifests["service"]:
        return manifests["entry_point"]
    return overlay(manifests["entry_point"], {"metadata": {"name": name}, "spec": {"serviceImport": {"name": name}}})
