"""Hosts the components for programs in any language."""

from importlib import metadata

from fleet_l4_lb import (
    Budget,
    EntryGuard,
    ExistingCluster,
    FleetHub,
    FleetUpdates,
    GlobalAddress,
    GlobalLoadBalancer,
    LogWorkspace,
    MultiClusterApp,
    PeeredNetworks,
    RegionalCluster,
)
from pulumi.provider.experimental import component_provider_host

if __name__ == "__main__":
    component_provider_host(
        [
            RegionalCluster,
            ExistingCluster,
            PeeredNetworks,
            FleetHub,
            FleetUpdates,
            MultiClusterApp,
            EntryGuard,
            GlobalAddress,
            GlobalLoadBalancer,
            Budget,
            LogWorkspace,
        ],
        name="fleet-l4-lb",
        version=metadata.version("fleet-l4-lb"),
    )
