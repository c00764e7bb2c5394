"""What exists already, under the real engine: used, left as it is, and left behind."""

import pytest
from pulumi import automation as auto

from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Operation
from rehearsal.interception import Interceptor
from tests.support import existing
from tests.support.existing import OTHER
from tests.support.health import assert_healthy
from tests.support.stack import Stack

pytestmark = pytest.mark.slow


def test_what_exists_is_still_there_when_the_stack_has_gone(empty: Stack) -> None:
    cluster, fleet = existing.cluster(empty.cloud), existing.fleet(empty.cloud)
    _, west = empty.config["regions"]
    east = {"name": "east", "location": "eastus2", "existing": {"clusterId": cluster}}
    empty.configure(regions=[east, west], fleet={"existingId": fleet})
    asked = empty.up().asked
    assert {name for verb, name in asked if verb == "read"} == {"east-cluster", "east-subnet", "east-vnet", "hub-fleet"}
    assert_healthy(empty)
    assert empty.up().changes == {}

    deleted = {name for verb, name in empty.destroy(run_program=True).asked if verb == "delete"}
    assert not deleted & {"east-cluster", "east-subnet", "east-vnet", "hub-fleet"}
    assert {"mesh-east-to-west", "hub-member-east", "hub-member-west", "hub-deployer", "app-entry-point"} <= deleted
    for planted in (cluster, fleet):
        assert existing.is_there(empty.cloud, planted)
    assert not empty.resources()


def test_subnet_is_still_there_when_the_cluster_in_it_has_gone(empty: Stack) -> None:
    subnet = existing.network(empty.cloud)
    east, west = empty.config["regions"]
    east = {"name": "east", "location": "eastus2", "existing": {"subnetId": subnet}, "nodePool": east["nodePool"]}
    empty.configure(regions=[east, west])
    asked = empty.up().asked
    assert {name for verb, name in asked if verb == "read"} == {"east-subnet", "east-vnet"}
    assert_healthy(empty)
    assert empty.up().changes == {}

    deleted = {name for verb, name in empty.destroy().asked if verb == "delete"}
    # The cluster goes with its group; what the program has put into a network that stays is asked for.
    assert deleted >= {"east-group", "mesh-east-to-west", "east-join-subnet"}
    assert not deleted & {"east-subnet", "east-vnet"}
    assert existing.is_there(empty.cloud, subnet)
    assert not empty.resources()


def test_nodes_may_pull_from_a_registry_that_stays(empty: Stack) -> None:
    registry = existing.registry(empty.cloud)
    empty.configure(clusters={"baseline": False, "registryId": registry})
    planned = empty.preview()
    assert empty.up().changes == planned.changes
    resources = {resource["urn"].rpartition("::")[2]: resource for resource in empty.resources()}
    for region in ("east", "west"):
        kubelet = resources[f"{region}-cluster"]["outputs"]["identityProfile"]["kubeletidentity"]["objectId"]
        role = resources[f"{region}-pull-images"]["inputs"]
        assert [role["scope"], role["principalId"]] == [registry, kubelet]
        assert role["roleDefinitionId"].startswith(f"/subscriptions/{OTHER}/")
        assert role["roleDefinitionId"].endswith("/7f951dda-4ed3-4680-a7ca-43fe172d538d")  # AcrPull
        assert kubelet == resources[f"{region}-kubelets"]["outputs"]["principalId"]
    # An update of a cluster leaves its roles alone, in the preview too.
    empty.configure(clusters={"baseline": False, "registryId": registry, "tier": "Standard"})
    assert empty.preview().changes == {"east-cluster": "update", "west-cluster": "update"}
    # Without the registry, nodes keep their identity: they still run with it.
    empty.configure(clusters={"baseline": False})
    roles = {f"{region}-pull-images{part}" for region in ("east", "west") for part in ("", "-id")}
    assert empty.preview().changes == dict.fromkeys(roles, "delete")
    empty.destroy()
    assert existing.is_there(empty.cloud, registry)


def test_what_does_not_fit_is_said_in_the_preview(empty: Stack) -> None:
    subnet = existing.network(empty.cloud, prefix="10.9.0.0/27")
    east, west = empty.config["regions"]
    east = {"name": "east", "location": "eastus2", "existing": {"subnetId": subnet}, "nodePool": east["nodePool"]}
    empty.configure(regions=[east, west])
    with pytest.raises(auto.CommandError, match=r"10\.9\.0\.0/27 has 32 addresses, the node pool needs 129"):
        empty.preview()
    empty.configure(regions=[west], fleet={"existingId": existing.fleet(empty.cloud, hub=False)})
    with pytest.raises(auto.CommandError, match="fleet-before has no hub"):
        empty.preview()


def test_cluster_that_exists_keeps_its_region_and_its_spelling(empty: Stack) -> None:
    cluster, fleet = existing.cluster(empty.cloud), existing.fleet(empty.cloud)
    east = {"name": "east", "location": "eastus2", "existing": {"clusterId": cluster}}
    empty.configure(regions=[east], fleet={"existingId": fleet})
    empty.up()
    empty.configure(regions=[east | {"name": "eus2"}])
    with pytest.raises(auto.CommandError, match='"eus2" would have the cluster that region "east" has'):
        empty.preview()
    empty.configure(
        regions=[east | {"existing": {"clusterId": cluster.replace("AKS", "aks")}}],
        fleet={"existingId": fleet.replace("/fleets/", "/Fleets/")},
    )
    with pytest.raises(
        auto.CommandError,
        match=f"(?s)with this spelling of the ID: .*{cluster}.*with this spelling of the ID: .*{fleet}",
    ):
        empty.preview()

    empty.configure(regions=[east | {"cluster": "blue"}], fleet={"existingId": fleet})
    with pytest.raises(auto.CommandError, match='region "east" joined the fleet as "aks-before", not "blue"'):
        empty.preview()


def test_update_that_could_not_read_what_exists_can_be_repeated(empty: Stack) -> None:
    cluster = existing.cluster(empty.cloud)
    empty.configure(regions=[{"name": "east", "location": "eastus2", "existing": {"clusterId": cluster}}])
    empty.refuse("read", "east-cluster", 'Status=403 Code="AuthorizationFailed" Message="planted"')
    with pytest.raises(auto.CommandError, match="planted"):
        empty.up()
    empty.up()
    assert_healthy(empty)


def test_ids_of_another_subscription_are_worked_on_there(empty: Stack) -> None:
    namesakes = existing.cluster(empty.cloud), existing.fleet(empty.cloud)
    cluster, fleet = existing.cluster(empty.cloud, subscription=OTHER), existing.fleet(empty.cloud, subscription=OTHER)
    _, west = empty.config["regions"]
    east = {"name": "east", "location": "eastus2", "existing": {"clusterId": cluster}}
    empty.configure(regions=[east, west], fleet={"existingId": fleet})
    assert f"azure-{OTHER}" in empty.preview().changes
    empty.up()
    assert_healthy(empty)
    assert existing.is_there(empty.cloud, f"{fleet}/members/aks-before")
    assert not existing.is_there(empty.cloud, f"{namesakes[1]}/members/aks-before")
    assert empty.up().changes == {}
    assert empty.refresh().changes == {}

    empty.destroy(run_program=True)
    assert not empty.resources()
    for planted in (cluster, fleet, *namesakes):
        assert existing.is_there(empty.cloud, planted)
    assert not existing.is_there(empty.cloud, f"{fleet}/members/aks-before")


def test_two_clusters_in_one_network_of_another_subscription(empty: Stack) -> None:
    """What the preview must know at once, it reads through a provider that is not made yet."""
    blue = existing.network(empty.cloud, subscription=OTHER)
    green = existing.second_subnet(empty.cloud, blue, "10.9.4.0/22")
    clusters = {
        "blue": existing.cluster_in(empty.cloud, blue, "aks-blue"),
        "green": existing.cluster_in(empty.cloud, green, "aks-green"),
    }
    regions = [
        {"name": name, "location": "eastus2", "existing": {"clusterId": each}} for name, each in clusters.items()
    ]
    empty.configure(regions=regions)
    assert not [name for name in empty.preview().changes if name.startswith("mesh-")]
    empty.up()
    assert_healthy(empty)
    assert empty.up().changes == {}


@pytest.mark.slow
def test_region_is_added_in_the_network_of_a_running_one(empty: Stack) -> None:
    pool = empty.config["regions"][0]["nodePool"]
    blue = existing.network(empty.cloud)
    green = existing.second_subnet(empty.cloud, blue, "10.9.4.0/22")
    regions = [
        {
            "name": name,
            "location": "eastus2",
            "nodePool": pool,
            "existing": {"subnetId": subnet},
            "resourceGroup": f"rg-{name}",
            "cluster": f"aks-{name}",
        }
        for name, subnet in (("blue", blue), ("green", green))
    ]
    empty.configure(regions=regions[:1])
    empty.up()
    empty.configure(regions=regions)
    empty.up()
    assert_healthy(empty)
    assert empty.up().changes == {}


@pytest.mark.parametrize("refused", ["listManagedClusterUserCredentials", "getManagedCluster", "ManagedCluster"])
def test_what_cannot_be_read_is_said_without_a_traceback(empty: Stack, refused: str) -> None:
    blue = existing.network(empty.cloud)
    clusters = [
        existing.cluster_in(empty.cloud, blue, "aks-blue"),
        existing.cluster_in(empty.cloud, existing.second_subnet(empty.cloud, blue, "10.9.4.0/22"), "aks-green"),
    ]

    def refuse(operation: Operation) -> None:
        if operation.call.token.endswith(f":{refused}"):
            raise RefusedError('Status=403 Code="AuthorizationFailed" Message="planted"')

    empty.cloud.interceptors.append(Interceptor(before=refuse))
    regions = [
        {"name": f"r{number}", "location": "eastus2", "existing": {"clusterId": each}}
        for number, each in enumerate(clusters)
    ]
    empty.configure(regions=regions)
    with pytest.raises((RuntimeError, auto.CommandError)):
        empty.preview()
    assert 'Status=403 Code="AuthorizationFailed" Message="planted"' in empty.text
    assert "Traceback" not in empty.text


def test_larger_range_reaches_the_peers_in_the_same_update(stack: Stack) -> None:
    east, west = stack.config["regions"]
    stack.configure(regions=[east, west | {"addressSpace": "10.2.0.0/15"}])
    done = stack.up()
    assert done.changes == {"west-vnet": "update", "mesh-east-to-west": "update"}
    order = [name for verb, name in done.asked if verb == "update"]
    assert order == ["west-vnet", "mesh-east-to-west"]


def test_regions_may_be_called_as_parts_of_the_program(empty: Stack) -> None:
    """The state is asked for each by type and name: `hub-group` is not the fleet's, `hub-join-subnet` no subnet."""
    east, west = empty.config["regions"]
    regions = [{**east, "name": "hub"}, {**west, "name": "hub-join"}]
    empty.configure(regions=regions, fleet={"existingId": existing.fleet(empty.cloud)})
    empty.up()
    assert empty.up().changes == {}

    empty.configure(regions=[regions[0], {**regions[1], "serviceCidr": "172.20.0.0/16"}])
    with pytest.raises(auto.CommandError, match=r'region "hub-join" was created with ".+", not "172\.20\.0\.0/16"'):
        empty.preview()
