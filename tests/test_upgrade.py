"""What the proof of an upgrade makes of the engine's plan."""

from typing import Any

import pytest

from tests.upgrade.__main__ import Difference, differences, gone

URN = "urn:pulumi:dev::fleet-l4-lb::fleet-l4-lb:index:FleetHub$azure-native:containerservice:Fleet::hub-fleet"
FLEET = "hub-fleet (azure-native:containerservice:Fleet)"


def step(op: str, name: str = "hub-fleet", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    return {"op": op, "urn": URN.replace("hub-fleet", name), **more}


@pytest.mark.parametrize(
    ("steps", "said", "added"),
    [
        ([step("create")], f"{FLEET} would be added", True),
        ([step("update", detailedDiff={"tags": {}})], f"{FLEET} would be updated: tags", False),
        ([step("delete")], f"{FLEET} would be deleted", False),
        ([step("discard")], f"{FLEET} would be deleted", False),
        (
            [step("create-replacement"), step("replace", diffReasons=["location"]), step("delete-replaced")],
            f"{FLEET} would be replaced: location",
            False,
        ),
        ([step("read-replacement")], f"{FLEET} would be replaced", False),
    ],
)
def test_difference_is_named_once(steps: list[dict[str, Any]], said: str, added: bool) -> None:  # noqa: FBT001
    assert differences(steps) == [Difference(said, added)]


def test_what_stays_is_no_difference() -> None:
    assert differences([step("same"), step("read", "east-cluster"), step("refresh")]) == []


def test_resource_is_gone_unless_its_name_or_an_alias_is_there() -> None:
    steps = [
        step("create", newState={}),
        step("create", "hub", newState={"aliases": [URN.replace("hub-fleet", "old")]}),
    ]
    assert gone([URN, URN.replace("hub-fleet", "old")], steps) == []
    assert gone(["urn:pulumi:dev::fleet-l4-lb::pulumi:providers:random::default_4_21_4"], steps) == []
    assert gone([URN], steps[1:]) == [Difference(f"{FLEET} is gone")]
