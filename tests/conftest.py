"""The whole program, run once for each stack and shared by the tests that only look."""

import pytest

from tests.support.program import Program, run_stack


@pytest.fixture(scope="session")
def dev() -> Program:
    """The article's two regions."""
    return run_stack("dev")


@pytest.fixture(scope="session")
def prod() -> Program:
    """Three regions, zones, autoscaling, Microsoft Entra ID only."""
    return run_stack("prod")
