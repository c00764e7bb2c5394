"""Several apps on one fleet, under the real engine."""

from typing import Any

import pytest
from pulumi import automation as auto

from rehearsal.tests.objects import in_memory
from tests.support.apps import IMAGE, deploy_three_apps, write_app
from tests.support.health import assert_converged, checked, failed
from tests.support.stack import Stack


@pytest.fixture
def apps(empty: Stack) -> Stack:
    """Stack dev with three apps in place of its own, deployed."""
    deploy_three_apps(empty)
    return empty


def test_apps_are_deployed_and_verified_each(apps: Stack) -> None:
    outputs = apps.outputs()["apps"].value
    address = outputs["shop"]["web"]["globalAddress"]
    assert (outputs["shop"]["orders"]["url"], outputs["news"]["news"]["url"]) == (
        f"http://{address}:8080",
        f"https://{address}",
    )
    assert outputs["jobs"]["jobs"]["regions"] == ["west"]
    found = checked(apps)
    assert {
        "placement of daily",
        "news: pods on aks-eastus2",
        "shop/orders: entry point on aks-westus2",
    } <= found.keys()
    assert "jobs: pods on aks-eastus2" not in found
    assert_converged(apps)


@pytest.mark.slow
def test_rehearsal_checks_and_draws_every_app(apps: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    assert apps.rehearsal.up() == 0
    printed = capfd.readouterr().out
    for check in ("shop/orders: entry point on", "news: entry point on aks-eastus2", "placement of jobs"):
        assert f"✓  {check}" in printed
    assert "not tried: a private address" in printed
    page = (apps.root / ".rehearsal" / "dev" / "report.html").read_text()
    assert " + 2 more" in page


def test_change_to_an_app_plans_nothing_for_another(apps: Stack) -> None:
    write_app(apps.root, "news", image="registry.example.com/web:2", news=443)
    assert apps.preview().changes == {"news-deployment-news": "update"}
    others = {name: app for name, app in apps.config["apps"].items() if name != "jobs"}
    apps.configure(apps=others)
    assert {name.partition("-")[0] for name in apps.preview().changes} == {"news", "jobs"}
    assert apps.up()
    assert_converged(apps)


@pytest.mark.slow
def test_app_that_fails_neither_stops_nor_hides_the_others(empty: Stack) -> None:
    empty.refuse("create", "jobs-placement", *["Forbidden: no"] * 50)
    with pytest.raises(auto.CommandError, match="Forbidden: no"):
        deploy_three_apps(empty, continue_on_error=True)
    empty.cloud.pass_time(600)
    assert {name.partition(" ")[0] for name in failed(empty)} == {"jobs:", "placement"}
    assert empty.outputs()["apps"].value["shop"]["web"]["url"].startswith("http://")


@pytest.mark.slow
def test_more_entry_points_than_the_engine_has_operations_at_a_time(empty: Stack) -> None:
    services = {f"s{number}": 80 for number in range(20)}
    write_app(empty.root, "many", IMAGE, **services)
    empty.configure(apps={"many": {"services": [*services]}})
    done = empty.up(parallel=2)
    assert sum(name.startswith("many-endpoints") for name in done.changes) == len(services)


@pytest.mark.slow
def test_replicas_by_region_are_an_override_of_fleet(apps: Stack) -> None:
    def running() -> list[int]:
        return [
            cluster.get("apps/v1", "Deployment", "news", "daily")["spec"]["replicas"]
            for cluster in map(in_memory(apps.cloud).cluster, apps.outputs()["clusterIds"].value.values())
        ]

    def ask(replicas: object) -> dict[str, str]:
        settings = apps.config["apps"]
        apps.configure(apps=settings | {"news": settings["news"] | {"replicas": replicas}})
        found = apps.up().changes
        apps.cloud.pass_time(600)
        return found

    assert ask({"east": 5}) == {"news-resourceoverride-replicas-news": "create"}
    assert running() == [5, 2]
    assert ask({"east": 3, "west": 4}) == {"news-resourceoverride-replicas-news": "update"}
    assert running() == [3, 4]
    assert_converged(apps)
    assert ask(1)["news-resourceoverride-replicas-news"] == "delete"
    assert running() == [1, 1]


_OVERRIDE = """\
apiVersion: placement.kubernetes-fleet.io/v1
kind: ResourceOverride
metadata: {{name: {name}}}
spec:
  resourceSelectors: [{{group: apps, version: v1, kind: Deployment, name: news}}]
  policy:
    overrideRules:
      - clusterSelector:
          clusterSelectorTerms: [{{labelSelector: {{matchLabels: {{fleet.azure.com/location: westus2}}}}}}]
        jsonPatchOverrides:
          - {{op: add, path: /spec/template/spec/containers/0/env, value: [{{name: SITE, value: "{site}"}}]}}
"""


@pytest.mark.slow
def test_apps_own_override_changes_it_in_one_region(apps: Stack) -> None:
    def write(name: str, site: str) -> None:
        (apps.root / "manifests" / "news" / "west.yaml").write_text(_OVERRIDE.format(name=name, site=site))

    def sites() -> list[object]:
        apps.cloud.pass_time(600)
        pods = [
            cluster.get("apps/v1", "Deployment", "news", "daily")["spec"]["template"]["spec"]["containers"][0]
            for cluster in map(in_memory(apps.cloud).cluster, apps.outputs()["clusterIds"].value.values())
        ]
        return [pod.get("env") for pod in pods]

    write("west", "${MEMBER-CLUSTER-NAME}")
    assert apps.up().changes == {"news-resourceoverride-west": "create"}
    assert sites() == [None, [{"name": "SITE", "value": "aks-westus2"}]]
    write("west", "far")
    assert apps.up().changes == {"news-resourceoverride-west": "update"}
    assert sites() == [None, [{"name": "SITE", "value": "far"}]]
    assert_converged(apps)
    write("far-west", "far")
    with pytest.raises(auto.CommandError, match=r"far-west: Deployment news is still in west on the hub"):
        apps.preview()
    (apps.root / "manifests" / "news" / "west.yaml").unlink()
    assert apps.up().changes == {"news-resourceoverride-west": "delete"}
    assert sites() == [None, None]


@pytest.mark.slow
def test_one_app_becomes_one_of_several_without_a_change(stack: Stack) -> None:
    app = {"namespace": "aks-store-demo", "service": "store-front"}
    stack.configure(apps={"app": app})
    assert stack.preview().changes == {}
    write_app(stack.root, "news", news=80)
    stack.configure(apps={"app": app, "news": {}})
    assert {name.partition("-")[0] for name in stack.up().changes} == {"news"}
    assert_converged(stack)


def test_change_that_would_move_an_apps_address_is_refused(apps: Stack) -> None:
    settings, regions = apps.config["apps"], apps.config["regions"]
    apps.configure(regions=[regions[1], regions[0]])
    with pytest.raises(auto.CommandError, match=r'apps.news.entryRegions: is missing: the address is in "east"'):
        apps.preview()
    apps.configure(regions=[regions[0], regions[1] | {"entrySuffix": "-far"}])
    with pytest.raises(auto.CommandError, match=r"regions\[1\].entrySuffix: is not what the entry Service of region"):
        apps.preview()
    apps.configure(
        regions=[regions[1], regions[0]], apps=settings | {"news": settings["news"] | {"entryRegions": ["east"]}}
    )
    apps.preview()
    apps.configure(regions=regions, apps=settings | {"jobs": settings["jobs"] | {"regions": ["east", "west"]}})
    with pytest.raises(auto.CommandError, match=r'put "west" first in apps.jobs.regions to keep it'):
        apps.preview()
    apps.configure(apps=settings | {"jobs": settings["jobs"] | {"regions": ["west", "east"]}})
    assert apps.preview().changes == {"jobs-placement": "update", "jobs-endpoints": "update"}


@pytest.mark.slow
def test_what_another_one_still_has_is_refused(apps: Stack) -> None:
    before = apps.config
    others = {name: app for name, app in before["apps"].items() if name != "news"}
    front = before["globalAddresses"]["front"] | {"resourceGroup": "rg-front-address"}
    team = {"objectId": "11111111-2222-3333-4444-555555555555", "type": "Group"}
    press = {"namespace": "daily", "service": "news", "manifests": "manifests/news"}
    moved = {name: app | {"globalAddress": "new"} for name, app in before["apps"].items() if name != "jobs"}
    rows: list[tuple[dict[str, Any], str]] = [
        (
            {"apps": others | {"press": press}},
            r'apps.press.namespace: "daily" belongs to app "news" of the running stack.*\n.*keep the name "news"',
        ),
        (
            {"apps": others, "teams": {"daily": team}, "clusters": {"entraId": True}},
            r'teams.daily.namespace: "daily" belongs to app "news" of the running stack',
        ),
        (
            {"apps": moved, "globalAddresses": {"new": front}},
            r'globalAddresses.new.resourceGroup: "rg-front-address" belongs to address "front" of the running stack',
        ),
    ]
    for changes, refusal in rows:
        apps.configure_all(before | changes)
        with pytest.raises(auto.CommandError, match=refusal):
            apps.preview()


@pytest.mark.slow
def test_first_service_of_an_app_stays_the_first(apps: Stack) -> None:
    settings = apps.config["apps"]
    for services, remedy in ((["orders", "web"], r'write "web" first\n'), (["orders"], 'take "orders" out')):
        apps.configure(apps=settings | {"shop": settings["shop"] | {"services": services}})
        with pytest.raises(auto.CommandError, match=rf'apps.shop.services: "orders" cannot .* "web".*\n.*{remedy}'):
            apps.preview()
    apps.configure(apps=settings | {"shop": settings["shop"] | {"services": ["web"]}})
    assert {*apps.preview().changes.values()} == {"delete", "update"}
