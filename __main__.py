"""Multi-cluster layer-4 load balancing with Azure Kubernetes Fleet Manager.

Regional clusters in peered networks join a fleet; the app is placed from its hub into every region; entry points on
some clusters balance over the pods of all of them, and a global address leads to the entry points.
"""

from pathlib import Path

import pulumi
from pulumi_azure_native import authorization, containerservice

import changes
from components import app_manifests, sdk
from components.alerts import Alerts, AlertsArgs
from components.budget import Budget, BudgetArgs, BudgetNotification
from components.entry_guard import EntryGuard, EntryGuardArgs
from components.entry_point import EntryPointArgs
from components.existing import cluster_network_id, service_range
from components.existing_cluster import ExistingCluster, ExistingClusterArgs
from components.fleet_hub import FleetHub, FleetHubArgs, Member
from components.fleet_updates import FleetUpdates, FleetUpdatesArgs, NodeImages, UpdateChannel
from components.global_address import GlobalAddress, GlobalAddressArgs
from components.global_load_balancer import GlobalLoadBalancer, GlobalLoadBalancerArgs
from components.kubeconfig import KubeloginMode
from components.maintenance import MaintenanceWindows, MaintenanceWindowsArgs
from components.monitoring import (
    MonitoredCluster,
    MonitoredClusterArgs,
    MonitoredFleet,
    MonitoredFleetArgs,
    Monitoring,
    MonitoringArgs,
)
from components.multi_cluster_app import MultiClusterApp, MultiClusterAppArgs
from components.node_network import OpenPort
from components.node_pools import NodePool
from components.peered_networks import PeeredNetwork, PeeredNetworks, PeeredNetworksArgs
from components.regional_cluster import RegionalCluster, RegionalClusterArgs
from components.roles import Principal
from components.staged_rollout import RolloutArgs
from components.subscriptions import AzureProviders
from settings import ClusterRegion, NewRegion, Pool, Region, SubnetRegion, load

stack = load()
changes.refuse_what_cannot_change(stack)
placed = [region.name for region in stack.regions if not region.lost]
manifests = app_manifests.load(
    Path(__file__).parent / "manifests",
    namespace=stack.app.namespace,
    service=stack.app.service,
    members=[region.cluster for region in stack.regions if not region.lost],
    entries=stack.entry_services.values(),
    secrets={"rabbitmq": {"username": 12, "password": 32}},  # the demo's queue
    replicas=stack.app.replicas,
    linux_only=not all(isinstance(region, ClusterRegion) for region in stack.regions),
    internal=stack.app.internal,
    global_address=stack.app.global_address is not None,
)

kubelogin_mode = KubeloginMode(stack.access.kubelogin_mode)
client = sdk.readable("the identity that deploys", authorization.get_client_config_output())
deployer = Principal(
    object_id=client.object_id,
    type=authorization.PrincipalType(stack.access.deployer_type),
)
admins = {"deployer": deployer} | {
    f"admin-{admin.object_id}": Principal(object_id=admin.object_id, type=authorization.PrincipalType(admin.type))
    for admin in stack.access.hub_admins
}


def nodes_of(pool: Pool) -> NodePool:
    """Return the arguments of a node pool."""
    return NodePool(
        vm_size=pool.vm_size,
        max_pods=pool.max_pods,
        count=pool.count,
        min_count=pool.min_count,
        max_count=pool.max_count,
        zones=pool.zones,
        surge=pool.surge,
    )


# Existing resources are reached in their own subscriptions.
azure = AzureProviders()
azure_of = {
    region.name: azure.of(region.existing.cluster_id if isinstance(region, ClusterRegion) else None)
    for region in stack.regions
}
monitoring: Monitoring | None = None
if stack.monitoring.enabled:
    monitoring = Monitoring(
        "monitoring",
        MonitoringArgs(
            location=stack.monitoring.location or "",
            resource_group_name=stack.monitoring.resource_group,
            workspace_id=stack.monitoring.workspace_id,
            metrics_workspace_id=stack.monitoring.metrics_workspace_id,
            tags=stack.tags or None,
            protect=stack.protect,
        ),
    )

# Open in each region, so that an entry point can come or move without a change of networks.
open_ports = [
    OpenPort(port=port["port"], protocol=port["protocol"])
    for port in app_manifests.internet_ports(manifests["app"], stack.app.service, internal=stack.app.internal)
]
OUTBOUND = {
    "loadBalancer": containerservice.OutboundType.LOAD_BALANCER,
    "natGateway": containerservice.OutboundType.USER_ASSIGNED_NAT_GATEWAY,
    "routeTable": containerservice.OutboundType.USER_DEFINED_ROUTING,
}
clusters: dict[str, RegionalCluster | ExistingCluster] = {}
# The last cluster made in each existing VNet, by the VNet's id.
last_in: dict[str, RegionalCluster] = {}
for region in stack.regions:
    if isinstance(region, ClusterRegion):
        clusters[region.name] = ExistingCluster(
            region.name,
            ExistingClusterArgs(
                cluster_id=region.existing.cluster_id,
                location=region.location,
                kubelogin_mode=kubelogin_mode,
                entra_id_admins=admins if stack.clusters.entra_id else None,
                lost=region.lost,
            ),
            pulumi.ResourceOptions(provider=azure_of[region.name]),
        )
        continue
    args = RegionalClusterArgs(
        location=region.location,
        resource_group_name=region.resource_group,
        cluster_name=region.cluster,
        service_cidr=str(region.service_cidr),
        dns_service_ip=str(region.dns_service_ip),
        node_pool=nodes_of(region.node_pool),
        user_pool=nodes_of(region.user_pool) if region.user_pool else None,
        node_os=containerservice.OSSKU(stack.clusters.node_os) if stack.clusters.node_os else None,
        tier=containerservice.ManagedClusterSKUTier(stack.clusters.tier),
        kubelogin_mode=kubelogin_mode,
        entra_id_admins=admins if stack.clusters.entra_id else None,
        kubernetes_version=region.kubernetes_version,
        ssh_public_key=region.ssh_public_key,
        cilium=stack.clusters.dataplane == "cilium",
        outbound=OUTBOUND[stack.clusters.outbound],
        api_ranges=[str(each) for each in stack.clusters.api_ranges],
        open_ports=open_ports if stack.clusters.security_group else None,
        registry_id=stack.clusters.registry_id,
        workspace_id=monitoring and monitoring.workspace_id,
        defender=stack.monitoring.defender,
        baseline=stack.clusters.baseline,
        lock_node_group=stack.app.global_address is None,
        node_image_updates=stack.fleet.updates is None or stack.fleet.updates.channel != "NodeImage",
        tags=stack.tags or None,
        protect=stack.protect,
        lost=region.lost,
    )
    match region:
        case NewRegion():
            args["virtual_network_name"] = region.virtual_network
            args["address_space"] = str(region.address_space)
            args["subnet_name"] = region.subnet
            args["node_subnet"] = str(region.node_subnet)
            clusters[region.name] = RegionalCluster(region.name, args)
        case SubnetRegion():
            network_id = region.existing.network_id.lower()
            args["existing_subnet_id"] = region.existing.subnet_id
            if before := last_in.get(network_id):
                args["after"], args["after_pool"] = before.cluster, before.user_pool
            clusters[region.name] = last_in[network_id] = RegionalCluster(region.name, args)

created = {name: each for name, each in clusters.items() if isinstance(each, RegionalCluster)}
pools = {name: each.user_pool for name, each in created.items()}

if maintenance := stack.clusters.maintenance:
    for region in stack.regions:
        if region.name in created:
            MaintenanceWindows(
                f"{region.name}-maintenance",
                MaintenanceWindowsArgs(
                    resource_group_name=region.resource_group,
                    cluster=created[region.name].cluster,
                    day=containerservice.WeekDay(stack.maintenance_days[region.name]),
                    start=maintenance.start,
                    hours=maintenance.hours,
                ),
                pulumi.ResourceOptions(parent=created[region.name]),
            )


def shared_network(region: Region) -> str | None:
    """Return the ID of a region's existing VNet if another region of the same location may be in it too."""
    others = [other for other in stack.regions if other is not region and other.location == region.location]
    if not any(other.existing for other in others):
        return None
    match region:
        case NewRegion():
            return None
        case SubnetRegion():
            return region.existing.network_id
        case ClusterRegion():
            return cluster_network_id(region.existing.cluster_id, azure_of[region.name])


networks = PeeredNetworks(
    "mesh",
    PeeredNetworksArgs(
        networks={
            region.name: PeeredNetwork(
                virtual_network=clusters[region.name].virtual_network,
                resource_group_name=clusters[region.name].network_group,
                subnet=clusters[region.name].subnet,
                cluster=clusters[region.name].cluster,
                pool=pools.get(region.name),
                provider=azure_of[region.name],
                shared=shared_network(region),
                peered=region.existing is not None and region.existing.peered,
                lost=region.lost,
                service_cidr=service_range(clusters[region.name].cluster)
                if isinstance(region, ClusterRegion)
                else str(region.service_cidr),
            )
            for region in stack.regions
        },
        existing=changes.existing(stack, "PeeredNetworks/VirtualNetworkPeering"),
    ),
)

fleet = FleetHub(
    "hub",
    FleetHubArgs(
        location=stack.fleet.location,
        resource_group_name=stack.fleet.resource_group,
        fleet_name=stack.fleet.name,
        members={
            region.name: Member(
                name=region.cluster,
                cluster_id=clusters[region.name].cluster.id,
                update_group=region.update_group,
                peering=networks.last.get(region.name),
                lost=region.lost,
                pool=pools.get(region.name),
            )
            for region in stack.regions
        },
        admins=admins,
        kubelogin_mode=kubelogin_mode,
        dns_prefix=stack.fleet.hub.dns_prefix,
        vm_size=stack.fleet.hub.vm_size,
        tags=stack.tags or None,
        protect=stack.protect,
        existing_id=stack.fleet.existing_id,
        after=[cluster.subnet_role for cluster in created.values()],
    ),
    pulumi.ResourceOptions(provider=azure.of(stack.fleet.existing_id)),
)

if monitoring:
    for name, cluster in created.items():
        MonitoredCluster(
            f"{name}-monitoring",
            MonitoredClusterArgs(
                cluster=cluster.cluster,
                workspace_id=monitoring.workspace_id,
                rules={"logs": monitoring.log_rule, "metrics": monitoring.metrics_rule},
            ),
            pulumi.ResourceOptions(parent=cluster),
        )
    own_fleet = None if stack.fleet.existing_id else fleet.fleet
    if own_fleet:
        MonitoredFleet("hub-monitoring", MonitoredFleetArgs(fleet=own_fleet, workspace_id=monitoring.workspace_id))
    if alerts := stack.monitoring.alerts:
        Alerts(
            "alerts",
            AlertsArgs(
                resource_group_name=monitoring.group,
                clusters={name: cluster.cluster for name, cluster in created.items()},
                fleet=own_fleet,
                metrics_workspace_id=monitoring.metrics_workspace_id,
                metrics_location=monitoring.metrics_location,
                emails=alerts.emails,
                action_group_id=alerts.action_group_id,
                tags=stack.tags or None,
            ),
        )

if updates := stack.fleet.updates:
    if stack.fleet.existing_id:
        pulumi.log.warn(
            "fleet.updates upgrades every member of the fleet whose update group is in its stages, those of others too"
        )
    FleetUpdates(
        "updates",
        FleetUpdatesArgs(
            fleet=fleet.fleet,
            resource_group_name=fleet.group,
            members=list(fleet.members.values()),
            stages=updates.stages,
            wait_seconds=updates.wait_minutes * 60,
            channel=UpdateChannel(updates.channel),
            node_images=NodeImages(updates.node_images) if updates.node_images else None,
            enabled=updates.enabled,
        ),
        pulumi.ResourceOptions(provider=azure.of(stack.fleet.existing_id)),
    )

address: GlobalAddress | None = None
if where := stack.app.global_address:
    address = GlobalAddress(
        "global",
        GlobalAddressArgs(
            home_region=where.home_region,
            resource_group_name=where.resource_group,
            tags=stack.tags or None,
            protect=stack.protect,
        ),
    )

rollout: RolloutArgs | None = None
if stages := stack.app.rollout:
    rollout = RolloutArgs(
        stages=[[fleet.members[name].name for name in stage if name in placed] for stage in stages.stages],
        wait_minutes=stages.wait_minutes,
        until=stages.until,
        hub_kubeconfig=fleet.kubeconfig,
        kubeconfigs={region.cluster: clusters[region.name].kubeconfig for region in stack.regions if not region.lost},
    )
app = MultiClusterApp(
    "app",
    MultiClusterAppArgs(
        manifests=manifests,
        internal=stack.app.internal,
        hub=fleet.kubernetes,
        members=[fleet.members[name] for name in placed],
        entries={
            service: EntryPointArgs(
                kubernetes=clusters[region].kubernetes,
                kubeconfig=clusters[region].kubeconfig,
                cluster=clusters[region].cluster,
            )
            for region, service in stack.entry_services.items()
        },
        global_address=address and address.ip_address,
        rollout=rollout,
    ),
)

if stack.app.guard:
    guards = changes.existing(stack, "EntryGuard") or ()
    for region, cluster in clusters.items():
        if region in stack.entry_services or (region not in placed and f"{region}-guard" in guards):
            EntryGuard(
                f"{region}-guard",
                EntryGuardArgs(
                    kubernetes=cluster.kubernetes,
                    members=[member.name for member in fleet.members.values()],
                    lost=region not in placed,
                ),
            )

balancer: GlobalLoadBalancer | None = None
frontends = {
    region: app.frontend_ids[service] for region, service in stack.entry_services.items() if service in app.frontend_ids
}
if address:
    balancer = GlobalLoadBalancer(
        "global-balancer",
        GlobalLoadBalancerArgs(
            address=address.address,
            resource_group_name=address.group,
            frontends=frontends,
            ports=app.ports,
            tags=stack.tags or None,
        ),
    )

if budget := stack.budget:
    Budget(
        "budget",
        BudgetArgs(
            scope=pulumi.Output.concat("/subscriptions/", client.subscription_id),
            budget_name=budget.name,
            amount=budget.amount,
            tags=stack.tags,
            contact_emails=budget.contact_emails,
            notifications=[
                BudgetNotification(threshold=each.threshold, threshold_type=each.threshold_type)
                for each in budget.notifications
            ],
        ),
    )


async def outputs() -> dict[str, pulumi.Input[object]]:
    """Return the stack's outputs."""
    await sdk.registrations_begun()
    return {
        "externalIp": app.external_ip,
        "globalAddress": balancer and balancer.ip_address,
        "url": app.url,
        "ports": app.ports,
        "fleetId": fleet.fleet.id,
        "ownsFleet": stack.fleet.existing_id is None,
        "clusterIds": {name: clusters[name].cluster.id for name in placed},
        "memberNames": {name: fleet.members[name].name for name in placed},
        "lostMembers": {name: member.name for name, member in fleet.members.items() if name not in placed} or None,
        "entryServices": stack.entry_services,
        "entryAddresses": {region: app.entry_addresses[service] for region, service in stack.entry_services.items()},
        "frontendIds": frontends or None,
        "service": f"{stack.app.namespace}/{stack.app.service}",
        "hubKubeconfig": fleet.kubeconfig,
        "kubeconfigs": pulumi.Output.secret({name: clusters[name].kubeconfig for name in placed}),
    }


pulumi.run(outputs)
