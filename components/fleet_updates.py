"""Automatic upgrades of a fleet's members, one stage after the other."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NotRequired, TypedDict

import pulumi
from pulumi_azure_native import containerservice

from .retries import FLEET_RETRY
from .subscriptions import resource_group_of


class UpdateChannel(StrEnum):
    """The versions that the members are upgraded to (learn: kubernetes-fleet/concepts-update-orchestration)."""

    STABLE = "Stable"
    """The newest patch of the minor version before Kubernetes' latest."""
    RAPID = "Rapid"
    """The newest patch of Kubernetes' latest minor version."""
    NODE_IMAGE = "NodeImage"
    """Node images only."""


class NodeImages(StrEnum):
    """Which node images the members get with a version of Kubernetes."""

    LATEST = "Latest"
    """The newest in each region."""
    CONSISTENT = "Consistent"
    """The newest that is available in all regions."""


class FleetUpdatesArgs(TypedDict):
    """The settings of a fleet's updates."""

    fleet: containerservice.Fleet
    """The fleet."""
    resource_group_name: NotRequired[pulumi.Input[str] | None]
    """Name of the fleet's resource group (`FleetHub.group`). None for a fleet that existed before: the group is read
    from its ID, and the component's Azure provider must work in its subscription."""
    members: Sequence[containerservice.FleetMember]
    """The fleet's members, each in an update group of one stage."""
    stages: Sequence[Sequence[str]]
    """The update groups of each stage, in order: at most 50 in a stage, each in one stage only (learn:
    kubernetes-fleet/concepts-update-orchestration)."""
    wait_seconds: int
    """Seconds between the end of a stage and the start of the next one."""
    channel: UpdateChannel
    """What the members are upgraded to."""
    node_images: NotRequired[NodeImages | None]
    """Which node images they get; None for Azure's choice. Cannot be set together with the channel `NodeImage`."""
    enabled: NotRequired[bool]
    """Whether the fleet starts upgrades by itself. True by default. The stages exist in any case, for upgrades by
    hand."""


class FleetUpdates(pulumi.ComponentResource):
    """An update strategy, and the profile with which the fleet follows it when there is a new version."""

    strategy: containerservice.FleetUpdateStrategy
    """The stages; an update run by hand can follow them, too."""
    profile: containerservice.AutoUpgradeProfile
    """Starts an update run for each new version of its channel."""

    def __init__(self, name: str, args: FleetUpdatesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:FleetUpdates", name, {}, opts)
        if (group_name := args.get("resource_group_name")) is None:
            group_name = resource_group_of(args["fleet"].id, pulumi.InvokeOptions(parent=self))
        in_fleet = pulumi.ResourceOptions(parent=self, hooks=FLEET_RETRY.hooks())
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
            # The update groups of a stage must have members (Azure/azure-rest-api-specs, fleets.json, UpdateGroup),
            # although Azure accepts others (Azure/azure-cli-extensions, recording test_fleet_hubless).
            opts=pulumi.ResourceOptions.merge(in_fleet, pulumi.ResourceOptions(depends_on=args["members"])),
        )
        self.profile = containerservice.AutoUpgradeProfile(
            f"{name}-profile",
            resource_group_name=group_name,
            fleet_name=args["fleet"].name,
            auto_upgrade_profile_name="auto-upgrade",
            # A string: the SDK's enumeration is that of a cluster's own upgrades, whose names Fleet refuses.
            channel=args["channel"],
            node_image_selection=containerservice.AutoUpgradeNodeImageSelectionArgs(type=images)
            if (images := args.get("node_images"))
            else None,
            update_strategy_id=self.strategy.id,
            disabled=not args.get("enabled", True),
            opts=in_fleet,
        )
        self.register_outputs({"strategyId": self.strategy.id})
