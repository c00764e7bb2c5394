"""Requests from the internet to pods in memory."""

import ipaddress
from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import count
from typing import Final
from urllib.parse import urlsplit

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.network_policies import Caller, NetworkPolicies, seen_from
from rehearsal.cluster.objects import Object, child, is_true, labels_of, name_of, namespace_of, status_of
from rehearsal.cluster.workloads import SERVICE_NAME
from rehearsal.fleet.in_memory import InMemoryClusters
from rehearsal.fleet.networking import SLICE_EXPORT, member_namespace

_OTHERS: Final = ("http2", "h2c", "grpc", "tcp", "tls", "udp", "mongo", "mysql", "redis", "mqtt", "amqp")

_turns = count()


def speaks(port: Object) -> str:
    """Return the protocol of a Service's port: `http`, `https`, `tcp` for others over TCP, `udp` or `sctp`.

    Its `appProtocol` decides, else its name, else its number (istio.io: protocol-selection; IANA).
    """
    if (protocol := (port.get("protocol") or "TCP").lower()) != "tcp":
        return protocol
    if said := port.get("appProtocol"):
        return said if said in ("http", "https") else "tcp"
    if (word := (port.get("name") or "").partition("-")[0]) in ("http", "https"):
        return word
    known = {80: "http", 8080: "http", 443: "https"}
    return "tcp" if word in _OTHERS else known.get(port["port"], "tcp")


class Internet:
    """A client on the internet, for addresses of clusters in memory.

    Args:
        clusters: the clusters.
    """

    def __init__(self, clusters: InMemoryClusters) -> None:
        self._clusters = clusters

    def request(self, url: str) -> dict[str, str]:
        """Return the answer of a pod behind a public address: its `cluster` and `pod`.

        Raises:
            OSError: nobody answers; TimeoutError, if a packet would be lost.
        """
        parts = urlsplit(url)
        spoken, answer = self._reach(parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80))
        if spoken == "tcp":
            raise TimeoutError("timed out")  # the server waits for its own protocol
        if spoken != parts.scheme:
            raise ConnectionResetError("Connection reset by peer")
        return answer

    def connect(self, host: str, port: int) -> None:
        """Open a TCP connection, and close it.

        Raises:
            OSError: see `request`.
        """
        self._reach(host, port)

    def _reach(self, host: str, port: int) -> tuple[str, dict[str, str]]:
        """Return the protocol at the end of a connection, and the pod's answer to a request."""
        clusters = self._clusters
        with clusters.requests():
            found = next(self._entries(host, port), None)
            if found is None or not found[0].reachable or ipaddress.ip_address(host).is_private:
                raise TimeoutError("timed out")
            cluster, service, spoken = found
            if not clusters.admits(cluster.id, port, ""):
                raise TimeoutError("timed out")
            addresses = _endpoints(cluster, service)
            if not addresses:
                raise ConnectionRefusedError("Connection refused")  # as kube-proxy does
            # The pods take turns (kube-proxy's `rr`: pkg/proxy/ipvs/proxier.go, v1.36.3).
            address, endpoint_slice = addresses[next(_turns) % len(addresses)]
            target_port = _target_port(service, port, endpoint_slice)
            for target, pod in _pods(clusters, cluster, _source(clusters, endpoint_slice)):
                if (
                    status_of(pod).get("podIP") == address
                    and is_true(pod, "Ready")
                    and _admitted(clusters, cluster, target, pod, target_port)
                ):
                    return spoken, {"cluster": target.id.rsplit("/", 1)[-1], "pod": name_of(pod)}
        raise TimeoutError("timed out")

    def _entries(self, host: str, port: int) -> Iterator[tuple[Cluster, Object, str]]:
        """Yield the load balancers that take a packet for an address and a TCP port, and what is spoken there.

        A global address leads to the nearest region with a healthy node (learn: load-balancer/cross-region-overview).
        Its packets keep it as their destination, so a Service that has no such address does not get them.
        """
        regional = self._clusters.behind(host, port)
        for address in regional or [host]:
            for cluster, service, spoken in _balancers(self._clusters, address, port):
                ingress = child(status_of(service), "loadBalancer")["ingress"]
                accepts = any(each["ip"] == host for each in ingress)
                if not regional or (accepts and cluster.reachable and _endpoints(cluster, service)):
                    yield cluster, service, spoken


def _endpoints(cluster: Cluster, service: Object) -> list[tuple[str, Object]]:
    """Return the addresses that kube-proxy sends a Service's packets to, each with its slice.

    An endpoint without the condition `ready` counts as ready.
    """
    return [
        (address, endpoint_slice)
        for endpoint_slice in cluster.objects("EndpointSlice.discovery.k8s.io")
        if namespace_of(endpoint_slice) == namespace_of(service)
        and labels_of(endpoint_slice).get(SERVICE_NAME) == name_of(service)
        for endpoint in endpoint_slice["endpoints"]
        if child(endpoint, "conditions").get("ready", True)
        for address in endpoint["addresses"]
    ]


def _target_port(service: Object, port: int, endpoint_slice: Object) -> int:
    names = {each.get("name", "") for each in service["spec"]["ports"] if each["port"] == port}
    targets = (each["port"] for each in endpoint_slice.get("ports") or () if (each.get("name") or "") in names)
    return next(targets, port)


def _admitted(clusters: InMemoryClusters, origin: Cluster, target: Cluster, pod: Object, port: int) -> bool:
    """Return whether a packet gets from the first node of one cluster into a pod of another, or of the same one."""
    if not clusters.admits(target.id, port, origin.id):
        return False
    if not clusters.enforces(target.id):
        return True
    node = origin.objects("Node")[0]
    caller: Caller = next(
        IPv4Network(each["address"]) for each in status_of(node)["addresses"] if each["type"] == "InternalIP"
    )
    if target.id == origin.id:
        caller = seen_from(name_of(node), pod)
    policies = NetworkPolicies(target.objects("NetworkPolicy.networking.k8s.io"), target.objects("Namespace"))
    return policies.admit(pod, port, caller)


def _balancers(clusters: InMemoryClusters, address: str, port: int) -> Iterator[tuple[Cluster, Object, str]]:
    """Yield the load balancers with a TCP port at an address of their own, and the port's protocol."""
    for cluster in clusters.clusters():
        for service in cluster.objects("Service"):
            ingress = child(status_of(service), "loadBalancer").get("ingress") or ()
            if not ingress or ingress[0]["ip"] != address:
                continue
            for each in service["spec"]["ports"]:
                if each["port"] == port and (spoken := speaks(each)) not in ("udp", "sctp"):
                    yield cluster, service, spoken


def _source(clusters: InMemoryClusters, endpoint_slice: Object) -> Cluster | None:
    """Return the member of an imported EndpointSlice, which has the name of its export on the hub."""
    for hub in clusters.hubs():
        namespaces = {member_namespace(name): cluster for name, cluster in clusters.members(hub).items()}
        for export in hub.objects(SLICE_EXPORT):
            if name_of(export) == name_of(endpoint_slice):
                return namespaces.get(namespace_of(export))
    return None


def _pods(clusters: InMemoryClusters, origin: Cluster, source: Cluster | None) -> Iterator[tuple[Cluster, Object]]:
    """Yield the pods that a cluster's nodes can reach; only those of `source`, if it is known.

    Overlay networks of several clusters have the same addresses, so an address alone does not identify a pod.
    """
    for cluster in [source] if source else clusters.clusters():
        if cluster.role == origin.role and cluster.reachable and clusters.routable(origin.id, cluster.id):
            for pod in cluster.objects("Pod"):
                yield cluster, pod
