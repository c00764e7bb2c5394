"""A subscription for each test."""

import pytest

from rehearsal.tests.azure.subscription import Subscription


@pytest.fixture
def sub() -> Subscription:
    return Subscription()
