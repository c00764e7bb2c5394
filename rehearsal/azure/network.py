"""Resource groups, virtual networks, subnets and peerings."""

from collections.abc import Collection, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final
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

Network = IPv4Network | IPv6Network
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
        for key in ("networkSecurityGroup", "natGateway"):
            if used := nested(inputs, key).get("id"):
                subscription.require(used)
        network = subscription.require(resource_id.rsplit("/", 2)[0])
        name, network_name = last_segment(resource_id), last_segment(network["id"])
        _require_inside(name, inputs, network_name, network["inputs"])
        if old and subnet_users(subscription, resource_id):
            for gone in [prefix for prefix in prefixes(old["inputs"]) if prefix not in prefixes(inputs)]:
                # Another range in addition to the first is accepted (learn:
                # virtual-network/how-to-multiple-prefixes-subnet).
                raise errors.IN_USE_PREFIX_CANNOT_BE_DELETED.refusal(prefix=gone, subnet=name)
        for other in subscription.all_of(SUBNET, network["id"]):
            if other is not old and overlaps(prefixes(inputs), prefixes(other["inputs"])):
                raise errors.NETCFG_SUBNET_RANGES_OVERLAP.refusal(subnet=name, network=network_name)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription, resource_id, old
        return {
            "delegations": [],
            "etag": etag(),
            # pulumi/pulumi-azure-native, recording upgrade-networked-vm; Azure/azure-service-operator, recording
            # Test_Networking_Subnet_20250301
            "privateEndpointNetworkPolicies": inputs.get("privateEndpointNetworkPolicies", "Disabled"),
            "privateLinkServiceNetworkPolicies": inputs.get("privateLinkServiceNetworkPolicies", "Enabled"),
            "provisioningState": "Succeeded",
        }

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


class NetworkSecurityGroup(ResourceType):
    """What may enter and leave a subnet."""

    kind = "Microsoft.Network/networkSecurityGroups"
    api_version = "2024-05-01"
    name = Name("networkSecurityGroupName", r"[a-zA-Z0-9]([\w.-]{0,78}\w)?", RULES, "random")
    located = True
    immutable = ("location",)

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        for number, rule in enumerate(listed(inputs, "securityRules")):
            priority = rule.get("priority") if rule is not UNKNOWN else None
            # Source: learn: virtual-network/network-security-groups-overview
            if isinstance(priority, int | float) and not 100 <= priority <= 4096:  # noqa: PLR2004 - Azure's limits
                yield Problem(f"securityRules[{number}].priority", f"{priority:g} is not between 100 and 4096")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del subscription, resource_id, old
        seen = dict[tuple[str, float], str]()
        for rule in listed(inputs, "securityRules"):
            other = seen.setdefault((rule["direction"], rule["priority"]), rule["name"])
            if other != rule["name"]:
                raise errors.SECURITY_RULE_CONFLICT.refusal(rule=rule["name"], other=other)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription
        rules = [
            {
                **rule,
                "etag": etag(),
                "id": f"{resource_id}/securityRules/{rule['name']}",
                "provisioningState": "Succeeded",
            }
            for rule in listed(inputs, "securityRules")
        ]
        return {
            "defaultSecurityRules": [],  # Azure lists its six rules; nothing reads them
            "etag": etag(),
            "provisioningState": "Succeeded",
            "resourceGuid": old.get("resourceGuid") or str(uuid4()),
            "securityRules": rules,
        }

    @override
    def admit_deletion(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        if users := _subnets_with(subscription, "networkSecurityGroup", record, to_delete):
            raise errors.IN_USE_SECURITY_GROUP_CANNOT_BE_DELETED.refusal(group=record["id"], users=users)


class NatGateway(ResourceType):
    """The way out of subnets, with addresses of its own."""

    kind = "Microsoft.Network/natGateways"
    api_version = "2024-05-01"
    name = Name("natGatewayName", r"[a-zA-Z0-9]([\w.-]{0,78}\w)?", RULES, "random")
    located = True
    immutable = ("location", "zones")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del resource_id, old
        for address in listed(inputs, "publicIpAddresses"):
            subscription.require(address["id"])

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
    """Return the ids of the subnets that refer to a resource and stay."""
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
