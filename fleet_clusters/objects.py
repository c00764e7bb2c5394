"""Objects of an API server, and their parts."""

from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]


def is_true(item: Object, name: str) -> bool:
    """Return whether a condition of an object's status, or of a part of it, is True."""
    return any(each["type"] == name and each["status"] == "True" for each in parts(item, "conditions"))


def part(item: Object, key: str) -> Object:
    """Return a part of an object; empty if it is missing."""
    return item.get(key) or {}


def parts(item: Object, key: str) -> list[Object]:
    """Return a list in an object; empty if it is missing."""
    return item.get(key) or []
