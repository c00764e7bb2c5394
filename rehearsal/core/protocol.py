"""The protocol of the simulated providers (azure-native, kubernetes, random).

They take operations on plain JSON values in their wire form (camelCase), from the engine's gRPC calls
(`engine/grpc_server.py`) or from the unit tests' mocks (`mocks.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias, cast, final

Properties: TypeAlias = dict[str, Any]
"""A resource's inputs or outputs: JSON values, with `UNKNOWN` wherever the engine does not know the value yet."""


@final
class Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __deepcopy__(self, memo: object) -> "Unknown":
        return self


UNKNOWN: Final = Unknown()
"""A value that is known only after a resource was created. Previews have many of them."""


def has_unknown(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether a value is or contains `UNKNOWN`."""
    if isinstance(value, dict):
        return any(map(has_unknown, cast("Properties", value).values()))
    if isinstance(value, list):
        return any(map(has_unknown, cast("list[Any]", value)))
    return value is UNKNOWN


@dataclass(frozen=True)
class Problem:
    """A mistake in one input: the property's path (`agentPoolProfiles[0].vmSize`) and the reason."""

    path: str
    reason: str


Change: TypeAlias = Literal["add", "delete", "update"]


@dataclass(frozen=True)
class Difference:
    """The difference between two sets of inputs: the paths of all changes, and of changes that force a replacement.

    Attributes:
        kinds: the kinds of the changes, if the provider returns them.
    """

    changed: Sequence[str] = ()
    replaced: Sequence[str] = ()
    delete_before_replace: bool = False
    kinds: Mapping[str, Change] = field(default_factory=dict[str, Change])


Severity: TypeAlias = Literal["info", "warning", "status"]
Verb: TypeAlias = Literal["create", "read", "update", "delete", "invoke"]


@dataclass(frozen=True)
class Call:
    """The context of one operation.

    Attributes:
        token: the type token of the resource, or the function's token; the base package's if `api_version` is set.
        name: the resource's logical name; empty for functions.
        preview: whether the engine only previews the operation.
        timeout: seconds that the program allows (`custom_timeouts`), or None.
        provider: the configuration of the provider instance, with secrets in clear.
        api_version: the API version of a package that was generated for one; else empty.
        urn: the resource's URN.
        log: shows the user a message about the resource, with a severity; a status is shown temporarily.
    """

    token: str
    name: str = ""
    preview: bool = False
    timeout: float | None = None
    provider: Properties = field(default_factory=dict[str, Any])
    api_version: str = ""
    urn: str = ""
    log: Callable[[Severity, str], None] = lambda _severity, _message: None


@dataclass(frozen=True)
class Operation:
    """A request of the engine to a provider.

    Attributes:
        verb: the kind of operation.
        call: its context.
        resource_id: the resource's ID; empty if it has none yet.
        inputs: the inputs of a creation or an update.
    """

    verb: Verb
    call: Call
    resource_id: str = ""
    inputs: Properties = field(default_factory=dict[str, Any])


class FakeProvider(Protocol):
    """One provider's behaviour. Every operation may raise `RefusedError`."""

    def check(
        self, call: Call, inputs: Properties, old_inputs: Properties | None = None
    ) -> tuple[Properties, list[Problem]]:
        """Return the completed inputs, and the mistakes in them.

        An automatic name is generated once: `old_inputs`, the inputs of the resource's last update, already have it.
        """
        ...

    def check_provider(self, config: Properties) -> list[Problem]:
        """Return the mistakes in the configuration of a provider instance.

        azure-native finds none (provider.go, `CheckConfig`), and random has no configuration.
        """
        del config
        return []

    def diff_provider(self, old: Properties, new: Properties) -> Difference:
        """Compare two configurations of one instance of this provider.

        azure-native leaves this to the engine (provider.go, `DiffConfig`: DIFF_UNKNOWN), which updates the instance if
        they differ (pulumi v3.274.1, pkg/resource/deploy/providers/registry.go, `Diff`).
        """
        return Difference([key for key in {**old, **new} if old.get(key) != new.get(key)])

    def diff(self, call: Call, old_inputs: Properties, outputs: Properties, inputs: Properties) -> Difference:
        """Compare a resource's inputs with its new ones."""
        ...

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Create a resource; return its ID (empty in previews) and its outputs."""
        ...

    def read(
        self, call: Call, resource_id: str, inputs: Properties, outputs: Properties
    ) -> tuple[Properties, Properties] | None:
        """Return a resource's inputs and outputs as they are now, or None if it does not exist.

        `inputs` and `outputs` are from the engine's state.
        """
        ...

    def update(self, call: Call, resource_id: str, outputs: Properties, inputs: Properties) -> Properties:
        """Give a resource new inputs; return its outputs."""
        ...

    def delete(self, call: Call, resource_id: str, outputs: Properties) -> None:
        """Delete a resource; a missing resource is not an error."""
        ...

    def invoke(self, call: Call, args: Properties) -> Properties:
        """Call a function, such as the one that lists credentials."""
        ...
