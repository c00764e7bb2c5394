"""Changes of single regions: other values, moved names and ranges, and what a lost region keeps."""

from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_network
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

from pydantic.alias_generators import to_camel

from settings import ClusterRegion, NewRegion, Problem, Region, Settings, SubnetRegion, short_name, show

from .problems import other_id
from .running import possible_additions
from .state import POOL, State, lower, member_key, region_key, value_at


class _Fixed(NamedTuple):
    """A key of a region whose value cannot change.

    Attributes:
        field: its path in the settings.
        resource: the suffix of the resource's logical name.
        output: its path in the resource's outputs.
        same: brings both values into one form.
        absent: whether the outputs lack the value if the region was created without the key.
    """

    field: str
    resource: str
    output: tuple[str | int, ...]
    same: Callable[[Any], object] = str
    absent: bool = False

    @property
    def key(self) -> str:
        """The key, as the user writes it."""
        return ".".join(map(to_camel, self.field.split(".")))


def _zones(zones: object) -> list[str]:
    return sorted(cast("Sequence[str]", zones))


def _key(line: str) -> list[str]:
    return line.split()[:2]  # without the comment


_FIXED: Final = (
    # Parts of the IDs or locations of the region's resources: another value makes other resources.
    _Fixed("resource_group", "group", ("name",), lower),
    _Fixed("location", "group", ("location",), short_name),
    _Fixed("virtual_network", "vnet", ("name",), lower),
    _Fixed("subnet", "subnet", ("name",), lower),
    _Fixed("cluster", "cluster", ("name",), lower),
    # The range of a subnet with nodes in it. [hashicorp/terraform-provider-azurerm issues 7687, 11211:
    # InUseSubnetCannotBeUpdated]
    _Fixed("node_subnet", "subnet", ("addressPrefix",)),
    _Fixed("api_server_subnet", "api-subnet", ("addressPrefix",)),
    # azure-native replaces the cluster for these. [provider/pkg/gen/replacement.go]
    _Fixed("service_cidr", "cluster", ("networkProfile", "serviceCidr")),
    _Fixed("dns_service_ip", "cluster", ("networkProfile", "dnsServiceIP")),
    _Fixed(
        "ssh_public_key",
        "cluster",
        ("linuxProfile", "ssh", "publicKeys", 0, "keyData"),
        _key,
        absent=True,
    ),
    # Azure refuses changes of these in a running pool. [Azure/bicep-registry-modules issue 7130:
    # PropertyChangeNotAllowed]
    _Fixed("node_pool.vm_size", "cluster", (*POOL, "vmSize"), lower),
    _Fixed("node_pool.max_pods", "cluster", (*POOL, "maxPods"), int),
    _Fixed(
        "node_pool.zones",
        "cluster",
        (*POOL, "availabilityZones"),
        _zones,
        absent=True,
    ),
)
# azure-native would create the new pool before it deletes the old one, and both have the same name. [the same]
_FIXED_IN_POOL: Final = (
    _Fixed("user_pool.vm_size", "apps", ("vmSize",), lower),
    _Fixed("user_pool.max_pods", "apps", ("maxPods",), int),
    _Fixed("user_pool.zones", "apps", ("availabilityZones",), _zones, absent=True),
)


def problems(stack: Settings, state: State) -> Iterator[Problem]:
    """Find changes that would replace a region's resources, that Azure refuses, or that a lost region cannot have."""
    for number, region in enumerate(stack.regions):
        path = f"regions[{number}]"
        made, there = f"RegionalCluster {region.name}" in state, f"ExistingCluster {region.name}" in state
        if not made and not there:
            yield from _newcomer(path, region, stack, state)
            if region.lost and state:
                found = f"true, but region {show(region.name)} does not exist yet"
                yield Problem(f"{path}.lost", found, "remove the key: only a running region can be lost")
        elif region.lost and made and region_key(region.name, "cluster") not in state:
            found = f"true, but region {show(region.name)} has no cluster yet"
            yield Problem(f"{path}.lost", found, "remove the region: it has nothing to keep")
        elif isinstance(region, ClusterRegion):
            where = f"{path}.existing.clusterId"
            if made:
                found = f"region {show(region.name)} has a cluster that this stack has made"
                yield Problem(where, found, "remove the key, or choose another name for the region")
                continue
            before = state[f"ExistingCluster {region.name}"].get("clusterId")
            yield from other_id(where, before, region.existing.cluster_id, "region", region.name)
            yield from _member(path, region, state)
        elif there:
            found = f"is missing: region {show(region.name)} is on a cluster that existed before it"
            yield Problem(f"{path}.existing.clusterId", found, "put it back, or choose another name for the region")
        elif region_key(region.name, "cluster") in state:
            # Without a cluster, the engine can replace all of the region's resources.
            yield from _fixed(path, region, state)
            if region.lost:
                yield from _taken_from_lost(path, region, stack, state)


def _taken_from_lost(path: str, region: Region, stack: Settings, state: State) -> Iterator[Problem]:
    """Find settings without which a lost region would lose a resource: Azure may not answer for the region."""
    for each in possible_additions(stack, region):
        if each.resource in state and not (each.wanted or each.elsewhere):
            where = f"{path}.{each.key}" if each.key == "userPool" else each.key
            found = f"is switched off, but region {show(region.name)} is lost, and still has what the setting added"
            yield Problem(where, found, "put it back until the region answers again, or remove the region, too")


def _member(path: str, region: Region, state: State) -> Iterator[Problem]:
    """Find a changed member name: a member cannot leave the fleet while the placement selects it."""
    joined = value_at(state.get(member_key(region.name)), ("name",))
    if joined and joined != region.cluster:
        found = f"region {show(region.name)} joined the fleet as {show(joined)}, not {show(region.cluster)}"
        yield Problem(f"{path}.cluster", found, "put it back; or remove the region, `pulumi up`, and add it again")


def _fixed(path: str, region: NewRegion | SubnetRegion, state: State) -> Iterator[Problem]:
    """Find changes that would replace the region's resources, or that Azure refuses."""
    cluster = state.get(region_key(region.name, "cluster"), {})
    subnet = str(value_at(cluster, (*POOL, "vnetSubnetID")) or "").lower()
    group = f"/resourcegroups/{value_at(state.get(region_key(region.name, 'group')), ('name',))}/".lower()
    existing = region.existing.subnet_id.lower() if region.existing else ""
    if subnet and group not in subnet and not existing:
        found = f"is missing: region {show(region.name)} is in a subnet that existed before it"
        yield Problem(f"{path}.existing.subnetId", found, "put it back, or choose another name for the region")
        return
    table = [each for each in _FIXED if not (existing and each.resource in {"vnet", "subnet", "api-subnet"})]
    yield from _differences(path, region, state, table, "add a region with the new value, and remove this one")
    if region.user_pool and region_key(region.name, "apps") in state:
        remedy = "take userPool out, `pulumi up`, and write it anew"
        yield from _differences(path, region, state, _FIXED_IN_POOL, remedy)
    if existing and (group in existing or subnet != existing):
        found = f"region {show(region.name)} was created in another subnet"
        remedy = "put it back, or leave it out; or add a region with the new value, and remove this one"
        yield Problem(f"{path}.existing.subnetId", found, remedy)
    before = str(value_at(cluster, ("apiServerAccessProfile", "subnetId")) or "").lower()
    after = str(region.existing.api_server_subnet_id or "").lower() if region.existing else ""
    if existing and before and after and before != after:
        found = f"the API server of region {show(region.name)} is in another subnet"
        yield Problem(f"{path}.existing.apiServerSubnetId", found, "put it back: AKS does not move an API server")
    yield from _version(path, region, value_at(cluster, ("currentKubernetesVersion",)))


def _differences(
    path: str, region: NewRegion | SubnetRegion, state: State, table: Sequence[_Fixed], otherwise: str
) -> Iterator[Problem]:
    for fixed in table:
        before = value_at(state.get(region_key(region.name, fixed.resource)), fixed.output)
        after = attrgetter(fixed.field)(region)
        if not (before and after):
            if not fixed.absent or not (before or after):
                continue
        elif fixed.same(before) == fixed.same(after):
            continue
        created = f"region {show(region.name)} was created with"
        if fixed.field == "ssh_public_key":
            found = f"{created} {'another key' if after else 'a key'}"
        else:
            found = f"{created} {show(before) if before else 'none'}, not {show(after) if after else 'none'}"
        yield Problem(f"{path}.{fixed.key}", found, f"put it back; or {otherwise}")


def _version(path: str, region: NewRegion | SubnetRegion, runs: object) -> Iterator[Problem]:
    """Find a version of Kubernetes that AKS does not upgrade to. [learn: aks/upgrade-aks-cluster]."""
    if not region.kubernetes_version or not isinstance(runs, str):
        return
    before, after = ([int(part) for part in text.split(".")] for text in (runs, region.kubernetes_version))
    where = f"{path}.kubernetesVersion"
    if after < before[: len(after)]:
        found = f"{show(region.kubernetes_version)} is older than the version of the cluster, {runs}"
        yield Problem(where, found, "write that version or a newer one: AKS does not go back")
    elif after[:1] == before[:1] and after[1] > before[1] + 1:
        found = f"{show(region.kubernetes_version)} skips a minor version: the cluster runs {runs}"
        yield Problem(where, found, f'write "{before[0]}.{before[1] + 1}" first: AKS takes one minor version at a time')


def _newcomer(path: str, region: Region, stack: Settings, state: State) -> Iterator[Problem]:
    """Find names and ranges of a new region that belong to a region which the same update removes."""
    names = {region.name for region in stack.regions}
    for component, outputs in state.items():
        kind, _, gone = component.partition(" ")
        if kind not in ("RegionalCluster", "ExistingCluster") or gone in names:
            continue
        later = f"remove {show(gone)} in one `pulumi up`, add this in the next"
        identity = f"put the name {show(gone)} back: it is the region's identity"
        group = value_at(state.get(region_key(gone, "group")), ("name",))
        if not isinstance(region, ClusterRegion) and group and lower(group) == lower(region.resource_group):
            found = f"{show(region.name)} would have the resource group {show(group)}, which region {show(gone)} has"
            yield Problem(f"{path}.name", found, f"{identity}. A new region needs a group of its own")
            continue
        if isinstance(region, ClusterRegion) and lower(outputs.get("clusterId")) == lower(region.existing.cluster_id):
            found = f"{show(region.name)} would have the cluster that region {show(gone)} has"
            yield Problem(f"{path}.name", found, identity)
            continue
        if lower(value_at(state.get(member_key(gone)), ("name",))) == lower(region.cluster):
            found = f"{show(region.cluster)} is the member of region {show(gone)}, until it is gone"
            yield Problem(f"{path}.cluster", found, f"choose another name, or {later}")
        space = value_at(state.get(region_key(gone, "vnet")), ("addressSpace", "addressPrefixes", 0))
        if isinstance(region, NewRegion) and space and ip_network(str(space)).overlaps(region.address_space):
            # Azure refuses to peer it with a network that is peered with the other.
            # [learn: virtual-network/virtual-network-manage-peering]
            found = f"{show(region.address_space)} overlaps {space}, which region {show(gone)} has until it is gone"
            yield Problem(f"{path}.addressSpace", found, later)
        subnet = str(value_at(state.get(region_key(gone, "cluster")), (*POOL, "vnetSubnetID")) or "").lower()
        if isinstance(region, SubnetRegion) and subnet.startswith(f"{lower(region.existing.network_id)}/"):
            # Its peerings would be created before the other region's are deleted. [cloud-manager of kyma-project,
            # errors.go]
            found = f"is in the VNet that region {show(gone)} is in, until it is gone"
            yield Problem(f"{path}.existing.subnetId", found, later)
