"""A namespace on the hub and its placement on members: an app's, or a team's."""

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import containerservice

from .app_manifests import Manifest
from .kubernetes_object import KubernetesObject, awaited


def namespace(
    name: str, space: str, members: Sequence[containerservice.FleetMember], opts: pulumi.ResourceOptions
) -> KubernetesObject:
    """Return a namespace on the hub.

    `destroy` deletes the hub's objects before the members: Fleet's webhook refuses to delete a member that still
    exports a Service (Azure/fleet v0.18.12, pkg/webhook/membercluster).
    """
    return KubernetesObject(
        f"{name}-namespace",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}},
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=members)),
    )


def placement(
    name: str,
    manifest: Manifest,
    members: int,
    opts: pulumi.ResourceOptions,
    condition: str = "ClusterResourcePlacementAvailable",
) -> KubernetesObject:
    """Return the placement of a namespace; it is ready when the condition holds, on as many members as there are.

    Its options say that it depends on the namespace's objects: a placement that is created before them or before a
    member is available without them (Azure/fleet v0.18.12: a missing namespace selects nothing, and nothing is
    available at once).
    """
    # The condition is also true with fewer members than wanted.
    last = f"jsonpath={{.status.placementStatuses[{members - 1}].clusterName}}"
    return KubernetesObject(f"{name}-placement", awaited(manifest, f"condition={condition}", last), opts)
