"""Which refusals the program waits out, and for how long."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pulumi
import pytest

from components import retries
from components.retries import ROLE_NOT_IN_EFFECT, pause_before_retry, retry
from tests.program import run, run_stack

Hook = Callable[[pulumi.ErrorHookArgs], bool | Awaitable[bool]]

FORBIDDEN = 'namespaces is forbidden: User "x" cannot create resource "namespaces" in API group ""'

# One refusal for each reason to wait, with the codes and texts of Azure and of Kubernetes, by what the user is told.
REFUSALS = {
    "the role on the subnet takes effect": 'Status=403 Code="LinkedAuthorizationFailed"',
    "the role takes effect": 'Status=403 Code="AuthorizationFailed"',
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


def ask(monkeypatch: pytest.MonkeyPatch, hook: Hook, *errors: str) -> Answer:
    """Ask a hook about errors, newest first."""
    pauses: list[float] = []
    said: list[str] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(retries.asyncio, "sleep", sleep)
    monkeypatch.setattr(pulumi.log, "info", said.append)
    failed = pulumi.ErrorHookArgs(urn="", id="", name="app-namespace", type="", errors=list(errors))

    async def call() -> bool:
        result = hook(failed)
        return result if isinstance(result, bool) else await result

    return Answer(asyncio.run(call()), pauses, said)


def answer(monkeypatch: pytest.MonkeyPatch, *errors: str) -> tuple[bool, list[float]]:
    """Return what a hook for roles answers to errors (newest first), and the pauses that it took."""
    hooks: list[pulumi.ErrorHook] = []
    run(lambda: hooks.extend(retry("app-retry", *ROLE_NOT_IN_EFFECT).on_error or []))
    asked = ask(monkeypatch, hooks[0], *errors)
    return asked.again, asked.pauses


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
        return {
            name: {
                reason
                for hook in resource.options.hooks.on_error
                for reason, refusal in REFUSALS.items()
                if ask(monkeypatch, hooks[hook], refusal)
                == Answer(again=True, pauses=[5], said=[f"app-namespace: waiting until {reason}; next try in 5 s"])
            }
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


def test_passing_refusal_is_repeated_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(monkeypatch, FORBIDDEN) == (True, [5])
    assert answer(monkeypatch, FORBIDDEN, FORBIDDEN, FORBIDDEN) == (True, [20])


def test_any_other_error_ends_the_operation_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(monkeypatch, 'Code="QuotaExceeded"') == (False, [])
    assert answer(monkeypatch, 'Code="QuotaExceeded"', FORBIDDEN) == (False, [])


def test_refusal_that_does_not_pass_ends_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(monkeypatch, *[FORBIDDEN] * 60) == (False, [])


def test_patience_outlasts_a_role_assignment_and_then_ends() -> None:
    pauses = [pause for failures in range(1, 60) if (pause := pause_before_retry(failures)) is not None]
    assert pauses[:5] == [5, 10, 20, 40, 60]
    assert max(pauses) == 60
    assert 15 * 60 <= sum(pauses) <= 20 * 60
    assert pause_before_retry(len(pauses) + 1) is None


def test_engine_repeats_at_least_as_often() -> None:
    tries = next(failures for failures in range(1, 1000) if pause_before_retry(failures) is None)
    assert tries < 100  # pulumi/pulumi v3.259.0, pkg/resource/deploy/retries.go
