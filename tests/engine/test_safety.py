"""No rehearsal reaches a real stack or a real subscription, whatever the user has set, and whatever dies when."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal.cloud import Cloud
from rehearsal.core.errors import RehearsalError
from rehearsal.engine.grpc_server import serve
from rehearsal.engine.install import find_engine
from rehearsal.stack import rehearsing
from rehearsal.tests.machine import command
from tests.support.program import ROOT
from tests.support.stack import Stack, copy_program

pytestmark = pytest.mark.slow

# What people have set for the real engine, for their clouds and for their networks.
USERS = (
    *("PULUMI_ACCESS_TOKEN", "PULUMI_API", "PULUMI_BACKEND_URL", "PULUMI_CONFIG", "PULUMI_CONFIG_PASSPHRASE_FILE"),
    *("PULUMI_DEBUG_PROVIDERS", "PULUMI_DIY_BACKEND_LEGACY_LAYOUT", "PULUMI_HOME", "PULUMI_OPTION_PARALLEL"),
    *("PULUMI_OPTION_POLICY_PACK", "PULUMI_OPTION_STACK", "PULUMI_OPTION_TARGET", "PULUMI_STACK"),
    *("ARM_CLIENT_SECRET", "ARM_SUBSCRIPTION_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_CLIENT_SECRET", "AZURE_CONFIG_DIR"),
    *("AZURE_STORAGE_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "KUBECONFIG", "NOBODY_HAS_THOUGHT_OF_THIS"),
    *("HTTPS_PROXY", "https_proxy", "http_proxy", "grpc_proxy"),
)
PLANTED = "http://planted.invalid:9"


def rehearse(
    root: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the rehearsal's command line on a program."""
    name, *rest = arguments
    return subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", "rehearsal", name, "--program", str(root), *rest],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("arguments", [["up"], ["pulumi", "preview"]])
def test_nothing_that_is_set_for_the_real_engine_reaches_the_rehearsals(tmp_path: Path, arguments: list[str]) -> None:
    log = tmp_path / "environments"
    command(tmp_path / "bin" / "pulumi", f'env >> {log}; exec {find_engine()} "$@"')
    environment = dict.fromkeys(USERS, PLANTED) | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = rehearse(copy_program(tmp_path / "program"), *arguments, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "to create" in done.stdout
    assert "PULUMI_DEBUG_PROVIDERS=azure-native:" in log.read_text()
    assert "planted" not in log.read_text()


def test_a_command_that_sets_a_backend_of_its_own_is_not_used(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    command(tmp_path / "bin" / "pulumi", f'export PULUMI_BACKEND_URL=file://{real}; exec {find_engine()} "$@"')
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = rehearse(copy_program(tmp_path / "program"), "up", environment=environment)
    assert done.returncode == 1
    assert f"pulumi keeps its states in file://{real}, although" in done.stderr
    assert list(real.rglob("*.json")) == []


@pytest.mark.parametrize("exempt", [{}, {"no_proxy": ".corp.example", "no_grpc_proxy": ""}])
def test_a_proxy_for_everything_is_not_one_for_loopback(tmp_path: Path, exempt: dict[str, str]) -> None:
    proxies = dict.fromkeys(["https_proxy", "http_proxy", "grpc_proxy"], PLANTED)
    done = rehearse(copy_program(tmp_path / "program"), "preview", environment={**proxies, **exempt})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["destroy", "--yes"], ["refresh", "--yes"]])
def test_without_the_stand_in_the_engine_fails_and_changes_nothing(stack: Stack, arguments: list[str]) -> None:
    before = stack.resources()
    environment = stack.rehearsal.environment
    with serve(Cloud()) as port:
        pass  # it has ended, as the stand-in will have
    ended = ",".join(f"{each.split(':')[0]}:{port}" for each in environment["PULUMI_DEBUG_PROVIDERS"].split(","))
    done = subprocess.run(  # noqa: S603 - no shell
        [find_engine(), *arguments, "--non-interactive", "--skip-preview"],
        cwd=stack.root,
        env={**environment, "PULUMI_DEBUG_PROVIDERS": ended},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "did not begin responding" in done.stdout + done.stderr
    assert [each["urn"] for each in stack.resources()] == [each["urn"] for each in before]


def test_the_state_stays_in_the_folder_whatever_that_is_called(tmp_path: Path) -> None:
    root = copy_program(tmp_path / "100% done, a#b, what?, pct%20name")
    with rehearsing("dev", root) as rehearsal:
        Stack(root, rehearsal).preview()
    assert list((root / ".rehearsal" / "dev" / "backend").glob(".pulumi/stacks/*/dev.json"))


def test_a_backend_in_the_project_file_is_not_asked(tmp_path: Path) -> None:
    root = copy_program(tmp_path / "program")
    with (root / "Pulumi.yaml").open("a") as project:
        project.write("backend: {url: 'https://planted.invalid'}\n")
    with rehearsing("dev", root) as rehearsal:
        Stack(root, rehearsal).preview()


def test_a_plan_that_the_stand_in_was_not_asked_for_is_not_carried_out(empty: Stack) -> None:
    elsewhere = Cloud()
    with serve(elsewhere) as port:
        empty.rehearsal.environment["PULUMI_DEBUG_PROVIDERS"] = ",".join(
            f"{package}:{port}" for package in ("azure-native", "kubernetes", "random")
        )
        with pytest.raises(RehearsalError, match="did not ask the stand-in"):
            empty.rehearsal.up()
    assert elsewhere.is_empty()
