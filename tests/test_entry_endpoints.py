"""What the program waits for once the entry point has its address, and what it says meanwhile."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from components import entry_endpoints, waiting
from components.entry_endpoints import EndpointsError
from fleet_clusters import endpoints
from rehearsal.cluster.http_gateway import open_http_gateway
from rehearsal.core.environment import having
from rehearsal.fleet import traffic
from rehearsal.fleet.in_memory import Cluster, InMemoryClusters
from rehearsal.tests.clusters_in_memory import TOKEN, Servers
from rehearsal.tests.objects import USER, deployment, entry_point, new_object, placed_fleet

WANTED = "waiting until the entry point has endpoints of"


class Watched:
    """The app on the members east and west, entered in east, and what the program says while it waits there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clusters, self.hub, self.east, self.west = placed_fleet()
        self.servers = Servers(self.clusters)
        self.said: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.log_in_to_west = True
        monkeypatch.setattr(pulumi.log, "info", self.said.append)
        monkeypatch.setattr(waiting.asyncio, "sleep", self._sleep)

    async def _sleep(self, seconds: float) -> None:
        del seconds
        self.meanwhile()

    def enter(self) -> None:
        """Make the entry point, and let Fleet do all that it does."""
        self.east.create(entry_point(), user=USER)
        self.clusters.settle()

    def wait(self, members: list[str], old: dict[str, Any] | None = None, kubeconfig: str = "") -> None:
        """Wait as the program does before it notes that an entry point has the endpoints of members."""
        new = {"uid": "1", "namespace": "shop", "name": "front", "members": members}
        text = kubeconfig or self.servers.kubeconfig(self.east)

        async def call() -> None:
            log_ins = {"west": self.servers.kubeconfig(self.west)} if self.log_in_to_west else {}
            members = pulumi.Output.from_input(log_ins)
            await members.future()  # else, the next program in this process would wait for it
            wait = entry_endpoints._waiting(pulumi.Output.secret(text), members)  # pyright: ignore[reportPrivateUsage] - the hook
            await wait(pulumi.ResourceHookArgs("urn", "", "app-endpoints", "", new_inputs=new, old_inputs=old))

        asyncio.run(call())


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    made = Watched(monkeypatch)
    with open_http_gateway(traffic.Internet(made.clusters), made.servers) as gateway, having(gateway.environment()):
        yield made


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_endpoints, "_MINUTES", -1)


def scale(cluster: Cluster, clusters: InMemoryClusters, replicas: int) -> None:
    cluster.apply(deployment(replicas=replicas), user=USER)
    clusters.settle()


def test_nothing_is_said_where_every_member_is_behind_the_entry_point(watched: Watched) -> None:
    watched.enter()
    watched.wait(["east", "west"])
    assert watched.said == []


def test_it_is_said_once_what_is_waited_for(watched: Watched) -> None:
    looks: list[None] = []

    def meanwhile() -> None:
        looks.append(None)
        if len(looks) == 3:
            watched.enter()

    watched.meanwhile = meanwhile
    watched.wait(["east", "west"])
    assert watched.said == [f"app-endpoints: {WANTED} east, west"]


def test_member_without_a_ready_pod_is_told_from_one_whose_endpoints_are_late(watched: Watched) -> None:
    scale(watched.hub, watched.clusters, 0)
    watched.clusters.pass_time(600)
    watched.enter()
    watched.meanwhile = lambda: scale(watched.hub, watched.clusters, 1)
    watched.wait(["east", "west"])
    assert watched.said[0] == f"app-endpoints: {WANTED} east (no pod of it is ready), west (no pod of it is ready)"


def test_cluster_that_does_not_answer_is_waited_for(watched: Watched) -> None:
    watched.enter()
    watched.clusters.set_reachable(watched.east.id, reachable=False)
    watched.meanwhile = lambda: watched.clusters.set_reachable(watched.east.id, reachable=True)
    watched.wait(["east", "west"])
    assert watched.said == [f"app-endpoints: {WANTED} east, west; its cluster does not answer: RemoteDisconnected"]


@pytest.mark.parametrize("with_log_in", [True, False])
def test_fleet_is_asked_once_more_for_endpoints_that_do_not_come(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, *, with_log_in: bool
) -> None:
    monkeypatch.setattr(entry_endpoints, "_AGAIN", -1)
    watched.log_in_to_west = with_log_in
    watched.meanwhile = watched.enter
    other = new_object("discovery.k8s.io/v1", "EndpointSlice", "other", "shop", addressType="IPv4", endpoints=[])
    other["metadata"]["labels"] = {"kubernetes.io/service-name": "other"}
    watched.west.create(other, user=USER)
    watched.wait(["east", "west"])
    asked = "app-endpoints: asking Fleet once more for the endpoints of west"
    assert watched.said == [*([asked] if with_log_in else []), f"app-endpoints: {WANTED} east, west"]
    slices = watched.west.list("discovery.k8s.io/v1", "EndpointSlice", "shop")
    annotated = [each for each in slices if endpoints.ASKED_AGAIN in each["metadata"].get("annotations", {})]
    services = {each["metadata"]["labels"]["kubernetes.io/service-name"] for each in annotated}
    assert services == ({"front"} if with_log_in else set())


def test_fleet_is_asked_after_a_minute_and_not_at_each_look(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    moments: list[float] = [0]
    monkeypatch.setattr(entry_endpoints, "time", SimpleNamespace(monotonic=lambda: moments[-1]))

    def meanwhile() -> None:
        moments.append(moments[-1] + 45)
        if len(moments) == 5:
            watched.enter()

    watched.meanwhile = meanwhile
    watched.wait(["east", "west"])
    assert len([each for each in watched.said if "asking Fleet once more" in each]) == 1


@pytest.mark.usefixtures("_impatient")
def test_end_of_patience_names_the_members_and_the_remedy(watched: Watched) -> None:
    with pytest.raises(EndpointsError, match=r"until the entry point has endpoints of east, west\. .*`make verify`"):
        watched.wait(["east", "west"])


@pytest.mark.usefixtures("_impatient")
def test_member_whose_endpoints_the_entry_point_has_had_is_not_asked_for_again(watched: Watched) -> None:
    watched.wait(["east", "west"], {"uid": "1", "members": ["west", "east", "north"]})
    with pytest.raises(EndpointsError, match="endpoints of west"):
        watched.wait(["east", "west"], {"uid": "1", "members": ["east"]})
    with pytest.raises(EndpointsError, match="endpoints of east, west"):
        watched.wait(["east", "west"], {"uid": "another", "members": ["east", "west"]})


@pytest.mark.usefixtures("_impatient")
def test_kubeconfig_is_in_no_message_and_no_file(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kubeconfig = watched.servers.kubeconfig(watched.east)
    for text in (kubeconfig, f"{{planted: {kubeconfig}", kubeconfig.replace("certificate-authority-data: ", "")):
        with pytest.raises(EndpointsError) as failed:
            watched.wait(["east"], kubeconfig=text)
        assert TOKEN not in "".join([str(failed.value), *watched.said])
    assert list(tmp_path.iterdir()) == []


def test_slices_are_those_of_the_member_with_the_longest_fitting_name() -> None:
    names = ("aks-shop-front-1-a", "aks-shop-shop-front-1-b", "other-shop-front-1-c")
    found = endpoints.by_member([{"metadata": {"name": name}} for name in names], "shop", ("aks", "aks-shop"))
    by_name = {member: [each["metadata"]["name"] for each in slices] for member, slices in found.items()}
    assert by_name == {"aks": [names[0]], "aks-shop": [names[1]], None: [names[2]]}
