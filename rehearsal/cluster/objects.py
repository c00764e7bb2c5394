"""Functions on Kubernetes objects, which are plain JSON."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

Object: TypeAlias = dict[str, Any]

# Simulated time starts here; only differences matter.
_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)


def date_of(now: float) -> datetime:
    """Return the date of a moment of simulated time."""
    return _EPOCH + timedelta(seconds=now)


def timestamp(now: float) -> str:
    """Format a moment of simulated time as Kubernetes does."""
    return date_of(now).isoformat().replace("+00:00", "Z")


def seconds(text: str) -> float:
    """Parse a moment of simulated time."""
    return (datetime.fromisoformat(text) - _EPOCH).total_seconds()


def digest(value: object, length: int) -> str:
    """Return a hash of a JSON value, for names that are stable from one run to the next."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:length]


def name_of(item: Object) -> str:
    """Return an object's name."""
    return item["metadata"]["name"]


def namespace_of(item: Object) -> str:
    """Return an object's namespace; empty for cluster-scoped ones."""
    return item["metadata"].get("namespace", "")


def labels_of(item: Object) -> dict[str, str]:
    """Return an object's labels."""
    return item["metadata"].get("labels") or {}


def annotations_of(item: Object) -> dict[str, str]:
    """Return an object's annotations."""
    return item["metadata"].get("annotations") or {}


def finalizers_of(item: Object) -> list[str]:
    """Return an object's finalizers."""
    return item["metadata"].get("finalizers") or []


def child(item: Mapping[str, Any], key: str) -> Object:
    """Return a part of an object; empty if it is absent or null."""
    return item.get(key) or {}


def status_of(item: Mapping[str, Any]) -> Object:
    """Return an object's status."""
    return child(item, "status")


def conditions_of(item: Mapping[str, Any]) -> list[Object]:
    """Return the conditions of an object's status."""
    return status_of(item).get("conditions") or []


def deleting(item: Object) -> bool:
    """Return whether a deleted object waits for its finalizers."""
    return "deletionTimestamp" in item["metadata"]


def generation_of(item: Object) -> int:
    """Return the generation of an object's specification."""
    return item["metadata"].get("generation", 1)


def owner_reference(owner: Object, *, controller: bool = True) -> Object:
    """Return a reference to an owner; the owned object is deleted with it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": owner["metadata"]["uid"],
        "controller": controller,
        "blockOwnerDeletion": True,
    }


def owned_by(item: Object, owner: Object) -> bool:
    """Return whether one object owns another."""
    uid = owner["metadata"]["uid"]
    return any(reference["uid"] == uid for reference in item["metadata"].get("ownerReferences", ()))


def condition(item: Mapping[str, Any], name: str) -> Object | None:
    """Return a condition of an object's status, or of a list entry with its own `conditions`."""
    conditions: list[Object] = item.get("conditions") or conditions_of(item)
    return next((entry for entry in conditions if entry["type"] == name), None)


def is_true(item: Mapping[str, Any], name: str) -> bool:
    """Return whether an object has a condition with the status True."""
    found = condition(item, name)
    return found is not None and found["status"] == "True"


def put_condition(conditions: list[Object], entry: Object, now: float) -> list[Object]:
    """Return the conditions with one set; its transition time changes only with its status."""
    old = next((other for other in conditions if other["type"] == entry["type"]), None)
    moment = old["lastTransitionTime"] if old and old["status"] == entry["status"] else timestamp(now)
    new = {**entry, "lastTransitionTime": moment}
    return [new if other is old else other for other in conditions] if old else [*conditions, new]


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether a label selector matches labels; an empty selector matches everything."""
    return all(labels.get(key) == value for key, value in child(selector, "matchLabels").items()) and all(
        _satisfies(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def _satisfies(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def merge(live: Object, previous: Object, desired: Object) -> Object:
    """Apply a configuration: set its fields, remove fields that only the previous one has, keep all others.

    Lists are replaced as a whole. Server-side apply merges some lists by key, but here no list has two writers.
    """
    result = {key: value for key, value in live.items() if key in desired or key not in previous}
    for key, value in live.items():
        # Inside a removed key, fields of other writers stay (server-side apply's ownership by field).
        if key in previous and key not in desired and isinstance(value, dict) and isinstance(previous[key], dict):
            rest = merge(value, previous[key], {})  # pyright: ignore[reportUnknownArgumentType] -- JSON
            if rest:
                result[key] = rest
    for key, value in desired.items():
        if isinstance(value, dict) and isinstance(live.get(key), dict):
            before = previous.get(key)
            result[key] = merge(live[key], before if isinstance(before, dict) else {}, value)  # pyright: ignore[reportUnknownArgumentType] -- JSON
        else:
            result[key] = value
    return result


FieldPath: TypeAlias = tuple[str, ...]

_IDENTITY: Final = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))


def patched(live: Object, changes: Object) -> Object:
    """Return an object changed by a JSON merge patch (RFC 7386)."""
    result = deepcopy({key: value for key, value in live.items() if changes.get(key, "") is not None})
    for key, value in changes.items():
        if isinstance(value, dict):
            before = result.get(key)
            result[key] = patched(before if isinstance(before, dict) else {}, value)  # pyright: ignore[reportUnknownArgumentType] -- JSON
        elif value is not None:
            result[key] = value
    return result


def leaves(item: Object, path: FieldPath = ()) -> Iterator[FieldPath]:
    """Yield the paths of an object's fields, except for its identity. A list is one field."""
    for key, value in item.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))  # pyright: ignore[reportUnknownArgumentType] -- JSON
        elif (*path, key) not in _IDENTITY:
            yield (*path, key)


def _at(item: Object, path: FieldPath) -> Any:  # noqa: ANN401 -- any JSON value
    value: Any = item
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] -- JSON
    return value  # pyright: ignore[reportUnknownVariableType] -- JSON


def conflicting(held: Object, live: Object, desired: Object) -> list[FieldPath]:
    """Return one client's fields that a configuration would change. A list is one field here."""
    mine = set(leaves(held))
    return [path for path in leaves(desired) if path in mine and not _equals(_at(live, path), _at(desired, path))]


def _equals(live: Any, desired: Any) -> bool:  # noqa: ANN401 -- any JSON value
    """Return whether a live value equals a desired one, apart from the API server's defaults."""
    match live, desired:
        case dict(), dict():
            return all(key in live and _equals(live[key], value) for key, value in desired.items())  # pyright: ignore[reportUnknownVariableType] -- JSON
        case list(), list():
            return len(live) == len(desired) and all(map(_equals, live, desired))  # pyright: ignore[reportUnknownArgumentType] -- JSON
        case _:
            return live == desired


def without(item: Object, paths: Collection[FieldPath], at: FieldPath = ()) -> Object:
    """Return an object without some of its fields."""
    return {
        key: without(value, paths, (*at, key)) if isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType] -- JSON
        for key, value in item.items()
        if (*at, key) not in paths
    }


def unshared(previous: Object, held: Object) -> Object:
    """Return a client's fields without the ones that another client also has."""
    return without(previous, set(leaves(held)))
