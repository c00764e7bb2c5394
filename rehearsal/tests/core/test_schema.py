"""Inputs against the SDK's own argument classes."""

import pytest

from rehearsal.core.protocol import UNKNOWN, Properties
from rehearsal.core.schema import expected_outputs, function_problems, problems

FLEET = "azure-native:containerservice:Fleet"
CLUSTER = "azure-native:containerservice:ManagedCluster"
POD = "kubernetes:core/v1:Pod"


def said(token: str, inputs: Properties) -> dict[str, str]:
    return {problem.path: problem.reason for problem in problems(token, inputs)}


def test_right_inputs_have_no_problems() -> None:
    inputs = {
        "resourceGroupName": "rg",
        "sku": {"name": "Base", "tier": "Standard"},
        "agentPoolProfiles": [{"name": "system", "count": 2.0, "mode": "System", "availabilityZones": ["1", "2"]}],
        "identity": {"type": "UserAssigned", "userAssignedIdentities": ["id"]},
        "tags": {"team": "x"},
        "disableLocalAccounts": False,
        "kind": None,
    }
    assert said(CLUSTER, inputs) == {}


def test_a_misspelt_property_is_named_with_the_nearest_right_one() -> None:
    assert said(FLEET, {"resourceGroupName": "rg", "hubProfil": {}}) == {
        "hubProfil": "unknown property 'hubProfil'; did you mean 'hubProfile'?"
    }


def test_a_nested_property_in_snake_case_is_found_by_its_path() -> None:
    pools = [{"name": "a"}, {"name": "b", "vm_size": "Standard_D2s_v5"}]
    assert said(CLUSTER, {"resourceGroupName": "rg", "agentPoolProfiles": pools}) == {
        "agentPoolProfiles[1].vm_size": "unknown property 'vm_size'; did you mean 'vmSize'?"
    }


def test_a_missing_required_property_is_reported_at_every_depth() -> None:
    assert said(CLUSTER, {"agentPoolProfiles": [{}]}) == {
        "resourceGroupName": "missing required property 'resourceGroupName'",
        "agentPoolProfiles[0].name": "missing required property 'name'",
    }


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("location", 5, "expected a string, got a number"),
        ("location", True, "expected a string, got a boolean"),
        ("tags", ["a"], "expected an object, got a list"),
        ("hubProfile", "yes", "expected an object, got a string"),
    ],
)
def test_a_wrong_type_is_reported(key: str, value: object, reason: str) -> None:
    assert said(FLEET, {"resourceGroupName": "rg", key: value}) == {key: reason}


def test_a_value_in_a_map_is_checked() -> None:
    assert said(FLEET, {"resourceGroupName": "rg", "tags": {"a": 1.0}}) == {"tags.a": "expected a string, got a number"}


def test_an_integer_has_no_fraction() -> None:
    pools = [{"name": "a", "count": 1.5}]
    assert said(CLUSTER, {"resourceGroupName": "rg", "agentPoolProfiles": pools}) == {
        "agentPoolProfiles[0].count": "expected an integer, got a number"
    }


def test_an_extensible_enum_takes_its_values_only() -> None:
    assert said(CLUSTER, {"resourceGroupName": "rg", "sku": {"tier": "premium"}}) == {
        "sku.tier": "'premium' is not one of 'Premium', 'Standard', 'Free'"
    }


def test_the_fleet_api_takes_its_own_channels() -> None:
    inputs = {"resourceGroupName": "rg", "fleetName": "fleet", "channel": "Stable"}
    assert said("azure-native:containerservice:AutoUpgradeProfile", inputs) == {}


def test_unknown_fits_every_type() -> None:
    inputs = {"resourceGroupName": UNKNOWN, "hubProfile": UNKNOWN, "tags": {"a": UNKNOWN}, "identity": UNKNOWN}
    assert said(FLEET, inputs) == {}


def test_kubernetes_kinds_are_checked_too() -> None:
    container: Properties = {
        "name": "x",
        "ports": [{"containerPort": "80"}],
        "livenessProbe": {"httpGet": {"port": "http"}},
    }
    inputs: Properties = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"label": {}},
        "spec": {"containers": [container]},
    }
    assert said(POD, inputs) == {
        "metadata.label": "unknown property 'label'; did you mean 'labels'?",
        "spec.containers[0].ports[0].containerPort": "expected an integer, got a string",
    }


def test_the_constants_of_a_kubernetes_kind_are_checked() -> None:
    assert said(POD, {"apiVersion": "v2", "kind": "Pod"}) == {"apiVersion": "'v2' is not one of 'v1'"}


def test_custom_resources_have_no_sdk_class() -> None:
    assert said("kubernetes:networking.fleet.azure.com/v1alpha1:MultiClusterService", {"spec": 1}) == {}


def test_random_resources_are_checked() -> None:
    assert said("random:index/randomPassword:RandomPassword", {"lenght": 20}) == {
        "lenght": "unknown property 'lenght'; did you mean 'length'?",
        "length": "missing required property 'length'",
    }


def test_a_functions_arguments_are_its_parameters() -> None:
    token = "azure-native:containerservice:listFleetCredentials"
    assert function_problems(token, {"fleetName": "f", "resourceGroupName": "rg"}) == []
    assert [problem.reason for problem in function_problems(token, {"format": "exec", "fleetName": 1.0})] == [
        "unknown property 'format'",
        "expected a string, got a number",
    ]


def test_a_function_that_the_sdk_lacks_is_a_problem() -> None:
    assert function_problems("azure-native:containerservice:listFleetSecrets", {})


def test_a_preview_echoes_inputs_and_knows_nothing_else() -> None:
    outputs = expected_outputs(FLEET, {"location": "westus", "hubProfile": {"dnsPrefix": "hub"}, "fleetName": "f"})
    assert outputs["location"] == "westus"
    assert outputs["name"] is UNKNOWN
    assert outputs["hubProfile"]["dnsPrefix"] == "hub"
    assert outputs["hubProfile"]["fqdn"] is UNKNOWN
    assert "fleetName" not in outputs


def test_a_preview_does_not_know_the_map_that_a_list_of_identities_becomes() -> None:
    identity = {"type": "UserAssigned", "userAssignedIdentities": ["id"]}
    assert expected_outputs(FLEET, {"identity": identity})["identity"]["userAssignedIdentities"] is UNKNOWN
