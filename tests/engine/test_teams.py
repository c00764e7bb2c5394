"""Teams that deploy their apps from stacks of their own, on the fleet of another stack."""

import pytest

from rehearsal.tests.objects import in_memory
from tests.support.health import assert_healthy
from tests.support.stack import Stack
from tests.support.teams import team_stack

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
