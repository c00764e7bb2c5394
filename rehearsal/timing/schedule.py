"""When the engine does what: the operations of an update, their order, and the time that they take.

A new or changed resource is written as soon as everything it depends on is there; the program registers it then, and
the engine hands it to the provider if fewer operations than its limit are under way. What is gone from the program is
deleted after that, in layers, each of which waits for the whole of the one before (pulumi/pulumi v3.274.1,
pkg/resource/deploy/step_generator.go, ScheduleDeletes, and deployment_executor.go, Execute). Component resources and
providers are only names in the state and take no time.

Azure lets one operation at a time write a VNet, its subnets and its peerings, on either side of a peering
(pulumi/pulumi-azure-native issue 4340; hashicorp/terraform-provider-azurerm issues 2605, 24150). A cluster that is
created or updated sets its ownership on its VNet (learn: troubleshoot/azure/azure-kubernetes/error-codes/
virtualnetworknotinsucceededstate-error), and nobody says when; so it counts as writing it all the time. Here an
operation waits for the other to end; a peering would be refused and come again, a cluster would fail.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain, groupby
from typing import Any, TypeAlias

from rehearsal.timing.durations import Durations, Scale, Verb

Resource: TypeAlias = Mapping[str, Any]
"""A resource as `pulumi stack export` has it."""

_NETWORK = "azure-native:network:VirtualNetwork"
_IN_NETWORKS = (_NETWORK, "azure-native:network:Subnet", "azure-native:network:VirtualNetworkPeering")
_CLUSTER = "azure-native:containerservice:ManagedCluster"
NETWORK_WRITERS = (*_IN_NETWORKS, _CLUSTER)
"""The types whose operations write VNets."""


@dataclass(frozen=True)
class Operation:
    """One thing that is asked of a provider.

    Attributes:
        urn: the resource, as the engine names it.
        token: its type.
        name: its logical name.
        region: where it is, as far as the state tells: its own location, or that of what it is deleted with, of its
            network, its parent, or its provider's cluster; empty where none has one.
        verb: what is asked.
        seconds: how long it takes.
        after: the operations that must have ended, by URN.
        networks: the VNets that it writes, by id, none of which another operation may be writing.
    """

    urn: str
    token: str
    name: str
    region: str
    verb: Verb
    seconds: float
    after: tuple[str, ...] = ()
    networks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Span:
    """An operation in time.

    Attributes:
        operation: what is done.
        start: seconds after the update's start.
        end: likewise.
        critical: whether it is on the critical path.
    """

    operation: Operation
    start: float
    end: float
    critical: bool


@dataclass(frozen=True)
class Timeline:
    """All operations of an update in time.

    Attributes:
        operations: in the order in which they start.
        makespan: seconds from the first start to the last end.
        path: the critical path: each began when the one before it ended, the last one ends the update.
    """

    operations: tuple[Span, ...]
    makespan: float
    path: tuple[Operation, ...]


def default_parallel() -> int:
    """Return how many operations the engine does at once on this machine.

    Source: pulumi/pulumi v3.274.1, pkg/cmd/pulumi/operations/up.go, defaultParallel.
    """
    return 4 * (os.cpu_count() or 1)


def resources(export: Mapping[str, Any]) -> list[Resource]:
    """Return the resources of an exported state, the JSON of `pulumi stack export`."""
    return export["deployment"].get("resources") or []


def plan(
    before: Sequence[Resource],
    after: Sequence[Resource],
    durations: Durations,
    *,
    scale: Scale = "typical",
    by_values_alone: bool = False,
) -> list[Operation]:
    """Return the operations between two states: from an empty one those of an `up`, to an empty one of a `destroy`.

    Args:
        before: the resources before.
        after: the resources after; both in the state's order, in which each comes after what it depends on.
        durations: the table.
        scale: the column of the table.
        by_values_alone: forget the order that the program states with `depends_on`; what a resource takes from
            another one still orders them.

    Raises:
        UnknownTypeError: the table does not have a type.
    """
    durations.require(each["type"] for each in chain(before, after) if _takes_time(each))
    old = {each["urn"]: each for each in before}
    new = {each["urn"]: each for each in after}
    regions = _regions([*before, *after])

    def operation(resource: Resource, verb: Verb, waits: Iterator[str] | set[str]) -> Operation:
        token, urn = resource["type"], resource["urn"]
        return Operation(
            urn=urn,
            token=token,
            name=_name(urn),
            region=regions[urn],
            verb=verb,
            seconds=durations.seconds(token, verb, scale),
            after=tuple(sorted(waits)),
            networks=networks_written(token, verb, resource.get("id", ""), resource.get("inputs", {})),
        )

    operations: list[Operation] = []
    waits: dict[str, set[str]] = {}
    for urn, resource in new.items():
        # What takes no time hands on what it waits for itself.
        waits[urn] = set(
            chain.from_iterable(waits.get(each, ()) for each in _edges(resource, by_values_alone=by_values_alone))
        )
        verb: Verb | None = None
        if urn not in old:
            verb = "create"
        elif old[urn].get("inputs") != resource.get("inputs"):
            verb = "update"
        if verb and _takes_time(resource):
            operations.append(operation(resource, verb, waits[urn]))
            waits[urn] = {urn}

    previous = {each.urn for each in operations}
    for layer in _layers([each for urn, each in old.items() if urn not in new]):
        deletions = [
            operation(each, "delete", previous)
            for each in layer
            if _takes_time(each)
            # What goes with something else that is deleted is not asked for (…/step.go, DeleteStep.Apply).
            and not (each.get("deletedWith") in old and each["deletedWith"] not in new)
            and not each.get("retainOnDelete")
        ]
        operations += deletions
        previous = {each.urn for each in deletions} or previous
    return operations


def schedule(operations: Sequence[Operation], *, parallel: int | None = None, exclusive: bool = True) -> Timeline:
    """Give each operation its time: the first that can start does, in the order in which they become ready.

    Args:
        operations: the operations, each of which is there with all that it waits for.
        parallel: how many at once; None for any number, so that the time is that of the critical path.
        exclusive: whether one operation at a time writes a VNet.
    """
    followers: dict[str, list[Operation]] = {each.urn: [] for each in operations}
    for each in operations:
        for urn in each.after:
            followers[urn].append(each)
    missing = {each.urn: len(each.after) for each in operations}
    ready = [each for each in operations if not each.after]
    running: list[tuple[float, int, Operation]] = []
    times: dict[str, tuple[float, float]] = {}
    now = 0.0
    while ready or running:
        busy = {network for *_, each in running for network in each.networks if exclusive}
        waiting: list[Operation] = []
        for each in ready:
            if len(running) == parallel or not busy.isdisjoint(each.networks):
                waiting.append(each)
                continue
            times[each.urn] = (now, now + each.seconds)
            heappush(running, (now + each.seconds, len(times), each))
            busy.update(each.networks if exclusive else ())
        now = running[0][0]
        ready = waiting + [each for done in _ended(running) for each in followers[done.urn] if _last(each, missing)]

    path = _path({each.urn: each for each in operations}, times)
    critical = {each.urn for each in path}
    spans = [Span(each, *times[each.urn], each.urn in critical) for each in operations]
    return Timeline(
        operations=tuple(sorted(spans, key=lambda span: (span.start, span.end, span.operation.name))),
        makespan=max((span.end for span in spans), default=0.0),
        path=path,
    )


def _ended(running: list[tuple[float, int, Operation]]) -> Iterator[Operation]:
    """Take the operations that end next, all at the same time, from those that run."""
    end = running[0][0]
    while running and running[0][0] == end:
        yield heappop(running)[-1]


def _last(operation: Operation, missing: dict[str, int]) -> bool:
    """Count one of what an operation waits for as ended, and say whether it was the last."""
    missing[operation.urn] -= 1
    return not missing[operation.urn]


def _path(operations: Mapping[str, Operation], times: Mapping[str, tuple[float, float]]) -> tuple[Operation, ...]:
    """Return the critical path: from the last end back to what each start had waited for."""
    if not times:
        return ()
    path = [operations[max(times, key=lambda urn: times[urn][1])]]
    while start := times[path[-1].urn][0]:
        current = path[-1]
        earlier = [each for each in operations.values() if times[each.urn][1] == start > times[each.urn][0]]
        path.append(
            next(
                chain(
                    (operations[urn] for urn in current.after if times[urn][1] == start),
                    (each for each in earlier if not current.networks.isdisjoint(each.networks)),
                    earlier,  # whose place among those under way became free
                )
            )
        )
    return tuple(reversed(path))


def conflicts(operations: Sequence[Operation]) -> list[Operation]:
    """Return the operations that would find one of their VNets being written: their order does not keep them apart."""
    ends: dict[str, float] = {}
    refused: list[Operation] = []
    for span in schedule(operations, exclusive=False).operations:
        if any(ends.get(network, 0) > span.start for network in span.operation.networks):
            refused.append(span.operation)
        for network in span.operation.networks:
            ends[network] = max(ends.get(network, 0), span.end)
    return refused


def _takes_time(resource: Resource) -> bool:
    return bool(resource.get("custom")) and not resource["type"].startswith("pulumi:") and not resource.get("external")


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[1]


def _provider(resource: Resource) -> str:
    return resource.get("provider", "").rpartition("::")[0]  # a reference is a URN and an id


def _edges(resource: Resource, *, by_values_alone: bool = False) -> set[str]:
    """Return what a resource depends on (pulumi/pulumi v3.274.1, pkg/resource/graph, DependenciesOf)."""
    stated: set[str] = set(chain.from_iterable(resource.get("propertyDependencies", {}).values()))
    if not by_values_alone:
        stated |= set(resource.get("dependencies", ()))
    return stated | {resource.get("parent", ""), resource.get("deletedWith", ""), _provider(resource)} - {""}


def _layers(condemned: Sequence[Resource]) -> Iterator[list[Resource]]:
    """Yield what can be deleted at the same time, what nothing else depends on first."""
    depth: dict[str, int] = {}
    for each in condemned:
        depth[each["urn"]] = 1 + max((depth.get(urn, 0) for urn in _edges(each)), default=0)

    def of(resource: Resource) -> int:
        return -depth[resource["urn"]]

    for _, layer in groupby(sorted(condemned, key=of), of):
        yield list(layer)


def networks_written(token: str, verb: str, resource_id: str, inputs: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids of the VNets that a creation, an update or a deletion writes, in lower case."""
    written = list[str | None]()
    if token in _IN_NETWORKS:
        written = [resource_id, inputs.get("remoteVirtualNetwork", {}).get("id")]
    elif token == _CLUSTER and verb != "delete":
        written = [pool.get("vnetSubnetID") for pool in inputs.get("agentPoolProfiles", ())]
    # …/virtualNetworks/<name>[/subnets/<name>]; ids are not case-sensitive.
    return frozenset("/".join(each.lower().split("/")[:9]) for each in written if each)


def _regions(states: Sequence[Resource]) -> dict[str, str]:
    """Return the location of each resource, by URN."""
    own = {each["urn"]: str(each.get("inputs", {}).get("location") or "") for each in states}
    of_component = {each["parent"]: own[each["urn"]] for each in states if each.get("parent") and own[each["urn"]]}
    found: dict[str, str] = {}
    for each in states:
        network = each.get("propertyDependencies", {}).get("virtualNetworkName", ())
        near = (each.get("deletedWith", ""), *network, each.get("parent", ""), _provider(each))
        found[each["urn"]] = (
            own[each["urn"]]
            or of_component.get(each["urn"], "")
            or next((found[urn] for urn in near if found.get(urn)), "")
        )
    return found
