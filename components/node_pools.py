"""The nodes of a cluster: a system pool, and beside it, if there is one, a pool for the apps."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_azure_native import containerservice

from .retries import CLUSTER_RETRY

_APPS = "apps"
# AKS's own workloads tolerate it; no other taint is allowed on a system pool (learn: aks/use-system-pools).
_CRITICAL_ONLY = "CriticalAddonsOnly=true:NoSchedule"


class NodePool(TypedDict):
    """Nodes of a cluster: a fixed number, or a range for the autoscaler."""

    vm_size: pulumi.Input[str]
    """The nodes' VM size, as in `Standard_D4ds_v5` (`az vm list-skus --location … --output table`)."""
    max_pods: int
    """Pods on each node, 10 to 250. Each has an address in the subnet (learn:
    aks/concepts-network-ip-address-planning)."""
    count: NotRequired[int | None]
    """Number of nodes, 1 to 1000. Cannot be set together with `min_count` and `max_count`."""
    min_count: NotRequired[int | None]
    """Fewest nodes of the autoscaler; requires `max_count`."""
    max_count: NotRequired[int | None]
    """Most nodes of the autoscaler; requires `min_count`."""
    zones: NotRequired[Sequence[pulumi.Input[str]]]
    """Availability zones (`1`, `2`, `3`); without any, Azure chooses."""
    surge: NotRequired[int | None]
    """Nodes that an upgrade adds, in percent of the pool, 1 to 100; None for Azure's 10 % (learn:
    aks/upgrade-aks-node-pools-rolling)."""


class Nodes(TypedDict):
    """What all nodes of a cluster have in common."""

    subnet_id: pulumi.Input[str]
    """The subnet of nodes and pods."""
    os: NotRequired[containerservice.OSSKU | None]
    """Their Linux; None for Azure's choice."""
    host_encryption: NotRequired[bool]
    """Whether their temporary disks and caches are encrypted on their hosts. False by default."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]] | None]
    """Their tags. A cluster's tags do not reach its nodes (learn: aks/use-tags)."""


def addresses(*pools: NodePool) -> int:
    """Return how many addresses of the subnet pools take at their largest, with the extra nodes of an upgrade."""
    return 5 + sum(_most_nodes(pool) * (1 + pool["max_pods"]) for pool in pools)


def _most_nodes(pool: NodePool) -> int:
    nodes = pool.get("count") or pool.get("max_count") or 0
    return nodes - (-nodes * (pool.get("surge") or 10) // 100)


def system_pool(
    pool: NodePool, nodes: Nodes, *, critical_only: bool
) -> containerservice.ManagedClusterAgentPoolProfileArgs:
    """Return the pool that is made with the cluster. It keeps its name: azure-native cannot remove it.

    Args:
        pool: its size.
        nodes: what all nodes have.
        critical_only: whether it runs nothing but AKS's own workloads.
    """
    taints = [_CRITICAL_ONLY] if critical_only else None
    return containerservice.ManagedClusterAgentPoolProfileArgs(
        name="system", mode="System", node_taints=taints, **_arguments(pool, nodes)
    )


def user_pool(  # noqa: PLR0913, PLR0917 - the parts of a pool
    name: str,
    pool: NodePool,
    nodes: Nodes,
    cluster: containerservice.ManagedCluster,
    group: pulumi.Input[str],
    parent: pulumi.Resource,
) -> containerservice.AgentPool:
    """Create the pool for the apps, as a resource: a pool in the cluster's list cannot be removed again.

    Args:
        name: the cluster's region.
        pool: its size.
        nodes: what all nodes have.
        cluster: the cluster.
        group: name of the cluster's resource group.
        parent: the component that has the cluster.
    """
    return containerservice.AgentPool(
        f"{name}-{_APPS}",
        resource_group_name=group,
        resource_name_=cluster.name,
        agent_pool_name=_APPS,
        mode="User",
        **_arguments(pool, nodes),
        opts=pulumi.ResourceOptions(
            parent=parent,
            deleted_with=cluster,
            hooks=CLUSTER_RETRY.hooks(),
            ignore_changes=["count"] if _scales(pool) else None,
        ),
    )


def _scales(pool: NodePool) -> bool:
    return pool.get("count") is None


def _arguments(pool: NodePool, nodes: Nodes) -> dict[str, Any]:
    """Return what a pool has in the cluster's list as well as on its own."""
    surge = pool.get("surge")
    return {
        "type": "VirtualMachineScaleSets",
        "os_type": "Linux",
        "os_sku": nodes.get("os"),
        "vm_size": pool["vm_size"],
        "vnet_subnet_id": nodes["subnet_id"],
        "count": pool.get("count") or pool.get("min_count"),
        "max_pods": pool["max_pods"],
        "enable_auto_scaling": _scales(pool),
        "min_count": pool.get("min_count"),
        "max_count": pool.get("max_count"),
        "availability_zones": list(pool.get("zones", ())) or None,
        "upgrade_settings": containerservice.AgentPoolUpgradeSettingsArgs(max_surge=f"{surge}%") if surge else None,
        "enable_encryption_at_host": nodes.get("host_encryption") or None,
        "tags": nodes.get("tags"),
    }
