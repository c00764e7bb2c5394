"""The rights that docs/team.md lists are enough for prod with everything on, and hardly more than enough."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest

from rehearsal.azure import errors
from rehearsal.azure.access import ROLE_ASSIGNMENT
from rehearsal.azure.arm import last_segment
from rehearsal.core.protocol import Operation
from rehearsal.interception import Interceptor
from rehearsal.providers.azure_native import TYPES
from rehearsal.stack import rehearsing
from tests.support import existing
from tests.support.private import copy_example
from tests.support.program import ROOT, stack_config
from tests.support.stack import Stack

pytestmark = pytest.mark.slow

PAGE: Final = (ROOT / "docs" / "team.md").read_text()
VERBS: Final = {"create": "write", "update": "write", "read": "read", "delete": "delete"}

# What a function asks for (learn: role-based-access-control/permissions/containers). No other one is called, so none
# returns the keys of a workspace.
FUNCTIONS: Final = {
    "azure-native:authorization:getClientConfig": "",
    "azure-native:containerservice:getManagedCluster": "Microsoft.ContainerService/managedClusters/read",
    "azure-native:containerservice:listFleetCredentials": "Microsoft.ContainerService/fleets/listCredentials/action",
    "azure-native:containerservice:listManagedClusterUserCredentials": (
        "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"
    ),
}

# What a reference to a resource asks for (learn: role-based-access-control/permissions/networking, …/identity,
# …/monitor); for other types, to read it.
REFERENCES: Final = {
    "Microsoft.Network/virtualNetworks/subnets": "join/action",
    "Microsoft.Network/virtualNetworks": "peer/action",
    "Microsoft.Network/networkSecurityGroups": "join/action",
    "Microsoft.Network/natGateways": "join/action",
    "Microsoft.Network/publicIPAddresses": "join/action",
    "Microsoft.Network/loadBalancers/frontendIPConfigurations": "join/action",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "assign/action",
    "Microsoft.OperationalInsights/workspaces": "sharedKeys/action",
    # A cluster joins a fleet (learn: kubernetes-fleet/quickstart-create-fleet-and-members).
    "Microsoft.ContainerService/managedClusters": "write",
}


def documented() -> set[str]:
    """Return the actions of the custom role, in lower case."""
    table = PAGE.partition("### Replace Contributor")[2].partition("\n### ")[0]
    provider, found = "", set[str]()
    for on, actions in re.findall(r"^\|([^|]*)\|([^|]*)\|", table, re.MULTILINE):
        provider = on.strip(" `") or provider
        for action in re.findall("`([^`]+)`", actions):
            parts = ("read", "write", "delete") if action.endswith("/*") else ("",)
            found |= {f"{provider}/{action.removesuffix('*')}{part}".lower() for part in parts}
    return found


def assignable() -> set[str]:
    """Return the roles that the condition allows."""
    (roles,) = re.findall(r"^roles='\{(.*)\}'$", PAGE, re.MULTILINE)
    return set(roles.split(", "))


def ids(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Yield the IDs of resources in inputs."""
    if isinstance(value, dict | list):
        inner = cast("Any", value)
        for each in inner.values() if isinstance(value, dict) else inner:
            yield from ids(each)
    elif isinstance(value, str) and value.startswith("/subscriptions/") and "/providers/" in value:
        yield value


def type_of(resource_id: str) -> str:
    """Return the type in an ID, as in Microsoft.Network/virtualNetworks/subnets."""
    provider, *parts = resource_id.rpartition("/providers/")[2].split("/")
    return "/".join([provider, *parts[::2]])


def actions(operation: Operation) -> Iterator[str]:
    """Yield the actions that a request to Azure asks for."""
    call = operation.call
    if operation.verb == "invoke":
        yield FUNCTIONS[call.token]
        return
    kind = TYPES[call.token].kind.replace("Microsoft.Resources/", "Microsoft.Resources/subscriptions/")
    if call.token != ROLE_ASSIGNMENT:
        yield f"{kind}/{VERBS[operation.verb]}"
        yield f"{kind}/read"  # azure-native reads what it has written
        for each in ids(operation.inputs):
            if "roleDefinitions" not in each:
                named = {known.lower(): known for known in REFERENCES}.get(type_of(each).lower(), "")
                yield f"{type_of(each)}/{REFERENCES.get(named, 'read')}"


class Azure:
    """Azure's authorization, for an identity with the documented rights alone."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._allowed, self._roles = stack, documented(), assignable()
        self.used = set[str]()
        self.assigned = set[str]()

    def authorize(self, operation: Operation) -> None:
        """Refuse a request without the right."""
        if not operation.call.token.startswith("azure-native:"):
            return
        if operation.call.token == ROLE_ASSIGNMENT and operation.inputs:
            self._require(role := last_segment(str(operation.inputs["roleDefinitionId"])), self._roles)
            self.assigned.add(role)
        for action in filter(None, actions(operation)):
            self._require(action.lower(), self._allowed)
            self.used.add(action.lower())

    @staticmethod
    def _require(right: str, allowed: Collection[str]) -> None:
        if right not in allowed:
            kind, _, action = right.rpartition("/")
            raise errors.AUTHORIZATION_FAILED.refusal(client="…", kind=kind, action=action, scope="…")


def test_documented_rights_bring_up_and_destroy_prod_with_everything(empty: Stack) -> None:
    prod = stack_config("prod")
    registry = {"registryId": existing.registry(empty.cloud), "apiRanges": ["203.0.113.0/28"]}
    mail = ["ops@example.com"]
    more = {
        "protect": False,
        "clusters": prod["clusters"] | registry,
        "monitoring": {"alerts": {"emails": mail}, "defender": True},
        "budget": {"amount": 1000, "contactEmails": mail},
    }
    empty.configure_all(prod | more)
    azure = Azure(empty)
    with empty.cloud.intercepted(Interceptor(before=azure.authorize)):
        empty.up()
        empty.preview()
        empty.destroy(run_program=True)
    assert azure.assigned == assignable()
    # Azure asks for the right to delete each resource of a group; the CLI looks for the subscription.
    unused = {
        each for each in documented() - azure.used if not each.endswith("/delete") and not each.startswith("any/")
    }
    assert unused == {"microsoft.resources/subscriptions/read"}


def test_documented_rights_bring_up_and_destroy_the_private_example(tmp_path: Path) -> None:
    root = copy_example(tmp_path / "program")
    with rehearsing("private", root) as rehearsal:
        stack = Stack(root, rehearsal)
        azure = Azure(stack)
        with stack.cloud.intercepted(Interceptor(before=azure.authorize)):
            stack.up()
            stack.destroy(run_program=True)
    assert azure.assigned <= assignable()
