"""A plan: the inputs of its resources, and which resource uses which."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

ACTIVITY_ALERT: Final = "azure-native:monitor:ActivityLogAlert"
BACKUP: Final = "azure-native:dataprotection:BackupInstance"
CLUSTER: Final = "azure-native:containerservice:ManagedCluster"
COLLECTION: Final = "azure-native:monitor:DataCollectionRule"
COLLECTION_OF: Final = "azure-native:monitor:DataCollectionRuleAssociation"
DIAGNOSTICS: Final = "azure-native:monitor:DiagnosticSetting"
FLEET: Final = "azure-native:containerservice:Fleet"
FLEET_UPGRADES: Final = "azure-native:containerservice:AutoUpgradeProfile"
FLOW_LOG: Final = "azure-native:network:FlowLog"
GROUP: Final = "azure-native:resources:ResourceGroup"
IDENTITY: Final = "azure-native:managedidentity:UserAssignedIdentity"
MAINTENANCE: Final = "azure-native:containerservice:MaintenanceConfiguration"
MEMBER: Final = "azure-native:containerservice:FleetMember"
METRIC_ALERT: Final = "azure-native:monitor:MetricAlert"
NETWORK: Final = "azure-native:network:VirtualNetwork"
POOL: Final = "azure-native:containerservice:AgentPool"
PROMETHEUS_RULES: Final = "azure-native:alertsmanagement:PrometheusRuleGroup"
PUBLIC_ADDRESS: Final = "azure-native:network:PublicIPAddress"
ROLE: Final = "azure-native:authorization:RoleAssignment"
SECURITY_GROUP: Final = "azure-native:network:NetworkSecurityGroup"
SECURITY_RULE: Final = "azure-native:network:SecurityRule"
SUBNET: Final = "azure-native:network:Subnet"
WORKSPACE: Final = "azure-native:operationalinsights:Workspace"

_INLINE: Final = {
    # The type of the parts, the property that lists them, their name as a resource, the reference to their owner.
    CLUSTER: (POOL, "agentPoolProfiles", "agentPoolName", "resourceName"),
    NETWORK: (SUBNET, "subnets", "subnetName", "virtualNetworkName"),
    SECURITY_GROUP: (SECURITY_RULE, "securityRules", "securityRuleName", "networkSecurityGroupName"),
}


@dataclass(frozen=True)
class Resource:
    """A resource of the plan.

    Attributes:
        type: its type token.
        name: its logical name.
        urn: its URN; of a part of another resource, that one's.
        inputs: its inputs. A value that is not known yet is a text of the engine's, so it counts as set.
        uses: the URNs of the resources that each input comes from.
    """

    type: str
    name: str
    urn: str
    inputs: Mapping[str, Any]
    uses: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def at(self, path: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return the value at a path, as in `networkProfile.networkPlugin`; None if there is none."""
        return at(self.inputs, path)

    def has(self, path: str) -> bool:
        """Return whether the value at a path is set."""
        return self.at(path) not in (None, "", [], {})

    def listed(self, path: str) -> list[Any]:
        """Return the list at a path; empty if there is none."""
        value = self.at(path)
        return cast("list[Any]", value) if isinstance(value, list) else []

    def number(self, path: str) -> float:
        """Return the number at a path; 0 if there is none."""
        value = self.at(path)
        return value if isinstance(value, int | float) else 0

    def refers_to(self, other: "Resource", key: str) -> bool:
        """Return whether an input comes from another resource."""
        return other.urn in self.uses.get(key, ())


class Plan:
    """The resources of a plan. Parts that are written inside another resource count as resources of their own."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources = [each for resource in resources for each in (resource, *_parts(resource))]

    def of(self, *types: str) -> list[Resource]:
        """Return the resources of some types."""
        return [resource for resource in self._resources if resource.type in types]

    def referring(self, other: Resource, type_: str, key: str) -> list[Resource]:
        """Return the resources of a type with an input that comes from another resource."""
        return [resource for resource in self.of(type_) if resource.refers_to(other, key)]

    def pools(self, cluster: Resource) -> list[Resource]:
        """Return the node pools of a cluster."""
        return self.referring(cluster, POOL, "resourceName")


def at(value: Any, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value at a path. Case is ignored, as ARM does."""
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        fields = cast("Mapping[str, Any]", value)
        value = next((fields[name] for name in fields if name.lower() == key.lower()), None)
    return value


def _parts(resource: Resource) -> Sequence[Resource]:
    if resource.type not in _INLINE:
        return ()
    type_, key, name_key, owner_key = _INLINE[resource.type]
    uses = {owner_key: frozenset({resource.urn})}
    return [
        Resource(type_, f"{resource.name}.{part.get('name')}", resource.urn, {**part, name_key: part.get("name")}, uses)
        for part in resource.listed(key)
    ]
