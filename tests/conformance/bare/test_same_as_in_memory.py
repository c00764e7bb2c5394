"""The fleet in memory and the real controllers do the same.

Every scenario is told twice, with the same requests, and recorded by watching. The rule of the comparison:

1. Where a scenario lets everything settle, both fleets have the same objects on the same clusters, with the same
   labels, finalizers, generations, statuses, conditions, reasons and messages, less what `recording` leaves out, with
   the reason for each. The real fleet has as long as it needs to get there, and must stay there for a moment.
2. Between those points every condition of every object goes through the same states in the same order, by status and
   reason.
3. Of that order, states are left out that a real fleet shows in one run and not in another: those in `_FLEETING`, all
   of which a real fleet has shown, and no others. So the fleet in memory may spare us one of these, but shows nothing
   that the real one does not.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import yaml

from rehearsal.cluster.interface import ApiServer
from rehearsal.cluster.objects import Object
from rehearsal.core.errors import ApiError
from rehearsal.core.store import Store
from rehearsal.fleet import in_memory
from rehearsal.providers import diffing
from rehearsal.providers.diffing import changes, prune, render
from rehearsal.tests.objects import USER
from tests.conformance import scenarios
from tests.conformance.fleet import Fleet
from tests.conformance.recording import MEMBER_CLUSTER, PLACEMENT, Key, Recording, State, Steps, Watch
from tests.conformance.scenarios import SCENARIOS, Scenario
from tests.support.program import ROOT

_K = TypeVar("_K")
_V = TypeVar("_V")

_SECONDS: Final = 90  # for everything that follows from one step; the longest takes 20 s on an idle machine
_SECONDS_LEFT: Final = 20
_LASTING: Final = 1  # seconds
_POLL: Final = 0.1  # seconds

# By kind and condition; all of them were seen.
_FLEETING: Final = {
    # The placement's status is put together anew while parts of it are still being decided (facts of a real hub: for
    # the first 0.05 s), and member by member.
    ("ClusterResourcePlacement", "Scheduled"): {("Unknown", "SchedulePending")},
    ("ClusterResourcePlacement", "RolloutStarted"): {
        ("Unknown", "RolloutStartedUnknown"),
        ("False", "RolloutNotStartedYet"),
    },
    ("ClusterResourcePlacement", "Overridden"): {("Unknown", "OverriddenPending")},
    # A member's namespace on the hub goes before the placement knows that the member has left (for 1 s).
    ("ClusterResourcePlacement", "WorkSynchronized"): {
        ("Unknown", "WorkSynchronizedUnknown"),
        ("False", "WorkNotSynchronizedYet"),
        ("False", "SyncWorkFailed"),
    },
    ("ClusterResourcePlacement", "Applied"): {
        ("False", "ApplyFailed"),
        ("False", "ApplyInProgress"),
        ("False", "NotAllWorkHaveBeenApplied"),
        ("Unknown", "ApplyPending"),
    },
    # Pods that are ready before the member looks for the first time leave nothing to wait for.
    ("ClusterResourcePlacement", "Available"): {
        ("False", "ResourceNotAvailableYet"),
        ("False", "NotAllWorkAreAvailable"),
        ("Unknown", "ResourceAvailableUnknown"),
    },
    # Not every agent has reported.
    ("MemberCluster", "Joined"): {("Unknown", "MemberClusterJoinStateUnknown")},
    # The member's cache does not know the Service yet, or no longer.
    ("ServiceExport", "Valid"): {("False", "ServiceNotFound")},
    # Pods go before their Deployment when a namespace is emptied.
    ("Deployment", "Available"): {("False", "MinimumReplicasUnavailable")},
    # All pods are ready when the controller looks for the first time.
    ("Deployment", "Progressing"): {("True", "ReplicaSetUpdated")},
}


@dataclass
class _Story:
    """What one fleet did: at each point where it settled what was there, and what happened on the way."""

    steps: list[tuple[str, dict[Key, list[Object]]]]
    sequences: dict[tuple[Key, int, str], list[State]]


def _concerns(scenario: Scenario) -> Callable[[Key], bool]:
    space = _space(scenario)
    # The only one that touches the members themselves.
    members = scenario is scenarios.membership
    return lambda key: space in key.name or (members and key.kind == MEMBER_CLUSTER)


def _space(scenario: Scenario) -> str:
    return scenario.__name__.replace("_", "-")


@dataclass(frozen=True)
class _InMemory:
    clusters: in_memory.InMemoryClusters
    ids: dict[str, str]

    def __getitem__(self, name: str) -> in_memory.Cluster:
        return self.clusters.cluster(self.ids[name])


def _in_memory(ids: dict[str, str]) -> _InMemory:
    """Return a fleet like `bare`."""
    clusters = in_memory.InMemoryClusters(Store())
    clusters.add_hub(ids["hub"], "https://hub")
    for number, (name, location) in enumerate((("east", "eastus2"), ("west", "westus2")), 1):
        pods = f"10.{number}.0.0/24"
        clusters.add_cluster(
            ids[name], f"https://{name}", location=location, network=f"/networks/{name}", pods=pods, nodes=2
        )
        clusters.join(ids["hub"], name, ids[name], {})
    return _InMemory(clusters, ids)


def _told_in_memory(scenario: Scenario, ids: dict[str, str]) -> _Story:
    fleet = _in_memory(ids)
    steps, concerns, story = Steps(fleet.clusters, ids), _concerns(scenario), _Story([], {})
    for step in scenario(fleet, _space(scenario)):
        steps.settle()
        story.steps.append((step, steps.recording.present(concerns)))
    return _ended(story, steps.recording, concerns)


def _told_by_real_ones(scenario: Scenario, fleet: Fleet, recording: Recording, expected: _Story) -> _Story:
    concerns, story = _concerns(scenario), _Story([], {})
    seconds = _SECONDS
    for step, (_, there) in zip(scenario(fleet, _space(scenario)), expected.steps, strict=True):
        story.steps.append((step, _settled(recording, concerns, there, seconds)))
        if story.steps[-1][1] != there:
            seconds = _SECONDS_LEFT  # it has failed; what follows is to leave nothing behind for the others
    return _ended(story, recording, concerns)


def _settled(
    recording: Recording, concerns: Callable[[Key], bool], expected: dict[Key, list[Object]], seconds: float
) -> dict[Key, list[Object]]:
    """Wait until what is expected is there and stays; return what is there then, or when it takes too long."""
    deadline = time.monotonic() + seconds
    since, count = time.monotonic(), -1
    there: dict[Key, list[Object]] = {}
    while time.monotonic() < deadline:
        if recording.count(concerns) != count:
            count = recording.count(concerns)
            there, since = recording.present(concerns), time.monotonic()
        if there == expected and time.monotonic() - since > _LASTING:
            break
        time.sleep(_POLL)
    return there


def _ended(story: _Story, recording: Recording, concerns: Callable[[Key], bool]) -> _Story:
    story.sequences = recording.sequences(concerns)
    return story


@pytest.fixture(scope="module")
def told(bare: Fleet) -> dict[str, tuple[_Story, _Story]]:
    """Every scenario, told in memory and by the real fleet. Those that leave the members alone run side by side."""
    recording = Watch(bare.clusters, bare.ids).recording
    ours = {scenario: _told_in_memory(scenario, bare.ids) for scenario in SCENARIOS}

    def tell(scenario: Scenario) -> tuple[_Story, _Story]:
        return ours[scenario], _told_by_real_ones(scenario, bare, recording, ours[scenario])

    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        side_by_side = [scenario for scenario in SCENARIOS if scenario is not scenarios.membership]
        stories = dict(zip(side_by_side, pool.map(tell, side_by_side), strict=True))
    stories[scenarios.membership] = tell(scenarios.membership)
    return {scenario.__name__: story for scenario, story in stories.items()}


def _differences(ours: dict[_K, _V], real: dict[_K, _V]) -> dict[_K, tuple[_V | None, _V | None]]:
    """Return what is not the same, as it is in memory and as it really is."""
    keys = ours.keys() | real.keys()
    return {key: (ours.get(key), real.get(key)) for key in keys if ours.get(key) != real.get(key)}


def _lasting(story: _Story) -> dict[tuple[Key, int, str], list[State]]:
    result: dict[tuple[Key, int, str], list[State]] = {}
    for (key, life, condition), states in story.sequences.items():
        kind = key.kind.partition(".")[0]
        fleeting = _FLEETING.get((kind, condition.rpartition(" ")[2].removeprefix(kind)), set())
        # A placement leaves conditions out while it decides on those before them.
        absent = key.kind == PLACEMENT
        lasting = [state for state in states if state not in fleeting and not (absent and state is None)]
        kept = [state for number, state in enumerate(lasting) if number == 0 or state != lasting[number - 1]]
        if kept:
            result[key, life, condition] = kept
    return result


@pytest.mark.parametrize("name", [scenario.__name__ for scenario in SCENARIOS])
def test_same_objects_where_all_has_settled(told: dict[str, tuple[_Story, _Story]], name: str) -> None:
    ours, real = told[name]
    for (step, there), (real_step, really_there) in zip(ours.steps, real.steps, strict=False):
        assert step == real_step
        assert _differences(there, really_there) == {}, step
    assert len(ours.steps) == len(real.steps)


@pytest.mark.parametrize("name", [scenario.__name__ for scenario in SCENARIOS])
def test_same_conditions_in_the_same_order(told: dict[str, tuple[_Story, _Story]], name: str) -> None:
    ours, real = told[name]
    assert _differences(_lasting(ours), _lasting(real)) == {}


_SELECTED: Final[Object] = {"group": "", "version": "v1", "kind": "Namespace", "name": "shop"}


_REFUSED: Final[list[Object]] = [
    {"policy": {"placementType": "PickFixed", "affinity": {}, "tolerations": [{"value": "b"}]}},
    {"policy": {"placementType": "PickAll", "clusterNames": ["east"]}},
    {"policy": {"placementType": "PickN"}},
    {"policy": {"tolerations": [{"operator": "Exists", "value": "b"}]}},
    {"resourceSelectors": [_SELECTED | {"labelSelector": {}}]},
]


@pytest.mark.parametrize("specification", _REFUSED)
def test_same_refusal_of_a_placement(bare: Fleet, specification: Object) -> None:
    item = scenarios.placement("refused", {})
    item["spec"] |= specification
    ours = scenarios.refused(_in_memory(bare.ids)["hub"], item)
    assert ours.startswith("Invalid")
    assert ours == scenarios.refused(bare["hub"], item)


@pytest.mark.parametrize("labels", [{"-x": "y"}, {"x": "-y"}, {"x": "y" * 64}])
def test_same_refusal_of_labels(bare: Fleet, labels: dict[str, str]) -> None:
    item = scenarios.namespace("refused")
    item["metadata"]["labels"] = labels
    ours = scenarios.refused(_in_memory(bare.ids)["east"], item)
    assert ours.startswith("Invalid")
    assert ours == scenarios.refused(bare["east"], item)


def test_same_fields_come_back_in_another_form(bare: Fleet) -> None:
    # Each of them is an update in every `pulumi up` of a program that goes on writing it in its own form.
    space, ours = "read-back", _in_memory(bare.ids)
    for server in (bare["east"], ours["east"]):
        server.create(scenarios.namespace(space), user=USER)
    try:
        assert _read_back(ours["east"], space) == _read_back(bare["east"], space)
    finally:
        bare["east"].delete("v1", "Namespace", space)


def _read_back(server: ApiServer, space: str) -> dict[str, object]:
    """Return, for each object, the fields that read otherwise than they were written, or the refusal."""
    result: dict[str, object] = {}
    for item in _app(space):
        place = (item["apiVersion"], item["kind"], item["metadata"]["name"])
        try:
            server.create(item, user=USER)
        except ApiError as error:
            result[" ".join(place)] = str(error)
            continue
        live = server.get(*place, space)
        different = changes(prune(live, item), item)
        result[" ".join(place)] = {render(path): _at(live, path) for path, _, _ in different}
    return result


def _app(space: str) -> list[Object]:
    documents = yaml.safe_load((Path(__file__).parent / "rich_app.yaml").read_text())["items"]
    for file in sorted((ROOT / "manifests" / "app").glob("*.yaml")):
        documents += yaml.safe_load_all(file.read_text())
    return [{**item, "metadata": {**item["metadata"], "namespace": space}} for item in documents]


def _at(value: Any, path: diffing.PropertyPath) -> Any:  # noqa: ANN401 - JSON
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError):
            return None
    return value
