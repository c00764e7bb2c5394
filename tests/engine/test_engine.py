"""The life of a stack under the real engine: what is planned, what is done, and in what order."""

from pathlib import Path

import pytest
from pulumi.automation import CommandError

from rehearsal.stack import RehearsalError, rehearsing
from tests.engine.stack import Stack, count

RANDOM = {
    "app-rabbitmq-username",
    "app-rabbitmq-password",
    "east-join-subnet-id",
    "west-join-subnet-id",
    "hub-deployer-id",
}
GROUPS = {"east-group", "west-group", "hub-group"}
NORTH = {
    "name": "north",
    "location": "northcentralus",
    "addressSpace": "10.3.0.0/16",
    "nodeSubnet": "10.3.0.0/24",
    "nodePool": {"vmSize": "Standard_DS2_v2", "count": 1},
}


def test_preview_of_a_new_stack_creates_everything_and_asks_for_nothing(empty: Stack) -> None:
    planned = empty.preview()
    assert set(planned.steps.values()) == {"create"}
    assert {"east-cluster", "hub-fleet", "app-placement", "app-entry-point"} <= planned.steps.keys()
    assert set(count(planned.asked)) <= {"invoke"}


def test_first_update_brings_the_pattern_up(empty: Stack) -> None:
    done = empty.up()
    assert set(done.changes.values()) == {"create"}
    assert [line for line in empty.cloud.summary() if not line[1]] == []
    outputs = empty.outputs()
    assert outputs["url"].value == f"http://{outputs['externalIp'].value}"
    assert outputs["hubKubeconfig"].secret
    assert outputs["kubeconfigs"].secret


def test_second_update_changes_nothing(stack: Stack) -> None:
    done = stack.up()
    assert done.changes == {}
    assert set(count(done.asked)) <= {"invoke"}


def test_refresh_finds_nothing_changed_and_nothing_to_mend(stack: Stack) -> None:
    assert stack.refresh().changes == {}
    assert stack.preview().changes == {}


def test_changed_setting_changes_its_object_alone(stack: Stack) -> None:
    stack.configure(app={"replicas": 2})
    assert stack.preview().changes == {"app-deployment-store-front": "update"}
    done = stack.up()
    assert done.changes == {"app-deployment-store-front": "update"}
    assert done.diffs["app-deployment-store-front"] == ["spec.replicas"]
    assert stack.preview().changes == {}


def test_new_region_changes_nothing_of_the_others(stack: Stack) -> None:
    stack.configure(regions=[NORTH, *stack.config["regions"]], app={"entryRegion": "east"})
    planned = stack.preview().changes
    assert planned.pop("app-placement") == "update"
    assert set(planned.values()) == {"create"}
    assert all("north" in name for name in planned)
    assert stack.up().changes == planned | {"app-placement": "update"}
    members = next(detail for what, _, detail in stack.cloud.summary() if what == "members joined")
    assert members.startswith("3/3")
    assert stack.preview().changes == {}


def test_removed_region_leaves_the_placement_then_the_fleet_then_goes(stack: Stack) -> None:
    stack.configure(regions=stack.config["regions"][:1])
    planned = stack.preview().changes
    assert planned.pop("app-placement") == "update"
    assert set(planned.values()) == {"delete"}
    assert all("west" in name for name in planned)
    asked = stack.up().asked
    deleted = [name for verb, name in asked if verb == "delete"]
    assert asked.index(("update", "app-placement")) < asked.index(("delete", "hub-member-west"))
    assert asked.index(("delete", "hub-member-west")) < asked.index(("delete", "west-group"))
    # The rest of the region goes with its group; what it had in other regions does not.
    assert set(deleted) - RANDOM == {"hub-member-west", "mesh-east-to-west", "west-group"}
    assert [line for line in stack.cloud.summary() if not line[1]] == []
    assert stack.preview().changes == {}


def test_entry_point_moves_by_letting_go_first(stack: Stack) -> None:
    before = stack.outputs()["externalIp"].value
    stack.configure(app={"entryRegion": "west"})
    assert stack.preview().changes == {"app-entry-point": "replace"}
    done = stack.up()
    assert [step for step in done.asked if step[0] != "invoke"] == [
        ("delete", "app-entry-point"),
        ("create", "app-entry-point"),
    ]
    assert stack.outputs()["externalIp"].value != before
    assert stack.outputs()["entryRegion"].value == "west"
    assert stack.preview().changes == {}


def test_entry_point_moves_away_from_a_region_that_no_longer_answers(stack: Stack) -> None:
    stack.lose_region("east")
    stack.claim_service("west")  # as docs/azure.md says
    stack.configure(app={"entryRegion": "west"})
    assert stack.up().changes == {"app-entry-point": "replace"}
    address = stack.outputs()["externalIp"].value
    entry = {what: detail for what, well, detail in stack.cloud.summary() if well and what.startswith("entry point")}
    assert entry["entry point aks-store-demo/store-front on aks-westus2"].startswith(f"{address}, endpoints: ")
    assert stack.preview().changes == {}


def test_entry_point_says_what_it_waits_for_while_a_dead_region_holds_the_service(stack: Stack) -> None:
    stack.lose_region("east")
    stack.configure(app={"entryRegion": "west"})
    with pytest.raises(CommandError) as failure:
        stack.up()
    assert "app-entry-point" in str(failure.value)
    assert "UnknownServiceImport" in str(failure.value)


def test_rotated_kubeconfig_replaces_no_object(stack: Stack) -> None:
    before = stack.outputs()["kubeconfigs"].value
    stack.cloud.azure.rotate_credentials()
    changes = stack.up().changes
    assert stack.outputs()["kubeconfigs"].value != before
    assert set(changes) <= {"east-kubernetes", "west-kubernetes", "hub-kubernetes"}
    assert set(changes.values()) == {"update"}


def test_destroy_asks_for_the_resource_groups_and_no_more(stack: Stack) -> None:
    done = stack.destroy()
    deleted = {name for verb, name in done.asked if verb == "delete"}
    assert deleted - RANDOM == GROUPS
    assert stack.cloud.is_empty()
    assert stack.resources() == []


def test_no_secret_is_written_or_shown_in_clear(empty: Stack) -> None:
    done = empty.up()
    kubeconfig = empty.outputs()["kubeconfigs"].value["east"]
    planted = [line.split()[1] for line in kubeconfig.splitlines() if "-key-data:" in line or "token:" in line]
    planted += empty.queue_credentials()
    assert len(planted) == 4
    backend = empty.root / ".rehearsal" / "dev" / "backend"
    state = [file.read_text() for file in backend.rglob("*") if file.is_file()]
    assert any("kubeconfig" in text for text in state)
    for text in [done.text, *state]:
        assert not [secret for secret in planted if secret in text]


@pytest.mark.parametrize(
    ("name", "message", "waiting"),
    [
        ("east-cluster", 'Code="LinkedAuthorizationFailed" Message="…subnets/join/action…"', "the role on the subnet"),
        ("app-namespace", 'namespaces is forbidden: User "x" cannot create resource "namespaces"', "the role on the"),
        ("mesh-east-to-west", 'Status=400 Code="ReferencedResourceNotProvisioned"', "the network is no longer being"),
        ("east-join-subnet", 'Status=400 Code="PrincipalNotFound"', "the new identity is known"),
    ],
)
def test_refusal_that_passes_is_waited_out_and_said(empty: Stack, name: str, message: str, waiting: str) -> None:
    empty.refuse("create", name, message)
    done = empty.up()
    assert done.asked.count(("create", name)) == 2
    assert f"{name}: waiting until {waiting}" in done.text
    assert [line for line in empty.cloud.summary() if not line[1]] == []


def test_second_run_at_the_same_time_is_told_who_is_at_work(stack: Stack) -> None:
    with pytest.raises(RehearsalError, match=r"process \d+ is at work on stack dev"), rehearsing("dev", stack.root):
        pytest.fail("two runs at a time")


def test_stack_files_stay_as_they_are(stack: Stack) -> None:
    stack.up()
    for file in Path(__file__).parents[2].glob("Pulumi*.yaml"):
        assert (stack.root / file.name).read_text() == file.read_text()
