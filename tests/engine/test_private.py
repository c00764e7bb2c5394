"""The example with nothing public: its whole life, and what stands in the way of it."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi import automation as auto

from rehearsal.core.protocol import Call
from rehearsal.faults.injection import Faults
from rehearsal.faults.profile import Fault, Profile
from rehearsal.stack import rehearsing
from tests.support.existing import is_there
from tests.support.health import assert_converged, assert_healthy
from tests.support.private import EXAMPLE, copy_example
from tests.support.program import ROOT
from tests.support.stack import Stack

pytestmark = pytest.mark.slow

POLICIES = EXAMPLE / "policies" / "private.json"


@pytest.fixture(scope="module")
def deployed_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the example, deployed as it was previewed, and found healthy."""
    root = copy_example(tmp_path_factory.mktemp("private") / "program")
    with rehearsing("private", root) as rehearsal:
        stack = Stack(root, rehearsal)
        planned = stack.preview()
        done = stack.up()
        assert done.changes == planned.changes
        for provider in ("east-kubernetes", "west-kubernetes", "hub-kubernetes"):
            assert done.began["create", provider] > done.ended["create", "hub-mesh-runner-to-hub"]
        assert_healthy(stack)
    return root


@pytest.fixture
def private(deployed_example: Path, tmp_path: Path) -> Iterator[Stack]:
    """The example, deployed; each test has its own copy."""
    program = tmp_path / "program"
    shutil.copytree(deployed_example.parents[1], program, symlinks=True)
    root = program / "examples" / "private"
    with rehearsing("private", root) as rehearsal:
        yield Stack(root, rehearsal)


def changed(stack: Stack, section: str, **keys: Any) -> None:  # noqa: ANN401 - any JSON value
    """Change keys of a section of the settings, or of the first region; None removes a key."""
    file = Path(stack.rehearsal.environment["PULUMI_OPTION_CONFIG_FILE"])
    content = yaml.safe_load(file.read_text())
    where: Any = content["config"][f"fleet-l4-lb:{section}"]
    place: dict[str, Any] = where[0] if section == "regions" else where
    place |= keys
    for key in [key for key, value in keys.items() if value is None]:
        del place[key]
    file.write_text(yaml.safe_dump(content))


def test_stack_stays_as_it_is_and_goes_without_a_trace(private: Stack) -> None:
    assert private.preview().changes == {}
    runner = private.config["access"]["runnerNetworkId"]
    private.destroy()
    assert private.resources() == []
    assert is_there(private.cloud, runner)
    for other in ("East", "West", "Hub"):
        assert not is_there(private.cloud, f"{runner}/virtualNetworkPeerings/RunnerTo{other}Peering-private")
    group = runner.partition("/providers/")[0]
    private.cloud.azure.delete(Call("azure-native:resources:ResourceGroup"), group, {})
    assert private.cloud.is_empty()


def test_peerings_keep_the_names_that_they_were_created_with(private: Stack, tmp_path: Path) -> None:
    regions = tmp_path / "program" / "regions.py"
    before = regions.read_text()
    regions.unlink()  # a link to the repository's file
    regions.write_text(before.replace('f"-{suffix}"', 'f"-another-{suffix}"'))
    assert regions.read_text() != before
    assert private.preview().changes == {}


HUB = {"addressSpace": "10.40.0.0/22", "resourceProviderObjectId": "7d0f2b61-93c4-4c1e-8a25-b6e1904f3d58"}


@pytest.mark.parametrize(
    ("section", "keys", "refusal"),
    [
        (
            "clusters",
            {"privateApiServer": False},
            'clusters.privateApiServer: false, but the API server of region "east" is private',
        ),
        ("fleet", {"hub": {}}, "fleet.hub.private: is missing, but the fleet was created with a private hub"),
        (
            "fleet",
            {"hub": {"private": HUB | {"addressSpace": "10.44.0.0/22"}}},
            'fleet.hub.private.addressSpace: the hub was created in "10.40.0.0/22", not "10.44.0.0/22"',
        ),
        (
            "regions",
            {"apiServerSubnet": "10.41.5.0/28"},
            'regions[0].apiServerSubnet: region "east" was created with "10.41.4.0/28", not "10.41.5.0/28"',
        ),
    ],
)
def test_what_is_fixed_at_creation_is_refused(private: Stack, section: str, keys: dict[str, Any], refusal: str) -> None:
    changed(private, section, **keys)
    with pytest.raises(auto.CommandError, match=re.escape(refusal)):
        private.preview()


def test_runner_and_fleets_provider_can_change(private: Stack) -> None:
    changed(
        private, "fleet", hub={"private": HUB | {"resourceProviderObjectId": "0f3bd2a1-5c8e-4a57-9a2f-6d1f3a6f8c11"}}
    )
    assert private.preview().changes == {"hub-provider-join-subnet": "replace"}
    changed(private, "access", runnerNetworkId=None)
    gone = [f"mesh-{pair}" for pair in ("east-to-runner", "runner-to-east", "west-to-runner", "runner-to-west")]
    assert {name for name, step in private.preview().changes.items() if step == "delete"} >= {
        *gone,
        *("hub-mesh", "hub-mesh-hub-to-runner", "hub-mesh-runner-to-hub"),
    }


def test_example_keeps_its_policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The policy pack's interpreter.
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    said: list[str] = []
    with rehearsing("private", copy_example(tmp_path / "program")) as rehearsal:
        rehearsal.stack.preview(
            policy_packs=[str(ROOT / "policies")], policy_pack_configs=[str(POLICIES)], on_output=said.append
        )
        assert "[mandatory]" not in "\n".join(said)
        file = Path(rehearsal.environment["PULUMI_OPTION_CONFIG_FILE"])
        file.write_text(file.read_text().replace("internal: true", "internal: false"))
        with pytest.raises(auto.CommandError, match="private-entry"):
            rehearsal.stack.preview(policy_packs=[str(ROOT / "policies")], policy_pack_configs=[str(POLICIES)])


@pytest.mark.usefixtures("no_pauses")
def test_roles_and_api_servers_that_are_late_are_waited_for(tmp_path: Path) -> None:
    late = Faults(
        Profile(
            faults=(
                Fault(fault="LinkedAuthorizationFailed", verb="create", name="*-cluster", times=1),
                Fault(fault="LinkedAuthorizationFailed", verb="create", name="hub-fleet", times=1),
                Fault(fault="Forbidden", verb="create", times=1),
                Fault(fault="ServerTimeout", type="kubernetes:*", verb="create", times=1),
            )
        )
    )
    root = copy_example(tmp_path / "program")
    with rehearsing("private", root) as rehearsal:
        stack = Stack(root, rehearsal)
        with late.in_force(stack.cloud):
            stack.up()
        for name, reason in {
            "east-cluster": "the role on the subnet takes effect",
            "hub-fleet": "the roles on the hub's subnets take effect",
            "app-namespace": "the role on the cluster takes effect",
            "app-entry-point-store-front-east": "the cluster's API server answers again",
        }.items():
            assert f"{name}: waiting until {reason}" in stack.text
        assert_converged(stack)


def test_nothing_answers_a_program_outside_the_networks(tmp_path: Path) -> None:
    """A rehearsal knows from `existing.yaml` where the program runs."""
    root = copy_example(tmp_path / "program")
    existing = yaml.safe_load((root / "existing.yaml").read_text())
    existing["runnerNetwork"] = existing["runnerNetwork"].replace("vnet-runner", "vnet-elsewhere")
    (root / "existing.yaml").write_text(yaml.safe_dump(existing))
    with (
        rehearsing("private", root) as rehearsal,
        pytest.raises(auto.CommandError, match=r"unreachable: .*i/o timeout"),
    ):
        Stack(root, rehearsal).up()
