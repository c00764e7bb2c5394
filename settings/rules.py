"""Rules across sections: names, addresses and IDs of regions and the fleet, and references to regions."""

from collections.abc import Iterator, Mapping

from pydantic.alias_generators import to_camel

from .models import (
    MAX_WAIT_DAYS,
    ClusterRegion,
    ExistingFleet,
    GlobalAddress,
    Monitoring,
    NewFleet,
    NewRegion,
    Region,
    Settings,
    SubnetRegion,
)
from .report import Problem, show
from .values import MAX_LABEL, group_of

MAX_PEERINGS = 500  # of a VNet [learn: azure-resource-manager/management/azure-subscription-service-limits]
MAX_NODE_GROUP = 80  # characters of MC_<group>_<cluster>_<location> [learn: aks-common-issues-faq]

Regions = Mapping[str, Region]  # by path


def problems(settings: Settings) -> list[Problem]:
    """Return all mistakes that concern more than one section."""
    regions = {f"regions[{number}]": region for number, region in enumerate(settings.regions)}
    return [
        *_names(regions, settings),
        *_existing_groups(regions, settings),
        *_node_groups(regions),
        *_overlaps(regions),
        *_existing_ids(regions),
        *_peerings(regions),
        *_entries(regions, settings),
        *_lost(regions, settings),
        *_replicas(regions, settings),
        *_rollout(regions, settings),
        *_updates(regions, settings),
        *_maintenance(settings),
        *_outbound(regions, settings),
        *_monitoring(settings),
        *_budget(settings),
    ]


def _groups(regions: Regions) -> dict[str, NewRegion | SubnetRegion]:
    """Return the regions with a cluster that the stack creates, in a group of its own."""
    return {path: region for path, region in regions.items() if not isinstance(region, ClusterRegion)}


def _names(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find names that two regions, or a region and the fleet, would share."""
    first = dict[str, str]()
    for field, named in (("name", regions), ("cluster", regions), ("resource_group", _groups(regions))):
        key, first = to_camel(field), dict[str, str]()
        for path, region in named.items():
            name: str = getattr(region, field)
            owner = first.setdefault(name.lower(), path)  # Azure ignores case in names
            used = f"{show(name)} is already used by {owner}"
            if owner == path:
                continue
            if field in region.model_fields_set:
                yield Problem(f"{path}.{key}", used, f"choose another {key}")
            else:
                source = "existing.clusterId" if isinstance(region, ClusterRegion) else "location"
                yield Problem(f"{path}.{source}", f"the default {key} {used}", f"set {key} in one of the two")
    for path, section in _other_groups(settings).items():
        owner = first.setdefault(section.resource_group.lower(), path)
        if owner != path:
            found = f"{show(section.resource_group)} is already used by {owner}"
            remedy = "choose another: deleting a group deletes everything in it"
            yield Problem(f"{path}.resourceGroup", found, remedy)


def _other_groups(settings: Settings) -> dict[str, NewFleet | GlobalAddress | Monitoring]:
    """Return the sections with a group of their own that the stack creates."""
    sections = {
        "fleet": settings.fleet if isinstance(settings.fleet, NewFleet) else None,
        "app.globalAddress": settings.app.global_address,
        "monitoring": settings.monitoring if settings.monitoring.enabled else None,
    }
    return {path: section for path, section in sections.items() if section}


def _existing(regions: Regions) -> Iterator[tuple[str, str]]:
    """Yield the IDs of existing resources, and where they are written."""
    for path, region in regions.items():
        for field in ("subnet_id", "cluster_id"):
            if resource_id := getattr(region.existing, field, None):
                yield f"{path}.existing.{to_camel(field)}", resource_id


def _existing_ids(regions: Regions) -> Iterator[Problem]:
    """Find a cluster or a subnet that two regions have."""
    first = dict[str, str]()
    for path, resource_id in _existing(regions):
        owner = first.setdefault(resource_id.lower(), path)
        if owner != path:
            remedy = "a cluster is a member once: remove one of the regions"
            if path.endswith(".subnetId"):  # [learn: aks/configure-azure-cni, "Prerequisites"]
                remedy = "a subnet has one cluster: choose another subnet, which may be of the same VNet"
            yield Problem(path, f"is already used by {owner}", remedy)


def _existing_groups(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find resource groups that the stack would create and delete although existing resources are in them."""
    groups = {**_groups(regions), **_other_groups(settings)}
    existing = [*_existing(regions)]
    if isinstance(settings.fleet, ExistingFleet):
        existing.append(("fleet.existingId", settings.fleet.existing_id))
    alerts = settings.monitoring.alerts
    others = {
        "monitoring.workspaceId": settings.monitoring.workspace_id,
        "monitoring.metricsWorkspaceId": settings.monitoring.metrics_workspace_id,
        "monitoring.alerts.actionGroupId": alerts and alerts.action_group_id,
        "clusters.registryId": settings.clusters.registry_id,
    }
    existing += [(path, resource_id) for path, resource_id in others.items() if resource_id]
    paths = {group_of(resource_id).lower(): path for path, resource_id in reversed(existing)}
    for path, owner in groups.items():
        if at := paths.get(owner.resource_group.lower()):
            found = f"{show(owner.resource_group)} is the group of {at}; the stack would delete it"
            yield Problem(f"{path}.resourceGroup", found, "choose another")


def _node_groups(regions: Regions) -> Iterator[Problem]:
    """Find groups of nodes, which AKS names, whose names are too long."""
    for path, region in _groups(regions).items():
        group = f"MC_{region.resource_group}_{region.cluster}_{region.location}"
        if len(group) > MAX_NODE_GROUP:
            written = [field for field in ("resource_group", "cluster") if field in region.model_fields_set]
            found = f"the nodes' resource group would be {group}, {len(group)} characters"
            remedy = f"shorten resourceGroup or cluster: at most {MAX_NODE_GROUP} are allowed in all"
            yield Problem(f"{path}.{to_camel((*written, 'location')[0])}", found, remedy)


def _overlaps(regions: Regions) -> Iterator[Problem]:
    """Find address spaces that overlap another one, or the services of any cluster: the networks form one mesh."""
    spaces = [(path, region.address_space) for path, region in regions.items() if isinstance(region, NewRegion)]
    services = [(path, region.service_cidr) for path, region in _groups(regions).items()]
    for number, (path, space) in enumerate(spaces):
        for others, key, remedy in (
            # Peering refuses overlaps. [learn: virtual-network/virtual-network-peering-overview]
            (spaces[:number], "addressSpace", "choose a range that no other region uses: peering refuses overlaps"),
            # Also those of peered networks. [learn: aks/concepts-network-legacy-cni]
            (services, "serviceCidr", "choose another range, or another serviceCidr there: services would hide pods"),
        ):
            overlapping = [f"{other}.{key} {network}" for other, network in others if network.overlaps(space)]
            if overlapping:
                yield Problem(f"{path}.addressSpace", f"{show(space)} overlaps {', '.join(overlapping)}", remedy)


def _peerings(regions: Regions) -> Iterator[Problem]:
    """Find `existing.peered` in one region only, and more peerings than Azure allows for a VNet."""
    peered = [path for path, region in regions.items() if region.existing and region.existing.peered]
    if len(peered) == 1:  # a peering connects two VNets
        remedy = "set it in each region whose VNets are peered, or remove it"
        yield Problem(f"{peered[0]}.existing.peered", "is set in no other region", remedy)
    networks = {
        region.existing.network_id.lower() if isinstance(region, SubnetRegion) else path
        for path, region in regions.items()
    }
    if len(networks) - 1 > MAX_PEERINGS and len(peered) < len(regions):
        found = f"would give each VNet {len(networks) - 1} peerings, one with every other network"
        yield Problem("regions", found, f"a VNet has at most {MAX_PEERINGS}: write at most {MAX_PEERINGS + 1} networks")


def _entries(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find entry regions that are not in the list, and entry Services whose names are too long or used twice."""
    named = dict[str, str]()
    for path, region in regions.items():
        named.setdefault(region.name, path)
    for place, name in enumerate(settings.app.entry_regions):
        if name not in named:
            found = f"{show(name)} is not a region; the regions are {', '.join(map(show, named))}"
            yield Problem(f"app.entryRegions[{place}]", found, "write the name of one of the regions", quotes="regions")
    first = dict[str, str]()
    for path, region in regions.items():
        service = settings.named_entry_services.get(region.name)
        if not service or named[region.name] != path:  # two regions of one name are reported as such
            continue
        at, owner = f"{path}.entrySuffix", first.setdefault(service, path)
        # The derived Service is <namespace>-<service>, a DNS label. [fleet-networking v0.3.25 multiclusterservice]
        if len(derived := f"{settings.app.namespace}-{service}") > MAX_LABEL:
            found = f"{show(service)} makes {show(derived)}, {len(derived)} characters"
            remedy = f"shorten it: <app.namespace>-<app.service><entrySuffix> has at most {MAX_LABEL} characters"
            yield Problem(at, found, remedy, quotes="app")
        if owner != path:
            remedy = "choose another: one Service has one entry point in the whole fleet"
            yield Problem(at, f"{show(service)} is already the entry Service of {owner}", remedy, quotes="app")


def _lost(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find settings that leave no region for the app, or none for an entry point."""
    if all(region.lost for region in regions.values()):
        remedy = "remove `lost` from a region that answers; to delete the stack, run `pulumi destroy`"
        yield Problem("regions", "all are lost", remedy)
    elif settings.named_entry_services and not settings.entry_services:
        lost = ", ".join(map(show, settings.named_entry_services))
        found = f"has lost regions only: {lost}"
        if not settings.app.entry_regions:
            found = f"is missing: the entry point is in {lost}, the first region, which is lost"
        yield Problem("app.entryRegions", found, "write a region that answers; its address is another one", "regions")


def _replicas(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find more pods than the smallest cluster's nodes run."""
    rooms = [
        (pool.max_nodes * pool.max_pods, path)
        for path, region in _groups(regions).items()
        for pool in [region.user_pool or region.node_pool]
    ]
    replicas = settings.app.replicas or 0  # without it, the manifests' number counts
    if rooms and replicas > min(rooms)[0]:
        room, path = min(rooms)
        found = f"{show(replicas)} pods in each cluster are more than the {room} that the nodes of {path} can run"
        yield Problem("app.replicas", found, "write less, or give that pool more nodes or a higher maxPods", "regions")


def _maintenance(settings: Settings) -> Iterator[Problem]:
    """Find windows that let a run of all stages take longer than a node image can be installed."""
    maintenance, updates = settings.clusters.maintenance, settings.fleet.updates
    if not maintenance or not updates:
        return
    days = (len(updates.stages) - 1) * maintenance.days_apart(updates.wait_minutes)
    if days > MAX_WAIT_DAYS:
        found = f"lets {len(updates.stages)} stages take {days} days, from the first one's window to the last one's"
        remedy = (
            f"write fewer stages, less waitMinutes or fewer hours: a node image cannot be installed after "
            f"{MAX_WAIT_DAYS} days"
        )
        yield Problem("clusters.maintenance", found, remedy, "fleet")


def _outbound(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find a route table that the stack does not have, and public entry points behind one."""
    if settings.clusters.outbound != "routeTable":
        return
    if new := [path for path, region in regions.items() if isinstance(region, NewRegion)]:
        found = f'"routeTable" needs an existing subnet, and {", ".join(new)} would have a new one'
        yield Problem("clusters.outbound", found, "write natGateway, or set existing.subnetId there", "regions")
    entries = settings.entry_services
    if not settings.app.internal and any(region.name in entries for region in _groups(regions).values()):
        # Answers would leave through the routes' appliance. [learn: aks/egress-outboundtype, "userDefinedRouting"]
        found = '"routeTable" lets the answers of a public entry point leave another way than the requests come'
        yield Problem("clusters.outbound", found, "write natGateway, or set app.internal to true", "app")


def _monitoring(settings: Settings) -> Iterator[Problem]:
    """Find a missing location of the workspaces: only Azure knows that of an existing fleet."""
    if settings.monitoring.enabled and not settings.monitoring.location:
        remedy = "required with fleet.existingId: write the Azure region of the workspaces, such as eastus2"
        yield Problem("monitoring.location", "is missing", remedy)


def _updates(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find update groups in no stage or in two, unknown groups, and versions that an upgrade would replace."""
    updates = settings.fleet.updates
    if not updates:
        return
    groups, stage_of = list(dict.fromkeys(region.update_group for region in regions.values())), dict[str, str]()
    for stage, names in enumerate(updates.stages):
        for place, name in enumerate(names):
            path = f"fleet.updates.stages[{stage}][{place}]"
            if name not in groups:
                found = f"{show(name)} is the updateGroup of no region; the groups are {', '.join(map(show, groups))}"
                yield Problem(path, found, "write one of them; a region without updateGroup has its name", "regions")
            elif name in stage_of:
                # [azure-native: UpdateRunStrategyArgs]
                yield Problem(path, f"{show(name)} is already used by {stage_of[name]}", "name each group once")
            stage_of.setdefault(name, f"stages[{stage}][{place}]")
    if missed := [group for group in groups if group not in stage_of]:
        found = f"do not contain {', '.join(map(show, missed))}"
        yield Problem("fleet.updates.stages", found, "add it to a stage: the fleet would not upgrade it", "regions")
    for path, region in _groups(regions).items():
        if updates.channel != "NodeImage" and region.kubernetes_version:
            found = f"{show(region.kubernetes_version)} lasts only until the fleet upgrades the cluster"
            # AKS goes back to no earlier minor version. [learn: aks/upgrade-aks-cluster]
            remedy = "remove it, or choose channel NodeImage: the next `pulumi up` would ask for it again"
            yield Problem(f"{path}.kubernetesVersion", found, remedy)


def _rollout(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find regions in no stage of the rollout or in two, and unknown ones."""
    if not settings.app.rollout:
        return
    names, stage_of = [region.name for region in regions.values()], dict[str, str]()
    for stage, of_stage in enumerate(settings.app.rollout.stages):
        for place, name in enumerate(of_stage):
            path = f"app.rollout.stages[{stage}][{place}]"
            if name not in names:
                found = f"{show(name)} is not a region; the regions are {', '.join(map(show, names))}"
                yield Problem(path, found, "write the name of one of the regions", quotes="regions")
            elif name in stage_of:
                yield Problem(path, f"{show(name)} is already used by {stage_of[name]}", "name each region once")
            stage_of.setdefault(name, f"stages[{stage}][{place}]")
    if missed := [name for name in names if name not in stage_of]:
        found = f"do not contain {', '.join(map(show, missed))}"
        yield Problem("app.rollout.stages", found, "add it to a stage: a change would not reach it", "regions")


def _budget(settings: Settings) -> Iterator[Problem]:
    """Find a budget that would count the whole subscription."""
    if settings.budget and not settings.tags:
        yield Problem("budget", "needs tags: it counts the costs of the resources that have them", "set tags, too")
