"""Azure Monitor: what it makes, what it refuses."""

import pytest

from rehearsal.core.protocol import Properties
from rehearsal.tests.azure.subscription import Subscription


@pytest.fixture
def sub() -> Subscription:
    made = Subscription()
    made.group("rg-logs", "eastus2")
    return made


def workspace(sub: Subscription, location: str = "eastus2", name: str = "logs") -> str:
    return sub.create("Workspace", resourceGroupName="rg-logs", workspaceName=name, location=location)[0]


def metrics_workspace(sub: Subscription) -> str:
    return sub.create("AzureMonitorWorkspace", resourceGroupName="rg-logs", azureMonitorWorkspaceName="metrics")[0]


def rule_inputs(target: str, **more: object) -> Properties:
    destinations: Properties = {"logAnalytics": [{"name": "there", "workspaceResourceId": target}]}
    if "/accounts/" in target:
        destinations = {"monitoringAccounts": [{"name": "there", "accountResourceId": target}]}
    flow = {"streams": ["Microsoft-ContainerLogV2"], "destinations": ["there"]}
    names = {"resourceGroupName": "rg-logs", "dataCollectionRuleName": "rule"}
    return {**names, "location": "eastus2", "destinations": destinations, "dataFlows": [flow], **more}


def setting_inputs(resource: str, target: str, *categories: str, **more: object) -> Properties:
    logs = [{"category": category, "enabled": True} for category in categories]
    return {"resourceUri": resource, "name": "setting", "workspaceId": target, "logs": logs, **more}


@pytest.mark.parametrize("make", [workspace, metrics_workspace])
def test_rule_is_in_the_region_of_its_workspace(sub: Subscription, make: object) -> None:
    target = workspace(sub) if make is workspace else metrics_workspace(sub)
    assert "eastus2" in sub.refused("DataCollectionRule", **rule_inputs(target, location="westus2"))
    sub.create("DataCollectionRule", **rule_inputs(target, location="East US 2"))


def test_rule_sends_to_its_destinations(sub: Subscription) -> None:
    flows = [{"streams": ["Microsoft-Perf"], "destinations": ["elsewhere"]}]
    found = sub.problems("DataCollectionRule", **rule_inputs(workspace(sub), dataFlows=flows))
    assert found == {"dataFlows[0].destinations": "'elsewhere' is not one of destinations"}


def test_association_is_of_a_rule_or_of_an_endpoint(sub: Subscription) -> None:
    cluster, _ = sub.create("ManagedCluster", **sub.place())
    rule, _ = sub.create("DataCollectionRule", **rule_inputs(workspace(sub)))
    both = {"resourceUri": cluster, "associationName": "logs", "dataCollectionRuleId": rule}
    sub.create("DataCollectionRuleAssociation", **both)
    assert sub.problems("DataCollectionRuleAssociation", resourceUri=cluster, associationName="logs")
    endpoint = {"resourceUri": cluster, "associationName": "logs", "dataCollectionEndpointId": rule}
    assert sub.problems("DataCollectionRuleAssociation", **endpoint).keys() == {"associationName"}
    refused = sub.refused(
        "DataCollectionRuleAssociation", **both | {"associationName": "x", "dataCollectionRuleId": f"{rule}x"}
    )
    assert "ResourceNotFound" in refused


def test_setting_has_categories_of_its_resource(sub: Subscription) -> None:
    cluster, _ = sub.create("ManagedCluster", **sub.place())
    fleet, _ = sub.fleet(hubProfile={})
    target = workspace(sub)
    rows = ((cluster, "fleet-member-agent", "fleet-hub-agent"), (fleet, "fleet-hub-agent", "guard"))
    for resource, good, bad in rows:
        assert f"Category '{bad}' is not supported." in sub.refused(
            "DiagnosticSetting", **setting_inputs(resource, target, bad)
        )
        sub.create("DiagnosticSetting", **setting_inputs(resource, target, good))


def test_category_goes_to_a_workspace_once(sub: Subscription) -> None:
    cluster, _ = sub.create("ManagedCluster", **sub.place())
    first = workspace(sub)
    setting, _ = sub.create("DiagnosticSetting", **setting_inputs(cluster, first, "guard", "kube-audit"))
    again = setting_inputs(cluster, first, "kube-audit", name="other")
    assert "already used in diagnostic setting 'setting' for category 'kube-audit'" in sub.refused(
        "DiagnosticSetting", **again
    )
    sub.create("DiagnosticSetting", **again | {"workspaceId": workspace(sub, name="more")})
    sub.update("DiagnosticSetting", setting, **setting_inputs(cluster, first, "guard", "kube-audit", "kube-apiserver"))


def test_cluster_writes_into_a_workspace_that_exists(sub: Subscription) -> None:
    config = {"logAnalyticsWorkspaceResourceID": f"{workspace(sub)}x", "useAADAuth": "true"}
    addons = {"omsagent": {"enabled": True, "config": config}}
    assert "ResourceNotFound" in sub.refused("ManagedCluster", **sub.place(), addonProfiles=addons)


def test_settings_of_a_cluster_go_with_it(sub: Subscription) -> None:
    cluster, _ = sub.create("ManagedCluster", **sub.place())
    setting, _ = sub.create("DiagnosticSetting", **setting_inputs(cluster, workspace(sub), "guard"))
    sub.delete("ManagedCluster", cluster)
    assert not sub.exists("DiagnosticSetting", setting)


@pytest.mark.parametrize(
    ("kind", "inputs", "path"),
    [
        ("ActionGroup", {"groupShortName": "thirteen-long"}, "groupShortName"),
        ("ActivityLogAlert", {"actions": {}, "scopes": [], "condition": {"allOf": []}}, "condition.allOf"),
        ("PrometheusRuleGroup", {"scopes": [], "rules": [{"expression": "up"}]}, "rules[0]"),
        ("PrometheusRuleGroup", {"scopes": [], "rules": [{"expression": "up", "alert": "Up"}] * 21}, "rules"),
    ],
)
def test_rules_of_alerts_are_complete(sub: Subscription, kind: str, inputs: Properties, path: str) -> None:
    assert sub.problems(kind, resourceGroupName="rg-logs", location="eastus2", **inputs).keys() == {path}


def test_alert_is_in_its_workspaces_region_and_tells_a_group_that_exists(sub: Subscription) -> None:
    target = metrics_workspace(sub)
    rule: Properties = {"expression": "up == 0", "alert": "Down"}
    names = {"resourceGroupName": "rg-logs", "ruleGroupName": "rules", "scopes": [target]}
    assert target in sub.refused("PrometheusRuleGroup", **names, location="westus2", rules=[rule])
    missing = rule | {"actions": [{"actionGroupId": f"{target}x"}]}
    assert "ResourceNotFound" in sub.refused("PrometheusRuleGroup", **names, location="eastus2", rules=[missing])
    sub.create("PrometheusRuleGroup", **names, location="eastus2", rules=[rule])
