"""One region: a VNet, and an AKS cluster whose pods have addresses in it."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import authorization, containerservice, managedidentity, network, resources

from .access import kubernetes_access
from .existing import checked, existing_network, require_addresses, require_outbound
from .hardening import hardening
from .kubeconfig import KubeloginMode
from .kubelets import identity_of_aks, identity_profile, pull_images
from .monitoring import monitored
from .node_network import NodeNetwork, OpenPort, api_server_subnet, nat_gateway, node_network
from .node_pools import NodePool, Nodes, addresses, system_pool, user_pool
from .retries import CLUSTER_RETRY, NETWORK_RETRY
from .roles import AKS_RBAC_CLUSTER_ADMIN, MANAGED_IDENTITY_OPERATOR, NETWORK_CONTRIBUTOR, Principal, grant
from .sdk import readable, unchanged
from .subscriptions import require_subscription
from .switches import switched


class RegionalClusterArgs(TypedDict):
    """A region's settings. For the rules of names see learn: azure-resource-manager/management/resource-name-rules."""

    location: pulumi.Input[str]
    """Azure region, short name, as in `eastus2`."""
    resource_group_name: pulumi.Input[str]
    """Name of the resource group for everything in this region."""
    virtual_network_name: NotRequired[pulumi.Input[str] | None]
    """Name of the VNet. Required, unless `existing_subnet_id` is set."""
    address_space: NotRequired[pulumi.Input[str] | None]
    """The VNet's range (CIDR), as in `10.1.0.0/16`. Ranges of peered VNets must not overlap (learn:
    virtual-network/virtual-network-peering-overview). Required, unless `existing_subnet_id` is set."""
    subnet_name: NotRequired[pulumi.Input[str] | None]
    """Name of the subnet for nodes and pods. Required, unless `existing_subnet_id` is set."""
    node_subnet: NotRequired[pulumi.Input[str] | None]
    """The subnet's range (CIDR), inside `address_space`. It needs five addresses, and `1 + max_pods` for each node,
    including the extra nodes of an upgrade (learn: aks/concepts-network-legacy-cni). Required, unless
    `existing_subnet_id` is set."""
    cluster_name: pulumi.Input[str]
    """Name of the AKS cluster."""
    service_cidr: pulumi.Input[str]
    """Range of the cluster's service addresses (CIDR), /12 to /28. It must not overlap any of the VNets (learn:
    aks/concepts-network-legacy-cni)."""
    dns_service_ip: pulumi.Input[str]
    """Address of the cluster's DNS in `service_cidr`, but not one of its first two or the last."""
    node_pool: NodePool
    """The cluster's nodes. With `user_pool`, those of AKS's own workloads."""
    user_pool: NotRequired[NodePool | None]
    """Nodes for the apps, in a pool of their own. The nodes of `node_pool` then have a taint that keeps the apps away.
    None for one pool for everything."""
    node_os: NotRequired[containerservice.OSSKU | None]
    """The nodes' Linux; None for Azure's choice. A change installs new images on all nodes."""
    host_encryption: NotRequired[bool]
    """Whether the nodes' temporary disks and caches are encrypted on their hosts. False by default; fixed at creation.
    The subscription needs the feature `Microsoft.Compute/EncryptionAtHost` (learn: aks/enable-host-encryption)."""
    tier: containerservice.ManagedClusterSKUTier
    """The control plane's pricing tier."""
    kubelogin_mode: KubeloginMode
    """How the program logs in if the cluster has no local accounts."""
    entra_id_admins: NotRequired[Mapping[str, Principal] | None]
    """Who may administer the cluster's objects, by logical name, including the deploying identity. The cluster then
    has log-in with Microsoft Entra ID and Azure RBAC only. None for a cluster with local accounts."""
    kubernetes_version: NotRequired[pulumi.Input[str] | None]
    """Kubernetes version, as in `1.36`; None for Azure's default at the creation."""
    ssh_public_key: NotRequired[pulumi.Input[str] | None]
    """SSH key for the nodes, as in `ssh-ed25519 AAAA…`; None for no SSH."""
    baseline: NotRequired[bool]
    """Whether the cluster has settings for production that cost nothing and limit no app: an OIDC issuer, workload
    identity, an image cleaner, the add-ons for Azure Policy and for secrets of a Key Vault, nodes with the tags, no `az
    aks command invoke`, weekly node images, cost analysis (not in the Free tier); and whether the new subnet has no
    default outbound access. False by default; AKS does not turn the issuer off again (learn: aks/use-oidc-issuer)."""
    lock_node_group: NotRequired[bool]
    """With `baseline`: whether nobody but AKS may change the nodes' resource group. True by default. Must be False
    behind a global load balancer, which refers to a frontend in that group: a deny assignment also blocks references
    from outside the group (Azure/ARO-RP PR 423; learn: aks/node-resource-group-lockdown)."""
    node_image_updates: NotRequired[bool]
    """With `baseline`: whether AKS installs a new node image each week. True by default. False if the fleet does it
    (channel `NodeImage`)."""
    workspace_id: NotRequired[pulumi.Input[str] | None]
    """Azure ID of the Log Analytics workspace of Container Insights. The cluster then has the add-on, and sends metrics
    to managed Prometheus; `MonitoredCluster` says what they collect. None for neither."""
    defender: NotRequired[bool]
    """With `workspace_id`: whether the cluster has the sensor of Microsoft Defender. False by default; the subscription
    needs the plan Defender for Containers (learn: defender-for-cloud/defender-for-containers-introduction)."""
    registry_id: NotRequired[pulumi.Input[str] | None]
    """Azure ID of an existing container registry. The cluster's nodes may then pull images from it. The deploying
    identity must be allowed to assign roles on it. None for public images only."""
    kubelet_identity: NotRequired[bool]
    """Whether the component creates the nodes' identity and its roles before the cluster, so that the first pull of an
    image does not fail. False by default: AKS creates an identity with the cluster. Fixed at creation: to change the
    identity, AKS would install a new image on every node, and wait until there is one (learn:
    aks/pre-created-kubelet-managed-identity)."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]] | None]
    """Tags of all resources that can have tags."""
    protect: NotRequired[bool]
    """Whether Pulumi refuses to delete or replace the group and the cluster. False by default."""
    open_ports: NotRequired[Sequence[OpenPort] | None]
    """Ports that clients on the internet reach; the new subnet then has a network security group, which lets in
    nothing else from the internet. None for no group."""
    outbound: NotRequired[containerservice.OutboundType]
    """How nodes and pods reach the internet: `loadBalancer`, the default; `userAssignedNATGateway`, a NAT gateway of
    the new subnet, with an address of its own; `userDefinedRouting`, a route table. An existing subnet must have the
    gateway or the route table already. A change replaces the cluster (learn: aks/egress-outboundtype)."""
    cilium: NotRequired[bool]
    """Whether the cluster has Cilium's data plane and network policies. False by default; fixed at creation. Whether
    the fleet's endpoints work with it is untried."""
    api_ranges: NotRequired[Sequence[pulumi.Input[str]] | None]
    """Ranges (CIDR) from which the API server can be reached. The address of the region's NAT gateway is added. None
    for everywhere."""
    api_server_subnet: NotRequired[pulumi.Input[str] | None]
    """Range (CIDR) inside `address_space` for a subnet of the API server, /28 or larger. The API server is then
    private: it has no public address, and its public name leads to one of this range (learn:
    aks/api-server-vnet-integration). Not with `api_ranges`. None for a public API server; fixed at creation."""
    existing_api_server_subnet_id: NotRequired[str | None]
    """With `existing_subnet_id`, in place of `api_server_subnet`: Azure ID of another subnet of that VNet, delegated to
    `Microsoft.ContainerService/managedClusters`."""
    reachable: NotRequired[pulumi.Input[str] | None]
    """For a private API server: an Output that is known once the program can reach it, such as the ID of a peering with
    the VNet in which the program runs. `kubernetes` and `kubeconfig` wait for it. None if the program can reach the API
    server from the start."""
    existing_subnet_id: NotRequired[str | None]
    """Azure ID of an existing subnet, in place of names and ranges of VNet and subnet. It must be in the same location
    and subscription. `destroy` does not delete it."""
    after: NotRequired[containerservice.ManagedCluster | None]
    """The cluster to create before this one: AKS creates one cluster at a time in a VNet. None if the VNet has no
    other."""
    lost: NotRequired[bool]
    """Whether the region no longer answers. Its resources then stay as they are, and `kubernetes` does not reach the
    cluster. It only removes objects from the state. False by default."""
    after_pool: NotRequired[containerservice.AgentPool | None]
    """The `user_pool` of the cluster in `after`, if it has one."""
    switched: NotRequired[Sequence[str] | None]
    """The output `switched` that the component has in the stack's state. AKS keeps what a request leaves out, so the
    component switches off what it has switched on before and the arguments no longer ask for. None for a new
    cluster."""


class RegionalCluster(pulumi.ComponentResource):
    """A resource group with a VNet, a subnet and an AKS cluster in it."""

    virtual_network: network.VirtualNetwork
    """The VNet, to be peered."""
    network_group: pulumi.Output[str] | None
    """Name of the VNet's resource group; None if the VNet existed before."""
    subnet: network.Subnet
    """Its subnet for nodes and pods."""
    egress: network.PublicIPAddress | None
    """The address with which the nodes reach the internet, if it is a NAT gateway's of this region."""
    subnet_role: authorization.RoleAssignment
    """The cluster identity's role on the subnet."""
    api_subnet_role: authorization.RoleAssignment | None
    """The cluster identity's role on the API server's subnet; None if the API server is public."""
    cluster: containerservice.ManagedCluster
    """The AKS cluster."""
    user_pool: containerservice.AgentPool | None
    """The nodes for the apps; None if the cluster has one pool for everything."""
    kubeconfig: pulumi.Output[str]
    """Kubeconfig of the cluster with an unattended log-in, secret."""
    kubernetes: k8s.Provider
    """Provider for objects on the cluster."""

    def __init__(self, name: str, args: RegionalClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        lost = args.get("lost", False)
        left_alone = pulumi.ResourceOptions(transformations=[unchanged] if lost else None)
        super().__init__("fleet-l4-lb:index:RegionalCluster", name, {}, pulumi.ResourceOptions.merge(opts, left_alone))
        child_opts = pulumi.ResourceOptions(parent=self)
        group = resources.ResourceGroup(
            f"{name}-group",
            resource_group_name=args["resource_group_name"],
            location=args["location"],
            tags=args.get("tags"),
            opts=pulumi.ResourceOptions(parent=self, hooks=NETWORK_RETRY.hooks(), protect=args.get("protect", False)),
        )
        in_group = pulumi.ResourceOptions(parent=self, hooks=NETWORK_RETRY.hooks())
        self.egress = None
        api_subnet: network.Subnet | str | None = args.get("existing_api_server_subnet_id")
        outbound = args.get("outbound") or containerservice.OutboundType.LOAD_BALANCER

        if existing_id := args.get("existing_subnet_id"):
            # A network interface is in the subscription of its network (learn:
            # virtual-network/virtual-network-network-interface), and a cluster's nodes are in the cluster's.
            own = require_subscription(
                existing_id,
                pulumi.InvokeOptions(parent=self),
                "Azure does not put nodes into another subscription's network; choose a subnet of this subscription",
            )
            self.virtual_network, self.subnet = existing_network(
                name, checked(existing_id, own), args["location"], child_opts
            )
            self.network_group = None
            pools = [args["node_pool"], *([apps] if (apps := args.get("user_pool")) else [])]
            subnet_id = checked(
                self.subnet.id,
                require_addresses(name, self.subnet, addresses(*pools)),
                require_outbound(name, self.subnet, outbound),
            )
        else:
            settings = NodeNetwork(
                resource_group_name=group.name,
                location=args["location"],
                virtual_network_name=args.get("virtual_network_name"),
                address_space=args.get("address_space"),
                subnet_name=args.get("subnet_name"),
                node_subnet=args.get("node_subnet"),
                tags=args.get("tags"),
                private=args.get("baseline", False),
                open_ports=args.get("open_ports"),
            )
            gateway = None
            if outbound == containerservice.OutboundType.USER_ASSIGNED_NAT_GATEWAY:
                gateway, self.egress = nat_gateway(name, settings, args["node_pool"].get("zones", ()), in_group)
            made = node_network(name, settings, gateway, in_group)
            self.virtual_network, self.subnet = made
            if prefix := args.get("api_server_subnet"):
                api_subnet = api_server_subnet(name, prefix, settings, made, in_group)
            self.network_group = group.name
            subnet_id = self.subnet.id

        # The cluster's load balancers need the role on its subnet (learn: aks/concepts-network-legacy-cni), before the
        # cluster is created. Without it they get no address (Azure/terraform-azurerm-aks issue 178).
        identity = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_group_name=group.name,
            resource_name_=pulumi.Output.concat(args["cluster_name"], "-identity"),
            location=args["location"],
            tags=args.get("tags"),
            opts=in_group,
        )
        principal = Principal(object_id=identity.principal_id, type=authorization.PrincipalType.SERVICE_PRINCIPAL)
        self.subnet_role = grant(f"{name}-join-subnet", NETWORK_CONTRIBUTOR, principal, self.subnet, self)
        # The identity needs the role on both subnets (learn: aks/api-server-vnet-integration).
        self.api_subnet_role = (
            grant(f"{name}-join-api-subnet", NETWORK_CONTRIBUTOR, principal, api_subnet, self) if api_subnet else None
        )

        kubelets: managedidentity.UserAssignedIdentity | None = None
        registry_id = args.get("registry_id")
        roles = [role for role in (self.subnet_role, self.api_subnet_role) if role]
        if args.get("kubelet_identity"):
            kubelets = managedidentity.UserAssignedIdentity(
                f"{name}-kubelets",
                resource_group_name=group.name,
                resource_name_=pulumi.Output.concat(args["cluster_name"], "-kubelets"),
                location=args["location"],
                tags=args.get("tags"),
                opts=in_group,
            )
            # Without it AKS refuses to give the identity to nodes (Azure/azure-service-operator,
            # CustomKubeletIdentityMissingPermissionError).
            roles.append(grant(f"{name}-assign-kubelets", MANAGED_IDENTITY_OPERATOR, principal, kubelets, self))
            if registry_id:
                roles.append(pull_images(name, registry_id, kubelets.principal_id, self))

        nodes = Nodes(
            subnet_id=subnet_id,
            os=args.get("node_os"),
            host_encryption=args.get("host_encryption", False),
            tags=args.get("tags") if args.get("baseline") else None,
        )
        profiles, names = switched(
            {
                "agent_pool_profiles": [
                    system_pool(args["node_pool"], nodes, critical_only=args.get("user_pool") is not None)
                ],
                **_profiles(args, self.egress, api_subnet.id if isinstance(api_subnet, network.Subnet) else api_subnet),
            },
            args.get("switched") or (),
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
            identity_profile=identity_profile(kubelets) if kubelets else None,
            network_profile=_network_profile(args, outbound),
            enable_rbac=True,
            aad_profile=containerservice.ManagedClusterAADProfileArgs(managed=True, enable_azure_rbac=True)
            if args.get("entra_id_admins") is not None
            else None,
            disable_local_accounts=args.get("entra_id_admins") is not None,
            linux_profile=_linux_profile(key) if (key := args.get("ssh_public_key")) else None,
            tags=args.get("tags"),
            **profiles,
            opts=pulumi.ResourceOptions(
                parent=self,
                # A cluster's creation fails while another one's writes the VNet (learn: troubleshoot/azure/
                # azure-kubernetes/error-codes/virtualnetworknotinsucceededstate-error).
                depends_on=[
                    *roles,
                    *(before for before in (args.get("after"), args.get("after_pool")) if before),
                ],
                protect=args.get("protect", False),
                hooks=CLUSTER_RETRY.hooks(),
                # With an autoscaler, the number of nodes is the autoscaler's from the start.
                ignore_changes=["agentPoolProfiles[0].count"] if args["node_pool"].get("count") is None else None,
            ),
        )

        self.user_pool = (
            user_pool(name, apps, nodes, self.cluster, group.name, self) if (apps := args.get("user_pool")) else None
        )

        if registry_id and not kubelets:
            pull_images(name, registry_id, identity_of_aks(name, self.cluster, group.name, self, lost=lost), self)

        credential: pulumi.Output[str] | None = None
        if not lost:
            credentials = readable(
                f"{name}: the log-in to the cluster",
                containerservice.list_managed_cluster_user_credentials_output(
                    resource_group_name=group.name,
                    resource_name=self.cluster.name,
                    # By its public name, which needs no private DNS zone (learn: aks/private-clusters).
                    server_fqdn="public" if api_subnet else None,
                    opts=pulumi.InvokeOptions(parent=self),
                ),
            )
            credential = credentials.kubeconfigs[0].value
        self.kubeconfig, self.kubernetes = kubernetes_access(
            name,
            self.cluster,
            credential,
            args["kubelogin_mode"],
            role=AKS_RBAC_CLUSTER_ADMIN,
            admins=args.get("entra_id_admins") or {},
            parent=self,
            # A region that no longer answers must not keep its entry point from leaving the state.
            settings=k8s.ProviderArgs(delete_unreachable=True),
            reachable=args.get("reachable"),
        )
        self.register_outputs(
            {"clusterId": self.cluster.id, "virtualNetworkId": self.virtual_network.id, "switched": names}
        )


def _profiles(
    args: RegionalClusterArgs, egress: network.PublicIPAddress | None, api_subnet_id: pulumi.Input[str] | None
) -> dict[str, Any]:
    """Return the arguments that come from the baseline, from who reaches the API server, and from monitoring."""
    baseline = args.get("baseline", False)
    profiles = (
        hardening(
            tier=args["tier"],
            lock_node_group=args.get("lock_node_group", True),
            node_image_updates=args.get("node_image_updates", True),
        )
        if baseline
        else {}
    )
    if ranges := args.get("api_ranges"):
        # AKS adds the address of the cluster's load balancer by itself, but not a gateway's: without it no node could
        # join (learn: aks/api-server-authorized-ip-ranges; MicrosoftDocs/azure-docs issue 111834).
        own = [egress.ip_address.apply(lambda address: f"{address}/32")] if egress else []
        profiles["api_server_access_profile"] = containerservice.ManagedClusterAPIServerAccessProfileArgs(
            authorized_ip_ranges=[*ranges, *own], disable_run_command=True if baseline else None
        )
    if api_subnet_id is not None:
        profiles["api_server_access_profile"] = containerservice.ManagedClusterAPIServerAccessProfileArgs(
            enable_private_cluster=True,
            enable_vnet_integration=True,
            subnet_id=api_subnet_id,
            # Without a private DNS zone, which each peered VNet would need a link to: the public name stays, and leads
            # to the private address (learn: aks/private-clusters, "Configure a private DNS zone").
            private_dns_zone="none",
            enable_private_cluster_public_fqdn=True,
            disable_run_command=True if baseline else None,
        )
    if (workspace_id := args.get("workspace_id")) is not None:
        profiles = monitored(profiles, workspace_id, defender=args.get("defender", False))
    return profiles


def _network_profile(args: RegionalClusterArgs, outbound: containerservice.OutboundType) -> Any:  # noqa: ANN401
    """Return the profile of flat Azure CNI: only pods with addresses of the VNet can be reached from another cluster.

    A dictionary, because the arguments' class adds a pod CIDR, which belongs to overlay networks.
    """
    # This data plane has no other engine for network policies. None of it for Azure's own: clusters of before stay.
    cilium = {"network_dataplane": "cilium", "network_policy": "cilium"} if args.get("cilium") else {}
    return {
        "network_plugin": "azure",
        "load_balancer_sku": "standard",
        "outbound_type": outbound.value,
        "service_cidr": args["service_cidr"],
        "dns_service_ip": args["dns_service_ip"],
        **cilium,
    }


def _linux_profile(ssh_public_key: pulumi.Input[str]) -> containerservice.ContainerServiceLinuxProfileArgs:
    return containerservice.ContainerServiceLinuxProfileArgs(
        admin_username="azureuser",
        ssh=containerservice.ContainerServiceSshConfigurationArgs(
            public_keys=[containerservice.ContainerServiceSshPublicKeyArgs(key_data=ssh_public_key)]
        ),
    )
