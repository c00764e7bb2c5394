"""The interface through which Fleet's controllers in memory see more than their hub."""

from typing import Protocol

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.interface import Part


class FleetView(Protocol):
    """A fleet's members, and the time."""

    @property
    def now(self) -> float:
        """Simulated seconds since the beginning."""
        ...

    @property
    def seen(self) -> dict[str, int]:
        """The last generation seen by controllers that act on changes only, by the object's uid."""
        ...

    def elapsed(self, since: float, seconds: float) -> bool:
        """Return whether some time has passed since a moment; if not, make the clock stop at that time."""
        ...

    def get(self, cluster_id: str) -> Cluster | None:
        """Return a cluster by its ID."""
        ...

    def members(self, hub: Cluster) -> dict[str, Cluster | None]:
        """Return a fleet's members by name; None for a cluster that was deleted without leaving."""
        ...

    def routable(self, origin_id: str, target_id: str) -> bool:
        """Return whether nodes of one cluster can reach the pods of another."""
        ...

    def is_down(self, part: Part, cluster: Cluster, /) -> bool:
        """Return whether a part of a cluster does not run."""
        ...
