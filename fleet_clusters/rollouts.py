"""A staged rollout of an app: the ClusterStagedUpdateRun of its placement, and the approval of a stage.

Source: Azure/fleet v0.18.12, apis/placement/v1/stageupdate_types.go, pkg/controllers/updaterun.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from .objects import Object, is_true, part, parts

_PLACEMENT: Final = "/apis/placement.kubernetes-fleet.io/v1"
RUNS: Final = f"{_PLACEMENT}/clusterstagedupdateruns"
"""The API path of the runs."""
PLACEMENTS: Final = f"{_PLACEMENT}/clusterresourceplacements"
"""The API path of the placements."""
Version: TypeAlias = tuple[str, Sequence[Any], Sequence[Any]]
"""What a member gets: the index of the snapshot of the app's objects, and the snapshots of its overrides of both kinds.
Fleet compares the same (updaterun, execution.go, isBindingSyncedWithClusterStatus)."""
# Containers in these states do not start by themselves (kubernetes v1.34.1, pkg/kubelet/images/types.go,
# pkg/kubelet/container/sync_result.go, pkg/kubelet/kuberuntime/kuberuntime_container.go).
_BROKEN: Final = frozenset(
    {"CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull", "ErrImagePull"}
    | {"ImageInspectError", "ImagePullBackOff", "InvalidImageName", "RunContainerError"}
)


@dataclass(frozen=True)
class Rollout:
    """How far a run is.

    Attributes:
        stages: the members of each stage that has some, in the rollout's order.
        number: the first stage that has not ended, from 0; the number of stages if all have.
        updating: the members of that stage that do not have the new version yet, or do not run it well.
        updated: when its last member had the new version; None before.
        request: the name of the request for approval that the stage waits for; None if there is none yet.
        removing: members that the app is still being removed from. Fleet begins with it after the last stage.
        failure: why Fleet has ended the run; empty if it has not.
        first: whether this is the first version of the placement's objects; overrides may have changed since.
        versions: what each member gets.
    """

    stages: Sequence[Sequence[str]]
    number: int
    updating: Sequence[str]
    updated: datetime | None
    request: str | None
    removing: Sequence[str]
    failure: str
    first: bool
    versions: Mapping[str, Version]

    @property
    def stage(self) -> str:
        """The stage, for messages."""
        return f"stage {self.number + 1} of {len(self.stages)} ({', '.join(self.stages[self.number])})"

    @property
    def later(self) -> list[str]:
        """The members of the stages after that one."""
        return [member for stage in self.stages[self.number + 1 :] for member in stage]


def rollout(run: Object) -> Rollout | None:
    """Return how far a run is; None while Fleet has not read it."""
    status = part(run, "status")
    failed = next((each["message"] for name in ("Initialized", "Succeeded") for each in _failed(status, name)), "")
    # Fleet skips a stage without members (updaterun, execution.go, StageUpdatingSkippedNoClusters).
    stages = [each for each in parts(status, "stagesStatus") if parts(each, "clusters")]
    if not failed and not is_true(status, "Initialized"):
        return None
    number = next((place for place, each in enumerate(stages) if not is_true(each, "Succeeded")), len(stages))
    current: Object = stages[number] if number < len(stages) else {}
    updating = [each["clusterName"] for each in parts(current, "clusters") if not is_true(each, "Succeeded")]
    progress = next((each for each in parts(current, "conditions") if each["type"] == "Progressing"), Object())
    waiting = not updating and progress.get("reason") == "StageUpdatingWaiting"
    requests = (each.get("approvalRequestName") for each in parts(current, "afterStageTaskStatus"))
    removed, index = part(status, "deletionStageStatus"), status.get("resourceSnapshotIndexUsed", "")
    return Rollout(
        [[cluster["clusterName"] for cluster in parts(each, "clusters")] for each in stages],
        number,
        updating,
        datetime.fromisoformat(progress["lastTransitionTime"]) if waiting else None,
        next(filter(None, requests), None) if waiting else None,
        [each["clusterName"] for each in parts(removed, "clusters") if not is_true(each, "Succeeded")],
        failed,
        index == "0",
        {
            cluster["clusterName"]: (
                index,
                parts(cluster, "resourceOverrideSnapshots"),
                parts(cluster, "clusterResourceOverrideSnapshots"),
            )
            for each in stages
            for cluster in parts(each, "clusters")
        },
    )


def versions(placement: Object) -> dict[str, Version]:
    """Return what each member has got of a placement."""
    return {
        each["clusterName"]: (
            each.get("observedResourceIndex", ""),
            parts(each, "applicableResourceOverrides"),
            parts(each, "applicableClusterResourceOverrides"),
        )
        for each in parts(part(placement, "status"), "placementStatuses")
        # Otherwise, the hub does not say which overrides a member has (placement_status.go).
        if is_true(each, "RolloutStarted")
    }


def approval(request: Object, now: datetime) -> Object:
    """Return the change of a request's status that approves it (learn: kubernetes-fleet/howto-staged-update-run)."""
    given = {
        "type": "Approved",
        "status": "True",
        "reason": "Checked",
        "message": "the app is available in this stage's regions",
        "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "observedGeneration": request["metadata"]["generation"],
    }
    kept = [each for each in parts(part(request, "status"), "conditions") if each["type"] != "Approved"]
    return {"status": {"conditions": [*kept, given]}}


def request_path(name: str) -> str:
    """Return the API path of a request for approval."""
    return f"{_PLACEMENT}/clusterapprovalrequests/{name}"


def broken(pods: Sequence[Object]) -> str:
    """Return which containers cannot start, and why; empty if none is known to."""
    found = [
        f"{pod['metadata']['name']}: {reason}"
        for pod in pods
        for each in _containers(pod)
        if (reason := part(part(each, "state"), "waiting").get("reason", "")) in _BROKEN
    ]
    return ", ".join(found)


def _failed(status: Object, name: str) -> list[Object]:
    return [each for each in parts(status, "conditions") if each["type"] == name and each["status"] == "False"]


def _containers(pod: Object) -> list[Object]:
    status = part(pod, "status")
    return [*parts(status, "initContainerStatuses"), *parts(status, "containerStatuses")]
