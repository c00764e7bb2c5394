"""The tests' own answer to "is it healthy?", on which all the others rest."""

from dataclasses import replace

import pytest

from rehearsal.cloud import Cloud
from rehearsal.tests.objects import in_memory
from tests.support.health import assert_healthy, failed
from tests.support.program import Program, run_stack


def test_deployed_program_is_healthy(dev: Program) -> None:
    assert_healthy(dev)


def test_empty_cloud_is_not_healthy(dev: Program) -> None:
    with pytest.raises(AssertionError):
        assert_healthy(replace(dev, cloud=Cloud()))


def test_program_without_outputs_is_not_healthy(dev: Program) -> None:
    with pytest.raises(AssertionError, match="has no outputs"):
        assert_healthy(replace(dev, outputs={}))


def test_one_pod_down_is_not_healthy() -> None:
    program = run_stack("dev")
    west = in_memory(program.cloud).get(program.outputs["clusterIds"]["west"])
    assert west
    pod = west.objects("Pod")[0]
    west.set_condition(pod, "Ready", "False", "ContainersNotReady", "")
    found = failed(program)["pods on aks-westus2"]
    assert found == f"3 of 4 ready; not {pod['metadata']['name']} (Running)"
    with pytest.raises(AssertionError):
        assert_healthy(program)
