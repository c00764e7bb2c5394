"""Kubernetes' own controllers: workloads and their pods, services and their addresses, garbage and namespaces.

In each round, a controller moves every object by at most one stage. It changes nothing when all objects are ready.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rehearsal.cluster import images
from rehearsal.cluster.admission import replica_set_denial
from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.interface import Part
from rehearsal.cluster.kinds import HUB, KINDS, key_of
from rehearsal.cluster.objects import (
    Object,
    annotations_of,
    child,
    conditions_of,
    deleting,
    digest,
    finalizers_of,
    generation_of,
    is_true,
    labels_of,
    matches,
    name_of,
    namespace_of,
    owned_by,
    owner_reference,
    put_condition,
    seconds,
    status_of,
    timestamp,
)
from rehearsal.core import delays
from rehearsal.core.errors import RefusedError

REVISION: Final = "deployment.kubernetes.io/revision"
SERVICE_NAME: Final = "kubernetes.io/service-name"
INTERNAL: Final = "service.beta.kubernetes.io/azure-load-balancer-internal"
_LONGEST_FRONTEND: Final = 32
ADDITIONAL_ADDRESSES: Final = "service.beta.kubernetes.io/azure-additional-public-ips"
_HASH: Final = "pod-template-hash"
_REVISION_HASH: Final = "controller-revision-hash"


def namespace(name: str) -> Object:
    """Return a namespace to create."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


FIRST_POOL: Final = "nodepool1"
"""The pool of the nodes that come with a cluster."""
POOL_LABEL: Final = "kubernetes.azure.com/agentpool"


def node_name(cluster_id: str, index: int, pool: str = FIRST_POOL) -> str:
    """Return AKS's name of a node, from its pool and its number in the pool's scale set."""
    return f"aks-{pool}-{digest(cluster_id, 8)}-vmss{index:06d}"


def taint(text: str) -> Object:
    """Return AKS's form of a taint, `key=value:effect`, as Kubernetes'."""
    rest, _, effect = text.rpartition(":")
    key, _, value = rest.partition("=")
    return {"key": key, "value": value, "effect": effect}


def tolerates(pod: Object, taints: Sequence[Object]) -> bool:
    """Return whether a pod may be scheduled in spite of taints (Kubernetes, taint-and-toleration)."""
    tolerations: list[Object] = child(pod, "spec").get("tolerations") or []
    return all(
        any(
            each.get("key") in (None, tainted["key"])
            and each.get("effect") in (None, tainted["effect"])
            and (each.get("operator") == "Exists" or each.get("value", "") == tainted["value"])
            for each in tolerations
        )
        for tainted in taints
        if tainted["effect"] != "PreferNoSchedule"
    )


def set_pool(cluster: Cluster, pool: str, count: int | None, taints: Sequence[str] = ()) -> None:
    """Give a pool a number of nodes, with addresses from the cluster's subnet, and taints; None keeps the number.

    Pods of removed nodes end; others stay, even if they do not tolerate a new taint.
    """
    present = {name_of(node): node for node in cluster.objects("Node") if labels_of(node)[POOL_LABEL] == pool}
    wanted = [*present] if count is None else [node_name(cluster.id, index, pool) for index in range(count)]
    for name in wanted:
        if name not in present:
            labels = {POOL_LABEL: pool}
            cluster.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
        node = cluster.find("Node", name)
        if not node:
            continue
        node["spec"] = {"taints": [taint(each) for each in taints]} if taints else {}
        if name not in present:
            node["status"] = {"addresses": []}
            node["status"] = {"addresses": [{"type": "InternalIP", "address": cluster.free_address()}]}
    for name in present.keys() - set(wanted):
        for pod in [pod for pod in cluster.objects("Pod") if child(pod, "spec").get("nodeName") == name]:
            cluster.discard(pod)
        cluster.discard(present[name])


def _taints(node: Object) -> list[Object]:
    return child(node, "spec").get("taints") or []


def deployments(cluster: Cluster) -> None:
    """Keep a ReplicaSet for each pod template of a Deployment; a hub refuses ReplicaSets."""
    for item in _active(cluster, "Deployment.apps"):
        if deleting(item):
            continue
        name = f"{name_of(item)}-{digest(item['spec']['template'], 10)}"
        if cluster.role == HUB:
            # The whole status, as observed on a real hub: no replicas, no observedGeneration, no Available condition.
            message = f'Failed to create new replica set "{name}": {replica_set_denial(name)}'
            entry = {"type": "Progressing", "status": "False", "reason": "ReplicaSetCreateError", "message": message}
            conditions: list[Object] = conditions_of(item)
            cluster.set_status(item, {"conditions": put_condition(conditions, entry, cluster.clock.now)})
            continue
        _roll_deployment(cluster, item, name)


def _roll_deployment(cluster: Cluster, item: Object, name: str) -> None:
    wanted: int = item["spec"]["replicas"]
    sets = [entry for entry in _of(cluster, "ReplicaSet.apps", item) if owned_by(entry, item)]
    current = next((entry for entry in sets if name_of(entry) == name), None)
    if current is None:
        revision = str(1 + max((int(annotations_of(entry)[REVISION]) for entry in sets), default=0))
        cluster.create(_replica_set(item, name, wanted, revision))
        cluster.set_metadata(item, "annotations", REVISION, revision)
        created = f'Created new replica set "{name}"'
        cluster.set_condition(item, "Progressing", "True", "NewReplicaSetCreated", created)
        return
    if current["spec"]["replicas"] != wanted:
        _scale(cluster, current, wanted)
    latest = max(int(annotations_of(entry)[REVISION]) for entry in sets)
    if int(annotations_of(current)[REVISION]) != latest:
        # An earlier template is back: its ReplicaSet becomes the newest one.
        cluster.set_metadata(current, "annotations", REVISION, str(latest + 1))
        cluster.set_metadata(item, "annotations", REVISION, str(latest + 1))
    ready = _ready_replicas(current)
    if ready >= wanted:
        for entry in sets:
            if entry is not current and entry["spec"]["replicas"]:
                _scale(cluster, entry, 0)
    total = sum(status_of(entry).get("replicas", 0) for entry in sets)
    available = sum(_ready_replicas(entry) for entry in sets)
    done = ready == wanted == total
    status: Object = {
        "observedGeneration": generation_of(item),
        "replicas": total,
        "updatedReplicas": status_of(current).get("replicas", 0),
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": max(
            0, total - available
        ),  # also those that are being replaced (sync.go, calculateStatus)
    }
    # A quarter of the pods, rounded down, may be unavailable (Deployment's default strategy).
    enough = available >= wanted - wanted // 4
    conditions: list[Object] = conditions_of(item)
    for kind, true, reason, message in (
        (
            "Available",
            enough,
            "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
            f"Deployment {'has' if enough else 'does not have'} minimum availability.",
        ),
        (
            "Progressing",
            True,
            "NewReplicaSetAvailable" if done else "ReplicaSetUpdated",
            f'ReplicaSet "{name}" {"has successfully progressed" if done else "is progressing"}.',
        ),
    ):
        entry = {"type": kind, "status": str(true), "reason": reason, "message": message}
        conditions = put_condition(conditions, entry, cluster.clock.now)
    cluster.set_status(item, {**status, "conditions": conditions})


def _replica_set(item: Object, name: str, replicas: int, revision: str) -> Object:
    template: Object = item["spec"]["template"]
    label = {_HASH: name.rpartition("-")[2]}
    labels = child(template["metadata"], "labels") | label
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": namespace_of(item),
            "labels": labels,
            "annotations": {REVISION: revision},
            "ownerReferences": [owner_reference(item)],
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
    }


def _scale(cluster: Cluster, item: Object, replicas: int) -> None:
    item["spec"]["replicas"] = replicas
    item["metadata"]["generation"] += 1
    cluster.touch(item)


def _ready_replicas(item: Object) -> int:
    return status_of(item).get("readyReplicas", 0)


def replica_sets(cluster: Cluster) -> None:
    """Keep the wanted number of a ReplicaSet's pods."""
    for item in _active(cluster, "ReplicaSet.apps"):
        pods = _pods_of(cluster, item)
        wanted: int = 0 if deleting(item) else item["spec"]["replicas"]
        names = {name_of(pod) for pod in pods}
        free = (f"{name_of(item)}-{digest([name_of(item), index], 5)}" for index in range(wanted + len(pods)))
        for name in [name for name in free if name not in names][: max(0, wanted - len(pods))]:
            _create_pod(cluster, item, name, {})
        for pod in pods[wanted:]:
            cluster.discard(pod)
        if deleting(item):
            continue
        count = min(len(pods), wanted)
        ready = sum(is_true(pod, "Ready") for pod in pods[:wanted])
        cluster.set_status(
            item,
            {
                "observedGeneration": generation_of(item),
                "replicas": count,
                "fullyLabeledReplicas": count,
                "readyReplicas": ready,
                "availableReplicas": ready,
            },
        )


def autoscalers(cluster: Cluster) -> None:
    """Keep the number of pods within a HorizontalPodAutoscaler's limits; load is not simulated.

    Source: Kubernetes v1.36, pkg/controller/podautoscaler/horizontal.go (reconcileAutoscaler): the limits apply even
        without metrics. Whether Azure runs this controller on a hub is not known; here it does not run there.
    """
    for item in _active(cluster, "HorizontalPodAutoscaler.autoscaling"):
        reference: Object = item["spec"]["scaleTargetRef"]
        target = cluster.find(f"{reference['kind']}.apps", reference["name"], namespace_of(item))
        if cluster.role == HUB or deleting(item) or target is None or not target["spec"].get("replicas"):
            continue  # no pods are wanted: autoscaling is off
        current: int = target["spec"]["replicas"]
        wanted = min(max(current, item["spec"].get("minReplicas", 1)), item["spec"]["maxReplicas"])
        status = status_of(item)
        since = seconds(status["lastScaleTime"]) if "lastScaleTime" in status else _created(item)
        if wanted != current and cluster.clock.elapsed(since, delays.AUTOSCALER_PERIOD):
            _scale(cluster, target, wanted)
            status = {**status, "lastScaleTime": timestamp(cluster.clock.now)}
            cluster.set_status(item, {**status, "currentReplicas": current, "desiredReplicas": wanted})


def stateful_sets(cluster: Cluster) -> None:
    """Start a StatefulSet's pods one after the other, and replace them from the last one down; not on a hub."""
    for item in _active(cluster, "StatefulSet.apps"):
        # A hub refuses the pods. The StatefulSet's status does not show it, only an event (FailedCreate).
        if deleting(item) or cluster.role == HUB:
            continue
        wanted: int = item["spec"]["replicas"]
        revision = f"{name_of(item)}-{digest(item['spec']['template'], 10)}"
        pods = {name_of(pod): pod for pod in _pods_of(cluster, item)}
        names = [f"{name_of(item)}-{index}" for index in range(wanted)]
        missing = [name for name in names if name not in pods]
        ready = [name for name in names if name in pods and is_true(pods[name], "Ready")]
        updated = [name for name in names if name in pods and labels_of(pods[name])[_REVISION_HASH] == revision]
        parallel = item["spec"].get("podManagementPolicy") == "Parallel"
        if missing and (parallel or len(ready) == wanted - len(missing)):
            for name in missing if parallel else missing[:1]:
                _create_pod(cluster, item, name, {_REVISION_HASH: revision})
        elif len(ready) == wanted and len(updated) < wanted:
            cluster.discard(pods[next(name for name in reversed(names) if name not in updated)])
        for name in pods.keys() - set(names):
            cluster.discard(pods[name])
        done = len(updated) == wanted == len(ready)
        before = status_of(item)
        cluster.set_status(
            item,
            {
                "observedGeneration": generation_of(item),
                "replicas": wanted - len(missing),
                "readyReplicas": len(ready),
                "availableReplicas": len(ready),
                "currentReplicas": len(updated) if done or not before else before["currentReplicas"],
                "updatedReplicas": len(updated),
                "currentRevision": revision if done or not before else before["currentRevision"],
                "updateRevision": revision,
            },
        )


def daemon_sets(cluster: Cluster) -> None:
    """Keep a DaemonSet's pod on each node; a hub has no nodes for them."""
    everywhere = cluster.objects("Node")
    for item in _active(cluster, "DaemonSet.apps"):
        if deleting(item):
            continue
        nodes = [node for node in everywhere if tolerates(item["spec"]["template"], _taints(node))]
        revision = digest(item["spec"]["template"], 10)
        pods = _pods_of(cluster, item)
        running = {pod["spec"]["nodeName"] for pod in pods}
        for node in nodes:
            if name_of(node) not in running and cluster.role != HUB:
                name = f"{name_of(item)}-{digest([name_of(node), revision], 5)}"
                _create_pod(cluster, item, name, {_REVISION_HASH: revision}, node=name_of(node))
        ready = [pod for pod in pods if is_true(pod, "Ready")]
        stale = [pod for pod in pods if labels_of(pod)[_REVISION_HASH] != revision]
        if stale and len(ready) == len(nodes):
            cluster.discard(stale[0])
        cluster.set_status(
            item,
            {
                "observedGeneration": generation_of(item),
                "desiredNumberScheduled": len(nodes),
                "currentNumberScheduled": len(pods),
                "updatedNumberScheduled": len(pods) - len(stale),
                "numberReady": len(ready),
                "numberAvailable": len(ready),
            },
        )


def jobs(cluster: Cluster) -> None:
    """Run a Job's pods to completion; a hub refuses the pods."""
    for item in _active(cluster, "Job.batch"):
        if deleting(item) or cluster.role == HUB or is_true(item, "Complete"):
            continue
        wanted: int = item["spec"].get("completions") or 1
        pods = _pods_of(cluster, item)
        for index in range(len(pods), wanted):
            _create_pod(cluster, item, f"{name_of(item)}-{digest([name_of(item), index], 5)}", {})
        done = sum(status_of(pod).get("phase") == "Succeeded" for pod in pods)
        cluster.set_status(
            item,
            {**status_of(item), "active": wanted - done, "ready": wanted - done, "succeeded": done},
        )
        if done == wanted:
            cluster.set_condition(
                item, "Complete", "True", "CompletionsReached", "Reached expected number of succeeded pods"
            )


def pods(cluster: Cluster) -> None:
    """Give pods an address, start them, and complete those of Jobs."""
    clock = cluster.clock
    for item in cluster.objects("Pod"):
        status = status_of(item)
        if "podIP" not in status:
            if "nodeName" in item["spec"] or _bind(cluster, item):
                _schedule(cluster, item)
        elif statuses := images.waiting(item):
            if status.get("containerStatuses") != statuses:
                cluster.set_status(item, {**status, "containerStatuses": statuses})
        elif status["phase"] == "Pending" and clock.elapsed(_created(item), delays.POD_START):
            cluster.set_status(item, {**status, "phase": "Running"})
            cluster.set_condition(item, "Ready", "True", "", "")
        elif (
            status["phase"] == "Running"
            and item["spec"].get("restartPolicy", "Always") != "Always"
            and clock.elapsed(_created(item), 2 * delays.POD_START)
        ):
            cluster.set_status(item, {**item["status"], "phase": "Succeeded"})
            cluster.set_condition(item, "Ready", "False", "PodCompleted", "")


def _bind(cluster: Cluster, item: Object) -> bool:
    if node := _node_for(cluster, item):
        item["spec"]["nodeName"] = node
        cluster.touch(item)
        return True
    cluster.set_status(item, {**status_of(item), "phase": "Pending"})
    message = "0 nodes are available: untolerated taint"
    cluster.set_condition(item, "PodScheduled", "False", "Unschedulable", message)
    return False


def _node_for(cluster: Cluster, pod: Object) -> str:
    """Return a node that a pod tolerates, in turns; empty if there is none."""
    nodes = [node for node in cluster.objects("Node") if tolerates(pod, _taints(node))]
    return name_of(nodes[len(cluster.objects("Pod")) % len(nodes)]) if nodes else ""


def _schedule(cluster: Cluster, item: Object) -> None:
    try:
        address = cluster.free_address()
    except RefusedError as error:
        cluster.set_status(item, {**status_of(item), "phase": "Pending"})
        cluster.set_condition(item, "Ready", "False", "ContainersNotReady", f"failed to set up sandbox: {error}")
        return
    cluster.set_status(item, {"phase": "Pending", "podIP": address, "podIPs": [{"ip": address}]})


def load_balancers(cluster: Cluster) -> None:
    """Give a member's load balancers an address: in the subnet if internal, else a public one."""
    if cluster.role == HUB:
        return  # A hub has no balancer: such Services stay pending (Azure/AKS examples/fleet/kuard).
    for item in cluster.objects("Service"):
        status = status_of(item)
        addresses = child(status, "loadBalancer").get("ingress") or ()
        if item["spec"]["type"] != "LoadBalancer":
            if addresses:
                cluster.set_status(item, {**status, "loadBalancer": {}})
            continue
        internal = annotations_of(item).get(INTERNAL) == "true"
        if not internal and any(port.get("protocol") == "SCTP" for port in item["spec"]["ports"]):
            # Source: kubernetes-sigs/cloud-provider-azure, pkg/provider/azure_loadbalancer.go, getExpectedLBRules.
            continue
        own = next(
            (entry["ip"] for entry in addresses if ipaddress.ip_address(entry["ip"]).is_private is internal), None
        )
        if own is None and cluster.clock.elapsed(_created(item), delays.LOAD_BALANCER):
            own = cluster.free_address() if internal else cluster.clock.public_address()
        if own is None:
            continue
        ingress = [{"ip": address, "ipMode": "VIP"} for address in (own, *additional_addresses(item))]
        if ingress != addresses:
            cluster.set_status(item, {**status, "loadBalancer": {"ingress": ingress}})


def frontends(services: Iterable[Object]) -> dict[str, str]:
    """Return the frontends that AKS makes for Services: each name, and its address, empty if it is internal.

    The name is made of the Service's UID (kubernetes v1.34.1, cloud-provider/cloud.go).
    """
    found: dict[str, str] = {}
    for service in services:
        ingress = child(status_of(service), "loadBalancer").get("ingress")
        if service["spec"].get("type") == "LoadBalancer" and ingress:
            internal = annotations_of(service).get(INTERNAL) == "true"
            name = f"a{service['metadata']['uid'].replace('-', '')}"[:_LONGEST_FRONTEND]
            found[name] = "" if internal else ingress[0]["ip"]
    return found


def additional_addresses(service: Object) -> list[str]:
    """Return the addresses at which a cluster accepts packets for a Service, besides the load balancer's own.

    They come after it in the Service's status (kubernetes-sigs/cloud-provider-azure@7b31c76, azure_loadbalancer.go).
    """
    return list(filter(None, annotations_of(service).get(ADDITIONAL_ADDRESSES, "").split(",")))


def endpoint_slices(cluster: Cluster) -> None:
    """Keep an EndpointSlice of the selected pods for each Service with a selector."""
    for item in _active(cluster, "Service"):
        selector: Mapping[str, str] = child(item["spec"], "selector")
        if not selector or deleting(item) or item["spec"]["type"] == "ExternalName":
            continue
        selected = [
            pod
            for pod in cluster.objects("Pod")
            if namespace_of(pod) == namespace_of(item)
            and matches({"matchLabels": selector}, labels_of(pod))
            and status_of(pod).get("podIP")
            and pod["status"]["phase"] != "Succeeded"
        ]
        endpoints = [_endpoint(pod) for pod in selected]
        ports = [
            {"name": port.get("name", ""), "port": _target(port, selected), "protocol": port["protocol"]}
            for port in (item["spec"].get("ports") or () if selected else ())
        ]
        name = f"{name_of(item)}-{digest([cluster.id, item['metadata']['uid']], 5)}"
        live = cluster.find("EndpointSlice.discovery.k8s.io", name, namespace_of(item))
        if live and live["endpoints"] == endpoints and live["ports"] == ports:
            continue
        cluster.apply(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": name,
                    "namespace": namespace_of(item),
                    "labels": {
                        SERVICE_NAME: name_of(item),
                        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                    },
                    "ownerReferences": [owner_reference(item)],
                },
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": ports,
            }
        )


def _endpoint(pod: Object) -> Object:
    ready = is_true(pod, "Ready")
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {
            "kind": "Pod",
            "name": name_of(pod),
            "namespace": namespace_of(pod),
            "uid": pod["metadata"]["uid"],
        },
    }


def _target(port: Mapping[str, Any], selected: list[Object]) -> int:
    target = port["targetPort"]
    if isinstance(target, int):
        return target
    named = (
        entry["containerPort"]
        for pod in selected
        for container in pod["spec"].get("containers") or ()
        for entry in container.get("ports") or ()
        if entry.get("name") == target
    )
    return next(named, port["port"])


def garbage(cluster: Cluster) -> None:
    """Delete objects without owners; an owner that is deleted in the foreground waits for its dependents."""
    items = list(cluster.everything())
    known = {item["metadata"]["uid"]: item for item in items}
    blocked: set[str] = set()
    for item in items:
        owners = [reference["uid"] for reference in item["metadata"].get("ownerReferences", ())]
        waiting = [uid for uid in owners if uid in known and "foregroundDeletion" in finalizers_of(known[uid])]
        if owners and len(waiting) == sum(uid in known for uid in owners):
            cluster.discard(item, foreground=bool(waiting))
        blocked.update(waiting)
    for item in items:
        if "foregroundDeletion" in finalizers_of(item) and item["metadata"]["uid"] not in blocked:
            cluster.set_finalizer(item, "foregroundDeletion", present=False)


def namespaces(cluster: Cluster) -> None:
    """Delete the content of a deleted namespace in passes, and the namespace after the last pass."""
    for item in cluster.objects("Namespace"):
        if not deleting(item):
            continue
        since = seconds(item["metadata"]["deletionTimestamp"])
        passes = max(1, -int((since - cluster.clock.now) // delays.NAMESPACE_PASS))
        if not cluster.clock.elapsed(since, passes * delays.NAMESPACE_PASS):
            continue
        for other in _content(cluster, item):
            cluster.discard(other)
        if not (_content(cluster, item) or finalizers_of(item)):
            cluster.remove_namespace(item)


def _content(cluster: Cluster, item: Object) -> list[Object]:
    return [
        other
        for other in cluster.everything()
        if KINDS[key_of(other)].namespaced and namespace_of(other) == name_of(item)
    ]


def _create_pod(cluster: Cluster, owner: Object, name: str, labels: dict[str, str], node: str = "") -> None:
    template: Object = owner["spec"]["template"]
    metadata: Object = child(template, "metadata")
    node = node or _node_for(cluster, template)
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": namespace_of(owner),
                "labels": child(metadata, "labels") | labels,
                "annotations": metadata.get("annotations") or {},
                "ownerReferences": [owner_reference(owner)],
            },
            "spec": template["spec"] | ({"nodeName": node} if node else {}),
        }
    )


def _active(cluster: Cluster, key: str) -> list[Object]:
    """Return the objects of a kind outside namespaces that are being deleted: only for these can objects be created."""
    ending = {name_of(space) for space in cluster.objects("Namespace") if deleting(space)}
    return [item for item in cluster.objects(key) if namespace_of(item) not in ending]


def _of(cluster: Cluster, key: str, owner: Object) -> list[Object]:
    return [item for item in cluster.objects(key) if namespace_of(item) == namespace_of(owner)]


def _pods_of(cluster: Cluster, owner: Object) -> list[Object]:
    return [pod for pod in _of(cluster, "Pod", owner) if owned_by(pod, owner)]


def _created(item: Object) -> float:
    return seconds(item["metadata"]["creationTimestamp"])


PARTS: Final = {load_balancers: Part.LOAD_BALANCERS, pods: Part.PODS}
"""The controllers that can stop."""
CONTROLLERS: Final = (
    namespaces,
    garbage,
    endpoint_slices,
    load_balancers,
    pods,
    jobs,
    daemon_sets,
    stateful_sets,
    replica_sets,
    autoscalers,
    deployments,
)
