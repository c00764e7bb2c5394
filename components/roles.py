"""Azure roles, and how to grant one."""

from typing import TypedDict

import pulumi
import pulumi_random as random
from pulumi_azure_native import authorization

from .retries import GRANT_RETRY

# Built-in roles (learn: role-based-access-control/built-in-roles).
NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
AKS_RBAC_CLUSTER_ADMIN = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b"
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
MANAGED_IDENTITY_OPERATOR = "f1a07417-d97a-45cb-824c-7a7467783830"
FLEET_RBAC_CLUSTER_ADMIN = "18ab4d3d-a1bf-4477-8ad9-8359bc988f69"


class Principal(TypedDict):
    """The user, group or service principal that a role is granted to."""

    object_id: pulumi.Input[str]
    """The object ID in Microsoft Entra ID."""
    type: authorization.PrincipalType
    """Required, because Azure otherwise looks the ID up, and does not find an identity made a moment ago."""


def grant(
    name: str,
    role: str,
    principal: Principal,
    scope: pulumi.CustomResource | pulumi.Input[str],
    parent: pulumi.Resource,
) -> authorization.RoleAssignment:
    """Grant a built-in role on one resource.

    Args:
        name: the logical name of the assignment.
        role: the GUID of a built-in role.
        principal: who gets the role.
        scope: the resource on which it is granted, or its ID.
        parent: the component that grants it.
    """
    # Azure names an assignment by a GUID that is unique in the tenant; this one stays the same between updates.
    guid = random.RandomUuid(f"{name}-id", opts=pulumi.ResourceOptions(parent=parent))
    scope_id = pulumi.Output.from_input(scope.id if isinstance(scope, pulumi.CustomResource) else scope)
    # Azure stores the role with the subscription in front; without it every refresh would show a change.
    subscription = scope_id.apply(lambda known: "/".join(known.split("/")[:3]))
    return authorization.RoleAssignment(
        name,
        role_assignment_name=guid.result,
        role_definition_id=pulumi.Output.concat(
            subscription, "/providers/Microsoft.Authorization/roleDefinitions/", role
        ),
        principal_id=principal["object_id"],
        principal_type=principal["type"],
        scope=scope_id,
        opts=pulumi.ResourceOptions(parent=parent, hooks=GRANT_RETRY.hooks()),
    )
