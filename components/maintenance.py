"""The hours of the week in which a cluster may be upgraded."""

from typing import TypedDict

import pulumi
from pulumi_azure_native import containerservice

from .retries import CLUSTER_RETRY

# AKS reads no other names, but `default` for its own weekly releases (Azure/ARO-HCP PR 3260).
SCHEDULES = {"kubernetes": "aksManagedAutoUpgradeSchedule", "images": "aksManagedNodeOSUpgradeSchedule"}


class MaintenanceWindowsArgs(TypedDict):
    """A cluster, and its hours."""

    resource_group_name: pulumi.Input[str]
    """Name of the cluster's resource group."""
    cluster: containerservice.ManagedCluster
    """The cluster."""
    day: containerservice.WeekDay
    """The day of the week, in UTC, on which the window opens."""
    start: pulumi.Input[str]
    """When it opens, in UTC, as in `21:00`."""
    hours: int
    """How long it is open, 4 to 24 (learn: aks/planned-maintenance)."""


class MaintenanceWindows(pulumi.ComponentResource):
    """One window each week for new versions of Kubernetes, and the same one for new node images.

    A fleet's update run waits for it, too (learn: kubernetes-fleet/concepts-update-orchestration).
    """

    def __init__(self, name: str, args: MaintenanceWindowsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:MaintenanceWindows", name, {}, opts)
        for kind, schedule in SCHEDULES.items():
            containerservice.MaintenanceConfiguration(
                f"{name}-{kind}",
                resource_group_name=args["resource_group_name"],
                resource_name_=args["cluster"].name,
                config_name=schedule,
                maintenance_window=containerservice.MaintenanceWindowArgs(
                    duration_hours=args["hours"],
                    start_time=args["start"],
                    utc_offset="+00:00",
                    schedule=containerservice.ScheduleArgs(
                        weekly=containerservice.WeeklyScheduleArgs(day_of_week=args["day"], interval_weeks=1)
                    ),
                ),
                # Whether AKS takes it while the cluster is being updated is not documented.
                opts=pulumi.ResourceOptions(parent=self, deleted_with=args["cluster"], hooks=CLUSTER_RETRY.hooks()),
            )
        self.register_outputs({})
