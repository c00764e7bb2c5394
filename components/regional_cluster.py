"""One region: a network of its own and an AKS cluster whose pods have addresses in it."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import authorization, containerservice, managedidentity, network, resources

from .existing import in_location, large_enough, network_of, readable, with_id
from .kubeconfig import KubeloginMode, unattended
from .retries import NETWORK_BUSY, ROLE_NOT_IN_EFFECT, retry
from .roles import AKS_RBAC_CLUSTER_ADMIN, NETWORK_CONTRIBUTOR, Principal, grant
from .subscriptions import in_subscription


class NodePool(TypedDict):
    """The cluster's nodes: a fixed number, or a range for the autoscaler."""

    vm_size: pulumi.Input[str]
    """The nodes' VM size, as in `Standard_D4ds_v5` (`az vm list-skus --location … --output table`)."""
    max_pods: int
    """Pods for each node, 10 to 250; every one takes an address of the subnet (learn:
    aks/concepts-network-ip-address-planning)."""
    count: NotRequired[int | None]
    """Number of nodes, 1 to 1000, where it is fixed; then `min_count` and `max_count` are left out."""
    min_count: NotRequired[int | None]
    """Fewest nodes, where they scale; then `max_count` is there too, and `count` is not."""
    max_count: NotRequired[int | None]
    """Most nodes, where they scale."""
    zones: NotRequired[Sequence[pulumi.Input[str]]]
    """Availability zones (`1`, `2`, `3`); none leaves the choice to Azure."""


class RegionalClusterArgs(TypedDict):
    """What makes a region. Names are Azure's (learn: azure-resource-manager/management/resource-name-rules)."""

    location: pulumi.Input[str]
    """Azure region, short name, as in `eastus2`."""
    resource_group_name: pulumi.Input[str]
    """Name of the group that holds everything of this region."""
    virtual_network_name: NotRequired[pulumi.Input[str] | None]
    """Name of the VNet."""
    address_space: NotRequired[pulumi.Input[str] | None]
    """The VNet's range (CIDR), as in `10.1.0.0/16`; peered ones must not overlap (learn:
    virtual-network/virtual-network-peering-overview)."""
    subnet_name: NotRequired[pulumi.Input[str] | None]
    """Name of the subnet for nodes and pods."""
    node_subnet: NotRequired[pulumi.Input[str] | None]
    """The subnet's range (CIDR), inside `address_space`: five addresses, and `1 + max_pods` for each node, those of an
    upgrade among them (learn: aks/concepts-network-legacy-cni)."""
    cluster_name: pulumi.Input[str]
    """Name of the AKS cluster."""
    service_cidr: pulumi.Input[str]
    """Range of the cluster's service addresses (CIDR), /12 to /28, outside every VNet in reach (learn:
    aks/concepts-network-legacy-cni)."""
    dns_service_ip: pulumi.Input[str]
    """The cluster DNS's address in `service_cidr`, neither its first two nor its last."""
    node_pool: NodePool
    """The nodes."""
    tier: containerservice.ManagedClusterSKUTier
    """The control plane's pricing tier."""
    kubelogin_mode: KubeloginMode
    """How the program logs in where there are no local accounts."""
    entra_id_admins: NotRequired[Mapping[str, Principal] | None]
    """Who may administer the cluster's objects, by logical name, the deploying identity among them:
    log-in with Microsoft Entra ID and Azure RBAC only. None for a cluster with local accounts."""
    kubernetes_version: NotRequired[pulumi.Input[str] | None]
    """The cluster's version, as in `1.36`; None takes Azure's default and keeps it."""
    ssh_public_key: NotRequired[pulumi.Input[str] | None]
    """For log-in to nodes, as in `ssh-ed25519 AAAA…`; None for none."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]] | None]
    """Tags of every resource that takes some."""
    protect: NotRequired[bool]
    """Whether Pulumi refuses to delete the group and the cluster, or to replace them. False by default."""
    existing_subnet_id: NotRequired[str | None]
    """Azure id of a subnet, in a VNet of the same location and subscription, that is there and stays; in place of name
    and range of both, which are required otherwise."""
    after: NotRequired[containerservice.ManagedCluster | None]
    """The cluster before this one in the same VNet: AKS creates one at a time there. None where there is no other."""


class RegionalCluster(pulumi.ComponentResource):
    """A resource group with a VNet, a subnet and an AKS cluster in it."""

    virtual_network: network.VirtualNetwork
    """The VNet, to be peered."""
    subnet: network.Subnet
    """Its subnet with the nodes; a peering must not start before it is written."""
    subnet_role: authorization.RoleAssignment
    """The right of the cluster's identity to join the subnet."""
    cluster: containerservice.ManagedCluster
    """The AKS cluster."""
    kubeconfig: pulumi.Output[str]
    """Unattended log-in to the cluster, secret."""
    kubernetes: k8s.Provider
    """Provider for objects on the cluster."""

    def __init__(self, name: str, args: RegionalClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:RegionalCluster", name, {}, opts)
        busy = retry("network-retry", *NETWORK_BUSY)
        group = resources.ResourceGroup(
            f"{name}-group",
            resource_group_name=args["resource_group_name"],
            location=args["location"],
            tags=args.get("tags"),
            opts=pulumi.ResourceOptions(parent=self, hooks=busy, protect=args.get("protect", False)),
        )
        in_group = pulumi.ResourceOptions(parent=self, hooks=busy)

        existing_id = args.get("existing_subnet_id")
        if existing_id:
            mine = pulumi.ResourceOptions(parent=self)
            # A network interface is in the subscription of its network (learn:
            # virtual-network/virtual-network-network-interface), and a cluster's nodes are in the cluster's.
            found_id = in_subscription(
                existing_id,
                pulumi.InvokeOptions(parent=self),
                "Azure puts nodes into no network of another subscription; choose a subnet of this one",
            )
            network_id = found_id.apply(network_of)
            self.virtual_network = with_id(network.VirtualNetwork.get(f"{name}-vnet", network_id, mine), network_id)
            here = in_location(name, args["location"], self.virtual_network.location).apply(lambda _: existing_id)
            self.subnet = with_id(network.Subnet.get(f"{name}-subnet", here, mine), here)
            subnet_id = large_enough(name, self.subnet, _addresses(args["node_pool"]))
        else:
            self.virtual_network = network.VirtualNetwork(
                f"{name}-vnet",
                resource_group_name=group.name,
                virtual_network_name=args.get("virtual_network_name"),
                location=args["location"],
                address_space={"address_prefixes": [space]} if (space := args.get("address_space")) else None,
                tags=args.get("tags"),
                opts=in_group,
            )
            self.subnet = network.Subnet(
                f"{name}-subnet",
                resource_group_name=group.name,
                virtual_network_name=self.virtual_network.name,
                subnet_name=args.get("subnet_name"),
                address_prefix=args.get("node_subnet"),
                opts=in_group,
            )
            subnet_id = self.subnet.id

        # The cluster's load balancers need the role on its subnet (learn: aks/concepts-network-legacy-cni; without it
        # they stay without an address, Azure/terraform-azurerm-aks issue 178), and it must be there before.
        identity = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_group_name=group.name,
            resource_name_=pulumi.Output.concat(args["cluster_name"], "-identity"),
            location=args["location"],
            tags=args.get("tags"),
            opts=in_group,
        )
        self.subnet_role = grant(
            f"{name}-join-subnet",
            NETWORK_CONTRIBUTOR,
            Principal(object_id=identity.principal_id, type=authorization.PrincipalType.SERVICE_PRINCIPAL),
            self.subnet,
            pulumi.ResourceOptions(parent=self),
        )

        self.cluster = containerservice.ManagedCluster(
            f"{name}-cluster",
            resource_group_name=group.name,
            resource_name_=args["cluster_name"],
            location=args["location"],
            dns_prefix=args["cluster_name"],
            kubernetes_version=args.get("kubernetes_version"),
            sku=containerservice.ManagedClusterSKUArgs(name="Base", tier=args["tier"]),
            identity=containerservice.ManagedClusterIdentityArgs(
                type=containerservice.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[identity.id]
            ),
            agent_pool_profiles=[_system_pool(args["node_pool"], subnet_id)],
            # Flat Azure CNI: only pods with addresses of the VNet can be reached from another cluster.
            # A dictionary, because the arguments' class adds a pod CIDR, which belongs to overlay networks.
            network_profile={
                "network_plugin": "azure",
                "load_balancer_sku": "standard",
                "outbound_type": "loadBalancer",
                "service_cidr": args["service_cidr"],
                "dns_service_ip": args["dns_service_ip"],
            },
            enable_rbac=True,
            aad_profile=containerservice.ManagedClusterAADProfileArgs(managed=True, enable_azure_rbac=True)
            if args.get("entra_id_admins") is not None
            else None,
            disable_local_accounts=args.get("entra_id_admins") is not None,
            linux_profile=_linux_profile(key) if (key := args.get("ssh_public_key")) else None,
            tags=args.get("tags"),
            opts=pulumi.ResourceOptions(
                parent=self,
                # Two clusters in one VNet would each find it being written by the other (learn: troubleshoot/azure/
                # azure-kubernetes/error-codes/virtualnetworknotinsucceededstate-error).
                depends_on=[self.subnet_role, *([before] if (before := args.get("after")) else [])],
                protect=args.get("protect", False),
                hooks=retry("cluster-retry", *ROLE_NOT_IN_EFFECT, *NETWORK_BUSY),
                # Where they scale, the number of nodes is the autoscaler's from the start on.
                ignore_changes=["agentPoolProfiles[0].count"] if args["node_pool"].get("count") is None else None,
            ),
        )

        admins = [
            grant(f"{name}-{admin}", AKS_RBAC_CLUSTER_ADMIN, who, self.cluster, pulumi.ResourceOptions(parent=self))
            for admin, who in (args.get("entra_id_admins") or {}).items()
        ]
        credentials = readable(
            f"{name}: the log-in to the cluster",
            containerservice.list_managed_cluster_user_credentials_output(
                resource_group_name=group.name,
                resource_name=self.cluster.name,
                opts=pulumi.InvokeOptions(parent=self),
            ),
        )
        self.kubeconfig = unattended(credentials.kubeconfigs[0].value, args["kubelogin_mode"])
        self.kubernetes = k8s.Provider(
            f"{name}-kubernetes",
            kubeconfig=self.kubeconfig,
            # Without it, a kubeconfig that is unknown in a preview or has been rotated would replace every object.
            cluster_identifier=self.cluster.id,
            # A region that no longer answers must not keep the entry point from moving to another one.
            delete_unreachable=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=admins),
        )
        self.register_outputs({"clusterId": self.cluster.id, "virtualNetworkId": self.virtual_network.id})


def _addresses(pool: NodePool) -> int:
    """Return the addresses that a pool takes at its largest, as `node_subnet` has it, with 10 % for upgrades."""
    nodes = pool.get("count") or pool.get("max_count") or 0
    return 5 + (nodes + -(-nodes // 10)) * (1 + pool["max_pods"])


def _system_pool(pool: NodePool, subnet_id: pulumi.Output[str]) -> containerservice.ManagedClusterAgentPoolProfileArgs:
    return containerservice.ManagedClusterAgentPoolProfileArgs(
        name="system",
        mode="System",
        type="VirtualMachineScaleSets",
        os_type="Linux",
        vm_size=pool["vm_size"],
        vnet_subnet_id=subnet_id,
        count=pool.get("count") or pool.get("min_count"),
        max_pods=pool["max_pods"],
        enable_auto_scaling=pool.get("count") is None,
        min_count=pool.get("min_count"),
        max_count=pool.get("max_count"),
        availability_zones=list(pool.get("zones", ())) or None,
    )


def _linux_profile(ssh_public_key: pulumi.Input[str]) -> containerservice.ContainerServiceLinuxProfileArgs:
    return containerservice.ContainerServiceLinuxProfileArgs(
        admin_username="azureuser",
        ssh=containerservice.ContainerServiceSshConfigurationArgs(
            public_keys=[containerservice.ContainerServiceSshPublicKeyArgs(key_data=ssh_public_key)]
        ),
    )
