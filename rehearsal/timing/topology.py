"""A stack's regions, hubs and connections, from its state, with their places on a map."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

from rehearsal.timing.schedule import Resource

CLUSTER: Final = "azure-native:containerservice:ManagedCluster"
FLEET: Final = "azure-native:containerservice:Fleet"

_NETWORK: Final = "azure-native:network:VirtualNetwork"
_SUBNET: Final = "azure-native:network:Subnet"
_PEERING: Final = "azure-native:network:VirtualNetworkPeering"
_MEMBER: Final = "azure-native:containerservice:FleetMember"
_PROVIDER: Final = "pulumi:providers:kubernetes"
_PLACEMENT: Final = "kubernetes:placement.kubernetes-fleet.io/v1:ClusterResourcePlacement"
_PUBLIC_ADDRESS: Final = "azure-native:network:PublicIPAddress"
_BALANCER: Final = "azure-native:network:LoadBalancer"
_ENTRY_POINT: Final = "kubernetes:networking.fleet.azure.com/v1alpha1:MultiClusterService"

_NOTHING: Final[Resource] = {}  # in place of a missing resource

_BEND: Final = 0.3  # how far lines bend towards the map's middle, as a part of the distance
_NEAR: Final = 10  # percent from the middle; closer lines would be hidden by the hub
_ROUND: Final = 30  # percent by which such a line passes the hub


@dataclass(frozen=True)
class Place:
    """A place on the map.

    Attributes:
        x: from the left, in percent of the map's width.
        y: from the top, in percent of its height.
    """

    x: float
    y: float


@dataclass(frozen=True)
class Region:
    """A cluster with its network.

    Attributes:
        place: its place on the map.
        location: Azure's name of the region.
        cluster: the cluster's name.
        nodes: number and size of its nodes.
        network: the VNet's name.
        spaces: the VNet's address spaces.
        subnet: the addresses of the nodes' subnet.
        peers: names of the clusters in networks that this one is peered with, in both directions.
        member: the name of the fleet's member; empty if the cluster is not a member.
        update_group: the member's update group.
        placed: the placements that are available here.
        entry: the entry point's address; empty if there is none.
        held_back: the locations of the entry points at which this region is held back.
    """

    place: Place
    location: str
    cluster: str
    nodes: str
    network: str
    spaces: str
    subnet: str
    peers: frozenset[str]
    member: str
    update_group: str
    placed: tuple[str, ...]
    entry: str
    held_back: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hub:
    """A fleet's hub."""

    place: Place
    name: str
    location: str


@dataclass(frozen=True)
class Link:
    """A connection on the map.

    Attributes:
        kind: `peering`, `traffic` (a peering that the entry point's traffic takes) or `hub` (of a member).
        what: what it connects.
        path: the line, as an SVG path in percent.
    """

    kind: str
    what: str
    path: str


@dataclass(frozen=True)
class Topology:
    """Regions, with the entry points' first, hubs, and links, in the order in which they are drawn.

    Attributes:
        global_address: the address that leads to the entry points; empty if there is none.
    """

    regions: Sequence[Region]
    hubs: Sequence[Hub]
    links: Sequence[Link]
    global_address: str


def topology(state: Sequence[Resource], held_back: Mapping[str, Sequence[str]] = _NOTHING) -> Topology:
    """Return the topology of an exported state.

    Args:
        state: the resources.
        held_back: the names of the imported EndpointSlices that the guard of a cluster holds back, by the cluster's ID.
    """
    of: dict[str, list[Resource]] = {}
    for each in state:
        of.setdefault(each["type"], []).append(each)
    entries = _entries(of)
    clusters = sorted(of.get(CLUSTER, ()), key=lambda each: (_id(each) not in entries, location(each)))
    places = [_place(number, len(clusters)) for number in range(len(clusters))]
    regions = [
        _region(cluster, place, of, entries.get(_id(cluster), ""))
        for cluster, place in zip(clusters, places, strict=True)
    ]
    where = {_id(cluster): location(cluster) for cluster in clusters}
    held = _held_back({where.get(each.lower(), ""): names for each, names in held_back.items()}, regions)
    regions = [replace(region, held_back=tuple(held.get(region.member, ()))) for region in regions]
    fleets = of.get(FLEET, ())
    height = _height_of_hub(len(clusters))
    hubs = [
        Hub(Place(100 * number / (len(fleets) + 1), height), azures_name(each), location(each))
        for number, each in enumerate(fleets, 1)
    ]
    links = [*_peerings(regions), *_memberships(regions, hubs)]
    links.sort(key=lambda link: ("peering", "hub", "traffic").index(link.kind))
    return Topology(regions, hubs, links, _global_address(of))


def location(resource: Resource) -> str:
    """Return an Azure resource's location; empty if it has no own location."""
    return str(_properties(resource).get("location", ""))


def azures_name(resource: Resource) -> str:
    """Return a resource's name in Azure, the end of its ID."""
    return str(resource.get("id", "")).rsplit("/", 1)[-1]


# --- What there is ---------------------------------------------------------------------------------------------------


def _region(cluster: Resource, place: Place, of: Mapping[str, Sequence[Resource]], entry: str) -> Region:
    pools: Sequence[Mapping[str, Any]] = _properties(cluster).get("agentPoolProfiles") or ()
    subnet_id = _subnet_id(cluster)
    network = next((each for each in of.get(_NETWORK, ()) if _id(each) == _network_in(subnet_id)), _NOTHING)
    subnet = next((each for each in of.get(_SUBNET, ()) if _id(each) == subnet_id), _NOTHING)
    member = next((each for each in of.get(_MEMBER, ()) if _member_of(each) == _id(cluster)), _NOTHING)
    return Region(
        place=place,
        location=location(cluster),
        cluster=azures_name(cluster),
        nodes=", ".join(f"{_count(pool)} \N{MULTIPLICATION SIGN} {pool.get('vmSize', '')}" for pool in pools),
        network=azures_name(network),
        spaces=", ".join(_properties(network).get("addressSpace", {}).get("addressPrefixes") or ()),
        subnet=str(_properties(subnet).get("addressPrefix", "")),
        peers=frozenset(_peers(cluster, of)),
        member=azures_name(member),
        update_group=str(_properties(member).get("group", "")),
        placed=tuple(azures_name(each) for each in of.get(_PLACEMENT, ()) if _is_available(each, azures_name(member))),
        entry=entry,
    )


def _entries(of: Mapping[str, Sequence[Resource]]) -> dict[str, str]:
    """Return the entry points' addresses by the ID of their cluster, found by their provider."""
    clusters = {each["urn"]: str(each["inputs"].get("clusterIdentifier", "")).lower() for each in of.get(_PROVIDER, ())}
    entries: dict[str, list[str]] = {}
    for each in of.get(_ENTRY_POINT, ()):
        addresses: Sequence[Mapping[str, Any]] = _status(each).get("loadBalancer", {}).get("ingress") or ()
        cluster = clusters.get(each.get("provider", "").rpartition("::")[0], "")  # a reference is a URN and an ID
        # The cluster's own address; a global one may come after it.
        address = str(addresses[0].get("ip", "")) if addresses else "no address"
        entries.setdefault(cluster, []).append(address)
    # One line on the map; the stack's outputs have them all.
    more = {cluster: f" + {len(found) - 1} more" if found[1:] else "" for cluster, found in entries.items()}
    return {cluster: f"{found[0]}{more[cluster]}" for cluster, found in entries.items()}


def _global_address(of: Mapping[str, Sequence[Resource]]) -> str:
    """Return the addresses of the global load balancers."""
    used = {
        str(frontend.get("publicIPAddress", {}).get("id", "")).lower()
        for balancer in of.get(_BALANCER, ())
        for frontend in _properties(balancer).get("frontendIPConfigurations") or ()
    }
    found = (each.get("outputs", {}).get("ipAddress", "") for each in of.get(_PUBLIC_ADDRESS, ()) if _id(each) in used)
    return ", ".join(filter(None, found))


def _held_back(slices: Mapping[str, Sequence[str]], regions: Sequence[Region]) -> dict[str, list[str]]:
    """Return where each member is held back; slices have the member's name in front (pkg/common/uniquename)."""
    found: dict[str, list[str]] = {}
    for where, names in slices.items():
        members = [each.member for each in regions if each.member]
        fitting = ([member for member in members if name.startswith(f"{member}-")] for name in names)
        for member in {max(each, key=len) for each in fitting if each}:
            found.setdefault(member, []).append(where)
    return found


def _peers(cluster: Resource, of: Mapping[str, Sequence[Resource]]) -> Iterator[str]:
    """Yield the clusters that a cluster reaches; a peering connects once both directions exist.

    Source: learn: virtual-network/virtual-network-peering-overview.
    """
    ends = {
        (_network_in(_id(each)), str(each["inputs"]["remoteVirtualNetwork"]["id"]).lower())
        for each in of.get(_PEERING, ())
    }
    here = _network_in(_subnet_id(cluster))
    for each in of.get(CLUSTER, ()):
        there = _network_in(_subnet_id(each))
        if {(here, there), (there, here)} <= ends:
            yield azures_name(each)


def _is_available(placement: Resource, member: str) -> bool:
    entries: Sequence[Mapping[str, Any]] = _status(placement).get("placementStatuses") or ()
    return any(
        entry.get("clusterName") == member and condition["type"] == "Available" and condition["status"] == "True"
        for entry in entries
        for condition in entry.get("conditions") or ()
    )


def _count(pool: Mapping[str, Any]) -> str:
    return (
        f"{pool.get('minCount')} to {pool.get('maxCount')}"
        if pool.get("enableAutoScaling")
        else f"{pool.get('count', '?')}"
    )


def _properties(resource: Resource) -> Mapping[str, Any]:
    """Return a resource's inputs; for a resource that is only read, its outputs, as the state has no inputs."""
    return resource.get("inputs") or resource.get("outputs") or {}


def _id(resource: Resource) -> str:
    return str(resource.get("id", "")).lower()  # IDs are not case-sensitive


def _subnet_id(cluster: Resource) -> str:
    """Return the ID of the subnet of a cluster's first node pool."""
    pools: Sequence[Mapping[str, Any]] = _properties(cluster).get("agentPoolProfiles") or [{}]
    return str(pools[0].get("vnetSubnetID", "")).lower()


def _network_in(resource_id: str) -> str:
    """Return the VNet's ID from a subnet's or a peering's ID: …/virtualNetworks/<name>/subnets/<name>."""
    return "/".join(resource_id.split("/")[:9])


def _member_of(member: Resource) -> str:
    return str(_properties(member).get("clusterResourceId", "")).lower()


def _status(resource: Resource) -> Mapping[str, Any]:
    return resource.get("outputs", {}).get("status") or {}


# --- Where it is drawn -----------------------------------------------------------------------------------------------


def _is_ring(regions: int) -> bool:
    return regions > 2  # noqa: PLR2004 - two cannot stand round the hub


def _place(number: int, regions: int) -> Place:
    """Return a region's place: on a ring round the hub, clockwise from the top; one or two regions are above the hub.

    The halves of the ring mirror each other, so that each height has at most two names. The ring is flatter than a
    circle at its ends, so that names do not touch.
    """
    if not _is_ring(regions):
        return Place(50 if regions == 1 else 100 * number, 0)
    half = regions / 2
    down = min(number, regions - number) / half
    aside = 50 * (1 - (1 - 2 * down) ** 2) ** (1 / 4)
    lowest = regions // 2 / half
    return Place(50 + aside if number < half else 50 - aside, 100 * down / lowest)


def _height_of_hub(regions: int) -> float:
    """Return the height nearest the middle without a region; the lower one, as the entry point's region is tall."""
    if not _is_ring(regions):
        return 100
    steps = regions // 2
    return 50 if steps % 2 else 50 + 50 / steps


def _peerings(regions: Sequence[Region]) -> Iterator[Link]:
    for one, other in combinations(regions, 2):
        if other.cluster in one.peers:
            is_taken = (one.entry or other.entry) and one.placed and other.placed
            where = f"{one.location} and {other.location}"
            path = _bow(one.place, other.place)
            yield Link("traffic", f"traffic between {where}", path) if is_taken else Link("peering", where, path)


def _memberships(regions: Sequence[Region], hubs: Sequence[Hub]) -> Iterator[Link]:
    for region in regions:
        for hub in hubs:
            if region.member:
                path = f"M{hub.place.x:.1f} {hub.place.y:.1f}L{region.place.x:.1f} {region.place.y:.1f}"
                yield Link("hub", f"{region.member} is a member of {hub.name}", path)


def _bow(one: Place, other: Place) -> str:
    """Return a line that bends towards the middle, or passes it if it would go through."""
    x, y = (one.x + other.x) / 2, (one.y + other.y) / 2
    if abs(x - 50) + abs(y - 50) < _NEAR:
        x += _ROUND
    else:
        x, y = x + _BEND * (50 - x), y + _BEND * (50 - y)
    return f"M{one.x:.1f} {one.y:.1f}Q{x:.1f} {y:.1f} {other.x:.1f} {other.y:.1f}"
