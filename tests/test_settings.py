"""The configuration: its defaults, the stacks that ship, and a line for each mistake."""

import copy
import json
import re
import runpy
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any, cast

import pulumi
import pytest
import yaml
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import resource_pb2
from pydantic import ValidationError

from components.app_manifests import ManifestsError
from settings import FORBIDDEN_RANGES, Settings, SettingsError, load, parse
from tests.program import ROOT, run

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


def changed(*changes: tuple[str, object]) -> dict[str, Any]:
    """The base configuration with values put at (or, for ABSENT, taken from) paths such as `regions[1].name`."""
    raw = copy.deepcopy(BASE)
    for path, value in changes:
        *parents, last = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
        place: Any = raw
        for part in parents:
            place = place[part]
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
        for r in settings.regions
    ] == [
        "rg-aks-eastus2 eastus2 aks-vnet-east 10.1.0.0/16 aks-subnet-east 10.1.0.0/24 aks-eastus2",
        "rg-aks-westus2 westus2 aks-vnet-west 10.2.0.0/16 aks-subnet-west 10.2.0.0/24 aks-westus2",
    ]
    assert [(r.name, r.node_pool.vm_size, r.node_pool.count) for r in settings.regions] == [
        ("east", "Standard_D4ds_v5", 3),
        ("west", "Standard_D4ds_v5", 3),
    ]
    fleet, app = settings.fleet, settings.app
    assert (fleet.resource_group, fleet.name, fleet.location) == ("rg-fleet", "gbb-fleet", "westus")
    assert (app.namespace, app.service, settings.entry.name) == ("aks-store-demo", "store-front", "east")


def test_prod_is_hardened_and_scales_over_zones() -> None:
    settings = parse(stack_file("prod"))
    assert [r.location for r in settings.regions] == ["eastus2", "westus3", "northeurope"]
    assert settings.clusters.model_dump() == {"tier": "Standard", "entra_id": True}
    for region in settings.regions:
        pool = region.node_pool
        assert (pool.count, pool.min_count, pool.max_count, pool.zones) == (None, 3, 12, ("1", "2", "3"))
    assert settings.tags == {"environment": "production", "workload": "aks-store-demo"}


def test_prod_can_live_in_the_subscription_of_dev_and_be_peered_with_it() -> None:
    dev, prod = parse(stack_file("dev")), parse(stack_file("prod"))

    def names(settings: Settings) -> set[str]:
        groups = {name for r in settings.regions for name in (r.resource_group, r.cluster)}
        return groups | {settings.fleet.name, settings.fleet.resource_group}

    assert not names(dev) & names(prod)
    assert not any(a.address_space.overlaps(b.address_space) for a in dev.regions for b in prod.regions)


def test_defaults_of_a_region() -> None:
    region = parse(changed()).regions[0]
    assert (region.service_cidr, region.dns_service_ip) == (IPv4Network("10.0.0.0/16"), IPv4Address("10.0.0.10"))
    assert (region.update_group, region.node_pool.max_pods, region.node_pool.zones) == ("east", 30, ())
    assert (region.kubernetes_version, region.ssh_public_key) == (None, None)


def test_the_dns_address_is_the_tenth_of_the_services() -> None:
    region = parse(changed(("regions[0].serviceCidr", "10.9.16.0/20"))).regions[0]
    assert region.dns_service_ip == IPv4Address("10.9.16.10")


@pytest.mark.parametrize("spelling", ["eastus2", "East US 2", "EastUS2", "(US) East US 2"])
def test_a_location_is_normalised(spelling: str) -> None:
    assert parse(changed(("regions[0].location", spelling))).regions[0].resource_group == "rg-aks-eastus2"


def test_the_suffix_goes_behind_default_names_of_the_subscription_alone() -> None:
    own_names = (("regions[0].cluster", "mine"), ("fleet.name", "my-fleet"))
    settings = parse(changed(("nameSuffix", "test"), *own_names))
    east, west = settings.regions
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


def test_the_entry_is_the_region_named() -> None:
    assert parse(changed(("app.entryRegion", "west"))).entry.location == "westus2"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        parse(changed()).app.replicas = 2  # pyright: ignore[reportAttributeAccessIssue]  # what the test is about


def test_two_clusters_in_one_location_need_names_of_their_own() -> None:
    names = (("regions[1].resourceGroup", "rg-two"), ("regions[1].cluster", "two"))
    assert not mistakes(changed(("regions[1].location", "eastus2"), *names))


@pytest.mark.parametrize("key", ["clusters", "fleet", "app", "access", "tags", "nameSuffix"])
def test_the_project_file_and_the_settings_have_the_same_defaults(key: str) -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    regions = changed()["regions"]
    assert parse({"regions": regions, key: project["config"][key]["default"]}) == parse({"regions": regions})


def test_the_project_file_describes_every_key() -> None:
    described = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert set(described) == {field.alias for field in Settings.model_fields.values()}
    for section in map(json.dumps, described.values()):
        assert '"description"' in section


# --- One mistake each: key, value, and what the report says of it ---------------------------------------------

KEBAB = "write lower-case letters, digits and inner hyphens"
LOCATION = "write an Azure region, such as eastus2 or East US 2"
CIDR = "write an IPv4 range, such as 10.1.0.0/16"
OVERLAY = "remove it: overlay pods are not reachable from another cluster, so flat Azure CNI is fixed"
TEXT = 'write text, in quotes if need be: YAML reads 1.30 as a number, "1.30" not'
SIZE = "write count for a fixed pool, or minCount and maxCount for the autoscaler"
RESERVED = "choose another: Fleet places neither default nor fleet-* nor kube-*"
TAG = r"choose a name without < > % & \ ? / that does not begin with microsoft, azure or windows"
MAP = "write one key: value a line"
LIST = "write one item a line, each after a dash"
NUMBER = "write a whole number, without quotes"
BOOLEAN = "write true or false, without quotes"
IPV6 = "is IPv6, which Fleet does not carry between clusters"
VM_SIZE = "write an Azure VM size, such as Standard_D4ds_v5"
VERSION = 'write major.minor or major.minor.patch, such as "1.36"'
INNER = "write letters, digits, inner hyphens and dots, and _ but not in front"
GROUP = "write letters, digits, hyphens, _ . ( and ), with no dot at the end"
CLUSTER_GROUP = "write letters from a to z, digits, hyphens, _ . ( and ), with no dot at the end"
LABEL = "write a lower-case letter, then such letters, digits and inner hyphens"
PUBLIC_KEY = "write the line from a .pub file: ssh-rsa AAAA..."
ADDRESS = "write an IPv4 address, such as 10.0.0.10"
OBJECT_ID = "write the object id (a GUID) from Microsoft Entra ID"
MISTAKES: list[tuple[str, object, str, str]] = [
    # shapes and types
    ("regions", ABSENT, "is missing", "required: a list of one region or more"),
    ("regions", [], "has 0 regions", "write 1 to 1000: a fleet has no more members"),
    ("regions", {"name": "east"}, '{"name": "east"} is not a list', LIST),
    ("regions", "[{", '"[{" is not a list', LIST),
    ("regions[0]", "east", '"east" is not a map', MAP),
    ("regions", None, "null is not a list", LIST),
    ("regions[0]", None, "null is not a map", MAP),
    ("regions[0].nodePool", [], "[] is not a map", MAP),
    *[(section, None, "null is not a map", MAP) for section in ("clusters", "fleet", "fleet.hub", "app", "access")],
    *[(section, [], "[] is not a map", MAP) for section in ("clusters", "fleet", "fleet.hub", "app", "access", "tags")],
    ("fleet", "gbb-fleet", '"gbb-fleet" is not a map', MAP),
    ("tags", ["a"], '["a"] is not a map', MAP),
    ("tags", "a=b", '"a=b" is not a map', MAP),
    ("access.hubAdmins", None, "null is not a list", LIST),
    ("access.hubAdmins[0]", GUID, f'"{GUID}" is not a map', MAP),
    ("regions[0].nodePool.zones", "1", '"1" is not a list', LIST),
    ("regions[0].name", ABSENT, "is missing", "required: a short name, such as east"),
    ("regions[0].name", False, "false is not text", TEXT),
    ("regions[0].kubernetesVersion", 1.30, "1.3 is not text", TEXT),
    ("regions[0].nodePool", ABSENT, "is missing", "required: vmSize, and count or minCount and maxCount"),
    ("regions[0].nodePool.count", "3", '"3" is not a whole number', NUMBER),
    ("regions[0].nodePool.count", True, "true is not a whole number", NUMBER),
    ("regions[0].nodePool.count", 2.5, "2.5 is not a whole number", NUMBER),
    ("app.internal", "no", '"no" is neither true nor false', BOOLEAN),
    ("app.internal", None, "null is neither true nor false", BOOLEAN),
    ("app.replicas", "3", '"3" is not a whole number', NUMBER),
    ("app.replicas", 1.0, "1.0 is not a whole number", NUMBER),
    ("regions[0].nodePool.maxPods", "30", '"30" is not a whole number', NUMBER),
    ("regions[1].nodePool.minCount", "1", '"1" is not a whole number', NUMBER),
    *[
        (key, 7, "7 is not text", TEXT)
        for key in (
            *("regions[0].location", "regions[0].resourceGroup", "regions[0].cluster", "fleet.name"),
            *("regions[0].virtualNetwork", "regions[0].subnet", "regions[0].updateGroup", "regions[0].sshPublicKey"),
            *("regions[0].nodePool.vmSize", "fleet.location", "fleet.resourceGroup", "fleet.hub.dnsPrefix"),
            *("fleet.hub.vmSize", "app.namespace", "app.service", "app.entryRegion", "access.hubAdmins[0].objectId"),
        )
    ],
    ("clusters.entraId", 1, "1 is neither true nor false", BOOLEAN),
    # keys
    ("regionz", [], "is not a key here", "did you mean regions?"),
    ("regions[0].adressSpace", "10.9.0.0/16", "is not a key here", "did you mean addressSpace?"),
    ("regions[0].dns_service_ip", "10.0.0.10", "is not a key here", "did you mean dnsServiceIp?"),
    ("regions[0].nodePool.maxpods", 30, "is not a key here", "did you mean maxPods?"),
    ("fleet.hub.dnsprefix", "x", "is not a key here", "did you mean dnsPrefix?"),
    ("access.hubAdmins[0].objectID", GUID, "is not a key here", "did you mean objectId?"),
    ("clusters.zzz", 1, "is not a key here", "the keys are tier, entraId"),
    ("clusters.networkPlugin", "kubenet", "is not a key here", OVERLAY),
    ("clusters.networkPluginMode", "overlay", "is not a key here", OVERLAY),
    ("regions[0].podCidr", "10.244.0.0/16", "is not a key here", OVERLAY),
    ("podCidr", "10.244.0.0/16", "is not a key here", OVERLAY),
    # names
    ("nameSuffix", "Prod", '"Prod" is not allowed', KEBAB),
    ("nameSuffix", "p" * 16, f'"{"p" * 16}" has 16 characters', "at most 15 are allowed"),
    ("regions[0].name", "East", '"East" is not allowed', KEBAB),
    *[
        (key, "", '"" is not allowed', remedy)
        for key, remedy in (
            *(("regions[0].name", KEBAB), ("regions[0].location", LOCATION)),
            ("regions[0].resourceGroup", CLUSTER_GROUP),
            *(("regions[0].cluster", KEBAB), ("regions[0].virtualNetwork", INNER), ("regions[0].subnet", INNER)),
            *(("regions[0].updateGroup", KEBAB), ("regions[0].kubernetesVersion", VERSION), ("fleet.name", KEBAB)),
            *(("regions[0].nodePool.vmSize", VM_SIZE), ("fleet.resourceGroup", GROUP), ("app.namespace", LABEL)),
            *(("app.service", LABEL), ("fleet.hub.vmSize", VM_SIZE)),
        )
    ],
    ("regions[0].name", "east\n", r'"east\n" is not allowed', KEBAB),
    ("regions[0].name", "east\u200b", r'"east\u200b" is not allowed', KEBAB),
    ("regions[0].location", "eastus\u0662", r'"eastus\u0662" is not allowed', LOCATION),
    ("regions[0].kubernetesVersion", "1.\u0663", r'"1.\u0663" is not allowed', VERSION),
    ("nameSuffix", "p\u0440", r'"p\u0440" is not allowed', KEBAB),
    ("regions[0].resourceGroup", "rg aks", '"rg aks" is not allowed', CLUSTER_GROUP),
    ("regions[0].resourceGroup", "rg-k\u00fcche", '"rg-k\\u00fcche" is not allowed', CLUSTER_GROUP),
    ("regions[0].subnet", "s" * 81, f'"{"s" * 76}... has 81 characters', "at most 80 are allowed"),
    ("regions[0].virtualNetwork", "v" * 65, f'"{"v" * 65}" has 65 characters', "at most 64 are allowed"),
    ("regions[0].updateGroup", "u" * 51, f'"{"u" * 51}" has 51 characters', "at most 50 are allowed"),
    ("regions[0].kubernetesVersion", "v1.33", '"v1.33" is not allowed', VERSION),
    ("fleet.hub.dnsPrefix", "d" * 55, f'"{"d" * 55}" has 55 characters', "at most 54 are allowed"),
    ("app.namespace", "n" * 64, f'"{"n" * 64}" has 64 characters', "at most 63 are allowed"),
    ("regions[0].name", "e\u0430st", r'"e\u0430st" is not allowed', KEBAB),
    ("regions[0].name", "e" * 36, f'"{"e" * 36}" has 36 characters', "at most 35 are allowed"),
    ("regions[0].location", "east-us", '"east-us" is not allowed', LOCATION),
    ("regions[0].resourceGroup", "rg.", '"rg." is not allowed', CLUSTER_GROUP),
    ("regions[0].cluster", "AKS_1", '"AKS_1" is not allowed', KEBAB),
    ("regions[0].cluster", "a" * 51, f'"{"a" * 51}" has 51 characters', "at most 50 are allowed"),
    ("regions[0].updateGroup", "-a", '"-a" is not allowed', KEBAB),
    ("regions[0].virtualNetwork", "v", '"v" is not allowed',
     INNER),
    ("regions[0].subnet", "s-", '"s-" is not allowed',
     INNER),
    ("regions[0].kubernetesVersion", "latest", '"latest" is not allowed',
     VERSION),
    ("regions[0].nodePool.vmSize", "D4", '"D4" is not allowed', VM_SIZE),
    ("regions[0].sshPublicKey", "-----BEGIN OPENSSH PRIVATE KEY-----", "is not a public key of OpenSSH",
     PUBLIC_KEY),
    *[
        ("regions[0].sshPublicKey", key, "is not a public key of OpenSSH", PUBLIC_KEY)
        for key in ("", "~/.ssh/id_rsa.pub", "ssh-dss AAAA", "ssh-rsa AAAA me\n-----BEGIN OPENSSH PRIVATE KEY-----")
    ],
    ("fleet.name", "Fleet", '"Fleet" is not allowed', KEBAB),
    ("fleet.name", "f" * 64, f'"{"f" * 64}" has 64 characters', "at most 63 are allowed"),
    ("fleet.location", "", '"" is not allowed', LOCATION),
    ("fleet.hub.dnsPrefix", "a.b", '"a.b" is not allowed', "write letters, digits and inner hyphens"),
    ("fleet.hub.vmSize", "small", '"small" is not allowed', VM_SIZE),
    ("app.namespace", "1shop", '"1shop" is not allowed',
     LABEL),
    ("app.namespace", "default", '"default" is reserved', RESERVED),
    ("app.namespace", "kube-shop", '"kube-shop" is reserved', RESERVED),
    ("app.namespace", "fleet-shop", '"fleet-shop" is reserved', RESERVED),
    ("app.service", "s" * 49, f'"{"s" * 49}" makes "aks-store-demo-{"s" * 49}", 64 characters',
     "shorten service or namespace: <namespace>-<service> has at most 63 characters"),
    # addresses
    ("regions[0].addressSpace", "10.1.0.1/16",
     '"10.1.0.1/16" has bits beyond its prefix: the range is 10.1.0.0/16', CIDR),
    ("regions[0].addressSpace", "10.1.0.0", '"10.1.0.0" is not an address range', CIDR),
    ("regions[0].addressSpace", "10.1.0.0/33", '"10.1.0.0/33" is not an address range', CIDR),
    ("regions[0].addressSpace", 10.1, "10.1 is not an address range", CIDR),
    *[
        ("regions[0].addressSpace", odd, f"{json.dumps(odd)} is not an address range", CIDR)
        for odd in (
            *("", None, ["10.1.0.0/16"], "10.1.0.0/16 ", "010.1.0.0/16", "10.\u0661.0.0/16", "999.1.0.0/16"),
            *("10.1.0.0/-1", "10.1.0.0-10.1.255.255"),
        )
    ],
    ("regions[0].addressSpace", ABSENT, "is missing", f"required: {CIDR}"),
    ("regions[0].nodeSubnet", ABSENT, "is missing", "required: an IPv4 range inside addressSpace, such as 10.1.0.0/24"),
    ("regions[0].addressSpace", "0.0.0.0/0", '"0.0.0.0/0" overlaps 169.254.0.0/16, which Azure reserves',
     "choose another range"),
    ("regions[0].addressSpace", "::ffff:10.1.0.0/112", f'"::ffff:10.1.0.0/112" {IPV6}', CIDR),
    ("regions[0].nodeSubnet", "fd00::/64", f'"fd00::/64" {IPV6}', CIDR),
    ("regions[0].serviceCidr", "fd00::/108", f'"fd00::/108" {IPV6}', CIDR),
    ("regions[0].nodeSubnet", "10.1.0.5/24", '"10.1.0.5/24" has bits beyond its prefix: the range is 10.1.0.0/24',
     CIDR),
    ("regions[0].serviceCidr", "10.0.0.1/16", '"10.0.0.1/16" has bits beyond its prefix: the range is 10.0.0.0/16',
     CIDR),
    *[
        ("regions[0].dnsServiceIp", odd, f"{json.dumps(odd)} is not an address", ADDRESS)
        for odd in (None, 10, "", "fd00::10", "10.0.0.10/32", "10.0.0.010")
    ],
    ("regions[0].addressSpace", "fd00::/48", '"fd00::/48" is IPv6, which Fleet does not carry between clusters', CIDR),
    ("regions[0].nodeSubnet", "10.2.0.0/24", '"10.2.0.0/24" is outside addressSpace 10.1.0.0/16',
     "choose a range inside addressSpace"),
    ("regions[0].nodeSubnet", "10.1.0.0/25",
     ('"10.1.0.0/25" has 128 addresses, 129 are needed: 5 for Azure, '
      "31 for each of 3 nodes and 1 more during upgrades; a /24 would do"),
     "choose a larger subnet, fewer nodes or a lower maxPods"),
    ("regions[0].serviceCidr", "10.0.0.0/29", '"10.0.0.0/29" is a /29', "choose a range from /12 to /28"),
    ("regions[0].dnsServiceIp", "dns", '"dns" is not an address', ADDRESS),
    *[
        ("regions[0].dnsServiceIp", ip, f'"{ip}" cannot serve DNS in 10.0.0.0/16',
         "choose an address inside serviceCidr, neither its first two nor its last")
        for ip in ("10.3.0.10", "10.0.0.0", "10.0.0.1", "10.0.255.255")
    ],
    *[
        ("regions[0].serviceCidr", f"{net.network_address}/28",
         f'"{net.network_address}/28" overlaps {net}, which Azure reserves', "choose another range")
        for net in FORBIDDEN_RANGES if net.prefixlen < 28
    ],
    # the node pool
    ("regions[0].nodePool.count", 0, "0 is too small", "write 1 or more"),
    ("regions[0].nodePool.count", 1001, "1001 is too large", "write 1000 or less"),
    ("regions[0].nodePool.maxPods", 9, "9 is too small", "write 10 or more"),
    ("regions[0].nodePool.maxPods", 251, "251 is too large", "write 250 or less"),
    ("regions[0].nodePool", {"vmSize": "Standard_D2"}, "has no size", SIZE),
    ("regions[0].nodePool", {"vmSize": "Standard_D2", "minCount": 1}, "has minCount", SIZE),
    ("regions[0].nodePool", {"vmSize": "Standard_D2", "count": 1, "maxCount": 2}, "has count and maxCount", SIZE),
    ("regions[0].nodePool", {"vmSize": "Standard_D2", "minCount": 3, "maxCount": 2}, "has minCount 3 above maxCount 2",
     "swap them"),
    *[
        ("regions[0].nodePool", {"vmSize": "Standard_D2", "maxPods": 10, **size}, f"has room for {pods} pods",
         "choose more nodes or a higher maxPods: Azure wants room for 30")
        for size, pods in (({"count": 2}, 20), ({"minCount": 1, "maxCount": 5}, 10))
    ],
    ("regions[0].nodePool.count", -1, "-1 is too small", "write 1 or more"),
    ("regions[0].nodePool.count", 10**30, f"{10**30} is too large", "write 1000 or less"),
    ("regions[1].nodePool.zones[0]", 1, "1 is not allowed", "write '1', '2' or '3'"),
    ("regions[1].nodePool.zones[0]", "4", '"4" is not allowed', "write '1', '2' or '3'"),
    ("regions[0].nodePool.zones", ["1", "1"], '["1", "1"] names a zone twice', "name each zone once"),
    # choices
    ("clusters.tier", "free", '"free" is not allowed', "write 'Free', 'Standard' or 'Premium'"),
    ("clusters.tier", None, "null is not allowed", "write 'Free', 'Standard' or 'Premium'"),
    ("clusters.tier", "Paid", '"Paid" is not allowed', "write 'Free', 'Standard' or 'Premium'"),
    ("access.kubeloginMode", "devicecode", '"devicecode" is not allowed',
     "write 'azurecli', 'workloadidentity', 'spn' or 'msi'"),
    ("access.deployerType", "Group", '"Group" is not allowed', "write 'User' or 'ServicePrincipal'"),
    ("app.replicas", 0, "0 is too small", "write 1 or more"),
    *[
        ("app.replicas", many,
         f"{many} pods in each cluster are more than the 90 that the nodes of regions[0] run at most",
         "write less, or give that pool more nodes or a higher maxPods")
        for many in (91, 10**9)
    ],
    # people and tags
    ("access.hubAdmins[0].objectId", "me@example.com", '"me@example.com" is not allowed',
     OBJECT_ID),
    ("access.hubAdmins[0].objectId", GUID[:-1], f'"{GUID[:-1]}" is not allowed', OBJECT_ID),
    ("access.hubAdmins[0].type", ABSENT, "is missing", "required: User, Group or ServicePrincipal"),
    ("access.hubAdmins[0].objectId", ABSENT, "is missing",
     "required: the object id (a GUID) from Microsoft Entra ID"),
    ("access.hubAdmins[0].type", "user", '"user" is not allowed', "write 'User', 'Group' or 'ServicePrincipal'"),
    ("access.hubAdmins", [{"objectId": i, "type": "User"} for i in ("a" + GUID[1:], "A" + GUID[1:])],
     f'has "a{GUID[1:]}" more than once', "name each principal once"),
    ("tags", {f"t{i}": "" for i in range(51)}, "has too many items", "at most 50 are allowed"),
    ("tags", {"a": "", "A": ""}, 'has "a" in two spellings', "keep one: Azure ignores case in tag names"),
    ("tags.a", None, "null is not text", TEXT),
    ("tags.year", 2024, "2024 is not text", TEXT),
    ("tags.note", "x" * 257, f'"{"x" * 76}... is too long', "at most 256 characters are allowed"),
    (f"tags.{'n' * 513}", "", f'"{"n" * 76}... is too long', "at most 512 characters are allowed"),
    ("tags.a/b", "", '"a/b" is not allowed as a tag\'s name', TAG),
    ("tags.Azure-x", "", '"Azure-x" is not allowed as a tag\'s name', TAG),
    # rules across regions
    ("app.entryRegion", "East", '"East" is none of "east", "west"', "write the name of one of the regions"),
    ("app.entryRegion", "north", '"north" is none of "east", "west"', "write the name of one of the regions"),
    ("regions[1].name", "east", '"east" is that of regions[0] too', "choose another name"),
    ("regions[1].cluster", "aks-eastus2", '"aks-eastus2" is that of regions[0] too', "choose another cluster"),
    ("regions[1].resourceGroup", "RG-AKS-eastus2", '"RG-AKS-eastus2" is that of regions[0] too',
     "choose another resourceGroup"),
    ("fleet.resourceGroup", "rg-aks-eastus2", '"rg-aks-eastus2" is that of regions[0] too',
     "choose another: to delete a group deletes all that is in it"),
    ("regions[0].resourceGroup", "g" * 58,
     f"makes the nodes' resource group MC_{'g' * 58}_aks-eastus2_eastus2, 81 characters",
     "shorten resourceGroup or cluster, to 80 in all"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "found", "remedy"), MISTAKES)
def test_a_mistake_is_told(path: str, value: object, found: str, remedy: str) -> None:
    assert mistakes(changed((path, value))) == [f"{path}: {found}", remedy]


MISTAKES_IN_UPDATES: list[tuple[str, object, str, str]] = [
    ("fleet.updates.channel", "stable", '"stable" is not allowed', "write 'Stable', 'Rapid' or 'NodeImage'"),
    ("fleet.updates.channel", ABSENT, "is missing", "required: Stable, Rapid or NodeImage"),
    ("fleet.updates.nodeImages", "Newest", '"Newest" is not allowed', "write 'Latest' or 'Consistent'"),
    ("fleet.updates.enabled", "no", '"no" is neither true nor false', BOOLEAN),
    ("fleet.updates", [], "[] is not a map", MAP),
    ("fleet.updates.stage", [], "is not a key here", "did you mean stages?"),
    ("fleet.updates.stages", ABSENT, "is missing", "required: a list of stages, each a list of update groups"),
    ("fleet.updates.stages", [], "has too few items", "write 1 or more"),
    ("fleet.updates.stages", "east", '"east" is not a list', LIST),
    ("fleet.updates.stages[1]", "west", '"west" is not a list', LIST),
    ("fleet.updates.stages[0]", [], "has too few items", "write 1 or more"),
    ("fleet.updates.stages[0]", ["g"] * 51, "has too many items", "at most 50 are allowed"),
    ("fleet.updates.waitMinutes", -1, "-1 is too small", "write 0 or more"),
    ("fleet.updates.waitMinutes", "60", '"60" is not a whole number', NUMBER),
    ("fleet.updates.waitMinutes", 129601, "129601 minutes between 2 stages are more than 90 days in all",
     "write less: a node image cannot be installed after 90 days"),
]  # fmt: skip
UPDATES = ("fleet.updates", {"channel": "Stable", "stages": [["east"], ["west"]]})


@pytest.mark.parametrize(("path", "value", "found", "remedy"), MISTAKES_IN_UPDATES)
def test_a_mistake_in_the_updates_is_told(path: str, value: object, found: str, remedy: str) -> None:
    assert not mistakes(changed(UPDATES))
    assert mistakes(changed(UPDATES, (path, value))) == [f"{path}: {found}", remedy]


def test_the_base_of_the_mistakes_has_none() -> None:
    assert not mistakes(changed())


def test_nothing_is_registered_before_a_mistake_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[str] = []
    register = cast("Callable[..., object]", MockMonitor.RegisterResource)  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK

    def note(monitor: MockMonitor, request: resource_pb2.RegisterResourceRequest) -> object:
        registered.append(request.type)
        return register(monitor, request)

    monkeypatch.setattr(MockMonitor, "RegisterResource", note)
    in_the_manifests = ("app.service", "no-such-service")
    for mistake in [in_the_manifests, *((path, value) for path, value, _, _ in MISTAKES)]:
        with pytest.raises((SettingsError, ManifestsError)):
            run(lambda: runpy.run_path(str(ROOT / "__main__.py")), config=changed(mistake))
    assert set(registered) == {"pulumi:pulumi:Stack"}


def test_regions_in_one_location_need_names() -> None:
    assert mistakes(changed(("regions[1].location", "East US 2"))) == [
        'regions[1].location: "East US 2" makes the default resourceGroup "rg-aks-eastus2", which regions[0] has too',
        "set resourceGroup in one of the two",
        'regions[1].location: "East US 2" makes the default cluster "aks-eastus2", which regions[0] has too',
        "set cluster in one of the two",
    ]


def test_address_spaces_do_not_overlap() -> None:
    raw = changed(("regions[1].addressSpace", "10.1.128.0/17"), ("regions[1].nodeSubnet", "10.1.128.0/24"))
    assert mistakes(raw) == [
        'regions[1].addressSpace: "10.1.128.0/17" overlaps regions[0].addressSpace 10.1.0.0/16',
        "choose a range that no other region uses: peering refuses overlaps",
    ]


def test_an_address_space_overlaps_no_service_of_any_cluster() -> None:
    assert mistakes(changed(("regions[1].serviceCidr", "10.1.128.0/20"))) == [
        'regions[0].addressSpace: "10.1.0.0/16" overlaps regions[1].serviceCidr 10.1.128.0/20',
        "choose another range, or another serviceCidr there: services would hide pods",
    ]


def test_a_fleet_has_a_thousand_members_at_most() -> None:
    assert mistakes(changed(("regions", changed()["regions"][:1] * 1001)))[:2] == [
        "regions: has 1001 regions",
        "write 1 to 1000: a fleet has no more members",
    ]


def test_a_network_has_five_hundred_peerings_at_most() -> None:
    def clusters(number: int, **existing: object) -> dict[str, Any]:
        return changed(
            (
                "regions",
                [
                    {"name": f"r{i}", "location": "eastus2", "existing": {"clusterId": f"{CLUSTER}-{i}", **existing}}
                    for i in range(number)
                ],
            )
        )

    assert mistakes(clusters(501)) == []
    assert mistakes(clusters(502)) == [
        "regions: would give each VNet 501 peerings, one with every other network",
        "a VNet has 500 at most: write at most 501 networks",
    ]
    assert mistakes(clusters(502, peered=True)) == []


@pytest.mark.parametrize(
    ("pool", "addresses"),
    [
        ({"count": 1}, 5 + 2 * 31),
        ({"count": 10}, 5 + 11 * 31),
        ({"count": 11}, 5 + 13 * 31),
        ({"minCount": 1, "maxCount": 20, "maxPods": 110}, 5 + 22 * 111),
    ],
)
def test_a_subnet_holds_the_pool_at_its_largest_during_an_upgrade(pool: dict[str, object], addresses: int) -> None:
    raw = changed(("regions[0].nodePool", {"vmSize": "Standard_D2", **pool}), ("regions[0].nodeSubnet", "10.1.0.0/16"))
    assert parse(raw).regions[0].node_pool.addresses == addresses


def test_a_cluster_may_have_as_many_pods_as_its_nodes_run() -> None:
    assert parse(changed(("app.replicas", 90))).app.replicas == 90
    assert parse(changed(("regions[0].nodePool", {"vmSize": "Standard_D2", "maxPods": 10, "count": 3})))


def test_stages_have_every_update_group_once_and_no_other() -> None:
    assert mistakes(changed(UPDATES, ("fleet.updates.stages", [["east", "north"], ["east"]]))) == [
        'fleet.updates.stages[0][1]: "north" is the updateGroup of no region; there are "east", "west"',
        "write one of them; a region without updateGroup has its name",
        'fleet.updates.stages[1][0]: "east" is stages[0][0] already',
        "name each group once",
        'fleet.updates.stages: leave out "west"',
        "put it into a stage: the fleet would not upgrade it",
    ]


def test_stages_name_the_update_group_of_a_region_that_has_one() -> None:
    assert mistakes(changed(UPDATES, ("regions[0].updateGroup", "canary")))[0] == (
        'fleet.updates.stages[0][0]: "east" is the updateGroup of no region; there are "canary", "west"'
    )
    stages = ("fleet.updates.stages", [["canary"], ["west"]])
    assert not mistakes(changed(UPDATES, ("regions[0].updateGroup", "canary"), stages))


def test_a_version_is_not_asked_for_again_once_the_fleet_has_upgraded_it() -> None:
    version = ("regions[0].kubernetesVersion", "1.33")
    assert mistakes(changed(UPDATES, version)) == [
        'regions[0].kubernetesVersion: "1.33" stays only until the fleet upgrades beyond it',
        "remove it, or choose channel NodeImage: the next `pulumi up` would ask for it again",
    ]
    assert not mistakes(changed(UPDATES, version, ("fleet.updates.channel", "NodeImage")))


def test_node_images_are_chosen_where_there_is_a_choice() -> None:
    images = ("fleet.updates.nodeImages", "Consistent")
    assert not mistakes(changed(UPDATES, images))
    assert mistakes(changed(UPDATES, images, ("fleet.updates.channel", "NodeImage"))) == [
        'fleet.updates.nodeImages: "Consistent" is said of channel NodeImage, which has no choice of images',
        "remove it: that channel takes the same images in every region",
    ]


def test_waits_are_counted_between_stages() -> None:
    assert not mistakes(changed(UPDATES, ("fleet.updates.waitMinutes", 129600)))
    one_stage: dict[str, Any] = {"channel": "Rapid", "stages": [["east", "west"]], "waitMinutes": 129601}
    assert not mistakes(changed(("fleet.updates", one_stage)))


SCOPE = f"/subscriptions/{GUID}/resourceGroups/rg/providers"
SUBNET = f"{SCOPE}/Microsoft.Network/virtualNetworks/v/subnets/s"
CLUSTER = f"{SCOPE}/Microsoft.ContainerService/managedClusters/AKS1"


def test_what_exists_needs_no_more_than_its_id() -> None:
    one: dict[str, Any] = {"name": "east", "location": "eastus2", "existing": {"clusterId": CLUSTER}}
    assert parse(changed(("regions[0]", one))).regions[0].cluster == "aks1"
    assert mistakes(changed(("regions[0]", one | {"existing": {"subnetId": SUBNET}}))) == [
        "regions[0].nodePool: is missing",
        "required: vmSize, and count or minCount and maxCount",
    ]


@pytest.mark.parametrize(
    ("existing", "path", "found"),
    [
        ({}, "regions[0].existing", "has neither subnetId nor clusterId"),
        ({"subnetId": SUBNET, "clusterId": CLUSTER}, "regions[0].existing", "has both subnetId and clusterId"),
        ({"clusterId": "aks"}, "regions[0].existing.clusterId", '"aks" is not the id of one'),
    ],
)
def test_what_exists_is_named_by_one_id(existing: dict[str, str], path: str, found: str) -> None:
    assert mistakes(changed(("regions[0].existing", existing)))[0] == f"{path}: {found}"


def test_the_name_of_a_member_may_differ_from_that_of_its_cluster() -> None:
    one: dict[str, Any] = {"name": "east", "location": "eastus2", "existing": {"clusterId": f"{CLUSTER}_prd"}}
    assert mistakes(changed(("regions[0]", one))) == [
        'regions[0].cluster: "aks1_prd" is not allowed',
        f"{KEBAB}; cluster names the member, and may differ from the existing cluster",
    ]
    assert parse(changed(("regions[0]", one | {"cluster": "aks-prd"}))).regions[0].cluster == "aks-prd"


def test_a_fleet_may_be_in_a_group_that_aks_would_not_take() -> None:
    assert parse(changed(("fleet.resourceGroup", "rg-k\u00fcche"))).fleet.resource_group == "rg-k\u00fcche"


def with_existing(*existing: dict[str, Any]) -> dict[str, Any]:
    """Return settings whose regions have what exists."""
    pool = {"vmSize": "Standard_D4ds_v5", "count": 3}
    return changed(
        *(
            (f"regions[{i}]", {"name": f"r{i}", "location": f"eastus{i}", "existing": each})
            if "clusterId" in each
            else (f"regions[{i}]", {"name": f"r{i}", "location": f"eastus{i}", "existing": each, "nodePool": pool})
            for i, each in enumerate(existing)
        )
    )


@pytest.mark.parametrize(("key", "found"), [("subnetId", SUBNET), ("clusterId", CLUSTER)])
def test_a_subnet_or_a_cluster_is_of_one_region(key: str, found: str) -> None:
    twice = mistakes(with_existing({key: found}, {key: found.replace("resourceGroups", "resourcegroups")}))
    assert f"regions[1].existing.{key}: is that of regions[0] too" in twice


@pytest.mark.parametrize(
    ("existing", "path"),
    [
        (("regions[0]", {"name": "a", "location": "eastus", "existing": {"clusterId": CLUSTER}}),
         "regions[0].existing.clusterId"),
        (("fleet", {"existingId": f"{SCOPE}/Microsoft.ContainerService/fleets/f"}), "fleet.existingId"),
    ],
)  # fmt: skip
def test_group_that_has_what_exists_is_not_the_stacks(existing: tuple[str, Any], path: str) -> None:
    """The stack deletes its groups with all that is in them."""
    assert mistakes(changed(existing, ("regions[1].resourceGroup", "RG"))) == [
        f'regions[1].resourceGroup: "RG" has what {path} names, and this stack would make and delete the group',
        "choose another",
    ]
    assert not mistakes(changed(existing, ("regions[1].resourceGroup", "rg2")))


def test_two_subnets_may_be_of_one_network() -> None:
    assert not mistakes(with_existing({"subnetId": SUBNET}, {"subnetId": f"{SUBNET}2"}))


def test_a_network_is_peered_with_others_that_say_so() -> None:
    one, other = {"subnetId": SUBNET, "peered": True}, {"clusterId": CLUSTER}
    assert mistakes(with_existing(one, other)) == [
        "regions[0].existing.peered: is said of no other region's network",
        "write it in each region whose VNets are peered, or remove it",
    ]
    assert not mistakes(with_existing(one, other | {"peered": True}))


def test_ids_are_in_plain_letters() -> None:
    look_alike = CLUSTER.replace("Kubernetes", "").replace("ContainerService/m", "Container\u017fervice/m")
    assert mistakes(with_existing({"clusterId": look_alike}, {"subnetId": SUBNET}))[0].startswith(
        "regions[0].existing.clusterId: "
    )


def test_what_exists_is_not_described_again() -> None:
    assert list(mistakes(changed(("regions[0].existing", {"subnetId": SUBNET})))[::2]) == [
        f"regions[0].{key}: cannot be set together with existing.subnetId, which settles it"
        for key in ("addressSpace", "nodeSubnet")
    ]
    fleet = {"existingId": f"{SCOPE}/Microsoft.ContainerService/fleets/f", "location": "westus"}
    assert mistakes(changed(("fleet", fleet))) == [
        "fleet.location: cannot be set together with fleet.existingId, which settles it",
        "remove it",
    ]


def test_all_mistakes_are_told_at_once_each_as_far_as_the_rest_is_right() -> None:
    raw = changed(
        ("regions[0].nodePool.count", "three"),
        ("regions[1].addressSpace", "10.1.0.0/17"),
        ("regions[1].nodeSubnet", "10.1.0.0/30"),
        ("app.replicas", 0),
        ("app.entryRegion", "north"),
        ("tag", {}),
    )
    assert [line.partition(":")[0] for line in mistakes(raw)[::2]] == [
        "regions[0].nodePool.count",
        "regions[1].nodeSubnet",
        "app.replicas",
        "tag",
        "regions[1].addressSpace",
        "app.entryRegion",
    ]


def test_a_broken_value_does_not_blame_the_defaults_that_rest_on_it() -> None:
    assert len(mistakes(changed(("regions[0].name", 1), ("regions[0].location", None)))) == 2 * 2


def test_values_of_secret_keys_are_not_told() -> None:
    raw = changed(("regions[0].name", "Hidden"), ("regions[1].nodeSubnet", "10.66.0.0/24"), ("app.entryRegion", "x"))
    assert mistakes(raw, "regions") == [
        "regions[0].name: (secret)",
        KEBAB,
        "regions[1].nodeSubnet: (secret)",
        "choose a range inside addressSpace",
        "app.entryRegion: (secret)",
        "write the name of one of the regions",
    ]


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
        "    the keys are regions, nameSuffix, clusters, fleet, app, access, protect, tags",
    ]
