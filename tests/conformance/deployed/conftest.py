"""A fleet with the program's stack on it. Each test leaves it as it found it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.real.clusters import RealClusters
from rehearsal.stack import rehearsing
from tests.conformance.fleet import Fleet
from tests.support.health import assert_healthy
from tests.support.program import ROOT
from tests.support.stack import Stack, copy_program


@pytest.fixture(scope="package")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The dev stack, deployed on the real Fleet. Tests take `stack`, which puts it back."""
    root = copy_program(tmp_path_factory.mktemp("conformance") / "program")
    with rehearsing("dev", root, real_fleet=True) as rehearsal:
        stack = Stack(root, rehearsal)
        stack.up()
        yield stack


@pytest.fixture
def stack(deployed: Stack) -> Iterator[Stack]:
    """The dev stack, deployed on the real Fleet; what a test configures is undone by an `up` after it."""
    copy = Path(deployed.rehearsal.environment["PULUMI_OPTION_CONFIG_FILE"])
    files = {file: file.read_text() for file in (deployed.root / "Pulumi.dev.yaml", copy)}
    yield deployed
    if any(file.read_text() != text for file, text in files.items()):
        for file, text in files.items():
            file.write_text(text)
        deployed.move_back()


@pytest.fixture
def manifests(stack: Stack) -> Iterator[Path]:
    """The program's manifests, to be changed; they are put back after the test."""
    folder = stack.root / "manifests"
    folder.unlink()
    shutil.copytree(ROOT / "manifests", folder)
    yield folder
    shutil.rmtree(folder)
    folder.symlink_to(ROOT / "manifests")
    stack.up()
    # Fleet rolls it out one member after the other: the next test finds it well.
    assert_healthy(stack, timeout=300)


@pytest.fixture
def fleet(stack: Stack) -> Fleet:
    """The fleet of the deployed stack."""
    clusters, outputs = stack.cloud.clusters, stack.outputs()
    assert isinstance(clusters, RealClusters)
    return Fleet(clusters, {"hub": outputs["fleetId"].value, **outputs["clusterIds"].value})
