"""Log Analytics workspaces, and what sends logs to them."""


from rehearsal.core.protocol import Properties
from rehearsal.tests.azure.subscription import Subscription


def test_setting_sends_logs_that_its_resource_has(sub: Subscription) -> None:
    cluster_id, _ = sub.create("ManagedCluster", **sub.place())
    workspace, _ = sub.create("Workspace", resourceGroupName="rg", workspaceName="logs", location="eastus")
    setting: Properties = {"resourceUri": cluster_id, "name": "s", "workspaceId": workspace}
    logs = [{"category": "fleet-hub-agent", "enabled": True}]
    assert "Category 'fleet-hub-agent' is not supported" in sub.refused("DiagnosticSetting", **setting, logs=logs)
    logs = [{"category": "guard", "enabled": True}]
    assert "ResourceNotFound" in sub.refused(
        "DiagnosticSetting", **setting | {"workspaceId": f"{workspace}2"}, logs=logs
    )
    setting_id, _ = sub.create("DiagnosticSetting", **setting, logs=logs)
    assert setting_id == f"{cluster_id}/providers/Microsoft.Insights/diagnosticSettings/s"
    sub.delete("ManagedCluster", cluster_id)
    assert not sub.exists("DiagnosticSetting", setting_id)


def test_setting_needs_a_destination(sub: Subscription) -> None:
    assert list(sub.problems("DiagnosticSetting", resourceUri="/x", name="s")) == ["workspaceId"]


def test_rule_sends_to_its_own_destinations(sub: Subscription) -> None:
    sub.group()
    workspace, _ = sub.create("Workspace", resourceGroupName="rg", workspaceName="logs", location="eastus")
    rule: Properties = {
        "resourceGroupName": "rg",
        "dataCollectionRuleName": "rule",
        "location": "eastus",
        "destinations": {"logAnalytics": [{"name": "a", "workspaceResourceId": workspace}]},
    }
    flow = {"streams": ["Microsoft-ContainerLogV2"]}
    wrong = sub.problems("DataCollectionRule", **rule, dataFlows=[flow | {"destinations": ["b"]}])
    assert list(wrong) == ["dataFlows[0].destinations"]
    rule_id, _ = sub.create("DataCollectionRule", **rule, dataFlows=[flow | {"destinations": ["a"]}])
    association: Properties = {"resourceUri": workspace, "associationName": "x", "dataCollectionRuleId": f"{rule_id}2"}
    assert "ResourceNotFound" in sub.refused("DataCollectionRuleAssociation", **association)
