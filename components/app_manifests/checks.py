"""Checks of an app: objects that a fleet cannot run, and fields that Fleet does not carry to the entry point.

Values of a manifest may be Outputs. A check ignores a value that it cannot see.
"""

import base64
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from . import overrides
from .manifest import (
    FOR_MEMBERS_ONLY,
    LARGEST_ENVELOPE,
    SCALED,
    WORKLOADS,
    Manifest,
    Path,
    Problem,
    named,
    part,
    parts,
    selects,
)
from .pods import scale_target

_MEBIBYTE: Final = 1024 * 1024  # of data in one object (Kubernetes v1.36, core/types.go, MaxSecretSize)
_ANNOTATIONS: Final = 256 * 1024  # bytes (apimachinery v0.34, api/validation/objectmeta.go, TotalAnnotationSizeLimitB)
_LONGEST_LABEL: Final = 63
# Maps whose values are text in every kind, and lists of text.
_TEXTS: Final = ("labels", "annotations", "matchLabels", "nodeSelector", "command", "args")
_OS: Final = ("kubernetes.io/os", "beta.kubernetes.io/os")
# Kinds of rbac.authorization.k8s.io may have colons and upper case in their names (registry/rbac/validation).
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME: Final = 253

# Fleet makes the entry point's own Service from the ports of the shared Service only
# (Azure/fleet-networking v0.3.25, pkg/controllers/member/serviceexport and member/multiclusterservice).
_LOST: Final = {
    "sessionAffinity": "a client's connections go to pods of every region",
    "externalTrafficPolicy": "pods see the address of a node, not the client's",
    "loadBalancerIP": "the entry point has another address",
    "loadBalancerClass": "the entry point is on Azure's load balancer",
    "externalIPs": "the entry point has one address",
    "trafficDistribution": "the entry point prefers no region",
    "publishNotReadyAddresses": "only pods that are ready are exported",
}
_DEFAULTS: Final[tuple[object, ...]] = ("", "None", "Cluster", False, None, [])
_AZURE: Final = "service.beta.kubernetes.io/azure-"
# Fields that limit access: without them, a Service for some clients would be open to everybody.
_ACCESS: Final = tuple(
    f"{_AZURE}{name}"
    for name in ("allowed-ip-ranges", "allowed-service-tags", "deny-all-except-load-balancer-source-ranges")
)


def problems(  # noqa: PLR0913 - what decides whether an app can be placed
    app: Sequence[Manifest],
    services: Mapping[str, Collection[str]],
    *,
    member_replicas: Mapping[str, int] | None = None,
    linux_only: bool = False,
    internal: bool = False,
    global_address: bool = False,
) -> Iterator[Problem]:
    """Find objects that a fleet cannot run, or would run in another way than the manifests say.

    Args:
        app: the app's objects.
        services: the Services that all clusters share, and the names of the entry Services of each.
        member_replicas: the replicas on single members, by their names.
        linux_only: whether a cluster has Linux nodes only.
        internal: whether the entry points' addresses are in their VNets.
        global_address: whether a global address leads to the entry points.
    """
    for service, entries in services.items():
        if shared := named(app, "Service", service):
            yield from _unshareable(shared)
            yield from _entries(app, shared, entries)
            yield from _globally_balanced(shared) if global_address else ()
    for manifest in app:
        yield from _limits(manifest)
        if manifest["kind"] == "Service":
            is_shared = manifest["metadata"]["name"] in services
            yield from _unbalanced(manifest, shared=is_shared, internal=internal)
        yield from _left_behind(manifest)
        yield from _no_texts(manifest)
        if linux_only and manifest["kind"] in WORKLOADS:
            yield from _for_windows(manifest)
    yield from _autoscaling(app)
    yield from overrides.problems(app, services, member_replicas or {})
    yield from _too_many_for_members(app)


def remarks(app: Sequence[Manifest], services: Collection[str]) -> Iterator[Problem]:
    """Find Ingresses and Services that work in another way than the manifests say."""
    for ingress in (each for each in app if each["kind"] == "Ingress"):
        # AKS's application routing add-on has an NGINX without fixes since November 2026 (learn: aks/app-routing).
        text = "an Ingress needs a controller on every cluster, and this program installs none"
        yield Problem(ingress, ("spec",), text)
    for manifest in (each for each in app if each["kind"] == "Service"):
        spec = part(manifest, "spec")
        if (kind := spec.get("type")) in ("LoadBalancer", "NodePort"):
            opened = "an address" if kind == "LoadBalancer" else "a port on every node"
            text = f"type {kind} gives this Service {opened} in each region, in addition to the entry point's address"
            remedy = "; use type: ClusterIP if it needs none" if manifest["metadata"]["name"] in services else ""
            yield Problem(manifest, ("spec", "type"), f"{text}{remedy}")
    for service in services:
        if shared := named(app, "Service", service):
            yield from _unanswered(app, shared)
            yield from _not_carried(shared)


def _not_carried(shared: Manifest) -> Iterator[Problem]:
    for field, what in _LOST.items():
        value = part(shared, "spec").get(field)
        if value not in _DEFAULTS:
            yield Problem(shared, ("spec", field), f"Fleet does not carry {field} to the entry point: {what}")
    for annotation in part(part(shared, "metadata"), "annotations"):
        if annotation == f"{_AZURE}load-balancer-internal":
            what = "the entry point's address is public, unless the app is internal"
        elif annotation.startswith(_AZURE) and annotation not in _ACCESS:
            what = "the entry point's load balancer does not have it"
        else:
            continue
        text = f"Fleet does not carry {annotation} to the entry point: {what}"
        yield Problem(shared, ("metadata", "annotations", annotation), text)


def _unanswered(app: Sequence[Manifest], shared: Manifest) -> Iterator[Problem]:
    selector, name = part(part(shared, "spec"), "selector"), shared["metadata"]["name"]
    if selector and not any(selects(selector, each) for each in app if each["kind"] in WORKLOADS):
        text = f"Service {name} selects no workload's pods, so nothing answers at the entry point"
        yield Problem(shared, ("spec", "selector"), f"{text}; use the labels of a pod template")


def _unshareable(service: Manifest) -> Iterator[Problem]:
    spec, name = part(service, "spec"), service["metadata"]["name"]
    # Azure/fleet-networking v0.3.25, pkg/controllers/member/serviceexport/util.go, isServiceEligibleForExport.
    if spec.get("type") == "ExternalName":
        yield Problem(service, ("spec", "type"), f"Service {name} is an ExternalName, which Fleet does not export")
    if spec.get("clusterIP") == "None":
        remedy = "share another Service for the same pods, with a clusterIP; you can keep this one too"
        text = f"Service {name} is headless (clusterIP: None), and Fleet does not export headless Services; {remedy}"
        yield Problem(service, ("spec", "clusterIP"), text)
    # Azure/fleet-networking v0.3.25, pkg/controllers/member/endpointslice/util.go.
    if spec.get("ipFamilies") == ["IPv6"]:
        yield Problem(service, ("spec", "ipFamilies"), f"Service {name} is IPv6 only, and Fleet exports IPv4 endpoints")
    if spec.get("type") != "ExternalName" and not spec.get("ports"):
        yield Problem(service, ("spec",), f"Service {name} has no ports to share")
    elif len(found := parts(spec, "ports")) < len(cast("Sequence[Any]", spec.get("ports") or ())):
        yield Problem(service, ("spec", "ports"), "ports are a list of maps: `- port: 80`")
    else:
        for place, port in enumerate(found):
            if (number := port.get("port")) is None or isinstance(number, str):
                text = "port is missing" if number is None else "port must be a number; write it without quotes"
                yield Problem(service, ("spec", "ports", place), text)
    limits = [("spec", "loadBalancerSourceRanges")] if spec.get("loadBalancerSourceRanges") else []
    annotations = part(part(service, "metadata"), "annotations")
    for path in (*limits, *(("metadata", "annotations", each) for each in _ACCESS if each in annotations)):
        text = f"Fleet does not carry {path[-1]} to the entry point, which would be open to everybody"
        remedy = (
            "remove it, and make the app internal, or limit access with a network security group on the nodes' subnet"
        )
        yield Problem(service, path, f"{text}; {remedy}")


def _entries(app: Sequence[Manifest], shared: Manifest, entries: Collection[str]) -> Iterator[Problem]:
    """Find why the pods of the shared Service cannot be offered under the names of entry Services, too."""
    name, others = shared["metadata"]["name"], sorted({*entries} - {shared["metadata"]["name"]})
    if others and not part(part(shared, "spec"), "selector"):
        text = f"Service {name} has no selector, so no other Service, such as {others[0]}, can have its endpoints"
        remedy = 'add one; or use one entry point, in a region with entrySuffix ""'
        yield Problem(shared, ("spec",), f"{text}; {remedy}")
    for other in others:
        for kind in ("Service", "ServiceExport"):
            if taken := named(app, kind, other):
                text = f"{kind} {other} has the name of an entry Service; rename it, or set the region's entrySuffix"
                yield Problem(taken, ("metadata", "name"), text)


def _unbalanced(service: Manifest, *, shared: bool, internal: bool) -> Iterator[Problem]:
    """Find ports that Azure's load balancer does not support; it then gives the Service no address at all.

    kubernetes-sigs/cloud-provider-azure, pkg/provider/azure_loadbalancer.go, getExpectedLBRules.
    """
    spec = part(service, "spec")
    annotations = part(part(service, "metadata"), "annotations")
    public = [shared and not internal]
    if spec.get("type") == "LoadBalancer":
        public.append(annotations.get(f"{_AZURE}load-balancer-internal") != "true")
    for index, port in enumerate(parts(spec, "ports")):
        if port.get("protocol") == "SCTP" and any(public):
            text = "Azure supports SCTP on internal load balancers only, and would give this Service no public address"
            remedy = "make the app internal" if public[0] else f"annotate it with {_AZURE}load-balancer-internal"
            yield Problem(service, ("spec", "ports", index, "protocol"), f"{text}; {remedy}, or remove the port")


def _globally_balanced(shared: Manifest) -> Iterator[Problem]:
    """Find ports that Azure's global load balancer does not carry. [learn: load-balancer/cross-region-overview]."""
    for index, port in enumerate(parts(part(shared, "spec"), "ports")):
        protocol = port.get("protocol") or "TCP"
        if protocol == "SCTP" or (protocol, port.get("port")) == ("UDP", 3):
            text = f"a global address carries no {protocol if protocol == 'SCTP' else 'UDP port 3'}"
            yield Problem(shared, ("spec", "ports", index), f"{text}; remove the port, or the app's global address")


def _left_behind(manifest: Manifest) -> Iterator[Problem]:
    """Find objects that Fleet does not place, and fields that only a cluster may write."""
    kind, metadata = manifest["kind"], part(manifest, "metadata")
    # Azure/fleet v0.18.12, pkg/utils/controller/resource_selector_resolver.go.
    managed = "endpointslice.kubernetes.io/managed-by"
    reasons: dict[Path, tuple[bool, str]] = {
        ("metadata", "name"): (
            (kind, metadata["name"]) in (("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")),
            "each cluster has its own; choose another name, or remove it",
        ),
        ("type",): (
            kind == "Secret" and manifest.get("type") == "kubernetes.io/service-account-token",
            "each cluster creates its own tokens; remove it",
        ),
        ("metadata", "labels", managed): (
            kind == "EndpointSlice" and managed in part(metadata, "labels"),
            f"the label marks EndpointSlices that a cluster creates; remove the label {managed}",
        ),
    }
    for path, (applies, remedy) in reasons.items():
        if applies:
            yield Problem(manifest, path, f"Fleet does not place {kind} {metadata['name']}: {remedy}")
    # These fields refer to another object. An API server would refuse the manifest, or delete the object as garbage.
    # (kubernetes.io: reference/using-api/api-concepts, "Resource versions"; concepts/architecture/garbage-collection)
    for field in ("uid", "resourceVersion", "managedFields", "ownerReferences"):
        if metadata.get(field):
            text = f"metadata.{field} is written by a cluster; remove it, and all other fields that a cluster writes"
            yield Problem(manifest, ("metadata", field), f"{text} (uid, resourceVersion, status …)")


def _no_texts(manifest: Manifest) -> Iterator[Problem]:
    """Find values that must be strings: an API server would refuse them only once the clusters run."""
    plain, encoded = {"ConfigMap": ("data", "binaryData"), "Secret": ("stringData", "data")}.get(
        manifest["kind"], ("", "")
    )
    places = [*_texts(part(manifest, "metadata") if plain else manifest, ("metadata",) if plain else ())]
    places += [((part,), manifest.get(part)) for part in (plain, encoded)]
    if manifest["kind"] == "Service":
        places.append((("spec", "selector"), part(manifest, "spec").get("selector")))
    for path, values in places:
        holder = next(part for part in reversed(path) if isinstance(part, str))
        for key, value in _items(values):
            if isinstance(value, bool | int | float | dict | list):
                remedy = "write it as a block of text, after |" if isinstance(value, dict | list) else "quote it"
                yield Problem(manifest, (*path, key), f"{holder}: {key} must be a string; {remedy}")
    for key, value in part(manifest, encoded).items():
        if isinstance(value, str) and _decoded(value) is None:
            text = f"{encoded}: {key} is not base64; encode it, or write text into {plain}"
            yield Problem(manifest, (encoded, key), text)


def _texts(value: object, path: Path) -> Iterator[tuple[Path, object]]:
    """Yield the places in an object whose values must be strings, and what they contain."""
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
    """Return decoded base64; None if it is not base64."""
    try:
        return base64.b64decode("".join(value.splitlines()), validate=True)
    except ValueError:
        return None


def _limits(manifest: Manifest) -> Iterator[Problem]:
    kind, metadata = manifest["kind"], part(manifest, "metadata")
    name = metadata["name"]
    if isinstance(name, str) and kind not in ("Role", "RoleBinding"):
        if len(name) > _LONGEST_NAME:
            yield Problem(manifest, ("metadata", "name"), f"metadata.name has more than {_LONGEST_NAME} characters")
        elif not _NAME.fullmatch(name):
            text = f"metadata.name {name} is invalid: use lower-case letters, digits, and hyphens and dots inside"
            yield Problem(manifest, ("metadata", "name"), text)
    annotations = part(metadata, "annotations").items()
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations if isinstance(value, str))
    if size > _ANNOTATIONS:
        text = f"the annotations have {size} bytes; Kubernetes allows at most {_ANNOTATIONS}"
        yield Problem(manifest, ("metadata", "annotations"), text)
    if kind in ("ConfigMap", "Secret"):
        size = sum(map(_size, part(manifest, "stringData" if kind == "Secret" else "data").values()))
        size += sum(map(_decoded_size, part(manifest, "data" if kind == "Secret" else "binaryData").values()))
        if size > _MEBIBYTE:
            text = f"{kind} {name} has {size} bytes of data; Kubernetes allows at most {_MEBIBYTE}"
            yield Problem(manifest, (), f"{text}. Mount a volume, or build the data into the image")


def _size(value: object) -> int:
    return len(value.encode()) if isinstance(value, str) else 0


def _decoded_size(value: object) -> int:
    return len(_decoded(value) or b"") if isinstance(value, str) else 0


def _for_windows(workload: Manifest) -> Iterator[Problem]:
    at: Path = ("spec", "jobTemplate", "spec") if workload["kind"] == "CronJob" else ("spec",)
    at = (*at, "template", "spec")
    pod = workload
    for key in at:
        pod = part(pod, str(key))
    places = [("nodeSelector", key) for key in _OS if part(pod, "nodeSelector").get(key) == "windows"]
    if part(pod, "os").get("name") == "windows":
        places.append(("os", "name"))
    required = part(part(part(pod, "affinity"), "nodeAffinity"), "requiredDuringSchedulingIgnoredDuringExecution")
    terms = parts(required, "nodeSelectorTerms")
    if terms and all(any(map(_wants_windows, parts(term, "matchExpressions"))) for term in terms):
        places.append(("affinity", "nodeAffinity"))
    for place in places:
        text = f"{workload['kind']} {workload['metadata']['name']} requires Windows nodes, and these clusters have none"
        yield Problem(workload, (*at, *place), text)


def _wants_windows(expression: Manifest) -> bool:
    values = expression.get("values")
    return expression.get("key") in _OS and (
        (expression.get("operator") == "In" and values == ["windows"])
        or (expression.get("operator") == "NotIn" and values == ["linux"])
    )


def _autoscaling(app: Sequence[Manifest]) -> Iterator[Problem]:
    targets: dict[int, str] = {}
    for manifest in app:
        if manifest["kind"] != "HorizontalPodAutoscaler":
            continue
        name, target = manifest["metadata"]["name"], scale_target(app, manifest)
        reference = part(part(manifest, "spec"), "scaleTargetRef")
        at: Path = ("spec", "scaleTargetRef")
        if target is None:
            text = f"the app has no {' or '.join(SCALED)} that is {reference.get('kind')} {reference.get('name')}"
            yield Problem(manifest, at, text)
        elif first := targets.get(id(target)):
            yield Problem(manifest, at, f"{target['kind']} {target['metadata']['name']} is already scaled by {first}")
        else:
            targets[id(target)] = name
        if isinstance(name, str) and len(name) > _LONGEST_LABEL:
            # Fleet labels the override's snapshots with the name (Azure/fleet v0.18.12, pkg/controllers/overrider).
            text = f"metadata.name has more than {_LONGEST_LABEL} characters, the most that Fleet's override can have"
            yield Problem(manifest, ("metadata", "name"), text)


def _too_many_for_members(app: Sequence[Manifest]) -> Iterator[Problem]:
    found = [each for each in app if each["kind"] in FOR_MEMBERS_ONLY]
    if len(found) > LARGEST_ENVELOPE:
        kinds = ", ".join(FOR_MEMBERS_ONLY)
        text = f"an app can have at most {LARGEST_ENVELOPE} objects of the kinds {kinds}"
        yield Problem(found[LARGEST_ENVELOPE], (), text)
