"""What somebody changes behind the program's back is shown by a refresh, and mended by the next update."""

import pytest

from tests.engine.stack import Stack

NAMESPACE = "aks-store-demo"


def test_changed_object_on_the_hub_is_shown_and_mended(stack: Stack) -> None:
    hub = stack.cloud.world.hubs()[0]
    found = hub.get("apps/v1", "Deployment", "store-front", NAMESPACE)
    hub.apply({**found, "spec": {**found["spec"], "replicas": 5}}, user="somebody")
    assert stack.refresh().steps["app-deployment-store-front"] == "update"
    assert stack.preview().changes == {"app-deployment-store-front": "update"}
    stack.up()
    assert hub.get("apps/v1", "Deployment", "store-front", NAMESPACE)["spec"]["replicas"] == 1
    assert stack.preview().changes == {}


@pytest.mark.parametrize(
    "names",
    [
        ["app-deployment-store-front", "app-entry-point"],
        ["mesh-east-to-west", "mesh-west-to-east"],  # Azure makes one direction anew only if the other one is gone too
    ],
)
def test_deleted_resources_are_shown_and_made_again(stack: Stack, names: list[str]) -> None:
    for name in names:
        stack.delete_behind_the_programs_back(name)
    refreshed = stack.refresh().steps
    assert {name: refreshed[name] for name in names} == dict.fromkeys(names, "delete")
    assert stack.preview().changes == dict.fromkeys(names, "create")
    stack.up()
    assert stack.preview().changes == {}
    stack.cloud.pass_time(600)  # the app is rolled out again, cluster by cluster
    assert [line for line in stack.cloud.summary() if not line[1]] == []


def test_changed_tags_in_azure_are_shown_and_mended(stack: Stack) -> None:
    stack.configure(tags={"owner": "platform"})
    stack.up()
    stack.retag_behind_the_programs_back("east-vnet", {"owner": "somebody"})
    assert stack.refresh().steps["east-vnet"] == "update"
    assert stack.preview().changes == {"east-vnet": "update"}
    stack.up()
    assert stack.preview().changes == {}
