"""The cloud's real clusters: API servers, Fleet's own controllers, and networks that carry traffic."""

import os
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from rehearsal.azure import kubelogin
from rehearsal.azure.arm import Access, Deployer
from rehearsal.cluster import interface as clusters
from rehearsal.cluster import workloads
from rehearsal.cluster.interface import routable, route
from rehearsal.cluster.kinds import HUB, MEMBER
from rehearsal.cluster.objects import Object, child, is_true, name_of, namespace_of, status_of
from rehearsal.core.errors import ApiError, RefusedError
from rehearsal.core.store import Store
from rehearsal.fleet.membership import CLUSTER_ID, LOCATION
from rehearsal.fleet.traffic import speaks
from rehearsal.real.apiserver import RealApiServer
from rehearsal.real.cluster import RealCluster
from rehearsal.real.guard import Guard, guarding
from rehearsal.real.machines import Machines
from rehearsal.real.network import Networks
from rehearsal.real.network import networks as network_namespaces
from rehearsal.real.provider import Provider, install
from rehearsal.real.tools import Tools, find_tools

_POLL: Final = 0.1  # seconds
_MEMBERSHIP_SECONDS: Final = 300  # a join takes two seconds, a leave seven, on an idle machine

_MEMBER_CLUSTER: Final = ("cluster.kubernetes-fleet.io/v1", "MemberCluster")


class RealClusters:
    """All real clusters and fleets. Their list is in `store.section("kubernetes")`.

    Attributes:
        networks: the virtual networks and the internet.
        guard: decides for API servers which requests of the deploying identity are allowed.
        is_down: returns whether a part of a cluster does not run; here only for load balancers.
        admits: returns whether packets for a TCP port of a cluster get past the security groups, from the nodes of
            another cluster, or from the internet ("").
        enforces: returns whether a cluster's network policies are enforced.

    Args:
        store: stores the list of clusters and fleets for the next run.
        folder: the folder of the clusters' files.
        tools: the commands.
        networks: empty networks.
        guard: decides for API servers which requests of the deploying identity are allowed.
    """

    def __init__(self, store: Store, folder: Path, tools: Tools, networks: Networks, guard: Guard) -> None:
        self.networks = networks
        self.guard = guard
        self.is_down: Callable[[clusters.Part, clusters.ApiServer], bool] = lambda _part, _server: False
        self.admits: Callable[[str, int, str], bool] = lambda _cluster_id, _port, _origin_id: True
        self.enforces: Callable[[str], bool] = lambda _cluster_id: False
        self._data = store.section("kubernetes")
        for part in ("balanced", "clusters", "frontends", "members", "networks"):
            self._data.setdefault(part, {})
        self._data.setdefault("peerings", [])
        self._data.setdefault("routes", {})
        self._data.setdefault("serial", 0)
        self._folder = folder
        self._tools = tools
        self._clusters: dict[str, RealCluster] = {}
        self._machines: dict[str, Machines] = {}
        self._lock = threading.Lock()

    @property
    def now(self) -> float:
        """Simulated seconds of Azure: members join here ten times as fast, so ten of them pass in a real second."""
        return 10 * time.time()

    def start(self) -> None:
        """Start the clusters that ran at the end of the last run.

        Raises:
            ProcessError: a process did not start.
        """
        for network, prefixes in self._data["networks"].items():
            self.networks.add(network, prefixes)
        for one, other in self._data["peerings"]:
            self.networks.connect(one, other)
            for network, peer in ((one, other), (other, one)):
                if (prefixes := self._data["routes"].get(route(network, peer))) is not None:
                    self.networks.route(network, peer, prefixes)
        for address, regional in self._data["balanced"].items():
            self.networks.lead(address, regional)
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._start, [key for key, data in self._data["clusters"].items() if data["reachable"]]))
        self._wait_for_webhooks()
        for member in self._data["members"].values():
            self._start_agents(member)

    def stop(self) -> None:
        """Stop all clusters."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._stop, list(self._clusters)))

    # Changes by Azure's control plane.

    def add_network(self, network: str, prefixes: list[str]) -> None:
        """Add a virtual network with its address space."""
        self._data["networks"][network.lower()] = prefixes
        self.networks.add(network.lower(), prefixes)

    def remove_network(self, network: str) -> None:
        """Remove a virtual network; a missing one is not an error."""
        if self._data["networks"].pop(network.lower(), None) is not None:
            self.networks.remove(network.lower())

    def set_peered(self, network: str, other: str, *, peered: bool) -> None:
        """Connect or disconnect two virtual networks."""
        pair = sorted((network.lower(), other.lower()))
        if (pair in self._data["peerings"]) is peered:
            return
        if peered:
            self._data["peerings"].append(pair)
            self.networks.connect(*pair)
        else:
            self._data["peerings"].remove(pair)
            self.networks.disconnect(*pair)

    def set_routes(self, network: str, other: str, prefixes: list[str]) -> None:
        """Restrict the ranges that a network reaches in a peered one."""
        self._data["routes"][route(network, other)] = prefixes
        self.networks.route(network.lower(), other.lower(), prefixes)

    def frontends(self, cluster_id: str) -> dict[str, str]:
        """Return the frontends of a cluster's load balancers: each name, and its address, empty if it is internal."""
        known: dict[str, dict[str, str]] = self._data["frontends"]
        if cluster := self._clusters.get(cluster_id):
            with suppress(ApiError):  # Azure knows the load balancers of a region that is down
                known[cluster_id] = workloads.frontends(cluster.server.list("v1", "Service"))
        return known.get(cluster_id, {})

    def balance(self, address: str, frontends: Mapping[str, Collection[int]]) -> None:
        """Lead a global address to regional ones, each with the ports that it has there; none ends it."""
        balanced = self._data["balanced"]
        balanced[address] = {regional: sorted(ports) for regional, ports in frontends.items()}
        self.networks.lead(address, balanced[address])
        if not frontends:
            del balanced[address]

    def add_cluster(  # noqa: PLR0913 - the parts of a cluster
        self,
        cluster_id: str,
        server: str,
        *,
        location: str,
        network: str,
        pods: str,
        flat: bool,
        nodes: int,
        services: str,
    ) -> None:
        """Start a managed cluster. It listens on this machine instead of at `server`."""
        del server
        if network == cluster_id:  # AKS creates a network for a cluster without a subnet
            self.add_network(network, [pods])
        self._data["clusters"][cluster_id] = {
            "folder": self._new_folder(cluster_id),
            "role": MEMBER,
            "location": location,
            "network": network.lower(),
            "pods": pods,
            "flat": flat,
            "nodes": nodes,
            "services": services,
            "reachable": True,
        }
        self._start(cluster_id)

    def set_pool(self, cluster_id: str, pool: str, nodes: int | None, taints: Sequence[str]) -> None:
        """Give a cluster's node pool a number of nodes and taints."""
        pools = self._data["clusters"][cluster_id].setdefault("pools", {})
        name = pool or workloads.FIRST_POOL
        before: int = pools[name]["nodes"] if name in pools else self._data["clusters"][cluster_id]["nodes"]
        pools[name] = {"nodes": before if nodes is None else nodes, "taints": list(taints)}
        if machines := self._machines.get(cluster_id):
            machines.set_pool(name, pools[name]["nodes"], taints)

    def add_hub(self, fleet_id: str, server: str) -> None:
        """Start a fleet's hub, whose ID is the fleet's."""
        del server
        self._data["clusters"][fleet_id] = {
            "folder": self._new_folder(fleet_id),
            "role": HUB,
            "services": "10.0.0.0/16",
            "reachable": True,
        }
        self._start(fleet_id)

    def remove(self, cluster_id: str) -> None:
        """Remove a cluster or a hub with everything in it; a missing one is not an error."""
        if cluster_id not in self._data["clusters"]:
            return
        for member in [each for each in self._data["members"].values() if each["fleet"] == cluster_id]:
            if cluster := self._clusters.get(member["cluster"]):
                cluster.leave()
            del self._data["members"][_key(cluster_id, member["name"])]
        self._stop(cluster_id)
        shutil.rmtree(self._folder_of(cluster_id))
        del self._data["clusters"][cluster_id]
        self._data["frontends"].pop(cluster_id, None)
        self.remove_network(cluster_id)  # the network that AKS created for it

    def access(self, cluster_id: str) -> Access:
        """Return the access to a cluster or hub."""
        return self._clusters[cluster_id].server.access

    def join(self, fleet_id: str, member: str, cluster_id: str, labels: Mapping[str, str]) -> None:
        """Add a cluster to a fleet; return when it has joined, like ARM's operation.

        Source of the control plane's steps: Azure/fleet issue 1146, and its annotation with the cluster's ID.

        Raises:
            RefusedError: the cluster does not join in time.
        """
        self._clusters[fleet_id].wait_for_webhook()  # here, because a hub starts in parallel with the first clusters
        hub = self._clusters[fleet_id].server
        account: Object = {"name": f"member-{member}", "namespace": "fleet-system"}
        with suppress(ApiError):  # the member exists and joins again
            hub.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        hub.apply(
            {
                "apiVersion": "cluster.kubernetes-fleet.io/v1",
                "kind": "MemberCluster",
                "metadata": {
                    "name": member,
                    "labels": {**labels, LOCATION: self._data["clusters"][cluster_id]["location"]},
                    "annotations": {CLUSTER_ID: cluster_id},
                },
                "spec": {"identity": {"kind": "ServiceAccount", **account}, "heartbeatPeriodSeconds": 15},
            }
        )
        self._data["members"][_key(fleet_id, member)] = {"fleet": fleet_id, "cluster": cluster_id, "name": member}
        self._start_agents(self._data["members"][_key(fleet_id, member)])
        if not self._wait_until(lambda: is_true(hub.get(*_MEMBER_CLUSTER, member), "Joined"), _MEMBERSHIP_SECONDS):
            raise RefusedError(f"member {member} has not joined after {_MEMBERSHIP_SECONDS} s")

    def leave(self, fleet_id: str, member: str) -> None:
        """Remove a member; return when it has left, like ARM's operation. A missing member is not an error.

        Raises:
            RefusedError: the member has live exports, or does not leave in time.
        """
        joined = self._data["members"].get(_key(fleet_id, member))
        hub = self._clusters.get(fleet_id)
        if joined is None or hub is None:
            return
        try:
            hub.server.delete(*_MEMBER_CLUSTER, member)
        except ApiError as error:
            if error.reason != "NotFound":
                raise
        if not self._wait_until(lambda: not _exists(hub.server, member), _MEMBERSHIP_SECONDS):
            raise RefusedError(f"member {member} has not left after {_MEMBERSHIP_SECONDS} s")
        if cluster := self._clusters.get(joined["cluster"]):
            cluster.leave()
        del self._data["members"][_key(fleet_id, member)]

    # Look-ups, and the engine's environment.

    def get(self, cluster_id: str) -> RealApiServer | None:
        """Return a cluster or hub by its ID."""
        found = self._clusters.get(cluster_id)
        return found.server if found else None

    def at(self, server: str) -> RealApiServer | None:
        """Return the cluster or hub at a URL."""
        return next((each.server for each in self._clusters.values() if each.server.access.server == server), None)

    def hubs(self) -> list[RealApiServer]:
        """Return every fleet's hub."""
        return [cluster.server for cluster in self._clusters.values() if cluster.role == HUB]

    def routable(self, origin_id: str, target_id: str) -> bool:
        """Return whether nodes of one cluster can reach the pods of another."""
        known = self._data["clusters"]
        return routable(known[origin_id], known[target_id], self._data["peerings"], self._data["routes"])

    def _wait_until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until `done`; return False after the time limit. No answer of an API server counts as not done."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if done():
                    return True
            except ApiError as error:
                if error.reason != "Unreachable":
                    raise
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL)

    @property
    def provider(self) -> Provider:
        """The Kubernetes provider that the engine starts."""
        return self._tools.provider

    def for_engine(self, home: Path) -> dict[str, str]:
        """Return an engine's environment variables, with which it reaches these clusters and no others.

        Args:
            home: the engine's home folder, with its plugins.
        """
        install(self.provider, home)
        return {
            "KUBECONFIG": str(home / "kubeconfig"),  # a missing file: a program without a kubeconfig has no cluster
            # An older provider than the SDK's is used on purpose; `stack` prints it.
            **({} if self.provider.is_of_sdk else {"PULUMI_DEV": "true"}),
        }

    def pass_time(self, seconds: float) -> None:
        """Do nothing: time is real."""

    # For tests.

    def set_reachable(self, cluster_id: str, *, reachable: bool) -> None:
        """Stop or restart a cluster's API server, agents, nodes and pods, as in a lost region."""
        self._data["clusters"][cluster_id]["reachable"] = reachable
        if not reachable:
            self._stop(cluster_id, forget=False)
            return
        self._start(cluster_id)
        self._wait_for_webhooks()
        for member in self._data["members"].values():
            if member["cluster"] == cluster_id:
                self._start_agents(member)

    def restart_agents(self, cluster_id: str) -> None:
        """Stop and start Fleet's agents on a member, as each upgrade of its nodes does."""
        self._clusters[cluster_id].leave()
        for member in self._data["members"].values():
            if member["cluster"] == cluster_id:
                self._start_agents(member)

    # The processes.

    def kubeconfig(self, cluster_id: str) -> Path:
        """Return the path of a cluster's kubeconfig for users; on a hub, the deployer's."""
        return self._clusters[cluster_id].kubeconfig

    def commands(self) -> list[str]:
        """Return commands that show the deployment, as in the article, and a client's requests."""
        kubectl = "kubectl" if shutil.which("kubectl") else str(self._tools.kubectl)
        lines: list[str] = []
        clients: list[str] = []
        for cluster in sorted(self._clusters.values(), key=lambda each: each.role):
            command = f"{kubectl} --kubeconfig {os.path.relpath(cluster.kubeconfig)} get"
            if cluster.role == HUB:
                lines += [f"{command} memberclusters", f"{command} clusterresourceplacement"]
                continue
            what = "serviceexport,multiclusterservice,pods --all-namespaces"
            lines.append(f"{command} {what}")
            for item in cluster.server.list("networking.fleet.azure.com/v1alpha1", "MultiClusterService"):
                clients += self._clients(cluster, item)
        return lines + clients

    def _clients(self, cluster: RealCluster, entry_point: Object) -> list[str]:
        """Return commands that send requests to an entry point, except over UDP, which is not simulated."""
        space, name = namespace_of(entry_point), name_of(entry_point)
        derived = cluster.server.list("v1", "Service", "fleet-system")
        found = [each["spec"]["ports"] for each in derived if name_of(each) == f"{space}-{name}"]
        ports: list[Object] = found[0] if found else []
        commands: list[list[str]] = []
        for each in child(status_of(entry_point), "loadBalancer").get("ingress", ()):
            for port in ports:
                spoken, number = speaks(port), port["port"]
                if spoken in ("http", "https"):
                    suffix = "" if number == {"http": 80, "https": 443}[spoken] else f":{number}"
                    insecure = ["--insecure"] if spoken == "https" else []  # its certificate is self-signed
                    commands.append(["curl", *insecure, f"{spoken}://{each['ip']}{suffix}"])
                elif spoken == "tcp":
                    commands.append(["nc", "-vz", each["ip"], str(number)])
        return [shlex.join([*self.networks.client(), *command]) for command in commands]

    def _new_folder(self, cluster_id: str) -> str:
        """Return a unique name for a cluster's folder."""
        name = cluster_id.rsplit("/", 1)[-1]
        taken = {each["folder"] for each in self._data["clusters"].values()}
        name = next(each for number in count(1) if (each := f"{name}-{number}" if number > 1 else name) not in taken)
        # A run that was killed before it stored the cluster may have left files.
        shutil.rmtree(self._folder / name, ignore_errors=True)
        return name

    def _folder_of(self, cluster_id: str) -> Path:
        return self._folder / self._data["clusters"][cluster_id]["folder"]

    def _start(self, cluster_id: str) -> None:
        data = self._data["clusters"][cluster_id]
        cluster = RealCluster(
            self._tools,
            self._folder_of(cluster_id),
            cluster_id,
            role=data["role"],
            services=data["services"],
            guard=self.guard,
        )
        self._clusters[cluster_id] = cluster
        cluster.start()
        if cluster.role == HUB:
            return
        machines = Machines(
            cluster.server,
            self.networks,
            network=data["network"],
            addresses=data["pods"],
            nodes=data["nodes"],
            public_address=self.public_address,
            balanced=lambda: not self.is_down(clusters.Part.LOAD_BALANCERS, cluster.server),
            entered=lambda port: self.admits(cluster_id, port, ""),
            closed=lambda port: self._closed(cluster_id, port),
            enforced=lambda: self.enforces(cluster_id),
            folder=self._folder_of(cluster_id) / "pods",
        )
        for pool, nodes in data.get("pools", {}).items():
            machines.set_pool(pool, nodes["nodes"], nodes["taints"])
        self._machines[cluster_id] = machines
        machines.start()

    def _closed(self, cluster_id: str, port: int) -> list[str]:
        """Return the ranges of nodes whose packets for a cluster's pods do not get past the security groups."""
        origins = [
            (origin, data["pods"]) for origin, data in [*self._data["clusters"].items()] if data["role"] == MEMBER
        ]
        return [nodes for origin, nodes in origins if not self.admits(cluster_id, port, origin)]

    def _wait_for_webhooks(self) -> None:
        for cluster in self._clusters.values():
            if cluster.role == HUB and self._data["clusters"][cluster.id]["reachable"]:
                cluster.wait_for_webhook()

    def _stop(self, cluster_id: str, *, forget: bool = True) -> None:
        if machines := self._machines.pop(cluster_id, None):
            machines.stop()
        if cluster := self._clusters.get(cluster_id):
            cluster.stop()
        if forget:
            self._clusters.pop(cluster_id, None)

    def _start_agents(self, member: dict[str, str]) -> None:
        """Start a member's agents with a new token for the hub."""
        hub, cluster = self._clusters.get(member["fleet"]), self._clusters.get(member["cluster"])
        if hub and cluster and self._data["clusters"][cluster.id]["reachable"]:
            token = hub.server.create_token("fleet-system", f"member-{member['name']}")
            cluster.join(hub, member["name"], token)

    def public_address(self) -> str:
        """Return a public address that nothing else has."""
        with self._lock:
            self._data["serial"] += 1
            serial = self._data["serial"]
        return f"20.72.{serial // 250 % 250}.{serial % 250 + 1}"


def _key(fleet_id: str, member: str) -> str:
    return f"{fleet_id}/members/{member}"


def _exists(hub: RealApiServer, member: str) -> bool:
    try:
        hub.get(*_MEMBER_CLUSTER, member)
    except ApiError as error:
        if error.reason == "NotFound":
            return False
        raise
    return True


@contextmanager
def real_clusters(folder: Path) -> Generator[Callable[[Store], RealClusters]]:
    """Provide networks, tools and guard until the end of the block; yield a function that starts a store's clusters.

    Args:
        folder: the folder of the clusters' files; the deployer's token is in its parent folder.

    Raises:
        ToolchainError: a tool is missing and cannot be built.
        OSError: the kernel does not allow this user to create networks.
    """
    tools = find_tools()
    started: list[RealClusters] = []

    def start(store: Store) -> RealClusters:
        started.append(RealClusters(store, folder, tools, networks, guard))
        started[-1].start()
        return started[-1]

    with network_namespaces() as networks, guarding(Deployer().object_id, kubelogin.token(folder.parent)) as guard:
        try:
            yield start
        finally:
            for each in started:
                each.stop()
