"""A region dies, with its API server, pods and agents: what clients see, and what `lost` does, on the real Fleet."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rehearsal.core.errors import RefusedError
from rehearsal.real.clusters import RealClusters
from rehearsal.stack import rehearsing
from tests.conformance.fleet import Fleet, eventually
from tests.support.health import checked
from tests.support.stack import MOVED_WEST, Stack, copy_program

EAST, WEST = "aks-eastus2", "aks-westus2"

_SECONDS = 30  # for an answer; a connection to an address that nobody has fails after three to five
_CLEANED = 180  # seconds in which Fleet deletes the app in a region that is back


@pytest.fixture
def lose(fleet: Fleet) -> Iterator[Callable[[str], None]]:
    """Let a region die; it comes back after the test at the latest."""
    lost: list[str] = []

    def lose(name: str) -> None:
        lost.append(name)
        fleet.clusters.set_reachable(fleet.ids[name], reachable=False)

    yield lose
    for name in lost:
        if not fleet[name].reachable:
            fleet.clusters.set_reachable(fleet.ids[name], reachable=True)


def fleet_of(stack: Stack) -> Fleet:
    """Return the fleet of a stack whose regions are all alive."""
    clusters, outputs = stack.cloud.clusters, stack.outputs()
    assert isinstance(clusters, RealClusters)
    return Fleet(clusters, {"hub": outputs["fleetId"].value, **outputs["clusterIds"].value})


def has_app(fleet: Fleet, name: str) -> bool:
    return any(row["NAME"] == "aks-store-demo" for row in fleet.table(name, "get namespaces"))


def members(fleet: Fleet) -> list[str]:
    return [row["NAME"] for row in fleet.table("hub", "get memberclusters")]


def test_entry_point_leaves_a_lost_region_in_one_update_and_the_region_gets_the_app_back(
    stack: Stack, fleet: Fleet, lose: Callable[[str], None]
) -> None:
    old = stack.outputs()["externalIp"].value
    lose("east")
    assert set(fleet.answering(old)) == {""}
    # The hub does not notice.
    assert [row["JOINED"] for row in fleet.table("hub", "get memberclusters")] == ["True", "True"]

    stack.mark_lost("east", app={"entryRegions": ["west"]})
    planned = stack.preview().changes
    assert planned == MOVED_WEST | {"east-kubernetes": "update", "app-placement": "update"}
    assert stack.up().changes == planned
    address = stack.outputs()["externalIp"].value
    # The lost region never exported the new entry Service.
    eventually(lambda: Counter(fleet.answering(address, timeout=_SECONDS)), Counter({WEST: 20}))
    assert stack.preview().changes == {}

    # The app still changes, in the other region.
    stack.configure(app={"entryRegions": ["west"], "replicas": 2})
    assert stack.up().changes == {"app-deployment-store-front": "update"}
    ready = "get deployment store-front --namespace aks-store-demo"
    eventually(lambda: fleet.table("west", ready)[0]["READY"], "2/2")
    stack.configure(app={"entryRegions": ["west"]})
    stack.up()

    fleet.clusters.set_reachable(fleet.ids["east"], reachable=True)
    # Fleet takes the app out of it, and with it the entry point that the state has forgotten.
    eventually(lambda: has_app(fleet, "east"), expected=False, seconds=_CLEANED)
    eventually(lambda: fleet.table("east", "get services --namespace fleet-system"), [])
    assert set(fleet.answering(old, 2)) == {""}
    assert set(fleet.answering(address)) == {WEST}

    stack.mark_lost()
    assert stack.up().changes == {
        "east-kubernetes": "update",
        "app-placement": "update",
        "app-endpoints-store-front-west": "update",
    }
    eventually(lambda: Counter(fleet.answering(address)), Counter({EAST: 10, WEST: 10}))


def test_endpoints_of_a_lost_region_stay_behind_an_entry_point_until_the_region_is_back(
    stack: Stack, fleet: Fleet, lose: Callable[[str], None]
) -> None:
    stack.configure(app={"entryRegions": ["east", "west"]})
    stack.up()
    address = stack.outputs()["entryAddresses"].value["west"]
    eventually(lambda: Counter(fleet.answering(address)), Counter({EAST: 10, WEST: 10}))

    lose("east")
    stack.mark_lost("east")
    stack.up()
    assert Counter(fleet.answering(address, timeout=_SECONDS)) == {"": 10, WEST: 10}
    found = checked(stack)[f"lost member {EAST}"]
    assert (found.ok, found.found) == (False, "left out, but its endpoints are behind an entry point")

    fleet.clusters.set_reachable(fleet.ids["east"], reachable=True)
    eventually(lambda: Counter(fleet.answering(address)), Counter({WEST: 20}), _CLEANED)
    stack.mark_lost()
    stack.up()
    assert stack.outputs()["entryAddresses"].value.keys() == {"east", "west"}
    for each in stack.outputs()["entryAddresses"].value.values():
        eventually(lambda each=each: Counter(fleet.answering(each)), Counter({EAST: 10, WEST: 10}))


def test_region_that_is_lost_for_good_is_removed_and_its_member_stays_until_azure_removes_it(tmp_path: Path) -> None:
    # A fleet of its own: nothing but the end of the fleet removes the member at once.
    root = copy_program(tmp_path / "program")
    with rehearsing("dev", root, real_fleet=True) as rehearsal:
        stack = Stack(root, rehearsal)
        stack.up()
        fleet = fleet_of(stack)
        fleet.clusters.set_reachable(fleet.ids["west"], reachable=False)
        stack.mark_lost("west")
        stack.up()
        stack.configure(regions=stack.config["regions"][:1])
        planned = stack.preview().changes
        assert set(planned.values()) == {"delete"}
        assert stack.up().changes == planned
        assert stack.preview().changes == {}
        assert members(fleet) == [EAST, WEST]

        # What `az fleet member delete` asks of the hub is refused.
        with pytest.raises(RefusedError, match="Please delete serviceExport aks-store-demo/store-front"):
            fleet.clusters.leave(fleet.ids["hub"], WEST)
        # With this field, which only Azure may set, it is admitted, and would end after 15 minutes.
        skip = '{"spec":{"deleteOptions":{"validationMode":"Skip"}}}'
        member = f"memberclusters.v1beta1.cluster.kubernetes-fleet.io/{WEST}"
        azure = ("--as", "azure", "--as-group", "system:masters")
        fleet.kubectl("hub", "patch", member, "--type", "merge", "--patch", skip, *azure)
        fleet.kubectl("hub", "delete", member, "--wait=false", *azure)
        terminating = "{.metadata.deletionTimestamp}"
        assert fleet.kubectl("hub", "get", member, "--output", f"jsonpath={terminating}")
        stack.destroy()
        assert stack.cloud.is_empty()
