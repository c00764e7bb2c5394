"""The fleet: a hub that places workloads, and the clusters that have joined it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import authorization, containerservice, managedidentity, network, resources

from .access import kubernetes_access
from .existing import checked, require_hub
from .kubeconfig import KubeloginMode
from .node_network import NodeNetwork, api_server_subnet, nat_gateway, node_network
from .retries import FLEET_RETRY, NETWORK_RETRY, PRIVATE_HUB_RETRY
from .roles import FLEET_RBAC_CLUSTER_ADMIN, NETWORK_CONTRIBUTOR, Principal, grant
from .sdk import readable, with_id
from .subscriptions import resource_group_of


class Member(TypedDict):
    """A cluster that joins the fleet."""

    name: pulumi.Input[str]
    """The member's name, in Azure and as the hub's MemberCluster."""
    cluster_id: pulumi.Input[str]
    """The AKS cluster's Azure ID."""
    update_group: pulumi.Input[str]
    """The update group in which the fleet upgrades it."""
    peering: NotRequired[network.VirtualNetworkPeering | None]
    """The last peering that lets the members reach each other's pods (`PeeredNetworks.last`)."""
    lost: NotRequired[bool]
    """Whether the cluster no longer answers. If the program then drops the member, the member stays in the fleet. False
    by default."""
    pool: NotRequired[containerservice.AgentPool | None]
    """The cluster's nodes for the apps (`RegionalCluster.user_pool`). The member joins after them, because AKS does one
    operation at a time on a cluster."""


class PrivateHub(TypedDict):
    """The network of a private hub, which cannot be reached from the internet."""

    address_space: pulumi.Input[str]
    """The VNet's range (CIDR). It must not overlap 10.0.0.0/16, the hub's own services."""
    node_subnet: pulumi.Input[str]
    """Range (CIDR) of the subnet of the hub's node, inside `address_space`."""
    api_server_subnet: pulumi.Input[str]
    """Range (CIDR) of the subnet of the hub's API server, inside `address_space`, apart from the other one."""
    resource_provider_object_id: pulumi.Input[str]
    """Object ID of the service principal `Azure Kubernetes Service - Fleet RP` in the tenant, which adds the node to
    its subnet. Its application is 609d2f62-527f-4451-bfd2-ac2c7850822c (learn:
    kubernetes-fleet/quickstart-create-fleet-and-members)."""


class FleetHubArgs(TypedDict):
    """A fleet's settings."""

    location: NotRequired[pulumi.Input[str] | None]
    """Azure region of the hub, short name, as in `westus`. Not used with `existing_id`, required otherwise."""
    resource_group_name: pulumi.Input[str]
    """Name of the fleet's resource group."""
    fleet_name: pulumi.Input[str]
    """Name of the fleet."""
    members: Mapping[str, Member]
    """The clusters that join, by the name of their region."""
    admins: Mapping[str, Principal]
    """Who may write objects on the hub, by logical name, including the deploying identity."""
    kubelogin_mode: KubeloginMode
    """How the program logs in to the hub, which has no local accounts."""
    dns_prefix: NotRequired[pulumi.Input[str] | None]
    """Prefix of the hub's API server's name, at most 54 characters (learn: rest/api/fleet); None for Azure's choice."""
    vm_size: NotRequired[pulumi.Input[str] | None]
    """VM size of the hub's node; None for Azure's choice."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]] | None]
    """Tags of all resources that can have tags."""
    after: NotRequired[Sequence[authorization.RoleAssignment] | None]
    """The last resources that the clusters depend on. If the fleet depends on them too, the engine deletes the fleet
    and the clusters at the same time: it deletes in layers, by depth (pulumi v3.274.1, step_generator.go,
    ScheduleDeletes)."""
    protect: NotRequired[bool]
    """Whether Pulumi refuses to delete or replace the group and the fleet. False by default."""
    private: NotRequired[PrivateHub | None]
    """Settings of a private hub, in a VNet of its own with a NAT gateway; None for a public hub. Fixed at creation."""
    reachable: NotRequired[pulumi.Input[str] | None]
    """For a private hub: an Output that is known once the program can reach the hub, such as the ID of a peering with
    the VNet in which the program runs. `kubernetes` and `kubeconfig` wait for it. None if the program can reach the hub
    from the start."""
    existing_id: NotRequired[str | None]
    """Azure ID of an existing fleet with a hub. The other settings of a fleet then have no effect, and `destroy` does
    not delete it. The component's Azure provider must work in the fleet's subscription."""


class FleetHub(pulumi.ComponentResource):
    """A fleet with a hub cluster, and its members."""

    fleet: containerservice.Fleet
    """The fleet."""
    group: pulumi.Output[str] | None
    """Name of the fleet's resource group; None if the fleet existed before."""
    virtual_network: network.VirtualNetwork | None
    """The VNet of a private hub, to be peered; None for a public hub."""
    members: dict[str, containerservice.FleetMember]
    """The members, by the name of their region. A member that has been created has joined."""
    kubeconfig: pulumi.Output[str]
    """Kubeconfig of the hub with an unattended log-in, secret."""
    kubernetes: k8s.Provider
    """Provider for objects on the hub."""

    def __init__(self, name: str, args: FleetHubArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:FleetHub", name, {}, opts)
        invoke_opts = pulumi.InvokeOptions(parent=self)
        self.virtual_network = None
        if existing_id := args.get("existing_id"):
            self.group, group_name = None, resource_group_of(existing_id, invoke_opts)
            found = containerservice.Fleet.get(f"{name}-fleet", existing_id, pulumi.ResourceOptions(parent=self))
            self.fleet = with_id(found, existing_id)
            fleet_name = checked(self.fleet.name, require_hub(self.fleet))
        else:
            group = resources.ResourceGroup(
                f"{name}-group",
                resource_group_name=args["resource_group_name"],
                location=args.get("location"),
                tags=args.get("tags"),
                opts=pulumi.ResourceOptions(parent=self, hooks=FLEET_RETRY.hooks(), protect=args.get("protect", False)),
            )
            private = _private(name, args, group.name, self)
            self.virtual_network = private.virtual_network
            self.fleet = containerservice.Fleet(
                f"{name}-fleet",
                resource_group_name=group.name,
                fleet_name=args["fleet_name"],
                location=args.get("location"),
                # Every part is set, as `az fleet create --enable-hub` does (Azure/azure-cli-extensions, recording
                # test_fleet_hubful). An empty profile is untried.
                hub_profile=containerservice.FleetHubProfileArgs(
                    agent_profile=containerservice.AgentProfileArgs(
                        vm_size=args.get("vm_size"), subnet_id=private.node_subnet_id
                    ),
                    api_server_access_profile=private.access,
                    dns_prefix=args.get("dns_prefix"),
                ),
                identity=private.identity,
                tags=args.get("tags"),
                opts=pulumi.ResourceOptions(
                    parent=self,
                    hooks=(PRIVATE_HUB_RETRY if private.roles else FLEET_RETRY).hooks(),
                    depends_on=[*(args.get("after") or ()), *private.roles],
                    protect=args.get("protect", False),
                ),
            )
            self.group = group_name = group.name
            fleet_name = self.fleet.name

        self.members = {
            region: containerservice.FleetMember(
                f"{name}-member-{region}",
                resource_group_name=group_name,
                fleet_name=fleet_name,
                fleet_member_name=member["name"],
                cluster_resource_id=member["cluster_id"],
                group=member["update_group"],
                opts=pulumi.ResourceOptions(
                    parent=self,
                    # The fleet sends clients to a member's pods from the placement of the app until the member has
                    # left. The peerings must exist all that time. And AKS updates a cluster that has joined
                    # (docs/decisions.md, 3).
                    depends_on=[each for each in (member.get("peering"), member.get("pool")) if each],
                    # Fleet refuses to release a member that exports a Service, and the exports stay without the
                    # member's agents (Azure/fleet v0.18.12, pkg/webhook/membercluster). Nothing else of the region
                    # could be deleted after that.
                    retain_on_delete=member.get("lost") or None,
                    hooks=FLEET_RETRY.hooks(),
                ),
            )
            for region, member in args["members"].items()
        }

        credentials = readable(
            "the log-in to the fleet's hub",
            containerservice.list_fleet_credentials_output(
                resource_group_name=group_name, fleet_name=fleet_name, opts=invoke_opts
            ),
        )
        self.kubeconfig, self.kubernetes = kubernetes_access(
            name,
            self.fleet,
            credentials.kubeconfigs[0].value,
            args["kubelogin_mode"],
            # Azure roles such as Owner do not reach the hub's objects (learn:
            # kubernetes-fleet/access-fleet-hub-cluster-…).
            role=FLEET_RBAC_CLUSTER_ADMIN,
            admins=args["admins"],
            parent=self,
            # Change ConfigMaps and Secrets in place: by default they are replaced, and are missing meanwhile.
            settings=k8s.ProviderArgs(enable_config_map_mutable=True, enable_secret_mutable=True),
            reachable=args.get("reachable"),
        )
        self.register_outputs({"fleetId": self.fleet.id})


class _Private(NamedTuple):
    """What a fleet needs for a private hub; the defaults are those of a public one."""

    virtual_network: network.VirtualNetwork | None = None
    node_subnet_id: pulumi.Output[str] | None = None
    access: containerservice.APIServerAccessProfileArgs = containerservice.APIServerAccessProfileArgs(
        enable_private_cluster=False
    )
    identity: containerservice.ManagedServiceIdentityArgs | None = None
    roles: Sequence[authorization.RoleAssignment] = ()


def _private(name: str, args: FleetHubArgs, group: pulumi.Output[str], parent: pulumi.Resource) -> _Private:
    """Create the network of a private hub, and an identity that may use it.

    Azure's documentation requires two subnets, Network Contributor for the fleet's identity on both, and for Fleet's
    resource provider on the nodes' (learn: kubernetes-fleet/quickstart-create-fleet-and-members).
    """
    private = args.get("private")
    if not private:
        return _Private()
    opts = pulumi.ResourceOptions(parent=parent, hooks=NETWORK_RETRY.hooks())
    settings = NodeNetwork(
        resource_group_name=group,
        location=args.get("location") or "",
        virtual_network_name=pulumi.Output.concat(args["fleet_name"], "-vnet"),
        address_space=private["address_space"],
        subnet_name="nodes",
        node_subnet=private["node_subnet"],
        tags=args.get("tags"),
        private=True,
        open_ports=(),
    )
    # The hub's node fetches its updates from the internet (learn: kubernetes-fleet/concepts-lifecycle).
    gateway, _ = nat_gateway(name, settings, (), opts)
    made = node_network(name, settings, gateway, opts)
    api_subnet = api_server_subnet(name, private["api_server_subnet"], settings, made, opts)
    identity = managedidentity.UserAssignedIdentity(
        f"{name}-identity",
        resource_group_name=group,
        resource_name_=pulumi.Output.concat(args["fleet_name"], "-identity"),
        location=args.get("location"),
        tags=args.get("tags"),
        opts=opts,
    )
    own, fleets = (
        Principal(object_id=object_id, type=authorization.PrincipalType.SERVICE_PRINCIPAL)
        for object_id in (identity.principal_id, private["resource_provider_object_id"])
    )
    return _Private(
        made.virtual_network,
        made.subnet.id,
        containerservice.APIServerAccessProfileArgs(
            enable_private_cluster=True, enable_vnet_integration=True, subnet_id=api_subnet.id
        ),
        containerservice.ManagedServiceIdentityArgs(
            type=containerservice.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[identity.id]
        ),
        [
            grant(f"{name}-join-subnet", NETWORK_CONTRIBUTOR, own, made.subnet, parent),
            grant(f"{name}-join-api-subnet", NETWORK_CONTRIBUTOR, own, api_subnet, parent),
            grant(f"{name}-provider-join-subnet", NETWORK_CONTRIBUTOR, fleets, made.subnet, parent),
        ],
    )
