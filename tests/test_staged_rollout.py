"""The app's stages: what is put on the hub for them, and how long a rollout is waited for."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pulumi
import pytest

from components import staged_rollout, waiting
from components.app_manifests import ManifestsError
from components.staged_rollout import RolloutError
from fleet_clusters import rollouts
from fleet_clusters.api_server import Answer, ClusterClient
from fleet_clusters.errors import CheckFailedError
from tests.support.program import Program, run_stack, stack_config

STAGES: dict[str, Any] = {"stages": [["west"], ["east"]]}


def rolled_out(**changes: Any) -> Program:  # noqa: ANN401 - any JSON value
    """Run dev with stages."""
    return run_stack("dev", app={"rollout": STAGES, **changes})


@pytest.fixture(scope="module")
def program() -> Program:
    return rolled_out()


def test_there_are_no_stages_unless_they_are_asked_for(dev: Program) -> None:
    assert {name for name in dev.resources if "rollout" in name} == set()
    assert dev["app-placement"].inputs["spec"]["strategy"] == {"type": "RollingUpdate"}


def test_each_stage_but_the_last_needs_an_approval(program: Program) -> None:
    def stage(number: int, member: str) -> dict[str, Any]:
        selected = {"key": "fleet.azure.com/member-name", "operator": "In", "values": [member]}
        selector = {"matchExpressions": [selected]}
        return {"name": f"stage{number}", "maxConcurrency": "100%", "labelSelector": selector}

    assert program["app-rollout-stages"].inputs["spec"] == {
        "stages": [
            stage(1, "aks-westus2") | {"afterStageTasks": [{"type": "Approval"}]},
            stage(2, "aks-eastus2"),
        ]
    }


def test_stage_of_lost_regions_selects_nothing() -> None:
    east, west = stack_config("dev")["regions"]
    program = run_stack("dev", regions=[east, west | {"lost": True}], app={"rollout": STAGES})
    first, _ = program["app-rollout-stages"].inputs["spec"]["stages"]
    assert "labelSelector" not in first


@pytest.mark.parametrize(("until", "reached"), [(None, 1), (2, 1)])
def test_stage_of_lost_regions_is_none_that_a_change_reaches(until: int | None, reached: int) -> None:
    east, west = stack_config("dev")["regions"]
    program = run_stack(
        "dev", regions=[east, west | {"lost": True}], app={"rollout": STAGES | ({"until": until} if until else {})}
    )
    assert program["app-rollout"].inputs["stage"] == reached


def test_placement_names_each_of_the_apps_objects_and_leaves_the_strategy_to_the_hook(program: Program) -> None:
    spec = program["app-placement"].inputs["spec"]
    namespace, *objects = spec["resourceSelectors"]
    assert namespace["selectionScope"] == "NamespaceWithResourceSelectors"
    named = {f"app-{each['kind'].lower()}-{each['name']}" for each in objects}
    prefixes = ("app-deployment-", "app-service-", "app-serviceexport-", "app-secret-", "app-statefulset-")
    assert {name for name in program.resources if name.startswith(prefixes)} <= named
    assert "strategy" not in spec


def test_app_with_more_objects_than_a_placement_names_is_refused() -> None:
    selector = {"group": "", "version": "v1", "kind": "Namespace", "name": "shop"}
    placement = {"metadata": {"name": "shop"}, "spec": {"resourceSelectors": [selector]}}
    objects = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{n}"}} for n in range(100)]
    assert len(staged_rollout.staged(placement, objects[:99], "shop")["spec"]["resourceSelectors"]) == 100
    with pytest.raises(ManifestsError, match="The app has 100 objects"):
        staged_rollout.staged(placement, objects, "shop")


def test_app_is_changed_after_the_strategy_and_rolled_out_before_an_entry_point(program: Program) -> None:
    assert "app-rollout-stages" in program["app-deployment-store-front"].dependencies
    assert list(program["app-rollout-stages"].options.hooks.before_create) == ["app-rollout-external"]
    assert "app-placement" in program["app-rollout-run"].dependencies
    assert list(program["app-rollout"].options.hooks.before_update) == ["app-rollout"]
    assert "app-rollout-run" in program.waits_for("app-entry-point")


def test_run_has_another_name_for_another_version_only(program: Program) -> None:
    def name(of: Program) -> str:
        return of["app-rollout-run"].inputs["metadata"]["name"]

    assert name(rolled_out(rollout=STAGES | {"waitMinutes": 5})) == name(program)
    assert name(rolled_out(replicas=2)) != name(program)
    assert name(rolled_out(replicas={"west": 2})) != name(program)  # an override
    assert name(rolled_out(rollout={"stages": [["west", "east"]]})) != name(program)


def test_values_of_secrets_are_not_in_the_runs_name() -> None:
    secret = {"kind": "Secret", "metadata": {"name": "queue"}, "stringData": {"password": "hunter2"}}
    assert staged_rollout._without_secrets(secret) == {"kind": "Secret", "metadata": {"name": "queue"}}  # pyright: ignore[reportPrivateUsage]


NOW = datetime(2026, 1, 1, tzinfo=UTC)
SILENT = CheckFailedError("hub does not answer: Connection refused", "see that it runs")


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_PAUSE", 0)


def wait(*moments: float | Exception, broken: bool = False) -> None:
    """Look for something in minutes by the hub's clock, and then have it; the hub may fail instead."""
    walk = staged_rollout._Walk("app-rollout")  # pyright: ignore[reportPrivateUsage]
    left = iter(moments)

    def look(_: object) -> str:
        if isinstance(moment := next(left, None), Exception):
            raise moment
        if moment is None:
            return ""
        walk.read(Answer(None, NOW + timedelta(minutes=moment)))
        walk.broken = broken
        return "the app is available"

    asyncio.run(walk.wait(look))


@pytest.mark.usefixtures("_at_once")
def test_wait_ends_after_ten_minutes_and_after_two_if_pods_cannot_start() -> None:
    wait(0, 9)
    wait(0, 1.5, broken=True)
    for patience, broken in ((10, False), (2, True)):
        with pytest.raises(
            RolloutError, match=f"gave up after {patience} minutes of waiting until the app is available"
        ):
            wait(0, patience + 1, broken=broken)


@pytest.mark.usefixtures("_at_once")
def test_hub_whose_first_answer_is_an_error_is_asked_again() -> None:
    wait(SILENT, 0, 9)
    with pytest.raises(RolloutError, match="gave up after 10 minutes"):
        wait(SILENT, 0, 11)


@pytest.mark.usefixtures("_at_once")
def test_wait_for_a_hub_that_never_answers_ends_with_its_last_error(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(step=60)
    monkeypatch.setattr(staged_rollout, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    with pytest.raises(RolloutError, match=r"gave up after 10 minutes .*Connection refused; see that it runs$"):
        wait(*[SILENT] * 100)


def run_in(*stages: Sequence[str], first_is: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return a run whose first stage with members has its version everywhere, and these conditions."""
    done = [{"type": "Succeeded", "status": "True"}]
    found = [{"clusters": [{"clusterName": member} for member in members]} for members in stages]
    current = next(stage for stage in found if stage["clusters"])
    current |= {"conditions": [*first_is], "clusters": [each | {"conditions": done} for each in current["clusters"]]}
    conditions = [{"type": "Initialized", "status": "True"}]
    return {"status": {"conditions": conditions, "stagesStatus": found, "resourceSnapshotIndexUsed": "1"}}


def walk_through(run: Callable[[datetime], dict[str, Any]], pause: timedelta) -> None:
    """Take a rollout further with a hub whose clock goes on by a minute for each answer."""
    moments = [NOW + timedelta(minutes=minute) for minute in reversed(range(100))]

    def get(_: str) -> Answer:
        return Answer(run(now := moments.pop()), now)

    hub = cast("ClusterClient", SimpleNamespace(get=get))
    new = {"run": "r", "namespace": "shop", "stage": 2}
    check = staged_rollout._Check(pause, None)  # pyright: ignore[reportPrivateUsage]
    look = partial(staged_rollout._look, hub, {}, new, check)  # pyright: ignore[reportPrivateUsage]
    asyncio.run(staged_rollout._Walk("app-rollout").wait(look))  # pyright: ignore[reportPrivateUsage]


@pytest.mark.usefixtures("_at_once")
def test_wait_between_stages_ends_although_fleet_says_nothing_or_begins_it_again_and_again() -> None:
    hour = timedelta(hours=1)

    def just_updated(now: datetime) -> dict[str, Any]:
        waiting = {"type": "Progressing", "status": "False", "reason": "StageUpdatingWaiting"}
        return run_in(["west"], ["east"], first_is=[waiting | {"lastTransitionTime": now.isoformat()}])

    with pytest.raises(RolloutError, match=r"gave up after 10 minutes of waiting until Fleet goes on after stage 1 of"):
        walk_through(lambda _: run_in(["west"], ["east"]), hour)
    with pytest.raises(RolloutError, match=r"gave up after 70 minutes of waiting until stage 1 of 2 \(west\) has run"):
        walk_through(just_updated, hour)


AT_ONCE = "Fleet goes on after stage 1 of 2 (west)"
AFTER_AN_HOUR = "stage 1 of 2 (west) has run the version for 60 minutes"


@pytest.mark.parametrize(
    ("east", "overrides_in_east", "begun", "expected"),
    [
        (None, [], False, AT_ONCE),
        ("0", [{"namespace": "shop", "name": "less-1"}], False, AT_ONCE),
        ("0", [{"namespace": "shop", "name": "less-1"}], True, AFTER_AN_HOUR),
        ("0", [{"namespace": "shop", "name": "less-0"}], False, AFTER_AN_HOUR),
        ("0", [], False, AFTER_AN_HOUR),
    ],
    ids=[
        "without-the-app",
        "with-this-version",
        "after-an-earlier-rollout",
        "with-other-overrides",
        "without-the-overrides",
    ],
)
def test_stage_is_waited_for_if_a_later_one_has_another_version(
    east: str | None, overrides_in_east: list[dict[str, str]], expected: str, *, begun: bool
) -> None:
    waiting_stage = {"type": "Progressing", "status": "False", "reason": "StageUpdatingWaiting"}
    run = run_in(["west"], ["east"], first_is=[waiting_stage | {"lastTransitionTime": NOW.isoformat()}])
    run["status"]["resourceSnapshotIndexUsed"] = "0"
    run["status"]["stagesStatus"][1]["clusters"][0]["resourceOverrideSnapshots"] = [
        {"namespace": "shop", "name": "less-1"}
    ]
    there = {
        "clusterName": "east",
        "observedResourceIndex": east,
        "applicableResourceOverrides": overrides_in_east,
        "conditions": [{"type": "RolloutStarted", "status": "True"}],
    }
    answers = {
        f"{rollouts.RUNS}/r": run,
        f"{rollouts.PLACEMENTS}/shop": {"status": {"placementStatuses": [there]}},
    }
    namespace = {"metadata": {"name": "shop"}} if east else None

    def get_from_hub(path: str) -> Answer:
        return Answer(answers[path], NOW)

    def get_from_member(_: str) -> Answer:
        return Answer(namespace, NOW)

    hub = cast("ClusterClient", SimpleNamespace(get=get_from_hub))
    member = cast("ClusterClient", SimpleNamespace(get=get_from_member))
    new = {"run": "r", "namespace": "shop", "stage": 2}
    check = staged_rollout._Check(timedelta(hours=1), None, begun)  # pyright: ignore[reportPrivateUsage]
    walk = staged_rollout._Walk("app-rollout")  # pyright: ignore[reportPrivateUsage]
    assert staged_rollout._look(hub, {"east": member}, new, check, walk) == expected  # pyright: ignore[reportPrivateUsage]


def test_version_of_a_member_is_unknown_until_the_hub_has_seen_its_rollout_start() -> None:
    started = {"type": "RolloutStarted", "status": "True"}
    member = {"clusterName": "east", "observedResourceIndex": "0", "conditions": [started]}
    unknown = member | {"clusterName": "west", "conditions": [started | {"status": "Unknown"}]}
    assert rollouts.versions({"status": {"placementStatuses": [member, unknown]}}).keys() == {"east"}


def test_stage_without_members_is_not_counted() -> None:
    found = rollouts.rollout(run_in([], ["east"], [], ["west"]))
    assert found
    assert (found.stage, [*found.stages]) == ("stage 1 of 2 (east)", [["east"], ["west"]])


def test_rollout_to_lost_regions_only_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(staged_rollout, "_client")

    async def walk() -> None:
        nothing, check = pulumi.Output.from_input(""), staged_rollout._Check(timedelta(), None)  # pyright: ignore[reportPrivateUsage]
        hook = staged_rollout._walking(nothing, nothing, check)  # pyright: ignore[reportPrivateUsage]
        await hook(pulumi.ResourceHookArgs("urn", "", "app-rollout", "", new_inputs={"stage": 0.0}))

    asyncio.run(walk())


@pytest.mark.parametrize("kind", ["containerStatuses", "initContainerStatuses"])
def test_container_that_cannot_start_is_named_and_a_starting_one_is_not(kind: str) -> None:
    def pod(name: str, reason: str) -> dict[str, Any]:
        return {"metadata": {"name": name}, "status": {kind: [{"state": {"waiting": {"reason": reason}}}]}}

    assert rollouts.broken([pod("a", "ContainerCreating"), pod("b", "ImagePullBackOff")]) == "b: ImagePullBackOff"
