"""Logs and metrics of clusters and fleet, in workspaces that the component creates or that exist."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_azure_native import containerservice, monitor, operationalinsights, resources

from .retries import MONITOR_RETRY
from .sdk import with_id

CLUSTER_LOGS = (
    # Not `kube-audit`, which repeats `kube-audit-admin` with every read (learn: aks/monitor-aks).
    *("kube-audit-admin", "guard", "cluster-autoscaler"),
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    # Fleet's agents on a member (learn: kubernetes-fleet/view-fleet-agent-logs).
    *("fleet-member-agent", "fleet-member-net-controller-manager", "fleet-mcs-controller-manager"),
)
FLEET_LOGS = ("fleet-hub-agent", "fleet-hub-net-controller-manager")

_METRICS = monitor.KnownPrometheusForwarderDataSourceStreams.MICROSOFT_PROMETHEUS_METRICS
# The logs of containers in their present form (learn: azure-monitor/containers/container-insights-logs-schema), events
# and the inventory of pods.
_LOGS = ("Microsoft-ContainerLogV2", "Microsoft-KubeEvents", "Microsoft-KubePodInventory")


class MonitoringArgs(TypedDict):
    """The workspaces."""

    location: pulumi.Input[str]
    """Azure region of the resource group and of new workspaces, short name, as in `westus`."""
    resource_group_name: pulumi.Input[str]
    """Name of the resource group for workspaces and rules, which the component creates."""
    workspace_id: NotRequired[str | None]
    """Azure ID of an existing Log Analytics workspace; None for a new one."""
    metrics_workspace_id: NotRequired[str | None]
    """Azure ID of an existing Azure Monitor workspace; None for a new one."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]] | None]
    """Tags on everything that takes tags."""
    protect: NotRequired[bool]
    """Whether Pulumi refuses to delete the resource group and the new workspaces."""


class Monitoring(pulumi.ComponentResource):
    """A workspace for logs, one for metrics, and the data collection rules that say what clusters send there.

    Both rules serve all clusters.
    """

    group: pulumi.Output[str]
    """The name of the resource group."""
    workspace_id: pulumi.Output[str]
    """The ID of the workspace for logs."""
    metrics_workspace_id: pulumi.Output[str]
    """The ID of the workspace for metrics."""
    metrics_location: pulumi.Output[str]
    """The Azure region of the workspace for metrics."""
    log_rule: monitor.DataCollectionRule
    """What Container Insights collects."""
    metrics_rule: monitor.DataCollectionRule
    """What managed Prometheus collects."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:Monitoring", name, {}, opts)
        child_opts = pulumi.ResourceOptions(parent=self, hooks=MONITOR_RETRY.hooks())
        kept = pulumi.ResourceOptions.merge(child_opts, pulumi.ResourceOptions(protect=args.get("protect", False)))
        group = resources.ResourceGroup(
            f"{name}-group",
            resource_group_name=args["resource_group_name"],
            location=args["location"],
            tags=args.get("tags"),
            opts=kept,
        )
        self.group = group.name

        if existing_id := args.get("workspace_id"):
            workspace = with_id(
                operationalinsights.Workspace.get(
                    f"{name}-workspace", existing_id, pulumi.ResourceOptions(parent=self)
                ),
                existing_id,
            )
        else:
            workspace = operationalinsights.Workspace(
                f"{name}-workspace",
                resource_group_name=group.name,
                workspace_name="logs",
                location=args["location"],
                sku=operationalinsights.WorkspaceSkuArgs(name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018),
                retention_in_days=30,
                tags=args.get("tags"),
                opts=kept,
            )
        self.workspace_id = workspace.id

        if metrics_id := args.get("metrics_workspace_id"):
            metrics = with_id(
                monitor.AzureMonitorWorkspace.get(f"{name}-metrics", metrics_id, pulumi.ResourceOptions(parent=self)),
                metrics_id,
            )
        else:
            metrics = monitor.AzureMonitorWorkspace(
                f"{name}-metrics",
                resource_group_name=group.name,
                azure_monitor_workspace_name="metrics",
                location=args["location"],
                tags=args.get("tags"),
                opts=kept,
            )
        self.metrics_workspace_id, self.metrics_location = metrics.id, metrics.location.apply(_short)

        # A rule is in its workspace's region (learn: azure-monitor/agents/data-collection-text-log).
        self.log_rule = monitor.DataCollectionRule(
            f"{name}-log-rule",
            resource_group_name=group.name,
            data_collection_rule_name="logs",
            location=workspace.location.apply(_short),
            kind=monitor.KnownDataCollectionRuleResourceKind.LINUX,
            data_sources=monitor.DataCollectionRuleDataSourcesArgs(
                extensions=[
                    monitor.ExtensionDataSourceArgs(
                        name="ContainerInsightsExtension",
                        extension_name="ContainerInsights",
                        streams=_LOGS,
                        extension_settings={"dataCollectionSettings": {"interval": "1m", "enableContainerLogV2": True}},
                    )
                ]
            ),
            destinations=monitor.DataCollectionRuleDestinationsArgs(
                log_analytics=[
                    monitor.LogAnalyticsDestinationArgs(name="workspace", workspace_resource_id=self.workspace_id)
                ]
            ),
            data_flows=[monitor.DataFlowArgs(streams=_LOGS, destinations=["workspace"])],
            tags=args.get("tags"),
            opts=child_opts,
        )
        # Metrics need an endpoint. One in each cluster's region is for private links alone (Azure/prometheus-collector,
        # AddonTerraformTemplate/main.tf).
        endpoint = monitor.DataCollectionEndpoint(
            f"{name}-endpoint",
            resource_group_name=group.name,
            data_collection_endpoint_name="metrics",
            location=self.metrics_location,
            kind=monitor.KnownDataCollectionEndpointResourceKind.LINUX,
            tags=args.get("tags"),
            opts=child_opts,
        )
        self.metrics_rule = monitor.DataCollectionRule(
            f"{name}-metrics-rule",
            resource_group_name=group.name,
            data_collection_rule_name="metrics",
            location=self.metrics_location,
            kind=monitor.KnownDataCollectionRuleResourceKind.LINUX,
            data_collection_endpoint_id=endpoint.id,
            data_sources=monitor.DataCollectionRuleDataSourcesArgs(
                prometheus_forwarder=[
                    monitor.PrometheusForwarderDataSourceArgs(name="PrometheusDataSource", streams=[_METRICS])
                ]
            ),
            destinations=monitor.DataCollectionRuleDestinationsArgs(
                monitoring_accounts=[
                    monitor.MonitoringAccountDestinationArgs(
                        name="workspace", account_resource_id=self.metrics_workspace_id
                    )
                ]
            ),
            data_flows=[monitor.DataFlowArgs(streams=[_METRICS], destinations=["workspace"])],
            tags=args.get("tags"),
            opts=child_opts,
        )
        self.register_outputs({"workspaceId": self.workspace_id, "metricsWorkspaceId": self.metrics_workspace_id})


def monitored(arguments: Mapping[str, Any], workspace_id: pulumi.Input[str], *, defender: bool) -> dict[str, Any]:
    """Return arguments of a `ManagedCluster` with the add-ons for Container Insights and managed Prometheus.

    Args:
        arguments: the arguments that it has without them.
        workspace_id: the Log Analytics workspace.
        defender: whether it has the sensor of Microsoft Defender, too.
    """
    security: containerservice.ManagedClusterSecurityProfileArgs | None = arguments.get("security_profile")
    if defender:
        security = security or containerservice.ManagedClusterSecurityProfileArgs()
        security.defender = containerservice.ManagedClusterSecurityProfileDefenderArgs(
            log_analytics_workspace_resource_id=workspace_id,
            security_monitoring=containerservice.ManagedClusterSecurityProfileDefenderSecurityMonitoringArgs(
                enabled=True
            ),
        )
    insights = containerservice.ManagedClusterAddonProfileArgs(
        enabled=True,
        # With the cluster's identity: otherwise the add-on ignores the rule, and writes the old tables
        # (Azure/azure-cli, addonconfiguration.py).
        config={"logAnalyticsWorkspaceResourceID": workspace_id, "useAADAuth": "true"},
    )
    return {
        **arguments,
        "security_profile": security,
        "addon_profiles": {**arguments.get("addon_profiles", {}), "omsagent": insights},
        "azure_monitor_profile": containerservice.ManagedClusterAzureMonitorProfileArgs(
            metrics=containerservice.ManagedClusterAzureMonitorProfileMetricsArgs(enabled=True)
        ),
    }


class MonitoredClusterArgs(TypedDict):
    """A cluster whose add-ons for Container Insights and managed Prometheus are on, and where they write."""

    cluster: containerservice.ManagedCluster
    """The cluster."""
    workspace_id: pulumi.Input[str]
    """The ID of the Log Analytics workspace."""
    rules: Mapping[str, monitor.DataCollectionRule]
    """The rules by which the add-ons collect, by a short name, as in `logs`."""


class MonitoredCluster(pulumi.ComponentResource):
    """The logs of a cluster's control plane and of Fleet's agents on it, and what its add-ons collect."""

    def __init__(self, name: str, args: MonitoredClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:MonitoredCluster", name, {}, opts)
        cluster = args["cluster"]
        _diagnostics(name, cluster, args["workspace_id"], CLUSTER_LOGS, self, metrics=True)
        for kind, rule in args["rules"].items():
            monitor.DataCollectionRuleAssociation(
                f"{name}-{kind}",
                resource_uri=cluster.id,
                association_name=kind,
                data_collection_rule_id=rule.id,
                opts=pulumi.ResourceOptions(parent=self, hooks=MONITOR_RETRY.hooks()),
            )
        self.register_outputs({})


class MonitoredFleetArgs(TypedDict):
    """A fleet, and where its hub's logs go."""

    fleet: containerservice.Fleet
    """The fleet, with a hub."""
    workspace_id: pulumi.Input[str]
    """The ID of the Log Analytics workspace."""


class MonitoredFleet(pulumi.ComponentResource):
    """The logs of Fleet's agents on the hub."""

    def __init__(self, name: str, args: MonitoredFleetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:MonitoredFleet", name, {}, opts)
        _diagnostics(name, args["fleet"], args["workspace_id"], FLEET_LOGS, self, metrics=False)
        self.register_outputs({})


def _short(location: str) -> str:
    # Azure accepts "UK South" in a rule, but does not connect the rule to its workspace (Azure/bicep issue 9566).
    return location.replace(" ", "").lower()


def _diagnostics(  # noqa: PLR0913 - what is sent where
    name: str,
    resource: pulumi.CustomResource,
    workspace_id: pulumi.Input[str],
    categories: Sequence[str],
    parent: pulumi.Resource,
    *,
    metrics: bool,
) -> None:
    monitor.DiagnosticSetting(
        f"{name}-diagnostics",
        resource_uri=resource.id,
        name="fleet-l4-lb",
        workspace_id=workspace_id,
        # Clusters have tables of their own (learn: aks/monitor-aks). Whether fleets can is not documented.
        log_analytics_destination_type="Dedicated" if metrics else None,
        logs=[monitor.DiagnosticsLogSettingsArgs(category=each, enabled=True) for each in categories],
        metrics=[monitor.DiagnosticsMetricSettingsArgs(category="AllMetrics", enabled=True)] if metrics else None,
        opts=pulumi.ResourceOptions(parent=parent, hooks=MONITOR_RETRY.hooks()),
    )
