"""Names and tags."""

import re
from typing import Final

from .plan import (
    ACTIVITY_ALERT,
    BACKUP,
    CLUSTER,
    COLLECTION,
    FLEET,
    FLOW_LOG,
    GROUP,
    IDENTITY,
    METRIC_ALERT,
    NETWORK,
    POOL,
    PROMETHEUS_RULES,
    PUBLIC_ADDRESS,
    SECURITY_GROUP,
    SUBNET,
    WORKSPACE,
    Plan,
    Resource,
)
from .rule import Rule, Severity, Source, checklist, given, own, psrule

TAGGED: Final = (
    *(GROUP, NETWORK, IDENTITY, CLUSTER, FLEET, SECURITY_GROUP, PUBLIC_ADDRESS, WORKSPACE, FLOW_LOG, BACKUP),
    *(PROMETHEUS_RULES, ACTIVITY_ALERT, METRIC_ALERT, COLLECTION),
    "azure-native:monitor:ActionGroup",
    "azure-native:monitor:AzureMonitorWorkspace",
    "azure-native:monitor:DataCollectionEndpoint",
    "azure-native:network:LoadBalancer",
    "azure-native:network:NatGateway",
)
"""The types that take tags."""

# learn: azure-resource-manager/management/resource-name-rules, as PSRule writes them. A name that azure-native makes
# from the logical name is not in the inputs.
_PATTERNS: Final = {
    CLUSTER: {
        "resourceName": re.compile(r"[a-z0-9]([\w-]{0,61}[a-z0-9])?", re.IGNORECASE | re.ASCII),
        "dnsPrefix": re.compile(r"[a-z0-9]([a-z0-9-]{0,52}[a-z0-9])?", re.IGNORECASE | re.ASCII),
    },
    NETWORK: {"virtualNetworkName": re.compile(r"[a-z0-9][\w.-]{0,62}\w", re.IGNORECASE | re.ASCII)},
    SUBNET: {"subnetName": re.compile(r"[a-z0-9]([\w.-]{0,78}\w)?", re.IGNORECASE | re.ASCII)},
    GROUP: {"resourceGroupName": re.compile(r"[\w.()-]{0,89}[\w()-]", re.ASCII)},
    IDENTITY: {"resourceName": re.compile(r"[a-z0-9][\w-]{2,127}", re.IGNORECASE | re.ASCII)},
    SECURITY_GROUP: {"networkSecurityGroupName": re.compile(r"[a-z0-9]([\w.-]{0,78}\w)?", re.IGNORECASE | re.ASCII)},
    PUBLIC_ADDRESS: {"publicIpAddressName": re.compile(r"[a-z0-9]([\w.-]{0,78}\w)?", re.IGNORECASE | re.ASCII)},
}


def _well_named(resource: Resource, plan: Plan) -> bool:
    del plan
    return all(
        pattern.fullmatch(str(resource.at(key)))
        for key, pattern in _PATTERNS[resource.type].items()
        if resource.has(key)
    )


def _names(rule: str, what: str, types: tuple[str, ...], *sources: Source) -> Rule:
    keys = ", ".join(key for type_ in types for key in _PATTERNS[type_])
    return Rule(rule, f"names of {what} follow Azure's rules", Severity.AWARENESS, types, _well_named, keys, sources)


RULES: Final = (
    _names(
        "cluster-names", "clusters", (CLUSTER,), psrule("AKS.Name", "AZR-000039"), psrule("AKS.DNSPrefix", "AZR-000040")
    ),
    _names(
        "network-names",
        "VNets and subnets",
        (NETWORK, SUBNET),
        psrule("VNET.Name", "AZR-000268"),
        psrule("VNET.SubnetName", "AZR-000267"),
    ),
    _names("group-names", "resource groups", (GROUP,), psrule("Group.Name")),
    _names("identity-names", "identities", (IDENTITY,), psrule("Identity.UserAssignedName", "AZR-000117")),
    _names(
        "edge-names",
        "security groups and public addresses",
        (SECURITY_GROUP, PUBLIC_ADDRESS),
        psrule("NSG.Name", "AZR-000141"),
        psrule("PublicIP.Name", "AZR-000155"),
    ),
    Rule(
        "tags",
        "everything that takes tags has some",
        Severity.AWARENESS,
        TAGGED,
        given("tags"),
        "tags",
        (psrule("Resource.UseTags", "AZR-000166"), checklist("574bd2fe-f58b-4199-b334-f7eff3ef90c8")),
    ),
    Rule(
        "pool-tags",
        "nodes have tags: those of a cluster do not reach its pools",
        Severity.NONE,
        (POOL,),
        given("tags"),
        "tags, on each pool",
        (own("aks/use-tags"),),
    ),
)
