"""A region dies, with its API server, pods and agents: what clients see, and docs/operations.md, to the letter."""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from rehearsal.cluster.objects import is_true
from rehearsal.real.tools import find_tools
from rehearsal.tests.objects import get, in_locations
from tests.conformance.fleet import Fleet, KubectlError, eventually
from tests.conformance.scenarios import app, entry_point, placement, put, remove
from tests.support.program import ROOT
from tests.support.stack import Stack

EAST, WEST = "aks-eastus2", "aks-westus2"

_SECONDS = 30  # for an answer; a connection to an address that nobody has fails after three to five
_GIVE, _RELEASE = "Claim the service for the new region", "Remove the claim"
_CLAIM = "networking.fleet.azure.com/service-in-use-by"


@pytest.fixture
def lose(fleet: Fleet, follow: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """Let a region die; it comes back after the test at the latest."""
    del follow  # what it puts right in the end, it does in a region that is back
    lost: list[str] = []

    def lose(name: str) -> None:
        lost.append(name)
        fleet.clusters.set_reachable(fleet.ids[name], reachable=False)

    yield lose
    for name in lost:
        if not fleet[name].reachable:
            fleet.clusters.set_reachable(fleet.ids[name], reachable=True)


@pytest.fixture
def follow(fleet: Fleet, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Run the command of a step in docs/operations.md, where its kubeconfigs are."""
    section = (ROOT / "docs" / "operations.md").read_text().partition("\n## A region no longer answers\n")[2]
    steps = dict(re.findall(r"^\d\. \*\*(.+?)\.?\*\*.*?```bash\n(.*?)```", section, re.MULTILINE | re.DOTALL))
    for name in fleet.ids:
        (tmp_path / f"{name}.kubeconfig").symlink_to(fleet.clusters.kubeconfig(fleet.ids[name]))

    followed: list[str] = []

    def follow(step: str) -> None:
        followed.append(step)
        environment = {**os.environ, "PATH": f"{find_tools().kubectl.parent}:{os.environ['PATH']}"}
        command = ["bash", "-euo", "pipefail", "-c", steps[step]]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        if result.returncode:
            raise KubectlError(result.stderr)

    yield follow
    if _GIVE in followed and _RELEASE not in followed:
        # A test has failed halfway: without this, the next update would wait for the service.
        for step in ("Delete the old entry point", _RELEASE):
            with suppress(KubectlError):
                follow(step)


def _entry(fleet: Fleet, name: str) -> tuple[str, str]:
    (row,) = fleet.table(name, "get multiclusterservice store-front --namespace aks-store-demo")
    return row["IS-VALID"], row["EXTERNAL-IP"]


def test_requests_for_the_pods_of_a_dead_region_fail_until_its_endpoints_are_deleted(
    stack: Stack, fleet: Fleet, lose: Callable[[str], None], follow: Callable[[str], None]
) -> None:
    # The document's example is the other way round: west is the entry, east is dead.
    stack.configure(app={"entryRegion": "west"})
    stack.up()
    address = stack.outputs()["externalIp"].value
    eventually(lambda: Counter(fleet.answering(address)), Counter({EAST: 10, WEST: 10}))

    lose("east")

    assert Counter(fleet.answering(address, timeout=_SECONDS)) == {"": 10, WEST: 10}
    assert [row["JOINED"] for row in fleet.table("hub", "get memberclusters")] == ["True", "True"]
    assert _entry(fleet, "west") == ("True", address)

    follow("Delete the dead region's endpoints")

    eventually(lambda: Counter(fleet.answering(address, timeout=_SECONDS)), Counter({WEST: 20}))
    fleet.clusters.set_reachable(fleet.ids["east"], reachable=True)
    follow("Restart the region's pods")
    eventually(lambda: Counter(fleet.answering(address)), Counter({EAST: 10, WEST: 10}))


def test_entry_point_leaves_a_region_while_it_is_dead_and_is_not_disturbed_when_it_is_back(
    stack: Stack, fleet: Fleet, lose: Callable[[str], None], follow: Callable[[str], None]
) -> None:
    old = stack.outputs()["externalIp"].value
    lose("east")
    assert set(fleet.answering(old)) == {""}

    stack.configure(app={"entryRegion": "west"})
    with ThreadPoolExecutor() as threads:
        update = threads.submit(stack.up)
        eventually(lambda: _entry(fleet, "west"), ("Unknown", ""))
        follow(_GIVE)
        assert update.result().changes == {"app-entry-point": "replace", "app-endpoints": "update"}
    address = stack.outputs()["externalIp"].value
    assert address != old
    eventually(lambda: WEST in fleet.answering(address, 2, _SECONDS), expected=True)
    follow("Delete the dead region's endpoints")
    eventually(lambda: set(fleet.answering(address, timeout=_SECONDS)), {WEST})
    assert stack.preview().changes == {}

    fleet.clusters.set_reachable(fleet.ids["east"], reachable=True)
    # It hears that the service is another's, and gives up its address.
    eventually(lambda: _entry(fleet, "east"), ("Unknown", ""))
    eventually(lambda: fleet.table("east", "get services --namespace fleet-system"), [])
    eventually(lambda: set(fleet.answering(old, 2)), {""})
    assert _entry(fleet, "west") == ("True", address)
    follow("Delete the old entry point")
    follow("Restart the region's pods")
    eventually(lambda: Counter(fleet.answering(address)), Counter({EAST: 10, WEST: 10}))

    follow(_RELEASE)
    stack.configure(app={"entryRegion": "east"})
    assert stack.up().changes == {"app-entry-point": "replace", "app-endpoints": "update"}
    address = stack.outputs()["externalIp"].value
    eventually(lambda: Counter(fleet.answering(address)), Counter({EAST: 10, WEST: 10}))


@pytest.mark.parametrize(
    ("command", "operation"),
    [
        ("delete memberclusters/west", "DELETE"),
        ('patch membercluster west --type merge --patch {"metadata":{"finalizers":null}}', "UPDATE"),
        (
            (
                "patch memberclusters.v1beta1.cluster.kubernetes-fleet.io west --type merge --patch "
                '{"spec":{"deleteOptions":{"validationMode":"Skip"}}}'
            ),
            "UPDATE",
        ),
        ("delete namespaces/fleet-member-west", "DELETE"),
        ("delete internalmemberclusters/west --namespace fleet-member-west", "DELETE"),
        ("delete configmaps/kube-root-ca.crt --namespace fleet-member-west", "DELETE"),
    ],
)
def test_nothing_that_would_release_a_dead_member_is_for_users(bare: Fleet, command: str, operation: str) -> None:
    with pytest.raises(KubectlError) as refused:
        bare.kubectl("hub", *command.split(), "--dry-run=server")

    assert re.search(r"fleet\.\w+\.guardrail\.validating\" denied the request", str(refused.value))
    assert f"'groups: [system:authenticated]' is not allowed to {operation} resource" in str(refused.value)


def test_service_that_is_given_before_there_is_an_entry_point_has_no_endpoints(bare: Fleet) -> None:
    space, hub, west = "given-too-early", bare["hub"], bare["west"]
    both = placement(space, in_locations("eastus2", "westus2"))
    put(hub, *app(space), both)
    eventually(lambda: is_true(get(hub, both), "ClusterResourcePlacementAvailable"), expected=True)
    eventually(lambda: len(bare.table("hub", f"get serviceimport front --namespace {space}")), 1)

    claim = f'{_CLAIM}={{"MemberClusters":{{"fleet-member-west":"west"}}}}'
    bare.kubectl("hub", "annotate", "serviceimport", "front", "--namespace", space, claim)
    offered = "get endpointsliceimports --namespace fleet-member-west"
    eventually(lambda: sum(space in row["NAME"] for row in bare.table("hub", offered)) >= 2, expected=True)
    put(west, entry_point(space))
    eventually(lambda: is_true(get(west, entry_point(space)), "Valid"), expected=True)

    def imported() -> set[str]:
        slices = bare.table("west", "get endpointslices --namespace fleet-system")
        return {row["NAME"].split("-")[0] for row in slices if space in row["NAME"]}

    assert imported() == set()
    # Only what changes is looked at again.
    bare.kubectl("east", "delete", "pods", "--namespace", space, "--all")
    eventually(imported, {"east"})

    remove(west, entry_point(space))
    bare.kubectl("hub", "annotate", "serviceimport", "front", "--namespace", space, f"{_CLAIM}-")
    remove(hub, both)
    eventually(lambda: bare.table("west", f"get namespaces --field-selector metadata.name={space}"), [])
    eventually(lambda: bare.table("east", f"get namespaces --field-selector metadata.name={space}"), [])
    remove(hub, app(space)[0])
    eventually(lambda: bare.table("hub", f"get namespaces --field-selector metadata.name={space}"), [])
