"""The choice of the `pulumi` command, with fake commands and no network."""

import io
import os
import sys
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import pytest

from rehearsal.core.errors import EngineError
from rehearsal.engine import install
from rehearsal.engine.install import OLDEST, find_engine
from rehearsal.tests.machine import Machine, command

SDK = metadata.version("pulumi")
NEWER = str(OLDEST.bump_minor())
TOO_OLD = "3.99.0"

# What `go build -o file` makes here: a command that tells its version.
BUILD = f'printf "#!/bin/sh\\necho v{NEWER}\\n" > $3; chmod +x $3'

# As much of `python -c ... folder` as brings the SDK's installer's result.
INSTALLER = f"PATH=/usr/bin:/bin; mkdir -p $3/bin; set -- build -o $3/bin/pulumi; {BUILD}"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    return Machine(tmp_path, monkeypatch)


def pulumi(folder: Path, version: str) -> Path:
    """Put a `pulumi` of some version into a folder."""
    return command(folder / "pulumi", f"echo v{version}")


def reachable(*_: object, **__: object) -> io.BytesIO:
    """Answer for a network that works."""
    return io.BytesIO()


def cached(machine: Machine) -> Path:
    """Put what the installer would have brought into the cache."""
    return pulumi(machine.cache / "pulumi" / SDK / "bin", SDK)


def test_the_command_on_path_is_taken_first(machine: Machine) -> None:
    cached(machine)
    on_path = pulumi(machine.path, str(OLDEST))
    assert find_engine() == on_path


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (f"echo v{TOO_OLD}", f"is {TOO_OLD}, which is older than {OLDEST}"),
        ("echo v4.0.0", "is 4.0.0, which is not 3.x"),
        ("echo hello", "reports no version, but `hello`"),
        ("echo panic: no luck >&2; exit 2", "failed: panic: no luck"),
        ("kill -SEGV $$", "failed: exit status -11"),
    ],
)
def test_an_unfit_command_on_path_is_named_and_passed_over(
    machine: Machine, capsys: pytest.CaptureFixture[str], script: str, reason: str
) -> None:
    unfit = command(machine.path / "pulumi", script)
    usable = cached(machine)
    assert find_engine() == usable
    assert capsys.readouterr().err == f"{unfit} {reason}; using {usable}\n"


def test_a_command_on_path_that_hangs_is_ended_with_its_children(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "PROBE_SECONDS", 2)
    unfit = command(machine.path / "pulumi", f"PATH=/usr/bin:/bin; echo $$ > {tmp_path}/group; sleep 1000; exit")
    usable = cached(machine)
    assert find_engine() == usable
    assert f"{unfit} did not end within 2 s" in capsys.readouterr().err
    group = (tmp_path / "group").read_text().strip()
    # The kernel ends the leader's children a moment after the leader.
    deadline = time.monotonic() + 10
    while (left := _running(group)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def _running(group: str) -> list[str]:
    """Return the states of the processes of a group that have not ended."""
    states: list[list[str]] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            states.append(stat.read_text().rpartition(")")[2].split())
    return [state for state, _, its_group, *_ in states if its_group == group and state != "Z"]


def test_options_for_the_real_engine_are_not_the_probes(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_OPTION_PARALLEL", "1")
    on_path = command(machine.path / "pulumi", f'[ -z "$PULUMI_OPTION_PARALLEL" ] && echo v{NEWER}')
    assert find_engine() == on_path


def test_the_official_installer_is_preferred_to_a_build(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.go(build=BUILD)
    monkeypatch.setattr("urllib.request.urlopen", reachable)
    monkeypatch.setattr(sys, "executable", str(command(tmp_path / "installing-python", INSTALLER)))
    installed = find_engine()
    assert installed.is_relative_to(machine.cache / "pulumi")
    monkeypatch.delattr("urllib.request.urlopen")  # the second time, nobody is asked
    assert find_engine() == installed
    assert not machine.builds()


def test_the_build_fills_the_cache_once(machine: Machine) -> None:
    machine.go(build=BUILD)
    built = find_engine()
    assert built.is_relative_to(machine.cache / "pulumi")
    assert find_engine() == built
    assert len(machine.builds()) == 1


def test_the_version_that_is_built_is_linked_in(machine: Machine) -> None:
    machine.go(build=BUILD)
    version, _ = find_engine().parents[1].name.split("-")
    assert f"version.Version=v{version} " in machine.builds()[0]


def test_two_at_a_time_build_once(machine: Machine) -> None:
    machine.go(build=f"sleep 0.2; {BUILD}")
    with ThreadPoolExecutor() as pool:
        first, second = pool.submit(find_engine), pool.submit(find_engine)
    assert first.result() == second.result()
    assert len(machine.builds()) == 1


def test_a_failed_build_leaves_no_trace(machine: Machine) -> None:
    machine.go(build="echo > $3; exit 1")
    with pytest.raises(EngineError):
        find_engine()
    assert not [
        path for path in machine.cache.rglob("*") if not path.name.endswith(".lock") and path.parent != machine.cache
    ]


def test_an_interrupted_build_leaves_no_trace_and_no_process(machine: Machine, tmp_path: Path) -> None:
    machine.go(build=f"echo > $3; echo $$ > {tmp_path}/pid; kill -INT $PPID; exec sleep 60")
    with pytest.raises(KeyboardInterrupt):
        find_engine()
    assert not list(machine.cache.rglob("pulumi/*/bin"))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_what_a_killed_build_has_left_is_removed(machine: Machine) -> None:
    machine.go(build=BUILD)
    built = find_engine()
    remnant = built.parents[1].with_name(f".{built.parents[1].name}.new")
    built.parents[1].rename(remnant)
    assert find_engine() == built
    assert not remnant.exists()


def test_when_nothing_works_the_message_says_what_to_install_and_what_was_tried(machine: Machine) -> None:
    pulumi(machine.path, TOO_OLD)
    machine.go(build="echo no such module; exit 1")
    with pytest.raises(EngineError) as error:
        find_engine()
    message = str(error.value)
    assert "install the Pulumi CLI (https://www.pulumi.com/docs/install/)." in message
    assert f"{machine.path / 'pulumi'} is {TOO_OLD}" in message
    assert "does not answer (<urlopen error no network>)" in message
    assert "`go build` for pulumi failed: no such module" in message


def test_an_installer_that_fails_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", reachable)
    with pytest.raises(EngineError, match=r"install\.sh failed: no installer"):
        find_engine()


def test_without_go_the_message_says_where_to_get_it() -> None:
    with pytest.raises(EngineError, match=r"is built with Go >= 1\.21 \(https://go\.dev/dl/\); no `go` is on PATH"):
        find_engine()
