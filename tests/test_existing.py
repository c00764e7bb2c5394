"""What exists already: read, checked, used, and never changed."""

import runpy
from typing import Any

import pytest

from components.existing import ExistingError
from rehearsal.cloud import Cloud
from tests import existing
from tests.program import ROOT, Program, run, stack_config

POOL = {"vmSize": "Standard_DS2_v2", "count": 3}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(patience=0.2)


def dev_with(cloud: Cloud, east: dict[str, Any] | None = None, **changes: Any) -> Program:  # noqa: ANN401 - any JSON value
    """Run dev in a cloud, with another first region."""
    config = stack_config("dev") | changes
    first = {"name": "east", "location": "eastus2"} | east if east else config["regions"][0]
    config["regions"] = [first, *config["regions"][1:]]
    return run(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"), config=config, cloud=cloud)


def well(program: Program) -> bool:
    """Say whether the pattern is well in the program's cloud."""
    return all(line[1] for line in program.cloud.summary())


def test_a_cluster_is_made_in_a_subnet_that_exists(cloud: Cloud) -> None:
    subnet = existing.network(cloud)
    program = dev_with(cloud, {"existing": {"subnetId": subnet}, "nodePool": POOL})
    assert program["east-cluster"].inputs["agentPoolProfiles"][0]["vnetSubnetID"] == subnet
    assert not {"east-vnet", "east-subnet"} & program.resources.keys()
    assert program["mesh-east-to-west"].inputs["resourceGroupName"] == "rg-before"
    assert well(program)


def test_a_cluster_that_exists_joins_with_all_that_it_has(cloud: Cloud) -> None:
    cluster = existing.cluster(cloud)
    program = dev_with(cloud, {"existing": {"clusterId": cluster}})
    assert program["hub-member-east"].inputs["clusterResourceId"] == cluster
    assert program["hub-member-east"].inputs["fleetMemberName"] == "aks-before"
    assert not {"east-group", "east-identity", "east-cluster"} & program.resources.keys()
    assert well(program)


def test_a_fleet_that_exists_takes_the_members(cloud: Cloud) -> None:
    fleet = existing.fleet(cloud)
    program = dev_with(cloud, fleet={"existingId": fleet})
    assert program.outputs["fleetId"] == fleet
    assert not {"hub-group", "hub-fleet"} & program.resources.keys()
    assert program["hub-member-east"].inputs["fleetName"] == "fleet-before"
    assert well(program)


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
    with pytest.raises(ExistingError, match="what exists is in northeurope, but the region's location is eastus2"):
        dev_with(cloud, {"existing": {"subnetId": subnet}, "nodePool": POOL})


def test_networks_that_exist_must_not_overlap_the_others(cloud: Cloud) -> None:
    subnet = existing.network(cloud, "10.2.0.0/16")
    with pytest.raises(ExistingError, match=r"10\.2\.0\.0/16 of east and 10\.2\.0\.0/16 of west"):
        dev_with(cloud, {"existing": {"subnetId": subnet}, "nodePool": POOL})


def test_a_fleet_needs_a_hub(cloud: Cloud) -> None:
    with pytest.raises(ExistingError, match="fleet fleet-before has no hub"):
        dev_with(cloud, fleet={"existingId": existing.fleet(cloud, hub=False)})
