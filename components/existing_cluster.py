"""A region on a cluster that exists: it is looked up, never changed, and not deleted."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import containerservice, network
from pulumi_azure_native.containerservice.outputs import ManagedClusterAPIServerAccessProfileResponse

from .access import kubernetes_access
from .existing import existing_network, pod_subnet_id
from .kubeconfig import KubeloginMode
from .roles import AKS_RBAC_CLUSTER_ADMIN, Principal
from .sdk import optional, readable, with_id
from .subscriptions import resource_group_of


class ExistingClusterArgs(TypedDict):
    """The cluster, and how to log in to it."""

    cluster_id: str
    """The AKS cluster's Azure ID. The component's Azure provider must work in the cluster's subscription."""
    location: pulumi.Input[str]
    """The Azure region in which it must be, short name, as in `eastus2`."""
    kubelogin_mode: KubeloginMode
    """How the program logs in if the cluster has no local accounts."""
    entra_id_admins: NotRequired[Mapping[str, Principal] | None]
    """Who may administer the cluster's objects, by logical name, including the deploying identity. For a cluster with
    Azure RBAC; None for a cluster with local accounts."""
    reachable: NotRequired[pulumi.Input[str] | None]
    """For a private cluster: an Output that is known once the program can reach the API server, such as the ID of a
    peering with the VNet in which the program runs. `kubernetes` and `kubeconfig` wait for it. None if the program can
    reach the API server from the start."""
    lost: NotRequired[bool]
    """Whether the region no longer answers. The cluster and its network are still looked up in Azure, but `kubernetes`
    does not reach the cluster. It only removes objects from the state. False by default."""


class ExistingCluster(pulumi.ComponentResource):
    """An existing cluster with its VNet and subnet. `destroy` deletes none of them."""

    virtual_network: network.VirtualNetwork
    """The VNet, to be peered."""
    network_group: pulumi.Output[str] | None
    """Always None: the VNet's resource group is not the component's."""
    subnet: network.Subnet
    """The subnet of its nodes and pods."""
    cluster: containerservice.ManagedCluster
    """The AKS cluster."""
    kubeconfig: pulumi.Output[str]
    """Kubeconfig of the cluster with an unattended log-in, secret."""
    kubernetes: k8s.Provider
    """Provider for objects on the cluster."""

    def __init__(self, name: str, args: ExistingClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:ExistingCluster", name, {}, opts)
        cluster_id, invoke_opts = args["cluster_id"], pulumi.InvokeOptions(parent=self)
        child_opts = pulumi.ResourceOptions(parent=self)
        self.cluster = with_id(
            containerservice.ManagedCluster.get(f"{name}-cluster", cluster_id, child_opts), cluster_id
        )
        self.virtual_network, self.subnet = existing_network(
            name, pod_subnet_id(name, self.cluster), args["location"], child_opts
        )
        self.network_group = None
        credential: pulumi.Output[str] | None = None
        if not args.get("lost"):
            credentials = readable(
                f"{name}: the log-in to {cluster_id}",
                containerservice.list_managed_cluster_user_credentials_output(
                    resource_group_name=resource_group_of(cluster_id, invoke_opts),
                    resource_name=self.cluster.name,
                    server_fqdn=optional(self.cluster, self.cluster.api_server_access_profile).apply(_kind_of_name),
                    opts=invoke_opts,
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
            settings=k8s.ProviderArgs(delete_unreachable=True),
            reachable=args.get("reachable"),
        )
        self.register_outputs({"clusterId": self.cluster.id, "virtualNetworkId": self.virtual_network.id})


def _kind_of_name(access: ManagedClusterAPIServerAccessProfileResponse | None) -> str | None:
    """Return the kind of name to ask for: a private cluster's public one, if it has one, needs no private DNS zone."""
    private = access and access.enable_private_cluster and access.enable_private_cluster_public_fqdn is not False
    return "public" if private else None
