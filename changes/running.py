"""What a running stack keeps: the state decides, or the state and the settings together."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pulumi_azure_native import authorization

from components.roles import Principal
from settings import ClusterRegion, Region, Settings

from .state import State, region_key, value_at


def has_kubelet_identity(stack: Settings, state: State, region: str) -> bool:
    """Return whether the nodes of a region have an identity that the program makes.

    A running cluster keeps the identity that it was created with: for another one, Azure gives every node a new image,
    and only once there is one. [learn: aks/pre-created-kubelet-managed-identity]
    """
    if region_key(region, "cluster") in state:
        return region_key(region, "kubelets") in state
    return stack.clusters.registry_id is not None


def has(state: State, region: Region, resource: str, *, wanted: bool) -> bool:
    """Return whether a region has a resource. A lost one keeps those that the state has, and gets no others.

    Args:
        state: the stack's state.
        region: the region.
        resource: the resource's key in the state.
        wanted: whether the settings want it.
    """
    return resource in state if region.lost else wanted


def additions(stack: Settings, state: State, region: Region) -> dict[str, bool]:
    """Return whether a region with a new cluster has what a setting adds to it, by the setting's key."""
    possible = possible_additions(stack, region)
    return {each.key: has(state, region, each.resource, wanted=each.wanted) for each in possible}


def switched(state: State, region: Region) -> Sequence[str] | None:
    """Return what earlier updates have switched on or off in a cluster that the stack creates; None for a new one."""
    return value_at(state.get(f"RegionalCluster {region.name}"), ("switched",))


def existing(stack: Settings, state: State, kind: str) -> list[str] | None:
    """Return the logical names of the resources of a kind in the state; None if no region is lost.

    Args:
        stack: the settings.
        state: the stack's state.
        kind: the type, and before it, for a component's child, the component's.
    """
    if not any(region.lost for region in stack.regions):
        return None
    return [key.removeprefix(f"{kind} ") for key in state if key.startswith(f"{kind} ")]


def kept_admins(state: State, region: Region) -> dict[str, Principal]:
    """Return those who have a role on a lost region's cluster, by logical name."""
    kind = "ExistingCluster" if isinstance(region, ClusterRegion) else "RegionalCluster"
    found: dict[str, Principal] = {}
    for key, role in state.items():
        name, holder = key.removeprefix(f"{kind}/RoleAssignment {region.name}-"), str(role.get("principalId"))
        # The name has the ID as the user wrote it; Azure ignores its case.
        if name == "deployer" or name.lower() == f"admin-{holder}".lower():
            object_id = holder if name == "deployer" else name.removeprefix("admin-")
            found[name] = Principal(object_id=object_id, type=authorization.PrincipalType(role["principalType"]))
    return found


class Addition(NamedTuple):
    """What a setting adds to each region with a new cluster.

    Attributes:
        key: the setting, as the user writes it.
        resource: the key in the state of a resource that comes with it.
        wanted: whether the settings have it.
        elsewhere: whether its resources are not in the region itself.
    """

    key: str
    resource: str
    wanted: bool
    elsewhere: bool = False


def possible_additions(stack: Settings, region: Region) -> Iterator[Addition]:
    """Yield what settings can add to a region with a new cluster."""
    name, clusters, monitoring = region.name, stack.clusters, stack.monitoring
    pool = not isinstance(region, ClusterRegion) and region.user_pool is not None
    yield Addition("userPool", region_key(name, "apps"), pool)
    group = f"RegionalCluster/NetworkSecurityGroup {name}-rules"
    yield Addition("clusters.securityGroup", group, clusters.security_group)
    role = f"RegionalCluster/RoleAssignment {name}-pull-images"
    yield Addition("clusters.registryId", role, clusters.registry_id is not None)
    window = f"MaintenanceWindows/MaintenanceConfiguration {name}-maintenance-kubernetes"
    yield Addition("clusters.maintenance", window, clusters.maintenance is not None)
    logs = f"MonitoredCluster/DiagnosticSetting {name}-monitoring-diagnostics"
    yield Addition("monitoring.enabled", logs, monitoring.enabled)
    alerts = f"Alerts/PrometheusRuleGroup alerts-{name}"
    yield Addition("monitoring.alerts", alerts, monitoring.alerts is not None, elsewhere=True)
