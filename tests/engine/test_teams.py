"""Teams that deploy their apps from stacks of their own, on the fleet of another stack."""

import shutil

import pytest
from pulumi import automation as auto

from rehearsal.tests.objects import in_memory
from tests.support.health import assert_healthy, checked, failed
from tests.support.stack import Stack
from tests.support.teams import as_team, team_stack

pytestmark = pytest.mark.slow

GUID = "11111111-2222-3333-4444-55555555555{}"
TEAMS = {
    "news": {"objectId": GUID.format(1), "type": "Group"},
    "sport": {"objectId": GUID.format(2), "type": "ServicePrincipal"},
}


@pytest.fixture
def platform(empty: Stack) -> Stack:
    """Stack dev with the namespaces of two teams, and no app of its own."""
    empty.configure(teams=TEAMS, clusters={"entraId": True})
    empty.up()
    return empty


def test_teams_deploy_their_apps_alone_and_leave_nothing(platform: Stack) -> None:
    assert platform.outputs()["apps"].value == {}
    news, sport = (team_stack(platform, name, region) for name, region in (("news", "west"), ("sport", "east")))
    for team in (news, sport):
        team.up()
        assert not any(each["type"].startswith("azure-native") for each in team.resources())
    platform.cloud.pass_time(600)
    for stack in (platform, news, sport):
        assert_healthy(stack)
        assert stack.up().changes == {}
    assert news.outputs()["url"].value != sport.outputs()["url"].value
    news.destroy()
    assert_healthy(sport)
    sport.destroy()
    platform.destroy()
    assert platform.cloud.is_empty()


def test_teams_rights_are_enough_and_verify_says_what_it_leaves_out(platform: Stack) -> None:
    platform.configure(clusters={"entraId": True})
    platform.up()
    news = team_stack(platform, "news", "west")
    with as_team(platform, TEAMS["news"]["objectId"]) as denied:
        news.up()
        platform.cloud.pass_time(600)
        assert denied == []
        found = checked(news)
        left_out = "not checked: needs the platform's rights (organization/fleet-l4-lb/dev)"
        assert {name for name, each in found.items() if each.found == left_out} == {
            *("member aks-eastus2", "member aks-westus2", "members of others", "placement of news"),
        }
        assert {each.ok for each in found.values() if each.found != left_out} == {True}
        assert {"pods on aks-eastus2", "endpoints of aks-eastus2", "entry point on aks-westus2"} <= found.keys()
        assert news.outputs()["url"].value in found
        assert {*denied} == {"get memberclusters", "list memberclusters", "list clusterresourceplacements"}
        denied.clear()
        news.destroy()
        assert denied == []


def test_warning_says_that_the_first_team_takes_the_place_of_the_default_app(stack: Stack) -> None:
    stack.configure(teams=TEAMS, clusters={"entraId": True})
    assert "to keep it, write one of its keys" in stack.preview().text
    stack.configure(app={"service": "store-front"})
    assert "app" not in stack.preview().changes


def test_team_without_its_rights_is_not_well(platform: Stack) -> None:
    platform.configure(clusters={"entraId": True})
    platform.up()
    news = team_stack(platform, "news", "west")
    news.up()
    with as_team(platform, GUID.format(3)):
        assert failed(news)["pods on aks-eastus2"] == "east denies read access (403)"


def test_team_with_some_of_the_regions_has_its_app_there_alone(platform: Stack) -> None:
    platform.configure(teams=TEAMS | {"news": TEAMS["news"] | {"regions": ["west"]}})
    platform.up()
    with pytest.raises(auto.CommandError, match=r"entryRegion east is not a region of the namespace news; .* west"):
        team_stack(platform, "news", "east").preview()
    shutil.rmtree(platform.root.parent / "news")
    news = team_stack(platform, "news", "west")
    news.up()
    platform.cloud.pass_time(600)
    assert_healthy(news)
    assert {"pods on aks-westus2", "pods on aks-eastus2"} & checked(news).keys() == {"pods on aks-westus2"}


def test_lost_region_keeps_the_roles_of_teams(platform: Stack) -> None:
    platform.lose_region("west")
    platform.mark_lost("west")
    assert not {name for name in platform.up().changes if "endpoints" in name}
    platform.cloud.pass_time(600)
    assert_healthy(platform)


def test_team_may_write_to_its_namespace_on_the_hub_and_on_the_members(platform: Stack) -> None:
    clusters = in_memory(platform.cloud)
    for cluster in [*clusters.hubs(), *map(clusters.cluster, platform.outputs()["clusterIds"].value.values())]:
        for team, kind in (("news", "Group"), ("sport", "User")):
            found = cluster.get("rbac.authorization.k8s.io/v1", "RoleBinding", "team", team)
            assert [(each["kind"], each["name"]) for each in found["subjects"]] == [(kind, TEAMS[team]["objectId"])]
        rules = cluster.get("rbac.authorization.k8s.io/v1", "Role", "team", "news")["rules"]
        written = {kind for rule in rules if "*" in rule["verbs"] for kind in rule["resources"]}
        assert {"deployments", "serviceexports", "multiclusterservices"} <= written
        assert not written & {"roles", "rolebindings", "resourcequotas", "*"}
