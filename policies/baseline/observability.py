"""Observability."""

from collections.abc import Iterable
from typing import Any, Final

from .plan import (
    ACTIVITY_ALERT,
    CLUSTER,
    COLLECTION,
    COLLECTION_OF,
    DIAGNOSTICS,
    FLEET,
    METRIC_ALERT,
    PROMETHEUS_RULES,
    WORKSPACE,
    Plan,
    Resource,
    at,
)
from .rule import Rule, Severity, azure_policy, baseline, checklist, given, on, own, psrule

_PLATFORM: Final = {"cluster-autoscaler", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
# The categories of Fleet's agents (learn: kubernetes-fleet/view-fleet-agent-logs).
_MEMBER_LOGS: Final = {"fleet-member-agent", "fleet-member-net-controller-manager", "fleet-mcs-controller-manager"}
_HUB_LOGS: Final = {"fleet-hub-agent", "fleet-hub-net-controller-manager"}


def _settings(resource: Resource, plan: Plan) -> list[Resource]:
    return plan.referring(resource, DIAGNOSTICS, "resourceUri")


def _enabled(setting: Resource, key: str) -> set[str]:
    """Return the categories that a diagnostic setting sends."""
    return {str(at(entry, "category")) for entry in setting.listed(key) if at(entry, "enabled") is True}


def _every(resource: Resource, plan: Plan, *needed: Iterable[str], metrics: bool = False) -> bool:
    """Return whether each diagnostic setting has at least one category of each set, as PSRule reads them."""
    settings = _settings(resource, plan)
    return bool(settings) and all(
        all(_enabled(setting, "logs").intersection(categories) for categories in needed)
        and (not metrics or "AllMetrics" in _enabled(setting, "metrics"))
        for setting in settings
    )


def _fleet_logs(resource: Resource, plan: Plan) -> bool:
    found = {category for setting in _settings(resource, plan) for category in _enabled(setting, "logs")}
    return found >= (_HUB_LOGS if resource.type == FLEET else _MEMBER_LOGS)


def _streams(cluster: Resource, plan: Plan) -> set[str]:
    """Return the streams that data collection rules take from a cluster."""
    taken: set[str] = set()
    for association in plan.referring(cluster, COLLECTION_OF, "resourceUri"):
        for rule in plan.of(COLLECTION):
            if association.refers_to(rule, "dataCollectionRuleId"):
                taken.update(stream for flow in rule.listed("dataFlows") for stream in at(flow, "streams") or ())
    return taken


def _new_log_schema(cluster: Resource, plan: Plan) -> bool:
    uses_rules = str(cluster.at("addonProfiles.omsagent.config.useAADAuth")).lower() == "true"
    return uses_rules and "Microsoft-ContainerLogV2" in _streams(cluster, plan)


def _prometheus(cluster: Resource, plan: Plan) -> bool:
    enabled = cluster.at("azureMonitorProfile.metrics.enabled") is True
    return enabled and "Microsoft-PrometheusMetrics" in _streams(cluster, plan)


def _alerts(cluster: Resource, plan: Plan) -> bool:
    rules = [group for group in plan.of(PROMETHEUS_RULES) if any(at(rule, "alert") for rule in group.listed("rules"))]
    return any(alert.refers_to(cluster, "scopes") for alert in (*rules, *plan.of(METRIC_ALERT)))


def _health_alert(cluster: Resource, plan: Plan) -> bool:
    """The alert is for the cluster, for its resource group, or for a scope that the plan does not make."""
    scopes = {cluster.urn, *cluster.uses.get("resourceGroupName", ())}
    return any(
        _is_about_health(alert) and (not alert.uses.get("scopes") or not scopes.isdisjoint(alert.uses["scopes"]))
        for alert in plan.of(ACTIVITY_ALERT)
    )


def _is_about_health(alert: Resource) -> bool:
    conditions: list[Any] = alert.listed("condition.allOf")
    return any(at(each, "field") == "category" and at(each, "equals") == "ResourceHealth" for each in conditions)


RULES: Final = (
    Rule(
        "audit-admin-only",
        "diagnostic settings send kube-audit-admin, not the far larger kube-audit",
        Severity.IMPORTANT,
        (CLUSTER,),
        lambda cluster, plan: not any("kube-audit" in _enabled(each, "logs") for each in _settings(cluster, plan)),
        "DiagnosticSetting.logs without kube-audit",
        (psrule("AKS.AuditAdmin", "AZR-000445"),),
    ),
    Rule(
        "audit-logs",
        "each diagnostic setting of a cluster sends kube-audit-admin and guard",
        Severity.IMPORTANT,
        (CLUSTER,),
        lambda cluster, plan: _every(cluster, plan, ("kube-audit", "kube-audit-admin"), ("guard",)),
        "a DiagnosticSetting on the cluster, with logs: kube-audit-admin, guard",
        (
            psrule("AKS.AuditLogs", "AZR-000022"),
            azure_policy("245fc9df-fa96-4414-9a0b-3738c2f7341c"),
            checklist("5b56ad48-408f-4e72-934c-476ba280dcf5"),
        ),
    ),
    Rule(
        "platform-logs",
        "each diagnostic setting of a cluster sends the control plane's logs and all metrics",
        Severity.IMPORTANT,
        (CLUSTER,),
        lambda cluster, plan: _every(cluster, plan, *((category,) for category in _PLATFORM), metrics=True),
        f"the same DiagnosticSetting, with logs: {', '.join(sorted(_PLATFORM))}; metrics: AllMetrics",
        (psrule("AKS.PlatformLogs", "AZR-000023"), baseline("diagnostic settings")),
    ),
    Rule(
        "fleet-logs",
        "diagnostic settings send the logs of Fleet's agents",
        Severity.NONE,
        (CLUSTER, FLEET),
        _fleet_logs,
        f"DiagnosticSetting.logs on each member: {', '.join(sorted(_MEMBER_LOGS))}; "
        f"on the fleet: {', '.join(sorted(_HUB_LOGS))}",
        (own("kubernetes-fleet/view-fleet-agent-logs"),),
    ),
    Rule(
        "container-insights",
        "Container Insights collects the logs of containers",
        Severity.IMPORTANT,
        (CLUSTER,),
        on("addonProfiles.omsagent.enabled"),
        "addonProfiles.omsagent: enabled: true, config.logAnalyticsWorkspaceResourceID",
        (
            psrule("AKS.ContainerInsights", "AZR-000041"),
            checklist("6f8389a7-f82c-4b8e-a8c0-aa63a25a4956"),
            checklist("eaa8dc4a-2436-47b3-9697-15b1752beee0"),
        ),
    ),
    Rule(
        "container-log-v2",
        "Container Insights uses the schema ContainerLogV2",
        Severity.MEDIUM,
        (CLUSTER,),
        _new_log_schema,
        'addonProfiles.omsagent.config.useAADAuth: "true"; a DataCollectionRule with the stream '
        "Microsoft-ContainerLogV2, and its association with the cluster",
        (checklist("62f89719-db42-4cd0-824f-82ac7d62d9ac"),),
    ),
    Rule(
        "managed-prometheus",
        "Azure Monitor collects Prometheus metrics",
        Severity.NONE,
        (CLUSTER,),
        _prometheus,
        "azureMonitorProfile.metrics.enabled: true; a DataCollectionRule with the stream Microsoft-PrometheusMetrics, "
        "and its association with the cluster",
        (baseline("Prometheus"),),
    ),
    Rule(
        "alerts",
        "alerts watch each cluster's metrics",
        Severity.HIGH,
        (CLUSTER,),
        _alerts,
        "a PrometheusRuleGroup with alerts, or a MetricAlert, with the cluster in its scopes",
        (checklist("67f7a9ed-5b31-4f38-a3f3-9812b2463cff"), baseline("alerts")),
    ),
    Rule(
        "health-alert",
        "an alert tells when Azure reports a cluster as unhealthy",
        Severity.HIGH,
        (CLUSTER,),
        _health_alert,
        "an ActivityLogAlert for the category ResourceHealth, with the cluster or its group in its scopes",
        (checklist("74c2ee76-569b-4a79-a57e-dedf91b022c9"),),
    ),
    Rule(
        "alerts-close",
        "alerts on metrics close when the cause is gone",
        Severity.IMPORTANT,
        (METRIC_ALERT,),
        on("autoMitigate"),
        "autoMitigate: true",
        (psrule("Alert.MetricAutoMitigate", "AZR-000491"),),
    ),
    Rule(
        "workspace-replicated",
        "Log Analytics workspaces are replicated to another location",
        Severity.IMPORTANT,
        (WORKSPACE,),
        lambda workspace, plan: (
            on("replication.enabled")(workspace, plan) and given("replication.location")(workspace, plan)
        ),
        "replication: enabled: true, location",
        (psrule("Log.Replication", "AZR-000425"),),
    ),
)
