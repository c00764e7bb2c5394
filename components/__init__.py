"""The pattern's parts, each a component resource in a file of its own.

Arguments are dictionaries with types (`TypedDict`), which the constructor of their class makes from keywords. What only
passes through may be an Output. What decides which resources there are is plain, and so is every whole number: the host
of components for other languages takes no Output for one (pulumi 3.272.0, provider/experimental/component.py).

A required key that is missing is a `KeyError` in Python, and told with its name elsewhere. What Azure refuses for a
passing reason is repeated for up to 20 minutes; any other refusal ends the operation in Azure's words, with a remedy
where one is known.
"""

from .existing import ExistingError
from .existing_cluster import ExistingCluster, ExistingClusterArgs
from .fleet_hub import FleetHub, FleetHubArgs, Member
from .fleet_updates import FleetUpdates, FleetUpdatesArgs, NodeImages, UpdateChannel
from .kubeconfig import KubeloginMode
from .manifests import AppManifests, ManifestsError
from .manifests import load as load_manifests
from .multi_cluster_app import MultiClusterApp, MultiClusterAppArgs
from .peered_networks import PeeredNetwork, PeeredNetworks, PeeredNetworksArgs
from .regional_cluster import NodePool, RegionalCluster, RegionalClusterArgs
from .roles import Principal
from .subscriptions import AzureProviders

__all__ = [
    "AppManifests",
    "AzureProviders",
    "ExistingCluster",
    "ExistingClusterArgs",
    "ExistingError",
    "FleetHub",
    "FleetHubArgs",
    "FleetUpdates",
    "FleetUpdatesArgs",
    "KubeloginMode",
    "ManifestsError",
    "Member",
    "MultiClusterApp",
    "MultiClusterAppArgs",
    "NodeImages",
    "NodePool",
    "PeeredNetwork",
    "PeeredNetworks",
    "PeeredNetworksArgs",
    "Principal",
    "RegionalCluster",
    "RegionalClusterArgs",
    "UpdateChannel",
    "load_manifests",
]
