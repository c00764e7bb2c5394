"""Identities, role assignments, and checks of an identity's roles."""

import re
from collections.abc import Collection, Iterator
from typing import Final
from uuid import uuid4

from typing_extensions import override

from rehearsal.azure import errors
from rehearsal.azure.arm import (
    ExtensionResource,
    Name,
    Record,
    ResourceType,
    Subscription,
    last_segment,
    listed,
    nested,
    timestamp,
)
from rehearsal.core.protocol import UNKNOWN, Problem, Properties

IDENTITY: Final = "azure-native:managedidentity:UserAssignedIdentity"
ROLE_ASSIGNMENT: Final = "azure-native:authorization:RoleAssignment"

# Source: learn: role-based-access-control/built-in-roles
OWNER: Final = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR: Final = "b24988ac-6180-42a0-ab88-20f7382dd24c"
NETWORK_CONTRIBUTOR: Final = "4d97b98b-1d4f-4787-a291-c67834d212e7"
FLEET_RBAC_CLUSTER_ADMIN: Final = "18ab4d3d-a1bf-4477-8ad9-8359bc988f69"
AKS_RBAC_CLUSTER_ADMIN: Final = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b"
MANAGED_IDENTITY_OPERATOR: Final = "f1a07417-d97a-45cb-824c-7a7467783830"

_GUID: Final = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ROLE_DEFINITION: Final = re.compile(
    rf"(/subscriptions/{_GUID})?/providers/Microsoft\.Authorization/roleDefinitions/{_GUID}", re.IGNORECASE
)


def holds(subscription: Subscription, principal_id: str, roles: Collection[str], scope: str) -> bool:
    """Return whether a principal has one of the roles on a scope or on an enclosing scope."""
    return any(
        assignment["inputs"]["principalId"].lower() == principal_id.lower()
        and last_segment(assignment["inputs"]["roleDefinitionId"]).lower() in roles
        and f"{scope.lower()}/".startswith(f"{assignment['inputs']['scope'].lower().rstrip('/')}/")
        for assignment in subscription.all_of(ROLE_ASSIGNMENT)
    )


def may_join(subscription: Subscription, principals: Collection[str], subnet_id: str) -> bool:
    """Return whether one of the principals may put something into a subnet."""
    return any(holds(subscription, each, {NETWORK_CONTRIBUTOR, CONTRIBUTOR, OWNER}, subnet_id) for each in principals)


def principals_of(subscription: Subscription, inputs: Properties) -> set[str]:
    """Return the principals of the user-assigned identities of a cluster or fleet."""
    identities = listed(nested(inputs, "identity"), "userAssignedIdentities")
    return {subscription.require(each)["outputs"]["principalId"] for each in identities}


class UserAssignedIdentity(ResourceType):
    """An identity that can be assigned to resources; its principal is a service principal."""

    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    api_version = "2023-01-31"
    name = Name(
        "resourceName",
        r"[a-zA-Z0-9][\w-]{2,127}",
        "learn: azure-resource-manager/management/resource-name-rules",
        "random",
    )
    located = True
    immutable = ("location",)
    # Azure/azure-cli, recording test_identity_management
    groups = "resourcegroups"

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del resource_id, inputs
        return {
            "clientId": old.get("clientId") or str(uuid4()),
            "principalId": old.get("principalId") or str(uuid4()),
            "tenantId": subscription.deployer.tenant_id,
        }


class Registry(ResourceType):
    """A container registry. Nobody pulls from it here: it is the scope of roles."""

    kind = "Microsoft.ContainerRegistry/registries"
    api_version = "2023-01-01-preview"
    name = Name(
        "registryName", r"[a-zA-Z0-9]{5,50}", "learn: azure-resource-manager/management/resource-name-rules", "random"
    )
    located = True
    immutable = ("location",)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription, inputs, old
        # Source: learn: container-registry/container-registry-get-started-azure-cli
        return {"loginServer": f"{last_segment(resource_id).lower()}.azurecr.io", "provisioningState": "Succeeded"}


class RoleAssignment(ExtensionResource):
    """A role for a principal on a scope."""

    kind = "Microsoft.Authorization/roleAssignments"
    api_version = "2022-04-01"
    # Source: learn: role-based-access-control/role-assignments-template ("name": a GUID)
    name = Name("roleAssignmentName", _GUID, "learn: role-based-access-control/role-assignments-template", "guid")
    immutable = ("principalId", "scope")

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        role = inputs.get("roleDefinitionId", UNKNOWN)
        if role is not UNKNOWN and not _ROLE_DEFINITION.fullmatch(role):
            # Source: learn: rest/api/authorization/role-assignments/create
            reason = "not a role definition id (/subscriptions/…/providers/Microsoft.Authorization/roleDefinitions/…)"
            yield Problem("roleDefinitionId", reason)
        principal = inputs.get("principalId", UNKNOWN)
        if principal is not UNKNOWN and not re.fullmatch(_GUID, principal):
            yield Problem("principalId", "not the object id (a GUID) of a principal")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del resource_id
        principal, said = inputs["principalId"].lower(), inputs.get("principalType")
        actual = _principal_type(subscription, principal)
        if said is not None and actual is not None and said != actual:
            raise errors.UNMATCHED_PRINCIPAL_TYPE.refusal(principal=principal, actual=actual, given=said)
        twin = (principal, last_segment(inputs["roleDefinitionId"]).lower(), inputs["scope"].lower())
        for other in subscription.all_of(ROLE_ASSIGNMENT):
            theirs = other["inputs"]
            same = (theirs["principalId"], last_segment(theirs["roleDefinitionId"]), theirs["scope"])
            if other is not old and twin == tuple(map(str.lower, same)):
                raise errors.ROLE_ASSIGNMENT_EXISTS.refusal()

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del resource_id, inputs
        now = timestamp()
        return {
            "createdBy": old.get("createdBy") or subscription.deployer.object_id,
            "createdOn": old.get("createdOn") or now,
            "updatedBy": subscription.deployer.object_id,
            "updatedOn": now,
        }

    @override
    def first_answer(self, outputs: Properties) -> Properties:
        # The answer to the creation has `createdBy: null`, later reads have a value (Azure/azure-service-operator,
        # recording Test_Authorization_RoleAssignmentOfBuiltInRole). The first `pulumi refresh` shows this change.
        return {key: value for key, value in outputs.items() if key != "createdBy"}


def _principal_type(subscription: Subscription, principal: str) -> str | None:
    """Return the type of a principal of this cloud; None for others, including the deployer."""
    identities = (identity["outputs"]["principalId"].lower() for identity in subscription.all_of(IDENTITY))
    return "ServicePrincipal" if principal in identities else None
