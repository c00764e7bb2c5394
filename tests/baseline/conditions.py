"""Evaluates conditions on ARM's objects, with the meaning that they have in Azure Policy and in PSRule.

learn: governance/policy/concepts/definition-structure-policy-rule; microsoft/PSRule, docs/concepts/PSRule/en-US/
about_PSRule_Expressions.md. Case is ignored in names and texts, and a boolean equals its text.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

Condition = Mapping[str, Any]


def holds(condition: Condition, target: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether a condition holds for an object, or for an element of one of its lists."""
    match condition:
        case {"allOf": parts}:
            return all(holds(part, target) for part in parts)
        case {"anyOf": parts}:
            return any(holds(part, target) for part in parts)
        case {"not": part}:
            return not holds(part, target)
        case {"count": path, **rest}:
            where = rest.pop("where", {"allOf": []})
            found = sum(holds(where, element) for element in found_at(target, path) or ())
            return _compare(found, rest)
        case {"field": path, **rest}:
            return _compare(found_at(target, path), rest)
        case _:
            raise ValueError(f"unknown condition {condition}")


def found_at(target: Any, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value at a path of an object or of its properties; None if there is none."""
    if path == ".":
        return target
    key, _, rest = path.partition(".")
    fields = (
        {name.lower(): value for name, value in cast("Mapping[str, Any]", target).items()} if _is_map(target) else {}
    )
    if key.lower() not in fields and _is_map(fields.get("properties")):
        return found_at(fields["properties"], path)
    value = fields.get(key.lower())
    return found_at(value, rest) if rest else value


def _is_map(value: object) -> bool:
    return isinstance(value, Mapping)


def _compare(value: Any, test: Mapping[str, Any]) -> bool:  # noqa: ANN401 - any JSON value
    ((operator, wanted),) = test.items()
    return _OPERATORS[operator](value, wanted)


def _text(value: object) -> str:
    return str(value).lower()


def _size(value: object) -> float:
    """PSRule compares the length of texts and lists, where a number is wanted."""
    if isinstance(value, int | float):
        return value
    return len(cast("str | list[Any]", value)) if isinstance(value, str | list) else 0


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "equals": lambda value, wanted: value is not None and _text(value) == _text(wanted),
    "notEquals": lambda value, wanted: value is None or _text(value) != _text(wanted),
    "exists": lambda value, wanted: (value is not None) == wanted,
    "hasValue": lambda value, wanted: (value not in (None, "", [], {})) == wanted,
    "in": lambda value, wanted: _text(value) in map(_text, wanted),
    "notIn": lambda value, wanted: _text(value) not in map(_text, wanted),
    "setOf": lambda value, wanted: sorted(map(_text, value or ())) == sorted(map(_text, wanted)),
    "contains": lambda value, wanted: _text(wanted) in map(_text, value or ()),
    "match": lambda value, wanted: re.fullmatch(wanted, str(value), re.IGNORECASE) is not None,
    "notStartsWith": lambda value, wanted: not _text(value).startswith(_text(wanted)),
    "less": lambda value, wanted: _size(value) < wanted,
    "lessOrEquals": lambda value, wanted: _size(value) <= wanted,
    "greater": lambda value, wanted: _size(value) > wanted,
    "greaterOrEquals": lambda value, wanted: _size(value) >= wanted,
}
