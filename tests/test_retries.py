"""Which refusals the program waits out, and for how long."""

import asyncio

import pulumi
import pytest

from components import retries
from components.retries import ROLE_NOT_IN_EFFECT, pause_before_retry, retry
from tests.program import run

FORBIDDEN = 'namespaces is forbidden: User "x" cannot create resource "namespaces" in API group ""'


def answer(monkeypatch: pytest.MonkeyPatch, *errors: str) -> tuple[bool, list[float]]:
    """Return what the hook answers to errors (newest first), and the pauses that it took."""
    pauses: list[float] = []
    hooks: list[pulumi.ErrorHook] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    run(lambda: hooks.extend(retry("app-retry", *ROLE_NOT_IN_EFFECT).on_error or []))
    monkeypatch.setattr(retries.asyncio, "sleep", sleep)
    failed = pulumi.ErrorHookArgs(urn="", id="", name="app-namespace", type="", errors=list(errors))

    async def call() -> bool:
        result = hooks[0](failed)
        return result if isinstance(result, bool) else await result

    return asyncio.run(call()), pauses


def test_passing_refusal_is_repeated_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(monkeypatch, FORBIDDEN) == (True, [5])
    assert answer(monkeypatch, FORBIDDEN, FORBIDDEN, FORBIDDEN) == (True, [20])


def test_any_other_error_ends_the_operation_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(monkeypatch, 'Code="QuotaExceeded"') == (False, [])
    assert answer(monkeypatch, 'Code="QuotaExceeded"', FORBIDDEN) == (False, [])


def test_patience_outlasts_a_role_assignment_and_then_ends() -> None:
    pauses = [pause for failures in range(1, 60) if (pause := pause_before_retry(failures)) is not None]
    assert pauses[:5] == [5, 10, 20, 40, 60]
    assert max(pauses) == 60
    assert 15 * 60 <= sum(pauses) <= 20 * 60
    assert pause_before_retry(len(pauses) + 1) is None


def test_engine_repeats_at_least_as_often() -> None:
    tries = next(failures for failures in range(1, 1000) if pause_before_retry(failures) is None)
    assert tries < 100  # pulumi/pulumi v3.259.0, pkg/resource/deploy/retries.go
