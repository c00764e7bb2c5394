"""The policy pack: silent about the program as it is, loud about each rule that somebody breaks."""

import json
import os
import re
import sys
from datetime import date
from pathlib import Path

import pytest
from pulumi import automation as auto

from policies.baseline.plan import Plan
from policies.baseline.score import judge, report
from rehearsal.stack import rehearsing
from tests.baseline.plans import recorded
from tests.support.program import ROOT
from tests.support.stack import Stack, copy_program

PACK = ROOT / "policies"

VIOLATIONS = """
import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import containerservice as aks, network, resources

group = resources.ResourceGroup("group", location="eastus2", resource_group_name="rg", tags={"environment": "test"})
for name in ("one", "two"):
    network.VirtualNetwork(
        name, resource_group_name=group.name, address_space=network.AddressSpaceArgs(address_prefixes=["10.1.0.0/16"])
    )
aks.ManagedCluster(
    "cluster",
    resource_group_name=group.name,
    identity=aks.ManagedClusterIdentityArgs(type="SystemAssigned"),
    agent_pool_profiles=[aks.ManagedClusterAgentPoolProfileArgs(name="system", mode="System")],
    network_profile={
        "network_plugin": "azure",
        "network_plugin_mode": "overlay",
        "service_cidr": "10.1.0.0/24",
        "dns_service_ip": "10.1.0.10",
    },
)
aks.Fleet("fleet", resource_group_name=group.name, hub_profile=aks.FleetHubProfileArgs())

hub = pulumi.ComponentResource("fleet-l4-lb:index:FleetHub", "hub")
kubeconfig = '{"clusters": [{"name": "c", "cluster": {"server": "https://c"}}], "users": [{"name": "u", "user": {}}]}'
on_hub = pulumi.ResourceOptions(
    provider=k8s.Provider("hub-kubernetes", kubeconfig=kubeconfig, opts=pulumi.ResourceOptions(parent=hub))
)
k8s.core.v1.Service("entry", spec={"type": "LoadBalancer", "ports": [{"port": 80}]})
k8s.core.v1.ConfigMap("awaited", data={"id_rsa": "-----BEGIN RSA PRIVATE KEY-----"}, opts=on_hub)
k8s.apps.v1.Deployment(
    "app",
    metadata={"annotations": {"pulumi.com/skipAwait": "true"}},
    spec={
        "selector": {"matchLabels": {"app": "a"}},
        "template": {
            "metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "c", "image": "i", "env": [{"name": "DB_PASSWORD", "value": "p"}]}]},
        },
    },
    opts=on_hub,
)
"""
EVERYTHING = {
    "local-accounts-off": "mandatory",
    "private-entry": "mandatory",
    "private-hub": "mandatory",
    "tags-present": {"names": ["environment"]},
}


@pytest.fixture(autouse=True)
def _launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [Path(sys.executable).parent, os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))


@pytest.mark.parametrize(
    ("stack", "config", "operation"),
    [
        ("dev", None, "preview"),
        pytest.param("prod", PACK / "prod.json", "up", marks=pytest.mark.slow),
        pytest.param("dev", None, "up", marks=pytest.mark.slow),
        ("prod", PACK / "prod.json", "preview"),
    ],
)
def test_program_keeps_every_rule(stack: str, config: Path | None, operation: str, tmp_path: Path) -> None:
    said: list[str] = []
    with rehearsing(stack, copy_program(tmp_path / "program")) as rehearsal:
        getattr(rehearsal.stack, operation)(
            policy_packs=[str(PACK)],
            policy_pack_configs=[str(config)] if config else None,
            on_output=said.append,
            on_error=said.append,
        )
    text = "\n".join(said)
    assert text.count("fleet-l4-lb@v2.0.0") == 1
    assert "[mandatory]" not in text
    assert "remediate" not in text
    assert "can't run policy" not in text
    assert _score_on_mocks(stack, config) in text, "the engine's plan is another one than that of the unit tests"


def _score_on_mocks(stack: str, config: Path | None) -> str:
    """Return the first line of the score."""
    exceptions: dict[str, object] = {}
    if config:
        exceptions = json.loads(config.read_text())["baseline-score"]["exceptions"]
    return report(judge(Plan(recorded(stack)), exceptions), {}, date(2026, 11, 26)).splitlines()[0]


def test_a_stack_that_exists_has_the_score_of_its_plan(stack: Stack) -> None:
    """Azure's defaults, which are in its outputs, do not count."""
    said: list[str] = []
    stack.rehearsal.stack.preview(policy_packs=[str(PACK)], on_output=said.append)
    text = "\n".join(said)
    assert "unchanged" in text
    assert _score_on_mocks("dev", None) in text


def test_a_goal_that_is_missed_stops_the_stack(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"baseline-goal": "mandatory"}))
    said: list[str] = []
    with rehearsing("dev", copy_program(tmp_path / "program")) as rehearsal, pytest.raises(auto.CommandError):
        rehearsal.stack.preview(
            policy_packs=[str(PACK)], policy_pack_configs=[str(config)], on_output=said.append, on_error=said.append
        )
    text = "\n".join(said)
    assert "[mandatory]  baseline-goal" in text
    assert "private-subnet (Critical): subnets have no default outbound access. Set clusters.baseline: true" in text


@pytest.mark.parametrize(
    ("exceptions", "problem"),
    [
        ({"no-such-rule": {"reason": "a", "date": "2026-11-26"}}, "no-such-rule is not allowed"),
        ({"surge": {"reason": "a"}}, "date is required"),
        ({"surge": {"reason": "a", "date": "2026-13-01"}}, "Does not match format 'date'"),
    ],
)
def test_a_malformed_exception_is_refused(exceptions: object, problem: str, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"baseline-score": {"exceptions": exceptions}}))
    with rehearsing("dev", copy_program(tmp_path / "program")) as rehearsal, pytest.raises(auto.CommandError) as error:
        rehearsal.stack.preview(policy_packs=[str(PACK)], policy_pack_configs=[str(config)])
    assert problem in str(error.value)


def test_every_broken_rule_is_told(tmp_path: Path) -> None:
    root = copy_program(tmp_path / "program")
    (root / "__main__.py").unlink()
    (root / "__main__.py").write_text(VIOLATIONS)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(EVERYTHING))
    said: list[str] = []
    with rehearsing("dev", root) as rehearsal, pytest.raises(auto.CommandError):
        rehearsal.stack.preview(
            policy_packs=[str(PACK)], policy_pack_configs=[str(config)], on_output=said.append, on_error=said.append
        )
    text = "\n".join(said)
    told = re.findall(r"\[mandatory\](?: +\[severity: \w+\])? +(\S+) +\(\S+: (\S+)\)\n.*\n +(.*)", text)
    assert sorted(told) == [
        ("flat-network", "cluster", "networkProfile.networkPluginMode makes an overlay; remove it"),
        ("flat-network", "cluster", "node pool system must name its subnet, vnetSubnetID"),
        ("hub-not-awaited", "awaited", 'the annotation pulumi.com/skipAwait must be "true" on the hub'),
        ("local-accounts-off", "cluster", "cluster: set clusters.entraId: true"),
        ("networks-apart", "one", "10.1.0.0/24 of cluster overlaps 10.1.0.0/16 of one"),
        ("networks-apart", "two", "10.1.0.0/16 of one overlaps 10.1.0.0/16 of two"),
        ("networks-apart", "two", "10.1.0.0/24 of cluster overlaps 10.1.0.0/16 of two"),
        ("no-plain-credentials", "app", "DB_PASSWORD of container c is in clear; use valueFrom.secretKeyRef"),
        ("no-plain-credentials", "awaited", "data.id_rsa is a private key; put it into a Secret"),
        ("private-entry", "entry", "the entry is public; set internal: true for its app"),
        ("private-hub", "fleet", "fleet: set fleet.hub.private (fixed at creation)"),
        *(("tags-present", name, "missing tags: environment") for name in ("cluster", "fleet", "one", "two")),
    ]
    assert re.search(r"\[remediate\] +no-plain-credentials +\(1 resource\)", text), "the kubeconfig in clear"
