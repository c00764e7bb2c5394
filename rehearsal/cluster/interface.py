"""The common interface of clusters in memory and real ones, and their networks' reachability."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from ipaddress import ip_network
from typing import Final, Protocol

from rehearsal.cluster.objects import Object


class Part(StrEnum):
    """A part of a cluster that can stop. Outages in profiles use these names."""

    AGENTS = "agents"
    """Fleet's agents."""
    PODS = "pods"
    """The kubelets: no pod becomes ready."""
    LOAD_BALANCERS = "load_balancers"
    """The cloud controller: no load balancer gets an address."""
    ENTRY_PORTS = "entry_ports"
    """What the cluster's security group lets in from the internet: nothing."""
    IMPORTS = "imports"
    """The import of the cluster's endpoints on the entry point's cluster."""


class ApiServer(Protocol):
    """One cluster's API server. Every request may raise `ApiError` with the server's own message."""

    @property
    def id(self) -> str:
        """The cluster's Azure resource ID; for a hub, the fleet's."""
        ...

    @property
    def role(self) -> str:
        """Whether this is a fleet's hub or a member."""
        ...

    @property
    def reachable(self) -> bool:
        """Whether it answers."""
        ...

    def create(self, body: Object, *, user: str) -> Object:
        """Create an object; return the result."""
        ...

    def apply(self, body: Object, *, user: str) -> Object:
        """Apply a configuration to an object, or create it (server-side apply); return the result."""
        ...

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object:
        """Return an object in the requested version."""
        ...

    def list(self, api_version: str, kind: str, namespace: str = "") -> Sequence[Object]:
        """Return the objects of a kind, of one namespace or of all."""
        ...

    def delete(  # noqa: PLR0913 - the parts of a request
        self, api_version: str, kind: str, name: str, namespace: str = "", *, foreground: bool = False, user: str = ""
    ) -> None:
        """Delete an object; foreground: after its dependents."""
        ...


class Clusters(Protocol):
    """All clusters of the cloud."""

    def get(self, cluster_id: str) -> ApiServer | None:
        """Return a cluster or hub by its ID."""
        ...

    def at(self, server: str) -> ApiServer | None:
        """Return the cluster or hub that answers at a URL."""
        ...

    def hubs(self) -> Sequence[ApiServer]:
        """Return every fleet's hub."""
        ...

    def routable(self, origin_id: str, target_id: str) -> bool:
        """Return whether nodes of one cluster can reach the pods of another."""
        ...


def routable(
    origin: Object, target: Object, peerings: Sequence[Sequence[str]], routes: Mapping[str, Sequence[str]]
) -> bool:
    """Return whether nodes of one cluster can reach the pods of another, and get their answers.

    Args:
        origin: the first cluster: its `network`, the addresses of its `pods`, and whether it is `flat`, with pods and
            nodes at these addresses of the network.
        target: the same for the other cluster.
        peerings: the pairs of peered networks, each sorted.
        routes: the ranges of a network that another one knows, by `route`; without an entry, it knows all.
    """
    if origin is target or (target["flat"] and origin["network"] == target["network"]):
        return True
    if not target["flat"] or sorted((origin["network"], target["network"])) not in peerings:
        return False
    ways = [(origin, target), *([(target, origin)] if origin["flat"] else ())]
    return all(
        any(_within(there["pods"], prefix) for prefix in routes.get(route(here["network"], there["network"]), _ALL))
        for here, there in ways
    )


_ALL: Final = ("0.0.0.0/0",)


def route(network: str, other: str) -> str:
    """Return the key in `routes` for the ranges of `other` that `network` knows."""
    return f"{network} {other}".lower()


def _within(inner: str, outer: str) -> bool:
    one, other = ip_network(inner), ip_network(outer)
    return one.version == other.version and one.subnet_of(other)  # pyright: ignore[reportArgumentType] - both of one version
