"""What happened on the clusters of a fleet, in a form in which two fleets can be compared."""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from rehearsal.cluster.kinds import KINDS, key_of
from rehearsal.cluster.objects import Object, child, finalizers_of, is_true, labels_of, name_of, namespace_of
from rehearsal.core.errors import ApiError
from rehearsal.fleet import in_memory
from rehearsal.real.apiserver import RealApiServer
from rehearsal.real.clusters import RealClusters

MEMBER_CLUSTER: Final = "MemberCluster.cluster.kubernetes-fleet.io"
PLACEMENT: Final = "ClusterResourcePlacement.placement.kubernetes-fleet.io"

State: TypeAlias = tuple[str, str] | None
"""A condition's status and reason; None where it was and is no longer."""

# Everything that the program, kubectl or another cluster's controllers can see of an app. Left out are the placement's
# inner parts (snapshots, bindings, Works), for which the stand-in has a simpler form of its own; Endpoints and
# ServiceAccounts, which every namespace has and nothing here reads; and EndpointSliceExports, of which a real member
# makes several for one slice at first, and by chance leaves some on the hub when the service is no longer exported
# (observed).
_RECORDED: Final = (
    MEMBER_CLUSTER,
    PLACEMENT,
    "Namespace",
    "ConfigMap",
    "Service",
    "Pod",
    "Deployment.apps",
    "ReplicaSet.apps",
    "EndpointSlice.discovery.k8s.io",
    "ServiceExport.networking.fleet.azure.com",
    "ServiceImport.networking.fleet.azure.com",
    "MultiClusterService.networking.fleet.azure.com",
    "InternalServiceExport.networking.fleet.azure.com",
    "InternalServiceImport.networking.fleet.azure.com",
    "AppliedWork.placement.kubernetes-fleet.io",
    "ClusterStagedUpdateRun.placement.kubernetes-fleet.io",
)
_POLL: Final = 0.1  # seconds
# Moments differ from run to run.
_MOMENTS: Final = re.compile(r".*(Time|Timestamp|Heartbeat)$")
_ADDRESS: Final = re.compile(r"\b\d+\.\d+\.\d+\.\d+\b")
# Chosen at random, or without meaning to anybody else.
_ARBITRARY: Final = ("uid", "nodePort", "nodeName")
# Marks of the entries of lists that are in the order in which something came: clusters, endpoints, agents.
_UNORDERED: Final = frozenset({"cluster", "clusterName", "targetRef", "conditions"})
_UNFOLLOWED: Final = ("Pod", "Namespace")
# Names that controllers complete: Kubernetes writes hashes and random parts with these letters (apimachinery
# pkg/util/rand), Fleet and the stand-in write hexadecimal digits.
_GENERATED: Final = re.compile(r"-(?:[0-9a-f]{10}|[bcdfghjklmnpqrstvwxz2456789]{8,10})(?:-[0-9a-z]{5})?(?![-\w])")


@dataclass(frozen=True)
class Key:
    """An object by its cluster, kind and place, with generated parts of its name left out."""

    cluster: str
    kind: str
    name: str


@dataclass(frozen=True)
class _Event:
    key: Key
    uid: str
    item: Object
    gone: bool


class Recording:
    """All that happened, in order."""

    def __init__(self) -> None:
        self._events: list[_Event] = []
        self._lock = threading.Lock()

    def note(self, cluster: str, item: Object, *, gone: bool = False) -> None:
        """Add what an object is now, or that it is gone."""
        key = Key(cluster, key_of(item), _name(item))
        with self._lock:
            self._events.append(_Event(key, item["metadata"]["uid"], item, gone))

    def _of(self, concerns: Callable[[Key], bool]) -> list[_Event]:
        with self._lock:
            return [event for event in self._events if concerns(event.key)]

    def count(self, concerns: Callable[[Key], bool]) -> int:
        """Return how much has happened."""
        return len(self._of(concerns))

    def present(self, concerns: Callable[[Key], bool]) -> dict[Key, list[Object]]:
        """Return what is there now."""
        there: dict[tuple[Key, str], Object] = {}
        for event in self._of(concerns):
            if event.gone:
                there.pop((event.key, event.uid), None)
            else:
                there[event.key, event.uid] = view(event.item)
        result: dict[Key, list[Object]] = {}
        for (key, _), each in there.items():
            result.setdefault(key, []).append(each)
        for views in result.values():
            views.sort(key=lambda each: json.dumps(each, sort_keys=True))
        for key in [key for key in result if _is_imported(key)]:
            # One for each EndpointSliceExport, hence by chance more than one, with a part of the endpoints or none, and
            # left behind when their Service goes.
            fullest = max(result.pop(key), key=lambda each: len(each.get("endpoints", ())))
            service = f"fleet-system/{fullest['labels']['kubernetes.io/service-name']}"
            if "endpoints" in fullest and Key(key.cluster, "Service", service) in result:
                result[key] = [fullest]
        return result

    def sequences(self, concerns: Callable[[Key], bool]) -> dict[tuple[Key, int, str], list[State]]:
        """Return the states of each condition of each object, one after the other, without repetitions."""
        lives: dict[Key, list[str]] = {}
        result: dict[tuple[Key, int, str], list[State]] = {}
        for event in self._of(concerns):
            uids = lives.setdefault(event.key, [])
            if event.uid not in uids:
                uids.append(event.uid)
            if event.item["kind"] in _UNFOLLOWED or "deletionTimestamp" in event.item["metadata"]:
                continue
            conditions = _conditions(view(event.item))
            life = uids.index(event.uid)
            known = {name for key, number, name in result if (key, number) == (event.key, life)}
            for name in known | conditions.keys():
                states = result.setdefault((event.key, life, name), [])
                state = conditions.get(name)
                if not states or states[-1] != state:
                    states.append(state)
        return result


def _is_imported(key: Key) -> bool:
    return key.kind == "EndpointSlice.discovery.k8s.io" and key.name.startswith("fleet-system/")


def _conditions(view: Object) -> dict[str, Any]:
    result: dict[str, Any] = {}
    status = child(view, "status")
    for name, entry in child(status, "conditions").items():
        result[name] = (entry["status"], entry.get("reason"))
    for cluster in status.get("placementStatuses", ()):
        for name, entry in child(cluster, "conditions").items():
            result[f"{cluster.get('clusterName')} {name}"] = (entry["status"], entry.get("reason"))
    return result


def _name(item: Object) -> str:
    name = f"{namespace_of(item)}/{name_of(item)}" if namespace_of(item) else name_of(item)
    if item["kind"] == "EndpointSlice":
        name = re.sub(r"-[a-z0-9]{5}(-[a-z0-9]{5})?$", "-*", name)
    return _GENERATED.sub("-*", name)


def view(item: Object) -> Object:
    """Return what is compared of an object."""
    status = child(item, "status")
    kind = item["kind"]
    result: Object = {
        "labels": {**labels_of(item)},
        "finalizers": sorted(finalizers_of(item)),
        "deleted": "deletionTimestamp" in item["metadata"],
        "generation": item["metadata"].get("generation"),
        "status": status,
    }
    result["labels"].pop("pod-template-hash", None)
    if kind == "Pod":
        # What a kubelet says is simulated on both sides: only what others read of it.
        result["generation"] = None
        result["status"] = {"phase": status.get("phase"), "ready": is_true(item, "Ready")}
    if kind == "Namespace":
        result["status"] = {"phase": status.get("phase")}
    if kind.startswith("Internal"):
        # Grows whenever a controller refreshes what it knows of the other cluster's object.
        result["generation"] = None
        conditions: list[Object] = status.get("conditions") or []
        result["status"] = {
            **status,
            "conditions": [{**entry, "observedGeneration": None} for entry in conditions],
        }
    if kind == "MemberCluster":
        # What machines there are is simulated on both sides.
        result["status"] = {**status, "resourceUsage": None}
    if kind == "EndpointSlice":
        result |= {"generation": None, "endpoints": item.get("endpoints"), "ports": item.get("ports")}
    if kind == "Service":
        result |= {key: item["spec"].get(key) for key in ("ports", "type", "selector")}
    return _normal(result)


def _normal(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        value = cast("Object", value)
        parts = {
            key: _normal(each) for key, each in value.items() if not _MOMENTS.fullmatch(key) and key not in _ARBITRARY
        }
        return {key: each for key, each in parts.items() if each not in (None, {}, [], False, "")}
    if isinstance(value, list):
        items: list[Any] = [_normal(each) for each in cast("list[Any]", value)]
        if items and all(isinstance(each, dict) and "type" in each and "status" in each for each in items):
            return {each["type"]: {key: part for key, part in each.items() if key != "type"} for each in items}
        if all(isinstance(each, dict) and _UNORDERED & set(cast("Object", each)) for each in items):
            return sorted(items, key=lambda each: json.dumps(each, sort_keys=True))
        return items
    if isinstance(value, str):
        return _GENERATED.sub("-*", _ADDRESS.sub("<address>", value))
    return value


class Watch:
    """Records a real fleet until its API servers stop."""

    def __init__(self, clusters: RealClusters, ids: dict[str, str]) -> None:
        self.recording = Recording()
        for name, cluster_id in ids.items():
            server = clusters.get(cluster_id)
            assert server
            for kind in _RECORDED:
                if server.role in KINDS[kind].roles:
                    threading.Thread(target=self._watch, args=(server, name, kind), daemon=True).start()

    def _watch(self, server: RealApiServer, cluster: str, key: str) -> None:
        kind = KINDS[key]
        while True:
            try:
                for event in server.watch(kind.api_version, kind.name):
                    if event["type"] != "ERROR" and name_of(event["object"]) != "kube-root-ca.crt":
                        self.recording.note(cluster, event["object"], gone=event["type"] == "DELETED")
            except ApiError as error:
                if error.reason == "Unreachable":
                    return
            else:
                return
            time.sleep(_POLL)  # a server that has just been given the kind may refuse at first


class Steps:
    """Records a fleet in memory, as it goes from round to round."""

    def __init__(self, clusters: in_memory.InMemoryClusters, ids: dict[str, str]) -> None:
        self.recording = Recording()
        self._clusters = clusters
        self._ids = ids
        self._seen: dict[tuple[str, str], Object] = {}
        clusters.observers.append(self._observe)

    def settle(self) -> None:
        """Let everything happen that happens by itself."""
        self._look()
        while self._clusters.step():
            self._look()
        self._look()

    def _observe(self, cluster_id: str, kind: str, name: str, condition: Object) -> None:
        del condition
        space, _, last = name.rpartition("/")
        item = self._clusters.cluster(cluster_id).find(kind, last, space)
        cluster = next(name for name, each in self._ids.items() if each == cluster_id)
        if item and kind in _RECORDED:
            self.recording.note(cluster, json.loads(json.dumps(item)))

    def _look(self) -> None:
        for name, cluster_id in self._ids.items():
            there = {
                (name, item["metadata"]["uid"]): json.loads(json.dumps(item))
                for item in self._clusters.cluster(cluster_id).everything()
                if key_of(item) in _RECORDED
            }
            for place in [*self._seen]:
                if place[0] == name and place not in there:
                    self.recording.note(name, self._seen.pop(place), gone=True)
            for place, item in there.items():
                if self._seen.get(place) != item:
                    self._seen[place] = item
                    self.recording.note(name, item)
