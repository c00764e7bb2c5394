"""Whatever is asked of a stack, in whatever order: `up` brings the cloud to what the settings say, and no more."""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pulumi.automation import CommandError

from rehearsal.stack import rehearsing
from rehearsal.tests.objects import in_memory
from tests.support.health import assert_healthy
from tests.support.program import ROOT
from tests.support.stack import Stack, copy_program

pytestmark = pytest.mark.usefixtures("no_pauses")

LOCATIONS = {"east": "eastus2", "west": "westus2", "north": "northcentralus", "south": "southcentralus"}
PASSING = ["LinkedAuthorizationFailed", "AnotherOperationInProgress", "ReferencedResourceNotProvisioned"]
REPLACEABLE = {"app-entry-point"}  # by moving; everything else is updated, created or deleted


def region(name: str) -> dict[str, Any]:
    """Return a region's settings."""
    number = list(LOCATIONS).index(name) + 1
    return {
        "name": name,
        "location": LOCATIONS[name],
        "addressSpace": f"10.{number}.0.0/16",
        "nodeSubnet": f"10.{number}.0.0/22",
        "nodePool": {"vmSize": "Standard_D4ds_v5", "count": 2},
    }


class Life(RuleBasedStateMachine):
    """A stack's life: changes of its settings, each followed by an `up`, some of them disturbed."""

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        self.regions = {name: region(name) for name in ("east", "west")}
        self.app: dict[str, Any] = {"entryRegions": ["east"], "replicas": 1}

    @initialize()
    def deploy(self) -> None:
        """Bring the stack up for the first time."""
        folder = Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        self.root = copy_program(folder / "program")
        self.start()
        self.up({"create"})

    def start(self) -> None:
        """Attach the engine to a stand-in on what the last run has left."""
        self.run = ExitStack()
        self.stack = Stack(self.root, self.run.enter_context(rehearsing("dev", self.root)))

    def teardown(self) -> None:
        """Tear the stack down: nothing is left."""
        if hasattr(self, "stack"):
            self.stack.destroy()
            assert self.stack.cloud.is_empty()
            self.run.close()
        self.resources.close()

    def up(self, steps: set[str]) -> None:
        """Apply the settings, and see that nothing but steps of these kinds was needed."""
        self.stack.configure(regions=list(self.regions.values()), app=self.app)
        done = self.stack.up()
        self.stack.cloud.pass_time(600)
        replaced = {name for name, step in done.changes.items() if step == "replace"}
        assert replaced <= (REPLACEABLE if "replace" in steps else set())
        assert set(done.changes.values()) - {"replace"} <= steps

    @rule(data=st.data())
    @precondition(lambda self: len(self.regions) < len(LOCATIONS))
    def add_region(self, data: st.DataObject) -> None:
        """Add a region, at any place of the list."""
        name = data.draw(st.sampled_from([name for name in LOCATIONS if name not in self.regions]))
        items = list(self.regions.items())
        items.insert(data.draw(st.integers(0, len(items))), (name, region(name)))
        self.regions = dict(items)
        self.up({"create", "update"})

    @rule(
        when=st.sampled_from(["before", "after"]),
        victims=st.sampled_from([["engine"], ["stand-in"], ["engine", "stand-in"]]),
    )
    @precondition(lambda self: len(self.regions) < len(LOCATIONS))
    def add_region_and_be_killed(self, when: str, victims: list[str]) -> None:
        """Add a region in a run that is killed at its first creation; the next run goes on."""
        name = next(name for name in LOCATIONS if name not in self.regions)
        self.regions[name] = region(name)
        self.stack.configure(regions=list(self.regions.values()), app=self.app)
        self.run.close()
        killed = [sys.executable, "-m", "tests.support.killed", str(self.root), "up", "any", when, *victims]
        subprocess.run(killed, cwd=ROOT, check=False, capture_output=True, timeout=120)  # noqa: S603 - all ours
        self.start()
        self.up({"create", "update"})

    @rule(data=st.data())
    @precondition(lambda self: len(self.regions) > len(self.app["entryRegions"]))
    def remove_region(self, data: st.DataObject) -> None:
        """Remove a region without an entry point."""
        others = [name for name in self.regions if name not in self.app["entryRegions"]]
        del self.regions[data.draw(st.sampled_from(others))]
        self.up({"update", "delete"})

    @rule(data=st.data(), count=st.integers(1, 5))
    def resize(self, data: st.DataObject, count: int) -> None:
        """Change a region's number of nodes."""
        self.regions[data.draw(st.sampled_from(list(self.regions)))]["nodePool"]["count"] = count
        self.up({"update"})

    @rule(data=st.data())
    def choose_entries(self, data: st.DataObject) -> None:
        """Add, remove or move entry points: those that stay are left alone."""
        before = set(self.app["entryRegions"])
        names = st.sampled_from(list(self.regions))
        self.app["entryRegions"] = data.draw(st.lists(names, min_size=1, unique=True))
        addresses = self.stack.outputs()["entryAddresses"].value
        self.up({"create", "delete"})
        for name in before & {*self.app["entryRegions"]}:
            assert self.stack.outputs()["entryAddresses"].value[name] == addresses[name]

    @rule(replicas=st.integers(1, 3))
    def scale_app(self, replicas: int) -> None:
        """Change the app."""
        self.app["replicas"] = replicas
        self.up({"update"})

    @rule(data=st.data(), code=st.sampled_from(PASSING))
    def scale_app_while_refused_for_a_while(self, data: st.DataObject, code: str) -> None:
        """Change the app while Azure refuses what is asked, for a reason that passes or not."""
        # Another number than before, so that there is something to refuse.
        self.app["replicas"] = data.draw(st.sampled_from([n for n in (4, 5, 6) if n != self.app["replicas"]]))
        self.stack.refuse("update", "app-deployment-store-front", f'Status=409 Code="{code}"')
        self.stack.configure(app=self.app)
        try:
            self.stack.up()
        except CommandError as failed:
            if code not in str(failed):
                raise  # not the refusal that was asked for
            self.up({"update"})

    @invariant()
    def has_converged(self) -> None:
        """Nothing is left to do, and the cloud is what the settings say."""
        if not hasattr(self, "stack"):
            return
        assert self.stack.preview().changes == {}
        assert_healthy(self.stack)
        outputs = self.stack.outputs()
        assert set(outputs["clusterIds"].value) == set(self.regions)
        assert set(outputs["entryAddresses"].value) == set(self.app["entryRegions"])
        clusters = in_memory(self.stack.cloud)
        assert len(clusters.members(clusters.hubs()[0])) == len(self.regions)


def _live(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )


@pytest.mark.slow
def test_any_sequence_of_changes_converges() -> None:
    _live(examples=1, steps=2)


@pytest.mark.exhaustive
def test_many_sequences_of_changes_converge() -> None:
    _live(examples=int(os.environ.get("EXAMPLES", "20")), steps=10)
