"""Which refusals the program waits out, and for how long."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pulumi
import pytest

from components import retries
from components.retries import FLEET_RETRY, OBJECT_RETRY, pause_before_retry
from tests.support.program import run, run_stack

Hook = Callable[[pulumi.ErrorHookArgs], bool | Awaitable[bool]]

FORBIDDEN = 'namespaces is forbidden: User "x" cannot create resource "namespaces" in API group ""'

# One refusal for each reason to wait, with the codes and texts of Azure and of Kubernetes, by what the user is told.
REFUSALS = {
    "the role on the subnet takes effect": 'Status=403 Code="LinkedAuthorizationFailed"',
    "the role on the cluster takes effect": FORBIDDEN,
    "the new identity is known to Microsoft Entra ID": 'Status=400 Code="PrincipalNotFound"',
    "the network is no longer being updated": 'Status=400 Code="ReferencedResourceNotProvisioned"',
    "the other operation on the network ends": 'Status=409 Code="AnotherOperationInProgress"',
    "the member's exports are withdrawn": "denied the request: Please delete serviceExport shop/front in the member",
}
ROLES = {reason for reason in REFUSALS if reason.startswith("the role")}
NETWORK = {reason for reason in REFUSALS if "network" in reason}
DIRECTORY = {"the new identity is known to Microsoft Entra ID"}
EXPORTS = {"the member's exports are withdrawn"}


@dataclass(frozen=True)
class Answer:
    """What a hook did about a failure: whether the operation is repeated, after which pause, and what the user read."""

    again: bool
    pauses: list[float]
    said: list[str]


def ask(
    monkeypatch: pytest.MonkeyPatch, hook: Hook, *errors: str, operation: str = "create", type_: str = ""
) -> Answer:
    """Ask a hook about errors of an operation, newest first."""
    pauses: list[float] = []
    said: list[str] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(retries.asyncio, "sleep", sleep)
    for level in ("info", "error"):
        monkeypatch.setattr(pulumi.log, level, said.append)
    failed = pulumi.ErrorHookArgs(
        urn="", id="", name="app-namespace", type=type_, failed_operation=operation, errors=list(errors)
    )

    async def call() -> bool:
        result = hook(failed)
        return result if isinstance(result, bool) else await result

    return Answer(asyncio.run(call()), pauses, said)


def answer(monkeypatch: pytest.MonkeyPatch, *errors: str, operation: str = "create", type_: str = "") -> Answer:
    """Ask a hook that waits for roles."""
    hooks: list[pulumi.ErrorHook] = []
    run(lambda: hooks.extend(OBJECT_RETRY.hooks().on_error or []))
    return ask(monkeypatch, hooks[0], *errors, operation=operation, type_=type_)


@pytest.fixture(scope="module")
def waits() -> dict[str, set[str]]:
    """What each operation of the program is repeated for, in the user's words, by the resource's name."""
    hooks: dict[str, Hook] = {}

    class Recorded(pulumi.ErrorHook):
        def __init__(self, name: str, func: Hook) -> None:
            super().__init__(name, func)
            hooks[name] = func

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(pulumi, "ErrorHook", Recorded)
        program = run_stack("dev")
        reasons = {
            name: {
                reason
                for reason, refusal in REFUSALS.items()
                if ask(monkeypatch, hook, refusal)
                == Answer(again=True, pauses=[5], said=[f"app-namespace: waiting until {reason}; next try in 5 s"])
            }
            for name, hook in hooks.items()
        }
        return {
            name: {reason for hook in resource.options.hooks.on_error for reason in reasons[hook]}
            for name, resource in program.resources.items()
        }


@pytest.mark.parametrize(
    ("names", "reasons"),
    [
        (["east-subnet", "mesh-east-to-west"], NETWORK),
        (["east-join-subnet", "hub-deployer"], DIRECTORY),
        (["east-cluster"], ROLES | NETWORK),
        (["hub-member-east"], EXPORTS),
        (["app-namespace", "app-deployment-store-front", "app-placement", "app-entry-point"], ROLES),
    ],
)
def test_operation_is_repeated_for_its_own_reasons_alone_and_says_so(
    names: list[str], reasons: set[str], waits: dict[str, set[str]]
) -> None:
    assert {name: waits[name] for name in names} == dict.fromkeys(names, reasons)


def test_passing_refusal_is_repeated_after_ever_longer_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(monkeypatch, FORBIDDEN).pauses == [5]
    third = answer(monkeypatch, FORBIDDEN, FORBIDDEN, FORBIDDEN)
    assert (third.again, third.pauses) == (True, [20])


def test_any_other_error_ends_the_operation_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for errors in (['Code="BadRequest"'], ['Code="BadRequest"', FORBIDDEN]):
        assert answer(monkeypatch, *errors) == Answer(again=False, pauses=[], said=[])


def test_refusal_that_does_not_pass_ends_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = answer(monkeypatch, *[FORBIDDEN] * 60)
    assert (ended.again, ended.pauses) == (False, [])
    assert "gave up after 20 minutes of waiting until the role on the cluster takes effect" in ended.said[0]


def test_exports_that_are_not_withdrawn_in_time_are_those_of_a_dead_member(monkeypatch: pytest.MonkeyPatch) -> None:
    hooks: list[pulumi.ErrorHook] = []
    run(lambda: hooks.extend(FLEET_RETRY.hooks().on_error or []))
    refused = 'admission webhook "…" denied the request: Please delete serviceExport x in the member cluster'

    def asked(times: int) -> Answer:
        return ask(monkeypatch, hooks[0], *[refused] * times, operation="delete")

    # The agent looks for leftovers every five minutes.
    waited = next(times for times in range(1, 60) if not asked(times).again)
    assert 5 * 60 < sum(asked(times).pauses[0] for times in range(1, waited)) <= 7 * 60
    (said,) = asked(waited).said
    assert "gave up after 7 minutes of waiting until the member's exports are withdrawn; its cluster or" in said
    assert '"A region is lost for good"' in said


def test_overload_is_waited_out_whatever_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(monkeypatch, 'Status=429 Code="TooManyRequests"').again
    assert answer(monkeypatch, 'Status=503 Code="ServiceUnavailable"', operation="delete").again
    throttled = "the server has received too many requests and has asked us to try again later"
    assert answer(monkeypatch, throttled, operation="update").again


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ('Status=409 Code="EtagMismatch" Message="…"', "the other operation on the cluster ends"),
        (
            "Operation is not allowed: Another operation (Updating) is in progress, please wait for it to finish",
            "the other operation on the cluster ends",
        ),
    ],
)
def test_busy_cluster_is_waited_for_however_azure_says_it(
    error: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answer(monkeypatch, error, operation="update").said == [
        f"app-namespace: waiting until {reason}; next try in 5 s"
    ]


def test_what_is_half_made_is_not_made_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    error = "1 error occurred:\n\t* the server is currently unable to handle the request"
    made = answer(monkeypatch, error)
    assert (made.again, made.pauses) == (False, [])
    assert made.said == ["app-namespace: it was created, but not finished; `pulumi up` finishes it"]
    assert answer(monkeypatch, error, operation="update").again


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("… results in exceeding approved standardDSv2Family Cores quota", "raise the quota"),
        ("… 'Standard_D4ds_v5' is currently not available in location 'westus3'", "change vmSize, zones or the loc"),
        ("The VM size of Standard_D4ds_v5 is not allowed in your subscription in location 'westus3'", "change vmSize"),
        (
            "cannot create already existing resource '/subscriptions/…'",
            "put the name back; if a `pulumi destroy` was st",
        ),
        ("Insufficient vcpu quota requested 2, remaining 0 for provider StandardDasv7Family", "raise the quota"),
        ('Status=400 Code="LocationNotAvailableForResourceGroup"', "`az account list-locations --output table`"),
        ('Status=400 Code="LocationNotAvailableForResourceType"', "`az account list-locations --output table`"),
        ("the 'Microsoft.Compute/EncryptionAtHost' feature is not enabled for", "`az feature register --namespace"),
        ('Status=400 Code="InsufficientSubnetSize"', "lower maxPods, count or maxCount"),
        ("grpc: the client connection is closing", "a cluster cannot be replaced in one `pulumi up`"),
        ('Changing property "agentPoolProfile.vmSize" is not allowed in an api-version', "put the old value back"),
        ("Changing property 'agentPoolProfile.maxPods' is not allowed.", "add another region"),
        ("Downgrading Kubernetes version 1.34.0 to 1.33 is not allowed. Available upgrades: [1.35.0]", "never back"),
        ('Status=400 Code="InUsePrefixCannotBeDeleted"', "put nodeSubnet back"),
        ('Status=400 Code="InUseSubnetCannotBeUpdated"', "put nodeSubnet back"),
        ("Unable to establish connection from agents to Kubernetes API server", "add the public address of their NAT"),
        ('Status=400 Code="InUseNetworkSecurityGroupCannotBeDeleted"', "another subnet or network interface uses"),
        ('Status=400 Code="InUseSubnetCannotBeDeleted"', "something is still in the subnet"),
        ('Status=400 Code="NetcfgSubnetRangeOutsideVnet"', "put addressSpace and nodeSubnet back"),
        ("… Overlapping address prefixes: 10.1.0.0/16.", "choose another addressSpace"),
        ('Status=400 Code="AnotherPeeringAlreadyReferencesRemoteVnet"', "`existing.peered: true`"),
        ('Status=400 Code="ChangingRemoteVirtualNetworkNotAllowed"', "`az network vnet peering delete`"),
        ('Status=409 Code="ScopeLocked"', "delete the lock"),
        ('Status=409 Code="ResourceGroupDeletionBlocked"', "`az monitor activity-log list"),
        ('Status=403 Code="RequestDisallowedByPolicy"', "existing.subnetId"),
        (
            "… does not have authorization to perform action 'Microsoft.X/y/delete' over scope '/…'",
            'docs/team.md, "Rights"',
        ),
        (
            "… does not have authorization to perform action 'Microsoft.ContainerService/managedClusters/write' over …",
            'docs/team.md, "Rights"',
        ),
        (
            (
                "LinkedAuthorizationFailed … has permission to perform action 'Microsoft.ContainerService/"
                "managedClusters/write' on scope '…'; however, it does not have permission to perform action "
                "'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked scope(s) '…'"
            ),
            'docs/team.md, "Rights"',
        ),
        ('Status=400 Code="NoRegisteredProviderFound"', "Another version of Azure's API"),
        ("… the resource has been selected by both west and east, which is not supported", "take the one out"),
        ('Status=400 Code="RemotePeeringIsDisconnected"', "`pulumi up --replace` with its URN"),
    ],
)
def test_refusal_that_stays_says_what_to_do(error: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = answer(monkeypatch, error)
    assert (ended.again, ended.pauses, len(ended.said)) == (False, [], 1)
    assert remedy in ended.said[0]


# Pulumi's own provider says no more, whatever an object lacks.
TIMED_OUT = (
    '1 error occurred:\n\t* the Kubernetes API server reported that "front" failed to fully initialize or become live: '
    "timed out waiting for the condition"
)


@pytest.mark.parametrize(
    ("type_", "remedies"),
    [
        (
            "kubernetes:placement.kubernetes-fleet.io/v1:ClusterResourcePlacement",
            ("`kubectl get memberclusters`", "`kubectl describe clusterresourceplacement`"),
        ),
        (
            "kubernetes:networking.fleet.azure.com/v1alpha1:MultiClusterService",
            ("`kubectl describe serviceexport`", "`kubectl get events --namespace fleet-system`"),
        ),
    ],
)
def test_object_that_is_not_ready_in_time_says_where_to_look(
    type_: str, remedies: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    (said,) = answer(monkeypatch, TIMED_OUT, operation="update", type_=type_).said
    assert all(remedy in said for remedy in remedies)


def test_remedy_for_one_kind_is_told_of_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(monkeypatch, TIMED_OUT, operation="update", type_="kubernetes:core/v1:ConfigMap").said == []


@pytest.mark.parametrize("error", ["cannot create already existing resource '/subscriptions/…'"])
def test_nobody_is_told_to_delete_what_may_run(error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "delete" not in answer(monkeypatch, error).said[0]


def test_what_stays_outweighs_a_sign_of_what_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not answer(monkeypatch, 'Status=429 Code="RequestDisallowedByPolicy"').again


def test_patience_outlasts_a_role_assignment_and_then_ends() -> None:
    pauses = [pause for failures in range(1, 60) if (pause := pause_before_retry(failures)) is not None]
    assert pauses[:5] == [5, 10, 20, 40, 60]
    assert max(pauses) == 60
    assert 15 * 60 <= sum(pauses) <= 20 * 60
    assert pause_before_retry(len(pauses) + 1) is None


def test_engine_repeats_at_least_as_often() -> None:
    tries = next(failures for failures in range(1, 1000) if pause_before_retry(failures) is None)
    assert tries < 100  # pulumi/pulumi v3.274.1, pkg/resource/deploy/retries.go
