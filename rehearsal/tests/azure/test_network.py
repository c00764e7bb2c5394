"""Virtual networks, subnets and peerings."""

import pytest

from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Properties
from rehearsal.core.store import Store
from rehearsal.fleet.in_memory import InMemoryClusters
from rehearsal.tests.azure.subscription import SUBSCRIPTION, Subscription, peering_inputs


def test_a_subnet_lies_in_its_network(sub: Subscription) -> None:
    sub.group()
    sub.network()
    outside: Properties = {"subnetName": "s", "addressPrefix": "10.2.0.0/24"}
    assert "NetcfgSubnetRangeOutsideVnet" in sub.refused(
        "Subnet", resourceGroupName="rg", virtualNetworkName="vnet", **outside
    )


def test_a_network_does_not_shrink_below_its_subnets(sub: Subscription) -> None:
    sub.group()
    network = sub.network()
    sub.subnet()
    inputs: Properties = {"resourceGroupName": "rg", "virtualNetworkName": "vnet"}
    with pytest.raises(RefusedError, match="NetcfgSubnetRangeOutsideVnet"):
        sub.update("VirtualNetwork", network, **inputs, addressSpace={"addressPrefixes": ["10.1.4.0/24"]})


def test_subnets_do_not_overlap(sub: Subscription) -> None:
    sub.group()
    sub.network()
    sub.subnet()
    second: Properties = {"subnetName": "s", "addressPrefix": "10.1.0.128/25"}
    assert "NetcfgSubnetRangesOverlap" in sub.refused(
        "Subnet", resourceGroupName="rg", virtualNetworkName="vnet", **second
    )


def test_a_subnet_may_be_updated_in_its_own_range(sub: Subscription) -> None:
    sub.group()
    sub.network()
    subnet = sub.subnet()
    inputs: Properties = {"resourceGroupName": "rg", "virtualNetworkName": "vnet", "subnetName": "nodes"}
    assert sub.update("Subnet", subnet, **inputs, addressPrefix="10.1.0.0/23")["addressPrefix"] == "10.1.0.0/23"


@pytest.mark.parametrize("prefix", ["10.1.0.0/23", "10.1.4.0/24"])
def test_a_subnet_with_nodes_keeps_its_range(sub: Subscription, prefix: str) -> None:
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
def test_addresses_are_in_cidr_notation(sub: Subscription, prefix: str) -> None:
    assert list(sub.problems("Subnet", resourceGroupName="r", virtualNetworkName="v", addressPrefix=prefix)) == [
        "addressPrefix"
    ]


def test_inline_subnets_are_refused(sub: Subscription) -> None:
    inputs: Properties = {"resourceGroupName": "r", "location": "eastus", "subnets": [{"name": "s"}]}
    assert list(sub.problems("VirtualNetwork", **inputs)) == ["subnets"]


@pytest.mark.recording("subnet-in-use")
def test_a_subnet_with_nodes_cannot_be_deleted_nor_its_network(sub: Subscription) -> None:
    inputs = sub.place()
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    subnet_id: str = inputs["agentPoolProfiles"][0]["vnetSubnetID"]
    for kind, resource_id in (("Subnet", subnet_id), ("VirtualNetwork", subnet_id.rsplit("/", 2)[0])):
        with pytest.raises(RefusedError, match="InUseSubnetCannotBeDeleted"):
            sub.delete(kind, resource_id)
    sub.delete("ManagedCluster", cluster_id)
    sub.delete("VirtualNetwork", subnet_id.rsplit("/", 2)[0])
    assert not sub.exists("Subnet", subnet_id)


def two_networks(sub: Subscription, second: str = "10.2.0.0/16") -> tuple[str, str]:
    sub.group()
    return sub.network("east"), sub.network("west", second)


def state(sub: Subscription, peering: str) -> str:
    return sub.outputs("VirtualNetworkPeering", peering)["peeringState"]


@pytest.mark.recording("vnet")
def test_a_network_has_azures_defaults(sub: Subscription) -> None:
    sub.group()
    outputs = sub.outputs("VirtualNetwork", sub.network())
    assert outputs["privateEndpointVNetPolicies"] == "Disabled"
    assert (outputs["enableDdosProtection"], outputs["subnets"], outputs["virtualNetworkPeerings"]) == (False, [], [])


@pytest.mark.recording("subnet")
def test_a_subnet_has_azures_defaults(sub: Subscription) -> None:
    sub.group()
    sub.network()
    outputs = sub.outputs("Subnet", sub.subnet())
    assert outputs["privateEndpointNetworkPolicies"] == "Disabled"
    assert outputs["privateLinkServiceNetworkPolicies"] == "Enabled"


@pytest.mark.recording("peering-defaults")
def test_a_peering_has_azures_defaults(sub: Subscription) -> None:
    outputs = sub.outputs("VirtualNetworkPeering", sub.peering(*two_networks(sub)))
    yes = {key for key in ("allowVirtualNetworkAccess", "peerCompleteVnets") if outputs[key] is True}
    no = ("allowForwardedTraffic", "allowGatewayTransit", "useRemoteGateways", "doNotVerifyRemoteGateways")
    assert (len(yes), [outputs[key] for key in no]) == (2, [False] * 4)


@pytest.mark.recording("peering-states")
def test_a_peering_is_connected_when_both_directions_exist(sub: Subscription) -> None:
    east, west = two_networks(sub)
    there = sub.peering(east, west)
    assert state(sub, there) == "Initiated"
    assert levels(sub, there) == ["RemoteNotInSync"]
    back = sub.peering(west, east)
    assert (state(sub, there), state(sub, back)) == ("Connected", "Connected")
    assert levels(sub, there, back) == ["FullyInSync", "FullyInSync"]
    guids = {sub.outputs("VirtualNetworkPeering", each)["resourceGuid"] for each in (there, back)}
    assert len(guids) == 1


def test_a_peering_whose_other_direction_goes_is_disconnected_and_must_be_remade(sub: Subscription) -> None:
    east, west = two_networks(sub)
    there, back = sub.peering(east, west), sub.peering(west, east)
    sub.delete("VirtualNetworkPeering", there)
    assert state(sub, back) == "Disconnected"
    assert "RemotePeeringIsDisconnected" in sub.refused("VirtualNetworkPeering", **peering_inputs(east, west))
    sub.update("VirtualNetworkPeering", back, **peering_inputs(west, east))
    sub.peering(east, west)
    assert state(sub, back) == "Connected"


def test_deleting_a_network_disconnects_its_peers(sub: Subscription) -> None:
    east, west = two_networks(sub)
    sub.peering(east, west)
    back = sub.peering(west, east)
    sub.delete("VirtualNetwork", east)
    assert state(sub, back) == "Disconnected"


def resized(sub: Subscription, network: str, *spaces: str) -> None:
    inputs: Properties = {"resourceGroupName": "rg", "virtualNetworkName": network.rsplit("/", 1)[-1]}
    sub.update("VirtualNetwork", network, **inputs, addressSpace={"addressPrefixes": [*spaces]})


def levels(sub: Subscription, *peerings: str) -> list[str]:
    return [sub.outputs("VirtualNetworkPeering", peering)["peeringSyncLevel"] for peering in peerings]


def test_peerings_know_a_larger_network_once_they_are_told_to_look(sub: Subscription) -> None:
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
    clusters = InMemoryClusters(Store())
    for name, pods in (("east", "10.1.0.0/24"), ("west", "10.4.0.0/24")):
        clusters.add_cluster(name, f"https://{name}", location=name, network=f"/{name}", pods=pods, nodes=1)
    clusters.set_peered("/east", "/west", peered=True)
    assert clusters.routable("east", "west")
    clusters.set_routes("/east", "/west", ["10.2.0.0/16"])
    assert not clusters.routable("east", "west")
    assert not clusters.routable("west", "east")  # the answer has no way back
    clusters.set_routes("/east", "/west", ["10.2.0.0/16", "10.4.0.0/16"])
    assert clusters.routable("east", "west")


def test_a_network_does_not_grow_into_its_peers(sub: Subscription) -> None:
    east, west = two_networks(sub)
    sub.peering(east, west)
    with pytest.raises(RefusedError, match="VnetAddressSpacesOverlap"):
        resized(sub, east, "10.0.0.0/14")


def test_two_networks_are_peered_once(sub: Subscription) -> None:
    east, west = two_networks(sub)
    there = sub.peering(east, west)
    again = {**peering_inputs(east, west), "virtualNetworkPeeringName": "again"}
    message = sub.refused("VirtualNetworkPeering", **again)
    assert 'Code="AnotherPeeringAlreadyReferencesRemoteVnet"' in message
    assert there in message
    sub.update("VirtualNetworkPeering", there, **peering_inputs(east, west))


def test_a_peering_keeps_its_remote_network(sub: Subscription) -> None:
    east, west = two_networks(sub)
    there, third = sub.peering(east, west), sub.network("third", "10.3.0.0/16")
    inputs = {**peering_inputs(east, west), "remoteVirtualNetwork": {"id": third}}
    with pytest.raises(RefusedError, match="ChangingRemoteVirtualNetworkNotAllowed"):
        sub.update("VirtualNetworkPeering", there, **inputs)


def test_overlapping_networks_are_not_peered(sub: Subscription) -> None:
    east, west = two_networks(sub, "10.1.128.0/17")
    assert "VnetAddressSpacesOverlap" in sub.refused("VirtualNetworkPeering", **peering_inputs(east, west))


def test_a_network_does_not_overlap_those_that_its_peer_has_already(sub: Subscription) -> None:
    east, west = two_networks(sub)
    sub.peering(west, east)
    third = sub.network("third", "10.1.0.0/20")
    assert "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet" in sub.refused(
        "VirtualNetworkPeering", **peering_inputs(third, west)
    )


def test_the_remote_network_must_exist(sub: Subscription) -> None:
    sub.group()
    east = sub.network()
    assert 'Code="ResourceNotFound"' in sub.refused("VirtualNetworkPeering", **peering_inputs(east, f"{east}2"))
    inputs = peering_inputs(east, east)
    del inputs["remoteVirtualNetwork"]
    assert list(sub.problems("VirtualNetworkPeering", **inputs)) == ["remoteVirtualNetwork.id"]


def rule(**keys: object) -> Properties:
    return {
        "name": "in",
        "direction": "Inbound",
        "access": "Allow",
        "priority": 100,
        "protocol": "Tcp",
        "sourceAddressPrefix": "Internet",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRanges": ["80", "8000-8010"],
        **keys,
    }


def firewall(sub: Subscription, *rules: Properties) -> tuple[str, Properties]:
    return sub.create(
        "NetworkSecurityGroup",
        resourceGroupName="rg",
        networkSecurityGroupName="nsg",
        location="eastus2",
        securityRules=[*rules],
    )


def test_security_group_of_a_subnet_cannot_be_deleted(sub: Subscription) -> None:
    sub.group()
    group_id, outputs = firewall(sub, rule())
    assert [each["name"] for each in outputs["defaultSecurityRules"] if each["access"] == "Deny"] == [
        "DenyAllInBound",
        "DenyAllOutBound",
    ]
    sub.network()
    inputs = {
        "resourceGroupName": "rg",
        "virtualNetworkName": "vnet",
        "subnetName": "s",
        "addressPrefix": "10.1.0.0/24",
    }
    assert "InvalidResourceReference" in sub.refused("Subnet", **inputs, networkSecurityGroup={"id": f"{group_id}-2"})
    subnet_id, _ = sub.create("Subnet", **inputs, networkSecurityGroup={"id": group_id})
    assert sub.outputs("NetworkSecurityGroup", group_id)["subnets"] == [{"id": subnet_id}]
    with pytest.raises(RefusedError, match=f"InUseNetworkSecurityGroupCannotBeDeleted.*{subnet_id}"):
        sub.delete("NetworkSecurityGroup", group_id)
    sub.update("Subnet", subnet_id, **inputs)
    assert "subnets" not in sub.outputs("NetworkSecurityGroup", group_id)
    sub.delete("NetworkSecurityGroup", group_id)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (rule(priority=99), "securityRules[1].priority"),
        (rule(), "securityRules[1].priority"),
        (rule(priority=200, sourceAddressPrefix=None), "securityRules[1].sourceAddressPrefix"),
        (rule(priority=200, destinationPortRanges=[]), "securityRules[1].destinationPortRange"),
        (rule(priority=200, destinationPortRanges=["http"]), "securityRules[1].destinationPortRange"),
    ],
)
def test_rules_of_a_security_group_are_complete_and_differ(sub: Subscription, wrong: Properties, path: str) -> None:
    inputs = {"resourceGroupName": "rg", "networkSecurityGroupName": "nsg", "location": "eastus2"}
    assert list(sub.problems("NetworkSecurityGroup", **inputs, securityRules=[rule(), wrong])) == [path]


@pytest.mark.parametrize(
    ("rules", "admitted"),
    [
        ([], set[int]()),
        ([rule()], {80, 8005}),
        ([rule(destinationAddressPrefix="10.1.0.0/24")], set[int]()),
        ([rule(sourceAddressPrefix="VirtualNetwork")], set[int]()),
        ([rule(protocol="Udp")], set[int]()),
        ([rule(direction="Outbound")], set[int]()),
        ([rule(priority=300), rule(name="no", priority=200, access="Deny", destinationPortRanges=["80"])], {8005}),
    ],
)
def test_first_rule_that_matches_decides(sub: Subscription, rules: list[Properties], admitted: set[int]) -> None:
    """The destination of a packet is the load balancer's address, not one of the subnet."""
    cluster = sub.place()
    group_id, _ = firewall(sub, *rules)
    subnet_id = cluster["agentPoolProfiles"][0]["vnetSubnetID"]
    network, subnet = subnet_id.split("/")[8], subnet_id.split("/")[10]
    names = {"resourceGroupName": "rg", "virtualNetworkName": network, "subnetName": subnet}
    sub.update("Subnet", subnet_id, **names, addressPrefix="10.1.0.0/24", networkSecurityGroup={"id": group_id})
    cluster_id, _ = sub.create("ManagedCluster", **cluster)
    assert {port for port in (22, 80, 8005, 8011) if sub.azure.admits(cluster_id, port)} == admitted


def _two_regions(sub: Subscription, rules: list[Properties], *, peered: bool = True) -> tuple[str, str]:
    """Create two clusters in networks of their own, the first with a security group; return their IDs."""
    near = sub.place()
    networks = [near["agentPoolProfiles"][0]["vnetSubnetID"].rsplit("/", 2)[0], sub.network("far", "10.2.0.0/16")]
    far = {**near, "resourceName": "far", "dnsPrefix": "far"}
    far["agentPoolProfiles"] = [
        {**near["agentPoolProfiles"][0], "vnetSubnetID": sub.subnet(prefix="10.2.0.0/24", network="far")}
    ]
    if peered:
        sub.peering(*networks)
        sub.peering(*reversed(networks))
    group_id, _ = firewall(sub, *rules)
    subnet_id = near["agentPoolProfiles"][0]["vnetSubnetID"]
    names = {"resourceGroupName": "rg", "virtualNetworkName": "vnet", "subnetName": "nodes"}
    sub.update("Subnet", subnet_id, **names, addressPrefix="10.1.0.0/24", networkSecurityGroup={"id": group_id})
    return sub.create("ManagedCluster", **near)[0], sub.create("ManagedCluster", **far)[0]


DENY = {"access": "Deny", "destinationPortRanges": ["8080"]}


@pytest.mark.parametrize(
    ("rules", "admitted"),
    [
        ([], {80, 8080}),
        ([rule(**DENY)], {80, 8080}),  # the internet is what lies outside of both networks
        ([rule(**DENY, sourceAddressPrefix="VirtualNetwork")], {80}),
        ([rule(**DENY, sourceAddressPrefix="10.2.0.0/16")], {80}),
        ([rule(**DENY, sourceAddressPrefix="10.3.0.0/16")], {80, 8080}),
        ([rule(**DENY, sourceAddressPrefix="*", destinationAddressPrefix="10.1.0.0/16")], {80}),
        ([rule(**DENY, sourceAddressPrefix="*", destinationAddressPrefix="10.9.0.0/16")], {80, 8080}),
        ([rule(**DENY, sourceAddressPrefix="*", direction="Outbound")], {80, 8080}),
    ],
)
def test_rules_decide_between_peered_networks(sub: Subscription, rules: list[Properties], admitted: set[int]) -> None:
    east, west = _two_regions(sub, rules)
    assert {port for port in (80, 8080) if sub.azure.admits(east, port, west)} == admitted


def test_rules_for_what_leaves_count_too(sub: Subscription) -> None:
    east, west = _two_regions(sub, [rule(**DENY, direction="Outbound", sourceAddressPrefix="*")])
    assert not sub.azure.admits(west, 8080, east)
    assert sub.azure.admits(east, 8080, west)


def test_network_that_is_not_peered_is_the_internet(sub: Subscription) -> None:
    east, west = _two_regions(sub, [], peered=False)
    assert not sub.azure.admits(east, 8080, west)
