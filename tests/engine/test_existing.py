"""What exists already, under the real engine: used, left as it is, and left behind."""

from tests import existing
from tests.engine.stack import Stack


def test_what_exists_is_still_there_when_the_stack_has_gone(empty: Stack) -> None:
    cluster, fleet = existing.cluster(empty.cloud), existing.fleet(empty.cloud)
    _, west = empty.config["regions"]
    east = {"name": "east", "location": "eastus2", "existing": {"clusterId": cluster}}
    empty.configure(regions=[east, west], fleet={"existingId": fleet})
    asked = empty.up().asked
    assert {name for verb, name in asked if verb == "read"} == {"east-cluster", "east-subnet", "east-vnet", "hub-fleet"}
    assert [line for line in empty.cloud.summary() if not line[1]] == []
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
    assert [line for line in empty.cloud.summary() if not line[1]] == []
    assert empty.up().changes == {}

    deleted = {name for verb, name in empty.destroy().asked if verb == "delete"}
    # The cluster goes with its group; what the program has put into a network that stays is asked for.
    assert deleted >= {"east-group", "mesh-east-to-west", "east-join-subnet"}
    assert not deleted & {"east-subnet", "east-vnet"}
    assert existing.is_there(empty.cloud, subnet)
    assert not empty.resources()
