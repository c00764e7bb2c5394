"""A region that no longer answers: left out of the app, back again, or gone for good."""

from typing import Any

import pytest
from pulumi import automation as auto

from components import retries
from rehearsal.fleet.in_memory import Cluster
from rehearsal.tests.objects import in_memory
from tests.support import existing
from tests.support.health import assert_converged, checked, failed
from tests.support.program import NORTH
from tests.support.stack import MOVED_WEST, Stack, entry_point

pytestmark = pytest.mark.slow

EAST, WEST = "aks-eastus2", "aks-westus2"
OF_EAST = (
    *("east", "east-group", "east-vnet", "east-subnet", "east-identity", "east-join-subnet-id", "east-join-subnet"),
    *("east-cluster", "east-kubernetes", "hub-member-east", "mesh-east-to-west", "mesh-west-to-east"),
)
ADMIN = "11111111-3333-4444-5555-666666666666"
GLOBAL: dict[str, Any] = {"globalAddress": {"homeRegion": "centralus"}, "entryRegions": ["east", "west"]}


@pytest.fixture
def lost(stack: Stack) -> Stack:
    """The dev stack, whose first region no longer answers and is marked as lost; the entry point has moved."""
    stack.lose_region("east")
    stack.mark_lost("east", app={"entryRegions": ["west"]})
    stack.up()
    return stack


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries that do not wait."""
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(retries, "_MINUTE", 0.01)


def cluster(stack: Stack, name: str) -> Cluster:
    (found,) = (each for each in in_memory(stack.cloud).clusters() if each.id.endswith(f"/{name}"))
    return found


def come_back(stack: Stack, name: str) -> None:
    """Let a region answer again, and Fleet do its work there."""
    in_memory(stack.cloud).set_reachable(cluster(stack, name).id, reachable=True)
    stack.cloud.pass_time(600)


def behind(stack: Stack, entry: str) -> set[str]:
    """Return the members whose endpoints are behind the entry points on a cluster."""
    slices = cluster(stack, entry).list("discovery.k8s.io/v1", "EndpointSlice", "fleet-system")
    return {name for name in (EAST, WEST) for each in slices if each["metadata"]["name"].startswith(name)}


def test_entry_point_moves_away_from_a_lost_region_in_one_update(stack: Stack) -> None:
    stack.lose_region("east")
    stack.mark_lost("east", app={"entryRegions": ["west"]})
    planned = stack.preview()
    # Nothing in Azure changes, least of all in the lost region.
    assert planned.changes == MOVED_WEST | {"east-kubernetes": "update", "app-placement": "update"}
    assert stack.up().changes == planned.changes

    address = stack.outputs()["externalIp"].value
    found = checked(stack)
    assert found["entry point on aks-westus2"].found == f"valid, {address}"
    assert found["endpoints of aks-westus2"].ok
    assert found["placement of aks-store-demo"].found == "available on 1 of 1"
    assert stack.outputs()["lostMembers"].value == {"east": EAST}
    assert stack.preview().changes == {}


def test_lost_region_is_not_asked_for_anything(lost: Stack) -> None:
    east = cluster(lost, EAST)
    east.reachable = True  # if anything asked it, it would answer
    before = east.revision
    lost.configure(tags={"owner": "platform"})
    lost.preview()
    asked = lost.up().asked
    assert {name for _, name in asked if "east" in name} == set()
    assert east.revision == before
    assert not any(each["outputs"].get("tags") for each in lost.resources() if each["urn"].endswith("::east-cluster"))


def test_app_changes_in_the_other_regions_while_one_is_lost(lost: Stack) -> None:
    lost.configure(app={"entryRegions": ["west"], "replicas": 2})
    lost.up()
    lost.cloud.pass_time(120)
    deployment = cluster(lost, WEST).get("apps/v1", "Deployment", "store-front", "aks-store-demo")
    assert deployment["spec"]["replicas"] == 2


def test_new_region_is_peered_with_the_regions_that_answer_and_later_with_the_lost_one(lost: Stack) -> None:
    lost.configure(regions=[*lost.config["regions"], NORTH])
    planned = lost.preview().changes
    assert {name for name in planned if name.startswith("mesh-")} == {"mesh-west-to-north", "mesh-north-to-west"}
    assert lost.up().changes == planned

    come_back(lost, EAST)
    lost.mark_lost()
    planned = lost.preview().changes
    assert {name for name in planned if name.startswith("mesh-")} == {"mesh-east-to-north", "mesh-north-to-east"}
    assert lost.up().changes == planned
    assert_converged(lost)


def test_lost_entry_point_leaves_the_global_address_and_gets_its_place_back(stack: Stack) -> None:
    stack.configure(app=GLOBAL)
    stack.up()
    stack.lose_region("east")
    stack.mark_lost("east")
    planned = stack.preview().changes
    assert (planned["global-balancer-regions"], planned["app-entry-service"]) == ("update", "delete")
    # The guards know all members of the fleet, as before. That on east stays, and so the state keeps it.
    assert not any("guard" in name for name in planned)
    assert stack.up().changes == planned
    assert list(stack.outputs()["frontendIds"].value) == ["west"]
    address = stack.outputs()["globalAddress"].value

    come_back(stack, EAST)
    # Fleet has removed the app, and with it the entry point that the state no longer has.
    assert cluster(stack, EAST).list("networking.fleet.azure.com/v1alpha1", "MultiClusterService") == []
    assert behind(stack, WEST) == {WEST}
    stack.mark_lost()
    planned = stack.preview().changes
    assert not any("guard" in name for name in planned)
    assert stack.up().changes == planned
    assert stack.outputs()["globalAddress"].value == address
    assert stack.outputs()["entryServices"].value == {"east": "store-front", "west": "store-front-west"}
    assert "lostMembers" not in stack.outputs()
    assert_converged(stack)


def test_guard_is_switched_on_while_a_region_is_lost(stack: Stack) -> None:
    both = {"entryRegions": ["east", "west"]}
    stack.configure(app=both)
    stack.up()
    stack.lose_region("east")
    stack.mark_lost("east", app=both | {"guard": True})
    planned = stack.preview().changes
    assert {name for name in planned if name.endswith("-guard")} == {"west-guard"}
    assert stack.up().changes == planned
    assert stack.preview().changes == {}


def test_guard_of_a_lost_region_stays_when_guards_are_switched_off(stack: Stack) -> None:
    both = {"entryRegions": ["east", "west"]}
    stack.configure(app=both | {"guard": True})
    stack.up()
    stack.lose_region("east")
    stack.mark_lost("east", app=both)
    planned = stack.preview().changes
    assert {name for name in planned if name.endswith("-guard")} == {"west-guard"}
    assert stack.up().changes == planned


def switched_on(stack: Stack) -> dict[str, Any]:
    """Return every setting that adds resources to each region."""
    pool = {"vmSize": "Standard_D4ds_v5", "count": 1}
    return {
        "clusters": {
            "entraId": True,
            "securityGroup": True,
            "registryId": existing.registry(stack.cloud),
            "maintenance": {"day": "Monday"},
        },
        "monitoring": {"enabled": True, "alerts": {}},
        "access": {"hubAdmins": [{"objectId": ADMIN, "type": "User"}]},
        "regions": [each | {"userPool": pool} for each in stack.config["regions"]],
    }


def test_settings_that_are_switched_on_reach_a_lost_region_when_it_is_back(lost: Stack) -> None:
    lost.configure(**switched_on(lost))
    planned = lost.preview().changes
    for changes in (planned, lost.up().changes):
        assert {name for name in changes if "east" in name} == set()
    assert lost.preview().changes == {}
    added = {name.replace("west", "east") for name, step in planned.items() if "west" in name and step == "create"}
    parts = {"east-apps", "east-rules", "east-pull-images", "east-maintenance-images", "east-monitoring-logs"}
    assert parts | {"east-deployer", f"east-admin-{ADMIN}", "alerts-east"} <= added

    come_back(lost, EAST)
    lost.mark_lost()
    planned = lost.preview().changes
    assert added <= {name for name, step in planned.items() if step == "create"}
    lost.up()
    assert lost.preview().changes == {}
    assert_converged(lost)


def test_settings_that_a_lost_region_has_cannot_be_switched_off(stack: Stack) -> None:
    before = stack.config["regions"]
    stack.configure(**switched_on(stack))
    stack.up()
    stack.lose_region("east")
    moved = {"entryRegions": ["west"]}
    stack.configure(
        app=moved, regions=[before[0] | {"lost": True}, before[1]], clusters={"entraId": True}, monitoring={}
    )
    with pytest.raises(auto.CommandError) as refused:
        stack.preview()
    for key in (
        *("regions[0].userPool", "clusters.securityGroup", "clusters.registryId", "clusters.maintenance"),
        "monitoring.enabled",
    ):
        assert f'{key}: is switched off, but region "east" is lost' in str(refused.value)
    assert "monitoring.alerts" not in str(refused.value)


def test_roles_on_a_lost_cluster_stay_when_the_administrators_change(stack: Stack) -> None:
    admins = switched_on(stack)["access"]
    stack.configure(clusters={"entraId": True}, access=admins)
    stack.up()
    stack.lose_region("east")
    other = {"hubAdmins": [{"objectId": ADMIN.replace("1", "2"), "type": "Group"}], "deployerType": "ServicePrincipal"}
    stack.configure(access=other)
    stack.mark_lost("east", app={"entryRegions": ["west"]})
    planned = stack.preview().changes
    assert {name for name in planned if name.startswith("east-")} == {"east-kubernetes"}
    assert (planned[f"west-admin-{ADMIN}"], planned["west-deployer"]) == ("delete", "update")
    assert stack.up().changes == planned


def test_region_that_is_lost_before_it_joins_is_left_as_it_is(stack: Stack) -> None:
    stack.configure(regions=[*stack.config["regions"], NORTH])
    stack.refuse("create", "north-cluster", 'Status=400 Code="QuotaExceeded" Message="planted"')
    with pytest.raises(auto.CommandError, match="planted"):
        stack.up()
    stack.mark_lost("north")
    with pytest.raises(auto.CommandError, match=r'regions\[2\].lost: true, but region "north" has no cluster yet'):
        stack.preview()
    stack.mark_lost()
    stack.refuse("create", "hub-member-north", 'Status=400 Code="QuotaExceeded" Message="planted"')
    with pytest.raises(auto.CommandError, match="planted"):
        stack.up()
    stack.mark_lost("north")
    planned = stack.preview().changes
    assert {name for name in planned if "north" in name} == {"north-kubernetes"}
    assert stack.up().changes == planned


def test_verify_says_what_is_behind_an_entry_point_and_when_a_lost_region_reports_again(stack: Stack) -> None:
    stack.configure(app={"entryRegions": ["east", "west"]})
    stack.up()
    stack.lose_region("east")
    stack.mark_lost("east")
    stack.up()
    stack.cloud.pass_time(600)
    found = checked(stack)[f"lost member {EAST}"]
    assert (found.ok, found.found) == (False, "left out, but its endpoints are behind an entry point")

    west = cluster(stack, WEST)
    for each in west.list("discovery.k8s.io/v1", "EndpointSlice", "fleet-system"):
        if each["metadata"]["name"].startswith(EAST):  # as the guard does
            west.apply(each | {"endpoints": [{**one, "conditions": {"ready": False}} for one in each["endpoints"]]})
    results = checked(stack)
    assert results[f"lost member {EAST}"].found.startswith("left out, silent for 1")
    assert results["members of others"].found == "none"

    come_back(stack, EAST)
    assert failed(stack) == {f"lost member {EAST}": "left out, but its agents reported within 3 min"}


def test_region_that_is_lost_for_good_is_removed_in_one_update(lost: Stack) -> None:
    lost.configure(regions=lost.config["regions"][1:])
    planned = lost.preview().changes
    assert planned == dict.fromkeys(OF_EAST, "delete")
    done = lost.up()
    assert done.changes == planned
    # Fleet would refuse to release the member, and nothing else would be deleted.
    assert ("delete", "hub-member-east") not in done.asked
    assert f"the member {EAST} of region east stays in the fleet" in lost.text
    assert lost.preview().changes == {}
    assert "stays in the fleet" not in lost.text
    assert checked(lost)["members of others"].found == EAST
    lost.destroy()
    assert lost.cloud.is_empty()


def test_region_that_is_removed_although_it_is_lost_is_told_how_to_be_removed(stack: Stack, quick: None) -> None:
    del quick
    both = stack.config["regions"]
    stack.lose_region("west")
    stack.configure(regions=both[:1])
    with pytest.raises(auto.CommandError) as failure:
        stack.up()
    assert "hub-member-west: gave up after 7 minutes of waiting until the member's exports" in str(failure.value)
    assert "put it back into `regions` with `lost: true`" in str(failure.value)
    stack.configure(regions=both)
    stack.mark_lost("west")
    stack.up()
    stack.configure(regions=both[:1])
    stack.up()
    assert [each["urn"] for each in stack.resources() if "west" in each["urn"].rpartition("::")[2]] == []
    assert stack.preview().changes == {}


def test_stack_with_a_lost_region_is_destroyed(lost: Stack) -> None:
    lost.destroy()
    assert lost.cloud.is_empty()
    assert lost.resources() == []


def test_cluster_that_existed_before_is_left_alone_with_its_member(empty: Stack) -> None:
    old, fleet = existing.cluster(empty.cloud), existing.fleet(empty.cloud)
    east = {"name": "east", "location": "eastus2", "existing": {"clusterId": old}}
    west = empty.config["regions"][1]
    empty.configure(regions=[east, west], fleet={"existingId": fleet}, app={"entryRegions": ["west"]})
    empty.configure(clusters={"entraId": True}, access={"hubAdmins": [{"objectId": ADMIN, "type": "User"}]})
    empty.up()
    member = empty.outputs()["memberNames"].value["east"]
    empty.lose_region("east")
    empty.mark_lost("east")
    empty.configure(access={})
    planned = empty.preview().changes
    roles = {f"{place}-admin-{ADMIN}{part}": "delete" for place in ("hub", "west") for part in ("", "-id")}
    updated = ("east-kubernetes", "app-placement", "app-endpoints-store-front-west")
    assert planned == dict.fromkeys(updated, "update") | roles
    assert empty.up().changes == planned
    empty.configure(regions=[west])
    empty.up()
    assert f"the member {member} of region east stays in the fleet" in empty.text
    empty.destroy()
    for each in (old, fleet, f"{fleet}/members/{member}"):
        assert existing.is_there(empty.cloud, each)


def test_region_that_does_not_exist_cannot_be_lost(stack: Stack) -> None:
    stack.configure(regions=[*stack.config["regions"], NORTH | {"lost": True}])
    with pytest.raises(auto.CommandError, match=r'regions\[2\].lost: true, but region "north" does not exist yet'):
        stack.preview()


def test_entry_point_of_a_stack_with_one_entry_is_moved_only_if_asked(stack: Stack) -> None:
    stack.mark_lost("east")
    with pytest.raises(auto.CommandError, match=r'app\.entryRegions: is missing: the entry point is in "east"'):
        stack.preview()
    stack.mark_lost("east", app={"entryRegions": ["west"]})
    assert entry_point("store-front-west", "create").items() <= stack.preview().changes.items()
