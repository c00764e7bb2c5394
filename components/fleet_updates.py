"""How a fleet upgrades its members: of itself, one stage after the other."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NotRequired, TypedDict

import pulumi
from pulumi_azure_native import containerservice

from .existing import part_of
from .retries import MEMBER_EXPORTS_SERVICES, retry
from .subscriptions import HAND_ON, in_subscription


class UpdateChannel(StrEnum):
    """What the members are upgraded to (learn: kubernetes-fleet/concepts-update-orchestration)."""

    STABLE = "Stable"
    """The newest patch of Kubernetes' last but one minor version."""
    RAPID = "Rapid"
    """The newest patch of its last minor version."""
    NODE_IMAGE = "NodeImage"
    """Node images alone."""


class NodeImages(StrEnum):
    """Which node images come with a version of Kubernetes."""

    LATEST = "Latest"
    """The newest of each region."""
    CONSISTENT = "Consistent"
    """The newest that all regions have."""


class FleetUpdatesArgs(TypedDict):
    """What makes a fleet's updates."""

    fleet: containerservice.Fleet
    """The fleet."""
    resource_group_name: pulumi.Input[str]
    """Name of the fleet's group."""
    members: Sequence[containerservice.FleetMember]
    """The fleet's members; each is in one of the stages' groups."""
    stages: Sequence[Sequence[str]]
    """The update groups of each stage, in order; 50 at most in one, each in one stage (learn:
    kubernetes-fleet/concepts-update-orchestration)."""
    wait_seconds: int
    """Between the end of a stage and the start of the next one."""
    channel: UpdateChannel
    """What the members are upgraded to."""
    node_images: NotRequired[NodeImages | None]
    """Which node images they get; None leaves it to Azure. Not with the channel `NodeImage`."""
    enabled: NotRequired[bool]
    """Whether the fleet starts upgrades by itself. True by default; the stages are there for upgrades by hand in any
    case."""
    existing: NotRequired[bool]
    """Whether the fleet existed before: its group is read from its id, and the component's provider
    for Azure must be one of its subscription. False by default."""


class FleetUpdates(pulumi.ComponentResource):
    """An update strategy, and the profile by which the fleet follows it when there is something new."""

    strategy: containerservice.FleetUpdateStrategy
    """The stages; an update run by hand may follow them, too."""
    profile: containerservice.AutoUpgradeProfile
    """Starts an update run for each new version of its channel."""

    def __init__(self, name: str, args: FleetUpdatesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:FleetUpdates", name, {}, opts)
        group_name = args["resource_group_name"]
        if args.get("existing"):
            fleet_id = in_subscription(args["fleet"].id, pulumi.InvokeOptions(parent=self), HAND_ON)
            group_name = fleet_id.apply(lambda found: part_of(found, "resourceGroups"))
        in_fleet = pulumi.ResourceOptions(
            parent=self,
            hooks=retry("fleet-retry", *MEMBER_EXPORTS_SERVICES),
        )
        last = len(args["stages"])
        self.strategy = containerservice.FleetUpdateStrategy(
            f"{name}-strategy",
            resource_group_name=group_name,
            fleet_name=args["fleet"].name,
            update_strategy_name="stages",
            strategy=containerservice.UpdateRunStrategyArgs(
                stages=[
                    containerservice.UpdateStageArgs(
                        name=f"stage-{number}",
                        groups=[containerservice.UpdateGroupArgs(name=group) for group in groups],
                        after_stage_wait_in_seconds=args["wait_seconds"] if number < last else None,
                    )
                    for number, groups in enumerate(args["stages"], start=1)
                ]
            ),
            # A stage names groups of members that exist (Azure/azure-rest-api-specs, fleets.json, UpdateGroup). Azure
            # takes others, too (Azure/azure-cli-extensions, recording test_fleet_hubless).
            opts=pulumi.ResourceOptions.merge(in_fleet, pulumi.ResourceOptions(depends_on=args["members"])),
        )
        self.profile = containerservice.AutoUpgradeProfile(
            f"{name}-profile",
            resource_group_name=group_name,
            fleet_name=args["fleet"].name,
            auto_upgrade_profile_name="auto-upgrade",
            # A text: the SDK's enumeration is that of a cluster's own upgrades, whose names Fleet refuses.
            channel=args["channel"],
            node_image_selection=containerservice.AutoUpgradeNodeImageSelectionArgs(type=images)
            if (images := args.get("node_images"))
            else None,
            update_strategy_id=self.strategy.id,
            disabled=not args.get("enabled", True),
            opts=in_fleet,
        )
        self.register_outputs({"strategyId": self.strategy.id})
