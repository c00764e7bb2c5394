"""Existing resources: how they are looked up, and the checks that they must pass.

A function `require_…` returns an Output that fails if its check fails. `checked` makes a value wait for such Outputs.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from itertools import combinations, product
from typing import Any, NamedTuple, TypeVar

import pulumi
import pulumi_azure_native as azure_native
from pulumi_azure_native import containerservice, network
from pulumi_azure_native.containerservice import outputs as aks

from .errors import ExistingError
from .sdk import optional, unreadable, with_id

_T = TypeVar("_T")


def checked(value: pulumi.Input[_T], *checks: pulumi.Output[None]) -> pulumi.Output[_T]:
    """Return a value once all checks have passed."""
    return pulumi.Output.all(value, *checks).apply(lambda found: found[0])


def id_part(resource_id: str, kind: str) -> str:
    """Return the name that follows a kind, such as `resourceGroups`, in an Azure ID; case does not count."""
    parts = resource_id.split("/")
    return parts[[part.lower() for part in parts].index(kind.lower()) + 1]


def virtual_network_id(subnet_id: str) -> str:
    """Return the ID of the VNet that a subnet is in."""
    return "/".join(subnet_id.split("/")[:-2])


class Network(NamedTuple):
    """A VNet and its subnet for nodes and pods."""

    virtual_network: network.VirtualNetwork
    subnet: network.Subnet


def existing_network(
    region: str, subnet_id: pulumi.Output[str], location: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> Network:
    """Return an existing subnet and its VNet, by the subnet's ID.

    Raises:
        ExistingError: the VNet is in another location than its region.
    """
    network_id = subnet_id.apply(virtual_network_id)
    vnet = with_id(network.VirtualNetwork.get(f"{region}-vnet", network_id, opts), network_id)
    subnet_id = checked(subnet_id, _require_location(region, location, vnet.location))
    return Network(vnet, with_id(network.Subnet.get(f"{region}-subnet", subnet_id, opts), subnet_id))


def _require_location(
    region: str, location: pulumi.Input[str], actual: pulumi.Output[str | None]
) -> pulumi.Output[None]:
    def check(found: list[Any]) -> None:
        there, wanted = (place.replace(" ", "").lower() for place in found)
        if there != wanted:
            raise ExistingError(f"{region}: the existing network is in {there}, but the region's location is {wanted}")

    return pulumi.Output.all(actual, location).apply(check)


def cluster_network_id(cluster_id: str, provider: azure_native.Provider | None) -> str | None:
    """Return the ID of the VNet of a cluster's node pools. It is read at once, because it decides which peerings exist.

    Args:
        cluster_id: the cluster's Azure ID.
        provider: the Azure provider of its subscription; None for the default one.

    Returns:
        None if the pools are not all in one VNet of the user's. `pod_subnet_id` refuses such a cluster.

    Raises:
        ExistingError: the cluster cannot be read.
    """
    try:
        cluster = containerservice.get_managed_cluster(
            resource_group_name=id_part(cluster_id, "resourceGroups"),
            resource_name=id_part(cluster_id, "managedClusters"),
            opts=pulumi.InvokeOptions(provider=provider),
        )
    except Exception as error:  # noqa: BLE001 - the SDK raises nothing more specific
        raise unreadable(cluster_id, error) from None
    subnets = [pool.vnet_subnet_id for pool in cluster.agent_pool_profiles or () if pool.vnet_subnet_id]
    networks = {virtual_network_id(subnet) for subnet in subnets}
    return networks.pop() if len(networks) == 1 else None


def pod_subnet_id(region: str, cluster: containerservice.ManagedCluster) -> pulumi.Output[str]:
    """Return the ID of the subnet in which a cluster's pods have their addresses.

    Raises:
        ExistingError: the pods have no addresses in one subnet of a VNet that can be peered.
    """

    def check(profile: aks.ContainerServiceNetworkProfileResponse | None, pools: Sequence[object]) -> str:
        plugin, mode = (profile.network_plugin, profile.network_plugin_mode) if profile else (None, None)
        if plugin != "azure" or mode:
            raise ExistingError(
                f"{region}: the cluster's pods have no addresses in its VNet "
                f"({', '.join(filter(None, (plugin, mode))) or 'no network plugin'}), so other clusters cannot reach "
                "them. Use a cluster with flat Azure CNI; the network plugin cannot be changed later"
            )
        subnets = {getattr(pool, "vnet_subnet_id", None) for pool in pools}
        if len(subnets) != 1 or None in subnets:
            raise ExistingError(f"{region}: all node pools of the cluster must be in one subnet of a VNet of yours")
        return str(subnets.pop())

    # Not Output.all: it would turn the profiles into plain dictionaries.
    return cluster.network_profile.apply(
        lambda profile: cluster.agent_pool_profiles.apply(lambda pools: check(profile, pools or ()))
    )


def require_hub(fleet: containerservice.Fleet) -> pulumi.Output[None]:
    """Check that an existing fleet has a hub."""

    def check(found: list[object]) -> None:
        name, hub = found
        if hub is None:
            remedy = "add one with `az fleet create --enable-hub` and the fleet's name and group"
            raise ExistingError(f"fleet {name} has no hub, and the app is placed from the hub: {remedy}")

    return pulumi.Output.all(fleet.name, optional(fleet, fleet.hub_profile)).apply(check)


def require_outbound(
    region: str, subnet: network.Subnet, outbound: containerservice.OutboundType
) -> pulumi.Output[None]:
    """Check that an existing subnet has what a cluster's outbound type needs, which AKS asks for at the creation."""

    def check(found: list[Any]) -> None:
        gateway, table = found
        if outbound == containerservice.OutboundType.USER_ASSIGNED_NAT_GATEWAY and not gateway:
            raise ExistingError(
                f"{region}: the existing subnet has no NAT gateway: attach one, or choose another outbound type"
            )
        if outbound == containerservice.OutboundType.USER_DEFINED_ROUTING and not table:
            remedy = "attach one with a route for 0.0.0.0/0, or choose another outbound type"
            raise ExistingError(f"{region}: the existing subnet has no route table: {remedy}")

    return pulumi.Output.all(optional(subnet, subnet.nat_gateway), optional(subnet, subnet.route_table)).apply(check)


def require_addresses(region: str, subnet: network.Subnet, addresses: int) -> pulumi.Output[None]:
    """Check that an existing subnet is large enough for the only cluster in it."""

    def check(found: list[Any]) -> None:
        prefixes = [prefix for each in found for prefix in ([each] if isinstance(each, str) else each or ())]
        size = sum(prefix.num_addresses for prefix in map(ip_network, dict.fromkeys(prefixes)))
        if size < addresses:
            raise ExistingError(
                f"{region}: the subnet {', '.join(prefixes)} has {size} addresses, the node pool needs {addresses}: "
                "choose a larger subnet, fewer nodes or a lower maxPods"
            )

    ranges = optional(subnet, subnet.address_prefix), optional(subnet, subnet.address_prefixes)
    return pulumi.Output.all(*ranges).apply(check)


def service_range(cluster: containerservice.ManagedCluster) -> pulumi.Output[str | None]:
    """Return the range of a cluster's service addresses."""
    return cluster.network_profile.apply(lambda profile: profile.service_cidr if profile else None)


def address_ranges(vnet: network.VirtualNetwork) -> pulumi.Output[list[str]]:
    """Return the address ranges of a VNet."""
    return vnet.address_space.apply(lambda space: list(space.address_prefixes or ()) if space else [])


def require_no_overlap(
    networks: Mapping[str, network.VirtualNetwork], services: Mapping[str, pulumi.Input[str | None]]
) -> pulumi.Output[None]:
    """Check that no two VNets overlap, and that no cluster's service range overlaps a VNet.

    Args:
        networks: the VNets, by the names of their regions.
        services: the clusters' service ranges, by the names of their regions.
    """

    def check(found: list[dict[str, Any]]) -> None:
        spaces, services = found
        for (one, first), (other, second) in combinations(spaces.items(), 2):
            if overlaps := _overlaps(one, first, other, second):
                raise ExistingError(f"networks that overlap cannot be peered: {overlaps}")
        for (one, service_cidr), (other, space) in product(services.items(), spaces.items()):
            if overlaps := _overlaps(f"the services of {one}", [service_cidr] if service_cidr else [], other, space):
                # See learn: aks/concepts-network-legacy-cni.
                raise ExistingError(f"a cluster cannot reach pods in the range of its services: {overlaps}")

    spaces = {name: address_ranges(vnet) for name, vnet in networks.items()}
    return pulumi.Output.all(pulumi.Output.all(**spaces), pulumi.Output.all(**services)).apply(check)


def _overlaps(one: str, first: Sequence[str], other: str, second: Sequence[str]) -> str:
    pairs = [(a, b) for a, b in product(first, second) if ip_network(a).overlaps(ip_network(b))]
    return ", ".join(f"{a} of {one} and {b} of {other}" for a, b in pairs)
