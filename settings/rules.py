"""Rules across sections: names, addresses and IDs of regions and the fleet, and references to regions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from pydantic.alias_generators import to_camel

from .models import (
    MAX_WAIT_DAYS,
    MIN_API_PREFIX,
    App,
    ClusterRegion,
    ExistingFleet,
    GlobalAddress,
    Monitoring,
    NewFleet,
    NewRegion,
    Region,
    Settings,
    SubnetRegion,
    Team,
)
from .report import Problem, show
from .values import MAX_LABEL, group_of

MAX_PEERINGS = 500  # of a VNet [learn: azure-resource-manager/management/azure-subscription-service-limits]
MAX_NODE_GROUP = 80  # characters of MC_<group>_<cluster>_<location> [learn: aks-common-issues-faq]
MAX_NAME = 80  # characters of a load balancer's pool [learn: azure-resource-manager/management/resource-name-rules]
MAX_NETWORK_NAME = 64  # characters of a VNet [the same]
MAX_BACKENDS = 300  # of a global load balancer's pool [learn: as MAX_PEERINGS, "Load balancer limits"]
MAX_NUMBERS = 20  # rules of an override [fleet v0.18.12 apis/placement/v1/override_types.go]

Regions = Mapping[str, Region]  # by path


def problems(settings: Settings) -> list[Problem]:
    """Return all mistakes that concern more than one section."""
    regions = {f"regions[{number}]": region for number, region in enumerate(settings.regions)}
    return [
        *_names(regions, settings),
        *_existing_groups(regions, settings),
        *_node_groups(regions),
        *_overlaps(regions, settings),
        *_existing_ids(regions),
        *_peerings(regions),
        *_forms(settings),
        *_apps(regions, settings),
        *_entries(regions, settings),
        *_pools(settings),
        *_lost(regions, settings),
        *_replicas(regions, settings),
        *_rollout(settings),
        *_updates(regions, settings),
        *_maintenance(settings),
        *_outbound(regions, settings),
        *_private(regions, settings),
        *_private_hub(settings),
        *_teams(settings),
        *_monitoring(settings),
        *_budget(regions, settings),
    ]


def _groups(regions: Regions) -> dict[str, NewRegion | SubnetRegion]:
    """Return the regions with a cluster that the stack creates, in a group of its own."""
    return {path: region for path, region in regions.items() if not isinstance(region, ClusterRegion)}


def _names(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find names that two regions, or a region and the fleet, would share."""
    first = dict[str, str]()
    for field, named in (("name", regions), ("cluster", regions), ("resource_group", _groups(regions))):
        key, first = to_camel(field), _names_of_peers(settings) if field == "name" else dict[str, str]()
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


def _names_of_peers(settings: Settings) -> dict[str, str]:
    """Return the names in peerings besides those of regions, and where they come from."""
    owners = {"runner": settings.access.runner_network_id, "hub": settings.fleet.hub.private}
    paths = {"runner": "access.runnerNetworkId", "hub": "fleet.hub.private"}
    return {name: paths[name] for name, owner in owners.items() if owner}


def _other_groups(settings: Settings) -> dict[str, NewFleet | GlobalAddress | Monitoring]:
    """Return the sections with a group of their own that the stack creates."""
    sections = {
        "fleet": settings.fleet if isinstance(settings.fleet, NewFleet) else None,
        "app.globalAddress": settings.app.global_address,
        **{f"globalAddresses.{name}": address for name, address in settings.global_addresses.items()},
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
    others["access.runnerNetworkId"] = settings.access.runner_network_id
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


def _overlaps(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find address spaces that overlap another one, or the services of any cluster: the networks form one mesh."""
    spaces = [(path, region.address_space) for path, region in regions.items() if isinstance(region, NewRegion)]
    if hub := settings.fleet.hub.private:  # the runner's VNet is peered with it, and with those of the regions
        spaces.append(("fleet.hub.private", hub.address_space))
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
    """Find entry regions without the app, and entry Services whose names are too long or used twice."""
    paths = dict[str, str]()
    for path, region in regions.items():
        paths.setdefault(region.name, path)
    first = dict[str, tuple[str, str]]()  # by derived name, of all apps
    for name, app in settings.all_apps.items():
        at = settings.path_of(name)
        placed = [region.name for region in settings.regions_of(app)]
        for place, region in enumerate(app.entry_regions):
            if region in placed:
                continue
            path = f"{at}.entryRegions[{place}]"
            if region not in paths:
                yield _no_region(path, region, paths)
                continue
            found = f"{show(region)} is not one of the app's regions"
            remedy = "add it there, or choose one of them: an entry point needs the app's namespace in its cluster"
            yield Problem(path, found, remedy, quotes="regions")
        for entry in sorted(settings.entries(app, lost=True), key=lambda entry: [*paths].index(entry.region)):
            derived, where = f"{app.namespace}-{entry.name}", f"{paths[entry.region]}.entrySuffix"
            owner, owners_region = first.setdefault(derived, (name, paths[entry.region]))
            # The derived Service is <namespace>-<service>, a DNS label. [fleet-networking v0.3.25 multiclusterservice]
            if len(derived) > MAX_LABEL:
                found = f"{show(entry.name)} makes {show(derived)}, {len(derived)} characters"
                remedy = f"shorten it: <{at}.namespace>-<{at}.service><entrySuffix> has at most {MAX_LABEL} characters"
                yield Problem(where, found, remedy, quotes=at.partition(".")[0])
            if owner != name:
                # So is what offers it to the fleet, on the hub. [fleet-networking v0.3.25 member/serviceexport]
                used = f"is already used by {settings.path_of(owner)}"
                found = f"{show(derived)}, Fleet's name for {show(entry.name)}, {used}"
                yield Problem(at, found, "choose another namespace or service: Fleet joins the two with a hyphen")
            elif owners_region != paths[entry.region]:
                found = f"{show(entry.name)} is already the entry Service of {owners_region}"
                remedy = "choose another: one Service has one entry point in the whole fleet"
                yield Problem(where, found, remedy, quotes=at.partition(".")[0])


def _pools(settings: Settings) -> Iterator[Problem]:
    """Find pools of global load balancers whose names are too long, or that have too many entry points."""
    for address in settings.addresses:
        for pool, name, service in settings.pools_of(address):
            at = settings.path_of(name)
            if len(pool) > MAX_NAME:
                found = f"makes {pool}, the pool of Service {service} at {address}, {len(pool)} characters"
                remedy = f"shorten the app's name or the Service's: <app>_<service> has at most {MAX_NAME} characters"
                yield Problem(f"{at}.globalAddress", found, remedy, "globalAddresses")
    for name, app in settings.all_apps.items():
        if app.address and len(app.entry_regions) > MAX_BACKENDS:
            found = f"has {len(app.entry_regions)} regions behind a global address"
            remedy = f"name at most {MAX_BACKENDS}: a pool of a global load balancer has no more entry points"
            yield Problem(f"{settings.path_of(name)}.entryRegions", found, remedy)


def _forms(settings: Settings) -> Iterator[Problem]:
    """Find keys of the form for one app and of that for several."""
    if settings.apps and settings.app.model_fields_set:
        yield Problem("app", "cannot be set together with apps", "write it in apps: its name there is app")
    if settings.global_addresses and not settings.apps:
        yield Problem("globalAddresses", "cannot be set together with app", "write app.globalAddress, or use apps")


def _sections(settings: Settings) -> dict[str, App | Team]:
    """Return the sections with a namespace that is placed in regions, by path."""
    apps = {settings.path_of(name): app for name, app in settings.all_apps.items()}
    return {**apps, **{f"teams.{name}": team for name, team in settings.teams.items()}}


def _apps(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find unknown regions and addresses, and namespaces of two apps."""
    names, first = [region.name for region in regions.values()], dict[str, str]()
    for path, section in _sections(settings).items():
        for place, region in enumerate(section.regions if isinstance(section, Team) else section.placed_in):
            if region not in names:
                yield _no_region(f"{path}.regions[{place}]", region, names)
        if (owner := first.setdefault(section.namespace, path)) != path:
            found = f"{show(section.namespace)} is already used by {owner}"
            remedy = "choose another: a namespace is placed as a whole"
            yield Problem(f"{path}.namespace", found, remedy, owner.partition(".")[0])
    for name, app in settings.apps.items():
        path = settings.path_of(name)
        if app.global_address is not None and app.global_address not in settings.global_addresses:
            known = ", ".join(map(show, settings.global_addresses)) or "none"
            found = f"{show(app.global_address)} is not a global address; the addresses are {known}"
            remedy = "write the name of one, or add it to globalAddresses"
            yield Problem(f"{path}.globalAddress", found, remedy, "globalAddresses")
        if app.services and app.service != app.services[0]:
            yield Problem(f"{path}.service", "cannot be set together with services", "write it as the first of them")
    used = [app.address for app in settings.apps.values()]
    for address in settings.global_addresses if settings.apps else ():
        if address not in used:
            remedy = "remove it, or name it in an app's globalAddress: a load balancer needs something to lead to"
            yield Problem(f"globalAddresses.{address}", "is used by no app", remedy)


def _lost(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find settings that leave no region for an app, a team, an entry point or a change."""
    if all(region.lost for region in regions.values()):
        remedy = "remove `lost` from a region that answers; to delete the stack, run `pulumi destroy`"
        yield Problem("regions", "all are lost", remedy)
        return
    for path, section in _sections(settings).items():
        if _all_lost(settings.regions_of(section)):
            remedy = f"add a region that answers, or remove the {'team' if isinstance(section, Team) else 'app'}"
            yield Problem(f"{path}.regions", "all of them are lost", remedy)
        elif not isinstance(section, Team):
            yield from _lost_entries(path, section, settings)
            if section.rollout and section.rollout.until:
                reached = {name for stage in section.rollout.stages[: section.rollout.until] for name in stage}
                if _all_lost([region for region in settings.regions_of(section) if region.name in reached]):
                    found = "all regions of the stages up to it are lost"
                    remedy = "write a later stage, or remove it: a change would reach no region"
                    yield Problem(f"{path}.rollout.until", found, remedy, "regions")


def _all_lost(regions: Sequence[Region]) -> bool:
    return bool(regions) and all(region.lost for region in regions)


def _lost_entries(path: str, app: App, settings: Settings) -> Iterator[Problem]:
    """Find an app whose entry regions are all lost."""
    named = settings.entries(app, lost=True)
    if not named or settings.entries(app):
        return
    lost = ", ".join(dict.fromkeys(show(entry.region) for entry in named))
    found = f"all of them are lost: {lost}"
    if not app.entry_regions:
        found = f"is missing: the entry point is in {lost}, the first region, which is lost"
    yield Problem(f"{path}.entryRegions", found, "write a region that answers; its address is another one", "regions")


def _replicas(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find more pods than a cluster's nodes run, and replicas for regions without the app."""
    rooms = {
        region.name: (pool.max_nodes * pool.max_pods, path)
        for path, region in _groups(regions).items()
        for pool in [region.user_pool or region.node_pool]
    }
    for name, app in settings.all_apps.items():
        at, placed = f"{settings.path_of(name)}.replicas", [region.name for region in settings.regions_of(app)]
        if isinstance(app.replicas, Mapping):
            wanted = app.replicas
            if len({*wanted.values()}) > MAX_NUMBERS:
                found = f"has {len({*wanted.values()})} different numbers"
                yield Problem(at, found, f"write at most {MAX_NUMBERS}: Fleet allows no more rules in an override")
            for region in wanted:
                if region not in placed:
                    found = f"{show(region)} is not a region of the app; these are {', '.join(map(show, placed))}"
                    yield Problem(f"{at}.{region}", found, "write the name of one of them", "regions")
        else:
            wanted = dict.fromkeys(placed, app.replicas or 0)  # without it, the manifests' number counts
        too_many = [(*rooms[region], number) for region, number in wanted.items() if region in rooms]
        if too_many and (least := min(too_many, key=lambda each: each[0] - each[2]))[2] > least[0]:
            room, path, number = least
            found = f"{show(number)} pods in each cluster are more than the {room} that the nodes of {path} can run"
            if isinstance(app.replicas, Mapping):
                at, found = f"{at}.{regions[path].name}", found.replace(" in each cluster", "")
            yield Problem(at, found, "write less, or give that pool more nodes or a higher maxPods", "regions")


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
    created = {region.name for region in _groups(regions).values()}
    for name, app in settings.all_apps.items():
        if not app.internal and any(entry.region in created for entry in settings.entries(app)):
            # Answers would leave through the routes' appliance. [learn: aks/egress-outboundtype, "userDefinedRouting"]
            found = '"routeTable" sends the answers of a public entry point along its routes, not to the load balancer'
            at = settings.path_of(name)
            remedy = f"write natGateway, or set {at}.internal to true"
            yield Problem("clusters.outbound", found, remedy, at.partition(".")[0])


def _private(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find subnets that private API servers cannot have, or lack, and settings that only private ones need."""
    private = settings.clusters.private_api_server
    for path, region in _groups(regions).items():
        at = f"{path}.{'apiServerSubnet' if isinstance(region, NewRegion) else 'existing.apiServerSubnetId'}"
        if isinstance(region, NewRegion):
            written: object = "api_server_subnet" in region.model_fields_set
            if private:
                yield from _api_server_subnet(at, region)
        else:
            written = region.existing.api_server_subnet_id
            if private and not written:
                remedy = "required with clusters.privateApiServer: write the ID of a delegated subnet of the same VNet"
                yield Problem(at, "is missing", remedy)
            elif written and str(written).lower() == region.existing.subnet_id.lower():
                # [MicrosoftDocs/azure-docs issue 69774: SubnetIsDelegated]
                yield Problem(at, "is the subnet of the nodes", "choose another one of the same VNet")
            elif written and not str(written).lower().startswith(f"{region.existing.network_id}/".lower()):
                yield Problem(at, "is in another VNet than existing.subnetId", "choose a subnet of the same VNet")
        if written and not private:
            yield Problem(at, "needs clusters.privateApiServer", "set that too, or remove this")
    if settings.access.runner_network_id and not private and not settings.fleet.hub.private:
        found = "needs clusters.privateApiServer or fleet.hub.private"
        yield Problem(
            "access.runnerNetworkId", found, "set one of them, or remove this: only private API servers need it"
        )


def _private_hub(settings: Settings) -> Iterator[Problem]:
    """Find a fleet's name that makes the name of its private hub's VNet too long."""
    network = f"{settings.fleet.name}-vnet"
    if settings.fleet.hub.private and len(network) > MAX_NETWORK_NAME:
        found = f"{show(settings.fleet.name)} makes {show(network)}, the hub's VNet, {len(network)} characters"
        remedy = f"shorten it: with hub.private, at most {MAX_NETWORK_NAME - len('-vnet')} are allowed"
        yield Problem("fleet.name", found, remedy)


def _teams(settings: Settings) -> Iterator[Problem]:
    """Find teams on clusters without sign-in by Microsoft Entra ID, which knows who is in a team."""
    if settings.teams and not settings.clusters.entra_id:
        found = (
            "needs clusters.entraId: without it, a team signs in to the clusters with an administrator's certificate"
        )
        yield Problem("teams", found, "set clusters.entraId to true", "clusters")


def _api_server_subnet(path: str, region: NewRegion) -> Iterator[Problem]:
    """Find a range that the subnet of a private API server cannot have."""
    subnet, space = region.api_server_subnet, region.address_space
    chosen = "" if "api_server_subnet" in region.model_fields_set else "the default, "
    if subnet.prefixlen > MIN_API_PREFIX:
        yield Problem(path, f"{show(subnet)} is too small", f"choose a /{MIN_API_PREFIX} or larger")
    elif not subnet.subnet_of(space):
        yield Problem(path, f"{chosen}{show(subnet)} is outside addressSpace {space}", "choose a range inside it")
    elif subnet.overlaps(region.node_subnet):
        yield Problem(path, f"{show(subnet)} overlaps nodeSubnet {region.node_subnet}", "choose another range")


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
    groups = list(dict.fromkeys(region.update_group for region in regions.values()))

    def unknown(path: str, name: str) -> Problem:
        found = f"{show(name)} is the updateGroup of no region; the groups are {', '.join(map(show, groups))}"
        return Problem(path, found, "write one of them; a region without updateGroup has its name", "regions")

    missed = "add it to a stage: the fleet would not upgrade it"
    # [azure-native: UpdateRunStrategyArgs]
    yield from _stages(
        "fleet.updates.stages", updates.stages, groups, unknown, twice="name each group once", missed=missed
    )
    for path, region in _groups(regions).items():
        if updates.channel != "NodeImage" and region.kubernetes_version:
            found = f"{show(region.kubernetes_version)} lasts only until the fleet upgrades the cluster"
            # AKS goes back to no earlier minor version. [learn: aks/upgrade-aks-cluster]
            remedy = "remove it, or choose channel NodeImage: the next `pulumi up` would ask for it again"
            yield Problem(f"{path}.kubernetesVersion", found, remedy)


def _rollout(settings: Settings) -> Iterator[Problem]:
    """Find an app's regions in no stage of its rollout or in two, and unknown ones."""
    for app_name, app in settings.all_apps.items():
        if app.rollout:
            at, names = f"{settings.path_of(app_name)}.rollout.stages", [each.name for each in settings.regions_of(app)]
            unknown, missed = partial(_no_region, names=names), "add it to a stage: a change would not reach it"
            yield from _stages(at, app.rollout.stages, names, unknown, twice="name each region once", missed=missed)


def _stages(  # noqa: PLR0913 - a rule and its words
    at: str,
    stages: Sequence[Sequence[str]],
    known: Sequence[str],
    unknown: Callable[[str, str], Problem],
    *,
    twice: str,
    missed: str,
) -> Iterator[Problem]:
    """Find names in no stage or in two, and unknown ones."""
    stage_of = dict[str, str]()
    for stage, names in enumerate(stages):
        for place, name in enumerate(names):
            path = f"{at}[{stage}][{place}]"
            if name not in known:
                yield unknown(path, name)
            elif name in stage_of:
                yield Problem(path, f"{show(name)} is already used by {stage_of[name]}", twice)
            stage_of.setdefault(name, f"stages[{stage}][{place}]")
    if left := [name for name in known if name not in stage_of]:
        yield Problem(at, f"do not contain {', '.join(map(show, left))}", missed, "regions")


def _no_region(path: str, name: str, names: Iterable[str]) -> Problem:
    found = f"{show(name)} is not a region; the regions are {', '.join(map(show, names))}"
    return Problem(path, found, "write the name of one of the regions", "regions")


def _budget(regions: Regions, settings: Settings) -> Iterator[Problem]:
    """Find a budget that would count the whole subscription, or no node."""
    if settings.budget and not settings.tags:
        yield Problem("budget", "needs tags: it counts the costs of the resources that have them", "set tags, too")
    elif settings.budget and _groups(regions) and not settings.clusters.baseline:
        # [learn: aks/use-tags]
        found = "would not count the nodes, the largest cost: they have no tags, and a cluster's do not reach them"
        yield Problem("budget", found, "set clusters.baseline to true: the nodes then have the tags", "clusters")
