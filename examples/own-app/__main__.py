"""An app of one's own, with a Service and a port of its own, on the components of fleet-l4-lb."""

from pathlib import Path
from typing import cast

import pulumi
from fleet_l4_lb import (
    EntryPointArgs,
    FleetHub,
    FleetHubArgs,
    KubeloginMode,
    Member,
    MultiClusterApp,
    MultiClusterAppArgs,
    NodePool,
    PeeredNetwork,
    PeeredNetworks,
    PeeredNetworksArgs,
    Principal,
    RegionalCluster,
    RegionalClusterArgs,
    load_manifests,
)
from pulumi_azure_native import authorization, containerservice

locations = cast("list[str]", pulumi.Config().require_object("locations"))
manifests = load_manifests(
    Path(__file__).parent / "manifests",
    namespace="podinfo",
    service="podinfo",
    members=[f"podinfo-{location}" for location in locations],
)

clusters = {
    location: RegionalCluster(
        location,
        RegionalClusterArgs(
            location=location,
            resource_group_name=f"rg-podinfo-{location}",
            virtual_network_name=f"vnet-{location}",
            address_space=f"10.{number}.0.0/16",
            subnet_name="nodes",
            node_subnet=f"10.{number}.0.0/24",
            cluster_name=f"podinfo-{location}",
            service_cidr="10.0.0.0/16",
            dns_service_ip="10.0.0.10",
            node_pool=NodePool(vm_size="Standard_D4ds_v5", max_pods=30, count=1),
            tier=containerservice.ManagedClusterSKUTier.FREE,
            kubelogin_mode=KubeloginMode.AZURECLI,
        ),
    )
    for number, location in enumerate(locations, start=1)
}

networks = PeeredNetworks(
    "mesh",
    PeeredNetworksArgs(
        networks={
            location: PeeredNetwork(
                virtual_network=cluster.virtual_network,
                resource_group_name=f"rg-podinfo-{location}",
                subnet=cluster.subnet,
                cluster=cluster.cluster,
            )
            for location, cluster in clusters.items()
        }
    ),
)

deployer = Principal(
    object_id=authorization.get_client_config_output().object_id, type=authorization.PrincipalType.USER
)
fleet = FleetHub(
    "hub",
    FleetHubArgs(
        location=locations[0],
        resource_group_name="rg-podinfo-fleet",
        fleet_name="podinfo",
        members={
            location: Member(
                name=f"podinfo-{location}",
                cluster_id=cluster.cluster.id,
                update_group=location,
                peering=networks.last.get(location),
            )
            for location, cluster in clusters.items()
        },
        admins={"deployer": deployer},
        kubelogin_mode=KubeloginMode.AZURECLI,
    ),
)

entry = clusters[locations[0]]
app = MultiClusterApp(
    "app",
    MultiClusterAppArgs(
        manifests=manifests,
        hub=fleet.kubernetes,
        members=list(fleet.members.values()),
        kubeconfigs={f"podinfo-{location}": cluster.kubeconfig for location, cluster in clusters.items()},
        entries={
            "podinfo": EntryPointArgs(cluster=entry.cluster, kubernetes=entry.kubernetes, kubeconfig=entry.kubeconfig)
        },
    ),
)

# What `python -m verify` reads.
pulumi.export("url", app.url)
pulumi.export("externalIp", app.external_ip)
pulumi.export("service", "podinfo/podinfo")
pulumi.export("entryServices", {locations[0]: "podinfo"})
pulumi.export("entryAddresses", {locations[0]: app.external_ip})
pulumi.export("fleetId", fleet.fleet.id)
pulumi.export("clusterIds", {location: cluster.cluster.id for location, cluster in clusters.items()})
pulumi.export("memberNames", {location: member.name for location, member in fleet.members.items()})
pulumi.export("hubKubeconfig", fleet.kubeconfig)
pulumi.export(
    "kubeconfigs", pulumi.Output.secret({location: cluster.kubeconfig for location, cluster in clusters.items()})
)
