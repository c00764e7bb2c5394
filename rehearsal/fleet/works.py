"""The delivery of placed resources to a member: synchronized by the hub, applied wave by wave, and watched.

Source: Azure/fleet v0.18.12, pkg/controllers/workgenerator and pkg/controllers/workapplier.
"""

import math
from collections.abc import Iterator
from copy import deepcopy
from typing import Final

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.kinds import KINDS, find_kind, key_of
from rehearsal.cluster.objects import (
    Object,
    annotations_of,
    condition,
    deleting,
    generation_of,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    seconds,
    status_of,
)
from rehearsal.core import delays
from rehearsal.core.errors import ApiError, OverrideError
from rehearsal.fleet.bindings import (
    API_VERSION,
    APPLIED_WORK,
    BINDING,
    MEMBER_CLUSTER,
    PARENT,
    SNAPSHOT,
    WORK_CLEANUP,
)
from rehearsal.fleet.overrides import overridden
from rehearsal.fleet.selection import ENVELOPE, HASH, availability, identity, seal, wave
from rehearsal.fleet.view import FleetView

_OVERRIDDEN: Final = {
    False: ("NoOverrideSpecified", "No override rules are configured for the selected resources"),
    True: ("OverriddenSucceeded", "Successfully applied the override rules on the resources"),
}


def synchronize(fleet: FleetView, hub: Cluster) -> None:
    """Synchronize a binding's resources to its member (pkg/controllers/workgenerator)."""
    del fleet
    for binding in hub.objects(BINDING):
        if deleting(binding) or not is_true(binding, "RolloutStarted") or condition(binding, "WorkSynchronized"):
            continue
        try:
            _manifests(hub, binding)
        except OverrideError as error:
            message = f"Failed to apply the override rules on the resources: {error}"
            hub.set_condition(binding, "Overridden", "False", "OverriddenFailed", message)
            continue
        has_overrides = bool(binding["spec"].get("resourceOverrideSnapshots"))
        for name, value, reason, message in (
            ("Overridden", "True", *_OVERRIDDEN[has_overrides]),
            ("WorkSynchronized", "True", "AllWorkSynced", "All of the works are synchronized to the latest"),
            ("Applied", "False", "ApplyInProgress", "Resources are being applied"),
        ):
            hub.set_condition(binding, name, value, reason, message)


def apply_works(fleet: FleetView, hub: Cluster) -> None:
    """Apply the bindings' resources on their members wave by wave, watch them, and remove unbound resources."""
    members = fleet.members(hub)
    for binding in hub.objects(BINDING):
        name = binding["spec"]["targetCluster"]
        member = hub.find(MEMBER_CLUSTER, name)
        cluster = members.get(name)
        if deleting(binding):
            # A member that leaves keeps its workloads (observed). A member that does not answer is cleaned when it is
            # back.
            if member is None or deleting(member) or cluster is None or _removed(cluster, binding):
                hub.set_finalizer(binding, WORK_CLEANUP, present=False)
        elif cluster and cluster.reachable and member and not deleting(member) and is_true(binding, "WorkSynchronized"):
            _apply_work(fleet, hub, cluster, binding)


def _manifests(hub: Cluster, binding: Object) -> list[Object]:
    """Return a binding's manifests for its member."""
    snapshot = hub.find(SNAPSHOT, binding["spec"]["resourceSnapshotName"])
    member = hub.find(MEMBER_CLUSTER, binding["spec"]["targetCluster"])
    selected: list[Object] = snapshot["spec"]["selectedResources"] if snapshot else []
    overrides: list[Object] = binding["spec"].get("resourceOverrideSnapshots") or []
    return [*_opened(overridden(selected, overrides, member) if member else selected)]


def _opened(manifests: list[Object]) -> Iterator[Object]:
    """Yield the manifests for a member; for an envelope, its objects (pkg/controllers/workgenerator/envelope.go).

    Fleet creates a separate Work for each envelope; here its objects are part of the only Work.
    """
    for manifest in manifests:
        if key_of(manifest) == ENVELOPE:
            yield from (seal(each) for each in manifest["data"].values())
        else:
            yield manifest


def _work_name(binding: Object) -> str:
    return f"{labels_of(binding)[PARENT]}-work"


def _removed(cluster: Cluster, binding: Object) -> bool:
    work = cluster.find(APPLIED_WORK, _work_name(binding))
    if work and cluster.reachable:
        cluster.discard(work, foreground=True)
    return cluster.find(APPLIED_WORK, _work_name(binding)) is None


def _apply_work(fleet: FleetView, hub: Cluster, cluster: Cluster, binding: Object) -> None:
    if hub.find(SNAPSHOT, binding["spec"]["resourceSnapshotName"]) is None:
        return
    work = cluster.find(APPLIED_WORK, _work_name(binding))
    if work is None:
        specification = {"workName": _work_name(binding)}
        metadata = {"name": _work_name(binding)}
        cluster.create({"apiVersion": API_VERSION, "kind": "AppliedWork", "metadata": metadata, "spec": specification})
        return
    if deleting(work):
        return
    manifests = _manifests(hub, binding)
    applied, failures = _apply_wave(fleet, cluster, work, manifests)
    name = _work_name(binding)
    if failures:
        _set_failures(hub, binding, "Applied", failures)
        message = f"Work object {name} has failed to apply"
        hub.set_condition(binding, "Applied", "False", "NotAllWorkHaveBeenApplied", message)
        return
    first = not is_true(binding, "Applied")
    if applied:
        if first:
            message = f"Work object {name} has not yet completed the apply op"
            hub.set_condition(binding, "Applied", "False", "NotAllWorkHaveBeenApplied", message)
        else:
            hub.set_condition(
                binding, "Available", "False", "NotAllWorkAreAvailable", f"Work object {name} is not yet available"
            )
        return
    _prune(cluster, work, manifests)
    if first:
        hub.set_condition(
            binding, "Applied", "True", "AllWorkHaveBeenApplied", "All corresponding work objects are applied"
        )
    if first or not is_true(binding, "Available"):
        _check_availability(hub, cluster, binding, manifests, at_once=first)


def _apply_wave(
    fleet: FleetView, cluster: Cluster, work: Object, manifests: list[Object]
) -> tuple[bool, list[tuple[Object, str, str]]]:
    """Apply the first wave that is not up to date; return whether anything was applied, and the failures.

    For kinds with a generation, changes of the manifest's fields on the member are reverted at once (observed).
    """
    applied = False
    failures: list[tuple[Object, str, str]] = []
    current = -1
    for manifest in sorted(manifests, key=wave):
        if applied and wave(manifest) != current:
            break
        live = cluster.find(key_of(manifest), name_of(manifest), namespace_of(manifest))
        before = live["metadata"].get("generation") if live else None
        known = live is not None and annotations_of(live).get(HASH) == annotations_of(manifest)[HASH]
        if live and known and before in (None, fleet.seen.get(live["metadata"]["uid"])):
            continue
        body = deepcopy(manifest)
        body["metadata"]["ownerReferences"] = [owner_reference(work, controller=False)]
        try:
            after = cluster.apply(body)["metadata"]
        except ApiError as error:
            failures.append((manifest, "ManifestApplyFailed", f"Failed to apply the manifest (error: {error})"))
            continue
        if "generation" in after:
            fleet.seen[after["uid"]] = after["generation"]
        if not known or after.get("generation") != before:
            applied, current = True, wave(manifest)
    return applied, failures


def _prune(cluster: Cluster, work: Object, manifests: list[Object]) -> None:
    wanted: list[Object] = []
    for ordinal, manifest in enumerate(manifests):
        kind = KINDS[key_of(manifest)]
        live = cluster.find(kind.key, name_of(manifest), namespace_of(manifest))
        uid = live["metadata"]["uid"] if live else ""
        wanted.append({**identity(manifest), "ordinal": ordinal, "resource": kind.plural, "uid": uid})
    identities = [identity(manifest) for manifest in manifests]
    for entry in status_of(work).get("appliedResources", ()):
        if any(one.items() <= entry.items() for one in identities):
            continue
        api_version = "/".join(part for part in (entry.get("group", ""), entry["version"]) if part)
        kind = find_kind(api_version, entry["kind"], cluster.role)
        item = cluster.find(kind.key, entry["name"], entry.get("namespace", "")) if kind else None
        if item:
            cluster.discard(item)
    cluster.set_status(work, {"appliedResources": wanted})


def _check_availability(
    hub: Cluster, cluster: Cluster, binding: Object, manifests: list[Object], *, at_once: bool
) -> None:
    found = {
        index: availability(live)
        for index, manifest in enumerate(manifests)
        if (live := cluster.find(key_of(manifest), name_of(manifest), namespace_of(manifest)))
    }
    missing = [manifests[index] for index, state in found.items() if state == "not yet"]
    name = _work_name(binding)
    if missing:
        text = "Manifest is not yet available; Fleet will check again later"
        _set_failures(hub, binding, "Available", [(item, "ManifestNotAvailableYet", text) for item in missing])
        message = f"Work object {name} is not yet available"
        hub.set_condition(binding, "Available", "False", "NotAllWorkAreAvailable", message)
        return
    applied = condition(binding, "Applied")
    since = seconds(applied["lastTransitionTime"]) if applied else hub.clock.now
    rechecks = max(1, math.ceil((hub.clock.now - since) / delays.RECHECK))
    if not at_once and not hub.clock.elapsed(since, rechecks * delays.RECHECK):
        return
    _set_failures(hub, binding, "Available", [])
    if "not trackable" in found.values():
        reason, message = (
            "NotAllWorkAreAvailabilityTrackable",
            f"The availability of work object {name} is not trackable",
        )
    else:
        reason, message = "AllWorkAreAvailable", "All corresponding work objects are available"
    hub.set_condition(binding, "Available", "True", reason, message)


def _set_failures(hub: Cluster, binding: Object, name: str, failures: list[tuple[Object, str, str]]) -> None:
    entries = [
        identity(item)
        | {
            "condition": {
                "type": name,
                "status": "False",
                "reason": reason,
                "message": message,
                "observedGeneration": generation_of(item),
            }
        }
        for item, reason, message in failures
    ]
    status = {key: value for key, value in binding["status"].items() if key != "failedPlacements"}
    hub.set_status(binding, status | ({"failedPlacements": entries} if entries else {}))


CONTROLLERS: Final = (apply_works, synchronize)
