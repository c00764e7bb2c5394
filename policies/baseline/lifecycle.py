"""Lifecycle."""

import re
from typing import Final

from .plan import BACKUP, CLUSTER, FLEET_UPGRADES, MAINTENANCE, MEMBER, Plan, Resource
from .rule import Rule, Severity, azure_policy, baseline, checklist, is_, on, one_of, own, psrule

_LEAST_VERSION: Final = (1, 30, 10)  # PSRule's AZURE_AKS_CLUSTER_MINIMUM_VERSION in its baseline Azure.GA_2026_03
_WINDOWS: Final = {"aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"}


def _supported(cluster: Resource, plan: Plan) -> bool:
    if one_of("autoUpgradeProfile.upgradeChannel", "rapid", "stable")(cluster, plan):
        return True
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", str(cluster.at("kubernetesVersion")))
    # 1.31 is the newest patch of 1.31 at the creation (learn: aks/supported-kubernetes-versions).
    return found is not None and (int(found[1]), int(found[2]), int(found[3] or 99)) >= _LEAST_VERSION


def _same_version(pool: Resource, plan: Plan) -> bool:
    versions = [each.at("kubernetesVersion") for each in plan.of(CLUSTER) if pool in plan.pools(each)]
    return not pool.has("orchestratorVersion") or pool.at("orchestratorVersion") in versions


def _by_fleet(cluster: Resource, plan: Plan) -> bool:
    """Return whether the fleet upgrades a cluster: it is a member, and its own upgrades are off.

    The channel NodeImage installs images alone (learn: kubernetes-fleet/concepts-update-orchestration).
    """
    profiles = [
        profile
        for profile in plan.of(FLEET_UPGRADES)
        if not on("disabled")(profile, plan) and not is_("channel", "NodeImage")(profile, plan)
    ]
    off = not cluster.has("autoUpgradeProfile.upgradeChannel") or is_("autoUpgradeProfile.upgradeChannel", "none")(
        cluster, plan
    )
    return bool(profiles) and _is_member(cluster, plan) and off


def _is_member(cluster: Resource, plan: Plan) -> bool:
    return bool(plan.referring(cluster, MEMBER, "clusterResourceId"))


def _has_windows(cluster: Resource, plan: Plan) -> bool:
    return {window.at("configName") for window in plan.referring(cluster, MAINTENANCE, "resourceName")} >= _WINDOWS


def _backed_up(cluster: Resource, plan: Plan) -> bool:
    return any(cluster.urn in urns for backup in plan.of(BACKUP) for urns in backup.uses.values())


RULES: Final = (
    Rule(
        "pool-version",
        "node pools have the version of their cluster",
        Severity.IMPORTANT,
        (CLUSTER,),
        lambda cluster, plan: all(_same_version(pool, plan) for pool in plan.pools(cluster)),
        "orchestratorVersion: unset",
        (psrule("AKS.PoolVersion", "AZR-000016"),),
    ),
    Rule(
        "supported-version",
        "clusters name a Kubernetes version of at least " + ".".join(map(str, _LEAST_VERSION)),
        Severity.IMPORTANT,
        (CLUSTER,),
        _supported,
        "kubernetesVersion",
        (psrule("AKS.Version", "AZR-000015"), checklist("e189c599-df0d-45a7-9dd4-ce32c1881370")),
    ),
    Rule(
        "upgrade-channel",
        "clusters upgrade themselves",
        Severity.IMPORTANT,
        (CLUSTER,),
        one_of("autoUpgradeProfile.upgradeChannel", "rapid", "stable", "patch"),
        "autoUpgradeProfile.upgradeChannel: stable",
        (
            psrule("AKS.AutoUpgrade", "AZR-000036"),
            azure_policy("5c345cdf-2049-47e0-b8fe-b0e96bc2df35"),
            checklist("01deb8ed-b6f5-40bb-8d0b-d0ee2d933f51"),
        ),
    ),
    Rule(
        "upgraded-by-fleet",
        "the fleet upgrades Kubernetes on its members, and they do not upgrade themselves",
        Severity.NONE,
        (CLUSTER,),
        _by_fleet,
        "an AutoUpgradeProfile on the fleet, of the channel Stable or Rapid; autoUpgradeProfile.upgradeChannel: none",
        (own("kubernetes-fleet/concepts-update-orchestration"),),
    ),
    Rule(
        "node-images",
        "nodes get images or security patches every week",
        Severity.IMPORTANT,
        (CLUSTER,),
        lambda cluster, plan: (
            is_("autoUpgradeProfile.upgradeChannel", "node-image")(cluster, plan)
            or one_of("autoUpgradeProfile.nodeOSUpgradeChannel", "NodeImage", "SecurityPatch")(cluster, plan)
        ),
        "autoUpgradeProfile.nodeOSUpgradeChannel: NodeImage",
        (
            psrule("AKS.NodeAutoUpgrade", "AZR-000435"),
            azure_policy("04408ca5-aa10-42ce-8536-98955cdddd4c"),
            checklist("945889a8-a9e9-4059-b1aa-0a0df2b8a82c"),
        ),
    ),
    Rule(
        "maintenance-windows",
        "upgrades of clusters and of nodes wait for maintenance windows",
        Severity.IMPORTANT,
        (CLUSTER,),
        _has_windows,
        "MaintenanceConfigurations named " + " and ".join(sorted(_WINDOWS)),
        (psrule("AKS.MaintenanceWindow", "AZR-000446"), baseline("maintenance windows")),
    ),
    Rule(
        "paid-tier",
        "control planes have a financially backed uptime (tier Standard)",
        Severity.IMPORTANT,
        (CLUSTER,),
        one_of(
            "sku.tier", "Standard", "Premium"
        ),  # Premium adds long-term support (learn: aks/free-standard-pricing-tiers)
        "sku.tier: Standard",
        (psrule("AKS.UptimeSLA", "AZR-000285"), checklist("71d41e36-10cc-457b-9a4b-1410d4395898")),
    ),
    Rule(
        "fleet-member",
        "clusters are members of a fleet",
        Severity.NONE,
        (CLUSTER,),
        _is_member,
        "a FleetMember whose clusterResourceId is the cluster",
        (azure_policy("c7f49635-e3f0-4986-b072-90d0c7c3d4cd"),),
    ),
    Rule(
        "several-locations",
        "clusters are in more than one location",
        Severity.MEDIUM,
        (CLUSTER,),
        lambda _, plan: len({cluster.at("location") for cluster in plan.of(CLUSTER)}) > 1,
        "location",
        (checklist("4e907690-4780-492f-9632-03bcc80b7a80"),),
    ),
    Rule(
        "backup",
        "Azure Backup keeps copies of clusters",
        Severity.HIGH,
        (CLUSTER,),
        _backed_up,
        "a BackupInstance of the cluster",
        (azure_policy("0b0434ec-2bad-4229-965f-bb7ae5a71257"), checklist("7e970492-1bed-4541-98f6-be550b17caa6")),
    ),
)
