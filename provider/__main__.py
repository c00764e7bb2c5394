"""Hosts the components for programs in any language."""

from importlib import metadata

from fleet_l4_lb import (
    Alerts,
    Budget,
    EntryGuard,
    ExistingCluster,
    FleetHub,
    FleetUpdates,
    GlobalAddress,
    GlobalLoadBalancer,
    MaintenanceWindows,
    MonitoredCluster,
    MonitoredFleet,
    Monitoring,
    MultiClusterApp,
    PeeredNetworks,
    RegionalCluster,
    TeamNamespace,
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
            Alerts,
            MaintenanceWindows,
            MonitoredCluster,
            MonitoredFleet,
            Monitoring,
            TeamNamespace,
        ],
        name="fleet-l4-lb",
        version=metadata.version("fleet-l4-lb"),
    )
