"""A real fleet under test, as people with kubectl and clients on the internet see it."""

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fleet_clusters import endpoints
from rehearsal.core.errors import ApiError
from rehearsal.real.apiserver import RealApiServer
from rehearsal.real.clusters import RealClusters
from rehearsal.real.tools import find_tools
from tests.support.stack import Stack

_T = TypeVar("_T")

_POLL = 0.1  # seconds


class KubectlError(Exception):
    """A kubectl command failed; the message is what it said."""


@dataclass(frozen=True)
class Fleet:
    """A hub with the members east and west.

    Attributes:
        clusters: the real clusters and their networks.
        ids: the IDs of the clusters `hub`, `east` and `west`.
    """

    clusters: RealClusters
    ids: dict[str, str]

    def __getitem__(self, name: str) -> RealApiServer:
        """Return the API server of `hub`, `east` or `west`; after a region came back it is another one."""
        found = self.clusters.get(self.ids[name])
        assert found
        return found

    def kubectl(self, name: str, *arguments: str, stdin: str = "") -> str:
        """Run kubectl on `hub`, `east` or `west`, and return what it prints.

        Raises:
            KubectlError: it fails.
        """
        result = subprocess.run(  # noqa: S603 - no shell
            [find_tools().kubectl, *arguments],
            env={**os.environ, "KUBECONFIG": str(self.clusters.kubeconfig(self.ids[name]))},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise KubectlError(result.stderr)
        return result.stdout

    def table(self, name: str, command: str) -> list[dict[str, str]]:
        """Run a `kubectl get`, as one types it, on a cluster; return its rows by their headings.

        Raises:
            KubectlError: it fails.
        """
        heading, *rows = self.kubectl(name, *shlex.split(command)).splitlines() or [""]
        # Values are below their heading, and as wide as they need be: the columns begin where the headings do.
        columns = [(found.group(), found.start()) for found in re.finditer(r"\S+( \S+)*", heading)]
        ends = [start for _, start in columns[1:]] + [None]
        return [
            {title: row[start:end].strip() for (title, start), end in zip(columns, ends, strict=True)} for row in rows
        ]

    def answering(self, address: str, requests: int = 20, timeout: float = 5) -> list[str]:
        """Return which clusters answer requests to an address, each in a connection of its own; "" where none does."""
        clusters: list[str] = []
        for _ in range(requests):
            try:
                clusters.append(self.clusters.networks.request(f"http://{address}/", timeout)["cluster"])
            except OSError:
                clusters.append("")
        return clusters


def behind_the_entry_point(stack: Stack, region: str, members: Sequence[str]) -> dict[str, int]:
    """Return how many pods of each member the entry point in a region balances over, now."""
    clusters = stack.cloud.clusters
    assert isinstance(clusters, RealClusters)
    server = clusters.get(stack.outputs()["clusterIds"].value[region])
    assert server
    space = stack.outputs()["service"].value.split("/")[0]
    service = stack.outputs()["entryServices"].value[region]
    slices = endpoints.imported(server.list("discovery.k8s.io/v1", "EndpointSlice", endpoints.SYSTEM), space, [service])
    by_member = endpoints.by_member(slices, space, members)
    return {member: len({*endpoints.addresses(by_member[member])}) for member in members}


def eventually(look: Callable[[], _T], expected: _T, seconds: float = 120) -> None:
    """Wait until something is seen; what an API server refuses, or a command, is not yet seen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if look() == expected:
                return
        except (ApiError, KubectlError):
            pass
        time.sleep(_POLL)
    assert look() == expected
