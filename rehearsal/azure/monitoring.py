"""Azure Monitor: workspaces, and what is collected into them."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

from typing_extensions import override

from rehearsal.azure import errors
from rehearsal.azure.arm import (
    ExtensionResource,
    Name,
    Record,
    ResourceType,
    Subscription,
    known,
    last_segment,
    listed,
    nested,
    short_location,
)
from rehearsal.core.protocol import UNKNOWN, Problem, Properties

WORKSPACE: Final = "azure-native:operationalinsights:Workspace"
METRICS_WORKSPACE: Final = "azure-native:monitor:AzureMonitorWorkspace"
DIAGNOSTIC_SETTING: Final = "azure-native:monitor:DiagnosticSetting"
_ASSOCIATIONS: Final = "learn: rest/api/monitor/data-collection-rule-associations/create"
_RULES: Final = "learn: azure-resource-manager/management/resource-name-rules"

CATEGORIES: Final = {
    # Sources: learn: aks/monitor-aks-reference; learn: kubernetes-fleet/view-fleet-agent-logs
    "microsoft.containerservice/managedclusters": {
        *("cloud-controller-manager", "cluster-autoscaler", "csi-azuredisk-controller", "csi-azurefile-controller"),
        *("csi-snapshot-controller", "guard", "kube-apiserver", "kube-audit", "kube-audit-admin"),
        *("kube-controller-manager", "kube-scheduler"),
        *("fleet-member-agent", "fleet-member-net-controller-manager", "fleet-mcs-controller-manager"),
        "AllMetrics",
    },
    "microsoft.containerservice/fleets": {"fleet-hub-agent", "fleet-hub-net-controller-manager"},
}
"""The categories of logs and metrics of each type of resource, in lower case."""


class Workspace(ResourceType):
    """A Log Analytics workspace."""

    kind = "Microsoft.OperationalInsights/workspaces"
    api_version = "2023-09-01"
    name = Name("workspaceName", r"[a-zA-Z0-9][-a-zA-Z0-9]{2,61}[a-zA-Z0-9]", _RULES, "random")
    located = True
    immutable = ("location",)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription, resource_id
        # Source: learn: rest/api/loganalytics/workspaces/create-or-update
        return {
            "customerId": old.get("customerId") or str(uuid4()),
            "provisioningState": "Succeeded",
            "publicNetworkAccessForIngestion": "Enabled",
            "publicNetworkAccessForQuery": "Enabled",
            "retentionInDays": 30,
            **inputs,
            "workspaceCapping": {"dailyQuotaGb": -1, **nested(inputs, "workspaceCapping")},
        }


class AzureMonitorWorkspace(ResourceType):
    """An Azure Monitor workspace, for metrics of Prometheus."""

    kind = "Microsoft.Monitor/accounts"
    api_version = "2023-04-03"
    name = Name("azureMonitorWorkspaceName", r"[a-zA-Z0-9][-a-zA-Z0-9]{2,61}[a-zA-Z0-9]", _RULES, "random")
    located = True
    immutable = ("location",)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        location, name = short_location(inputs["location"]), last_segment(resource_id)
        # Source: learn: azure-monitor/metrics/azure-monitor-workspace-overview: endpoint and rule of its own
        group = f"{subscription.id}/resourceGroups/MA_{name}_{location}_managed/providers/Microsoft.Insights"
        endpoint = f"https://{name.lower()}-{uuid4().hex[:4]}.{location}.prometheus.monitor.azure.com"
        return {
            "accountId": old.get("accountId") or str(uuid4()),
            "defaultIngestionSettings": {
                "dataCollectionEndpointResourceId": f"{group}/dataCollectionEndpoints/{name}",
                "dataCollectionRuleResourceId": f"{group}/dataCollectionRules/{name}",
            },
            "metrics": old.get("metrics") or {"internalId": f"mac_{uuid4()}", "prometheusQueryEndpoint": endpoint},
            "provisioningState": "Succeeded",
            "publicNetworkAccess": "Enabled",
        }


class DataCollectionEndpoint(ResourceType):
    """The address to which collected data is sent."""

    kind = "Microsoft.Insights/dataCollectionEndpoints"
    api_version = "2022-06-01"
    # Source: learn: azure-monitor/essentials/data-collection-endpoint-overview; for AKS at most 44 characters
    name = Name("dataCollectionEndpointName", r"[a-zA-Z0-9][-\w]{1,42}[a-zA-Z0-9]", _RULES, "random")
    located = True
    immutable = ("location",)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription
        host = f"{last_segment(resource_id).lower()}-{uuid4().hex[:4]}.{short_location(inputs['location'])}-1"
        return {
            "configurationAccess": old.get("configurationAccess")
            or {"endpoint": f"https://{host}.handler.control.monitor.azure.com"},
            "immutableId": old.get("immutableId") or f"dce-{uuid4().hex}",
            "logsIngestion": old.get("logsIngestion") or {"endpoint": f"https://{host}.ingest.monitor.azure.com"},
            "metricsIngestion": old.get("metricsIngestion")
            or {"endpoint": f"https://{host}.metrics.ingest.monitor.azure.com"},
            "provisioningState": "Succeeded",
        }


class DataCollectionRule(ResourceType):
    """What is collected, and where it goes."""

    kind = "Microsoft.Insights/dataCollectionRules"
    api_version = "2022-06-01"
    name = Name("dataCollectionRuleName", r"[a-zA-Z0-9][-\w.]{1,62}[a-zA-Z0-9]", _RULES, "random")
    located = True
    immutable = ("location",)

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        destinations = nested(inputs, "destinations")
        names = {each.get("name") for kind in destinations for each in listed(destinations, kind)}
        for number, flow in enumerate(listed(inputs, "dataFlows")):
            for missing in sorted({*listed(flow, "destinations")} - names - {UNKNOWN}):
                # Source: learn: azure-monitor/essentials/data-collection-rule-structure
                yield Problem(f"dataFlows[{number}].destinations", f"'{missing}' is not one of destinations")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del old
        destinations = nested(inputs, "destinations")
        accounts = [each["accountResourceId"] for each in listed(destinations, "monitoringAccounts")]
        for target in [*accounts, *(each["workspaceResourceId"] for each in listed(destinations, "logAnalytics"))]:
            place = short_location(subscription.require(target)["inputs"]["location"])
            if place != short_location(inputs["location"]):
                raise errors.RULE_IN_ANOTHER_REGION.refusal(rule=resource_id, target=target, location=place)
        if endpoint := inputs.get("dataCollectionEndpointId"):
            subscription.require(endpoint)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription, resource_id, inputs
        return {"immutableId": old.get("immutableId") or f"dcr-{uuid4().hex}", "provisioningState": "Succeeded"}


class DataCollectionRuleAssociation(ExtensionResource):
    """Makes a resource collect by a rule, or read its rules from an endpoint."""

    scope = "resourceUri"
    kind = "Microsoft.Insights/dataCollectionRuleAssociations"
    api_version = "2022-06-01"
    name = Name("associationName", r"[^<>%&:\\?/]+", _ASSOCIATIONS, "copy")

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        rule, endpoint = inputs.get("dataCollectionRuleId"), inputs.get("dataCollectionEndpointId")
        if (rule is None) == (endpoint is None):
            # Source: hashicorp/terraform-provider-azurerm, monitor_data_collection_rule_association_resource.go
            yield Problem("dataCollectionRuleId", "exactly one of rule and endpoint must be given")
        if endpoint is not None and inputs.get("associationName") != "configurationAccessEndpoint":
            # Source: learn: rest/api/monitor/data-collection-rule-associations/create
            yield Problem("associationName", "an endpoint's association must be named configurationAccessEndpoint")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del resource_id, old
        for key in ("dataCollectionRuleId", "dataCollectionEndpointId"):
            if inputs.get(key):
                subscription.require(inputs[key])


class DiagnosticSetting(ExtensionResource):
    """Sends a resource's own logs and metrics to a workspace."""

    scope = "resourceUri"
    kind = "Microsoft.Insights/diagnosticSettings"
    api_version = "2021-05-01-preview"
    name = Name("name", r"[^<>%&:\\?/]{1,260}", _RULES, "copy")

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        if not any(inputs.get(key) for key in ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId")):
            # Source: learn: rest/api/monitor/diagnostic-settings/create-or-update
            yield Problem("workspaceId", "a diagnostic setting needs a destination")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del old
        if workspace := inputs.get("workspaceId"):
            subscription.require(workspace)
        kind = "/".join(inputs["resourceUri"].split("/")[6:8]).lower()
        for category in _enabled(inputs):
            if category not in CATEGORIES.get(kind, {category}):
                raise errors.CATEGORY_NOT_SUPPORTED.refusal(category=category)
        for other in subscription.all_of(DIAGNOSTIC_SETTING, inputs["resourceUri"]):
            shared = sorted({*_enabled(inputs)} & {*_enabled(other["inputs"])})
            sinks = [known(each.get("workspaceId")) for each in (inputs, other["inputs"])]
            if other["id"].lower() != resource_id.lower() and shared and sinks[0] == sinks[1]:
                raise errors.DATA_SINK_IN_USE.refusal(
                    sink=sinks[0], setting=last_segment(other["id"]), category=shared[0]
                )


class _Rule(ResourceType):
    """An alert rule. The resources that it watches and its action groups must exist."""

    located = True
    immutable = ("location",)

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del resource_id, old
        for scope in listed(inputs, "scopes"):
            subscription.require(scope)
        actions = [*listed(inputs, "actions"), *listed(nested(inputs, "actions"), "actionGroups")]
        for action in [*actions, *(each for rule in listed(inputs, "rules") for each in listed(rule, "actions"))]:
            subscription.require(action["actionGroupId"])


class ActionGroup(ResourceType):
    """Who is told of an alert."""

    kind = "Microsoft.Insights/actionGroups"
    placeless = True
    api_version = "2024-10-01-preview"
    name = Name("actionGroupName", r"[^/&%?]{1,259}[^/&%? .]", _RULES, "random")
    located = True
    immutable = ("location",)

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        short = known(inputs.get("groupShortName"))
        if short is not None and not 1 <= len(short) <= _SHORT_NAME:
            # Source: learn: azure-monitor/alerts/action-groups
            yield Problem("groupShortName", f"has 1 to {_SHORT_NAME} characters")


_SHORT_NAME: Final = 12


class MetricAlert(_Rule):
    """An alert on a metric of Azure's own."""

    kind = "Microsoft.Insights/metricAlerts"
    placeless = True
    api_version = "2018-03-01"
    name = Name("ruleName", r"[^*#&+:<>?@%{}\\/]{1,260}", _RULES, "random")

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        severity = known(inputs.get("severity"))
        if severity is not None and not 0 <= severity <= _LOWEST_SEVERITY:
            # Source: learn: rest/api/monitor/metric-alerts/create-or-update
            yield Problem("severity", f"must be between 0 and {_LOWEST_SEVERITY}")


_LOWEST_SEVERITY: Final = 4


class ActivityLogAlert(_Rule):
    """An alert on what happens to resources."""

    kind = "Microsoft.Insights/activityLogAlerts"
    placeless = True
    api_version = "2020-10-01"
    name = Name("activityLogAlertName", r"[^*#&+:<>?@%{}\\/]{1,260}", _RULES, "random")

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        fields = {each.get("field") for each in listed(nested(inputs, "condition"), "allOf")}
        if "category" not in fields and inputs.get("condition") is not UNKNOWN:
            # Source: learn: rest/api/monitor/activity-log-alerts/create-or-update
            yield Problem("condition.allOf", "one condition must be on the field category")


class PrometheusRuleGroup(_Rule):
    """Alerts on metrics of Prometheus."""

    kind = "Microsoft.AlertsManagement/prometheusRuleGroups"
    api_version = "2023-03-01"
    name = Name("ruleGroupName", r"[^:@/#{}%&+*<>?]{1,260}", _RULES, "random")

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        rules = listed(inputs, "rules")
        if len(rules) > _MOST_RULES:
            # Source: learn: azure-monitor/fundamentals/service-limits
            yield Problem("rules", f"has at most {_MOST_RULES}")
        for number, rule in enumerate(rules):
            if ("alert" in rule) == ("record" in rule):
                # Source: learn: azure-monitor/metrics/prometheus-rule-groups
                yield Problem(f"rules[{number}]", "is either an alert or a record")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        super().admit(subscription, resource_id, inputs, old)
        for scope in listed(inputs, "scopes"):
            found = subscription.require(scope)
            place = short_location(found["inputs"]["location"])
            if found["token"] == METRICS_WORKSPACE and place != short_location(inputs["location"]):
                raise errors.RULE_IN_ANOTHER_REGION.refusal(rule=resource_id, target=scope, location=place)


_MOST_RULES: Final = 20


def _enabled(inputs: Properties) -> list[Any]:
    return [each["category"] for key in ("logs", "metrics") for each in listed(inputs, key) if each.get("enabled")]
