"""The engine's schedule: the operations of an update, their order, and their times.

A new or changed resource is written as soon as all its dependencies exist: the program registers it then, and the
engine calls the provider if fewer operations than its limit are running. Resources that the program no longer has are
deleted after that, in layers, each of which waits for the previous one (pulumi/pulumi v3.274.1,
pkg/resource/deploy/step_generator.go, ScheduleDeletes, and deployment_executor.go, Execute). Component resources and
providers take no time.

Azure lets one operation at a time write a VNet, its subnets and its peerings, on either side of a peering
(pulumi/pulumi-azure-native issue 4340; hashicorp/terraform-provider-azurerm issues 2605, 24150). A cluster that is
created or updated sets its ownership on its VNet (learn: troubleshoot/azure/azure-kubernetes/error-codes/
virtualnetworknotinsucceededstate-error), at an undocumented time; so it counts as writing the VNet all the time. Here
an operation waits for the other to end. On Azure, a peering would be refused and retried, and a cluster would fail.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain, groupby
from typing import Any, TypeAlias

from rehearsal.timing.durations import Durations, Scale, Verb

Resource: TypeAlias = Mapping[str, Any]
"""A resource of `pulumi stack export`."""

_NETWORK = "azure-native:network:VirtualNetwork"
_IN_NETWORKS = (_NETWORK, "azure-native:network:Subnet", "azure-native:network:VirtualNetworkPeering")
_CLUSTER = "azure-native:containerservice:ManagedCluster"
_POOL = "azure-native:containerservice:AgentPool"
_FLEET = "azure-native:containerservice:Fleet"
NETWORK_WRITERS = (*_IN_NETWORKS, _CLUSTER, _POOL, _FLEET)
"""The types whose operations write VNets."""


@dataclass(frozen=True)
class Operation:
    """One request to a provider.

    Attributes:
        urn: the resource's URN.
        token: its type.
        name: its logical name.
        region: its location, if the state has it: its own, or the location of the resource that it is deleted with, of
            its network, its parent, or its provider's cluster; empty if none has one.
        verb: the kind of operation.
        seconds: its duration.
        after: the operations that must have ended, by URN.
        networks: the IDs of the VNets that it writes; no other operation may write them at the same time.
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
        operation: the operation.
        start: seconds after the update's start.
        end: seconds after the update's start.
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
        path: the critical path: each operation began at the end of the previous one, and the last one ends the update.
    """

    operations: tuple[Span, ...]
    makespan: float
    path: tuple[Operation, ...]


def default_parallel() -> int:
    """Return the engine's limit of parallel operations on this machine.

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
    """Return the operations between two states. An empty first state gives an `up`, an empty last state a `destroy`.

    Args:
        before: the resources before.
        after: the resources after; both in the state's order, in which dependencies come first.
        durations: the table.
        scale: the column of the table.
        by_values_alone: ignore `depends_on`; only outputs that another resource uses order the operations.

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
        # A resource that takes no time passes its own dependencies on.
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
            # The engine does not delete a resource separately that is deleted with another one (…/step.go,
            # DeleteStep.Apply).
            and not (each.get("deletedWith") in old and each["deletedWith"] not in new)
            and not each.get("retainOnDelete")
        ]
        operations += deletions
        previous = {each.urn for each in deletions} or previous
    return operations


def schedule(operations: Sequence[Operation], *, parallel: int | None = None, exclusive: bool = True) -> Timeline:
    """Schedule the operations: each starts as soon as it can, in the order in which they become ready.

    Args:
        operations: the operations, including all that they wait for.
        parallel: the limit of parallel operations; None for no limit.
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
    """Remove and yield the running operations that end next, all at the same time."""
    end = running[0][0]
    while running and running[0][0] == end:
        yield heappop(running)[-1]


def _last(operation: Operation, missing: dict[str, int]) -> bool:
    """Count one dependency of an operation as ended, and return whether it was the last."""
    missing[operation.urn] -= 1
    return not missing[operation.urn]


def _path(operations: Mapping[str, Operation], times: Mapping[str, tuple[float, float]]) -> tuple[Operation, ...]:
    """Return the critical path, found backwards from the last end."""
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
                    earlier,  # its end made room below the limit
                )
            )
        )
    return tuple(reversed(path))


def conflicts(operations: Sequence[Operation]) -> list[Operation]:
    """Return the operations that may run while another one writes one of their VNets."""
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
    return resource.get("provider", "").rpartition("::")[0]  # a reference is a URN and an ID


def _edges(resource: Resource, *, by_values_alone: bool = False) -> set[str]:
    """Return a resource's dependencies (pulumi/pulumi v3.274.1, pkg/resource/graph, DependenciesOf)."""
    stated: set[str] = set(chain.from_iterable(resource.get("propertyDependencies", {}).values()))
    if not by_values_alone:
        stated |= set(resource.get("dependencies", ()))
    return stated | {resource.get("parent", ""), resource.get("deletedWith", ""), _provider(resource)} - {""}


def _layers(condemned: Sequence[Resource]) -> Iterator[list[Resource]]:
    """Yield the layers of resources to delete in parallel, beginning with those that no other one depends on."""
    depth: dict[str, int] = {}
    for each in condemned:
        depth[each["urn"]] = 1 + max((depth.get(urn, 0) for urn in _edges(each)), default=0)

    def of(resource: Resource) -> int:
        return -depth[resource["urn"]]

    for _, layer in groupby(sorted(condemned, key=of), of):
        yield list(layer)


def networks_written(token: str, verb: str, resource_id: str, inputs: Mapping[str, Any]) -> frozenset[str]:
    """Return the IDs of the VNets that a creation, an update or a deletion writes, in lower case."""
    written = list[str | None]()
    if token in _IN_NETWORKS:
        written = [resource_id, inputs.get("remoteVirtualNetwork", {}).get("id")]
    elif token == _CLUSTER and verb != "delete":
        written = [pool.get("vnetSubnetID") for pool in inputs.get("agentPoolProfiles", ())]
    elif token == _POOL and verb != "delete":
        written = [inputs.get("vnetSubnetID")]
    elif token == _FLEET and verb != "delete":  # a private hub is a cluster
        hub: Mapping[str, Any] = inputs.get("hubProfile") or {}
        written = [hub.get("agentProfile", {}).get("subnetId")]
    # …/virtualNetworks/<name>[/subnets/<name>]; IDs are not case-sensitive.
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
