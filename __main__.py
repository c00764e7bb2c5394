"""Multi-cluster layer-4 load balancing with Azure Kubernetes Fleet Manager.

Regional clusters in peered networks join a fleet; the app is placed from its hub into every region; entry points on
some clusters balance over the pods of all of them, and a global address leads to the entry points.
"""

from collections.abc import Callable
from pathlib import Path

import pulumi
from pulumi_azure_native import authorization

import apps
import changes
import regions
from components import sdk
from components.alerts import Alerts, AlertsArgs
from components.budget import Budget, BudgetArgs, BudgetNotification
from components.entry_guard import EntryGuard, EntryGuardArgs
from components.entry_point import EntryPointArgs
from components.fleet_hub import FleetHub, FleetHubArgs, PrivateHub
from components.fleet_updates import FleetUpdates, FleetUpdatesArgs, NodeImages, UpdateChannel
from components.global_address import GlobalAddress, GlobalAddressArgs
from components.global_load_balancer import GlobalLoadBalancer, GlobalLoadBalancerArgs, GlobalPool
from components.kubeconfig import KubeloginMode
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
from components.peered_networks import PeeredNetwork, PeeredNetworks, PeeredNetworksArgs
from components.roles import Principal
from components.staged_rollout import RolloutArgs
from components.subscriptions import AzureProviders
from components.team_namespace import TeamNamespace, TeamNamespaceArgs
from settings import App, load

stack = load()
running = changes.refuse_what_cannot_change(stack)
placed = [region.name for region in stack.regions if not region.lost]
manifests = apps.load(stack, Path(__file__).parent)
overrides = apps.overrides(stack, manifests)
changes.refuse_moved_overrides(running, overrides)

client = sdk.readable("the identity that deploys", authorization.get_client_config_output())
deployer = Principal(
    object_id=client.object_id,
    type=authorization.PrincipalType(stack.access.deployer_type),
)
admins = {"deployer": deployer} | {
    f"admin-{admin.object_id}": Principal(object_id=admin.object_id, type=authorization.PrincipalType(admin.type))
    for admin in stack.access.hub_admins
}


# Existing resources are reached in their own subscriptions.
azure = AzureProviders()
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
open_ports = [OpenPort(port=port["port"], protocol=port["protocol"]) for port in apps.internet_ports(stack, manifests)]
# Known once the VNet in which the program runs is peered with all others: private API servers answer from then on.
reached: tuple[pulumi.Output[str], Callable[[pulumi.Output[str]], None]] | None = None
if stack.access.runner_network_id:
    reached = pulumi.deferred_output()
clusters = regions.create_clusters(
    stack,
    azure,
    admins,
    running=running,
    open_ports=open_ports,
    monitoring=monitoring,
    reachable=reached and reached[0],
)
created = regions.created(clusters)

runner = None
if stack.access.runner_network_id:
    runner = regions.runner_network(stack.access.runner_network_id, stack.name_suffix, azure)
networks = PeeredNetworks(
    "mesh",
    PeeredNetworksArgs(
        networks=regions.networks(stack, clusters, azure) | ({"runner": runner} if runner else {}),
        existing=changes.existing(stack, running, "PeeredNetworks/VirtualNetworkPeering"),
    ),
)

fleet = FleetHub(
    "hub",
    FleetHubArgs(
        location=stack.fleet.location,
        resource_group_name=stack.fleet.resource_group,
        fleet_name=stack.fleet.name,
        members=regions.members(stack, clusters, networks.last, running),
        admins=admins,
        kubelogin_mode=KubeloginMode(stack.access.kubelogin_mode),
        dns_prefix=stack.fleet.hub.dns_prefix,
        vm_size=stack.fleet.hub.vm_size,
        tags=stack.tags or None,
        protect=stack.protect,
        existing_id=stack.fleet.existing_id,
        after=[role for cluster in created.values() for role in (cluster.subnet_role, cluster.api_subnet_role) if role],
        private=PrivateHub(
            address_space=str(private_hub.address_space),
            node_subnet=str(private_hub.subnets[0]),
            api_server_subnet=str(private_hub.subnets[1]),
            resource_provider_object_id=private_hub.resource_provider_object_id,
        )
        if (private_hub := stack.fleet.hub.private)
        else None,
        reachable=reached and reached[0],
    ),
    pulumi.ResourceOptions(provider=azure.of(stack.fleet.existing_id)),
)

if runner and reached:
    last = runner["peering"] = networks.last.get("runner")
    if fleet.virtual_network:
        hub_network = PeeredNetwork(
            virtual_network=fleet.virtual_network,
            resource_group_name=fleet.group,
            fleet=fleet.fleet,
            service_cidr="10.0.0.0/16",  # the hub's own services
        )
        ways = PeeredNetworks("hub-mesh", PeeredNetworksArgs(networks={"hub": hub_network, "runner": runner}))
        last = ways.last["runner"]
    # Without a peering, the program runs in the only VNet.
    reached[1](pulumi.Output.from_input(last.id if last else runner["virtual_network"].id))

if monitoring:
    for name, cluster in regions.created_with("monitoring.enabled", stack, clusters, running).items():
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
        watched = regions.created_with("monitoring.alerts", stack, clusters, running)
        Alerts(
            "alerts",
            AlertsArgs(
                resource_group_name=monitoring.group,
                clusters={name: cluster.cluster for name, cluster in watched.items()},
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

addresses = {
    name: GlobalAddress(
        name,
        GlobalAddressArgs(
            home_region=address.home_region,
            resource_group_name=address.resource_group,
            tags=stack.tags or None,
            protect=stack.protect,
        ),
    )
    for name, address in stack.addresses.items()
}


def rollout(name: str, app: App) -> RolloutArgs | None:
    """Return the stages in which a change of an app reaches its regions, if it has some."""
    if not (stages := app.rollout):
        return None
    alive = {region.name for region in stack.live_regions_of(app)}
    return RolloutArgs(
        stages=[[fleet.members[name].name for name in stage if name in alive] for stage in stages.stages],
        wait_minutes=stages.wait_minutes,
        until=stages.until,
        leaving=changes.leaving_overrides(running, name, overrides[name]),
        hub_kubeconfig=fleet.kubeconfig,
    )


placed_apps = {
    name: MultiClusterApp(
        name,
        MultiClusterAppArgs(
            manifests=manifests[name],
            internal=app.internal,
            hub=fleet.kubernetes,
            members=[fleet.members[region.name] for region in stack.live_regions_of(app)],
            kubeconfigs={region.cluster: clusters[region.name].kubeconfig for region in stack.live_regions_of(app)},
            entries={
                entry.name: EntryPointArgs(
                    kubernetes=clusters[entry.region].kubernetes,
                    kubeconfig=clusters[entry.region].kubeconfig,
                    cluster=clusters[entry.region].cluster,
                    service=entry.service,
                )
                for entry in stack.entries(app)
            },
            global_address=addresses[app.address].ip_address if app.address else None,
            member_replicas=apps.member_replicas(stack, app),
            rollout=rollout(name, app),
        ),
    )
    for name, app in stack.all_apps.items()
}

for name, team in stack.teams.items():
    readers = f"TeamNamespace/Role team-{name}-endpoints-role"
    TeamNamespace(
        f"team-{name}",
        TeamNamespaceArgs(
            namespace=team.namespace,
            hub=fleet.kubernetes,
            members=[fleet.members[region.name] for region in stack.live_regions_of(team)],
            clusters={
                region.name: clusters[region.name].kubernetes
                for region in stack.regions_of(team)
                if changes.has(running, region, f"{readers}-{region.name}", wanted=True)
            },
            team=Principal(object_id=team.object_id, type=authorization.PrincipalType(team.type)),
        ),
    )

guarded = {entry.region for app in stack.all_apps.values() if app.guard for entry in stack.entries(app)}
for region in stack.regions:
    name = f"{region.name}-guard"
    if changes.has(running, region, f"EntryGuard/Deployment {name}-deployment", wanted=region.name in guarded):
        EntryGuard(
            name,
            EntryGuardArgs(
                kubernetes=clusters[region.name].kubernetes,
                members=list(fleet.members.values()),
                lost=region.lost,
            ),
        )


def frontends(name: str, service: str) -> dict[str, pulumi.Output[str]]:
    """Return the frontends behind a global address for a Service, by region."""
    found = placed_apps[name].frontend_ids
    return {
        entry.region: found[entry.name]
        for entry in stack.entries(stack.all_apps[name])
        if entry.service == service and entry.name in found
    }


balancers = {
    name: GlobalLoadBalancer(
        f"{name}-balancer",
        GlobalLoadBalancerArgs(
            address=address.address,
            resource_group_name=address.group,
            pools={
                pool: GlobalPool(frontends=frontends(app, service), ports=placed_apps[app].services[service]["ports"])
                for pool, app, service in stack.pools_of(name)
            },
            tags=stack.tags or None,
        ),
    )
    for name, address in addresses.items()
}

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


def clients(name: str, service: str) -> dict[str, pulumi.Input[object]]:
    """Return the outputs for a shared Service of an app: what its clients use, and what is behind it."""
    app, placed_app = stack.all_apps[name], placed_apps[name]
    entries = {entry.region: entry.name for entry in stack.entries(app) if entry.service == service}
    found = placed_app.services[service]
    by_key: dict[str, pulumi.Input[object]] = {
        "externalIp": found["external_ip"],
        "globalAddress": balancers[app.address].ip_address if app.address else None,
        "url": found["url"],
        "ports": found["ports"],
        "entryServices": entries,
        "entryAddresses": {region: placed_app.entry_addresses[entry] for region, entry in entries.items()},
        "frontendIds": frontends(name, service) or None,
        "service": f"{app.namespace}/{service}",
        "regions": [region.name for region in stack.live_regions_of(app)] if stack.apps else None,
    }
    return {key: each for key, each in by_key.items() if each is not None}


async def outputs() -> dict[str, pulumi.Input[object]]:
    """Return the stack's outputs."""
    await sdk.registrations_begun()
    by_app = {name: {service: clients(name, service) for service in app.shared} for name, app in stack.all_apps.items()}
    return {
        **(clients("app", stack.app.service) if by_app and not stack.apps else {"apps": by_app}),
        "fleetId": fleet.fleet.id,
        "ownsFleet": stack.fleet.existing_id is None,
        "clusterIds": {name: clusters[name].cluster.id for name in placed},
        "memberNames": {name: fleet.members[name].name for name in placed},
        "lostMembers": {name: member.name for name, member in fleet.members.items() if name not in placed} or None,
        "teamRegions": {
            team.namespace: [region.name for region in stack.live_regions_of(team)] for team in stack.teams.values()
        }
        or None,
        "hubKubeconfig": fleet.kubeconfig,
        "kubeconfigs": pulumi.Output.secret({name: clusters[name].kubeconfig for name in placed}),
    }


pulumi.run(outputs)
