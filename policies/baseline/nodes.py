"""Nodes."""

from typing import Final

from .plan import CLUSTER, POOL, Plan, Resource
from .rule import Rule, Severity, at_least, azure_policy, baseline, checklist, given, is_, on, psrule

_LEAST_NODES: Final = 3  # PSRule's AZURE_AKS_CLUSTER_MINIMUM_SYSTEM_NODES, …_USER_POOL_MINIMUM_NODES
_LEAST_ZONES: Final = 3  # Azure Policy 2dec5f47
_LEAST_PODS: Final = 50  # PSRule's AZURE_AKS_POOL_MINIMUM_MAXPODS
_SURGE: Final = 33  # percent (learn: aks/upgrade-aks-node-pools-rolling)
_SYSTEM_ONLY: Final = "CriticalAddonsOnly=true:NoSchedule"  # learn: aks/use-system-pools
_CSI_DRIVERS: Final = ("diskCSIDriver", "fileCSIDriver", "snapshotController")


def _is_user(pool: Resource, plan: Plan) -> bool:
    return is_("mode", "User")(pool, plan)


def _least(pool: Resource) -> float:
    return pool.number("minCount") or pool.number("count")


def _system_nodes(cluster: Resource, plan: Plan) -> bool:
    return sum(_least(pool) for pool in plan.pools(cluster) if not _is_user(pool, plan)) >= _LEAST_NODES


def _user_nodes(cluster: Resource, plan: Plan) -> bool:
    return all(
        _least(pool) >= _LEAST_NODES
        for pool in plan.pools(cluster)
        if _is_user(pool, plan) and not is_("scaleSetPriority", "Spot")(pool, plan)
    )


def _zone_redundant(pool: Resource, plan: Plan) -> bool:
    del plan
    nodes = pool.number("count") or pool.number("minCount")
    return len(pool.listed("availabilityZones")) >= _LEAST_ZONES and nodes >= _LEAST_NODES


def _surges(pool: Resource, plan: Plan) -> bool:
    """A number of nodes counts too: it depends on the pool's size whether it is enough."""
    del plan
    surge = str(pool.at("upgradeSettings.maxSurge") or "0%")
    return not surge.endswith("%") or int(surge.rstrip("%")) >= _SURGE


RULES: Final = (
    Rule(
        "autoscaler",
        "each node pool has an autoscaler",
        Severity.IMPORTANT,
        (POOL,),
        on("enableAutoScaling"),
        "enableAutoScaling: true, minCount, maxCount",
        (psrule("AKS.AutoScaling", "AZR-000019"), checklist("90ce65de-8e13-4f9c-abd4-69266abca264")),
    ),
    Rule(
        "zones",
        "each node pool names its availability zones; except it in a location without any",
        Severity.IMPORTANT,
        (POOL,),
        given("availabilityZones"),
        "availabilityZones (fixed at creation)",
        (psrule("AKS.AvailabilityZone", "AZR-000021"), checklist("578a219a-46be-4b54-9350-24922634292b")),
    ),
    Rule(
        "zone-redundant",
        "each node pool starts with three nodes in three zones",
        Severity.NONE,
        (POOL,),
        _zone_redundant,
        'availabilityZones: ["1", "2", "3"], count of at least 3',
        (azure_policy("2dec5f47-bc40-40d1-8c7d-a39d9d6808d1"),),
    ),
    Rule(
        "ephemeral-disk",
        "nodes have ephemeral OS disks, or Azure chooses",
        Severity.IMPORTANT,
        (POOL,),
        lambda pool, plan: not pool.has("osDiskType") or is_("osDiskType", "Ephemeral")(pool, plan),
        "osDiskType: unset, or Ephemeral",
        (psrule("AKS.EphemeralOSDisk", "AZR-000287"), checklist("24367b33-6971-45b1-952b-eee0b9b588de")),
    ),
    Rule(
        "system-nodes",
        "each cluster has at least three system nodes",
        Severity.IMPORTANT,
        (CLUSTER,),
        _system_nodes,
        "minCount, or count, of at least 3",
        (psrule("AKS.MinNodeCount", "AZR-000024"),),
    ),
    Rule(
        "user-nodes",
        "each user node pool has at least three nodes",
        Severity.IMPORTANT,
        (CLUSTER,),
        _user_nodes,
        "minCount, or count, of at least 3, on each user pool",
        (psrule("AKS.MinUserPoolNodes", "AZR-000412"),),
    ),
    Rule(
        "pods-for-each-node",
        f"each node has room for {_LEAST_PODS} pods",
        Severity.IMPORTANT,
        (POOL,),
        at_least("maxPods", _LEAST_PODS),
        f"maxPods: {_LEAST_PODS} (fixed at creation; each pod takes an address)",
        (psrule("AKS.NodeMinPods", "AZR-000018"), checklist("22f54b29-bade-43aa-b1e8-c38ec9366673")),
    ),
    Rule(
        "scale-sets",
        "node pools are VM scale sets",
        Severity.IMPORTANT,
        (POOL,),
        is_("type", "VirtualMachineScaleSets"),
        "type: VirtualMachineScaleSets",
        (psrule("AKS.PoolScaleSet", "AZR-000017"),),
    ),
    Rule(
        "csi-drivers",
        "clusters keep the drivers for volumes (CSI)",
        Severity.NONE,
        (CLUSTER,),
        lambda cluster, _: all(cluster.at(f"storageProfile.{driver}.enabled") is not False for driver in _CSI_DRIVERS),
        "storageProfile without enabled: false",
        (azure_policy("c5110b6e-5272-4989-9935-59ad06fdf341"),),
    ),
    Rule(
        "system-pool-tainted",
        "system node pools take no pods of applications",
        Severity.MEDIUM,
        (POOL,),
        lambda pool, plan: _is_user(pool, plan) or _SYSTEM_ONLY in pool.listed("nodeTaints"),
        f'nodeTaints: ["{_SYSTEM_ONLY}"], on the system pool',
        (baseline("system node pool"), checklist("6f158e3e-a3a9-42c2-be7e-2165c3a87af4")),
    ),
    Rule(
        "user-pool",
        "each cluster has a user node pool",
        Severity.MEDIUM,
        (CLUSTER,),
        lambda cluster, plan: any(_is_user(pool, plan) for pool in plan.pools(cluster)),
        "an AgentPool with mode: User",
        (baseline("user node pool"), checklist("6f158e3e-a3a9-42c2-be7e-2165c3a87af4")),
    ),
    Rule(
        "azure-linux",
        "nodes run Azure Linux",
        Severity.MEDIUM,
        (POOL,),
        lambda pool, _: str(pool.at("osSKU")).lower().startswith("azurelinux"),
        "osSKU: AzureLinux",
        (baseline("node OS"), checklist("d34f49c0-e964-4465-9211-520479338b13")),
    ),
    Rule(
        "surge",
        f"upgrades add {_SURGE} % nodes",
        Severity.NONE,
        (POOL,),
        _surges,
        f'upgradeSettings.maxSurge: "{_SURGE}%"',
        (baseline("surge"),),
    ),
    Rule(
        "node-group-locked",
        "people cannot change the node resource group",
        Severity.HIGH,
        (CLUSTER,),
        is_("nodeResourceGroupProfile.restrictionLevel", "ReadOnly"),
        "nodeResourceGroupProfile.restrictionLevel: ReadOnly",
        (checklist("ed0fda7f-211b-47c7-8b6e-c18873fb473c"),),
    ),
    Rule(
        "node-group-named",
        "the node resource group has a chosen name",
        Severity.LOW,
        (CLUSTER,),
        lambda cluster, _: (
            cluster.has("nodeResourceGroup") and not str(cluster.at("nodeResourceGroup")).startswith("MC_")
        ),
        "nodeResourceGroup (replaces a cluster)",
        (checklist("73b32a5a-67f7-4a9e-b5b3-1f38c3f39812"),),
    ),
)
