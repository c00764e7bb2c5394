"""The mesh of peerings."""

from collections.abc import Sequence
from typing import Any

import pytest
from pulumi_azure_native import network, resources

from components.peered_networks import PeeredNetwork, PeeredNetworks, PeeredNetworksArgs
from tests.support.program import Program, run

PEERING = "azure-native:network:VirtualNetworkPeering"


def mesh(count: int, existing: Sequence[str] | None = None, **each: Any) -> Program:  # noqa: ANN401 - as in the arguments
    """Peer a number of networks, called a, b, c and so on, which have these further arguments."""

    def body() -> None:
        networks: dict[str, PeeredNetwork] = {}
        for number in range(count):
            region = chr(ord("a") + number)
            group = resources.ResourceGroup(f"{region}-group", resource_group_name=f"rg-{region}", location="eastus2")
            vnet = network.VirtualNetwork(
                f"{region}-vnet",
                resource_group_name=group.name,
                virtual_network_name=f"vnet-{region}",
                address_space=network.AddressSpaceArgs(address_prefixes=[f"10.{number}.0.0/16"]),
            )
            subnet = network.Subnet(
                f"{region}-subnet",
                resource_group_name=group.name,
                virtual_network_name=vnet.name,
                address_prefix=f"10.{number}.0.0/24",
            )
            networks[region] = PeeredNetwork(
                virtual_network=vnet, resource_group_name=group.name, subnet=subnet, **each
            )
        PeeredNetworks("mesh", PeeredNetworksArgs(networks=networks, existing=existing))

    return run(body)


def ends(peering: str) -> tuple[str, str]:
    """Return the two regions of a peering, from its name: mesh-a-to-b."""
    _, here, _, there = peering.split("-")
    return here, there


def test_peering_is_deleted_before_the_next_one_of_its_name_is_created(dev: Program) -> None:
    assert all(peering.options.deleteBeforeReplace for peering in dev.of_type(PEERING).values())


def test_peerings_are_the_articles(dev: Program) -> None:
    vnets = {name: dev[f"{name}-vnet"] for name in ("east", "west")}
    subscription = dev.outputs["fleetId"].split("/")[2]
    assert {name: peering.inputs for name, peering in dev.of_type(PEERING).items()} == {
        f"mesh-{here}-to-{there}": {
            "resourceGroupName": vnets[here].inputs["resourceGroupName"],
            "virtualNetworkName": f"aks-vnet-{here}",
            "virtualNetworkPeeringName": f"{here.capitalize()}To{there.capitalize()}Peering",
            "remoteVirtualNetwork": {
                "id": f"/subscriptions/{subscription}/resourceGroups/{vnets[there].inputs['resourceGroupName']}"
                f"/providers/Microsoft.Network/virtualNetworks/aks-vnet-{there}"
            },
            "allowVirtualNetworkAccess": True,
            # What makes a larger range of the other network reach this side.
            "remoteVirtualNetworkAddressSpace": vnets[there].inputs["addressSpace"],
            "syncRemoteAddressSpace": "true",
        }
        for here, there in [("east", "west"), ("west", "east")]
    }


def test_peerings_are_children_of_the_mesh(dev: Program) -> None:
    assert dev["mesh"].type == "fleet-l4-lb:index:PeeredNetworks"
    assert dev.children("mesh") == {"mesh-east-to-west", "mesh-west-to-east"}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_every_network_is_peered_with_every_other_in_both_directions(count: int) -> None:
    regions = [chr(ord("a") + number) for number in range(count)]
    peered = sorted(ends(name) for name in mesh(count).of_type(PEERING))
    assert peered == [(a, b) for a in regions for b in regions if a != b]


def test_lost_networks_keep_the_peerings_that_exist_even_if_others_peer_them_now() -> None:
    assert {*mesh(3, ["mesh-a-to-b"], lost=True, peered=True).of_type(PEERING)} == {"mesh-a-to-b"}


def test_peering_waits_for_the_subnets_of_both_sides(dev: Program) -> None:
    for name in ("mesh-east-to-west", "mesh-west-to-east"):
        assert {"east-subnet", "west-subnet"} <= dev[name].dependencies


def test_operations_on_one_network_follow_each_other() -> None:
    program = mesh(5)
    peerings = list(program.of_type(PEERING))
    for position, first in enumerate(peerings):
        for second in peerings[position + 1 :]:
            if set(ends(first)) & set(ends(second)):
                assert first in program.waits_for(second) or second in program.waits_for(first), (first, second)


@pytest.mark.parametrize(("count", "rounds"), [(2, 1), (4, 3), (5, 5), (8, 7)])
def test_mesh_takes_as_many_rounds_as_a_tournament(count: int, rounds: int) -> None:
    program = mesh(count)

    def depth(name: str) -> int:
        earlier = [depth(other) for other in program[name].dependencies if program[other].type == PEERING]
        return 1 + max(earlier, default=0)

    assert max(depth(name) for name in program.of_type(PEERING)) == 2 * rounds  # both directions, one after the other


def test_peerings_wait_for_the_clusters_of_both_sides(dev: Program) -> None:
    """AKS cannot create a cluster while its VNet is being written, and says so after it has accepted it."""
    for name in ("mesh-east-to-west", "mesh-west-to-east"):
        assert {"east-cluster", "west-cluster"} <= dev[name].dependencies


def test_busy_networks_are_retried_also_when_a_region_has_gone(dev: Program) -> None:
    for name in dev.children("mesh"):
        assert list(dev[name].options.hooks.on_error) == ["network-retry"]


def test_peering_is_replaced_when_its_other_network_is_another_one(dev: Program) -> None:
    # Azure does not point a peering at another network (ChangingRemoteVirtualNetworkNotAllowed).
    assert list(dev["mesh-east-to-west"].options.replaceOnChanges) == ["remoteVirtualNetwork.id"]
