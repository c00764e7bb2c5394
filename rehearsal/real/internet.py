"""Requests of a client on the internet to the addresses of real clusters."""

from collections.abc import Mapping
from typing import Final

from rehearsal.real.network import Networks

_SECONDS: Final = 10  # for an answer; a connection to an unused address fails after three


class Internet:
    """A client on the internet, for the addresses of real clusters.

    Args:
        networks: the networks.
    """

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def request(self, url: str) -> Mapping[str, str]:
        """Send an HTTP request; raise OSError if nobody answers."""
        return self._networks.request(url, _SECONDS)

    def connect(self, host: str, port: int) -> None:
        """Open a TCP connection, and close it; raise OSError if nobody answers."""
        self._networks.reach(host, port, _SECONDS)
