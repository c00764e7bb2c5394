"""The ClusterResourcePlacement: its snapshots, and its status, collected from its bindings.

Source: Azure/fleet v0.18.12, pkg/controllers/placement.
"""

from copy import deepcopy
from typing import Final

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.objects import (
    Object,
    child,
    condition,
    deleting,
    generation_of,
    labels_of,
    name_of,
    put_condition,
    seconds,
    status_of,
)
from rehearsal.core import delays
from rehearsal.core.errors import RefusedError
from rehearsal.fleet.bindings import (
    BINDING,
    GENERATION,
    INDEX,
    PLACEMENT,
    POLICY,
    SNAPSHOT,
    bindings,
    latest_snapshot,
    new_part,
    parts,
)
from rehearsal.fleet.selection import identity, select
from rehearsal.fleet.view import FleetView

_CLEANUP: Final = "kubernetes-fleet.io/crp-cleanup"
_SCHEDULER_CLEANUP: Final = "kubernetes-fleet.io/scheduler-cleanup"

# For each condition, reasons and messages: per cluster if unknown; for the placement if unknown, false and true (fleet
# v0.18.12 pkg/utils/condition/condition.go:183-360; spellings are upstream's).
_STAGES: Final = (
    (
        "RolloutStarted",
        (
            "RolloutStartedUnknown",
            "In the process of deciding whether to roll out some version of the resources or not",
        ),
        "There are still {} cluster(s) in the process of deciding whether to roll out the latest resources or not",
        ("RolloutNotStartedYet", "The rollout is being blocked by the rollout strategy in {} cluster(s)"),
        ("RolloutStarted", "All {} cluster(s) start rolling out the latest resource"),
    ),
    (
        "Overridden",
        ("OverriddenPending", "In the process of overriding the selected resources if there is any override defined"),
        (
            "There are still {} cluster(s) in the process of overriding the selected resources if there is any "
            "override defined"
        ),
        ("OverriddenFailed", "Failed to override resources in {} cluster(s)"),
        ("OverriddenSucceeded", "The selected resources are successfully overridden in {} cluster(s)"),
    ),
    (
        "WorkSynchronized",
        ("WorkSynchronizedUnknown", "In the process of creating or updating the work object(s) in the hub cluster"),
        "There are still {} cluster(s) in the process of creating or updating the work object(s) in the hub cluster",
        (
            "WorkNotSynchronizedYet",
            "There are {} cluster(s) which have not finished creating or updating work(s) yet",
        ),
        (
            "WorkSynchronized",
            "Work(s) are successfully created or updated in {} target cluster(s)' namespaces",
        ),
    ),
    (
        "Applied",
        ("ApplyPending", "In the process of applying the resources on the member cluster"),
        "There are still {} cluster(s) in the process of applying the resources on the member cluster",
        (
            "ApplyFailed",
            "Failed to apply resources to {} cluster(s), please check the `failedPlacements` status",
        ),
        ("ApplySucceeded", "The selected resources are successfully applied to {} cluster(s)"),
    ),
    (
        "Available",
        ("ResourceAvailableUnknown", "The availability of the selected resources is unknown yet "),
        "There are still {} cluster(s) in the process of checking the availability of the selected resources",
        ("ResourceNotAvailableYet", "The selected resources in {} cluster(s) are still not available yet"),
        ("ResourceAvailable", "The selected resources in {} cluster(s) are available now"),
    ),
)


def placements(fleet: FleetView, hub: Cluster) -> None:
    """Take snapshots of the selected resources and of the policy, and collect the status."""
    for item in hub.objects(PLACEMENT):
        if deleting(item):
            # The deletion ends before the members are clean (observed).
            for key in (BINDING, SNAPSHOT, POLICY):
                for part in parts(hub, key, item):
                    hub.discard(part)
            hub.set_finalizer(item, _CLEANUP, present=False)
            hub.set_finalizer(item, _SCHEDULER_CLEANUP, present=False)
            continue
        hub.set_finalizer(item, _CLEANUP, present=True)
        hub.set_finalizer(item, _SCHEDULER_CLEANUP, present=True)
        try:
            manifests = select(hub, item)
        except RefusedError as error:
            hub.set_condition(
                item,
                "ClusterResourcePlacementScheduled",
                "False",
                "InvalidResourceSelectors",
                f"The resource selectors are invalid: {error}",
            )
            continue
        if not is_external(item):
            take_snapshot(fleet, hub, item, manifests)
        policy = next(iter(parts(hub, POLICY, item)), None)
        wanted: Object = item["spec"].get("policy") or {}
        if policy is None:
            body = {"policy": wanted, "index": 0}
            hub.create(new_part(item, "ClusterSchedulingPolicySnapshot", f"{name_of(item)}-0", body))
        else:
            if policy["spec"]["policy"] != wanted:  # Fleet makes another snapshot
                policy["spec"] = {"policy": wanted, "index": policy["spec"].get("index", 0) + 1}
                hub.touch(policy)
            hub.set_metadata(policy, "annotations", GENERATION, str(generation_of(item)))
        _set_status(hub, item, policy)


def take_snapshot(
    fleet: FleetView, hub: Cluster, item: Object, manifests: list[Object], *, at_once: bool = False
) -> None:
    """Take a snapshot of the selected resources, if they have changed; at most one each 30 s, unless at once."""
    latest = latest_snapshot(hub, item)
    index = 0
    if latest:
        if latest["spec"]["selectedResources"] == manifests:
            return
        if not at_once and not fleet.elapsed(
            seconds(latest["metadata"]["creationTimestamp"]), delays.SNAPSHOT_INTERVAL
        ):
            return
        index = int(labels_of(latest)[INDEX]) + 1
        used = {binding["spec"].get("resourceSnapshotName") for binding in bindings(hub, item)}
        for old in parts(hub, SNAPSHOT, item):
            if name_of(old) not in used:
                hub.discard(old)
    body = new_part(
        item, "ClusterResourceSnapshot", f"{name_of(item)}-{index}-snapshot", {"selectedResources": manifests}
    )
    body["metadata"]["labels"][INDEX] = str(index)
    hub.create(body)


def _set_status(hub: Cluster, item: Object, policy: Object | None) -> None:
    snapshot = latest_snapshot(hub, item)
    generation = generation_of(item)
    before = status_of(item)
    status: Object = {
        "conditions": before.get("conditions", []),
        "selectedResources": [identity(entry) for entry in snapshot["spec"]["selectedResources"]] if snapshot else [],
        "observedResourceIndex": labels_of(snapshot)[INDEX] if snapshot else "",
    }

    def put(name: str, value: str, reason: str, message: str) -> None:
        entry = {"type": f"ClusterResourcePlacement{name}", "status": value, "reason": reason, "message": message}
        entry["observedGeneration"] = generation  # pyright: ignore[reportArgumentType] -- JSON
        status["conditions"] = put_condition(status["conditions"], entry, hub.clock.now)

    decided: Object = (policy or {}).get("status") or {}
    if (
        policy is None
        or (snapshot is None and not is_external(item))
        or decided.get("observedCRPGeneration") != generation
    ):
        put("Scheduled", "Unknown", "SchedulePending", "Scheduling has not completed")
        hub.set_status(item, status)
        return
    scheduled = condition(policy, "Scheduled")
    if scheduled is None:
        return
    put("Scheduled", scheduled["status"], scheduled["reason"], scheduled["message"])
    selected = [entry for entry in decided["targetClusters"] if entry["selected"]]
    known = {entry["clusterName"]: entry for entry in before.get("placementStatuses", ()) if "clusterName" in entry}
    clusters = [_cluster_status(hub, item, snapshot, entry, known.get(entry["clusterName"], {})) for entry in selected]
    refused = [_refused_status(hub, generation, entry) for entry in decided["targetClusters"] if not entry["selected"]]
    if clusters or refused:
        status["placementStatuses"] = [*clusters, *refused]
    names = ["Scheduled"]
    if is_external(item) and (message := _undecided(clusters)):
        status |= {"selectedResources": [], "observedResourceIndex": ""}
        put("RolloutStarted", "Unknown", "RolloutControlledByExternalController", message)
        names.append("RolloutStarted")
        clusters = []
    for name, unknown, unknown_message, false, true in _STAGES if clusters else ():
        states = [entry["status"] for cluster in clusters if (entry := condition(cluster, name))]
        names.append(name)
        if "Unknown" in states:
            put(name, "Unknown", unknown[0], unknown_message.format(states.count("Unknown")))
            break
        if "False" in states:
            put(name, "False", false[0], false[1].format(states.count("False")))
            break
        reason, message = true
        if name == "Overridden" and not any("applicableResourceOverrides" in cluster for cluster in clusters):
            reason, message = "NoOverrideSpecified", "No override rules are configured for the selected resources"
        put(name, "True", reason, message.format(len(states)))
    kept = {f"ClusterResourcePlacement{name}" for name in names}
    status["conditions"] = [entry for entry in status["conditions"] if entry["type"] in kept]
    hub.set_status(item, status)


def _undecided(clusters: list[Object]) -> str:
    """Return why a placement with update runs has no state as a whole, if it has none.

    Source: placement/controller.go, determineRolloutStateForPlacementWithExternalRolloutStrategy.
    """
    indices = {cluster["observedResourceIndex"] for cluster in clusters}
    begin = "Rollout is controlled by an external controller and"
    if len(indices) > 1:
        return f"{begin} different resource snapshot versions are observed across clusters"
    if indices == {""}:
        return (
            f"{begin} no resource snapshot name is observed across clusters. To determine rollout status, check the "
            "ClusterStagedUpdateRun resources with spec.placementName matching this placement"
        )
    return ""


def is_external(item: Object) -> bool:
    """Return whether a placement's versions are rolled out by update runs, which also take its snapshots."""
    return child(item["spec"], "strategy").get("type") == "External"


def _cluster_status(hub: Cluster, item: Object, snapshot: Object | None, decision: Object, before: Object) -> Object:
    generation = generation_of(item)
    old: list[Object] = before.get("conditions", [])
    binding = next(
        (
            entry
            for entry in bindings(hub, item)
            if entry["spec"]["targetCluster"] == decision["clusterName"] and not deleting(entry)
        ),
        None,
    )
    if is_external(item):
        snapshot = hub.find(SNAPSHOT, binding["spec"].get("resourceSnapshotName", "")) if binding else None
    result: Object = {
        "clusterName": decision["clusterName"],
        "observedResourceIndex": labels_of(snapshot)[INDEX] if snapshot else "",
        "conditions": [],
    }

    def put(name: str, value: str, reason: str, message: str) -> None:
        entry = {
            "type": name,
            "status": value,
            "reason": reason,
            "message": message,
            "observedGeneration": generation,
        }
        renewed = put_condition([found for found in old if found["type"] == name], entry, hub.clock.now)
        result["conditions"] += renewed

    put("Scheduled", "True", "Scheduled", decision["reason"])
    overrides: list[Object] = binding["spec"].get("resourceOverrideSnapshots") or [] if binding else []
    if overrides:
        result["applicableResourceOverrides"] = [
            {"name": entry["name"], "namespace": entry["namespace"]} for entry in overrides
        ]
    for name, (reason, message), *_ in _STAGES:
        found = condition(binding, name) if binding else None
        stale = binding is not None and (
            snapshot is None or binding["spec"].get("resourceSnapshotName") != name_of(snapshot)
        )
        if found and stale and found["status"] == "False":
            put(name, "False", "RolloutNotStartedYet", "The rollout is being blocked by the rollout strategy")
            break
        if found is None or stale or binding is None:
            put(name, "Unknown", reason, message)
            break
        put(name, found["status"], found["reason"], found["message"])
        if (
            name in ("Applied", "Available")
            and found["status"] == "False"
            and binding["status"].get("failedPlacements")
        ):
            result["failedPlacements"] = deepcopy(binding["status"]["failedPlacements"])
        if found["status"] == "False":
            break
    return result


def _refused_status(hub: Cluster, generation: int, decision: Object) -> Object:
    entry = {
        "type": "Scheduled",
        "status": "False",
        "reason": "ScheduleFailed",
        "message": decision["reason"],
        "observedGeneration": generation,
    }
    return {"conditions": put_condition([], entry, hub.clock.now)}


CONTROLLERS: Final = (placements,)
