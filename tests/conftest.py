"""The whole program, run once for each stack and shared by the tests that only look; and when garbage is collected."""

import gc

import pytest

from tests.support.program import Program, run_stack

_OBJECTS = 500_000  # about six runs of the program, which make many that refer to each other


def pytest_collection_finish() -> None:
    """Collect garbage rarely, and none of what is imported: half of a run of the program would be spent on that."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS)


@pytest.fixture(scope="session")
def dev() -> Program:
    """The article's two regions."""
    return run_stack("dev")


@pytest.fixture(scope="session")
def prod() -> Program:
    """Three regions, zones, autoscaling, Microsoft Entra ID only."""
    return run_stack("prod")
