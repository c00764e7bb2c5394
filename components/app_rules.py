"""What an app's objects must be so that a fleet can run them, and what Fleet does not carry to the entry point.

Values of a manifest may be Outputs; a rule that cannot see a value has nothing to say about it.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, NotRequired, TypeAlias, TypedDict, cast

Manifest: TypeAlias = dict[str, Any]
"""One object as kubectl would take it; values may be Outputs."""

Path: TypeAlias = tuple[str | int, ...]

_SCALED: Final = ("Deployment", "StatefulSet")
_WORKLOADS: Final = (*_SCALED, "DaemonSet", "Job", "CronJob")
_MEBIBYTE: Final = 1024 * 1024  # of data in one object (Kubernetes v1.34, core/types.go, MaxSecretSize)
_ANNOTATIONS: Final = 256 * 1024  # bytes (apimachinery v0.34, api/validation/objectmeta.go, TotalAnnotationSizeLimitB)
_LONGEST_LABEL: Final = 63
_OS: Final = ("kubernetes.io/os", "beta.kubernetes.io/os")
# Kinds of rbac.authorization.k8s.io may have colons and upper case in their names (registry/rbac/validation).
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME: Final = 253

# Of a Service, only the ports travel (Azure/fleet-networking v0.3.25, pkg/controllers/member/serviceexport and
# member/multiclusterservice): the entry point's own Service is made of those.
_LOST: Final = {
    "sessionAffinity": "a client's connections go to pods of every region",
    "externalTrafficPolicy": "pods see the address of a node, not the client's",
    "loadBalancerIP": "the entry point has another address",
    "loadBalancerClass": "the entry point is of Azure's load balancer",
    "externalIPs": "the entry point has one address",
    "trafficDistribution": "the entry point prefers no region",
    "publishNotReadyAddresses": "only pods that are ready are exported",
}
# What an object does on the hub as well, where it is in the app's namespace like everywhere else (learn:
# kubernetes-fleet/concepts-resource-placement; of PodDisruptionBudgets, Azure/fleet v0.18.9, cmd/hubagent/options).
_ALSO_ON_THE_HUB: Final = {
    "LimitRange": "it also limits the claims for volumes there",
    "PodDisruptionBudget": "nothing runs there, and a later version of the hub is to refuse it",
    "ResourceQuota": "it also counts the app's objects there, and may refuse some of them",
    "Role": "with a RoleBinding it gives rights there, too",
    "RoleBinding": "it gives rights there, too",
}
_DEFAULTS: Final[tuple[object, ...]] = ("", "None", "Cluster", False, None, [])
_AZURE: Final = "service.beta.kubernetes.io/azure-"
# Who may come in: losing these would open to everybody what was open to some.
_FENCES: Final = tuple(
    f"{_AZURE}{name}"
    for name in ("allowed-ip-ranges", "allowed-service-tags", "deny-all-except-load-balancer-source-ranges")
)

# Ports whose protocol is plain from their number (IANA: http, http-alt, https).
_NUMBERS: Final[dict[int, Literal["http", "https"]]] = {80: "http", 8080: "http", 443: "https"}
# `<protocol>` or `<protocol>-<suffix>`, in a port's name or as its appProtocol (istio.io: protocol-selection).
_OTHER_PROTOCOLS: Final = ("http2", "h2c", "grpc", "tcp", "tls", "udp", "mongo", "mysql", "redis", "mqtt", "amqp")


class ServicePort(TypedDict):
    """A port of the shared Service."""

    name: NotRequired[str]
    """Its name, where it has one."""
    port: int
    """Its number, at the entry point's address."""
    protocol: str
    """TCP, UDP or SCTP."""


class Problem(NamedTuple):
    """What is wrong with an object, or what becomes of a part of it.

    Attributes:
        manifest: the object.
        path: where in it.
        text: what is wrong.
    """

    manifest: Manifest
    path: Path
    text: str


def named(app: Sequence[Manifest], kind: str, name: object) -> Manifest | None:
    """Return the object of a kind and a name."""
    return next((each for each in app if each["kind"] == kind and each["metadata"]["name"] == name), None)


def problems(app: Sequence[Manifest], service: str, *, linux_only: bool = False) -> Iterator[Problem]:
    """Say what a fleet could not run, or would run otherwise than it says.

    Args:
        app: the app's objects.
        service: the name of the Service that all clusters share.
        linux_only: whether a cluster has Linux nodes only.
    """
    if shared := named(app, "Service", service):
        yield from _unshareable(shared)
    for manifest in app:
        yield from _limits(manifest)
        if linux_only and manifest["kind"] in _WORKLOADS:
            yield from _for_windows(manifest)
    yield from _autoscaling(app)


def remarks(app: Sequence[Manifest], service: str) -> Iterator[Problem]:
    """Say what of a Service Fleet does not carry to the entry point, what is open besides it, what acts on the hub."""
    for manifest in app:
        yield from _on_the_hub(manifest)
        if manifest["kind"] != "Service":
            continue
        spec = _part(manifest, "spec")
        if (kind := spec.get("type")) in ("LoadBalancer", "NodePort"):
            opened = "an address" if kind == "LoadBalancer" else "a port on every node"
            text = f"type {kind} gives this Service {opened} in each region, beside the entry point's address"
            remedy = "; write type: ClusterIP if it needs none" if manifest["metadata"]["name"] == service else ""
            yield Problem(manifest, ("spec", "type"), f"{text}{remedy}")
    if (shared := named(app, "Service", service)) is None:
        return
    for field, what in _LOST.items():
        value = _part(shared, "spec").get(field)
        if value not in _DEFAULTS:
            yield Problem(shared, ("spec", field), f"Fleet does not carry {field} to the entry point: {what}")
    for annotation in _part(_part(shared, "metadata"), "annotations"):
        if annotation == f"{_AZURE}load-balancer-internal":
            what = "the entry point's address is public, unless app.internal is true"
        elif annotation.startswith(_AZURE) and annotation not in _FENCES:
            what = "the entry point's load balancer does not have it"
        else:
            continue
        text = f"Fleet does not carry {annotation} to the entry point: {what}"
        yield Problem(shared, ("metadata", "annotations", annotation), text)


def _on_the_hub(manifest: Manifest) -> Iterator[Problem]:
    if what := _ALSO_ON_THE_HUB.get(manifest["kind"]):
        yield Problem(manifest, ("kind",), f"{manifest['kind']} is on the hub as well: {what}")


def _unshareable(service: Manifest) -> Iterator[Problem]:
    spec, name = _part(service, "spec"), service["metadata"]["name"]
    # Azure/fleet-networking v0.3.25, pkg/controllers/member/serviceexport/util.go, isServiceEligibleForExport.
    if spec.get("type") == "ExternalName":
        yield Problem(service, ("spec", "type"), f"Service {name} is an ExternalName, which Fleet does not export")
    if spec.get("clusterIP") == "None":
        remedy = "share another Service of the same pods, with a clusterIP, and keep this one beside it"
        text = f"Service {name} is headless (clusterIP: None), and Fleet does not export such; {remedy}"
        yield Problem(service, ("spec", "clusterIP"), text)
    # Azure/fleet-networking v0.3.25, pkg/controllers/member/endpointslice/util.go.
    if spec.get("ipFamilies") == ["IPv6"]:
        yield Problem(service, ("spec", "ipFamilies"), f"Service {name} is IPv6 only, and Fleet exports IPv4 endpoints")
    if spec.get("type") != "ExternalName" and not spec.get("ports"):
        yield Problem(service, ("spec",), f"Service {name} has no ports to share")
    fences = [("spec", "loadBalancerSourceRanges")] if spec.get("loadBalancerSourceRanges") else []
    annotations = _part(_part(service, "metadata"), "annotations")
    for path in (*fences, *(("metadata", "annotations", fence) for fence in _FENCES if fence in annotations)):
        text = f"Fleet does not carry {path[-1]} to the entry point, which would let everybody in"
        remedy = "remove it, and keep others out with app.internal or a network security group on the nodes' subnet"
        yield Problem(service, path, f"{text}; {remedy}")


def _limits(manifest: Manifest) -> Iterator[Problem]:
    kind, metadata = manifest["kind"], _part(manifest, "metadata")
    name = metadata["name"]
    if isinstance(name, str) and kind not in ("Role", "RoleBinding"):
        if len(name) > _LONGEST_NAME:
            yield Problem(manifest, ("metadata", "name"), f"metadata.name has more than {_LONGEST_NAME} characters")
        elif not _NAME.fullmatch(name):
            text = f"metadata.name {name} is not allowed: write lower-case letters, digits, inner hyphens and dots"
            yield Problem(manifest, ("metadata", "name"), text)
    annotations = _part(metadata, "annotations").items()
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations if isinstance(value, str))
    if size > _ANNOTATIONS:
        text = f"the annotations have {size} bytes, and Kubernetes takes {_ANNOTATIONS} at most"
        yield Problem(manifest, ("metadata", "annotations"), text)
    if kind in ("ConfigMap", "Secret"):
        size = sum(map(_size, _part(manifest, "stringData" if kind == "Secret" else "data").values()))
        size += sum(map(_decoded_size, _part(manifest, "data" if kind == "Secret" else "binaryData").values()))
        if size > _MEBIBYTE:
            text = f"{kind} {name} has {size} bytes of data, and Kubernetes takes {_MEBIBYTE} at most"
            yield Problem(manifest, (), f"{text}; mount a volume, or build it into the image")


def _size(value: object) -> int:
    return len(value.encode()) if isinstance(value, str) else 0


def _decoded_size(value: object) -> int:
    try:
        return len(base64.b64decode(value)) if isinstance(value, str) else 0
    except ValueError:
        return 0  # the API server says so


def _for_windows(workload: Manifest) -> Iterator[Problem]:
    at: Path = ("spec", "jobTemplate", "spec") if workload["kind"] == "CronJob" else ("spec",)
    at = (*at, "template", "spec")
    pod = workload
    for key in at:
        pod = _part(pod, str(key))
    places = [("nodeSelector", key) for key in _OS if _part(pod, "nodeSelector").get(key) == "windows"]
    if _part(pod, "os").get("name") == "windows":
        places.append(("os", "name"))
    required = _part(_part(_part(pod, "affinity"), "nodeAffinity"), "requiredDuringSchedulingIgnoredDuringExecution")
    terms = _list(required, "nodeSelectorTerms")
    if terms and all(any(map(_wants_windows, _list(term, "matchExpressions"))) for term in terms):
        places.append(("affinity", "nodeAffinity"))
    for place in places:
        text = f"{workload['kind']} {workload['metadata']['name']} asks for Windows nodes, and these clusters have none"
        yield Problem(workload, (*at, *place), text)


def _wants_windows(expression: Manifest) -> bool:
    values = expression.get("values")
    return expression.get("key") in _OS and (
        (expression.get("operator") == "In" and values == ["windows"])
        or (expression.get("operator") == "NotIn" and values == ["linux"])
    )


# --- How many pods -------------------------------------------------------------------------------------------


def autoscaled(app: Sequence[Manifest]) -> dict[str, Manifest]:
    """Return the workloads whose pods an autoscaler counts, by the autoscaler's name."""
    found = {each["metadata"]["name"]: _target(app, each) for each in app if each["kind"] == "HorizontalPodAutoscaler"}
    return {name: target for name, target in found.items() if target}


def _target(app: Sequence[Manifest], autoscaler: Manifest) -> Manifest | None:
    reference = _part(_part(autoscaler, "spec"), "scaleTargetRef")
    kind = reference.get("kind")
    return named(app, kind, reference.get("name")) if kind in _SCALED else None


def _autoscaling(app: Sequence[Manifest]) -> Iterator[Problem]:
    targets: dict[int, str] = {}
    for manifest in app:
        if manifest["kind"] != "HorizontalPodAutoscaler":
            continue
        name, target = manifest["metadata"]["name"], _target(app, manifest)
        reference = _part(_part(manifest, "spec"), "scaleTargetRef")
        at: Path = ("spec", "scaleTargetRef")
        if target is None:
            text = f"it scales {reference.get('kind')} {reference.get('name')}, which is no {' or '.join(_SCALED)} here"
            yield Problem(manifest, at, text)
        elif first := targets.get(id(target)):
            yield Problem(manifest, at, f"{target['kind']} {target['metadata']['name']} is scaled by {first} already")
        else:
            targets[id(target)] = name
        if isinstance(name, str) and len(name) > _LONGEST_LABEL:
            # Fleet labels the override's snapshots with it (Azure/fleet v0.18.9, pkg/controllers/overrider).
            text = f"metadata.name has more than {_LONGEST_LABEL} characters, which Fleet's override cannot have"
            yield Problem(manifest, ("metadata", "name"), text)


def override(autoscaler: str, workload: Manifest, placement: object) -> Manifest:
    """Return the ResourceOverride that lets an autoscaler set a workload's replicas on the members.

    Fleet writes every field that the hub has, and the hub's API server writes `replicas: 1` where there is none
    (Azure/fleet v0.18.9, pkg/controllers/workapplier/apply.go): the override takes the field away before a member gets
    the object. It names the placement, so that it takes effect at once and not with the next change of the app
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


def replicated(app: Sequence[Manifest], service: str) -> Manifest | str:
    """Return the one workload whose pods the shared Service selects, or why its number of pods cannot be set."""
    shared = named(app, "Service", service)
    selector = _part(_part(shared, "spec"), "selector") if shared else {}
    found = [each for each in app if each["kind"] in _WORKLOADS and selector and _selects(selector, each)]
    scaled = [each for each in found if each["kind"] in _SCALED]
    names = " and ".join(f"{each['kind']} {each['metadata']['name']}" for each in found)
    if not found:
        return f"Service {service} selects the pods of no {' or '.join(_SCALED)} here"
    if found != scaled:
        return f"Service {service} selects the pods of {names}, and only a {' or '.join(_SCALED)} has replicas"
    if len(found) > 1:
        return f"Service {service} selects the pods of {names}; set replicas in their manifests instead"
    for autoscaler, target in autoscaled(app).items():
        if target is scaled[0]:
            return f"HorizontalPodAutoscaler {autoscaler} scales {names}; set its minReplicas and maxReplicas instead"
    return scaled[0]


def _selects(selector: Mapping[str, Any], workload: Manifest) -> bool:
    labels = _part(_part(_part(_part(workload, "spec"), "template"), "metadata"), "labels")
    return selector.items() <= labels.items()


# --- Ports ---------------------------------------------------------------------------------------------------


def ports(service: Manifest) -> list[ServicePort]:
    """Return the ports of a Service, as they are at the entry point's address."""
    found: list[ServicePort] = []
    for each in _list(_part(service, "spec"), "ports"):
        # On its way from another language a number becomes a float.
        port: ServicePort = {"port": int(each["port"]), "protocol": each.get("protocol") or "TCP"}
        found.append({"name": each["name"], **port} if each.get("name") else port)
    return found


def web_address(service: Manifest) -> tuple[Literal["http", "https"], str] | None:
    """Return scheme and port of a Service's URL, if its first TCP port speaks HTTP plainly.

    The port's `appProtocol` decides, then its name (`http`, `https`, `http-<suffix>` or `https-<suffix>`). A port whose
    name is of no other protocol is judged by its number.
    """
    tcp = (each for each in _list(_part(service, "spec"), "ports") if (each.get("protocol") or "TCP") == "TCP")
    if (first := next(tcp, None)) is None:
        return None
    number = int(first["port"])
    said = str(first.get("appProtocol") or first.get("name") or "").lower()
    word = said.partition("-")[0]
    if word in ("http", "https") and (word == said or not first.get("appProtocol")):
        scheme = word
    elif first.get("appProtocol") or word in _OTHER_PROTOCOLS or number not in _NUMBERS:
        return None
    else:
        scheme = _NUMBERS[number]
    return scheme, "" if number == {"http": 80, "https": 443}[scheme] else f":{number}"


def _part(value: Mapping[str, Any], key: str) -> Manifest:
    found = value.get(key)
    return cast("Manifest", found) if isinstance(found, dict) else {}


def _list(value: Mapping[str, Any], key: str) -> list[Manifest]:
    found = value.get(key)
    return [each for each in cast("list[Any]", found) if isinstance(each, dict)] if isinstance(found, list) else []
