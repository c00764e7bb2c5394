"""A deletion that Azure refuses: what stays in Azure stays in the state."""

import pytest
from pulumi import automation as auto

from tests.engine.stack import Stack
from tests.engine.test_faults import assert_well

_LOCKS = {
    "a region": ["rg-aks-eastus2"],
    "the fleet": ["rg-fleet"],
    "everything": ["rg-aks-eastus2", "rg-aks-westus2", "rg-fleet"],
}


@pytest.fixture(params=_LOCKS.values(), ids=_LOCKS)
def refused(request: pytest.FixtureRequest, stack: Stack) -> Stack:
    """A stack whose destroy was refused, because of a lock that has been removed since."""
    with stack.locked(*request.param), pytest.raises(auto.CommandError, match="ScopeLocked"):
        stack.destroy()
    assert stack.resources()
    return stack


def test_refused_destroy_ends_once_it_is_allowed(refused: Stack) -> None:
    refused.destroy()
    assert refused.cloud.is_empty()
    assert refused.resources() == []


def test_up_after_a_refused_destroy_makes_what_was_deleted_and_no_more(refused: Stack) -> None:
    # What Azure has and the state has not would be refused, as azure-native does.
    opposite = [each["urn"] for each in refused.resources() if each["urn"].endswith("::mesh-east-to-west")]
    refused.rehearsal.stack.up(replace=opposite)  # Azure does not connect a peering whose opposite it has disconnected
    assert_well(refused)
    assert refused.preview().changes == {}


def test_removed_region_whose_group_is_locked_stays_in_the_state(stack: Stack) -> None:
    regions = stack.config["regions"]
    stack.configure(regions=regions[:1])
    with stack.locked("rg-aks-westus2"), pytest.raises(auto.CommandError, match="ScopeLocked"):
        stack.up()
    stack.configure(regions=regions)
    stack.up()
    assert_well(stack)


def test_nothing_is_deleted_with_something_else(stack: Stack) -> None:
    """The engine takes such a resource out of the state before the deletion that it relies on is tried."""
    assert [each["urn"] for each in stack.resources() if each.get("deletedWith")] == []
