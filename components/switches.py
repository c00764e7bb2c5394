"""What must be switched off in a running cluster: AKS keeps what a request leaves out."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

Path: TypeAlias = tuple[str | int, ...]


class Switch(NamedTuple):
    """A part of a cluster that stays until a request switches it off.

    Attributes:
        argument: its path in the arguments of a `ManagedCluster`.
        output: its path in the outputs.
        off: the value that switches it off.
        never: what AKS answers for a cluster that never had it.
    """

    argument: Path
    output: Path
    off: object
    never: object = None


# An answer to `az aks create` of December 2025 has none of these parts, except cost analysis, which is off
# (tfenster.de, running-windows-server-2025-workloads-on-azure-kubernetes-service). A value that is off is sent as long
# as AKS answers it. Otherwise the next `pulumi up` leaves it out, which changes nothing in Azure.
SWITCHES: Final = (
    # A deployment that leaves an add-on out does not remove it (Azure/AKS issue 2904). That this holds for the parts
    # below, too, is an inference, unless they have a source of their own.
    Switch(("addon_profiles", "omsagent", "enabled"), ("addonProfiles", "omsagent", "enabled"), off=False),
    Switch(("azure_monitor_profile", "metrics", "enabled"), ("azureMonitorProfile", "metrics", "enabled"), off=False),
    Switch(
        ("security_profile", "defender", "security_monitoring", "enabled"),
        ("securityProfile", "defender", "securityMonitoring", "enabled"),
        off=False,
    ),
    # hashicorp/terraform-provider-azurerm issues 20085, 23317
    Switch(
        ("api_server_access_profile", "authorized_ip_ranges"),
        ("apiServerAccessProfile", "authorizedIPRanges"),
        off=[],
    ),
    # rancher/ui PR 5042
    Switch(("agent_pool_profiles", 0, "node_taints"), ("agentPoolProfiles", 0, "nodeTaints"), off=[]),
    # Azure/azure-cli PR 30391
    Switch(
        ("node_resource_group_profile", "restriction_level"),
        ("nodeResourceGroupProfile", "restrictionLevel"),
        off="Unrestricted",
    ),
    # Else AKS refuses the Free tier (learn: aks/cost-analysis).
    Switch(
        ("metrics_profile", "cost_analysis", "enabled"),
        ("metricsProfile", "costAnalysis", "enabled"),
        off=False,
        never=False,
    ),
)


def switched_off(arguments: Mapping[str, Any], running: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of a `ManagedCluster` that switch off what a running cluster has and they leave out.

    Args:
        arguments: the arguments without that.
        running: the outputs of the running cluster; empty for a new one.
    """
    result = dict(arguments)
    for switch in SWITCHES:
        there = _at(running, switch.output) not in (None, switch.never)
        if there and _at(result, switch.argument) is None:
            _set(result, switch.argument, switch.off)
    return result


def _part(holder: Any, key: str | int) -> Any:  # noqa: ANN401 - JSON, or the SDK's classes of arguments
    try:
        return holder[key]
    except (IndexError, KeyError, TypeError):
        return getattr(holder, str(key), None)


def _at(holder: Any, path: Path) -> Any:  # noqa: ANN401 - as _part
    for key in path:
        holder = _part(holder, key)
    return holder


def _set(holder: Any, path: Path, value: object) -> None:  # noqa: ANN401 - as _part
    *parents, last = path
    for key in parents:
        if _part(holder, key) is None:
            _put(holder, key, {})
        holder = _part(holder, key)
    _put(holder, last, value)


def _put(holder: Any, key: str | int, value: object) -> None:  # noqa: ANN401 - as _part
    if isinstance(holder, dict):
        holder[key] = value
    else:
        setattr(holder, str(key), value)
