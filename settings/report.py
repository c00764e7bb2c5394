"""The report of mistakes in the settings: key, finding, remedy."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, NamedTuple, get_args

import pulumi
from pydantic import BaseModel, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

_MAX_SHOWN: Final = 80  # characters of a value in a line of the report


class SettingsError(pulumi.RunError):
    """The message lists all mistakes in the settings. Pulumi shows the message of a RunError without a traceback."""


class Problem(NamedTuple):
    """One mistake.

    Attributes:
        path: the key, as the user wrote it.
        found: what is wrong. Only this attribute may quote values; it is withheld if a value is secret.
        remedy: what to write instead.
        quotes: another top-level key whose values `found` quotes.
    """

    path: str
    found: str
    remedy: str
    quotes: str = ""


def report(heading: str, problems: Sequence[Problem], secret: Collection[str]) -> str:
    """Write two lines for each problem: path and finding, then the remedy."""
    lines = [heading]
    for path, found, remedy, quotes in dict.fromkeys(problems):
        withheld = {re.split(r"[.\[]", path)[0], quotes} & {*secret}
        lines += [f"  {path}: {'(secret)' if withheld else found}", f"    {remedy}"]
    return "\n".join(lines)


def show(value: object) -> str:
    """Quote a value as JSON, whose escapes reveal look-alike characters; shorten a long value."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."


def invalid(found: str, remedy: str) -> PydanticCustomError:
    """Return the error for a validator to raise: a `Problem` to which pydantic adds the path."""
    return PydanticCustomError("invalid", "{found}", {"found": found, "remedy": remedy})


# --- Pydantic's findings -------------------------------------------------------------------------------------

# {value} is the value; {kind} is the key that decides which other keys are allowed; other names are the finding's own.
_TOGETHER: Final = ("cannot be set together with {kind}", "remove it")
_MAP: Final = ("{value} is not a map", "write one key: value a line")
_FINDINGS: Final = {
    "missing": ("is missing", "required: {description}"),
    "none_required": _TOGETHER,
    "extra_forbidden": _TOGETHER,  # where another kind of the section has the key
    "string_type": ("{value} is not a string", 'quote it: YAML reads 1.30 as a number, "1.30" as a string'),
    "int_type": ("{value} is not a whole number", "write a whole number, without quotes"),
    "bool_type": ("{value} is neither true nor false", "write true or false, without quotes"),
    "tuple_type": ("{value} is not a list", "write one item a line, each after a dash"),
    "dict_type": _MAP,
    "model_type": _MAP,
    "literal_error": ("{value} is not allowed", "write {expected}"),
    "greater_than_equal": ("{value} is too small", "write {ge} or more"),
    "less_than_equal": ("{value} is too large", "write {le} or less"),
    "string_too_long": ("{value} is too long", "at most {max_length} characters are allowed"),
    "too_long": ("has too many items", "at most {max_length} are allowed"),
}
# [learn: aks/concepts-network-azure-cni-overlay]
_OVERLAY: Final = "remove it: overlay pods are not reachable from another cluster, so flat Azure CNI is fixed"
_NAMED: Final = ("apps", "globalAddresses", "teams")
_OVERLAY_KEYS: Final = ("networkPlugin", "networkPluginMode", "podCidr")


def sections(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models in a field's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from sections(part)


@cache
def keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return all keys of a model, those in its sections too, such as `regions.nodePool.count`."""
    found = dict[str, FieldInfo]()
    for field in model.model_fields.values():
        inner = [
            (f"{field.alias}.{key}", each)
            for section in sections(field.annotation)
            for key, each in keys(section).items()
        ]
        for key, each in ((str(field.alias), field), *inner):
            if key not in found or each.description:  # of the kinds of a section, one explains the key
                found[key] = each
    return found


def kind(key: str) -> Tag:
    """Return pydantic's tag for the kind of section that a key selects."""
    return Tag(f"<{key}>")


def findings(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return pydantic's findings in the words of the report."""
    # A default that is computed from a broken value is missing only because of that value.
    return [_problem(e, keys(model)) for e in error.errors() if e["type"] != "default_factory_not_called"]


def _problem(error: ErrorDetails, known: Mapping[str, FieldInfo]) -> Problem:
    marks = [part for part in error["loc"] if isinstance(part, str) and re.fullmatch(r"<(new|\w+\.\w+)>|\[key\]", part)]
    parts = [part for part in error["loc"] if part not in marks]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")
    # The name of an app, an address or a team is no key.
    key = ".".join(
        part for place, part in enumerate(parts) if isinstance(part, str) and not (place == 1 and parts[0] in _NAMED)
    )
    context: Mapping[str, Any] = error.get("ctx", {})
    if error["type"] == "invalid":
        return Problem(path, context["found"], context["remedy"])
    if error["type"] == "extra_forbidden" and key not in known:
        return Problem(path, "unknown key", _instead_of(key, known))
    found, remedy = _FINDINGS.get(error["type"], ("{value} is not allowed", "write another value"))
    words = {
        **context,
        "value": show(error["input"]),
        "kind": marks[-1].strip("<>") if marks else "",
        "description": _first_sentence(known[key].description or "") if key in known else "",
    }
    return Problem(path, found.format(**words), remedy.format(**words))


def _first_sentence(description: str) -> str:
    first = " ".join(description.split()).partition(". ")[0].replace("`", "").removesuffix(".")
    return re.sub(r"^(A|An|The)\b", lambda article: article[0].lower(), first)


def _instead_of(key: str, known: Collection[str]) -> str:
    """Return the remedy for an unknown key."""
    section, _, name = key.rpartition(".")
    if name in _OVERLAY_KEYS:
        return _OVERLAY
    names = {other.lower(): other for path in known for at, _, other in [path.rpartition(".")] if at == section}
    nearest = get_close_matches(name.lower(), names, n=1)
    return f"did you mean {names[nearest[0]]}?" if nearest else f"the keys are {', '.join(names.values())}"
