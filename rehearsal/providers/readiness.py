"""Decides when an object is ready, as pulumi-kubernetes does, with any API server.

Source of rules and texts: pulumi/pulumi-kubernetes 4.32, provider/pkg/await, provider/pkg/metadata/overrides.go.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import jsonpath

from rehearsal.cluster.interface import ApiServer
from rehearsal.cluster.objects import (
    Object,
    annotations_of,
    child,
    condition,
    conditions_of,
    generation_of,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    status_of,
)
from rehearsal.core.errors import RefusedError

DEFAULT_TIMEOUT: Final = 600
_SKIP: Final = "pulumi.com/skipAwait"
_WAIT_FOR: Final = "pulumi.com/waitFor"
_TIMEOUT: Final = "pulumi.com/timeoutSeconds"
# Kinds whose deletion honours skipAwait (overrides.go, allowsSkipAwaitWithDelete).
_SKIP_DELETE: Final = frozenset({"Namespace", "Pod", "DaemonSet", "Deployment", "StatefulSet", "Job"})


Readiness: TypeAlias = Callable[[ApiServer, Object], list[str]]
"""Returns the missing conditions of an object; empty if it is ready."""


@dataclass(frozen=True)
class Awaited:
    """The rule by which an object is awaited.

    Attributes:
        lacks: returns the missing conditions of the object.
        built_in: whether it is the provider's own rule for the kind, whose error differs from that of `waitFor`.
    """

    lacks: Readiness
    built_in: bool


def timeout_of(inputs: Object, custom: float | None) -> float:
    """Return the seconds to wait: the resource's own timeout, else the annotation's, else ten minutes."""
    if custom:
        return custom
    text = annotations_of(inputs).get(_TIMEOUT, "")
    return int(text) if text.isdecimal() else DEFAULT_TIMEOUT


def awaited(inputs: Object) -> Awaited | None:
    """Return the rule by which to await a created or changed object; None if it is not awaited.

    Raises:
        RefusedError: the `waitFor` annotation is invalid.
    """
    annotations = annotations_of(inputs)
    text = annotations.get(_WAIT_FOR)
    if text and annotations.get(_SKIP) != "true":
        conditions = [_parse(expression) for expression in _expressions(text)]
        return Awaited(lambda _, item: [lack for lacks in conditions for lack in lacks(item)], built_in=False)
    rule = own_rule(inputs)
    return Awaited(rule, built_in=True) if rule else None


def own_rule(inputs: Object) -> Readiness | None:
    """Return the provider's own rule for an object, which also applies to objects that it reads (await.go, Read)."""
    if annotations_of(inputs).get(_SKIP) == "true":
        return None
    return _BUILT_IN.get((inputs["apiVersion"], inputs["kind"]))


def awaits_deletion(item: Object) -> bool:
    """Return whether a deletion is awaited."""
    return annotations_of(item).get(_SKIP) != "true" or item["kind"] not in _SKIP_DELETE


def last_seen(item: Object) -> str:
    """Return a description of an object's conditions, for errors."""
    conditions = conditions_of(item)
    texts = [f"{entry['type']}={entry['status']} {entry['reason']}: {entry['message']}" for entry in conditions]
    return f"last seen: {'; '.join(texts) or 'no conditions'}"


def _expressions(text: str) -> list[str]:
    try:
        values = json.loads(text)
    except json.JSONDecodeError:
        return [text]
    if not isinstance(values, list):
        return [text]
    if not values:
        raise RefusedError("at least one condition must be specified")
    return [str(value) for value in values]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType] -- JSON


def _parse(expression: str) -> Callable[[Object], list[str]]:
    if expression.startswith("jsonpath="):
        return _parse_path(expression.removeprefix("jsonpath="))
    if expression.startswith("condition="):
        name, _, status = expression.removeprefix("condition=").partition("=")
        return lambda item: _lacks_condition(item, name, status or "True")
    raise RefusedError(f'expected a "jsonpath=" or "condition=" prefix, got "{expression}"')


def _lacks_condition(item: Object, name: str, status: str) -> list[str]:
    # kubectl's rule: case is ignored, and conditions of an older generation do not count (condition/kubectl.go).
    found = next((entry for entry in _conditions(item) if entry["type"].lower() == name.lower()), None)
    if found is None:
        return [f"Resource has no condition {name} (want {status})"]
    observed = found.get("observedGeneration", status_of(item).get("observedGeneration"))
    if observed is not None and observed < generation_of(item):
        return [f"Generation {observed} is less than expected {generation_of(item)}"]
    if found["status"].lower() != status.lower():
        return [f"Resource has condition {name}={found['status']} (want {status})"]
    return []


def _conditions(item: Object) -> Sequence[Object]:
    return conditions_of(item)


def _parse_path(text: str) -> Callable[[Object], list[str]]:
    # A single `=` separates path and value; `==` belongs to a filter (provider/pkg/jsonpath/jsonpath.go).
    path, *values = re.split(r"(?<![=!<>])=(?!=)", text)
    if len(values) > 1:
        raise RefusedError(f'format should be {{.path}}=value or {{.path}}, got "{text}"')
    if values == [""]:
        raise RefusedError(f"{path}= requires a value")
    if path.startswith("'") and path.endswith("'"):
        raise RefusedError(f"{path} should omit shell quotes")
    inner = re.search(r"\{\s*(.*?)\s*\}", path)
    if inner is None:
        raise RefusedError(f"{path} should be wrapped in brackets {{ ... }}")
    expression = inner[1] if inner[1].startswith("$") else f"${inner[1]}"
    try:
        compiled = jsonpath.JSONPathEnvironment(strict=True).compile(expression)
    except jsonpath.JSONPathError as error:
        raise RefusedError(f'parsing "{path}": {error}') from error

    def lacks(item: Object) -> list[str]:
        observed = status_of(item).get("observedGeneration")
        if observed is not None and observed < generation_of(item):
            return [f"Generation {observed} is less than expected {generation_of(item)}"]
        found: list[Any] = compiled.findall(item)
        if not found:
            return [f"Waiting for {text}: {path} selected nothing"]
        if not values or _text(found[0]) == values[0]:
            return []
        return [f'Waiting for {text} (found "{_text(found[0])}")']

    return lacks


def _text(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    return value if isinstance(value, str) else json.dumps(value)


# The provider's own rules, by kind (provider/pkg/await/awaiters.go).


def _deployment(_: ApiServer, item: Object) -> list[str]:
    lacks = [
        f"[{entry['reason']}] {entry['message']}"
        for name in ("Progressing", "Available")
        if (entry := condition(item, name)) and entry["status"] != "True"
    ]
    progressing = condition(item, "Progressing")
    if not is_true(item, "Available"):
        lacks.append("Minimum number of live Pods was not attained")
    elif (
        progressing is None
        or progressing["reason"] != "NewReplicaSetAvailable"
        or item["status"].get("observedGeneration") != generation_of(item)
    ):
        lacks.append("Attempted to roll forward to new ReplicaSet, but minimum number of Pods did not become live")
    return lacks


def _stateful_set(_: ApiServer, item: Object) -> list[str]:
    status = status_of(item)
    wanted, ready = item["spec"].get("replicas", 1), status.get("readyReplicas", 0)
    lacks: list[str] = []
    if ready != wanted or status.get("observedGeneration") != generation_of(item):
        lacks.append(f"{ready} out of {wanted} replicas succeeded readiness checks")
    current, target = status.get("currentRevision", ""), status.get("updateRevision", "")
    if not target or current != target:
        lacks.append(f'StatefulSet controller failed to advance from revision "{current}" to revision "{target}"')
    return lacks


def _daemon_set(_: ApiServer, item: Object) -> list[str]:
    status = status_of(item)
    wanted, ready = status.get("desiredNumberScheduled"), status.get("numberReady", 0)
    current = status.get("observedGeneration") == generation_of(item)
    if current and wanted == ready == status.get("updatedNumberScheduled"):
        return []
    return [f"Available: {ready}/{wanted or 0}"]


def _service(server: ApiServer, item: Object) -> list[str]:
    spec: Object = item["spec"]
    lacks: list[str] = []
    # The provider watches Endpoints, here EndpointSlices. It waits until the controller has created them and none is
    # unready; empty ones are accepted (service.go, checkAndLogStatus).
    if spec.get("selector") and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        slices = [
            entry
            for entry in server.list("discovery.k8s.io/v1", "EndpointSlice", namespace_of(item))
            if labels_of(entry).get("kubernetes.io/service-name") == name_of(item)
        ]
        unready = any(
            not endpoint["conditions"].get("ready", True) for entry in slices for endpoint in entry["endpoints"]
        )
        if unready or not slices:
            lacks.append(
                "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not "
                "match labels on any Pods"
            )
    if spec.get("type") == "LoadBalancer" and not child(status_of(item), "loadBalancer").get("ingress"):
        lacks.append("Service was not allocated an IP address; does your cloud provider support this?")
    return lacks


def _ingress(_: ApiServer, item: Object) -> list[str]:
    if child(status_of(item), "loadBalancer").get("ingress"):
        return []
    return [
        (
            "Ingress .status.loadBalancer field was not updated with a hostname/IP address. \n    for more information "
            "about this error, see https://pulumi.io/xdv72s"
        )
    ]


def _job(_: ApiServer, item: Object) -> list[str]:
    return [] if is_true(item, "Complete") else ["Job has not completed"]


def _pod(_: ApiServer, item: Object) -> list[str]:
    done = status_of(item).get("phase") == "Succeeded"
    return [] if done or is_true(item, "Ready") else ["Pod is not ready"]


_BUILT_IN: Final[dict[tuple[str, str], Readiness]] = {
    ("apps/v1", "Deployment"): _deployment,
    ("apps/v1", "StatefulSet"): _stateful_set,
    ("apps/v1", "DaemonSet"): _daemon_set,
    ("v1", "Service"): _service,
    ("networking.k8s.io/v1", "Ingress"): _ingress,
    ("batch/v1", "Job"): _job,
    ("v1", "Pod"): _pod,
}
