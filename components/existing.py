"""What the pattern needs of resources that were there before it: said as soon as they are read."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from itertools import combinations
from typing import Any

import pulumi
from pulumi_azure_native import containerservice, network
from pulumi_azure_native.containerservice import outputs as aks


class ExistingError(pulumi.RunError):
    """A resource that exists is not what the pattern needs; Pulumi shows the message of a RunError and no traceback."""


def part_of(resource_id: str, kind: str) -> str:
    """Return the name that follows a kind, such as `resourceGroups`, in an Azure id; case does not count."""
    parts = resource_id.split("/")
    return parts[[part.lower() for part in parts].index(kind.lower()) + 1]


def network_of(subnet_id: str) -> str:
    """Return the id of the VNet that a subnet is in."""
    return "/".join(subnet_id.split("/")[:-2])


def in_location(region: str, location: pulumi.Input[str], actual: pulumi.Output[Any]) -> pulumi.Output[str]:
    """Return where a resource is.

    Raises:
        ExistingError: not where its region is said to be.
    """

    def check(found: list[str]) -> str:
        there, wanted = (place.replace(" ", "").lower() for place in found)
        if there != wanted:
            raise ExistingError(f"{region}: what exists is in {there}, but the region's location is {wanted}")
        return there

    return pulumi.Output.all(actual, location).apply(check)


def flat_subnet(region: str, cluster: containerservice.ManagedCluster) -> pulumi.Output[str]:
    """Return the id of the subnet whose addresses a cluster's pods have.

    Raises:
        ExistingError: they have none of a subnet that can be peered.
    """

    def check(profile: aks.ContainerServiceNetworkProfileResponse | None, pools: Sequence[object]) -> str:
        plugin, mode = (profile.network_plugin, profile.network_plugin_mode) if profile else (None, None)
        if plugin != "azure" or mode:
            raise ExistingError(
                f"{region}: the pods of the cluster have no addresses of its VNet "
                f"({', '.join(filter(None, (plugin, mode))) or 'no network plugin'}), so that no other cluster reaches "
                "them; it takes a cluster with flat Azure CNI, which cannot be changed later"
            )
        subnets = {getattr(pool, "vnet_subnet_id", None) for pool in pools}
        if len(subnets) != 1 or None in subnets:
            raise ExistingError(f"{region}: all node pools of the cluster must be in one subnet, of a VNet of yours")
        return str(subnets.pop())

    # Not with Output.all, which would make plain dictionaries of them.
    return cluster.network_profile.apply(
        lambda profile: cluster.agent_pool_profiles.apply(lambda pools: check(profile, pools or ()))
    )


def hub_of(fleet: containerservice.Fleet) -> pulumi.Output[str]:
    """Return a fleet's name.

    Raises:
        ExistingError: it has no hub.
    """

    def check(found: list[object]) -> str:
        name, hub = found
        if hub is None:
            remedy = "`az fleet create --enable-hub` with its name and group gives it one"
            raise ExistingError(f"fleet {name} has no hub, from which the app would be placed: {remedy}")
        return str(name)

    return pulumi.Output.all(fleet.name, fleet.hub_profile).apply(check)


def apart(networks: Mapping[str, network.VirtualNetwork]) -> pulumi.Output[None]:
    """See that no two networks overlap, by the names of their regions; peering refuses it.

    Raises:
        ExistingError: two do.
    """

    def check(spaces: dict[str, list[str]]) -> None:
        for (one, first), (other, second) in combinations(spaces.items(), 2):
            met = [
                f"{a} of {one} and {b} of {other}"
                for a in first
                for b in second
                if ip_network(a).overlaps(ip_network(b))
            ]
            if met:
                raise ExistingError(f"peering refuses networks that overlap: {', '.join(met)}")

    spaces = {
        name: vnet.address_space.apply(lambda space: list(space.address_prefixes or ()) if space else [])
        for name, vnet in networks.items()
    }
    return pulumi.Output.all(**spaces).apply(check)
