"""What an API server in memory needs to know of time and of the rest of the cloud."""

from typing import Protocol

from rehearsal.cluster.objects import Object


class Clock(Protocol):
    """Simulated time, which all clusters share."""

    @property
    def now(self) -> float:
        """Simulated seconds since the beginning."""
        ...

    def elapsed(self, since: float, seconds: float) -> bool:
        """Say whether some time has passed since a moment; if not, make sure that the clock stops there."""
        ...

    def next_serial(self) -> int:
        """Return a number that was never returned before."""
        ...

    def public_address(self) -> str:
        """Return a public address that nothing else has."""
        ...

    def report(self, cluster_id: str, item: Object, condition: Object) -> None:
        """Tell the observers about a transition of a condition."""
        ...
