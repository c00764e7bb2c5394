"""Logs and metrics, under the real engine."""

import pytest
from pulumi import automation as auto

from tests.support import existing
from tests.support.health import assert_healthy
from tests.support.stack import Stack

pytestmark = pytest.mark.slow


def test_existing_workspaces_are_written_into_and_stay(empty: Stack) -> None:
    logs, metrics = existing.workspaces(empty.cloud)
    fleet = existing.fleet(empty.cloud)
    cluster = existing.cluster(empty.cloud)
    _, west = empty.config["regions"]
    east = {"name": "east", "location": "eastus2", "existing": {"clusterId": cluster}}
    empty.configure(
        regions=[east, west],
        fleet={"existingId": fleet},
        monitoring={"workspaceId": logs, "metricsWorkspaceId": metrics, "location": "westus2"},
    )
    planned = empty.preview()
    assert empty.up().changes == planned.changes
    resources = {resource["urn"].rpartition("::")[2]: resource for resource in empty.resources()}
    # Others look after what is theirs.
    assert not {"east-monitoring", "hub-monitoring"} & resources.keys()
    assert resources["west-monitoring-diagnostics"]["inputs"]["workspaceId"] == logs
    for rule in ("monitoring-log-rule", "monitoring-metrics-rule"):
        assert resources[rule]["inputs"]["location"] == "uksouth"
    assert empty.preview().changes == {}
    assert empty.refresh().changes == {}
    empty.destroy()
    assert existing.is_there(empty.cloud, logs)
    assert existing.is_there(empty.cloud, metrics)


def test_monitoring_is_added_to_a_running_stack_and_taken_away(stack: Stack) -> None:
    stack.configure(monitoring={"alerts": {"emails": ["ops@example.com"]}})
    planned = stack.preview()
    assert {step for name, step in planned.changes.items() if name.endswith("-cluster")} == {"update"}
    assert stack.up().changes == planned.changes
    assert_healthy(stack)
    assert stack.preview().changes == {}
    for key, value in (("location", "eastus2"), ("resourceGroup", "rg-elsewhere")):
        stack.configure(monitoring={key: value})
        with pytest.raises(
            auto.CommandError, match=rf'monitoring\.{key}: the workspaces were created with .*, not "{value}"'
        ):
            stack.preview()
    stack.configure(monitoring={"enabled": False})
    assert set(stack.up().changes.values()) == {"update", "delete"}
    east = stack.recorded("east-cluster")["outputs"]
    assert (east["addonProfiles"]["omsagent"], east["azureMonitorProfile"]["metrics"]) == ({"enabled": False},) * 2
    assert stack.preview().changes == {}
