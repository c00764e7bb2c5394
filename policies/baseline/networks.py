"""Network."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Final

from .plan import (
    CLUSTER,
    FLEET,
    FLOW_LOG,
    NETWORK,
    POOL,
    PUBLIC_ADDRESS,
    SECURITY_GROUP,
    SECURITY_RULE,
    SUBNET,
    Plan,
    Resource,
)
from .rule import Rule, Severity, azure_policy, baseline, checklist, given, is_, on, one_of, own, psrule

_LEAST_SUBNET: Final = 23  # /23, PSRule's AZURE_AKS_CNI_MINIMUM_CLUSTER_SUBNET_SIZE
_LATERAL: Final = (22, 3389)
_NO_SECURITY_GROUP: Final = {
    "GatewaySubnet",
    "AzureFirewallSubnet",
    "AzureFirewallManagementSubnet",
    "RouteServerSubnet",
}
_NOT_PRIVATE: Final = {"GatewaySubnet", "AzureFirewallSubnet", "AzureFirewallManagementSubnet", "AzureBastionSubnet"}
_LOCAL_NETWORK: Final = {"*", "virtualnetwork"}


def _large(subnet: Resource, plan: Plan) -> bool:
    """Return whether a subnet is large enough. Only subnets to which a pool refers are judged."""
    if not any(subnet.urn in pool for pool in _pool_subnets(plan)):
        return True
    prefixes = [subnet.at("addressPrefix"), *subnet.listed("addressPrefixes")]
    return any(ip_network(prefix).prefixlen <= _LEAST_SUBNET for prefix in prefixes if _is_range(prefix))


def _pool_subnets(plan: Plan) -> Iterator[frozenset[str]]:
    for cluster in plan.of(CLUSTER):
        yield cluster.uses.get("agentPoolProfiles", frozenset())
    for pool in plan.of(POOL):
        yield pool.uses.get("vnetSubnetID", frozenset())


def _service_range_apart(cluster: Resource, plan: Plan) -> bool:
    services = cluster.at("networkProfile.serviceCidr")
    return not _is_range(services) or not any(
        ip_network(services).overlaps(ip_network(prefix)) for prefix in _ranges(plan)
    )


def _dns_is_local(network: Resource, plan: Plan) -> bool:
    servers = network.listed("dhcpOptions.dnsServers")
    return not servers or any(ip_address(servers[0]) in ip_network(prefix) for prefix in _ranges(plan))


def _ranges(plan: Plan) -> list[str]:
    prefixes = [prefix for network in plan.of(NETWORK) for prefix in network.listed("addressSpace.addressPrefixes")]
    return [prefix for prefix in prefixes if _is_range(prefix)]


def _is_range(value: object) -> bool:
    return isinstance(value, str) and "/" in value


def _has_security_group(subnet: Resource, plan: Plan) -> bool:
    del plan
    return subnet.at("subnetName") in _NO_SECURITY_GROUP or subnet.has("networkSecurityGroup.id")


def _is_private(subnet: Resource, plan: Plan) -> bool:
    del plan
    exempt = subnet.at("subnetName") in _NOT_PRIVATE or subnet.has("delegations")
    return exempt or subnet.at("defaultOutboundAccess") is False


def _ordered(group: Resource, plan: Plan, direction: str) -> list[Resource]:
    found = plan.referring(group, SECURITY_RULE, "networkSecurityGroupName")
    return sorted(
        (rule for rule in found if is_("direction", direction)(rule, plan)), key=lambda rule: rule.number("priority")
    )


def _no_open_source(group: Resource, plan: Plan) -> bool:
    return not any(
        is_("access", "Allow")(rule, plan) and "*" in _texts(rule, "sourceAddressPrefix", "sourceAddressPrefixes")
        for rule in _ordered(group, plan, "Inbound")
    )


def _first_allows(group: Resource, plan: Plan) -> bool:
    first = next(iter(_ordered(group, plan, "Inbound")), None)
    return first is None or not (is_("access", "Deny")(first, plan) and first.at("sourceAddressPrefix") == "*")


def _blocks_lateral(group: Resource, plan: Plan) -> bool:
    """The first rule that matches decides, and the default allows everything inside the network."""
    for port in _LATERAL:
        for rule in _ordered(group, plan, "Outbound"):
            destinations = {
                text.lower() for text in _texts(rule, "destinationAddressPrefix", "destinationAddressPrefixes")
            }
            ports = _texts(rule, "destinationPortRange", "destinationPortRanges")
            if destinations & _LOCAL_NETWORK and any(_holds(text, port) for text in ports):
                if is_("access", "Deny")(rule, plan):
                    return True
                break
    return False


def _texts(rule: Resource, one: str, several: str) -> list[str]:
    return [str(text) for text in (rule.at(one), *rule.listed(several)) if text is not None]


def _holds(ports: str, port: int) -> bool:
    if ports == "*":
        return True
    low, _, high = ports.partition("-")
    return low.isdigit() and int(low) <= port <= int(high or low)


def _own_subnets(cluster: Resource, plan: Plan) -> bool:
    """Each pool names another subnet. Values that are not known are told apart by the resources they come from."""
    separate = [pool for pool in plan.pools(cluster) if pool.urn != cluster.urn]
    inline = [pool for pool in plan.pools(cluster) if pool.urn == cluster.urn]
    subnets = [pool.uses.get("vnetSubnetID", frozenset()) for pool in separate]
    return (
        len(inline) + len(separate) > 1
        and len(inline) <= 1
        and all(subnets)
        and len({*subnets, cluster.uses.get("agentPoolProfiles", frozenset())}) == len(separate) + len(inline)
    )


def _logs_flows(network: Resource, plan: Plan) -> bool:
    return bool(plan.referring(network, FLOW_LOG, "targetResourceId"))


def _zoned(address: Resource, plan: Plan) -> bool:
    """A global address is not in one region: it works while its home region is down.

    PSRule knows no global addresses (learn: load-balancer/cross-region-overview).
    """
    if is_("sku.tier", "Global")(address, plan):
        return True
    return is_("sku.name", "Standard")(address, plan) and set(address.listed("zones")) == {"1", "2", "3"}


RULES: Final = (
    Rule(
        "azure-cni",
        "clusters use Azure CNI",
        Severity.MEDIUM,
        (CLUSTER,),
        is_("networkProfile.networkPlugin", "azure"),
        "networkProfile.networkPlugin: azure",
        (azure_policy("46238e2f-3f6f-4589-9f3f-77bed4116e67"), checklist("a0f61565-9de5-458f-a372-49c831112dbd")),
    ),
    Rule(
        "network-policy",
        "clusters enforce network policies",
        Severity.IMPORTANT,
        (CLUSTER,),
        # PSRule does not know Cilium, which AKS recommends (learn: aks/use-network-policies).
        one_of("networkProfile.networkPolicy", "cilium", "azure", "calico"),
        "networkProfile: networkDataplane: cilium, networkPolicy: cilium (replaces a cluster)",
        (psrule("AKS.NetworkPolicy", "AZR-000027"), checklist("0751f099-e6f4-4250-b405-d2b26c707432")),
    ),
    Rule(
        "standard-load-balancer",
        "clusters have Standard load balancers",
        Severity.IMPORTANT,
        (CLUSTER,),
        is_("networkProfile.loadBalancerSku", "standard"),
        "networkProfile.loadBalancerSku: standard",
        (psrule("AKS.StandardLB", "AZR-000026"),),
    ),
    Rule(
        "node-subnet-size",
        f"subnets of nodes are /{_LEAST_SUBNET} or larger",
        Severity.IMPORTANT,
        (SUBNET,),
        _large,
        f"addressPrefix: /{_LEAST_SUBNET} or larger",
        (psrule("AKS.CNISubnetSize", "AZR-000020"), checklist("7faf12e7-0943-4f63-8472-2da29c2b1cd6")),
    ),
    Rule(
        "service-range-apart",
        "service ranges overlap no VNet",
        Severity.MEDIUM,
        (CLUSTER,),
        _service_range_apart,
        "networkProfile.serviceCidr",
        (checklist("22fbe8d6-9b40-47ef-9011-25bb1a555a6c"),),
    ),
    Rule(
        "subnet-security-group",
        "each subnet has a network security group",
        Severity.CRITICAL,
        (SUBNET,),
        _has_security_group,
        "networkSecurityGroup.id; if the entry point is public, with a rule that opens its port to the tag Internet",
        (psrule("VNET.UseNSGs", "AZR-000263"), azure_policy("e71308d3-144b-4262-b144-efdc3cc90517")),
    ),
    Rule(
        "private-subnet",
        "subnets have no default outbound access",
        Severity.CRITICAL,
        (SUBNET,),
        _is_private,
        "defaultOutboundAccess: false",
        (
            psrule("VNET.PrivateSubnet", "AZR-000447"),
            azure_policy("7bca8353-aa3b-429b-904a-9229c4385837"),
            baseline("private subnets"),
        ),
    ),
    Rule(
        "two-dns-servers",
        "VNets have Azure's DNS, or at least two servers",
        Severity.IMPORTANT,
        (NETWORK,),
        lambda network, _: len(network.listed("dhcpOptions.dnsServers")) != 1,
        "dhcpOptions.dnsServers: none, or at least two",
        (psrule("VNET.SingleDNS", "AZR-000264"),),
    ),
    Rule(
        "local-dns",
        "VNets have Azure's DNS, or a first server inside a VNet of the plan",
        Severity.IMPORTANT,
        (NETWORK,),
        _dns_is_local,
        "dhcpOptions.dnsServers: none, or a first one inside a VNet",
        (psrule("VNET.LocalDNS", "AZR-000265"),),
    ),
    Rule(
        "no-open-source",
        "no inbound rule of a security group allows any source",
        Severity.CRITICAL,
        (SECURITY_GROUP,),
        _no_open_source,
        "sourceAddressPrefix: Internet, or a range, in place of *",
        (psrule("NSG.AnyInboundSource", "AZR-000137"),),
    ),
    Rule(
        "no-first-deny",
        "the first inbound rule of a security group does not deny everything",
        Severity.IMPORTANT,
        (SECURITY_GROUP,),
        _first_allows,
        "securityRules without an own deny-all: Azure's default rule 65500 denies what is left",
        (psrule("NSG.DenyAllInbound", "AZR-000138"),),
    ),
    Rule(
        "no-lateral-traversal",
        "security groups deny SSH or RDP from their subnets to the VNet",
        Severity.IMPORTANT,
        (SECURITY_GROUP,),
        _blocks_lateral,
        "an outbound rule with access: Deny, destinationPortRange: 3389",
        (psrule("NSG.LateralTraversal", "AZR-000139"),),
    ),
    Rule(
        "own-egress",
        "nodes reach the internet through a NAT gateway or a firewall",
        Severity.MEDIUM,
        (CLUSTER,),
        one_of("networkProfile.outboundType", "userAssignedNATGateway", "managedNATGateway", "userDefinedRouting"),
        "networkProfile.outboundType: userAssignedNATGateway or userDefinedRouting (replaces a cluster)",
        (baseline("egress"), checklist("ccb534e7-416e-4a1d-8e93-533b53199085")),
    ),
    Rule(
        "zoned-address",
        "public addresses of a region are of the Standard SKU and in all zones",
        Severity.IMPORTANT,
        (PUBLIC_ADDRESS,),
        _zoned,
        'sku.name: Standard, zones: ["1", "2", "3"]',
        (psrule("PublicIP.StandardSKU", "AZR-000158"), psrule("PublicIP.AvailabilityZone", "AZR-000157")),
    ),
    Rule(
        "flow-logs",
        "flow logs record the traffic of each VNet",
        Severity.NONE,
        (NETWORK,),
        _logs_flows,
        "a FlowLog whose targetResourceId is the VNet",
        (azure_policy("4c3c6c5f-0d47-4402-99b8-aa543dd8bcee"),),
    ),
    Rule(
        "ddos-protection",
        "VNets have Azure DDoS Protection",
        Severity.NONE,
        (NETWORK,),
        lambda network, plan: (
            on("enableDdosProtection")(network, plan) and given("ddosProtectionPlan.id")(network, plan)
        ),
        "enableDdosProtection: true, ddosProtectionPlan.id",
        (
            azure_policy("a7aca53f-2ed4-4466-a25e-0b45ade68efd"),
            azure_policy("94de2ad3-e0c1-4caf-ad78-5d47bbc83d3d"),
        ),
    ),
    Rule(
        "subnet-for-each-pool",
        "each node pool has a subnet of its own",
        Severity.MEDIUM,
        (CLUSTER,),
        _own_subnets,
        "vnetSubnetID: another subnet for each pool",
        (checklist("22fbe8d6-9b40-47ef-9011-25bb1a555a6b"),),
    ),
    Rule(
        "metadata-blocked",
        "pods cannot reach their node's metadata service (IMDS)",
        Severity.MEDIUM,
        (CLUSTER,),
        is_("networkProfile.podLinkLocalAccess", "None"),
        "networkProfile.podLinkLocalAccess: None (preview API versions only)",
        (checklist("4fb072a7-0303-46d8-9ecf-d8aa4d69ff83"),),
    ),
    Rule(
        "private-hub",
        "the hub's API server is private",
        Severity.NONE,
        (FLEET,),
        lambda fleet, plan: (
            fleet.at("hubProfile") is None or on("hubProfile.apiServerAccessProfile.enablePrivateCluster")(fleet, plan)
        ),
        "hubProfile.apiServerAccessProfile.enablePrivateCluster: true (fixed at creation)",
        (own("kubernetes-fleet/concepts-choosing-fleet"),),
    ),
)
