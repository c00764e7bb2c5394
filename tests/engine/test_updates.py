"""The fleet's updates under the real engine: switched on, changed, paused and switched off again."""

from typing import Any

import pytest

from tests.support.program import NORTH
from tests.support.stack import Stack

pytestmark = pytest.mark.slow

UPDATES: dict[str, Any] = {"channel": "Stable", "stages": [["west"], ["east"]], "waitMinutes": 60}


def test_updates_come_change_and_go_without_touching_anything_else(stack: Stack) -> None:
    stack.configure(fleet={"updates": UPDATES})
    assert stack.up().changes == dict.fromkeys(("updates", "updates-strategy", "updates-profile"), "create")
    assert stack.preview().changes == {}
    assert stack.refresh().changes == {}

    stack.configure(fleet={"updates": UPDATES | {"waitMinutes": 90}})
    assert stack.up().changes == {"updates-strategy": "update"}
    stack.configure(fleet={"updates": UPDATES | {"waitMinutes": 90, "enabled": False}})
    assert stack.up().changes == {"updates-profile": "replace"}

    stack.configure(fleet={})
    done = stack.up()
    assert done.changes == dict.fromkeys(("updates", "updates-strategy", "updates-profile"), "delete")
    assert done.asked.index(("delete", "updates-profile")) < done.asked.index(("delete", "updates-strategy"))


def test_stages_follow_the_regions(stack: Stack) -> None:
    two, stages = stack.config["regions"], UPDATES["stages"]
    stack.configure(fleet={"updates": UPDATES})
    stack.up()
    stack.configure(regions=[*two, NORTH], fleet={"updates": UPDATES | {"stages": [["north"], *stages]}})
    asked = stack.up().asked
    assert asked.index(("create", "hub-member-north")) < asked.index(("update", "updates-strategy"))
    stack.configure(regions=two, fleet={"updates": UPDATES})
    asked = stack.up().asked
    assert asked.index(("update", "updates-strategy")) < asked.index(("delete", "hub-member-north"))
