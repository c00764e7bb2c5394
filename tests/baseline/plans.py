"""Plans to judge: those of the program's stacks, one that meets every rule, and changes that break one rule."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any, Final

from policies.baseline import plan as types
from policies.baseline.names import TAGGED
from policies.baseline.plan import Resource
from tests.support.program import Registered, run_stack

Resources = list[Resource]
Change = Callable[[Resources], Resources]

REGIONS: Final = ("east", "west", "europe")


@cache
def recorded(stack: str) -> tuple[Resource, ...]:
    """Return the plan of a stack, as a preview on Pulumi's mocks registers it."""
    found = run_stack(stack, preview=True).resources.values()
    return tuple(_resource(each) for each in found if each.type.startswith("azure-native:"))


def _resource(registered: Registered) -> Resource:
    uses = {
        key: frozenset(urn.rpartition("::")[2] for urn in sources.urns)
        for key, sources in registered.options.propertyDependencies.items()
    }
    return Resource(registered.type, registered.name, registered.name, registered.inputs, uses)


def made(type_: str, name: str, uses: dict[str, str] | None = None, **inputs: Any) -> Resource:  # noqa: ANN401
    """Return a resource. `uses` names the resource that an input comes from; its value is not known yet."""
    sources = uses or {}
    tagged = {"tags": {"environment": "test"}} if type_ in TAGGED else {}
    return Resource(
        type_,
        name,
        name,
        {**tagged, **dict.fromkeys(sources, "not known yet"), **inputs},
        {key: frozenset({source}) for key, source in sources.items()},
    )


_POOL: Final = {
    "maxPods": 50,
    "count": 3,
    "minCount": 3,
    "maxCount": 5,
    "enableAutoScaling": True,
    "availabilityZones": ["1", "2", "3"],
    "type": "VirtualMachineScaleSets",
    "osSKU": "AzureLinux",
    "upgradeSettings": {"maxSurge": "33%"},
    "tags": {"environment": "test"},
    "enableEncryptionAtHost": True,
    "securityProfile": {"sshAccess": "Disabled"},
}
_CLUSTER: Final = {
    "oidcIssuerProfile": {"enabled": True},
    "securityProfile": {
        "workloadIdentity": {"enabled": True},
        "defender": {"securityMonitoring": {"enabled": True}},
        "imageCleaner": {"enabled": True},
        "azureKeyVaultKms": {"enabled": True},
    },
    "apiServerAccessProfile": {"enablePrivateCluster": True, "disableRunCommand": True},
    "identityProfile": {"kubeletidentity": {"resourceId": "an identity"}},
    "addonProfiles": {
        "azurepolicy": {"enabled": True},
        "azureKeyvaultSecretsProvider": {"enabled": True, "config": {"enableSecretRotation": "true"}},
        "omsagent": {"enabled": True, "config": {"useAADAuth": "true"}},
    },
    "diskEncryptionSetID": "a set",
    "networkProfile.networkDataplane": "cilium",
    "networkProfile.networkPolicy": "cilium",
    "networkProfile.outboundType": "userAssignedNATGateway",
    "networkProfile.podLinkLocalAccess": "None",
    "nodeResourceGroup": "rg-nodes",
    "nodeResourceGroupProfile": {"restrictionLevel": "ReadOnly"},
    "kubernetesVersion": "1.34",
    "autoUpgradeProfile": {"upgradeChannel": "none", "nodeOSUpgradeChannel": "NodeImage"},
    "azureMonitorProfile": {"metrics": {"enabled": True}},
    "agentPoolProfiles.0.nodeTaints": ["CriticalAddonsOnly=true:NoSchedule"],
}
_LOGS: Final = (
    *("kube-audit-admin", "guard", "cluster-autoscaler", "kube-apiserver", "kube-controller-manager"),
    *("kube-scheduler", "fleet-member-agent", "fleet-member-net-controller-manager", "fleet-mcs-controller-manager"),
)


_KEPT: Final = {
    *(types.GROUP, types.NETWORK, types.SUBNET, types.IDENTITY, types.CLUSTER),
    *(types.FLEET, types.MEMBER, types.FLEET_UPGRADES),
}
"""The types of `prod` that the ideal plan keeps. It has its own resources of other types, whatever `prod` has."""


def ideal() -> Resources:
    """Return the plan of `prod`, changed so that it meets all rules but `upgrade-channel`, since the fleet upgrades."""
    found = [each for each in recorded("prod") if each.type in _KEPT]
    for path, value in _CLUSTER.items():
        found = everywhere(types.CLUSTER, path, value)(found)
    for key, value in _POOL.items():
        found = everywhere(types.CLUSTER, f"agentPoolProfiles.0.{key}", value)(found)
    found = everywhere(types.NETWORK, "enableDdosProtection", value=True)(found)
    found = everywhere(types.NETWORK, "ddosProtectionPlan", {"id": "a plan"})(found)
    found = everywhere(types.FLEET, "hubProfile", {"apiServerAccessProfile": {"enablePrivateCluster": True}})(found)
    found += [part for region in REGIONS for part in _region(region)]
    found = everywhere(types.SUBNET, "defaultOutboundAccess", value=False)(found)
    found = everywhere(types.SUBNET, "networkSecurityGroup", {"id": "not known yet"})(found)
    return [
        *found,
        made(types.WORKSPACE, "workspace", replication={"enabled": True, "location": "westus"}),
        made(
            types.DIAGNOSTICS,
            "hub-logs",
            {"resourceUri": "hub-fleet"},
            logs=_enabled("fleet-hub-agent", "fleet-hub-net-controller-manager"),
        ),
    ]


def _enabled(*categories: str) -> list[dict[str, Any]]:
    return [{"category": category, "enabled": True} for category in categories]


def _region(region: str) -> list[Resource]:
    cluster = f"{region}-cluster"
    windows = ("aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule")
    return [
        made(
            types.SUBNET,
            f"{region}-apps-subnet",
            {"virtualNetworkName": f"{region}-vnet"},
            addressPrefix="10.99.0.0/22",
            subnetName="apps",
        ),
        made(
            types.POOL,
            f"{region}-apps",
            {"resourceName": cluster, "vnetSubnetID": f"{region}-apps-subnet"},
            agentPoolName="apps",
            mode="User",
            **_POOL,
        ),
        made(
            types.SECURITY_GROUP,
            f"{region}-security-group",
            networkSecurityGroupName=f"nsg-{region}",
            securityRules=[
                {
                    "name": "AllowEntry",
                    "priority": 100,
                    "direction": "Inbound",
                    "access": "Allow",
                    "protocol": "Tcp",
                    "sourceAddressPrefix": "Internet",
                    "destinationAddressPrefix": "*",
                    "destinationPortRange": "80",
                },
                {
                    "name": "DenyRdp",
                    "priority": 100,
                    "direction": "Outbound",
                    "access": "Deny",
                    "protocol": "*",
                    "sourceAddressPrefix": "*",
                    "destinationAddressPrefix": "*",
                    "destinationPortRanges": ["3389"],
                },
            ],
        ),
        made(
            types.PUBLIC_ADDRESS,
            f"{region}-egress",
            sku={"name": "Standard"},
            zones=["1", "2", "3"],
            publicIpAddressName=f"ip-{region}",
        ),
        made(
            types.DIAGNOSTICS,
            f"{region}-logs",
            {"resourceUri": cluster},
            logs=_enabled(*_LOGS),
            metrics=_enabled("AllMetrics"),
        ),
        *(made(types.MAINTENANCE, f"{region}-{name}", {"resourceName": cluster}, configName=name) for name in windows),
        *(part for stream in _STREAMS for part in _collection(region, stream)),
        made(types.PROMETHEUS_RULES, f"{region}-alerts", {"scopes": cluster}, rules=[{"alert": "NodeNotReady"}]),
        made(types.METRIC_ALERT, f"{region}-cpu", {"scopes": cluster}, autoMitigate=True),
        made(
            types.ACTIVITY_ALERT,
            f"{region}-health",
            {"scopes": f"{region}-group"},
            condition={"allOf": [{"field": "category", "equals": "ResourceHealth"}]},
        ),
        made(types.FLOW_LOG, f"{region}-flows", {"targetResourceId": f"{region}-vnet"}),
        made(types.BACKUP, f"{region}-backup", {"properties": cluster}),
        made(
            types.ROLE,
            f"{region}-pull",
            {"principalId": cluster},
            roleDefinitionId="/providers/Microsoft.Authorization/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d",
        ),
    ]


_STREAMS: Final = {"containers": "Microsoft-ContainerLogV2", "prometheus": "Microsoft-PrometheusMetrics"}


def _collection(region: str, what: str) -> list[Resource]:
    rule = f"{region}-{what}"
    flows = [{"streams": [_STREAMS[what]], "destinations": ["a workspace"]}]
    association = {"resourceUri": f"{region}-cluster", "dataCollectionRuleId": rule}
    return [
        made(types.COLLECTION, rule, dataFlows=flows),
        made(types.COLLECTION_OF, f"{rule}-association", association),
    ]


# Changes.


def everywhere(type_: str, path: str, value: Any) -> Change:  # noqa: ANN401 - any JSON value
    """Set an input of all resources of a type."""
    return lambda found: [_changed(each, path, value) if each.type == type_ else each for each in found]


def put(name: str, path: str, value: Any) -> Change:  # noqa: ANN401 - any JSON value
    """Set an input of one resource; None removes it."""
    return lambda found: [_changed(each, path, value) if each.name == name else each for each in found]


def without(*names: str) -> Change:
    """Remove resources."""
    return lambda found: [each for each in found if each.name not in names]


def elsewhere(name: str, key: str, other: str) -> Change:
    """Let an input of one resource come from another resource."""
    return lambda found: [
        replace(each, uses={**each.uses, key: frozenset({other})}) if each.name == name else each for each in found
    ]


def both(*changes: Change) -> Change:
    """Make several changes."""

    def change(found: Resources) -> Resources:
        for each in changes:
            found = each(found)
        return found

    return change


def _changed(resource: Resource, path: str, value: Any) -> Resource:  # noqa: ANN401 - any JSON value
    inputs = deepcopy(dict(resource.inputs))
    *ahead, last = path.split(".")
    inside: Any = inputs
    for key in ahead:
        inside = inside[int(key)] if key.isdecimal() else inside.setdefault(key, {})
    if value is None:
        inside.pop(last)
    else:
        inside[int(last) if last.isdecimal() else last] = value
    return replace(resource, inputs=inputs)


def named(found: Iterable[Resource], name: str) -> Resource:
    """Return a resource."""
    return next(each for each in found if each.name == name)
