"""What a rule accepts and refuses beyond the plain case."""

from typing import Final

import pytest

from policies.baseline import plan as types
from policies.baseline.plan import Plan, Resource
from policies.baseline.score import Verdict, judge
from tests.baseline.plans import Change, both, elsewhere, everywhere, ideal, made, put, without

CLUSTER: Final = "east-cluster"
POOL: Final = "agentPoolProfiles.0"


def also(resource: Resource) -> Change:
    return lambda found: [*found, resource]


def verdict(rule: str, change: Change) -> Verdict:
    return next(each.verdict for each in judge(Plan(change(ideal()))) if each.rule.name == rule)


ACCEPTED: Final[list[tuple[str, str, Change]]] = [
    ("managed-identity", "system-assigned", put(CLUSTER, "identity.type", "SystemAssigned")),
    ("managed-identity", "as Azure shows it", put(CLUSTER, "servicePrincipalProfile", {"clientId": "msi"})),
    (
        *("api-server-restricted", "ranges"),
        put(CLUSTER, "apiServerAccessProfile", {"authorizedIPRanges": ["203.0.113.0/28"]}),
    ),
    (
        *("registry-pull", "the kubelets' own identity"),
        both(
            elsewhere(CLUSTER, "identityProfile", "east-identity"),
            elsewhere("east-pull", "principalId", "east-identity"),
        ),
    ),
    ("two-dns-servers", "two", put("east-vnet", "dhcpOptions", {"dnsServers": ["10.11.0.4", "10.11.0.5"]})),
    ("local-dns", "in a peered VNet", put("east-vnet", "dhcpOptions", {"dnsServers": ["10.12.0.4"]})),
    ("node-subnet-size", "the smallest", put("east-subnet", "addressPrefix", "10.11.0.0/23")),
    ("node-subnet-size", "no nodes", also(made(types.SUBNET, "api", addressPrefix="10.11.8.0/28"))),
    ("no-lateral-traversal", "SSH", put("east-security-group", "securityRules.1.destinationPortRanges", ["20-23"])),
    ("own-egress", "a firewall", put(CLUSTER, "networkProfile.outboundType", "userDefinedRouting")),
    ("private-hub", "no hub", put("hub-fleet", "hubProfile", None)),
    (
        *("system-nodes", "a fixed number"),
        both(put(CLUSTER, f"{POOL}.minCount", None), put(CLUSTER, f"{POOL}.count", 3)),
    ),
    ("user-nodes", "spot", both(put("east-apps", "scaleSetPriority", "Spot"), put("east-apps", "minCount", 1))),
    ("surge", "a number of nodes", put("east-apps", "upgradeSettings.maxSurge", "2")),
    ("pool-version", "the same", put("east-apps", "orchestratorVersion", "1.34")),
    ("supported-version", "the newest patch", put(CLUSTER, "kubernetesVersion", "1.30")),
    ("paid-tier", "Premium", put(CLUSTER, "sku.tier", "Premium")),
    ("upgraded-by-fleet", "no channel", put(CLUSTER, "autoUpgradeProfile.upgradeChannel", None)),
    ("node-images", "by the cluster's channel", put(CLUSTER, "autoUpgradeProfile", {"upgradeChannel": "node-image"})),
    ("node-images", "patches", put(CLUSTER, "autoUpgradeProfile.nodeOSUpgradeChannel", "SecurityPatch")),
    ("health-alert", "a subscription", lambda found: [_without_uses(each, "east-health") for each in found]),
    ("health-alert", "the cluster", elsewhere("east-health", "scopes", CLUSTER)),
    ("alerts", "Prometheus alone", without("east-cpu")),
]
REFUSED: Final[list[tuple[str, str, Change]]] = [
    ("registry-pull", "another role", put("east-pull", "roleDefinitionId", "/some/other/role")),
    ("no-open-source", "in a list", put("east-security-group", "securityRules.0.sourceAddressPrefixes", ["*"])),
    ("system-nodes", "two", both(put(CLUSTER, f"{POOL}.minCount", None), put(CLUSTER, f"{POOL}.count", 2))),
    ("supported-version", "an old patch", put(CLUSTER, "kubernetesVersion", "1.30.9")),
    ("supported-version", "none", put(CLUSTER, "kubernetesVersion", None)),
    ("upgraded-by-fleet", "no profile", without("updates-profile")),
    ("upgraded-by-fleet", "images alone", put("updates-profile", "channel", "NodeImage")),
    ("upgraded-by-fleet", "both", put(CLUSTER, "autoUpgradeProfile.upgradeChannel", "patch")),
    ("alerts", "records only", both(without("east-cpu"), put("east-alerts", "rules", [{"record": "a"}]))),
    ("health-alert", "another category", put("east-health", "condition.allOf.0.equals", "ServiceHealth")),
    ("fleet-logs", "not the hub's", without("hub-logs")),
    ("container-log-v2", "the old agent", put(CLUSTER, "addonProfiles.omsagent.config", {})),
    ("managed-prometheus", "switched off", put(CLUSTER, "azureMonitorProfile.metrics.enabled", value=False)),
    ("zones", "an inline pool", everywhere(types.CLUSTER, f"{POOL}.availabilityZones", None)),
]


def _without_uses(resource: Resource, name: str) -> Resource:
    return Resource(resource.type, name, name, resource.inputs) if resource.name == name else resource


@pytest.mark.parametrize(
    ("rule", "what", "change"), ACCEPTED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_rule_accepts(rule: str, what: str, change: Change) -> None:
    assert verdict(rule, change) is Verdict.MET, what


@pytest.mark.parametrize(("rule", "what", "change"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_rule_refuses(rule: str, what: str, change: Change) -> None:
    assert verdict(rule, change) is Verdict.MISSED, what
