"""The cloud's clusters and fleets in memory, and the simulated time in which controllers act."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

from rehearsal.cluster import workloads
from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.interface import ApiServer, Part, routable, route
from rehearsal.cluster.kinds import HUB, MEMBER, key_of
from rehearsal.cluster.objects import Object, annotations_of, name_of, namespace_of
from rehearsal.core.store import Activity, Store
from rehearsal.fleet import membership, networking, placement, scheduling, update_runs, works
from rehearsal.fleet.bindings import MEMBER_CLUSTER

__all__ = ["Cluster", "InMemoryClusters"]

Observer = Callable[[str, str, str, Object], None]
"""Called at each transition of a condition: with the cluster's ID, the object's kind and name, and the condition."""

# A round runs each controller once, in this order.
_CLUSTER_CONTROLLERS: Final = workloads.CONTROLLERS
_FLEET_CONTROLLERS: Final = (
    *membership.CONTROLLERS,
    *works.CONTROLLERS,
    *scheduling.CONTROLLERS,
    *update_runs.CONTROLLERS,
    *placement.CONTROLLERS,
    *networking.CONTROLLERS,
)


class InMemoryClusters:
    """All clusters and fleets, in `store.section("kubernetes")`. Call its methods inside a transaction of the store.

    Args:
        store: the storage.
        activity: the running operations, for waits.

    Attributes:
        observers: functions that are called at each transition of a condition, in order.
        is_down: returns whether a part of a cluster does not run.
        admits: returns whether packets for a TCP port of a cluster get past the security groups, from the nodes of
            another cluster, or from the internet ("").
        enforces: returns whether a cluster's network policies are enforced.
    """

    def __init__(self, store: Store, activity: Activity | None = None) -> None:
        self._store = store
        self._activity = activity or Activity()
        self._data = store.section("kubernetes")
        self._data.setdefault("now", 0)
        self._data.setdefault("serial", 0)
        self._data.setdefault("clusters", {})
        self._data.setdefault("peerings", [])
        self._data.setdefault("routes", {})
        self._data.setdefault("seen", {})
        self.observers: list[Observer] = []
        self.is_down: Callable[[Part, ApiServer], bool] = lambda _part, _cluster: False
        self.admits: Callable[[str, int, str], bool] = lambda _cluster_id, _port, _origin_id: True
        self.enforces: Callable[[str], bool] = lambda _cluster_id: False
        self._clusters = {key: Cluster(self, key, data) for key, data in self._data["clusters"].items()}
        # The state in which each controller last found nothing to do, to skip unnecessary runs.
        self._idle: dict[str, object] = {}
        self._wakes: set[float] = set()

    @property
    def now(self) -> float:
        """Simulated seconds since the beginning."""
        return self._data["now"]

    @property
    def seen(self) -> dict[str, int]:
        """The last generation seen by controllers that act on changes only, by the object's uid."""
        return self._data["seen"]

    def next_serial(self) -> int:
        """Return a number that was not returned before."""
        self._data["serial"] += 1
        return self._data["serial"]

    # Changes by Azure's control plane.

    def add_cluster(  # noqa: PLR0913 - the parts of a cluster
        self,
        cluster_id: str,
        server: str,
        *,
        location: str,
        network: str,
        pods: str,
        flat: bool = True,
        nodes: int,
        services: str = "10.0.0.0/16",
    ) -> Cluster:
        """Start a managed cluster.

        Args:
            cluster_id: its Azure resource ID.
            server: the URL of its API server.
            location: the region's short name.
            network: the ID of its nodes' virtual network.
            pods: the CIDR of pods' addresses; on flat Azure CNI also of nodes' addresses.
            flat: whether pods have addresses of the network (flat Azure CNI), rather than of an overlay.
            nodes: how many nodes it has.
            services: the service network's CIDR.
        """
        cluster = self._add(
            cluster_id,
            server,
            role=MEMBER,
            location=location,
            network=network.lower(),
            pods=pods,
            flat=flat,
            services=services,
        )
        workloads.set_pool(cluster, workloads.FIRST_POOL, nodes)
        return cluster

    def set_pool(self, cluster_id: str, pool: str, nodes: int | None, taints: Sequence[str]) -> None:
        """Give a cluster's node pool a number of nodes and taints."""
        workloads.set_pool(self.cluster(cluster_id), pool or workloads.FIRST_POOL, nodes, taints)
        self._idle.clear()

    def add_hub(self, fleet_id: str, server: str) -> Cluster:
        """Start a fleet's hub, whose ID is the fleet's."""
        hub = self._add(fleet_id, server, role=HUB, location="", services="10.0.0.0/16")
        hub.create(workloads.namespace("fleet-system"))
        return hub

    def _add(self, cluster_id: str, server: str, **data: object) -> Cluster:
        self._data["clusters"][cluster_id] = {
            "server": server,
            "reachable": True,
            **data,
            "objects": {},
        }
        cluster = Cluster(self, cluster_id, self._data["clusters"][cluster_id])
        self._clusters[cluster_id] = cluster
        for name in ("default", "kube-system"):
            cluster.create(workloads.namespace(name))
        return cluster

    def remove(self, cluster_id: str) -> None:
        """Remove a cluster or a hub with everything in it; a missing one is not an error."""
        self._data["clusters"].pop(cluster_id, None)
        self._clusters.pop(cluster_id, None)
        self._idle.clear()

    def join(self, fleet_id: str, member: str, cluster_id: str, labels: Mapping[str, str]) -> None:
        """Add a cluster to a fleet, or change the member's labels; return when it has joined, like ARM's operation."""
        hub = self.cluster(fleet_id)
        membership.join(hub, member, self.cluster(cluster_id), labels)
        while not membership.joined(hub, member) and self.step():
            pass

    def leave(self, fleet_id: str, member: str) -> None:
        """Remove a member; return when it has left, like ARM's operation. A missing member is not an error.

        Raises:
            RefusedError: the member has live exports.
        """
        hub = self.get(fleet_id)
        if hub is None:
            return
        membership.leave(hub, member)
        while hub.find(MEMBER_CLUSTER, member) and self.step():
            pass

    def add_network(self, network: str, prefixes: list[str]) -> None:
        """Do nothing: no packets travel here."""

    def remove_network(self, network: str) -> None:
        """Do nothing: no packets travel here."""

    def set_peered(self, network: str, other: str, *, peered: bool) -> None:
        """Connect or disconnect two virtual networks."""
        pair = sorted((network.lower(), other.lower()))
        if (pair in self._data["peerings"]) is not peered:
            (self._data["peerings"].append if peered else self._data["peerings"].remove)(pair)

    def set_routes(self, network: str, other: str, prefixes: list[str]) -> None:
        """Restrict the ranges that a network reaches in a peered one."""
        self._data["routes"][route(network, other)] = prefixes

    def access(self, cluster_id: str) -> None:
        """Return None: clusters in memory accept any credentials."""

    def set_reachable(self, cluster_id: str, *, reachable: bool) -> None:
        """Stop or restart a cluster's API server and agents, as in a lost region."""
        self.cluster(cluster_id).reachable = reachable
        self._idle.clear()

    # Look-ups.

    def public_address(self) -> str:
        """Return an unused public address."""
        serial = self.next_serial()
        return f"20.72.{serial // 250 % 250}.{serial % 250 + 1}"

    def frontends(self, cluster_id: str) -> dict[str, str]:
        """Return the frontends of a cluster's load balancers: each name, and its address, empty if it is internal."""
        cluster = self._clusters.get(cluster_id)
        return workloads.frontends(cluster.objects("Service")) if cluster else {}

    def balance(self, address: str, frontends: Mapping[str, Collection[int]]) -> None:
        """Lead a global address to regional ones, each with the ports that it has there; none ends it."""
        balanced = self._data.setdefault("balanced", {})
        balanced.pop(address, None)
        if frontends:
            balanced[address] = {regional: sorted(ports) for regional, ports in frontends.items()}

    def behind(self, address: str, port: int) -> list[str]:
        """Return the regional addresses to which a global one leads, the nearest first; none for another address."""
        balanced: Mapping[str, Sequence[int]] = self._data.get("balanced", {}).get(address, {})
        return [regional for regional, ports in balanced.items() if port in ports]

    def get(self, cluster_id: str) -> Cluster | None:
        """Return a cluster or hub by its ID."""
        return self._clusters.get(cluster_id)

    def cluster(self, cluster_id: str) -> Cluster:
        """Return an existing cluster or hub by its ID."""
        return self._clusters[cluster_id]

    def at(self, server: str) -> Cluster | None:
        """Return the cluster or hub at a URL; case is ignored."""
        return next((each for each in self._clusters.values() if each.server.lower() == server.lower()), None)

    def clusters(self) -> list[Cluster]:
        """Return all clusters and hubs."""
        return [*self._clusters.values()]

    def hubs(self) -> list[Cluster]:
        """Return every fleet's hub."""
        return [cluster for cluster in self._clusters.values() if cluster.role == HUB]

    def members(self, hub: Cluster) -> dict[str, Cluster | None]:
        """Return a fleet's members by name; None for a cluster that was deleted without leaving."""
        return {
            name_of(item): self.get(annotations_of(item).get(membership.CLUSTER_ID, ""))
            for item in hub.objects(MEMBER_CLUSTER)
        }

    def routable(self, origin_id: str, target_id: str) -> bool:
        """Return whether nodes of one cluster can reach the pods of another."""
        known = self._data["clusters"]
        return routable(known[origin_id], known[target_id], self._data["peerings"], self._data["routes"])

    # Requests.

    def requests(self) -> AbstractContextManager[object]:
        """Return a context in which no other operation runs."""
        return self._store.transaction()

    def wait_until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Let simulated time pass until `done`; return False if that takes too long or cannot happen any more."""
        deadline: float | None = None
        while True:
            with self._store.transaction():
                if deadline is None:
                    deadline = self.now + seconds
                # The result of other operations counts, however far they moved the clock; later results do not.
                while not done():
                    if not self.step():
                        break
                    if self.now > deadline:
                        return False
                else:
                    return True
            # The controllers have no more work: only another operation can fulfil the wait.
            if not self._activity.wait_for_others():
                return False

    # Time.

    def elapsed(self, since: float, seconds: float) -> bool:
        """Return whether some time has passed since a moment; if not, make the clock stop at that time."""
        due = since + seconds
        if self.now >= due:
            return True
        self._wakes.add(due)
        return False

    def step(self) -> bool:
        """Run every controller once; if none has work, let time pass until one has.

        Returns:
            False if no controller will have work any more.
        """
        while not self._round():
            due = {moment for moment in self._wakes if moment > self.now}
            if not due:
                return False
            self._data["now"] = min(due)
            self._wakes = due
            self._idle.clear()
        return True

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and run the controllers for all work that is due in it."""
        end = self.now + seconds
        while self._round() or any(self.now < moment <= end for moment in self._wakes):
            self.step()
        self._data["now"] = end
        self._idle.clear()

    def settle(self) -> None:
        """Run the controllers until none has work."""
        while self.step():
            pass

    def report(self, cluster_id: str, item: Object, condition: Object) -> None:
        """Notify the observers of a transition."""
        name = "/".join(part for part in (namespace_of(item), name_of(item)) if part)
        for observer in self.observers:
            observer(cluster_id, key_of(item), name, condition)

    def _round(self) -> bool:
        moved = False
        for cluster in list(self._clusters.values()):
            if not cluster.reachable or self._idle.get(cluster.id) == cluster.revision:
                continue
            before = cluster.revision
            for controller in _CLUSTER_CONTROLLERS:
                part = workloads.PARTS.get(controller)
                if part is None or not self.is_down(part, cluster):
                    controller(cluster)
            self._idle[cluster.id] = before
            moved = moved or cluster.revision != before
        for hub in self.hubs():
            moved = self._fleet_round(hub) or moved
        return moved

    def _fleet_round(self, hub: Cluster) -> bool:
        if not hub.reachable:
            return False
        clusters = [hub, *(cluster for cluster in self.members(hub).values() if cluster)]
        moved = False
        for controller in _FLEET_CONTROLLERS:
            state = tuple(cluster.revision for cluster in clusters)
            key = f"{hub.id} {controller.__module__}.{controller.__name__}"
            if self._idle.get(key) == state:
                continue
            controller(self, hub)
            self._idle[key] = state
            moved = moved or state != tuple(cluster.revision for cluster in clusters)
        return moved
