"""The networks of all regions as one: every pod can reach every other."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import NotRequired, TypedDict

import pulumi
import pulumi_azure_native as azure_native
from pulumi_azure_native import containerservice, network

from .existing import apart, part_of, ranges_of
from .retries import NETWORK_BUSY, retry
from .subscriptions import in_subscription


class PeeredNetwork(TypedDict):
    """One region's network in the mesh."""

    virtual_network: network.VirtualNetwork
    """The VNet."""
    resource_group_name: pulumi.Input[str]
    """The group it is in."""
    subnet: network.Subnet
    """Its subnet, which must be written before a peering starts."""
    cluster: NotRequired[containerservice.ManagedCluster | None]
    """The region's cluster: AKS cannot create or scale it while its VNet is being written, so the peerings come
    after it. None where nothing of the VNet's clusters is written."""
    existing: NotRequired[bool]
    """Whether the VNet existed before, so that its group is read from its id. False by default."""
    provider: NotRequired[azure_native.Provider | None]
    """The Azure provider of the VNet's subscription; None for the component's."""
    shared: NotRequired[str | None]
    """What the regions of one VNet have in common, such as its id: it is peered once. None for a VNet of its own."""
    peered: NotRequired[bool]
    """Whether somebody else connects the VNet with every other one that says so; none of these is peered with another
    here. False by default."""
    service_cidr: NotRequired[pulumi.Input[str | None]]
    """The range of the services of the region's cluster, which must overlap no network. Looked at where a network
    exists."""


class PeeredNetworksArgs(TypedDict):
    """What makes the mesh."""

    networks: Mapping[str, PeeredNetwork]
    """The networks to be peered, by the name of their region. Their ranges must not overlap."""


class PeeredNetworks(pulumi.ComponentResource):
    """A full mesh of peerings in both directions."""

    last: dict[str, network.VirtualNetworkPeering]
    """Each region's last peering, by its name: when it is there, so are all others of the region, in both
    directions. A region whose network is peered with none has none."""

    def __init__(self, name: str, args: PeeredNetworksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:PeeredNetworks", name, {}, opts)
        busy = retry("network-retry", *NETWORK_BUSY)
        regions = args["networks"]
        # A VNet that several regions are in has one place in the mesh, that of the first of them.
        places = dict[str, str]()
        place = {name: places.setdefault((each.get("shared") or name).lower(), name) for name, each in regions.items()}
        inside = {first: [regions[name] for name in regions if place[name] == first] for first in places.values()}
        peered = {first for first, each in inside.items() if any(region.get("peered") for region in each)}
        networks = {first: regions[first]["virtual_network"] for first in inside}
        last = dict[str, network.VirtualNetworkPeering]()
        # What the program makes may be compared before; of what exists the ranges are known only now.
        fit = (
            apart(networks, {name: each.get("service_cidr") for name, each in regions.items()})
            if any(each.get("existing") for each in regions.values())
            else None
        )
        for here, there in chain.from_iterable(((a, b), (b, a)) for a, b in _tournament(list(inside))):
            if {here, there} <= peered:
                continue
            local = regions[here]
            provider = local.get("provider")
            peering = network.VirtualNetworkPeering(
                f"{name}-{here}-to-{there}",
                resource_group_name=self._group_of(local) if local.get("existing") else local["resource_group_name"],
                virtual_network_name=local["virtual_network"].name,
                virtual_network_peering_name=f"{here.capitalize()}To{there.capitalize()}Peering",
                remote_virtual_network=network.SubResourceArgs(
                    id=pulumi.Output.all(networks[there].id, fit).apply(lambda found: found[0])
                    if fit
                    else networks[there].id
                ),
                allow_virtual_network_access=True,
                # Routes to what the other network gains later come with the next write of the peering that says so:
                # the range makes it one (learn: virtual-network/update-virtual-network-peering-address-space;
                # Azure/azure-cli, `az network vnet peering sync`, sends the peering again with this parameter).
                remote_virtual_network_address_space=network.AddressSpaceArgs(
                    address_prefixes=ranges_of(networks[there])
                ),
                sync_remote_address_space="true",
                opts=pulumi.ResourceOptions(
                    parent=self,
                    provider=provider,
                    # Azure refuses a peering while either network is being written, be it a subnet or another
                    # peering (pulumi/pulumi-azure-native issue 4340): one after the other on each network. A cluster
                    # would fail after Azure has accepted it (VirtualNetworkNotInSucceededState, learn:
                    # troubleshoot/azure/azure-kubernetes/error-codes/virtualnetworknotinsucceededstate-error), so it
                    # comes first: a refused peering can be repeated.
                    depends_on=[
                        *(region["subnet"] for region in (*inside[here], *inside[there])),
                        *(found for region in (*inside[here], *inside[there]) if (found := region.get("cluster"))),
                        *(last[first] for first in (here, there) if first in last),
                    ],
                    # Lets `pulumi up --replace` recreate a disconnected peering, whose name must be free first.
                    delete_before_replace=True,
                    # Azure points no peering at another network (ChangingRemoteVirtualNetworkNotAllowed).
                    replace_on_changes=["remoteVirtualNetwork.id"],
                    hooks=busy,
                    transformations=[_without_aliases],
                ),
            )
            last[here] = last[there] = peering
        self.last = {name: last[first] for name, first in place.items() if first in last}
        self.register_outputs({})

    def _group_of(self, existing: PeeredNetwork) -> pulumi.Output[str]:
        provider = existing.get("provider")
        asked = pulumi.InvokeOptions(provider=provider) if provider else pulumi.InvokeOptions(parent=self)
        checked = in_subscription(
            existing["virtual_network"].id, asked, "give the network a `provider` of that subscription"
        )
        return checked.apply(lambda found: part_of(found, "resourceGroups"))


def _without_aliases(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """Register a peering without the SDK's aliases, one for each of 57 API versions that a state could name.

    No state of this program names one, and peerings are many: with 20 regions 380, whose aliases take 400 MB.
    """
    args.opts.aliases = None
    return pulumi.ResourceTransformationResult(args.props, args.opts)


def _tournament(regions: list[str]) -> Iterator[tuple[str, str]]:
    """Yield every pair once, in rounds in which each region appears once: n regions need n - 1 rounds (n, if odd)."""
    # The circle method: one stays, the others move on by one seat each round; an odd one out sits the round out.
    first, *ring = [*regions, *([""] * (len(regions) % 2))] or [""]
    for _ in ring:
        seats = [first, *ring]
        for a, b in zip(seats, reversed(seats[len(seats) // 2 :]), strict=False):
            if a and b:
                yield (a, b)
        ring = [ring[-1], *ring[:-1]]
