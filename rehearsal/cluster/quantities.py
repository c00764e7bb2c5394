"""Quantities in the API server's canonical form: `1000m` becomes `1`.

Source: apimachinery v0.34.1 pkg/api/resource/quantity.go (ParseQuantity, CanonicalizeBytes); the fields: those of type
Quantity in the Kubernetes API reference v1.36.
"""

import re
from decimal import ROUND_UP, Context, Decimal
from typing import Any, Final

from rehearsal.cluster.kinds import Kind, split_api_version
from rehearsal.cluster.objects import Object, child
from rehearsal.core.errors import ApiError

_EXACT: Final = Context(prec=100, rounding=ROUND_UP)
_FORM: Final = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?:(?P<binary>[KMGTPE])i|(?P<decimal>[numkMGTPE])|[eE](?P<exponent>[+-]?\d+))?"
)
_BINARY: Final = "KMGTPE"
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SMALLEST: Final = Decimal("1e-9")
_TEMPLATED: Final = ("Deployment.apps", "ReplicaSet.apps", "StatefulSet.apps", "DaemonSet.apps", "Job.batch")
_LIMITS: Final = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


def canonical(value: str | float) -> str:
    """Return a quantity in canonical form: a whole number with the largest suffix of its kind (decimal or binary).

    Raises:
        ValueError: it is not a quantity.
    """
    found = _FORM.fullmatch(str(value))
    if found is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    number = Decimal(found["number"])
    if found["binary"]:
        number = _EXACT.multiply(number, Decimal(1024 ** (_BINARY.index(found["binary"]) + 1)))
    else:
        power = int(found["exponent"]) if found["exponent"] else _DECIMAL[found["decimal"] or ""]
        number = _EXACT.scaleb(number, power)
    number = _EXACT.quantize(number, _SMALLEST)
    if not number:
        return "0"
    if found["binary"] and abs(number) >= 1024:  # noqa: PLR2004 - smaller ones are written in decimal
        return _in_steps(int(number.to_integral_value(ROUND_UP)), 1024, ["", *(f"{each}i" for each in _BINARY)])
    whole = int(_EXACT.scaleb(number, 9))
    if found["exponent"]:
        powers = [f"e{power}" for power in range(-9, 100, 3)]
        return _in_steps(whole, 1000, powers)
    return _in_steps(whole, 1000, list(_DECIMAL))


def _in_steps(number: int, base: int, suffixes: list[str]) -> str:
    step = 0
    while number % base == 0 and step + 1 < len(suffixes):
        number, step = number // base, step + 1
    return f"{number}{suffixes[step]}"


def normalise(kind: Kind, item: Object) -> None:
    """Rewrite an object's quantities in canonical form.

    Raises:
        ApiError: a value is not a quantity; with the API server's message.
    """
    try:
        rewrite(kind.key, child(item, "spec"))
    except ValueError as error:
        raise ApiError("Refused", f"{_versioned(item)} cannot be handled as a {kind.name}: {error}") from None


def _versioned(item: Object) -> str:
    _, version = split_api_version(item["apiVersion"])
    return f'{item["kind"]} in version "{version}"'


def rewrite(key: str, spec: Object) -> None:
    """Rewrite the quantities of a specification in canonical form.

    Raises:
        ValueError: a value is not a quantity.
    """
    match key:
        case "Pod":
            _rewrite_pod(spec)
        case "CronJob.batch":
            rewrite("Job.batch", child(child(spec, "jobTemplate"), "spec"))
        case "ResourceQuota":
            _rewrite_all(spec, "hard")
        case "LimitRange":
            _rewrite_limits(spec)
        case "PersistentVolumeClaim":
            _rewrite_all(child(spec, "resources"), "requests", "limits")
        case "HorizontalPodAutoscaler.autoscaling":
            _rewrite_metrics(spec)
        case _ if key in _TEMPLATED:
            _rewrite_pod(child(child(spec, "template"), "spec"))
            for claim in spec.get("volumeClaimTemplates") or ():
                rewrite("PersistentVolumeClaim", child(claim, "spec"))
        case _:
            pass


def _rewrite_limits(spec: Object) -> None:
    for limit in spec.get("limits") or ():
        _rewrite_all(limit, *_LIMITS)


def _rewrite_metrics(spec: Object) -> None:
    for metric in spec.get("metrics") or ():
        # The source has the name of the type in lower camel case: `Resource`, `ContainerResource`.
        source: str = metric.get("type", "")
        _rewrite_some(child(child(metric, source[:1].lower() + source[1:]), "target"), "value", "averageValue")


def _rewrite_pod(spec: Object) -> None:
    _rewrite_all(spec, "overhead")
    _rewrite_all(child(spec, "resources"), "requests", "limits")
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        _rewrite_all(child(container, "resources"), "requests", "limits")
        for variable in container.get("env") or ():
            _rewrite_some(child(child(variable, "valueFrom"), "resourceFieldRef"), "divisor")
    for volume in spec.get("volumes") or ():
        _rewrite_some(child(volume, "emptyDir"), "sizeLimit")
        template = child(child(volume, "ephemeral"), "volumeClaimTemplate")
        rewrite("PersistentVolumeClaim", child(template, "spec"))


def _rewrite_all(owner: Object, *lists: str) -> None:
    """Rewrite resource lists: objects with a quantity for each resource."""
    for key in lists:
        entries: dict[str, Any] = child(owner, key)
        _rewrite_some(entries, *entries)


def _rewrite_some(owner: Object, *fields: str) -> None:
    for field in fields:
        if owner.get(field) is not None:
            owner[field] = canonical(owner[field])
