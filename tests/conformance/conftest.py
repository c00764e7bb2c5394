"""Tests on the real Fleet. Those in one folder share a fleet, because a real one takes a minute to start.

One worker has all tests of such a folder. The fleet ends with the last of them: idle clusters would slow down the next
tests.
"""

from pathlib import Path

import pytest
from typing_extensions import override
from xdist.remote import Producer  # pyright: ignore[reportMissingTypeStubs] - annotated, but without py.typed
from xdist.scheduler import LoadFileScheduling  # pyright: ignore[reportMissingTypeStubs] - the same

FOLDER = "tests/conformance"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test below this folder."""
    item.add_marker(pytest.mark.conformance)


class _ByFleet(LoadFileScheduling):
    """Gives tests that share a fleet to one worker."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        folder = str(Path(file).parent)
        return file if folder == FOLDER else folder


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByFleet:
    """Distribute the tests to workers by their fleets."""
    return _ByFleet(config, log)
