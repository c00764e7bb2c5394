"""A fleet without an app and without the engine. Each test leaves it as it found it."""

from collections.abc import Iterator

import pytest

from rehearsal.core.store import Store
from rehearsal.real.clusters import real_clusters
from tests.conformance.fleet import Fleet


@pytest.fixture(scope="package")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet without an app and without the engine: a hub, and two members in peered networks."""
    ids = {"hub": "/fleets/hub", "east": "/managedClusters/east", "west": "/managedClusters/west"}
    with real_clusters(tmp_path_factory.mktemp("bare") / "clusters") as start:
        clusters = start(Store())
        clusters.guard.allows = lambda _cluster, _request: True
        clusters.add_hub(ids["hub"], "")
        for number, (name, location) in enumerate((("east", "eastus2"), ("west", "westus2")), 1):
            clusters.add_network(f"/networks/{name}", [f"10.{number}.0.0/16"])
            clusters.add_cluster(
                ids[name],
                "",
                location=location,
                network=f"/networks/{name}",
                pods=f"10.{number}.0.0/24",
                flat=True,
                nodes=2,
                services=f"10.{100 + number}.0.0/16",
            )
            clusters.join(ids["hub"], name, ids[name], {})
        clusters.set_peered("/networks/east", "/networks/west", peered=True)
        yield Fleet(clusters, ids)
