"""Budgets: what Azure takes, and what it answers."""

import re

import pytest

from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Properties
from rehearsal.tests.azure.subscription import SUBSCRIPTION, THIS_MONTH, Subscription, budget_inputs


@pytest.mark.recording("budget")
def test_the_answer_for_a_budget_has_what_was_spent_and_an_etag(sub: Subscription) -> None:
    budget_id, outputs = sub.create("Budget", **budget_inputs())
    assert budget_id == f"{SUBSCRIPTION}/providers/Microsoft.Consumption/budgets/all"
    assert re.fullmatch('"[0-9a-f]{15}"', outputs["eTag"])
    assert outputs["currentSpend"] == {"amount": 0.0, "unit": "USD"}
    assert (outputs["notifications"]["all"]["contactGroups"], outputs["notifications"]["all"]["contactRoles"]) == (
        [],
        [],
    )


def test_a_budget_ends_after_ten_years_unless_it_says_when(sub: Subscription) -> None:
    _, outputs = sub.create("Budget", **budget_inputs())
    assert outputs["timePeriod"]["endDate"] == f"{int(THIS_MONTH[:4]) + 10}{THIS_MONTH[4:]}"
    _, outputs = sub.create(
        "Budget",
        **budget_inputs(budgetName="short", timePeriod={"startDate": THIS_MONTH, "endDate": "2099-01-01T00:00:00Z"}),
    )
    assert outputs["timePeriod"]["endDate"] == "2099-01-01T00:00:00Z"


def test_a_budget_may_be_that_of_a_group_which_must_exist(sub: Subscription) -> None:
    scope = f"{SUBSCRIPTION}/resourceGroups/rg"
    assert 'Code="ResourceGroupNotFound"' in sub.refused("Budget", **budget_inputs(scope=scope))
    sub.group()
    budget_id, _ = sub.create("Budget", **budget_inputs(scope=scope))
    sub.delete("ResourceGroup", scope)
    assert not sub.exists("Budget", budget_id)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"timePeriod": {"startDate": f"{THIS_MONTH[:7]}-02T00:00:00Z"}}, "first of the month"),
        ({"timePeriod": {"startDate": "2020-01-01T00:00:00Z"}}, "prior to the current month"),
        ({"notifications": {key: {"contactEmails": ["a@b.c"], "threshold": 1} for key in "abcdef"}}, "up to five"),
        ({"notifications": {"a": {"contactEmails": [], "threshold": 1}}}, "at least one contact"),
        ({"notifications": {"a": {"contactEmails": ["a@b.c"], "threshold": 1001}}}, "between 0 and 1000"),
        ({"filter": {"and": [{"tags": {"name": "a", "operator": "In", "values": ["b"]}}]}}, "at least 2 items"),
    ],
)
def test_what_azure_takes_in_no_budget(sub: Subscription, wrong: Properties, said: str) -> None:
    notifications = {
        key: {"enabled": True, "operator": "GreaterThan", **each}
        for key, each in wrong.get("notifications", budget_inputs()["notifications"]).items()
    }
    assert said in sub.refused("Budget", **budget_inputs(**{**wrong, "notifications": notifications}))


def test_the_start_of_a_budget_stays(sub: Subscription) -> None:
    budget_id, _ = sub.create("Budget", **budget_inputs())
    with pytest.raises(RefusedError, match="Start date of budgets cannot be updated"):
        sub.update("Budget", budget_id, **budget_inputs(timePeriod={"startDate": "2099-01-01T00:00:00Z"}))


def test_a_budget_is_changed_without_an_etag_or_with_the_latest(sub: Subscription) -> None:
    budget_id, outputs = sub.create("Budget", **budget_inputs())
    assert sub.update("Budget", budget_id, **budget_inputs(amount=200))["amount"] == 200
    with pytest.raises(RefusedError, match="There are changes made to Budget all"):
        sub.update("Budget", budget_id, **budget_inputs(amount=300, eTag=outputs["eTag"]))
    latest = sub.outputs("Budget", budget_id)["eTag"]
    assert sub.update("Budget", budget_id, **budget_inputs(amount=300, eTag=latest))["amount"] == 300
