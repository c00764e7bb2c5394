"""Budgets: e-mails when costs reach a share of an amount."""

from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from typing_extensions import override

from rehearsal.azure import errors
from rehearsal.azure.arm import ExtensionResource, Name, Record, Subscription, last_segment, listed, nested
from rehearsal.core.protocol import Properties

BUDGET: Final = "azure-native:consumption:Budget"
_MOST_NOTIFICATIONS: Final = 5
_HIGHEST_THRESHOLD: Final = 1000  # percent
_YEARS: Final = 10  # of a budget without an end (azure-native, BudgetTimePeriodArgs.end_date)


class Budget(ExtensionResource):
    """A budget of a subscription or a resource group. Nothing costs anything here, so it never sends e-mails."""

    kind = "Microsoft.Consumption/budgets"
    api_version = "2024-08-01"
    name = Name("budgetName", r"(?a:[\w-]{1,63})", "learn: azure/templates/microsoft.consumption/budgets", "random")
    # No property forces a replacement (azure-native, provider/pkg/gen/replacement.go): a change that Azure does not
    # take is an update that it refuses.

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del subscription
        if wrong := _mistake(inputs):
            raise errors.INVALID_BUDGET.refusal(reason=wrong)
        start = nested(inputs, "timePeriod")["startDate"]
        if old is None and start[:7] < f"{datetime.now(UTC):%Y-%m}":
            raise errors.INVALID_BUDGET.refusal(reason="Start date should not be prior to the current month.")
        if old and start != nested(old["inputs"], "timePeriod")["startDate"]:
            raise errors.BUDGET_START_CANNOT_BE_UPDATED.refusal()
        if old and inputs.get("eTag") not in (None, old["outputs"]["eTag"]):
            raise errors.BUDGET_HAS_CHANGED.refusal(name=last_segment(resource_id))

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del subscription, resource_id
        period = nested(inputs, "timePeriod")
        start: str = period["startDate"]
        # Azure/azure-cli, recording test_consumption_budget_show
        return {
            "currentSpend": old.get("currentSpend") or {"amount": 0.0, "unit": "USD"},
            "eTag": f'"{uuid4().hex[:15]}"',
            "notifications": {
                key: {"contactGroups": [], "contactRoles": [], **each}
                for key, each in nested(inputs, "notifications").items()
            },
            "timePeriod": {"endDate": f"{int(start[:4]) + _YEARS}{start[4:]}", **period},
        }


def _mistake(inputs: Properties) -> str:
    """Return what Azure does not take in a budget (azure-native: BudgetArgs, BudgetFilterArgs, NotificationArgs)."""
    notifications = list(nested(inputs, "notifications").values())
    if not nested(inputs, "timePeriod")["startDate"][7:].startswith("-01"):
        return "Start date must be first of the month."
    if len(notifications) > _MOST_NOTIFICATIONS:
        return "Budget can have up to five notifications."
    if not all(listed(each, "contactEmails") or listed(each, "contactGroups") for each in notifications):
        return "Must have at least one contact email or contact group."
    if not all(0 <= each["threshold"] <= _HIGHEST_THRESHOLD for each in notifications):
        return "Threshold has to be between 0 and 1000."
    if len(listed(nested(inputs, "filter"), "and")) == 1:
        return "And must have at least 2 items."
    return ""
