"""Day two: a running stack's configuration changes, `pulumi up`, and clients on the internet notice nothing.

They go on asking for the URL all the time, each request in a connection of its own. That none of them fails is no luck:
docs/operations.md says what makes it so.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.cluster.objects import labels_of, name_of, namespace_of
from tests.conformance.client import FRONT, Client, steady_client, wait_for_one_export
from tests.conformance.fleet import Fleet, behind_the_entry_point, eventually
from tests.support.program import NORTH
from tests.support.stack import MOVED_WEST, Stack

EAST, WEST, NORTHCENTRAL = "aks-eastus2", "aks-westus2", "aks-northcentralus"


@pytest.fixture
def client(stack: Stack, fleet: Fleet) -> Iterator[Client]:
    """A client of the stack's URL, which both regions answer."""
    with steady_client(stack, fleet, {EAST, WEST}) as client:
        yield client


def names(stack: Stack, region: str) -> set[str]:
    """Return the logical names of a region's resources, and of what others have because of it."""
    every = {resource["urn"].rsplit("::", 1)[1] for resource in stack.resources()}
    return {name for name in every if region in name.split("-")}


def test_region_comes_and_goes_and_no_request_fails(stack: Stack, fleet: Fleet, client: Client) -> None:
    two = stack.config["regions"]
    its_own = {name.replace("west", "north") for name in names(stack, "west")}
    its_own |= {"mesh-west-to-north", "mesh-north-to-west"}

    # In the first place, because the order of the regions decides about the order of the peerings.
    stack.configure(regions=[NORTH, *two], app={"entryRegions": ["east"]})
    assert stack.up().changes == dict.fromkeys(its_own, "create") | {
        "app-placement": "update",
        "app-endpoints": "update",
    }
    assert set(behind_the_entry_point(stack, "east", (EAST, WEST, NORTHCENTRAL)).values()) == {1}
    came = time.monotonic()
    eventually(lambda: client.clusters(came), {EAST, WEST, NORTHCENTRAL})

    wait_for_one_export(fleet, {EAST, WEST, NORTHCENTRAL})
    stack.configure(regions=two)
    gone = stack.up()
    assert gone.changes == dict.fromkeys(its_own, "delete") | {"app-placement": "update", "app-endpoints": "update"}
    left = time.monotonic()
    eventually(lambda: client.clusters(left), {EAST, WEST})

    assert client.failures == []
    # Drained first: its pods had answered for the last time before the way to them, and they, were taken away.
    drained = max(answer.moment for answer in client.answers if answer.cluster == NORTHCENTRAL)
    for name in ("mesh-east-to-north", "mesh-west-to-north", "north-group"):
        assert gone.began["update", "app-placement"] < drained < gone.began["delete", name]
    hub = fleet["hub"]
    assert [name_of(each) for each in hub.list("cluster.kubernetes-fleet.io/v1", "MemberCluster")] == [EAST, WEST]
    exports = hub.list("networking.fleet.azure.com/v1alpha1", "InternalServiceExport")
    assert {namespace_of(each) for each in exports} == {f"fleet-member-{EAST}", f"fleet-member-{WEST}"}


def test_entry_point_moves_and_moves_back_and_the_new_one_is_there_first(stack: Stack, fleet: Fleet) -> None:
    moved_east = {name: {"create": "delete", "delete": "create"}[step] for name, step in MOVED_WEST.items()}
    names = {"east": "app-entry-point", "west": "app-entry-point-store-front-west"}
    for region, other, steps in (("west", "east", MOVED_WEST), ("east", "west", moved_east)):
        before = stack.outputs()["externalIp"].value
        stack.configure(app={"entryRegions": [region]})

        moved = stack.up()

        assert moved.changes == steps
        assert set(behind_the_entry_point(stack, region, (EAST, WEST)).values()) == {1}
        assert moved.ended["create", names[region]] < moved.began["delete", names[other]]
        after = stack.outputs()["externalIp"].value
        eventually(lambda after=after: set(fleet.answering(after)), {EAST, WEST})
        eventually(lambda before=before: set(fleet.answering(before)), {""})
        assert importers(fleet) == [region]


def test_changed_app_reaches_every_region_and_no_request_fails(
    stack: Stack, fleet: Fleet, client: Client, manifests: Path
) -> None:
    file = manifests / "app" / "store-front.yaml"
    text = file.read_text()
    image = re.findall(r"image: (\S+)", text)[0]

    def roll_out(new: str, replicas: int) -> None:
        file.write_text(text.replace(image, new))
        stack.configure(app={"replicas": replicas})
        done = stack.up()
        assert done.changes == {"app-deployment-store-front": "update"}
        assert done.diffs["app-deployment-store-front"] == ["spec.replicas", "spec.template.spec.containers[0].image"]
        wanted = dict.fromkeys(("east", "west"), [new] * replicas)
        eventually(lambda: {region: list(pods(fleet, region).values()) for region in wanted}, wanted, 300)
        reached = time.monotonic()
        eventually(lambda: client.pods(reached), {pod for region in wanted for pod in pods(fleet, region)})

    roll_out(f"{image}-new", 2)
    roll_out(image, 1)
    assert client.failures == []


def importers(fleet: Fleet) -> list[str]:
    """Return the regions with an entry point."""
    kind = ("networking.fleet.azure.com/v1alpha1", "MultiClusterService")
    return [region for region in ("east", "west") if fleet[region].list(*kind)]


def pods(fleet: Fleet, region: str) -> dict[str, str]:
    """Return the image of each of the front's pods in a region, also of those that are about to end."""
    found = [pod for pod in fleet[region].list("v1", "Pod") if labels_of(pod).get("app") == FRONT]
    return {name_of(pod): pod["spec"]["containers"][0]["image"] for pod in found}
