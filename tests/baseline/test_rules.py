"""Each rule of the policy pack is told about a plan that breaks it, and about no other."""

import inspect
import re
from typing import Final

import pulumi_azure_native
import pytest

from policies.baseline import plan as types
from policies.baseline.names import TAGGED
from policies.baseline.plan import Plan
from policies.baseline.score import Verdict, judge
from policies.baseline.table import RULES, SETTINGS
from tests.baseline.plans import Change, Resources, both, elsewhere, everywhere, ideal, made, put, recorded, without
from tests.support.program import ROOT

CLUSTER: Final = "east-cluster"
POOL: Final = "agentPoolProfiles.0"
UNMET: Final = {"upgrade-channel"}
"""What the ideal plan misses."""

BREAKS: Final[dict[str, Change]] = {
    "local-accounts-off": put(CLUSTER, "disableLocalAccounts", value=False),
    "entra-id": put(CLUSTER, "aadProfile", {"managed": False, "enableAzureRBAC": True}),
    "azure-rbac": put(CLUSTER, "aadProfile.enableAzureRBAC", value=False),
    "kubernetes-rbac": put(CLUSTER, "enableRBAC", value=False),
    "managed-identity": put(CLUSTER, "servicePrincipalProfile", {"clientId": "somebody"}),
    "oidc-issuer": put(CLUSTER, "oidcIssuerProfile", None),
    "workload-identity": put(CLUSTER, "securityProfile.workloadIdentity.enabled", value=False),
    "api-server-restricted": put(CLUSTER, "apiServerAccessProfile.enablePrivateCluster", value=False),
    "api-server-private": put(
        CLUSTER, "apiServerAccessProfile", {"disableRunCommand": True, "authorizedIPRanges": ["203.0.113.0/28"]}
    ),
    "run-command-off": put(CLUSTER, "apiServerAccessProfile.disableRunCommand", value=False),
    "node-ssh-off": put("east-apps", "securityProfile.sshAccess", "LocalUser"),
    "kubelet-identity": put(CLUSTER, "identityProfile", {}),
    "registry-pull": elsewhere("east-pull", "principalId", "west-cluster"),
    "policy-addon": put(CLUSTER, "addonProfiles.azurepolicy.enabled", value=False),
    "key-vault-driver": put(CLUSTER, "addonProfiles.azureKeyvaultSecretsProvider.enabled", value=False),
    "secret-rotation": put(CLUSTER, "addonProfiles.azureKeyvaultSecretsProvider.config.enableSecretRotation", "false"),
    "defender": put(CLUSTER, "securityProfile.defender.securityMonitoring.enabled", value=False),
    "image-cleaner": put(CLUSTER, "securityProfile.imageCleaner", None),
    "http-routing-off": put(CLUSTER, "addonProfiles.httpApplicationRouting", {"enabled": True}),
    "etcd-key": put(CLUSTER, "securityProfile.azureKeyVaultKms.enabled", value=False),
    "disk-key": put(CLUSTER, "diskEncryptionSetID", None),
    "host-encryption": put(CLUSTER, f"{POOL}.enableEncryptionAtHost", value=False),
    "azure-cni": put(CLUSTER, "networkProfile.networkPlugin", "kubenet"),
    "network-policy": put(CLUSTER, "networkProfile.networkPolicy", "none"),
    "standard-load-balancer": put(CLUSTER, "networkProfile.loadBalancerSku", "basic"),
    "node-subnet-size": put("east-subnet", "addressPrefix", "10.11.0.0/24"),
    "service-range-apart": put(CLUSTER, "networkProfile.serviceCidr", "10.12.0.0/24"),
    "subnet-security-group": put("east-subnet", "networkSecurityGroup", None),
    "private-subnet": put("east-subnet", "defaultOutboundAccess", None),
    "two-dns-servers": put("east-vnet", "dhcpOptions", {"dnsServers": ["10.11.0.4"]}),
    "local-dns": put("east-vnet", "dhcpOptions", {"dnsServers": ["192.0.2.4", "10.11.0.4"]}),
    "no-open-source": put("east-security-group", "securityRules.0.sourceAddressPrefix", "*"),
    "no-first-deny": both(
        put("east-security-group", "securityRules.0.access", "Deny"),
        put("east-security-group", "securityRules.0.sourceAddressPrefix", "*"),
    ),
    "no-lateral-traversal": put("east-security-group", "securityRules.1.destinationPortRanges", ["443", "8000-9000"]),
    "own-egress": put(CLUSTER, "networkProfile.outboundType", "loadBalancer"),
    "zoned-address": put("east-egress", "zones", ["1"]),
    "flow-logs": without("east-flows"),
    "ddos-protection": put("east-vnet", "enableDdosProtection", value=False),
    "subnet-for-each-pool": elsewhere("east-apps", "vnetSubnetID", "east-subnet"),
    "metadata-blocked": put(CLUSTER, "networkProfile.podLinkLocalAccess", None),
    "private-hub": put("hub-fleet", "hubProfile", {}),
    "autoscaler": put("east-apps", "enableAutoScaling", value=False),
    "zones": put(CLUSTER, f"{POOL}.availabilityZones", []),
    "zone-redundant": put("east-apps", "availabilityZones", ["1", "2"]),
    "ephemeral-disk": put("east-apps", "osDiskType", "Managed"),
    "system-nodes": put(CLUSTER, f"{POOL}.minCount", 2),
    "user-nodes": put("east-apps", "minCount", 2),
    "pods-for-each-node": put("east-apps", "maxPods", 30),
    "scale-sets": put("east-apps", "type", "AvailabilitySet"),
    "csi-drivers": put(CLUSTER, "storageProfile.diskCSIDriver.enabled", value=False),
    "system-pool-tainted": put(CLUSTER, f"{POOL}.nodeTaints", []),
    "user-pool": both(
        put("east-apps", "mode", "System"), put("east-apps", "nodeTaints", ["CriticalAddonsOnly=true:NoSchedule"])
    ),
    "azure-linux": put("east-apps", "osSKU", "Ubuntu"),
    "surge": put("east-apps", "upgradeSettings.maxSurge", "10%"),
    "node-group-locked": put(CLUSTER, "nodeResourceGroupProfile.restrictionLevel", "Unrestricted"),
    "node-group-named": put(CLUSTER, "nodeResourceGroup", "MC_rg_aks_eastus2"),
    "pool-version": put("east-apps", "orchestratorVersion", "1.33"),
    "supported-version": put(CLUSTER, "kubernetesVersion", "1.29.4"),
    "upgraded-by-fleet": put("updates-profile", "disabled", value=True),
    "node-images": put(CLUSTER, "autoUpgradeProfile.nodeOSUpgradeChannel", "Unmanaged"),
    "maintenance-windows": without("east-aksManagedNodeOSUpgradeSchedule"),
    "paid-tier": put(CLUSTER, "sku.tier", "Free"),
    "fleet-member": elsewhere("hub-member-east", "clusterResourceId", "another-cluster"),
    "several-locations": everywhere(types.CLUSTER, "location", "eastus2"),
    "backup": without("east-backup"),
    "audit-admin-only": put("east-logs", "logs.0.category", "kube-audit"),
    "audit-logs": put("east-logs", "logs.1.enabled", value=False),
    "platform-logs": put("east-logs", "metrics", []),
    "fleet-logs": put("east-logs", "logs.6.enabled", value=False),
    "container-insights": put(CLUSTER, "addonProfiles.omsagent.enabled", value=False),
    "container-log-v2": without("east-containers-association"),
    "managed-prometheus": put("east-prometheus", "dataFlows", []),
    "alerts": both(put("east-alerts", "rules", [{"record": "a"}]), elsewhere("east-cpu", "scopes", "west-cluster")),
    "health-alert": elsewhere("east-health", "scopes", "west-group"),
    "alerts-close": put("east-cpu", "autoMitigate", value=False),
    "workspace-replicated": put("workspace", "replication", {"enabled": False}),
    "cluster-names": put(CLUSTER, "dnsPrefix", "-aks"),
    "network-names": put("east-subnet", "subnetName", "apps-"),
    "group-names": put("east-group", "resourceGroupName", "rg."),
    "identity-names": put("east-identity", "resourceName", "i"),
    "edge-names": put("east-egress", "publicIpAddressName", "_ip"),
    "tags": put("east-vnet", "tags", {}),
    "pool-tags": put("east-apps", "tags", None),
}
"""For each rule a change that breaks it."""

ALSO: Final = {
    "api-server-restricted": {"api-server-private"},  # a public API server without ranges
    "key-vault-driver": {"secret-rotation"},
    "fleet-member": {"upgraded-by-fleet"},
    "zones": {"zone-redundant"},
}
"""Other rules that the change breaks, unavoidably."""

DECIDED_FOR_ALL: Final = {"upgraded-by-fleet", "several-locations", "workspace-replicated", "private-hub"}
"""Rules whose change concerns everything that they judge."""


def missed(resources: Resources) -> set[str]:
    return {each.rule.name for each in judge(Plan(resources)) if each.verdict is Verdict.MISSED}


def test_the_ideal_plan_meets_everything_that_can_be_met_together() -> None:
    assert missed(ideal()) == UNMET
    assert not [each.rule.name for each in judge(Plan(ideal())) if each.verdict is Verdict.NOT_JUDGED]


def test_a_cluster_that_upgrades_itself_is_not_upgraded_by_the_fleet() -> None:
    channel = everywhere(types.CLUSTER, "autoUpgradeProfile.upgradeChannel", "stable")
    assert missed(channel(ideal())) == {"upgraded-by-fleet"}


def test_every_rule_has_a_change_that_breaks_it() -> None:
    assert {rule.name for rule in RULES} == BREAKS.keys() | UNMET


@pytest.mark.parametrize("rule", BREAKS)
def test_exactly_the_broken_rule_is_missed(rule: str) -> None:
    broken = BREAKS[rule](ideal())
    assert missed(broken) == UNMET | {rule} | ALSO.get(rule, set())
    where = next(each.where for each in judge(Plan(broken)) if each.rule.name == rule)
    assert len(where) == (0 if rule in DECIDED_FOR_ALL else 1)


def test_a_separate_security_rule_counts_as_one_inside_its_group() -> None:
    rule = made(
        types.SECURITY_RULE,
        "rule",
        {"networkSecurityGroupName": "east-security-group"},
        priority=90,
        direction="Inbound",
        access="Allow",
        sourceAddressPrefix="*",
    )
    assert missed([*ideal(), rule]) == UNMET | {"no-open-source"}


def test_an_earlier_outbound_rule_decides() -> None:
    rule = made(
        types.SECURITY_RULE,
        "rule",
        {"networkSecurityGroupName": "east-security-group"},
        priority=90,
        direction="Outbound",
        access="Allow",
        destinationAddressPrefix="VirtualNetwork",
        destinationPortRange="*",
    )
    assert missed([*ideal(), rule]) == UNMET | {"no-lateral-traversal"}


def test_a_second_diagnostic_setting_must_send_everything_too() -> None:
    """PSRule reads each setting alone."""
    second = made(types.DIAGNOSTICS, "second", {"resourceUri": CLUSTER}, logs=[{"category": "guard", "enabled": True}])
    assert missed([*ideal(), second]) == UNMET | {"audit-logs", "platform-logs"}


def test_a_global_address_needs_no_zones() -> None:
    address = made(types.PUBLIC_ADDRESS, "global", sku={"name": "Standard", "tier": "Global"})
    assert missed([*ideal(), address]) == UNMET


def test_every_type_that_takes_tags_is_judged() -> None:
    """The SDK's classes say which types take tags; a node pool's are those of its nodes."""
    for resource in (*recorded("prod"), *ideal()):
        _, module, name = resource.type.split(":")
        create = getattr(getattr(pulumi_azure_native, module), name)._internal_init
        takes = "tags" in inspect.signature(create).parameters and resource.type != types.POOL
        assert takes == (resource.type in TAGGED), resource.type


def test_every_named_setting_exists() -> None:
    documented = set(re.findall(r"^\| `([\w.]+)`", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    for rule, text in SETTINGS.items():
        path = re.match(r"[\w.\[\]]+", text)
        assert path, rule
        key = re.sub(r"^(clusters|fleet|app|access|monitoring|regions\[\])\.?", "", path[0])
        assert key in documented | {"regions", "tags"}, f"{rule}: {text}"
    assert SETTINGS.keys() <= {rule.name for rule in RULES}
