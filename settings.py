"""The stack's configuration as frozen, typed, checked settings.

This room knows the configuration's keys and Azure's rules for names and addresses; it knows no Pulumi resource.
`load` reads the running stack, `parse` takes plain values; both report everything that is wrong at once, before
anything is registered. `Pulumi.yaml` describes the keys and repeats the defaults for the command line.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, cast, get_args

import pulumi
from pulumi.runtime import is_config_secret
from pulumi.runtime.config import CONFIG
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

MAX_REGIONS = 1000  # members of a fleet [learn: kubernetes-fleet/faq, 2026-06-01]
MAX_PEERINGS = 500  # of a VNet [learn: azure-resource-manager/management/azure-subscription-service-limits]
MIN_POOL_PODS = 30  # that a system node pool must have room for [learn: aks/use-system-pools]
MAX_LABEL = 63  # characters of a DNS label [RFC 1035]
MAX_NODE_GROUP = 80  # characters of MC_<group>_<cluster>_<location> [learn: aks-common-issues-faq]
MAX_STAGE_GROUPS = 50  # update groups in one stage [learn: kubernetes-fleet/concepts-update-orchestration]
MAX_WAIT_DAYS = 90  # that a node image can be installed [learn: kubernetes-fleet/concepts-update-orchestration]
MAX_SHOWN = 80  # characters of a value in a line of the report


class SettingsError(pulumi.RunError):
    """All that is wrong with the configuration; Pulumi shows the message of a RunError and no traceback."""


class Problem(NamedTuple):
    """One mistake: the key as the user wrote it, what was found there, what to write instead.

    Only `found` may quote values of the configuration: it is withheld where a value is secret.
    """

    path: str
    found: str
    remedy: str
    quotes: str = ""  # another key that `found` quotes


def show(value: object) -> str:
    """Quotes a value as JSON, whose escapes betray look-alike characters; cuts a long one."""
    text = json.dumps(value, default=str)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def _refusal(found: str, remedy: str) -> PydanticCustomError:
    """What a validator raises: a `Problem` of which pydantic knows the path."""
    return PydanticCustomError("refused", "{found}", {"found": found, "remedy": remedy})


# --- Names ---------------------------------------------------------------------------------------------------


class NameRule(NamedTuple):
    """What a name may look like: a pattern for the whole of it, the same in words, and its greatest length."""

    pattern: str
    words: str
    longest: int

    def check(self, name: str, besides: str = "") -> None:
        """Raises a refusal when the name breaks this rule; `besides` goes behind the remedy."""
        if len(name) > self.longest:
            raise _refusal(f"{show(name)} has {len(name)} characters", f"at most {self.longest} are allowed{besides}")
        if not re.fullmatch(self.pattern, name):
            raise _refusal(f"{show(name)} is not allowed", f"write {self.words}{besides}")


_KEBAB = (r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", "lower-case letters, digits and inner hyphens")
_LABEL = (r"[a-z]([-a-z0-9]*[a-z0-9])?", "a lower-case letter, then such letters, digits and inner hyphens")
_INNER = "letters, digits, inner hyphens and dots, and _ but not in front"
_LOCATION = NameRule(r"[a-z]+[0-9]*", "an Azure region, such as eastus2 or East US 2", 30)
_GROUP = NameRule(r"[-\w.()]*[-\w()]", "letters, digits, hyphens, _ . ( and ), with no dot at the end", 90)
# AKS takes nothing but ASCII in the names of a cluster's group and of its nodes' group. [azure-docs PR 52128]
_CLUSTER_GROUP = NameRule(rf"(?a:{_GROUP.pattern})", _GROUP.words.replace("letters", "letters from a to z"), 90)
_VM_SIZE = NameRule(r"(?a:Standard_[-\w]+)", "an Azure VM size, such as Standard_D4ds_v5", 64)
_VERSION = (r"(?a:\d+\.\d+(\.\d+)?)", 'major.minor or major.minor.patch, such as "1.36"')
_GUID = (r"(?ai:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})", "the object id (a GUID) from Microsoft Entra ID")

# Azure's own patterns, by section and field; [names] is learn: azure-resource-manager/management/resource-name-rules.
NAMES = {
    "Settings.name_suffix": NameRule(rf"({_KEBAB[0]})?", _KEBAB[1], 15),  # aks-<location>-<suffix> names a member
    "Region.name": NameRule(*_KEBAB, 35),  # twice in <From>To<To>Peering, of at most 80 characters [names]
    "Region.location": _LOCATION,
    "Region.resource_group": _CLUSTER_GROUP,  # [names]
    "Region.cluster": NameRule(*_KEBAB, 50),  # as a member's, narrower than a cluster's [learn: rest/api/fleet]
    "Region.virtual_network": NameRule(r"(?a:[a-zA-Z0-9][-\w.]*\w)", _INNER, 64),  # [names]
    "Region.subnet": NameRule(r"(?a:[a-zA-Z0-9]([-\w.]*\w)?)", _INNER, 80),  # [names]
    "Region.update_group": NameRule(*_KEBAB, 50),  # [learn: rest/api/fleet]
    "Region.kubernetes_version": NameRule(*_VERSION, 16),  # [azure-native: ManagedClusterArgs.kubernetes_version]
    "NodePool.vm_size": _VM_SIZE,  # [learn: virtual-machines/vm-naming-conventions]
    "Fleet.name": NameRule(*_KEBAB, 63),  # [learn: rest/api/fleet]
    "Fleet.location": _LOCATION,
    "Fleet.resource_group": _GROUP,
    "Hub.dns_prefix": NameRule(  # [learn: rest/api/fleet]
        r"[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?", "letters, digits and inner hyphens", 54
    ),
    "Hub.vm_size": _VM_SIZE,
    # RFC 1035 for the namespace too (its own is 1123): it begins the derived Service's name.
    "App.namespace": NameRule(*_LABEL, MAX_LABEL),
    "App.service": NameRule(*_LABEL, MAX_LABEL),
    "HubAdmin.object_id": NameRule(*_GUID, 36),
}


def short_name(location: object) -> object:
    """Turns "East US 2" and "(US) East US 2" into eastus2, which is the value of Fleet's location label."""
    return re.sub(r"^\([^)]*\)|\s", "", location).lower() if isinstance(location, str) else location


Location = Annotated[str, BeforeValidator(short_name)]

# --- Addresses -----------------------------------------------------------------------------------------------

FORBIDDEN_RANGES = [
    IPv4Network(cidr)
    for cidr in (
        # AKS: for VNets and for services [learn: aks/concepts-network-legacy-cni]
        *("169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24"),
        # VNets: multicast, loopback, Azure's DNS and health probes [learn: virtual-network/virtual-networks-faq]
        *("224.0.0.0/4", "127.0.0.0/8", "168.63.129.16/32"),
    )
]
_CIDR = "write an IPv4 range, such as 10.1.0.0/16"


def _network(value: object) -> IPv4Network:
    """Reads an IPv4 range, and says what is odd about one that is nearly right."""
    if isinstance(value, IPv4Network):
        return value
    try:
        network = ip_network(value if isinstance(value, str) and "/" in value else "", strict=False)
    except ValueError:
        raise _refusal(f"{show(value)} is not an address range", _CIDR) from None
    if isinstance(network, IPv6Network):
        # Fleet exports IPv4 endpoint slices only. [fleet-networking v0.3.25 endpointslice/util.go]
        raise _refusal(f"{show(value)} is IPv6, which Fleet does not carry between clusters", _CIDR)
    if str(network) != value:
        raise _refusal(f"{show(value)} has bits beyond its prefix: the range is {network}", _CIDR)
    return network


def _permitted(network: IPv4Network) -> IPv4Network:
    for forbidden in FORBIDDEN_RANGES:
        if network.overlaps(forbidden):
            raise _refusal(f"{show(network)} overlaps {forbidden}, which Azure reserves", "choose another range")
    return network


def _address(value: object) -> IPv4Address:
    try:
        return IPv4Address(value if isinstance(value, IPv4Address) else str(value))
    except ValueError:
        raise _refusal(f"{show(value)} is not an address", "write an IPv4 address, such as 10.0.0.10") from None


Network = Annotated[IPv4Network, BeforeValidator(_network), AfterValidator(_permitted)]
Address = Annotated[IPv4Address, BeforeValidator(_address)]

# --- The settings --------------------------------------------------------------------------------------------


class Section(BaseModel):
    """A part of the configuration: frozen, strict about types, and without unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", alias_generator=to_camel, validate_default=True)
    suffixed: ClassVar[tuple[str, ...]] = ()  # names that take the suffix where they are defaults

    @field_validator("*")
    @classmethod
    def _check_name(cls, value: object, info: ValidationInfo) -> object:
        rule = NAMES.get(f"{cls.__name__}.{info.field_name}")
        if rule and isinstance(value, str):
            # The default is the existing cluster's name, which the user has not written here.
            is_members = info.field_name == "cluster" and _is_named(info.data)
            rule.check(
                value, "; cluster names the member, and may differ from the existing cluster" if is_members else ""
            )
        return value

    @field_validator("*")
    @classmethod
    def _keep_what_is_right(cls, value: object, info: ValidationInfo) -> object:
        if info.context and cls in info.context:
            info.context[cls][info.field_name] = value
        return value


class NodePool(Section):
    """The nodes of one cluster: a fixed count, or a range for the autoscaler."""

    vm_size: str = Field(description="required: an Azure VM size, such as Standard_D4ds_v5")
    # A system pool has 1 to 1000 nodes. [azure-native: ManagedClusterAgentPoolProfileArgs.count]
    count: int | None = Field(default=None, ge=1, le=1000)
    min_count: int | None = Field(default=None, ge=1, le=1000)
    max_count: int | None = Field(default=None, ge=1, le=1000)
    zones: tuple[Literal["1", "2", "3"], ...] = Field(default=(), strict=False)
    max_pods: int = Field(default=30, ge=10, le=250)  # [learn: aks/concepts-network-ip-address-planning]

    @field_validator("zones")
    @classmethod
    def _zones_differ(cls, zones: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(zones)) < len(zones):
            raise _refusal(f"{show(zones)} names a zone twice", "name each zone once")
        return zones

    @model_validator(mode="after")
    def _one_way_to_size(self) -> Self:
        remedy = "write count for a fixed pool, or minCount and maxCount for the autoscaler"
        sizes = {key: getattr(self, key) for key in ("count", "min_count", "max_count")}
        given = [to_camel(key) for key, size in sizes.items() if size]
        if given not in (["count"], ["minCount", "maxCount"]):
            raise _refusal(f"has {' and '.join(given) or 'no size'}", remedy)
        if self.min_count and self.max_count and self.min_count > self.max_count:
            raise _refusal(f"has minCount {self.min_count} above maxCount {self.max_count}", "swap them")
        return self

    @model_validator(mode="after")
    def _holds_system_pods(self) -> Self:
        pods = (self.count or self.min_count or 0) * self.max_pods
        if pods < MIN_POOL_PODS:
            remedy = f"choose more nodes or a higher maxPods: Azure wants room for {MIN_POOL_PODS}"
            raise _refusal(f"has room for {pods} pods", remedy)
        return self

    @property
    def max_nodes(self) -> int:
        """The nodes of the pool at its largest, upgrades aside."""
        return self.count or self.max_count or 0

    @property
    def max_running_pods(self) -> int:
        """The pods that the pool's nodes run at most, those of the system among them."""
        return self.max_nodes * self.max_pods

    @property
    def surge_nodes(self) -> int:
        """The nodes that an upgrade adds: 10 % of the pool, rounded up. [learn: aks/upgrade-aks-cluster]."""
        return -(-self.max_nodes // 10)

    @property
    def addresses(self) -> int:
        """The addresses that the pool's subnet must have.

        A node takes one for itself and one for each pod it may run [learn: aks/concepts-network-legacy-cni];
        Azure keeps five of each subnet [learn: virtual-network/virtual-networks-faq].
        """
        return 5 + (self.max_nodes + self.surge_nodes) * (1 + self.max_pods)


_GROUP_ID = rf"(?ai:/subscriptions/[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}/resourceGroups/){_GROUP.pattern}"


def _resource_id(kind: str, value: str, example: str) -> str:
    """Checks the id of a resource in Azure; `kind` is a pattern for what comes after the resource group."""
    if not re.fullmatch(rf"{_GROUP_ID}(?ai:/providers/{kind})", value):
        raise _refusal(f"{show(value)} is not the id of one", f"write /subscriptions/…/resourceGroups/…/{example}")
    return value


class Existing(Section):
    """What a region has already, by its id: a subnet in its VNet, or a cluster with both."""

    subnet_id: str | None = None
    cluster_id: str | None = None
    peered: bool = False  # with every other network that says so, by somebody else

    @field_validator("subnet_id")
    @classmethod
    def _is_a_subnet(cls, value: str | None) -> str | None:
        kind = r"Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+"
        example = "providers/Microsoft.Network/virtualNetworks/…/subnets/…"
        return value and _resource_id(kind, value, example)

    @field_validator("cluster_id")
    @classmethod
    def _is_a_cluster(cls, value: str | None) -> str | None:
        kind, example = r"Microsoft\.ContainerService/managedClusters/[^/]+", "providers/Microsoft.ContainerService/…"
        return value and _resource_id(kind, value, example.replace("…", "managedClusters/…"))

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if bool(self.subnet_id) == bool(self.cluster_id):
            both = "both subnetId and clusterId" if self.subnet_id else "neither subnetId nor clusterId"
            raise _refusal(f"has {both}", "write one of them: a cluster's subnet is known from the cluster")
        return self

    @property
    def network_id(self) -> str | None:
        """The id of the VNet, where it is that of the subnet."""
        return self.subnet_id and self.subnet_id.rsplit("/", 2)[0]

    @property
    def settled(self) -> tuple[str, ...]:
        """The keys of a region that say what is there already."""
        network = ("address_space", "node_subnet", "virtual_network", "subnet")
        cluster = ("resource_group", "node_pool", "service_cidr", "dns_service_ip", "kubernetes_version")
        return network if self.subnet_id else (*network, *cluster, "ssh_public_key")


_UNSET: Any = object()  # what a key is that has no default, until it is known whether it is needed


class Region(Section):
    """One Azure region: its network, its cluster, its member of the fleet (which has the cluster's name)."""

    suffixed = ("resource_group", "cluster")

    # A default that is made of other fields needs them right and in front of it.
    name: str = Field(description="required: a short name, such as east")
    location: Location = Field(description="required: an Azure region, such as eastus2 or East US 2")
    existing: Existing | None = None
    resource_group: str = Field(default_factory=lambda region: f"rg-aks-{region['location']}")
    cluster: str = Field(default_factory=lambda region: _cluster_name(region["existing"], region["location"]))
    virtual_network: str = Field(default_factory=lambda region: f"aks-vnet-{region['name']}")
    subnet: str = Field(default_factory=lambda region: f"aks-subnet-{region['name']}")
    update_group: str = Field(default_factory=lambda region: region["name"])
    service_cidr: Network = IPv4Network("10.0.0.0/16")
    dns_service_ip: Address = Field(default_factory=lambda region: region["service_cidr"][10])
    # Required, unless they are of what exists: then they are None, and nobody asks.
    address_space: Network = Field(default=_UNSET, description=f"required: {_CIDR}")
    node_pool: NodePool = Field(default=_UNSET, description="required: vmSize, and count or minCount and maxCount")
    node_subnet: Network = Field(
        default=_UNSET, description="required: an IPv4 range inside addressSpace, such as 10.1.0.0/24"
    )
    kubernetes_version: str | None = None
    ssh_public_key: str | None = None

    @field_validator("address_space", "node_pool", "node_subnet", mode="wrap")
    @classmethod
    def _is_there(cls, value: object, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        if value is not _UNSET:
            if value is None:
                raise cls._null(str(info.field_name))
            return check(value)
        existing: Existing | None = info.data.get("existing")
        if "existing" in info.data and info.field_name not in (existing.settled if existing else ()):
            raise PydanticCustomError("missing", "Field required")
        return None

    @staticmethod
    def _null(field: str) -> PydanticCustomError:
        if field == "node_pool":
            return _refusal("null is not a map", "write one key: value a line")
        return _refusal("null is not an address range", _CIDR)

    @field_validator("service_cidr")
    @classmethod
    def _holds_services(cls, services: IPv4Network) -> IPv4Network:
        # kube-apiserver refuses more than 20 bits of services; the default DNS address is the range's tenth.
        if not 12 <= services.prefixlen <= 28:  # noqa: PLR2004 (named in the line above and in the message)
            raise _refusal(f"{show(services)} is a /{services.prefixlen}", "choose a range from /12 to /28")
        return services

    @field_validator("dns_service_ip")
    @classmethod
    def _is_a_service(cls, address: IPv4Address, info: ValidationInfo) -> IPv4Address:
        services: IPv4Network | None = info.data.get("service_cidr")
        # The first is that of the Service "kubernetes" [learn: aks/concepts-network-legacy-cni]; Kubernetes allots
        # neither the network's nor the broadcast address [kubernetes: registry/core/service/ipallocator].
        if services and (address not in services or address in (services[0], services[1], services[-1])):
            remedy = "choose an address inside serviceCidr, neither its first two nor its last"
            raise _refusal(f"{show(address)} cannot serve DNS in {services}", remedy)
        return address

    @field_validator("node_subnet")
    @classmethod
    def _holds_the_pool(cls, subnet: IPv4Network | None, info: ValidationInfo) -> IPv4Network | None:
        if subnet is None:
            return None
        space: IPv4Network | None = info.data.get("address_space")
        pool: NodePool | None = info.data.get("node_pool")
        if space and not subnet.subnet_of(space):
            raise _refusal(f"{show(subnet)} is outside addressSpace {space}", "choose a range inside addressSpace")
        if pool and subnet.num_addresses < pool.addresses:
            # Else an upgrade or the autoscaler fails: SubnetIsFull. [learn: error-code-subnetisfull-upgrade]
            found = (
                f"{show(subnet)} has {subnet.num_addresses} addresses, {pool.addresses} are needed: 5 for Azure, "
                f"{1 + pool.max_pods} for each of {pool.max_nodes} nodes and {pool.surge_nodes} more during upgrades; "
                f"a /{32 - (pool.addresses - 1).bit_length()} would do"
            )
            raise _refusal(found, "choose a larger subnet, fewer nodes or a lower maxPods")
        return subnet

    @property
    def existing_subnet(self) -> str | None:
        """The id of the subnet that the region has already, if it has no more than that."""
        return self.existing.subnet_id if self.existing else None

    @property
    def existing_cluster(self) -> str | None:
        """The id of the cluster that the region has already."""
        return self.existing.cluster_id if self.existing else None

    @field_validator("ssh_public_key")
    @classmethod
    def _is_public(cls, key: str | None) -> str | None:
        # Not quoted: whoever pastes the wrong file here pastes the private key.
        if key is not None and not re.fullmatch(r"ssh-(rsa|ed25519) \S+( .*)?\s*", key):
            raise _refusal("is not a public key of OpenSSH", "write the line from a .pub file: ssh-rsa AAAA...")
        return key


def _cluster_name(existing: Existing | None, location: str) -> str:
    return existing.cluster_id.rpartition("/")[2].lower() if existing and existing.cluster_id else f"aks-{location}"


class Clusters(Section):
    """What all clusters have in common."""

    tier: Literal["Free", "Standard", "Premium"] = "Free"
    entra_id: bool = False  # Microsoft Entra ID with Azure RBAC, and no local accounts


class Hub(Section):
    """The fleet's hub cluster; Azure chooses what is not given."""

    dns_prefix: str | None = None
    vm_size: str | None = None


class Updates(Section):
    """How the fleet upgrades its members: stages of update groups, one after the other."""

    channel: Literal["Stable", "Rapid", "NodeImage"] = Field(description="required: Stable, Rapid or NodeImage")
    # At least one stage, and one group in each. [azure-native: UpdateRunStrategyArgs.stages, UpdateStageArgs.groups]
    stages: tuple[Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=MAX_STAGE_GROUPS)], ...] = (
        Field(strict=False, min_length=1, description="required: a list of stages, each a list of update groups")
    )
    wait_minutes: int = Field(default=0, ge=0)
    node_images: Literal["Latest", "Consistent"] | None = None
    enabled: bool = True

    @field_validator("wait_minutes")
    @classmethod
    def _ends_in_time(cls, minutes: int, info: ValidationInfo) -> int:
        waits = len(info.data.get("stages", ())) - 1
        if waits * minutes > MAX_WAIT_DAYS * 24 * 60:
            found = f"{show(minutes)} minutes between {waits + 1} stages are more than {MAX_WAIT_DAYS} days in all"
            raise _refusal(found, f"write less: a node image cannot be installed after {MAX_WAIT_DAYS} days")
        return minutes

    @field_validator("node_images")
    @classmethod
    def _has_a_choice(cls, images: str | None, info: ValidationInfo) -> str | None:
        # [Azure/azure-cli-extensions: src/fleet/azext_fleet/custom.py, create_auto_upgrade_profile]
        if images and info.data.get("channel") == "NodeImage":
            found = f"{show(images)} is said of channel NodeImage, which has no choice of images"
            raise _refusal(found, "remove it: that channel takes the same images in every region")
        return images


class Fleet(Section):
    """The fleet and its hub."""

    suffixed = ("name", "resource_group")

    existing_id: str | None = None
    name: str = "gbb-fleet"
    location: Location = "westus"
    resource_group: str = "rg-fleet"
    hub: Hub = Hub()
    updates: Updates | None = None

    @field_validator("existing_id")
    @classmethod
    def _is_a_fleet(cls, value: str | None) -> str | None:
        kind, example = r"Microsoft\.ContainerService/fleets/[^/]+", "providers/Microsoft.ContainerService/fleets/…"
        return value and _resource_id(kind, value, example)


class App(Section):
    """The app, the Service that all clusters share, and the region in which the traffic enters."""

    namespace: str = "aks-store-demo"
    service: str = "store-front"
    entry_region: str = ""  # parse puts in the first region
    internal: bool = False
    replicas: int | None = Field(default=None, ge=1)

    @field_validator("namespace")
    @classmethod
    def _can_be_placed(cls, namespace: str) -> str:
        # [fleet v0.18.12 pkg/utils/common.go IsReservedNamespace, cmd/hubagent/workload/setup.go]
        if namespace == "default" or namespace.startswith(("fleet-", "kube-")):
            remedy = "choose another: Fleet places neither default nor fleet-* nor kube-*"
            raise _refusal(f"{show(namespace)} is reserved", remedy)
        return namespace

    @field_validator("service")
    @classmethod
    def _fits_derived_name(cls, service: str, info: ValidationInfo) -> str:
        # The derived Service is <namespace>-<service>, a DNS label. [fleet-networking v0.3.25 multiclusterservice]
        derived = f"{info.data.get('namespace', '')}-{service}"
        if len(derived) > MAX_LABEL:
            remedy = f"shorten service or namespace: <namespace>-<service> has at most {MAX_LABEL} characters"
            raise _refusal(f"{show(service)} makes {show(derived)}, {len(derived)} characters", remedy)
        return service


class HubAdmin(Section):
    """A principal that administers the hub beside the deploying one."""

    object_id: str = Field(description="required: the object id (a GUID) from Microsoft Entra ID")
    type: Literal["User", "Group", "ServicePrincipal"] = Field(description="required: User, Group or ServicePrincipal")


class Access(Section):
    """How kubeconfigs sign in, and who administers the hub."""

    kubelogin_mode: Literal["azurecli", "workloadidentity", "spn", "msi"] = "azurecli"
    deployer_type: Literal["User", "ServicePrincipal"] = Field(
        default_factory=lambda access: "User" if access["kubelogin_mode"] == "azurecli" else "ServicePrincipal"
    )
    hub_admins: tuple[HubAdmin, ...] = Field(default=(), strict=False)

    @field_validator("hub_admins")
    @classmethod
    def _admins_differ(cls, admins: tuple[HubAdmin, ...]) -> tuple[HubAdmin, ...]:
        ids = [admin.object_id.lower() for admin in admins]
        if twice := next((id_ for id_ in ids if ids.count(id_) > 1), None):
            raise _refusal(f"has {show(twice)} more than once", "name each principal once")
        return admins


def _tag_name(name: str) -> str:
    # [learn: azure-resource-manager/management/tag-resources]
    if re.search(r"[<>%&\\?/]|^(microsoft|azure|windows)|^$", name, re.IGNORECASE):
        remedy = r"choose a name without < > % & \ ? / that does not begin with microsoft, azure or windows"
        raise _refusal(f"{show(name)} is not allowed as a tag's name", remedy)
    return name


class Settings(Section):
    """All settings of a stack, with every default filled in."""

    regions: tuple[Region, ...] = Field(strict=False, description="required: a list of one region or more")
    name_suffix: str = ""
    clusters: Clusters = Clusters()
    fleet: Fleet = Fleet()
    app: App = App()
    access: Access = Access()
    protect: bool = False
    # Limits of tags: [learn: azure-resource-manager/management/tag-resources]
    tags: Mapping[
        Annotated[str, Field(max_length=512), AfterValidator(_tag_name)], Annotated[str, Field(max_length=256)]
    ] = Field(default={}, max_length=50)

    @field_validator("regions", mode="before")
    @classmethod
    def _fit_a_fleet(cls, regions: object) -> object:
        if isinstance(regions, list) and not 1 <= (number := len(cast("list[object]", regions))) <= MAX_REGIONS:
            raise _refusal(f"has {number} regions", f"write 1 to {MAX_REGIONS}: a fleet has no more members")
        return cast("object", regions)

    @field_validator("tags")
    @classmethod
    def _tags_differ(cls, tags: Mapping[str, str]) -> Mapping[str, str]:
        names = [name.lower() for name in tags]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise _refusal(f"has {show(twice)} in two spellings", "keep one: Azure ignores case in tag names")
        return tags

    @property
    def entry(self) -> Region:
        """The region in which the traffic enters."""
        return next(region for region in self.regions if region.name == self.app.entry_region)


# --- Reading -------------------------------------------------------------------------------------------------


def load(config: pulumi.Config | None = None) -> Settings:
    """Reads the settings of the running stack.

    Raises:
        SettingsError: Something is wrong; the message names everything that is.
    """
    # pulumi.Config answers for keys that one names; only the whole map shows a misspelt one.
    prefix = _prefix(config)
    texts = {key.removeprefix(prefix): text for key, text in CONFIG.get().items() if key.startswith(prefix)}
    raw = {key: text if key == "nameSuffix" else _decode(text) for key, text in texts.items()}
    return parse(raw, secret_keys(config))


def secret_keys(config: pulumi.Config | None = None) -> set[str]:
    """Returns the running stack's keys whose values must not be shown."""
    prefix = _prefix(config)
    return {key.removeprefix(prefix) for key in CONFIG.get() if key.startswith(prefix) and is_config_secret(key)}


def _prefix(config: pulumi.Config | None) -> str:
    return f"{(config or pulumi.Config()).name}:"


def _decode(text: str) -> object:
    """Reads a value as Pulumi hands it over; what is not JSON stays text, and is refused where text is not due."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse(raw: Mapping[str, object], secret: Collection[str] = ()) -> Settings:
    """Makes settings of the configuration's values.

    Args:
        raw: The value of each key of the project, as plain data.
        secret: The keys whose values must not be shown.

    Raises:
        SettingsError: Something is wrong; the message names everything that is.
    """
    settings, problems = None, list[Problem]()
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        # A default that rests on a broken value is missing only because of that value.
        problems = [_problem(e) for e in error.errors() if e["type"] != "default_factory_not_called"]
    suffix = f"-{name}" if (name := Draft.of(Settings, raw).right.get("name_suffix")) else ""
    items = raw.get("regions")
    items = cast("list[object]", items) if isinstance(items, list) else []
    regions = [Draft.of(Region, item, f"regions[{i}]", suffix) for i, item in enumerate(items)]
    fleet = Draft.of(Fleet, raw.get("fleet", {}), "fleet", suffix)
    app = Draft.of(App, raw.get("app", {}), "app")
    problems += [*_collisions(regions, fleet), *_overlaps(regions), *_lost_entry(regions, app), *_crowds(regions, app)]
    problems += [
        *_missed_updates(regions, fleet),
        *_settled(regions, fleet),
        *_twice(regions),
        *_unpeered(regions),
        *_too_many_peerings(regions),
    ]
    if settings is None or problems:
        heading = f"The configuration has mistakes; nothing was deployed. Fix them in Pulumi.{pulumi.get_stack()}.yaml:"
        raise SettingsError(report(heading, problems, secret))
    if settings.fleet.existing_id:
        fleet.right["resource_group"], fleet.right["name"] = settings.fleet.existing_id.split("/")[4::4]
    entry = settings.app.entry_region or settings.regions[0].name
    return settings.model_copy(
        update={
            "regions": tuple(Region.model_construct(**region.right) for region in regions),
            "fleet": Fleet.model_construct(**fleet.right),
            # model_copy would count entry_region as written by the user.
            "app": App.model_construct(settings.app.model_fields_set, **{**dict(settings.app), "entry_region": entry}),
        }
    )


class Draft(NamedTuple):
    """A section as far as it is right, whatever is wrong with the rest of it: what rules across sections look at."""

    path: str
    raw: Mapping[str, object]
    right: dict[str, Any]

    @classmethod
    def of(cls, section: type[Section], raw: object, path: str = "", suffix: str = "") -> Self:
        """Reads a section, leaves out what is wrong, and puts the suffix behind default names."""
        right: dict[str, Any] = {}
        with suppress(ValidationError):
            section.model_validate(raw, context={section: right})
        given: Mapping[str, object] = cast("Mapping[str, object]", raw) if isinstance(raw, Mapping) else {}
        for field in section.suffixed:
            if field in right and to_camel(field) not in given and not _is_named(right):
                right[field] += suffix
        return cls(path, given, right)


def _is_named(right: Mapping[str, Any]) -> bool:
    """Says whether what a section describes exists, and hence has its name."""
    existing: Existing | None = right.get("existing")
    return bool(right.get("existing_id") or (existing and existing.cluster_id))


def _settled(regions: Sequence[Draft], fleet: Draft) -> Iterator[Problem]:
    """Finds keys that say again what a resource that exists has already."""
    for path, raw, right in regions:
        existing: Existing | None = right.get("existing")
        for field in existing.settled if existing else ():
            if to_camel(field) in raw:
                beside = "existing.subnetId" if existing and existing.subnet_id else "existing.clusterId"
                yield Problem(
                    f"{path}.{to_camel(field)}", f"cannot be set together with {beside}, which settles it", "remove it"
                )
    for field in ("name", "location", "resource_group", "hub") if fleet.right.get("existing_id") else ():
        if to_camel(field) in fleet.raw:
            found = "cannot be set together with fleet.existingId, which settles it"
            yield Problem(f"fleet.{to_camel(field)}", found, "remove it")


def _twice(regions: Sequence[Draft]) -> Iterator[Problem]:
    """Finds a cluster or a subnet that two regions have."""
    for field, remedy in (
        ("cluster_id", "a cluster is a member once: remove one of the regions"),
        # [learn: aks/configure-azure-cni, "Prerequisites"]
        ("subnet_id", "a subnet has one cluster: choose another subnet, which may be of the same VNet"),
    ):
        first = dict[str, str]()
        for path, _, right in regions:
            existing: Existing | None = right.get("existing")
            if existing and (resource_id := getattr(existing, field)):
                owner = first.setdefault(resource_id.lower(), path)
                if owner != path:
                    yield Problem(f"{path}.existing.{to_camel(field)}", f"is that of {owner} too", remedy)


def _is_peered(right: Mapping[str, Any]) -> bool:
    existing: Existing | None = right.get("existing")
    return bool(existing and existing.peered)


def _unpeered(regions: Sequence[Draft]) -> Iterator[Problem]:
    """Finds `existing.peered` in one region only: a peering connects two VNets."""
    said = [path for path, _, right in regions if _is_peered(right)]
    if len(said) == 1:
        found = "is said of no other region's network"
        yield Problem(
            f"{said[0]}.existing.peered", found, "write it in each region whose VNets are peered, or remove it"
        )


def _too_many_peerings(regions: Sequence[Draft]) -> Iterator[Problem]:
    """Finds more peerings than Azure allows for a VNet, which is peered with every other VNet."""
    networks = set[str]()
    for path, _, right in regions:
        existing: Existing | None = right.get("existing")
        networks.add((existing.network_id or path).lower() if existing else path)
    if (peerings := len(networks) - 1) > MAX_PEERINGS and not all(_is_peered(right) for _, _, right in regions):
        found = f"would give each VNet {peerings} peerings, one with every other network"
        yield Problem("regions", found, f"a VNet has {MAX_PEERINGS} at most: write at most {MAX_PEERINGS + 1} networks")


def _collisions(regions: Sequence[Draft], fleet: Draft) -> Iterator[Problem]:
    """Finds names that two regions, or a region and the fleet, would share."""
    for field in ("name", "resource_group", "cluster"):
        key, first = to_camel(field), dict[str, str]()
        for path, raw, right in regions:
            if field not in right or (field == "resource_group" and _is_named(right)):
                continue
            name = right[field]
            owner = first.setdefault(name.lower(), path)  # Azure ignores case in names
            if owner != path and key in raw:
                yield Problem(f"{path}.{key}", f"{show(name)} is that of {owner} too", f"choose another {key}")
            elif owner != path:
                found = f"{show(raw['location'])} makes the default {key} {show(name)}, which {owner} has too"
                yield Problem(f"{path}.location", found, f"set {key} in one of the two")
        if (
            field == "resource_group"
            and not _is_named(fleet.right)
            and (owner := first.get(str(fleet.right.get(field)).lower()))
        ):
            found = f"{show(fleet.right[field])} is that of {owner} too"
            yield Problem("fleet.resourceGroup", found, "choose another: to delete a group deletes all that is in it")
    yield from _others_groups(regions, fleet)
    for path, raw, right in regions:
        if right.keys() >= {"resource_group", "cluster", "location"} and not _is_named(right):
            nodes = f"MC_{right['resource_group']}_{right['cluster']}_{right['location']}"
            if len(nodes) > MAX_NODE_GROUP:
                key = next((key for key in ("resourceGroup", "cluster") if key in raw), "location")
                found = f"makes the nodes' resource group {nodes}, {len(nodes)} characters"
                yield Problem(f"{path}.{key}", found, f"shorten resourceGroup or cluster, to {MAX_NODE_GROUP} in all")


def _others_groups(regions: Sequence[Draft], fleet: Draft) -> Iterator[Problem]:
    """Finds resource groups that the stack would create and delete although existing resources are in them."""
    found = dict[str, str]()
    for path, _, right in regions:
        if existing := right.get("existing"):
            field = "subnet_id" if existing.subnet_id else "cluster_id"
            group = getattr(existing, field).split("/")[4]
            found.setdefault(group.lower(), f"{path}.existing.{to_camel(field)}")
    if resource_id := fleet.right.get("existing_id"):
        found.setdefault(resource_id.split("/")[4].lower(), "fleet.existingId")
    for path, _, right in (*regions, fleet):
        group = right.get("resource_group")
        if group and not _is_named(right) and (owner := found.get(group.lower())):
            text = f"{show(group)} has what {owner} names, and this stack would make and delete the group"
            yield Problem(f"{path}.resourceGroup", text, "choose another")


def _overlaps(regions: Sequence[Draft]) -> Iterator[Problem]:
    """Finds address spaces that meet another one, or the services of any cluster: the networks form one mesh."""
    spaces = [(region.path, region.right["address_space"]) for region in regions if region.right.get("address_space")]
    own = [region for region in regions if not _is_named(region.right)]
    services = [(region.path, region.right["service_cidr"]) for region in own if "service_cidr" in region.right]
    for i, (path, space) in enumerate(spaces):
        for others, key, remedy in (
            # Peering refuses overlaps. [learn: virtual-network/virtual-network-peering-overview]
            (spaces[:i], "addressSpace", "choose a range that no other region uses: peering refuses overlaps"),
            # Also those of peered networks. [learn: aks/concepts-network-legacy-cni]
            (services, "serviceCidr", "choose another range, or another serviceCidr there: services would hide pods"),
        ):
            met = [f"{other}.{key} {network}" for other, network in others if network.overlaps(space)]
            if met:
                yield Problem(f"{path}.addressSpace", f"{show(space)} overlaps {', '.join(met)}", remedy)


def _lost_entry(regions: Sequence[Draft], app: Draft) -> Iterator[Problem]:
    """Finds an entry region that is not in the list."""
    entry, names = app.right.get("entry_region"), [region.raw.get("name") for region in regions]
    if entry and names and entry not in names:
        found = f"{show(entry)} is none of {', '.join(map(show, names))}"
        yield Problem("app.entryRegion", found, "write the name of one of the regions", quotes="regions")


def _crowds(regions: Sequence[Draft], app: Draft) -> Iterator[Problem]:
    """Finds more pods than the smallest cluster's nodes run; the placement would wait for the rest in vain."""
    rooms = [(right["node_pool"].max_running_pods, path) for path, _, right in regions if right.get("node_pool")]
    replicas = app.right.get("replicas") or 0  # without it, the manifests' number counts
    if rooms and replicas > min(rooms)[0]:
        room, path = min(rooms)
        found = f"{show(replicas)} pods in each cluster are more than the {room} that the nodes of {path} run at most"
        yield Problem("app.replicas", found, "write less, or give that pool more nodes or a higher maxPods", "regions")


def _missed_updates(regions: Sequence[Draft], fleet: Draft) -> Iterator[Problem]:
    """Finds update groups that the stages miss, make up or repeat, and versions that the updates would not keep."""
    updates: Updates | None = fleet.right.get("updates")
    if not updates or not regions or not all("update_group" in region.right for region in regions):
        return
    groups, stage_of = list(dict.fromkeys(region.right["update_group"] for region in regions)), dict[str, str]()
    for stage, names in enumerate(updates.stages):
        for place, name in enumerate(names):
            path = f"fleet.updates.stages[{stage}][{place}]"
            if name not in groups:
                found = f"{show(name)} is the updateGroup of no region; there are {', '.join(map(show, groups))}"
                yield Problem(path, found, "write one of them; a region without updateGroup has its name", "regions")
            elif name in stage_of:
                # [azure-native: UpdateRunStrategyArgs]
                yield Problem(path, f"{show(name)} is {stage_of[name]} already", "name each group once")
            stage_of.setdefault(name, f"stages[{stage}][{place}]")
    if missed := [group for group in groups if group not in stage_of]:
        found = f"leave out {', '.join(map(show, missed))}"
        yield Problem("fleet.updates.stages", found, "put it into a stage: the fleet would not upgrade it", "regions")
    for path, raw, right in regions:
        if updates.channel != "NodeImage" and right.get("kubernetes_version"):
            found = f"{show(raw['kubernetesVersion'])} stays only until the fleet upgrades beyond it"
            # AKS goes back to no earlier minor version. [learn: aks/upgrade-aks-cluster]
            remedy = "remove it, or choose channel NodeImage: the next `pulumi up` would ask for it again"
            yield Problem(f"{path}.kubernetesVersion", found, remedy)


# --- The report ----------------------------------------------------------------------------------------------

# Pydantic's own findings: {value} is what was found; the rest is the finding's context.
_FINDINGS = {
    "missing": ("is missing", "{description}"),
    "string_type": ("{value} is not text", 'write text, in quotes if need be: YAML reads 1.30 as a number, "1.30" not'),
    "int_type": ("{value} is not a whole number", "write a whole number, without quotes"),
    "bool_type": ("{value} is neither true nor false", "write true or false, without quotes"),
    "tuple_type": ("{value} is not a list", "write one item a line, each after a dash"),
    "dict_type": ("{value} is not a map", "write one key: value a line"),
    "model_type": ("{value} is not a map", "write one key: value a line"),
    "literal_error": ("{value} is not allowed", "write {expected}"),
    "greater_than_equal": ("{value} is too small", "write {ge} or more"),
    "less_than_equal": ("{value} is too large", "write {le} or less"),
    "string_too_long": ("{value} is too long", "at most {max_length} characters are allowed"),
    "too_short": ("has too few items", "write {min_length} or more"),
    "too_long": ("has too many items", "at most {max_length} are allowed"),
}
_OVERLAY_KEYS = ("networkPlugin", "networkPluginMode", "podCidr")


def report(heading: str, problems: Sequence[Problem], secret: Collection[str]) -> str:
    """Writes two lines for each problem: where and what, then the remedy."""
    lines = [heading]
    for path, found, remedy, quotes in dict.fromkeys(problems):
        withheld = {re.split(r"[.\[]", path)[0], quotes} & {*secret}
        lines += [f"  {path}: {'(secret)' if withheld else found}", f"    {remedy}"]
    return "\n".join(lines)


def _problem(error: ErrorDetails) -> Problem:
    """Puts one of pydantic's findings into the words of the report."""
    *parents, key = [part for part in error["loc"] if part != "[key]"] or [""]
    if error["type"] == "missing":
        key = to_camel(str(key))  # a default that is found wanting goes by the field's name
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in (*parents, key)).lstrip(".")
    context: Mapping[str, Any] = error.get("ctx", {})
    if error["type"] == "refused":
        return Problem(path, context["found"], context["remedy"])
    section = _section_at(parents)
    if error["type"] == "extra_forbidden":
        return Problem(path, "is not a key here", _instead_of(str(key), section))
    descriptions = {field.alias: field.description for field in section.model_fields.values()}
    words = {**context, "value": show(error["input"]), "description": descriptions.get(str(key))}
    found, remedy = _FINDINGS.get(error["type"], ("{value} is not allowed", "write another value"))
    return Problem(path, found.format(**words), remedy.format(**words))


def _section_at(path: Sequence[int | str]) -> type[Section]:
    """Finds the section that describes the keys at a path."""
    section: type[Section] = Settings
    for key in path:
        annotation = next((field.annotation for field in section.model_fields.values() if field.alias == key), None)
        kinds = (annotation, *get_args(annotation))
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), section)
    return section


def _instead_of(key: str, section: type[Section]) -> str:
    """Says what to write in place of an unknown key."""
    if key in _OVERLAY_KEYS:
        # [learn: aks/concepts-network-azure-cni-overlay]
        return "remove it: overlay pods are not reachable from another cluster, so flat Azure CNI is fixed"
    keys = {str(field.alias).lower(): str(field.alias) for field in section.model_fields.values()}
    nearest = get_close_matches(key.lower(), keys, n=1)
    return f"did you mean {keys[nearest[0]]}?" if nearest else f"the keys are {', '.join(keys.values())}"
