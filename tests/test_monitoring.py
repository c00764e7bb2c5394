"""Logs and metrics: what each cluster and the fleet send, and where."""

import json
import re

import pytest

from rehearsal.azure.monitoring import DIAGNOSTIC_SETTING
from tests.support.program import Program, run_stack

ON = {"enabled": True}
WORKSPACE = "/providers/Microsoft.OperationalInsights/workspaces/logs"
METRICS = "/providers/Microsoft.Monitor/accounts/metrics"


def enabled(program: Program, setting: str) -> set[str]:
    inputs = program[setting].inputs
    return {each["category"] for key in ("logs", "metrics") for each in inputs.get(key, []) if each["enabled"]}


def test_each_cluster_sends_its_control_planes_logs_and_those_of_fleets_agents() -> None:
    program = run_stack("dev", monitoring=ON)
    assert program.of_type(DIAGNOSTIC_SETTING).keys() == {
        f"{name}-monitoring-diagnostics" for name in ("east", "west", "hub")
    }
    for region in ("east", "west"):
        setting = f"{region}-monitoring-diagnostics"
        assert enabled(program, setting) == {
            *("kube-audit-admin", "guard", "cluster-autoscaler"),
            *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "AllMetrics"),
            *("fleet-member-agent", "fleet-member-net-controller-manager", "fleet-mcs-controller-manager"),
        }
        assert program[setting].inputs["resourceUri"] == program.outputs["clusterIds"][region]
        assert program[setting].inputs["workspaceId"].endswith(WORKSPACE)
        assert program[setting].inputs["logAnalyticsDestinationType"] == "Dedicated"


def test_hub_sends_the_logs_of_its_agents() -> None:
    program = run_stack("dev", monitoring=ON)
    assert enabled(program, "hub-monitoring-diagnostics") == {"fleet-hub-agent", "fleet-hub-net-controller-manager"}
    assert program["hub-monitoring-diagnostics"].inputs["resourceUri"] == program.outputs["fleetId"]


def test_add_ons_collect_by_rules_that_lead_to_the_workspaces() -> None:
    program = run_stack("dev", monitoring=ON)
    logs, metrics = (program[f"monitoring-{kind}-rule"].inputs for kind in ("log", "metrics"))
    assert logs["destinations"]["logAnalytics"][0]["workspaceResourceId"].endswith(WORKSPACE)
    assert "Microsoft-ContainerLogV2" in logs["dataFlows"][0]["streams"]
    assert metrics["destinations"]["monitoringAccounts"][0]["accountResourceId"].endswith(METRICS)
    assert metrics["dataFlows"][0]["streams"] == ["Microsoft-PrometheusMetrics"]
    for region in ("east", "west"):
        cluster = program[f"{region}-cluster"].inputs
        insights = cluster["addonProfiles"]["omsagent"]
        assert insights["enabled"]
        assert insights["config"]["useAADAuth"] == "true"
        assert insights["config"]["logAnalyticsWorkspaceResourceID"].endswith(WORKSPACE)
        assert cluster["azureMonitorProfile"] == {"metrics": {"enabled": True}}
        for kind, rule in (("logs", "log"), ("metrics", "metrics")):
            association = program[f"{region}-monitoring-{kind}"]
            assert association.inputs["resourceUri"] == program.outputs["clusterIds"][region]
            assert f"monitoring-{rule}-rule" in association.dependencies


def test_add_ons_of_the_baseline_stay() -> None:
    clusters = run_stack("dev", clusters={"baseline": True}, monitoring=ON)["east-cluster"].inputs
    assert clusters["addonProfiles"].keys() == {"azurepolicy", "azureKeyvaultSecretsProvider", "omsagent"}


@pytest.mark.parametrize("baseline", [True, False])
def test_defender_writes_into_the_workspace(*, baseline: bool) -> None:
    program = run_stack("dev", clusters={"baseline": baseline}, monitoring={"defender": True})
    security = program["east-cluster"].inputs["securityProfile"]
    assert security["defender"]["securityMonitoring"] == {"enabled": True}
    assert security["defender"]["logAnalyticsWorkspaceResourceId"].endswith(WORKSPACE)
    assert ("workloadIdentity" in security) is baseline


def test_nothing_is_collected_unless_it_is_asked_for(dev: Program) -> None:
    assert not [
        each for each in dev.resources.values() if each.type.split(":")[1] in ("monitor", "operationalinsights")
    ]
    assert not {"addonProfiles", "azureMonitorProfile"} & dev["east-cluster"].inputs.keys()


def test_workspaces_are_kept_by_protect(prod: Program) -> None:
    for name in ("monitoring-group", "monitoring-workspace", "monitoring-metrics"):
        assert prod[name].options.protect


def test_monitoring_delays_no_fleet() -> None:
    assert not {"monitoring-workspace", "monitoring-metrics"} & run_stack("dev", monitoring=ON).waits_for("hub-fleet")


def told(program: Program) -> set[str]:
    """Return the IDs of the action groups that every rule names."""
    rules: list[set[str]] = []
    for each in program.resources.values():
        if each.parent == "alerts" and not each.type.endswith(":ActionGroup"):
            actions = [each.inputs.get("actions") or each.inputs.get("rules")]
            rules.append(set(re.findall(r'"actionGroupId": "([^"]+)"', json.dumps(actions))))
    assert len(rules) == 2 * 3 + 1
    assert all(rule == rules[0] for rule in rules)
    return rules[0]


def test_alerts_watch_each_cluster_and_end_with_their_cause() -> None:
    program = run_stack("dev", monitoring={"alerts": {}})
    assert told(program) == set()
    clusters: dict[str, str] = program.outputs["clusterIds"]
    for region, cluster in clusters.items():
        group = program[f"alerts-{region}"].inputs
        assert group["scopes"] == [
            program["monitoring-metrics-rule"].inputs["destinations"]["monitoringAccounts"][0]["accountResourceId"],
            cluster,
        ]
        assert all(rule["resolveConfiguration"]["autoResolved"] for rule in group["rules"])
        for metric in ("node_cpu_usage_percentage", "node_memory_working_set_percentage"):
            alert = program[f"alerts-{region}-{metric}"].inputs
            assert (alert["scopes"], alert["autoMitigate"]) == ([cluster], True)
    health = program["alerts-health"].inputs
    assert set(health["scopes"]) == {*clusters.values(), program.outputs["fleetId"]}
    assert health["condition"]["allOf"] == [{"field": "category", "equals": "ResourceHealth"}]


def test_alerts_are_told_by_mail() -> None:
    program = run_stack("dev", monitoring={"alerts": {"emails": ["ops@example.com"]}})
    assert [each["emailAddress"] for each in program["alerts-mail"].inputs["emailReceivers"]] == ["ops@example.com"]
    (group,) = told(program)
    assert group.endswith("/providers/Microsoft.Insights/actionGroups/mail")
