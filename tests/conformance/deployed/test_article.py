"""The article's steps, in its order, by its own commands: what they print on the stack that this program deploys."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from rehearsal.faults.injection import Faults
from rehearsal.faults.profile import Fault, Profile
from rehearsal.real.clusters import RealClusters
from rehearsal.stack import rehearsing
from tests.conformance.fleet import Fleet, eventually
from tests.support.stack import Stack, copy_program

MEMBERS = {"east": "aks-eastus2", "west": "aks-westus2"}


def test_members_have_joined(fleet: Fleet) -> None:
    rows = fleet.table("hub", "get memberclusters")

    assert [(row["NAME"], row["JOINED"]) for row in rows] == [(member, "True") for member in MEMBERS.values()]


def test_app_is_placed_on_both_clusters(fleet: Fleet) -> None:
    def placements() -> list[tuple[str, str, str]]:
        rows = fleet.table("hub", "get clusterresourceplacement")
        return [(row["NAME"], row["SCHEDULED"], row["AVAILABLE"]) for row in rows]

    # Another module's tests may have changed the app a moment ago.
    eventually(placements, [("aks-store-demo", "True", "True")], 300)

    placed = json.loads(fleet.kubectl("hub", "get", "clusterresourceplacement", "aks-store-demo", "--output=json"))
    clusters = {each["clusterName"] for each in placed["status"]["placementStatuses"]}
    assert clusters == set(MEMBERS.values())
    running = {(app, "1/1", "Running") for app in ("order", "product", "rabbitmq", "store")}

    def pods(name: str) -> set[tuple[str, str, str]]:
        rows = fleet.table(name, "get pods --namespace aks-store-demo")
        return {(row["NAME"].split("-")[0], row["READY"], row["STATUS"]) for row in rows}

    for name in MEMBERS:
        eventually(lambda name=name: pods(name), running)


@pytest.mark.parametrize("name", MEMBERS)
def test_export_is_valid_and_without_conflict(fleet: Fleet, name: str) -> None:
    (row,) = fleet.table(name, "get serviceexport store-front --namespace aks-store-demo")

    assert (row["IS-VALID"], row["IS-CONFLICTED"]) == ("True", "False")


def test_service_is_imported_on_one_cluster_and_has_its_address_there(fleet: Fleet, stack: Stack) -> None:
    (row,) = fleet.table("east", "get multiclusterservice store-front --namespace aks-store-demo")
    (service,) = fleet.table("east", "get services --namespace fleet-system")

    address = stack.outputs()["externalIp"].value
    assert (row["SERVICE-IMPORT"], row["IS-VALID"], row["EXTERNAL-IP"]) == ("store-front", "True", address)
    assert (service["NAME"], service["TYPE"], service["EXTERNAL-IP"]) == (
        "aks-store-demo-store-front",
        "LoadBalancer",
        address,
    )
    assert fleet.table("west", "get multiclusterservice --all-namespaces") == []


def test_one_address_is_answered_by_pods_of_both_clusters(fleet: Fleet, stack: Stack) -> None:
    fronts = {
        (MEMBERS[name], row["NAME"])
        for name in MEMBERS
        for row in fleet.table(name, "get pods --namespace aks-store-demo --selector app=store-front")
    }
    curl = [*fleet.clusters.networks.client(), "curl", "--silent", "--max-time", "30", stack.outputs()["url"].value]

    def answered() -> set[tuple[str, str]]:
        outputs = [subprocess.run(curl, capture_output=True, text=True, check=True).stdout for _ in range(10)]  # noqa: S603 - ours
        return {(answer["cluster"], answer["pod"]) for answer in map(json.loads, outputs)}

    assert {cluster for cluster, _ in fronts} == set(MEMBERS.values())
    eventually(answered, fronts)


def test_role_on_the_hub_that_acts_late_is_waited_for_and_teardown_leaves_nothing(tmp_path: Path) -> None:
    root = copy_program(tmp_path / "program")
    folder = root / ".rehearsal" / "dev.real" / "clusters"
    late = Faults(Profile(faults=(Fault(fault="Forbidden", type="kubernetes:*", lasts=8),)))
    with rehearsing("dev", root, real_fleet=True) as rehearsal:
        stack = Stack(root, rehearsal)
        with late.in_force(stack.cloud):
            stack.up()
        # The API server's words and the provider's; then the program's.
        assert re.search(
            r'namespaces "aks-store-demo" is forbidden: User ".+" cannot .+ to the resource in Azure', stack.text
        )
        assert "app-namespace: waiting until the role on the cluster takes effect; next try in 5 s" in stack.text
        clusters = stack.cloud.clusters
        assert isinstance(clusters, RealClusters)
        client = clusters.networks.client()
        plane = Path("/proc", client[client.index("--target") + 1])
        assert {file.name for file in folder.iterdir()} == {"gbb-fleet", *MEMBERS.values()}
        assert _mentioning(folder)
        assert len(_namespaces(plane)) == 1 + len(MEMBERS)

        stack.destroy()

        assert list(folder.iterdir()) == []
        assert _mentioning(folder) == []
        assert len(_namespaces(plane)) == 1  # the internet
        assert stack.cloud.is_empty()
        assert stack.resources() == []
    assert not plane.exists()


def _mentioning(folder: Path) -> list[str]:
    """Return the processes that have a folder in their command or their environment."""
    return [
        process.name
        for process in Path("/proc").iterdir()
        if process.name.isdecimal() and str(folder) in _read(process / "cmdline") + _read(process / "environ")
    ]


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:  # it has ended, or is somebody else's
        return ""


def _namespaces(process: Path) -> set[str]:
    """Return the network namespaces that a process holds."""
    links = (str(descriptor.readlink()) for descriptor in (process / "fd").iterdir())
    return {link for link in links if link.startswith("net:")}
