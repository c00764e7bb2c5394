"""The parts of the pattern. Each is a component resource in a file of its own.

Arguments are typed dictionaries (`TypedDict`), which you make from keywords. Arguments that are only passed on to Azure
may be Outputs. Arguments that decide which resources exist must be plain values, and so must integers: Pulumi's host
for components in other languages accepts no Output for an integer (pulumi 3.272.0, provider/experimental/component.py).

A missing required argument raises `KeyError` in Python; in other languages Pulumi reports it by name. Temporary errors
of Azure are retried for up to 20 minutes. Any other error ends the operation with Azure's message, and with a remedy if
one is known.
"""

from .alerts import Alerts, AlertsArgs
from .app_manifests import AppManifests, ManifestsError
from .app_manifests import load as load_manifests
from .budget import Budget, BudgetArgs, BudgetNotification
from .entry_guard import EntryGuard, EntryGuardArgs
from .entry_point import EntryPointArgs
from .errors import ExistingError, GlobalAddressError
from .existing_cluster import ExistingCluster, ExistingClusterArgs
from .fleet_hub import FleetHub, FleetHubArgs, Member
from .fleet_updates import FleetUpdates, FleetUpdatesArgs, NodeImages, UpdateChannel
from .global_address import GlobalAddress, GlobalAddressArgs
from .global_load_balancer import GlobalLoadBalancer, GlobalLoadBalancerArgs, GlobalPool
from .kubeconfig import KubeloginMode
from .maintenance import MaintenanceWindows, MaintenanceWindowsArgs
from .monitoring import (
    MonitoredCluster,
    MonitoredClusterArgs,
    MonitoredFleet,
    MonitoredFleetArgs,
    Monitoring,
    MonitoringArgs,
)
from .multi_cluster_app import MultiClusterApp, MultiClusterAppArgs, SharedService
from .node_network import OpenPort
from .node_pools import NodePool
from .peered_networks import PeeredNetwork, PeeredNetworks, PeeredNetworksArgs
from .regional_cluster import RegionalCluster, RegionalClusterArgs
from .roles import Principal
from .staged_rollout import RolloutArgs
from .subscriptions import AzureProviders
from .team_namespace import TeamNamespace, TeamNamespaceArgs

__all__ = [
    "Alerts",
    "AlertsArgs",
    "AppManifests",
    "AzureProviders",
    "Budget",
    "BudgetArgs",
    "BudgetNotification",
    "EntryGuard",
    "EntryGuardArgs",
    "EntryPointArgs",
    "ExistingCluster",
    "ExistingClusterArgs",
    "ExistingError",
    "FleetHub",
    "FleetHubArgs",
    "FleetUpdates",
    "FleetUpdatesArgs",
    "GlobalAddress",
    "GlobalAddressArgs",
    "GlobalAddressError",
    "GlobalLoadBalancer",
    "GlobalLoadBalancerArgs",
    "GlobalPool",
    "KubeloginMode",
    "MaintenanceWindows",
    "MaintenanceWindowsArgs",
    "ManifestsError",
    "Member",
    "MonitoredCluster",
    "MonitoredClusterArgs",
    "MonitoredFleet",
    "MonitoredFleetArgs",
    "Monitoring",
    "MonitoringArgs",
    "MultiClusterApp",
    "MultiClusterAppArgs",
    "NodeImages",
    "NodePool",
    "OpenPort",
    "PeeredNetwork",
    "PeeredNetworks",
    "PeeredNetworksArgs",
    "Principal",
    "RegionalCluster",
    "RegionalClusterArgs",
    "RolloutArgs",
    "SharedService",
    "TeamNamespace",
    "TeamNamespaceArgs",
    "UpdateChannel",
    "load_manifests",
]
