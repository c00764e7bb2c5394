"""The budget under the real engine: it comes, changes and goes, also in later months than that of its creation."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

import pytest

import components.budget
import rehearsal.azure.costs
from tests.support.stack import Stack

pytestmark = pytest.mark.slow

BUDGET: dict[str, Any] = {"amount": 5000, "contactEmails": ["team@example.com"]}
TAGS = {"environment": "test", "workload": "demo"}
ID = "/providers/Microsoft.Consumption/budgets/"


@pytest.fixture
def in_month(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the month of 2026, for the program and for Azure."""

    def set_month(month: int) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:
                return datetime(2026, month, 17, tzinfo=tz or UTC)

        for module in (components.budget, rehearsal.azure.costs):
            monkeypatch.setattr(module, "datetime", Clock)

    return set_month


@pytest.fixture
def budgeted(stack: Stack, in_month: Callable[[int], None]) -> Stack:
    """The dev stack with tags, in May, and then with a budget."""
    in_month(5)
    stack.configure(tags=TAGS, clusters={"baseline": True})
    stack.up()
    stack.configure(budget=BUDGET)
    assert stack.up().changes == {"budget": "create", "budget-monthly": "create"}
    return stack


def budget(stack: Stack) -> dict[str, Any]:
    """Return the budget as the state has it."""
    return next(each for each in stack.resources() if each["urn"].endswith("::budget-monthly"))


def test_a_budget_of_the_subscription_begins_with_the_month_and_then_stays(budgeted: Stack) -> None:
    found = budget(budgeted)
    assert found["id"].rpartition(ID)[2] == "fleet-l4-lb"
    assert found["id"].count("/") == "/subscriptions/…/providers/Microsoft.Consumption/budgets/…".count("/")
    assert found["inputs"]["timePeriod"] == {"startDate": "2026-05-01T00:00:00Z"}
    assert budgeted.preview().changes == {}
    assert budgeted.refresh().changes == {}


def test_a_later_month_changes_nothing(budgeted: Stack, in_month: Callable[[int], None]) -> None:
    in_month(6)
    assert budgeted.preview().changes == {}
    assert budgeted.up().changes == {}


def test_amount_and_thresholds_are_updated_in_a_later_month(budgeted: Stack, in_month: Callable[[int], None]) -> None:
    in_month(7)
    budgeted.configure(budget=BUDGET | {"amount": 6000, "notifications": [{"threshold": 80}]})
    assert budgeted.preview().changes == {"budget-monthly": "update"}
    assert budgeted.up().changes == {"budget-monthly": "update"}
    found = budget(budgeted)
    assert found["outputs"]["amount"] == 6000
    assert list(found["outputs"]["notifications"]) == ["Actual_GreaterThan_80_Percent"]
    assert found["outputs"]["timePeriod"]["startDate"] == "2026-05-01T00:00:00Z"


def test_a_renamed_budget_is_a_new_one_from_the_current_month_on(
    budgeted: Stack, in_month: Callable[[int], None]
) -> None:
    in_month(8)
    budgeted.configure(budget=BUDGET | {"name": "shop"})
    assert budgeted.up().changes == {"budget-monthly": "replace"}
    found = budget(budgeted)
    assert found["id"].rpartition(ID)[2] == "shop"
    assert found["outputs"]["timePeriod"]["startDate"] == "2026-08-01T00:00:00Z"


def test_a_budget_goes_without_touching_anything_else(budgeted: Stack) -> None:
    budgeted.configure(budget={})
    assert budgeted.up().changes == {"budget": "delete", "budget-monthly": "delete"}
