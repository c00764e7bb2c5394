"""What the program has deployed is verified by nothing but its outputs."""

from tests.support.health import assert_healthy, failed
from tests.support.stack import Stack


def test_deployment_is_well_until_a_region_is_lost(stack: Stack) -> None:
    assert_healthy(stack)
    stack.lose_region("west")
    stack.cloud.pass_time(600)
    found = failed(stack)
    answered = found.pop(stack.outputs()["url"].value)
    silence = "west does not answer: RemoteDisconnected"
    assert found.pop("member aks-westus2").startswith("joined, but an agent is silent for 1")
    assert found == {
        "pods on aks-westus2": silence,
        "export on aks-westus2": silence,
        "endpoints of aks-westus2": silence,
    }
    assert answered.endswith(" × 504 Gateway Timeout")  # noqa: RUF001
