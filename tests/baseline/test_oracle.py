"""The policy pack agrees with what Azure Policy, PSRule for Azure and the AKS checklist publish.

The oracle shares nothing with the pack but the plan: it reads ARM's objects, and conditions in the publishers' words.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from policies.baseline import plan as types
from policies.baseline.plan import Plan
from policies.baseline.score import Verdict, judge
from policies.baseline.table import RULES
from tests.baseline.arm import Object, arm_objects
from tests.baseline.conditions import Condition, holds
from tests.baseline.plans import Change, Resources, both, everywhere, ideal, put, recorded, without
from tests.baseline.test_rules import BREAKS

PUBLISHED: Final[list[Mapping[str, Any]]] = yaml.safe_load((Path(__file__).parent / "published.yaml").read_text())

_ANY: Final[Condition] = {"allOf": []}

_TYPES: Final = {
    "cluster": "Microsoft.ContainerService/managedClusters",
    "identity": "Microsoft.ManagedIdentity/userAssignedIdentities",
    "metricAlert": "Microsoft.Insights/metricAlerts",
    "network": "Microsoft.Network/virtualNetworks",
    "publicAddress": "Microsoft.Network/publicIPAddresses",
    "securityGroup": "Microsoft.Network/networkSecurityGroups",
    "subnet": "Microsoft.Network/virtualNetworks/subnets",
    "workspace": "Microsoft.OperationalInsights/workspaces",
}


def complies(entry: Mapping[str, Any], target: Object) -> bool:
    """Return whether an object complies with what a source publishes."""
    if not holds(entry.get("if", _ANY), target):
        return True
    return holds(entry["kept"], target) if "kept" in entry else not holds(entry["broken"], target)


def violated(entry: Mapping[str, Any], objects: list[Object], *, as_published: bool = False) -> bool:
    """Return whether a plan breaks an entry, apart from the differences that the entry names."""

    def breaks(target: Object) -> bool:
        if not as_published and "differs" in entry and holds(entry["differs"]["where"], target):
            return entry["differs"]["pack"] == "missed"
        return not complies(entry, target)

    return any(breaks(target) for target in objects if target["type"] == _TYPES[entry["type"]])


def disagreements(resources: Resources) -> list[str]:
    """Return the rules on which the pack and the oracle disagree."""
    objects = arm_objects(resources)
    found: list[str] = []
    for judgement in judge(Plan(resources)):
        entries = [each for each in PUBLISHED if each["rule"] == judgement.rule.name]
        broken = [each["source"] for each in entries if violated(each, objects)]
        decisive = any(not each.get("weaker") for each in entries)
        missed = judgement.verdict is Verdict.MISSED
        if (broken and not missed) or (missed and decisive and not broken):
            found.append(f"{judgement.rule.name}: pack {judgement.verdict.value}, oracle {broken or 'complies'}")
    return found


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_they_agree_on_the_stacks(stack: str) -> None:
    assert disagreements(list(recorded(stack))) == []


def test_they_agree_on_the_ideal_plan() -> None:
    assert disagreements(ideal()) == []


@pytest.mark.parametrize("rule", BREAKS)
def test_they_agree_on_each_broken_rule(rule: str) -> None:
    assert disagreements(BREAKS[rule](ideal())) == []


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: f"{entry['rule']}, {entry['source']}")
def test_each_entry_can_be_kept_and_broken(entry: Mapping[str, Any]) -> None:
    """So an entry whose path leads nowhere is found out."""
    assert {violated(entry, plan) for plan in changed_plans()} == {True, False}


@cache
def changed_plans() -> list[list[Object]]:
    return [arm_objects(change(ideal())) for change in (*BREAKS.values(), *BROKEN_FURTHER.values())]


BROKEN_FURTHER: Final[dict[str, Change]] = {
    "entra-id, without a profile": put("east-cluster", "aadProfile", None),
    "identity": put("east-cluster", "identity.type", "None"),
    "network-policy, none": put("east-cluster", "networkProfile.networkPolicy", None),
    "pools, one": without("east-apps"),
    "logs, none": without("east-logs"),
    "SKU": put("east-egress", "sku.name", "Basic"),
    "API server's subnet": both(
        put(
            "east-subnet", "delegations", [{"name": "aks", "serviceName": "Microsoft.ContainerService/managedClusters"}]
        ),
        put("east-subnet", "defaultOutboundAccess", None),
    ),
    "gateway's subnet": both(
        put("east-subnet", "subnetName", "GatewaySubnet"),
        put("east-subnet", "defaultOutboundAccess", None),
        put("east-subnet", "networkSecurityGroup", None),
    ),
    "channel": everywhere(types.CLUSTER, "autoUpgradeProfile.upgradeChannel", "stable"),
    "cluster's name": put("east-cluster", "resourceName", "aks-"),
    "VNet's name": put("east-vnet", "virtualNetworkName", "-vnet"),
    "security group's name": put("east-security-group", "networkSecurityGroupName", "nsg-"),
}
"""Changes that break the entries that `BREAKS` does not, and exempt cases."""


@pytest.mark.parametrize("change", BROKEN_FURTHER)
def test_they_agree_on_further_changes(change: str) -> None:
    assert disagreements(BROKEN_FURTHER[change](ideal())) == []


DIFFERENT: Final[dict[str, Change]] = {
    "PSRule AZR-000030": put("east-cluster", "apiServerAccessProfile.enablePrivateCluster", value=True),
    "PSRule AZR-000034": everywhere(types.CLUSTER, "addonProfiles.azureKeyvaultSecretsProvider", {"enabled": False}),
    "PSRule AZR-000027": put("east-cluster", "networkProfile.networkPolicy", "cilium"),
    "PSRule AZR-000285": everywhere(types.CLUSTER, "sku.tier", "Premium"),
    "Azure Policy 7bca8353": BROKEN_FURTHER["API server's subnet"],
    "PSRule AZR-000157": both(put("east-egress", "sku.tier", "Global"), put("east-egress", "zones", None)),
}
"""A change of the ideal plan that shows each difference."""


@pytest.mark.parametrize("entry", [each for each in PUBLISHED if "differs" in each], ids=lambda entry: entry["source"])
def test_each_difference_is_one(entry: Mapping[str, Any]) -> None:
    """An entry that agrees after all needs no excuse."""
    changed = DIFFERENT[entry["source"]](ideal())
    verdict = next(each.verdict for each in judge(Plan(changed)) if each.rule.name == entry["rule"])
    assert violated(entry, arm_objects(changed), as_published=True) != (verdict is Verdict.MISSED)
    assert violated(entry, arm_objects(changed)) == (verdict is Verdict.MISSED)


def test_every_entry_names_a_rule_and_one_of_its_sources() -> None:
    sources = {rule.name: " ".join(map(str, rule.sources)) for rule in RULES}
    for entry in PUBLISHED:
        assert entry["source"].split()[-1] in sources[entry["rule"]], entry
