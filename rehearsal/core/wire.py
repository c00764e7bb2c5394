"""Converts property values between the engine's form and the model's."""

from collections.abc import Collection
from typing import Any, Final, cast

import pulumi.output
from google.protobuf import json_format, struct_pb2

from rehearsal.core.protocol import UNKNOWN, Properties

# pulumi/pulumi v3.274.1, sdk/go/common/resource/sig/sig.go
_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWNS: Final = {
    _UNKNOWN_STRING,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker, the same everywhere

PropertyPath = tuple[str | int, ...]
"""The keys and positions that lead to a value."""


def decode(properties: struct_pb2.Struct) -> tuple[Properties, frozenset[PropertyPath]]:
    """Return the properties of a request in the model's form, and the paths of secrets."""
    return open_secrets(json_format.MessageToDict(properties))


def open_secrets(properties: Properties) -> tuple[Properties, frozenset[PropertyPath]]:
    """Return properties without wrappers (plain values or `UNKNOWN`), and the paths of secrets."""
    secrets: set[PropertyPath] = set()

    def plain(value: Any, path: PropertyPath) -> Any:  # noqa: ANN401, PLR0911 - any JSON value, one case for each kind
        match value:
            case dict():
                fields = cast("Properties", value)
                if fields.get(SIGNATURE) == SECRET:
                    secrets.add(path)
                    return plain(fields["value"], path)
                return {key: plain(item, (*path, key)) for key, item in fields.items()}
            case list():
                return [plain(item, (*path, index)) for index, item in enumerate(cast("list[Any]", value))]
            case str() if value in UNKNOWNS:
                return UNKNOWN
            case pulumi.output.Unknown():  # from the SDK's mocks
                return UNKNOWN
            case float() if value.is_integer():
                return int(value)  # the wire has floating-point numbers only
            case _:
                return value

    return {key: plain(value, (key,)) for key, value in properties.items()}, frozenset(secrets)


def encode(properties: Properties, secrets: Collection[PropertyPath] = ()) -> struct_pb2.Struct:
    """Return properties in the engine's form, with the paths in `secrets` marked as secret."""

    def wire(value: Any, path: PropertyPath) -> Any:  # noqa: ANN401 - any JSON value
        if value is UNKNOWN:
            return _UNKNOWN_STRING
        if isinstance(value, dict):
            value = {key: wire(item, (*path, key)) for key, item in cast("Properties", value).items()}
        elif isinstance(value, list):
            value = [wire(item, (*path, index)) for index, item in enumerate(cast("list[Any]", value))]
        return {SIGNATURE: SECRET, "value": value} if path in secrets else value

    encoded = struct_pb2.Struct()
    encoded.update({key: wire(value, (key,)) for key, value in properties.items()})
    return encoded
