"""The app's stages: what is put on the hub for them, and how long a rollout is waited for."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components import staged_rollout
from components.app_manifests import ManifestsError
from components.staged_rollout import RolloutError
from fleet_clusters import rollouts
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


def wait(minutes: float, *, broken: bool = False, endless: bool = False) -> None:
    """Wait for something, as long as the hub's clock says, and then have it."""
    walk = staged_rollout._Walk("app-rollout")  # pyright: ignore[reportPrivateUsage]
    moments = iter([0.0, minutes])

    def look(_: object) -> str:
        if (moment := next(moments, None)) is None:
            return ""
        walk.now = NOW + timedelta(minutes=moment)
        walk.broken, walk.endless = broken, endless
        return "the app is available"

    asyncio.run(walk.wait(look))


def test_wait_ends_after_ten_minutes_and_after_two_if_pods_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_rollout, "_PAUSE", 0)
    wait(9)
    wait(1.5, broken=True)
    wait(1000, endless=True)
    for patience, broken in ((10, False), (2, True)):
        with pytest.raises(
            RolloutError, match=f"gave up after {patience} minutes of waiting until the app is available"
        ):
            wait(patience + 1, broken=broken)


def test_container_that_cannot_start_is_named_and_a_starting_one_is_not() -> None:
    def pod(name: str, reason: str) -> dict[str, Any]:
        return {
            "metadata": {"name": name},
            "status": {"containerStatuses": [{"state": {"waiting": {"reason": reason}}}]},
        }

    assert rollouts.broken([pod("a", "ContainerCreating"), pod("b", "ImagePullBackOff")]) == "b: ImagePullBackOff"
