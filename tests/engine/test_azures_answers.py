"""What recordings of Azure say that the stand-in did not know once, under the real engine (docs/recordings.md)."""

from typing import Any

import pytest
from pulumi import automation as auto

from rehearsal.timing import durations
from rehearsal.timing.schedule import conflicts, plan
from tests.support import existing
from tests.support.health import assert_converged
from tests.support.program import NORTH
from tests.support.stack import Stack

pytestmark = pytest.mark.slow

CLUSTER = "azure-native:containerservice:ManagedCluster"


def rewrite(stack: Stack, name: str, **inputs: object) -> None:
    """Give a resource other inputs in the state, as an earlier version of the program has left them."""
    state = stack.rehearsal.stack.export_stack()
    resources: list[dict[str, Any]] = dict(state.deployment or {})["resources"]
    (resource,) = (each for each in resources if each["urn"].endswith(f"::{name}"))
    resource["inputs"] |= inputs
    stack.rehearsal.stack.import_stack(
        auto.Deployment(state.version, {**(state.deployment or {}), "resources": resources})
    )


def test_hub_of_an_earlier_version_is_updated_in_place(stack: Stack) -> None:
    """That version sent an empty profile."""
    rewrite(stack, "hub-fleet", hubProfile={})
    done = stack.up()
    assert done.changes == {"hub-fleet": "update"}
    assert_converged(stack)


BUSY = "waiting until the other operation on the cluster ends"


@pytest.mark.usefixtures("no_pauses")
def test_region_is_changed_and_removed_right_after_it_has_joined(stack: Stack) -> None:
    """Its cluster is Updating for a minute or two, and refuses both; the program waits."""
    two = stack.config["regions"]
    stack.configure(regions=[*two, NORTH])
    stack.up()
    stack.configure(regions=[*two, NORTH | {"nodePool": NORTH["nodePool"] | {"count": 2}}])
    assert f"north-cluster: {BUSY}" in stack.up().text
    stack.configure(regions=two)
    stack.up()
    assert_converged(stack)


def test_destroy_without_the_program_that_a_busy_cluster_refuses_ends_when_it_is_run_again(stack: Stack) -> None:
    stack.configure(regions=[*stack.config["regions"], NORTH])
    stack.up()
    with pytest.raises(auto.CommandError, match=r"Another operation \(Updating\) is in progress"):
        stack.destroy()
    stack.cloud.pass_time(120)
    stack.destroy()
    assert stack.cloud.is_empty()
    assert not stack.resources()


def test_stack_is_destroyed_without_the_program_right_after_it_was_made(empty: Stack) -> None:
    empty.up()
    empty.destroy()
    assert empty.cloud.is_empty()
    assert not empty.resources()


def test_refresh_learns_who_assigned_the_roles_and_changes_nothing(empty: Stack) -> None:
    """The answer to a role's creation does not have it yet."""

    def known() -> set[str]:
        return {each["urn"].rpartition("::")[2] for each in empty.resources() if "createdBy" in each.get("outputs", {})}

    empty.up()
    assert known() == set()
    empty.cloud.pass_time(120)
    assert empty.refresh().changes == {}
    assert known() == {"east-join-subnet", "west-join-subnet", "hub-deployer"}
    assert empty.preview().changes == {}


@pytest.mark.parametrize("shared", [False, True], ids=["networks of their own", "two regions in one network"])
def test_no_cluster_is_created_while_its_network_is_written(empty: Stack, *, shared: bool) -> None:
    east, west = empty.config["regions"]
    if shared:
        blue = existing.network(empty.cloud)
        green = existing.second_subnet(empty.cloud, blue, "10.9.4.0/22")
        pool = {"location": "eastus2", "nodePool": east["nodePool"]}
        both = [
            {
                "name": name,
                **pool,
                "resourceGroup": f"rg-{name}",
                "cluster": f"aks-{name}",
                "existing": {"subnetId": each},
            }
            for name, each in (("blue", blue), ("green", green))
        ]
        empty.configure(regions=[*both, west], app={"entryRegions": ["west"]})
    empty.up()
    operations = plan([], empty.resources(), durations.load())
    assert sum(each.token == CLUSTER for each in operations) == (3 if shared else 2)
    assert all(each.networks for each in operations if each.token == CLUSTER)
    assert conflicts(operations) == []
