"""The hours in which a cluster is upgraded."""

from typing import TypedDict

import pulumi
from pulumi_azure_native import containerservice

from .retries import CLUSTER_RETRY

# One for versions of Kubernetes, one for node images (learn: aks/planned-maintenance). Runs of the fleet obey both
# (learn: kubernetes-fleet/concepts-update-orchestration).
_SCHEDULES = {"upgrades": "aksManagedAutoUpgradeSchedule", "images": "aksManagedNodeOSUpgradeSchedule"}


class MaintenanceWindow(TypedDict):
    """Some hours each week, in UTC."""

    day: containerservice.WeekDay
    """The day on which they begin."""
    start: str
    """When they begin, as in `21:00`."""
    hours: int
    """How many there are, 4 to 24."""


def maintenance_windows(
    name: str,
    window: MaintenanceWindow,
    cluster: containerservice.ManagedCluster,
    group: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> list[containerservice.MaintenanceConfiguration]:
    """Let a cluster be upgraded in a window only.

    Args:
        name: the cluster's region.
        window: the hours.
        cluster: the cluster.
        group: name of the cluster's resource group.
        opts: the options of each resource.
    """
    return [
        containerservice.MaintenanceConfiguration(
            f"{name}-{what}-window",
            resource_group_name=group,
            resource_name_=cluster.name,
            config_name=schedule,
            maintenance_window=containerservice.MaintenanceWindowArgs(
                duration_hours=window["hours"],
                start_time=window["start"],
                utc_offset="+00:00",
                schedule=containerservice.ScheduleArgs(
                    weekly=containerservice.WeeklyScheduleArgs(day_of_week=window["day"], interval_weeks=1)
                ),
            ),
            opts=pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(deleted_with=cluster, hooks=CLUSTER_RETRY.hooks())
            ),
        )
        for what, schedule in _SCHEDULES.items()
    ]
