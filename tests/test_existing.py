"""What exists already: read, checked, used, and never changed."""

import runpy
from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from pulumi_azure_native import containerservice, network

from components.errors import ExistingError
from components.existing_cluster import ExistingCluster, ExistingClusterArgs
from components.fleet_hub import FleetHub, FleetHubArgs
from components.fleet_updates import FleetUpdates, FleetUpdatesArgs, UpdateChannel
from components.kubeconfig import KubeloginMode
from components.peered_networks import PeeredNetwork, PeeredNetworks, PeeredNetworksArgs
from components.subscriptions import AzureProviders
from rehearsal.cloud import Cloud
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Operation
from rehearsal.interception import Interceptor
from tests.support import existing
from tests.support.existing import OTHER
from tests.support.health import assert_healthy
from tests.support.program import ROOT, Program, run, stack_config

POOL = {"vmSize": "Standard_D4ds_v5", "count": 3}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(idle_seconds=0.2)


def region(name: str, subnet_or_cluster: str, **existing: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Return the settings of a region in eastus2 with a subnet or a cluster that exists."""
    if "/subnets/" in subnet_or_cluster:
        ids = {"existing": existing | {"subnetId": subnet_or_cluster}, "cluster": f"aks-{name}"}
        return {"name": name, "location": "eastus2", "resourceGroup": f"rg-{name}", "nodePool": POOL, **ids}
    return {"name": name, "location": "eastus2", "existing": existing | {"clusterId": subnet_or_cluster}}


def dev_with(cloud: Cloud, east: dict[str, Any] | None = None, **changes: Any) -> Program:  # noqa: ANN401 - any JSON value
    """Run dev in a cloud, with another first region."""
    config = stack_config("dev") | changes
    if "regions" not in changes:
        first = {"name": "east", "location": "eastus2"} | east if east else config["regions"][0]
        config["regions"] = [first, *config["regions"][1:]]
    return run(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"), config=config, cloud=cloud)


def test_a_cluster_is_made_in_a_subnet_that_exists(cloud: Cloud) -> None:
    subnet = existing.network(cloud)
    program = dev_with(cloud, {"existing": {"subnetId": subnet}, "nodePool": POOL})
    assert program["east-cluster"].inputs["agentPoolProfiles"][0]["vnetSubnetID"] == subnet
    assert not {"east-vnet", "east-subnet"} & program.resources.keys()
    assert program["mesh-east-to-west"].inputs["resourceGroupName"] == "rg-before"
    assert_healthy(program)


def test_a_cluster_that_exists_joins_with_all_that_it_has(cloud: Cloud) -> None:
    cluster = existing.cluster(cloud)
    program = dev_with(cloud, {"existing": {"clusterId": cluster}})
    assert program["hub-member-east"].inputs["clusterResourceId"] == cluster
    assert program["hub-member-east"].inputs["fleetMemberName"] == "aks-before"
    assert not {"east-group", "east-identity", "east-cluster"} & program.resources.keys()
    assert_healthy(program)


def test_a_cluster_that_exists_joins_by_the_name_that_the_settings_give_it(cloud: Cloud) -> None:
    program = dev_with(cloud, {"existing": {"clusterId": existing.cluster(cloud)}, "cluster": "blue"})
    assert program.outputs["memberNames"] == {"east": "blue", "west": "aks-westus2"}
    assert_healthy(program)


def test_a_fleet_that_exists_takes_the_members(cloud: Cloud) -> None:
    fleet = existing.fleet(cloud)
    program = dev_with(cloud, fleet={"existingId": fleet})
    assert program.outputs["fleetId"] == fleet
    assert not {"hub-group", "hub-fleet"} & program.resources.keys()
    assert program["hub-member-east"].inputs["fleetName"] == "fleet-before"
    assert_healthy(program)


@pytest.mark.parametrize(
    ("profile", "said"),
    [({"networkPluginMode": "overlay"}, r"east: .* \(azure, overlay\)"), ({"networkPlugin": "kubenet"}, "kubenet")],
)
def test_a_cluster_without_flat_addresses_is_refused(cloud: Cloud, profile: dict[str, str], said: str) -> None:
    cluster = existing.cluster(cloud, **profile)
    with pytest.raises(ExistingError, match=said):
        dev_with(cloud, {"existing": {"clusterId": cluster}})


def test_a_region_is_where_its_network_is(cloud: Cloud) -> None:
    subnet = existing.network(cloud, location="northeurope")
    with pytest.raises(
        ExistingError, match="the existing network is in northeurope, but the region's location is eastus2"
    ):
        dev_with(cloud, {"existing": {"subnetId": subnet}, "nodePool": POOL})


def test_networks_that_exist_must_not_overlap_the_others(cloud: Cloud) -> None:
    subnet = existing.network(cloud, "10.2.0.0/16")
    with pytest.raises(ExistingError, match=r"10\.2\.0\.0/16 of east and 10\.2\.0\.0/16 of west"):
        dev_with(cloud, {"existing": {"subnetId": subnet}, "nodePool": POOL})


def test_a_fleet_needs_a_hub(cloud: Cloud) -> None:
    with pytest.raises(ExistingError, match="fleet fleet-before has no hub"):
        dev_with(cloud, fleet={"existingId": existing.fleet(cloud, hub=False)})


# --- Other subscriptions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [False, True])
def test_updates_of_a_fleet_that_others_share_are_warned_of(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, *, shared: bool
) -> None:
    warned: list[str] = []

    def warn(text: str, *_: object) -> None:
        warned.append(text)

    monkeypatch.setattr("pulumi.log.warn", warn)
    there = {"existingId": existing.fleet(cloud)} if shared else {}
    dev_with(cloud, fleet={**there, "updates": {"channel": "Stable", "stages": [["east"], ["west"]]}})
    assert [text for text in warned if "those of others too" in text] == warned
    assert bool(warned) is shared


def test_an_id_means_its_subscription_and_no_namesake_in_another(cloud: Cloud) -> None:
    namesakes = existing.cluster(cloud), existing.fleet(cloud)
    cluster, fleet = existing.cluster(cloud, subscription=OTHER), existing.fleet(cloud, subscription=OTHER)
    assert [each.split("/")[3:] for each in namesakes] == [cluster.split("/")[3:], fleet.split("/")[3:]]
    updates = {"channel": "NodeImage", "stages": [["east", "west"]]}
    program = dev_with(cloud, {"existing": {"clusterId": cluster}}, fleet={"existingId": fleet, "updates": updates})
    assert_healthy(program)
    for name, (meant, namesake) in {"east": (cluster, namesakes[0]), "hub": (fleet, namesakes[1])}.items():
        kubeconfig = program[f"{name}-kubernetes"].inputs["kubeconfig"]
        assert existing.server(cloud, meant) in kubeconfig
        assert existing.server(cloud, namesake) not in kubeconfig
    group, namesakes_group = (each.partition("/providers/")[0] for each in (cluster, namesakes[0]))
    peering = "/providers/Microsoft.Network/virtualNetworks/vnet-before/virtualNetworkPeerings/EastToWestPeering"
    in_fleet = (
        "/members/aks-before",
        "/members/aks-westus2",
        "/updateStrategies/stages",
        "/autoUpgradeProfiles/auto-upgrade",
    )
    made = [(group, namesakes_group, peering), *((fleet, namesakes[1], child) for child in in_fleet)]
    assert all(existing.is_there(cloud, meant + child) for meant, _, child in made)
    assert not any(existing.is_there(cloud, namesake + child) for _, namesake, child in made)


def test_ids_of_the_programs_own_subscription_need_no_provider(cloud: Cloud) -> None:
    program = dev_with(
        cloud, {"existing": {"clusterId": existing.cluster(cloud)}}, fleet={"existingId": existing.fleet(cloud)}
    )
    assert not program.of_type("pulumi:providers:azure-native")


def test_a_cluster_is_in_the_subscription_of_its_subnet(cloud: Cloud) -> None:
    subnet = existing.network(cloud, subscription=OTHER)
    with pytest.raises(
        ExistingError, match=rf"{subnet} is in another subscription .* choose a subnet of this subscription"
    ):
        dev_with(cloud, {"existing": {"subnetId": subnet}, "nodePool": POOL})


def bring_cluster(cloud: Cloud) -> None:
    """Bring a cluster of another subscription, and hand on no provider."""
    args = ExistingClusterArgs(
        cluster_id=existing.cluster(cloud, subscription=OTHER),
        location="eastus2",
        kubelogin_mode=KubeloginMode.AZURECLI,
    )
    ExistingCluster("east", args)


def bring_fleet(cloud: Cloud) -> None:
    """Bring a fleet of another subscription, and hand on no provider."""
    args = FleetHubArgs(
        location="westus",
        resource_group_name="rg",
        fleet_name="fleet",
        members={},
        admins={},
        kubelogin_mode=KubeloginMode.AZURECLI,
        existing_id=existing.fleet(cloud, subscription=OTHER),
    )
    FleetHub("hub", args)


def bring_networks(cloud: Cloud) -> None:
    """Peer networks of another subscription, and hand on no provider."""
    networks: dict[str, PeeredNetwork] = {}
    for name, space in (("a", "10.9.0.0/16"), ("b", "10.8.0.0/16")):
        subnet_id = existing.network(cloud, space, group=f"rg-{name}", subscription=OTHER)
        networks[name] = PeeredNetwork(
            virtual_network=network.VirtualNetwork.get(f"{name}-vnet", subnet_id.rsplit("/", 2)[0]),
            subnet=network.Subnet.get(f"{name}-subnet", subnet_id),
        )
    PeeredNetworks("mesh", PeeredNetworksArgs(networks=networks))


def bring_updates(cloud: Cloud) -> None:
    """Upgrade the members of a fleet of another subscription, and hand on no provider."""
    args = FleetUpdatesArgs(
        fleet=containerservice.Fleet.get("hub-fleet", existing.fleet(cloud, subscription=OTHER)),
        members=[],
        stages=[["east"]],
        wait_seconds=0,
        channel=UpdateChannel.STABLE,
    )
    FleetUpdates("updates", args)


@pytest.mark.parametrize("bring", [bring_cluster, bring_fleet, bring_networks, bring_updates])
def test_a_component_asks_in_no_other_subscription_than_the_ids(cloud: Cloud, bring: Callable[[Cloud], None]) -> None:
    """A program that hands on no provider would be answered about a namesake."""
    existing.cluster(cloud)
    existing.fleet(cloud)
    with pytest.raises(ExistingError, match="is in another subscription than the Azure provider's, "):
        run(lambda: bring(cloud), cloud=cloud)


def test_another_subscription_is_reached_as_the_stack_says() -> None:
    def body() -> None:
        said = {
            "environment": "usgovernment",
            "useOidc": "true",
            "clientSecret": "planted",
            "location": "usgovvirginia",
        }
        keys = {f"azure-native:{key}": value for key, value in said.items()}
        pulumi.runtime.set_all_config(keys | {"azure-native:version": "3"}, ["azure-native:clientSecret"])
        AzureProviders().of(f"/subscriptions/{OTHER.upper()}/resourceGroups/rg")

    provider = run(body)[f"azure-{OTHER}"]
    assert provider.inputs == {
        "subscriptionId": OTHER,
        "environment": "usgovernment",
        "useOidc": "true",
        "clientSecret": "planted",
        "location": "usgovvirginia",
    }
    assert ("clientSecret",) in provider.secrets


def test_what_azure_does_not_tell_is_said_in_one_sentence(cloud: Cloud) -> None:
    cluster = existing.cluster(cloud)

    def refuse(operation: Operation) -> None:
        if operation.call.token.endswith("listManagedClusterUserCredentials"):
            raise RefusedError('Status=403 Code="AuthorizationFailed"')

    cloud.interceptors.append(Interceptor(before=refuse))
    with pytest.raises(
        ExistingError, match=rf'^east: the log-in to {cluster} cannot be read: Status=403 Code="AuthorizationFailed"$'
    ):
        dev_with(cloud, {"existing": {"clusterId": cluster}})


# --- Networks that are connected ------------------------------------------------------------------------------


def peerings(program: Program) -> set[str]:
    """Return the names of the peerings that a program makes."""
    return {name.removeprefix("mesh-") for name in program.of_type("azure-native:network:VirtualNetworkPeering")}


def test_networks_that_are_peered_already_are_peered_with_the_others_alone(cloud: Cloud) -> None:
    one, other = existing.network(cloud), existing.network(cloud, "10.8.0.0/16", group="rg-too")
    existing.peer(cloud, one, other)
    regions = [region("blue", one, peered=True), region("green", other, peered=True)]
    program = dev_with(cloud, regions=[*regions, stack_config("dev")["regions"][1]])
    assert peerings(program) == {"blue-to-west", "west-to-blue", "green-to-west", "west-to-green"}
    assert_healthy(program)


def test_members_in_networks_that_are_peered_already_wait_for_no_peering(cloud: Cloud) -> None:
    one, other = existing.network(cloud), existing.network(cloud, "10.8.0.0/16", group="rg-too")
    existing.peer(cloud, one, other)
    program = dev_with(cloud, regions=[region("blue", one, peered=True), region("green", other, peered=True)])
    assert not peerings(program)
    assert_healthy(program)


@pytest.mark.parametrize("clusters", [False, True])
def test_regions_in_one_network_need_no_peering_and_are_peered_once(cloud: Cloud, *, clusters: bool) -> None:
    blue = existing.network(cloud)
    green = existing.second_subnet(cloud, blue, "10.9.4.0/22")
    if clusters:
        blue, green = existing.cluster_in(cloud, blue), existing.cluster_in(cloud, green, "AKS-Green")
    program = dev_with(cloud, regions=[region("blue", blue), region("green", green), stack_config("dev")["regions"][1]])
    assert peerings(program) == {"blue-to-west", "west-to-blue"}
    assert {"mesh-west-to-blue"} <= program["hub-member-green"].dependencies
    assert_healthy(program)


def test_regions_of_one_network_alone_need_no_peering(cloud: Cloud) -> None:
    blue = existing.network(cloud)
    green = existing.second_subnet(cloud, blue, "10.9.4.0/22")
    program = dev_with(cloud, regions=[region("blue", blue), region("green", green)])
    assert not peerings(program)
    assert_healthy(program)


def test_a_subnet_that_exists_holds_the_pool(cloud: Cloud) -> None:
    subnet = existing.network(cloud, prefix="10.9.0.0/26")
    with pytest.raises(ExistingError, match=r"east: the subnet 10\.9\.0\.0/26 has 64 addresses, .* needs 129"):
        dev_with(cloud, {"existing": {"subnetId": subnet}, "nodePool": POOL})


@pytest.mark.parametrize(
    ("clusters", "said"),
    [
        ({"outbound": "natGateway"}, "east: the existing subnet has no NAT gateway"),
        ({"outbound": "routeTable"}, "east: the existing subnet has no route table"),
    ],
)
def test_a_subnet_that_exists_has_the_way_out(cloud: Cloud, clusters: dict[str, Any], said: str) -> None:
    subnet = existing.network(cloud)
    app = {"internal": True, "entryRegions": ["east"]}
    with pytest.raises(ExistingError, match=said):
        dev_with(cloud, regions=[region("east", subnet)], clusters=clusters, app=app)


def test_services_of_no_cluster_overlap_a_network_that_exists(cloud: Cloud) -> None:
    cluster = existing.cluster(cloud, serviceCidr="10.2.0.0/16", dnsServiceIP="10.2.0.10")
    with pytest.raises(ExistingError, match=r"10\.2\.0\.0/16 of the services of east and 10\.2\.0\.0/16 of west"):
        dev_with(cloud, {"existing": {"clusterId": cluster}})
