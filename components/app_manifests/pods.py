"""The workload behind the shared Service, and its number of pods."""

from collections.abc import Sequence

from .manifest import SCALED, WORKLOADS, Manifest, named, part, parts, selects


def autoscaled(app: Sequence[Manifest]) -> dict[str, Manifest]:
    """Return the workloads that have a HorizontalPodAutoscaler, by the autoscaler's name."""
    autoscalers = [manifest for manifest in app if manifest["kind"] == "HorizontalPodAutoscaler"]
    targets = {autoscaler["metadata"]["name"]: scale_target(app, autoscaler) for autoscaler in autoscalers}
    return {name: target for name, target in targets.items() if target}


def scale_target(app: Sequence[Manifest], autoscaler: Manifest) -> Manifest | None:
    """Return the workload that a HorizontalPodAutoscaler scales."""
    reference = part(part(autoscaler, "spec"), "scaleTargetRef")
    kind = reference.get("kind")
    return named(app, kind, reference.get("name")) if kind in SCALED else None


def behind(app: Sequence[Manifest], service: str) -> list[Manifest]:
    """Return the workloads whose pods a Service selects."""
    shared = named(app, "Service", service)
    selector = part(part(shared, "spec"), "selector") if shared else {}
    return [each for each in app if each["kind"] in WORKLOADS and selector and selects(selector, each)]


def replicated(app: Sequence[Manifest], service: str) -> Manifest | str:
    """Return the only workload whose pods the shared Service selects, or why its replicas cannot be set."""
    found = behind(app, service)
    scaled = [each for each in found if each["kind"] in SCALED]
    names = " and ".join(f"{each['kind']} {each['metadata']['name']}" for each in found)
    if not found:
        return f"Service {service} selects the pods of no {' or '.join(SCALED)}"
    if found != scaled:
        return f"Service {service} selects the pods of {names}, and only a {' or '.join(SCALED)} has replicas"
    if len(found) > 1:
        return f"Service {service} selects the pods of {names}; set replicas in their manifests instead"
    for autoscaler, target in autoscaled(app).items():
        if target is scaled[0]:
            return f"HorizontalPodAutoscaler {autoscaler} scales {names}; set its minReplicas and maxReplicas instead"
    return scaled[0]


def offers_endpoints(app: Sequence[Manifest], service: Manifest) -> bool:
    """Return whether a Service has endpoints, according to the app's manifests."""
    selector = part(part(service, "spec"), "selector")
    if selector:
        return any(
            each["kind"] in WORKLOADS and selects(selector, each) and part(each, "spec").get("replicas") != 0
            for each in app
        )
    name = service["metadata"]["name"]
    return any(
        each["kind"] == "EndpointSlice"
        and part(each["metadata"], "labels").get("kubernetes.io/service-name") == name
        and parts(each, "endpoints")
        for each in app
    )
