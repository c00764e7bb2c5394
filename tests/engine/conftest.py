"""The deployed stack that the engine tests start from."""

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pulumi
import pytest

from components import retries
from rehearsal.stack import rehearsing
from tests.support.health import failed
from tests.support.stack import FirstUpdate, Stack, copied, copy_program


@pytest.fixture(scope="session", autouse=True)
def sdk_debug() -> Iterator[Callable[..., None]]:
    """Keep back what the SDK says for debugging: 600 calls to the engine in each run of the program, which shows none.

    Yields:
        what says it.
    """
    debug = pulumi.log.debug
    with mock.patch.object(pulumi.log, "debug", _say_nothing):
        yield debug


def _say_nothing(*_: object, **__: object) -> None:
    pass


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of whether the program tries again, not of how long it waits: it runs in this process."""
    monkeypatch.setattr(retries, "_LONGEST_PAUSE", 0.01)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stack]:
    """The dev stack before its first deployment."""
    root = copy_program(tmp_path / "program")
    with rehearsing("dev", root) as rehearsal:
        yield Stack(root, rehearsal)


@pytest.fixture(scope="session")
def first_update(tmp_path_factory: pytest.TempPathFactory) -> FirstUpdate:
    """The dev stack's first preview and update, and what they led to."""
    root = copy_program(tmp_path_factory.mktemp("deployed") / "program")
    with rehearsing("dev", root) as rehearsal:
        stack = Stack(root, rehearsal)
        planned, done = stack.preview(), stack.up()
        first = FirstUpdate(root, planned, done, stack.outputs(), failed(stack))
        stack.cloud.pass_time(600)  # a stack that people change has been up for a while
    return first


@pytest.fixture(scope="session")
def deployed(first_update: FirstUpdate) -> Path:
    """The folder of a program whose dev stack is deployed; to be copied, not changed."""
    return first_update.root


@pytest.fixture
def stack(deployed: Path, tmp_path: Path) -> Iterator[Stack]:
    """The dev stack, deployed; each test has its own copy."""
    with copied(deployed, tmp_path / "program") as stack:
        yield stack
