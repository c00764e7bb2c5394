"""The fleet: a hub that places workloads, and the clusters that have joined it."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import authorization, containerservice, network, resources

from .existing import hub_of, part_of, readable, with_id
from .kubeconfig import KubeloginMode, unattended
from .retries import MEMBER_EXPORTS_SERVICES, retry
from .roles import FLEET_RBAC_CLUSTER_ADMIN, Principal, grant
from .subscriptions import HAND_ON, in_subscription


class Member(TypedDict):
    """A cluster that joins the fleet."""

    name: pulumi.Input[str]
    """The member's name, in Azure and as the hub's MemberCluster."""
    cluster_id: pulumi.Input[str]
    """The AKS cluster's Azure id."""
    update_group: pulumi.Input[str]
    """The group in which the fleet upgrades it."""
    peering: NotRequired[network.VirtualNetworkPeering | None]
    """What comes last of all that lets it and the other members reach each other's pods."""


class FleetHubArgs(TypedDict):
    """What makes a fleet."""

    location: NotRequired[pulumi.Input[str] | None]
    """Azure region of the hub, short name, as in `westus`. Not used with `existing_id`, required otherwise."""
    resource_group_name: pulumi.Input[str]
    """Name of the fleet's group."""
    fleet_name: pulumi.Input[str]
    """Name of the fleet."""
    members: Mapping[str, Member]
    """The clusters that join, by the name of their region."""
    admins: Mapping[str, Principal]
    """Who may write objects on the hub, by logical name; the deploying identity among them."""
    kubelogin_mode: KubeloginMode
    """How the program logs in to the hub, which has no local accounts."""
    dns_prefix: NotRequired[pulumi.Input[str] | None]
    """Prefix of the hub's API server's name, at most 54 characters (learn: rest/api/fleet); None leaves it to Azure."""
    vm_size: NotRequired[pulumi.Input[str] | None]
    """VM size of the hub's node; None leaves it to Azure."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]] | None]
    """Tags of every resource that takes some."""
    after: NotRequired[Sequence[authorization.RoleAssignment] | None]
    """What the fleet waits for: the last that the clusters wait for. The engine deletes in layers, by depth (pulumi
    v3.274.1, step_generator.go, ScheduleDeletes), so the fleet and the clusters are then deleted at the same time."""
    protect: NotRequired[bool]
    """Whether Pulumi refuses to delete the group and the fleet, or to replace them. False by default."""
    existing_id: NotRequired[str | None]
    """Azure id of a fleet with a hub that is there and stays; what else makes a fleet is then left aside. The
    component's provider for Azure must be one of the fleet's subscription."""


class FleetHub(pulumi.ComponentResource):
    """A fleet with a hub cluster, and its members."""

    fleet: containerservice.Fleet
    """The fleet."""
    members: dict[str, containerservice.FleetMember]
    """The members, by the name of their region; created means joined."""
    kubeconfig: pulumi.Output[str]
    """Unattended log-in to the hub, secret."""
    kubernetes: k8s.Provider
    """Provider for objects on the hub."""

    def __init__(self, name: str, args: FleetHubArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:FleetHub", name, {}, opts)
        patient = retry("fleet-retry", *MEMBER_EXPORTS_SERVICES)
        asked = pulumi.InvokeOptions(parent=self)
        existing_id = args.get("existing_id")
        if existing_id:
            group_name: pulumi.Input[str] = in_subscription(existing_id, asked, HAND_ON).apply(
                lambda found: part_of(found, "resourceGroups")
            )
            read = containerservice.Fleet.get(f"{name}-fleet", existing_id, pulumi.ResourceOptions(parent=self))
            self.fleet = with_id(read, existing_id)
            fleet_name = hub_of(self.fleet)
        else:
            group = resources.ResourceGroup(
                f"{name}-group",
                resource_group_name=args["resource_group_name"],
                location=args.get("location"),
                tags=args.get("tags"),
                opts=pulumi.ResourceOptions(parent=self, hooks=patient, protect=args.get("protect", False)),
            )
            self.fleet = containerservice.Fleet(
                f"{name}-fleet",
                resource_group_name=group.name,
                fleet_name=args["fleet_name"],
                location=args.get("location"),
                # Each part is there, as `az fleet create --enable-hub` sends it: nobody has seen what Azure makes of an
                # empty profile (Azure/azure-cli-extensions, recording test_fleet_hubful).
                hub_profile=containerservice.FleetHubProfileArgs(
                    agent_profile=containerservice.AgentProfileArgs(vm_size=args.get("vm_size")),
                    api_server_access_profile=containerservice.APIServerAccessProfileArgs(enable_private_cluster=False),
                    dns_prefix=args.get("dns_prefix"),
                ),
                tags=args.get("tags"),
                opts=pulumi.ResourceOptions(
                    parent=self,
                    hooks=patient,
                    depends_on=args.get("after"),
                    protect=args.get("protect", False),
                ),
            )
            group_name, fleet_name = group.name, self.fleet.name
        mine = pulumi.ResourceOptions(parent=self)
        # Azure roles such as Owner do not reach the hub's objects (learn: kubernetes-fleet/access-fleet-hub-cluster-…).
        admins = [
            grant(f"{name}-{admin}", FLEET_RBAC_CLUSTER_ADMIN, who, self.fleet, mine)
            for admin, who in args["admins"].items()
        ]

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
                    # The fleet sends clients to a member's pods from when it is given the app until it has left: the
                    # way to them must be there before, and stay until after.
                    depends_on=member.get("peering"),
                    hooks=patient,
                ),
            )
            for region, member in args["members"].items()
        }

        credentials = readable(
            "the log-in to the fleet's hub",
            containerservice.list_fleet_credentials_output(
                resource_group_name=group_name, fleet_name=fleet_name, opts=asked
            ),
        )
        self.kubeconfig = unattended(credentials.kubeconfigs[0].value, args["kubelogin_mode"])
        self.kubernetes = k8s.Provider(
            f"{name}-kubernetes",
            kubeconfig=self.kubeconfig,
            # Without it, a kubeconfig that is unknown in a preview or has been rotated would replace every object.
            cluster_identifier=self.fleet.id,
            # A ConfigMap or Secret with a name of its own is changed in place; to replace it is to take it away first.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=admins),
        )
        self.register_outputs({"fleetId": self.fleet.id})
