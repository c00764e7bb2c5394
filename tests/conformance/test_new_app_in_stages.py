"""A new app with a rollout: no region has an old version to keep, so no stage waits for another."""

from pathlib import Path

from fleet_clusters import rollouts
from rehearsal.real.clusters import RealClusters
from tests.conformance.entries import deployed_entries
from tests.support.health import assert_healthy


def test_new_app_comes_up_in_every_stage_at_once(tmp_path: Path) -> None:
    app = {"rollout": {"stages": [["west"], ["east"]], "waitMinutes": 5, "until": 1}}
    with deployed_entries(tmp_path, app=app) as stack:
        clusters = stack.cloud.clusters
        assert isinstance(clusters, RealClusters)
        (hub,) = clusters.hubs()
        (run,) = hub.list("placement.kubernetes-fleet.io/v1", "ClusterStagedUpdateRun")
        found = rollouts.rollout(run)
        assert found
        assert found.number == len(found.stages) == 2
        assert_healthy(stack)
        assert stack.up().changes == {}
