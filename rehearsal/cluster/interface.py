"""What clusters in memory and real ones have in common: what others need of them, and who reaches whom."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from ipaddress import ip_network
from typing import Final, Protocol

from rehearsal.cluster.objects import Object


class Part(StrEnum):
    """A part of a cluster that can stop: an outage in a profile has its name."""

    AGENTS = "agents"
    """Fleet's agents."""
    PODS = "pods"
    """The kubelets: no pod becomes ready."""
    LOAD_BALANCERS = "load_balancers"
    """The cloud controller: no load balancer gets an address."""
    IMPORTS = "imports"
    """The import of the cluster's endpoints on the entry point's cluster."""


class ApiServer(Protocol):
    """One cluster's API server. Every request may raise `ApiError`, with the server's own message."""

    @property
    def id(self) -> str:
        """The cluster's Azure resource id; a hub's is its fleet's."""
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
        """Create an object; return it as it is now."""
        ...

    def apply(self, body: Object, *, user: str) -> Object:
        """Give an object the configuration (server-side apply), creating it if need be; return it as it is now."""
        ...

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object:
        """Return an object in the version asked for."""
        ...

    def list(self, api_version: str, kind: str, namespace: str = "") -> Sequence[Object]:
        """Return the objects of a kind, of one namespace or of all."""
        ...

    def delete(  # noqa: PLR0913 - what names an object, and how it goes
        self, api_version: str, kind: str, name: str, namespace: str = "", *, foreground: bool = False, user: str = ""
    ) -> None:
        """Delete an object; foreground: only after its dependents."""
        ...


class Clusters(Protocol):
    """All clusters of the cloud."""

    def get(self, cluster_id: str) -> ApiServer | None:
        """Return a cluster or hub by its id."""
        ...

    def at(self, server: str) -> ApiServer | None:
        """Return the cluster or hub that answers at a URL."""
        ...

    def hubs(self) -> Sequence[ApiServer]:
        """Return every fleet's hub."""
        ...

    def routable(self, origin_id: str, target_id: str) -> bool:
        """Say whether nodes of one cluster can reach the pods of another."""
        ...


def routable(
    origin: Object, target: Object, peerings: Sequence[Sequence[str]], routes: Mapping[str, Sequence[str]]
) -> bool:
    """Say whether nodes of one cluster can reach the pods of another, and these answer.

    Args:
        origin: what is known of the one: its `network`, the addresses of its `pods`, and whether it is `flat`, with
            pods and nodes at these addresses of the network.
        target: the same of the other.
        peerings: the pairs of networks that reach each other, each sorted.
        routes: which ranges one network knows of another, by `route`; all that are not there are known.
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
    """Return the key for what one network knows of another."""
    return f"{network} {other}".lower()


def _within(inner: str, outer: str) -> bool:
    one, other = ip_network(inner), ip_network(outer)
    return one.version == other.version and one.subnet_of(other)  # pyright: ignore[reportArgumentType] - both of one version
