"""The network choices of a new stack: Cilium, NAT gateways and ranges for the API servers."""

import pytest

from tests.support.health import assert_healthy
from tests.support.stack import Stack

pytestmark = pytest.mark.slow


def test_stack_with_its_own_way_out_comes_up_stays_and_goes(empty: Stack) -> None:
    ranges = ["203.0.113.0/28"]
    empty.configure(
        clusters={"dataplane": "cilium", "outbound": "natGateway", "securityGroup": True, "apiRanges": ranges}
    )
    planned = empty.preview()
    assert {planned.steps[f"east-{made}"] for made in ("rules", "egress", "egress-address", "cluster")} == {"create"}
    assert empty.up().changes == planned.changes
    assert_healthy(empty)
    assert empty.preview().changes == {}
    empty.refresh()
    assert empty.preview().changes == {}
    empty.destroy()
    assert empty.cloud.is_empty()
