"""The app is rolled out in stages: a change reaches one region, is checked, and goes on; or it stops there."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation as auto

from components import waiting
from fleet_clusters import rollouts, traffic
from rehearsal.cluster.objects import Object, labels_of, name_of
from rehearsal.fleet.in_memory import Cluster
from rehearsal.tests.objects import in_memory
from tests.support.health import assert_converged, checked, failed
from tests.support.program import NORTH, ROOT, stack_config
from tests.support.stack import Stack

pytestmark = pytest.mark.slow

STAGES: dict[str, Any] = {"stages": [["west"], ["east"]]}
ROLLED_OUT = {"app-deployment-store-front": "update", "app-rollout-run": "replace", "app-rollout": "update"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that look again at once: the hub's time passes with each request."""
    monkeypatch.setattr(waiting, "_PAUSE", 0)


@pytest.fixture
def staged(stack: Stack) -> Stack:
    """The dev stack, whose app is rolled out in two stages, with manifests to be changed."""
    folder = stack.root / "manifests"
    folder.unlink()
    shutil.copytree(ROOT / "manifests", folder)
    stack.configure(app={"rollout": STAGES})
    stack.up()
    return stack


def clusters(stack: Stack) -> dict[str, Cluster]:
    regions = {"eastus2": "east", "westus2": "west", "northcentralus": "north"}
    return {
        regions[each.location]: each for each in in_memory(stack.cloud).clusters() if each.location and each.reachable
    }


def images(stack: Stack) -> dict[str, set[str]]:
    """Return the images of the front's pods by region."""
    return {
        region: {
            pod["spec"]["containers"][0]["image"]
            for pod in cluster.list("v1", "Pod", "aks-store-demo")
            if labels_of(pod).get("app") == "store-front"
        }
        for region, cluster in clusters(stack).items()
    }


def replicas(stack: Stack) -> dict[str, int]:
    return {
        region: cluster.get("apps/v1", "Deployment", "store-front", "aks-store-demo")["spec"]["replicas"]
        for region, cluster in clusters(stack).items()
    }


def change_image(stack: Stack, new: str) -> str:
    """Change the front's image; return the former one."""
    file: Path = stack.root / "manifests" / "app" / "store-front.yaml"
    text = file.read_text()
    before = re.findall(r"image: (\S+)", text)[0]
    file.write_text(text.replace(before, new))
    return before


def runs(stack: Stack) -> list[Object]:
    (hub,) = in_memory(stack.cloud).hubs()
    return hub.list("placement.kubernetes-fleet.io/v1", "ClusterStagedUpdateRun")


def test_running_app_gets_stages_in_place_and_then_nothing_changes(stack: Stack) -> None:
    stack.configure(app={"rollout": STAGES})
    planned = stack.preview()
    assert planned.changes == {
        "app-rollout-stages": "create",
        "app-placement": "update",
        "app-rollout-run": "create",
        "app-rollout": "create",
    }
    assert stack.up().changes == planned.changes
    assert_converged(stack)


def test_new_app_is_rolled_out_to_all_stages_without_a_wait(empty: Stack) -> None:
    empty.configure(app={"rollout": STAGES | {"waitMinutes": 60, "until": 1}})
    empty.up()
    assert failed(empty) == {}
    assert empty.preview().changes == {}


def test_change_reaches_one_stage_after_the_other(staged: Stack) -> None:
    seen: list[dict[str, set[str]]] = []
    clusters_of = in_memory(staged.cloud)
    before = change_image(staged, "store-front:new")

    def look(*_: object) -> None:
        seen.append(images(staged))

    clusters_of.observers.append(look)

    assert staged.preview().changes == ROLLED_OUT
    assert staged.up().changes == ROLLED_OUT

    clusters_of.observers.clear()
    assert images(staged) == {"west": {"store-front:new"}, "east": {"store-front:new"}}
    # East's new pods began when west's old ones had gone.
    assert all("store-front:new" not in each["east"] or each["west"] == {"store-front:new"} for each in seen)
    assert {"west": {"store-front:new"}, "east": {before}} in seen
    assert_converged(staged)


def test_broken_change_stops_in_the_first_stage_and_the_good_one_comes_back(staged: Stack) -> None:
    good = change_image(staged, "Store-Front:new")
    with pytest.raises(auto.CommandError, match=r"stage 1 of 2 \(aks-westus2\)[^;]*InvalidImageName"):
        staged.up()
    assert images(staged) == {"east": {good}, "west": {good, "Store-Front:new"}}

    assert staged.preview().changes == {"app-rollout": "update"}
    found = checked(staged)["placement of aks-store-demo"]
    assert (found.ok, "stage 1 of 2 (aks-westus2)" in found.found) == (False, True)

    change_image(staged, good)
    assert staged.up().changes == ROLLED_OUT
    assert images(staged) == {"east": {good}, "west": {good}}
    assert_converged(staged)


def test_change_waits_for_a_later_update_to_go_on(staged: Stack) -> None:
    good = change_image(staged, "store-front:new")
    staged.configure(app={"rollout": STAGES | {"until": 1}})
    staged.up()
    assert images(staged) == {"west": {"store-front:new"}, "east": {good}}
    assert staged.preview().changes == {}
    found = checked(staged)["placement of aks-store-demo"]
    assert (found.ok, found.found) == (True, "available on 2 of 2; the rollout waits after stage 1 of 2 (aks-westus2)")

    staged.configure(app={"rollout": STAGES})
    assert staged.up().changes == {"app-rollout": "update"}
    assert images(staged) == {"west": {"store-front:new"}, "east": {"store-front:new"}}


def test_next_stage_begins_when_the_minutes_are_over(staged: Stack) -> None:
    staged.configure(app={"rollout": STAGES | {"waitMinutes": 20}})
    change_image(staged, "store-front:new")
    before = in_memory(staged.cloud).now
    staged.up()
    assert 20 * 60 <= in_memory(staged.cloud).now - before < 25 * 60


def test_object_that_the_app_no_longer_has_leaves_every_region(staged: Stack) -> None:
    file = staged.root / "manifests" / "app" / "extra.yaml"
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {}\n")
    staged.up()

    def there() -> set[str]:
        every = clusters(staged).items()
        found = {region: cluster.list("v1", "ConfigMap", "aks-store-demo") for region, cluster in every}
        return {region for region, items in found.items() if "extra" in map(name_of, items)}

    assert there() == {"east", "west"}
    file.unlink()
    staged.up()
    staged.cloud.pass_time(60)
    assert there() == set()


def test_region_comes_and_goes(staged: Stack) -> None:
    two = stack_config("dev")["regions"]
    staged.configure(regions=[*two, NORTH], app={"rollout": {"stages": [["west"], ["east", "north"]]}})
    staged.up()
    assert failed(staged) == {}
    assert images(staged)["north"] == images(staged)["west"]

    staged.configure(regions=two, app={"rollout": STAGES})
    staged.up()
    assert failed(staged) == {}


def test_region_is_lost_and_the_app_changes_in_the_others(staged: Stack) -> None:
    staged.lose_region("west")
    staged.mark_lost("west", app={"rollout": STAGES})
    staged.up()
    change_image(staged, "store-front:new")
    staged.up()
    assert images(staged)["east"] == {"store-front:new"}


def test_change_that_does_not_answer_stops_in_the_first_stage(staged: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    staged.configure(app={"rollout": {"stages": [["east"], ["west"]]}})
    good = change_image(staged, "store-front:new")
    asked: list[tuple[str, int]] = []

    def fail(address: str, _web: object, _ports: object, requests: int) -> str:
        asked.append((address, requests))
        return f"http://{address}: 500 Internal Server Error"

    with monkeypatch.context() as patch:
        patch.setattr(traffic, "failure", fail)
        with pytest.raises(auto.CommandError, match=r"stage 1 of 2 [^;]* 500 Internal"):
            staged.up()
    assert {*asked} == {(staged.outputs()["externalIp"].value, 20)}
    assert images(staged) == {"east": {"store-front:new"}, "west": {good}}

    (before,) = runs(staged)
    assert staged.up().changes == {"app-rollout": "update"}
    (after,) = runs(staged)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert images(staged) == {"east": {"store-front:new"}, "west": {"store-front:new"}}


def test_update_that_ends_between_two_stages_goes_on_with_the_same_run(
    staged: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_image(staged, "store-front:new")

    def fail(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(rollouts, "approval", fail)
        with pytest.raises(auto.CommandError):
            staged.up()
    (before,) = runs(staged)
    assert staged.preview().changes == {"app-rollout": "update"}
    staged.up()
    (after,) = runs(staged)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert images(staged) == {"east": {"store-front:new"}, "west": {"store-front:new"}}


def test_override_alone_waits_for_a_later_update_too(staged: Stack) -> None:
    rollout = {"stages": [["east"], ["west"]], "until": 1}
    staged.configure(app={"rollout": rollout, "replicas": {"east": 2, "west": 3}})
    staged.up()
    assert replicas(staged) == {"east": 2, "west": 1}


def test_override_that_the_app_no_longer_has_leaves_the_regions_with_the_next_update(staged: Stack) -> None:
    staged.configure(app={"rollout": STAGES, "replicas": {"west": 3}})
    staged.up()
    assert replicas(staged) == {"east": 1, "west": 3}
    staged.configure(app={"rollout": STAGES})
    done = staged.up()
    assert (done.changes["app-resourceoverride-replicas-store-front"], replicas(staged)["west"]) == ("delete", 3)
    assert "the override replicas-store-front is deleted after the rollout" in done.text
    assert staged.up().changes == {"app-rollout-run": "replace", "app-rollout": "update"}
    assert replicas(staged) == {"east": 1, "west": 1}
    assert_converged(staged)


def test_changed_secret_begins_another_run_and_its_digest_is_encrypted(staged: Stack) -> None:
    file = staged.root / "manifests" / "app" / "extra.yaml"
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {{name: extra}}\nstringData: {{password: {}}}\n"
    file.write_text(secret.format("planted-one"))
    staged.up()
    file.write_text(secret.format("planted-two"))
    done = staged.up()
    assert done.changes == {"app-secret-extra": "update", "app-rollout-run": "replace", "app-rollout": "update"}
    run = staged.recorded("app-rollout-run")
    assert "ciphertext" in str(run["replacementTrigger"])


def test_stages_cannot_be_removed(staged: Stack) -> None:
    staged.configure(app={})
    with pytest.raises(auto.CommandError, match=r"app\.rollout: is missing"):
        staged.preview()


def test_stages_cannot_be_removed_after_an_update_that_ended_before_their_first_run(stack: Stack) -> None:
    stack.configure(app={"rollout": STAGES})
    stack.refuse("create", "app-rollout-run", "Forbidden: no")
    with pytest.raises(auto.CommandError, match="Forbidden: no"):
        stack.up()
    stack.configure(app={})
    with pytest.raises(auto.CommandError, match=r"app\.rollout: is missing"):
        stack.preview()


def test_stack_is_destroyed(staged: Stack) -> None:
    staged.destroy(run_program=True)
    assert in_memory(staged.cloud).clusters() == []


def test_workflow_tells_a_stopped_rollout_from_another_failure(staged: Stack) -> None:
    workflow = (ROOT / ".github" / "workflows" / "azure.yml").read_text()
    (stopped,) = re.findall(r"grep -q '(.+)' ", workflow)
    change_image(staged, "Store-Front:new")
    with pytest.raises(auto.CommandError):
        staged.up()
    assert re.search(stopped, staged.text)
    staged.refuse("update", "app-deployment-store-front", "Forbidden: no")
    change_image(staged, "store-front:newer")
    with pytest.raises(auto.CommandError, match="Forbidden: no"):
        staged.up()
    assert not re.search(stopped, staged.text)
