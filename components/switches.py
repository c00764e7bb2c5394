"""What must be switched off in a running cluster: AKS keeps what a request leaves out."""

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

Path: TypeAlias = tuple[str | int, ...]


class Switch(NamedTuple):
    """A part of a cluster that stays until a request switches it off.

    Attributes:
        argument: its path in the arguments of a `ManagedCluster`.
        off: the value that switches it off.
    """

    argument: Path
    off: object


SWITCHES: Final = {
    # A deployment that leaves an add-on out does not remove it (Azure/AKS issue 2904). That this holds for the parts
    # below, too, is an inference, unless they have a source of their own.
    "containerInsights": Switch(("addon_profiles", "omsagent", "enabled"), off=False),
    "managedPrometheus": Switch(("azure_monitor_profile", "metrics", "enabled"), off=False),
    "defender": Switch(("security_profile", "defender", "security_monitoring", "enabled"), off=False),
    # hashicorp/terraform-provider-azurerm issues 20085, 23317
    "apiRanges": Switch(("api_server_access_profile", "authorized_ip_ranges"), off=[]),
    # rancher/ui PR 5042
    "taint": Switch(("agent_pool_profiles", 0, "node_taints"), off=[]),
    # Azure/azure-cli PR 30391
    "nodeGroupLock": Switch(("node_resource_group_profile", "restriction_level"), off="Unrestricted"),
    # Else AKS refuses the Free tier (learn: aks/cost-analysis).
    "costAnalysis": Switch(("metrics_profile", "cost_analysis", "enabled"), off=False),
}


def switched(arguments: Mapping[str, Any], before: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """Switch off what the arguments of a `ManagedCluster` no longer have.

    Only what the program itself has switched on: somebody else, such as Azure Policy, may have switched on the rest.

    Args:
        arguments: the arguments.
        before: the names of the switches that earlier updates have set.

    Returns:
        The arguments, and the names of all switches that have been set.
    """
    result, names = dict(arguments), list[str]()
    for name, switch in SWITCHES.items():
        if _at(result, switch.argument) is not None:
            names.append(name)
        elif name in before:
            _set(result, switch.argument, switch.off)
            names.append(name)
    return result, names


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
