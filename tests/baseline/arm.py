"""A plan as Azure Resource Manager would show it: what published conditions are written for.

azure-native takes the properties of a resource without their envelope, and makes resources of their own from what Azure
shows inside others. This puts both back.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from policies.baseline.plan import Resource

Object = dict[str, Any]

_TYPES: Final = {
    "azure-native:authorization:RoleAssignment": "Microsoft.Authorization/roleAssignments",
    "azure-native:containerservice:AgentPool": "Microsoft.ContainerService/managedClusters/agentPools",
    "azure-native:containerservice:Fleet": "Microsoft.ContainerService/fleets",
    "azure-native:containerservice:FleetMember": "Microsoft.ContainerService/fleetMemberships",
    "azure-native:containerservice:MaintenanceConfiguration": (
        "Microsoft.ContainerService/managedClusters/maintenanceConfigurations"
    ),
    "azure-native:containerservice:ManagedCluster": "Microsoft.ContainerService/managedClusters",
    "azure-native:dataprotection:BackupInstance": "Microsoft.DataProtection/backupInstances",
    "azure-native:managedidentity:UserAssignedIdentity": "Microsoft.ManagedIdentity/userAssignedIdentities",
    "azure-native:monitor:DiagnosticSetting": "Microsoft.Insights/diagnosticSettings",
    "azure-native:monitor:MetricAlert": "Microsoft.Insights/metricAlerts",
    "azure-native:network:FlowLog": "Microsoft.Network/networkWatchers/flowLogs",
    "azure-native:network:NetworkSecurityGroup": "Microsoft.Network/networkSecurityGroups",
    "azure-native:network:PublicIPAddress": "Microsoft.Network/publicIPAddresses",
    "azure-native:network:Subnet": "Microsoft.Network/virtualNetworks/subnets",
    "azure-native:network:VirtualNetwork": "Microsoft.Network/virtualNetworks",
    "azure-native:operationalinsights:Workspace": "Microsoft.OperationalInsights/workspaces",
    "azure-native:resources:ResourceGroup": "Microsoft.Resources/resourceGroups",
}

# The input with the resource's own name. Other types have `resourceName`, or a name that does not matter here.
_NAMES: Final = {
    "azure-native:containerservice:AgentPool": "agentPoolName",
    "azure-native:containerservice:MaintenanceConfiguration": "configName",
    "azure-native:network:NetworkSecurityGroup": "networkSecurityGroupName",
    "azure-native:network:PublicIPAddress": "publicIpAddressName",
    "azure-native:network:Subnet": "subnetName",
    "azure-native:network:VirtualNetwork": "virtualNetworkName",
    "azure-native:resources:ResourceGroup": "resourceGroupName",
}

# What is beside the properties (learn: azure-resource-manager/templates/resource-declaration).
_ENVELOPE: Final = {"identity", "kind", "location", "plan", "sku", "tags", "zones"}

_INSIDE: Final = {
    # The input that names the resource, and the list of its properties in which Azure shows the other one.
    "azure-native:containerservice:AgentPool": ("resourceName", "agentPoolProfiles"),
    "azure-native:network:FlowLog": ("targetResourceId", "flowLogs"),
    "azure-native:network:Subnet": ("virtualNetworkName", "subnets"),
}

_BESIDE: Final = {
    # The input that names the resource that the other one extends, or is a child of.
    "azure-native:containerservice:FleetMember": "clusterResourceId",
    "azure-native:containerservice:MaintenanceConfiguration": "resourceName",
    "azure-native:dataprotection:BackupInstance": "properties",
    "azure-native:monitor:DiagnosticSetting": "resourceUri",
}

# Lists whose elements have an envelope too (Azure/azure-rest-api-specs, network: SubResource).
_ENVELOPED: Final = {"delegations", "securityRules", "subnets"}


def arm_objects(resources: Iterable[Resource]) -> list[Object]:
    """Return the resources of a plan that published conditions are about, with their parts and extensions."""
    planned = {each.urn: each for each in resources if each.type in _TYPES}
    objects = {urn: _object(each) for urn, each in planned.items()}
    for urn, each in planned.items():
        if each.type in _INSIDE:
            key, place = _INSIDE[each.type]
            for owner in each.uses.get(key, frozenset()) & objects.keys():
                _list(objects[owner]["properties"], place).append(_shown_inside(each.type, objects[urn]))
        elif each.type in _BESIDE:
            for owner in each.uses.get(_BESIDE[each.type], frozenset()) & objects.keys():
                objects[owner]["resources"].append(objects[urn])
    return list(objects.values())


def _object(resource: Resource) -> Object:
    inputs = {key: _enveloped(key, value) for key, value in resource.inputs.items()}
    name = inputs.get(_NAMES.get(resource.type, "resourceName"), resource.name)
    beside = {key: value for key, value in inputs.items() if key in _ENVELOPE}
    properties = {key: value for key, value in inputs.items() if key not in _ENVELOPE}
    return {"type": _TYPES[resource.type], "name": name, **beside, "properties": properties, "resources": []}


def _enveloped(key: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if key not in _ENVELOPED or not isinstance(value, list):
        return value
    elements = cast("list[Mapping[str, Any]]", value)
    return [
        {
            "name": each.get("name"),
            "properties": {inner: _enveloped(inner, part) for inner, part in each.items() if inner != "name"},
        }
        for each in elements
    ]


def _shown_inside(type_: str, item: Object) -> Object:
    """A node pool is shown without an envelope."""
    return {"name": item["name"], **item["properties"]} if type_.endswith(":AgentPool") else item


def _list(properties: Object, key: str) -> list[Object]:
    """Return a list of the properties; a copy, as the plan's own inputs must not grow."""
    properties[key] = [*properties.get(key, ())]
    return properties[key]
