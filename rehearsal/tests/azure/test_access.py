"""Identities and role assignments."""

import pytest

from rehearsal.core.protocol import Properties
from rehearsal.tests.azure.subscription import (
    CLUSTER_ADMIN,
    DEPLOYER,
    FLEET_ADMIN,
    SUBSCRIPTION,
    Subscription,
    role_inputs,
)


@pytest.mark.recording("identity")
def test_an_identitys_id_has_its_group_in_lower_case(sub: Subscription) -> None:
    sub.group()
    identity_id, _ = sub.identity()
    assert identity_id.startswith(f"{SUBSCRIPTION}/resourcegroups/rg/providers/Microsoft.ManagedIdentity/")


@pytest.mark.recording("role")
def test_who_assigned_a_role_is_known_when_it_is_read(sub: Subscription) -> None:
    role, outputs = sub.create("RoleAssignment", **role_inputs(SUBSCRIPTION, FLEET_ADMIN))
    assert "createdBy" not in outputs
    assert sub.outputs("RoleAssignment", role)["createdBy"] == DEPLOYER.object_id


@pytest.mark.recording("role-exists")
def test_a_role_is_assigned_once(sub: Subscription) -> None:
    sub.role(SUBSCRIPTION, FLEET_ADMIN)
    message = sub.refused("RoleAssignment", **role_inputs(SUBSCRIPTION, FLEET_ADMIN))
    assert message == 'Status=409 Code="RoleAssignmentExists" Message="The role assignment already exists."'


@pytest.mark.recording("principal-type")
def test_a_principals_type_is_what_it_is(sub: Subscription) -> None:
    sub.group()
    _, principal = sub.identity()
    assert "UnmatchedPrincipalType" in sub.refused(
        "RoleAssignment", **role_inputs(SUBSCRIPTION, FLEET_ADMIN, principal)
    )
    sub.role(SUBSCRIPTION, FLEET_ADMIN, "00000000-0000-4000-8000-000000000001", "Group")
    sub.role(SUBSCRIPTION, FLEET_ADMIN, DEPLOYER.object_id, "ServicePrincipal")  # nor does this cloud know who deploys


@pytest.mark.parametrize(
    ("key", "value"),
    [("roleDefinitionId", "Network Contributor"), ("roleDefinitionId", FLEET_ADMIN), ("principalId", "me")],
)
def test_roles_and_principals_are_ids(sub: Subscription, key: str, value: str) -> None:
    assert list(sub.problems("RoleAssignment", **{**role_inputs(SUBSCRIPTION, FLEET_ADMIN), key: value})) == [key]


def test_a_role_definition_may_be_given_without_the_subscription(sub: Subscription) -> None:
    inputs = role_inputs(SUBSCRIPTION, FLEET_ADMIN)
    inputs["roleDefinitionId"] = inputs["roleDefinitionId"].removeprefix(SUBSCRIPTION)
    sub.create("RoleAssignment", **inputs)


def test_a_roles_scope_must_exist(sub: Subscription) -> None:
    group = f"{SUBSCRIPTION}/resourceGroups/rg"
    assert "ResourceGroupNotFound" in sub.refused("RoleAssignment", **role_inputs(group, FLEET_ADMIN))
    missing = f"{group}/providers/Microsoft.ContainerService/fleets/f"
    assert "ResourceNotFound" in sub.refused("RoleAssignment", **role_inputs(missing, FLEET_ADMIN))


@pytest.mark.parametrize("segments", [9, 5, 3])
def test_a_role_on_the_fleet_or_above_opens_the_hub(sub: Subscription, segments: int) -> None:
    sub.group()
    fleet_id, _ = sub.fleet(hubProfile={})
    assert not sub.azure.may_access(fleet_id)
    sub.role("/".join(fleet_id.split("/")[:segments]), FLEET_ADMIN)
    assert sub.azure.may_access(fleet_id)


def test_another_role_or_a_neighbours_scope_opens_nothing(sub: Subscription) -> None:
    sub.group()
    fleet_id, _ = sub.fleet(hubProfile={})
    neighbour, _ = sub.fleet("fleet2", hubProfile={})
    sub.role(fleet_id, CLUSTER_ADMIN)
    sub.role(neighbour, FLEET_ADMIN)
    assert not sub.azure.may_access(fleet_id)
    assert sub.azure.may_access(neighbour)


def test_a_cluster_with_azure_rbac_needs_its_role_and_others_do_not(sub: Subscription) -> None:
    inputs = sub.place()
    local, _ = sub.create("ManagedCluster", **inputs)
    entra: Properties = {**inputs, "resourceName": "entra", "aadProfile": {"managed": True, "enableAzureRBAC": True}}
    cluster_id, _ = sub.create("ManagedCluster", **entra)
    assert sub.azure.may_access(local)
    assert not sub.azure.may_access(cluster_id)
    sub.role(cluster_id, CLUSTER_ADMIN)
    assert sub.azure.may_access(cluster_id)
