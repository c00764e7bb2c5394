"""Azure's known failures, as the program comes through them under the real engine."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import CommandError

from rehearsal import faults
from rehearsal.faults import Fault, Faults, Profile, load
from tests.engine.stack import Stack
from tests.program import run_stack

PEERING = "azure-native:network:VirtualNetworkPeering"

WAITS = {
    "west-subnet": "Azure takes requests again",
    "west-join-subnet": "the new identity is known to Microsoft Entra ID",
    "west-cluster": "Azure takes requests again",
    "east-cluster": "the role on the subnet takes effect",
    "mesh-east-to-west": "the network is no longer being updated",
    "mesh-west-to-east": "the network is no longer being updated",
    "hub-member-east": "the other operation on the cluster ends",
    "app-namespace": "the role on the cluster takes effect",
    "app-placement": "the cluster's API server answers again",
    "app-entry-point": "the connection holds",
}


def profile(name: str) -> Faults:
    """Return a ready-made profile."""
    return Faults(load(Path(faults.__file__).parent / "profiles" / f"{name}.yaml"))


def failing_up(stack: Stack) -> str:
    """Update, which must fail; return what the engine printed."""
    with pytest.raises(CommandError) as failed:
        stack.up()
    return str(failed.value)


def assert_well(stack: Stack) -> None:
    """Expect that nothing is wrong in the cloud, and nothing left to do."""
    assert len(stack.cloud.summary()) > 1
    assert [line for line in stack.cloud.summary() if not line[1]] == []
    assert stack.preview().changes == {}


def mesh(count: int) -> Mapping[str, Any]:
    """Return the configuration of so many regions."""
    locations = ("eastus2", "westus2", "northcentralus", "centralus", "westeurope", "northeurope")
    return {
        "regions": [
            {
                "name": f"region{number}",
                "location": location,
                "addressSpace": f"10.{number + 1}.0.0/16",
                "nodeSubnet": f"10.{number + 1}.0.0/24",
                "nodePool": {"vmSize": "Standard_DS2_v2", "count": 1},
            }
            for number, location in enumerate(locations[:count])
        ],
        "app": {"entryRegion": "region0"},
    }


def test_passing_failures_are_waited_out_and_said(empty: Stack) -> None:
    busy = profile("busy")
    with busy.in_force(empty.cloud):
        done = empty.up()
    assert busy.refused == {("create", name): 1 for name in WAITS}
    for name, reason in WAITS.items():
        assert f"{name}: waiting until {reason}; next try in 5 s" in done.text
    assert_well(empty)


def test_lasting_failure_ends_the_run_at_once_with_cause_and_remedy(empty: Stack) -> None:
    quota = profile("quota")
    with quota.in_force(empty.cloud):
        text = failing_up(empty)
    assert quota.refused == {("create", "west-cluster"): 1}
    assert "west-cluster: too few vCPUs are left in the region: raise the quota" in text
    assert 'Status=400 Code="QuotaExceeded"' in text
    empty.up()
    assert_well(empty)


def test_cluster_that_failed_halfway_is_kept_and_mended(empty: Stack) -> None:
    halfway = profile("cluster-fails")
    with halfway.in_force(empty.cloud):
        text = failing_up(empty)
    # Once: the engine would forget a resource whose second creation is refused, however passing the reason.
    assert halfway.refused == {("create", "east-cluster"): 1}
    assert "east-cluster: it was created, but not finished" in text
    kept = next(each for each in empty.resources() if each["urn"].endswith("::east-cluster"))
    assert kept["outputs"]["provisioningState"] == "Failed"
    assert "LinkedAuthorizationFailed" in kept["initErrors"][0]
    assert empty.up().changes["east-cluster"] == "update"
    assert_well(empty)


@pytest.mark.slow
def test_what_does_not_become_ready_ends_with_a_remedy_and_the_next_run_goes_on(empty: Stack) -> None:
    with profile("no-address").in_force(empty.cloud):
        with profile("placement-stuck").in_force(empty.cloud):
            with profile("member-never-joins").in_force(empty.cloud):
                assert "app-placement: a member has not joined, so the app is not placed on it" in failing_up(empty)
            assert "app-placement: the app does not become available on every cluster" in failing_up(empty)
        assert "app-entry-point: Azure gives the entry point no address" in failing_up(empty)
    empty.up()
    assert_well(empty)


def test_each_network_is_asked_for_one_peering_at_a_time() -> None:
    # Hence n regions never have more than n / 2 requests to repeat, although they have n (n - 1) peerings.
    count = 5
    program = run_stack("dev", **mesh(count))
    ahead = {name: program.waits_for(name) for name in program.of_type(PEERING)}
    assert len(ahead) == count * (count - 1)
    ends = {name: set(name.removeprefix("mesh-").split("-to-")) for name in ahead}
    for one, other in combinations(ahead, 2):
        assert not ends[one] & ends[other] or one in ahead[other] or other in ahead[one], (one, other)


@pytest.mark.slow
def test_busy_networks_are_asked_again_by_few_peerings_however_many_there_are(empty: Stack) -> None:
    count = 6
    empty.configure(**mesh(count))
    # Shorter than the first pause: who is refused is who may ask at the same time.
    busy = Faults(Profile(faults=(Fault(fault="ReferencedResourceNotProvisioned", type=PEERING, lasts=4),)))
    with busy.in_force(empty.cloud):
        empty.up()
    assert 1 <= busy.refused.total() <= count // 2
    assert_well(empty)
