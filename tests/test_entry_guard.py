"""The guard of an entry point: which members it holds back, and what it writes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import guard
from components.guard import (
    ALIVE_AFTER,
    DEAD_AFTER,
    MARK,
    Guard,
    Member,
    Round,
    Slice,
    is_ready,
    judge,
    member_of,
    patch,
)

MEMBERS = ("aks-east", "aks-west", "aks-north")
NOW = "2026-11-26T12:00:00Z"


def imported(member: str, service: str = "shop-front", pods: int = 2, **endpoint: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    number = MEMBERS.index(member)
    return {
        "metadata": {
            "name": f"{member}-{service}-x7k2p-9qwzt",
            "labels": {"kubernetes.io/service-name": service},
            "resourceVersion": "7",
        },
        "ports": [{"port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [f"10.{number}.0.{pod}"], **endpoint} for pod in range(pods)],
    }


def found(*alive: str, slices: dict[str, list[Slice]] | None = None) -> Round:
    """A round in which the first pod of some members answered."""
    every = slices or {member: [imported(member)] for member in MEMBERS}
    return Round(every, frozenset((f"10.{MEMBERS.index(member)}.0.0", 8080) for member in alive))


def unknown() -> dict[str, Member]:
    return {member: Member() for member in MEMBERS}


def changes(item: dict[str, Any], member: Member) -> list[dict[str, Any]]:
    steps = patch(item, member)
    assert steps
    return steps


def held_back(members: dict[str, Member]) -> set[str]:
    return {name for name, member in members.items() if member.held_back}


def test_silent_member_is_held_back_after_three_rounds_and_back_after_two() -> None:
    members = unknown()
    for number in range(DEAD_AFTER):
        assert held_back(members) == set(), number
        judge(members, found("aks-east", "aks-north"), NOW)
    assert held_back(members) == {"aks-west"}
    for number in range(ALIVE_AFTER):
        assert held_back(members) == {"aks-west"}, number
        judge(members, found(*MEMBERS), NOW)
    assert held_back(members) == set()


def test_one_answer_in_three_rounds_keeps_a_member() -> None:
    members = unknown()
    for alive in (("aks-east",), ("aks-east",), ("aks-east", "aks-west"), ("aks-east",), ("aks-east",)):
        judge(members, found(*alive, "aks-north"), NOW)
    assert held_back(members) == set()


def test_round_in_which_nothing_answers_does_not_count() -> None:
    members = unknown()
    for alive in (("aks-east",), ("aks-east",), (), ("aks-east",), ("aks-east",)):
        assert judge(members, found(*alive), NOW) == bool(alive)
    assert held_back(members) == set()


def test_member_with_the_last_endpoints_of_a_service_is_not_held_back() -> None:
    slices: dict[str, list[Slice]] = {member: [imported(member)] for member in MEMBERS}
    slices["aks-west"] = [imported("aks-west"), imported("aks-west", "shop-admin")]
    members = unknown()
    for _ in range(2 * DEAD_AFTER):
        judge(members, found("aks-east", slices=slices), NOW)
    assert held_back(members) == {"aks-north"}


def test_member_that_cannot_be_probed_is_left_alone() -> None:
    udp = imported("aks-west") | {"ports": [{"port": 53, "protocol": "UDP"}]}
    slices: dict[str, list[Slice]] = {"aks-east": [imported("aks-east")], "aks-west": [udp]}
    members = {member: Member() for member in slices}
    for _ in range(2 * DEAD_AFTER):
        judge(members, found("aks-east", slices=slices), NOW)
    assert held_back(members) == set()


@given(st.lists(st.sets(st.sampled_from(MEMBERS)), max_size=30))
def test_nothing_that_answers_is_ever_taken_out(rounds: list[set[str]]) -> None:
    """Whatever happens, in any order: regions lost and back, the guard cut off."""
    members, history = unknown(), list[set[str]]()
    for alive in rounds:
        before = held_back(members)
        counted = judge(members, found(*alive), NOW)
        history.append(alive)
        taken = held_back(members) - before
        assert counted or held_back(members) == before
        assert not taken & set[str]().union(*history[-DEAD_AFTER:])
        assert not taken or alive - held_back(members)  # somebody who answers is left
        lately = history[-ALIVE_AFTER:]
        if len(lately) == ALIVE_AFTER and all(lately):
            assert not {name for name in held_back(members) if all(name in each for each in lately)}


@pytest.mark.parametrize(
    ("name", "service", "member"),
    [
        ("aks-east-shop-front-x7k2p-9qwzt", "shop-front", "aks-east"),
        ("aks-east-2-shop-front-x7k2p-9qwzt", "shop-front", "aks-east-2"),
        ("aks-east-2-shop-front-x7k2p-9qwzt", "2-shop-front", "aks-east"),
        ("aks-south-shop-front-x7k2p-9qwzt", "shop-front", "aks-south"),
    ],
)
def test_slice_is_of_the_member_that_its_name_begins_with(name: str, service: str, member: str) -> None:
    item = {"metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}}}
    assert member_of(item, ("aks-east", "aks-east-2")) == member


def test_marks_are_written_once_and_again_where_fleet_has_rewritten_the_slice() -> None:
    lost = Member(held_back=True, since=NOW)
    item = imported("aks-west")
    test, annotations, endpoints = changes(item, lost)
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert annotations["value"][MARK].startswith(NOW)
    assert not any(map(is_ready, endpoints["value"]))
    marked = item | {"endpoints": endpoints["value"]}
    marked["metadata"] = item["metadata"] | {"annotations": annotations["value"]}
    assert patch(marked, lost) is None
    rewritten = marked | {"endpoints": item["endpoints"]}  # Fleet leaves annotations alone
    assert patch(rewritten, lost)

    _, annotations, endpoints = changes(marked, Member())
    assert annotations["value"] == {}
    assert endpoints["value"] == item["endpoints"]
    assert patch(item, Member()) is None


class _Api:
    """An API server with slices; it takes JSON patches."""

    def __init__(self, *slices: dict[str, Any]) -> None:
        self.slices = {item["metadata"]["name"]: item for item in slices}
        self.events: list[dict[str, Any]] = []

    def request(self, verb: str, path: str, body: Any = None, kind: str = "") -> Any:  # noqa: ANN401 - JSON
        del kind
        if verb == "GET":
            return json.loads(json.dumps({"items": [*self.slices.values()]}))
        if verb == "POST":
            self.events.append(body)
            return body
        item = self.slices[path.rpartition("/")[2]]
        for step in body:
            *parents, last = step["path"].strip("/").split("/")
            place: Any = item
            for parent in parents:
                place = place[parent]
            if step["op"] == "test":
                assert place[last] == step["value"]
            else:
                place[last] = step["value"]
        return item


def test_next_guard_goes_on_with_the_marks_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    alive = {"10.0.0.0", "10.2.0.0"}

    def answers(target: tuple[str, int]) -> bool:
        return target[0] in alive

    monkeypatch.setattr(guard, "answers", answers)
    api: Any = _Api(*(imported(member) for member in MEMBERS))
    first = Guard(api, MEMBERS)
    for _ in range(DEAD_AFTER):
        first.run_round()
    assert [event["reason"] for event in api.events] == ["MemberHeldBack"]

    second = Guard(api, MEMBERS)
    second.run_round()
    assert held_back(second.state) == {"aks-west"}
    assert 'guard_member_up{member="aks-west"} 0' in second.metrics()

    alive.add("10.1.0.0")
    for _ in range(ALIVE_AFTER):
        second.run_round()
    assert all(map(is_ready, api.slices["aks-west-shop-front-x7k2p-9qwzt"]["endpoints"]))
    assert api.events[-1]["reason"] == "MemberBack"


def test_member_that_is_not_named_is_held_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a region that was lost and then removed: Fleet keeps its endpoints."""
    monkeypatch.setattr(guard, "answers", lambda target: target[0] == "10.0.0.0")
    api: Any = _Api(imported("aks-east"), imported("aks-west"))
    only = Guard(api, ["aks-east"])
    for _ in range(DEAD_AFTER):
        only.run_round()
    assert held_back(only.state) == {"aks-west"}
    assert not any(map(is_ready, api.slices["aks-west-shop-front-x7k2p-9qwzt"]["endpoints"]))


def test_released_marks_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(target: tuple[str, int]) -> bool:
        return target[0] == "10.0.0.0"

    monkeypatch.setattr(guard, "answers", answers)
    api: Any = _Api(imported("aks-east"), imported("aks-west"))
    only = Guard(api, MEMBERS)
    for _ in range(DEAD_AFTER):
        only.run_round()
    assert MARK in api.slices["aks-west-shop-front-x7k2p-9qwzt"]["metadata"]["annotations"]
    only.release()
    assert MARK not in api.slices["aks-west-shop-front-x7k2p-9qwzt"]["metadata"]["annotations"]
