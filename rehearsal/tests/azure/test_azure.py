"""Azure's control plane: what it makes, what it refuses, what it deletes."""

import base64
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest

from rehearsal.azure import fleets
from rehearsal.azure.arm import Access, Deployer
from rehearsal.azure.recordings import RECORDINGS, page
from rehearsal.cloud import Cloud
from rehearsal.core.errors import NotReadyError, RefusedError
from rehearsal.core.protocol import UNKNOWN, Call, Difference, Operation, Properties
from rehearsal.core.store import Store
from rehearsal.fleet.in_memory import InMemoryClusters
from rehearsal.providers.azure_native import Azure
from rehearsal.stack import ROOT

DEPLOYER = Deployer()
SUBSCRIPTION = f"/subscriptions/{DEPLOYER.subscription_id}"
ROLES = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
FLEET_ADMIN = "18ab4d3d-a1bf-4477-8ad9-8359bc988f69"
CLUSTER_ADMIN = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b"
TOKENS = {
    "ResourceGroup": "resources",
    "VirtualNetwork": "network",
    "Subnet": "network",
    "VirtualNetworkPeering": "network",
    "PublicIPAddress": "network",
    "LoadBalancer": "network",
    "NetworkSecurityGroup": "network",
    "NatGateway": "network",
    "Workspace": "operationalinsights",
    "DiagnosticSetting": "monitor",
    "DataCollectionRule": "monitor",
    "DataCollectionRuleAssociation": "monitor",
    "UserAssignedIdentity": "managedidentity",
    "RoleAssignment": "authorization",
}


class _Clusters:
    """Writes down what Azure tells the Kubernetes side."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.now = 0.0
        self.exporting = False
        self.servers: dict[str, Access] = {}
        self.balanced: dict[str, dict[str, str]] = {}

    def add_cluster(  # noqa: PLR0913 - the interface's
        self,
        cluster_id: str,
        server: str,
        *,
        location: str,
        network: str,
        pods: str,
        flat: bool,
        nodes: int,
        services: str,
    ) -> None:
        self.log.append(("cluster", cluster_id, server, location, network, pods, flat, nodes, services))

    def add_network(self, network: str, prefixes: list[str]) -> None:
        self.log.append(("network", network, prefixes))

    def remove_network(self, network: str) -> None:
        self.log.append(("no network", network))

    def set_peered(self, network: str, other: str, *, peered: bool) -> None:
        self.log.append(("peered", network, other, peered))

    def set_routes(self, network: str, other: str, prefixes: list[str]) -> None:
        self.log.append(("routes", network, other, prefixes))

    def set_pool(self, cluster_id: str, pool: str, nodes: int | None, taints: Sequence[str]) -> None:
        self.log.append(("pool", cluster_id.rsplit("/", 1)[-1], pool, nodes, list(taints)))

    def public_address(self) -> str:
        return f"20.0.0.{len(self.log) + 1}"

    def frontends(self, cluster_id: str) -> dict[str, str]:
        return self.balanced.get(cluster_id, {})

    def balance(self, address: str, frontends: Mapping[str, Collection[int]]) -> None:
        self.log.append(("balance", address, {each: sorted(ports) for each, ports in frontends.items()}))

    def access(self, cluster_id: str) -> Access | None:
        return self.servers.get(cluster_id)

    def add_hub(self, fleet_id: str, server: str) -> None:
        self.log.append(("hub", fleet_id, server))

    def remove(self, cluster_id: str) -> None:
        self.log.append(("remove", cluster_id))

    def join(self, fleet_id: str, member: str, cluster_id: str, labels: dict[str, str]) -> None:
        self.log.append(("join", fleet_id, member, cluster_id, labels))

    def leave(self, fleet_id: str, member: str) -> None:
        if self.exporting:
            raise RefusedError("Please delete serviceExport")
        self.log.append(("leave", fleet_id, member))

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [entry for entry in self.log if entry[0] == kind]


class _Subscription:
    """Does to Azure what the engine does: check, then create, and so on."""

    def __init__(self, store: Store | None = None) -> None:
        self.clusters = _Clusters()
        self.azure = Azure(store or Store(), self.clusters)

    @staticmethod
    def call(kind: str, name: str = "x", *, preview: bool = False, **provider: str) -> Call:
        token = f"azure-native:{TOKENS.get(kind, 'containerservice')}:{kind}"
        return Call(token, name, preview=preview, provider=dict(provider))

    def problems(self, kind: str, **inputs: object) -> dict[str, str]:
        return {problem.path: problem.reason for problem in self.azure.check(self.call(kind), inputs)[1]}

    def create(self, kind: str, **inputs: object) -> tuple[str, Properties]:
        checked, problems = self.azure.check(self.call(kind), inputs)
        assert not problems
        return self.azure.create(self.call(kind), checked)

    def refused(self, kind: str, **inputs: object) -> str:
        with pytest.raises(RefusedError) as refused:
            self.create(kind, **inputs)
        return str(refused.value)

    def update(self, kind: str, resource_id: str, **inputs: object) -> Properties:
        checked, problems = self.azure.check(self.call(kind), inputs)
        assert not problems
        return self.azure.update(self.call(kind), resource_id, {}, checked)

    def delete(self, kind: str, resource_id: str) -> None:
        self.azure.delete(self.call(kind), resource_id, {})

    def exists(self, kind: str, resource_id: str) -> bool:
        return self.azure.read(self.call(kind), resource_id, {}, {}) is not None

    def outputs(self, kind: str, resource_id: str) -> Properties:
        found = self.azure.read(self.call(kind), resource_id, {}, {})
        assert found
        return found[1]

    def invoke(self, function: str, **args: str) -> Properties:
        return self.azure.invoke(Call(f"azure-native:containerservice:{function}"), dict(args))

    # The pattern's pieces.

    def group(self, name: str = "rg", location: str = "eastus2") -> str:
        return self.create("ResourceGroup", resourceGroupName=name, location=location)[0]

    def network(self, name: str = "vnet", space: str = "10.1.0.0/16", group: str = "rg") -> str:
        return self.create(
            "VirtualNetwork",
            resourceGroupName=group,
            virtualNetworkName=name,
            addressSpace={"addressPrefixes": [space]},
        )[0]

    def subnet(self, name: str = "nodes", prefix: str = "10.1.0.0/24", network: str = "vnet") -> str:
        return self.create(
            "Subnet", resourceGroupName="rg", virtualNetworkName=network, subnetName=name, addressPrefix=prefix
        )[0]

    def peering(self, own: str, remote: str) -> str:
        return self.create("VirtualNetworkPeering", **peering_inputs(own, remote))[0]

    def role(self, scope: str, role: str, principal: str = DEPLOYER.object_id, kind: str = "User") -> str:
        return self.create("RoleAssignment", **role_inputs(scope, role, principal, kind))[0]

    def identity(self, name: str = "identity") -> tuple[str, str]:
        identity_id, outputs = self.create("UserAssignedIdentity", resourceGroupName="rg", resourceName=name)
        return identity_id, outputs["principalId"]

    def place(self) -> Properties:
        """Make all that a cluster needs; return the cluster's inputs."""
        self.group()
        self.network()
        subnet_id = self.subnet()
        identity_id, principal = self.identity()
        self.role(subnet_id, NETWORK_CONTRIBUTOR, principal, "ServicePrincipal")
        return cluster_inputs("aks", subnet_id, identity_id)

    def fleet(self, name: str = "fleet", **inputs: object) -> tuple[str, Properties]:
        return self.create("Fleet", resourceGroupName="rg", fleetName=name, **inputs)


def cluster_inputs(name: str, subnet_id: str, identity_id: str, **pool: object) -> Properties:
    return {
        "resourceGroupName": "rg",
        "resourceName": name,
        "dnsPrefix": name,
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [identity_id]},
        "agentPoolProfiles": [{"name": "system", "mode": "System", "count": 2.0, "vnetSubnetID": subnet_id, **pool}],
        "networkProfile": {"networkPlugin": "azure", "serviceCidr": "10.0.0.0/16", "dnsServiceIP": "10.0.0.10"},
    }


def peering_inputs(own: str, remote: str) -> Properties:
    return {
        "resourceGroupName": "rg",
        "virtualNetworkName": own.rsplit("/", 1)[-1],
        "virtualNetworkPeeringName": f"to-{remote.rsplit('/', 1)[-1]}",
        "remoteVirtualNetwork": {"id": remote},
    }


def role_inputs(scope: str, role: str, principal: str = DEPLOYER.object_id, kind: str = "User") -> Properties:
    return {
        "scope": scope,
        "roleDefinitionId": f"{ROLES}/{role}",
        "principalId": principal,
        "principalType": kind,
    }


def kubeconfig(result: Properties) -> Properties:
    return json.loads(base64.b64decode(result["kubeconfigs"][0]["value"]))


@pytest.fixture
def sub() -> _Subscription:
    return _Subscription()


# Names, defaults and previews.


def test_ids_are_in_arms_form(sub: _Subscription) -> None:
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
    ],
)
def test_names_are_well_formed(sub: _Subscription, kind: str, key: str, bad: str) -> None:
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
    }
    required = known[kind]
    group: Properties = {} if kind == "RoleAssignment" else {"resourceGroupName": "rg"}
    assert list(sub.problems(kind, **{**group, **required, key: bad})) == [key]


def test_automatic_names_are_random_at_the_top_copies_for_children_and_guids_for_roles(sub: _Subscription) -> None:
    def automatic(kind: str, key: str, **inputs: object) -> str:
        return sub.azure.check(sub.call(kind, "east"), inputs)[0][key]

    top = automatic("VirtualNetwork", "virtualNetworkName", resourceGroupName="rg", location="eastus")
    assert top.startswith("east")
    assert len(bytes.fromhex(top.removeprefix("east"))) == 4
    assert automatic("Subnet", "subnetName", resourceGroupName="rg", virtualNetworkName="v") == "east"
    assert UUID(automatic("RoleAssignment", "roleAssignmentName", **role_inputs(SUBSCRIPTION, FLEET_ADMIN)))


def test_an_automatic_name_is_kept(sub: _Subscription) -> None:
    inputs: Properties = {"resourceGroupName": "rg", "location": "eastus"}
    first, _ = sub.azure.check(sub.call("VirtualNetwork"), inputs)
    again, _ = sub.azure.check(sub.call("VirtualNetwork"), inputs, first)
    assert again == first


def test_the_location_defaults_to_the_providers_and_else_to_the_groups(sub: _Subscription) -> None:
    sub.group(location="West US 2")
    inputs: Properties = {"resourceGroupName": "rg"}
    assert sub.azure.check(sub.call("VirtualNetwork", location="eastus"), inputs)[0]["location"] == "eastus"
    assert sub.azure.check(sub.call("VirtualNetwork"), inputs)[0]["location"] == "westus2"
    assert sub.azure.check(sub.call("VirtualNetwork"), {"resourceGroupName": UNKNOWN})[0]["location"] is UNKNOWN
    assert "location" in sub.problems("VirtualNetwork", resourceGroupName="nowhere")


def test_locations_come_out_as_short_names(sub: _Subscription) -> None:
    assert sub.create("ResourceGroup", resourceGroupName="rg", location="East US 2")[1]["location"] == "eastus2"


@pytest.mark.parametrize("location", ["mars", "eastus22"])
def test_a_location_is_a_region_of_azure(sub: _Subscription, location: str) -> None:
    group = sub.refused("ResourceGroup", resourceGroupName="rg", location=location)
    assert f"The provided location '{location}' is not available for resource group. List of" in group
    assert group.startswith('Status=400 Code="LocationNotAvailableForResourceGroup"')
    sub.group()
    network = sub.refused("VirtualNetwork", resourceGroupName="rg", virtualNetworkName="vnet", location=location)
    assert f"'{location}' is not available for resource type 'Microsoft.Network/virtualNetworks'." in network
    assert network.startswith('Status=400 Code="LocationNotAvailableForResourceType"')


@pytest.mark.parametrize(
    ("location", "cloud", "taken"),
    [
        ("usgovvirginia", "usgovernment", True),
        ("eastus", "usgovernment", False),
        ("chinanorth3", "public", False),
        ("chinanorth3", None, True),  # the shell may say which cloud it is
        ("East US 2", "public", True),
    ],
)
def test_each_cloud_has_its_own_regions(sub: _Subscription, location: str, cloud: str | None, *, taken: bool) -> None:
    provider: dict[str, Any] = {"environment": cloud} if cloud else {}
    call = Call("azure-native:resources:ResourceGroup", "x", provider=provider)
    inputs = {"resourceGroupName": "rg", "location": location}
    with nullcontext() if taken else pytest.raises(RefusedError, match="LocationNotAvailableForResourceGroup"):
        sub.azure.create(call, inputs)


def test_check_compares_with_the_sdk(sub: _Subscription) -> None:
    assert list(sub.problems("ResourceGroup", location="eastus", resourceGroupNam="rg")) == ["resourceGroupNam"]


def test_a_create_preview_needs_no_parents_and_knows_no_name(sub: _Subscription) -> None:
    inputs: Properties = {"resourceGroupName": UNKNOWN, "fleetName": "fleet", "location": "westus"}
    resource_id, outputs = sub.azure.create(sub.call("Fleet", preview=True), inputs)
    assert resource_id == ""
    assert outputs["name"] is UNKNOWN
    assert outputs["location"] == "westus"


def test_an_update_preview_carries_name_and_location(sub: _Subscription) -> None:
    sub.group()
    fleet_id, outputs = sub.fleet()
    preview = sub.azure.update(sub.call("Fleet", preview=True), fleet_id, outputs, {"tags": {"a": "b"}})
    assert (preview["name"], preview["location"], preview["tags"]) == ("fleet", "eastus2", {"a": "b"})
    assert preview["eTag"] is UNKNOWN
    assert "tags" not in sub.outputs("Fleet", fleet_id)


def test_other_types_and_functions_say_where_to_add_them(sub: _Subscription) -> None:
    with pytest.raises(RefusedError, match=r"TYPES in rehearsal/providers/azure_native\.py"):
        sub.azure.check(sub.call("UpdateRun"), {})
    with pytest.raises(RefusedError, match=r"rehearsal/providers/azure_native\.py"):
        sub.invoke("getFleet")


# The life of a resource.


@pytest.mark.recording("group")
def test_a_group_is_there_at_once(sub: _Subscription) -> None:
    assert sub.outputs("ResourceGroup", sub.group())["properties"] == {"provisioningState": "Succeeded"}


def test_what_exists_is_not_adopted(sub: _Subscription) -> None:
    group = sub.group("RG")
    assert sub.refused("ResourceGroup", resourceGroupName="rg", location="eastus") == (
        f"cannot create already existing resource '{group[:-2]}rg'"
    )


@pytest.mark.recording("group-missing")
def test_the_group_must_exist(sub: _Subscription) -> None:
    network: Properties = {"resourceGroupName": "rg", "virtualNetworkName": "vnet", "location": "eastus"}
    assert 'Code="ResourceGroupNotFound" Message="Resource group \'rg\' could not be found."' in sub.refused(
        "VirtualNetwork", **network
    )


@pytest.mark.recording("parent-missing")
def test_the_parent_must_exist(sub: _Subscription) -> None:
    sub.group()
    subnet: Properties = {"resourceGroupName": "rg", "virtualNetworkName": "vnet", "subnetName": "s"}
    network = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
    assert sub.refused("Subnet", **subnet) == (
        'Status=404 Code="ParentResourceNotFound" Message="Failed to perform \'write\' on resource(s) of type '
        f"'virtualNetworks/subnets', because the parent resource '{network}' could not be found.\""
    )


def test_read_returns_the_programs_inputs_as_they_are_now(sub: _Subscription) -> None:
    group = sub.group()
    sub.update("ResourceGroup", group, resourceGroupName="rg", location="eastus2", tags={"drift": "yes"})
    found = sub.azure.read(sub.call("ResourceGroup"), group, {"location": "", "tags": {"a": "b"}}, {})
    assert found is not None
    assert found[0] == {"location": "eastus2", "tags": {"drift": "yes"}}
    assert found[1]["tags"] == {"drift": "yes"}


def test_import_takes_azures_defaults_for_the_programs_wishes(sub: _Subscription) -> None:
    inputs = sub.place()
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    call = sub.call("ManagedCluster")
    found = sub.azure.read(call, cluster_id, {}, {})
    assert found is not None
    imported, problems = sub.azure.check(call, found[0])
    assert problems == []
    assert imported.items() >= inputs.items()
    assert f"'{cluster_id}'" in sub.refused("ManagedCluster", **inputs)  # the inputs lead to the same id
    # pulumi/pulumi-azure-native issue 4401
    wanted, _ = sub.azure.check(call, inputs, imported)
    assert "nodeResourceGroup" in sub.azure.diff(call, imported, {}, wanted).replaced


def test_read_finds_nothing_where_nothing_is(sub: _Subscription) -> None:
    assert not sub.exists("ResourceGroup", f"{SUBSCRIPTION}/resourceGroups/rg")


def test_deleting_a_group_deletes_what_is_in_it_and_roles_on_that(sub: _Subscription) -> None:
    inputs = sub.place()
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    role = sub.role(cluster_id, CLUSTER_ADMIN)
    sub.delete("ResourceGroup", f"{SUBSCRIPTION}/resourceGroups/rg")
    assert not sub.exists("ManagedCluster", cluster_id)
    assert not sub.exists("RoleAssignment", role)
    assert sub.clusters.of("remove") == [("remove", cluster_id)]


def test_deleting_what_is_gone_is_no_error(sub: _Subscription) -> None:
    sub.delete("ResourceGroup", f"{SUBSCRIPTION}/resourceGroups/rg")


def test_updating_a_network_keeps_its_subnets(sub: _Subscription) -> None:
    sub.group()
    network = sub.network()
    subnet = sub.subnet()
    space = {"addressPrefixes": ["10.1.0.0/16"]}
    sub.update("VirtualNetwork", network, resourceGroupName="rg", virtualNetworkName="vnet", addressSpace=space)
    assert sub.exists("Subnet", subnet)


def test_what_the_caller_does_with_the_outputs_changes_nothing(sub: _Subscription) -> None:
    sub.group()
    network = sub.network()
    sub.outputs("VirtualNetwork", network)["addressSpace"]["addressPrefixes"].clear()
    assert sub.outputs("VirtualNetwork", network)["addressSpace"] == {"addressPrefixes": ["10.1.0.0/16"]}


def test_state_survives_in_the_file(tmp_path: Path) -> None:
    group = _Subscription(Store(tmp_path / "state.json")).group()
    assert _Subscription(Store(tmp_path / "state.json")).exists("ResourceGroup", group)


# Comparison.


def difference(kind: str, old: Properties, new: Properties) -> Difference:
    return _Subscription().azure.diff(_Subscription.call(kind), old, {}, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"location": "East US 2"}, {"location": "eastus2"}),
        ({"tags": None}, {"tags": {}}),
        ({"tags": {}}, {}),
        ({"agentPoolProfiles": [{"count": 2}]}, {"agentPoolProfiles": [{"count": 2.0}]}),
    ],
)
def test_equal_values_are_equal(old: Properties, new: Properties) -> None:
    assert difference("ManagedCluster", old, new) == Difference([], [])


@pytest.mark.parametrize(
    ("kind", "old", "new", "changed", "replaces"),
    [
        ("ResourceGroup", {"location": "eastus"}, {"location": "westus"}, "location", True),
        ("ResourceGroup", {"tags": {"a": "1"}}, {"tags": {"a": "2"}}, "tags.a", False),
        ("Subnet", {"resourceGroupName": "a"}, {"resourceGroupName": "b"}, "resourceGroupName", True),
        ("Subnet", {"addressPrefix": "10.0.0.0/24"}, {"addressPrefix": "10.0.0.0/23"}, "addressPrefix", False),
        ("VirtualNetwork", {"location": "eastus"}, {"location": "westus"}, "location", True),
        ("UserAssignedIdentity", {"location": "eastus"}, {"location": "westus"}, "location", True),
        ("RoleAssignment", {"principalId": "a"}, {"principalId": "b"}, "principalId", True),
        ("RoleAssignment", {"principalId": "a"}, {"principalId": UNKNOWN}, "principalId", True),
        ("RoleAssignment", {"description": "a"}, {"description": "b"}, "description", False),
        ("ManagedCluster", {"dnsPrefix": "a"}, {"dnsPrefix": "b"}, "dnsPrefix", True),
        (
            "ManagedCluster",
            {"networkProfile": {"serviceCidr": "10.0.0.0/16"}},
            {"networkProfile": {"serviceCidr": "10.8.0.0/16"}},
            "networkProfile.serviceCidr",
            True,
        ),
        (
            "ManagedCluster",
            {"networkProfile": {"loadBalancerSku": "basic"}},
            {"networkProfile": {"loadBalancerSku": "standard"}},
            "networkProfile.loadBalancerSku",
            False,
        ),
        (
            "ManagedCluster",
            {"agentPoolProfiles": [{"count": 2}]},
            {"agentPoolProfiles": [{"count": 3}, {"name": "b"}]},
            "agentPoolProfiles[0].count",
            False,
        ),
        ("AgentPool", {"vmSize": "a"}, {"vmSize": "b"}, "vmSize", True),
        ("Fleet", {"location": "eastus"}, {"location": "westus"}, "location", True),
        (
            "Fleet",
            {"hubProfile": {"dnsPrefix": "a"}},
            {"hubProfile": {"dnsPrefix": "b"}},
            "hubProfile.dnsPrefix",
            False,
        ),
        ("FleetMember", {"clusterResourceId": "a"}, {"clusterResourceId": "b"}, "clusterResourceId", True),
        ("FleetMember", {"group": "a"}, {"group": "b"}, "group", False),
        ("AutoUpgradeProfile", {"disabled": False}, {"disabled": True}, "disabled", True),
        ("FleetUpdateStrategy", {"strategy": {"stages": []}}, {"strategy": {}}, "strategy.stages", False),
    ],
)
def test_changes_force_a_replacement_where_azure_cannot_update(
    kind: str, old: Properties, new: Properties, changed: str, *, replaces: bool
) -> None:
    found = difference(kind, old, new)
    assert found.changed[0] == changed
    assert (changed in found.replaced) == replaces
    assert found.delete_before_replace == replaces


def test_an_empty_hub_profile_is_a_hub() -> None:
    assert difference("Fleet", {}, {"hubProfile": {}}).changed == ["hubProfile"]


def test_a_resource_with_an_automatic_name_is_replaced_before_it_is_deleted(sub: _Subscription) -> None:
    old, _ = sub.azure.check(sub.call("ResourceGroup"), {"location": "eastus"})
    assert not difference("ResourceGroup", old, {**old, "location": "westus"}).delete_before_replace


# Networks.


def test_a_subnet_lies_in_its_network(sub: _Subscription) -> None:
    sub.group()
    sub.network()
    outside: Properties = {"subnetName": "s", "addressPrefix": "10.2.0.0/24"}
    assert "NetcfgSubnetRangeOutsideVnet" in sub.refused(
        "Subnet", resourceGroupName="rg", virtualNetworkName="vnet", **outside
    )


def test_a_network_does_not_shrink_below_its_subnets(sub: _Subscription) -> None:
    sub.group()
    network = sub.network()
    sub.subnet()
    inputs: Properties = {"resourceGroupName": "rg", "virtualNetworkName": "vnet"}
    with pytest.raises(RefusedError, match="NetcfgSubnetRangeOutsideVnet"):
        sub.update("VirtualNetwork", network, **inputs, addressSpace={"addressPrefixes": ["10.1.4.0/24"]})


def test_subnets_do_not_overlap(sub: _Subscription) -> None:
    sub.group()
    sub.network()
    sub.subnet()
    second: Properties = {"subnetName": "s", "addressPrefix": "10.1.0.128/25"}
    assert "NetcfgSubnetRangesOverlap" in sub.refused(
        "Subnet", resourceGroupName="rg", virtualNetworkName="vnet", **second
    )


def test_a_subnet_may_be_updated_in_its_own_range(sub: _Subscription) -> None:
    sub.group()
    sub.network()
    subnet = sub.subnet()
    inputs: Properties = {"resourceGroupName": "rg", "virtualNetworkName": "vnet", "subnetName": "nodes"}
    assert sub.update("Subnet", subnet, **inputs, addressPrefix="10.1.0.0/23")["addressPrefix"] == "10.1.0.0/23"


@pytest.mark.parametrize("prefix", ["10.1.0.0/23", "10.1.4.0/24"])
def test_a_subnet_with_nodes_keeps_its_range(sub: _Subscription, prefix: str) -> None:
    sub.create("ManagedCluster", **sub.place())
    inputs: Properties = {"resourceGroupName": "rg", "virtualNetworkName": "vnet", "subnetName": "nodes"}
    subnet = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet/subnets/nodes"
    with pytest.raises(
        RefusedError, match=r'"InUsePrefixCannotBeDeleted" Message="IpPrefix 10\.1\.0\.0/24 on Subnet n'
    ):
        sub.update("Subnet", subnet, **inputs, addressPrefix=prefix)
    sub.update("Subnet", subnet, **inputs, addressPrefix="10.1.0.0/24")
    sub.update("Subnet", subnet, **inputs, addressPrefixes=["10.1.0.0/24", "10.1.4.0/24"])


@pytest.mark.parametrize("prefix", ["10.1.0.7/24", "ten"])
def test_addresses_are_in_cidr_notation(sub: _Subscription, prefix: str) -> None:
    assert list(sub.problems("Subnet", resourceGroupName="r", virtualNetworkName="v", addressPrefix=prefix)) == [
        "addressPrefix"
    ]


def test_inline_subnets_are_refused(sub: _Subscription) -> None:
    inputs: Properties = {"resourceGroupName": "r", "location": "eastus", "subnets": [{"name": "s"}]}
    assert list(sub.problems("VirtualNetwork", **inputs)) == ["subnets"]


@pytest.mark.recording("subnet-in-use")
def test_a_subnet_with_nodes_cannot_be_deleted_nor_its_network(sub: _Subscription) -> None:
    inputs = sub.place()
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    subnet_id: str = inputs["agentPoolProfiles"][0]["vnetSubnetID"]
    for kind, resource_id in (("Subnet", subnet_id), ("VirtualNetwork", subnet_id.rsplit("/", 2)[0])):
        with pytest.raises(RefusedError, match="InUseSubnetCannotBeDeleted"):
            sub.delete(kind, resource_id)
    sub.delete("ManagedCluster", cluster_id)
    sub.delete("VirtualNetwork", subnet_id.rsplit("/", 2)[0])
    assert not sub.exists("Subnet", subnet_id)


def two_networks(sub: _Subscription, second: str = "10.2.0.0/16") -> tuple[str, str]:
    sub.group()
    return sub.network("east"), sub.network("west", second)


def state(sub: _Subscription, peering: str) -> str:
    return sub.outputs("VirtualNetworkPeering", peering)["peeringState"]


@pytest.mark.recording("vnet")
def test_a_network_has_azures_defaults(sub: _Subscription) -> None:
    sub.group()
    outputs = sub.outputs("VirtualNetwork", sub.network())
    assert outputs["privateEndpointVNetPolicies"] == "Disabled"
    assert (outputs["enableDdosProtection"], outputs["subnets"], outputs["virtualNetworkPeerings"]) == (False, [], [])


@pytest.mark.recording("subnet")
def test_a_subnet_has_azures_defaults(sub: _Subscription) -> None:
    sub.group()
    sub.network()
    outputs = sub.outputs("Subnet", sub.subnet())
    assert outputs["privateEndpointNetworkPolicies"] == "Disabled"
    assert outputs["privateLinkServiceNetworkPolicies"] == "Enabled"


@pytest.mark.recording("peering-defaults")
def test_a_peering_has_azures_defaults(sub: _Subscription) -> None:
    outputs = sub.outputs("VirtualNetworkPeering", sub.peering(*two_networks(sub)))
    yes = {key for key in ("allowVirtualNetworkAccess", "peerCompleteVnets") if outputs[key] is True}
    no = ("allowForwardedTraffic", "allowGatewayTransit", "useRemoteGateways", "doNotVerifyRemoteGateways")
    assert (len(yes), [outputs[key] for key in no]) == (2, [False] * 4)


@pytest.mark.recording("peering-states")
def test_a_peering_is_connected_when_both_directions_exist(sub: _Subscription) -> None:
    east, west = two_networks(sub)
    there = sub.peering(east, west)
    assert state(sub, there) == "Initiated"
    assert levels(sub, there) == ["RemoteNotInSync"]
    back = sub.peering(west, east)
    assert (state(sub, there), state(sub, back)) == ("Connected", "Connected")
    assert levels(sub, there, back) == ["FullyInSync", "FullyInSync"]
    guids = {sub.outputs("VirtualNetworkPeering", each)["resourceGuid"] for each in (there, back)}
    assert len(guids) == 1


def test_a_peering_whose_other_direction_goes_is_disconnected_and_must_be_remade(sub: _Subscription) -> None:
    east, west = two_networks(sub)
    there, back = sub.peering(east, west), sub.peering(west, east)
    sub.delete("VirtualNetworkPeering", there)
    assert state(sub, back) == "Disconnected"
    assert "RemotePeeringIsDisconnected" in sub.refused("VirtualNetworkPeering", **peering_inputs(east, west))
    sub.update("VirtualNetworkPeering", back, **peering_inputs(west, east))
    sub.peering(east, west)
    assert state(sub, back) == "Connected"


def test_deleting_a_network_disconnects_its_peers(sub: _Subscription) -> None:
    east, west = two_networks(sub)
    sub.peering(east, west)
    back = sub.peering(west, east)
    sub.delete("VirtualNetwork", east)
    assert state(sub, back) == "Disconnected"


def resized(sub: _Subscription, network: str, *spaces: str) -> None:
    inputs: Properties = {"resourceGroupName": "rg", "virtualNetworkName": network.rsplit("/", 1)[-1]}
    sub.update("VirtualNetwork", network, **inputs, addressSpace={"addressPrefixes": [*spaces]})


def levels(sub: _Subscription, *peerings: str) -> list[str]:
    return [sub.outputs("VirtualNetworkPeering", peering)["peeringSyncLevel"] for peering in peerings]


def test_peerings_know_a_larger_network_once_they_are_told_to_look(sub: _Subscription) -> None:
    east, west = two_networks(sub)
    there, back = sub.peering(east, west), sub.peering(west, east)
    assert levels(sub, there, back) == ["FullyInSync", "FullyInSync"]

    resized(sub, west, "10.2.0.0/16", "10.4.0.0/16")
    assert levels(sub, there, back) == ["LocalNotInSync", "RemoteNotInSync"]
    known = sub.outputs("VirtualNetworkPeering", there)
    assert known["remoteAddressSpace"] == {"addressPrefixes": ["10.2.0.0/16"]}
    assert known["remoteVirtualNetworkAddressSpace"] == {"addressPrefixes": ["10.2.0.0/16", "10.4.0.0/16"]}

    sub.update("VirtualNetworkPeering", there, **peering_inputs(east, west), allowForwardedTraffic=True)
    assert levels(sub, there, back) == ["LocalNotInSync", "RemoteNotInSync"]
    assert sub.clusters.of("routes")[-1][3] == ["10.1.0.0/16"]

    resized(sub, east, "10.1.0.0/16", "10.5.0.0/16")
    assert levels(sub, there, back) == ["LocalAndRemoteNotInSync", "LocalAndRemoteNotInSync"]

    sub.update("VirtualNetworkPeering", there, **peering_inputs(east, west), syncRemoteAddressSpace="true")
    assert levels(sub, there, back) == ["RemoteNotInSync", "LocalNotInSync"]
    assert sub.clusters.of("routes")[-2:] == [
        ("routes", east, west, ["10.2.0.0/16", "10.4.0.0/16"]),
        ("routes", west, east, ["10.1.0.0/16"]),
    ]
    sub.update("VirtualNetworkPeering", back, **peering_inputs(west, east), syncRemoteAddressSpace="true")
    assert levels(sub, there, back) == ["FullyInSync", "FullyInSync"]


def test_pods_answer_once_each_side_knows_the_others_range() -> None:
    world = InMemoryClusters(Store())
    for name, pods in (("east", "10.1.0.0/24"), ("west", "10.4.0.0/24")):
        world.add_cluster(name, f"https://{name}", location=name, network=f"/{name}", pods=pods, nodes=1)
    world.set_peered("/east", "/west", peered=True)
    assert world.routable("east", "west")
    world.set_routes("/east", "/west", ["10.2.0.0/16"])
    assert not world.routable("east", "west")
    assert not world.routable("west", "east")  # the answer has no way back
    world.set_routes("/east", "/west", ["10.2.0.0/16", "10.4.0.0/16"])
    assert world.routable("east", "west")


def test_a_network_does_not_grow_into_its_peers(sub: _Subscription) -> None:
    east, west = two_networks(sub)
    sub.peering(east, west)
    with pytest.raises(RefusedError, match="VnetAddressSpacesOverlap"):
        resized(sub, east, "10.0.0.0/14")


def test_two_networks_are_peered_once(sub: _Subscription) -> None:
    east, west = two_networks(sub)
    there = sub.peering(east, west)
    again = {**peering_inputs(east, west), "virtualNetworkPeeringName": "again"}
    message = sub.refused("VirtualNetworkPeering", **again)
    assert 'Code="AnotherPeeringAlreadyReferencesRemoteVnet"' in message
    assert there in message
    sub.update("VirtualNetworkPeering", there, **peering_inputs(east, west))


def test_a_peering_keeps_its_remote_network(sub: _Subscription) -> None:
    east, west = two_networks(sub)
    there, third = sub.peering(east, west), sub.network("third", "10.3.0.0/16")
    inputs = {**peering_inputs(east, west), "remoteVirtualNetwork": {"id": third}}
    with pytest.raises(RefusedError, match="ChangingRemoteVirtualNetworkNotAllowed"):
        sub.update("VirtualNetworkPeering", there, **inputs)


def test_overlapping_networks_are_not_peered(sub: _Subscription) -> None:
    east, west = two_networks(sub, "10.1.128.0/17")
    assert "VnetAddressSpacesOverlap" in sub.refused("VirtualNetworkPeering", **peering_inputs(east, west))


def test_a_network_does_not_overlap_those_that_its_peer_has_already(sub: _Subscription) -> None:
    east, west = two_networks(sub)
    sub.peering(west, east)
    third = sub.network("third", "10.1.0.0/20")
    assert "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet" in sub.refused(
        "VirtualNetworkPeering", **peering_inputs(third, west)
    )


def test_the_remote_network_must_exist(sub: _Subscription) -> None:
    sub.group()
    east = sub.network()
    assert 'Code="ResourceNotFound"' in sub.refused("VirtualNetworkPeering", **peering_inputs(east, f"{east}2"))
    inputs = peering_inputs(east, east)
    del inputs["remoteVirtualNetwork"]
    assert list(sub.problems("VirtualNetworkPeering", **inputs)) == ["remoteVirtualNetwork.id"]


# Access.


@pytest.mark.recording("identity")
def test_an_identitys_id_has_its_group_in_lower_case(sub: _Subscription) -> None:
    sub.group()
    identity_id, _ = sub.identity()
    assert identity_id.startswith(f"{SUBSCRIPTION}/resourcegroups/rg/providers/Microsoft.ManagedIdentity/")


@pytest.mark.recording("role")
def test_who_assigned_a_role_is_known_when_it_is_read(sub: _Subscription) -> None:
    role, outputs = sub.create("RoleAssignment", **role_inputs(SUBSCRIPTION, FLEET_ADMIN))
    assert "createdBy" not in outputs
    assert sub.outputs("RoleAssignment", role)["createdBy"] == DEPLOYER.object_id


@pytest.mark.recording("role-exists")
def test_a_role_is_assigned_once(sub: _Subscription) -> None:
    sub.role(SUBSCRIPTION, FLEET_ADMIN)
    message = sub.refused("RoleAssignment", **role_inputs(SUBSCRIPTION, FLEET_ADMIN))
    assert message == 'Status=409 Code="RoleAssignmentExists" Message="The role assignment already exists."'


@pytest.mark.recording("principal-type")
def test_a_principals_type_is_what_it_is(sub: _Subscription) -> None:
    sub.group()
    _, principal = sub.identity()
    assert "UnmatchedPrincipalType" in sub.refused(
        "RoleAssignment", **role_inputs(SUBSCRIPTION, FLEET_ADMIN, principal)
    )
    sub.role(SUBSCRIPTION, FLEET_ADMIN, "00000000-0000-4000-8000-000000000001", "Group")
    sub.role(SUBSCRIPTION, FLEET_ADMIN, DEPLOYER.object_id, "ServicePrincipal")  # nor does this cloud know who deploys


@pytest.mark.parametrize(
    ("key", "value"),
    [("roleDefinitionId", "Network Contributor"), ("roleDefinitionId", FLEET_ADMIN), ("principalId", "me")],
)
def test_roles_and_principals_are_ids(sub: _Subscription, key: str, value: str) -> None:
    assert list(sub.problems("RoleAssignment", **{**role_inputs(SUBSCRIPTION, FLEET_ADMIN), key: value})) == [key]


def test_a_role_definition_may_be_given_without_the_subscription(sub: _Subscription) -> None:
    inputs = role_inputs(SUBSCRIPTION, FLEET_ADMIN)
    inputs["roleDefinitionId"] = inputs["roleDefinitionId"].removeprefix(SUBSCRIPTION)
    sub.create("RoleAssignment", **inputs)


def test_a_roles_scope_must_exist(sub: _Subscription) -> None:
    group = f"{SUBSCRIPTION}/resourceGroups/rg"
    assert "ResourceGroupNotFound" in sub.refused("RoleAssignment", **role_inputs(group, FLEET_ADMIN))
    missing = f"{group}/providers/Microsoft.ContainerService/fleets/f"
    assert "ResourceNotFound" in sub.refused("RoleAssignment", **role_inputs(missing, FLEET_ADMIN))


@pytest.mark.parametrize("segments", [9, 5, 3])
def test_a_role_on_the_fleet_or_above_opens_the_hub(sub: _Subscription, segments: int) -> None:
    sub.group()
    fleet_id, _ = sub.fleet(hubProfile={})
    assert not sub.azure.may_access(fleet_id)
    sub.role("/".join(fleet_id.split("/")[:segments]), FLEET_ADMIN)
    assert sub.azure.may_access(fleet_id)


def test_another_role_or_a_neighbours_scope_opens_nothing(sub: _Subscription) -> None:
    sub.group()
    fleet_id, _ = sub.fleet(hubProfile={})
    neighbour, _ = sub.fleet("fleet2", hubProfile={})
    sub.role(fleet_id, CLUSTER_ADMIN)
    sub.role(neighbour, FLEET_ADMIN)
    assert not sub.azure.may_access(fleet_id)
    assert sub.azure.may_access(neighbour)


def test_a_cluster_with_azure_rbac_needs_its_role_and_others_do_not(sub: _Subscription) -> None:
    inputs = sub.place()
    local, _ = sub.create("ManagedCluster", **inputs)
    entra: Properties = {**inputs, "resourceName": "entra", "aadProfile": {"managed": True, "enableAzureRBAC": True}}
    cluster_id, _ = sub.create("ManagedCluster", **entra)
    assert sub.azure.may_access(local)
    assert not sub.azure.may_access(cluster_id)
    sub.role(cluster_id, CLUSTER_ADMIN)
    assert sub.azure.may_access(cluster_id)


# Clusters.


@pytest.mark.recording("cluster-id")
def test_a_clusters_id_and_type_are_in_azures_case(sub: _Subscription) -> None:
    cluster_id, outputs = sub.create("ManagedCluster", **sub.place())
    assert cluster_id == f"{SUBSCRIPTION}/resourcegroups/rg/providers/Microsoft.ContainerService/managedClusters/aks"
    assert outputs["type"] == "Microsoft.ContainerService/ManagedClusters"
    kubelet = outputs["identityProfile"]["kubeletidentity"]["resourceId"]
    assert kubelet.startswith(f"{SUBSCRIPTION}/resourcegroups/MC_rg_aks_eastus2/providers/")
    assert sub.exists("ManagedCluster", cluster_id.replace("resourcegroups", "resourceGroups"))


@pytest.mark.recording("cluster-names")
def test_a_clusters_names_are_azures(sub: _Subscription) -> None:
    _, outputs = sub.create("ManagedCluster", **sub.place())
    assert outputs["nodeResourceGroup"] == "MC_rg_aks_eastus2"
    assert re.fullmatch(r"aks-[a-z0-9]{8}\.hcp\.eastus2\.azmk8s\.io", outputs["fqdn"])
    assert outputs["azurePortalFQDN"] == outputs["fqdn"].replace(".hcp.", ".portal.hcp.")


@pytest.mark.recording("cluster-defaults")
def test_a_cluster_has_azures_defaults_and_keeps_them(sub: _Subscription) -> None:
    inputs = sub.place()
    cluster_id, outputs = sub.create("ManagedCluster", **inputs)
    assert outputs["servicePrincipalProfile"] == {"clientId": "msi"}
    assert outputs["autoUpgradeProfile"] == {"nodeOSUpgradeChannel": "NodeImage"}
    assert outputs["oidcIssuerProfile"] == {"enabled": False}
    network = outputs["networkProfile"]
    assert (network["networkDataplane"], network["networkPolicy"]) == ("azure", "none")
    assert network["loadBalancerProfile"]["managedOutboundIPs"] == {"count": 1}
    (pool,) = outputs["agentPoolProfiles"]
    assert (pool["osDiskSizeGB"], pool["osDiskType"], pool["osSKU"]) == (128, "Managed", "Ubuntu")
    assert pool["upgradeSettings"] == {"maxSurge": "10%"}
    again = sub.update("ManagedCluster", cluster_id, **inputs)
    assert again == outputs


@pytest.mark.recording("flat-network")
def test_flat_azure_cni_stays_flat(sub: _Subscription) -> None:
    _, outputs = sub.create("ManagedCluster", **sub.place())
    assert not {"networkPluginMode", "podCidr", "podCidrs"} & outputs["networkProfile"].keys()
    assert outputs["agentPoolProfiles"][0]["maxPods"] == 30


@pytest.mark.recording("no-network-profile")
def test_a_cluster_that_says_nothing_of_its_network_gets_an_overlay(sub: _Subscription) -> None:
    inputs = sub.place()
    del inputs["networkProfile"]
    network = sub.create("ManagedCluster", **inputs)[1]["networkProfile"]
    assert (network["networkPlugin"], network["networkPluginMode"]) == ("azure", "overlay")
    assert network["podCidrs"] == ["10.244.0.0/16"]


def test_a_cluster_starts_in_its_subnet(sub: _Subscription) -> None:
    inputs = sub.place()
    cluster_id, outputs = sub.create("ManagedCluster", **inputs)
    server = f"https://{outputs['fqdn']}:443"
    network = inputs["agentPoolProfiles"][0]["vnetSubnetID"].rsplit("/", 2)[0]
    assert sub.clusters.of("cluster") == [
        ("cluster", cluster_id, server, "eastus2", network, "10.1.0.0/24", True, 2, "10.0.0.0/16")
    ]


def test_an_update_keeps_what_a_cluster_is(sub: _Subscription) -> None:
    inputs = sub.place()
    cluster_id, before = sub.create("ManagedCluster", **inputs)
    after = sub.update("ManagedCluster", cluster_id, **inputs, tags={"a": "b"})
    for key in ("fqdn", "identityProfile", "resourceUID"):
        assert after[key] == before[key]
    assert len(sub.clusters.of("cluster")) == 1


def test_the_pods_of_an_overlay_are_not_in_the_subnet(sub: _Subscription) -> None:
    inputs = sub.place()
    inputs["networkProfile"]["networkPluginMode"] = "overlay"
    sub.create("ManagedCluster", **inputs)
    assert sub.clusters.of("cluster")[0][5:7] == ("10.244.0.0/16", False)


@pytest.mark.recording("cluster-without-role")
def test_a_cluster_is_made_whether_or_not_its_identity_has_a_role_on_the_subnet(sub: _Subscription) -> None:
    inputs = sub.place()
    inputs["identity"]["userAssignedIdentities"] = [sub.identity("other")[0]]
    _, outputs = sub.create("ManagedCluster", **inputs)
    assert outputs["provisioningState"] == "Succeeded"


@pytest.mark.recording("balancer-without-role")
def test_a_clusters_load_balancers_need_a_role_on_the_subnet_or_above(sub: _Subscription) -> None:
    inputs = sub.place()
    identity, principal = sub.identity("other")
    inputs["identity"]["userAssignedIdentities"] = [identity]
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    subnet_id: str = inputs["agentPoolProfiles"][0]["vnetSubnetID"]
    sub.role(subnet_id, FLEET_ADMIN, principal, "ServicePrincipal")
    assert not sub.azure.may_balance(cluster_id)
    sub.role(subnet_id.rsplit("/", 2)[0], NETWORK_CONTRIBUTOR, principal, "ServicePrincipal")
    assert sub.azure.may_balance(cluster_id)


def test_a_clusters_subnet_and_identity_must_exist(sub: _Subscription) -> None:
    inputs = sub.place()
    for path in ("subnet", "identity"):
        wrong = deepcopy(inputs)
        if path == "subnet":
            wrong["agentPoolProfiles"][0]["vnetSubnetID"] += "2"
        else:
            wrong["identity"]["userAssignedIdentities"][0] += "2"
        assert 'Code="ResourceNotFound"' in sub.refused("ManagedCluster", **wrong)


def test_a_subnet_must_hold_every_pod_of_every_node(sub: _Subscription) -> None:
    # 251 addresses: eight nodes of 31 fit, a ninth does not; the autoscaler's maximum counts.
    inputs = sub.place()
    inputs["agentPoolProfiles"][0] |= {"enableAutoScaling": True, "minCount": 2, "maxCount": 9}
    message = sub.refused("ManagedCluster", **inputs)
    assert 'Code="InsufficientSubnetSize" Message="Pre-allocated IPs 279 exceeds IPs available 251 in Subnet' in message
    inputs["agentPoolProfiles"][0]["maxCount"] = 8
    sub.create("ManagedCluster", **inputs)


def test_all_pools_of_all_clusters_share_the_subnet(sub: _Subscription) -> None:
    inputs = sub.place()
    pool = inputs["agentPoolProfiles"][0]
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    more: Properties = {"resourceGroupName": "rg", "resourceName": "aks", "vnetSubnetID": pool["vnetSubnetID"]}
    sub.create("AgentPool", **more, agentPoolName="more", count=6)
    assert "InsufficientSubnetSize" in sub.refused("AgentPool", **more, agentPoolName="last", count=1)
    assert "InsufficientSubnetSize" in sub.refused("ManagedCluster", **{**inputs, "resourceName": "aks2"})
    sub.update("ManagedCluster", cluster_id, **inputs, tags={"a": "b"})


def test_an_overlay_needs_one_address_for_each_node(sub: _Subscription) -> None:
    inputs = sub.place()
    inputs["networkProfile"]["networkPluginMode"] = "overlay"
    inputs["agentPoolProfiles"][0]["count"] = 100
    sub.create("ManagedCluster", **inputs)


def test_the_service_range_does_not_overlap_the_networks_subnets(sub: _Subscription) -> None:
    inputs = sub.place()
    inputs["networkProfile"] |= {"serviceCidr": "10.1.0.0/20", "dnsServiceIP": "10.1.0.10"}
    assert "ServiceCidrOverlapExistingSubnetsCidr" in sub.refused("ManagedCluster", **inputs)


def changed(path: Iterable[str | int], value: object) -> Properties:
    inputs: Any = {**cluster_inputs("aks", "/s", "/i"), "location": "eastus"}
    *steps, last = path
    target = inputs
    for step in steps:
        target = target[step]
    target[last] = value
    return inputs


POOL = ("agentPoolProfiles", 0)
PRIVATE: Properties = {"enablePrivateCluster": True}


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        (changed(["identity"], None), "identity"),
        (changed([*POOL, "mode"], "User"), "agentPoolProfiles"),
        (changed(["agentPoolProfiles"], None), "agentPoolProfiles"),
        (changed([*POOL, "enableAutoScaling"], value=True), "agentPoolProfiles[0].enableAutoScaling"),
        (changed([*POOL, "minCount"], 1), "agentPoolProfiles[0].minCount"),
        (changed([*POOL, "maxPods"], 9), "agentPoolProfiles[0].maxPods"),
        (changed(["disableLocalAccounts"], value=True), "disableLocalAccounts"),
        (changed(["networkProfile", "podCidr"], "10.244.0.0/16"), "networkProfile.podCidr"),
        (changed(["networkProfile", "dnsServiceIP"], "10.2.0.10"), "networkProfile.dnsServiceIP"),
        (changed(["networkProfile", "dnsServiceIP"], "10.0.0.1"), "networkProfile.dnsServiceIP"),
        (changed(["networkProfile", "serviceCidr"], "10.0.0.1/16"), "networkProfile"),
        (
            changed(["networkProfile"], {"serviceCidr": "172.30.0.0/20", "dnsServiceIP": "172.30.0.10"}),
            "networkProfile.serviceCidr",
        ),
        (changed(["securityProfile"], {"workloadIdentity": {"enabled": True}}), "securityProfile.workloadIdentity"),
        (
            changed(["securityProfile"], {"imageCleaner": {"enabled": True, "intervalHours": 2161}}),
            "securityProfile.imageCleaner.intervalHours",
        ),
        (changed(["metricsProfile"], {"costAnalysis": {"enabled": True}}), "metricsProfile.costAnalysis"),
        (changed(["networkProfile", "networkDataplane"], "cilium"), "networkProfile.networkPolicy"),
        (
            changed(
                ["apiServerAccessProfile"], {"enablePrivateCluster": True, "authorizedIPRanges": ["203.0.113.0/28"]}
            ),
            "apiServerAccessProfile.authorizedIPRanges",
        ),
    ],
)
def test_a_clusters_settings_fit_together(sub: _Subscription, inputs: Properties, path: str) -> None:
    assert list(sub.problems("ManagedCluster", **inputs)) == [path]


def test_issuer_and_the_add_ons_identities_stay(sub: _Subscription) -> None:
    inputs = sub.place()
    inputs |= {"oidcIssuerProfile": {"enabled": True}, "addonProfiles": {"azurepolicy": {"enabled": True}}}
    cluster_id, made = sub.create("ManagedCluster", **inputs)
    assert made["addonProfiles"]["azurepolicy"]["identity"]["resourceId"].endswith("/azurepolicy-aks")
    del inputs["oidcIssuerProfile"]
    updated = sub.update("ManagedCluster", cluster_id, **inputs)
    assert [updated[key] for key in ("oidcIssuerProfile", "addonProfiles")] == [
        made[key] for key in ("oidcIssuerProfile", "addonProfiles")
    ]


def way_out(sub: _Subscription) -> dict[str, str]:
    """Make an address, a NAT gateway and a security group; return their ids."""
    place = {"resourceGroupName": "rg", "location": "eastus"}
    standard: Properties = {"sku": {"name": "Standard"}, "publicIPAllocationMethod": "Static"}
    address, _ = sub.create("PublicIPAddress", **place, **standard, publicIpAddressName="a")
    gateway, _ = sub.create("NatGateway", **place, natGatewayName="n", publicIpAddresses=[{"id": address}])
    group, _ = sub.create("NetworkSecurityGroup", **place, networkSecurityGroupName="g")
    return {"PublicIPAddress": address, "NatGateway": gateway, "NetworkSecurityGroup": group}


def test_what_a_subnet_uses_is_not_deleted_before_it(sub: _Subscription) -> None:
    sub.group()
    ids = way_out(sub)
    sub.network()
    place: Properties = {"resourceGroupName": "rg", "virtualNetworkName": "vnet", "subnetName": "s"}
    used: Properties = {
        "natGateway": {"id": ids["NatGateway"]},
        "networkSecurityGroup": {"id": ids["NetworkSecurityGroup"]},
    }
    subnet, _ = sub.create("Subnet", **place, addressPrefix="10.1.9.0/24", **used)
    for kind, code in (
        ("NatGateway", "InUseNatGatewayCannotBeDeleted"),
        ("NetworkSecurityGroup", "InUseNetworkSecurityGroupCannotBeDeleted"),
        ("PublicIPAddress", "PublicIPAddressCannotBeDeleted"),
    ):
        with pytest.raises(RefusedError, match=code):
            sub.delete(kind, ids[kind])
    sub.delete("Subnet", subnet)
    for kind in ("NatGateway", "NetworkSecurityGroup", "PublicIPAddress"):
        sub.delete(kind, ids[kind])


def test_rules_of_one_direction_have_priorities_of_their_own(sub: _Subscription) -> None:
    sub.group()
    rule = {"access": "Allow", "protocol": "*", "priority": 100, "direction": "Inbound"}
    place = {"resourceGroupName": "rg", "location": "eastus", "networkSecurityGroupName": "g"}
    rules = [rule | {"name": "a"}, rule | {"name": "b"}]
    assert "SecurityRuleConflict" in sub.refused("NetworkSecurityGroup", **place, securityRules=rules)
    rules[1]["direction"] = "Outbound"
    sub.create("NetworkSecurityGroup", **place, securityRules=rules)
    low = [rule | {"name": "a", "priority": 99}]
    assert list(sub.problems("NetworkSecurityGroup", **place, securityRules=low)) == ["securityRules[0].priority"]


def test_nodes_need_the_gateway_and_its_address_in_the_ranges(sub: _Subscription) -> None:
    inputs = sub.place()
    inputs["networkProfile"]["outboundType"] = "userAssignedNATGateway"
    assert "has no NAT gateway" in sub.refused("ManagedCluster", **inputs)
    ids = way_out(sub)
    subnet = inputs["agentPoolProfiles"][0]["vnetSubnetID"]
    place: Properties = {
        "resourceGroupName": "rg",
        "virtualNetworkName": "vnet",
        "subnetName": subnet.rsplit("/", 1)[1],
    }
    range_of = sub.outputs("Subnet", subnet)["addressPrefix"]
    sub.update("Subnet", subnet, **place, addressPrefix=range_of, natGateway={"id": ids["NatGateway"]})
    inputs["apiServerAccessProfile"] = {"authorizedIPRanges": ["203.0.113.0/28"]}
    assert "unable to connect to Kubernetes API server" in sub.refused("ManagedCluster", **inputs)
    address = sub.outputs("PublicIPAddress", ids["PublicIPAddress"])["ipAddress"]
    inputs["apiServerAccessProfile"]["authorizedIPRanges"].append(f"{address}/32")
    _, made = sub.create("ManagedCluster", **inputs)
    assert "effectiveOutboundIPs" not in made["networkProfile"]["loadBalancerProfile"]


def test_setting_sends_logs_that_its_resource_has(sub: _Subscription) -> None:
    cluster_id, _ = sub.create("ManagedCluster", **sub.place())
    workspace, _ = sub.create("Workspace", resourceGroupName="rg", workspaceName="logs", location="eastus")
    setting: Properties = {"resourceUri": cluster_id, "name": "s", "workspaceId": workspace}
    logs = [{"category": "fleet-hub-agent", "enabled": True}]
    assert "Category 'fleet-hub-agent' is not supported" in sub.refused("DiagnosticSetting", **setting, logs=logs)
    logs = [{"category": "guard", "enabled": True}]
    assert "ResourceNotFound" in sub.refused(
        "DiagnosticSetting", **setting | {"workspaceId": f"{workspace}2"}, logs=logs
    )
    setting_id, _ = sub.create("DiagnosticSetting", **setting, logs=logs)
    assert setting_id == f"{cluster_id}/providers/Microsoft.Insights/diagnosticSettings/s"
    sub.delete("ManagedCluster", cluster_id)
    assert not sub.exists("DiagnosticSetting", setting_id)


def test_setting_needs_a_destination(sub: _Subscription) -> None:
    assert list(sub.problems("DiagnosticSetting", resourceUri="/x", name="s")) == ["workspaceId"]


def test_rule_sends_to_its_own_destinations(sub: _Subscription) -> None:
    sub.group()
    workspace, _ = sub.create("Workspace", resourceGroupName="rg", workspaceName="logs", location="eastus")
    rule: Properties = {
        "resourceGroupName": "rg",
        "dataCollectionRuleName": "rule",
        "location": "eastus",
        "destinations": {"logAnalytics": [{"name": "a", "workspaceResourceId": workspace}]},
    }
    flow = {"streams": ["Microsoft-ContainerLogV2"]}
    wrong = sub.problems("DataCollectionRule", **rule, dataFlows=[flow | {"destinations": ["b"]}])
    assert list(wrong) == ["dataFlows[0].destinations"]
    rule_id, _ = sub.create("DataCollectionRule", **rule, dataFlows=[flow | {"destinations": ["a"]}])
    association: Properties = {"resourceUri": workspace, "associationName": "x", "dataCollectionRuleId": f"{rule_id}2"}
    assert "ResourceNotFound" in sub.refused("DataCollectionRuleAssociation", **association)


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"configName": "mine", "maintenanceWindow": {"durationHours": 8, "startTime": "21:00"}}, "configName"),
        ({"configName": "aksManagedAutoUpgradeSchedule"}, "maintenanceWindow"),
        (
            {"configName": "aksManagedAutoUpgradeSchedule", "maintenanceWindow": {"durationHours": 3}},
            "maintenanceWindow.durationHours",
        ),
    ],
)
def test_maintenance_has_a_known_name_and_enough_hours(sub: _Subscription, inputs: Properties, path: str) -> None:
    schedule: Properties = {"schedule": {"weekly": {"dayOfWeek": "Sunday", "intervalWeeks": 1}}, "startTime": "21:00"}
    if window := inputs.get("maintenanceWindow"):
        inputs = inputs | {"maintenanceWindow": schedule | window}
    found = sub.problems("MaintenanceConfiguration", resourceGroupName="rg", resourceName="aks", **inputs)
    assert list(found) == [path]


CRITICAL_ONLY = "CriticalAddonsOnly=true:NoSchedule"


def pool_inputs(**more: object) -> Properties:
    return {"resourceGroupName": "rg", "resourceName": "aks", "agentPoolName": "apps", "mode": "User", **more}


def test_pool_of_its_own_comes_and_goes_beside_the_tainted_system_pool(sub: _Subscription) -> None:
    inputs = sub.place()
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    assert not sub.clusters.of("pool")
    inputs["agentPoolProfiles"][0]["nodeTaints"] = [CRITICAL_ONLY]
    sub.update("ManagedCluster", cluster_id, **inputs)
    pool_id, _ = sub.create("AgentPool", **pool_inputs(count=2))
    sub.update("AgentPool", pool_id, **pool_inputs(enableAutoScaling=True, minCount=3, maxCount=5))
    sub.delete("AgentPool", pool_id)
    assert sub.clusters.of("pool") == [
        ("pool", "aks", "", None, [CRITICAL_ONLY]),
        ("pool", "aks", "apps", 2, []),
        ("pool", "aks", "apps", 3, []),
        ("pool", "aks", "apps", 0, []),
    ]
    sub.create("AgentPool", **pool_inputs())
    sub.delete("ManagedCluster", cluster_id)
    assert not sub.exists("AgentPool", pool_id)


def test_system_pool_has_no_other_hard_taint(sub: _Subscription) -> None:
    inputs = sub.place()
    inputs["agentPoolProfiles"][0]["nodeTaints"] = ["mine=true:NoSchedule"]
    assert "SystemPoolHasRestrictedTaint" in sub.refused("ManagedCluster", **inputs)
    inputs["agentPoolProfiles"][0]["nodeTaints"] = ["mine=true:PreferNoSchedule"]
    sub.create("ManagedCluster", **inputs)
    sub.create("AgentPool", **pool_inputs(nodeTaints=["mine=true:NoSchedule"]))
    system = pool_inputs(agentPoolName="more", mode="System", nodeTaints=["mine=true:NoExecute"])
    assert "SystemPoolHasRestrictedTaint" in sub.refused("AgentPool", **system)


def test_pool_of_its_own_keeps_what_it_was_made_with(sub: _Subscription) -> None:
    sub.create("ManagedCluster", **sub.place())
    pool_id, _ = sub.create("AgentPool", **pool_inputs(maxPods=30, availabilityZones=["1"]))
    for change in ({"maxPods": 40}, {"availabilityZones": ["1", "2"]}, {"osType": "Windows"}):
        inputs = pool_inputs(maxPods=30, availabilityZones=["1"]) | change
        with pytest.raises(RefusedError, match="PropertyChangeNotAllowed"):
            sub.update("AgentPool", pool_id, **inputs)


@pytest.mark.parametrize("surge", ["0", "1.5", "ten"])
def test_surge_is_a_number_or_a_percentage(sub: _Subscription, surge: str) -> None:
    found = sub.problems("AgentPool", **pool_inputs(upgradeSettings={"maxSurge": surge}))
    assert list(found) == ["upgradeSettings.maxSurge"]
    assert not sub.problems("AgentPool", **pool_inputs(upgradeSettings={"maxSurge": "33%"}))


def test_the_autoscalers_range_is_one(sub: _Subscription) -> None:
    inputs: Properties = {"resourceGroupName": "rg", "resourceName": "aks", "enableAutoScaling": True}
    assert list(sub.problems("AgentPool", **inputs, minCount=3, maxCount=2)) == ["minCount"]


def test_the_autoscaler_reaches_a_new_minimum_and_keeps_what_is_above_a_new_maximum(sub: _Subscription) -> None:
    inputs = sub.place()
    pool: Properties = inputs["agentPoolProfiles"][0]
    pool |= {"enableAutoScaling": True, "minCount": 2, "maxCount": 6}
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    pool |= {"minCount": 5}  # the program still says the count of the first time
    updated = sub.update("ManagedCluster", cluster_id, **inputs)
    assert updated["agentPoolProfiles"][0]["count"] == 5
    found = sub.azure.read(sub.call("ManagedCluster"), cluster_id, inputs, updated)
    assert found is not None
    assert found[0]["agentPoolProfiles"][0]["count"] == 5
    pool |= {"minCount": 2, "maxCount": 3, "count": 5}
    assert sub.update("ManagedCluster", cluster_id, **inputs)["agentPoolProfiles"][0]["count"] == 5


def pool_changed(key: str, value: object) -> Properties:
    return {"agentPoolProfiles": [{key: value}]}


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        (
            pool_changed("vmSize", "Standard_D8ds_v5"),
            "PropertyChangeNotAllowed",
            '"agentPoolProfile.vmSize" is not allow',
        ),
        (pool_changed("maxPods", 50), "PropertyChangeNotAllowed", "'agentPoolProfile.maxPods' is not allowed"),
        (pool_changed("osDiskSizeGB", 256), "PropertyChangeNotAllowed", "'agentPoolProfile.osDiskSizeGB'"),
        (pool_changed("osType", "Windows"), "PropertyChangeNotAllowed", "'agentPoolProfile.osType'"),
        (pool_changed("availabilityZones", ["1"]), "PropertyChangeNotAllowed", "'agentPoolProfile.availabilityZones'"),
        (pool_changed("availabilityZones", None), "PropertyChangeNotAllowed", "'agentPoolProfile.availabilityZones'"),
        (pool_changed("name", "other"), "BadRequest", "A new agent pool was introduced"),
        ({"enableRBAC": False}, "PropertyChangeNotAllowed", "'enableRBAC'"),
        ({"aadProfile": None}, "PropertyChangeNotAllowed", "'aadProfile.managed'"),
        ({"oidcIssuerProfile": {"enabled": False}}, "OIDCIssuerFeatureCannotBeDisabled", "cannot be disabled"),
        ({"kubernetesVersion": "1.32"}, "OperationNotAllowed", "Downgrading Kubernetes version 1.33.0 to 1.32 is not"),
        ({"kubernetesVersion": "1.35"}, "OperationNotAllowed", "Upgrading Kubernetes version 1.33.0 to 1.35 is not"),
    ],
)
def test_what_aks_keeps_cannot_be_changed_on_a_cluster_that_runs(
    sub: _Subscription, change: Properties, code: str, text: str
) -> None:
    inputs = sub.place()
    inputs |= {"kubernetesVersion": "1.33", "aadProfile": {"managed": True}, "oidcIssuerProfile": {"enabled": True}}
    inputs["agentPoolProfiles"][0] |= {"vmSize": "Standard_D4ds_v5", "availabilityZones": ["2", "3"]}
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    sub.update("ManagedCluster", cluster_id, **inputs)
    pool = inputs["agentPoolProfiles"][0] | change.get("agentPoolProfiles", [{}])[0]
    with pytest.raises(RefusedError, match=f'Code="{code}"') as refused:
        sub.update("ManagedCluster", cluster_id, **{**inputs, **change, "agentPoolProfiles": [pool]})
    assert text in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        pool_changed("count", 3),
        pool_changed("maxPods", 30),  # Azure's default, now said
        pool_changed("availabilityZones", ["3", "2"]),
        {"kubernetesVersion": "1.34"},
        {"kubernetesVersion": None},
        {"sku": {"name": "Base", "tier": "Premium"}},
        {"ingressProfile": {"webAppRouting": {"enabled": True}}},
        {"aadProfile": {"managed": True}},
    ],
)
def test_other_changes_are_made_on_a_cluster_that_runs(sub: _Subscription, change: Properties) -> None:
    inputs = sub.place()
    inputs["kubernetesVersion"] = "1.33.2"
    inputs["agentPoolProfiles"][0]["availabilityZones"] = ["2", "3"]
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    pool = inputs["agentPoolProfiles"][0] | change.get("agentPoolProfiles", [{}])[0]
    sub.update("ManagedCluster", cluster_id, **{**inputs, **change, "agentPoolProfiles": [pool]})


def test_the_same_minor_version_is_no_change(sub: _Subscription) -> None:
    inputs = {**sub.place(), "kubernetesVersion": "1.33.2"}
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    updated = sub.update("ManagedCluster", cluster_id, **{**inputs, "kubernetesVersion": "1.33"})
    assert updated["currentKubernetesVersion"] == "1.33.2"


def test_a_clusters_group_has_no_unicode_in_its_name(sub: _Subscription) -> None:
    sub.group("rg-küche")
    inputs = {**sub.place(), "resourceGroupName": "rg-küche"}
    assert "does not permit Unicode characters" in sub.refused("ManagedCluster", **inputs)


def test_rules_leave_unknown_inputs_alone(sub: _Subscription) -> None:
    inputs: Any = changed([*POOL, "vnetSubnetID"], UNKNOWN) | {"disableLocalAccounts": UNKNOWN, "aadProfile": UNKNOWN}
    inputs["networkProfile"]["serviceCidr"] = UNKNOWN
    inputs["identity"]["userAssignedIdentities"] = [UNKNOWN]
    assert sub.problems("ManagedCluster", **inputs) == {}
    assert sub.problems("ManagedCluster", **{**inputs, "agentPoolProfiles": UNKNOWN, "networkProfile": UNKNOWN}) == {}


# Fleets.


def member_inputs(cluster_id: str, name: str = "east", fleet: str = "fleet") -> Properties:
    return {
        "resourceGroupName": "rg",
        "fleetName": fleet,
        "fleetMemberName": name,
        "clusterResourceId": cluster_id,
    }


def joined(sub: _Subscription) -> tuple[str, str, str]:
    cluster_id, _ = sub.create("ManagedCluster", **sub.place())
    fleet_id, _ = sub.fleet(hubProfile={"dnsPrefix": "hub"})
    return fleet_id, cluster_id, sub.create("FleetMember", **member_inputs(cluster_id))[0]


@pytest.mark.recording("hub-given-prefix")
def test_a_hub_profile_starts_a_hub(sub: _Subscription) -> None:
    sub.group()
    fleet_id, outputs = sub.fleet(hubProfile={"dnsPrefix": "hub"})
    hub = outputs["hubProfile"]
    assert re.fullmatch(r"hub-[a-z0-9]{8}\.hcp\.eastus2\.azmk8s\.io", hub["fqdn"])
    assert hub["dnsPrefix"] == "hub"
    assert set(hub) >= {"fqdn", "kubernetesVersion", "portalFqdn"}
    assert sub.clusters.log == [("hub", fleet_id, f"https://{hub['fqdn']}:443")]


@pytest.mark.recording("hub-prefix")
def test_a_hub_without_a_prefix_gets_one_that_azure_does_not_tell(sub: _Subscription) -> None:
    sub.group()
    _, outputs = sub.fleet(hubProfile={"agentProfile": {}, "apiServerAccessProfile": {"enablePrivateCluster": False}})
    hub = outputs["hubProfile"]
    assert re.fullmatch(r"hub-[a-z]{6}-[a-z0-9]{8}\.hcp\.eastus2\.azmk8s\.io", hub["fqdn"])
    assert "dnsPrefix" not in hub


@pytest.mark.recording("fleet")
def test_what_belongs_to_a_fleet_says_who_made_it(sub: _Subscription) -> None:
    fleet_id, _, member = joined(sub)
    fleet = sub.outputs("Fleet", fleet_id)
    assert UUID(fleet["eTag"].strip('"'))
    assert fleet["eTag"] != fleet["eTag"].strip('"')
    for outputs in (fleet, sub.outputs("FleetMember", member)):
        assert outputs["systemData"]["createdBy"] == DEPLOYER.object_id


BUSY = r'Status=409 Code="OperationNotAllowed" Message="Operation is not allowed: Another operation \(Updating\)'


@pytest.mark.recording("cluster-updating")
def test_a_cluster_is_updating_for_a_while_after_its_member_has_joined(sub: _Subscription) -> None:
    inputs = sub.place()
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    sub.fleet(hubProfile={"dnsPrefix": "hub"})
    member = sub.create("FleetMember", **member_inputs(cluster_id))[0]
    assert sub.outputs("ManagedCluster", cluster_id)["provisioningState"] == "Updating"
    with pytest.raises(RefusedError, match=BUSY):
        sub.update("ManagedCluster", cluster_id, **inputs, tags={"a": "b"})
    with pytest.raises(RefusedError, match=BUSY):
        sub.delete("ManagedCluster", cluster_id)
    sub.update("FleetMember", member, **member_inputs(cluster_id), group="canary")
    sub.clusters.now += 120
    assert sub.outputs("ManagedCluster", cluster_id)["provisioningState"] == "Succeeded"
    sub.update("ManagedCluster", cluster_id, **inputs, tags={"a": "b"})
    sub.delete("ManagedCluster", cluster_id)


def test_a_cluster_that_has_left_joins_again_once_it_is_no_longer_updating(sub: _Subscription) -> None:
    _, cluster_id, member_id = joined(sub)
    sub.delete("FleetMember", member_id)
    with pytest.raises(RefusedError, match=BUSY):
        sub.create("FleetMember", **member_inputs(cluster_id))
    sub.clusters.now += 120
    sub.create("FleetMember", **member_inputs(cluster_id))


def test_a_hub_can_be_added_but_not_removed(sub: _Subscription) -> None:
    sub.group()
    fleet_id, _ = sub.fleet()
    assert not sub.clusters.log
    hub: Properties = {"resourceGroupName": "rg", "fleetName": "fleet", "hubProfile": {}}
    sub.update("Fleet", fleet_id, **hub)
    sub.update("Fleet", fleet_id, **hub, tags={"a": "b"})
    assert len(sub.clusters.of("hub")) == 1
    with pytest.raises(RefusedError, match="cannot be removed"):
        sub.update("Fleet", fleet_id, resourceGroupName="rg", fleetName="fleet")


@pytest.mark.parametrize("profile", [{"dnsPrefix": "other"}, {"dnsPrefix": "hub", "agentProfile": {"vmSize": "a"}}])
def test_a_hub_keeps_what_it_was_made_with(sub: _Subscription, profile: Properties) -> None:
    sub.group()
    fleet_id, _ = sub.fleet(hubProfile={"dnsPrefix": "hub"})
    hub: Properties = {"resourceGroupName": "rg", "fleetName": "fleet", "hubProfile": {"dnsPrefix": "hub"}}
    sub.update("Fleet", fleet_id, **hub)
    with pytest.raises(RefusedError, match=r"Changing property 'hubProfile\."):
        sub.update("Fleet", fleet_id, **{**hub, "hubProfile": profile})


@pytest.mark.recording("member-labels")
def test_a_member_joins_with_azures_labels(sub: _Subscription) -> None:
    fleet_id, cluster_id, _ = joined(sub)
    labels = {
        "fleet.azure.com/location": "eastus2",
        "fleet.azure.com/resource-group": "rg",
        "fleet.azure.com/subscription-id": DEPLOYER.subscription_id,
        "fleet.azure.com/cluster-name": "aks",
        "fleet.azure.com/member-name": "east",
    }
    assert sub.clusters.of("join") == [("join", fleet_id, "east", cluster_id, labels)]


def test_a_member_joins_once_however_often_it_is_updated(sub: _Subscription) -> None:
    _, cluster_id, member = joined(sub)
    sub.update("FleetMember", member, **member_inputs(cluster_id), group="canary")
    assert len(sub.clusters.of("join")) == 1


def test_members_of_a_hubless_fleet_join_when_the_hub_comes(sub: _Subscription) -> None:
    cluster_id, _ = sub.create("ManagedCluster", **sub.place())
    fleet_id, _ = sub.fleet()
    sub.create("FleetMember", **member_inputs(cluster_id))
    assert not sub.clusters.of("join")
    sub.update("Fleet", fleet_id, resourceGroupName="rg", fleetName="fleet", hubProfile={})
    assert len(sub.clusters.of("join")) == 1


def test_a_member_needs_its_cluster(sub: _Subscription) -> None:
    sub.group()
    sub.fleet(hubProfile={})
    missing = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks"
    assert "Microsoft.ContainerService/managedClusters/aks" in sub.refused("FleetMember", **member_inputs(missing))


def test_a_cluster_that_failed_cannot_join() -> None:
    store = Store()
    sub = _Subscription(store)
    cluster_id, _ = sub.create("ManagedCluster", **sub.place())
    sub.fleet(hubProfile={})
    store.section("azure")["resources"][cluster_id.lower()]["outputs"]["provisioningState"] = "Failed"
    assert "is in state Failed" in sub.refused("FleetMember", **member_inputs(cluster_id))


@pytest.mark.recording("other-fleet")
def test_a_cluster_is_a_member_of_one_fleet(sub: _Subscription) -> None:
    _, cluster_id, _ = joined(sub)
    sub.fleet("fleet2", hubProfile={})
    refused = sub.refused("FleetMember", **member_inputs(cluster_id, fleet="fleet2"))
    assert 'Code="ClusterAlreadyJoinedAnotherFleet"' in refused
    assert "is a member of a fleet already" in sub.refused("FleetMember", **member_inputs(cluster_id.upper(), "again"))


def test_a_fleet_has_only_so_many_members(sub: _Subscription, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fleets._MAX_MEMBERS == 1000  # pyright: ignore[reportPrivateUsage] - learn: kubernetes-fleet/faq
    monkeypatch.setattr(fleets, "_MAX_MEMBERS", 2)
    inputs = sub.place()
    sub.fleet()
    clusters = [sub.create("ManagedCluster", **{**inputs, "resourceName": f"aks{i}"})[0] for i in range(3)]
    for i, cluster_id in enumerate(clusters[:2]):
        sub.create("FleetMember", **member_inputs(cluster_id, f"m{i}"))
    assert "at most 2 members" in sub.refused("FleetMember", **member_inputs(clusters[2], "m2"))


def test_a_members_group_is_well_formed(sub: _Subscription) -> None:
    assert list(sub.problems("FleetMember", **member_inputs("/c"), group="Canary")) == ["group"]


def test_a_member_leaves_when_it_is_deleted_unless_it_exports(sub: _Subscription) -> None:
    fleet_id, _, member = joined(sub)
    sub.clusters.exporting = True
    with pytest.raises(RefusedError, match="serviceExport"):
        sub.delete("FleetMember", member)
    assert sub.exists("FleetMember", member)
    sub.clusters.exporting = False
    sub.delete("FleetMember", member)
    assert sub.clusters.of("leave") == [("leave", fleet_id, "east")]


@pytest.mark.recording("fleet-deleted")
def test_deleting_a_fleet_deletes_its_members_and_its_hub(sub: _Subscription) -> None:
    fleet_id, cluster_id, member = joined(sub)
    sub.clusters.exporting = True
    sub.delete("Fleet", fleet_id)
    assert not sub.exists("FleetMember", member)
    assert sub.exists("ManagedCluster", cluster_id)
    assert sub.clusters.of("remove") == [("remove", fleet_id)]


def test_an_upgrade_profile_follows_an_existing_strategy_on_a_fleets_channel(sub: _Subscription) -> None:
    sub.group()
    fleet_id, _ = sub.fleet()
    base: Properties = {"resourceGroupName": "rg", "fleetName": "fleet", "autoUpgradeProfileName": "stable"}
    assert list(sub.problems("AutoUpgradeProfile", **base, channel="stable")) == ["channel"]
    profile: Properties = {**base, "channel": "Stable", "updateStrategyId": f"{fleet_id}/updateStrategies/waves"}
    assert "ResourceNotFound" in sub.refused("AutoUpgradeProfile", **profile)
    sub.create("FleetUpdateStrategy", **strategy(["canary"]))
    sub.create("AutoUpgradeProfile", **profile)


def strategy(*stages: list[str], names: str = "abc") -> Properties:
    return {
        "resourceGroupName": "rg",
        "fleetName": "fleet",
        "updateStrategyName": "waves",
        "strategy": {
            "stages": [
                {"name": name, "groups": [{"name": group} for group in groups]}
                for name, groups in zip(names, stages, strict=False)
            ]
        },
    }


@pytest.mark.parametrize(
    ("inputs", "path", "reason"),
    [
        (strategy(), "strategy.stages", "at least one stage is needed"),
        (strategy([]), "strategy.stages[0].groups", "1 to 50 groups, not 0"),
        (strategy([f"g{i}" for i in range(51)]), "strategy.stages[0].groups", "1 to 50 groups, not 51"),
        (strategy(["east"], ["east"]), "strategy.stages", "the group 'east' is listed 2 times"),
        (strategy(["east"], ["west"], names="aa"), "strategy.stages", "the stage 'a' is listed 2 times"),
        (strategy(["East"]), "strategy.stages", "'East' does not match"),
    ],
)
def test_a_strategy_has_each_group_once(sub: _Subscription, inputs: Properties, path: str, reason: str) -> None:
    assert sub.problems("FleetUpdateStrategy", **inputs)[path].startswith(reason)


@pytest.mark.recording("strategy-groups")
def test_a_stage_may_name_groups_that_no_member_is_in(sub: _Subscription) -> None:
    sub.group()
    sub.fleet()
    _, outputs = sub.create("FleetUpdateStrategy", **strategy(["east"]))
    assert outputs["provisioningState"] == "Succeeded"


@pytest.mark.recording("strategy-wait")
def test_a_stages_wait_that_is_left_out_is_none(sub: _Subscription) -> None:
    sub.group()
    sub.fleet()
    inputs = strategy(["east"], ["west"])
    inputs["strategy"]["stages"][0]["afterStageWaitInSeconds"] = 60
    _, outputs = sub.create("FleetUpdateStrategy", **inputs)
    assert [stage["afterStageWaitInSeconds"] for stage in outputs["strategy"]["stages"]] == [60, 0]


@pytest.mark.recording("auto-upgrade")
def test_an_upgrade_profile_is_enabled_by_default(sub: _Subscription) -> None:
    sub.group()
    sub.fleet()
    profile = {"resourceGroupName": "rg", "fleetName": "fleet", "autoUpgradeProfileName": "a", "channel": "Stable"}
    assert sub.create("AutoUpgradeProfile", **profile)[1]["disabled"] is False


def test_the_node_image_channel_has_no_choice_of_images(sub: _Subscription) -> None:
    profile = {"resourceGroupName": "rg", "fleetName": "fleet", "nodeImageSelection": {"type": "Latest"}}
    assert list(sub.problems("AutoUpgradeProfile", **profile, channel="NodeImage")) == ["nodeImageSelection"]
    assert sub.problems("AutoUpgradeProfile", **profile, channel="Rapid") == {}


# Credentials.


@pytest.mark.recording("hub-kubeconfig")
def test_a_hubs_kubeconfig_asks_entra_id(sub: _Subscription) -> None:
    sub.group()
    _, outputs = sub.fleet(hubProfile={})
    config = kubeconfig(sub.invoke("listFleetCredentials", resourceGroupName="rg", fleetName="fleet"))
    assert config["current-context"] == "hub"
    assert config["users"][0]["name"] == "clusterUser_FL_rg_fleet_eastus2_hub"
    assert config["clusters"][0]["cluster"]["server"] == f"https://{outputs['hubProfile']['fqdn']}:443"
    plugin = config["users"][0]["user"]["exec"]
    assert plugin["command"] == "kubelogin"
    assert plugin["args"][-2:] == ["--login", "devicecode"]
    assert "6dae42f8-4368-4678-94ff-3960e28e3630" in plugin["args"]


def test_a_fleet_without_a_hub_has_no_credentials(sub: _Subscription) -> None:
    sub.group()
    sub.fleet()
    with pytest.raises(RefusedError, match="no hub"):
        sub.invoke("listFleetCredentials", resourceGroupName="rg", fleetName="fleet")


@pytest.mark.recording("cluster-kubeconfig")
def test_local_accounts_have_a_certificate_of_their_own(sub: _Subscription) -> None:
    inputs = sub.place()
    users: list[Properties] = []
    for name in ("aks", "aks2"):
        sub.create("ManagedCluster", **{**inputs, "resourceName": name})
        result = sub.invoke("listManagedClusterUserCredentials", resourceGroupName="rg", resourceName=name)
        assert result == sub.invoke("listManagedClusterUserCredentials", resourceGroupName="rg", resourceName=name)
        assert kubeconfig(result)["current-context"] == name
        assert kubeconfig(result)["users"][0]["name"] == f"clusterUser_rg_{name}"
        users.append(kubeconfig(result)["users"][0]["user"])
    for key in ("client-certificate-data", "client-key-data", "token"):
        assert users[0][key] != users[1][key]
    assert b"PRIVATE KEY-----" in base64.b64decode(users[0]["client-key-data"])


def test_credentials_differ_between_subscriptions() -> None:
    def token() -> str:
        sub = _Subscription()
        sub.create("ManagedCluster", **sub.place())
        result = sub.invoke("listManagedClusterUserCredentials", resourceGroupName="rg", resourceName="aks")
        return kubeconfig(result)["users"][0]["user"]["token"]

    assert token() != token()


def test_without_local_accounts_there_are_no_admin_credentials(sub: _Subscription) -> None:
    inputs = sub.place()
    args = {"resourceGroupName": "rg", "resourceName": "aks"}
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    assert "token" in kubeconfig(sub.invoke("listManagedClusterAdminCredentials", **args))["users"][0]["user"]
    sub.update("ManagedCluster", cluster_id, **inputs, disableLocalAccounts=True, aadProfile={"managed": True})
    with pytest.raises(RefusedError, match="Getting static credential is not allowed"):
        sub.invoke("listManagedClusterAdminCredentials", **args)
    assert "exec" in kubeconfig(sub.invoke("listManagedClusterUserCredentials", **args))["users"][0]["user"]
    old = kubeconfig(sub.invoke("listManagedClusterUserCredentials", **args, format="azure"))
    assert "auth-provider" in old["users"][0]["user"]


def test_functions_check_their_arguments(sub: _Subscription) -> None:
    with pytest.raises(RefusedError, match="unknown property 'name'"):
        sub.invoke("listFleetCredentials", resourceGroupName="rg", name="fleet")
    with pytest.raises(RefusedError, match="missing required argument 'fleetName'"):
        sub.invoke("listFleetCredentials", resourceGroupName="rg")
    with pytest.raises(RefusedError, match="ResourceNotFound"):
        sub.invoke("listFleetCredentials", resourceGroupName="rg", fleetName="fleet")


def test_the_client_configuration_is_the_deployers(sub: _Subscription) -> None:
    config = sub.azure.invoke(Call("azure-native:authorization:getClientConfig"), {})
    assert config["objectId"] == DEPLOYER.object_id
    assert config["subscriptionId"] == DEPLOYER.subscription_id


OTHER = "0b2e6f14-93a7-4d58-8c1b-7f5e2a90d6c3"


def test_a_provider_works_in_the_subscription_that_it_is_told(sub: _Subscription) -> None:
    call = Call("azure-native:resources:ResourceGroup", "g", provider={"subscriptionId": OTHER})
    inputs: Properties = {"resourceGroupName": "rg", "location": "westus"}
    sub.create("ResourceGroup", **inputs)
    resource_id, _ = sub.azure.create(call, sub.azure.check(call, inputs)[0])
    assert resource_id == f"/subscriptions/{OTHER}/resourceGroups/rg"
    assert (
        sub.azure.invoke(Call("azure-native:authorization:getClientConfig", provider=call.provider), {})[
            "subscriptionId"
        ]
        == OTHER
    )
    sub.azure.delete(call, resource_id, {})
    assert sub.azure.read(call, resource_id, inputs, {}) is None
    assert sub.exists("ResourceGroup", f"{SUBSCRIPTION}/resourceGroups/rg")


def test_an_id_is_read_in_the_subscription_that_it_names_whoever_asks(sub: _Subscription) -> None:
    elsewhere = Call("azure-native:resources:ResourceGroup", "g", provider={"subscriptionId": OTHER})
    inputs: Properties = {"resourceGroupName": "rg", "location": "westus"}
    resource_id, _ = sub.azure.create(elsewhere, sub.azure.check(elsewhere, inputs)[0])
    found = sub.azure.read(Call(elsewhere.token), resource_id, {}, {})
    assert found
    assert found[1]["location"] == "westus"


def test_functions_answer_about_the_providers_subscription_alone(sub: _Subscription) -> None:
    sub.create("ManagedCluster", **sub.place())
    args: Properties = {"resourceGroupName": "rg", "resourceName": "aks"}
    for function in ("getManagedCluster", "listManagedClusterUserCredentials"):
        token = f"azure-native:containerservice:{function}"
        assert sub.azure.invoke(Call(token), args)
        with pytest.raises(RefusedError, match="ResourceNotFound"):
            sub.azure.invoke(Call(token, provider={"subscriptionId": OTHER}), args)


# A cluster's ownership of its network.


def under_way(cloud: Cloud, kind: str, verb: Literal["create", "update", "delete"], **inputs: object) -> Operation:
    """Return what the cloud is asked, with the inputs as checked."""
    call = _Subscription.call(kind)
    resource_id = str(inputs.pop("id", ""))
    return Operation(verb, call, resource_id, cloud.azure.check(call, inputs)[0] if verb != "delete" else {})


@pytest.mark.recording("vnet-written")
@pytest.mark.parametrize(
    ("kind", "verb", "name", "fails"),
    [
        ("VirtualNetworkPeering", "create", "east", True),
        ("VirtualNetworkPeering", "delete", "east", True),
        ("Subnet", "update", "east", True),
        ("VirtualNetwork", "update", "east", True),
        ("VirtualNetworkPeering", "create", "third", False),
        ("ManagedCluster", "create", "east", True),
    ],
)
def test_a_cluster_fails_if_its_network_is_written_meanwhile(
    kind: str, verb: Literal["create", "update", "delete"], name: str, *, fails: bool
) -> None:
    cloud = Cloud()
    sub = _Subscription()
    sub.azure = cloud.azure
    sub.group()
    networks = {each: sub.network(each, f"10.{number}.0.0/16") for number, each in enumerate(("east", "west", "third"))}
    subnet_id = sub.subnet(prefix="10.0.0.0/24", network="east")
    identity_id, _ = sub.identity()
    cluster = cluster_inputs("aks", subnet_id, identity_id)
    cluster["networkProfile"] |= {"serviceCidr": "10.9.0.0/16", "dnsServiceIP": "10.9.0.10"}
    others: dict[str, Properties] = {
        "VirtualNetworkPeering": peering_inputs(networks["west"], networks[name]),
        "Subnet": {"resourceGroupName": "rg", "virtualNetworkName": name, "subnetName": "nodes"},
        "VirtualNetwork": {"resourceGroupName": "rg", "virtualNetworkName": name},
        "ManagedCluster": {**cluster, "resourceName": "aks2"},
    }
    written = {"Subnet": subnet_id, "VirtualNetwork": networks[name]}.get(kind, "")
    if verb == "delete":
        written = sub.peering(networks["west"], networks[name])
    other = under_way(cloud, kind, verb, **others[kind], id=written)
    mine = under_way(cloud, "ManagedCluster", "create", **cluster)

    with cloud.operation(mine) as provider, nullcontext() if not fails else pytest.raises(NotReadyError) as failed:
        with cloud.operation(other):
            pass
        cluster_id, _ = provider.create(mine.call, mine.inputs)
    if fails and failed:
        assert failed.value.outputs["provisioningState"] == "Failed"
        text = str(failed.value)
        assert text.startswith(
            'Status=200 Code="SetVNetOwnershipFailed" Message="Set virtual network ownership failed.'
        )
        assert f'Code="VirtualNetworkNotInSucceededState" Message="Virtual network {networks["east"].lower()}' in text
        cluster_id = failed.value.resource_id
    # What was written before is no matter, and what has failed is put right by the next write.
    again = under_way(cloud, "ManagedCluster", "update", **cluster, id=cluster_id)
    with cloud.operation(again) as provider:
        assert provider.update(again.call, cluster_id, {}, again.inputs)["provisioningState"] == "Succeeded"


# The table in the documentation.


def test_each_recording_has_its_test_and_the_page_is_up_to_date() -> None:
    marks = [
        mark.args[0]
        for each in globals().values()
        for mark in getattr(each, "pytestmark", ())
        if mark.name == "recording"
    ]
    assert sorted(marks) == sorted(RECORDINGS)
    assert (ROOT / "docs" / "recordings.md").read_text(encoding="utf-8") == page()
