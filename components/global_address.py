"""A static anycast address, for one global load balancer in front of the entry points of several regions."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
from pulumi_azure_native import network, resources


class GlobalAddressArgs(TypedDict):
    """Where the address is made."""

    home_region: pulumi.Input[str]
    """A home region of global load balancers, short name, as in `eastus2` (learn: load-balancer/cross-region-overview).
    The address works while its home region is down."""
    resource_group_name: pulumi.Input[str]
    """Name of the resource group for the address and its load balancer, which the component creates."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]] | None]
    """Tags on everything that takes tags."""
    protect: NotRequired[bool]
    """Whether Pulumi refuses to delete the address and its resource group."""


class GlobalAddress(pulumi.ComponentResource):
    """A public address that outlives the entry points behind it.

    It is made before them, because each of their clusters must accept what arrives for it. A `GlobalLoadBalancer` then
    leads it to them.
    """

    ip_address: pulumi.Output[str]
    """The address."""
    address: network.PublicIPAddress
    """The address as a resource."""
    group: pulumi.Output[str]
    """The name of its resource group."""

    def __init__(self, name: str, args: GlobalAddressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:GlobalAddress", name, {}, opts)
        child_opts = pulumi.ResourceOptions(parent=self, protect=args.get("protect", False))
        group = resources.ResourceGroup(
            f"{name}-group",
            resource_group_name=args["resource_group_name"],
            location=args["home_region"],
            tags=args.get("tags"),
            opts=child_opts,
        )
        self.group = group.name
        self.address = network.PublicIPAddress(
            f"{name}-address",
            resource_group_name=group.name,
            public_ip_address_name=f"{name}-address",
            location=args["home_region"],
            sku=network.PublicIPAddressSkuArgs(name="Standard", tier="Global"),
            public_ip_allocation_method="Static",
            public_ip_address_version="IPv4",
            tags=args.get("tags"),
            opts=child_opts,
        )
        self.ip_address = self.address.ip_address.apply(lambda found: found or "")
        self.register_outputs({"ipAddress": self.ip_address})
