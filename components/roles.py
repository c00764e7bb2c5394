"""Azure roles, and how the program grants one."""

from typing import TypedDict

import pulumi
import pulumi_random as random
from pulumi_azure_native import authorization

from .retries import IDENTITY_NOT_IN_DIRECTORY, retry

# Built-in roles (learn: role-based-access-control/built-in-roles).
NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
AKS_RBAC_CLUSTER_ADMIN = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b"
FLEET_RBAC_CLUSTER_ADMIN = "18ab4d3d-a1bf-4477-8ad9-8359bc988f69"


class Principal(TypedDict):
    """Whom a role is granted to."""

    object_id: pulumi.Input[str]
    """The object id in Microsoft Entra ID."""
    type: authorization.PrincipalType
    """Stated because Azure otherwise looks the id up, and does not find an identity made a moment ago."""


def grant(
    name: str,
    role: str,
    principal: Principal,
    scope: pulumi.CustomResource,
    opts: pulumi.ResourceOptions,
) -> authorization.RoleAssignment:
    """Grant a built-in role on one resource.

    Args:
        name: the logical name of the assignment.
        role: the GUID of a built-in role.
        principal: whom it is granted to.
        scope: the resource it is granted on.
        opts: the assignment's options, `parent` among them.
    """
    # Azure names an assignment by a GUID that is unique in the tenant; this one stays the same between updates.
    guid = random.RandomUuid(f"{name}-id", opts=pulumi.ResourceOptions(parent=opts.parent))
    # Azure stores the role with the subscription in front; without it every refresh would show a change.
    subscription = scope.id.apply(lambda scope_id: "/".join(scope_id.split("/")[:3]))
    return authorization.RoleAssignment(
        name,
        role_assignment_name=guid.result,
        role_definition_id=pulumi.Output.concat(
            subscription, "/providers/Microsoft.Authorization/roleDefinitions/", role
        ),
        principal_id=principal["object_id"],
        principal_type=principal["type"],
        scope=scope.id,
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(hooks=retry("grant-retry", *IDENTITY_NOT_IN_DIRECTORY))
        ),
    )
