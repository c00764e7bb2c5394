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
_MEBIBYTE: Final = 1024 * 1024  # of data in one object (Kubernetes v1.36, core/types.go, MaxSecretSize)
_ANNOTATIONS: Final = 256 * 1024  # bytes (apimachinery v0.34, api/validation/objectmeta.go, TotalAnnotationSizeLimitB)
_LONGEST_LABEL: Final = 63
# Maps whose values are text in every kind, and lists of text.
_TEXTS: Final = ("labels", "annotations", "matchLabels", "nodeSelector", "command", "args")
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
# Kinds that also take effect on the hub, with its other users and quotas (learn:
# kubernetes-fleet/concepts-resource-placement). A PodDisruptionBudget will be refused there (Azure/fleet v0.18.12,
# cmd/hubagent/options/webhooks.go, enable-pdbs).
_FOR_MEMBERS_ONLY: Final = ("LimitRange", "PodDisruptionBudget", "ResourceQuota", "Role", "RoleBinding")
_ENVELOPE: Final = "members-only"
_LARGEST_ENVELOPE: Final = 50  # objects (Azure/fleet v0.18.12, apis/placement/v1beta1, ResourceEnvelope)
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


def problems(
    app: Sequence[Manifest], service: str, *, linux_only: bool = False, internal: bool = False
) -> Iterator[Problem]:
    """Say what a fleet could not run, or would run otherwise than it says.

    Args:
        app: the app's objects.
        service: the name of the Service that all clusters share.
        linux_only: whether a cluster has Linux nodes only.
        internal: whether the entry point's address is one of the VNet.
    """
    if shared := named(app, "Service", service):
        yield from _unshareable(shared)
    for manifest in app:
        yield from _limits(manifest)
        if manifest["kind"] == "Service":
            yield from _unbalanced(manifest, shared=manifest is shared, internal=internal)
        yield from _left_behind(manifest)
        yield from _no_texts(manifest)
        if linux_only and manifest["kind"] in _WORKLOADS:
            yield from _for_windows(manifest)
    yield from _autoscaling(app)
    yield from _too_many_for_members(app)


def remarks(app: Sequence[Manifest], service: str) -> Iterator[Problem]:
    """Warn of what works otherwise than the manifests say: of Ingresses, and of Services."""
    for ingress in (each for each in app if each["kind"] == "Ingress"):
        # AKS's application routing add-on has an NGINX without fixes since November 2026 (learn: aks/app-routing).
        text = "an Ingress needs a controller on every cluster, and this program installs none"
        yield Problem(ingress, ("spec",), text)
    for manifest in (each for each in app if each["kind"] == "Service"):
        spec = _part(manifest, "spec")
        if (kind := spec.get("type")) in ("LoadBalancer", "NodePort"):
            opened = "an address" if kind == "LoadBalancer" else "a port on every node"
            text = f"type {kind} gives this Service {opened} in each region, beside the entry point's address"
            remedy = "; write type: ClusterIP if it needs none" if manifest["metadata"]["name"] == service else ""
            yield Problem(manifest, ("spec", "type"), f"{text}{remedy}")
    if (shared := named(app, "Service", service)) is None:
        return
    yield from _unanswered(app, shared)
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


def _unanswered(app: Sequence[Manifest], shared: Manifest) -> Iterator[Problem]:
    selector, name = _part(_part(shared, "spec"), "selector"), shared["metadata"]["name"]
    if selector and not any(_selects(selector, each) for each in app if each["kind"] in _WORKLOADS):
        text = f"Service {name} selects the pods of no workload here, so nothing answers at the entry point"
        yield Problem(shared, ("spec", "selector"), f"{text}; write the labels of a pod template")


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
    elif len(found := _list(spec, "ports")) < len(cast("Sequence[Any]", spec.get("ports") or ())):
        yield Problem(service, ("spec", "ports"), "ports are a list of maps: `- port: 80`")
    else:
        for place, port in enumerate(found):
            if (number := port.get("port")) is None or isinstance(number, str):
                text = "port is missing" if number is None else "port must be a number; write it without quotes"
                yield Problem(service, ("spec", "ports", place), text)
    fences = [("spec", "loadBalancerSourceRanges")] if spec.get("loadBalancerSourceRanges") else []
    annotations = _part(_part(service, "metadata"), "annotations")
    for path in (*fences, *(("metadata", "annotations", fence) for fence in _FENCES if fence in annotations)):
        text = f"Fleet does not carry {path[-1]} to the entry point, which would let everybody in"
        remedy = "remove it, and keep others out with app.internal or a network security group on the nodes' subnet"
        yield Problem(service, path, f"{text}; {remedy}")


def _unbalanced(service: Manifest, *, shared: bool, internal: bool) -> Iterator[Problem]:
    """Say which ports Azure's load balancer does not take; it then gives the Service no address at all.

    Source: kubernetes-sigs/cloud-provider-azure, pkg/provider/azure_loadbalancer.go, getExpectedLBRules.
    """
    spec = _part(service, "spec")
    annotations = _part(_part(service, "metadata"), "annotations")
    public = [shared and not internal]
    if spec.get("type") == "LoadBalancer":
        public.append(annotations.get(f"{_AZURE}load-balancer-internal") != "true")
    for index, port in enumerate(_list(spec, "ports")):
        if port.get("protocol") == "SCTP" and any(public):
            text = "Azure has SCTP behind internal load balancers only, and would give this Service no public address"
            remedy = "set app.internal to true" if public[0] else f"annotate it with {_AZURE}load-balancer-internal"
            yield Problem(service, ("spec", "ports", index, "protocol"), f"{text}; {remedy}, or take the port out")


def _left_behind(manifest: Manifest) -> Iterator[Problem]:
    """Find what Fleet does not place, and what only a cluster writes."""
    kind, metadata = manifest["kind"], _part(manifest, "metadata")
    # Azure/fleet v0.18.12, pkg/utils/controller/resource_selector_resolver.go.
    managed = "endpointslice.kubernetes.io/managed-by"
    reasons: dict[Path, tuple[bool, str]] = {
        ("metadata", "name"): (
            (kind, metadata["name"]) in (("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")),
            "each cluster has its own; write one of another name, or leave it out",
        ),
        ("type",): (
            kind == "Secret" and manifest.get("type") == "kubernetes.io/service-account-token",
            "each cluster makes its tokens; leave it out",
        ),
        ("metadata", "labels", managed): (
            kind == "EndpointSlice" and managed in _part(metadata, "labels"),
            f"it is taken for one that a cluster makes; remove the label {managed}",
        ),
    }
    for path, (applies, remedy) in reasons.items():
        if applies:
            yield Problem(manifest, path, f"Fleet does not place {kind} {metadata['name']}: {remedy}")
    # With these an API server looks for the object that they are of: it refuses another one, or collects it.
    # [kubernetes.io: reference/using-api/api-concepts, "Resource versions"; concepts/architecture/garbage-collection]
    for field in ("uid", "resourceVersion", "managedFields", "ownerReferences"):
        if metadata.get(field):
            text = f"metadata.{field} is of an object that runs in a cluster; remove it, and all that a cluster writes"
            yield Problem(manifest, ("metadata", field), f"{text} (uid, resourceVersion, status …)")


def _no_texts(manifest: Manifest) -> Iterator[Problem]:
    """Find values that must be text: an API server would refuse them only once the clusters run."""
    plain, encoded = {"ConfigMap": ("data", "binaryData"), "Secret": ("stringData", "data")}.get(
        manifest["kind"], ("", "")
    )
    places = [*_texts(_part(manifest, "metadata") if plain else manifest, ("metadata",) if plain else ())]
    places += [((part,), manifest.get(part)) for part in (plain, encoded)]
    if manifest["kind"] == "Service":
        places.append((("spec", "selector"), _part(manifest, "spec").get("selector")))
    for path, values in places:
        holder = next(part for part in reversed(path) if isinstance(part, str))
        for key, value in _items(values):
            if isinstance(value, bool | int | float | dict | list):
                remedy = "write it as text, after |" if isinstance(value, dict | list) else "quote it"
                yield Problem(manifest, (*path, key), f"{holder}: {key} must be text; {remedy}")
    for key, value in _part(manifest, encoded).items():
        if isinstance(value, str) and _decoded(value) is None:
            text = f"{encoded}: {key} is not base64; encode it, or write text into {plain}"
            yield Problem(manifest, (encoded, key), text)


def _texts(value: object, path: Path) -> Iterator[tuple[Path, object]]:
    """Yield the places in an object that hold text only, with what they hold."""
    for key, item in _items(value):
        at = (*path, key)
        if key in _TEXTS:
            yield at, item
        elif key == "env" and isinstance(item, list):
            for place, each in enumerate(cast("list[object]", item)):
                if isinstance(each, dict) and "value" in each:
                    yield (*at, place), {"value": cast("Manifest", each)["value"]}
        else:
            yield from _texts(item, at)


def _items(value: object) -> list[tuple[str | int, object]]:
    if isinstance(value, dict):
        return list(cast("dict[str, object]", value).items())
    return list(enumerate(cast("list[object]", value))) if isinstance(value, list) else []


def _decoded(value: str) -> bytes | None:
    """Return what base64 stands for; None if it is no base64."""
    try:
        return base64.b64decode("".join(value.splitlines()), validate=True)
    except ValueError:
        return None


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
    return len(_decoded(value) or b"") if isinstance(value, str) else 0


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
            # Fleet labels the override's snapshots with it (Azure/fleet v0.18.12, pkg/controllers/overrider).
            text = f"metadata.name has more than {_LONGEST_LABEL} characters, which Fleet's override cannot have"
            yield Problem(manifest, ("metadata", "name"), text)


def override(autoscaler: str, workload: Manifest, placement: object) -> Manifest:
    """Return the ResourceOverride that lets an autoscaler set a workload's replicas on the members.

    Fleet writes every field that the hub has, and the hub's API server writes `replicas: 1` where there is none
    (Azure/fleet v0.18.12, pkg/controllers/workapplier/apply.go): the override takes the field away before a member gets
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


def offers_endpoints(app: Sequence[Manifest], service: Manifest) -> bool:
    """Say whether a Service has endpoints, as far as the app's manifests tell."""
    selector = _part(_part(service, "spec"), "selector")
    if selector:
        return any(
            each["kind"] in _WORKLOADS and _selects(selector, each) and _part(each, "spec").get("replicas") != 0
            for each in app
        )
    name = service["metadata"]["name"]
    return any(
        each["kind"] == "EndpointSlice"
        and _part(each["metadata"], "labels").get("kubernetes.io/service-name") == name
        and _list(each, "endpoints")
        for each in app
    )


def _selects(selector: Mapping[str, Any], workload: Manifest) -> bool:
    spec = _part(workload, "spec")
    spec = _part(_part(spec, "jobTemplate"), "spec") if workload["kind"] == "CronJob" else spec
    labels = _part(_part(_part(spec, "template"), "metadata"), "labels")
    return selector.items() <= labels.items()


# --- Objects for the members only ----------------------------------------------------------------------------


def _too_many_for_members(app: Sequence[Manifest]) -> Iterator[Problem]:
    found = [each for each in app if each["kind"] in _FOR_MEMBERS_ONLY]
    if len(found) > _LARGEST_ENVELOPE:
        kinds = ", ".join(_FOR_MEMBERS_ONLY)
        text = f"an app may have {_LARGEST_ENVELOPE} objects of the kinds {kinds}, and this is one more"
        yield Problem(found[_LARGEST_ENVELOPE], (), text)


def enveloped(app: Sequence[Manifest], namespace: object) -> list[Manifest]:
    """Return an app's objects as the hub takes them: what would act on the hub too is in one ResourceEnvelope.

    The hub keeps an envelope's objects as data, and the members get them as they are.
    """
    data = {
        f"{each['kind'].lower()}-{each['metadata']['name']}": {
            **each,
            "metadata": {**each["metadata"], "namespace": namespace},
        }
        for each in app
        if each["kind"] in _FOR_MEMBERS_ONLY
    }
    envelope: Manifest = {
        "apiVersion": "placement.kubernetes-fleet.io/v1beta1",
        "kind": "ResourceEnvelope",
        "metadata": {"name": _ENVELOPE},
        "data": data,
    }
    return [*(each for each in app if each["kind"] not in _FOR_MEMBERS_ONLY), *([envelope] if data else [])]


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
