"""Simulates the machines of a real cluster: nodes, pods, and Azure's load balancer.

API server and controllers are real. Every pod has its own address, where it speaks the protocols of the Services that
select it (HTTP, HTTPS, or TCP without an answer; not UDP). A pod whose program is a Python file in a ConfigMap is a
process that runs this program (`rehearsal.real.containers`). Every Service of type LoadBalancer forwards to the pods in
its EndpointSlices.
"""

import ipaddress
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from rehearsal.cluster import images
from rehearsal.cluster.network_policies import Caller, NetworkPolicies, seen_from
from rehearsal.cluster.objects import Object, child, deleting, is_true, labels_of, name_of, namespace_of, status_of
from rehearsal.cluster.workloads import (
    FIRST_POOL,
    INTERNAL,
    POOL_LABEL,
    SERVICE_NAME,
    additional_addresses,
    node_name,
    taint,
    tolerates,
)
from rehearsal.core.errors import ApiError
from rehearsal.fleet.traffic import speaks
from rehearsal.real.apiserver import RealApiServer
from rehearsal.real.containers import Container, program_of
from rehearsal.real.network import Networks

_WATCHED: Final = (("v1", "Pod"), ("v1", "Service"), ("discovery.k8s.io/v1", "EndpointSlice"))
# Seconds between two rounds, for changes without an event, such as the end of a stopping pod's pause.
_PAUSE: Final = 1.0
_KEPT_BY_AZURE: Final = 4  # addresses at the start of a subnet (learn: virtual-network/virtual-networks-faq)
_SIMULATED: Final = ("http", "https", "tcp")  # the simulated protocols, of those that `speaks` returns
_EVERYBODY: Final = "0.0.0.0/0"
_CAPACITY: Final = {"cpu": "2", "memory": "8Gi", "pods": "110"}

_Backends = list[tuple[str, int]]
_Ports = dict[int, str]
"""The protocol of each port of a pod."""
_Filters = dict[int, list[tuple[str, bool]]]
"""For each port of a pod, the ranges of its callers, and whether their packets get in."""


class Machines:
    """One member's machines, from `start` to `stop`.

    Args:
        server: the API server.
        networks: the networks of all clusters.
        network: the ID of the cluster's network.
        addresses: the CIDR for nodes and pods.
        nodes: the number of nodes.
        public_address: returns an unused public address.
        balanced: returns whether the load balancer works.
        entered: returns whether packets from the internet get past the security groups at a load balancer's port.
        closed: returns the ranges of nodes whose packets for a pod's port do not get past the security groups.
        enforced: returns whether network policies are enforced.
        folder: a folder for the files of pods that are processes.
    """

    def __init__(  # noqa: PLR0913 - the parts of a cluster's machines
        self,
        server: RealApiServer,
        networks: Networks,
        *,
        network: str,
        addresses: str,
        nodes: int,
        public_address: Callable[[], str],
        balanced: Callable[[], bool],
        entered: Callable[[int], bool],
        closed: Callable[[int], Collection[str]],
        enforced: Callable[[], bool],
        folder: Path,
    ) -> None:
        self._server = server
        self._networks = networks
        self._network = network
        self._addresses = ipaddress.ip_network(addresses)
        self._public_address = public_address
        self._balanced = balanced
        self._entered = entered
        self._closed = closed
        self._enforced = enforced
        self._folder = folder
        self._nodes: dict[str, str] = {}
        self._taints: dict[str, list[Object]] = {}  # of each node
        self._internal: set[str] = set()  # internal load balancers' addresses: no simulated client is in their network
        self._pods: dict[str, str] = {}  # the pods' addresses, by the pod's uid
        self._containers: dict[str, Container] = {}  # of pods that are processes, likewise
        self._known: set[str] = set()  # addresses that pods have in their status, from the time before a restart too
        self._refused: set[str] = set()  # addresses that something else has
        self._listening: dict[str, tuple[dict[str, str], _Ports, _Filters]] = {}  # of each address, with its answer
        self._frontends: dict[tuple[str, int], tuple[_Backends, list[str], bool]] = {}
        self._policies = NetworkPolicies((), ())
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self.set_pool(FIRST_POOL, nodes, ())

    def set_pool(self, pool: str, count: int, taints: Sequence[str]) -> None:
        """Give a pool a number of nodes, and taints. The next round of the machines adds and removes nodes."""
        wanted = [node_name(self._server.id, index, pool) for index in range(count)]
        nodes = {name: address for name, address in self._nodes.items() if name in wanted or f"-{pool}-" not in name}
        for name in wanted:
            nodes[name] = self._nodes.get(name) or self._free_address(nodes.values())
            self._taints[name] = [taint(each) for each in taints]
        self._nodes = nodes

    def start(self) -> None:
        """Start the machines."""
        jobs = [
            self._run,
            *((lambda version=version, kind=kind: self._watch(version, kind)) for version, kind in _WATCHED),
        ]
        self._threads = [threading.Thread(target=job, daemon=True) for job in jobs]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Remove all machines and pods at once."""
        self._stopped.set()
        self._changed.set()
        if self._threads:
            self._threads[0].join()
        for address in {address for address, _ in self._frontends}:
            self._networks.unbalance(address)
        for uid in [*self._containers, *self._pods.keys() - self._containers.keys()]:
            self._stop_pod(uid)

    def _run_nodes(self) -> None:
        """Let nodes join with their taints, and remove others."""
        present = {name_of(node): node for node in self._server.list("v1", "Node")}
        for name, address in self._nodes.items():
            if name not in present or child(present[name], "spec").get("taints", []) != self._taints[name]:
                self._join(name, address)
        for name in present.keys() - self._nodes.keys():
            for pod in self._server.list("v1", "Pod"):
                if child(pod, "spec").get("nodeName") == name:
                    self._stop_pod(pod["metadata"]["uid"])
                    self._server.discard(pod)
            self._server.discard(present[name])

    def _join(self, name: str, address: str) -> None:
        labels = {POOL_LABEL: name.split("-")[1]}
        node: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        node["spec"] = {"taints": self._taints[name]}
        self._server.apply(node)
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
        }
        self._server.set_status(
            node,
            {
                "addresses": [{"type": "InternalIP", "address": address}],
                "allocatable": _CAPACITY,
                "capacity": _CAPACITY,
                "conditions": [ready],
            },
        )

    def _watch(self, api_version: str, kind: str) -> None:
        """Wake the loop at each event; the loop then reads the objects itself."""
        while not self._stopped.is_set():
            with suppress(ApiError):
                for _ in self._server.watch(api_version, kind):
                    self._changed.set()
            self._stopped.wait(_PAUSE)

    def _run(self) -> None:
        while not self._stopped.is_set():
            # The API server is down, or somebody else changed an object first: the next round repeats the work.
            with suppress(ApiError):
                self._run_nodes()
                self._policies = self._read_policies()
                pods = self._run_pods()
                slices = self._server.list("discovery.k8s.io/v1", "EndpointSlice")
                services = self._server.list("v1", "Service")
                self._listen(services, slices, pods)
                self._balance(services, slices)
            self._changed.wait(_PAUSE)
            self._changed.clear()

    # Nodes and pods.

    def _read_policies(self) -> NetworkPolicies:
        if not self._enforced():
            return NetworkPolicies((), ())
        policies = self._server.list("networking.k8s.io/v1", "NetworkPolicy")
        return NetworkPolicies(policies, self._server.list("v1", "Namespace") if policies else ())

    def _run_pods(self) -> Sequence[Object]:
        pods = self._server.list("v1", "Pod")
        there = {pod["metadata"]["uid"] for pod in pods}
        self._known = {status_of(pod).get("podIP", "") for pod in pods}
        for uid in self._pods.keys() - there:
            self._stop_pod(uid)
        load = {name: sum(pod["spec"].get("nodeName") == name for pod in pods) for name in self._nodes}
        for pod in pods:
            if deleting(pod):
                self._end(pod)
            elif "nodeName" not in pod["spec"]:
                allowed = [name for name in load if tolerates(pod, self._taints[name])]
                if allowed:
                    emptiest = min(allowed, key=lambda name: load[name])
                    load[emptiest] += 1
                    self._server.bind(pod, emptiest)
            elif pod["metadata"]["uid"] not in self._pods:
                self._begin(pod, pods)
            if pod["metadata"]["uid"] not in self._pods or deleting(pod):
                continue
            if pod["metadata"]["uid"] in self._containers:
                self._check(pod)
            elif not is_true(pod, "Ready"):
                self._set_running(pod)
        return pods

    def _begin(self, pod: Object, pods: Sequence[Object]) -> None:
        uid, address = pod["metadata"]["uid"], status_of(pod).get("podIP")
        if not address or address in self._refused:
            address = self._free_address()
        if program_of(pod):
            with suppress(ApiError):  # a volume does not exist: the next round tries again
                self._containers[uid] = Container(
                    self._server,
                    self._networks,
                    network=self._network,
                    address=address,
                    pod=pod,
                    folder=self._folder / uid,
                )
                self._pods[uid] = address
            return
        if waiting := images.waiting(pod):
            if status_of(pod).get("containerStatuses") != waiting:
                self._server.set_status(pod, {**status_of(pod), "phase": "Pending", "containerStatuses": waiting})
            return
        answer = {
            "cluster": self._server.id.rsplit("/", 1)[-1],
            "pod": name_of(pod),
            "node": pod["spec"]["nodeName"],
        }
        # The pod listens before it is ready, because load balancers send connections to ready pods.
        ports = _ports_of(pod, self._server.list("v1", "Service"))
        filters = self._filters(pod, ports, pods)
        try:
            self._networks.serve(self._network, address, ports, answer, filters)
        except FileExistsError:  # the next round takes another address
            self._refused.add(address)
            return
        self._pods[uid] = address
        self._listening[address] = answer, ports, filters

    def _check(self, pod: Object) -> None:
        """Do for a pod that is a process what the kubelet does from time to time."""
        container = self._containers[pod["metadata"]["uid"]]
        ready = container.check()
        known = [each["restartCount"] for each in status_of(pod).get("containerStatuses") or ()]
        if (ready, [container.restarts]) != (is_true(pod, "Ready"), known):
            self._set_running(pod, ready=ready, restarts=container.restarts)

    def _set_running(self, pod: Object, *, ready: bool = True, restarts: int = 0) -> None:
        address = self._pods[pod["metadata"]["uid"]]
        now = _timestamp(time.time())
        states = dict.fromkeys(("PodReadyToStartContainers", "Initialized", "PodScheduled"), True)
        states |= dict.fromkeys(("ContainersReady", "Ready"), ready)
        conditions = [{"type": name, "status": str(state), "lastTransitionTime": now} for name, state in states.items()]
        containers = [
            {
                "name": each["name"],
                "image": each["image"],
                "imageID": each["image"],
                "ready": ready,
                "started": True,
                "restartCount": restarts,
                "state": {"running": {"startedAt": now}},
            }
            for each in pod["spec"]["containers"]
        ]
        self._server.set_status(
            pod,
            {
                "phase": "Running",
                "conditions": conditions,
                "containerStatuses": containers,
                "hostIP": self._nodes.get(pod["spec"]["nodeName"], ""),
                "podIP": address,
                "podIPs": [{"ip": address}],
                "startTime": now,
            },
        )

    def _end(self, pod: Object) -> None:
        """Stop a pod that was deleted, after its containers' pause (Kubernetes docs: container-lifecycle-hooks)."""
        grace: int = pod["metadata"]["deletionGracePeriodSeconds"]
        sleeps: list[int] = [
            hook["seconds"]
            for each in pod["spec"]["containers"]
            if (hook := child(child(child(each, "lifecycle"), "preStop"), "sleep"))
        ]
        # deletionTimestamp is the end of the grace period.
        asked = datetime.fromisoformat(pod["metadata"]["deletionTimestamp"]).timestamp() - grace
        if time.time() < asked + min(grace, max(sleeps, default=0)):
            return
        self._stop_pod(pod["metadata"]["uid"])
        self._server.discard(pod)

    def _stop_pod(self, uid: str) -> None:
        address = self._pods.pop(uid, None)
        if container := self._containers.pop(uid, None):
            container.stop()
        elif address:
            del self._listening[address]
            self._networks.stop(self._network, address)

    def _listen(self, services: Sequence[Object], slices: Sequence[Object], pods: Sequence[Object]) -> None:
        """Make pods listen at the ports of the Services that select them, with these ports' protocols.

        Packets that security groups or network policies refuse are dropped. Pods that are processes get all packets.
        """
        # A pod that is stopping serves until it has stopped, even if no Service selects it any more.
        wanted: dict[str, _Ports] = {address: {**ports} for address, (_, ports, _) in self._listening.items()}
        for service in services:
            own = _slices_of(service, slices)
            for port in service["spec"].get("ports") or ():
                if (spoken := speaks(port)) in _SIMULATED:
                    for address, number in _targets(own, port.get("name", ""), ready=False):
                        if address in wanted:
                            wanted[address][number] = spoken
        for pod in pods:
            address = self._pods.get(pod["metadata"]["uid"], "")
            if address in self._listening:
                answer, ports, filters = self._listening[address]
                now = wanted[address], self._filters(pod, wanted[address], pods)
                if now != (ports, filters):
                    self._networks.serve(self._network, address, now[0], answer, now[1])
                    self._listening[address] = answer, *now

    def _filters(self, pod: Object, ports: _Ports, pods: Sequence[Object]) -> _Filters:
        """Return who reaches a pod at its ports; nothing for a port that everybody reaches."""
        filters: _Filters = {}
        for port in ports:
            verdicts = [(prefix, False) for prefix in self._closed(port)]
            if self._policies.isolate(pod):
                callers: list[tuple[IPv4Network, Caller]] = [
                    *(
                        (IPv4Network(self._pods[uid]), each)
                        for each in pods
                        if (uid := each["metadata"]["uid"]) in self._pods
                    ),
                    *((IPv4Network(address), seen_from(name, pod)) for name, address in self._nodes.items()),
                    *((prefix, prefix) for prefix in self._policies.ranges(pod)),
                ]
                verdicts += [(str(prefix), self._policies.admit(pod, port, caller)) for prefix, caller in callers]
            elif verdicts:
                verdicts.append((_EVERYBODY, True))
            if verdicts:
                filters[port] = verdicts
        return filters

    def _free_address(self, also: Collection[str] = ()) -> str:
        used = {*self._pods.values(), *self._nodes.values(), *self._internal, *self._known, *self._refused, *also}
        # Azure also reserves the last address.
        last = self._addresses.num_addresses - 1
        candidates = (str(self._addresses[index]) for index in range(_KEPT_BY_AZURE, last))
        return next(address for address in candidates if address not in used)

    # The load balancer.

    def _balance(self, services: Sequence[Object], slices: Sequence[Object]) -> None:
        if not self._balanced():
            return
        wanted: dict[tuple[str, int], tuple[_Backends, list[str], bool]] = {}
        for service in services:
            if service["spec"].get("type") != "LoadBalancer" or deleting(service):
                continue
            address = self._address(service)
            if ipaddress.ip_address(address) in self._addresses:
                self._internal.add(address)
                continue
            own = _slices_of(service, slices)
            for port in service["spec"]["ports"]:
                if speaks(port) in _SIMULATED:
                    # Each endpoint once, even if several slices name it (kube-proxy's endpointslicecache.go, v1.36.3).
                    backends = sorted({*_targets(own, port.get("name", ""), ready=True)})
                    shut = not self._entered(port["port"])
                    wanted[address, port["port"]] = backends, additional_addresses(service), shut
        for address in {address for address, _ in self._frontends} - {address for address, _ in wanted}:
            self._networks.unbalance(address)
        nodes = [*self._nodes.values()]
        for (address, port), (backends, accepted, shut) in wanted.items():
            if self._frontends.get((address, port)) != (backends, accepted, shut):
                self._networks.balance(address, port, self._network, nodes, backends, accepted=accepted, shut=shut)
        self._frontends = wanted

    def _address(self, service: Object) -> str:
        internal = child(service["metadata"], "annotations").get(INTERNAL) == "true"
        found = child(status_of(service), "loadBalancer").get("ingress") or ()
        own = (each["ip"] for each in found if (ipaddress.ip_address(each["ip"]) in self._addresses) is internal)
        address = next(own, None) or (self._free_address() if internal else self._public_address())
        ingress = [{"ip": each, "ipMode": "VIP"} for each in (address, *additional_addresses(service))]
        if ingress != found:
            self._server.set_status(service, {"loadBalancer": {"ingress": ingress}})
        return address


def _ports_of(pod: Object, services: Sequence[Object]) -> _Ports:
    """Return the ports of a pod, with protocols, that the Services selecting it send to."""
    named = {
        port.get("name"): port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or ()
    }
    ports: _Ports = {}
    for service in services:
        selector = child(service["spec"], "selector")
        if namespace_of(service) != namespace_of(pod) or not selector or not selector.items() <= labels_of(pod).items():
            continue
        for port in service["spec"].get("ports") or ():
            target = port.get("targetPort") or port["port"]
            number = named.get(target) if isinstance(target, str) else target
            if number and (spoken := speaks(port)) in _SIMULATED:
                ports[number] = spoken
    return ports


def _slices_of(service: Object, slices: Sequence[Object]) -> list[Object]:
    return [
        endpoint_slice
        for endpoint_slice in slices
        if namespace_of(endpoint_slice) == namespace_of(service)
        and labels_of(endpoint_slice).get(SERVICE_NAME) == name_of(service)
    ]


def _targets(slices: list[Object], port_name: str, *, ready: bool) -> Iterator[tuple[str, int]]:
    """Yield the endpoints at a named port; with `ready`, only those that kube-proxy would send connections to."""
    for endpoint_slice in slices:
        ports = [port["port"] for port in endpoint_slice.get("ports") or () if (port.get("name") or "") == port_name]
        for endpoint in endpoint_slice.get("endpoints") or ():
            if not ready or child(endpoint, "conditions").get("ready", True):
                yield from ((address, port) for address in endpoint["addresses"] for port in ports)


def _timestamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
