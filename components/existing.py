"""What the pattern needs of resources that were there before it: said as soon as they are read."""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from ipaddress import ip_network
from itertools import combinations, product
from typing import Any, Generic, TypeVar

import pulumi
import pulumi_azure_native as azure_native
from pulumi_azure_native import containerservice, network
from pulumi_azure_native.containerservice import outputs as aks

_T = TypeVar("_T")
_Resource = TypeVar("_Resource", bound=pulumi.CustomResource)


class ExistingError(pulumi.RunError):
    """A resource that exists is not what the pattern needs; Pulumi shows the message of a RunError and no traceback."""


def unreadable(what: str, error: Exception) -> ExistingError:
    """Return the failure of a request in one sentence; the SDK gives only a traceback (pulumi 3.272.0, invoke.py)."""
    return ExistingError(f"{what} cannot be read: {str(error).rpartition('returned an error: ')[2]}")


class _Part(Generic[_T]):
    """One part of an answer, asked for when it is awaited."""

    def __init__(self, what: str, ask: Callable[[], Awaitable[_T]]) -> None:
        self._what, self._ask = what, ask

    def __await__(self) -> Generator[Any, None, _T]:
        return self._tell().__await__()

    async def _tell(self) -> _T:
        try:
            return await self._ask()
        except pulumi.RunError:
            raise
        except Exception as error:  # noqa: BLE001 - the SDK raises just that
            raise unreadable(self._what, error) from None


def readable(what: str, answer: pulumi.Output[_T]) -> pulumi.Output[_T]:
    """Return the answer to a request; its failure is an `ExistingError` that says what was asked for."""
    value = _Part[Any](what, lambda: answer.future(with_unknowns=True))
    known, secret = _Part(what, answer.is_known), _Part(what, answer.is_secret)
    return pulumi.Output(_Part(what, answer.resources), value, known, secret)


def with_id(resource: _Resource, resource_id: pulumi.Input[str]) -> _Resource:
    """Return a resource that was read, with an id that previews know too.

    An engine that does not repeat the id in its answer leaves it unknown to the SDK until `up` (engine v3.259.0; pulumi
    3.272.0, runtime/resource.py, `read_resource`). Each preview would then replace every resource that refers to it.
    """
    vars(resource)["id"] = pulumi.Output.all(resource.urn, resource_id).apply(lambda found: found[1])
    return resource


def told(resource: pulumi.CustomResource, output: pulumi.Output[_T]) -> pulumi.Output[_T | None]:
    """Return an output of a resource from `with_id`; None if Azure has no value, which a preview takes for unknown."""

    async def value() -> _T | None:
        return await output.future() if await output.is_known() else None

    return pulumi.Output(output.resources(), value(), resource.id.is_known(), output.is_secret())


def part_of(resource_id: str, kind: str) -> str:
    """Return the name that follows a kind, such as `resourceGroups`, in an Azure id; case does not count."""
    parts = resource_id.split("/")
    return parts[[part.lower() for part in parts].index(kind.lower()) + 1]


def network_of(subnet_id: str) -> str:
    """Return the id of the VNet that a subnet is in."""
    return "/".join(subnet_id.split("/")[:-2])


def cluster_network(cluster_id: str, provider: azure_native.Provider | None) -> str | None:
    """Return the id of the VNet that a cluster's pools are in, read at once: it decides which peerings there are.

    Args:
        cluster_id: the cluster.
        provider: the Azure provider of its subscription; None for the default one.

    Returns:
        None where they are not in one of the owner's, which `flat_subnet` refuses.

    Raises:
        ExistingError: the cluster cannot be read.
    """
    try:
        cluster = containerservice.get_managed_cluster(
            resource_group_name=part_of(cluster_id, "resourceGroups"),
            resource_name=part_of(cluster_id, "managedClusters"),
            opts=pulumi.InvokeOptions(provider=provider),
        )
    except Exception as error:  # noqa: BLE001 - the SDK raises just that
        raise unreadable(cluster_id, error) from None
    networks = {network_of(pool.vnet_subnet_id) for pool in cluster.agent_pool_profiles or () if pool.vnet_subnet_id}
    return networks.pop() if len(networks) == 1 else None


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

    return pulumi.Output.all(fleet.name, told(fleet, fleet.hub_profile)).apply(check)


def large_enough(region: str, subnet: network.Subnet, addresses: int) -> pulumi.Output[str]:
    """Return the id of a subnet.

    Raises:
        ExistingError: it has fewer addresses than a cluster takes that is to be alone in it.
    """

    def check(found: list[Any]) -> str:
        subnet_id, *ranges = found
        prefixes = [prefix for each in ranges for prefix in ([each] if isinstance(each, str) else each or ())]
        size = sum(network.num_addresses for network in map(ip_network, dict.fromkeys(prefixes)))
        if size < addresses:
            raise ExistingError(
                f"{region}: the subnet {', '.join(prefixes)} has {size} addresses, the node pool needs {addresses}: "
                "choose a larger subnet, fewer nodes or a lower maxPods"
            )
        return str(subnet_id)

    ranges = told(subnet, subnet.address_prefix), told(subnet, subnet.address_prefixes)
    return pulumi.Output.all(subnet.id, *ranges).apply(check)


def services_of(cluster: containerservice.ManagedCluster) -> pulumi.Output[str | None]:
    """Return the range of a cluster's services."""
    return cluster.network_profile.apply(lambda profile: profile.service_cidr if profile else None)


def ranges_of(vnet: network.VirtualNetwork) -> pulumi.Output[list[str]]:
    """Return the ranges of a network."""
    return vnet.address_space.apply(lambda space: list(space.address_prefixes or ()) if space else [])


def apart(
    networks: Mapping[str, network.VirtualNetwork], services: Mapping[str, pulumi.Input[str | None]]
) -> pulumi.Output[None]:
    """See that no two networks overlap, and no cluster's services a network, by the names of their regions.

    Raises:
        ExistingError: two do.
    """

    def check(found: list[dict[str, Any]]) -> None:
        spaces, services = found
        for (one, first), (other, second) in combinations(spaces.items(), 2):
            if met := _overlaps(one, first, other, second):
                raise ExistingError(f"peering refuses networks that overlap: {met}")
        for (one, services_range), (other, space) in product(services.items(), spaces.items()):
            if met := _overlaps(f"the services of {one}", [services_range] if services_range else [], other, space):
                # Source: learn: aks/concepts-network-legacy-cni
                raise ExistingError(f"services hide the pods of a network that they overlap: {met}")

    spaces = {name: ranges_of(vnet) for name, vnet in networks.items()}
    return pulumi.Output.all(pulumi.Output.all(**spaces), pulumi.Output.all(**services)).apply(check)


def _overlaps(one: str, first: Sequence[str], other: str, second: Sequence[str]) -> str:
    met = [(a, b) for a, b in product(first, second) if ip_network(a).overlaps(ip_network(b))]
    return ", ".join(f"{a} of {one} and {b} of {other}" for a, b in met)
