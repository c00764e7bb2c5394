"""Several entry points behind a global address: which regions are held back where, and the guards' processes."""

import os
import signal
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.guard import MARK, SYSTEM, member_of
from rehearsal.bench import recovery
from rehearsal.bench.recovery import GLOBAL, Loss
from rehearsal.cluster.objects import annotations_of, is_true, namespace_of
from rehearsal.real.clusters import RealClusters
from rehearsal.stack import rehearsing
from tests.conformance.fleet import Fleet, eventually
from tests.support.stack import Stack, copy_program

_GUARD = "entry-guard"


@dataclass(frozen=True)
class Entries:
    """A deployed stack with entry points, and its fleet."""

    stack: Stack
    fleet: Fleet

    @property
    def services(self) -> dict[str, str]:
        """The Service of each entry point, by its region."""
        return self.stack.outputs()["entryServices"].value

    @property
    def members(self) -> dict[str, str]:
        """The members' names, by region."""
        return self.stack.outputs()["memberNames"].value

    def addresses(self) -> dict[str, str]:
        """Return the address of each entry point, by its region, and the global one."""
        outputs = self.stack.outputs()
        return {GLOBAL: outputs["globalAddress"].value, **outputs["entryAddresses"].value}

    def held_back(self, region: str) -> set[str]:
        """Return the regions whose endpoints the guard holds back at an entry point."""
        by_member = {member: name for name, member in self.members.items()}
        slices = self.fleet[region].list("discovery.k8s.io/v1", "EndpointSlice", SYSTEM)
        marked = (member_of(each, by_member) for each in slices if MARK in annotations_of(each))
        return {by_member[member] for member in marked if member}

    def guard_is_ready(self, region: str) -> bool:
        """Say whether a region's guard runs and has completed a round lately."""
        pods = [pod for pod in self.fleet[region].list("v1", "Pod") if namespace_of(pod) == _GUARD]
        return len(pods) == 1 and is_true(pods[0], "Ready")


@contextmanager
def deployed_entries(folder: Path, **config: Any) -> Generator[Stack]:  # noqa: ANN401 - any JSON value
    """Deploy the dev stack on the real Fleet, with some keys of its configuration changed."""
    root = copy_program(folder / "program")
    with rehearsing("dev", root, real_fleet=True) as rehearsal:
        stack = Stack(root, rehearsal)
        stack.configure(**config)
        stack.up()
        yield stack


def entries_of(stack: Stack) -> Entries:
    """Return a deployed stack's entries."""
    clusters, outputs = stack.cloud.clusters, stack.outputs()
    assert isinstance(clusters, RealClusters)
    return Entries(stack, Fleet(clusters, {"hub": outputs["fleetId"].value, **outputs["clusterIds"].value}))


def lose(entries: Entries, region: str) -> Loss:
    """Lose a region and let it come back; return what clients noticed."""

    def check() -> None:
        assert {name: entries.held_back(name) for name in others} == {name: {region} for name in others}
        assert entries.addresses() == addresses

    addresses, others = entries.addresses(), entries.services.keys() - {region}
    outputs = {name: output.value for name, output in entries.stack.outputs().items()}
    loss = recovery.lose(entries.fleet.clusters, outputs, region, check)
    eventually(lambda: {name for name in entries.services if entries.held_back(name)}, set[str]())
    return loss


def ever_held_back(entries: Entries, seconds: float) -> set[tuple[str, str]]:
    """Watch all entry points for some seconds; return where which region was held back."""
    found: set[tuple[str, str]] = set()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for region in entries.services:
            found |= {(region, each) for each in entries.held_back(region)}
        time.sleep(0.5)
    return found


def guards() -> Iterator[int]:
    """Yield the processes of the guards that this process has started."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text()
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:  # it has ended
            continue
        if parent == str(os.getpid()) and "/guard/guard.py" in command:
            yield int(folder.name)


def kill_guards() -> None:
    """Kill all guards; their kubelets start them again."""
    for process in guards():
        os.kill(process, signal.SIGKILL)
