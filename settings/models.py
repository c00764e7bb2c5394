"""The settings as frozen, typed models: keys, defaults, and the rules within one section.

`make docs` writes docs/settings.md from their docstrings. If a required key is missing, the report quotes the first
sentence of its docstring.
"""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network
from math import inf
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Self, TypeVar, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from . import values
from .report import invalid, kind, show

MIN_API_PREFIX: Final = 28  # of the smallest subnet for an API server [learn: aks/api-server-vnet-integration]
_HUB_PREFIX: Final = 23  # of each subnet of a private hub [learn: kubernetes-fleet/quickstart-create-fleet-and-members]
# The hub's own services. [learn: kubernetes-fleet/quickstart-create-fleet-and-members, "Prerequisites"]
_HUB_SERVICES: Final = IPv4Network("10.0.0.0/16")
MIN_POOL_PODS = 30  # pods that a system node pool must have room for [learn: aks/use-system-pools]
_MAX_ROLLOUT_WAIT = 24 * 60  # minutes: `pulumi up` waits, and nobody else can change the stack meanwhile
MAX_WAIT_DAYS = (
    90  # days in which a node image can be installed [learn: kubernetes-fleet/concepts-update-orchestration]
)


class Section(BaseModel):
    """A part of the settings: frozen, strict about types, and without unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_default=True,
        use_attribute_docstrings=True,
    )
    suffixed: ClassVar[tuple[str, ...]] = ()  # names whose defaults get the suffix


_S = TypeVar("_S", bound=Section)
# A key that belongs to another kind of section; an empty value counts as none.
_Absent = Annotated[None, BeforeValidator(lambda value: value or None)]


def _default(make: Callable[[dict[str, Any]], object], words: str) -> Any:  # noqa: ANN401 - as Field itself
    """Return a field whose default is computed from the fields before it."""
    return Field(default_factory=make, json_schema_extra={"default": words})


def _default_name(template: str) -> Any:  # noqa: ANN401 - as Field itself
    """Return a name's field whose default is computed from the fields before it."""
    return _default(lambda section: template.format(**section), f"`{template}`".replace("{", "<").replace("}", ">"))


# --- Regions -------------------------------------------------------------------------------------------------


class Pool(Section):
    """Nodes: a fixed count, or a range for the autoscaler."""

    vm_size: values.VmSize
    """An Azure VM size, such as `Standard_D4ds_v5`."""
    count: values.NodeCount | None = None
    """A fixed number of nodes."""
    min_count: values.NodeCount | None = None
    """For the autoscaler, with `maxCount` and without `count`: the smallest number of nodes."""
    max_count: values.NodeCount | None = None
    """The largest number of nodes."""
    zones: values.Zones = ()
    """Availability zones, such as `["1", "2", "3"]`."""
    max_pods: values.MaxPods = 30
    """Pods on each node, 10 to 250. Even at its smallest, the pool must have room for 30 pods. Each pod takes an
    address of the subnet."""
    surge: values.Surge | None = None
    """How many nodes an upgrade adds, in percent of the pool, 1 to 100. Without it, Azure adds 10 %. More nodes make an
    upgrade faster, and take more addresses."""

    @model_validator(mode="after")
    def _has_one_size(self) -> Self:
        sizes = {"count": self.count, "minCount": self.min_count, "maxCount": self.max_count}
        given = [key for key, size in sizes.items() if size]
        if given not in (["count"], ["minCount", "maxCount"]):
            remedy = "write count for a fixed pool, or minCount and maxCount for the autoscaler"
            raise invalid(f"has {' and '.join(given) or 'no size'}", remedy)
        if self.min_count and self.max_count and self.min_count > self.max_count:
            raise invalid(f"has minCount {self.min_count} above maxCount {self.max_count}", "swap them")
        return self

    @property
    def max_nodes(self) -> int:
        """The largest number of nodes, without those of an upgrade."""
        return self.count or self.max_count or 0

    @property
    def surge_nodes(self) -> int:
        """The nodes that an upgrade adds, rounded up. [learn: aks/upgrade-aks-node-pools-rolling]."""
        return -(-self.max_nodes * (self.surge or 10) // 100)

    @property
    def addresses(self) -> int:
        """The addresses that the pool takes at its largest.

        A node takes one for itself and one for each pod it may run [learn: aks/concepts-network-legacy-cni].
        """
        return (self.max_nodes + self.surge_nodes) * (1 + self.max_pods)


class NodePool(Pool):
    """The nodes of a cluster; with `userPool`, those of AKS's own workloads."""

    @model_validator(mode="after")
    def _is_large_enough(self) -> Self:
        pods = (self.count or self.min_count or 0) * self.max_pods
        if pods < MIN_POOL_PODS:
            remedy = f"choose more nodes or a higher maxPods: Azure requires room for {MIN_POOL_PODS}"
            raise invalid(f"has room for {pods} pods", remedy)
        return self


class UserPool(Pool):
    """The nodes of the apps."""

    zones: values.Zones = Field(default=(), json_schema_extra={"default": "as `nodePool`"})
    """Availability zones."""
    max_pods: values.MaxPods = Field(default=30, json_schema_extra={"default": "as `nodePool`"})
    """Pods on each node, 10 to 250."""
    surge: values.Surge | None = Field(default=None, json_schema_extra={"default": "as `nodePool`"})
    """How many nodes an upgrade adds, in percent of the pool, 1 to 100."""


class _Existing(Section):
    peered: bool = False
    """Whether somebody else connects the VNets of all regions that set this key. The stack then creates no peering
    between these regions."""


class ExistingSubnet(_Existing):
    """A subnet of a VNet that exists."""

    subnet_id: values.SubnetId
    """The ID of a subnet (or `clusterId`, the ID of a cluster). It must be in the region's location, large enough for
    the node pool, and used by no other cluster."""
    cluster_id: _Absent = None
    api_server_subnet_id: values.SubnetId | None = None
    """The ID of another subnet of the same VNet, delegated to `Microsoft.ContainerService/managedClusters`, for the
    cluster's API server. Required with `clusters.privateApiServer`."""

    @property
    def network_id(self) -> str:
        """The ID of the subnet's VNet."""
        return self.subnet_id.rsplit("/", 2)[0]


class ExistingCluster(_Existing):
    """An AKS cluster that exists, with its subnet."""

    cluster_id: values.ClusterId
    """The ID of an AKS cluster (or `subnetId`, the ID of a subnet). It must be in the region's location and use flat
    Azure CNI."""
    subnet_id: _Absent = None


class _Region(Section):
    """Every region."""

    name: values.RegionName
    """A short name, such as `east`."""
    location: values.Location
    """An Azure region, such as `eastus2` or `East US 2`."""
    update_group: values.UpdateGroup = _default_name("{name}")
    """The group in which the fleet upgrades the cluster."""
    entry_suffix: values.EntrySuffix | None = Field(
        default=None, json_schema_extra={"default": "`-<name>`; empty without `app.entryRegions`"}
    )
    """For a region in `app.entryRegions`: the suffix of its entry Service, which is called
    `<app.service><entrySuffix>`. These names must differ, so the suffix of one region may be empty."""
    lost: bool = False
    """Whether the region no longer answers. It then gets neither the app nor an entry point, and its resources in Azure
    stay as they are. See [operations.md](operations.md#take-a-lost-region-out)."""


class _NewCluster(_Region):
    """Without `existing.clusterId`: the stack creates the cluster.

    Its pods have addresses of the subnet (flat Azure CNI), because pods of an overlay cannot be reached from another
    cluster. There is no setting for that.
    """

    suffixed = ("resource_group", "cluster")

    node_pool: NodePool
    """`vmSize`, and `count` or `minCount` and `maxCount`."""
    user_pool: UserPool | None = None
    """Nodes for the apps, in a pool of their own, with the keys of `nodePool`. The nodes of `nodePool` then run AKS's
    own workloads only."""
    resource_group: values.ClusterGroup = _default_name("rg-aks-{location}")
    """The name of the region's resource group. The stack creates and deletes it, so no existing resource may be in it.
    AKS accepts no letters but a to z."""
    cluster: values.ClusterName = _default_name("aks-{location}")
    """The name of the cluster and of its member in the fleet."""
    service_cidr: values.ServiceNetwork = IPv4Network("10.0.0.0/16")
    """The addresses of the cluster's services. Clusters may share a range."""
    dns_service_ip: values.Address = _default(
        lambda region: region["service_cidr"][10], "the tenth address of `serviceCidr`"
    )
    """The address of the cluster's DNS."""
    kubernetes_version: values.Version | None = None
    """The version of Kubernetes, such as `"1.36"`, in quotes. Without it, Azure chooses."""
    ssh_public_key: values.PublicKey | None = None
    """For logging in to nodes, such as `ssh-ed25519 AAAA…`."""

    @field_validator("user_pool", mode="before")
    @classmethod
    def _is_like_the_node_pool(cls, pool: object, info: ValidationInfo) -> object:
        system: NodePool | None = info.data.get("node_pool")
        if not system or not isinstance(pool, dict):
            return pool
        same = {"zones": list(system.zones), "maxPods": system.max_pods, "surge": system.surge}
        return same | cast("dict[str, object]", pool)

    @property
    def pools(self) -> tuple[Pool, ...]:
        """All pools of the cluster."""
        return (self.node_pool, *([self.user_pool] if self.user_pool else []))

    @field_validator("dns_service_ip")
    @classmethod
    def _is_a_service(cls, address: IPv4Address, info: ValidationInfo) -> IPv4Address:
        services: IPv4Network | None = info.data.get("service_cidr")
        # The first is that of the Service "kubernetes" [learn: aks/concepts-network-legacy-cni]; Kubernetes allots
        # neither the network's nor the broadcast address [kubernetes: registry/core/service/ipallocator].
        if services and (address not in services or address in (services[0], services[1], services[-1])):
            remedy = "choose an address inside serviceCidr, neither its first two nor its last"
            raise invalid(f"{show(address)} cannot be the DNS address in {services}", remedy)
        return address


class NewRegion(_NewCluster):
    """Without `existing`: the stack creates the network, too."""

    existing: None = None
    address_space: values.Network
    """The VNet's IPv4 range, such as `10.1.0.0/16`. It must not overlap another region's, nor any cluster's
    `serviceCidr`."""
    node_subnet: values.Network
    """An IPv4 range inside `addressSpace`, such as `10.1.0.0/24`. It needs 5 addresses for Azure, and for each pool
    (largest number of nodes + nodes that an upgrade adds) * (1 + `maxPods`)."""
    virtual_network: values.VirtualNetworkName = _default_name("aks-vnet-{name}")
    """The name of the VNet."""
    subnet: values.SubnetName = _default_name("aks-subnet-{name}")
    """The name of the subnet."""
    api_server_subnet: values.Network = _default(
        lambda region: IPv4Network(
            ((int(region["node_subnet"].broadcast_address) + 1) % 2**32, MIN_API_PREFIX), strict=False
        ),
        "the first /28 after `nodeSubnet`",
    )
    """With `clusters.privateApiServer`: the range of the API server's own subnet, /28 or larger, inside
    `addressSpace`."""

    @field_validator("node_subnet")
    @classmethod
    def _holds_the_pool(cls, subnet: IPv4Network, info: ValidationInfo) -> IPv4Network:
        space: IPv4Network | None = info.data.get("address_space")
        if space and not subnet.subnet_of(space):
            raise invalid(f"{show(subnet)} is outside addressSpace {space}", "choose a range inside addressSpace")
        pools: list[Pool] = [pool for key in ("node_pool", "user_pool") if (pool := info.data.get(key))]
        # Azure keeps five of each subnet [learn: virtual-network/virtual-networks-faq].
        needed = 5 + sum(pool.addresses for pool in pools)
        if pools and subnet.num_addresses < needed:
            # Else an upgrade or the autoscaler fails: SubnetIsFull. [learn: error-code-subnetisfull-upgrade]
            parts = [
                f"{1 + pool.max_pods} for each of {pool.max_nodes} nodes and {pool.surge_nodes} more during upgrades"
                for pool in pools
            ]
            found = (
                f"{show(subnet)} has {subnet.num_addresses} addresses, {needed} are needed: 5 for Azure, "
                f"{', '.join(parts)}; a /{32 - (needed - 1).bit_length()} is large enough"
            )
            raise invalid(found, "choose a larger subnet, fewer nodes or a lower maxPods")
        return subnet


class SubnetRegion(_NewCluster):
    """With `existing.subnetId`: the stack creates the cluster in a subnet that exists.

    See [azure.md](azure.md#use-existing-resources). The keys of a new network cannot be set together with it.
    """

    existing: ExistingSubnet


class ClusterRegion(_Region):
    """With `existing.clusterId`: the cluster exists.

    See [azure.md](azure.md#use-existing-resources). The keys of a new cluster or network cannot be set together with
    it.
    """

    existing: ExistingCluster
    cluster: values.MemberName = _default(
        lambda region: region["existing"].cluster_id.rpartition("/")[2].lower(), "the cluster's name, in lower case"
    )
    """The name of the cluster's member in the fleet."""

    @property
    def resource_group(self) -> str:
        """The group that the cluster is in."""
        return values.group_of(self.existing.cluster_id)


def _kind_of_region(region: Any) -> str:  # noqa: ANN401 - whatever the user wrote
    keys = cast("dict[str, Any]", region) if isinstance(region, dict) else {}
    ids = keys.get("existing")
    if ids is None:
        return "<new>"
    given = [key for key in ("subnetId", "clusterId") if isinstance(ids, dict) and cast("Any", ids).get(key)]
    if len(given) != 1:  # a mistake: the region's other keys decide
        given = ["subnetId" if "nodePool" in keys else "clusterId"]
    return f"<existing.{given[0]}>"


Region = Annotated[
    Annotated[NewRegion, kind("new")]
    | Annotated[SubnetRegion, kind("existing.subnetId")]
    | Annotated[ClusterRegion, kind("existing.clusterId")],
    Discriminator(_kind_of_region),
]

# --- The fleet -----------------------------------------------------------------------------------------------


class PrivateHub(Section):
    """Closes the hub's API server to the internet: it has an address in a VNet that the stack makes. Fixed at creation.

    See [private.md](private.md).
    """

    address_space: values.Network
    """The VNet's IPv4 range, /22 or larger, such as `10.20.0.0/22`. It must not overlap 10.0.0.0/16, a region's range
    or a cluster's `serviceCidr`."""
    resource_provider_object_id: values.ObjectId
    """The object ID (a GUID) of the service principal `Azure Kubernetes Service - Fleet RP` in your tenant. See
    [private.md](private.md#before-the-first-up)."""

    @field_validator("address_space")
    @classmethod
    def _holds_two_subnets(cls, space: IPv4Network) -> IPv4Network:
        if space.overlaps(_HUB_SERVICES):
            raise invalid(f"{show(space)} overlaps {_HUB_SERVICES}, the hub's own services", "choose another range")
        if space.prefixlen >= _HUB_PREFIX:
            raise invalid(
                f"{show(space)} is too small for two /{_HUB_PREFIX}", f"choose a /{_HUB_PREFIX - 1} or larger"
            )
        return space

    @property
    def subnets(self) -> tuple[IPv4Network, IPv4Network]:
        """The ranges for the hub's nodes and for its API server."""
        nodes, api_server, *_ = self.address_space.subnets(new_prefix=_HUB_PREFIX)
        return nodes, api_server


class Hub(Section):
    """The fleet's hub cluster."""

    dns_prefix: values.DnsPrefix | None = None
    """The prefix of the name of the hub's API server. Without it, Azure chooses."""
    vm_size: values.VmSize | None = None
    """The VM size of the hub's node. Without it, Azure chooses."""
    private: PrivateHub | None = None
    """Closes the hub to the internet: `addressSpace` and `resourceProviderObjectId`. Not with `dnsPrefix`."""

    @field_validator("private")
    @classmethod
    def _has_no_name_of_its_own(cls, private: PrivateHub | None, info: ValidationInfo) -> PrivateHub | None:
        if private and info.data.get("dns_prefix"):  # [learn: kubernetes-fleet/concepts-choosing-fleet]
            raise invalid("cannot be set together with dnsPrefix", "remove dnsPrefix: Azure names a private hub")
        return private


# [learn: kubernetes-fleet/concepts-update-orchestration]
_Stage = Annotated[tuple[str, ...], Field(strict=False), values.length(1, 50, "write 1 to 50 update groups")]


class Updates(Section):
    """How the fleet upgrades its members: stages of update groups, one after the other."""

    channel: Literal["Stable", "Rapid", "NodeImage"]
    """`Stable` (the last but one minor version of Kubernetes), `Rapid` (the last one) or `NodeImage` (images alone).
    With `Stable` and `Rapid`, no region may set `kubernetesVersion`."""
    # At least one stage, and one group in each. [azure-native: UpdateRunStrategyArgs.stages, UpdateStageArgs.groups]
    stages: Annotated[tuple[_Stage, ...], Field(strict=False), values.length(1, inf, "write one stage or more")]
    """A list of stages, each a list of update groups, such as `[[west], [europe, east]]`. Each region's group is in one
    stage. A stage has at most 50 groups."""
    wait_minutes: int = Field(default=0, ge=0)
    """Minutes between the end of a stage and the start of the next one. All waits together may take 90 days."""
    node_images: Literal["Latest", "Consistent"] | None = None
    """`Latest` for the newest image of each region, `Consistent` for the same image in all of them. Not with channel
    `NodeImage`. Without it, Azure chooses."""
    enabled: bool = True
    """`false` keeps the stages and starts no upgrade."""

    @field_validator("wait_minutes")
    @classmethod
    def _ends_in_time(cls, minutes: int, info: ValidationInfo) -> int:
        waits = len(info.data.get("stages", ())) - 1
        if waits * minutes > MAX_WAIT_DAYS * 24 * 60:
            found = f"{show(minutes)} minutes between {waits + 1} stages are more than {MAX_WAIT_DAYS} days in all"
            raise invalid(found, f"write less: a node image cannot be installed after {MAX_WAIT_DAYS} days")
        return minutes

    @field_validator("node_images")
    @classmethod
    def _has_a_choice(cls, images: str | None, info: ValidationInfo) -> str | None:
        # [Azure/azure-cli-extensions: src/fleet/azext_fleet/custom.py, create_auto_upgrade_profile]
        if images and info.data.get("channel") == "NodeImage":
            remedy = "remove it: that channel installs the same images in every region"
            raise invalid("cannot be set together with channel NodeImage", remedy)
        return images


class _Fleet(Section):
    """Every fleet."""

    updates: Updates | None = None
    """How the fleet upgrades its members. Without it, the fleet upgrades none. See
    [operations.md](operations.md#upgrade-kubernetes-across-the-fleet)."""


class NewFleet(_Fleet):
    """Without `existingId`: the stack creates the fleet."""

    suffixed = ("name", "resource_group")

    existing_id: _Absent = None
    name: values.FleetName = "gbb-fleet"
    """The name of the fleet."""
    location: values.Location = "westus"
    """The Azure region of the hub."""
    resource_group: values.ResourceGroup = "rg-fleet"
    """The name of its resource group. The stack creates and deletes it, so no existing resource may be in it."""
    hub: Hub = Hub()


class ExistingFleet(_Fleet):
    """With `existingId`: the fleet exists.

    See [azure.md](azure.md#use-existing-resources). The keys of a new fleet cannot be set together with it.
    """

    existing_id: values.FleetId
    """The ID of a fleet with a hub."""
    location: ClassVar[None] = None  # only Azure knows it
    hub: ClassVar[Hub] = Hub()

    @property
    def name(self) -> str:
        """The fleet's name."""
        return self.existing_id.rpartition("/")[2]

    @property
    def resource_group(self) -> str:
        """The group that the fleet is in."""
        return values.group_of(self.existing_id)


def _kind_of_fleet(fleet: Any) -> str:  # noqa: ANN401 - whatever the user wrote
    return "<fleet.existingId>" if isinstance(fleet, dict) and cast("Any", fleet).get("existingId") else "<new>"


Fleet = Annotated[
    Annotated[NewFleet, kind("new")] | Annotated[ExistingFleet, kind("fleet.existingId")],
    Discriminator(_kind_of_fleet),
]

# --- The rest ------------------------------------------------------------------------------------------------


WEEK: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Maintenance(Section):
    """The hours of the week in which clusters may be upgraded, in UTC."""

    day: Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    """The day on which the window of the first stage opens. The window of each later stage opens one day later or more:
    after the window before has closed and `fleet.updates.waitMinutes` are over. Without `fleet.updates`, each region is
    a stage."""
    start: values.TimeOfDay = "21:00"
    """The time at which a window opens, in UTC and in quotes."""
    hours: int = Field(default=8, ge=4, le=24)  # [learn: aks/planned-maintenance]
    """How many hours a window is open, 4 to 24."""

    def days_apart(self, wait_minutes: int) -> int:
        """Return the days from one stage's window to the next one's.

        A stage ends before its window closes. The next window must not open during the wait that follows: it would
        close again before the stage is done, and the stage would wait for a week.
        """
        return -(-(self.hours * 60 + wait_minutes) // (24 * 60))


class Clusters(Section):
    """Settings of all clusters that the stack creates."""

    tier: Literal["Free", "Standard", "Premium"] = "Free"
    """The pricing tier: `Free`, `Standard` or `Premium`."""
    entra_id: bool = False
    """Whether everybody signs in to the clusters with Microsoft Entra ID and Azure RBAC. The clusters then have no
    local accounts. It cannot be turned off again."""
    node_os: Literal["AzureLinux", "Ubuntu"] | None = None
    """The nodes' Linux, `AzureLinux` or `Ubuntu`. Without it, Azure chooses. A change installs other images, node by
    node."""
    dataplane: Literal["azure", "cilium"] = "azure"
    """`azure`, or `cilium` for network policies. Fixed at creation. Whether the fleet's endpoints work with Cilium is
    untried: try it in a stack of its own first."""
    outbound: Literal["loadBalancer", "natGateway", "routeTable"] = "loadBalancer"
    """How nodes and pods reach the internet: `loadBalancer` of the cluster, `natGateway` with a constant address in
    each region, or `routeTable` of an existing subnet. Fixed at creation. A `routeTable` requires `app.internal`. An
    existing subnet must have its own gateway or table. See [azure.md](azure.md#outbound-traffic)."""
    security_group: bool = False
    """Whether new subnets have a network security group. From the internet, only the ports of the entry points and
    of the app's own Services with a public load balancer are then open. See
    [azure.md](azure.md#network-security-groups)."""
    api_ranges: Annotated[
        tuple[values.PublicNetwork, ...],
        Field(strict=False),
        values.length(0, 199, "write at most 199: AKS takes 200, and a NAT gateway needs one"),
        values.distinct("write each range once"),
    ] = ()
    """The public ranges from which API servers can be reached, such as `[203.0.113.0/28]`. List those of everyone who
    runs `pulumi up`, `make verify` or kubectl. Without the key, API servers can be reached from everywhere. See
    [azure.md](azure.md#ranges-for-api-servers)."""
    private_api_server: bool = False
    """Whether API servers have private addresses only, in the regions' VNets. Fixed at creation. Not with `apiRanges`.
    See [private.md](private.md)."""
    maintenance: Maintenance | None = None
    """When AKS and the fleet may upgrade the clusters: `day`, `start`, `hours`. Without it, at any time. See
    [operations.md](operations.md#upgrade-kubernetes-across-the-fleet)."""
    registry_id: values.RegistryId | None = None
    """The ID of a container registry from which the nodes pull images without a password. See
    [apps.md](apps.md#images-from-your-own-registry)."""
    host_encryption: bool = False
    """Whether the nodes' temporary disks and caches are encrypted on their hosts. Fixed at creation. The subscription
    needs the feature `EncryptionAtHost`. See [azure.md](azure.md#nodes-for-the-apps)."""
    baseline: bool = False
    """Whether the clusters have settings for production that cost nothing and limit no app. It cannot be turned off
    again. See [azure.md](azure.md#the-baseline-of-a-cluster)."""

    @field_validator("private_api_server")
    @classmethod
    def _has_no_ranges(cls, private: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - a validator's argument
        if private and info.data.get("api_ranges"):  # [learn: aks/api-server-authorized-ip-ranges]
            raise invalid("cannot be set together with apiRanges", "remove one: no range reaches a private API server")
        return private


class Alerts(Section):
    """Who is told of alerts. With neither key (`{}`), they are shown in the portal only."""

    emails: Annotated[tuple[values.Email, ...], Field(strict=False), values.distinct("name each address once")] = ()
    """A list of addresses that get an e-mail."""
    action_group_id: values.ActionGroupId | None = None
    """The ID of an existing action group."""


class Monitoring(Section):
    """Logs and metrics of the stack's clusters and fleet, in Azure Monitor.

    See [operations.md](operations.md#logs-and-metrics).
    """

    suffixed = ("resource_group",)

    location: values.Location | None = Field(default=None, json_schema_extra={"default": "`fleet.location`"})
    """The Azure region of the workspaces. Required with `fleet.existingId`."""
    resource_group: values.ResourceGroup = "rg-monitoring"
    """The name of the workspaces' resource group. The stack creates and deletes it, so no existing resource may be in
    it."""
    workspace_id: values.WorkspaceId | None = None
    """The ID of an existing Log Analytics workspace, for logs. Without it, the stack creates one."""
    metrics_workspace_id: values.MetricsWorkspaceId | None = None
    """The ID of an existing Azure Monitor workspace, for metrics. Without it, the stack creates one."""
    alerts: Alerts | None = None
    """Alerts about nodes, pods, volumes, and the health of clusters and fleet. Without the key, there are none."""
    defender: bool = False
    """Whether the clusters have the sensor of Microsoft Defender. The subscription needs the plan Defender for
    Containers, which is not part of the stack."""
    enabled: bool = _default(
        lambda monitoring: any(
            monitoring.get(key) != field.default
            for key, field in Monitoring.model_fields.items()
            if not field.default_factory
        ),
        "`true` with another key of this section, else `false`",
    )
    """Whether logs and metrics are collected. Azure bills them by volume."""


class GlobalAddress(Section):
    """An address that leads to the nearest healthy entry point, and works when a region is lost."""

    suffixed = ("resource_group",)

    home_region: values.HomeRegion
    """The Azure region in which the address is made, such as `eastus2`. The address works while that region is down."""
    resource_group: values.ResourceGroup = "rg-global-address"
    """The name of its resource group. The stack creates and deletes it, so no existing resource may be in it."""


def _placeable(namespace: str) -> str:
    # [fleet v0.18.12 pkg/utils/common.go IsReservedNamespace, cmd/hubagent/workload/setup.go]
    if namespace == "default" or namespace.startswith(("fleet-", "kube-")):
        remedy = "choose another: Fleet places neither default nor fleet-* nor kube-*"
        raise invalid(f"{show(namespace)} is reserved", remedy)
    return namespace


class NamedAddress(GlobalAddress):
    """Static addresses of Azure's global load balancer, in front of entry points. Apps can share one.

    `globalAddresses` is a map: the name of each address, then its keys. An address stays when its apps are removed.
    """

    resource_group: values.ResourceGroup = Field(default="", json_schema_extra={"default": "`rg-<name>-address`"})
    """The name of its resource group. The stack creates and deletes it, so no existing resource may be in it."""


_Pods = Annotated[int, Field(ge=1)]
_Replicas = Annotated[
    Annotated[_Pods, kind("replicas.everywhere")] | Annotated[Mapping[str, _Pods], kind("replicas.by_region")],
    Discriminator(lambda value: "<replicas.by_region>" if isinstance(value, Mapping) else "<replicas.everywhere>"),
]


class Entry(NamedTuple):
    """An entry point.

    Attributes:
        region: the name of its region.
        service: the app's Service whose pods it balances over.
        name: the Service that it imports, the entry Service.
    """

    region: str
    service: str
    name: str


_RolloutStage = Annotated[tuple[str, ...], Field(strict=False), values.length(1, inf, "write one region or more")]


class Rollout(Section):
    """The stages in which a change of the app reaches the regions."""

    stages: Annotated[
        tuple[_RolloutStage, ...], Field(strict=False), values.length(1, 31, "write 1 to 31: Fleet allows no more")
    ]
    """A list of stages, each a list of names of regions, such as `[[west], [europe, east]]`. Each region is in one
    stage."""  # [Azure/fleet v0.18.12, apis/placement/v1/stageupdate_types.go, UpdateStrategySpec]
    wait_minutes: int = Field(default=0, ge=0)
    """Minutes for which a stage must have run the change before the next one gets it, at most a day in all: `pulumi up`
    waits for them. For longer, use `until`."""
    until: int | None = Field(default=None, ge=1)
    """The number of the last stage that a change reaches, from 1. Without it, a change reaches all."""

    @field_validator("wait_minutes")
    @classmethod
    def _ends_in_a_day(cls, minutes: int, info: ValidationInfo) -> int:
        waits = max(len(info.data.get("stages", ())) - 1, 1)
        if waits * minutes > _MAX_ROLLOUT_WAIT:
            remedy = (
                f"write at most {_MAX_ROLLOUT_WAIT // waits}: `pulumi up` waits, and nobody else can change the stack"
            )
            found = f"{show(waits * minutes)} minutes in all are more than a day"
            raise invalid(found, f"{remedy} meanwhile; to wait for longer, use until")
        return minutes

    @field_validator("until")
    @classmethod
    def _is_a_stage(cls, until: int | None, info: ValidationInfo) -> int | None:
        stages = info.data.get("stages", ())
        if until and stages and until > len(stages):
            raise invalid(
                f"{show(until)} is not a stage; there are {len(stages)}", "write a smaller number, or remove it"
            )
        return until


class App(Section):
    """The app, the Service that all clusters share, and the regions in which the traffic enters."""

    namespace: values.DnsLabel = "aks-store-demo"
    """The app's namespace, which is placed as a whole. Not `default`, `kube-*` or `fleet-*`. It begins with a letter,
    because Fleet derives a Service's name from it."""
    service: values.DnsLabel = "store-front"
    """The Service of `manifests/app` that all clusters share. See [apps.md](apps.md)."""
    entry_regions: Annotated[tuple[str, ...], Field(strict=False), values.distinct("name each region once")] = Field(
        default=(), json_schema_extra={"default": "the first region"}
    )
    """The names of the regions with an entry point, such as `[east, west]`. Each entry point has an address of its own,
    and balances over the pods of all regions. Set the key before you put another region first in `regions`."""
    internal: bool = False
    """Whether the addresses are in the entry regions' VNets instead of public."""
    global_address: GlobalAddress | None = None
    """A static address of Azure's global load balancer, in front of all entry points. Not with `internal`. See
    [operations.md](operations.md#a-region-no-longer-answers)."""
    guard: bool = _default(lambda app: app["global_address"] is not None, "`true` with `globalAddress`, else `false`")
    """Whether each entry region runs a guard. This is a workload that takes the endpoints of a lost region out of the
    entry points, and puts them back when the region answers again. See
    [operations.md](operations.md#a-region-no-longer-answers)."""
    replicas: _Replicas | None = None
    """The app's number of pods in each cluster: one number, or a map of regions to numbers, such as
    `{east: 5, west: 2}`. Regions without a number have that of the manifest. See [apps.md](apps.md#how-many-pods)."""
    rollout: Rollout | None = None
    """The stages in which a change of the app reaches the regions. Without it, Fleet changes one region after another,
    and `pulumi up` does not check the result. It cannot be removed again. See
    [apps.md](apps.md#change-one-region-first)."""

    @property
    def folder(self) -> str:
        """The folder of the app's manifests."""
        return "manifests/app"

    @property
    def placed_in(self) -> tuple[str, ...]:
        """The names of the regions that the app is placed in; empty for all."""
        return ()

    @property
    def shared(self) -> tuple[str, ...]:
        """The Services that all clusters share."""
        return (self.service,)

    @property
    def address(self) -> str | None:
        """The name of the global address in front of the entry points."""
        return "global" if self.global_address else None

    @field_validator("global_address")
    @classmethod
    def _is_public(cls, address: object, info: ValidationInfo) -> object:
        if address and info.data.get("internal"):  # [learn: load-balancer/cross-region-overview, "Limitations"]
            remedy = "remove one of the two: a global address leads to public addresses only"
            raise invalid("cannot be set together with internal", remedy)
        return address

    @field_validator("namespace")
    @classmethod
    def _can_be_placed(cls, namespace: str) -> str:
        return _placeable(namespace)

    @field_validator("service")
    @classmethod
    def _fits_derived_name(cls, service: str, info: ValidationInfo) -> str:
        # The derived Service is <namespace>-<service>, a DNS label. [fleet-networking v0.3.25 multiclusterservice]
        derived = f"{info.data.get('namespace', '')}-{service}"
        if len(derived) > values.MAX_LABEL:
            remedy = f"shorten service or namespace: <namespace>-<service> has at most {values.MAX_LABEL} characters"
            raise invalid(f"{show(service)} makes {show(derived)}, {len(derived)} characters", remedy)
        return service


class NamedApp(App):
    """Several apps, in place of `app`.

    `apps` is a map: the name of each app, then the keys of `app`, with these differences. Apps share regions, fleet and
    guards. Each app has a namespace of its own. `app` and `apps` cannot be set together. See
    [apps.md](apps.md#several-apps).
    """

    namespace: values.DnsLabel = Field(default="", json_schema_extra={"default": "the app's name"})
    """The app's namespace, as in `app`."""
    service: values.DnsLabel = Field(default="", json_schema_extra={"default": "the app's name"})
    """The Service of the app's manifests that all clusters share."""
    services: Annotated[
        tuple[values.DnsLabel, ...],
        Field(strict=False),
        values.length(1, inf, "write one Service or more"),
        values.distinct("name each Service once"),
    ] = Field(default=(), json_schema_extra={"default": "`service` alone"})
    """Several such Services, in place of `service`. Each has entry points of its own in the entry regions. In a running
    app, the first one stays the first; others come and go after it."""
    manifests: values.Folder = Field(default="", json_schema_extra={"default": "`manifests/<name>`"})
    """The folder of the app's manifests, relative to the program's folder."""
    regions: Annotated[tuple[str, ...], Field(strict=False), values.distinct("name each region once")] = Field(
        default=(), json_schema_extra={"default": "all"}
    )
    """The names of the regions that the app is placed in. They must include its entry regions. Without `entryRegions`,
    the first of them has the entry point."""
    global_address: values.DnsLabel | None = None  # pyright: ignore[reportIncompatibleVariableOverride] - a section in `app`
    """The name of one of `globalAddresses`. Apps and Services with different ports can share an address."""

    @property
    def folder(self) -> str:
        """The folder of the app's manifests."""
        return self.manifests

    @property
    def placed_in(self) -> tuple[str, ...]:
        """The names of the regions that the app is placed in; empty for all."""
        return self.regions

    @property
    def shared(self) -> tuple[str, ...]:
        """The Services that all clusters share."""
        return self.services or (self.service,)

    @property
    def address(self) -> str | None:
        """The name of the global address in front of the entry points."""
        return self.global_address


def _filled(sections: object, defaults: Callable[[object, Mapping[str, Any]], Mapping[str, object]]) -> object:
    """Return a map of sections with the defaults that depend on their names."""
    if not isinstance(sections, dict):
        return sections
    found = dict[object, object]()
    for name, section in cast("dict[object, object]", sections).items():
        keys: object = {} if section is None else section
        found[name] = _with_defaults(cast("dict[str, Any]", keys), name, defaults) if isinstance(keys, dict) else keys
    return found


def _with_defaults(
    keys: Mapping[str, Any], name: object, defaults: Callable[[object, Mapping[str, Any]], Mapping[str, object]]
) -> dict[str, object]:
    return {**defaults(name, keys), **keys}


def _defaults_of_app(name: object, keys: Mapping[str, Any]) -> Mapping[str, object]:
    given: object = keys.get("services")
    services = cast("list[object]", given) if isinstance(given, list) else []
    return {"namespace": name, "service": services[0] if services else name, "manifests": f"manifests/{name}"}


class Team(Section):
    """Teams that deploy their apps alone, from stacks of their own, by name. See [team.md](team.md#one-app-per-team).

    Each has a namespace that is placed on the stack's clusters, and may write to it and to nothing else, which needs
    `clusters.entraId`. A stack with teams and without `app` and `apps` deploys no app itself.
    """

    object_id: values.ObjectId
    """The object ID (a GUID) from Microsoft Entra ID."""
    type: Literal["User", "Group", "ServicePrincipal"]
    """`User`, `Group` or `ServicePrincipal`."""
    namespace: values.DnsLabel = Field(default="", json_schema_extra={"default": "the team's name"})
    """The team's namespace."""
    regions: Annotated[tuple[str, ...], Field(strict=False), values.distinct("name each region once")] = Field(
        default=(), json_schema_extra={"default": "all"}
    )
    """The names of the regions that the namespace is placed in."""

    @field_validator("namespace")
    @classmethod
    def _can_be_placed(cls, namespace: str) -> str:
        return _placeable(namespace)


class HubAdmin(Section):
    """Somebody else who may write to the hub and, with `clusters.entraId`, to the clusters."""

    object_id: values.ObjectId
    """The object ID (a GUID) from Microsoft Entra ID."""
    type: Literal["User", "Group", "ServicePrincipal"]
    """`User`, `Group` or `ServicePrincipal`."""


_DISTINCT_ADMINS = values.distinct("name each principal once", key=lambda admin: admin.object_id)


class Access(Section):
    """How the program signs in to clusters, from which network, and who else has access."""

    kubelogin_mode: Literal["azurecli", "workloadidentity", "spn", "msi"] = "azurecli"
    """How kubelogin signs in: `azurecli`, `workloadidentity`, `spn` or `msi`. See
    [azure.md](azure.md#deploy-without-a-person)."""
    deployer_type: Literal["User", "ServicePrincipal"] = _default(
        lambda access: "User" if access["kubelogin_mode"] == "azurecli" else "ServicePrincipal",
        "`User` with `azurecli`, otherwise `ServicePrincipal`",
    )
    """The type of the identity that deploys."""
    hub_admins: Annotated[tuple[HubAdmin, ...], Field(strict=False), _DISTINCT_ADMINS] = ()
    """A list of others who may write to the hub and, with `clusters.entraId`, to the clusters."""
    runner_network_id: values.VirtualNetworkId | None = None
    """The ID of the VNet in which `pulumi up` and `make verify` run, with private API servers or a private hub. The
    stack peers it with the VNets of all regions, and with the hub's. Leave it out if somebody else connects them. See
    [private.md](private.md)."""


class Notification(Section):
    """When Azure sends an e-mail."""

    threshold: int = Field(ge=1, le=1000)  # [azure-native: NotificationArgs.threshold]
    """The percentage of the amount, 1 to 1000."""
    threshold_type: Literal["Actual", "Forecasted"] = "Actual"
    """`Actual`, for the costs so far, or `Forecasted`, for those that Azure expects until the end of the month."""


_ALL_OF_IT: Final = tuple(
    Notification.model_validate({"threshold": 100, "thresholdType": kind}) for kind in ("Actual", "Forecasted")
)
_DISTINCT_NOTIFICATIONS = values.distinct(
    "name each threshold once for each type", key=lambda each: f"{each.threshold_type} {each.threshold}"
)


class Budget(Section):
    """Azure sends e-mails when the stack's costs in a month reach a share of an amount. Optional.

    The costs of all resources of the subscription that have every one of the stack's `tags` count. See
    [azure.md](azure.md#what-it-costs) for those that do not have them.
    """

    suffixed = ("name",)

    amount: int = Field(ge=1)
    """The amount for a month, in the currency of the subscription's bill."""
    contact_emails: Annotated[
        tuple[values.Email, ...],
        Field(strict=False),
        values.length(1, inf, "write one address or more"),
        values.distinct("name each address once"),
    ]
    """The e-mail addresses to write to."""
    # [azure-native: BudgetArgs.notifications]
    notifications: Annotated[
        tuple[Notification, ...],
        Field(strict=False),
        values.length(1, 5, "write 1 to 5: a budget has no more"),
        _DISTINCT_NOTIFICATIONS,
    ] = Field(default=_ALL_OF_IT, json_schema_extra={"default": "at 100 %, both `Actual` and `Forecasted`"})
    """When to write, a list of one to five."""
    name: values.BudgetName = "fleet-l4-lb"
    """The name of the budget, unique in the subscription."""


class Settings(Section):
    """All settings of a stack, with every default filled in."""

    name_suffix: values.NameSuffix = ""
    """A suffix that is added, after a hyphen, to the default names of resource groups, clusters and the fleet. With it,
    two stacks fit into one subscription."""
    # [learn: kubernetes-fleet/faq, 2026-06-01]
    regions: Annotated[
        tuple[Region, ...], Field(strict=False), values.length(1, 1000, "write 1 to 1000: a fleet has no more members")
    ]
    """A list of one region or more. A fleet has at most 1000 members."""
    clusters: Clusters = Clusters()
    fleet: Fleet = NewFleet()
    app: App = App()
    apps: Annotated[
        Mapping[values.DnsLabel, NamedApp], BeforeValidator(lambda apps: _filled(apps, _defaults_of_app))
    ] = {}
    global_addresses: Mapping[values.DnsLabel, NamedAddress] = {}
    teams: Annotated[
        Mapping[values.DnsLabel, Team],
        BeforeValidator(lambda teams: _filled(teams, lambda name, _: {"namespace": name})),
    ] = {}
    access: Access = Access()
    monitoring: Monitoring = Monitoring()
    protect: bool = False
    """Whether Pulumi refuses to delete or replace the clusters, the fleet, the workspaces and their groups. See
    [operations.md](operations.md#destroy-the-stack)."""
    # [learn: azure-resource-manager/management/tag-resources]
    tags: Annotated[
        Mapping[values.TagName, Annotated[str, Field(max_length=256)]],
        Field(max_length=50),
        values.distinct("keep one: Azure ignores case in tag names"),
    ] = {}
    """Names and values of the tags of all resources that can have tags."""
    budget: Annotated[Budget | None, BeforeValidator(lambda value: None if value == {} else value)] = None

    @field_validator("regions")
    @classmethod
    def _suffix_regions(cls, regions: tuple[Region, ...], info: ValidationInfo) -> tuple[Region, ...]:
        return tuple(_with_suffix(region, info.data.get("name_suffix")) for region in regions)

    @field_validator("fleet")
    @classmethod
    def _suffix_fleet(cls, fleet: Fleet, info: ValidationInfo) -> Fleet:
        return _with_suffix(fleet, info.data.get("name_suffix"))

    @field_validator("monitoring")
    @classmethod
    def _complete_monitoring(cls, monitoring: Monitoring, info: ValidationInfo) -> Monitoring:
        section = _with_suffix(monitoring, info.data.get("name_suffix"))
        fleet: Fleet | None = info.data.get("fleet")
        return section.model_construct(
            section.model_fields_set, **{**dict(section), "location": section.location or (fleet and fleet.location)}
        )

    @field_validator("app")
    @classmethod
    def _suffix_global_address(cls, app: App, info: ValidationInfo) -> App:
        if not app.global_address:
            return app
        address = _with_suffix(app.global_address, info.data.get("name_suffix"))
        return app.model_construct(app.model_fields_set, **{**dict(app), "global_address": address})

    @field_validator("global_addresses", mode="before")
    @classmethod
    def _name_groups(cls, addresses: object, info: ValidationInfo) -> object:
        """Fill in the default names of the groups: each address has one of its own."""
        suffix = info.data.get("name_suffix")

        def group(name: object) -> str:
            return "-".join(filter(None, ("rg", str(name), "address", suffix)))

        return _filled(addresses, lambda name, _: {"resourceGroup": group(name)})

    @field_validator("budget")
    @classmethod
    def _suffix_budget(cls, budget: Budget | None, info: ValidationInfo) -> Budget | None:
        return _with_suffix(budget, info.data.get("name_suffix")) if budget else None

    @property
    def maintenance_days(self) -> dict[str, str]:
        """The day of the week on which each region's maintenance window opens; empty without windows."""
        maintenance, updates = self.clusters.maintenance, self.fleet.updates
        if not maintenance:
            return {}
        stages = updates.stages if updates else tuple((region.update_group,) for region in self.regions)
        apart = maintenance.days_apart(updates.wait_minutes if updates else 0)
        stage_of = {group: number for number, groups in reversed([*enumerate(stages)]) for group in groups}
        first = WEEK.index(maintenance.day)
        return {
            region.name: WEEK[(first + stage_of[region.update_group] * apart) % len(WEEK)] for region in self.regions
        }

    @property
    def all_apps(self) -> Mapping[str, App]:
        """The apps by name; the app of the section `app` is called `app`."""
        if self.apps or (self.teams and not self.app.model_fields_set):
            return self.apps
        return {"app": self.app}

    def path_of(self, app: str) -> str:
        """The path of an app's section."""
        return f"apps.{app}" if self.apps else "app"

    @property
    def addresses(self) -> Mapping[str, GlobalAddress]:
        """The global addresses by name."""
        return self.global_addresses or ({"global": self.app.global_address} if self.app.global_address else {})

    def pools_of(self, address: str) -> list[tuple[str, str, str]]:
        """The Services behind a global address: the name of its pool there, the app, and the Service."""
        # The first of the app called `app`, as in the section `app`, keeps its pool.
        return [
            ("regions" if (name, service) == ("app", app.shared[0]) else f"{name}_{service}", name, service)
            for name, app in self.all_apps.items()
            if app.address == address
            for service in app.shared
        ]

    def regions_of(self, app: App | Team) -> list[Region]:
        """The regions that an app or a team's namespace is placed in, including those that are lost."""
        chosen = app.regions if isinstance(app, Team) else app.placed_in
        return [region for region in self.regions if not chosen or region.name in chosen]

    def live_regions_of(self, app: App | Team) -> list[Region]:
        """The same regions without those that are lost."""
        return [region for region in self.regions_of(app) if not region.lost]

    def entries(self, app: App, *, lost: bool = False) -> list[Entry]:
        """The entry points of an app.

        A name depends on its own region's settings alone. So an entry point keeps its Service, and with it its address,
        when other entry points or regions come and go.

        Args:
            app: the app.
            lost: whether to include those that lost regions will have again.
        """
        regions = {region.name: region for region in self.regions_of(app)}
        if app.entry_regions:
            chosen = [regions[name] for name in app.entry_regions if name in regions]
            suffixes = {
                each.name: f"-{each.name}" if each.entry_suffix is None else each.entry_suffix for each in chosen
            }
        else:
            first = [name for name in app.placed_in or regions if name in regions][:1]
            suffixes = {name: regions[name].entry_suffix or "" for name in first}
        return [
            Entry(region, service, f"{service}{suffix}")
            for service in app.shared
            for region, suffix in suffixes.items()
            if lost or not regions[region].lost
        ]


def _with_suffix(section: _S, suffix: str | None) -> _S:
    """Return a section with the suffix added to its default names."""
    defaults = set(section.suffixed) - section.model_fields_set if suffix else ()
    names = {field: f"{getattr(section, field)}-{suffix}" for field in defaults}
    # model_copy would count them as written by the user.
    return section.model_construct(section.model_fields_set, **{**dict(section), **names})
