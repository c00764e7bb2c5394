"""The table of durations has everything that the program and its apps are made of."""

import pytest

from components.app_manifests.kinds import KINDS
from rehearsal.timing.durations import load
from tests.support.program import run_stack


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_every_type_of_the_program_has_durations(stack: str) -> None:
    resources = run_stack(stack).resources.values()
    load().require(each.type for each in resources if each.options.custom and not each.type.startswith("pulumi:"))


def test_every_kind_that_an_app_may_bring_has_durations() -> None:
    groups = {version if "/" in version else f"core/{version}": kinds for version, kinds in KINDS.items()}
    load().require(f"kubernetes:{group}:{kind}" for group, kinds in groups.items() for kind in kinds)
    load().require(["kubernetes:placement.kubernetes-fleet.io/v1:ResourceOverride"])  # beside an autoscaler
    load().require(["kubernetes:placement.kubernetes-fleet.io/v1beta1:ResourceEnvelope"])  # of a Role, for example
