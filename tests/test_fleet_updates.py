"""The fleet's updates: stages of update groups, and the profile that starts them."""

from typing import Any

from tests.support.program import Program, run_stack, stack_config

NAMESPACE = "azure-native:containerservice"
STAGES = {"channel": "Rapid", "stages": [["west"], ["east"]]}


def updates(**changes: Any) -> Program:  # noqa: ANN401 - any JSON value
    """Run dev with updates."""
    return run_stack("dev", fleet={"updates": STAGES | changes})


def test_there_are_none_unless_they_are_asked_for(dev: Program) -> None:
    for token in ("FleetUpdateStrategy", "AutoUpgradeProfile"):
        assert dev.of_type(f"{NAMESPACE}:{token}") == {}


def test_prod_upgrades_region_by_region_a_night_each_the_entry_region_last(prod: Program) -> None:
    assert prod["updates-strategy"].inputs["strategy"] == {
        "stages": [
            {"name": "stage-1", "groups": [{"name": "west"}], "afterStageWaitInSeconds": 57600},
            {"name": "stage-2", "groups": [{"name": "europe"}], "afterStageWaitInSeconds": 57600},
            {"name": "stage-3", "groups": [{"name": "east"}]},
        ]
    }
    assert "east" in prod.outputs["entryServices"]
    profile = prod["updates-profile"].inputs
    assert (profile["channel"], profile["nodeImageSelection"]) == ("Stable", {"type": "Consistent"})
    assert profile["disabled"] is False
    assert profile["updateStrategyId"] == f"{prod.outputs['fleetId']}/updateStrategies/stages"


def test_stages_come_once_every_member_is_in_its_group(prod: Program) -> None:
    assert prod["updates-strategy"].dependencies >= {"hub-member-east", "hub-member-west", "hub-member-europe"}


def test_a_group_may_hold_several_regions() -> None:
    regions = [region | {"updateGroup": "all"} for region in stack_config("dev")["regions"]]
    program = run_stack("dev", regions=regions, fleet={"updates": {"channel": "Rapid", "stages": [["all"]]}})
    (stage,) = program["updates-strategy"].inputs["strategy"]["stages"]
    assert stage == {"name": "stage-1", "groups": [{"name": "all"}]}


def test_azure_chooses_the_images_unless_they_are_chosen() -> None:
    assert "nodeImageSelection" not in updates()["updates-profile"].inputs


def test_paused_updates_keep_their_stages() -> None:
    program = updates(enabled=False)
    assert program["updates-profile"].inputs["disabled"] is True
    assert len(program["updates-strategy"].inputs["strategy"]["stages"]) == 2


def test_updates_are_retried_with_the_fleet(prod: Program) -> None:
    for name in ("updates-strategy", "updates-profile"):
        assert list(prod[name].options.hooks.on_error) == ["fleet-retry"]
