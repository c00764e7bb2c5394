"""The azure-native provider: inputs against the SDK, previews, differences, functions and subscriptions."""

import pytest

from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import UNKNOWN, Call, Difference, Properties
from rehearsal.tests.azure.subscription import DEPLOYER, SUBSCRIPTION, Subscription


@pytest.fixture
def sub() -> Subscription:
    return Subscription()


def test_check_compares_with_the_sdk(sub: Subscription) -> None:
    assert list(sub.problems("ResourceGroup", location="eastus", resourceGroupNam="rg")) == ["resourceGroupNam"]


def test_a_create_preview_needs_no_parents_and_knows_no_name(sub: Subscription) -> None:
    inputs: Properties = {"resourceGroupName": UNKNOWN, "fleetName": "fleet", "location": "westus"}
    resource_id, outputs = sub.azure.create(sub.call("Fleet", preview=True), inputs)
    assert resource_id == ""
    assert outputs["name"] is UNKNOWN
    assert outputs["location"] == "westus"


def test_an_update_preview_carries_name_and_location(sub: Subscription) -> None:
    sub.group()
    fleet_id, outputs = sub.fleet()
    preview = sub.azure.update(sub.call("Fleet", preview=True), fleet_id, outputs, {"tags": {"a": "b"}})
    assert (preview["name"], preview["location"], preview["tags"]) == ("fleet", "eastus2", {"a": "b"})
    assert preview["eTag"] is UNKNOWN
    assert "tags" not in sub.outputs("Fleet", fleet_id)


def test_other_types_and_functions_say_where_to_add_them(sub: Subscription) -> None:
    with pytest.raises(RefusedError, match=r"TYPES in rehearsal/providers/azure_native\.py"):
        sub.azure.check(sub.call("UpdateRun"), {})
    with pytest.raises(RefusedError, match=r"rehearsal/providers/azure_native\.py"):
        sub.invoke("getFleet")


def difference(kind: str, old: Properties, new: Properties) -> Difference:
    return Subscription().azure.diff(Subscription.call(kind), old, {}, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"location": "East US 2"}, {"location": "eastus2"}),
        ({"tags": None}, {"tags": {}}),
        ({"tags": {}}, {}),
        ({"agentPoolProfiles": [{"count": 2}]}, {"agentPoolProfiles": [{"count": 2.0}]}),
    ],
)
def test_equal_values_are_equal(old: Properties, new: Properties) -> None:
    assert difference("ManagedCluster", old, new) == Difference([], [])


@pytest.mark.parametrize(
    ("kind", "old", "new", "changed", "replaces"),
    [
        ("ResourceGroup", {"location": "eastus"}, {"location": "westus"}, "location", True),
        ("ResourceGroup", {"tags": {"a": "1"}}, {"tags": {"a": "2"}}, "tags.a", False),
        ("Subnet", {"resourceGroupName": "a"}, {"resourceGroupName": "b"}, "resourceGroupName", True),
        ("Subnet", {"addressPrefix": "10.0.0.0/24"}, {"addressPrefix": "10.0.0.0/23"}, "addressPrefix", False),
        ("VirtualNetwork", {"location": "eastus"}, {"location": "westus"}, "location", True),
        ("UserAssignedIdentity", {"location": "eastus"}, {"location": "westus"}, "location", True),
        ("RoleAssignment", {"principalId": "a"}, {"principalId": "b"}, "principalId", True),
        ("RoleAssignment", {"principalId": "a"}, {"principalId": UNKNOWN}, "principalId", True),
        ("RoleAssignment", {"description": "a"}, {"description": "b"}, "description", False),
        ("ManagedCluster", {"dnsPrefix": "a"}, {"dnsPrefix": "b"}, "dnsPrefix", True),
        (
            "ManagedCluster",
            {"networkProfile": {"serviceCidr": "10.0.0.0/16"}},
            {"networkProfile": {"serviceCidr": "10.8.0.0/16"}},
            "networkProfile.serviceCidr",
            True,
        ),
        (
            "ManagedCluster",
            {"networkProfile": {"loadBalancerSku": "basic"}},
            {"networkProfile": {"loadBalancerSku": "standard"}},
            "networkProfile.loadBalancerSku",
            False,
        ),
        (
            "ManagedCluster",
            {"agentPoolProfiles": [{"count": 2}]},
            {"agentPoolProfiles": [{"count": 3}, {"name": "b"}]},
            "agentPoolProfiles[0].count",
            False,
        ),
        ("AgentPool", {"vmSize": "a"}, {"vmSize": "b"}, "vmSize", True),
        ("Fleet", {"location": "eastus"}, {"location": "westus"}, "location", True),
        (
            "Fleet",
            {"hubProfile": {"dnsPrefix": "a"}},
            {"hubProfile": {"dnsPrefix": "b"}},
            "hubProfile.dnsPrefix",
            False,
        ),
        ("FleetMember", {"clusterResourceId": "a"}, {"clusterResourceId": "b"}, "clusterResourceId", True),
        ("FleetMember", {"group": "a"}, {"group": "b"}, "group", False),
        ("AutoUpgradeProfile", {"disabled": False}, {"disabled": True}, "disabled", True),
        ("FleetUpdateStrategy", {"strategy": {"stages": []}}, {"strategy": {}}, "strategy.stages", False),
    ],
)
def test_changes_force_a_replacement_where_azure_cannot_update(
    kind: str, old: Properties, new: Properties, changed: str, *, replaces: bool
) -> None:
    found = difference(kind, old, new)
    assert found.changed[0] == changed
    assert (changed in found.replaced) == replaces
    assert found.delete_before_replace == replaces


def test_an_empty_hub_profile_is_a_hub() -> None:
    assert difference("Fleet", {}, {"hubProfile": {}}).changed == ["hubProfile"]


def test_a_resource_with_an_automatic_name_is_replaced_before_it_is_deleted(sub: Subscription) -> None:
    old, _ = sub.azure.check(sub.call("ResourceGroup"), {"location": "eastus"})
    assert not difference("ResourceGroup", old, {**old, "location": "westus"}).delete_before_replace


def test_functions_check_their_arguments(sub: Subscription) -> None:
    with pytest.raises(RefusedError, match="unknown property 'name'"):
        sub.invoke("listFleetCredentials", resourceGroupName="rg", name="fleet")
    with pytest.raises(RefusedError, match="missing required argument 'fleetName'"):
        sub.invoke("listFleetCredentials", resourceGroupName="rg")
    with pytest.raises(RefusedError, match="ResourceNotFound"):
        sub.invoke("listFleetCredentials", resourceGroupName="rg", fleetName="fleet")


def test_the_client_configuration_is_the_deployers(sub: Subscription) -> None:
    config = sub.azure.invoke(Call("azure-native:authorization:getClientConfig"), {})
    assert config["objectId"] == DEPLOYER.object_id
    assert config["subscriptionId"] == DEPLOYER.subscription_id


OTHER = "0b2e6f14-93a7-4d58-8c1b-7f5e2a90d6c3"


def test_a_provider_works_in_the_subscription_that_it_is_told(sub: Subscription) -> None:
    call = Call("azure-native:resources:ResourceGroup", "g", provider={"subscriptionId": OTHER})
    inputs: Properties = {"resourceGroupName": "rg", "location": "westus"}
    sub.create("ResourceGroup", **inputs)
    resource_id, _ = sub.azure.create(call, sub.azure.check(call, inputs)[0])
    assert resource_id == f"/subscriptions/{OTHER}/resourceGroups/rg"
    assert (
        sub.azure.invoke(Call("azure-native:authorization:getClientConfig", provider=call.provider), {})[
            "subscriptionId"
        ]
        == OTHER
    )
    sub.azure.delete(call, resource_id, {})
    assert sub.azure.read(call, resource_id, inputs, {}) is None
    assert sub.exists("ResourceGroup", f"{SUBSCRIPTION}/resourceGroups/rg")


def test_an_id_is_read_in_the_subscription_that_it_names_whoever_asks(sub: Subscription) -> None:
    elsewhere = Call("azure-native:resources:ResourceGroup", "g", provider={"subscriptionId": OTHER})
    inputs: Properties = {"resourceGroupName": "rg", "location": "westus"}
    resource_id, _ = sub.azure.create(elsewhere, sub.azure.check(elsewhere, inputs)[0])
    found = sub.azure.read(Call(elsewhere.token), resource_id, {}, {})
    assert found
    assert found[1]["location"] == "westus"


def test_functions_answer_about_the_providers_subscription_alone(sub: Subscription) -> None:
    sub.create("ManagedCluster", **sub.place())
    args: Properties = {"resourceGroupName": "rg", "resourceName": "aks"}
    for function in ("getManagedCluster", "listManagedClusterUserCredentials"):
        token = f"azure-native:containerservice:{function}"
        assert sub.azure.invoke(Call(token), args)
        with pytest.raises(RefusedError, match="ResourceNotFound"):
            sub.azure.invoke(Call(token, provider={"subscriptionId": OTHER}), args)
