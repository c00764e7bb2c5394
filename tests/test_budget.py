"""The budget: what counts, who is told, and when."""

from typing import Any

from rehearsal.azure.arm import Deployer
from tests.support.program import Program, run_stack

BUDGET: dict[str, Any] = {"amount": 5000, "contactEmails": ["a@example.com", "b@example.com"]}
TAGGED = {"baseline": True}  # nodes have the tags


def inputs(tags: dict[str, str], **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Return the budget's inputs in dev with these tags."""
    return run_stack("dev", tags=tags, clusters=TAGGED, budget=BUDGET | changes)["budget-monthly"].inputs


def compared(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "operator": "In", "values": [value]}


def test_there_is_none_unless_it_is_asked_for(dev: Program, prod: Program) -> None:
    for program in (dev, prod):
        assert program.of_type("azure-native:consumption:Budget") == {}


def test_it_counts_a_month_of_what_has_the_tag_in_the_whole_subscription() -> None:
    found = inputs({"workload": "shop"})
    assert found["scope"] == f"/subscriptions/{Deployer().subscription_id}"
    assert (found["amount"], found["category"], found["timeGrain"]) == (5000, "Cost", "Monthly")
    assert found["filter"] == {"tags": compared("workload", "shop")}


def test_several_tags_must_all_be_there_in_whatever_order_they_are_written() -> None:
    wanted = {"and": [{"tags": compared("a", "1")}, {"tags": compared("b", "2")}]}
    assert inputs({"b": "2", "a": "1"})["filter"] == inputs({"a": "1", "b": "2"})["filter"] == wanted


def test_everyone_is_told_of_the_whole_amount_spent_or_expected_by_default() -> None:
    assert inputs({"a": "1"})["notifications"] == {
        f"{kind}_GreaterThan_100_Percent": {
            "enabled": True,
            "operator": "GreaterThan",
            "threshold": 100,
            "thresholdType": kind,
            "contactEmails": ["a@example.com", "b@example.com"],
        }
        for kind in ("Actual", "Forecasted")
    }


def test_the_type_of_a_threshold_is_in_its_key() -> None:
    both = [{"threshold": 80}, {"threshold": 80, "thresholdType": "Forecasted"}]
    assert inputs({"a": "1"}, notifications=both)["notifications"].keys() == {
        "Actual_GreaterThan_80_Percent",
        "Forecasted_GreaterThan_80_Percent",
    }


def test_two_stacks_have_budgets_of_different_names() -> None:
    program = run_stack("dev", tags={"a": "1"}, clusters=TAGGED, budget=BUDGET, nameSuffix="two")
    assert program["budget-monthly"].inputs["budgetName"] == "fleet-l4-lb-two"
