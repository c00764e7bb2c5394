"""Names, IDs and parents, and the life of a resource."""

from pathlib import Path
from uuid import UUID

import pytest

from rehearsal.core.protocol import Properties
from rehearsal.core.store import Store
from rehearsal.tests.azure.subscription import (
    CLUSTER_ADMIN,
    FLEET_ADMIN,
    SUBSCRIPTION,
    Subscription,
    budget_inputs,
    cluster_inputs,
    role_inputs,
)


def test_ids_are_in_arms_form(sub: Subscription) -> None:
    assert sub.group() == f"{SUBSCRIPTION}/resourceGroups/rg"
    sub.network()
    assert sub.subnet() == (
        f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet/subnets/nodes"
    )


@pytest.mark.parametrize(
    ("kind", "key", "bad"),
    [
        ("ResourceGroup", "resourceGroupName", "ends-with."),
        ("VirtualNetwork", "virtualNetworkName", "-vnet"),
        ("Subnet", "subnetName", "a b"),
        ("VirtualNetworkPeering", "virtualNetworkPeeringName", "x" * 81),
        ("UserAssignedIdentity", "resourceName", "ab"),
        ("ManagedCluster", "resourceName", "aks_"),
        ("AgentPool", "agentPoolName", "Pool"),
        ("Fleet", "fleetName", "x" * 64),
        ("FleetMember", "fleetMemberName", "West"),
        ("FleetUpdateStrategy", "updateStrategyName", "x" * 51),
        ("AutoUpgradeProfile", "autoUpgradeProfileName", "stable-"),
        ("RoleAssignment", "roleAssignmentName", "mine"),
        ("Budget", "budgetName", "a b"),
    ],
)
def test_names_are_well_formed(sub: Subscription, kind: str, key: str, bad: str) -> None:
    known: dict[str, Properties] = {
        "ResourceGroup": {"location": "eastus"},
        "VirtualNetwork": {"location": "eastus"},
        "Subnet": {"virtualNetworkName": "v"},
        "VirtualNetworkPeering": {"virtualNetworkName": "v", "remoteVirtualNetwork": {"id": "/x"}},
        "UserAssignedIdentity": {"location": "eastus"},
        "ManagedCluster": {**cluster_inputs("a", "s", "i"), "location": "eastus"},
        "AgentPool": {"resourceName": "aks"},
        "Fleet": {"location": "eastus"},
        "FleetMember": {"fleetName": "f", "clusterResourceId": "/c"},
        "FleetUpdateStrategy": {"fleetName": "f", "strategy": {"stages": [{"name": "a", "groups": [{"name": "a"}]}]}},
        "AutoUpgradeProfile": {"fleetName": "f", "channel": "Stable"},
        "RoleAssignment": role_inputs(SUBSCRIPTION, FLEET_ADMIN),
        "Budget": budget_inputs(),
    }
    required = known[kind]
    group: Properties = {} if "scope" in required else {"resourceGroupName": "rg"}
    assert list(sub.problems(kind, **{**group, **required, key: bad})) == [key]


def test_automatic_names_are_random_at_the_top_copies_for_children_and_guids_for_roles(sub: Subscription) -> None:
    def automatic(kind: str, key: str, **inputs: object) -> str:
        return sub.azure.check(sub.call(kind, "east"), inputs)[0][key]

    top = automatic("VirtualNetwork", "virtualNetworkName", resourceGroupName="rg", location="eastus")
    assert top.startswith("east")
    assert len(bytes.fromhex(top.removeprefix("east"))) == 4
    assert automatic("Subnet", "subnetName", resourceGroupName="rg", virtualNetworkName="v") == "east"
    assert UUID(automatic("RoleAssignment", "roleAssignmentName", **role_inputs(SUBSCRIPTION, FLEET_ADMIN)))


def test_an_automatic_name_is_kept(sub: Subscription) -> None:
    inputs: Properties = {"resourceGroupName": "rg", "location": "eastus"}
    first, _ = sub.azure.check(sub.call("VirtualNetwork"), inputs)
    again, _ = sub.azure.check(sub.call("VirtualNetwork"), inputs, first)
    assert again == first


@pytest.mark.recording("group")
def test_a_group_is_there_at_once(sub: Subscription) -> None:
    assert sub.outputs("ResourceGroup", sub.group())["properties"] == {"provisioningState": "Succeeded"}


def test_what_exists_is_not_adopted(sub: Subscription) -> None:
    group = sub.group("RG")
    assert sub.refused("ResourceGroup", resourceGroupName="rg", location="eastus") == (
        f"cannot create already existing resource '{group[:-2]}rg'"
    )


@pytest.mark.recording("group-missing")
def test_the_group_must_exist(sub: Subscription) -> None:
    network: Properties = {"resourceGroupName": "rg", "virtualNetworkName": "vnet", "location": "eastus"}
    assert 'Code="ResourceGroupNotFound" Message="Resource group \'rg\' could not be found."' in sub.refused(
        "VirtualNetwork", **network
    )


@pytest.mark.recording("parent-missing")
def test_the_parent_must_exist(sub: Subscription) -> None:
    sub.group()
    subnet: Properties = {"resourceGroupName": "rg", "virtualNetworkName": "vnet", "subnetName": "s"}
    network = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
    assert sub.refused("Subnet", **subnet) == (
        'Status=404 Code="ParentResourceNotFound" Message="Failed to perform \'write\' on resource(s) of type '
        f"'virtualNetworks/subnets', because the parent resource '{network}' could not be found.\""
    )


def test_read_returns_the_programs_inputs_as_they_are_now(sub: Subscription) -> None:
    group = sub.group()
    sub.update("ResourceGroup", group, resourceGroupName="rg", location="eastus2", tags={"drift": "yes"})
    found = sub.azure.read(sub.call("ResourceGroup"), group, {"location": "", "tags": {"a": "b"}}, {})
    assert found is not None
    assert found[0] == {"location": "eastus2", "tags": {"drift": "yes"}}
    assert found[1]["tags"] == {"drift": "yes"}


def test_import_takes_azures_defaults_for_the_programs_wishes(sub: Subscription) -> None:
    inputs = sub.place()
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    call = sub.call("ManagedCluster")
    found = sub.azure.read(call, cluster_id, {}, {})
    assert found is not None
    imported, problems = sub.azure.check(call, found[0])
    assert problems == []
    assert imported.items() >= inputs.items()
    assert f"'{cluster_id}'" in sub.refused("ManagedCluster", **inputs)  # the inputs lead to the same ID
    # pulumi/pulumi-azure-native issue 4401
    wanted, _ = sub.azure.check(call, inputs, imported)
    assert "nodeResourceGroup" in sub.azure.diff(call, imported, {}, wanted).replaced


def test_read_finds_nothing_where_nothing_is(sub: Subscription) -> None:
    assert not sub.exists("ResourceGroup", f"{SUBSCRIPTION}/resourceGroups/rg")


def test_deleting_a_group_deletes_what_is_in_it_and_roles_on_that(sub: Subscription) -> None:
    inputs = sub.place()
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    role = sub.role(cluster_id, CLUSTER_ADMIN)
    sub.delete("ResourceGroup", f"{SUBSCRIPTION}/resourceGroups/rg")
    assert not sub.exists("ManagedCluster", cluster_id)
    assert not sub.exists("RoleAssignment", role)
    assert sub.clusters.of("remove") == [("remove", cluster_id)]


def test_deleting_what_is_gone_is_no_error(sub: Subscription) -> None:
    sub.delete("ResourceGroup", f"{SUBSCRIPTION}/resourceGroups/rg")


def test_updating_a_network_keeps_its_subnets(sub: Subscription) -> None:
    sub.group()
    network = sub.network()
    subnet = sub.subnet()
    space = {"addressPrefixes": ["10.1.0.0/16"]}
    sub.update("VirtualNetwork", network, resourceGroupName="rg", virtualNetworkName="vnet", addressSpace=space)
    assert sub.exists("Subnet", subnet)


def test_what_the_caller_does_with_the_outputs_changes_nothing(sub: Subscription) -> None:
    sub.group()
    network = sub.network()
    sub.outputs("VirtualNetwork", network)["addressSpace"]["addressPrefixes"].clear()
    assert sub.outputs("VirtualNetwork", network)["addressSpace"] == {"addressPrefixes": ["10.1.0.0/16"]}


def test_state_survives_in_the_file(tmp_path: Path) -> None:
    group = Subscription(Store(tmp_path / "state.json")).group()
    assert Subscription(Store(tmp_path / "state.json")).exists("ResourceGroup", group)
