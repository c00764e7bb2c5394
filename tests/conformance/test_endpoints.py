"""`up` ends when the entry point has endpoints of every region: on the real Fleet, from nothing, again and again.

What one run proves is little, as endpoints are late in few of them. `UPS=30` makes 30, about 40 seconds each; with `-s`
each says how long it has taken.
"""

import os
import time
from pathlib import Path

import pytest

from rehearsal.stack import rehearsing
from tests.conformance.fleet import behind_the_entry_point
from tests.support.stack import Stack, copy_program

MEMBERS = ("aks-eastus2", "aks-westus2")


@pytest.mark.parametrize("number", range(1, 1 + int(os.environ.get("UPS", "1"))))
def test_first_update_ends_with_endpoints_of_every_region(number: int, tmp_path: Path) -> None:
    began = time.monotonic()
    with rehearsing("dev", copy_program(tmp_path / "program"), real_fleet=True) as rehearsal:
        stack = Stack(tmp_path / "program", rehearsal)
        done = stack.up()
        found = behind_the_entry_point(stack, "east", MEMBERS)
        took = time.monotonic() - began
    said = [line for line in done.text.splitlines() if "waiting until the entry point has endpoints" in line]
    print(f"\nup {number}: {took:.0f} s, endpoints {found}{', waited for' if said else ''}")  # noqa: T201 - for `-s`
    assert found == dict.fromkeys(MEMBERS, 1)
