"""The quantities of the program's own plans, under the real engine."""

import json
from pathlib import Path

import pytest

from quantities import Plan, Quantity
from rehearsal.stack import Rehearsal, rehearsing
from tests.support import existing
from tests.support.program import NORTH, stack_config
from tests.support.stack import Stack, copy_program

pytestmark = pytest.mark.slow

PREVIEW = ["preview", "--json", "--show-sames"]


def planned(rehearsal: Rehearsal, capfd: pytest.CaptureFixture[str]) -> list[Quantity]:
    """Return the quantities of a stack's next plan."""
    capfd.readouterr()
    assert rehearsal.pulumi(PREVIEW) == 0
    return Plan(json.loads(capfd.readouterr().out)).quantities()


def test_quantities_of_prod_are_those_of_its_settings(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with rehearsing("prod", copy_program(tmp_path / "program")) as rehearsal:
        rows = planned(rehearsal, capfd)
    settings = stack_config("prod")
    places = {region["name"]: region["location"] for region in settings["regions"]}
    entries = {places[name] for name in settings["app"]["entryRegions"]}
    assert {(row.location, row.least, row.most) for row in rows if row.kind == "Standard_D4ds_v5"} == {
        (each["location"], *(each["nodePool"][key] + each["userPool"][key] for key in ("minCount", "maxCount")))
        for each in settings["regions"]
    }
    assert [row.location for row in rows if row.what == "hub cluster"] == [settings["fleet"]["location"]]
    assert {row.location for row in rows if row.kind == "by AKS, of a Service"} == entries
    assert {row.location for row in rows if row.kind == "by AKS, public"} == entries
    assert {row.location for row in rows if row.what == "nat gateway"} == set(places.values())
    assert [row.what for row in rows if row.kind == "Standard Global"] == ["load balancer", "public IP address"]
    assert [(row.kind, row.most) for row in rows if row.what == "virtual network peering"] == [("between regions", 6)]


def test_a_running_stacks_plan_counts_what_stays_and_what_comes_and_not_what_goes(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    before = planned(stack.rehearsal, capfd)
    east, _ = regions = stack.config["regions"]
    stack.configure(regions=[*regions, NORTH])
    more = planned(stack.rehearsal, capfd)
    stack.configure(regions=[east])
    less = planned(stack.rehearsal, capfd)
    nodes = [
        {row.location: row.most for row in rows if row.what == "node" and row.rule != "hub"}
        for rows in (before, more, less)
    ]
    assert nodes == [
        {"eastus2": 3, "westus2": 3},
        {"eastus2": 3, "westus2": 3, "northcentralus": 1},
        {"eastus2": 3},
    ]


def test_an_existing_cluster_counts_for_what_the_stack_adds_to_it(
    empty: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    east, west = empty.config["regions"]
    east = {"name": "east", "location": "eastus2", "existing": {"clusterId": existing.cluster(empty.cloud)}}
    empty.configure(regions=[east, west], fleet={"existingId": existing.fleet(empty.cloud)})
    rows = planned(empty.rehearsal, capfd)
    assert {row.location for row in rows if row.what in ("node", "managed cluster", "virtual network")} == {"westus2"}
    assert [row for row in rows if row.rule == "hub"] == []
    assert {(row.what, row.kind) for row in rows if row.location == "existing: AKS-Before"} == {
        ("public IP address", "by AKS, of a Service")
    }
    assert {(row.kind, row.most) for row in rows if row.what == "virtual network peering"} == {
        ("to an existing network", 2)
    }
