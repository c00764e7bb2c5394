"""Two regions with an entry point each, behind a global address: what it survives, and what it does not forgive."""

import time
from collections.abc import Iterator

import pytest

from components.guard import SYSTEM
from rehearsal.bench.recovery import GLOBAL, GOAL, Load
from rehearsal.cluster.objects import labels_of, name_of
from rehearsal.cluster.workloads import ADDITIONAL_ADDRESSES
from tests.conformance.entries import (
    Entries,
    deployed_entries,
    entries_of,
    ever_held_back,
    guards,
    kill_guards,
    lose,
)
from tests.conformance.fleet import eventually

APP = {"entryRegions": ["east", "west"], "globalAddress": {"homeRegion": "eastus2"}}
NETWORK = "azure-native:network:VirtualNetwork"
EAST, WEST = "aks-eastus2", "aks-westus2"
_LONG_ENOUGH = 22  # seconds after which a guard that is wrong has marked something
_MANY = 20  # requests
_ROLE = "rolebinding/entry-guard --namespace fleet-system"


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entries]:
    """East and west have entry points."""
    with deployed_entries(tmp_path_factory.mktemp("global"), app=APP) as stack:
        yield entries_of(stack)


def test_global_address_is_answered_through_the_nearest_entry_point_by_all_regions(entries: Entries) -> None:
    address = entries.addresses()[GLOBAL]
    networks = entries.fleet.clusters.networks

    answers = [networks.request(f"http://{address}/", 10) for _ in range(8)]

    assert {answer["cluster"] for answer in answers} == {EAST, WEST}
    assert {answer["caller"] for answer in answers} == {"10.1.0.4"}  # a node in east
    assert len([*guards()]) == len(entries.services)


def test_lost_region_is_left_alone_by_itself_and_comes_back_by_itself(entries: Entries) -> None:
    # `make bench` loses the other one too.
    loss = lose(entries, "east")

    assert max(loss.last_failures.values()) <= GOAL, loss
    assert loss.failed_on_return == {}


def test_nothing_healthy_is_taken_out_while_agents_guards_and_the_hub_are_down_or_start_again(entries: Entries) -> None:
    fleet = entries.fleet
    with Load(fleet.clusters.networks, entries.addresses()) as load:
        began = time.monotonic()
        for region in ("east", "west"):
            fleet.clusters.restart_agents(fleet.ids[region])
        kill_guards()
        fleet.clusters.set_reachable(fleet.ids["hub"], reachable=False)
        marks = ever_held_back(entries, _LONG_ENOUGH)
        fleet.clusters.set_reachable(fleet.ids["hub"], reachable=True)
        for region in ("east", "west"):
            fleet.clusters.restart_agents(fleet.ids[region])
        marks |= ever_held_back(entries, 5)
        eventually(lambda: [entries.guard_is_ready(region) for region in ("east", "west")], [True, True])

        assert marks == set()
        assert load.failures(began) == {}


def test_guard_without_rights_changes_nothing_and_works_again_with_them(entries: Entries) -> None:
    fleet = entries.fleet
    binding = fleet.kubectl("east", "get", *_ROLE.split(), "--output=yaml")
    fleet.kubectl("east", "delete", *_ROLE.split())
    with Load(fleet.clusters.networks, entries.addresses()) as load:
        began = time.monotonic()
        eventually(lambda: entries.guard_is_ready("east"), expected=False)
        assert load.failures(began) == {}

    fleet.kubectl("east", "create", "--filename=-", stdin=binding)
    eventually(lambda: entries.guard_is_ready("east"), expected=True)


def test_guard_that_reaches_nobody_changes_nothing_and_one_that_reaches_its_region_keeps_that(entries: Entries) -> None:
    fleet, addresses = entries.fleet, entries.addresses()
    clusters, networks = fleet.clusters, fleet.clusters.networks
    east, west = sorted(each["id"] for each in entries.stack.resources() if each["type"] == NETWORK)
    (pod,) = (each for each in fleet["east"].list("v1", "Pod") if labels_of(each).get("app") == "store-front")
    address, answer = pod["status"]["podIP"], {"cluster": EAST, "pod": name_of(pod), "node": pod["spec"]["nodeName"]}
    with Load(networks, addresses) as load:
        eventually(lambda: all(load.clusters(name, 0) for name in load.names), expected=True)
        clusters.set_peered(east, west, peered=False)
        networks.stop(east.lower(), address)  # as if its node hung: its cluster goes on calling it ready
        try:
            assert {region for where, region in ever_held_back(entries, _LONG_ENOUGH) if where == "east"} == set()
            networks.serve(east.lower(), address, {8080: "http"}, answer)
            began = time.monotonic()
            eventually(lambda: entries.held_back("east"), {"west"})
            assert entries.held_back("west") == {"east"}
            eventually(lambda: set(load.clusters(GLOBAL, time.monotonic() - 3)), {EAST})
            alone = time.monotonic()
            eventually(
                lambda: min(sum(load.clusters(name, alone).values()) for name in load.names) > _MANY, expected=True
            )
            clusters_of = {name: set(load.clusters(name, alone)) for name in load.names}
            assert clusters_of == {"east": {EAST}, "west": {WEST}, GLOBAL: {EAST}}
            assert load.failures(alone) == {}
            assert max(load.last_failures(began).values()) <= GOAL
        finally:
            clusters.set_peered(east, west, peered=True)
        joined = time.monotonic()
        eventually(lambda: all(load.balances(name, 2) for name in ("east", "west")), expected=True)
        assert load.failures(joined) == {}


def test_address_without_the_annotation_is_dropped_by_healthy_nodes(entries: Entries) -> None:
    fleet, address = entries.fleet, entries.addresses()[GLOBAL]
    service = next(
        each
        for each in fleet["east"].list("v1", "Service", SYSTEM)
        if ADDITIONAL_ADDRESSES in (each["metadata"].get("annotations") or {})
    )
    name, annotations = service["metadata"]["name"], service["metadata"]["annotations"]

    fleet.kubectl("east", "annotate", "service", name, f"--namespace={SYSTEM}", f"{ADDITIONAL_ADDRESSES}-")
    eventually(lambda: set(fleet.answering(address, 2, 2)), {""})
    assert set(fleet.answering(entries.addresses()["east"])) == {EAST, WEST}

    value = f"{ADDITIONAL_ADDRESSES}={annotations[ADDITIONAL_ADDRESSES]}"
    fleet.kubectl("east", "annotate", "service", name, f"--namespace={SYSTEM}", value)
    eventually(lambda: set(fleet.answering(address)), {EAST, WEST})


def test_address_without_floating_ip_leads_nowhere(entries: Entries) -> None:
    stack, address, name = entries.stack, entries.addresses()[GLOBAL], "global-balancer-regions"
    (rules,) = [each["inputs"]["loadBalancingRules"] for each in stack.resources() if each["urn"].endswith(name)]

    stack.change_behind_the_programs_back(
        name, loadBalancingRules=[{**rule, "enableFloatingIP": False} for rule in rules]
    )
    assert set(entries.fleet.answering(address, 2, 2)) == {""}

    stack.change_behind_the_programs_back(name)
    eventually(lambda: set(entries.fleet.answering(address)), {EAST, WEST})


def test_entry_point_goes_and_another_one_moves_and_no_request_at_the_global_address_fails(entries: Entries) -> None:
    # The last test: it leaves one entry point. Fleet places a new Service on one region after the other, a minute each.
    stack, address = entries.stack, entries.addresses()[GLOBAL]
    with Load(entries.fleet.clusters.networks, {GLOBAL: address}) as load:
        for region in ("west", "east"):
            began = time.monotonic()
            stack.configure(app={**APP, "entryRegions": [region]})
            stack.up()

            moved = time.monotonic()
            assert entries.services.keys() == {region}
            eventually(lambda moved=moved: set(load.clusters(GLOBAL, moved)), {EAST, WEST})
            assert load.failures(began) == {}
            assert entries.addresses()[GLOBAL] == address
