"""Resource groups, virtual networks, subnets and peerings."""

import re
from collections.abc import Collection, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from uuid import uuid4

from typing_extensions import override

from rehearsal.azure import errors
from rehearsal.azure.arm import (
    Name,
    Record,
    ResourceType,
    Subscription,
    last_segment,
    listed,
    nested,
    resource_group_of,
)
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import UNKNOWN, Problem, Properties

VIRTUAL_NETWORK = "azure-native:network:VirtualNetwork"
SUBNET = "azure-native:network:Subnet"
PEERING = "azure-native:network:VirtualNetworkPeering"
SECURITY_GROUP = "azure-native:network:NetworkSecurityGroup"
NAT_GATEWAY = "azure-native:network:NatGateway"

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
RULES = "learn: azure-resource-manager/management/resource-name-rules"


def etag() -> str:
    """Return a new ETag, which a network resource gets with each write."""
    return f'W/"{uuid4()}"'


def prefixes(inputs: Properties) -> list[Network]:
    """Return the known address ranges in the inputs of a virtual network or subnet."""
    values = [*listed(nested(inputs, "addressSpace"), "addressPrefixes"), *listed(inputs, "addressPrefixes")]
    values.append(inputs.get("addressPrefix"))
    return [ip_network(value) for value in values if value is not None and value is not UNKNOWN]


def overlaps(first: list[Network], second: list[Network]) -> list[Network]:
    """Return the ranges of the first list that overlap a range of the second."""
    return [a for a in first if any(a.version == b.version and a.overlaps(b) for b in second)]


def subnet_users(subscription: Subscription, subnet_id: str) -> list[tuple[Record, Properties]]:
    """Return the node pools in a subnet: for each, the cluster or the separate pool, and the pool's inputs."""
    clusters = subscription.all_of("azure-native:containerservice:ManagedCluster")
    pools = [(cluster, pool) for cluster in clusters for pool in listed(cluster["inputs"], "agentPoolProfiles")]
    separate = subscription.all_of("azure-native:containerservice:AgentPool")
    pools += [(pool, {"name": last_segment(pool["id"]), **pool["inputs"]}) for pool in separate]
    return [(record, pool) for record, pool in pools if str(pool.get("vnetSubnetID")).lower() == subnet_id.lower()]


AKS_DELEGATION: Final = "Microsoft.ContainerService/managedClusters"


def delegated_to(subnet_inputs: Properties) -> list[str]:
    """Return the services that a subnet is delegated to."""
    return [str(each.get("serviceName")) for each in listed(subnet_inputs, "delegations")]


def api_access(record: Record) -> Properties:
    """Return how the API server of a cluster or of a fleet's hub is reached."""
    inputs = record["inputs"]
    return nested(nested(inputs, "hubProfile") or inputs, "apiServerAccessProfile")


def api_servers_in(subscription: Subscription, subnet_id: str) -> list[Record]:
    """Return the clusters and fleets whose API servers have addresses of a subnet."""
    kinds = ("ManagedCluster", "Fleet")
    owners = [each for kind in kinds for each in subscription.all_of(f"azure-native:containerservice:{kind}")]
    return [each for each in owners if str(api_access(each).get("subnetId")).lower() == subnet_id.lower()]


def is_peered(subscription: Subscription, network_id: str, other_id: str) -> bool:
    """Return whether packets pass between two VNets by a peering."""
    return any(
        peering["outputs"].get("peeringState") == "Connected" and _remote(peering["inputs"]).lower() == other_id.lower()
        for peering in subscription.all_of(PEERING, network_id)
    )


def _address_problems(inputs: Properties, path: str) -> Iterator[Problem]:
    try:
        prefixes(inputs)
    except ValueError as error:
        yield Problem(path, f"not an address range in CIDR notation: {error}")


class ResourceGroup(ResourceType):
    """A resource group: deleting it deletes everything in it."""

    kind = "Microsoft.Resources/resourceGroups"
    api_version = "2024-03-01"
    name = Name("resourceGroupName", r"[-\w.()]{0,89}[-\w()]", RULES, "random")
    located = True
    immutable = ("location",)

    @override
    def id_of(self, subscription: Subscription, inputs: Properties) -> str:
        return f"{subscription.id}/resourceGroups/{inputs['resourceGroupName']}"

    @override
    def require_parents(self, subscription: Subscription, resource_id: str) -> None:
        """Do nothing: the subscription exists."""

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription, resource_id, inputs, old
        return {"properties": {"provisioningState": "Succeeded"}}


class VirtualNetwork(ResourceType):
    """A virtual network. Its subnets and peerings are separate resources."""

    kind = "Microsoft.Network/virtualNetworks"
    api_version = "2024-05-01"
    name = Name("virtualNetworkName", r"[a-zA-Z0-9][\w.-]{0,62}\w", RULES, "random")
    located = True
    immutable = ("location",)

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        yield from _address_problems(inputs, "addressSpace")
        for key in ("subnets", "virtualNetworkPeerings"):
            if inputs.get(key):
                # Mixing inline and separate resources makes Azure delete some of them (azure-native, CONTRIBUTING.md
                # "Sub-resources").
                yield Problem(key, "the rehearsal supports them only as separate resources")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del old
        for subnet in subscription.all_of(SUBNET, resource_id):
            _require_inside(last_segment(subnet["id"]), subnet["inputs"], last_segment(resource_id), inputs)
        for peering in subscription.all_of(PEERING, resource_id):
            remote = subscription.find(_remote(peering["inputs"]))
            if remote and (shared := overlaps(prefixes(inputs), prefixes(remote["inputs"]))):
                # Source: learn: virtual-network/update-virtual-network-peering-address-space; the error is the one for
                # a new peering, because Azure's error for this case is not documented.
                raise _overlapping(peering["id"], resource_id, remote["id"], shared)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription, resource_id
        # azure-native shows sub-resources that the program did not list as empty, although they are kept
        # (azure-native, provider.go, `setUnsetSubresourcePropertiesToDefaults`).
        return {
            "enableDdosProtection": inputs.get("enableDdosProtection", False),
            "etag": etag(),
            # Azure/azure-service-operator, recording Test_Networking_VirtualNetworkPeering_20240301
            "privateEndpointVNetPolicies": inputs.get("privateEndpointVNetPolicies", "Disabled"),
            "provisioningState": "Succeeded",
            "resourceGuid": old.get("resourceGuid") or str(uuid4()),
            "subnets": [],
            "virtualNetworkPeerings": [],
        }

    @override
    def applied(self, subscription: Subscription, record: Record, old: Record | None) -> None:
        if old is None:
            subscription.clusters.add_network(record["id"], [str(prefix) for prefix in prefixes(record["inputs"])])
        subscription.put(record)
        for peering in subscription.all_of(PEERING):
            if record["id"].lower() in (peering["id"].rsplit("/", 2)[0].lower(), _remote(peering["inputs"]).lower()):
                _compare_spaces(subscription, peering)

    @override
    def deleted(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        del to_delete
        subscription.clusters.remove_network(record["id"])


def _require_inside(subnet: str, subnet_inputs: Properties, network: str, network_inputs: Properties) -> None:
    space = prefixes(network_inputs)
    for own in prefixes(subnet_inputs):
        if not any(own.version == outer.version and own.subnet_of(outer) for outer in space):  # pyright: ignore[reportArgumentType] - both of one version
            raise errors.NETCFG_SUBNET_RANGE_OUTSIDE_VNET.refusal(subnet=subnet, network=network)


class Subnet(ResourceType):
    """A subnet: inside its network, without overlaps with other subnets."""

    kind = "Microsoft.Network/virtualNetworks/subnets"
    api_version = "2024-05-01"
    name = Name("subnetName", r"[a-zA-Z0-9]([\w.-]{0,78}\w)?", RULES, "copy")
    ancestors = ("virtualNetworkName",)

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        yield from _address_problems(inputs, "addressPrefix")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        if old and api_servers_in(subscription, resource_id) and delegated_to(old["inputs"]) != delegated_to(inputs):
            raise errors.SUBNET_MISSING_REQUIRED_DELEGATION.refusal(subnet=resource_id, service=AKS_DELEGATION)
        for key in ("networkSecurityGroup", "natGateway"):
            if (used := nested(inputs, key).get("id")) and subscription.find(used) is None:
                raise errors.INVALID_RESOURCE_REFERENCE.refusal(referenced=used, user=resource_id)
        network = subscription.require(resource_id.rsplit("/", 2)[0])
        name, network_name = last_segment(resource_id), last_segment(network["id"])
        _require_inside(name, inputs, network_name, network["inputs"])
        if old and (subnet_users(subscription, resource_id) or api_servers_in(subscription, resource_id)):
            for gone in [prefix for prefix in prefixes(old["inputs"]) if prefix not in prefixes(inputs)]:
                # Another range in addition to the first is accepted (learn:
                # virtual-network/how-to-multiple-prefixes-subnet).
                raise errors.IN_USE_PREFIX_CANNOT_BE_DELETED.refusal(prefix=gone, subnet=name)
        for other in subscription.all_of(SUBNET, network["id"]):
            if other is not old and overlaps(prefixes(inputs), prefixes(other["inputs"])):
                raise errors.NETCFG_SUBNET_RANGES_OVERLAP.refusal(subnet=name, network=network_name)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription, old
        return {
            # learn: rest/api/virtualnetwork/subnets/create-or-update, "Create subnet with a delegation"
            "delegations": [
                {
                    **delegation,
                    "actions": ["Microsoft.Network/virtualNetworks/subnets/join/action"],
                    "etag": etag(),
                    "id": f"{resource_id}/delegations/{delegation['name']}",
                    "provisioningState": "Succeeded",
                    "type": f"{self.kind}/delegations",
                }
                for delegation in listed(inputs, "delegations")
            ],
            "etag": etag(),
            # pulumi/pulumi-azure-native, recording upgrade-networked-vm; Azure/azure-service-operator, recording
            # Test_Networking_Subnet_20250301
            "privateEndpointNetworkPolicies": inputs.get("privateEndpointNetworkPolicies", "Disabled"),
            "privateLinkServiceNetworkPolicies": inputs.get("privateLinkServiceNetworkPolicies", "Enabled"),
            "provisioningState": "Succeeded",
        }

    @override
    def applied(self, subscription: Subscription, record: Record, old: Record | None) -> None:
        subscription.put(record)
        for inputs in (record["inputs"], old["inputs"] if old else {}):
            _write_subnets(subscription, firewall_of(inputs))

    @override
    def deleted(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        del to_delete
        _write_subnets(subscription, firewall_of(record["inputs"]), without=record)

    @override
    def admit_deletion(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        for user, pool in subnet_users(subscription, record["id"]):
            if user["id"].lower() not in to_delete:
                group = f"MC_{resource_group_of(user['id'])}_{user['id'].split('/')[8]}"
                nodes = f"Microsoft.Compute/virtualMachineScaleSets/aks-{pool['name']}-vmss"
                raise errors.IN_USE_SUBNET_CANNOT_BE_DELETED.refusal(
                    subnet=last_segment(record["id"]),
                    user=f"{subscription.id}/resourceGroups/{group}/providers/{nodes}",
                )
        for owner in api_servers_in(subscription, record["id"]):
            if owner["id"].lower() not in to_delete:
                # Assumed: as with nodes.
                raise errors.IN_USE_SUBNET_CANNOT_BE_DELETED.refusal(
                    subnet=last_segment(record["id"]), user=owner["id"]
                )


def firewall_of(subnet_inputs: Properties) -> str:
    """Return the ID of a subnet's security group; empty if it has none."""
    return str(nested(subnet_inputs, "networkSecurityGroup").get("id") or "")


def _write_subnets(subscription: Subscription, firewall_id: str, without: Record | None = None) -> None:
    """Write a security group's subnets, which its answers list (learn: rest/api/virtualnetwork)."""
    if firewall := subscription.find(firewall_id):
        subnets = [
            {"id": subnet["id"]}
            for subnet in subscription.all_of(SUBNET)
            if subnet is not without and firewall_of(subnet["inputs"]).lower() == firewall["id"].lower()
        ]
        if subnets:
            firewall["outputs"]["subnets"] = subnets
        else:
            firewall["outputs"].pop("subnets", None)


class NetworkSecurityGroup(ResourceType):
    """Rules for the packets of a subnet."""

    kind = "Microsoft.Network/networkSecurityGroups"
    api_version = "2024-05-01"
    name = Name("networkSecurityGroupName", r"[a-zA-Z0-9]([\w.-]{0,78}\w)?", RULES, "random")
    located = True
    immutable = ("location",)

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        first = dict[tuple[Any, Any], int]()
        for number, rule in enumerate(listed(inputs, "securityRules")):
            if rule is UNKNOWN:
                continue
            if (other := first.setdefault((rule.get("direction"), rule.get("priority")), number)) != number:
                # Source: learn: virtual-network/network-security-groups-overview
                reason = f"has the direction and the priority of securityRules[{other}]"
                yield Problem(f"securityRules[{number}].priority", reason)
            path, priority = f"securityRules[{number}].", rule.get("priority")
            if priority is not UNKNOWN and not _PRIORITIES[0] <= (priority or 0) <= _PRIORITIES[1]:
                yield Problem(f"{path}priority", f"must be from {_PRIORITIES[0]} to {_PRIORITIES[1]}")
            for key in ("sourceAddressPrefix", "sourcePortRange", "destinationAddressPrefix", "destinationPortRange"):
                # Source: learn: templates/microsoft.network/networksecuritygroups
                several = f"{key}es" if key.endswith("x") else f"{key}s"
                if not rule.get(key) and not rule.get(several):
                    yield Problem(f"{path}{key}", f"a rule needs {key} or {several}")
            for key in ("sourcePortRange", "destinationPortRange"):
                # Source: learn: templates/microsoft.network/networksecuritygroups
                if not all(
                    re.fullmatch(r"\*|\d+(-\d+)?", each) for each in _both(rule, key, "s") if each is not UNKNOWN
                ):
                    yield Problem(f"{path}{key}", "must be *, a port, or a range such as 80-90")

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription
        # Azure/azure-cli, recording test_network_nsg
        every = {"etag": etag(), "provisioningState": "Succeeded"}

        def rules(kind: str, given: Sequence[Properties]) -> list[Properties]:
            shown = f"{self.kind}/{kind}"
            return [
                {**_NO_PREFIXES, **rule, **every, "id": f"{resource_id}/{kind}/{rule['name']}", "type": shown}
                for rule in given
            ]

        return {
            **every,
            **({"subnets": old["subnets"]} if "subnets" in old else {}),
            "defaultSecurityRules": rules("defaultSecurityRules", _DEFAULT_RULES),
            "resourceGuid": old.get("resourceGuid") or str(uuid4()),
            "securityRules": rules("securityRules", listed(inputs, "securityRules")),
        }

    @override
    def admit_deletion(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        users = [
            subnet["id"]
            for subnet in subscription.all_of(SUBNET)
            if firewall_of(subnet["inputs"]).lower() == record["id"].lower() and subnet["id"].lower() not in to_delete
        ]
        if users:
            raise errors.IN_USE_NETWORK_SECURITY_GROUP_CANNOT_BE_DELETED.refusal(
                security_group=record["id"], users=", ".join(users)
            )


_PRIORITIES: Final = (100, 4096)  # learn: virtual-network/network-security-groups-overview
_NO_PREFIXES: Final[Properties] = {
    "destinationAddressPrefixes": [],
    "destinationPortRanges": [],
    "sourceAddressPrefixes": [],
    "sourcePortRanges": [],
}


def _default_rule(name: str, priority: int, source: str, destination: str) -> Properties:
    return {
        "name": name,
        "access": "Deny" if name.startswith("Deny") else "Allow",
        "direction": "Inbound" if name.endswith("InBound") else "Outbound",
        "priority": priority,
        "protocol": "*",
        "sourceAddressPrefix": source,
        "sourcePortRange": "*",
        "destinationAddressPrefix": destination,
        "destinationPortRange": "*",
    }


# Azure/azure-cli, recording test_network_nsg
_DEFAULT_RULES: Final = (
    _default_rule("AllowVnetInBound", 65000, "VirtualNetwork", "VirtualNetwork"),
    _default_rule("AllowAzureLoadBalancerInBound", 65001, "AzureLoadBalancer", "*"),
    _default_rule("DenyAllInBound", 65500, "*", "*"),
    _default_rule("AllowVnetOutBound", 65000, "VirtualNetwork", "VirtualNetwork"),
    _default_rule("AllowInternetOutBound", 65001, "*", "Internet"),
    _default_rule("DenyAllOutBound", 65500, "*", "*"),
)


def admits(subscription: Subscription, subnet_id: str, port: int, origin_id: str | None = None) -> bool:
    """Return whether a TCP packet gets past the security groups on its way to a subnet.

    The rule with the lowest priority decides, on each side (learn: virtual-network/network-security-groups-overview).

    Args:
        subscription: the subscription.
        subnet_id: the subnet of the destination.
        port: the destination's port.
        origin_id: the subnet that the packet comes from, of which the first node stands for all. None for the internet:
            then the destination is the load balancer's public address (floating IP), so a rule for the subnet's
            addresses does not match.
    """
    target = subscription.find(subnet_id)
    if origin_id is None:
        return _passes(subscription, target, "Inbound", (_CLIENT, _FRONTEND), port)
    origin = subscription.find(origin_id)
    if origin is None or target is None:
        return True
    addresses = _first_node(origin), _first_node(target)
    return _passes(subscription, origin, "Outbound", addresses, port) and _passes(
        subscription, target, "Inbound", addresses, port
    )


# A client, and a load balancer, on the internet: addresses for documentation (RFC 5737).
_CLIENT, _FRONTEND = ip_address("203.0.113.1"), ip_address("203.0.113.2")


def _first_node(subnet: Record) -> Address:
    """Return the first address of a subnet that Azure does not keep (learn: virtual-network/virtual-networks-faq)."""
    return prefixes(subnet["inputs"])[0][4]


def _passes(
    subscription: Subscription, subnet: Record | None, direction: str, addresses: tuple[Address, Address], port: int
) -> bool:
    """Return whether the security group of a subnet lets packets from one address to another one pass."""
    firewall = subscription.find(firewall_of(subnet["inputs"])) if subnet else None
    if subnet is None or firewall is None:
        return True
    source, destination = addresses
    near = _near(subscription, subnet)
    rules = [*listed(firewall["inputs"], "securityRules"), *_DEFAULT_RULES]
    deciding = next(
        rule
        for rule in sorted(rules, key=lambda rule: int(rule["priority"]))
        if rule["direction"] == direction
        and rule["protocol"].lower() in ("tcp", "*")
        and any(_covers(prefix, source, near) for prefix in _both(rule, "sourceAddressPrefix", "es"))
        and any(_covers(prefix, destination, near) for prefix in _both(rule, "destinationAddressPrefix", "es"))
        and any(_within(port, ports) for ports in _both(rule, "destinationPortRange", "s"))
    )
    return deciding["access"] == "Allow"


def _near(subscription: Subscription, subnet: Record) -> list[Network]:
    """Return the ranges of the tag VirtualNetwork: the subnet's own network, and what it is peered with."""
    network_id = subnet["id"].rsplit("/", 2)[0]
    network = subscription.find(network_id)
    spaces: list[Properties] = [network["inputs"]] if network else []
    spaces += [
        {"addressSpace": peering["outputs"]["remoteAddressSpace"]}
        for peering in subscription.all_of(PEERING)
        if _own(peering).lower() == network_id.lower() and peering["outputs"].get("peeringState") == "Connected"
    ]
    return [prefix for space in spaces for prefix in prefixes(space)]


def _covers(prefix: str, address: Address, near: list[Network]) -> bool:
    """Return whether a rule's prefix has an address (tags: learn: virtual-network/service-tags-overview)."""
    if prefix == "*":
        return True
    if prefix in ("VirtualNetwork", "Internet"):
        return any(address in each for each in near) is (prefix == "VirtualNetwork")
    try:
        return address in ip_network(prefix, strict=False)
    except ValueError:  # another tag: of Azure's own services
        return False


def _both(rule: Properties, key: str, plural: str) -> set[str]:
    return {*listed(rule, f"{key}{plural}"), *([rule[key]] if rule.get(key) else [])}


def _within(port: int, ports: str) -> bool:
    first, _, last = ports.partition("-")
    return ports == "*" or int(first) <= port <= int(last or first)


class NatGateway(ResourceType):
    """The way out of subnets, with addresses of its own."""

    kind = "Microsoft.Network/natGateways"
    api_version = "2024-05-01"
    name = Name("natGatewayName", r"[a-zA-Z0-9]([\w.-]{0,78}\w)?", RULES, "random")
    located = True
    immutable = ("location", "zones")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del old
        for address in listed(inputs, "publicIpAddresses"):
            if subscription.find(address["id"]) is None:
                raise errors.INVALID_RESOURCE_REFERENCE.refusal(referenced=address["id"], user=resource_id)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription, resource_id
        return {
            "etag": etag(),
            "idleTimeoutInMinutes": inputs.get("idleTimeoutInMinutes", 4),  # learn: nat-gateway/nat-gateway-resource
            "provisioningState": "Succeeded",
            "resourceGuid": old.get("resourceGuid") or str(uuid4()),
        }

    @override
    def admit_deletion(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        if users := _subnets_with(subscription, "natGateway", record, to_delete):
            raise errors.IN_USE_NAT_GATEWAY_CANNOT_BE_DELETED.refusal(gateway=record["id"], users=users)


def _subnets_with(subscription: Subscription, key: str, record: Record, to_delete: Collection[str]) -> str:
    """Return the IDs of the subnets that refer to a resource and stay."""
    used = record["id"].lower()
    return ", ".join(
        subnet["id"]
        for subnet in subscription.all_of(SUBNET)
        if str(nested(subnet["inputs"], key).get("id")).lower() == used and subnet["id"].lower() not in to_delete
    )


class VirtualNetworkPeering(ResourceType):
    """One direction of a peering: Initiated until the other direction exists, then both are Connected."""

    kind = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings"
    api_version = "2024-05-01"
    name = Name("virtualNetworkPeeringName", r"[a-zA-Z0-9]([\w.-]{0,78}\w)?", RULES, "copy")
    ancestors = ("virtualNetworkName",)

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        remote = inputs.get("remoteVirtualNetwork")
        if remote is not UNKNOWN and not _remote(inputs):
            # Documented in learn: templates/microsoft.network/virtualnetworks/virtualnetworkpeerings.
            yield Problem("remoteVirtualNetwork.id", "a peering needs the virtual network on its other side")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        own = subscription.require(resource_id.rsplit("/", 2)[0])
        remote = subscription.require(_remote(inputs))
        if old and _remote(old["inputs"]).lower() != remote["id"].lower():
            raise errors.CHANGING_REMOTE_VIRTUAL_NETWORK_NOT_ALLOWED.refusal(peering=resource_id, remote=remote["id"])
        shared = overlaps(prefixes(own["inputs"]), prefixes(remote["inputs"]))
        if shared:
            raise _overlapping(resource_id, own["id"], remote["id"], shared)
        for peering in subscription.all_of(PEERING, own["id"]):
            if peering is not old and _remote(peering["inputs"]).lower() == remote["id"].lower():
                raise errors.ANOTHER_PEERING_ALREADY_REFERENCES_REMOTE_VNET.refusal(
                    peering=peering["id"], remote=remote["id"]
                )
        for peering in subscription.all_of(PEERING, remote["id"]):
            third = subscription.find(_remote(peering["inputs"]))
            if third is None or third["id"] == own["id"]:
                continue
            shared = overlaps(prefixes(own["inputs"]), prefixes(third["inputs"]))
            if shared:
                raise errors.VNET_ADDRESS_SPACE_OVERLAPS_WITH_ALREADY_PEERED_VNET.refusal(
                    peering=resource_id,
                    own=own["id"],
                    remote=remote["id"],
                    third=third["id"],
                    ranges=", ".join(map(str, shared)),
                )
        opposite = _opposite(subscription, resource_id, inputs)
        if old is None and opposite and opposite["outputs"]["peeringState"] == "Disconnected":
            raise errors.REMOTE_PEERING_IS_DISCONNECTED.refusal(
                peering=resource_id, opposite=opposite["id"], own=own["id"]
            )

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        opposite = _opposite(subscription, resource_id, inputs)
        # A peering has the remote range of its creation or of its last sync (learn:
        # virtual-network/update-virtual-network-peering-address-space; Azure/bicep-types-az issue 2621).
        syncs = inputs.get("syncRemoteAddressSpace") == "true" or old.get("peeringState") in (None, "Disconnected")
        space = subscription.require(_remote(inputs))["inputs"]["addressSpace"] if syncs else old["remoteAddressSpace"]
        return {
            # Defaults: Azure/azure-service-operator, recording Test_Networking_VirtualNetworkPeering_20240301
            **{key: inputs.get(key, value) for key, value in _PEERING_DEFAULTS.items()},
            "etag": etag(),
            "provisioningState": "Succeeded",
            "remoteAddressSpace": space,
            # Both directions have the same (Azure/azure-cli, recording test_network_vnet_peering).
            "resourceGuid": old.get("resourceGuid")
            or (opposite or {}).get("outputs", {}).get("resourceGuid")
            or str(uuid4()),
        }

    @override
    def applied(self, subscription: Subscription, record: Record, old: Record | None) -> None:
        del old
        subscription.put(record)
        opposite = _opposite(subscription, record["id"], record["inputs"])
        record["outputs"]["peeringState"] = "Connected" if opposite else "Initiated"
        _compare_spaces(subscription, record)
        if opposite:
            opposite["outputs"]["peeringState"] = "Connected"
            _compare_spaces(subscription, opposite)
            # The default is true (learn: templates/microsoft.network/virtualnetworks/virtualnetworkpeerings).
            peered = all(each["inputs"].get("allowVirtualNetworkAccess", True) for each in (record, opposite))
            subscription.clusters.set_peered(_own(record), _remote(record["inputs"]), peered=peered)
            for each in (record, opposite):
                known = [str(prefix) for prefix in prefixes({"addressSpace": each["outputs"]["remoteAddressSpace"]})]
                subscription.clusters.set_routes(_own(each), _remote(each["inputs"]), known)

    @override
    def deleted(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        del to_delete
        opposite = _opposite(subscription, record["id"], record["inputs"])
        if opposite:
            opposite["outputs"]["peeringState"] = "Disconnected"
            subscription.clusters.set_peered(_own(record), _remote(record["inputs"]), peered=False)


_PEERING_DEFAULTS: Final = {
    "allowForwardedTraffic": False,
    "allowGatewayTransit": False,
    "allowVirtualNetworkAccess": True,
    "doNotVerifyRemoteGateways": False,
    "peerCompleteVnets": True,
    "useRemoteGateways": False,
}


def _overlapping(peering_id: str, own_id: str, remote_id: str, shared: list[Network]) -> RefusedError:
    return errors.VNET_ADDRESS_SPACES_OVERLAP.refusal(
        peering=peering_id, own=own_id, remote=remote_id, ranges=", ".join(map(str, shared))
    )


# By whether a peering has the current remote range, and whether the opposite peering has ours. The first and the last
# are recorded (Azure/azure-cli, test_network_vnet_peering_sync.yaml). The others follow from reports of when a sync is
# needed: ansible-collections/azure PR 1025, Azure/azure-powershell issue 24168.
_SYNC_LEVELS: Final = {
    (True, False): "RemoteNotInSync",
    (False, True): "LocalNotInSync",
    (False, False): "LocalAndRemoteNotInSync",
    (True, True): "FullyInSync",
}


def _compare_spaces(subscription: Subscription, peering: Record) -> None:
    """Write a peering's sync level and the current remote range."""
    own, remote = subscription.find(_own(peering)), subscription.find(_remote(peering["inputs"]))
    if own and remote:
        opposite = _opposite(subscription, peering["id"], peering["inputs"])
        knows = peering["outputs"]["remoteAddressSpace"] == remote["inputs"]["addressSpace"]
        known = bool(opposite) and opposite["outputs"]["remoteAddressSpace"] == own["inputs"]["addressSpace"]
        peering["outputs"] |= {
            "peeringSyncLevel": _SYNC_LEVELS[knows, known],
            "remoteVirtualNetworkAddressSpace": remote["inputs"]["addressSpace"],
        }


def _own(peering: Record) -> str:
    return peering["id"].rsplit("/", 2)[0]


def _remote(inputs: Properties) -> str:
    return nested(inputs, "remoteVirtualNetwork").get("id") or ""


def _opposite(subscription: Subscription, peering_id: str, inputs: Properties) -> Record | None:
    own_network = peering_id.rsplit("/", 2)[0].lower()
    candidates = subscription.all_of(PEERING, _remote(inputs))
    return next((peering for peering in candidates if _remote(peering["inputs"]).lower() == own_network), None)
