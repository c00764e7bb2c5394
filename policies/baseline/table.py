"""All rules, by group, and the settings of this project's program that meet them."""

from collections.abc import Mapping
from typing import Final

from . import identity, lifecycle, names, networks, nodes, observability, secrets
from .rule import Rule

GROUPS: Final[Mapping[str, tuple[Rule, ...]]] = {
    "Identity and access": identity.RULES,
    "Secrets and policy": secrets.RULES,
    "Network": networks.RULES,
    "Nodes": nodes.RULES,
    "Lifecycle": lifecycle.RULES,
    "Observability": observability.RULES,
    "Names and tags": names.RULES,
}

RULES: Final = tuple(rule for rules in GROUPS.values() for rule in rules)

SETTINGS: Final[Mapping[str, str]] = {
    "local-accounts-off": "clusters.entraId: true",
    "entra-id": "clusters.entraId: true",
    "azure-rbac": "clusters.entraId: true",
    "node-subnet-size": "regions[].nodeSubnet: /23 or larger",
    "service-range-apart": "regions[].serviceCidr",
    "autoscaler": "regions[].nodePool: minCount and maxCount, in place of count",
    "zones": 'regions[].nodePool.zones: ["1", "2", "3"] (fixed at creation)',
    "zone-redundant": 'regions[].nodePool: zones: ["1", "2", "3"], count or minCount of at least 3',
    "system-nodes": "regions[].nodePool: count or minCount of at least 3",
    "pods-for-each-node": "regions[].nodePool.maxPods: 50 (fixed at creation; each pod takes an address)",
    "supported-version": "regions[].kubernetesVersion",
    "upgraded-by-fleet": "fleet.updates",
    "paid-tier": "clusters.tier: Standard",
    "several-locations": "regions: another one",
    "private-hub": "fleet.existingId: a fleet with a private hub",
    "tags": "tags",
}
"""What to set, by the rule's name. For other rules there is no setting: the message names the property in Azure."""
