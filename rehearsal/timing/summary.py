"""A stack's times in words."""

from collections.abc import Sequence

from rehearsal.timing import bounds
from rehearsal.timing.durations import Durations
from rehearsal.timing.schedule import Resource, default_parallel, plan, schedule

_CLUSTER = "azure-native:containerservice:ManagedCluster"


def words(seconds: float) -> str:
    """Return a duration in minutes and seconds: `11 min 36 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def summary(state: Sequence[Resource], durations: Durations) -> list[str]:
    """Return lines with Azure's time to create and to destroy a stack, and the critical path of `up`.

    Raises:
        UnknownTypeError: the table of durations does not have a type.
    """
    operations = plan([], state, durations)
    regions = sum(each.token == _CLUSTER for each in operations)
    parallel = default_parallel()
    up, limited = schedule(operations), schedule(operations, parallel=parallel)
    least = schedule(bounds.least(regions, durations, types={each.token for each in operations}))
    script = schedule(bounds.script(regions, durations))
    destroy = schedule(plan(state, [], durations))
    lines = [
        f"up       {words(up.makespan)} for a first `up` of this stack, if Azure takes its typical time",
        f"         {words(limited.makespan)} with the engine's {parallel} operations at once on this machine",
        f"         {words(least.makespan)} is the shortest possible time for {regions} regions",
        f"         {words(script.makespan)} is what the article's script takes",
        f"destroy  {words(destroy.makespan)}",
        "",
        "What up waits for:",
    ]
    width = max((len(each.name) for each in up.path), default=0)
    lines += [f"  {each.name:{width}}  {words(each.seconds):>10}  {each.region}" for each in up.path if each.seconds]
    return lines
