"""The simulated pulumi-random. Its values are generated once and are stored in the engine's state only."""

import secrets
import string
import uuid
from base64 import standard_b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Final

from rehearsal.azure.arm import compare
from rehearsal.core import schema
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import UNKNOWN, Call, Difference, FakeProvider, Problem, Properties, has_unknown

# Defaults and the special characters: the argument documentation in pulumi_random 4.21.4.
_SPECIAL: Final = "!@#$%&*()-_=+[]{}<>:?"
_CLASSES: Final = {
    "upper": string.ascii_uppercase,
    "lower": string.ascii_lowercase,
    "numeric": string.digits,
    "special": _SPECIAL,
}
_TEXT: Final[Properties] = {
    **dict.fromkeys((*_CLASSES, "number"), True),
    **{f"min{name.capitalize()}": 0 for name in _CLASSES},
}
_ADJECTIVES: Final = (
    "able",
    "brave",
    "calm",
    "deft",
    "eager",
    "fair",
    "glad",
    "keen",
    "mild",
    "proud",
    "quick",
    "wise",
)
_ANIMALS: Final = ("badger", "crane", "dingo", "falcon", "gecko", "heron", "ibis", "lynx", "otter", "panda", "raven")

_ID: Final = "random:index/randomId:RandomId"
_PASSWORD: Final = "random:index/randomPassword:RandomPassword"  # noqa: S105 - a type's token
_PET: Final = "random:index/randomPet:RandomPet"
_STRING: Final = "random:index/randomString:RandomString"
_UUID: Final = "random:index/randomUuid:RandomUuid"

_DEFAULTS: Final[dict[str, Properties]] = {
    _ID: {},
    _PASSWORD: _TEXT,
    _PET: {"length": 2, "separator": "-"},
    _STRING: _TEXT,
    _UUID: {},
}


class Randomness(FakeProvider):
    """Simulates pulumi-random. It stores nothing: every input forces a replacement, so a value never changes.

    A password's `bcryptHash` is left out, because Python's standard library cannot compute it.
    """

    def check(
        self, call: Call, inputs: Properties, old_inputs: Properties | None = None
    ) -> tuple[Properties, list[Problem]]:
        """Check the inputs' types and sizes, without completing them."""
        del old_inputs
        _defaults(call.token)
        problems = schema.problems(call.token, inputs)
        return inputs, problems or list(_size_problems(call.token, inputs))

    def diff(self, call: Call, old_inputs: Properties, outputs: Properties, inputs: Properties) -> Difference:
        """Compare inputs; every change, also of keepers, forces a replacement."""
        del outputs
        defaults = _defaults(call.token)
        difference = compare({**defaults, **old_inputs}, {**defaults, **inputs}, ())
        return Difference(difference.changed, difference.changed)

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Generate a value."""
        settings = {**_defaults(call.token), **{key: value for key, value in inputs.items() if value is not None}}
        if call.preview:
            return "", schema.expected_outputs(call.token, settings)
        resource_id = _MAKERS[call.token](settings)
        computed = _outputs(call.token, resource_id, settings)
        # The real provider's IDs are the values, except for passwords: an ID is not secret.
        return ("none" if call.token == _PASSWORD else resource_id), {**settings, **computed}

    def read(
        self, call: Call, resource_id: str, inputs: Properties, outputs: Properties
    ) -> tuple[Properties, Properties] | None:
        """Return the inputs and outputs in the state, the only place where they are stored.

        Without outputs the resource is being imported, and the user's ID is the value.
        """
        if outputs:
            return inputs, outputs
        if resource_id == "none":
            raise RefusedError("a password cannot be read back from its id")
        settings = {**_defaults(call.token), **inputs}
        return inputs, {**settings, **_outputs(call.token, resource_id, settings)}

    def update(self, call: Call, resource_id: str, outputs: Properties, inputs: Properties) -> Properties:
        """Take new inputs, which change nothing: any change of the value is a replacement."""
        del call, resource_id
        return {**outputs, **inputs}

    def delete(self, call: Call, resource_id: str, outputs: Properties) -> None:
        """Do nothing: the value is in the state only."""

    def invoke(self, call: Call, args: Properties) -> Properties:
        """Refuse: the provider has no functions."""
        del args
        raise RefusedError(f"pulumi-random has no function {call.token}")


def _defaults(token: str) -> Properties:
    if token not in _DEFAULTS:
        raise RefusedError(f"the rehearsal does not support {token}: add it to rehearsal/providers/random.py")
    return _DEFAULTS[token]


def _size_problems(token: str, inputs: Properties) -> Iterator[Problem]:
    settings = {**_DEFAULTS[token], **inputs}
    for key in ("length", "byteLength"):
        if settings.get(key, UNKNOWN) is not UNKNOWN and settings[key] < 1:
            yield Problem(key, f"{settings[key]:g} is less than 1")
    if "minUpper" not in settings or has_unknown(settings):
        return
    least = sum(settings[f"min{name.capitalize()}"] for name in _CLASSES)
    if settings["length"] < least:
        yield Problem("length", f"{settings['length']:g} is less than the {least:g} characters that the minima ask for")
    if not any(_alphabets(settings).values()):
        yield Problem("upper", "at least one of upper, lower, numeric and special must be true")


def _alphabets(settings: Properties) -> dict[str, str]:
    chosen = {name: letters for name, letters in _CLASSES.items() if settings[name]}
    if not settings["number"]:  # the deprecated name of numeric
        chosen.pop("numeric", None)
    if "special" in chosen and settings.get("overrideSpecial"):
        chosen["special"] = settings["overrideSpecial"]
    return chosen


def _text(settings: Properties) -> str:
    alphabets = _alphabets(settings)
    picked = [
        secrets.choice(letters)
        for name, letters in alphabets.items()
        for _ in range(int(settings[f"min{name.capitalize()}"]))
    ]
    everything = "".join(alphabets.values())
    picked += [secrets.choice(everything) for _ in range(int(settings["length"]) - len(picked))]
    secrets.SystemRandom().shuffle(picked)
    return "".join(picked)


def _pet(settings: Properties) -> str:
    words = [secrets.choice(_ADJECTIVES) for _ in range(int(settings["length"]) - 1)] + [secrets.choice(_ANIMALS)]
    prefix = [settings["prefix"]] if settings.get("prefix") else []
    return settings["separator"].join([*prefix, *words])


def _outputs(token: str, resource_id: str, settings: Properties) -> Properties:
    if token == _PET:
        return {}
    if token != _ID:
        return {"result": resource_id}
    data, prefix = urlsafe_b64decode(resource_id + "=" * (-len(resource_id) % 4)), settings.get("prefix") or ""
    encoded = {
        "b64Std": standard_b64encode(data).decode(),
        "b64Url": resource_id,
        "dec": str(int.from_bytes(data)),
        "hex": data.hex(),
    }
    return {key: f"{prefix}{value}" for key, value in encoded.items()}


def _bytes(settings: Properties) -> str:
    return urlsafe_b64encode(secrets.token_bytes(int(settings["byteLength"]))).decode().rstrip("=")


def _uuid(settings: Properties) -> str:
    del settings
    return str(uuid.uuid4())


_MAKERS: Final = {_ID: _bytes, _PASSWORD: _text, _PET: _pet, _STRING: _text, _UUID: _uuid}
