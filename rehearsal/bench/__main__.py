"""Measures the figures of docs/performance.md, and compares each with its goal."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from rehearsal.bench import recovery
from rehearsal.bench.measure import LOCATIONS, ROOT, SERVICES, STACK, Cost, configuration, configure, prepare
from rehearsal.timing import bounds, durations
from rehearsal.timing.schedule import Operation, Timeline, conflicts, default_parallel, plan, schedule
from rehearsal.timing.summary import words

_SIZES: Final = (2, 5, 10, 20)
_ENTRIES: Final = 5  # entry points of the largest stack, measured beside one
_APPS: Final = 10  # in the largest stack, each with several Services
_GROWTH: Final = 0.05  # the most growth of Azure's time, from the smallest number of regions to the largest
_ENDLESS: Final = 1024  # parallel operations, more than any stack has

_CLUSTER: Final = "azure-native:containerservice:ManagedCluster"
_PEERING: Final = "azure-native:network:VirtualNetworkPeering"
_GROUP: Final = "azure-native:resources:ResourceGroup"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        what: the figure's name.
        value: the result.
        goal: the goal; empty if there is none.
        met: whether the goal is met.
    """

    what: str
    value: str
    goal: str = ""
    met: bool = True


def _at_most(what: str, value: float, goal: float, text: str, *, unit: str = "") -> Figure:
    return Figure(what, text, f"≤ {goal:g}{unit}" if goal else "0", value <= goal)


# --- Azure's time, by the table of durations ------------------------------------------------------------------------


def _azures_time() -> Iterator[Figure]:
    table = durations.load()
    ups = {size: _up(size) for size in _SIZES}
    for scale in ("typical", "low", "high"):
        two, twenty = (schedule(plan([], _life(size)["up"].state, table, scale=scale)) for size in (2, 20))
        least = schedule(bounds.least(2, table, scale)).makespan
        ratio, growth = two.makespan / least, twenty.makespan / two.makespan - 1
        yield _at_most(
            f"up, 2 regions, {scale} durations: ratio to the shortest possible time",
            ratio,
            1.02,
            f"{ratio:.3f} ({words(two.makespan)} : {words(least)})",
        )
        yield Figure(f"up, 2 to 20 regions, {scale} durations: growth", f"{growth:.1%}", "≤ 5 %", growth <= _GROWTH)
    yield from _prod()
    for size, goal in ((2, 2), (10, 5)):
        script = schedule(bounds.script(size, table)).makespan
        faster = script / ups[size].makespan
        yield Figure(
            f"the article's script, {size} regions: times up",
            f"{faster:.1f} ({words(script)} : {words(ups[size].makespan)})",
            f"≥ {goal}",
            faster >= goal,
        )
    yield from _limit()
    yield from _networks()
    yield from _destroy()
    yield from _changes()


def _up(size: int, parallel: int | None = None) -> Timeline:
    return schedule(plan([], _life(size)["up"].state, durations.load()), parallel=parallel)


def _prod() -> Iterator[Figure]:
    """Compare stack prod with the shortest possible time of a stack with its parts."""
    _log("prod: up ...")
    with _folder() as folder:
        prepare(folder / "program")
        shutil.copy(ROOT / "Pulumi.prod.yaml", folder / "program" / f"Pulumi.{STACK}.yaml")
        state = _measured(folder / "program", "up").state
    table, types = durations.load(), {each["type"] for each in state}
    regions = sum(each["type"] == _CLUSTER for each in state)
    for scale in ("typical", "low", "high"):
        up = schedule(plan([], state, table, scale=scale)).makespan
        for bound, dependencies in (
            ("shortest possible time", bounds.DEPENDENCIES),
            ("shortest safe time", (*bounds.DEPENDENCIES, bounds.PEERED_BEFORE_JOINING)),
        ):
            least = schedule(bounds.least(regions, table, scale, types=types, dependencies=dependencies)).makespan
            what = f"up, stack prod, {scale} durations: ratio to the {bound}"
            yield _at_most(what, up / least, 1.05, f"{up / least:.3f} ({words(up)} : {words(least)})")


def _limit() -> Iterator[Figure]:
    """Show the effect of the engine's limit of parallel operations on many regions."""
    for size in (2, 20):
        limited, free = _up(size, default_parallel()).makespan, _up(size).makespan
        yield Figure(f"up, {size} regions, {default_parallel()} operations at once (this machine)", words(limited))
        enough = next(parallel for parallel in range(1, _ENDLESS) if _up(size, parallel).makespan <= 1.02 * free)
        yield Figure(f"up, {size} regions: operations at once that suffice (pulumi up --parallel)", str(enough))


def _networks() -> Iterator[Figure]:
    state, table = _life(20)["up"].state, durations.load()
    operations = plan([], state, table)
    met = len(conflicts(operations))
    without = len(conflicts(plan([], state, table, by_values_alone=True)))
    peerings = sum(each.token == _PEERING for each in operations)
    yield _at_most(
        f"20 regions, {peerings} peerings: writes that meet a busy VNet", met, 0, f"{met} ({without} without the order)"
    )
    critical = sum(each.token == _PEERING for each in _up(20).path)
    yield _at_most("20 regions: peerings on the critical path", critical, 0, str(critical))


def _destroy() -> Iterator[Figure]:
    table = durations.load()
    state = _life(2)["up"].state
    took, group = schedule(plan(state, [], table)).makespan, bounds.GROUP_WITH_A_CLUSTER
    # More than the groups' deletion: resources that Azure refuses to delete stay in the state (docs/decisions.md).
    yield _at_most(
        "destroy, 2 regions: times the deletion of a group with its content",
        took / group,
        1.6,
        f"{took / group:.2f} ({words(took)} : {words(group)})",
    )


def _changes() -> Iterator[Figure]:
    table = durations.load()
    again = len(_life(2)["again"].writes)
    yield _at_most("up with nothing changed: writes", again, 0, str(again))

    def made(before: str, after: str) -> list[Operation]:
        return plan(_life(2)[before].state, _life(2)[after].state, table)

    change, writes = made("grow", "change"), _life(2)["change"].writes
    took = schedule(change).makespan
    yield Figure(
        "one more node in one region: written resources",
        f"{', '.join(name for _, _, name in writes)} ({words(took)})",
        "its cluster only",
        [each.name for each in change] == [name for _, _, name in writes] and len(writes) == 1,
    )
    others = [name for _, _, name in _life(2)["grow"].writes if LOCATIONS[2] not in name]
    yield Figure(
        "one more region: other written resources",
        ", ".join(others),
        "the placement only",
        others == ["app-placement"],
    )
    grown = schedule(made("up", "grow"))
    share = grown.makespan / _up(2).makespan
    yield _at_most("one more region: times the first up", share, 1, f"{share:.2f} ({words(grown.makespan)})")


# --- The engine's own cost, at zero latency --------------------------------------------------------------------------


def _engines_cost() -> Iterator[Figure]:
    each: dict[int, float] = {}
    for size in _SIZES:
        preview, up = _life(size)["preview"], _life(size)["up"]
        count = len(up.state)
        each[size] = up.seconds / count
        what = f"{size} regions, {count} resources"
        yield Figure(f"{what}: preview", f"{preview.seconds:.1f} s")
        took = f"{up.seconds:.1f} s, {up.calls} calls to the cloud"
        memory = f"{up.program_mb:.0f} MB (engine {up.engine_mb:.0f} MB)"
        if size == _SIZES[-1]:
            yield _at_most(f"{what}: up", up.seconds, 60, took, unit=" s")
            yield _at_most(f"{what}: memory of program and stand-in", up.program_mb, 500, memory, unit=" MB")
        else:
            yield Figure(f"{what}: up", took)
            yield Figure(f"{what}: memory of program and stand-in", memory)
    for small, large in ((2, 20), (10, 20)):
        ratio = each[large] / each[small]
        yield _at_most(f"time of each resource, {large} regions to {small}", ratio, 1, f"{ratio:.2f}")
    size, plain = _SIZES[-1], _life(_SIZES[-1])["up"]
    up = _life(size, _ENTRIES)["up"]
    what = f"{size} regions, {_ENTRIES} entry points and a global address"
    yield _at_most(f"{what}: up", up.seconds, 60, f"{up.seconds:.1f} s, {up.calls} calls to the cloud", unit=" s")
    added = len(up.state) - len(plain.state)
    yield Figure(f"{what}: resources for each entry point", f"{added / _ENTRIES:.1f} ({added} more)")
    longer = schedule(plan([], up.state, durations.load())).makespan - _up(size).makespan
    yield Figure(f"{what}: Azure's time, more than with one entry point", words(longer))


def _several_apps() -> Iterator[Figure]:
    each: dict[int, float] = {}
    for size in (10, 20):
        with _folder() as folder:
            root = folder / "program"
            prepare(root)
            configure(root, size, apps=_APPS)
            _log(f"{size} regions, {_APPS} apps: up, twice ...")
            up, again = _measured(root, "up"), _measured(root, "up")
        count = len(up.state)
        each[size] = up.seconds / count
        what = f"{size} regions, {_APPS * SERVICES} Services in {_APPS} apps, {count} resources"
        yield Figure(f"{what}: up", f"{up.seconds:.0f} s, {up.calls} calls to the cloud")
        yield _at_most(f"{what}: up without changes", again.seconds, 60, f"{again.seconds:.1f} s", unit=" s")
        yield _at_most(f"{what}: writes without changes", len(again.writes), 0, str(len(again.writes)))
        memory = f"{up.program_mb:.0f} MB (engine {up.engine_mb:.0f} MB)"
        yield Figure(f"{what}: memory of program and stand-in", memory)
    yield Figure("time of each resource, 20 regions to 10", f"{each[20] / each[10]:.2f}")


@cache
def _life(size: int, entries: int = 0) -> dict[str, Cost]:
    """Measure the operations on a stack; the smallest stack has more of them than the first `up`."""
    with _folder() as folder:
        root, costs = folder / "program", dict[str, Cost]()
        prepare(root)

        def step(name: str, command: str, regions: int, nodes: int = 3) -> None:
            _log(f"{size} regions: {name} ...")
            configure(root, regions, nodes, entries)
            costs[name] = _measured(root, command)

        step("preview", "preview", size)
        step("up", "up", size)
        if size == _SIZES[0]:
            step("again", "up", size)
            step("grow", "up", size + 1)
            step("change", "up", size + 1, nodes=4)
        return costs


def _measured(root: Path, command: str) -> Cost:
    return Cost(**json.loads(_output([sys.executable, "-m", "rehearsal.bench.measure", str(root), command], ROOT)))


# --- Starting --------------------------------------------------------------------------------------------------------

# The first ends where the program creates its first component; the second imports the same SDK modules.
_PROGRAM: Final = """
import json, os, runpy, sys
import pulumi
from pulumi.runtime import mocks
import yaml
def started(*arguments, **options):
    modules = [name for name in sys.modules if name.startswith('pulumi') and type(sys.modules[name]) is type(sys)]
    print(json.dumps(modules), flush=True)
    os._exit(0)
class Nothing(mocks.Mocks):
    def call(self, args): return {'outputs': {}}  # the state of a new stack
    def new_resource(self, args): return args.name, {}
mocks.set_mocks(Nothing(), project='fleet-l4-lb', stack='bench')
config = yaml.safe_load(open(sys.argv[1], encoding='utf-8'))['config']
pulumi.runtime.set_all_config({key: json.dumps(value) for key, value in config.items()})
pulumi.ComponentResource.__init__ = started
sys.path.insert(0, os.getcwd())
runpy.run_path('__main__.py', run_name='__main__')
"""
_EMPTY: Final = """
import importlib, json, os, sys
for name in json.loads(sys.argv[1]):
    dir(importlib.import_module(name))  # the SDKs load their packages at the first access
os._exit(0)
"""
_STARTS: Final = 7


def _start() -> Iterator[Figure]:
    _log(f"the program's start, {_STARTS} times ...")
    with _folder() as folder:
        (folder / "stack.yaml").write_text(configuration(2), encoding="utf-8")
        program = [sys.executable, "-c", _PROGRAM, str(folder / "stack.yaml")]
        modules = _output(program, ROOT)
        empty = [sys.executable, "-c", _EMPTY, modules]
        pairs = [(_processor_seconds(program), _processor_seconds(empty)) for _ in range(_STARTS)]
    own, bare = map(min, zip(*pairs, strict=True))
    yield _at_most(
        "the program's start: times that of an empty one with the same SDK modules",
        own / bare,
        1.2,
        f"{own / bare:.2f} ({own:.2f} s : {bare:.2f} s)",
    )


def _processor_seconds(command: list[str]) -> float:
    """Return the processor time of a command, on which other processes have less influence than on the elapsed time."""
    before = os.times()
    _output(command, ROOT)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


# --- First use -------------------------------------------------------------------------------------------------------


def _first_use() -> Iterator[Figure]:
    with _folder() as folder:
        first = _rehearsed(folder / "clone", {})
        again = _seconds(lambda: _make(folder / "clone", {}))
    yield _at_most("clone to the end of a rehearsal, engine installed", first, 90, f"{first:.0f} s", unit=" s")
    yield _at_most("the same from the second time on", again, 15, f"{again:.1f} s", unit=" s")


def _first_use_with_build() -> Iterator[Figure]:
    with _folder() as folder:
        hidden = {"XDG_CACHE_HOME": str(folder / "cache"), "PATH": _path_without_pulumi()}
        first = _rehearsed(folder / "clone", hidden)
    yield _at_most("clone to the end of a rehearsal, engine built", first, 300, f"{first:.0f} s", unit=" s")


def _rehearsed(clone: Path, environment: dict[str, str]) -> float:
    _log("git clone, make rehearse ...")

    def run() -> None:
        _output(["git", "clone", "--quiet", str(ROOT), str(clone)], ROOT)
        _make(clone, environment)

    return _seconds(run)


def _make(clone: Path, environment: dict[str, str]) -> None:
    _output(["make", "rehearse", f"PYTHON={sys.executable}"], clone, environment)


def _path_without_pulumi() -> str:
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not shutil.which("pulumi", path=folder))


# --- Recovery --------------------------------------------------------------------------------------------------------


def _recovery() -> Iterator[Figure]:
    """Lose each region of the real Fleet in turn."""
    for size in (2, 3):
        _log(f"{size} regions on the real Fleet: losing and restoring each region in turn ...")
        command = [sys.executable, "-m", "rehearsal.bench.recovery", str(size)]
        losses: dict[str, dict[str, Any]] = json.loads(_output(command, ROOT).splitlines()[-1])
        for region, loss in losses.items():
            what = f"{size} regions, {region} lost"
            for name, seconds in loss["last_failures"].items():
                address = "the global address" if name == recovery.GLOBAL else f"the address in {name}"
                text = f"{what}: until the last failing connection, {address}"
                yield _at_most(text, seconds, recovery.GOAL, f"{seconds:.1f} s", unit=" s")
            failed = sum(map(len, loss["failed_on_return"].values()))
            yield _at_most(f"{what}: failed requests when it comes back", failed, 0, str(failed))
            yield Figure(f"{what}: from its return until all addresses balance", f"{loss['balanced']:.1f} s")


# --- The table -------------------------------------------------------------------------------------------------------

_PARTS: Final[dict[str, tuple[Callable[[], Iterator[Figure]], str]]] = {
    "azure": (_azures_time, "Azure's time, by rehearsal/timing/durations.yaml"),
    "engine": (_engines_cost, "The engine's and the program's time, at zero latency"),
    "apps": (_several_apps, "Many apps, at zero latency"),
    "start": (_start, "The program's start"),
    "recovery": (_recovery, "A lost region, on the real Fleet under load, without a command"),
    "first-use": (_first_use, "The first use"),
    "build": (_first_use_with_build, "The first use, if the engine has to be built"),
}
_SLOW: Final = ("build",)


def main() -> int:
    """Print the figures; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.bench", description=sys.modules[__name__].__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"one of {', '.join(_PARTS)} (default: all but {', '.join(_SLOW)})"
    )
    parts: list[str] = parser.parse_args().parts or [part for part in _PARTS if part not in _SLOW]
    if unknown := [part for part in parts if part not in _PARTS]:
        parser.error(f"unknown part: {', '.join(unknown)}")
    missed = 0
    for part in parts:
        measure, title = _PARTS[part]
        figures = list(measure())
        missed += sum(not figure.met for figure in figures)
        _show(title, figures)
    return int(missed > 0)


def _show(title: str, figures: list[Figure]) -> None:
    table = Table(title=title, title_justify="left", expand=True)
    for column in ("figure", "measured", "goal", ""):
        table.add_column(column)
    for figure in figures:
        mark = ("[green]met" if figure.met else "[red]missed") if figure.goal else ""
        table.add_row(figure.what, figure.value, figure.goal, mark)
    Console().print(table)


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _output(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(  # noqa: S603 - our own commands
        command, cwd=folder, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{' '.join(command)} failed with status {done.returncode}")
    return done.stdout


@contextmanager
def _folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="fleet-l4-lb-bench-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(main())
