"""Alerts about clusters and the fleet: in the portal, and to those who want to be told."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi
from pulumi_azure_native import alertsmanagement, containerservice, monitor

from .retries import MONITOR_RETRY

# Of the metrics that managed Prometheus collects by default (learn: azure-monitor/containers/prometheus-metrics-scrape-
# default): the expression, and what it says.
PROMETHEUS_RULES = {
    "NodeNotReady": (
        'sum by (cluster, node) (kube_node_status_condition{condition="Ready", status="true"} == 0)',
        "A node is not ready for 15 minutes.",
    ),
    "PodsFailed": (
        'sum by (cluster, namespace) (kube_pod_status_phase{phase="Failed"}) > 0',
        "Pods of a namespace have failed for 15 minutes.",
    ),
    "OutOfMemory": (
        (
            "sum by (cluster, namespace, pod, container) "
            '(kube_pod_container_status_last_terminated_reason{reason="OOMKilled"}) > 0 and '
            "sum by (cluster, namespace, pod, container) (increase(kube_pod_container_status_restarts_total[1h])) > 0"
        ),
        "A container was ended because it used more memory than its limit.",
    ),
    "VolumeNearlyFull": (
        (
            "max by (cluster, namespace, persistentvolumeclaim) "
            "(kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes) > 0.9"
        ),
        "A volume is more than 90 % full.",
    ),
}
# Azure's own metrics of a cluster, with the percentage that is too much (learn: aks/monitor-aks-reference).
METRIC_RULES = {"node_cpu_usage_percentage": 95, "node_memory_working_set_percentage": 100}


class AlertsArgs(TypedDict):
    """What is watched, and who is told."""

    resource_group_name: pulumi.Input[str]
    """Name of the resource group for the rules."""
    clusters: Mapping[str, containerservice.ManagedCluster]
    """The clusters, by the name of their region. Managed Prometheus must be on."""
    fleet: NotRequired[containerservice.Fleet | None]
    """The fleet; None if somebody else watches it."""
    metrics_workspace_id: pulumi.Input[str]
    """The ID of the Azure Monitor workspace."""
    metrics_location: pulumi.Input[str]
    """The workspace's region, which must be that of its rules."""
    emails: NotRequired[Sequence[str] | None]
    """Addresses that get an e-mail."""
    action_group_id: NotRequired[str | None]
    """Azure ID of an existing action group. Without it and without `emails`, alerts are shown in the portal only."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]] | None]
    """Tags on everything that takes tags."""


class Alerts(pulumi.ComponentResource):
    """Alert rules for nodes, pods, volumes and the health of resources. An alert ends when its cause does."""

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:Alerts", name, {}, opts)
        child_opts = pulumi.ResourceOptions(parent=self, hooks=MONITOR_RETRY.hooks())
        told: list[pulumi.Input[str]] = [given] if (given := args.get("action_group_id")) else []
        if emails := args.get("emails"):
            group = monitor.ActionGroup(
                f"{name}-mail",
                resource_group_name=args["resource_group_name"],
                action_group_name="mail",
                group_short_name="fleet-l4-lb",
                location="global",
                enabled=True,
                email_receivers=[
                    monitor.MicrosoftCommonEmailReceiverArgs(
                        name=each, email_address=each, use_common_alert_schema=True
                    )
                    for each in emails
                ],
                tags=args.get("tags"),
                opts=child_opts,
            )
            told.append(group.id)

        for region, cluster in args["clusters"].items():
            alertsmanagement.PrometheusRuleGroup(
                f"{name}-{region}",
                resource_group_name=args["resource_group_name"],
                rule_group_name=region,
                location=args["metrics_location"],
                # With the cluster, its page in the portal shows the alerts (Azure/prometheus-collector PR 600).
                scopes=[args["metrics_workspace_id"], cluster.id],
                cluster_name=cluster.name,
                enabled=True,
                interval="PT1M",
                rules=[
                    alertsmanagement.PrometheusRuleArgs(
                        alert=alert,
                        expression=expression,
                        for_="PT15M",
                        severity=3,
                        enabled=True,
                        annotations={"description": says},
                        resolve_configuration=alertsmanagement.PrometheusRuleResolveConfigurationArgs(
                            auto_resolved=True, time_to_resolve="PT10M"
                        ),
                        actions=[alertsmanagement.PrometheusRuleGroupActionArgs(action_group_id=each) for each in told],
                    )
                    for alert, (expression, says) in PROMETHEUS_RULES.items()
                ],
                tags=args.get("tags"),
                opts=child_opts,
            )
            for metric, most in METRIC_RULES.items():
                monitor.MetricAlert(
                    f"{name}-{region}-{metric}",
                    resource_group_name=args["resource_group_name"],
                    rule_name=f"{region}-{metric}",
                    location="global",
                    scopes=[cluster.id],
                    enabled=True,
                    severity=3,
                    evaluation_frequency="PT5M",
                    window_size="PT15M",
                    auto_mitigate=True,
                    criteria=monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
                        odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                        all_of=[
                            monitor.MetricCriteriaArgs(
                                criterion_type="StaticThresholdCriterion",
                                name="above",
                                metric_namespace="Microsoft.ContainerService/managedClusters",
                                metric_name=metric,
                                operator=monitor.Operator.GREATER_THAN,
                                threshold=most,
                                time_aggregation=monitor.AggregationTypeEnum.AVERAGE,
                            )
                        ],
                    ),
                    actions=[monitor.MetricAlertActionArgs(action_group_id=each) for each in told],
                    tags=args.get("tags"),
                    opts=child_opts,
                )

        watched = [*args["clusters"].values(), *([fleet] if (fleet := args.get("fleet")) else [])]
        if watched:
            monitor.ActivityLogAlert(
                f"{name}-health",
                resource_group_name=args["resource_group_name"],
                activity_log_alert_name="health",
                location="global",
                scopes=[each.id for each in watched],
                enabled=True,
                condition=monitor.AlertRuleAllOfConditionArgs(
                    all_of=[monitor.AlertRuleAnyOfOrLeafConditionArgs(field="category", equals="ResourceHealth")]
                ),
                actions=monitor.ActionListArgs(
                    action_groups=[monitor.ActionGroupArgs(action_group_id=each) for each in told]
                ),
                tags=args.get("tags"),
                opts=child_opts,
            )
        self.register_outputs({})
