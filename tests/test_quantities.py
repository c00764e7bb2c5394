"""The quantities of a plan, as Azure would have them."""

import io
import json
from typing import Any

import pytest

import quantities
from quantities import Formula, Plan, PlanError, Quantity, Quota

HUB = "azure-native:containerservice:Fleet"
CLUSTER = "azure-native:containerservice:ManagedCluster"
POOL = "azure-native:containerservice:AgentPool"
MEMBER = "azure-native:containerservice:FleetMember"
SERVICE = "kubernetes:core/v1:Service"
ENTRY = "kubernetes:networking.fleet.azure.com/v1alpha1:MultiClusterService"
PROVIDER = "pulumi:providers:kubernetes"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # pulumi's mark of a value that a preview does not know

SYSTEM = {"name": "system", "vmSize": "Standard_D4ds_v5", "enableAutoScaling": True, "minCount": 3, "maxCount": 12}


def step(name: str, token: str, inputs: dict[str, Any], **refers: str) -> dict[str, Any]:
    """Return a step of `pulumi preview --json` that creates a resource; `refers` are the resources behind inputs."""
    state = {
        "urn": name,
        "type": token,
        "inputs": inputs,
        "propertyDependencies": {key: [other] for key, other in refers.items() if key != "provider"},
        "provider": f"{refers.get('provider', '')}::{UNKNOWN}",
    }
    return {"op": "create", "urn": name, "newState": state}


def cluster(name: str, location: str, **inputs: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Return the steps of a cluster and its Kubernetes provider."""
    return [
        step(name, CLUSTER, {"location": location, "agentPoolProfiles": [SYSTEM], **inputs}),
        step(f"on-{name}", PROVIDER, {"clusterIdentifier": UNKNOWN}, clusterIdentifier=name),
    ]


def counted(*steps: dict[str, Any]) -> set[tuple[str, str, str, int, int, int]]:
    """Return the rows of a plan, without their rules."""
    rows = Plan({"steps": list(steps)}).quantities()
    return {(row.what, row.kind, row.location, row.least, row.most, row.upgrade) for row in rows}


def formula(what: str, *steps: dict[str, Any]) -> str:
    return next(each.formula for each in Plan({"steps": list(steps)}).formulas() if each.what == what)


def test_a_pool_of_its_own_is_counted_in_its_clusters_region() -> None:
    apps = {"agentPoolName": "apps", "vmSize": "Standard_D8ds_v5", "count": 5, "upgradeSettings": {"maxSurge": "33%"}}
    rows = counted(*cluster("east", "East US 2"), step("apps", POOL, apps, resourceName="east"))
    assert ("node", "Standard_D8ds_v5", "eastus2", 5, 5, 7) in rows
    assert ("node", "Standard_D4ds_v5", "eastus2", 3, 12, 14) in rows
    assert ("OS disk", "for Standard_D8ds_v5", "eastus2", 5, 5, 7) in rows
    assert not [row for row in rows if "pool" in row[0]]


def test_a_pool_may_name_its_cluster_in_plain_text() -> None:
    pool = {"resourceName": "aks-east", "agentPoolName": "apps", "vmSize": "Standard_D8ds_v5", "count": 5}
    rows = counted(*cluster("east", "eastus2", resourceName="aks-east"), step("apps", POOL, pool))
    assert ("node", "Standard_D8ds_v5", "eastus2", 5, 5, 6) in rows


def test_pools_of_one_size_and_region_are_one_row() -> None:
    fixed = {"agentPoolName": "apps", "vmSize": "Standard_D4ds_v5", "count": 2, "upgradeSettings": {"maxSurge": "1"}}
    rows = counted(*cluster("east", "eastus2"), step("apps", POOL, fixed, resourceName="east"))
    assert ("node", "Standard_D4ds_v5", "eastus2", 5, 14, 17) in rows


def test_a_disk_that_the_pool_describes_is_shown_as_such() -> None:
    pool = {**SYSTEM, "osDiskType": "Managed", "osDiskSizeGB": 256}
    assert ("OS disk", "Managed 256 GiB", "eastus2", 3, 12, 14) in counted(
        *cluster("east", "eastus2", agentPoolProfiles=[pool])
    )


def test_every_other_azure_resource_is_counted_by_kind_and_region() -> None:
    nat = {"location": "eastus2", "sku": {"name": "Standard"}}
    global_address = {"location": "centralus", "sku": {"name": "Standard", "tier": "Global"}}
    rows = counted(
        step("nat", "azure-native:network:NatGateway", nat),
        step("nat-2", "azure-native:network:NatGateway", nat),
        step("address", "azure-native:network:PublicIPAddress", global_address),
        step(
            "logs", "azure-native:operationalinsights:Workspace", {"location": "eastus2", "sku": {"name": "PerGB2018"}}
        ),
        step("password", "random:index/randomPassword:RandomPassword", {}),
    )
    assert rows == {
        ("nat gateway", "Standard", "eastus2", 2, 2, 2),
        ("public IP address", "Standard Global", "centralus", 1, 1, 1),
        ("workspace", "PerGB2018", "eastus2", 1, 1, 1),
    }


def test_resources_that_are_only_looked_up_are_not_counted() -> None:
    found, provider = cluster("east", "eastus2")
    found["newState"]["external"] = True
    rows = counted(found, provider, step("entry", ENTRY, {"metadata": {}}, provider="on-east"))
    assert rows == {("public IP address", "by AKS, of a Service", "eastus2", 1, 1, 1)}


def test_a_cluster_with_a_nat_gateway_has_no_load_balancer_until_a_service_needs_one() -> None:
    network = {"outboundType": "userAssignedNATGateway"}
    nodes = {"node", "OS disk", "managed cluster"}
    steps = cluster("east", "eastus2", networkProfile=network)
    assert {row[0] for row in counted(*steps)} == nodes
    entry = step("entry", ENTRY, {"metadata": {}}, provider="on-east")
    assert {row[:3] for row in counted(*steps, entry) if row[0] not in nodes} == {
        ("load balancer", "by AKS, public", "eastus2"),
        ("public IP address", "by AKS, of a Service", "eastus2"),
    }


def test_outbound_addresses_are_as_many_as_the_cluster_asks_for() -> None:
    network = {"loadBalancerProfile": {"managedOutboundIPs": {"count": 3}}}
    rows = counted(*cluster("east", "eastus2", networkProfile=network))
    assert ("public IP address", "by AKS, outbound", "eastus2", 3, 3, 3) in rows


def test_an_internal_entry_point_has_a_load_balancer_of_its_own_and_no_public_address() -> None:
    annotations = {"networking.fleet.azure.com/azure-load-balancer-internal": "true"}
    entry = step("entry", ENTRY, {"metadata": {"annotations": annotations}}, provider="on-east")
    rows = counted(*cluster("east", "eastus2"), entry)
    assert ("load balancer", "by AKS, internal", "eastus2", 1, 1, 1) in rows
    assert ("load balancer", "by AKS, public", "eastus2", 1, 1, 1) in rows
    assert [row for row in rows if row[1] == "by AKS, of a Service"] == []


def test_a_service_that_is_placed_from_the_hub_has_an_address_in_each_member() -> None:
    steps = [
        *cluster("east", "eastus2"),
        *cluster("west", "westus3"),
        step("fleet", HUB, {"location": "westus", "hubProfile": {"agentProfile": {"vmSize": "Standard_D2s_v5"}}}),
        step("on-hub", PROVIDER, {}, clusterIdentifier="fleet"),
        *(step(f"member-{name}", MEMBER, {}, clusterResourceId=name) for name in ("east", "west")),
        step("service", SERVICE, {"spec": {"type": "LoadBalancer"}}, provider="on-hub"),
        step("other", SERVICE, {"spec": {"type": "ClusterIP"}}, provider="on-hub"),
    ]
    rows = counted(*steps)
    assert {row[2]: row[4] for row in rows if row[1] == "by AKS, of a Service"} == {"eastus2": 1, "westus3": 1}
    assert ("node", "hub, Standard_D2s_v5", "westus", 1, 1, 1) in rows


def test_a_private_api_server_is_behind_a_load_balancer_of_its_own() -> None:
    access = {"apiServerAccessProfile": {"enablePrivateCluster": True, "enableVnetIntegration": True}}
    rows = counted(
        *cluster("east", "eastus2", **access),
        *cluster("west", "westus3", apiServerAccessProfile={"disableRunCommand": True}),
        step("fleet", HUB, {"location": "westus", "hubProfile": access}),
    )
    assert {row for row in rows if "API server" in row[1]} == {
        ("load balancer", "by AKS, API server", "eastus2", 1, 1, 1),
        ("load balancer", "by AKS, API server of the hub", "westus", 1, 1, 1),
    }


def test_a_fleet_without_a_hub_has_no_hub_cluster() -> None:
    assert {row[0] for row in counted(step("fleet", HUB, {"location": "westus"}))} == {"fleet"}


def test_a_replaced_resource_is_counted_once_and_a_deleted_one_not_at_all() -> None:
    group = step("group", "azure-native:resources:ResourceGroup", {"location": "eastus2"})
    steps = [group | {"op": "create-replacement"}, group | {"op": "replace"}, {"op": "delete", "urn": "old"}]
    assert counted(*steps) == {("resource group", "", "eastus2", 1, 1, 1)}


def test_log_volume_has_a_term_for_each_source_in_the_plan() -> None:
    assert "GB a month = 0" in formula("logs", *cluster("east", "eastus2"))
    logs = [{"category": "kube-audit-admin", "enabled": True}, {"category": "guard", "enabled": False}]
    insights = {"omsagent": {"enabled": True}}
    text = formula(
        "logs",
        *cluster("east", "eastus2", addonProfiles=insights),
        *cluster("west", "westus3", addonProfiles=insights),
        *cluster("plain", "westus3"),
        step("to-workspace", "azure-native:monitor:DiagnosticSetting", {"logs": logs}),
    )
    assert "1 log categories * GB a day of one" in text
    assert "6 to 24 nodes with Container Insights * GB a day of one node's containers" in text


def test_traffic_between_regions_needs_two_regions() -> None:
    text = formula("traffic", *cluster("east", "eastus2"), *cluster("west", "westus3"), *cluster("w", "West US 3"))
    assert "(2 - 1) / 2" in text
    assert [each.what for each in Plan({"steps": cluster("east", "eastus2")}).formulas()] == ["logs"]


def test_public_addresses_are_summed_by_region_for_its_quota() -> None:
    found, provider = cluster("old", "eastus2")
    found["newState"] |= {"external": True, "id": "/…/old", "inputs": {}}
    plan = Plan(
        {
            "steps": [
                *(*cluster("east", "eastus2"), step("entry", ENTRY, {"metadata": {}}, provider="on-east")),
                *(found, provider, step("other", ENTRY, {"metadata": {}}, provider="on-old")),
                step("network", "azure-native:network:VirtualNetwork", {"location": "centralus"}),
                step("egress", "azure-native:network:PublicIPAddress", {"location": "West US 3"}),
            ]
        }
    )
    # An existing cluster's region is not in the plan; a region with neither nodes nor addresses needs no quota.
    assert [(each.location, each.addresses) for each in plan.quotas()] == [("eastus2", 2), ("westus3", 1)]
    assert all("--location westus3 " in command for command in plan.quotas()[1].commands)


def test_a_pool_of_unknown_size_is_an_error() -> None:
    pool = {"name": "system", "vmSize": "Standard_D4ds_v5", "count": UNKNOWN}
    with pytest.raises(PlanError, match="pool system"):
        Plan({"steps": cluster("east", "eastus2", agentPoolProfiles=[pool])}).quantities()


def test_a_plan_without_its_unchanged_resources_is_an_error() -> None:
    with pytest.raises(PlanError, match="--show-sames"):
        Plan({"steps": cluster("east", "eastus2"), "changeSummary": {"create": 2, "same": 30}})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "error: the input is not the output of `pulumi preview --json --show-sames`"),
        ("[]", "error: the input is not the output of `pulumi preview --json --show-sames`"),
        (
            json.dumps({"diagnostics": [{"severity": "error", "message": "error: regions: has 0 items\n"}]}),
            "error: the preview failed:\nerror: regions: has 0 items",
        ),
    ],
)
def test_what_cannot_be_counted_is_told(
    given: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    monkeypatch.setattr("sys.argv", ["quantities"])
    assert quantities.main() == 1
    assert capsys.readouterr() == ("", f"{told}\n")


def test_the_table_names_the_rule_behind_a_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    quantities.show(
        [
            Quantity("node", "Standard_D4ds_v5", "eastus2", 3, 12, 14, "upgrades"),
            Quantity("nat gateway", "Standard", "eastus2", 1, 1, 1),
        ],
        [Quota("eastus2", 2, ["az network …"])],
        [Formula("logs", "GB a month = 0", "learn: somewhere")],
    )
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert printed[1] == "node Standard_D4ds_v5 eastus2 3 to 12 up to 14 [1]"
    assert printed[2] == "nat gateway Standard eastus2 1"
    assert printed[printed.index("eastus2, public addresses: 2") + 1] == "az network …"
    assert "logs: GB a month = 0 [learn: somewhere]" in printed
    assert f"[1] {quantities.RULES['upgrades']}" in printed
