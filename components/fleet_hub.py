"""The fleet: a hub that places workloads, and the clusters that have joined it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import containerservice, resources

from components.kubeconfig import KubeloginMode, unattended
from components.retries import MEMBER_EXPORTS_SERVICES, retry
from components.roles import FLEET_RBAC_CLUSTER_ADMIN, Principal, grant


@dataclass(frozen=True)
class MemberArgs:
    """A cluster that joins the fleet.

    Attributes:
        name: the member's name, in Azure and as the hub's MemberCluster.
        cluster_id: the AKS cluster's Azure id.
        update_group: the group in which the fleet upgrades it.
        peering: what comes last of all that lets it and the other members reach each other's pods.
    """

    name: str
    cluster_id: pulumi.Input[str]
    update_group: str
    peering: pulumi.Resource | None = None


@dataclass(frozen=True)
class FleetHubArgs:
    """What makes a fleet.

    Attributes:
        location: Azure region of the hub, short name.
        resource_group_name: name of the fleet's group.
        fleet_name: name of the fleet.
        members: the clusters that join, by the name of their region.
        admins: who may write objects on the hub, by logical name; the deploying identity among them.
        kubelogin_mode: how the program logs in to the hub, which has no local accounts.
        dns_prefix: of the hub's API server; None leaves it to Azure.
        vm_size: of the hub's node; None leaves it to Azure.
        tags: tags of every resource that takes some.
    """

    location: str
    resource_group_name: str
    fleet_name: str
    members: Mapping[str, MemberArgs]
    admins: Mapping[str, Principal]
    kubelogin_mode: KubeloginMode
    dns_prefix: str | None = None
    vm_size: str | None = None
    tags: Mapping[str, str] | None = None


class FleetHub(pulumi.ComponentResource):
    """A fleet with a hub cluster, and its members.

    Attributes:
        fleet: the fleet.
        members: the members, by the name of their region; created means joined.
        kubeconfig: unattended log-in to the hub, secret.
        kubernetes: provider for objects on the hub.
    """

    fleet: containerservice.Fleet
    members: dict[str, containerservice.FleetMember]
    kubeconfig: pulumi.Output[str]
    kubernetes: k8s.Provider

    def __init__(self, name: str, args: FleetHubArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:FleetHub", name, {}, opts)
        patient = retry("fleet-retry", *MEMBER_EXPORTS_SERVICES)
        group = resources.ResourceGroup(
            f"{name}-group",
            resource_group_name=args.resource_group_name,
            location=args.location,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, hooks=patient),
        )
        self.fleet = containerservice.Fleet(
            f"{name}-fleet",
            resource_group_name=group.name,
            fleet_name=args.fleet_name,
            location=args.location,
            hub_profile=containerservice.FleetHubProfileArgs(
                dns_prefix=args.dns_prefix,
                agent_profile=containerservice.AgentProfileArgs(vm_size=args.vm_size) if args.vm_size else None,
            ),
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, deleted_with=group, hooks=patient),
        )
        # Azure roles such as Owner do not reach the hub's objects (learn: kubernetes-fleet/access-fleet-hub-cluster-…).
        admins = [
            grant(f"{name}-{admin}", FLEET_RBAC_CLUSTER_ADMIN, who, self.fleet, pulumi.ResourceOptions(parent=self))
            for admin, who in args.admins.items()
        ]

        self.members = {
            region: containerservice.FleetMember(
                f"{name}-member-{region}",
                resource_group_name=group.name,
                fleet_name=self.fleet.name,
                fleet_member_name=member.name,
                cluster_resource_id=member.cluster_id,
                group=member.update_group,
                opts=pulumi.ResourceOptions(
                    parent=self,
                    deleted_with=self.fleet,
                    # The fleet sends clients to a member's pods from when it is given the app until it has left: the
                    # way to them must be there before, and stay until after.
                    depends_on=member.peering,
                    hooks=patient,
                ),
            )
            for region, member in args.members.items()
        }

        credentials = containerservice.list_fleet_credentials_output(
            resource_group_name=group.name, fleet_name=self.fleet.name
        )
        self.kubeconfig = unattended(credentials.kubeconfigs[0].value, args.kubelogin_mode)
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
