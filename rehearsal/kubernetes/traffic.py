"""Requests from the internet, answered by the pods that an address in memory leads to."""

import ipaddress
from collections.abc import Iterator
from random import Random
from urllib.parse import urlsplit

from rehearsal.kubernetes.apiserver import Cluster
from rehearsal.kubernetes.objects import Object, child, is_true, labels_of, name_of, namespace_of, status_of
from rehearsal.kubernetes.workloads import SERVICE_NAME
from rehearsal.kubernetes.world import World

_chance = Random(0)  # noqa: S311 - which pod answers is no secret


def request(world: World, url: str) -> dict[str, str]:
    """Return what a pod behind a public address answers: its `cluster` and `pod`.

    Raises:
        OSError: nobody answers; TimeoutError, where a packet would be lost.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    with world.requests():
        found = next(_balancers(world, host, port), None)
        if found is None or not found[0].reachable or ipaddress.ip_address(host).is_private:
            raise TimeoutError("timed out")
        cluster, service = found
        addresses = [
            address
            for piece in cluster.objects("EndpointSlice.discovery.k8s.io")
            if namespace_of(piece) == namespace_of(service) and labels_of(piece).get(SERVICE_NAME) == name_of(service)
            for endpoint in piece["endpoints"]
            for address in endpoint["addresses"]
        ]
        if not addresses:
            raise ConnectionRefusedError("Connection refused")  # as kube-proxy does
        address = _chance.choice(addresses)
        for target, pod in _pods(world, cluster):
            if status_of(pod).get("podIP") == address and is_true(pod, "Ready"):
                return {"cluster": target.id.rsplit("/", 1)[-1], "pod": name_of(pod)}
    raise TimeoutError("timed out")


def _balancers(world: World, address: str, port: int) -> Iterator[tuple[Cluster, Object]]:
    for cluster in world.clusters():
        for service in cluster.objects("Service"):
            ingress = child(status_of(service), "loadBalancer").get("ingress") or ()
            if any(each["ip"] == address for each in ingress) and any(
                each["port"] == port for each in service["spec"]["ports"]
            ):
                yield cluster, service


def _pods(world: World, origin: Cluster) -> Iterator[tuple[Cluster, Object]]:
    """Yield the pods that can be reached from the nodes of a cluster."""
    for cluster in world.clusters():
        if cluster.role == origin.role and cluster.reachable and world.routable(origin.id, cluster.id):
            for pod in cluster.objects("Pod"):
                yield cluster, pod
