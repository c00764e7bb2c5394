"""Checks a resource's inputs against the argument classes of the Pulumi SDKs.

A misspelt key of a plain dict passes through the SDK without an error and would be ignored by the cloud,
so inputs are compared with the argument classes. No schema is repeated here.
"""

import collections.abc
import difflib
import importlib
import inspect
import sys
import threading
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Any, Final

import pulumi
from pulumi.runtime import rpc

from rehearsal.core.protocol import UNKNOWN, Problem, Properties

_PACKAGES: Final = {
    "azure-native": "pulumi_azure_native",
    "kubernetes": "pulumi_kubernetes",
    "random": "pulumi_random",
}
_FOREIGN_ENUMS: Final[dict[tuple[str, str], object]] = {
    # The SDK's enum for this property has the values of AKS clusters (rapid, stable, …); the Fleet API accepts Stable,
    # Rapid and NodeImage (learn: rest/api/fleet/auto-upgrade-profiles).
    ("AutoUpgradeProfileArgs", "channel"): str,
    # The streams of add-ons are not in the SDK's enums (Azure/azure-cli, addonconfiguration.py; Azure/
    # prometheus-collector, AddonTerraformTemplate/main.tf).
    ("DataFlowArgs", "streams"): Sequence[str],
    ("ExtensionDataSourceArgs", "streams"): Sequence[str],
}
# Types that may wrap an input in the SDK; on the wire there is only the value.
_WRAPPERS: Final = (pulumi.Output, collections.abc.Awaitable)

# The SDKs load their modules lazily, which Python 3.11 does not do safely from several threads.
_importing = threading.RLock()


def problems(token: str, inputs: Properties) -> list[Problem]:
    """Compare a resource's inputs with the SDK's argument class for its type.

    Args:
        token: the resource's type token, such as `azure-native:network:Subnet`.
        inputs: wire-form values; `UNKNOWN` fits every type, and a float without fraction fits an integer.

    Returns:
        Unknown properties, wrong types, missing required values and unknown enum values. Types without
        an SDK class (custom resources) have none.
    """
    resource = _resource_class(token)
    return [] if resource is None else list(_object(inputs, _arguments(resource), ""))


def function_problems(token: str, arguments: Properties) -> list[Problem]:
    """Compare a function's arguments with the SDK function's parameters. An unknown function is a problem too."""
    package, module, name = token.split(":")
    with _importing:
        functions = importlib.import_module(f"{_PACKAGES[package]}.{module}")
        function = getattr(functions, _snake_case(name), None)
    if function is None:
        return [Problem("", f"unknown function '{token}'")]
    known = {_camel_case(parameter) for parameter in inspect.signature(function).parameters} - {"opts"}
    # The generated functions type every argument as optional text.
    return [_unknown_property("", key, known) for key in arguments if key not in known] + [
        Problem(key, f"expected a string, got {_describe(value)}")
        for key, value in arguments.items()
        if key in known and value is not UNKNOWN and not isinstance(value, str | None)
    ]


def expected_outputs(token: str, inputs: Properties) -> Properties:
    """Return the outputs in the preview of a creation: equal to the inputs, or unknown.

    This is how azure-native previews (provider.go, `PreviewOutputs`), nested objects included.
    """
    resource = _resource_class(token)
    if resource is None:
        return dict(inputs)
    return {name: _echo(inputs.get(name), hint) for name, hint in _properties(resource).items()}


@cache
def _resource_class(token: str) -> type | None:
    package, module, _ = token.split(":")
    with _importing:
        importlib.import_module(_PACKAGES[package])
        registered = typing.cast("Any", rpc.get_resource_module(package, module, ""))
        if registered is None or token not in registered.mod_info["classes"]:
            return None
        return getattr(importlib.import_module(registered.mod_info["fqn"]), registered.mod_info["classes"][token])


@cache
def _arguments(resource: type) -> type:
    # A generated module exports its resource and, before it, the resource's arguments (FleetArgs, SubnetInitArgs).
    module = sys.modules[resource.__module__]
    return next(getattr(module, name) for name in module.__all__ if name.endswith("Args"))


@cache
def _properties(cls: type) -> dict[str, Any]:
    """Return the getters' types by wire name, from the SDK's own metadata for translating names."""
    names = {"Output": pulumi.Output, "T": Any}
    properties: dict[str, Any] = {}
    with _importing:
        for member in vars(cls).values():
            wire_name = getattr(member.fget, "_pulumi_name", None) if isinstance(member, property) else None
            if wire_name is not None:
                scope = vars(sys.modules[cls.__module__])
                properties[wire_name] = typing.get_type_hints(member.fget, scope, names)["return"]
    return properties


def _has_properties(member: Any) -> bool:  # noqa: ANN401 - any type
    return isinstance(member, type) and bool(_properties(member))


@cache
def _required(cls: type) -> frozenset[str]:
    parameters = inspect.signature(cls).parameters
    return frozenset(
        getattr(cls, name).fget._pulumi_name  # noqa: SLF001 - the SDK's marker of the wire name
        for name, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty
    )


def _members(hint: Any) -> list[Any]:  # noqa: ANN401 - type hints have no common type
    """Return a type's alternatives, without the SDK's wrappers, `None` and the dict twins of argument classes."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [member for argument in typing.get_args(hint) for member in _members(argument)]
        return [member for index, member in enumerate(members) if member not in members[:index]]
    wrapped = typing.get_origin(hint) in _WRAPPERS
    return [] if wrapped or hint is type(None) or typing.is_typeddict(hint) else [hint]


def _object(value: Mapping[str, Any], cls: type, path: str) -> Iterator[Problem]:
    known = _properties(cls)
    for key in sorted(_required(cls)):
        if value.get(key) is None:
            yield Problem(_join(path, key), f"missing required property '{key}'")
    for key, item in value.items():
        if key not in known:
            yield _unknown_property(path, key, known)
        elif item is not None:
            members = _members(known[key])
            if (cls.__name__, key) in _FOREIGN_ENUMS:
                members = [_FOREIGN_ENUMS[cls.__name__, key]]
            yield from _value(item, members, _join(path, key))


def _value(value: Any, members: Sequence[Any], path: str) -> Iterator[Problem]:  # noqa: ANN401 - any JSON value
    if value is UNKNOWN or Any in members:
        return
    allowed = [choice for member in members for choice in _choices(member)]
    if allowed and isinstance(value, str | int | float):
        # Extensible enums are written Union[str, Enum]: the text is checked all the same.
        if value not in allowed:
            yield Problem(path, f"{value!r} is not one of {', '.join(map(repr, allowed))}")
        return
    attempts = [list(_one(value, member, path)) for member in members if _same_kind(value, member)]
    if not attempts:
        yield Problem(path, f"expected {' or '.join(map(_name, members))}, got {_describe(value)}")
    else:
        yield from min(attempts, key=len)


def _one(value: Any, member: Any, path: str) -> Iterator[Problem]:  # noqa: ANN401 - any JSON value, any type
    origin, arguments = typing.get_origin(member), typing.get_args(member)
    if origin is collections.abc.Sequence:
        for index, item in enumerate(value):
            yield from _value(item, _members(arguments[0]), f"{path}[{index}]")
    elif origin is collections.abc.Mapping:
        for key, item in value.items():
            yield from _value(item, _members(arguments[1]), _join(path, key))
    elif isinstance(value, dict):
        yield from _object(typing.cast("Properties", value), member, path)


def _same_kind(value: Any, member: Any) -> bool:  # noqa: ANN401 - any JSON value, any type
    origin = typing.get_origin(member)
    if isinstance(value, dict):
        return origin is collections.abc.Mapping or _has_properties(member)
    if isinstance(value, list):
        return origin is collections.abc.Sequence
    if isinstance(value, bool) or member is bool:
        return isinstance(value, bool) and member is bool
    if member is int:
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if member is float:
        return isinstance(value, int | float)
    return isinstance(value, str) and member is str


def _choices(member: Any) -> list[Any]:  # noqa: ANN401 - any type
    if typing.get_origin(member) is typing.Literal:
        return list(typing.get_args(member))
    return [choice.value for choice in member] if isinstance(member, type) and issubclass(member, Enum) else []


def _echo(value: Any, hint: Any) -> Any:  # noqa: ANN401 - any JSON value, any type
    if typing.get_origin(hint) is pulumi.Output:
        hint = typing.get_args(hint)[0]
    (member, *others) = _members(hint) or [Any]
    origin, arguments = typing.get_origin(member), typing.get_args(member)
    if value is None or value is UNKNOWN:
        return UNKNOWN
    if others:
        return value
    if _has_properties(member):
        fields = typing.cast("Properties", value)
        return {name: _echo(fields.get(name), field) for name, field in _properties(member).items()}
    if origin is collections.abc.Sequence:
        return [_echo(item, arguments[0]) for item in value]
    # Ids of user-assigned identities go in as a list and come out as a map.
    return UNKNOWN if origin is collections.abc.Mapping and isinstance(value, list) else value


def _unknown_property(path: str, key: str, known: collections.abc.Iterable[str]) -> Problem:
    # Keys are compared without underscores and case: a snake_case name is the most common mistake.
    folded = {_fold(name): name for name in known}
    nearest = difflib.get_close_matches(_fold(key), folded, n=1)
    hint = f"; did you mean '{folded[nearest[0]]}'?" if nearest else ""
    return Problem(_join(path, key), f"unknown property '{key}'{hint}")


def _fold(name: str) -> str:
    return name.replace("_", "").lower()


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _name(member: Any) -> str:  # noqa: ANN401 - any type
    origin = typing.get_origin(member)
    if origin is collections.abc.Sequence:
        return "a list"
    if origin is collections.abc.Mapping or _has_properties(member):
        return "an object"
    return {str: "a string", bool: "a boolean", int: "an integer", float: "a number"}.get(member, str(member))


def _describe(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    # Values may be secret, so the message names their kind only.
    return "a boolean" if isinstance(value, bool) else "a string" if isinstance(value, str) else "a number"
