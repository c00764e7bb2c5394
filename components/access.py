"""Access to a Kubernetes API server in Azure: the roles for it, the log-in, and the provider for its objects."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import pulumi
import pulumi_kubernetes as k8s

from .kubeconfig import KubeloginMode, unattended
from .roles import Principal, grant

# The top-level domain `invalid` never exists (RFC 2606).
_NOWHERE: Final = """\
apiVersion: v1
kind: Config
current-context: lost
contexts: [{name: lost, context: {cluster: lost, user: lost}}]
clusters: [{name: lost, cluster: {server: "https://lost.invalid"}}]
users: [{name: lost, user: {token: none}}]
"""


class Access(NamedTuple):
    """A log-in, and the provider that uses it."""

    kubeconfig: pulumi.Output[str]
    kubernetes: k8s.Provider


def kubernetes_access(  # noqa: PLR0913 - who gets access to what
    name: str,
    cluster: pulumi.CustomResource,
    credential: pulumi.Output[str] | None,
    mode: KubeloginMode,
    *,
    role: str,
    admins: Mapping[str, Principal],
    parent: pulumi.Resource,
    settings: k8s.ProviderArgs,
    reachable: pulumi.Input[str] | None = None,
) -> Access:
    """Give principals a role on a cluster, and log in to it.

    Args:
        name: the prefix of the logical names.
        cluster: the cluster, or the fleet with the hub.
        credential: its first kubeconfig, as Azure lists it; None for a lost cluster. The provider of a lost cluster
            gets an address at which nothing answers. So it only removes objects from the state, if its settings have
            `delete_unreachable`. It does not use the real address: the cluster might still answer, without controllers
            that delete an object.
        mode: how to log in if there are no local accounts.
        role: the GUID of the role.
        admins: the principals that get the role, by logical name.
        parent: the component.
        settings: the provider's settings, without those for the log-in.
        reachable: an Output that is known once the program can reach the API server; None if it can from the start. A
            provider that is created earlier reaches nothing during the whole update: it connects to the API server only
            once (pulumi-kubernetes, provider/pkg/provider/provider.go, Configure).
    """
    grants = [grant(f"{name}-{admin}", role, principal, cluster, parent) for admin, principal in admins.items()]
    if credential is not None and reachable is not None:
        credential = pulumi.Output.all(credential, reachable).apply(lambda found: str(found[0]))
    kubeconfig = unattended(credential, mode) if credential is not None else pulumi.Output.from_input(_NOWHERE)
    settings.kubeconfig = kubeconfig
    # Without the identifier, a kubeconfig that is unknown in a preview or was rotated would replace every object.
    settings.cluster_identifier = cluster.id
    kubernetes = k8s.Provider(f"{name}-kubernetes", settings, pulumi.ResourceOptions(parent=parent, depends_on=grants))
    return Access(kubeconfig, kubernetes)
