"""A deletion that Azure refuses: what stays in Azure stays in the state."""

import json

import pytest
from pulumi import automation as auto

from tests.support.health import assert_converged
from tests.support.stack import Stack

pytestmark = pytest.mark.slow

EAST, WEST, FLEET = "rg-aks-eastus2", "rg-aks-westus2", "rg-fleet"


def refuse_destroy(stack: Stack, *locked: str) -> None:
    """Have a destroy refused because of locks, which are removed afterwards."""
    with stack.locked(*locked), pytest.raises(auto.CommandError, match="ScopeLocked"):
        stack.destroy()
    assert stack.resources()


@pytest.mark.parametrize("locked", [[EAST], [FLEET], [EAST, WEST, FLEET]], ids="-".join)
def test_refused_destroy_ends_once_it_is_allowed(stack: Stack, locked: list[str]) -> None:
    refuse_destroy(stack, *locked)
    stack.destroy()
    assert stack.cloud.is_empty()
    assert stack.resources() == []


@pytest.mark.parametrize("locked", [[FLEET], [EAST, WEST, FLEET]], ids="-".join)
def test_up_after_a_refused_destroy_makes_what_was_deleted_and_no_more(stack: Stack, locked: list[str]) -> None:
    refuse_destroy(stack, *locked)
    stack.up()  # refused, as azure-native does, if Azure had what the state has not
    assert_converged(stack)


def test_pair_of_peerings_of_which_one_was_deleted_is_made_anew(stack: Stack) -> None:
    refuse_destroy(stack, EAST)
    with pytest.raises(auto.CommandError, match="RemotePeeringIsDisconnected"):
        stack.up()
    (left,) = (each["urn"] for each in stack.resources() if each["urn"].endswith("::mesh-east-to-west"))
    stack.rehearsal.stack.up(replace=[left])
    assert_converged(stack)


def test_removed_region_whose_group_is_locked_stays_in_the_state(stack: Stack) -> None:
    regions = stack.config["regions"]
    stack.configure(regions=regions[:1])
    with stack.locked(WEST), pytest.raises(auto.CommandError, match="ScopeLocked"):
        stack.up()
    stack.up()
    assert_converged(stack)
    assert [each["urn"] for each in stack.resources() if "west" in each["urn"].rpartition("::")[2]] == []


def test_nothing_is_deleted_with_something_else(stack: Stack) -> None:
    """The engine takes such a resource out of the state before the deletion that it relies on is tried."""
    assert [each["urn"] for each in stack.resources() if each.get("deletedWith")] == []


def test_protected_stack_is_not_destroyed_and_nothing_of_it_is_deleted(stack: Stack) -> None:
    stack.configure(protect=True)
    stack.up()
    protected = {each["urn"].rpartition("::")[2] for each in stack.resources() if each.get("protect")}
    assert {"east-group", "east-cluster", "hub-group", "hub-fleet"} <= protected
    with pytest.raises(auto.CommandError, match="because it is protected"):
        stack.rehearsal.stack.preview_destroy()  # which `pulumi destroy` shows before it does anything
    stack.configure(protect=False)
    stack.up()
    stack.destroy()
    assert stack.cloud.is_empty()


def test_state_that_has_lost_resources_comes_back_from_the_backends_history(stack: Stack) -> None:
    """The way of docs/operations.md, "The state has lost resources", for a backend of files."""
    history = stack.root / ".rehearsal" / "dev" / "backend" / ".pulumi" / "history" / "fleet-l4-lb" / "dev"
    last = max(history.glob("*.checkpoint.json"))
    state = stack.rehearsal.stack.export_stack()
    left = [each for each in stack.resources("--show-secrets") if "$" not in each["urn"]]
    stack.rehearsal.stack.import_stack(auto.Deployment(state.version, {**(state.deployment or {}), "resources": left}))
    with pytest.raises(auto.CommandError, match="cannot create already existing resource"):
        stack.up()
    kept = json.loads(last.read_text())
    stack.rehearsal.stack.import_stack(auto.Deployment(kept["version"], kept["checkpoint"]["latest"]))
    stack.refresh()
    assert_converged(stack)


def test_stack_with_a_lost_region_is_destroyed_once_its_member_is_left_to_the_fleet(stack: Stack) -> None:
    """The way of docs/operations.md, "Destroy the stack"."""
    stack.lose_region("west")
    with pytest.raises(auto.CommandError, match="Please delete serviceExport"):
        stack.destroy()
    (member,) = (each["urn"] for each in stack.resources() if each["urn"].endswith("::hub-member-west"))
    stack.pulumi("state", "delete", member, "--yes")
    stack.destroy()
    assert stack.cloud.is_empty()
    assert stack.resources() == []
