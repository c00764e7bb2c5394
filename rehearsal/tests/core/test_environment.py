"""What the rehearsal's processes find in their environment."""

import os
from collections.abc import Iterator
from unittest import mock

import pytest

from rehearsal.core.environment import LOOPBACK, reach_loopback

CORP = ".corp.example"
OF_ALL = ("no_proxy", "NO_PROXY")
OF_GRPC = "no_grpc_proxy"


@pytest.fixture(autouse=True)
def _no_exemptions() -> Iterator[None]:
    with mock.patch.dict(os.environ):
        for name in (*OF_ALL, OF_GRPC):
            os.environ.pop(name, None)
        yield


@pytest.mark.parametrize("before", [{}, {"no_proxy": CORP}, {"NO_PROXY": CORP}, {"no_proxy": "", "NO_PROXY": CORP}])
def test_loopback_and_what_was_exempt_before_are_reached_past_proxies(before: dict[str, str]) -> None:
    os.environ.update(before)
    reach_loopback()
    expected = {*LOOPBACK, *([CORP] if before else [])}
    assert [{*os.environ[name].split(",")} for name in OF_ALL] == [expected, expected]
    assert OF_GRPC not in os.environ


def test_an_exemption_of_grpc_alone_has_loopback_too() -> None:
    os.environ[OF_GRPC] = CORP
    reach_loopback()
    assert {*os.environ[OF_GRPC].split(",")} == {CORP, *LOOPBACK}
