"""The configuration: its defaults, the stacks that ship, and a line for each mistake."""

import copy
import json
import re
import runpy
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, cast

import pulumi
import pytest
import yaml
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import resource_pb2
from pydantic import ValidationError

from components.app_manifests import ManifestsError
from settings import (
    FORBIDDEN_RANGES,
    ClusterRegion,
    NewFleet,
    NewRegion,
    Settings,
    SettingsError,
    SubnetRegion,
    load,
    parse,
)
from tests.support.program import ROOT, run

REPORT = Path(__file__).with_name("settings_report.txt")
GUID = "11111111-2222-3333-4444-555555555555"
BASE: dict[str, Any] = {
    "regions": [
        {
            "name": "east",
            "location": "eastus2",
            "addressSpace": "10.1.0.0/16",
            "nodeSubnet": "10.1.0.0/24",
            "nodePool": {"vmSize": "Standard_D4ds_v5", "count": 3},
        },
        {
            "name": "west",
            "location": "westus2",
            "addressSpace": "10.2.0.0/16",
            "nodeSubnet": "10.2.0.0/24",
            "nodePool": {"vmSize": "Standard_D4ds_v5", "minCount": 1, "maxCount": 5, "zones": ["2"]},
        },
    ],
    "clusters": {},
    "fleet": {"hub": {}},
    "app": {},
    "access": {"hubAdmins": [{"objectId": GUID, "type": "Group"}]},
    "tags": {},
}
ABSENT = object()


def entry_services(settings: Settings, app: str = "app") -> dict[str, str]:
    """Return the names of an app's entry Services, by region."""
    return {entry.region: entry.name for entry in settings.entries(settings.all_apps[app])}


MAY_BE_MISSING = ("app", "globalAddress", "monitoring", "alerts")


def changed(*changes: tuple[str, object]) -> dict[str, Any]:
    """The base configuration with values put at (or, for ABSENT, taken from) paths such as `regions[1].name`."""
    raw = copy.deepcopy(BASE)
    for path, value in changes:
        *parents, last = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
        place: Any = raw
        for part in parents:
            place = place.setdefault(part, {}) if part in MAY_BE_MISSING else place[part]
        if value is ABSENT:
            del place[last]
        else:
            place[last] = copy.deepcopy(value)
    return raw


def mistakes(raw: dict[str, Any], *secret: str) -> list[str]:
    """The report without its first line; empty where nothing is wrong."""
    try:
        parse(raw, secret)
    except SettingsError as error:
        return [line.strip() for line in str(error).splitlines()[1:]]
    return []


def new(settings: Settings) -> list[NewRegion]:
    """The regions with networks of their own."""
    return [region for region in settings.regions if isinstance(region, NewRegion)]


def stack_file(stack: str) -> dict[str, Any]:
    config = cast("dict[str, Any]", yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"])
    return {key.removeprefix("fleet-l4-lb:"): value for key, value in config.items()}


@pytest.fixture
def _no_config() -> Iterator[None]:
    yield
    pulumi.runtime.set_all_config({}, [])


def test_dev_is_the_article() -> None:
    settings = parse(stack_file("dev"))
    assert [
        f"{r.resource_group} {r.location} {r.virtual_network} {r.address_space} {r.subnet} {r.node_subnet} {r.cluster}"
        for r in new(settings)
    ] == [
        "rg-aks-eastus2 eastus2 aks-vnet-east 10.1.0.0/16 aks-subnet-east 10.1.0.0/24 aks-eastus2",
        "rg-aks-westus2 westus2 aks-vnet-west 10.2.0.0/16 aks-subnet-west 10.2.0.0/24 aks-westus2",
    ]
    assert [(r.name, r.node_pool.vm_size, r.node_pool.count) for r in new(settings)] == [
        ("east", "Standard_D4ds_v5", 3),
        ("west", "Standard_D4ds_v5", 3),
    ]
    fleet, app = settings.fleet, settings.app
    assert (fleet.resource_group, fleet.name, fleet.location) == ("rg-fleet", "gbb-fleet", "westus")
    assert (app.namespace, app.service, entry_services(settings)) == (
        "aks-store-demo",
        "store-front",
        {"east": "store-front"},
    )


def test_prod_is_hardened_and_scales_over_zones() -> None:
    settings = parse(stack_file("prod"))
    assert [r.location for r in settings.regions] == ["eastus2", "westus3", "northeurope"]
    assert settings.clusters.model_dump() == {
        "tier": "Standard",
        "entra_id": True,
        "baseline": True,
        "node_os": "AzureLinux",
        "security_group": True,
        "dataplane": "cilium",
        "outbound": "natGateway",
        "host_encryption": False,
        "api_ranges": (),
        "private_api_server": False,
        "maintenance": {"day": "Tuesday", "start": "21:00", "hours": 8},
        "registry_id": None,
    }
    assert settings.maintenance_days == {"west": "Tuesday", "europe": "Wednesday", "east": "Thursday"}
    for region in new(settings):
        pool = region.node_pool
        assert (pool.count, pool.min_count, pool.max_count, pool.zones) == (None, 3, 5, ("1", "2", "3"))
        assert region.user_pool
        assert (region.user_pool.min_count, region.user_pool.max_count) == (3, 12)
        assert (region.user_pool.zones, region.user_pool.max_pods, region.user_pool.surge) == (pool.zones, 50, 33)
    assert settings.tags == {"environment": "production", "workload": "aks-store-demo"}


def test_prod_can_live_in_the_subscription_of_dev_and_be_peered_with_it() -> None:
    dev, prod = parse(stack_file("dev")), parse(stack_file("prod"))

    def names(settings: Settings) -> set[str]:
        groups = {name for r in settings.regions for name in (r.resource_group, r.cluster)}
        return groups | {settings.fleet.name, settings.fleet.resource_group}

    assert not names(dev) & names(prod)
    assert not any(a.address_space.overlaps(b.address_space) for a in new(dev) for b in new(prod))


def test_defaults_of_a_region() -> None:
    region = new(parse(changed()))[0]
    assert (region.service_cidr, region.dns_service_ip) == (IPv4Network("10.0.0.0/16"), IPv4Address("10.0.0.10"))
    assert (region.update_group, region.node_pool.max_pods, region.node_pool.zones) == ("east", 30, ())
    assert (region.kubernetes_version, region.ssh_public_key) == (None, None)


def test_the_dns_address_is_the_tenth_of_the_services() -> None:
    region = new(parse(changed(("regions[0].serviceCidr", "10.9.16.0/20"))))[0]
    assert region.dns_service_ip == IPv4Address("10.9.16.10")


@pytest.mark.parametrize("spelling", ["eastus2", "East US 2", "EastUS2", "(US) East US 2"])
def test_a_location_is_normalised(spelling: str) -> None:
    assert parse(changed(("regions[0].location", spelling))).regions[0].resource_group == "rg-aks-eastus2"


def test_the_suffix_goes_behind_default_names_of_the_subscription_alone() -> None:
    own_names = (("regions[0].cluster", "mine"), ("fleet.name", "my-fleet"))
    settings = parse(changed(("nameSuffix", "test"), *own_names))
    east, west = new(settings)
    assert (east.resource_group, east.cluster) == ("rg-aks-eastus2-test", "mine")
    assert (west.cluster, west.virtual_network, west.subnet) == ("aks-westus2-test", "aks-vnet-west", "aks-subnet-west")
    assert (settings.fleet.name, settings.fleet.resource_group) == ("my-fleet", "rg-fleet-test")


@pytest.mark.parametrize(
    ("mode", "deployer"),
    [
        ("azurecli", "User"),
        ("workloadidentity", "ServicePrincipal"),
        ("spn", "ServicePrincipal"),
        ("msi", "ServicePrincipal"),
    ],
)
def test_the_kind_of_deployer_follows_from_how_it_signs_in(mode: str, deployer: str) -> None:
    assert parse(changed(("access.kubeloginMode", mode))).access.deployer_type == deployer


def test_entry_service_is_named_after_its_own_region() -> None:
    def services(*changes: tuple[str, object]) -> dict[str, str]:
        return entry_services(parse(changed(*changes)))

    plain, both = ("regions[0].entrySuffix", ""), ("app.entryRegions", ["west", "east"])
    assert services() == {"east": "store-front"}
    assert services(plain) == {"east": "store-front"}
    assert services(plain, ("app.entryRegions", ["west"])) == {"west": "store-front-west"}
    assert services(plain, both) == {"west": "store-front-west", "east": "store-front"}
    assert services(both) == {"west": "store-front-west", "east": "store-front-east"}
    assert services(both, ("regions[0].lost", True)) == {"west": "store-front-west"}


def test_app_is_called_like_its_namespace_service_and_folder() -> None:
    shop = parse(changed(("apps", {"shop": None}))).apps["shop"]
    assert (shop.namespace, shop.shared, shop.folder, shop.address) == ("shop", ("shop",), "manifests/shop", None)
    several = parse(changed(("apps", {"shop": {"services": ["web", "api"], "entryRegions": ["west", "east"]}})))
    found = several.entries(several.apps["shop"])
    assert [each.name for each in found] == ["web-west", "web-east", "api-west", "api-east"]


def test_app_of_the_name_app_keeps_what_the_one_app_has() -> None:
    address = {"homeRegion": "eastus2"}
    one = parse(changed(("app.globalAddress", address), ("nameSuffix", "blue")))
    several = {"app": {"namespace": "aks-store-demo", "service": "store-front", "globalAddress": "global"}}
    named = parse(changed(("apps", several), ("globalAddresses", {"global": address}), ("nameSuffix", "blue")))
    assert [dict(each) for each in named.addresses.values()] == [dict(each) for each in one.addresses.values()]
    assert named.addresses.keys() == one.addresses.keys()
    assert named.pools_of("global") == one.pools_of("global")
    assert named.entries(named.all_apps["app"]) == one.entries(one.app)
    assert named.all_apps["app"].folder == one.app.folder


def test_unknown_key_of_an_app_is_reported_with_the_keys_of_an_app() -> None:
    assert mistakes(changed(("apps", {"shop": {"servce": "web"}}))) == [
        "apps.shop.servce: unknown key",
        "did you mean service?",
    ]


def test_global_address_has_a_group_with_the_suffix() -> None:
    address = ("app.globalAddress", {"homeRegion": "East US 2"})
    found = parse(changed(address, ("nameSuffix", "blue"))).app.global_address
    assert found
    assert (found.home_region, found.resource_group) == ("eastus2", "rg-global-address-blue")


def test_workspaces_are_beside_the_fleet_and_on_with_any_of_their_keys() -> None:
    found = parse(changed(("monitoring.resourceGroup", "rg-logs"), ("nameSuffix", "blue"))).monitoring
    assert (found.enabled, found.location, found.resource_group) == (True, "westus", "rg-logs")
    found = parse(changed(("monitoring.workspaceId", LOGS), ("nameSuffix", "blue"))).monitoring
    assert (found.enabled, found.resource_group) == (True, "rg-monitoring-blue")
    assert not parse(changed(("monitoring", {}))).monitoring.enabled
    assert not parse(changed(("monitoring", {"workspaceId": LOGS, "enabled": False}))).monitoring.enabled


@pytest.mark.parametrize(
    ("updates", "hours", "days"),
    [
        (None, 8, ["Friday", "Saturday"]),  # each region is a stage
        ({"stages": [["west"], ["east"]]}, 8, ["Saturday", "Friday"]),
        ({"stages": [["west", "east"]], "waitMinutes": 9000}, 8, ["Friday", "Friday"]),
        ({"stages": [["east"], ["west"]], "waitMinutes": 16 * 60}, 8, ["Friday", "Saturday"]),
        ({"stages": [["east"], ["west"]], "waitMinutes": 16 * 60 + 1}, 8, ["Friday", "Sunday"]),
        ({"stages": [["east"], ["west"]], "waitMinutes": 16 * 60}, 9, ["Friday", "Sunday"]),
        ({"stages": [["east"], ["west"]], "waitMinutes": 3 * 24 * 60}, 24, ["Friday", "Tuesday"]),
    ],
)
def test_windows_open_in_the_order_of_the_stages(
    updates: dict[str, object] | None, hours: int, days: list[str]
) -> None:
    window = ("clusters.maintenance", {"day": "Friday", "start": "21:00", "hours": hours})
    staged = [("fleet.updates", {"channel": "Stable", **updates})] if updates else []
    assert list(parse(changed(window, *staged)).maintenance_days.values()) == days


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        parse(changed()).app.replicas = 2  # pyright: ignore[reportAttributeAccessIssue]  # what the test is about


def test_names_of_the_greatest_length_are_allowed() -> None:
    longest = (("regions[0].resourceGroup", "g" * 57), ("regions[1].name", "w" * 35), ("app.service", "s" * 48))
    assert not mistakes(changed(*longest, ("regions[1].updateGroup", "u" * 50)))


@pytest.mark.parametrize("key", ["ssh-rsa AAAA", "ssh-ed25519 AAAA me@example.com\n"])
def test_public_keys_are_taken_as_they_are(key: str) -> None:
    assert new(parse(changed(("regions[0].sshPublicKey", key))))[0].ssh_public_key == key


@pytest.mark.parametrize("length", [12, 28])
def test_services_may_have_these_lengths(length: int) -> None:
    assert not mistakes(changed(("regions[0].serviceCidr", f"100.64.0.0/{length}")))


def test_pool_may_fill_its_subnet_and_have_one_size() -> None:
    pool = {"vmSize": "Standard_D2", "minCount": 2, "maxCount": 2, "maxPods": 40}  # 5 + 3 * 41 addresses
    assert not mistakes(changed(("regions[0].nodePool", pool), ("regions[0].nodeSubnet", "10.1.0.0/25")))


def test_both_pools_and_their_surge_share_the_subnet() -> None:
    pool = {"vmSize": "Standard_D2", "count": 3, "surge": 34}  # two more during upgrades
    raw = changed(("regions[0].nodePool", pool), ("regions[0].userPool", {"vmSize": "Standard_D2", "count": 3}))
    with pytest.raises(SettingsError, match=r"315 are needed: 5 for Azure, 31 .* 2 more .*, 31 .* 2 more .*; a /23 is"):
        parse(raw)
    assert not mistakes(raw | {"regions": [raw["regions"][0] | {"nodeSubnet": "10.1.0.0/23"}]})


def test_app_runs_in_its_own_pool() -> None:
    raw = changed(("regions[0].userPool", {"vmSize": "Standard_D2", "count": 1}), ("app.replicas", 31))
    with pytest.raises(
        SettingsError, match=r"app.replicas: 31 pods .* more than the 30 that the nodes of regions\[0\]"
    ):
        parse(raw)


def test_defaults_of_the_updates() -> None:
    fleet = parse(updates(["east"], ["west"])).fleet
    assert fleet.updates
    assert (fleet.updates.wait_minutes, fleet.updates.node_images, fleet.updates.enabled) == (0, None, True)


def test_two_clusters_in_one_location_need_names_of_their_own() -> None:
    names = (("regions[1].resourceGroup", "rg-two"), ("regions[1].cluster", "two"))
    assert not mistakes(changed(("regions[1].location", "eastus2"), *names))


@pytest.mark.parametrize("key", ["clusters", "fleet", "app", "access", "monitoring", "tags", "nameSuffix"])
def test_the_project_file_and_the_settings_have_the_same_defaults(key: str) -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    regions = changed()["regions"]
    assert parse({"regions": regions, key: project["config"][key]["default"]}) == parse({"regions": regions})


def test_the_project_file_describes_every_key() -> None:
    described = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert set(described) == {field.alias for field in Settings.model_fields.values()}
    for section in map(json.dumps, described.values()):
        assert '"description"' in section


# --- One mistake each: the substance of what the report says, and keys with values that have it ----------------

SECTIONS = ("clusters", "fleet", "fleet.hub", "app", "access", "monitoring")
ID = f"/subscriptions/{GUID}/resourceGroups/rg/providers"
SUBNET = f"{ID}/Microsoft.Network/virtualNetworks/v/subnets/s"
CLUSTER = f"{ID}/Microsoft.ContainerService/managedClusters/AKS1"
FLEET = f"{ID}/Microsoft.ContainerService/fleets/f"
LOGS = f"{ID}/Microsoft.OperationalInsights/workspaces/logs"
REGISTRY = f"{ID}/Microsoft.ContainerRegistry/registries/images"
METRICS = f"{ID}/Microsoft.Monitor/accounts/metrics"
POOL = {"vmSize": "Standard_D4ds_v5", "count": 3}
SMALL_POOL = {"vmSize": "Standard_D2", "maxPods": 10}
MISTAKES: dict[str, list[tuple[str, object]]] = {
    # shapes and types
    "is missing": [
        (key, ABSENT)
        for key in (
            *("regions", "regions[0].name", "regions[0].nodePool", "regions[0].addressSpace", "regions[0].nodeSubnet"),
            *("access.hubAdmins[0].type", "access.hubAdmins[0].objectId", "fleet.updates.channel"),
            *("clusters.maintenance.day", "app.rollout.stages"),
            *("fleet.updates.stages", "budget.amount", "budget.contactEmails", "budget.notifications[0].threshold"),
        )
    ],
    "is not a list": [
        *(("regions", value) for value in ({"name": "east"}, "[{", None)),
        *(("access.hubAdmins", None), ("regions[0].nodePool.zones", "1")),
        *(("fleet.updates.stages", "east"), ("fleet.updates.stages[1]", "west")),
        *(("budget.contactEmails", "team@example.com"), ("budget.notifications", {"threshold": 80})),
    ],
    "is not a map": [
        *((section, None) for section in SECTIONS),
        *((section, []) for section in SECTIONS),
        *(("regions[0]", "east"), ("regions[0]", None), ("regions[0].nodePool", []), ("regions[0].nodePool", None)),
        *(("fleet", "gbb-fleet"), ("tags", []), ("tags", ["a"]), ("tags", "a=b"), ("access.hubAdmins[0]", GUID)),
        *(("budget", []), ("budget", 5000), ("budget.notifications[0]", 80)),
        *(("fleet.updates", []), ("regions[0]", {"name": "east", "location": "eastus2", "existing": "x"})),
    ],
    "is not a string": [
        *(("regions[0].name", False), ("regions[0].kubernetesVersion", 1.30), ("tags.a", None), ("tags.year", 2024)),
        *(
            (key, 7)
            for key in (
                *("regions[0].location", "regions[0].resourceGroup", "regions[0].cluster", "fleet.name"),
                *("regions[0].virtualNetwork", "regions[0].subnet", "regions[0].updateGroup"),
                *("regions[0].sshPublicKey", "regions[0].nodePool.vmSize", "fleet.location", "fleet.resourceGroup"),
                *("fleet.hub.dnsPrefix", "fleet.hub.vmSize", "app.namespace", "app.service"),
                "access.hubAdmins[0].objectId",
            )
        ),
    ],
    "is not a whole number": [
        *(("regions[0].nodePool.count", value) for value in ("3", True, 2.5)),
        *(("app.replicas", "3"), ("app.replicas", 1.0), ("regions[0].nodePool.maxPods", "30")),
        *(("regions[1].nodePool.minCount", "1"), ("fleet.updates.waitMinutes", "60")),
        ("clusters.maintenance.hours", "8"),
        *(("budget.amount", "5000"), ("budget.amount", 99.5), ("budget.notifications[0].threshold", "80%")),
    ],
    "is neither true nor false": [
        *(
            ("app.internal", "no"),
            ("app.internal", None),
            ("clusters.entraId", 1),
            ("clusters.baseline", "on"),
            *(("clusters.securityGroup", 1), ("clusters.hostEncryption", "yes")),
            *(("monitoring.enabled", "on"), ("monitoring.defender", "on")),
            ("fleet.updates.enabled", "no"),
        ),
    ],
    # keys
    "unknown key": [
        *(("regionz", []), ("regions[0].adressSpace", "10.9.0.0/16"), ("regions[0].dns_service_ip", "10.0.0.10")),
        *(("regions[0].nodePool.maxpods", 30), ("fleet.hub.dnsprefix", "x"), ("access.hubAdmins[0].objectID", GUID)),
        *(("clusters.zzz", 1), ("clusters.networkPlugin", "kubenet"), ("clusters.networkPluginMode", "overlay")),
        *(("regions[0].podCidr", "10.244.0.0/16"), ("podCidr", "10.244.0.0/16"), ("fleet.updates.stage", [])),
        ("budget.emails", ["team@example.com"]),
    ],
    # names
    "is not allowed": [
        ("clusters.maintenance.start", "9:00"),
        *(("nameSuffix", "Prod"), ("nameSuffix", "p\u0440"), ("fleet.name", "Fleet"), ("app.namespace", "1shop")),
        *(("regions[0].name", name) for name in ("East", "east\n", "east\u200b", "e\u0430st")),
        *((f"regions[0].{key}", "") for key in ("name", "location", "resourceGroup", "cluster", "virtualNetwork")),
        *((f"regions[0].{key}", "") for key in ("subnet", "updateGroup", "kubernetesVersion", "nodePool.vmSize")),
        *((key, "") for key in ("fleet.name", "fleet.location", "fleet.resourceGroup", "fleet.hub.vmSize")),
        *(("app.namespace", ""), ("app.service", ""), ("fleet.hub.dnsPrefix", "a.b"), ("fleet.hub.vmSize", "small")),
        *(("regions[0].location", "eastus\u0662"), ("regions[0].location", "east-us")),
        *(("regions[0].kubernetesVersion", version) for version in ("1.\u0663", "v1.33", "latest")),
        *(("regions[0].resourceGroup", name) for name in ("rg aks", "rg-k\u00fcche", "rg.")),
        *(("regions[0].cluster", "AKS_1"), ("regions[0].updateGroup", "-a"), ("regions[0].virtualNetwork", "v")),
        *(("regions[0].subnet", "s-"), ("regions[0].nodePool.vmSize", "D4")),
        *(("access.hubAdmins[0].objectId", value) for value in ("me@example.com", GUID[:-1])),
        # choices
        *(("regions[1].nodePool.zones[0]", 1), ("regions[1].nodePool.zones[0]", "4")),
        *(("clusters.tier", tier) for tier in ("free", None, "Paid")),
        *(("clusters.nodeOs", "Windows"), ("clusters.dataplane", "calico"), ("clusters.outbound", "none")),
        *(
            ("access.kubeloginMode", "devicecode"),
            ("access.deployerType", "Group"),
            ("access.hubAdmins[0].type", "user"),
        ),
        *(("fleet.updates.channel", "stable"), ("fleet.updates.nodeImages", "Newest")),
        # tags and budget
        *(("tags.a/b", ""), ("tags.Azure-x", ""), ("budget.name", ""), ("budget.name", "a b")),
        ("budget.notifications[0].thresholdType", "actual"),
    ],
    "is not an e-mail address": [
        ("monitoring.alerts.emails", ["ops"]),
        *(("budget.contactEmails[0]", value) for value in ("team", "team@", "@example.com", "a b@example.com", "")),
    ],
    "characters": [
        *(("nameSuffix", "p" * 16), ("regions[0].name", "e" * 36), ("regions[0].subnet", "s" * 81)),
        *(("regions[0].virtualNetwork", "v" * 65), ("regions[0].updateGroup", "u" * 51), ("fleet.name", "f" * 64)),
        *(("regions[0].cluster", "a" * 51), ("fleet.hub.dnsPrefix", "d" * 55), ("app.namespace", "n" * 64)),
        *(("app.service", "s" * 49), ("regions[0].resourceGroup", "g" * 58), ("regions[0].resourceGroup", "g" * 91)),
        *(("regions[0].location", "e" * 31), ("fleet.resourceGroup", "g" * 91)),
        *(("regions[0].nodePool.vmSize", f"Standard_{'D' * 56}"), ("regions[0].kubernetesVersion", f"1.{'3' * 15}")),
        *(("access.hubAdmins[0].objectId", f"{GUID}1"), ("budget.name", "b" * 64)),
    ],
    "is too long": [("tags.note", "x" * 257), (f"tags.{'n' * 513}", "")],
    "is not a public key": [
        ("regions[0].sshPublicKey", key)
        for key in (
            *("-----BEGIN OPENSSH PRIVATE KEY-----", "", "~/.ssh/id_rsa.pub", "ssh-dss AAAA"),
            "ssh-rsa AAAA me\n-----BEGIN OPENSSH PRIVATE KEY-----",
        )
    ],
    "is reserved": [("app.namespace", name) for name in ("default", "kube-shop", "fleet-shop")],
    # addresses
    "is not an address range": [
        ("regions[0].addressSpace", value)
        for value in (
            *("10.1.0.0", "10.1.0.0/33", 10.1, "", None, ["10.1.0.0/16"], "10.1.0.0/16 ", "010.1.0.0/16"),
            *("10.\u0661.0.0/16", "999.1.0.0/16", "10.1.0.0/-1", "10.1.0.0-10.1.255.255"),
        )
    ],
    "is not an address": [
        ("regions[0].dnsServiceIp", value) for value in (None, 10, "", "dns", "fd00::10", "10.0.0.10/32", "10.0.0.010")
    ],
    "has host bits set": [
        *(("regions[0].addressSpace", "10.1.0.1/16"), ("regions[0].nodeSubnet", "10.1.0.5/24")),
        ("regions[0].serviceCidr", "10.0.0.1/16"),
    ],
    "is IPv6": [
        *(("regions[0].addressSpace", "fd00::/48"), ("regions[0].addressSpace", "::ffff:10.1.0.0/112")),
        *(("regions[0].nodeSubnet", "fd00::/64"), ("regions[0].serviceCidr", "fd00::/108")),
    ],
    "which Azure reserves": [
        ("regions[0].addressSpace", "0.0.0.0/0"),
        *(("regions[0].serviceCidr", f"{net.network_address}/28") for net in FORBIDDEN_RANGES if net.prefixlen < 28),
    ],
    "is outside addressSpace": [("regions[0].nodeSubnet", "10.2.0.0/24")],
    "129 are needed": [("regions[0].nodeSubnet", "10.1.0.0/25")],
    "is a /": [("regions[0].serviceCidr", "10.0.0.0/29"), ("regions[0].serviceCidr", "10.0.0.0/11")],
    "cannot be the DNS address": [
        ("regions[0].dnsServiceIp", ip) for ip in ("10.3.0.10", "10.0.0.0", "10.0.0.1", "10.0.255.255")
    ],
    # sizes and numbers
    "is too small": [
        *(("regions[0].nodePool.count", 0), ("regions[0].nodePool.count", -1), ("regions[0].nodePool.maxPods", 9)),
        *(("app.replicas", 0), ("fleet.updates.waitMinutes", -1)),
        *(("app.rollout.waitMinutes", -1), ("app.rollout.until", 0)),
        *(("budget.amount", 0), ("budget.notifications[0].threshold", 0)),
    ],
    "is too large": [
        *(("regions[0].nodePool.count", 1001), ("regions[0].nodePool.count", 10**30)),
        *(("regions[0].nodePool.maxPods", 251), ("budget.notifications[0].threshold", 1001)),
        *(("regions[0].nodePool.surge", 101), ("clusters.maintenance.hours", 25)),
    ],
    "is not public": [("clusters.apiRanges", ["10.1.0.0/16"])],
    "has 200 items": [("clusters.apiRanges", [f"203.0.{n}.0/24" for n in range(200)])],
    "has no size": [
        ("regions[0].nodePool", {"vmSize": "Standard_D2"}),
        ("regions[0].userPool", {"vmSize": "Standard_D2"}),
    ],
    "has minCount": [
        ("regions[0].nodePool", {"vmSize": "Standard_D2", "minCount": 1}),
        ("regions[0].nodePool", {"vmSize": "Standard_D2", "minCount": 3, "maxCount": 2}),
    ],
    "has count and maxCount": [("regions[0].nodePool", {"vmSize": "Standard_D2", "count": 1, "maxCount": 2})],
    "has room for 20 pods": [("regions[0].nodePool", {**SMALL_POOL, "count": 2})],
    "has room for 10 pods": [("regions[0].nodePool", {**SMALL_POOL, "minCount": 1, "maxCount": 5})],
    "has 0 items": [
        *(("regions", []), ("fleet.updates.stages", []), ("fleet.updates.stages[0]", [])),
        *(("app.rollout.stages", []), ("app.rollout.stages[0]", [])),
        *(("budget.contactEmails", []), ("budget.notifications", [])),
    ],
    "is not a stage": [("app.rollout.until", 3)],
    "has 6 items": [("budget.notifications", [{"threshold": share} for share in range(1, 7)])],
    "has 51 items": [("fleet.updates.stages[0]", ["g"] * 51)],
    "has too many items": [("tags", {f"t{i}": "" for i in range(51)})],
    "more than 90 days": [("fleet.updates.waitMinutes", 129601)],
    "more than a day": [("app.rollout.waitMinutes", 1441)],
    "more than the 90 that the nodes of regions[0] can run": [("app.replicas", 91), ("app.replicas", 10**9)],
    # twice
    "more than once": [
        ("monitoring.alerts.emails", ["ops@example.com", "Ops@example.com"]),
        ("clusters.apiRanges", ["203.0.113.0/28", "203.0.113.0/28"]),
        *(("regions[0].nodePool.zones", ["1", "1"]), ("tags", {"a": "", "A": ""})),
        ("access.hubAdmins", [{"objectId": i, "type": "User"} for i in ("a" + GUID[1:], "A" + GUID[1:])]),
        ("budget.contactEmails", ["team@example.com", "Team@example.com"]),
        ("budget.notifications", [{"threshold": 80}, {"threshold": 80, "thresholdType": "Actual"}]),
    ],
    "is already used by regions[0]": [
        *(("regions[1].name", "east"), ("regions[1].cluster", "aks-eastus2")),
        *(("regions[1].resourceGroup", "RG-AKS-eastus2"), ("fleet.resourceGroup", "rg-aks-eastus2")),
        ("monitoring.resourceGroup", "rg-aks-eastus2"),
    ],
    # IDs
    "is not the ID of": [
        *(("clusters.registryId", LOGS), ("monitoring.workspaceId", METRICS), ("monitoring.metricsWorkspaceId", LOGS)),
        ("monitoring.alerts.actionGroupId", LOGS),
        ("fleet", {"existingId": CLUSTER}),
        *(
            ("regions[0]", {"name": "east", "location": "eastus2", "existing": {"clusterId": value}})
            for value in ("aks", SUBNET, CLUSTER.replace("ContainerService", "Container\u017fervice"))
        ),
        ("regions[0]", {"name": "east", "location": "eastus2", "nodePool": POOL, "existing": {"subnetId": CLUSTER}}),
    ],
    # references
    "is not a home region of global load balancers": [("app.globalAddress.homeRegion", "westus3")],
}
UPDATES: dict[str, Any] = {"channel": "Stable", "stages": [["east"], ["west"]]}
BUDGET: dict[str, Any] = {
    "amount": 5000,
    "contactEmails": ["team@example.com"],
    "notifications": [{"threshold": 80}],
}
MAINTENANCE = {"day": "Tuesday"}
EACH_MISTAKE = [(*each, substance) for substance, values in MISTAKES.items() for each in values]


def with_mistake(path: str, value: object) -> dict[str, Any]:
    """The configuration with one mistake."""
    sections = {
        "fleet.updates": [("fleet.updates", UPDATES)],
        "budget": [("tags.a", "b"), ("clusters.baseline", True), ("budget", BUDGET)],
        "clusters.maintenance": [("clusters.maintenance", MAINTENANCE)],
        "app.rollout": [("app.rollout", {"stages": [["east"], ["west"]]})],
    }
    return changed(
        *(each for key, needed in sections.items() if path.startswith(key) for each in needed), (path, value)
    )


@pytest.mark.parametrize(("path", "value", "substance"), EACH_MISTAKE)
def test_mistake_is_reported_alone_at_its_key(path: str, value: object, substance: str) -> None:
    finding, _ = mistakes(with_mistake(path, value))
    assert finding.startswith(path)
    assert substance in finding


def test_the_base_of_the_mistakes_has_none() -> None:
    assert not mistakes(changed())


def test_nothing_is_registered_before_a_mistake_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[str] = []
    register = cast("Callable[..., object]", MockMonitor.RegisterResource)  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK

    def note(monitor: MockMonitor, request: resource_pb2.RegisterResourceRequest) -> object:
        registered.append(request.type)
        return register(monitor, request)

    monkeypatch.setattr(MockMonitor, "RegisterResource", note)
    in_the_manifests = changed(("app.service", "no-such-service"))
    for config in [in_the_manifests, *(with_mistake(path, value) for path, value, _ in EACH_MISTAKE)]:
        with pytest.raises((SettingsError, ManifestsError)):
            run(lambda: runpy.run_path(str(ROOT / "__main__.py")), config=config)
    assert set(registered) == {"pulumi:pulumi:Stack"}


# --- Mistakes of several keys: what is wrong in which, in order ------------------------------------------------


def region(number: int, existing: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """A region with existing resources, or with a network of its own."""
    own = {"addressSpace": f"10.{number + 1}.0.0/16", "nodeSubnet": f"10.{number + 1}.0.0/24"}
    pool = {} if existing and "clusterId" in existing else {"nodePool": POOL}
    there = own if existing is None else {"existing": existing}
    return {"name": f"r{number}", "location": f"eastus{number}", **pool, **there, **keys}


def regions(*each: dict[str, Any], **others: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """The base configuration with these regions and other keys at the top."""
    return changed(("regions", list(each))) | others


def updates(*stages: list[str], **keys: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """The base configuration with updates of the fleet in these stages."""
    return changed(("fleet.updates", {"channel": "Stable", "stages": list(stages), **keys}))


TOGETHER = "cannot be set together with"
MADE_KEYS = ("nodePool", "kubernetesVersion", "sshPublicKey", "serviceCidr", "dnsServiceIp", "resourceGroup")
NETWORK_KEYS = ("addressSpace", "nodeSubnet", "virtualNetwork", "subnet")
NETWORK = SUBNET.removesuffix("/subnets/s")
HUB = {"addressSpace": "10.20.0.0/22", "resourceProviderObjectId": GUID}
PRIVATE = ("clusters.privateApiServer", True)
CONFLICTS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "private API servers and ranges": (
        changed(("clusters.apiRanges", ["203.0.113.0/28"]), PRIVATE),
        [("clusters.privateApiServer", f"{TOGETHER} apiRanges")],
    ),
    "subnets of private API servers": (
        changed(
            PRIVATE,
            ("regions[0].apiServerSubnet", "10.1.0.128/28"),
            ("regions[1].apiServerSubnet", "10.3.0.0/28"),
        ),
        [
            ("regions[0].apiServerSubnet", '"10.1.0.128/28" overlaps nodeSubnet 10.1.0.0/24'),
            ("regions[1].apiServerSubnet", '"10.3.0.0/28" is outside addressSpace 10.2.0.0/16'),
        ],
    ),
    "a small subnet for an API server, and a VNet without room for the default one": (
        changed(PRIVATE, ("regions[0].apiServerSubnet", "10.1.4.0/29"), ("regions[1].addressSpace", "10.2.0.0/24")),
        [
            ("regions[0].apiServerSubnet", '"10.1.4.0/29" is too small'),
            ("regions[1].apiServerSubnet", 'the default, "10.2.1.0/28" is outside addressSpace 10.2.0.0/24'),
        ],
    ),
    "existing subnets for private API servers": (
        regions(
            region(0, {"subnetId": SUBNET}),
            region(1, {"subnetId": f"{SUBNET}1", "apiServerSubnetId": f"{SUBNET}1".upper().replace("RG", "rg")}),
            region(2, {"subnetId": f"{SUBNET}2", "apiServerSubnetId": f"{NETWORK}2/subnets/api"}),
            clusters={"privateApiServer": True},
        ),
        [
            ("regions[0].existing.apiServerSubnetId", "is missing"),
            ("regions[1].existing.apiServerSubnetId", "is the subnet of the nodes"),
            ("regions[2].existing.apiServerSubnetId", "is in another VNet than existing.subnetId"),
        ],
    ),
    "what only private API servers need": (
        regions(
            region(0, apiServerSubnet="10.1.4.0/28"),
            region(1, {"subnetId": SUBNET, "apiServerSubnetId": f"{NETWORK}/subnets/api"}),
            access={"runnerNetworkId": NETWORK},
        ),
        [
            ("regions[0].apiServerSubnet", "needs clusters.privateApiServer"),
            ("regions[1].existing.apiServerSubnetId", "needs clusters.privateApiServer"),
            ("access.runnerNetworkId", "needs clusters.privateApiServer or fleet.hub.private"),
        ],
    ),
    "names of networks in peerings": (
        regions(
            region(0, name="runner"),
            region(1, name="hub"),
            fleet={"hub": {"private": HUB}},
            access={"runnerNetworkId": NETWORK},
        ),
        [
            ("regions[0].name", '"runner" is already used by access.runnerNetworkId'),
            ("regions[1].name", '"hub" is already used by fleet.hub.private'),
        ],
    ),
    "the runner's group": (
        regions(
            region(0, resourceGroup="RG"), clusters={"privateApiServer": True}, access={"runnerNetworkId": NETWORK}
        ),
        [("regions[0].resourceGroup", '"RG" is the group of access.runnerNetworkId')],
    ),
    "a private hub's VNet": (
        changed(("fleet.hub", {"private": HUB | {"addressSpace": "10.2.128.0/20"}})),
        [("fleet.hub.private.addressSpace", '"10.2.128.0/20" overlaps regions[1].addressSpace 10.2.0.0/16')],
    ),
    "a private hub with a name": (
        changed(("fleet.hub", {"dnsPrefix": "shop", "private": HUB})),
        [("fleet.hub.private", f"{TOGETHER} dnsPrefix")],
    ),
    "a private hub in the range of its services": (
        changed(("fleet.hub", {"private": HUB | {"addressSpace": "10.0.8.0/22"}})),
        [("fleet.hub.private.addressSpace", '"10.0.8.0/22" overlaps 10.0.0.0/16, the hub\'s own services')],
    ),
    "a private hub in a small VNet": (
        changed(("fleet.hub", {"private": HUB | {"addressSpace": "10.20.0.0/23"}})),
        [("fleet.hub.private.addressSpace", '"10.20.0.0/23" is too small for two /23')],
    ),
    "a private hub without the object id": (
        changed(("fleet.hub", {"private": {"addressSpace": "10.20.0.0/22"}})),
        [("fleet.hub.private.resourceProviderObjectId", "is missing")],
    ),
    "regions in one location have the same default names": (
        changed(("regions[1].location", "East US 2")),
        [
            ("regions[1].location", 'default cluster "aks-eastus2" is already used by regions[0]'),
            ("regions[1].location", 'default resourceGroup "rg-aks-eastus2" is already used by regions[0]'),
        ],
    ),
    "clusters of one name": (
        regions(region(0, {"clusterId": CLUSTER}), region(1, {"clusterId": CLUSTER.replace("/rg/", "/rg2/")})),
        [("regions[1].existing.clusterId", 'default cluster "aks1" is already used by regions[0]')],
    ),
    "a name that is a default with the suffix": (
        changed(("nameSuffix", "x"), ("regions[0].cluster", "aks-westus2-x")),
        [("regions[1].location", 'default cluster "aks-westus2-x" is already used by regions[0]')],
    ),
    "the fleet's group with the suffix": (
        changed(("nameSuffix", "x"), ("regions[0].resourceGroup", "rg-fleet-x")),
        [("fleet.resourceGroup", '"rg-fleet-x" is already used by regions[0]')],
    ),
    "nodes' group": (
        changed(("regions[0].cluster", "c" * 50), ("regions[1].location", f"w{'e' * 25}"), ("nameSuffix", "x" * 15)),
        [("regions[0].cluster", "MC_rg-aks-eastus2-"), ("regions[1].location", "MC_rg-aks-weee")],
    ),
    "address spaces": (
        changed(("regions[1].addressSpace", "10.1.128.0/17"), ("regions[1].nodeSubnet", "10.1.128.0/24")),
        [("regions[1].addressSpace", '"10.1.128.0/17" overlaps regions[0].addressSpace 10.1.0.0/16')],
    ),
    "an address space and another region's services": (
        changed(("regions[1].serviceCidr", "10.1.128.0/20")),
        [("regions[0].addressSpace", '"10.1.0.0/16" overlaps regions[1].serviceCidr 10.1.128.0/20')],
    ),
    "stages": (
        updates(["east", "north"], ["east"]),
        [
            ("fleet.updates.stages[0][1]", '"north" is the updateGroup of no region; the groups are "east", "west"'),
            ("fleet.updates.stages[1][0]", '"east" is already used by stages[0][0]'),
            ("fleet.updates.stages", 'do not contain "west"'),
        ],
    ),
    "stages of a rollout": (
        changed(("app.rollout", {"stages": [["east", "north"], ["east"]]})),
        [
            ("app.rollout.stages[0][1]", '"north" is not a region; the regions are "east", "west"'),
            ("app.rollout.stages[1][0]", '"east" is already used by stages[0][0]'),
            ("app.rollout.stages", 'do not contain "west"'),
        ],
    ),
    "stages of a region that has an update group": (
        updates(["east"], ["west"]) | {"regions": changed(("regions[0].updateGroup", "canary"))["regions"]},
        [("fleet.updates.stages[0][0]", "is the updateGroup of no region"), ("fleet.updates.stages", '"canary"')],
    ),
    "a version that the fleet upgrades": (
        updates(["east"], ["west"]) | {"regions": changed(("regions[0].kubernetesVersion", "1.33"))["regions"]},
        [("regions[0].kubernetesVersion", '"1.33" lasts only until the fleet upgrades the cluster')],
    ),
    "node images without a choice": (
        updates(["east"], ["west"], channel="NodeImage", nodeImages="Consistent"),
        [("fleet.updates.nodeImages", f"{TOGETHER} channel NodeImage")],
    ),
    "a new cluster on an existing subnet without a pool": (
        regions({"name": "east", "location": "eastus2", "existing": {"subnetId": SUBNET}, "nodePool": None}),
        [("regions[0].nodePool", "is not a map")],
    ),
    "neither ID": (
        regions(region(0, {"clusterID": CLUSTER}), {**region(1, {}), "addressSpace": "10.1.0.0/16"}),
        [
            ("regions[0].existing.subnetId", "is missing"),
            ("regions[0].existing.clusterID", "unknown key"),
            ("regions[1].existing.subnetId", "is missing"),
            ("regions[1].addressSpace", f"{TOGETHER} existing.subnetId"),
        ],
    ),
    "neither ID, and no pool": (
        regions({"name": "east", "location": "eastus2", "existing": {"peered": True}}),
        [("regions[0].existing.clusterId", "is missing")],
    ),
    "both IDs": (
        regions(
            region(0, {"subnetId": SUBNET, "clusterId": CLUSTER}),
            region(1, {"clusterId": CLUSTER, "subnetId": SUBNET}, nodePool=POOL),
        ),
        [
            ("regions[0].existing.subnetId", f"{TOGETHER} existing.clusterId"),
            ("regions[1].existing.clusterId", f"{TOGETHER} existing.subnetId"),
        ],
    ),
    "an existing subnet and keys of a network": (
        changed(
            ("regions[0].existing", {"subnetId": SUBNET}),
            ("regions[0].virtualNetwork", "vnet"),
            ("regions[0].subnet", None),
        ),
        [(f"regions[0].{key}", f"{TOGETHER} existing.subnetId") for key in NETWORK_KEYS],
    ),
    "an existing cluster and keys of a cluster": (
        regions(
            region(0)
            | {"existing": {"clusterId": CLUSTER}, "virtualNetwork": "vnet", "subnet": "s"}
            | dict.fromkeys(MADE_KEYS)
        ),
        [
            (f"regions[0].{key}", f"{TOGETHER} existing.clusterId")
            for key in ("nodePool", *NETWORK_KEYS, *MADE_KEYS[1:])
        ],
    ),
    "an existing fleet and keys of a fleet": (
        changed(("fleet", {"existingId": FLEET, "name": "f", "location": "w", "resourceGroup": "rg", "hub": {}})),
        [(f"fleet.{key}", f"{TOGETHER} fleet.existingId") for key in ("name", "location", "resourceGroup", "hub")],
    ),
    "members' names": (
        regions(region(0, {"clusterId": f"{CLUSTER}_prd"}), region(1, {"clusterId": CLUSTER + "x" * 50})),
        [("regions[0].cluster", '"aks1_prd" is not allowed'), ("regions[1].cluster", "has 54 characters")],
    ),
    "a cluster of two regions": (
        regions(
            region(0, {"clusterId": CLUSTER}),
            region(1, {"clusterId": CLUSTER.replace("resourceGroups", "resourcegroups")}, cluster="other"),
        ),
        [("regions[1].existing.clusterId", "is already used by regions[0].existing.clusterId")],
    ),
    "a subnet of two regions": (
        regions(region(0, {"subnetId": SUBNET}), region(1, {"subnetId": SUBNET.lower()})),
        [("regions[1].existing.subnetId", "is already used by regions[0].existing.subnetId")],
    ),
    "the group of an existing cluster": (
        regions(region(0, {"clusterId": CLUSTER}), region(1, resourceGroup="RG")),
        [("regions[1].resourceGroup", '"RG" is the group of regions[0].existing.clusterId')],
    ),
    "the group of an existing subnet": (
        regions(region(0, {"subnetId": SUBNET}), region(1)) | {"fleet": {"resourceGroup": "RG"}},
        [("fleet.resourceGroup", '"RG" is the group of regions[0].existing.subnetId')],
    ),
    "the group of an existing fleet": (
        changed(("fleet", {"existingId": FLEET}), ("regions[1].resourceGroup", "RG")),
        [("regions[1].resourceGroup", '"RG" is the group of fleet.existingId')],
    ),
    "the group of existing workspaces": (
        changed(("regions[0].resourceGroup", "RG"), ("fleet.resourceGroup", "rg2"), ("monitoring.workspaceId", LOGS)),
        [("regions[0].resourceGroup", '"RG" is the group of monitoring.workspaceId')],
    ),
    "the group of an existing registry": (
        changed(
            ("regions[0].resourceGroup", "RG"),
            ("clusters.registryId", REGISTRY),
        ),
        [("regions[0].resourceGroup", '"RG" is the group of clusters.registryId')],
    ),
    "workspaces beside an existing fleet": (
        changed(("fleet", {"existingId": FLEET}), ("monitoring.enabled", True)),
        [("monitoring.location", "is missing")],
    ),
    "peered with nobody": (
        regions(region(0, {"subnetId": SUBNET, "peered": True}), region(1, {"clusterId": CLUSTER})),
        [("regions[0].existing.peered", "is set in no other region")],
    ),
    "regions beyond a fleet": (regions(*([region(0)] * 1001)), [("regions", "has 1001 items")]),
    "networks beyond a VNet's peerings": (
        regions(*(region(i, {"clusterId": f"{CLUSTER}-{i}"}) for i in range(502))),
        [("regions", "would give each VNet 501 peerings")],
    ),
    "several mistakes in single sections": (
        changed(
            ("regions[0].nodePool.count", "three"),
            ("regions[1].addressSpace", "10.1.0.0/17"),
            ("regions[1].nodeSubnet", "10.1.0.0/30"),
            ("app.replicas", 0),
            ("app.entryRegions", ["north"]),  # across sections: reported once the others are fixed
            ("tag", {}),
        ),
        [
            ("regions[0].nodePool.count", "is not a whole number"),
            ("regions[1].nodeSubnet", "addresses"),
            ("app.replicas", "is too small"),
            ("tag", "unknown key"),
        ],
    ),
    "several mistakes across sections": (
        changed(
            ("regions[1].name", "east"), ("regions[1].serviceCidr", "10.1.0.0/20"), ("app.entryRegions", ["north"])
        ),
        [
            ("regions[1].name", "is already used by regions[0]"),
            ("regions[0].addressSpace", "overlaps"),
            ("app.entryRegions[0]", "is not a region"),
        ],
    ),
    "entry regions": (
        changed(("app.entryRegions", ["East", "west", "north"])),
        [("app.entryRegions[0]", "is not a region"), ("app.entryRegions[2]", "is not a region")],
    ),
    "entry regions of another type": (
        changed(("app.entryRegions", ["east", 7])),
        [("app.entryRegions[1]", "is not a string")],
    ),
    "entry Services of one name": (
        changed(("regions[0].entrySuffix", "-west"), ("app.entryRegions", ["west", "east"])),
        [("regions[1].entrySuffix", "is already the entry Service of regions[0]")],
    ),
    "an entry Service of the name that a lost region's entry point will have again": (
        changed(
            ("regions[0].lost", True),
            ("regions[0].entrySuffix", "-west"),
            ("app.entryRegions", ["west", "east"]),
        ),
        [("regions[1].entrySuffix", "is already the entry Service of regions[0]")],
    ),
    "apps beside the one app": (
        changed(("app.internal", True), ("apps", {"shop": {}})),
        [("app", "cannot be set together with apps")],
    ),
    "an address beside the one app": (
        changed(("globalAddresses", {"front": {"homeRegion": "eastus2"}})),
        [("globalAddresses", "cannot be set together with app")],
    ),
    "everything about several apps": (
        changed(
            (
                "apps",
                {
                    "a": {"namespace": "a-b", "service": "c", "regions": ["south"]},
                    "b": {"namespace": "a", "service": "b-c", "globalAddress": "back", "replicas": {"south": 2}},
                    "c": {"namespace": "a", "services": ["x", "y"], "service": "y", "regions": ["west"]},
                    "d": {"service": "x", "regions": ["west"], "entryRegions": ["east"], "replicas": {"west": 900}},
                },
            ),
            ("globalAddresses", {"front": {"homeRegion": "eastus2"}}),
        ),
        [
            ("apps.a.regions[0]", "is not a region"),
            ("apps.c.namespace", "is already used by apps.b"),
            ("apps.b.globalAddress", "is not a global address"),
            ("apps.c.service", "cannot be set together with services"),
            ("globalAddresses.front", "is used by no app"),
            ("apps.d.entryRegions[0]", "is not one of the app's regions"),
            ("apps.b.replicas.south", "is not a region of the app"),
            ("apps.d.replicas.west", "900 pods are more than the 150"),
        ],
    ),
    "teams on clusters without Microsoft Entra ID": (
        changed(("teams", {"shop": {"objectId": GUID, "type": "Group"}})),
        [("teams", "needs clusters.entraId")],
    ),
    "a name of a pool that is too long": (
        changed(
            ("apps", {"a" * 41: {"namespace": "n", "services": ["s", "t" * 39], "globalAddress": "front"}}),
            ("globalAddresses", {"front": {"homeRegion": "eastus2"}}),
        ),
        [(f"apps.{'a' * 41}.globalAddress", f"makes {'a' * 41}_{'t' * 39}, the pool of Service")],
    ),
    "more entry points than a global load balancer's pool has": (
        regions(
            *(region(number, {"clusterId": f"{CLUSTER}-{number}"}) for number in range(301)),
            app={"globalAddress": {"homeRegion": "eastus2"}, "entryRegions": [f"r{number}" for number in range(301)]},
        ),
        [("app.entryRegions", "has 301 regions behind a global address")],
    ),
    "a fleet's name that is too long for its private hub": (
        changed(("fleet", {"name": "f" * 60, "hub": {"private": HUB}})),
        [("fleet.name", "the hub's VNet, 65 characters")],
    ),
    "a team in an app's namespace and in no region": (
        changed(
            ("app.namespace", "shop"),
            ("clusters.entraId", True),
            ("teams", {"shop": {"objectId": GUID, "type": "Group", "regions": ["x"]}}),
        ),
        [("teams.shop.regions[0]", "is not a region"), ("teams.shop.namespace", "is already used by app")],
    ),
    "derived names of two apps": (
        changed(
            ("apps", {"a": {"namespace": "a-b", "service": "c"}, "b": {"namespace": "a", "service": "b-c"}}),
        ),
        [("apps.b", "is already used by apps.a")],
    ),
    "an app of lost regions": (
        changed(("regions[0].lost", True), ("apps", {"a": {"regions": ["east"]}, "b": {}})),
        [("apps.a.regions", "all of them are lost"), ("apps.b.entryRegions", "is missing")],
    ),
    "a team of lost regions": (
        changed(
            ("regions[0].lost", True),
            ("app.entryRegions", ["west"]),
            ("clusters.entraId", True),
            ("teams", {"a": {"objectId": GUID, "type": "Group", "regions": ["east"]}}),
        ),
        [("teams.a.regions", "all of them are lost")],
    ),
    "a rollout until a stage of lost regions": (
        changed(
            ("regions[0].lost", True),
            ("app.entryRegions", ["west"]),
            ("app.rollout", {"stages": [["east"], ["west"]], "until": 1}),
        ),
        [("app.rollout.until", "all regions of the stages up to it are lost")],
    ),
    "no region left": (
        changed(("regions[0].lost", True), ("regions[1].lost", True)),
        [("regions", "all are lost")],
    ),
    "a lost first region with the entry point": (
        changed(("regions[0].lost", True)),
        [("app.entryRegions", 'is missing: the entry point is in "east", the first region, which is lost')],
    ),
    "lost entry regions": (
        changed(("regions[1].lost", True), ("app.entryRegions", ["west"])),
        [("app.entryRegions", 'all of them are lost: "west"')],
    ),
    "an entry Service with a long name": (
        changed(("app.service", "s" * 44), ("app.entryRegions", ["west"])),
        [("regions[1].entrySuffix", "makes")],
    ),
    "a budget of a stack without tags": (
        changed(("budget", {"amount": 5000, "contactEmails": ["team@example.com"]})),
        [("budget", "needs tags")],
    ),
    "a budget of a stack whose nodes have no tags": (
        changed(("tags.a", "b"), ("budget", {"amount": 5000, "contactEmails": ["team@example.com"]})),
        [("budget", "would not count the nodes")],
    ),
    "windows of too many stages": (
        changed(
            ("fleet.updates", {"channel": "Stable", "stages": [["east"], ["west"]], "waitMinutes": 129600}),
            ("clusters.maintenance", MAINTENANCE),
        ),
        [("clusters.maintenance", "lets 2 stages take 91 days")],
    ),
    "a route table without an existing subnet, and a public entry point": (
        changed(("clusters.outbound", "routeTable")),
        [
            (
                "clusters.outbound",
                '"routeTable" needs an existing subnet, and regions[0], regions[1] would have a new one',
            ),
            ("clusters.outbound", '"routeTable" sends the answers of a public entry point along its routes'),
        ],
    ),
    "a global address and internal entry points": (
        changed(("app.globalAddress.homeRegion", "centralus"), ("app.internal", True)),
        [("app.globalAddress", "cannot be set together with internal")],
    ),
    "values on which defaults rest": (
        changed(("regions[0].name", 1), ("regions[0].location", None)),
        [("regions[0].name", "is not a string"), ("regions[0].location", "is not a string")],
    ),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_mistake_of_several_keys_is_reported_at_each(name: str) -> None:
    raw, expected = CONFLICTS[name]
    found = mistakes(raw)[::2]
    assert [finding.partition(": ")[0] for finding in found] == [path for path, _ in expected]
    assert [finding for finding, (_, substance) in zip(found, expected, strict=True) if substance not in finding] == []


def messages() -> str:
    """Everything that the report says of all these mistakes, each message once."""
    configurations = [
        *(with_mistake(path, value) for path, value, _ in EACH_MISTAKE),
        *(raw for raw, _ in CONFLICTS.values()),
    ]
    lines = [line for raw in configurations for line in mistakes(raw)]
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return "".join(dict.fromkeys(f"{finding}\n    {remedy}\n" for finding, remedy in pairs))


def test_the_words_of_the_report() -> None:
    """After a change of the words: `python -m tests.test_settings`."""
    assert messages() == REPORT.read_text(encoding="utf-8")


def test_existing_resources_need_no_more_than_their_ids() -> None:
    settings = parse(
        regions(region(0, {"clusterId": CLUSTER}), region(1, {"subnetId": SUBNET}), fleet={"existingId": FLEET})
    )
    cluster, subnet = settings.regions
    assert isinstance(cluster, ClusterRegion)
    assert (cluster.cluster, cluster.existing.cluster_id) == ("aks1", CLUSTER)
    assert isinstance(subnet, SubnetRegion)
    assert subnet.existing.network_id == SUBNET.removesuffix("/subnets/s")
    assert (settings.fleet.name, settings.fleet.resource_group, settings.fleet.location) == ("f", "rg", None)


@pytest.mark.parametrize("nothing", [None, ""])
def test_empty_id_is_no_id(nothing: object) -> None:
    one = region(0, {"clusterId": CLUSTER, "subnetId": nothing})
    other = region(1, {"subnetId": SUBNET, "clusterId": nothing}, nodePool=POOL)
    settings = parse(regions(one, other, region(2, existing=None) | {"existing": None}, fleet={"existingId": nothing}))
    assert [type(each) for each in settings.regions] == [ClusterRegion, SubnetRegion, NewRegion]
    assert isinstance(settings.fleet, NewFleet)


def test_names_of_existing_resources_take_no_suffix() -> None:
    settings = parse(regions(region(0, {"clusterId": CLUSTER}), nameSuffix="x", fleet={"existingId": FLEET}))
    assert (settings.regions[0].cluster, settings.fleet.name) == ("aks1", "f")


def test_api_servers_subnet_is_the_first_after_the_nodes() -> None:
    assert str(new(parse(changed()))[0].api_server_subnet) == "10.1.1.0/28"


def test_private_settings_are_allowed_together() -> None:
    assert not mistakes(
        changed(
            PRIVATE,
            ("regions[0].apiServerSubnet", "10.1.4.0/27"),
            ("fleet.hub", {"private": HUB}),
            ("access.runnerNetworkId", NETWORK),
        )
    )
    existing = {"subnetId": SUBNET, "apiServerSubnetId": f"{NETWORK}/subnets/api"}
    assert not mistakes(regions(region(0, existing), clusters={"privateApiServer": True}))


def test_member_may_have_another_name_than_its_cluster() -> None:
    assert parse(regions(region(0, {"clusterId": f"{CLUSTER}_prd"}, cluster="aks-prd"))).regions[0].cluster == "aks-prd"


def test_peered_regions_and_two_subnets_of_one_network_are_allowed() -> None:
    assert not mistakes(
        regions(region(0, {"subnetId": SUBNET, "peered": True}), region(1, {"clusterId": CLUSTER, "peered": True}))
    )
    assert not mistakes(regions(region(0, {"subnetId": SUBNET}), region(1, {"subnetId": f"{SUBNET}2"})))


@pytest.mark.parametrize(
    ("number", "key", "resource", "peered"),
    [(501, "clusterId", CLUSTER, False), (502, "clusterId", CLUSTER, True), (502, "subnetId", SUBNET, False)],
)
def test_networks_within_the_number_of_peerings_are_allowed(
    number: int, key: str, resource: str, *, peered: bool
) -> None:
    each = (region(i, {key: f"{resource}-{i}", "peered": peered}) for i in range(number))
    assert mistakes(regions(*each)) == []


def test_stages_of_every_group_are_allowed() -> None:
    canary = changed(("regions[0].updateGroup", "canary"))["regions"]
    version = changed(("regions[0].kubernetesVersion", "1.33"))["regions"]
    assert not mistakes(updates(["canary"], ["west"], nodeImages="Consistent") | {"regions": canary})
    assert not mistakes(updates(["east"], ["west"], channel="NodeImage") | {"regions": version})


def test_waits_are_counted_between_stages() -> None:
    for stages, minutes in (([["east"], ["west"]], 1440), ([["east", "west"]], 1440)):
        assert not mistakes(changed(("app.rollout", {"stages": stages, "waitMinutes": minutes})))
    assert not mistakes(updates(["east"], ["west"], waitMinutes=129600))
    assert not mistakes(updates(["east", "west"], waitMinutes=129601))


@pytest.mark.parametrize(
    ("pool", "addresses"),
    [
        ({"count": 1}, 5 + 2 * 31),
        ({"count": 10}, 5 + 11 * 31),
        ({"count": 11}, 5 + 13 * 31),
        ({"minCount": 1, "maxCount": 20, "maxPods": 110}, 5 + 22 * 111),
        ({"count": 10, "surge": 33}, 5 + 14 * 31),
    ],
)
def test_a_subnet_holds_the_pool_at_its_largest_during_an_upgrade(pool: dict[str, object], addresses: int) -> None:
    raw = changed(("regions[0].nodePool", {"vmSize": "Standard_D2", **pool}), ("regions[0].nodeSubnet", "10.1.0.0/16"))
    assert new(parse(raw))[0].node_pool.addresses + 5 == addresses


def test_a_cluster_may_have_as_many_pods_as_its_nodes_run() -> None:
    assert parse(changed(("app.replicas", 90))).app.replicas == 90
    assert parse(changed(("regions[0].nodePool", {"vmSize": "Standard_D2", "maxPods": 10, "count": 3})))


def test_a_fleet_may_be_in_a_group_that_aks_would_not_take() -> None:
    assert parse(changed(("fleet.resourceGroup", "rg-k\u00fcche"))).fleet.resource_group == "rg-k\u00fcche"


def test_values_of_secret_keys_are_not_told() -> None:
    raw = changed(("regions[0].name", "Hidden"), ("regions[1].nodeSubnet", "10.66.0.0/24"))
    assert mistakes(raw, "regions") == [
        "regions[0].name: (secret)",
        "write lower-case letters, digits and inner hyphens",
        "regions[1].nodeSubnet: (secret)",
        "choose a range inside addressSpace",
    ]
    assert mistakes(changed(("app.entryRegions", ["x"])), "regions")[0] == "app.entryRegions[0]: (secret)"
    assert mistakes(changed(("app.replicas", 91)), "regions")[0] == "app.replicas: (secret)"
    assert mistakes(updates(["x"], ["east", "west"]), "regions")[0] == "fleet.updates.stages[0][0]: (secret)"
    assert mistakes(updates(["east"]), "regions")[0] == "fleet.updates.stages: (secret)"


# --- Through Pulumi -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_no_config")
def test_load_reads_the_stack() -> None:
    raw = changed(("clusters.tier", "Premium"))
    texts = {f"fleet-l4-lb:{key}": json.dumps(value) for key, value in raw.items()}
    pulumi.runtime.set_all_config(texts | {"fleet-l4-lb:nameSuffix": "7", "azure-native:location": "westus"})
    settings = load(pulumi.Config("fleet-l4-lb"))
    assert settings == parse(raw | {"nameSuffix": "7"})


@pytest.mark.usefixtures("_no_config")
def test_load_refuses_what_is_not_json_and_hides_secrets() -> None:
    texts = {"p:regions": "[{name: east", "p:clusters": '"s3cret"', "p:secrt": "s3cret", "other:regionz": "1"}
    pulumi.runtime.set_all_config(texts, ["p:clusters", "p:secrt"])
    with pytest.raises(pulumi.RunError) as refused:
        load(pulumi.Config("p"))
    assert str(refused.value).splitlines()[1:] == [
        '  regions: "[{name: east" is not a list',
        "    write one item a line, each after a dash",
        "  clusters: (secret)",
        "    write one key: value a line",
        "  secrt: (secret)",
        (
            "    the keys are nameSuffix, regions, clusters, fleet, app, apps, globalAddresses, teams, access, "
            "monitoring, protect, tags, budget"
        ),
    ]


if __name__ == "__main__":
    REPORT.write_text(messages(), encoding="utf-8")
