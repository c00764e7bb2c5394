"""The running stack, as its state has it."""

from collections.abc import Mapping
from typing import Any, Final, cast

import pulumi

State = Mapping[str, Mapping[str, Any]]
"""The outputs of the state's resources. A component's key is its type and name, `FleetHub hub`. Its child's key has
both types, `FleetHub/Fleet hub-fleet`, because a region may have the name of another component or child. The stack's
own outputs are under `""`."""

POOL: Final = ("agentPoolProfiles", 0)
"""The path of a cluster's system pool in its outputs."""

_TYPES: Final = {
    "api-subnet": "Subnet",
    "group": "ResourceGroup",
    "vnet": "VirtualNetwork",
    "subnet": "Subnet",
    "cluster": "ManagedCluster",
    "kubelets": "UserAssignedIdentity",
    "apps": "AgentPool",
}


class StateError(pulumi.RunError):
    """The state of the stack cannot be read."""


def read_state() -> State:
    """Return the outputs of the running stack; nothing for a new stack.

    Raises:
        StateError: the state cannot be read.
    """
    # `pulumi.StackReference` reads the stack's outputs only, which are missing after a failed `up`.
    # [pulumi v3.274.1, pkg/resource/deploy/builtins.go, readStackResourceOutputs]
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    try:
        answer: Any = pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack}).value
    except Exception as error:  # noqa: BLE001 - the SDK raises nothing more specific
        raise StateError(
            f"The state of the stack cannot be read: {error}; nothing was done, because a plan without it could give "
            "running clusters other identities, and lost regions other resources. Run it again; if "
            "`pulumi stack export` fails too, make the state's backend readable first."
        ) from None
    found: dict[str, Mapping[str, Any]] = {}
    for urn, resource in answer["outputs"].items():
        types = [token.rpartition(":")[2] for token in urn.split("::")[2].split("$")]
        found["" if types == ["Stack"] else f"{'/'.join(types[-2:])} {urn.rpartition('::')[2]}"] = resource["outputs"]
    return found


def region_key(region: str, resource: str) -> str:
    """Return the key in the state of a region's resource, by the suffix of its logical name."""
    return f"RegionalCluster/{_TYPES[resource]} {region}-{resource}"


def member_key(region: str) -> str:
    """Return the key in the state of a region's member of the fleet."""
    return f"FleetHub/FleetMember hub-member-{region}"


def lower(name: object) -> str:
    """Return a name in the form to compare: Azure ignores case in names."""
    return str(name).lower()


def value_at(outputs: object, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value at a path of outputs; None if there is none."""
    for step in path:
        try:
            outputs = cast("Any", outputs)[step]
        except (KeyError, IndexError, TypeError):
            return None
    # The engine sends every number as a float.
    return int(outputs) if isinstance(outputs, float) and outputs.is_integer() else outputs
