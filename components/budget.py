"""A monthly budget: e-mails when the costs of the resources with certain tags reach a share of an amount."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypedDict

import pulumi
from pulumi_azure_native import consumption

from .retries import BUDGET_RETRY


class BudgetNotification(TypedDict):
    """When Azure sends an e-mail."""

    threshold: int
    """Percent of the amount, at most 1000."""
    threshold_type: str
    """`Actual`, for costs so far, or `Forecasted`, for those expected until the end of the month."""


class BudgetArgs(TypedDict):
    """The amount, what counts, and who is told."""

    scope: pulumi.Input[str]
    """Azure ID of a subscription. Not of a cluster's resource group: nodes, disks and load balancers are in another
    one, which AKS makes."""
    budget_name: pulumi.Input[str]
    """Name of the budget, unique in the scope."""
    amount: int
    """The amount for a month, in the currency of the subscription's bill."""
    tags: Mapping[str, pulumi.Input[str]]
    """The costs of resources that have all of these tags count. At least one."""
    contact_emails: Sequence[pulumi.Input[str]]
    """Who gets the e-mails. At least one."""
    notifications: Sequence[BudgetNotification]
    """When they are sent, one to five."""


class Budget(pulumi.ComponentResource):
    """A budget by tags. It reports costs, and stops nothing.

    Azure does not pass a cluster's tags on to its node pools (learn: aks/use-tags).
    """

    budget: consumption.Budget
    """The budget as a resource."""

    def __init__(self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:Budget", name, {}, opts)
        tags = [_tag(key, args["tags"][key]) for key in sorted(args["tags"])]
        self.budget = consumption.Budget(
            f"{name}-monthly",
            scope=args["scope"],
            budget_name=args["budget_name"],
            amount=args["amount"],
            category=consumption.CategoryType.COST,
            time_grain=consumption.TimeGrainType.MONTHLY,
            # Azure takes no earlier month for a new budget (Azure/azure-quickstart-templates issue 7095), and no other
            # one for a budget that exists (Azure/CanadaPubSecALZ issue 317).
            time_period=consumption.BudgetTimePeriodArgs(start_date=f"{datetime.now(UTC):%Y-%m}-01T00:00:00Z"),
            filter=consumption.BudgetFilterArgs(tags=tags[0])
            if len(tags) == 1
            else consumption.BudgetFilterArgs(and_=[consumption.BudgetFilterPropertiesArgs(tags=tag) for tag in tags]),
            # Azure keeps the type of a notification that is changed under the same key (Azure/azure-sdk-for-go issue
            # 15303), so the key has the type.
            notifications={
                f"{each['threshold_type']}_GreaterThan_{each['threshold']}_Percent": consumption.NotificationArgs(
                    enabled=True,
                    operator=consumption.OperatorType.GREATER_THAN,
                    threshold=each["threshold"],
                    threshold_type=each["threshold_type"],
                    contact_emails=args["contact_emails"],
                )
                for each in args["notifications"]
            },
            # No `e_tag`: with one that is not the latest, Azure refuses each change (MicrosoftDocs/azure-docs issue
            # 34023); without one it takes them (learn: rest/api/consumption/budgets/create-or-update).
            opts=pulumi.ResourceOptions(
                parent=self, ignore_changes=["timePeriod.startDate"], hooks=BUDGET_RETRY.hooks()
            ),
        )
        self.register_outputs({"budgetId": self.budget.id})


def _tag(name: str, value: pulumi.Input[str]) -> consumption.BudgetComparisonExpressionArgs:
    return consumption.BudgetComparisonExpressionArgs(
        name=name, operator=consumption.BudgetOperatorType.IN_, values=[value]
    )
