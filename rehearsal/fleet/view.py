"""What Fleet's controllers in memory see besides their hub."""

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
        """The generation in which a controller that acts on changes alone has seen an object, by the object's uid."""
        ...

    def elapsed(self, since: float, seconds: float) -> bool:
        """Say whether some time has passed since a moment; if not, make sure that the clock stops there."""
        ...

    def get(self, cluster_id: str) -> Cluster | None:
        """Return a cluster by its id."""
        ...

    def members(self, hub: Cluster) -> dict[str, Cluster | None]:
        """Return a fleet's members by name; None stands for a cluster that was deleted without leaving."""
        ...

    def routable(self, origin_id: str, target_id: str) -> bool:
        """Say whether nodes of one cluster can reach the pods of another."""
        ...

    def is_down(self, part: Part, cluster: Cluster, /) -> bool:
        """Say whether a part of a cluster does not run."""
        ...
