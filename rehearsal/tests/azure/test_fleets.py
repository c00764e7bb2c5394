"""Fleets, members, update strategies and upgrade profiles."""

import re
from uuid import UUID

import pytest

from rehearsal.azure import fleets
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Properties
from rehearsal.core.store import Store
from rehearsal.tests.azure.subscription import DEPLOYER, SUBSCRIPTION, Subscription


def member_inputs(cluster_id: str, name: str = "east", fleet: str = "fleet") -> Properties:
    return {
        "resourceGroupName": "rg",
        "fleetName": fleet,
        "fleetMemberName": name,
        "clusterResourceId": cluster_id,
    }


def joined(sub: Subscription) -> tuple[str, str, str]:
    cluster_id, _ = sub.create("ManagedCluster", **sub.place())
    fleet_id, _ = sub.fleet(hubProfile={"dnsPrefix": "hub"})
    return fleet_id, cluster_id, sub.create("FleetMember", **member_inputs(cluster_id))[0]


@pytest.mark.recording("hub-given-prefix")
def test_a_hub_profile_starts_a_hub(sub: Subscription) -> None:
    sub.group()
    fleet_id, outputs = sub.fleet(hubProfile={"dnsPrefix": "hub"})
    hub = outputs["hubProfile"]
    assert re.fullmatch(r"hub-[a-z0-9]{8}\.hcp\.eastus2\.azmk8s\.io", hub["fqdn"])
    assert hub["dnsPrefix"] == "hub"
    assert set(hub) >= {"fqdn", "kubernetesVersion", "portalFqdn"}
    assert sub.clusters.log == [("hub", fleet_id, f"https://{hub['fqdn']}:443")]


@pytest.mark.recording("hub-prefix")
def test_a_hub_without_a_prefix_gets_one_that_azure_does_not_tell(sub: Subscription) -> None:
    sub.group()
    _, outputs = sub.fleet(hubProfile={"agentProfile": {}, "apiServerAccessProfile": {"enablePrivateCluster": False}})
    hub = outputs["hubProfile"]
    assert re.fullmatch(r"hub-[a-z]{6}-[a-z0-9]{8}\.hcp\.eastus2\.azmk8s\.io", hub["fqdn"])
    assert "dnsPrefix" not in hub


@pytest.mark.recording("fleet")
def test_what_belongs_to_a_fleet_says_who_made_it(sub: Subscription) -> None:
    fleet_id, _, member = joined(sub)
    fleet = sub.outputs("Fleet", fleet_id)
    assert UUID(fleet["eTag"].strip('"'))
    assert fleet["eTag"] != fleet["eTag"].strip('"')
    for outputs in (fleet, sub.outputs("FleetMember", member)):
        assert outputs["systemData"]["createdBy"] == DEPLOYER.object_id


BUSY = r'Status=409 Code="OperationNotAllowed" Message="Operation is not allowed: Another operation \(Updating\)'


@pytest.mark.recording("cluster-updating")
def test_a_cluster_is_updating_for_a_while_after_its_member_has_joined(sub: Subscription) -> None:
    inputs = sub.place()
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    sub.fleet(hubProfile={"dnsPrefix": "hub"})
    member = sub.create("FleetMember", **member_inputs(cluster_id))[0]
    assert sub.outputs("ManagedCluster", cluster_id)["provisioningState"] == "Updating"
    with pytest.raises(RefusedError, match=BUSY):
        sub.update("ManagedCluster", cluster_id, **inputs, tags={"a": "b"})
    with pytest.raises(RefusedError, match=BUSY):
        sub.delete("ManagedCluster", cluster_id)
    sub.update("FleetMember", member, **member_inputs(cluster_id), group="canary")
    sub.clusters.now += 120
    assert sub.outputs("ManagedCluster", cluster_id)["provisioningState"] == "Succeeded"
    sub.update("ManagedCluster", cluster_id, **inputs, tags={"a": "b"})
    sub.delete("ManagedCluster", cluster_id)


def test_a_cluster_that_has_left_joins_again_once_it_is_no_longer_updating(sub: Subscription) -> None:
    _, cluster_id, member_id = joined(sub)
    sub.delete("FleetMember", member_id)
    with pytest.raises(RefusedError, match=BUSY):
        sub.create("FleetMember", **member_inputs(cluster_id))
    sub.clusters.now += 120
    sub.create("FleetMember", **member_inputs(cluster_id))


def test_a_hub_can_be_added_but_not_removed(sub: Subscription) -> None:
    sub.group()
    fleet_id, _ = sub.fleet()
    assert not sub.clusters.log
    hub: Properties = {"resourceGroupName": "rg", "fleetName": "fleet", "hubProfile": {}}
    sub.update("Fleet", fleet_id, **hub)
    sub.update("Fleet", fleet_id, **hub, tags={"a": "b"})
    assert len(sub.clusters.of("hub")) == 1
    with pytest.raises(RefusedError, match="cannot be removed"):
        sub.update("Fleet", fleet_id, resourceGroupName="rg", fleetName="fleet")


@pytest.mark.parametrize("profile", [{"dnsPrefix": "other"}, {"dnsPrefix": "hub", "agentProfile": {"vmSize": "a"}}])
def test_a_hub_keeps_what_it_was_made_with(sub: Subscription, profile: Properties) -> None:
    sub.group()
    fleet_id, _ = sub.fleet(hubProfile={"dnsPrefix": "hub"})
    hub: Properties = {"resourceGroupName": "rg", "fleetName": "fleet", "hubProfile": {"dnsPrefix": "hub"}}
    sub.update("Fleet", fleet_id, **hub)
    with pytest.raises(RefusedError, match=r"Changing property 'hubProfile\."):
        sub.update("Fleet", fleet_id, **{**hub, "hubProfile": profile})


@pytest.mark.recording("member-labels")
def test_a_member_joins_with_azures_labels(sub: Subscription) -> None:
    fleet_id, cluster_id, _ = joined(sub)
    labels = {
        "fleet.azure.com/location": "eastus2",
        "fleet.azure.com/resource-group": "rg",
        "fleet.azure.com/subscription-id": DEPLOYER.subscription_id,
        "fleet.azure.com/cluster-name": "aks",
        "fleet.azure.com/member-name": "east",
    }
    assert sub.clusters.of("join") == [("join", fleet_id, "east", cluster_id, labels)]


def test_a_member_joins_once_however_often_it_is_updated(sub: Subscription) -> None:
    _, cluster_id, member = joined(sub)
    sub.update("FleetMember", member, **member_inputs(cluster_id), group="canary")
    assert len(sub.clusters.of("join")) == 1


def test_members_of_a_hubless_fleet_join_when_the_hub_comes(sub: Subscription) -> None:
    cluster_id, _ = sub.create("ManagedCluster", **sub.place())
    fleet_id, _ = sub.fleet()
    sub.create("FleetMember", **member_inputs(cluster_id))
    assert not sub.clusters.of("join")
    sub.update("Fleet", fleet_id, resourceGroupName="rg", fleetName="fleet", hubProfile={})
    assert len(sub.clusters.of("join")) == 1


def test_a_member_needs_its_cluster(sub: Subscription) -> None:
    sub.group()
    sub.fleet(hubProfile={})
    missing = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks"
    assert "Microsoft.ContainerService/managedClusters/aks" in sub.refused("FleetMember", **member_inputs(missing))


def test_a_cluster_that_failed_cannot_join() -> None:
    store = Store()
    sub = Subscription(store)
    cluster_id, _ = sub.create("ManagedCluster", **sub.place())
    sub.fleet(hubProfile={})
    store.section("azure")["resources"][cluster_id.lower()]["outputs"]["provisioningState"] = "Failed"
    assert "is in state Failed" in sub.refused("FleetMember", **member_inputs(cluster_id))


@pytest.mark.recording("other-fleet")
def test_a_cluster_is_a_member_of_one_fleet(sub: Subscription) -> None:
    _, cluster_id, _ = joined(sub)
    sub.fleet("fleet2", hubProfile={})
    refused = sub.refused("FleetMember", **member_inputs(cluster_id, fleet="fleet2"))
    assert 'Code="ClusterAlreadyJoinedAnotherFleet"' in refused
    assert "is a member of a fleet already" in sub.refused("FleetMember", **member_inputs(cluster_id.upper(), "again"))


def test_a_fleet_has_only_so_many_members(sub: Subscription, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fleets._MAX_MEMBERS == 1000  # pyright: ignore[reportPrivateUsage] - learn: kubernetes-fleet/faq
    monkeypatch.setattr(fleets, "_MAX_MEMBERS", 2)
    inputs = sub.place()
    sub.fleet()
    clusters = [sub.create("ManagedCluster", **{**inputs, "resourceName": f"aks{i}"})[0] for i in range(3)]
    for i, cluster_id in enumerate(clusters[:2]):
        sub.create("FleetMember", **member_inputs(cluster_id, f"m{i}"))
    assert "at most 2 members" in sub.refused("FleetMember", **member_inputs(clusters[2], "m2"))


def test_a_members_group_is_well_formed(sub: Subscription) -> None:
    assert list(sub.problems("FleetMember", **member_inputs("/c"), group="Canary")) == ["group"]


def test_a_member_leaves_when_it_is_deleted_unless_it_exports(sub: Subscription) -> None:
    fleet_id, _, member = joined(sub)
    sub.clusters.exporting = True
    with pytest.raises(RefusedError, match="serviceExport"):
        sub.delete("FleetMember", member)
    assert sub.exists("FleetMember", member)
    sub.clusters.exporting = False
    sub.delete("FleetMember", member)
    assert sub.clusters.of("leave") == [("leave", fleet_id, "east")]


@pytest.mark.recording("fleet-deleted")
def test_deleting_a_fleet_deletes_its_members_and_its_hub(sub: Subscription) -> None:
    fleet_id, cluster_id, member = joined(sub)
    sub.clusters.exporting = True
    sub.delete("Fleet", fleet_id)
    assert not sub.exists("FleetMember", member)
    assert sub.exists("ManagedCluster", cluster_id)
    assert sub.clusters.of("remove") == [("remove", fleet_id)]


def test_an_upgrade_profile_follows_an_existing_strategy_on_a_fleets_channel(sub: Subscription) -> None:
    sub.group()
    fleet_id, _ = sub.fleet()
    base: Properties = {"resourceGroupName": "rg", "fleetName": "fleet", "autoUpgradeProfileName": "stable"}
    assert list(sub.problems("AutoUpgradeProfile", **base, channel="stable")) == ["channel"]
    profile: Properties = {**base, "channel": "Stable", "updateStrategyId": f"{fleet_id}/updateStrategies/waves"}
    assert "ResourceNotFound" in sub.refused("AutoUpgradeProfile", **profile)
    sub.create("FleetUpdateStrategy", **strategy(["canary"]))
    sub.create("AutoUpgradeProfile", **profile)


def strategy(*stages: list[str], names: str = "abc") -> Properties:
    return {
        "resourceGroupName": "rg",
        "fleetName": "fleet",
        "updateStrategyName": "waves",
        "strategy": {
            "stages": [
                {"name": name, "groups": [{"name": group} for group in groups]}
                for name, groups in zip(names, stages, strict=False)
            ]
        },
    }


@pytest.mark.parametrize(
    ("inputs", "path", "reason"),
    [
        (strategy(), "strategy.stages", "at least one stage is needed"),
        (strategy([]), "strategy.stages[0].groups", "1 to 50 groups, not 0"),
        (strategy([f"g{i}" for i in range(51)]), "strategy.stages[0].groups", "1 to 50 groups, not 51"),
        (strategy(["east"], ["east"]), "strategy.stages", "the group 'east' is listed 2 times"),
        (strategy(["east"], ["west"], names="aa"), "strategy.stages", "the stage 'a' is listed 2 times"),
        (strategy(["East"]), "strategy.stages", "'East' does not match"),
    ],
)
def test_a_strategy_has_each_group_once(sub: Subscription, inputs: Properties, path: str, reason: str) -> None:
    assert sub.problems("FleetUpdateStrategy", **inputs)[path].startswith(reason)


@pytest.mark.recording("strategy-groups")
def test_a_stage_may_name_groups_that_no_member_is_in(sub: Subscription) -> None:
    sub.group()
    sub.fleet()
    _, outputs = sub.create("FleetUpdateStrategy", **strategy(["east"]))
    assert outputs["provisioningState"] == "Succeeded"


@pytest.mark.recording("strategy-wait")
def test_a_stages_wait_that_is_left_out_is_none(sub: Subscription) -> None:
    sub.group()
    sub.fleet()
    inputs = strategy(["east"], ["west"])
    inputs["strategy"]["stages"][0]["afterStageWaitInSeconds"] = 60
    _, outputs = sub.create("FleetUpdateStrategy", **inputs)
    assert [stage["afterStageWaitInSeconds"] for stage in outputs["strategy"]["stages"]] == [60, 0]


@pytest.mark.recording("auto-upgrade")
def test_an_upgrade_profile_is_enabled_by_default(sub: Subscription) -> None:
    sub.group()
    sub.fleet()
    profile = {"resourceGroupName": "rg", "fleetName": "fleet", "autoUpgradeProfileName": "a", "channel": "Stable"}
    assert sub.create("AutoUpgradeProfile", **profile)[1]["disabled"] is False


def test_the_node_image_channel_has_no_choice_of_images(sub: Subscription) -> None:
    profile = {"resourceGroupName": "rg", "fleetName": "fleet", "nodeImageSelection": {"type": "Latest"}}
    assert list(sub.problems("AutoUpgradeProfile", **profile, channel="NodeImage")) == ["nodeImageSelection"]
    assert sub.problems("AutoUpgradeProfile", **profile, channel="Rapid") == {}
