"""The schedule: what waits for what, what excludes what, and what is not deleted at all."""

from collections.abc import Iterable
from typing import Any

import pytest

from rehearsal.core.errors import UnknownTypeError
from rehearsal.timing.durations import load
from rehearsal.timing.schedule import Operation, Timeline, conflicts, plan, schedule

GROUP = "azure-native:resources:ResourceGroup"
NETWORK = "azure-native:network:VirtualNetwork"
SUBNET = "azure-native:network:Subnet"
PEERING = "azure-native:network:VirtualNetworkPeering"
NAMESPACE = "kubernetes:core/v1:Namespace"
TABLE = load()


def id_of(network: str) -> str:
    return f"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/{network}"


def resource(  # noqa: PLR0913 - what a state can say
    name: str,
    token: str = GROUP,
    *,
    needs: Iterable[str] = (),
    takes: Iterable[str] = (),
    deleted_with: str = "",
    parent: str = "",
    provider: str = "",
    resource_id: str = "",
    **inputs: object,
) -> dict[str, Any]:
    """Return a resource of a state; others are given by name, `takes` are those whose values it takes."""
    return {
        "urn": f"urn::{name}",
        "type": token,
        "custom": ":index:" not in token,
        "id": resource_id,
        "inputs": inputs,
        "dependencies": [f"urn::{each}" for each in (*needs, *takes)],
        "propertyDependencies": {"value": [f"urn::{each}" for each in takes]},
        **({"deletedWith": f"urn::{deleted_with}"} if deleted_with else {}),
        **({"parent": f"urn::{parent}"} if parent else {}),
        **({"provider": f"urn::{provider}::id"} if provider else {}),
    }


def peering(here: str, there: str, *needs: str) -> dict[str, Any]:
    """Return a peering of two networks."""
    return resource(
        f"{here}-{there}",
        PEERING,
        needs=needs,
        resource_id=f"{id_of(here)}/virtualNetworkPeerings/p",
        remoteVirtualNetwork={"id": id_of(there).upper()},
    )


def operation(name: str, seconds: float, *after: str, networks: Iterable[str] = ()) -> Operation:
    return Operation(name, GROUP, name, "", "create", seconds, after, frozenset(networks))


def starts(timeline: Timeline) -> dict[str, float]:
    return {span.operation.name: span.start for span in timeline.operations}


def waits(operations: Iterable[Operation]) -> dict[str, set[str]]:
    return {each.name: {urn.removeprefix("urn::") for urn in each.after} for each in operations}


DIAMOND = [
    operation("top", 1),
    operation("slow", 5, "top"),
    operation("fast", 2, "top"),
    operation("end", 1, "slow", "fast"),
]


def test_diamond_takes_its_longest_way() -> None:
    timeline = schedule(DIAMOND)
    assert starts(timeline) == {"top": 0, "slow": 1, "fast": 1, "end": 6}
    assert timeline.makespan == 7
    assert [each.name for each in timeline.path] == ["top", "slow", "end"]
    assert {span.operation.name for span in timeline.operations if span.critical} == {"top", "slow", "end"}


def test_limit_lets_the_first_that_is_ready_go_first() -> None:
    timeline = schedule(DIAMOND, parallel=1)
    assert starts(timeline) == {"top": 0, "slow": 1, "fast": 6, "end": 8}
    assert [each.name for each in timeline.path] == ["top", "slow", "fast", "end"]


def test_one_operation_at_a_time_writes_a_network() -> None:
    operations = [operation("a", 3, networks="xy"), operation("b", 3, networks="y"), operation("c", 3, networks="z")]
    timeline = schedule(operations)
    assert starts(timeline) == {"a": 0, "b": 3, "c": 0}
    assert [each.name for each in timeline.path] == ["a", "b"]
    assert starts(schedule(operations, exclusive=False)) == {"a": 0, "b": 0, "c": 0}


def test_waiting_for_a_network_takes_no_place_among_those_under_way() -> None:
    operations = [operation("a", 3, networks="x"), operation("b", 3, networks="x"), operation("c", 3)]
    assert starts(schedule(operations, parallel=2)) == {"a": 0, "b": 3, "c": 0}


def test_operations_of_no_time_keep_the_order() -> None:
    timeline = schedule([operation("a", 0), operation("b", 2, "a"), operation("c", 0, "b"), operation("d", 1, "c")])
    assert starts(timeline) == {"a": 0, "b": 0, "c": 2, "d": 2}
    assert timeline.makespan == 3


def test_nothing_to_do_takes_no_time() -> None:
    assert schedule([]) == Timeline((), 0, ())


def test_create_waits_for_what_the_state_says() -> None:
    state = [
        resource("by-value"),
        resource("by-option"),
        resource("holder"),
        resource("made-last", takes=["by-value"], needs=["by-option"], deleted_with="holder"),
    ]
    assert waits(plan([], state, TABLE))["made-last"] == {"by-value", "by-option", "holder"}
    assert waits(plan([], state, TABLE, by_values_alone=True))["made-last"] == {"by-value", "holder"}


def test_components_and_providers_take_no_time_but_hand_on_what_they_wait_for() -> None:
    state = [
        resource("fleet"),
        resource("component", "p:index:Component", needs=["fleet"]),
        resource("hub", "pulumi:providers:kubernetes", takes=["fleet"]),
        resource("child", parent="component"),
        resource("object", NAMESPACE, provider="hub"),
    ]
    assert waits(plan([], state, TABLE)) == {"fleet": set(), "child": {"fleet"}, "object": {"fleet"}}


def test_what_stays_the_same_takes_no_time_but_hands_on_what_it_waits_for() -> None:
    before = [resource("group", tags={}), resource("same", needs=["group"]), resource("changed", needs=["same"], n=1)]
    after = [resource("group", tags={"a": "b"}), before[1], resource("changed", needs=["same"], n=2)]
    operations = plan(before, after, TABLE)
    assert [(each.verb, each.name) for each in operations] == [("update", "group"), ("update", "changed")]
    assert waits(operations)["changed"] == {"group"}
    assert plan(after, after, TABLE) == []


def test_all_unknown_types_are_named() -> None:
    with pytest.raises(UnknownTypeError, match="a:b:C, a:b:D"):
        plan([resource("old", "a:b:D")], [resource("new", "a:b:C")], TABLE)


def test_destroy_deletes_dependants_first_and_nothing_that_goes_with_something_else() -> None:
    state = [
        resource("group"),
        resource("network", NETWORK, needs=["group"], deleted_with="group"),
        resource("alone", needs=["group"]),
        resource("last", needs=["alone"]),
    ]
    operations = plan(state, [], TABLE)
    assert [(each.verb, each.name) for each in operations] == [("delete", name) for name in ("last", "alone", "group")]
    assert waits(operations) == {"last": set(), "alone": {"last"}, "group": {"alone"}}


def test_what_goes_with_something_that_stays_is_deleted() -> None:
    group, network = resource("group"), resource("network", NETWORK, deleted_with="group")
    assert [each.name for each in plan([group, network], [group], TABLE)] == ["network"]


def test_retained_resources_are_not_deleted() -> None:
    assert plan([{**resource("group"), "retainOnDelete": True}], [], TABLE) == []


def test_a_layer_is_deleted_after_the_whole_of_the_one_before() -> None:
    state = [resource("a"), resource("b"), resource("of-a", needs=["a"]), resource("of-b", needs=["b"])]
    assert waits(plan(state, [], TABLE))["a"] == {"of-a", "of-b"}


def test_deletions_wait_for_all_that_is_made() -> None:
    assert waits(plan([resource("old")], [resource("new")], TABLE)) == {"new": set(), "old": {"new"}}


def test_networks_are_those_of_both_sides() -> None:
    state = [
        resource("east", NETWORK, resource_id=id_of("east")),
        resource("subnet", SUBNET, resource_id=f"{id_of('east')}/subnets/s"),
        peering("east", "west"),
        resource("group", resource_id=id_of("east")),
    ]
    networks = {each.name: each.networks for each in plan([], state, TABLE)}
    east, west = id_of("east").lower(), id_of("west").lower()
    assert networks == {"east": {east}, "subnet": {east}, "east-west": {east, west}, "group": set()}


def test_conflicts_are_writes_that_their_order_does_not_keep_apart() -> None:
    ordered = [peering("east", "west"), peering("west", "east", "east-west"), peering("north", "south")]
    assert conflicts(plan([], ordered, TABLE)) == []
    at_once = plan([], ordered, TABLE, by_values_alone=True)
    assert len(conflicts(at_once)) == 1
    assert schedule(at_once).makespan == schedule(plan([], ordered, TABLE)).makespan


def test_region_is_the_nearest_location() -> None:
    state = [
        resource("component", "p:index:Component"),
        resource("group", parent="component", location="eastus2"),
        resource("network", NETWORK, deleted_with="group"),
        {**resource("peering", NETWORK), "propertyDependencies": {"virtualNetworkName": ["urn::network"]}},
        resource("cluster", "pulumi:providers:kubernetes", parent="component"),
        resource("object", NAMESPACE, provider="cluster"),
        resource("nowhere"),
    ]
    regions = {each.name: each.region for each in plan([], state, TABLE)}
    assert regions == {
        "group": "eastus2",
        "network": "eastus2",
        "peering": "eastus2",
        "object": "eastus2",
        "nowhere": "",
    }
