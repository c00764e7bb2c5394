"""Types of single values: names, locations, addresses and IDs, with Azure's rules for them."""

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from math import inf
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field

from .report import invalid, show

# --- Names ---------------------------------------------------------------------------------------------------


def _like(pattern: str, remedy: str, found: str = "{} is not allowed", longest: float = inf) -> AfterValidator:
    """Return a rule for strings: a pattern for the whole string, the pattern in words, and the maximum length."""

    def check(text: str) -> str:
        if len(text) > longest:
            raise invalid(f"{show(text)} has {len(text)} characters", f"at most {longest} are allowed; {remedy}")
        if not re.fullmatch(pattern, text):
            raise invalid(found.format(show(text)), remedy)
        return text

    return AfterValidator(check)


def _name(pattern: str, words: str, longest: int) -> AfterValidator:
    return _like(pattern, f"write {words}", longest=longest)


def _resource_id(noun: str, form: str) -> AfterValidator:
    """Return the rule for the ID of a resource; `form` is what comes after the resource group."""
    rest = re.escape(f"/{form}").replace("…", "[^/]+")
    pattern = rf"(?ai:/subscriptions/{_GUID}/resourceGroups/){_GROUP}(?ai:{rest})"
    return _like(pattern, f"write /subscriptions/…/resourceGroups/…/{form}", f"{{}} is not the ID of {noun}")


def short_name(location: object) -> object:
    """Turn "East US 2" and "(US) East US 2" into eastus2, which is the value of Fleet's location label."""
    return re.sub(r"^\([^)]*\)|\s", "", location).lower() if isinstance(location, str) else location


_KEBAB: Final = (r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", "lower-case letters, digits and inner hyphens")
_ALNUM: Final = (r"[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?", "letters, digits and inner hyphens")
_LABEL: Final = (r"[a-z]([-a-z0-9]*[a-z0-9])?", "a lower-case letter, then such letters, digits and inner hyphens")
_INNER: Final = "letters, digits, inner hyphens and dots, and _ but not in front"
_GROUP: Final = r"[-\w.()]*[-\w()]"
_GROUP_WORDS: Final = "digits, hyphens, _ . ( and ), with no dot at the end"
_GUID: Final = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MAX_LABEL: Final = 63  # characters of a DNS label [RFC 1035]

# [names] is learn: azure-resource-manager/management/resource-name-rules.
NameSuffix = Annotated[str, _name(rf"({_KEBAB[0]})?", _KEBAB[1], 15)]  # aks-<location>-<suffix> names a member
RegionName = Annotated[str, _name(*_KEBAB, 35)]  # twice in <From>To<To>Peering, of at most 80 characters [names]
Location = Annotated[
    str,
    BeforeValidator(short_name),
    _name(r"[a-z]+[0-9]*", "an Azure region, such as eastus2 or East US 2", 30),
]
# [learn: load-balancer/cross-region-overview, "Home regions in Azure"; entry points may be in any public region: "The
# backend regional load balancers can be deployed in any publicly available Azure Region"]
HOME_REGIONS: Final = (
    *("centralus", "chinanorth2", "eastasia", "eastus2", "northeurope"),
    *("southeastasia", "uksouth", "usgovvirginia", "westeurope", "westus"),
)


def _home_region(location: str) -> str:
    if location not in HOME_REGIONS:
        remedy = f"choose one near the others: {', '.join(HOME_REGIONS)}"
        raise invalid(f"{show(location)} is not a home region of global load balancers", remedy)
    return location


HomeRegion = Annotated[Location, AfterValidator(_home_region)]
ResourceGroup = Annotated[str, _name(_GROUP, f"letters, {_GROUP_WORDS}", 90)]  # [names]
# AKS takes nothing but ASCII in the names of a cluster's group and of its nodes' group. [azure-docs PR 52128]
ClusterGroup = Annotated[str, _name(rf"(?a:{_GROUP})", f"letters from a to z, {_GROUP_WORDS}", 90)]
ClusterName = Annotated[str, _name(*_KEBAB, 50)]  # as a member's, narrower than a cluster's [learn: rest/api/fleet]
MemberName = Annotated[
    str, _name(_KEBAB[0], f"{_KEBAB[1]} (cluster names the member, and may differ from the existing cluster)", 50)
]
UpdateGroup = Annotated[str, _name(*_KEBAB, 50)]  # [learn: rest/api/fleet]
VirtualNetworkName = Annotated[str, _name(r"(?a:[a-zA-Z0-9][-\w.]*\w)", _INNER, 64)]  # [names]
SubnetName = Annotated[str, _name(r"(?a:[a-zA-Z0-9]([-\w.]*\w)?)", _INNER, 80)]  # [names]
FleetName = Annotated[str, _name(*_KEBAB, 63)]  # [learn: rest/api/fleet]
DnsPrefix = Annotated[str, _name(*_ALNUM, 54)]  # [learn: rest/api/fleet]
# [learn: virtual-machines/vm-naming-conventions]
VmSize = Annotated[str, _name(r"(?a:Standard_[-\w]+)", "an Azure VM size, such as Standard_D4ds_v5", 64)]
# [azure-native: ManagedClusterArgs.kubernetes_version]
Version = Annotated[str, _name(r"(?a:\d+\.\d+(\.\d+)?)", 'major.minor or major.minor.patch, such as "1.36"', 16)]
# Of a system pool. [azure-native: ManagedClusterAgentPoolProfileArgs.count]
NodeCount = Annotated[int, Field(ge=1, le=1000)]
# RFC 1035 for the namespace too (its own is 1123): it begins the derived Service's name.
DnsLabel = Annotated[str, _name(*_LABEL, MAX_LABEL)]
Folder = Annotated[
    str,
    _like(
        r"(?a:(?!\.\.?(/|$))[-\w.]+(/(?!\.\.?(/|$))[-\w.]+)*)",
        "write a folder inside the program's, such as manifests/app",
    ),
]
EntrySuffix = Annotated[str, _name(rf"(-{_KEBAB[0]})?", "a hyphen, then lower-case letters, digits and hyphens", 36)]
# [learn: azure/templates/microsoft.consumption/budgets]
BudgetName = Annotated[str, _name(r"(?a:[-\w]+)", "letters, digits, hyphens and _", 63)]
Email = Annotated[
    str, _like(r"[^@\s]+@[^@\s]+\.[^@\s.]+", "write one, such as team@example.com", "{} is not an e-mail address")
]
ObjectId = Annotated[str, _name(rf"(?ai:{_GUID})", "the object ID (a GUID) from Microsoft Entra ID", 36)]


_FILE: Final = "write the line from a .pub file: ssh-rsa AAAA..."
# Not quoted: a wrong file pasted here is the private key.
PublicKey = Annotated[str, _like(r"ssh-(rsa|ed25519) \S+( .*)?\s*", _FILE, "is not a public key of OpenSSH")]
# [learn: azure-resource-manager/management/tag-resources]
_TAG: Final = r"(?i:(?!microsoft|azure|windows)[^<>%&\\?/]+)"
_TAG_REMEDY: Final = r"choose a name without < > % & \ ? / that does not begin with microsoft, azure or windows"
TagName = Annotated[str, Field(max_length=512), _like(_TAG, _TAG_REMEDY, "{} is not allowed as a tag's name")]


def length(least: int, most: float, remedy: str) -> BeforeValidator:
    """Return the rule for the length of a list. Pydantic's own rule counts only valid items."""

    def check(items: object) -> object:
        if isinstance(items, list) and not least <= (number := len(cast("list[object]", items))) <= most:
            raise invalid(f"has {number} items", remedy)
        return cast("object", items)

    return BeforeValidator(check)


def distinct(remedy: str, key: Callable[[Any], str] = str) -> AfterValidator:
    """Return the rule that no two items of a collection are the same; Azure ignores case."""

    def check(items: Any) -> Any:  # noqa: ANN401 - any collection
        names = [key(item).lower() for item in items]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise invalid(f"has {show(twice)} more than once", remedy)
        return items

    return AfterValidator(check)


Zones = Annotated[tuple[Literal["1", "2", "3"], ...], Field(strict=False), distinct("name each zone once")]
MaxPods = Annotated[int, Field(ge=10, le=250)]  # [learn: aks/concepts-network-ip-address-planning]
Surge = Annotated[int, Field(ge=1, le=100)]  # [learn: aks/upgrade-aks-node-pools-rolling]

# --- IDs of existing resources -------------------------------------------------------------------------------


def group_of(resource_id: str) -> str:
    """Return the resource group in a valid ID."""
    return resource_id.split("/")[4]


VirtualNetworkId = Annotated[str, _resource_id("a VNet", "providers/Microsoft.Network/virtualNetworks/…")]
SubnetId = Annotated[str, _resource_id("a subnet", "providers/Microsoft.Network/virtualNetworks/…/subnets/…")]
ClusterId = Annotated[str, _resource_id("an AKS cluster", "providers/Microsoft.ContainerService/managedClusters/…")]
FleetId = Annotated[str, _resource_id("a fleet", "providers/Microsoft.ContainerService/fleets/…")]

RegistryId = Annotated[str, _resource_id("a container registry", "providers/Microsoft.ContainerRegistry/registries/…")]
WorkspaceId = Annotated[
    str, _resource_id("a Log Analytics workspace", "providers/Microsoft.OperationalInsights/workspaces/…")
]
MetricsWorkspaceId = Annotated[
    str, _resource_id("an Azure Monitor workspace", "providers/Microsoft.Monitor/accounts/…")
]
ActionGroupId = Annotated[str, _resource_id("an action group", "providers/Microsoft.Insights/actionGroups/…")]
TimeOfDay = Annotated[str, _like(r"([01]\d|2[0-3]):[0-5]\d", 'write hours and minutes, such as "21:00"')]

# --- Addresses -----------------------------------------------------------------------------------------------

FORBIDDEN_RANGES: Final = [
    IPv4Network(cidr)
    for cidr in (
        # AKS: for VNets and for services [learn: aks/concepts-network-legacy-cni]
        *("169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24"),
        # VNets: multicast, loopback, Azure's DNS and health probes [learn: virtual-network/virtual-networks-faq]
        *("224.0.0.0/4", "127.0.0.0/8", "168.63.129.16/32"),
    )
]
_CIDR: Final = "write an IPv4 range, such as 10.1.0.0/16"


def _network(value: object) -> IPv4Network:
    """Read an IPv4 range. The error of an almost valid range says how to correct it."""
    if isinstance(value, IPv4Network):
        return value
    try:
        network = ip_network(value if isinstance(value, str) and "/" in value else "", strict=False)
    except ValueError:
        raise invalid(f"{show(value)} is not an address range", _CIDR) from None
    if isinstance(network, IPv6Network):
        # Fleet exports IPv4 endpoint slices only. [fleet-networking v0.3.25 endpointslice/util.go]
        raise invalid(f"{show(value)} is IPv6, which Fleet does not carry between clusters", _CIDR)
    if str(network) != value:
        raise invalid(f"{show(value)} has host bits set: the range is {network}", _CIDR)
    for forbidden in FORBIDDEN_RANGES:
        if network.overlaps(forbidden):
            raise invalid(f"{show(network)} overlaps {forbidden}, which Azure reserves", "choose another range")
    return network


def _service_network(services: IPv4Network) -> IPv4Network:
    # kube-apiserver refuses more than 20 bits of services; the default DNS address is the range's tenth.
    if not 12 <= services.prefixlen <= 28:  # noqa: PLR2004 (named in the line above and in the message)
        raise invalid(f"{show(services)} is a /{services.prefixlen}", "choose a range from /12 to /28")
    return services


def _address(value: object) -> IPv4Address:
    try:
        return IPv4Address(value if isinstance(value, IPv4Address) else str(value))
    except ValueError:
        raise invalid(f"{show(value)} is not an address", "write an IPv4 address, such as 10.0.0.10") from None


Network = Annotated[IPv4Network, BeforeValidator(_network)]
ServiceNetwork = Annotated[Network, AfterValidator(_service_network)]
Address = Annotated[IPv4Address, BeforeValidator(_address)]
_PRIVATE: Final = [IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]


def _public_network(network: IPv4Network) -> IPv4Network:
    for private in _PRIVATE:
        if network.overlaps(private):  # [learn: aks/api-server-authorized-ip-ranges]
            raise invalid(f"{show(network)} is not public", "write the public addresses behind which your clients are")
    return network


PublicNetwork = Annotated[Network, AfterValidator(_public_network)]
