"""What the proof of an upgrade makes of the engine's plan."""

from typing import Any

import pytest

from tests.upgrade.__main__ import ACCEPTED, differences

URN = "urn:pulumi:dev::fleet-l4-lb::fleet-l4-lb:index:FleetHub$azure-native:containerservice:Fleet::hub-fleet"
FLEET = "hub-fleet (azure-native:containerservice:Fleet)"


def step(op: str, name: str = "hub-fleet", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    return {"op": op, "urn": URN.replace("hub-fleet", name), **more}


NOTHING: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("steps", "said", "accepted"),
    [
        ([step("create")], f"{FLEET} would be added", frozenset({"additions", "updates"})),
        ([step("update", detailedDiff={"tags": {}})], f"{FLEET} would be updated: tags", frozenset({"updates"})),
        ([step("delete")], f"{FLEET} would be deleted", NOTHING),
        ([step("discard")], f"{FLEET} would be deleted", NOTHING),
        (
            [step("create-replacement"), step("replace", diffReasons=["location"]), step("delete-replaced")],
            f"{FLEET} would be replaced: location",
            NOTHING,
        ),
        ([step("read-replacement")], f"{FLEET} would be replaced", NOTHING),
    ],
)
def test_difference_is_named_and_has_its_weight(
    steps: list[dict[str, Any]], said: str, accepted: frozenset[str]
) -> None:
    (found,) = differences(steps)
    assert found.text == said
    assert {name for name, level in ACCEPTED.items() if found.accepted_from <= level} == accepted


def test_what_stays_is_no_difference() -> None:
    assert differences([step("same"), step("read", "east-cluster"), step("refresh")]) == []
