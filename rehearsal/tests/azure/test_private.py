"""Private API servers of clusters and hubs."""

import base64
import json

import pytest

from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Properties
from rehearsal.tests.azure.subscription import (
    NETWORK_CONTRIBUTOR,
    SUBSCRIPTION,
    Subscription,
    cluster_inputs,
    peering_inputs,
)

AKS = "Microsoft.ContainerService/managedClusters"
FLEETS_PROVIDER = "7d0f2b61-93c4-4c1e-8a25-b6e1904f3d58"


def api_subnet(sub: Subscription, prefix: str = "10.1.4.0/28", service: str = AKS, network: str = "vnet") -> str:
    """Create a subnet for an API server; return its ID."""
    return sub.create(
        "Subnet",
        resourceGroupName="rg",
        virtualNetworkName=network,
        subnetName="api-server",
        addressPrefix=prefix,
        delegations=[{"name": "aks", "serviceName": service}] if service else [],
    )[0]


def cluster(sub: Subscription, subnet_id: str, *, role: bool = True) -> Properties:
    """Return the inputs of a private cluster in the place of `Subscription.place`."""
    identity_id, principal = sub.identity("private")
    for scope in (sub.subnet("private-nodes", "10.1.8.0/24"), *([subnet_id] if role else [])):
        sub.role(scope, NETWORK_CONTRIBUTOR, principal, "ServicePrincipal")
    nodes = subnet_id.replace("/api-server", "/private-nodes")
    access = {"enablePrivateCluster": True, "enableVnetIntegration": True, "subnetId": subnet_id}
    return cluster_inputs("private", nodes, identity_id) | {
        "apiServerAccessProfile": access | {"privateDNSZone": "none"}
    }


def test_subnet_shows_its_delegation(sub: Subscription) -> None:
    sub.place()
    delegation = sub.outputs("Subnet", api_subnet(sub))["delegations"][0]
    assert (delegation["serviceName"], delegation["provisioningState"]) == (AKS, "Succeeded")


def test_private_cluster_needs_a_delegated_subnet(sub: Subscription) -> None:
    sub.place()
    inputs = cluster(sub, api_subnet(sub, service=""))
    assert "SubnetMissingRequiredDelegation" in sub.refused("ManagedCluster", **inputs)


def test_subnet_of_an_api_server_has_its_least_size(sub: Subscription) -> None:
    sub.place()
    assert "needs a /28" in sub.refused("ManagedCluster", **cluster(sub, api_subnet(sub, "10.1.4.0/29")))


def test_private_cluster_needs_the_role_on_both_subnets(sub: Subscription) -> None:
    sub.place()
    refusal = sub.refused("ManagedCluster", **cluster(sub, api_subnet(sub), role=False))
    assert "lacks the role Network Contributor on the API server's subnet" in refusal


def test_nodes_are_not_in_a_delegated_subnet(sub: Subscription) -> None:
    inputs = sub.place()
    inputs["agentPoolProfiles"][0]["vnetSubnetID"] = api_subnet(sub, "10.1.4.0/24")
    assert 'Code="SubnetIsDelegated"' in sub.refused("ManagedCluster", **inputs)


def test_private_cluster_stays_private_and_a_public_one_public(sub: Subscription) -> None:
    public = sub.place()
    private = cluster(sub, api_subnet(sub))
    access = private["apiServerAccessProfile"]
    for inputs, other in (
        (private, access | {"enablePrivateCluster": False}),
        (public, {"enablePrivateCluster": True}),
    ):
        cluster_id, _ = sub.create("ManagedCluster", **inputs)
        with pytest.raises(RefusedError, match="Changing enablePrivateCluster is not allowed"):
            sub.update("ManagedCluster", cluster_id, **inputs | {"apiServerAccessProfile": other})


@pytest.mark.parametrize(
    ("access", "path"),
    [
        ({"enableVnetIntegration": True}, "apiServerAccessProfile.subnetId"),
        ({"privateDNSZone": "none", "enablePrivateClusterPublicFQDN": False}, "apiServerAccessProfile.privateDNSZone"),
    ],
)
def test_access_that_azure_does_not_know_is_a_problem(sub: Subscription, access: Properties, path: str) -> None:
    inputs = sub.place() | {"apiServerAccessProfile": {"enablePrivateCluster": True, **access}}
    assert path in sub.problems("ManagedCluster", **inputs)


def test_subnet_stays_while_an_api_server_is_in_it(sub: Subscription) -> None:
    sub.place()
    subnet_id = api_subnet(sub)
    sub.create("ManagedCluster", **cluster(sub, subnet_id))
    with pytest.raises(RefusedError, match="InUseSubnetCannotBeDeleted"):
        sub.delete("Subnet", subnet_id)


def server(sub: Subscription, **arguments: str) -> str:
    """Return the API server's URL in the cluster's kubeconfig."""
    names = {"resourceGroupName": "rg", "resourceName": "private"}
    answer = sub.invoke("listManagedClusterUserCredentials", **names, **arguments)
    return json.loads(base64.b64decode(answer["kubeconfigs"][0]["value"]))["clusters"][0]["cluster"]["server"]


@pytest.mark.parametrize("zone", ["system", "none"])
def test_kubeconfig_has_the_public_name_if_asked_for(sub: Subscription, zone: str) -> None:
    sub.place()
    inputs = cluster(sub, api_subnet(sub))
    inputs["apiServerAccessProfile"]["privateDNSZone"] = zone
    _, outputs = sub.create("ManagedCluster", **inputs)
    assert ("privateFQDN" in outputs) == (zone == "system")
    assert ".private.eastus2.azmk8s.io" in server(sub)
    assert ".hcp.eastus2.azmk8s.io" in server(sub, serverFqdn="public")


def test_private_api_server_answers_its_own_network_and_peered_ones(sub: Subscription) -> None:
    inputs = sub.place()
    public, _ = sub.create("ManagedCluster", **inputs)
    private, _ = sub.create("ManagedCluster", **cluster(sub, api_subnet(sub)))
    assert sub.azure.reaches(private), "where the program runs is not known"
    network = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
    runner = sub.network("runner", "10.9.0.0/24")
    sub.azure.runner_network = runner
    assert (sub.azure.reaches(private), sub.azure.reaches(public)) == (False, True)
    sub.create("VirtualNetworkPeering", **peering_inputs(network, runner))
    assert not sub.azure.reaches(private), "one direction is not enough"
    sub.create("VirtualNetworkPeering", **peering_inputs(runner, network))
    assert sub.azure.reaches(private)
    sub.azure.runner_network = network
    assert sub.azure.reaches(private)


ROLES: tuple[str, ...] = ("nodes of the fleet", "API server of the fleet", "nodes of Fleet's provider")


def hub(sub: Subscription, *roles: str, space: str = "10.20") -> Properties:
    """Create what a private hub needs, with these roles; return the fleet's inputs."""
    sub.group()
    sub.network("hub", f"{space}.0.0/22")
    nodes = sub.subnet("hub-nodes", f"{space}.0.0/23", network="hub")
    api_server = api_subnet(sub, f"{space}.2.0/23", network="hub")
    identity_id, principal = sub.identity("fleet")
    scopes = dict(zip(ROLES, ((nodes, principal), (api_server, principal), (nodes, FLEETS_PROVIDER)), strict=True))
    for role in roles:
        scope, owner = scopes[role]
        sub.role(scope, NETWORK_CONTRIBUTOR, owner, "ServicePrincipal")
    access = {"enablePrivateCluster": True, "enableVnetIntegration": True, "subnetId": api_server}
    return {
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [identity_id]},
        "hubProfile": {"agentProfile": {"subnetId": nodes}, "apiServerAccessProfile": access},
    }


def refused_fleet(sub: Subscription, inputs: Properties) -> str:
    return sub.refused("Fleet", resourceGroupName="rg", fleetName="fleet", **inputs)


def test_private_hub_is_made_with_its_subnets_and_roles(sub: Subscription) -> None:
    _, outputs = sub.fleet(**hub(sub, *ROLES))
    assert outputs["hubProfile"]["apiServerAccessProfile"]["enablePrivateCluster"]


@pytest.mark.parametrize(
    ("missing", "who"),
    [
        ("nodes of the fleet", "The fleet's identity"),
        ("API server of the fleet", "The fleet's identity"),
        ("nodes of Fleet's provider", "Fleet's resource provider"),
    ],
)
def test_private_hub_needs_each_role(sub: Subscription, missing: str, who: str) -> None:
    refusal = refused_fleet(sub, hub(sub, *(role for role in ROLES if role != missing)))
    assert f"{who} lacks the role Network Contributor" in refusal


def test_private_hub_keeps_off_its_own_services(sub: Subscription) -> None:
    assert "overlaps 10.0.0.0/16" in refused_fleet(sub, hub(sub, *ROLES, space="10.0"))


def test_private_hub_has_no_prefix(sub: Subscription) -> None:
    inputs = hub(sub, *ROLES)
    inputs["hubProfile"]["dnsPrefix"] = "shop"
    assert "doesn't allow configuring domain names" in refused_fleet(sub, inputs)


@pytest.mark.parametrize("missing", ["identity", "agentProfile"])
def test_private_hub_needs_its_parts(sub: Subscription, missing: str) -> None:
    inputs = hub(sub, *ROLES)
    del (inputs if missing == "identity" else inputs["hubProfile"])[missing]
    assert "A private hub needs " in refused_fleet(sub, inputs)


@pytest.mark.parametrize(
    ("key", "code"), [("enablePrivateCluster", "AgentSubnetUnsupported"), ("enableVnetIntegration", "APIServerSubnet")]
)
def test_public_hub_has_no_subnets(sub: Subscription, key: str, code: str) -> None:
    inputs = hub(sub, *ROLES)
    inputs["hubProfile"]["apiServerAccessProfile"][key] = False
    assert code in refused_fleet(sub, inputs)
