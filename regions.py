"""The clusters of a stack's regions, the networks to peer and the fleet's members, from the stack's settings."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import pulumi
import pulumi_azure_native as azure_native
from pulumi_azure_native import containerservice, network

import changes
from components import sdk
from components.existing import cluster_network_id, service_range
from components.existing_cluster import ExistingCluster, ExistingClusterArgs
from components.fleet_hub import Member
from components.kubeconfig import KubeloginMode
from components.maintenance import MaintenanceWindows, MaintenanceWindowsArgs
from components.monitoring import Monitoring
from components.node_network import OpenPort
from components.node_pools import NodePool
from components.peered_networks import PeeredNetwork
from components.regional_cluster import RegionalCluster, RegionalClusterArgs
from components.roles import Principal
from components.subscriptions import AzureProviders
from settings import ClusterRegion, NewRegion, Pool, Region, Settings, SubnetRegion

Clusters: TypeAlias = Mapping[str, RegionalCluster | ExistingCluster]
"""The clusters by the name of their region."""

_OUTBOUND: Final = {
    "loadBalancer": containerservice.OutboundType.LOAD_BALANCER,
    "natGateway": containerservice.OutboundType.USER_ASSIGNED_NAT_GATEWAY,
    "routeTable": containerservice.OutboundType.USER_DEFINED_ROUTING,
}


def create_clusters(  # noqa: PLR0913 - all clusters share these
    stack: Settings,
    azure: AzureProviders,
    admins: Mapping[str, Principal],
    *,
    running: changes.State,
    open_ports: Sequence[OpenPort],
    monitoring: Monitoring | None,
    reachable: pulumi.Output[str] | None,
) -> dict[str, RegionalCluster | ExistingCluster]:
    """Create the cluster of each region, or look it up.

    Args:
        stack: the settings.
        azure: the providers of all subscriptions.
        admins: who may administer the clusters' objects.
        running: the state of the stack.
        open_ports: the ports that clients on the internet reach.
        monitoring: the workspaces, if there are any.
        reachable: known once private API servers can be reached; None where they are public.
    """
    kubelogin_mode = KubeloginMode(stack.access.kubelogin_mode)
    entra_id_admins = admins if stack.clusters.entra_id else None
    clusters: dict[str, RegionalCluster | ExistingCluster] = {}
    # The last cluster made in each existing VNet, by the VNet's ID.
    last_in: dict[str, RegionalCluster] = {}
    for region in stack.regions:
        allowed = changes.kept_admins(running, region) if region.lost else entra_id_admins
        if isinstance(region, ClusterRegion):
            clusters[region.name] = ExistingCluster(
                region.name,
                ExistingClusterArgs(
                    cluster_id=region.existing.cluster_id,
                    location=region.location,
                    kubelogin_mode=kubelogin_mode,
                    entra_id_admins=allowed,
                    reachable=reachable,
                    lost=region.lost,
                ),
                pulumi.ResourceOptions(provider=_provider(region, azure)),
            )
            continue
        added = changes.additions(stack, running, region)
        args = RegionalClusterArgs(
            location=region.location,
            resource_group_name=region.resource_group,
            cluster_name=region.cluster,
            service_cidr=str(region.service_cidr),
            dns_service_ip=str(region.dns_service_ip),
            node_pool=_nodes(region.node_pool),
            user_pool=_nodes(region.user_pool) if region.user_pool and added["userPool"] else None,
            node_os=containerservice.OSSKU(stack.clusters.node_os) if stack.clusters.node_os else None,
            host_encryption=stack.clusters.host_encryption,
            tier=containerservice.ManagedClusterSKUTier(stack.clusters.tier),
            kubelogin_mode=kubelogin_mode,
            entra_id_admins=allowed,
            kubernetes_version=region.kubernetes_version,
            ssh_public_key=region.ssh_public_key,
            cilium=stack.clusters.dataplane == "cilium",
            outbound=_OUTBOUND[stack.clusters.outbound],
            api_ranges=[str(each) for each in stack.clusters.api_ranges],
            open_ports=open_ports if added["clusters.securityGroup"] else None,
            registry_id=stack.clusters.registry_id if added["clusters.registryId"] else None,
            kubelet_identity=changes.has_kubelet_identity(stack, running, region.name),
            workspace_id=monitoring and monitoring.workspace_id,
            defender=stack.monitoring.defender,
            baseline=stack.clusters.baseline,
            lock_node_group=not stack.addresses,
            node_image_updates=stack.fleet.updates is None or stack.fleet.updates.channel != "NodeImage",
            tags=stack.tags or None,
            protect=stack.protect,
            lost=region.lost,
            reachable=reachable,
            switched=changes.switched(running, region),
        )
        match region:
            case NewRegion():
                args["api_server_subnet"] = str(region.api_server_subnet) if stack.clusters.private_api_server else None
                args["virtual_network_name"] = region.virtual_network
                args["address_space"] = str(region.address_space)
                args["subnet_name"] = region.subnet
                args["node_subnet"] = str(region.node_subnet)
                cluster = RegionalCluster(region.name, args)
            case SubnetRegion():
                network_id = region.existing.network_id.lower()
                args["existing_subnet_id"] = region.existing.subnet_id
                args["existing_api_server_subnet_id"] = region.existing.api_server_subnet_id
                if before := last_in.get(network_id):
                    args["after"], args["after_pool"] = before.cluster, before.user_pool
                cluster = last_in[network_id] = RegionalCluster(region.name, args)
        clusters[region.name] = cluster
        if (maintenance := stack.clusters.maintenance) and added["clusters.maintenance"]:
            MaintenanceWindows(
                f"{region.name}-maintenance",
                MaintenanceWindowsArgs(
                    resource_group_name=region.resource_group,
                    cluster=cluster.cluster,
                    day=containerservice.WeekDay(stack.maintenance_days[region.name]),
                    start=maintenance.start,
                    hours=maintenance.hours,
                ),
                pulumi.ResourceOptions(parent=cluster),
            )
    return clusters


def created(clusters: Clusters) -> dict[str, RegionalCluster]:
    """Return the clusters that the stack creates."""
    return {name: cluster for name, cluster in clusters.items() if isinstance(cluster, RegionalCluster)}


def created_with(
    setting: str, stack: Settings, clusters: Clusters, running: changes.State
) -> dict[str, RegionalCluster]:
    """Return the clusters that the stack creates and to which a setting adds resources."""
    having = [each.name for each in stack.regions if changes.additions(stack, running, each)[setting]]
    return {name: cluster for name, cluster in created(clusters).items() if name in having}


def networks(stack: Settings, clusters: Clusters, azure: AzureProviders) -> dict[str, PeeredNetwork]:
    """Return the networks to peer, by region."""
    pools = _pools(clusters)
    return {
        region.name: PeeredNetwork(
            virtual_network=clusters[region.name].virtual_network,
            resource_group_name=clusters[region.name].network_group,
            subnet=clusters[region.name].subnet,
            cluster=clusters[region.name].cluster,
            pool=pools.get(region.name),
            provider=_provider(region, azure),
            shared=_shared_network(stack, region, azure),
            peered=region.existing is not None and region.existing.peered,
            lost=region.lost,
            service_cidr=service_range(clusters[region.name].cluster)
            if isinstance(region, ClusterRegion)
            else str(region.service_cidr),
        )
        for region in stack.regions
    }


def runner_network(network_id: str, suffix: str, azure: AzureProviders) -> PeeredNetwork:
    """Return the existing network in which the program runs, to be peered too. Other stacks may run there as well."""
    opts = pulumi.ResourceOptions(provider=azure.of(network_id))
    return PeeredNetwork(
        virtual_network=sdk.with_id(network.VirtualNetwork.get("runner-vnet", network_id, opts), network_id),
        peering_suffix=f"-{suffix}" if suffix else None,
        provider=azure.of(network_id),
        shared=network_id,
    )


def members(
    stack: Settings,
    clusters: Clusters,
    last_peerings: Mapping[str, network.VirtualNetworkPeering],
    running: changes.State,
) -> dict[str, Member]:
    """Return the fleet's members, by region, which join it after their last peerings. A lost cluster cannot join."""
    pools = _pools(clusters)
    return {
        region.name: Member(
            name=region.cluster,
            cluster_id=clusters[region.name].cluster.id,
            update_group=region.update_group,
            peering=last_peerings.get(region.name),
            lost=region.lost,
            pool=pools.get(region.name),
        )
        for region in stack.regions
        if changes.has(running, region, changes.member_key(region.name), wanted=True)
    }


def _provider(region: Region, azure: AzureProviders) -> azure_native.Provider | None:
    """Return the provider of an existing cluster's subscription."""
    return azure.of(region.existing.cluster_id if isinstance(region, ClusterRegion) else None)


def _nodes(pool: Pool) -> NodePool:
    return NodePool(
        vm_size=pool.vm_size,
        max_pods=pool.max_pods,
        count=pool.count,
        min_count=pool.min_count,
        max_count=pool.max_count,
        zones=pool.zones,
        surge=pool.surge,
    )


def _pools(clusters: Clusters) -> dict[str, containerservice.AgentPool | None]:
    return {name: cluster.user_pool for name, cluster in created(clusters).items()}


def _shared_network(stack: Settings, region: Region, azure: AzureProviders) -> str | None:
    """Return the ID of a region's existing VNet if another region, or the program, may be in it too."""
    others = [other for other in stack.regions if other is not region and other.location == region.location]
    if not any(other.existing for other in others) and not stack.access.runner_network_id:
        return None
    match region:
        case NewRegion():
            return None
        case SubnetRegion():
            return region.existing.network_id
        case ClusterRegion():
            return cluster_network_id(region.existing.cluster_id, _provider(region, azure))
