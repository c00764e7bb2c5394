"""Three apps in three regions of one real fleet: each is reached, and a change to one leaves the others alone."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from rehearsal.real.clusters import RealClusters
from rehearsal.stack import rehearsing
from tests.conformance.client import Client
from tests.support.apps import three_apps, write_app
from tests.support.health import assert_healthy, checked
from tests.support.program import NORTH, stack_config
from tests.support.stack import Stack, copy_program

STAGES = {"stages": [["west"], ["east", "north"]]}
VERSION_2 = "registry.example.com/web:2"


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Stack dev with a third region and three apps in place of its own; one app is rolled out in stages."""
    root = copy_program(tmp_path_factory.mktemp("apps") / "program")
    several: dict[str, Any] = three_apps(root)
    several["apps"]["news"] |= {"rollout": STAGES, "replicas": {"north": 3}}
    config = {key: value for key, value in stack_config("dev").items() if key != "app"}
    with rehearsing("dev", root, real_fleet=True) as rehearsal:
        stack = Stack(root, rehearsal)
        stack.configure_all(config | several | {"regions": [*config["regions"], NORTH]})
        stack.up()
        yield stack


def test_every_app_is_well_where_it_is_placed(apps: Stack) -> None:
    assert_healthy(apps, 120)
    found = checked(apps)
    assert found["placement of daily"].found.startswith("available on 3 of 3")
    assert found["placement of jobs"].found.startswith("available on 1 of 1")
    assert found["news: pods on aks-northcentralus"].found == "3 of 3 ready"
    assert apps.preview().changes == {}


def test_change_to_an_app_in_stages_leaves_the_others_alone(apps: Stack) -> None:
    clusters = apps.cloud.clusters
    assert isinstance(clusters, RealClusters)
    with closing(Client(clusters.networks, apps.outputs()["apps"].value["shop"]["web"]["url"])) as client:
        write_app(apps.root, "news", image=VERSION_2, news=443)
        assert apps.up().changes == {
            "news-deployment-news": "update",
            "news-rollout-run": "replace",
            "news-rollout": "update",
        }
        assert client.answers
        assert client.failures == []
    assert_healthy(apps, 120)


def test_app_goes_and_the_others_stay(apps: Stack) -> None:
    apps.configure(apps={name: app for name, app in apps.config["apps"].items() if name != "news"})
    assert {name.partition("-")[0] for name in apps.up().changes} <= {"news", "front"}
    assert_healthy(apps, 120)
