"""The shortest possible time, and the article's script, against sums done by hand."""

import pytest

from rehearsal.timing.bounds import DEPENDENCIES, OPTIONAL, PEERED_BEFORE_JOINING, STEPS, least, script
from rehearsal.timing.durations import Durations
from rehearsal.timing.schedule import schedule


def table(**seconds: float) -> Durations:
    """Return a table in which a step takes a second, or what is given for it (with _ for a space)."""
    tokens = STEPS | OPTIONAL
    by_token = dict.fromkeys(tokens.values(), 1.0)
    by_token |= {tokens[step.replace("_", " ")]: value for step, value in seconds.items()}

    def figures(value: float) -> dict[str, object]:
        return {"low": value, "typical": value, "high": value, "source": "this test"}

    verbs = ("create", "update", "delete")
    return Durations.model_validate(
        {token: {verb: figures(value) for verb in verbs} for token, value in by_token.items()}
    )


@pytest.mark.parametrize(
    ("seconds", "chain"),
    [
        pytest.param(
            {"cluster": 300},
            {"group": 1, "identity": 1, "role": 1, "cluster": 300, "member": 1, "placement": 1, "entry point": 1},
            id="a cluster",
        ),
        pytest.param(
            {"network": 10, "cluster": 300},
            {"group": 1, "network": 10, "cluster": 300, "member": 1, "placement": 1, "entry point": 1},
            id="a network that is slower than identity and role",
        ),
        pytest.param(
            {"hub": 500, "member": 20},
            {"hub group": 1, "hub": 500, "member": 20, "placement": 1, "entry point": 1},
            id="the hub",
        ),
        pytest.param(
            {"hub": 500, "app": 20},
            {"hub group": 1, "hub": 500, "hub role": 1, "namespace": 1, "app": 20, "placement": 1, "entry point": 1},
            id="the app",
        ),
    ],
)
def test_least_is_the_longest_chain(seconds: dict[str, float], chain: dict[str, float]) -> None:
    timeline = schedule(least(2, table(**{name.replace(" ", "_"): value for name, value in seconds.items()})))
    assert timeline.makespan == sum(chain.values())
    assert [each.name.removesuffix(" 1") for each in timeline.path] == list(chain)


def test_peerings_of_one_network_come_one_after_the_other() -> None:
    # A group, an identity, its role, a cluster, and then 2 x 19 peerings of 10 s on its network.
    assert schedule(least(20, table(peerings=10))).makespan == 1 + 1 + 1 + 1 + 2 * 19 * 10


def test_steps_of_a_stack_with_more_count_if_it_has_them() -> None:
    durations = table(cluster=300, pool=100, hub=370, gateway=10, entry_service=30, global_balancer=15)
    with_all = schedule(least(2, durations, types=OPTIONAL.values()))
    # A group, an address, a gateway, a cluster, its pool, a member, the placement, an entry point, what leads to it.
    assert with_all.makespan == 1 + 1 + 10 + 300 + 100 + 1 + 1 + 1 + 30 + 15
    assert schedule(least(2, durations)).makespan == 1 + 370 + 1 + 1 + 1 + 1 + 1


def test_a_placement_waits_for_the_members_of_every_region() -> None:
    placement = next(each for each in least(3, table()) if each.name == "placement")
    assert set(placement.after) == {"app", "member 1", "member 2", "member 3"}


def test_members_that_wait_for_peerings_take_longer() -> None:
    durations, safe = table(peerings=10), (*DEPENDENCIES, PEERED_BEFORE_JOINING)
    # A group, an identity, its role, a cluster, 2 x 19 peerings of 10 s, a member, the placement, an entry point.
    assert schedule(least(20, durations, dependencies=safe)).makespan == 1 + 1 + 1 + 1 + 2 * 19 * 10 + 1 + 1 + 1


def test_every_dependency_is_between_steps_and_has_a_reason_and_a_source() -> None:
    for dependency in DEPENDENCIES:
        assert {dependency.step, dependency.needs} <= {*STEPS, *OPTIONAL}
        assert dependency.reason
        assert dependency.source


def test_script_does_one_step_after_the_other() -> None:
    durations = table(cluster=300, hub=100, peerings=10)
    # 2 x (group, VNet, cluster, role), 2 peerings, hub's group, hub, 2 members, role, namespace, app, placement, entry
    assert schedule(script(2, durations)).makespan == 2 * (1 + 1 + 300 + 1) + 2 * 10 + 1 + 100 + 2 * 1 + 5
    assert sum(each.token == STEPS["peerings"] for each in script(10, durations)) == 90
