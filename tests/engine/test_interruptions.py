"""Whatever kills a run, the next one completes: no duplicate, no orphan, and nobody edits the state."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pulumi.automation import CommandError

from rehearsal.stack import rehearsing
from tests.support.health import assert_healthy
from tests.support.program import PROJECT, ROOT
from tests.support.stack import Stack, copy_program

# What Azure, the program or the clusters choose at random in a name.
_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{5}\b")

_MOST_KILLS = 100  # more than there are resources
VICTIMS = [["engine"], ["stand-in"], ["engine", "stand-in"]]


def inventory(root: Path) -> list[str]:
    """Return everything that is in the cloud, by its id or name."""
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


def check_update(root: Path, undisturbed: Path) -> None:
    """Update, and check that everything is there, once, and that nothing is left to do."""
    with rehearsing("dev", root) as rehearsal:
        stack = Stack(root, rehearsal)
        assert set(stack.up().changes.values()) <= {"create", "update"}  # nothing is made twice
        assert stack.preview().changes == {}
        assert_healthy(stack)
        assert inventory(root) == inventory(undisturbed)
        backend = root / ".rehearsal" / "dev" / "backend"
        state = [file.read_text() for file in backend.rglob("*") if file.is_file()]
        assert not [secret for secret in stack.queue_credentials() for text in state if secret in text]


def check_destruction(root: Path) -> None:
    """Destroy, and check that nothing is left."""
    with rehearsing("dev", root, destroying=True) as rehearsal:
        stack = Stack(root, rehearsal)
        stack.destroy()
        assert stack.resources() == []
        assert stack.cloud.is_empty()


@pytest.fixture
def copy(deployed: Path, tmp_path: Path) -> Path:
    """A copy of the deployed stack."""
    return Path(shutil.copytree(deployed, tmp_path / "program", symlinks=True))


@pytest.mark.parametrize(
    "kills",
    [
        [("east-cluster", "after", "engine", "stand-in"), ("app-placement", "during", "engine")],
        pytest.param(
            [("east-join-subnet", "after", "engine"), ("hub-member-east", "after", "ctrl-c")], marks=pytest.mark.slow
        ),
        pytest.param(
            [("hub-member-west", "after", "stand-in"), ("app-entry-point", "during", "stand-in")],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_update_completes_after_kills(tmp_path: Path, deployed: Path, kills: list[tuple[str, ...]]) -> None:
    root = copy_program(tmp_path / "program")
    for kill in kills:
        assert is_killed(root, "up", *kill)
    check_update(root, deployed)


def test_update_completes_after_a_creation_that_the_engine_takes_for_failed(tmp_path: Path, deployed: Path) -> None:
    root = copy_program(tmp_path / "program")
    assert is_killed(root, "up", "app-secret-rabbitmq", "after", "answer")
    (root / ".rehearsal" / "dev" / "updating").touch()  # so much for the stand-in, before the engine could end
    check_update(root, deployed)


@pytest.mark.parametrize(
    ("name", "when", "victims"),
    [
        ("hub-group", "after", ["engine"]),
        ("west-group", "after", ["stand-in"]),
        ("east-group", "before", ["engine", "stand-in"]),
    ],
)
def test_destruction_completes_after_a_kill(copy: Path, name: str, when: str, victims: list[str]) -> None:
    assert is_killed(copy, "destroy", name, when, *victims)
    check_destruction(copy)


@pytest.mark.parametrize(
    ("name", "when", "victims"),
    [
        ("hub-member-east", "refused", []),
        pytest.param("any", "after", ["stand-in"], marks=pytest.mark.slow),
        pytest.param("hub-member-east", "before", ["engine", "stand-in"], marks=pytest.mark.slow),
    ],
)
def test_update_completes_after_a_destruction_that_did_not(
    tmp_path: Path, deployed: Path, name: str, when: str, victims: list[str]
) -> None:
    root = copy_program(tmp_path / "program")
    with rehearsing("dev", root) as rehearsal:
        stack = Stack(root, rehearsal)
        stack.up()
        if when == "refused":
            stack.refuse("delete", name, *['Status=409 Code="ScopeLocked"'] * 9)
            with pytest.raises(CommandError):
                stack.destroy()
    if when != "refused":
        assert is_killed(root, "destroy", name, when, *victims)
    check_update(root, deployed)


@pytest.mark.parametrize("when", ["killed", "refused"])
def test_what_a_destruction_has_forgotten_is_found_again(copy: Path, when: str) -> None:
    if when == "killed":
        assert is_killed(copy, "destroy", "any", "before", "engine", "stand-in")
    else:
        with rehearsing("dev", copy) as rehearsal:
            stack = Stack(copy, rehearsal)
            for group in ("east-group", "west-group", "hub-group"):
                stack.refuse("delete", group, *['Status=409 Code="ScopeLocked"'] * 9)
            with pytest.raises(CommandError):
                stack.destroy()
    with rehearsing("dev", copy) as rehearsal:
        stack = Stack(copy, rehearsal)
        known = {resource.get("id", "").lower() for resource in stack.resources()}
        left = json.loads((copy / ".rehearsal" / "dev" / "cloud.json").read_text())["azure"]["resources"]
        assert left
        # The name of a role assignment is a random value of the state, and lost with it.
        assert [each for each in left if "/roleassignments/" not in each.lower() and each.lower() not in known] == []
        stack.destroy()
        assert stack.cloud.is_empty()


def test_a_destruction_goes_on_with_what_is_left_of_it(copy: Path) -> None:
    assert is_killed(copy, "destroy", "any", "before", "engine", "stand-in")
    with rehearsing("dev", copy, destroying=True) as rehearsal:
        stack = Stack(copy, rehearsal)
        rehearsal.destroy()
        assert stack.cloud.is_empty()
    assert not (copy / ".rehearsal" / "dev" / "updating").exists()


def test_replacement_completes_after_a_kill(copy: Path) -> None:
    # Both entry points have one name and one id; the old one is gone, the new one is not in the state yet.
    settings = copy / "Pulumi.dev.yaml"
    content = yaml.safe_load(settings.read_text())
    content["config"][f"{PROJECT}:app"] = {"entryRegion": "west"}
    settings.write_text(yaml.safe_dump(content))
    assert is_killed(copy, "up", "app-entry-point", "after", "engine")
    with rehearsing("dev", copy) as rehearsal:
        stack = Stack(copy, rehearsal)
        stack.up()
        assert stack.preview().changes == {}
        assert_healthy(stack)
        assert len(stack.resources()) == len({resource["urn"] for resource in stack.resources()})


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
    check_update(root, deployed)


@pytest.mark.slow
@pytest.mark.parametrize("victims", VICTIMS)
def test_update_completes_although_killed_after_every_creation(
    tmp_path: Path, deployed: Path, victims: list[str]
) -> None:
    root = copy_program(tmp_path / "program")
    for _ in range(_MOST_KILLS):
        if not is_killed(root, "up", "any", "after", *victims):
            break
    check_update(root, deployed)


@pytest.mark.slow
@pytest.mark.parametrize("victims", VICTIMS)
def test_destruction_completes_although_killed_after_every_deletion(copy: Path, victims: list[str]) -> None:
    for _ in range(_MOST_KILLS):
        if not is_killed(copy, "destroy", "any", "after", *victims):
            break
    check_destruction(copy)
