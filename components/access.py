"""Access to a Kubernetes API server in Azure: the roles for it, the log-in, and the provider for its objects."""

from collections.abc import Mapping
from typing import NamedTuple

import pulumi
import pulumi_kubernetes as k8s

from .kubeconfig import KubeloginMode, unattended
from .roles import Principal, grant


class Access(NamedTuple):
    """A log-in, and the provider that uses it."""

    kubeconfig: pulumi.Output[str]
    kubernetes: k8s.Provider


def kubernetes_access(  # noqa: PLR0913 - who gets access to what
    name: str,
    cluster: pulumi.CustomResource,
    credential: pulumi.Output[str],
    mode: KubeloginMode,
    *,
    role: str,
    admins: Mapping[str, Principal],
    parent: pulumi.Resource,
    settings: k8s.ProviderArgs,
) -> Access:
    """Give principals a role on a cluster, and log in to it.

    Args:
        name: the prefix of the logical names.
        cluster: the cluster, or the fleet with the hub.
        credential: its first kubeconfig, as Azure lists it.
        mode: how to log in if there are no local accounts.
        role: the GUID of the role.
        admins: the principals that get the role, by logical name.
        parent: the component.
        settings: the provider's settings, without those for the log-in.
    """
    grants = [grant(f"{name}-{admin}", role, principal, cluster, parent) for admin, principal in admins.items()]
    kubeconfig = unattended(credential, mode)
    settings.kubeconfig = kubeconfig
    # Without the identifier, a kubeconfig that is unknown in a preview or was rotated would replace every object.
    settings.cluster_identifier = cluster.id
    kubernetes = k8s.Provider(f"{name}-kubernetes", settings, pulumi.ResourceOptions(parent=parent, depends_on=grants))
    return Access(kubeconfig, kubernetes)
