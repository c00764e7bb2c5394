"""The report: what it shows of a state, what it keeps to itself, and how a browser takes it."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from rehearsal.tests.page import Page
from rehearsal.timing import durations
from rehearsal.timing.report import Outcome, write
from rehearsal.timing.schedule import Resource, Timeline, plan, schedule
from rehearsal.timing.topology import topology

GROUP = "azure-native:resources:ResourceGroup"
NETWORK = "azure-native:network:VirtualNetwork"
PEERING = "azure-native:network:VirtualNetworkPeering"
CLUSTER = "azure-native:containerservice:ManagedCluster"
FLEET = "azure-native:containerservice:Fleet"
MEMBER = "azure-native:containerservice:FleetMember"
PLACEMENT = "kubernetes:placement.kubernetes-fleet.io/v1:ClusterResourcePlacement"
PUBLIC_ADDRESS = "azure-native:network:PublicIPAddress"
BALANCER = "azure-native:network:LoadBalancer"
ENTRY_POINT = "kubernetes:networking.fleet.azure.com/v1alpha1:MultiClusterService"
SECRET = "planted-secret"

WELL = Outcome("dev", "9 created", [("member aks-eastus2", True, "joined")])
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def resource(name: str, token: str, inputs: dict[str, Any], *needs: str, **more: object) -> dict[str, Any]:
    return {
        "urn": f"urn::{name}",
        "type": token,
        "custom": True,
        "inputs": inputs,
        "dependencies": [f"urn::{each}" for each in needs],
        **more,
    }


def network_of(region: str) -> str:
    return f"/subscriptions/s/resourceGroups/rg-{region}/providers/Microsoft.Network/virtualNetworks/vnet-{region}"


def cluster_of(region: str) -> str:
    return f"/subscriptions/s/resourceGroups/rg-{region}/providers/x/managedClusters/aks-{region}"


def region(name: str) -> Iterator[dict[str, Any]]:
    """Yield what a region has, its kubeconfig included."""
    pool = {"count": 3, "vmSize": "Standard_D4ds_v5", "vnetSubnetID": f"{network_of(name)}/subnets/nodes"}
    yield resource(f"{name}-group", GROUP, {"location": name})
    yield resource(
        f"{name}-network",
        NETWORK,
        {"location": name, "addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}},
        f"{name}-group",
        id=network_of(name),
    )
    yield resource(
        f"{name}-cluster",
        CLUSTER,
        {"location": name, "agentPoolProfiles": [pool]},
        f"{name}-network",
        id=cluster_of(name),
        outputs={"linuxProfile": SECRET},
    )
    yield resource(
        f"{name}-kubernetes",
        "pulumi:providers:kubernetes",
        {"clusterIdentifier": cluster_of(name), "kubeconfig": SECRET},
        f"{name}-cluster",
    )
    yield resource(
        f"{name}-member",
        MEMBER,
        {"clusterResourceId": cluster_of(name).upper(), "group": name},
        f"{name}-cluster",
        "fleet",
        id=f"…/members/aks-{name}",
    )


def peering(here: str, there: str) -> dict[str, Any]:
    remote = {"remoteVirtualNetwork": {"id": network_of(there).upper()}}
    where = f"{network_of(here)}/virtualNetworkPeerings/{there}"
    return resource(f"{here}-{there}", PEERING, remote, f"{here}-network", f"{there}-network", id=where)


def deployed(*regions: str, placed: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the state of a stack; its entry point is in the first region."""
    available = [
        {"clusterName": f"aks-{each}", "conditions": [{"type": "Available", "status": "True"}]}
        for each in (regions if placed is None else placed)
    ]
    return [
        resource("fleet", FLEET, {"location": "westus"}, id="…/fleets/gbb-fleet"),
        *(each for name in regions for each in region(name)),
        *(peering(here, there) for here, there in permutations(regions, 2)),
        resource("app-secret", "kubernetes:core/v1:Secret", {"data": {"password": SECRET}}, "fleet", id="app/secret"),
        resource(
            "placement",
            PLACEMENT,
            {},
            *(f"{each}-member" for each in regions),
            id="app",
            outputs={"status": {"placementStatuses": available}},
        ),
        resource(
            "entry",
            ENTRY_POINT,
            {},
            "placement",
            id="app/front",
            provider=f"urn::{regions[0]}-kubernetes::some-id",
            outputs={"status": {"loadBalancer": {"ingress": [{"ip": "20.1.2.3"}]}}},
        ),
    ]


def report(folder: Path, state: Sequence[Resource], outcome: Outcome = WELL) -> Page:
    write(folder / "report.html", outcome, state, durations.load())
    return Page((folder / "report.html").read_text())


def timelines(state: Sequence[Resource]) -> dict[str, Timeline]:
    table = durations.load()
    return {"up": schedule(plan([], state, table)), "destroy": schedule(plan(state, [], table))}


def links(state: Sequence[Resource]) -> set[tuple[str, str]]:
    return {(link.kind, link.what) for link in topology(state).links}


# --- The page --------------------------------------------------------------------------------------------------------


def test_page_loads_nothing_and_may_not(tmp_path: Path) -> None:
    page = report(tmp_path, deployed("eastus2", "westus2"))
    wanted = [given[name] for _, given in page.tags for name in ("src", "href", "srcset", "data") if name in given]
    assert [each for each in wanted if not each.startswith("data:")] == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "iframe", "object", "embed", "base"})
    assert re.search(r"url\(|@import", page.source) is None
    policy = next(given["content"] for _, given in page.tags if given.get("http-equiv") == "Content-Security-Policy")
    assert policy.split(";")[0] == "default-src 'none'"


@pytest.mark.parametrize("parts", [0, 1, 6], ids=["nothing", "a fleet", "a region"])
def test_stack_without_an_entry_point_has_a_page(tmp_path: Path, parts: int) -> None:
    page = report(tmp_path, deployed("eastus2")[:parts])
    assert "no entry point" in page.text


def test_existing_clusters_and_fleets_are_on_the_map(tmp_path: Path) -> None:
    made = deployed("eastus2", "westus2")
    existing = [
        {key: value for key, value in each.items() if key != "inputs"} | {"external": True, "outputs": each["inputs"]}
        if each["type"] in (NETWORK, CLUSTER, FLEET)
        else each
        for each in made
    ]
    report(tmp_path, existing)
    assert topology(existing) == topology(made)


def test_every_operation_has_a_lane_at_its_time_and_exactly_the_critical_ones_are_marked(tmp_path: Path) -> None:
    state = deployed("eastus2", "westus2", "northeurope")
    page = report(tmp_path, state)
    for verb, timeline in timelines(state).items():
        rows = page.rows[verb]
        assert rows.keys() == {span.operation.urn for span in timeline.operations}
        assert any(span.critical for span in timeline.operations)
        for span in timeline.operations:
            row = rows[span.operation.urn]
            assert row.marked == {span.critical}
            percent = 100 / timeline.makespan
            assert row.start == pytest.approx(span.start * percent, abs=0.01)
            assert row.length == pytest.approx((span.end - span.start) * percent, abs=0.01)


def test_operations_are_said_with_type_seconds_and_source(tmp_path: Path) -> None:
    state = deployed("eastus2", "westus2")
    page = report(tmp_path, state)
    for span in timelines(state)["up"].operations:
        done = span.operation
        row = page.source.split(f'data-urn="{done.urn}"', 1)[1].split("</dl>", 1)[0]
        source = escape(durations.load().root[done.token]["create"].source)
        for said in (
            f"<b>{done.name}</b>",
            f"<dd>{done.token}</dd>",
            f"<dd>{done.seconds:g} s, ",
            f"<dd>{source}</dd>",
        ):
            assert said in row


def test_secrets_of_the_state_are_not_in_it(tmp_path: Path) -> None:
    state = deployed("eastus2", "westus2")
    assert SECRET in str(state)
    assert SECRET not in report(tmp_path, state).source


def test_names_are_text_and_not_markup(tmp_path: Path) -> None:
    name = "<img src=x>&\"'"
    page = report(tmp_path, deployed(name, "westus2"), Outcome(name, name, [(name, False, name)]))
    assert "img" not in {tag for tag, _ in page.tags}
    assert page.text.count(name) > 5
    assert page.rows.keys() == {"up", "destroy"}


def test_what_is_not_well_is_said_and_traffic_is_not_vouched_for(tmp_path: Path) -> None:
    state = deployed("eastus2", "westus2")
    assert "some checks failed" not in report(tmp_path, state).text
    page = report(tmp_path, state, Outcome("dev", "", [("member aks", True, ""), ("pods on aks", False, "none")]))
    assert "some checks failed" in page.text
    assert [given["class"] for _, given in page.tags if given.get("class") in {"good", "bad"}] == ["good", "bad"]
    assert [given.get("class") for tag, given in page.tags if tag == "svg"] == ["doubtful"]


def test_stack_that_could_not_be_checked_is_neither_well_nor_unwell(tmp_path: Path) -> None:
    page = report(tmp_path, deployed("eastus2", "westus2"), Outcome("dev", "", []))
    assert "not checked" in page.text
    assert "all checks passed" not in page.text.lower()


# --- The topology ----------------------------------------------------------------------------------------------------


def test_traffic_goes_from_the_entry_to_where_the_app_is_available() -> None:
    shown = links(deployed("eastus2", "westus2", "northeurope", placed=["eastus2", "northeurope"]))
    assert shown == {
        ("traffic", "traffic between eastus2 and northeurope"),
        ("peering", "eastus2 and westus2"),
        ("peering", "northeurope and westus2"),
        ("hub", "aks-eastus2 is a member of gbb-fleet"),
        ("hub", "aks-northeurope is a member of gbb-fleet"),
        ("hub", "aks-westus2 is a member of gbb-fleet"),
    }


def test_peering_from_one_side_connects_nothing() -> None:
    state = [each for each in deployed("eastus2", "westus2") if each["urn"] != "urn::westus2-eastus2"]
    assert {kind for kind, _ in links(state)} == {"hub"}
    assert [each.peers for each in topology(state).regions] == [frozenset(), frozenset()]


def test_entry_is_on_the_cluster_of_its_provider_and_comes_first() -> None:
    state = deployed("westus2", "eastus2")
    assert [(each.location, each.entry) for each in topology(state).regions] == [
        ("westus2", "20.1.2.3"),
        ("eastus2", ""),
    ]


def test_addresses_of_several_entry_points_on_a_cluster_are_counted() -> None:
    state = deployed("westus2", "eastus2")
    for number in (1, 2):
        ingress = [{"ip": f"20.1.2.{number}"}]
        state.append(
            {**state[-1], "id": f"app/{number}", "outputs": {"status": {"loadBalancer": {"ingress": ingress}}}}
        )
    assert [each.entry for each in topology(state).regions] == ["20.1.2.3 + 2 more", ""]


def test_global_address_is_shown_in_place_of_one_of_its_entry_points(tmp_path: Path) -> None:
    front = {"publicIPAddress": {"id": "…/publicIPAddresses/GLOBAL"}}
    state = [
        *deployed("eastus2", "westus2"),
        resource("address", PUBLIC_ADDRESS, {}, id="…/publicIPAddresses/global", outputs={"ipAddress": "20.9.9.9"}),
        resource("other", PUBLIC_ADDRESS, {}, id="…/publicIPAddresses/other", outputs={"ipAddress": "20.8.8.8"}),
        resource("balancer", BALANCER, {"frontendIPConfigurations": [front]}, "address", id="…/balancer"),
    ]
    text = report(tmp_path, state).text
    assert "global address20.9.9.9entry points behind it: 1" in text
    assert "20.1.2.3" in text
    assert "20.8.8.8" not in text


def test_region_that_the_guard_holds_back_is_marked_with_the_place() -> None:
    names = ["aks-eastus2-app-front-x7k2p-9qwzt", "aks-eastus2-app-other-x7k2p-9qwzt", "aks-gone-app-front-x-9qwzt"]
    shown = topology(deployed("eastus", "eastus2"), {cluster_of("eastus").upper(): names, cluster_of("eastus2"): []})
    assert {each.location: each.held_back for each in shown.regions} == {"eastus": (), "eastus2": ("eastus",)}


@pytest.mark.parametrize("number", range(1, 21))
def test_regions_do_not_cover_each_other_or_the_hub(number: int) -> None:
    shown = topology(deployed(*(f"region{each}" for each in range(number))))
    places, step = [each.place for each in shown.regions], 100 / max(1, number // 2)
    for one, other in permutations(places, 2):
        # On a phone, the longest name is two thirds as wide as the map.
        assert abs(one.x - other.x) >= 66 or abs(one.y - other.y) >= step - 0.01
    assert all(abs(hub.place.y - place.y) >= step / 2 - 0.01 for hub in shown.hubs for place in places)
    assert all(0 <= each <= 100 for place in places for each in (place.x, place.y))


# --- A browser -------------------------------------------------------------------------------------------------------


def in_a_browser(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that needs Chromium."""
    return pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")(test)


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Open a page in Chromium; what its console has to say goes to the error stream."""
    assert CHROMIUM
    quiet = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", *quiet, *options]
    return subprocess.run(  # noqa: S603 - our own command
        [*command, f"--user-data-dir={page.parent}/profile", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )


def look(page: Page, folder: Path, widths: Sequence[int], script: str) -> set[str]:
    """Show a page in frames of some widths, and return what a script outside says of each `document` in them."""
    # Chromium's own window is not as narrow as a phone, and the page's policy lets no script into it.
    shown = f"document.title += '|' + (document => {{ {script} }})(this.contentDocument)"
    frame = f'height="800" frameborder="0" onload="{escape(shown)}" srcdoc="{escape(page.source)}"'
    around = folder / "around.html"
    around.write_text("<title></title>" + "".join(f'<iframe width="{each}" {frame}></iframe>' for each in widths))
    title = re.search("<title>(.*)</title>", browse(around, "--hide-scrollbars").stdout)
    return set(title[1].split("|")[1:]) if title else set()


@in_a_browser
@pytest.mark.parametrize("regions", [1, 2, 3, 10])
def test_browser_has_nothing_to_complain_of_and_nothing_is_wider_than_the_screen(regions: int, tmp_path: Path) -> None:
    page = report(tmp_path, deployed(*(f"switzerlandnorth{each}" for each in range(regions))))
    assert "CONSOLE" not in browse(tmp_path / "report.html", "--enable-logging=stderr").stderr
    wide = "return `${document.defaultView.innerWidth}:${document.documentElement.scrollWidth}`"
    assert look(page, tmp_path, (360, 700, 1400), wide) == {"360:360", "700:700", "1400:1400"}


@in_a_browser
def test_switch_shows_the_other_timeline_and_a_chosen_lane_its_particulars(tmp_path: Path) -> None:
    page = report(tmp_path, deployed("eastus2", "westus2"))
    choose = """
        const shown = which => getComputedStyle(document.querySelector(which)).display != 'none';
        const seen = () => ['.up', '.destroy', '.destroy .tip'].map(each => shown(each));
        const before = seen();
        document.querySelector('[value=destroy]').click();
        document.querySelector('.destroy .row').focus();
        return [...before, ...seen()];
    """
    assert look(page, tmp_path, (360, 1400), choose) == {"true,false,false,false,true,true"}
