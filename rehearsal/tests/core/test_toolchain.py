"""What is built from Go modules, with a fake `go` and no network."""

import io
import shutil
import tarfile
import urllib.error
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from rehearsal.core import toolchain
from rehearsal.core.errors import ToolchainError
from rehearsal.core.toolchain import Module
from rehearsal.real.provider import COMMAND, Provider, find_provider, install
from rehearsal.real.tools import Tools, find_tools
from rehearsal.tests.machine import Machine, command

# What `go build -o target` makes here, in the folder of a module: an empty file for each of its tools.
BUILD = """
case $3 in */) ;; *) exec touch $3 ;; esac
sed -n "s#^[[:blank:]].*/cmd/#$3#p" go.mod | xargs touch
"""

# What `go list -m -f ...` and `go mod download` do here, for the module in whose folder they run.
LISTING = "echo {root}/sources/${{PWD##*/}}"
DOWNLOAD = "PATH=/usr/bin:/bin; mkdir -p {root}/sources; cp -r {root}/proxy/${{PWD##*/}} {root}/sources"

MODULE = Module("module", source="example.org/source", takes="a second", link="-X version=v{version}")
GO_MOD = """
module product/tools/module

go 1.24.0

tool example.org/source/tool

require example.org/source v1.2.3 // indirect
"""


SDK = metadata.version("pulumi-kubernetes")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi-home"))
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def go_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folder of MODULE."""
    folder = tmp_path / "modules" / MODULE.name
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text(GO_MOD)
    (folder / "go.sum").touch()
    monkeypatch.setattr(toolchain, "_MODULES", folder.parent)
    return folder


@pytest.fixture
def upstream(machine: Machine, tmp_path: Path) -> Machine:
    """Give the machine a `go` that gets the sources of Fleet's modules, each with some definitions."""
    for source, files in {
        "fleet": ["placement.kubernetes-fleet.io_appliedworks.yaml", "placement.kubernetes-fleet.io_works.yaml"],
        "fleet-networking": [
            "networking.fleet.azure.com_multiclusterservices.yaml",
            "networking.fleet.azure.com_endpointsliceexports.yaml",
        ],
    }.items():
        folder = tmp_path / "proxy" / source / "config" / "crd" / "bases"
        folder.mkdir(parents=True)
        for file in files:
            (folder / file).touch()
    machine.go(build=BUILD, listing=LISTING.format(root=tmp_path), download=DOWNLOAD.format(root=tmp_path))
    return machine


def commands(tools: Tools) -> list[Path]:
    """Return the paths of all commands."""
    return [path for path in (*vars(tools).values(), tools.provider.command) if isinstance(path, Path)]


@pytest.mark.usefixtures("go_module")
def test_what_has_not_changed_is_not_built_again(machine: Machine) -> None:
    machine.go(build=BUILD)
    built = MODULE.commands()
    assert MODULE.commands() == built
    assert len(machine.builds()) == 1


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_what_has_changed_is_built_again_beside_the_old(machine: Machine, go_module: Path, file: str) -> None:
    machine.go(build=BUILD)
    before = MODULE.commands()
    with (go_module / file).open("a") as content:
        content.write("// another dependency\n")
    after = MODULE.commands()
    assert after != before
    assert (before / "module").exists()
    assert (after / "module").exists()


@pytest.mark.usefixtures("go_module")
def test_other_flags_for_the_linker_are_another_build(machine: Machine) -> None:
    machine.go(build=BUILD)
    assert MODULE.commands() != replace(MODULE, link="").commands()
    assert "-X version=v1.2.3" in machine.builds()[0]
    assert "-X" not in machine.builds()[1]


def test_a_changed_source_of_ours_is_another_build(machine: Machine, go_module: Path) -> None:
    machine.go(build=BUILD)
    (go_module / "main.go").write_text("package main\n")
    before = MODULE.commands()
    (go_module / "main.go").write_text("package main // changed\n")
    assert MODULE.commands() != before


def test_the_tools_are_built_once(upstream: Machine) -> None:
    tools = find_tools()
    assert all(path.is_file() for path in commands(tools))
    assert find_tools() == tools
    assert len(upstream.builds()) == len({path.parent for path in commands(tools)})


def test_the_version_of_the_api_server_is_linked_in(upstream: Machine) -> None:
    version, _ = find_tools().kube_apiserver.parents[1].name.split("-")
    assert any(f"version.gitVersion=v{version} " in build for build in upstream.builds())


@pytest.mark.usefixtures("upstream")
def test_each_kind_of_cluster_gets_the_definitions_that_upstream_gives_it() -> None:
    def plurals(paths: tuple[Path, ...]) -> set[str]:
        return {path.stem.partition("_")[2] for path in paths}

    tools = find_tools()
    assert plurals(tools.hub_crds) == {"works", "multiclusterservices", "endpointsliceexports"}
    assert plurals(tools.member_crds) == {"appliedworks", "multiclusterservices"}


def test_definitions_stay_when_the_sources_are_cleaned_away(upstream: Machine, tmp_path: Path) -> None:
    tools = find_tools()
    shutil.rmtree(tmp_path / "sources")
    upstream.go(build="exit 1")
    assert find_tools() == tools
    assert all(path.is_file() for path in tools.hub_crds + tools.member_crds)


def test_after_a_failed_build_what_was_finished_is_kept(upstream: Machine, tmp_path: Path) -> None:
    good = LISTING.format(root=tmp_path), DOWNLOAD.format(root=tmp_path)
    upstream.go(build=f"case $PWD in */fleet) echo no such package; exit 1 ;; esac; {BUILD}")
    with pytest.raises(ToolchainError, match="`go build` for fleet failed: no such package"):
        find_tools()
    before = len(upstream.builds())
    upstream.go(build=BUILD, listing=good[0], download=good[1])
    find_tools()
    assert [build.split()[2].split("/")[-4] for build in upstream.builds()[before:]] == [
        "fleet",
        "fleet-networking",
        COMMAND,
    ]


def test_pulumis_own_provider_is_used_where_it_is_installed(machine: Machine, tmp_path: Path) -> None:
    installed = tmp_path / "pulumi-home" / "plugins" / f"resource-kubernetes-v{SDK}"
    installed.mkdir(parents=True)
    own = command(installed / COMMAND, "exit")
    found = find_provider()
    assert (found.command, found.version) == (own, SDK)
    assert machine.builds() == []


def test_pulumis_own_provider_is_downloaded_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(url: str, **_: object) -> io.BytesIO:
        asked.append(url)
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            archive.addfile(tarfile.TarInfo(COMMAND))
        return io.BytesIO(content.getvalue())

    monkeypatch.setattr("urllib.request.urlopen", answer)
    found = find_provider()
    assert found.version == SDK
    assert found.command.is_file()
    assert find_provider() == found
    assert len(asked) == 1
    assert f"/{COMMAND}-v{SDK}-" in asked[0]
    assert machine.builds() == []


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b"])
def test_an_older_provider_is_built_where_the_official_place_gives_none(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    machine.go(build=BUILD)

    def answer(*_: object, **__: object) -> io.BytesIO:
        return io.BytesIO(content)

    monkeypatch.setattr("urllib.request.urlopen", answer)
    found = find_provider()
    assert found.version != SDK
    assert found.command.is_file()


def test_a_provider_that_was_built_is_used_without_asking_anybody(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.go(build=BUILD)
    found = find_provider()
    monkeypatch.delattr("urllib.request.urlopen")
    assert find_provider() == found
    assert len(machine.builds()) == 1


def test_the_engine_finds_one_provider_whatever_an_earlier_run_has_left(tmp_path: Path) -> None:
    for expected in ("4.33.0", "4.34.2", "4.34.2"):
        install(Provider(command(tmp_path / "built", "exit"), "4.25.0", expected), tmp_path / "home")
        # As the engine does when it starts one.
        (tmp_path / "home" / "plugins" / f"resource-kubernetes-v{expected}.lastused").touch()
    (found,) = (tmp_path / "home" / "plugins").glob("*/*")
    assert found.parent.name == "resource-kubernetes-v4.34.2"
    assert found.resolve() == tmp_path / "built"
