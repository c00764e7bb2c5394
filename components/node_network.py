"""A VNet with a subnet for nodes and pods, one for an API server, what may enter them, and a NAT gateway."""

from collections.abc import Mapping, Sequence
from typing import Final, NotRequired, TypedDict

import pulumi
from pulumi_azure_native import network

from .existing import Network

_PROTOCOLS: Final = {"TCP": "Tcp", "UDP": "Udp"}


class OpenPort(TypedDict):
    """A port that clients on the internet reach."""

    port: int
    """The port of the load balancer's Service."""
    protocol: NotRequired[str | None]
    """`TCP`, the default, `UDP` or `SCTP`."""


class NodeNetwork(TypedDict):
    """The network's settings, as in `RegionalClusterArgs`."""

    resource_group_name: pulumi.Input[str]
    location: pulumi.Input[str]
    virtual_network_name: pulumi.Input[str] | None
    address_space: pulumi.Input[str] | None
    subnet_name: pulumi.Input[str] | None
    node_subnet: pulumi.Input[str] | None
    tags: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None
    private: bool
    """Whether the subnet has no default outbound access."""
    open_ports: Sequence[OpenPort] | None
    """Makes a network security group with these ports; None for no group."""


def node_network(
    name: str, args: NodeNetwork, gateway: network.NatGateway | None, opts: pulumi.ResourceOptions
) -> Network:
    """Create the VNet and its subnet.

    Args:
        name: the region.
        args: the network's settings.
        gateway: the NAT gateway for outbound traffic; None for the cluster's load balancer.
        opts: the options of each resource.
    """
    virtual_network = network.VirtualNetwork(
        f"{name}-vnet",
        resource_group_name=args["resource_group_name"],
        virtual_network_name=args["virtual_network_name"],
        location=args["location"],
        address_space={"address_prefixes": [space]} if (space := args["address_space"]) else None,
        tags=args["tags"],
        opts=opts,
    )
    rules = (
        _security_group(f"{name}-rules", "nodes", args, args["open_ports"], opts)
        if args["open_ports"] is not None
        else None
    )
    subnet = network.Subnet(
        f"{name}-subnet",
        resource_group_name=args["resource_group_name"],
        virtual_network_name=virtual_network.name,
        subnet_name=args["subnet_name"],
        address_prefix=args["node_subnet"],
        # The load balancer or the gateway is used instead (learn: virtual-network/ip-services/default-outbound-access).
        default_outbound_access=False if args["private"] else None,
        network_security_group=network.NetworkSecurityGroupArgs(id=rules.id) if rules else None,
        nat_gateway=network.SubResourceArgs(id=gateway.id) if gateway else None,
        opts=opts,
    )
    return Network(virtual_network, subnet)


def api_server_subnet(
    name: str, prefix: pulumi.Input[str], args: NodeNetwork, nodes: Network, opts: pulumi.ResourceOptions
) -> network.Subnet:
    """Create the subnet in which AKS gives an API server its private address (learn: aks/api-server-vnet-integration).

    Args:
        name: the region.
        prefix: the subnet's range (CIDR).
        args: the network's settings.
        nodes: the VNet, and its subnet for nodes.
        opts: the options of each resource.
    """
    # Azure's own rules let in what AKS needs: nodes on 443 and 4443, and load balancers' probes on 9988.
    rules = (
        _security_group(f"{name}-api-rules", "api-server", args, (), opts) if args["open_ports"] is not None else None
    )
    return network.Subnet(
        f"{name}-api-subnet",
        resource_group_name=args["resource_group_name"],
        virtual_network_name=nodes.virtual_network.name,
        subnet_name="api-server",
        address_prefix=prefix,
        delegations=[
            network.DelegationArgs(name="aks", service_name="Microsoft.ContainerService/managedClusters"),
        ],
        default_outbound_access=False,
        network_security_group=network.NetworkSecurityGroupArgs(id=rules.id) if rules else None,
        # Subnets of a VNet are written one at a time (pulumi/pulumi-azure-native issue 4340).
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[nodes.subnet])),
    )


def nat_gateway(
    name: str, args: NodeNetwork, zones: Sequence[pulumi.Input[str]], opts: pulumi.ResourceOptions
) -> tuple[network.NatGateway, network.PublicIPAddress]:
    """Create a NAT gateway for the nodes, with an address of its own that stays (learn: aks/nat-gateway).

    Args:
        name: the region.
        args: the network's settings.
        zones: the address's availability zones.
        opts: the options of each resource.
    """
    address = network.PublicIPAddress(
        f"{name}-egress-address",
        resource_group_name=args["resource_group_name"],
        public_ip_address_name="egress",
        location=args["location"],
        sku=network.PublicIPAddressSkuArgs(name=network.PublicIPAddressSkuName.STANDARD),
        public_ip_allocation_method=network.IPAllocationMethod.STATIC,
        zones=list(zones) or None,
        tags=args["tags"],
        opts=opts,
    )
    gateway = network.NatGateway(
        f"{name}-egress",
        resource_group_name=args["resource_group_name"],
        nat_gateway_name="egress",
        location=args["location"],
        # In no zone: a gateway of this SKU is in one zone or in none.
        sku=network.NatGatewaySkuArgs(name=network.NatGatewaySkuName.STANDARD),
        public_ip_addresses=[network.SubResourceArgs(id=address.id)],
        tags=args["tags"],
        opts=opts,
    )
    return gateway, address


def _security_group(
    name: str, group: str, args: NodeNetwork, ports: Sequence[OpenPort], opts: pulumi.ResourceOptions
) -> network.NetworkSecurityGroup:
    # Azure's own rules let in what comes from the VNet, from peered ones and from load balancers' probes, and nothing
    # else. AKS never changes a subnet's group, only that of the nodes' interfaces (learn: aks/concepts-network).
    opened = [
        network.SecurityRuleArgs(
            name=f"AllowEntry{number}",
            priority=100 + number,
            direction="Inbound",
            access="Allow",
            protocol=_PROTOCOLS.get(port.get("protocol") or "TCP", "*"),
            source_address_prefix="Internet",
            source_port_range="*",
            # With floating IP the destination is the load balancer's public address, outside the subnet
            # (kubernetes-sigs/cloud-provider-azure).
            destination_address_prefix="*",
            destination_port_range=str(port["port"]),
        )
        for number, port in enumerate(ports)
    ]
    # No Linux node speaks RDP. SSH between nodes must stay open: AKS does not support blocking it (learn:
    # aks/outbound-rules-control-egress).
    no_rdp = network.SecurityRuleArgs(
        name="DenyRdp",
        priority=100,
        direction="Outbound",
        access="Deny",
        protocol="*",
        source_address_prefix="*",
        source_port_range="*",
        destination_address_prefix="*",
        destination_port_range="3389",
    )
    return network.NetworkSecurityGroup(
        name,
        resource_group_name=args["resource_group_name"],
        network_security_group_name=group,
        location=args["location"],
        security_rules=[*opened, no_rdp],
        tags=args["tags"],
        opts=opts,
    )
