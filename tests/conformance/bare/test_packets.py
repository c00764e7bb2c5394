"""Security groups, network policies and taints: the same packets arrive in memory and on the real clusters."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from rehearsal.cluster.interface import ApiServer
from rehearsal.cluster.objects import Object, child, labels_of, namespace_of, status_of
from rehearsal.cluster.workloads import POOL_LABEL
from rehearsal.core.errors import ApiError
from rehearsal.fleet.in_memory import InMemoryClusters
from rehearsal.fleet.traffic import Internet
from rehearsal.tests.objects import HUB, USER, in_locations, new_fleet, new_object
from tests.conformance import scenarios
from tests.conformance.fleet import Fleet, eventually

SPACE, POD_PORT, PORT = "packets", 8080, 80
BOTH = ("east", "west")
REQUESTS = 8  # two for each pod
_SECONDS = 1  # until a packet counts as dropped
_TAINT = "CriticalAddonsOnly=true:NoSchedule"


@dataclass(frozen=True)
class _InMemory:
    clusters: InMemoryClusters
    ids: dict[str, str]

    def __getitem__(self, name: str) -> ApiServer:
        return self.clusters.cluster(self.ids[name])


@dataclass(frozen=True)
class _App:
    """An app in both regions of a fleet, behind an entry point in east."""

    fleet: Fleet | _InMemory
    address: str

    def answers(self) -> Counter[str]:
        """Return how many requests pods of each cluster answer; "" stands for dropped packets."""
        return Counter(self._answer() for _ in range(REQUESTS))

    def _answer(self) -> str:
        clusters, url = self.fleet.clusters, f"http://{self.address}"
        try:
            if isinstance(clusters, InMemoryClusters):
                return Internet(clusters).request(url)["cluster"]
            return clusters.networks.request(url, _SECONDS)["cluster"]
        except TimeoutError:
            return ""
        except ConnectionError as error:  # there are no endpoints yet
            return type(error).__name__

    def refuse(self, packet: tuple[str, int, str] | None) -> None:
        """Let security groups refuse packets: from a cluster to a port of another one."""
        self.fleet.clusters.admits = lambda target, port, origin: (target, port, origin) != packet

    def enforce(self, *, enforced: bool) -> None:
        """Have network policies enforced, or not."""
        self.fleet.clusters.enforces = lambda _cluster: enforced

    def settle(self) -> None:
        """Let time pass in memory; real clusters take theirs."""
        if isinstance(self.fleet.clusters, InMemoryClusters):
            self.fleet.clusters.settle()

    def pools(self) -> Counter[str]:
        """Return on which pools the app's pods in east run; "" stands for pods without a node."""
        self.settle()
        server = self.fleet["east"]
        pool_of = {each["metadata"]["name"]: labels_of(each)[POOL_LABEL] for each in server.list("v1", "Node")}
        pods = [each for each in server.list("v1", "Pod") if namespace_of(each) == SPACE]
        return Counter(pool_of.get(child(each, "spec").get("nodeName", ""), "") for each in pods)


def _deployed(fleet: Fleet | _InMemory) -> _App:
    hub = fleet["hub"]
    scenarios.put(hub, *scenarios.app(SPACE), scenarios.placement(SPACE, in_locations("eastus2", "westus2")))
    found: list[str] = []

    def look() -> bool:
        if isinstance(fleet.clusters, InMemoryClusters):
            fleet.clusters.settle()
        if not _exists(fleet["east"], scenarios.entry_point(SPACE)):
            scenarios.put(fleet["east"], scenarios.entry_point(SPACE))
            return False
        item = fleet["east"].get("networking.fleet.azure.com/v1alpha1", "MultiClusterService", "front", SPACE)
        found[:] = [each["ip"] for each in child(status_of(item), "loadBalancer").get("ingress") or ()]
        return bool(found)

    eventually(look, expected=True)
    return _App(fleet, found[0])


def _exists(server: ApiServer, item: Object) -> bool:
    metadata = item["metadata"]
    try:
        server.get(item["apiVersion"], item["kind"], metadata["name"], metadata.get("namespace", ""))
    except ApiError as error:
        if error.reason != "NotFound":
            raise
        return False
    return True


@pytest.fixture(scope="module")
def apps(bare: Fleet) -> Iterator[list[_App]]:
    """The app in memory, and on the real fleet, where it is removed afterwards."""
    clusters, *_ = new_fleet()
    ids = {"hub": HUB, "east": "/clusters/east", "west": "/clusters/west"}
    apps = [_deployed(_InMemory(clusters, ids)), _deployed(bare)]
    for app in apps:
        eventually(app.answers, Counter(dict.fromkeys(BOTH, REQUESTS // 2)))
    yield apps
    scenarios.remove(bare["hub"], scenarios.placement(SPACE, {}))
    for name in BOTH:
        eventually(lambda name=name: _exists(bare[name], scenarios.namespace(SPACE)), expected=False)
    scenarios.remove(bare["hub"], scenarios.namespace(SPACE))


def _policy(ingress: list[Object]) -> Object:
    spec: Object = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": ingress}
    return new_object("networking.k8s.io/v1", "NetworkPolicy", "closed", SPACE, spec=spec)


INGRESS: list[tuple[list[Object], dict[str, int]]] = [
    ([], {"": 8}),
    ([{"from": [{"ipBlock": {"cidr": "10.1.0.0/24"}}], "ports": [{"port": POD_PORT}]}], {"west": 4, "": 4}),
    # In east, the pod on the node that gets the packets sees the client, the other one that node.
    ([{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.2.0.0/24"]}}]}], {"east": 2, "west": 4, "": 2}),
    ([{"from": [{"podSelector": {}}]}, {"ports": [{"port": POD_PORT}]}], {"east": 4, "west": 4}),
]


@pytest.mark.parametrize(("ingress", "answers"), INGRESS)
def test_network_policies_let_the_same_packets_in(
    apps: list[_App], ingress: list[Object], answers: dict[str, int]
) -> None:
    for app in apps:
        for name in BOTH:
            scenarios.put(app.fleet[name], _policy(ingress))
        app.settle()
        app.enforce(enforced=True)
        try:
            eventually(app.answers, Counter(answers), 30)
            # Without an engine, policies change nothing.
            app.enforce(enforced=False)
            eventually(app.answers, Counter({"east": 4, "west": 4}), 30)
        finally:
            app.enforce(enforced=False)
            for name in BOTH:
                scenarios.remove(app.fleet[name], _policy(ingress))


@pytest.mark.parametrize(
    ("shut", "answers"),
    [
        (("east", PORT, ""), {"": 8}),
        (("west", PORT, ""), {"east": 4, "west": 4}),
        (("west", POD_PORT, "east"), {"east": 4, "": 4}),
        (("east", POD_PORT, "east"), {"west": 4, "": 4}),
        (("east", POD_PORT, "west"), {"east": 4, "west": 4}),
    ],
)
def test_security_groups_let_the_same_packets_in(
    apps: list[_App], shut: tuple[str, int, str], answers: dict[str, int]
) -> None:
    for app in apps:
        target, port, origin = shut
        app.refuse((app.fleet.ids[target], port, app.fleet.ids.get(origin, "")))
        try:
            eventually(app.answers, Counter(answers), 30)
        finally:
            app.refuse(None)
        eventually(app.answers, Counter({"east": 4, "west": 4}), 30)


def test_tainted_nodes_get_no_new_pods_and_removed_ones_lose_theirs(apps: list[_App]) -> None:
    for app in apps:
        clusters, east = app.fleet.clusters, app.fleet.ids["east"]
        try:
            clusters.set_pool(east, "", None, [_TAINT])
            clusters.set_pool(east, "apps", 2, [])
            assert app.pools() == Counter(nodepool1=2)
            eventually(lambda app=app: len(app.fleet["east"].list("v1", "Node")), 4)
            for pod in app.fleet["east"].list("v1", "Pod", SPACE):
                app.fleet["east"].delete("v1", "Pod", pod["metadata"]["name"], SPACE, user=USER)
            eventually(app.pools, Counter(apps=2))
            clusters.set_pool(east, "apps", 0, [])
            eventually(app.pools, Counter({"": 2}))
        finally:
            clusters.set_pool(east, "apps", 0, [])
            clusters.set_pool(east, "", None, [])
        eventually(app.pools, Counter(nodepool1=2))
        eventually(app.answers, Counter({"east": 4, "west": 4}))
