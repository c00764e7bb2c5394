"""Azure's known failures, as the program comes through them under the real engine."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import CommandError

from rehearsal import faults
from rehearsal.core.protocol import Verb
from rehearsal.faults.catalogue import FAILURES
from rehearsal.faults.injection import Faults
from rehearsal.faults.profile import Fault, Profile, load
from tests.support.health import assert_converged, checked
from tests.support.program import run_stack
from tests.support.stack import Stack

PEERING = "azure-native:network:VirtualNetworkPeering"

WAITS = {
    "west-subnet": "Azure accepts requests again",
    "west-join-subnet": "the new identity is known to Microsoft Entra ID",
    "west-cluster": "Azure accepts requests again",
    "east-cluster": "the other operation on the cluster ends",
    "mesh-east-to-west": "the network is no longer being updated",
    "mesh-west-to-east": "the network is no longer being updated",
    "hub-member-east": "the other operation on the cluster ends",
    "app-namespace": "the role on the cluster takes effect",
    "app-placement": "the cluster's API server answers again",
    "app-entry-point": "the connection is stable",
}


def profile(name: str) -> Faults:
    """Return a ready-made profile."""
    return Faults(load(Path(faults.__file__).parent / "profiles" / f"{name}.yaml"))


def failing_up(stack: Stack) -> str:
    """Update, which must fail; return what the engine printed."""
    with pytest.raises(CommandError) as failed:
        stack.up()
    return str(failed.value)


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
                "nodePool": {"vmSize": "Standard_D4ds_v5", "count": 1},
            }
            for number, location in enumerate(locations[:count])
        ],
        "app": {"entryRegions": ["region0"]},
    }


@pytest.mark.usefixtures("no_pauses")
def test_passing_failures_are_waited_out_and_said(empty: Stack) -> None:
    busy = profile("busy")
    with busy.in_force(empty.cloud):
        done = empty.up()
    assert busy.refused == {("create", name): 1 for name in WAITS}
    for name, reason in WAITS.items():
        assert f"{name}: waiting until {reason}; next try in " in done.text
    assert_converged(empty)


def test_lasting_failure_ends_the_run_at_once_with_cause_and_remedy(empty: Stack) -> None:
    quota = profile("quota")
    with quota.in_force(empty.cloud):
        text = failing_up(empty)
    assert quota.refused == {("create", "west-cluster"): 1}
    assert "west-cluster: too few vCPUs are left in the region: raise the quota" in text
    assert 'Status=400 Code="QuotaExceeded"' in text


def test_nodes_that_do_not_reach_their_api_server_end_the_run_with_cause_and_remedy(empty: Stack) -> None:
    with profile("nodes-shut-out").in_force(empty.cloud):
        text = failing_up(empty)
    assert "west-cluster: the nodes do not reach their API server: add the public address of their NAT gateway" in text
    assert "CreateVMSSAgentPoolFailed" in text


def test_shut_entry_port_is_found_by_verify_alone(empty: Stack) -> None:
    with profile("entry-shut").in_force(empty.cloud):
        empty.up()
        wrong = {name: result for name, result in checked(empty).items() if not result.ok}
    assert [*wrong] == [empty.outputs()["url"].value]
    (result,) = wrong.values()
    assert result.found.startswith("answers 0 of 20 requests")
    assert "the network security group of the nodes' subnet must allow them" in result.remedy
    assert_converged(empty)


def test_cluster_that_failed_halfway_is_kept_and_repaired(empty: Stack) -> None:
    halfway = profile("cluster-fails")
    with halfway.in_force(empty.cloud):
        text = failing_up(empty)
    # Once: the engine would forget a resource whose second creation is refused, however passing the reason.
    assert halfway.refused == {("create", "east-cluster"): 1}
    assert "east-cluster: it was created, but not finished" in text
    kept = next(each for each in empty.resources() if each["urn"].endswith("::east-cluster"))
    assert kept["outputs"]["provisioningState"] == "Failed"
    assert "VirtualNetworkNotInSucceededState" in kept["initErrors"][0]
    assert empty.up().changes["east-cluster"] == "update"
    assert_converged(empty)


# What Azure answers for some resources only, as docs/faults.md has it; everything else can come from anywhere.
WHERE = {
    "AnotherOperationInProgress": "azure-native:network:*",
    "LinkedAuthorizationFailed": "azure-native:containerservice:ManagedCluster",
    "PrincipalNotFound": "azure-native:authorization:RoleAssignment",
    "ReferencedResourceNotProvisioned": "azure-native:network:*",
    "SetVNetOwnershipFailed": "azure-native:containerservice:ManagedCluster",
}


def struck(name: str, times: int) -> Faults:
    """Let every creation, update and deletion fail for a reason at first, where that reason can occur."""
    verbs: tuple[Verb, ...] = ("create", "update", "delete")
    where = WHERE.get(name, "*")
    return Faults(Profile(faults=tuple(Fault(fault=name, verb=verb, type=where, times=times) for verb in verbs)))


@pytest.mark.usefixtures("no_pauses")
def test_updates_and_deletions_are_waited_out_too(stack: Stack) -> None:
    stack.configure(tags={"owner": "platform"}, regions=stack.config["regions"][:1])
    throttled = Faults(
        Profile(
            faults=(
                Fault(fault="LongThrottling", verb="update", times=1),
                Fault(fault="LongThrottling", verb="delete", name="hub-member-west", times=1),
            )
        )
    )
    with throttled.in_force(stack.cloud):
        stack.up()
    assert {("update", "east-cluster"), ("delete", "hub-member-west")} <= throttled.refused.keys()
    assert_converged(stack)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("name", [name for name, failure in FAILURES.items() if failure.handled_by != "nobody"])
def test_every_passing_failure_of_every_operation_is_waited_out(empty: Stack, name: str) -> None:
    failing = struck(name, times=12)  # more than any provider's own tries
    with failing.in_force(empty.cloud):
        empty.up()
        empty.configure(tags={"owner": "platform"}, app={"replicas": 2})
        empty.up()
        assert_converged(empty)
        empty.rehearsal.stack.destroy(run_program=True)  # without the program nobody waits
    assert failing.refused
    assert empty.cloud.is_empty()


@pytest.mark.slow
def test_what_does_not_become_ready_ends_with_a_remedy_and_the_next_run_goes_on(empty: Stack) -> None:
    with profile("no-address").in_force(empty.cloud):
        with profile("placement-stuck").in_force(empty.cloud):
            with profile("member-never-joins").in_force(empty.cloud):
                assert "app-placement: the app does not run on every member" in failing_up(empty)
            assert "app-placement: the app does not run on every member" in failing_up(empty)
        assert "app-entry-point: the entry point has no address" in failing_up(empty)
        assert empty.preview().changes.keys() == {"app-entry-point", "app-endpoints"}
    empty.up()
    assert_converged(empty)


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
    assert_converged(empty)
