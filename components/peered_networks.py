"""The networks of all regions as one: every pod can reach every other."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import NotRequired, TypedDict

import pulumi
from pulumi_azure_native import network

from .existing import apart, part_of
from .retries import NETWORK_BUSY, retry


class PeeredNetwork(TypedDict):
    """One network of the mesh."""

    virtual_network: network.VirtualNetwork
    """The VNet."""
    resource_group_name: pulumi.Input[str]
    """The group it is in."""
    subnet: network.Subnet
    """Its subnet, which must be written before a peering starts."""
    existing: NotRequired[bool]
    """Whether its group is read from its id. False by default."""


class PeeredNetworksArgs(TypedDict):
    """What makes the mesh."""

    networks: Mapping[str, PeeredNetwork]
    """The networks to be peered, by the name of their region. Their ranges must not overlap."""


class PeeredNetworks(pulumi.ComponentResource):
    """A full mesh of peerings in both directions."""

    last: dict[str, network.VirtualNetworkPeering]
    """Each region's last peering, by its name: when it is there, so are all others of the region, in both
    directions. A single region has none."""

    def __init__(self, name: str, args: PeeredNetworksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:PeeredNetworks", name, {}, opts)
        busy = retry("network-retry", *NETWORK_BUSY)
        networks = {region: each["virtual_network"] for region, each in args["networks"].items()}
        self.last = {}
        # What the program makes may be compared before; of what exists the ranges are known only now.
        fit = apart(networks) if any(each.get("existing") for each in args["networks"].values()) else None
        for here, there in chain.from_iterable(((a, b), (b, a)) for a, b in _tournament(list(args["networks"]))):
            local, remote = args["networks"][here], args["networks"][there]
            peering = network.VirtualNetworkPeering(
                f"{name}-{here}-to-{there}",
                resource_group_name=local["virtual_network"].id.apply(lambda found: part_of(found, "resourceGroups"))
                if local.get("existing")
                else local["resource_group_name"],
                virtual_network_name=local["virtual_network"].name,
                virtual_network_peering_name=f"{here.capitalize()}To{there.capitalize()}Peering",
                remote_virtual_network=network.SubResourceArgs(
                    id=pulumi.Output.all(networks[there].id, fit).apply(lambda found: found[0])
                    if fit
                    else networks[there].id
                ),
                allow_virtual_network_access=True,
                opts=pulumi.ResourceOptions(
                    parent=self,
                    # Azure refuses a peering while either network is being written, be it a subnet or another
                    # peering (pulumi/pulumi-azure-native issue 4340): one after the other on each network.
                    depends_on=[
                        local["subnet"],
                        remote["subnet"],
                        *(self.last[region] for region in (here, there) if region in self.last),
                    ],
                    # `pulumi up --replace` on one direction mends a pair of which Azure has disconnected the other.
                    delete_before_replace=True,
                    hooks=busy,
                    transformations=[_without_aliases],
                ),
            )
            self.last[here] = self.last[there] = peering
        self.register_outputs({})


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
