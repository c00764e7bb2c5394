"""`up` ends when the entry point has endpoints of every region."""

import pytest
from pulumi.automation import CommandError

from components import entry_endpoints, waiting
from rehearsal.cluster.interface import Part
from rehearsal.cluster.objects import Object, name_of
from rehearsal.faults.injection import Faults
from rehearsal.faults.profile import Outage, Profile
from rehearsal.tests.objects import in_memory
from tests.engine.test_engine import NORTH
from tests.support.stack import MOVED_WEST, Stack

pytestmark = pytest.mark.slow

EAST, WEST, NORTHCENTRAL = "aks-eastus2", "aks-westus2", "aks-northcentralus"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_PAUSE", 0.2)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_endpoints, "_MINUTES", 0.01)


def passed_over(member: str, lasts: float | None = None) -> Faults:
    """Pass a member's endpoints over where the entry point is."""
    return Faults(Profile(outages=(Outage(outage=Part.IMPORTS, cluster=member, lasts=lasts),)))


def behind(stack: Stack, region: str) -> list[str]:
    """Return the members that an entry point in a region has endpoints of, now and without any time passing."""
    cluster = in_memory(stack.cloud).cluster(stack.outputs()["clusterIds"].value[region])
    slices: list[Object] = cluster.objects("EndpointSlice.discovery.k8s.io")
    return sorted(
        member
        for member in (EAST, NORTHCENTRAL, WEST)
        for each in slices
        if name_of(each).startswith(f"{member}-aks-store-demo-store-front-") and each["endpoints"]
    )


def test_first_update_waits_for_endpoints_that_are_late(empty: Stack) -> None:
    late = passed_over(WEST, lasts=3)
    with late.in_force(empty.cloud):
        done = empty.up()
        assert behind(empty, "east") == [EAST, WEST]
    assert f"app-endpoints: waiting until the entry point has endpoints of {WEST}" in done.text
    assert late.unplayed() == []


def test_added_region_is_waited_for_and_no_other(stack: Stack) -> None:
    with passed_over(NORTHCENTRAL, lasts=3).in_force(stack.cloud):
        stack.configure(regions=[*stack.config["regions"], NORTH])
        done = stack.up()
        assert behind(stack, "east") == [EAST, NORTHCENTRAL, WEST]
    assert done.steps["app-endpoints"] == "update"
    assert done.steps["app-entry-point"] == "same"
    assert f"app-endpoints: waiting until the entry point has endpoints of {NORTHCENTRAL}" in done.text


def test_moved_entry_point_is_waited_for_in_its_new_region(stack: Stack) -> None:
    with passed_over(EAST, lasts=3).in_force(stack.cloud):
        stack.configure(app={"entryRegions": ["west"]})
        done = stack.up()
        assert done.changes == MOVED_WEST
        assert behind(stack, "west") == [EAST, WEST]
    assert f"app-endpoints-store-front-west: waiting until the entry point has endpoints of {EAST}" in done.text


@pytest.mark.usefixtures("_impatient")
def test_endpoints_that_never_come_fail_the_update_and_the_next_one_looks_again(empty: Stack) -> None:
    with passed_over(WEST).in_force(empty.cloud):
        for _ in range(2):
            with pytest.raises(CommandError):
                empty.up()
            assert f"minutes of waiting until the entry point has endpoints of {WEST}. Everything else" in empty.text
        assert empty.outputs()["externalIp"].value  # for `make verify`
    assert empty.up().changes == {"app-endpoints": "create"}
    assert empty.up().changes == {}


@pytest.mark.usefixtures("_impatient")
def test_removal_of_a_region_waits_for_nobody(stack: Stack) -> None:
    entry = in_memory(stack.cloud).cluster(stack.outputs()["clusterIds"].value["east"])
    for each in entry.objects("EndpointSlice.discovery.k8s.io"):
        if name_of(each).startswith(EAST):  # as the runbook for a dead region has it
            entry.delete("discovery.k8s.io/v1", "EndpointSlice", name_of(each), "fleet-system")
    stack.configure(regions=stack.config["regions"][:1])
    assert stack.up().changes["app-endpoints"] == "update"


@pytest.mark.usefixtures("_impatient")
def test_destroy_waits_for_nobody(stack: Stack) -> None:
    with passed_over("*").in_force(stack.cloud):
        stack.destroy(run_program=True)
    assert stack.resources() == []
