"""Private API servers, a private hub, and the way to them."""

import runpy
from typing import Any

import pytest

from rehearsal.cloud import Cloud
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Call
from rehearsal.stack import prepare_existing
from tests.support import existing
from tests.support.health import assert_healthy
from tests.support.private import EXAMPLE, private_config
from tests.support.program import ROOT, Program, run

NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
RUNNER = "/subscriptions/5a1f0c2e-6d3b-4e8a-9f57-20c4d1b7e930/resourceGroups/rg-runner/providers/Microsoft.Network"


@pytest.fixture(scope="module")
def private() -> Program:
    """The example's stack."""
    cloud = Cloud(idle_seconds=0.2)
    cloud.azure.runner_network = prepare_existing(cloud, EXAMPLE / "existing.yaml")
    return deployed(cloud, private_config())


def deployed(cloud: Cloud, config: dict[str, Any]) -> Program:
    """Run the whole program."""
    return run(
        lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"),
        stack="private",
        config=config,
        cloud=cloud,
    )


def roles(program: Program, *names: str) -> list[tuple[str, str]]:
    """Return the role and the end of the scope of role assignments."""
    found = [program[name].inputs for name in names]
    return [(each["roleDefinitionId"].rpartition("/")[2], each["scope"].rpartition("/")[2]) for each in found]


def test_api_server_has_a_delegated_subnet_of_its_own(private: Program) -> None:
    assert private["east-api-subnet"].inputs == {
        "resourceGroupName": "rg-aks-eastus2-private",
        "virtualNetworkName": "aks-vnet-east",
        "subnetName": "api-server",
        "addressPrefix": "10.41.4.0/28",  # the first after the nodes'
        "delegations": [{"name": "aks", "serviceName": "Microsoft.ContainerService/managedClusters"}],
        "defaultOutboundAccess": False,
        "networkSecurityGroup": {
            "id": private["east-join-api-subnet"].inputs["scope"].partition("/virtualNetworks/")[0]
            + "/networkSecurityGroups/api-server"
        },
        "privateEndpointNetworkPolicies": "Disabled",
        "privateLinkServiceNetworkPolicies": "Enabled",
    }
    # Subnets of a VNet are written one at a time.
    assert "east-subnet" in private["east-api-subnet"].dependencies
    assert roles(private, "east-join-subnet", "east-join-api-subnet") == [
        (NETWORK_CONTRIBUTOR, "aks-subnet-east"),
        (NETWORK_CONTRIBUTOR, "api-server"),
    ]
    assert {"east-join-subnet", "east-join-api-subnet"} <= private["east-cluster"].dependencies
    assert private["east-cluster"].inputs["apiServerAccessProfile"] == {
        "enablePrivateCluster": True,
        "enableVnetIntegration": True,
        "subnetId": private["east-join-api-subnet"].inputs["scope"],
        "privateDNSZone": "none",
        "enablePrivateClusterPublicFQDN": True,
        "disableRunCommand": True,
    }


def test_api_servers_group_opens_nothing_to_the_internet(private: Program) -> None:
    for group in ("east-api-rules", "hub-api-rules", "hub-rules"):
        assert [rule["name"] for rule in private[group].inputs["securityRules"]] == ["DenyRdp"]


def test_private_hub_has_two_subnets_and_their_roles_before_the_fleet(private: Program) -> None:
    assert private["hub-vnet"].inputs["addressSpace"] == {"addressPrefixes": ["10.40.0.0/22"]}
    assert private["hub-subnet"].inputs["addressPrefix"] == "10.40.0.0/23"
    assert private["hub-api-subnet"].inputs["addressPrefix"] == "10.40.2.0/23"
    names = ("hub-join-subnet", "hub-join-api-subnet", "hub-provider-join-subnet")
    assert roles(private, *names) == [
        (NETWORK_CONTRIBUTOR, "nodes"),
        (NETWORK_CONTRIBUTOR, "api-server"),
        (NETWORK_CONTRIBUTOR, "nodes"),
    ]
    provider = private_config()["fleet"]["hub"]["private"]["resourceProviderObjectId"]
    assert private["hub-provider-join-subnet"].inputs["principalId"] == provider
    assert {*names} <= private["hub-fleet"].dependencies
    assert private["hub-fleet"].inputs["hubProfile"] == {
        "agentProfile": {"subnetId": private["hub-join-subnet"].inputs["scope"]},
        "apiServerAccessProfile": {
            "enablePrivateCluster": True,
            "enableVnetIntegration": True,
            "subnetId": private["hub-join-api-subnet"].inputs["scope"],
        },
    }
    identity = private["hub-fleet"].inputs["identity"]
    assert identity["type"] == "UserAssigned"
    assert identity["userAssignedIdentities"][0].endswith("/gbb-fleet-private-identity")


def test_nodes_of_a_private_hub_have_a_way_out(private: Program) -> None:
    assert private["hub-subnet"].inputs["natGateway"]["id"].endswith("/natGateways/egress")
    assert private["hub-subnet"].inputs["defaultOutboundAccess"] is False


def test_runners_network_is_peered_with_all_others(private: Program) -> None:
    peerings = set(private.of_type("azure-native:network:VirtualNetworkPeering"))
    assert peerings == {
        *("mesh-east-to-west", "mesh-west-to-east"),
        *("mesh-east-to-runner", "mesh-runner-to-east", "mesh-west-to-runner", "mesh-runner-to-west"),
        *("hub-mesh-hub-to-runner", "hub-mesh-runner-to-hub"),
    }
    assert private["mesh-runner-to-east"].inputs["resourceGroupName"] == "rg-runner"
    assert private["mesh-east-to-runner"].inputs["remoteVirtualNetwork"] == {
        "id": f"{RUNNER}/virtualNetworks/vnet-runner"
    }
    # Another stack may have regions of these names and a private hub, too, and the same runner.
    names = {private[name].inputs["virtualNetworkPeeringName"] for name in peerings if "-runner-to-" in name}
    assert names == {f"RunnerTo{other}Peering-private" for other in ("East", "West", "Hub")}
    # One after the other, and after what else writes the VNets.
    assert {"hub-fleet", "mesh-west-to-runner"} <= private.waits_for("hub-mesh-hub-to-runner")


@pytest.mark.parametrize("provider", ["east-kubernetes", "west-kubernetes", "hub-kubernetes"])
def test_nothing_asks_an_api_server_before_the_peerings(private: Program, provider: str) -> None:
    """A Kubernetes provider that does not reach its API server when it starts stays without it for the whole update."""
    peerings = {name for name in private.of_type("azure-native:network:VirtualNetworkPeering") if "runner" in name}
    assert peerings <= private.waits_for(provider)
    assert ("kubeconfig",) in private[provider].secrets


def test_kubeconfigs_have_the_public_names(private: Program) -> None:
    for region, kubeconfig in private.outputs["kubeconfigs"].items():
        assert f".hcp.{'eastus2' if region == 'east' else 'westus3'}.azmk8s.io" in kubeconfig


def beside_an_existing_cluster(*, public_name: bool) -> Program:
    """Run the program with a private cluster that exists, and the runner in another VNet."""
    cloud = Cloud(idle_seconds=0.2)
    access = {"enablePrivateCluster": True, "enablePrivateClusterPublicFQDN": public_name}
    cluster = existing.cluster_in(cloud, existing.network(cloud), access=access)
    runner = existing.network(cloud, "10.8.0.0/16", group="rg-runner").rpartition("/subnets/")[0]
    config = private_config()
    config["regions"] = [{"name": "east", "location": "eastus2", "existing": {"clusterId": cluster}}]
    config["access"]["runnerNetworkId"] = cloud.azure.runner_network = runner
    config["clusters"]["entraId"] = False
    return deployed(cloud, config)


def test_existing_private_cluster_is_reached_by_its_public_name() -> None:
    program = beside_an_existing_cluster(public_name=True)
    assert {"mesh-east-to-runner", "mesh-runner-to-east"} <= program.waits_for("east-kubernetes")
    assert ".hcp.eastus2.azmk8s.io" in program.outputs["kubeconfigs"]["east"]
    assert_healthy(program)


def test_existing_private_cluster_without_a_public_name_needs_a_private_zone() -> None:
    with pytest.raises(RefusedError, match=r"privatelink\.eastus2\.azmk8s\.io: no such host"):
        beside_an_existing_cluster(public_name=False)


def test_runner_may_be_in_the_only_network() -> None:
    cloud = Cloud(idle_seconds=0.2)
    subnet = existing.network(cloud)
    api_server = {"subnetName": "api", "addressPrefix": "10.9.128.0/28"}
    delegated = {"delegations": [{"name": "aks", "serviceName": "Microsoft.ContainerService/managedClusters"}]}
    inputs = {"resourceGroupName": "rg-before", "virtualNetworkName": "vnet-before", **api_server, **delegated}
    api_subnet, _ = cloud.azure.create(Call("azure-native:network:Subnet"), inputs)
    config = private_config()
    there = {"subnetId": subnet, "apiServerSubnetId": api_subnet}
    pool = {"vmSize": "Standard_D4ds_v5", "count": 3}
    config["regions"] = [{"name": "east", "location": "eastus2", "existing": there, "nodePool": pool}]
    config["access"]["runnerNetworkId"] = cloud.azure.runner_network = subnet.rpartition("/subnets/")[0]
    config["clusters"]["outbound"] = "loadBalancer"
    config["fleet"] = {}
    program = deployed(cloud, config)
    assert not program.of_type("azure-native:network:VirtualNetworkPeering")
    assert program["east-cluster"].inputs["apiServerAccessProfile"]["subnetId"] == api_subnet
    assert program["east-join-api-subnet"].inputs["scope"] == api_subnet
    assert_healthy(program)
