"""Drift: a refresh shows changes that were made outside the program, and the next update repairs them."""

from dataclasses import dataclass

import pytest

from rehearsal.stack import rehearsing
from rehearsal.tests.objects import in_memory
from tests.support.health import failed
from tests.support.stack import Done, Stack, copy_program

pytestmark = pytest.mark.slow

NAMESPACE = "aks-store-demo"
DELETED = [
    *("app-deployment-store-front", "app-entry-point"),
    *("mesh-east-to-west", "mesh-west-to-east"),  # Azure makes one direction anew only if the other one is gone too
]
CHANGED = ["app-deployment-product-service", "east-vnet"]


@dataclass
class Repaired:
    """The engine's report of each command on a stack with drift, and the state of the cloud at the end."""

    refresh: Done
    preview: Done
    up: Done
    next_preview: Done
    replicas: int
    failed: dict[str, str]


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> Repaired:
    """A stack with all kinds of drift, refreshed and updated."""
    root = copy_program(tmp_path_factory.mktemp("drift") / "program")
    with rehearsing("dev", root) as rehearsal:
        stack = Stack(root, rehearsal)
        stack.configure(tags={"owner": "platform"})
        stack.up()
        stack.cloud.pass_time(600)
        hub = in_memory(stack.cloud).hubs()[0]
        found = hub.get("apps/v1", "Deployment", "product-service", NAMESPACE)
        hub.apply({**found, "spec": {**found["spec"], "replicas": 5}}, user="somebody", manager="kubectl-edit")
        stack.change_behind_the_programs_back("east-vnet", tags={"owner": "somebody"})
        for name in DELETED:
            stack.delete_behind_the_programs_back(name)
        done = stack.refresh(), stack.preview(), stack.up(), stack.preview()
        stack.cloud.pass_time(600)  # the app is rolled out again, cluster by cluster
        replicas = hub.get("apps/v1", "Deployment", "product-service", NAMESPACE)["spec"]["replicas"]
        return Repaired(*done, replicas, failed(stack))


@pytest.mark.parametrize(("names", "step"), [(CHANGED, "update"), (DELETED, "delete")])
def test_refresh_shows_what_has_changed(repaired: Repaired, names: list[str], step: str) -> None:
    assert {name: repaired.refresh.steps[name] for name in names} == dict.fromkeys(names, step)


def test_preview_plans_the_repair_and_nothing_else(repaired: Repaired) -> None:
    again = {"app-endpoints": "update"}  # of another entry point
    assert repaired.preview.changes == dict.fromkeys(CHANGED, "update") | dict.fromkeys(DELETED, "create") | again


def test_update_repairs_the_drift(repaired: Repaired) -> None:
    assert repaired.up.changes == repaired.preview.changes
    assert repaired.replicas == 1
    assert repaired.failed == {}


def test_nothing_is_left_to_do(repaired: Repaired) -> None:
    assert repaired.next_preview.changes == {}


def test_security_group_that_shuts_the_entry_port_is_found_and_repaired(empty: Stack) -> None:
    empty.configure(clusters={"baseline": False, "securityGroup": True})
    empty.up()
    assert failed(empty) == {}
    empty.change_behind_the_programs_back("east-rules", securityRules=[])
    assert list(failed(empty)) == [empty.outputs()["url"].value]
    assert empty.refresh().steps["east-rules"] == "update"
    assert empty.up().changes == {"east-rules": "update"}
    assert failed(empty) == {}


def test_dataplane_that_azure_has_changed_can_be_written_down(stack: Stack) -> None:
    """The way of docs/operations.md, "Another data plane"."""
    for cluster in ("east-cluster", "west-cluster"):
        profile = stack.recorded(cluster)["inputs"]["networkProfile"]
        cilium = {"networkDataplane": "cilium", "networkPolicy": "cilium"}
        stack.change_behind_the_programs_back(cluster, networkProfile=profile | cilium)
    stack.refresh()
    stack.configure(clusters={"dataplane": "cilium"})
    assert stack.preview().changes == {}
