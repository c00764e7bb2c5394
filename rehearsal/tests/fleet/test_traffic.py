"""Requests from the internet to an address in memory."""

from collections import Counter

import pytest

from rehearsal.cluster.objects import Object
from rehearsal.fleet.in_memory import InMemoryClusters
from rehearsal.fleet.traffic import Internet
from rehearsal.tests.objects import USER, addresses, entry_point, get, new_object, placed_fleet


def test_pods_behind_an_address_take_turns() -> None:
    clusters, _, east, _ = placed_fleet()
    east.create(entry_point(), user=USER)
    clusters.settle()
    (address,) = addresses(get(east, entry_point()))
    internet = Internet(clusters)
    answers = Counter(tuple(internet.request(f"http://{address}").values()) for _ in range(12))
    assert [*answers.values()] == [3] * 4  # two pods in each of two regions


def _answering(clusters: InMemoryClusters, address: str) -> Counter[str]:
    """Return how many of eight requests pods of each cluster answer."""
    answers = Counter[str]()
    for _ in range(8):
        try:
            answers[Internet(clusters).request(f"http://{address}")["cluster"]] += 1
        except TimeoutError:
            answers["nobody"] += 1
    return answers


INGRESS: list[tuple[list[Object], dict[str, int]]] = [
    # Of the entry point's region, the pod on the node that gets the packets sees the client (two pods, two nodes).
    ([{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}], {"east": 2, "west": 4, "nobody": 2}),
    ([{"from": [{"ipBlock": {"cidr": "10.1.0.0/24"}}], "ports": [{"port": 8080}]}], {"west": 4, "nobody": 4}),
    ([{"from": [{"ipBlock": {"cidr": "10.1.0.0/24"}}], "ports": [{"port": 80}]}], {"nobody": 8}),
    ([{"from": [{"namespaceSelector": {}}]}], {"nobody": 8}),
    ([], {"nobody": 8}),
    ([{}], {"east": 4, "west": 4}),
]


@pytest.mark.parametrize(("ingress", "answers"), INGRESS)
def test_network_policies_decide_where_they_are_enforced(ingress: list[Object], answers: dict[str, int]) -> None:
    clusters, hub, east, _ = placed_fleet()
    east.create(entry_point(), user=USER)
    spec: Object = {"podSelector": {}, "ingress": ingress, "policyTypes": ["Ingress"]}
    hub.create(new_object("networking.k8s.io/v1", "NetworkPolicy", "closed", "shop", spec=spec), user=USER)
    clusters.settle()
    (address,) = addresses(get(east, entry_point()))
    assert _answering(clusters, address) == {"east": 4, "west": 4}

    clusters.enforces = lambda _cluster: True
    assert _answering(clusters, address) == answers


def test_security_groups_decide_between_regions_by_the_pods_port() -> None:
    clusters, _, east, west = placed_fleet()
    east.create(entry_point(), user=USER)
    clusters.settle()
    (address,) = addresses(get(east, entry_point()))

    clusters.admits = lambda target, port, origin: (target, port, origin) != (west.id, 8080, east.id)
    assert _answering(clusters, address) == {"east": 4, "nobody": 4}
