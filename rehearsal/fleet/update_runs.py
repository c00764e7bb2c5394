"""Staged update runs: a placement's new version reaches one stage of members after another.

Source: Azure/fleet v0.18.12, pkg/controllers/updaterun; reasons: pkg/utils/condition/reason.go. Left out: tasks before
a stage, waits after one, the state Stop, a number of members at a time, an update that is given up because of another
run of the same placement, and an override that changes during a run: its later stages get the new one.
"""

import math
from typing import Final

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.objects import (
    Object,
    child,
    condition,
    deleting,
    generation_of,
    is_true,
    labels_of,
    matches,
    name_of,
    put_condition,
    seconds,
    status_of,
    timestamp,
)
from rehearsal.fleet.bindings import (
    API_VERSION,
    INDEX,
    MEMBER_CLUSTER,
    PLACEMENT,
    POLICY,
    bindings,
    latest_snapshot,
    parts,
)
from rehearsal.fleet.placement import take_snapshot
from rehearsal.fleet.scheduling import content, start
from rehearsal.fleet.selection import select
from rehearsal.fleet.view import FleetView

RUN: Final = "ClusterStagedUpdateRun.placement.kubernetes-fleet.io"
_STRATEGY: Final = "ClusterStagedUpdateStrategy.placement.kubernetes-fleet.io"
_REQUEST: Final = "ClusterApprovalRequest.placement.kubernetes-fleet.io"
_FINALIZER: Final = "kubernetes-fleet.io/stagedupdaterun-finalizer"
_RUN_LABEL: Final = "kubernetes-fleet.io/targetUpdateRun"
_STAGE_LABEL: Final = "kubernetes-fleet.io/targetUpdatingStage"
# execution.go: clusterUpdatingWaitTime, updateRunStuckThreshold.
_RECHECK: Final = 15
_STUCK: Final = 5 * 60
_ABORTED: Final = "cannot continue the updateRun"
_INVALID: Final = f"{_ABORTED}: failed to validate the updateRun"
_MISTAKE: Final = f"{_INVALID}: failed to process the request due to a client error"  # utils/controller, NewUserError


class _AbortedError(Exception):
    """A run cannot go on, or not begin."""


def update_runs(fleet: FleetView, hub: Cluster) -> None:
    """Take every run a step further."""
    for run in hub.objects(RUN):
        if deleting(run):
            for request in hub.objects(_REQUEST):
                if labels_of(request).get(_RUN_LABEL) == name_of(run):
                    hub.discard(request)
            hub.set_finalizer(run, _FINALIZER, present=False)
            continue
        hub.set_finalizer(run, _FINALIZER, present=True)
        _write_form(hub, run)
        begun = condition(run, "Initialized")
        if (begun and begun["status"] == "False") or condition(run, "Succeeded"):
            continue
        try:
            if begun is None:
                _begin(fleet, hub, run)
            elif run["spec"].get("state") == "Run":
                _go_on(fleet, hub, run)
        except _AbortedError as error:
            name = "Succeeded" if begun else "Initialized"
            reason = "UpdateRunFailed" if begun else "UpdateRunInitializedFailed"
            if begun:
                hub.set_condition(
                    run, "Progressing", "False", reason, "The stages are aborted due to a non-recoverable error"
                )
            hub.set_condition(run, name, "False", reason, str(error))


def _write_form(hub: Cluster, run: Object) -> None:
    """Write a run's specification in Fleet's own form, as Fleet does when it adds the finalizer."""
    if "resourceSnapshotIndex" not in run["spec"]:
        run["spec"]["resourceSnapshotIndex"] = ""
        run["metadata"]["generation"] += 1
        hub.touch(run)


def _placement(hub: Cluster, run: Object) -> Object:
    item = hub.find(PLACEMENT, run["spec"]["placementName"])
    if item is None:
        raise _AbortedError(f"{_MISTAKE}: parent placement not found")
    kind: str = child(item["spec"], "strategy").get("type", "RollingUpdate")
    if kind != "External":
        raise _AbortedError(
            f"{_MISTAKE}: parent placement does not have an external rollout strategy, current strategy: {kind}"
        )
    return item


def _begin(fleet: FleetView, hub: Cluster, run: Object) -> None:
    item = _placement(hub, run)
    policy = next(iter(parts(hub, POLICY, item)), None)
    # The scheduler has not looked at the policy yet.
    if policy is None or status_of(policy).get("observedCRPGeneration") != generation_of(item):
        raise _AbortedError(f"{_INVALID}: policy snapshot `{name_of(item)}-0` not fully scheduled yet")
    there = [each for each in bindings(hub, item) if not deleting(each)]
    scheduled = [each["spec"]["targetCluster"] for each in there if each["spec"]["state"] != "Unscheduled"]
    known = {
        "appliedStrategy": item["spec"]["strategy"]["applyStrategy"],
        "policySnapshotIndexUsed": str(policy["spec"].get("index", 0)),
        "policyObservedClusterCount": len(scheduled),
    }
    hub.set_status(run, {**status_of(run), **known})
    strategy = hub.find(_STRATEGY, run["spec"]["stagedRolloutStrategyName"])
    if strategy is None:
        wanted = run["spec"]["stagedRolloutStrategyName"]
        raise _AbortedError(f"{_MISTAKE}: referenced updateStrategy not found: `/{wanted}`")
    stages = _stages(hub, run, strategy["spec"]["stages"], scheduled)
    take_snapshot(fleet, hub, item, select(hub, item), at_once=True)
    snapshot = latest_snapshot(hub, item) or Object()
    _record_overrides(hub, item, name_of(snapshot), stages, there)
    removed = [{"clusterName": each["spec"]["targetCluster"]} for each in there if _is_removed(each)]
    status = {
        "resourceSnapshotIndexUsed": labels_of(snapshot)[INDEX],
        "stagedUpdateStrategySnapshot": strategy["spec"],
        "stagesStatus": stages,
        "deletionStageStatus": {"stageName": "kubernetes-fleet.io/deleteStage", "clusters": removed},
    }
    hub.set_status(run, {**status_of(run), **status})
    message = "The UpdateRun initialized successfully"
    hub.set_condition(run, "Initialized", "True", "UpdateRunInitializedSuccessfully", message)


def _is_removed(binding: Object) -> bool:
    return binding["spec"]["state"] == "Unscheduled"


def _stages(hub: Cluster, run: Object, wanted: list[Object], scheduled: list[str]) -> list[Object]:
    """Return the stages with their members."""
    found: list[Object] = []
    known: set[str] = set()
    for stage in wanted:
        selector = stage.get("labelSelector")
        members = sorted(
            name_of(member)
            for member in hub.objects(MEMBER_CLUSTER)
            if selector is not None and matches(selector, labels_of(member)) and name_of(member) in scheduled
        )
        if twice := [member for member in members if member in known]:
            raise _AbortedError(f"{_MISTAKE}: cluster `{twice[0]}` appears in more than one stages")
        known |= {*members}
        tasks = [
            {"type": task["type"], "approvalRequestName": f"{name_of(run)}-after-{stage['name']}"}
            for task in stage.get("afterStageTasks") or ()
        ]
        clusters = [{"clusterName": member} for member in members]
        found.append(
            {"stageName": stage["name"], "clusters": clusters, **({"afterStageTaskStatus": tasks} if tasks else {})}
        )
    if missing := sorted({*scheduled} - known):
        raise _AbortedError(
            f"{_MISTAKE}: some clusters are not placed in any stage, total {len(missing)}, showing up to 10: "
            f"{', '.join(missing[:10])}"
        )
    return found


def _record_overrides(hub: Cluster, item: Object, snapshot: str, stages: list[Object], there: list[Object]) -> None:
    """Record the overrides that each member gets (recordOverrideSnapshots)."""
    of = {each["spec"]["targetCluster"]: content(hub, item, snapshot, each) for each in there}
    for each in (cluster for stage in stages for cluster in stage["clusters"]):
        if found := of[each["clusterName"]]["resourceOverrideSnapshots"]:
            each["resourceOverrideSnapshots"] = [{key: one[key] for key in ("name", "namespace")} for one in found]


def _go_on(fleet: FleetView, hub: Cluster, run: Object) -> None:
    item, status = _placement(hub, run), status_of(run)
    stages: list[Object] = status["stagesStatus"]
    there = {each["spec"]["targetCluster"]: each for each in bindings(hub, item)}
    scheduled = {name for name, each in there.items() if not deleting(each) and not _is_removed(each)}
    policy = next(iter(parts(hub, POLICY, item)), None)
    latest, recorded = str(policy["spec"].get("index", 0)) if policy else "", status["policySnapshotIndexUsed"]
    if latest != recorded:
        problem = f"the policy snapshot index used in the updateRun is outdated, latest: {latest}, recorded: {recorded}"
        raise _AbortedError(f"{_ABORTED}: {problem}")
    if scheduled != {each["clusterName"] for stage in stages for each in stage["clusters"]}:  # a member came or left
        raise _AbortedError(f"{_ABORTED}: the number of clusters in a stage has changed")
    _mark(
        hub, run, run, "Progressing", "True", "UpdateRunProgressing", "The update run is making progress", only_new=True
    )
    for stage in stages:
        if not _has(stage, "Succeeded"):
            _update_stage(fleet, hub, run, item, stage, there)
            return
    _remove(hub, run, there)


def _update_stage(  # noqa: C901, PLR0913, PLR0917 - a stage and what it is of
    fleet: FleetView, hub: Cluster, run: Object, item: Object, stage: Object, there: dict[str, Object]
) -> None:
    if not stage["clusters"]:
        for name, value in (("Progressing", "False"), ("Succeeded", "True")):
            message = "Stage skipped because it has no clusters"
            _mark(hub, run, stage, name, value, "StageUpdatingSkippedNoClusters", message)
        return
    index = run["status"]["resourceSnapshotIndexUsed"]
    snapshot = f"{run['spec']['placementName']}-{index}-snapshot"
    if "startTime" not in stage:
        for each in stage["clusters"]:
            binding = there[each["clusterName"]]
            wanted = content(hub, item, snapshot, binding)
            if binding["spec"]["state"] != "Bound" or not wanted.items() <= binding["spec"].items():
                index = run["spec"]["resourceSnapshotIndex"]
                start(hub, binding, wanted, f", resourceSnapshotIndex: {index}, updateRun: {name_of(run)}")
            _mark(hub, run, each, "Started", "True", "ClusterUpdatingStarted", "Cluster update started")
        stage["startTime"] = timestamp(hub.clock.now)
        _mark(hub, run, stage, "Progressing", "True", "StageUpdatingStarted", "Clusters in the stage started updating")
        return
    since = seconds(stage["startTime"])
    left = [each for each in stage["clusters"] if not _has(each, "Succeeded")]
    if left:
        checks = max(1, math.ceil((hub.clock.now - since) / _RECHECK))
        if not fleet.elapsed(since, checks * _RECHECK):
            return
        for each in left:
            if is_true(there[each["clusterName"]], "Available"):
                message = "Cluster update completed successfully"
                _mark(hub, run, each, "Succeeded", "True", "ClusterUpdatingSucceeded", message)
        if names := [each["clusterName"] for each in left if not _has(each, "Succeeded")]:
            if fleet.elapsed(since, _STUCK):
                shown = ", ".join(names[:3]) + ("..." if len(names) > 3 else "")  # noqa: PLR2004 - generateStuckClustersString
                message = (
                    f"The updateRun is stuck waiting for {shown} cluster(s) in stage {stage['stageName']} to finish "
                    "updating, please check placement status for potential errors"
                )
                _mark(hub, run, run, "Progressing", "False", "UpdateRunStuck", message)
            return
    if all(_is_approved(hub, run, stage, task) for task in stage.get("afterStageTaskStatus") or ()):
        _mark(hub, run, run, "Progressing", "True", "UpdateRunProgressing", "The update run is making progress")
        _end(hub, run, stage)
        return
    message = f"The updateRun is waiting for after-stage tasks in stage {stage['stageName']} to complete"
    _mark(hub, run, run, "Progressing", "False", "UpdateRunWaiting", message)
    message = "All clusters in the stage are updated, waiting for after-stage tasks to complete"
    _mark(hub, run, stage, "Progressing", "False", "StageUpdatingWaiting", message)


def _is_approved(hub: Cluster, run: Object, stage: Object, task: Object) -> bool:
    if _has(task, "ApprovalRequestApproved"):
        return True
    request = hub.find(_REQUEST, task["approvalRequestName"])
    if request is None:
        labels = {_RUN_LABEL: name_of(run), _STAGE_LABEL: stage["stageName"]}
        specification = {"parentStageRollout": name_of(run), "targetStage": stage["stageName"]}
        metadata = {"name": task["approvalRequestName"], "labels": labels}
        body = {
            "apiVersion": API_VERSION,
            "kind": "ClusterApprovalRequest",
            "metadata": metadata,
            "spec": specification,
        }
        hub.create(body)
        message = "ApprovalRequest object is created"
        _mark(hub, run, task, "ApprovalRequestCreated", "True", "StageTaskApprovalRequestCreated", message)
        return False
    approved = condition(request, "Approved")
    # An approval of another generation does not count (utils/condition, IsConditionStatusTrue).
    if not approved or (approved["status"], approved.get("observedGeneration")) != ("True", generation_of(request)):
        return False
    message = "The approval request has been approved and cannot be reverted"
    hub.set_condition(request, "ApprovalAccepted", "True", "ApprovalRequestApprovalAccepted", message)
    message = "ApprovalRequest object is approved"
    _mark(hub, run, task, "ApprovalRequestApproved", "True", "StageTaskApprovalRequestApproved", message)
    return True


def _remove(hub: Cluster, run: Object, there: dict[str, Object]) -> None:
    """Remove the app from members that the placement no longer selects (executeDeleteStage)."""
    stage: Object = run["status"]["deletionStageStatus"]
    if not _has(stage, "Progressing"):
        _mark(hub, run, stage, "Progressing", "True", "StageUpdatingStarted", "Clusters in the stage started updating")
    for each in stage["clusters"]:
        if binding := there.get(each["clusterName"]):
            hub.discard(binding)
            _mark(hub, run, each, "Started", "True", "ClusterUpdatingStarted", "Cluster update started")
        else:
            message = "Cluster update completed successfully"
            _mark(hub, run, each, "Succeeded", "True", "ClusterUpdatingSucceeded", message)
    if all(_has(each, "Succeeded") for each in stage["clusters"]):
        _end(hub, run, stage)
        _mark(hub, run, run, "Progressing", "False", "UpdateRunSucceeded", "All stages are completed")
        _mark(hub, run, run, "Succeeded", "True", "UpdateRunSucceeded", "All stages are completed successfully")


def _end(hub: Cluster, run: Object, stage: Object) -> None:
    message = "All clusters in the stage are updated and after-stage tasks are completed"
    _mark(hub, run, stage, "Progressing", "False", "StageUpdatingSucceeded", message)
    message = "Stage update completed successfully"
    _mark(hub, run, stage, "Succeeded", "True", "StageUpdatingSucceeded", message)


def _has(item: Object, name: str) -> bool:
    return any(each["type"] == name and each["status"] == "True" for each in item.get("conditions") or ())


def _mark(  # noqa: PLR0913, PLR0917 - a condition and what it is of
    hub: Cluster,
    run: Object,
    item: Object,
    name: str,
    status: str,
    reason: str,
    message: str,
    *,
    only_new: bool = False,
) -> None:
    """Set a condition of a run, or of a part of its status."""
    if item is run:
        if not (only_new and condition(run, name)):
            hub.set_condition(run, name, status, reason, message)
        return
    entry = {
        "type": name,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation_of(run),
    }
    before: list[Object] = item.get("conditions") or []
    item["conditions"] = put_condition(before, entry, hub.clock.now)
    if item["conditions"] != before:
        hub.touch(run)


CONTROLLERS: Final = (update_runs,)
