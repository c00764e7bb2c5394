"""Workspaces for logs, what sends logs to them, and the container registries that nodes pull from."""

from collections.abc import Collection, Iterator
from typing import Final
from uuid import uuid4

from typing_extensions import override

from rehearsal.azure import errors
from rehearsal.azure.arm import Name, Record, ResourceType, Subscription, listed, nested
from rehearsal.core.protocol import UNKNOWN, Problem, Properties

# Sources: learn: aks/monitor-aks-reference, kubernetes-fleet/view-fleet-agent-logs
_LOGS: Final = {
    "managedclusters": (
        *("cloud-controller-manager", "cluster-autoscaler", "csi-azuredisk-controller", "csi-azurefile-controller"),
        *("csi-snapshot-controller", "fleet-mcs-controller-manager", "fleet-member-agent"),
        *("fleet-member-net-controller-manager", "guard", "kube-apiserver", "kube-audit", "kube-audit-admin"),
        *("kube-controller-manager", "kube-scheduler"),
    ),
    "fleets": ("fleet-hub-agent", "fleet-hub-net-controller-manager"),
}


class Workspace(ResourceType):
    """A Log Analytics workspace."""

    kind = "Microsoft.OperationalInsights/workspaces"
    api_version = "2023-09-01"
    name = Name(
        "workspaceName",
        r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]",
        "learn: azure-resource-manager/management/resource-name-rules",
        "random",
    )
    located = True
    immutable = ("location",)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription, resource_id, inputs
        return {"customerId": old.get("customerId") or str(uuid4()), "provisioningState": "Succeeded"}


class Registry(ResourceType):
    """A container registry, which a program grants a role on."""

    kind = "Microsoft.ContainerRegistry/registries"
    api_version = "2024-11-01-preview"
    name = Name(
        "registryName", r"[a-zA-Z0-9]{5,50}", "learn: azure-resource-manager/management/resource-name-rules", "random"
    )
    located = True
    immutable = ("location",)


class _OnResource(ResourceType):
    """Something that belongs to another resource, of any type."""

    @override
    def id_of(self, subscription: Subscription, inputs: Properties) -> str:
        del subscription
        namespace, kind = self.kind.split("/")
        return f"{inputs['resourceUri'].rstrip('/')}/providers/{namespace}/{kind}/{inputs[self.name.key]}"

    @override
    def id_keys(self) -> Collection[str]:
        return {"resourceUri", self.name.key}

    @override
    def require_parents(self, subscription: Subscription, resource_id: str) -> None:
        subscription.require(resource_id.rsplit("/providers/", 1)[0])


class DiagnosticSetting(_OnResource):
    """Sends a resource's logs and metrics to a workspace."""

    kind = "Microsoft.Insights/diagnosticSettings"
    api_version = "2021-05-01-preview"
    name = Name("name", r"[^*<>%&:\\?+/]{1,260}", "learn: azure-monitor/essentials/diagnostic-settings", "random")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del old
        if workspace := inputs.get("workspaceId"):
            subscription.require(workspace)
        known = _LOGS.get(resource_id.rsplit("/providers/", 1)[0].split("/")[-2].lower(), ())
        for each in listed(inputs, "logs"):
            if each.get("category") and each["category"] not in known:
                raise errors.DIAGNOSTIC_CATEGORY_NOT_SUPPORTED.refusal(category=each["category"])

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        sinks = ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId")
        if not any(inputs.get(each) for each in sinks):
            # Source: learn: azure-monitor/essentials/diagnostic-settings
            yield Problem("workspaceId", "a setting needs a destination")


class DataCollectionRule(ResourceType):
    """What the agents on nodes collect, and where they send it."""

    kind = "Microsoft.Insights/dataCollectionRules"
    api_version = "2022-06-01"
    name = Name(
        "dataCollectionRuleName",
        r"[a-zA-Z0-9][\w.-]{0,62}[a-zA-Z0-9]",
        "learn: azure-resource-manager/management/resource-name-rules",
        "random",
    )
    located = True
    immutable = ("location",)

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del resource_id, old
        for each in listed(nested(inputs, "destinations"), "logAnalytics"):
            subscription.require(each["workspaceResourceId"])

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        # Source: learn: azure-monitor/data-collection/data-collection-rule-structure
        given = nested(inputs, "destinations")
        names = {each["name"] for kind in given for each in listed(given, kind) if each is not UNKNOWN}
        for number, flow in enumerate(listed(inputs, "dataFlows")):
            for each in listed(flow, "destinations"):
                if each not in names:
                    yield Problem(f"dataFlows[{number}].destinations", f"{each!r} is none of the destinations")

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription, resource_id, inputs
        return {"immutableId": old.get("immutableId") or f"dcr-{uuid4().hex}", "provisioningState": "Succeeded"}


class DataCollectionRuleAssociation(_OnResource):
    """Applies a data collection rule to a resource."""

    kind = "Microsoft.Insights/dataCollectionRuleAssociations"
    api_version = "2022-06-01"
    name = Name("associationName", r"[\w.-]{1,64}", "learn: rest/api/monitor/data-collection-rule-associations", "copy")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del resource_id, old
        if rule := inputs.get("dataCollectionRuleId"):
            subscription.require(rule)
