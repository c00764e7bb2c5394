"""A stack's report as one HTML page: the result, Azure's time, the topology, and the figures.

The page loads nothing and runs no script, and its own policy forbids both (`Content-Security-Policy`). Bars are
positioned boxes, and text is real text, so the page can be read on a phone, selected and printed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rehearsal.timing import bounds
from rehearsal.timing.durations import Durations, Scale
from rehearsal.timing.schedule import Operation, Resource, Span, Timeline, default_parallel, plan, schedule
from rehearsal.timing.summary import words
from rehearsal.timing.topology import CLUSTER, FLEET, azures_name, location, topology

_TICKS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds
_MOST_TICKS: Final = 8
_MOST_LANES: Final = 120  # with more, groups off the critical path are folded at first


@dataclass(frozen=True)
class Outcome:
    """How an update ended.

    Attributes:
        stack: the stack's name.
        done: a summary of the changes, such as `47 created`.
        checks: for each check of `verify`, its name, whether it passed (None: left out), and its finding; empty if it
            was not run.
        held_back: the names of the imported EndpointSlices that the guard of a cluster holds back, by the cluster's ID.
    """

    stack: str
    done: str
    checks: Sequence[tuple[str, bool | None, str]]
    held_back: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


@dataclass(frozen=True)
class _Group:
    """The operations of one place."""

    name: str
    clusters: int
    holds: str
    spans: tuple[Span, ...]
    critical: bool


@dataclass(frozen=True)
class _Chart:
    """A timeline with its axis."""

    verb: str
    timeline: Timeline
    groups: Sequence[_Group]
    ticks: Sequence[int]


def write(path: Path, outcome: Outcome, state: Sequence[Resource], durations: Durations) -> None:
    """Write the report on a stack.

    Args:
        path: the file; it is replaced.
        outcome: how the stack's update ended.
        state: the stack's resources, with their secrets closed (`pulumi stack export` without `--show-secrets`).
        durations: the table.

    Raises:
        UnknownTypeError: the table does not have a type.
    """

    def source(operation: Operation) -> str:
        return durations.root[operation.token][operation.verb].source

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"words": words, "clock": _clock}
    up, destroy = _chart("up", plan([], state, durations), state), _chart("destroy", plan(state, [], durations), state)
    page = templates.get_template("report.html.j2").render(
        outcome=outcome,
        most_lanes=_MOST_LANES,
        well=bool(outcome.checks) and all(is_well is not False for _, is_well, _ in outcome.checks),
        charts=[up, destroy],
        map=topology(state, outcome.held_back),
        figures=_figures(state, durations),
        parallel=default_parallel(),
        limited=schedule([each.operation for each in up.timeline.operations], parallel=default_parallel()).makespan,
        source=source,
    )
    path.write_text(page, encoding="utf-8")


# --- The timeline ----------------------------------------------------------------------------------------------------


def _chart(verb: str, operations: Sequence[Operation], state: Sequence[Resource]) -> _Chart:
    timeline = schedule(operations)
    groups: list[_Group] = []
    for region in {each.region for each in operations}:
        spans = tuple(each for each in timeline.operations if each.operation.region == region)
        here = [each for each in state if each["type"] in (CLUSTER, FLEET) and location(each) == region]
        groups.append(
            _Group(
                name=region,
                clusters=sum(each["type"] == CLUSTER for each in here),
                holds=", ".join(map(azures_name, here)),
                spans=spans,
                critical=any(each.critical for each in spans),
            )
        )
    # First regions with clusters, then the hub's, then operations without a region; in each, the critical path comes
    # first.
    groups.sort(key=lambda group: (not group.name, not group.clusters, not group.critical, group.name))
    step = next((tick for tick in _TICKS if timeline.makespan / tick <= _MOST_TICKS), _TICKS[-1])
    return _Chart(verb, timeline, groups, range(0, int(timeline.makespan) + 1, step))


def _clock(seconds: float) -> str:
    """Return a time on the axis: `6:36`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


# --- The figures -----------------------------------------------------------------------------------------------------


def _figures(state: Sequence[Resource], durations: Durations) -> list[dict[str, Any]]:
    """Return the times for each column of the table of durations, with the times to compare them with."""
    regions = sum(each["type"] == CLUSTER for each in state)
    types = {each["type"] for each in state}
    scales: tuple[Scale, ...] = ("low", "typical", "high")
    columns: list[dict[str, Any]] = []
    for scale in scales:
        up = schedule(plan([], state, durations, scale=scale)).makespan
        least = schedule(bounds.least(regions, durations, scale, types=types)).makespan
        script = schedule(bounds.script(regions, durations, scale)).makespan
        destroy = schedule(plan(state, [], durations, scale=scale)).makespan
        group = bounds.GROUP_WITH_A_CLUSTER
        columns.append(
            {
                "scale": scale,
                "up": up,
                "least": least,
                "ratio": up / least,
                "script": script,
                "faster": script / up if up else 0.0,
                "destroy": destroy,
                "group": group,
                "destroy_ratio": destroy / group,
            }
        )
    return columns
