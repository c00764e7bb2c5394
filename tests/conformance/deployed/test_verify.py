"""`verify` on the real Fleet: the Kubernetes client meets API servers, and the URL real pods."""

from tests.conformance.fleet import Fleet
from tests.support.health import assert_healthy, failed
from tests.support.stack import Stack


def test_deployment_is_well_until_a_region_is_lost(stack: Stack, fleet: Fleet) -> None:
    assert_healthy(stack, timeout=300)  # an earlier test's update may still be rolled out
    fleet.clusters.set_reachable(fleet.ids["west"], reachable=False)
    try:
        found = failed(stack)
    finally:
        fleet.clusters.set_reachable(fleet.ids["west"], reachable=True)
    answered = found.pop(stack.outputs()["url"].value)
    silence = "west does not answer: Connection refused"
    # Fleet itself has noticed nothing yet: the member is joined, the placement available, the entry point valid.
    assert found == {
        "pods on aks-westus2": silence,
        "export on aks-westus2": silence,
        "endpoints of aks-westus2": silence,
    }
    assert answered.startswith("answers 10 of 20 requests: ")
    assert_healthy(stack, timeout=300)
