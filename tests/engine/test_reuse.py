"""The components in other programs: as a package, and behind the engine as a component provider."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.stack import rehearsing
from tests.support.health import assert_healthy, checked
from tests.support.program import ROOT
from tests.support.stack import Stack, copied

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "examples" / "own-app"


@pytest.fixture(scope="module")
def deployed_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the example, deployed."""
    return _deployed(EXAMPLE, tmp_path_factory.mktemp("own-app") / "program")


@pytest.fixture(scope="module")
def deployed_hosted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same stack on the components as a provider, deployed."""
    root = tmp_path_factory.mktemp("hosted") / "program"
    # The engine starts the provider as a language host would. A rehearsal's engine takes plugins from its own home
    # alone, and none from PATH.
    plugins = root / ".rehearsal" / "dev" / "home" / "plugins" / "resource-fleet-l4-lb-v0.1.0"
    plugins.mkdir(parents=True)
    plugin = plugins / "pulumi-resource-fleet-l4-lb"
    plugin.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "provider"} "$@"\n')
    plugin.chmod(0o755)
    return _deployed(Path(__file__).parent / "hosted", root)


def _deployed(source: Path, root: Path) -> Path:
    for folder in (EXAMPLE, source):
        shutil.copytree(folder, root, ignore=shutil.ignore_patterns(".*", "__pycache__"), dirs_exist_ok=True)
    with rehearsing("dev", root) as rehearsal:
        Stack(root, rehearsal).up()
    return root


@pytest.fixture
def own_app(deployed_example: Path, tmp_path: Path) -> Iterator[Stack]:
    """The example, on the components as a package; each test has its own copy."""
    with copied(deployed_example, tmp_path / "own-app") as stack:
        yield stack


@pytest.fixture
def hosted(deployed_hosted: Path, tmp_path: Path) -> Iterator[Stack]:
    """The same stack on the components as a provider; each test has its own copy."""
    with copied(deployed_hosted, tmp_path / "hosted") as stack:
        yield stack


def check_life(stack: Stack) -> None:
    """Check that nothing is left to do on a stack, and that nothing is left of it once it is destroyed."""
    assert stack.up().changes == {}
    stack.destroy()
    assert stack.cloud.is_empty()
    assert stack.resources() == []


def test_example_serves_its_own_app_at_its_own_port(own_app: Stack) -> None:
    assert_healthy(own_app)
    found = checked(own_app)
    url = own_app.outputs()["url"].value
    assert url.startswith("http://")
    assert url.endswith(":8443")
    assert found[url].found == "answers 20 of 20 requests"
    for region in ("northeurope", "swedencentral"):
        assert found[f"endpoints of podinfo-{region}"].found == "2 behind the entry point"


def test_example_has_nothing_of_the_demo(own_app: Stack) -> None:
    names = {resource["urn"].rsplit("::", 1)[1] for resource in own_app.resources()}
    assert {name for name in names if name.startswith("app-")} == {
        *("app-namespace", "app-deployment-podinfo", "app-service-podinfo", "app-serviceexport-podinfo"),
        *("app-placement", "app-entry-point", "app-endpoints"),
    }


def test_hosted_components_make_what_the_package_makes(own_app: Stack, hosted: Stack) -> None:
    assert_healthy(hosted)
    assert hosted.outputs()["url"].value.endswith(":8443")
    assert hosted.outputs()["hubKubeconfig"].secret
    assert registered(hosted) == registered(own_app)


def test_hosted_components_stay_as_they_are_and_go_without_a_trace(hosted: Stack) -> None:
    check_life(hosted)


def test_example_stays_as_it_is_and_goes_without_a_trace(own_app: Stack) -> None:
    check_life(own_app)


def registered(stack: Stack) -> dict[str, Any]:
    """Return each resource's type, parent, provider, what it is deleted with, and the names of its inputs."""
    return {
        _name(each["urn"]): (
            each["type"],
            _name(each.get("parent", "")),
            _name(each.get("provider", "").rpartition("::")[0]),
            _name(each.get("deletedWith", "")),
            sorted(each.get("inputs", {})),
        )
        for each in stack.resources()
        if each["type"] not in {"pulumi:providers:fleet-l4-lb", "pulumi:providers:pulumi"}  # the host, and what it asks
    }


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]
