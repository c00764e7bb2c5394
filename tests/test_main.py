"""The whole program: what it exports, what it leaves in the cloud, and what it shows before."""

import re
from typing import cast

import pulumi
import pytest

from changes import StateError
from rehearsal.core.protocol import Properties
from tests.support.health import assert_healthy
from tests.support.program import NORTH, PROJECT, Program, run_stack, stack_config


def regions(stack: str) -> list[str]:
    return [region["name"] for region in stack_config(stack)["regions"]]


@pytest.fixture(params=["dev", "prod"])
def stack(request: pytest.FixtureRequest) -> tuple[str, Program]:
    return request.param, request.getfixturevalue(request.param)


def test_outputs_are_complete(stack: tuple[str, Program]) -> None:
    name, program = stack
    outputs = program.outputs
    assert set(outputs) == {
        "externalIp",
        *(("globalAddress", "frontendIds") if name == "prod" else ()),
        "url",
        "ports",
        "fleetId",
        "ownsFleet",
        "clusterIds",
        "memberNames",
        "entryServices",
        "entryAddresses",
        "service",
        "hubKubeconfig",
        "kubeconfigs",
    }
    assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+", outputs["externalIp"])
    assert outputs["url"] == f"http://{outputs['externalIp']}"
    assert outputs["clusterIds"].keys() == outputs["kubeconfigs"].keys() == set(regions(name))
    assert outputs["memberNames"] == {region: each.rsplit("/", 1)[1] for region, each in outputs["clusterIds"].items()}
    assert outputs["entryServices"].keys() == outputs["entryAddresses"].keys()
    assert outputs["entryServices"][regions(name)[0]] == "store-front"
    assert outputs["service"] == "aks-store-demo/store-front"
    assert program.secret_outputs == {"hubKubeconfig", "kubeconfigs"}


def test_every_resource_belongs_to_a_component(stack: tuple[str, Program]) -> None:
    name, program = stack
    components = {
        "RegionalCluster": set(regions(name)),
        "PeeredNetworks": {"mesh"},
        "FleetHub": {"hub"},
        "FleetUpdates": {"updates"} if name == "prod" else set[str](),
        "MultiClusterApp": {"app"},
        "EntryGuard": {"east-guard", "europe-guard"} if name == "prod" else set[str](),
        "GlobalAddress": {"global"} if name == "prod" else set[str](),
        "GlobalLoadBalancer": {"global-balancer"} if name == "prod" else set[str](),
        "MaintenanceWindows": {f"{each}-maintenance" for each in regions(name)} if name == "prod" else set[str](),
        "Alerts": {"alerts"} if name == "prod" else set[str](),
        "Monitoring": {"monitoring"} if name == "prod" else set[str](),
        "MonitoredCluster": {f"{each}-monitoring" for each in regions(name)} if name == "prod" else set[str](),
        "MonitoredFleet": {"hub-monitoring"} if name == "prod" else set[str](),
    }
    for component, names in components.items():
        assert set(program.of_type(f"{PROJECT}:index:{component}")) == names
    tops = {top for names in components.values() for top in names}
    assert {each.parent for each in program.resources.values() if each.name not in tops} == tops


def test_guards_role_waits_for_the_members(prod: Program) -> None:
    """Its namespace, fleet-system, comes with the membership."""
    assert {f"hub-member-{region}" for region in regions("prod")} <= prod["east-guard-role"].dependencies


def test_pattern_is_well_when_the_program_ends(stack: tuple[str, Program]) -> None:
    _, program = stack
    assert_healthy(program)


def test_dev_and_prod_share_no_name_in_a_subscription(dev: Program, prod: Program) -> None:
    def names(program: Program) -> set[str]:
        return {
            group.inputs["resourceGroupName"]
            for group in program.of_type("azure-native:resources:ResourceGroup").values()
        }

    assert not names(dev) & names(prod)
    assert not set(dev.outputs["memberNames"].values()) & set(prod.outputs["memberNames"].values())


def test_tags_reach_every_resource_that_takes_some() -> None:
    program = run_stack("dev", tags={"owner": "platform"})
    takes_tags = {
        "azure-native:resources:ResourceGroup",
        "azure-native:network:VirtualNetwork",
        "azure-native:managedidentity:UserAssignedIdentity",
        "azure-native:containerservice:ManagedCluster",
        "azure-native:containerservice:Fleet",
    }
    for token in takes_tags:
        assert program.of_type(token)
        for name, resource in program.of_type(token).items():
            assert resource.inputs["tags"] == {"owner": "platform"}, name


def test_adding_a_region_leaves_the_others_as_they_are(dev: Program) -> None:
    program = run_stack(
        "dev",
        regions=[NORTH, *stack_config("dev")["regions"]],
        app={"entryRegions": ["east"]},
    )
    changed = {name for name, resource in dev.resources.items() if not alike(resource.inputs, program[name].inputs)}
    assert changed == {"app-placement", "app-endpoints"}


def alike(first: object, second: object) -> bool:
    """Compare inputs but for what each run makes anew: random names, passwords, addresses with random parts, keys."""
    if isinstance(first, dict) and isinstance(second, dict):
        one, other = cast("Properties", first), cast("Properties", second)
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(first, str) and isinstance(second, str):
        return first == second or len(first) == len(second) or "kind: Config" in first
    return first == second


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_first_preview_needs_no_cloud(name: str) -> None:
    program = run_stack(name, preview=True)
    for region in regions(name):
        assert program[f"{region}-cluster"].inputs["location"]
    assert {"app-placement", "app-entry-point"} <= program.resources.keys()
    assert program.cloud.is_empty()


def test_nothing_is_planned_without_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nodes of a running cluster keep an identity that only the state knows."""

    def unreadable(*_: object) -> None:
        raise RuntimeError("no access to the blob")

    monkeypatch.setattr(pulumi.runtime, "invoke", unreadable)
    with pytest.raises(StateError, match=r"state of the stack cannot be read: no access to the blob; nothing was done"):
        run_stack("dev")


def test_one_region_is_a_stack_too() -> None:
    program = run_stack("dev", regions=stack_config("dev")["regions"][:1])
    assert program.of_type("azure-native:network:VirtualNetworkPeering") == {}
    assert program.outputs["externalIp"]


@pytest.mark.parametrize("mode", ["workloadidentity", "spn", "msi"])
def test_pattern_is_well_however_the_deployer_signs_in(mode: str) -> None:
    program = run_stack("dev", access={"kubeloginMode": mode})
    assert program["hub-deployer"].inputs["principalType"] == "ServicePrincipal"
    assert_healthy(program)
