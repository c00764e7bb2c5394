"""The deployed stack that the engine tests start from."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.stack import rehearsing
from tests.engine.stack import Stack, copy_program


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stack]:
    """The dev stack before its first deployment."""
    root = copy_program(tmp_path / "program")
    with rehearsing("dev", root) as rehearsal:
        yield Stack(root, rehearsal)


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a program whose dev stack is deployed; to be copied, not changed."""
    root = copy_program(tmp_path_factory.mktemp("deployed") / "program")
    with rehearsing("dev", root) as rehearsal:
        rehearsal.stack.up()
        rehearsal.cloud.pass_time(600)  # a stack that people change has been up for a while
    return root


@pytest.fixture
def stack(deployed: Path, tmp_path: Path) -> Iterator[Stack]:
    """The dev stack, deployed; each test has its own copy."""
    root = tmp_path / "program"
    shutil.copytree(deployed, root, symlinks=True)
    with rehearsing("dev", root) as rehearsal:
        yield Stack(root, rehearsal)
