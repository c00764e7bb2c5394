"""The life of a stack under the real engine: what is planned, what is done, and in what order."""

from pathlib import Path

import pytest
from pulumi.automation import CommandError

from rehearsal.core.errors import RehearsalError
from rehearsal.stack import rehearsing
from tests.support.health import assert_healthy
from tests.support.program import NORTH, ROOT
from tests.support.stack import MOVED_WEST, FirstUpdate, Stack, count, entry_point


def test_preview_of_a_new_stack_creates_everything_and_asks_for_nothing(first_update: FirstUpdate) -> None:
    planned = first_update.planned
    assert set(planned.steps.values()) == {"create"}
    assert {"east-cluster", "hub-fleet", "app-placement", "app-entry-point"} <= planned.steps.keys()
    assert set(count(planned.asked)) <= {"invoke"}


def test_first_update_brings_the_pattern_up(first_update: FirstUpdate) -> None:
    assert first_update.done.changes == first_update.planned.changes
    assert first_update.failed == {}
    outputs = first_update.outputs
    assert outputs["url"].value == f"http://{outputs['externalIp'].value}"
    assert outputs["hubKubeconfig"].secret
    assert outputs["kubeconfigs"].secret


def test_stack_files_stay_as_they_are(deployed: Path) -> None:
    for file in ROOT.glob("Pulumi*.yaml"):
        assert (deployed / file.name).read_text() == file.read_text()


def test_mistake_in_the_settings_is_told_and_nothing_is_asked_for(empty: Stack) -> None:
    empty.configure(app={"replicas": 10**9})
    with pytest.raises(CommandError) as failure:
        empty.up()
    assert "app.replicas: 1000000000 pods in each cluster are more than" in str(failure.value)
    assert empty.asked == []


def test_second_update_changes_nothing(stack: Stack) -> None:
    done = stack.up()
    assert done.changes == {}
    assert set(count(done.asked)) <= {"invoke"}


def test_refresh_finds_nothing_changed_and_nothing_to_repair(stack: Stack) -> None:
    assert stack.refresh().changes == {}
    assert stack.preview().changes == {}


def test_changed_setting_changes_its_object_alone(stack: Stack) -> None:
    stack.configure(app={"replicas": 2})
    planned = stack.preview()
    assert planned.changes == {"app-deployment-store-front": "update"}
    assert planned.diffs["app-deployment-store-front"] == ["spec.replicas"]


def test_new_region_changes_nothing_of_the_others(stack: Stack) -> None:
    stack.configure(regions=[NORTH, *stack.config["regions"]], app={"entryRegions": ["east"]})
    planned = stack.preview().changes
    assert (planned.pop("app-placement"), planned.pop("app-endpoints")) == ("update", "update")
    assert set(planned.values()) == {"create"}
    assert all("north" in name for name in planned)
    assert stack.up().changes == planned | {"app-placement": "update", "app-endpoints": "update"}
    assert stack.outputs()["memberNames"].value.keys() == {"north", "east", "west"}
    assert_healthy(stack)
    assert stack.preview().changes == {}


def test_removed_region_leaves_the_placement_then_the_fleet_then_goes(stack: Stack) -> None:
    stack.configure(regions=stack.config["regions"][:1])
    planned = stack.preview().changes
    assert (planned.pop("app-placement"), planned.pop("app-endpoints")) == ("update", "update")
    assert set(planned.values()) == {"delete"}
    assert all("west" in name for name in planned)
    asked = stack.up().asked
    assert asked.index(("update", "app-placement")) < asked.index(("delete", "hub-member-west"))
    assert asked.index(("delete", "hub-member-west")) < asked.index(("delete", "west-group"))
    assert_healthy(stack)
    assert stack.preview().changes == {}


def test_new_entry_point_is_there_before_the_old_one_goes(stack: Stack) -> None:
    before = stack.outputs()["externalIp"].value
    stack.configure(app={"entryRegions": ["west"]})
    done = stack.up()
    assert done.changes == MOVED_WEST
    steps = [step for step in done.asked if step[0] != "invoke"]
    assert steps.index(("create", "app-entry-point-store-front-west")) < steps.index(("delete", "app-entry-point"))
    assert steps.index(("delete", "app-entry-point")) < steps.index(("delete", "app-serviceexport-store-front"))
    assert stack.outputs()["externalIp"].value != before
    assert stack.outputs()["entryServices"].value == {"west": "store-front-west"}
    assert stack.preview().changes == {}


@pytest.mark.slow
def test_entry_point_comes_and_goes_and_changes_nothing_of_the_other(stack: Stack) -> None:
    before = stack.outputs()["entryAddresses"].value
    stack.configure(app={"entryRegions": ["west", "east"]})
    assert stack.up().changes == entry_point("store-front-west", "create")
    both = stack.outputs()["entryAddresses"].value
    assert (both["east"], stack.outputs()["externalIp"].value) == (before["east"], both["west"])
    assert stack.preview().changes == {}
    stack.configure(app={"entryRegions": ["east"]})
    assert stack.up().changes == entry_point("store-front-west", "delete")
    assert stack.outputs()["entryAddresses"].value == before
    assert stack.preview().changes == {}


def test_rotated_kubeconfig_replaces_no_object(stack: Stack) -> None:
    before = stack.outputs()["kubeconfigs"].value
    stack.cloud.azure.rotate_credentials()
    changes = stack.up().changes
    assert stack.outputs()["kubeconfigs"].value != before
    assert set(changes) <= {"east-kubernetes", "west-kubernetes", "hub-kubernetes"}
    assert set(changes.values()) == {"update"}


def test_replaced_password_changes_its_secret_alone(stack: Stack) -> None:
    before = stack.queue_credentials()
    (urn,) = (each["urn"] for each in stack.resources() if each["urn"].endswith("::app-rabbitmq-password"))
    stack.rehearsal.stack.up(replace=[urn])
    assert [verb for verb, name in stack.asked if name == "app-secret-rabbitmq"] == ["update"]
    assert {name for verb, name in stack.asked if verb in {"create", "update", "delete"}} == {
        "app-rabbitmq-password",
        "app-secret-rabbitmq",
    }
    kept = {*before} & {*stack.queue_credentials()}
    assert [len(text) for text in kept] == [12]  # the user's name
    assert stack.preview().changes == {}


def test_destroy_leaves_nothing_in_the_cloud_and_in_the_state(stack: Stack) -> None:
    stack.destroy()
    assert stack.cloud.is_empty()
    assert stack.resources() == []


def test_second_run_at_the_same_time_is_told_who_is_at_work(stack: Stack) -> None:
    with pytest.raises(RehearsalError, match=r"stack dev is in use by process \d+"), rehearsing("dev", stack.root):
        pytest.fail("two runs at a time")
