"""The identity with which a cluster's nodes pull images."""

from collections.abc import Mapping

import pulumi
from pulumi_azure_native import authorization, containerservice, managedidentity
from pulumi_azure_native.containerservice.outputs import UserAssignedIdentityManagedClusterResponse

from .roles import ACR_PULL, Principal, grant
from .sdk import readable

_PROFILE = "kubeletidentity"


def identity_profile(
    identity: managedidentity.UserAssignedIdentity,
) -> dict[str, containerservice.UserAssignedIdentityArgs]:
    """Return a cluster's argument that gives its nodes an identity."""
    return {
        _PROFILE: containerservice.UserAssignedIdentityArgs(
            resource_id=identity.id, client_id=identity.client_id, object_id=identity.principal_id
        )
    }


def pull_images(
    name: str, registry_id: pulumi.Input[str], object_id: pulumi.Input[str], parent: pulumi.Resource
) -> authorization.RoleAssignment:
    """Let the nodes pull images from a registry.

    Args:
        name: the cluster's region.
        registry_id: Azure ID of the registry.
        object_id: the object ID of the nodes' identity.
        parent: the component that has the cluster.
    """
    puller = Principal(object_id=object_id, type=authorization.PrincipalType.SERVICE_PRINCIPAL)
    return grant(f"{name}-pull-images", ACR_PULL, puller, registry_id, parent)


def identity_of_aks(
    name: str,
    cluster: containerservice.ManagedCluster,
    group: pulumi.Output[str],
    parent: pulumi.Resource,
    *,
    lost: bool,
) -> pulumi.Output[str]:
    """Return the object ID of the identity that AKS has made for a cluster's nodes.

    It is asked for, because the cluster's own outputs are unknown in the preview of each of its updates, which would
    show the role as replaced. A lost cluster is not updated.
    """
    if lost:
        return cluster.identity_profile.apply(_object_id)
    found = readable(
        f"{name}: the identity of the nodes",
        containerservice.get_managed_cluster_output(
            resource_group_name=group, resource_name=cluster.name, opts=pulumi.InvokeOptions(parent=parent)
        ),
    )
    return found.identity_profile.apply(_object_id)


def _object_id(identities: Mapping[str, UserAssignedIdentityManagedClusterResponse] | None) -> str:
    return (identities or {})[_PROFILE].object_id or ""
