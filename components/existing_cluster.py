"""One region whose cluster is there already: read, never changed, and left behind."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import containerservice, network

from .existing import flat_subnet, identified, in_location, network_of, part_of, readable
from .kubeconfig import KubeloginMode, unattended
from .roles import AKS_RBAC_CLUSTER_ADMIN, Principal, grant
from .subscriptions import HAND_ON, in_subscription


class ExistingClusterArgs(TypedDict):
    """Which cluster it is, and how to log in to it."""

    cluster_id: str
    """The AKS cluster's Azure id. The component's provider for Azure must be one of the cluster's subscription."""
    location: pulumi.Input[str]
    """The Azure region, short name, where it must be."""
    kubelogin_mode: KubeloginMode
    """How the program logs in where there are no local accounts."""
    entra_id_admins: NotRequired[Mapping[str, Principal] | None]
    """Who is to administer the cluster's objects, by logical name, the deploying identity among them, for a cluster
    with Azure RBAC. None for one with local accounts."""


class ExistingCluster(pulumi.ComponentResource):
    """A cluster with its VNet and subnet, none of which goes when the program goes."""

    virtual_network: network.VirtualNetwork
    """The VNet, to be peered."""
    subnet: network.Subnet
    """The subnet of its nodes and pods."""
    cluster: containerservice.ManagedCluster
    """The AKS cluster."""
    kubeconfig: pulumi.Output[str]
    """Unattended log-in to the cluster, secret."""
    kubernetes: k8s.Provider
    """Provider for objects on the cluster."""

    def __init__(self, name: str, args: ExistingClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:ExistingCluster", name, {}, opts)
        here = pulumi.ResourceOptions(parent=self)
        self.cluster = identified(
            containerservice.ManagedCluster.get(f"{name}-cluster", args["cluster_id"], here), args["cluster_id"]
        )
        subnet_id = pulumi.Output.all(
            flat_subnet(name, self.cluster), in_location(name, args["location"], self.cluster.location)
        ).apply(lambda found: found[0])
        self.subnet = identified(network.Subnet.get(f"{name}-subnet", subnet_id, here), subnet_id)
        network_id = subnet_id.apply(network_of)
        self.virtual_network = identified(network.VirtualNetwork.get(f"{name}-vnet", network_id, here), network_id)

        admins = [
            grant(f"{name}-{admin}", AKS_RBAC_CLUSTER_ADMIN, who, self.cluster, here)
            for admin, who in (args.get("entra_id_admins") or {}).items()
        ]
        asked = pulumi.InvokeOptions(parent=self)
        cluster_id = in_subscription(args["cluster_id"], asked, HAND_ON)
        credentials = readable(
            f"{name}: the log-in to {args['cluster_id']}",
            containerservice.list_managed_cluster_user_credentials_output(
                resource_group_name=cluster_id.apply(lambda found: part_of(found, "resourceGroups")),
                resource_name=self.cluster.name,
                opts=asked,
            ),
        )
        self.kubeconfig = unattended(credentials.kubeconfigs[0].value, args["kubelogin_mode"])
        self.kubernetes = k8s.Provider(
            f"{name}-kubernetes",
            kubeconfig=self.kubeconfig,
            cluster_identifier=self.cluster.id,
            delete_unreachable=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=admins),
        )
        self.register_outputs({"clusterId": self.cluster.id, "virtualNetworkId": self.virtual_network.id})
