"""Selects a placement's clusters, and how many get a new version at a time.

Source: Azure/fleet v0.18.12, pkg/scheduler/framework and pkg/controllers/rollout.
"""

import math
from typing import Final, NamedTuple

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.objects import (
    Object,
    annotations_of,
    child,
    condition,
    deleting,
    digest,
    generation_of,
    is_true,
    labels_of,
    matches,
    name_of,
    put_condition,
    seconds,
    status_of,
)
from rehearsal.fleet import overrides
from rehearsal.fleet.bindings import (
    GENERATION,
    MEMBER_CLUSTER,
    PLACEMENT,
    POLICY,
    SNAPSHOT,
    WORK_CLEANUP,
    bindings,
    latest_snapshot,
    new_part,
    parts,
)
from rehearsal.fleet.placement import is_external
from rehearsal.fleet.view import FleetView

# Defaults of a placement's rolling update (crp_types.go:976-1007).
_UNAVAILABLE_PERIOD: Final = 60
_QUARTER: Final = "25%"


class _Decision(NamedTuple):
    """The selected clusters, the reasons for clusters that cannot be selected, and the wanted number."""

    selected: list[str]
    refused: dict[str, str]
    wanted: int


def schedule(fleet: FleetView, hub: Cluster) -> None:
    """Select a placement's clusters, and keep a binding for each."""
    del fleet
    members = [item for item in hub.objects(MEMBER_CLUSTER) if is_true(item, "Joined") and not deleting(item)]
    for item in hub.objects(PLACEMENT):
        policy = next(iter(parts(hub, POLICY, item)), None)
        # The scheduler reads the policy's snapshot, not the placement.
        if policy is None or deleting(item) or annotations_of(policy).get(GENERATION) != str(generation_of(item)):
            continue
        there = {binding["spec"]["targetCluster"]: binding for binding in bindings(hub, item)}
        decision = _decide(item["spec"].get("policy") or {}, members, set(there))
        for name in decision.selected:
            binding = there.get(name)
            if binding is None:
                body = new_part(
                    item,
                    "ClusterResourceBinding",
                    f"{name_of(item)}-{name}-{digest([name_of(item), name], 8)}",
                    {"state": "Scheduled", "targetCluster": name},
                )
                body["metadata"]["finalizers"] = [WORK_CLEANUP]
                hub.create(body)
            elif binding["spec"]["state"] == "Unscheduled" and not deleting(binding):
                _change_binding(hub, binding, {"state": "Bound"})
        for name, binding in there.items():
            if name not in decision.selected and binding["spec"]["state"] != "Unscheduled":
                _change_binding(hub, binding, {"state": "Unscheduled"})
        _record(hub, item, policy, decision)


def _change_binding(hub: Cluster, binding: Object, changes: Object) -> None:
    binding["spec"] |= changes
    binding["metadata"]["generation"] += 1
    hub.touch(binding)


def _decide(policy: Object, members: list[Object], bound: set[str]) -> _Decision:
    names = [name_of(member) for member in members]
    if policy.get("placementType") == "PickFixed":
        wanted: list[str] = policy["clusterNames"]
        missing = {name: f'Specified cluster "{name}" is not found' for name in wanted if name not in names}
        return _Decision([name for name in wanted if name in names], missing, len(wanted))
    affinity = child(child(policy, "affinity"), "clusterAffinity")
    required = child(affinity, "requiredDuringSchedulingIgnoredDuringExecution")
    terms: list[Object] = required.get("clusterSelectorTerms") or [{}]
    eligible = [
        name_of(member)
        for member in members
        if any(matches(child(term, "labelSelector"), labels_of(member)) for term in terms)
    ]
    if policy.get("placementType") != "PickN":
        return _Decision(eligible, {}, len(eligible))
    count: int = policy["numberOfClusters"]
    chosen = sorted(eligible, key=lambda name: (name not in bound, name))[:count]
    left = [name for name in names if name not in eligible][: count - len(chosen)]
    reason = (
        'Cluster "{}" is not eligible for resource placement yet: none of the nonempty required cluster affinity terms'
    )
    return _Decision(sorted(chosen), {name: f"{reason.format(name)} is matched" for name in left}, count)


def _record(hub: Cluster, item: Object, policy: Object, decision: _Decision) -> None:
    full, count = len(decision.selected) == decision.wanted, len(decision.selected)
    fixed = child(item["spec"], "policy").get("placementType") == "PickFixed"
    score = "" if fixed else " (affinity score: 0, topology spread score: 0)"
    done = 'Successfully scheduled resources for placement in "{}"' + score + ": picked by scheduling policy"
    entry = {
        "type": "Scheduled",
        "status": "True" if full else "False",
        "reason": "SchedulingPolicyFulfilled" if full else "SchedulingPolicyUnfulfilled",
        "message": f"found all cluster needed as specified by the scheduling policy, found {count} cluster(s)"
        if full
        else "could not find all clusters needed as specified by the scheduling policy, found "
        f"{count} cluster(s) instead",
    }
    before = status_of(policy)
    hub.set_status(
        policy,
        {
            "observedCRPGeneration": generation_of(item),
            "targetClusters": [
                *({"clusterName": name, "selected": True, "reason": done.format(name)} for name in decision.selected),
                *(
                    {"clusterName": name, "selected": False, "reason": reason}
                    for name, reason in decision.refused.items()
                ),
            ],
            "conditions": put_condition(before.get("conditions", []), entry, hub.clock.now),
        },
    )


def roll_out(fleet: FleetView, hub: Cluster) -> None:
    """Move bindings to the latest snapshot, as many at once as the strategy allows."""
    for item in hub.objects(PLACEMENT):
        snapshot = latest_snapshot(hub, item)
        if snapshot is None or deleting(item) or is_external(item):
            continue
        strategy: Object = child(item["spec"], "strategy").get("rollingUpdate") or {}
        period: int = strategy.get("unavailablePeriodSeconds", _UNAVAILABLE_PERIOD)
        live = [binding for binding in bindings(hub, item) if not deleting(binding)]
        removed = [binding for binding in live if binding["spec"]["state"] == "Unscheduled"]
        fresh = [binding for binding in live if binding["spec"]["state"] == "Scheduled"]
        bound = [binding for binding in live if binding["spec"]["state"] == "Bound"]
        wanted = {name_of(binding): content(hub, item, name_of(snapshot), binding) for binding in [*fresh, *bound]}
        stale = [binding for binding in bound if not wanted[name_of(binding)].items() <= binding["spec"].items()]
        failed = [binding for binding in stale if _failed(binding)]
        waiting = [binding for binding in stale if not _failed(binding)]
        if not (removed or fresh or stale):
            continue
        policy: Object = child(item["spec"], "policy")
        count = len(fresh) + len(bound)
        target: int = policy.get("numberOfClusters", len(policy.get("clusterNames") or ()) or count)
        ready = sum(_ready(fleet, binding, period) for binding in [*bound, *removed])
        removable = max(0, ready - target + _share(strategy.get("maxUnavailable", _QUARTER), target))
        growing = sum(not _failed(binding) for binding in [*bound, *removed])
        addable = max(0, target + _share(strategy.get("maxSurge", _QUARTER), target) - growing)
        for binding in removed[:removable]:
            hub.discard(binding)
        updatable = max(0, removable - len(removed))
        for binding in [*failed, *waiting[:updatable], *fresh[:addable]]:
            start(hub, binding, wanted[name_of(binding)])
        for binding in [*waiting[updatable:], *fresh[addable:]]:
            hub.set_condition(
                binding,
                "RolloutStarted",
                "False",
                "RolloutNotStartedYet",
                "The resources cannot be updated to the latest because of the rollout strategy",
            )


def content(hub: Cluster, item: Object, snapshot_name: str, binding: Object) -> Object:
    """Return a binding's content: the snapshot of the selected resources, and the overrides for its member."""
    member, snapshot = hub.find(MEMBER_CLUSTER, binding["spec"]["targetCluster"]), hub.find(SNAPSHOT, snapshot_name)
    found = overrides.matching(hub, item, snapshot, member) if member and snapshot else []
    return {"resourceSnapshotName": snapshot_name, "resourceOverrideSnapshots": found}


def start(hub: Cluster, binding: Object, wanted: Object, run: str = "") -> None:
    """Begin to bring a binding's content to its member, maybe because of an update run."""
    _change_binding(hub, binding, {"state": "Bound", **wanted})
    hub.set_status(binding, {})
    message = "Detected the new changes on the resources and started the rollout process" + run
    hub.set_condition(binding, "RolloutStarted", "True", "RolloutStarted", message)


def _share(value: int | str, total: int) -> int:
    # Percentages are rounded up (rollout/controller.go, GetScaledValueFromIntOrPercent).
    return math.ceil(total * int(value.rstrip("%")) / 100) if isinstance(value, str) else value


def _ready(fleet: FleetView, binding: Object, period: int) -> bool:
    available = condition(binding, "Available")
    if available is None or available["status"] != "True":
        return False
    if available["reason"] != "NotAllWorkAreAvailabilityTrackable":
        return True
    return fleet.elapsed(seconds(available["lastTransitionTime"]), period)


def _failed(binding: Object) -> bool:
    # pkg/utils/binding HasBindingFailed: a binding that is not ready may be updated without reducing availability.
    stages = ("Overridden", "WorkSynchronized", "Applied", "Available")
    return any(entry["status"] == "False" for name in stages if (entry := condition(binding, name)))


CONTROLLERS: Final = (roll_out, schedule)
