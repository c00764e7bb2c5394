"""One global address in front of several entry points, through the engine."""

from typing import Any

import pytest

from rehearsal.cluster.interface import Part
from rehearsal.cluster.objects import annotations_of, name_of
from rehearsal.cluster.workloads import ADDITIONAL_ADDRESSES
from rehearsal.core.protocol import Operation
from rehearsal.faults.injection import Faults
from rehearsal.faults.profile import Outage, Profile
from rehearsal.fleet import traffic
from rehearsal.interception import Interceptor
from rehearsal.tests.objects import in_memory
from tests.support.health import assert_healthy, failed
from tests.support.program import NORTH
from tests.support.stack import Stack, entry_point

GLOBAL: dict[str, Any] = {"globalAddress": {"homeRegion": "centralus"}}


def changes(service: str, step: str) -> dict[str, str]:
    """Return the changes when an entry point behind a global address comes or goes."""
    suffix = "" if service == "store-front" else f"-{service}"
    return entry_point(service, step) | {f"app-entry-service{suffix}": step}


def guards(region: str, step: str) -> dict[str, str]:
    parts = ("", "-namespace", "-account", "-role", "-binding", "-code", "-deployment")
    return {f"{region}-guard{part}": step for part in parts}


def answering(stack: Stack, requests: int = 12) -> set[str]:
    """Return the clusters that answer at the global address; "" if some requests have no answer."""
    internet, url = traffic.Internet(in_memory(stack.cloud)), stack.outputs()["url"].value
    clusters: set[str] = set()
    for _ in range(requests):
        try:
            clusters.add(internet.request(url)["cluster"])
        except TimeoutError:
            clusters.add("")
    return clusters


@pytest.fixture
def both(stack: Stack) -> Stack:
    """The dev stack with two entry points behind a global address."""
    stack.configure(app=GLOBAL | {"entryRegions": ["east", "west"]})
    stack.up()
    return stack


def test_global_address_leads_to_the_pods_of_all_regions(both: Stack) -> None:
    outputs = both.outputs()
    assert outputs["externalIp"].value == outputs["globalAddress"].value
    assert outputs["globalAddress"].value not in outputs["entryAddresses"].value.values()
    assert_healthy(both)
    assert answering(both) == {"aks-eastus2", "aks-westus2"}
    assert both.preview().changes == {}
    assert both.up().changes == {}


@pytest.mark.slow
def test_entry_points_come_and_go_behind_the_same_address(both: Stack) -> None:
    before = both.outputs()
    both.configure(regions=[*both.config["regions"], NORTH], app=GLOBAL | {"entryRegions": ["east", "west", "north"]})
    planned = both.preview().changes
    assert planned["global-balancer-regions"] == "update"
    done = both.up()
    assert done.changes == planned
    assert {name: step for name, step in planned.items() if "north" not in name} == {
        "app-placement": "update",
        "app-endpoints": "update",
        "app-endpoints-store-front-west": "update",
        "global-balancer-regions": "update",
        "east-guard-deployment": "update",
        "west-guard-deployment": "update",
    }
    assert_healthy(both)

    both.configure(app=GLOBAL | {"entryRegions": ["east", "north"]})
    done = both.up()
    assert done.changes == changes("store-front-west", "delete") | guards("west", "delete") | {
        "global-balancer-regions": "update"
    }
    asked = [step for step in done.asked if step[0] != "invoke"]
    # Azure refuses to drop a frontend that a global load balancer refers to.
    assert asked.index(("update", "global-balancer-regions")) < asked.index(
        ("delete", "app-entry-point-store-front-west")
    )
    after = both.outputs()
    assert after["externalIp"].value == before["externalIp"].value
    assert after["entryAddresses"].value["east"] == before["entryAddresses"].value["east"]
    assert both.preview().changes == {}


@pytest.mark.slow
def test_entry_point_is_added_on_a_cluster_that_exists(stack: Stack) -> None:
    stack.configure(app=GLOBAL | {"entryRegions": ["east"]})
    stack.up()
    stack.configure(app=GLOBAL | {"entryRegions": ["east", "west"]})
    planned = stack.preview().changes
    assert planned == changes("store-front-west", "create") | guards("west", "create") | {
        "global-balancer-regions": "update"
    }
    west = in_memory(stack.cloud).cluster(stack.outputs()["clusterIds"].value["west"])
    behind: list[set[str]] = []

    def look(operation: Operation) -> None:
        if (operation.verb, operation.call.name) == ("update", "global-balancer-regions"):
            slices = [name_of(each) for each in west.objects("EndpointSlice.discovery.k8s.io") if each["endpoints"]]
            behind.append({name.partition("-aks-store-demo-store-front-west")[0] for name in slices})

    stack.cloud.interceptors.append(Interceptor(before=look))
    late = Faults(Profile(outages=(Outage(outage=Part.IMPORTS, cluster="aks-eastus2", lasts=3),)))
    with late.in_force(stack.cloud):
        assert stack.up().changes == planned
    # Otherwise clients would be led to an entry point that has no endpoints yet.
    assert [{"aks-eastus2", "aks-westus2"} <= each for each in behind] == [True]
    assert_healthy(stack)


@pytest.mark.slow
def test_region_with_an_entry_point_is_removed_in_one_update(both: Stack) -> None:
    # Fleet removes the namespace there with the placement, and so the Service that has the annotation.
    regions = both.config["regions"]
    both.configure(regions=regions[:1], app=GLOBAL | {"entryRegions": ["east"]})
    both.up()
    assert_healthy(both)
    assert both.preview().changes == {}


@pytest.mark.slow
def test_entry_points_stay_when_the_global_address_goes(both: Stack) -> None:
    both.configure(app={"entryRegions": ["east", "west"]})
    done = both.up()
    assert {name for name, step in done.changes.items() if step == "delete" and name.startswith("app-")} == {
        "app-entry-service",
        "app-entry-service-store-front-west",
    }
    east = in_memory(both.cloud).cluster(both.outputs()["clusterIds"].value["east"])
    service = east.find("Service", "aks-store-demo-store-front", "fleet-system")
    assert service
    assert ADDITIONAL_ADDRESSES not in annotations_of(service)
    assert_healthy(both)


@pytest.mark.slow
def test_everything_is_destroyed_the_balancer_first(both: Stack) -> None:
    asked = [name for verb, name in both.destroy().asked if verb == "delete"]
    assert asked.index("global-balancer-regions") < min(map(asked.index, ("app-entry-point", "east-cluster")))
    assert both.cloud.is_empty()


def test_region_that_does_not_answer_blocks_neither_preview_nor_update(both: Stack) -> None:
    both.lose_region("west")
    assert both.preview().changes == {}
    both.configure(tags={"owner": "platform"})
    assert both.up().changes["global-balancer-regions"] == "update"
    # In memory, no pod runs its code, and so the guard does nothing about the lost region's endpoints.
    assert answering(both) == {"aks-eastus2", ""}


@pytest.mark.slow
def test_service_that_lost_its_annotation_is_found(both: Stack) -> None:
    clusters = in_memory(both.cloud)
    east = clusters.cluster(both.outputs()["clusterIds"].value["east"])
    service = east.find("Service", "aks-store-demo-store-front", "fleet-system")
    assert service
    east.set_metadata(service, "annotations", "service.beta.kubernetes.io/azure-additional-public-ips", None)
    both.cloud.pass_time(60)
    found = failed(both)
    assert found["global address on aks-eastus2"] == "the entry point does not accept packets for the address"
    both.rehearsal.stack.up(refresh=True)
    assert_healthy(both)
