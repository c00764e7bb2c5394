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

_BASELINE: Final = "clusters.baseline: true"
_MONITORING: Final = "monitoring.enabled: true"

SETTINGS: Final[Mapping[str, str]] = {
    "local-accounts-off": "clusters.entraId: true",
    "entra-id": "clusters.entraId: true",
    "azure-rbac": "clusters.entraId: true",
    **dict.fromkeys(("oidc-issuer", "workload-identity", "run-command-off"), _BASELINE),
    "api-server-restricted": "clusters.apiRanges, or clusters.privateApiServer",
    "api-server-private": "clusters.privateApiServer: true (fixed at creation)",
    **dict.fromkeys(("kubelet-identity", "registry-pull"), "clusters.registryId"),
    **dict.fromkeys(("policy-addon", "key-vault-driver", "secret-rotation", "image-cleaner"), _BASELINE),
    "defender": "monitoring.defender: true",
    "network-policy": "clusters.dataplane: cilium (fixed at creation)",
    "node-subnet-size": "regions[].nodeSubnet: /23 or larger",
    "service-range-apart": "regions[].serviceCidr",
    "subnet-security-group": "clusters.securityGroup: true",
    "private-subnet": _BASELINE,
    "own-egress": "clusters.outbound: natGateway (fixed at creation)",
    "zoned-address": 'regions[].nodePool.zones: ["1", "2", "3"] (fixed at creation); except it for hub-egress-address, '
    "because the program does not know the zones of the hub's location",
    "private-hub": "fleet.hub.private (fixed at creation)",
    "autoscaler": "regions[].nodePool: minCount and maxCount, in place of count",
    "zones": 'regions[].nodePool.zones: ["1", "2", "3"] (fixed at creation)',
    "zone-redundant": 'regions[].nodePool: zones: ["1", "2", "3"], count or minCount of at least 3',
    "system-nodes": "regions[].nodePool: count or minCount of at least 3",
    "user-nodes": "regions[].userPool: count or minCount of at least 3",
    "pods-for-each-node": "regions[].nodePool.maxPods: 50 (fixed at creation; each pod takes an address)",
    "system-pool-tainted": "regions[].userPool",
    "user-pool": "regions[].userPool",
    "azure-linux": "clusters.nodeOs: AzureLinux",
    "surge": "regions[].nodePool.surge: 33",
    "host-encryption": "clusters.hostEncryption: true (fixed at creation)",
    "node-group-locked": "clusters.baseline: true, without a global address",
    "supported-version": "regions[].kubernetesVersion",
    "upgraded-by-fleet": "fleet.updates, with channel Stable or Rapid",
    "node-images": f"{_BASELINE}; with fleet.updates.channel NodeImage, except it: the fleet installs the images",
    "maintenance-windows": "clusters.maintenance",
    "paid-tier": "clusters.tier: Standard",
    "several-locations": "regions: another one",
    **dict.fromkeys(("audit-logs", "platform-logs", "fleet-logs"), _MONITORING),
    **dict.fromkeys(("container-insights", "container-log-v2", "managed-prometheus"), _MONITORING),
    **dict.fromkeys(("alerts", "health-alert"), "monitoring.alerts: {}"),
    "tags": "tags",
    "pool-tags": "clusters.baseline: true, and tags",
}
"""What to set, by the rule's name. For other rules there is no setting: the message names the property in Azure."""
