"""Maintenance windows: which clusters have them, and when."""

from tests.support.program import Program, run_stack


def test_both_windows_of_a_cluster_are_those_of_its_stage(prod: Program) -> None:
    days = {"west": "Tuesday", "europe": "Wednesday", "east": "Thursday"}
    for region, day in days.items():
        windows = [prod[f"{region}-maintenance-{kind}"].inputs for kind in ("kubernetes", "images")]
        assert [window["configName"] for window in windows] == [
            *("aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"),
        ]
        for window in windows:
            cluster = prod.outputs["clusterIds"][region].split("/")
            assert [window["resourceGroupName"], window["resourceName"]] == [cluster[4], cluster[-1]]
            assert window["maintenanceWindow"] == {
                "durationHours": 8,
                "startTime": "21:00",
                "utcOffset": "+00:00",
                "schedule": {"weekly": {"dayOfWeek": day, "intervalWeeks": 1}},
            }


def test_there_are_no_windows_unless_they_are_asked_for() -> None:
    program = run_stack("prod", clusters={"tier": "Standard", "entraId": True})
    assert not program.of_type("azure-native:containerservice:MaintenanceConfiguration")
