"""Peerings between the VNets of all regions: every pod can reach every other one."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NotRequired, TypedDict

import pulumi
import pulumi_azure_native as azure_native
from pulumi_azure_native import containerservice, network

from .existing import address_ranges, checked, require_no_overlap
from .retries import NETWORK_RETRY
from .sdk import unchanged, without_aliases
from .subscriptions import resource_group_of


class PeeredNetwork(TypedDict):
    """One region's network in the mesh."""

    virtual_network: network.VirtualNetwork
    """The VNet."""
    resource_group_name: NotRequired[pulumi.Input[str] | None]
    """Name of the VNet's resource group (a cluster's `network_group`). None for a VNet that existed before: the group
    is read from its ID."""
    subnet: NotRequired[network.Subnet | None]
    """Its subnet, which must exist before a peering is created. None if the program creates no subnet in the VNet."""
    cluster: NotRequired[containerservice.ManagedCluster | None]
    """The region's cluster. AKS cannot create or scale it while its VNet is being written, so the peerings are created
    after it. None if the program creates no cluster in the VNet."""
    pool: NotRequired[containerservice.AgentPool | None]
    """The cluster's nodes for the apps (`RegionalCluster.user_pool`), which are created before the peerings, too."""
    fleet: NotRequired[containerservice.Fleet | None]
    """The fleet whose private hub is in the VNet, which is created before the peerings, too."""
    peering: NotRequired[network.VirtualNetworkPeering | None]
    """The last peering of the VNet in another mesh: a VNet's peerings are written one at a time."""
    peering_suffix: NotRequired[str | None]
    """Added to the names of the peerings in this VNet. For a VNet in which several programs write peerings: their names
    must differ. A peering that exists keeps its name."""
    provider: NotRequired[azure_native.Provider | None]
    """The Azure provider for the VNet's subscription; None for the component's."""
    shared: NotRequired[str | None]
    """A key for regions that share a VNet, such as the VNet's ID: it is peered once. None for a VNet with one
    region."""
    peered: NotRequired[bool]
    """Whether somebody else connects the VNet with all other VNets that have this set. No peerings are created between
    them. False by default."""
    lost: NotRequired[bool]
    """Whether the region no longer answers. Its peerings in `existing` are not changed, and no others are created.
    False by default."""
    service_cidr: NotRequired[pulumi.Input[str | None]]
    """The range of service addresses of the region's cluster. It must not overlap any of the VNets, which is checked
    here if one of them existed before."""


class PeeredNetworksArgs(TypedDict):
    """The VNets of the mesh."""

    networks: Mapping[str, PeeredNetwork]
    """The VNets to be peered, by the name of their region. Their ranges must not overlap."""
    existing: NotRequired[Sequence[str] | None]
    """The logical names of the peerings that the stack has. Lost networks keep these and get no others. None for a
    stack without lost networks."""


class PeeredNetworks(pulumi.ComponentResource):
    """A full mesh of peerings in both directions."""

    last: dict[str, network.VirtualNetworkPeering]
    """The last peering of each region, by the region's name: once it exists, all peerings of the region exist, in both
    directions. A region without peerings has no entry."""

    def __init__(self, name: str, args: PeeredNetworksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:PeeredNetworks", name, {}, opts)
        regions = args["networks"]
        # A VNet that several regions share has one place in the mesh, that of the first of them.
        places = dict[str, str]()
        place = {name: places.setdefault((each.get("shared") or name).lower(), name) for name, each in regions.items()}
        inside = {first: [regions[name] for name in regions if place[name] == first] for first in places.values()}
        peered = {first for first, each in inside.items() if any(region.get("peered") for region in each)}
        networks = {first: regions[first]["virtual_network"] for first in inside}
        last = dict[str, network.VirtualNetworkPeering]()
        # The caller can compare ranges that it has chosen. Those of existing VNets are known only after the look-up.
        services = {name: each.get("service_cidr") for name, each in regions.items()}
        lost = {first for first, each in inside.items() if all(region.get("lost") for region in each)}
        existing = args.get("existing")
        existed = any(each.get("resource_group_name") is None for each in regions.values())
        checks = [require_no_overlap(networks, services)] if existed else []
        for here, there in chain.from_iterable(((a, b), (b, a)) for a, b in _tournament(list(inside))):
            is_lost = bool({here, there} & lost)
            wanted = not {here, there} <= peered
            if is_lost and existing is not None:
                wanted = f"{name}-{here}-to-{there}" in existing
            if not wanted:
                continue
            local = regions[here]
            group = local.get("resource_group_name")
            peering = network.VirtualNetworkPeering(
                f"{name}-{here}-to-{there}",
                resource_group_name=self._group_of(local) if group is None else group,
                virtual_network_name=local["virtual_network"].name,
                virtual_network_peering_name=f"{here.capitalize()}To{there.capitalize()}Peering"
                + (local.get("peering_suffix") or ""),
                remote_virtual_network=network.SubResourceArgs(id=checked(networks[there].id, *checks)),
                allow_virtual_network_access=True,
                # When the other VNet's range changes, this input changes too, so that the peering is written again.
                # With `sync`, Azure then adds the routes (learn: virtual-network/
                # update-virtual-network-peering-address-space; Azure/azure-cli, `az network vnet peering sync`).
                remote_virtual_network_address_space=network.AddressSpaceArgs(
                    address_prefixes=address_ranges(networks[there])
                ),
                sync_remote_address_space="true",
                opts=pulumi.ResourceOptions(
                    parent=self,
                    provider=local.get("provider"),
                    # Azure refuses a peering while a subnet or another peering of either VNet is being written
                    # (pulumi/pulumi-azure-native issue 4340), so that each VNet gets one after the other. A cluster
                    # would fail after Azure has accepted it (VirtualNetworkNotInSucceededState, learn:
                    # troubleshoot/azure/azure-kubernetes/error-codes/virtualnetworknotinsucceededstate-error), so it
                    # comes first: a refused peering can be retried.
                    depends_on=[
                        *(
                            found
                            for region in (*inside[here], *inside[there])
                            for found in (
                                *(region.get("subnet"), region.get("cluster"), region.get("pool")),
                                *(region.get("fleet"), region.get("peering")),
                            )
                            if found
                        ),
                        *(last[first] for first in (here, there) if first in last),
                    ],
                    # Lets `pulumi up --replace` recreate a disconnected peering, whose name must be free first.
                    delete_before_replace=True,
                    ignore_changes=["virtualNetworkPeeringName"] if local.get("peering_suffix") else None,
                    # Azure cannot point a peering at another VNet (ChangingRemoteVirtualNetworkNotAllowed).
                    replace_on_changes=["remoteVirtualNetwork.id"],
                    hooks=NETWORK_RETRY.hooks(),
                    transformations=[without_aliases, *([unchanged] if is_lost else [])],
                ),
            )
            last[here] = last[there] = peering
        self.last = {name: last[first] for name, first in place.items() if first in last}
        self.register_outputs({})

    def _group_of(self, existing: PeeredNetwork) -> pulumi.Output[str]:
        provider = existing.get("provider")
        opts = pulumi.InvokeOptions(provider=provider) if provider else pulumi.InvokeOptions(parent=self)
        remedy = "give the network a `provider` of that subscription"
        return resource_group_of(existing["virtual_network"].id, opts, remedy)


def _tournament(regions: list[str]) -> Iterator[tuple[str, str]]:
    """Yield every pair once, in rounds in which each region appears once: n regions need n - 1 rounds (n, if odd)."""
    # The circle method: one region stays, the others rotate. With an odd number, one region has no pair in each round.
    first, *ring = [*regions, *([""] * (len(regions) % 2))] or [""]
    for _ in ring:
        seats = [first, *ring]
        for a, b in zip(seats, reversed(seats[len(seats) // 2 :]), strict=False):
            if a and b:
                yield (a, b)
        ring = [ring[-1], *ring[:-1]]
