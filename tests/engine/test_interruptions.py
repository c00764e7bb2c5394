"""Whatever kills a run, the documented commands complete it; the rehearsal begins again from before it."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import yaml
from pulumi.automation import CommandError

from rehearsal.core.protocol import Call
from rehearsal.stack import rehearsing
from rehearsal.tests.objects import in_memory
from tests.support.health import assert_healthy
from tests.support.program import PROJECT, ROOT
from tests.support.stack import Stack, copy_program

pytestmark = pytest.mark.slow

# What Azure, the program or the clusters choose at random in a name.
_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{5}\b")

# What `up` says of a resource that Azure has and the state does not, and of an object that a cluster has.
_LEFT = re.compile(r"(azure-native:\S+) \S+ creating \(\d+s\) error: cannot create already existing resource '(.+?)'")
_LEFT_ON_CLUSTER = re.compile(r'kubernetes:(?:core/)?(\S+):(\w+) \S+ creating \(\d+s\) error: .*"(.+?)" already exists')

VICTIMS = [["engine"], ["stand-in"], ["engine", "stand-in"]]


def inventory(root: Path) -> list[str]:
    """Return everything that is in the cloud, by its ID or name."""
    kept = json.loads((root / ".rehearsal" / "dev" / "cloud.json").read_text())
    names = [
        *kept["azure"]["resources"],
        *(
            f"{cluster} {kind} {name}"
            for cluster, data in kept["kubernetes"]["clusters"].items()
            for kind, objects in data["objects"].items()
            for name in objects
        ),
    ]
    return sorted(_RANDOM.sub("*", name) for name in names)


def is_killed(root: Path, command: str, *kill: str) -> bool:
    """Run a command that is killed (see `killed.py`), and say whether it came that far."""
    run = [sys.executable, "-m", "tests.support.killed", str(root), command, *kill]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - ours
    return done.returncode != 0


def check(root: Path, undisturbed: Path) -> None:
    """Check that everything is there, once, and that nothing is left to do."""
    with rehearsing("dev", root) as rehearsal:
        stack = Stack(root, rehearsal)
        assert stack.preview().changes == {}
        assert_healthy(stack)
        assert inventory(root) == inventory(undisturbed)
        backend = root / ".rehearsal" / "dev" / "backend"
        state = [file.read_text() for file in backend.rglob("*") if file.is_file()]
        assert not [secret for secret in stack.queue_credentials() for text in state if secret in text]


def follow_operations(root: Path) -> None:
    """Do what docs/operations.md says under "After a killed `up`", on what the kill has left in state and cloud."""
    with mock.patch("rehearsal.stack.restore"), rehearsing("dev", root) as rehearsal:
        stack = Stack(root, rehearsal)
        stack.pulumi("cancel", "--yes")
        stack.pulumi("refresh", "--clear-pending-creates", "--yes")
        while not is_complete(stack):
            resources, objects = _LEFT.findall(stack.text), _LEFT_ON_CLUSTER.findall(stack.text)
            assert resources or objects, stack.text
            for token, resource_id in set(resources):  # az resource delete --ids …
                stack.cloud.provider(token).delete(Call(token), resource_id, {})
            clusters = in_memory(stack.cloud)
            for api_version, kind, name in set(objects):  # kubectl delete …
                cluster = clusters.hubs()[0]
                if kind == "MultiClusterService":
                    (cluster,) = (each for each in clusters.clusters() if each.id.endswith("/aks-eastus2"))
                namespace = "" if kind in {"Namespace", "ClusterResourcePlacement"} else "aks-store-demo"
                cluster.delete(api_version, kind, name, namespace)
            clusters.pass_time(60)


def is_complete(stack: Stack) -> bool:
    """Update, and say whether that succeeded."""
    try:
        stack.up()
    except CommandError:
        return False
    return True


@pytest.fixture
def copy(deployed: Path, tmp_path: Path) -> Path:
    """A copy of the deployed stack."""
    return Path(shutil.copytree(deployed, tmp_path / "program", symlinks=True))


@pytest.mark.parametrize(
    ("name", "when", "victims"),
    [
        ("east-cluster", "after", ["engine", "stand-in"]),
        ("app-placement", "during", ["engine"]),
        ("east-group", "after", ["stand-in"]),
        ("west-subnet", "before", ["engine"]),
        ("east-join-subnet", "after", ["engine"]),
        ("mesh-east-to-west", "after", ["engine"]),
        ("hub-fleet", "after", ["engine", "stand-in"]),
        ("hub-member-east", "after", ["ctrl-c"]),
        ("hub-member-west", "after", ["stand-in"]),
        ("app-secret-rabbitmq", "after", ["answer"]),
        ("app-entry-point", "during", ["stand-in"]),
    ],
)
def test_the_documented_commands_complete_a_killed_update(
    tmp_path: Path, deployed: Path, name: str, when: str, victims: list[str]
) -> None:
    root = copy_program(tmp_path / "program")
    assert is_killed(root, "up", name, when, *victims)
    follow_operations(root)
    check(root, deployed)


@pytest.mark.parametrize("victims", VICTIMS)
def test_a_rehearsal_begins_again_from_before_a_killed_run(copy: Path, deployed: Path, victims: list[str]) -> None:
    # The entry point moves: the new one is there, and the state does not have it.
    settings = copy / "Pulumi.dev.yaml"
    before = settings.read_text()
    content = yaml.safe_load(before)
    content["config"][f"{PROJECT}:app"] = {"entryRegions": ["west"]}
    settings.write_text(yaml.safe_dump(content))
    assert is_killed(copy, "up", "app-entry-point-store-front-west", "after", *victims)
    assert inventory(copy) != inventory(deployed)
    settings.write_text(before)
    check(copy, deployed)


def test_a_destruction_completes_after_a_kill(copy: Path) -> None:
    assert is_killed(copy, "destroy", "west-group", "after", "engine", "stand-in")
    with rehearsing("dev", copy) as rehearsal:
        stack = Stack(copy, rehearsal)
        stack.destroy()
        assert stack.resources() == []
        assert stack.cloud.is_empty()


def test_interrupt_stops_every_process_and_leaves_a_usable_state(tmp_path: Path, deployed: Path) -> None:
    root = copy_program(tmp_path / "program")
    for package in ("rehearsal", "timing"):
        (root / package).symlink_to(ROOT / package)
    command = [sys.executable, "-m", "rehearsal", "up"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:  # noqa: S603 - ours
        assert run.stdout
        for line in run.stdout:
            if "east-cluster creating" in line:
                os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    assert run.returncode == 130
    with (root / ".rehearsal" / "dev" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the engine would hold it
    with rehearsing("dev", root) as rehearsal:
        done = Stack(root, rehearsal).up()
        assert set(done.changes.values()) == {"create"}
        assert "same" in done.steps.values()  # what was created before the interrupt
    check(root, deployed)
