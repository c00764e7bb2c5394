"""A deployment under test: the article's fleet with an app, behind a gateway on loopback."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rehearsal.cluster.http_gateway import open_http_gateway
from rehearsal.fleet import traffic
from rehearsal.fleet.in_memory import Cluster, InMemoryClusters
from rehearsal.tests.clusters_in_memory import Servers
from rehearsal.tests.objects import USER, addresses, entry_point, get, placed_fleet
from verify.__main__ import main


@dataclass
class Deployed:
    """An app on the members east and west, entered in east.

    Attributes:
        clusters: all clusters in memory.
        outputs: what the stack would say; to be changed where the stack is to be wrong.
    """

    clusters: InMemoryClusters
    hub: Cluster
    east: Cluster
    west: Cluster
    outputs: dict[str, Any]
    _servers: Servers = field(repr=False)
    _test: tuple[pytest.MonkeyPatch, pytest.CaptureFixture[str]] = field(repr=False)

    def run(self, *options: str, timeout: int = 0) -> tuple[int, str, str]:
        """Verify; return the status, and what was printed on standard output and standard error."""
        monkeypatch, captured = self._test
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(self.outputs)))
        status = main(["--outputs", "-", "--timeout", str(timeout), *options])
        printed = captured.readouterr()
        return status, printed.out, printed.err

    def wrong(self) -> dict[str, tuple[str, str]]:
        """Return what was found, and the remedy, of each check that is not well."""
        status, text, _ = self.run("--json")
        checks: list[dict[str, Any]] = json.loads(text)["checks"]
        assert status == int(any(each["ok"] is False for each in checks))
        return {each["check"]: (each["found"], each["remedy"]) for each in checks if each["ok"] is False}

    def kubeconfig(self, cluster: Cluster) -> str:
        """Return what lets into a cluster."""
        return self._servers.kubeconfig(cluster)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Deployed]:
    """The app, deployed and well."""
    clusters, hub, east, west = placed_fleet()
    east.create(entry_point(), user=USER)
    clusters.settle()
    address = addresses(get(east, entry_point()))[0]
    servers = Servers(clusters)
    with open_http_gateway(traffic.Internet(clusters), servers) as gateway:
        for name, value in gateway.environment().items():
            monkeypatch.setenv(name, value)
        outputs = {
            "url": f"http://{address}",
            "externalIp": address,
            "service": "shop/front",
            "entryServices": {"east": "front"},
            "entryAddresses": {"east": address},
            "fleetId": hub.id,
            "clusterIds": {"east": east.id, "west": west.id},
            "hubKubeconfig": servers.kubeconfig(hub),
            "kubeconfigs": {"east": servers.kubeconfig(east), "west": servers.kubeconfig(west)},
        }
        yield Deployed(clusters, hub, east, west, outputs, servers, (monkeypatch, capsys))
