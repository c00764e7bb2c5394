"""A change of the app reaches three regions in two stages, and clients on the internet notice nothing."""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pulumi import automation as auto

from rehearsal.cluster.objects import labels_of
from rehearsal.real.clusters import RealClusters
from tests.conformance.client import FRONT, Client, steady_client
from tests.conformance.entries import deployed_entries
from tests.conformance.fleet import Fleet, eventually
from tests.support.program import NORTH, ROOT, stack_config
from tests.support.stack import Stack

REGIONS = ("east", "west", "north")
STAGES = {"stages": [["west"], ["east", "north"]]}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Three regions with an app that is not rolled out in stages, and manifests to be changed."""
    regions = [*stack_config("dev")["regions"], NORTH]
    with deployed_entries(tmp_path_factory.mktemp("rollout"), regions=regions) as stack:
        folder = stack.root / "manifests"
        folder.unlink()
        shutil.copytree(ROOT / "manifests", folder)
        yield stack


@pytest.fixture(scope="module")
def fleet(deployed: Stack) -> Fleet:
    """Its fleet."""
    clusters, outputs = deployed.cloud.clusters, deployed.outputs()
    assert isinstance(clusters, RealClusters)
    return Fleet(clusters, {"hub": outputs["fleetId"].value, **outputs["clusterIds"].value})


@pytest.fixture
def client(deployed: Stack, fleet: Fleet) -> Iterator[Client]:
    """A client of the stack's URL, which all regions answer."""
    with steady_client(deployed, fleet, {*deployed.outputs()["memberNames"].value.values()}) as client:
        yield client


def images(fleet: Fleet) -> dict[str, set[str]]:
    """Return the images of the front's pods in each region, also of those that cannot start."""
    return {
        region: {
            pod["spec"]["containers"][0]["image"]
            for pod in fleet[region].list("v1", "Pod")
            if labels_of(pod).get("app") == FRONT
        }
        for region in REGIONS
    }


def store_front(stack: Stack) -> tuple[Path, str, str]:
    """Return the manifest of the front, its text, and its image."""
    file = stack.root / "manifests" / "app" / "store-front.yaml"
    text = file.read_text()
    return file, text, re.findall(r"image: (\S+)", text)[0]


def test_running_app_gets_stages_and_no_request_fails(deployed: Stack, client: Client) -> None:
    deployed.configure(app={"rollout": STAGES})
    done = deployed.up()
    assert done.changes == {
        "app-rollout-stages": "create",
        "app-placement": "update",
        "app-rollout-run": "create",
        "app-rollout": "create",
    }
    assert deployed.up().changes == {}
    assert client.failures == []


def test_broken_image_stops_in_the_first_region_and_the_good_one_comes_back(
    deployed: Stack, fleet: Fleet, client: Client
) -> None:
    file, text, good = store_front(deployed)
    broken = good.upper()
    began = time.monotonic()
    file.write_text(text.replace(good, broken))
    with pytest.raises(auto.CommandError, match=r"stage 1 of 2 \(aks-westus2\)[^;]*InvalidImageName"):
        deployed.up()
    stopped = time.monotonic()
    assert images(fleet) == {"east": {good}, "north": {good}, "west": {good, broken}}

    file.write_text(text)
    back = deployed.up()
    ended = time.monotonic()
    assert back.changes == {
        "app-deployment-store-front": "update",
        "app-rollout-run": "replace",
        "app-rollout": "update",
    }
    eventually(lambda: images(fleet), {region: {good} for region in REGIONS})
    assert client.failures == []
    print(  # noqa: T201 - a figure
        f"\nbroken image: stopped after {stopped - began:.0f} s; last good version everywhere {ended - stopped:.0f} s "
        f"later; {len(client.answers)} requests answered, none failed"
    )


def test_change_waits_after_a_stage_until_it_is_told_to_go_on(deployed: Stack, fleet: Fleet, client: Client) -> None:
    file, text, good = store_front(deployed)
    new = f"{good}-new"
    file.write_text(text.replace(good, new))
    deployed.configure(app={"rollout": STAGES | {"until": 1}})
    deployed.up()
    # A pod that is stopping stays for its pause.
    eventually(lambda: images(fleet), {"east": {good}, "north": {good}, "west": {new}})

    deployed.configure(app={"rollout": STAGES})
    assert deployed.up().changes == {"app-rollout": "update"}
    eventually(lambda: images(fleet), {region: {new} for region in REGIONS})
    assert client.failures == []


def test_object_that_is_removed_leaves_every_region(deployed: Stack, fleet: Fleet) -> None:
    file, text, _ = store_front(deployed)
    extra = "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {}\n"

    def extras() -> dict[str, bool]:
        found = {region: fleet[region].list("v1", "ConfigMap", "aks-store-demo") for region in REGIONS}
        return {region: any(each["metadata"]["name"] == "extra" for each in items) for region, items in found.items()}

    file.write_text(text + extra)
    deployed.up()
    eventually(extras, dict.fromkeys(REGIONS, True), 30)
    file.write_text(text)
    deployed.up()
    eventually(extras, dict.fromkeys(REGIONS, False), 30)


def test_region_leaves(deployed: Stack, client: Client) -> None:
    stages = {"stages": [["west"], ["east"]]}
    deployed.configure(regions=stack_config("dev")["regions"], app={"rollout": stages})
    deployed.up()
    left = time.monotonic()
    eventually(lambda: len(client.clusters(left)), 2)
    assert client.failures == []
