"""A fleet that others share: nothing of the stack reaches their members, and nothing takes them along."""

import pytest

from rehearsal import __main__ as rehearsal
from rehearsal.tests.objects import in_memory
from tests.support import existing
from tests.support.health import assert_healthy
from tests.support.stack import Stack

pytestmark = pytest.mark.slow


def test_app_is_placed_on_the_members_of_the_stack_alone(empty: Stack) -> None:
    fleet, cluster = existing.fleet(empty.cloud), existing.cluster(empty.cloud)  # in the location of the first region
    foreign = existing.member(empty.cloud, fleet, cluster, "team-b")
    empty.configure(fleet={"existingId": fleet})
    empty.up()
    empty.cloud.pass_time(600)
    theirs = in_memory(empty.cloud).get(cluster)
    assert theirs
    assert [
        item["metadata"]["name"] for item in theirs.list("v1", "Namespace") if "store" in item["metadata"]["name"]
    ] == []
    assert_healthy(empty)
    empty.destroy()
    assert existing.is_there(empty.cloud, foreign)


def test_fleet_with_members_of_others_is_not_destroyed(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    foreign = existing.member(stack.cloud, stack.outputs()["fleetId"].value, existing.cluster(stack.cloud), "team-b")
    before = len(stack.resources())
    assert rehearsal.destroy(stack.rehearsal) == 1
    assert "the fleet has members that are not of this stack: team-b" in capfd.readouterr().err
    assert len(stack.resources()) == before
    assert existing.is_there(stack.cloud, foreign)
