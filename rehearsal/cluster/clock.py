"""The interface through which an API server in memory uses the clock and the rest of the cloud."""

from typing import Protocol

from rehearsal.cluster.objects import Object


class Clock(Protocol):
    """Simulated time, which all clusters share."""

    @property
    def now(self) -> float:
        """Simulated seconds since the beginning."""
        ...

    def elapsed(self, since: float, seconds: float) -> bool:
        """Return whether some time has passed since a moment; if not, make the clock stop at that time."""
        ...

    def next_serial(self) -> int:
        """Return a number that was not returned before."""
        ...

    def public_address(self) -> str:
        """Return an unused public address."""
        ...

    def report(self, cluster_id: str, item: Object, condition: Object) -> None:
        """Notify the observers of a transition of a condition."""
        ...
