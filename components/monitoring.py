"""Logs of control planes, of the fleet's hub and of pods, in a Log Analytics workspace."""

from collections.abc import Mapping, Sequence
from typing import Final, NotRequired, TypedDict

import pulumi
from pulumi_azure_native import containerservice, monitor, operationalinsights, resources

_RETENTION_DAYS: Final = 30
# Of a cluster (learn: aks/monitor-aks) that is a member of a fleet (learn: kubernetes-fleet/view-fleet-agent-logs).
# `kube-audit-admin` is the audit log without reads; together with `kube-audit` it would be stored twice.
CLUSTER_LOGS: Final = (
    "kube-audit-admin",
    "guard",
    "cluster-autoscaler",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "fleet-member-agent",
    "fleet-member-net-controller-manager",
    "fleet-mcs-controller-manager",
)
HUB_LOGS: Final = ("fleet-hub-agent", "fleet-hub-net-controller-manager")
_STREAMS: Final = ("Microsoft-ContainerLogV2", "Microsoft-KubeEvents", "Microsoft-KubePodInventory")


class LogWorkspaceArgs(TypedDict):
    """Where the workspace is made."""

    location: pulumi.Input[str]
    """Azure region, short name, as in `eastus2`. What comes from other regions is transferred."""
    resource_group_name: pulumi.Input[str]
    """Name of the resource group for the workspace, which the component creates."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]] | None]
    """Tags on everything that takes tags."""
    protect: NotRequired[bool]
    """Whether Pulumi refuses to delete the workspace and its resource group."""


class LogWorkspace(pulumi.ComponentResource):
    """A Log Analytics workspace that keeps logs for 30 days."""

    workspace_id: pulumi.Output[str]
    """Its Azure id."""

    def __init__(self, name: str, args: LogWorkspaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:LogWorkspace", name, {}, opts)
        child_opts = pulumi.ResourceOptions(parent=self, protect=args.get("protect", False))
        group = resources.ResourceGroup(
            f"{name}-group",
            resource_group_name=args["resource_group_name"],
            location=args["location"],
            tags=args.get("tags"),
            opts=child_opts,
        )
        workspace = operationalinsights.Workspace(
            f"{name}-workspace",
            resource_group_name=group.name,
            workspace_name=args["resource_group_name"],
            location=args["location"],
            sku=operationalinsights.WorkspaceSkuArgs(name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018),
            retention_in_days=_RETENTION_DAYS,
            tags=args.get("tags"),
            opts=child_opts,
        )
        self.workspace_id = workspace.id
        self.register_outputs({"workspaceId": self.workspace_id})


def control_plane_logs(
    name: str,
    resource: containerservice.ManagedCluster | containerservice.Fleet,
    categories: Sequence[str],
    workspace_id: pulumi.Input[str],
    parent: pulumi.Resource,
) -> monitor.DiagnosticSetting:
    """Send the logs of a control plane to a workspace, all in one setting.

    Args:
        name: the logical name.
        resource: the cluster or the fleet.
        categories: the logs.
        workspace_id: Azure id of the workspace.
        parent: the component that has the resource.
    """
    return monitor.DiagnosticSetting(
        name,
        resource_uri=resource.id,
        name="fleet-l4-lb",
        workspace_id=workspace_id,
        # Tables of the resource's own type, AKSAuditAdmin and AKSControlPlane (learn: aks/monitor-aks).
        log_analytics_destination_type="Dedicated",
        logs=[monitor.DiagnosticsLogSettingsArgs(category=each, enabled=True) for each in categories],
        metrics=[monitor.DiagnosticsMetricSettingsArgs(category="AllMetrics", enabled=True)],
        opts=pulumi.ResourceOptions(
            parent=parent,
            deleted_with=resource,
            # Azure may not return it (Azure/azure-rest-api-specs issue 22400).
            ignore_changes=["logAnalyticsDestinationType"],
        ),
    )


def pod_logs_addon(workspace_id: pulumi.Input[str]) -> containerservice.ManagedClusterAddonProfileArgs:
    """Return the add-on that sends pods' logs, Container Insights; without `pod_logs` it uses an older schema."""
    return containerservice.ManagedClusterAddonProfileArgs(
        enabled=True, config={"logAnalyticsWorkspaceResourceID": workspace_id, "useAADAuth": "true"}
    )


def defender(workspace_id: pulumi.Input[str]) -> containerservice.ManagedClusterSecurityProfileDefenderArgs:
    """Return Defender's sensor on the nodes (learn: defender-for-cloud/defender-for-containers-introduction)."""
    return containerservice.ManagedClusterSecurityProfileDefenderArgs(
        log_analytics_workspace_resource_id=workspace_id,
        security_monitoring=containerservice.ManagedClusterSecurityProfileDefenderSecurityMonitoringArgs(enabled=True),
    )


def pod_logs(  # noqa: PLR0913, PLR0917 - the parts of a rule
    name: str,
    cluster: containerservice.ManagedCluster,
    workspace_id: pulumi.Input[str],
    group: pulumi.Input[str],
    location: pulumi.Input[str],
    parent: pulumi.Resource,
    tags: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
) -> None:
    """Send pods' logs and events to a workspace, in the schema ContainerLogV2 (learn: azure-monitor/containers).

    Args:
        name: the cluster's region.
        cluster: the cluster, with `pod_logs_addon`.
        workspace_id: Azure id of the workspace.
        group: name of the cluster's resource group.
        location: the cluster's location.
        parent: the component that has the cluster.
        tags: the rule's tags.
    """
    child_opts = pulumi.ResourceOptions(parent=parent)
    rule = monitor.DataCollectionRule(
        f"{name}-pod-logs",
        resource_group_name=group,
        data_collection_rule_name="pod-logs",
        location=location,
        kind="Linux",
        data_sources=monitor.DataCollectionRuleDataSourcesArgs(
            extensions=[
                monitor.ExtensionDataSourceArgs(
                    name="ContainerInsightsExtension",
                    extension_name="ContainerInsights",
                    streams=[*_STREAMS],
                    extension_settings={"dataCollectionSettings": {"enableContainerLogV2": True}},
                )
            ]
        ),
        destinations=monitor.DataCollectionRuleDestinationsArgs(
            log_analytics=[monitor.LogAnalyticsDestinationArgs(name="workspace", workspace_resource_id=workspace_id)]
        ),
        data_flows=[monitor.DataFlowArgs(streams=[*_STREAMS], destinations=["workspace"])],
        tags=tags,
        opts=child_opts,
    )
    monitor.DataCollectionRuleAssociation(
        f"{name}-pod-logs-of-cluster",
        resource_uri=cluster.id,
        association_name="ContainerInsightsExtension",
        data_collection_rule_id=rule.id,
        opts=pulumi.ResourceOptions(parent=parent, deleted_with=cluster),
    )
