"""Each setting, changed on a running stack: what the engine then does, or why the program refuses.

The same rows are in docs/operations.md, under "What a change does".
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pulumi import automation as auto

from rehearsal.stack import rehearsing
from settings import Settings
from settings.report import keys
from tests.support import existing
from tests.support.existing import OTHER
from tests.support.health import assert_healthy
from tests.support.program import ROOT
from tests.support.stack import MOVED_WEST, Stack, copied, copy_program

Config = dict[str, Any]


class Row(NamedTuple):
    """A setting, and what its change does.

    Attributes:
        setting: the key, or several, as in docs/operations.md.
        change: makes the change in the configuration.
        steps: what the engine does, by logical names; empty where the program refuses.
        refusal: what the refusal says, from the key on.
    """

    setting: str
    change: Callable[[Config], object]
    steps: Mapping[str, str] = {}
    refusal: str = ""


def key(**keys: Any) -> Callable[[Config], object]:  # noqa: ANN401 - any JSON value
    """Change keys at the top."""
    return lambda config: config.update(keys)


def east(**keys: Any) -> Callable[[Config], object]:  # noqa: ANN401 - any JSON value
    """Change keys of the first region."""
    return lambda config: config["regions"][0].update(keys)


def west(**keys: Any) -> Callable[[Config], object]:  # noqa: ANN401 - any JSON value
    """Change keys of the second region."""
    return lambda config: config["regions"][1].update(keys)


def pool(**keys: Any) -> Callable[[Config], object]:  # noqa: ANN401 - any JSON value
    """Change keys of the first region's node pool."""
    return lambda config: config["regions"][0]["nodePool"].update(keys)


def section(section: str, **keys: Any) -> Callable[[Config], object]:  # noqa: ANN401 - any JSON value
    """Change keys of a section."""
    return lambda config: config.update({section: config.get(section, {}) | keys})


def updates(**keys: Any) -> Callable[[Config], object]:  # noqa: ANN401 - any JSON value
    """Change keys of the fleet's updates."""
    return lambda config: config["fleet"]["updates"].update(keys)


def onto(number: int, **keys: Any) -> Callable[[Config], object]:  # noqa: ANN401 - any JSON value
    """Replace a region's settings, except name, location and node pool: by existing resources or new address ranges."""

    def change(config: Config) -> None:
        region = config["regions"][number]
        kept = {key: region[key] for key in ("name", "location")}
        if "clusterId" not in keys:
            kept["nodePool"] = POOL
        there = {key: keys.pop(key) for key in list(keys) if key in {"clusterId", "subnetId", "peered"}}
        config["regions"][number] = kept | keys | ({"existing": there} if there else {})

    return change


def in_the_same_network(config: Config) -> None:
    """Put a new region into the VNet of the second one, which goes."""
    west = config["regions"][1]
    subnet = west["existing"]["subnetId"].replace("/subnets/nodes", "/subnets/green")
    names = {"name": "green", "resourceGroup": "rg-green", "cluster": "green", "updateGroup": "west"}
    config["regions"][1] = west | names | {"existing": {"subnetId": subnet}}


def existing_id(resource: str) -> str:
    """Return the ID of something in another group."""
    return f"/subscriptions/{OTHER}/resourceGroups/rg-other/providers/Microsoft.{resource}"


POOL = {"vmSize": "Standard_D4ds_v5", "count": 3}


def all_peered(config: Config) -> None:
    """Say of all regions' networks that others peer them."""
    for region in config["regions"]:
        region["existing"]["peered"] = True


def without_updates(config: Config) -> None:
    """Take the fleet's updates out."""
    del config["fleet"]["updates"]


def backwards(config: Config) -> None:
    """Let the list of regions begin with the last one."""
    config["regions"].reverse()


def without_the_first(config: Config) -> None:
    """Take the first region out."""
    del config["regions"][0]


OTHER_CLUSTER = existing_id("containerservice/managedClusters/other")
OTHER_FLEET = existing_id("containerservice/fleets/other")
OTHER_SUBNET = existing_id("network/virtualNetworks/vnet/subnets/other")
CREATED = r'region "east" was created with'
RULES = {"rules": "create", "subnet": "update"}
BOTH = {"east-cluster": "update", "west-cluster": "update"}
ANEW = {"app-entry-point": "replace", "app-endpoints": "update"}
REFUSED = [
    Row(
        "clusters.dataplane",
        section("clusters", dataplane="cilium"),
        refusal=f'dataplane: {CREATED} "azure", not "cilium"',
    ),
    Row(
        "clusters.outbound",
        section("clusters", outbound="natGateway"),
        refusal=f'outbound: {CREATED} "loadBalancer", not "natGateway"',
    ),
    Row(
        "clusters.hostEncryption",
        section("clusters", hostEncryption=True),
        refusal=f"hostEncryption: {CREATED} false, not true",
    ),
    Row(
        "regions.location",
        east(location="centralus"),
        refusal=rf"regions\[0\].location: {CREATED} \"eastus2\", not \"centralus\"",
    ),
    Row("regions.nodeSubnet", east(nodeSubnet="10.1.4.0/22"), refusal=rf"regions\[0\].nodeSubnet: {CREATED} "),
    Row("regions.serviceCidr", east(serviceCidr="172.20.0.0/16"), refusal=rf"serviceCidr: {CREATED} \"10.0.0.0/16"),
    Row("regions.dnsServiceIp", east(dnsServiceIp="10.0.0.20"), refusal=rf"dnsServiceIp: {CREATED} \"10.0.0.10\""),
    Row("regions.sshPublicKey", east(sshPublicKey="ssh-rsa AAAA"), refusal=rf"sshPublicKey: {CREATED} another key"),
    Row("regions.resourceGroup", east(resourceGroup="rg-other"), refusal=rf"resourceGroup: {CREATED} "),
    Row("regions.cluster", east(cluster="aks-other"), refusal=rf"regions\[0\].cluster: {CREATED} \"aks-eastus2\""),
    Row("regions.virtualNetwork", east(virtualNetwork="vnet-other"), refusal=rf"virtualNetwork: {CREATED} "),
    Row("regions.subnet", east(subnet="other"), refusal=rf"regions\[0\].subnet: {CREATED} \"aks-subnet-east\""),
    Row("regions.nodePool.vmSize", pool(vmSize="Standard_D8ds_v5"), refusal=rf"nodePool.vmSize: {CREATED} "),
    Row("regions.nodePool.maxPods", pool(maxPods=40), refusal=rf"nodePool.maxPods: {CREATED} 30, not 40\n"),
    Row("regions.nodePool.zones", pool(zones=["1", "2"]), refusal=rf"nodePool.zones: {CREATED} none, not "),
    Row("regions.kubernetesVersion", east(kubernetesVersion="1.33"), refusal="is older than the version of"),
    Row("regions.kubernetesVersion", east(kubernetesVersion="1.38"), refusal='write "1.37" first'),
    Row(
        "regions.name",
        east(name="eus2"),
        refusal=r'regions\[0\].name: .*which region "east" has\n.*put the name "east" back',
    ),
    Row(
        "regions.name",
        east(name="eus2", resourceGroup="rg-other", cluster="aks-other"),
        refusal=r"addressSpace: .* overlaps 10.1.0.0/16, which region \"east\" has until it is gone",
    ),
    Row(
        "regions.name",
        east(name="eus2", resourceGroup="rg-other", addressSpace="10.7.0.0/16", nodeSubnet="10.7.0.0/24"),
        refusal=r'regions\[0\].cluster: "aks-eastus2" is the member of region "east", until it is gone',
    ),
    Row(
        "regions",
        backwards,
        refusal='app.entryRegions: is missing: the address is in "east", and would move to "west"',
    ),
    Row(
        "regions",
        without_the_first,
        refusal=r"app.entryRegions: is missing: .*\n.*write \[west\] to have a new one there",
    ),
    Row(
        "regions.entrySuffix",
        east(entrySuffix="-own"),
        refusal=r'regions\[0\].entrySuffix: is not what the entry Service of region "east" has: ""',
    ),
    Row("nameSuffix", key(nameSuffix="x"), refusal=r"(?s)resourceGroup.*fleet.name"),
    Row(
        "fleet.name", section("fleet", name="other"), refusal='fleet.name: the fleet was created with ".+", not "other"'
    ),
    Row(
        "fleet.location",
        section("fleet", location="centralus"),
        refusal='fleet.location: the fleet .+, not "centralus"',
    ),
    Row(
        "fleet.hub.dnsPrefix",
        section("fleet", hub={"dnsPrefix": "other"}),
        refusal='fleet.hub.dnsPrefix: the fleet .+, not "other"',
    ),
    Row("fleet.resourceGroup", section("fleet", resourceGroup="rg-other"), refusal="fleet.resourceGroup: "),
    Row(
        "fleet.hub.vmSize",
        section("fleet", hub={"vmSize": "Standard_D4ds_v5"}),
        refusal='fleet.hub.vmSize: the fleet was created with a value that Azure chose, not "Standard_D4ds_v5"',
    ),
    Row(
        "fleet.hub.private",
        section("fleet", hub={"private": {"addressSpace": "10.40.0.0/22", "resourceProviderObjectId": OTHER}}),
        refusal="fleet.hub.private: is set, but the fleet was created with a public hub",
    ),
    Row(
        "clusters.privateApiServer",
        section("clusters", privateApiServer=True),
        refusal='clusters.privateApiServer: true, but the API server of region "east" is public',
    ),
    Row(
        "fleet.existingId",
        key(fleet={"existingId": OTHER_FLEET}),
        refusal="fleet.existingId: this stack has made its fleet",
    ),
    Row(
        "regions.existing.clusterId",
        onto(0, clusterId=OTHER_CLUSTER),
        refusal=r'existing.clusterId: region "east" has a cluster that this stack has made',
    ),
    Row(
        "regions.existing.subnetId",
        onto(0, subnetId=OTHER_SUBNET),
        refusal=r'existing.subnetId: region "east" was created in another subnet',
    ),
]
REFUSED_ON_EXISTING = [
    Row(
        "clusters.baseline",
        section("clusters", baseline=False),
        refusal="clusters.baseline: false, but the clusters have an OIDC issuer",
    ),
    Row(
        "clusters.entraId",
        section("clusters", entraId=False),
        refusal="clusters.entraId: false, but the clusters sign in",
    ),
    Row(
        "fleet.existingId", key(fleet={}), refusal="fleet.existingId: is missing: this stack is in a fleet that existed"
    ),
    Row(
        "fleet.existingId",
        key(fleet={"existingId": OTHER_FLEET}),
        refusal='fleet.existingId: stack "dev" was created with another ID',
    ),
    Row(
        "regions.existing.clusterId",
        onto(0, clusterId=OTHER_CLUSTER),
        refusal='existing.clusterId: region "east" was created with another ID',
    ),
    Row(
        "regions.existing.clusterId",
        onto(0, subnetId=OTHER_SUBNET),
        refusal='existing.clusterId: is missing: region "east" is on a cluster that existed',
    ),
    Row("regions.cluster", east(cluster="other"), refusal='region "east" joined the fleet as ".+", not "other"'),
    Row(
        "regions.existing.subnetId",
        onto(1, subnetId=OTHER_SUBNET),
        refusal='existing.subnetId: region "west" was created in another subnet',
    ),
    Row(
        "regions.existing.subnetId",
        onto(1, addressSpace="10.7.0.0/16", nodeSubnet="10.7.0.0/22"),
        refusal='existing.subnetId: is missing: region "west" is in a subnet that existed',
    ),
    Row(
        "regions.name",
        in_the_same_network,
        refusal=r'regions\[1\].existing.subnetId: is in the VNet that region "west" is in, until it is gone',
    ),
]
DONE = [
    Row("regions.nodePool.count", pool(count=4), {"east-cluster": "update"}),
    Row(
        "regions.nodePool.minCount, maxCount",
        east(nodePool={"vmSize": "Standard_D4ds_v5", "minCount": 3, "maxCount": 5}),
        {"east-cluster": "update"},
    ),
    Row(
        "regions.addressSpace", west(addressSpace="10.2.0.0/15"), {"west-vnet": "update", "mesh-east-to-west": "update"}
    ),
    Row("regions.updateGroup", east(updateGroup="first"), {"hub-member-east": "update"}),
    Row(
        "regions.lost",
        west(lost=True),
        dict.fromkeys(("west-kubernetes", "app-placement", "app-endpoints"), "update"),
    ),
    Row("regions.kubernetesVersion", east(kubernetesVersion="1.37"), {"east-cluster": "update"}),
    Row("protect", key(protect=True), {}),
    Row("clusters.tier", section("clusters", tier="Standard"), BOTH),
    Row("app.entryRegions", section("app", entryRegions=["west"]), MOVED_WEST),
    Row("app.internal", section("app", internal=True), ANEW),
    Row("app.replicas", section("app", replicas=2), {"app-deployment-store-front": "update"}),
    Row(
        "clusters.baseline",
        section("clusters", baseline=True),
        BOTH | {"east-subnet": "update", "west-subnet": "update"},
    ),
]


PLACED = (
    *("deployment-order-service", "deployment-product-service", "deployment-store-front", "statefulset-rabbitmq"),
    *("service-order-service", "service-product-service", "service-rabbitmq", "service-store-front"),
    *("configmap-rabbitmq-plugins", "secret-rabbitmq"),
)
PLANNED = [
    Row("regions.userPool", east(userPool=POOL), {"east-cluster": "update", "east-apps": "create"}),
    Row("regions.nodePool.surge", pool(surge=20), {"east-cluster": "update"}),
    Row(
        "clusters.securityGroup",
        section("clusters", securityGroup=True),
        {f"{region}-{what}": step for region in ("east", "west") for what, step in RULES.items()},
    ),
    Row("clusters.apiRanges", section("clusters", apiRanges=["203.0.113.0/28"]), BOTH),
    Row(
        "clusters.maintenance",
        section("clusters", maintenance={"day": "Monday", "start": "22:30"}),
        {
            f"{region}-maintenance{part}": "create"
            for region in ("east", "west")
            for part in ("", "-kubernetes", "-images")
        },
    ),
    Row(
        "clusters.registryId",
        section("clusters", registryId=existing_id("ContainerRegistry/registries/images")),
        {f"{region}-pull-images{part}": "create" for region in ("east", "west") for part in ("", "-id")},
    ),
    Row(
        "monitoring",
        section("monitoring", enabled=True),
        BOTH
        | dict.fromkeys(
            (
                *("monitoring", *(f"monitoring-{part}" for part in ("group", "workspace", "metrics", "endpoint"))),
                *("monitoring-log-rule", "monitoring-metrics-rule", "hub-monitoring", "hub-monitoring-diagnostics"),
                *(
                    f"{region}-monitoring{part}"
                    for region in ("east", "west")
                    for part in ("", "-diagnostics", "-logs", "-metrics")
                ),
            ),
            "create",
        ),
    ),
    Row("clusters.nodeOs", section("clusters", nodeOs="AzureLinux"), BOTH),
    Row(
        "app.namespace",
        section("app", namespace="shop"),
        {
            f"app-{name}": "replace"
            for name in (*PLACED, "namespace", "serviceexport-store-front", "placement", "entry-point")
        }
        | ANEW,
    ),
    Row(
        "app.service",
        section("app", service="product-service"),
        {
            "app-serviceexport-store-front": "delete",
            "app-serviceexport-product-service": "create",
            **ANEW,
        },
    ),
    Row(
        "app.globalAddress",
        section("app", globalAddress={"homeRegion": "westus", "resourceGroup": "rg-own"}, guard=False),
        dict.fromkeys(
            (
                *("global", "global-group", "global-address", "global-balancer", "global-balancer-regions"),
                "app-entry-service",
            ),
            "create",
        ),
    ),
    Row(
        "app.guard",
        section("app", guard=True),
        {
            f"east-guard{part}": "create"
            for part in ("", "-namespace", "-account", "-role", "-binding", "-code", "-deployment")
        },
    ),
    Row(
        "access.kubeloginMode",
        section("access", kubeloginMode="msi", deployerType="User"),
        {"hub-kubernetes": "update"},
    ),
    Row("access.deployerType", section("access", deployerType="ServicePrincipal"), {"hub-deployer": "update"}),
    Row(
        "access.hubAdmins",
        section("access", hubAdmins=[{"objectId": OTHER, "type": "User"}]),
        {f"hub-admin-{OTHER}": "create", f"hub-admin-{OTHER}-id": "create"},
    ),
    Row(
        "clusters.entraId",
        section("clusters", entraId=True),
        BOTH | {f"{region}-deployer{part}": "create" for region in ("east", "west") for part in ("", "-id")},
    ),
    Row(
        "fleet.updates",
        section("fleet", updates={"channel": "Stable", "stages": [["east"], ["west"]]}),
        {"updates": "create", "updates-strategy": "create", "updates-profile": "create"},
    ),
]
PLANNED_ON_EXISTING = [
    Row(
        "regions.existing.peered",
        all_peered,
        {"mesh-east-to-west": "delete", "mesh-west-to-east": "delete"},
    ),
    Row("fleet.updates.stages", updates(stages=[["west"], ["east"]]), {"updates-strategy": "update"}),
    Row("fleet.updates.waitMinutes", updates(waitMinutes=10), {"updates-strategy": "update"}),
    Row("fleet.updates.channel", updates(channel="Rapid"), {"updates-profile": "replace"}),
    Row("fleet.updates.nodeImages", updates(nodeImages="Consistent"), {"updates-profile": "replace"}),
    Row("fleet.updates.enabled", updates(enabled=False), {"updates-profile": "replace"}),
    Row(
        "fleet.updates",
        without_updates,
        {"updates": "delete", "updates-strategy": "delete", "updates-profile": "delete"},
    ),
]


@pytest.fixture(scope="module")
def running(deployed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployed stack, whose configuration each test puts back."""
    with copied(deployed, tmp_path_factory.mktemp("running") / "program") as stack:
        yield stack


@pytest.fixture(scope="module")
def on_existing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on an existing cluster, subnet and fleet, with the settings that `dev` leaves out."""
    root = copy_program(tmp_path_factory.mktemp("on-existing") / "program")
    with rehearsing("dev", root) as rehearsal:
        stack = Stack(root, rehearsal)
        east = {"clusterId": existing.cluster(stack.cloud)}
        west = {"subnetId": existing.network(stack.cloud, "10.7.0.0/16", "westus2", group="rg-west")}
        stack.configure(
            regions=[
                {"name": "east", "location": "eastus2", "existing": east},
                {"name": "west", "location": "westus2", "existing": west, "nodePool": POOL},
            ],
            fleet={
                "existingId": existing.fleet(stack.cloud),
                "updates": {"channel": "Stable", "stages": [["east"], ["west"]]},
            },
            clusters={"entraId": True, "baseline": True},
        )
        stack.up()
        yield stack


@pytest.fixture
def before_on_existing(on_existing: Stack) -> Iterator[Config]:
    """The configuration of the stack on what existed, put back after the test."""
    config = on_existing.config
    yield deepcopy(config)
    on_existing.configure_all(config)


@pytest.fixture
def before(running: Stack) -> Iterator[Config]:
    """The configuration that the stack runs with, put back after the test."""
    config = running.config
    yield deepcopy(config)
    running.configure_all(config)


def identity(row: Row) -> str:
    return row.setting


@pytest.mark.parametrize("row", REFUSED, ids=identity)
def test_change_that_cannot_be_made_is_refused_in_the_preview(running: Stack, before: Config, row: Row) -> None:
    row.change(before)
    running.configure(**before)
    with pytest.raises(auto.CommandError, match=row.refusal):
        running.preview()
    assert {verb for verb, _ in running.asked} <= {"invoke"}


@pytest.mark.parametrize("row", REFUSED_ON_EXISTING, ids=identity)
def test_change_of_what_existed_is_refused_in_the_preview(
    on_existing: Stack, before_on_existing: Config, row: Row
) -> None:
    row.change(before_on_existing)
    on_existing.configure_all(before_on_existing)
    with pytest.raises(auto.CommandError, match=row.refusal):
        on_existing.preview()
    assert {verb for verb, _ in on_existing.asked} <= {"invoke"}


@pytest.mark.parametrize("row", [*PLANNED, *DONE], ids=identity)
def test_change_is_planned(running: Stack, before: Config, row: Row) -> None:
    row.change(before)
    running.configure(**before)
    assert running.preview().changes == row.steps


@pytest.mark.parametrize("row", PLANNED_ON_EXISTING, ids=identity)
def test_change_beside_what_existed_is_planned(on_existing: Stack, before_on_existing: Config, row: Row) -> None:
    row.change(before_on_existing)
    on_existing.configure_all(before_on_existing)
    assert on_existing.preview().changes == row.steps


def test_no_change_is_planned_where_nothing_was_changed(on_existing: Stack) -> None:
    assert on_existing.preview().changes == {}


def test_another_subscription_is_refused_in_the_preview(on_existing: Stack, before_on_existing: Config) -> None:
    del before_on_existing
    on_existing.configure_azure(subscriptionId=OTHER)
    with pytest.raises(auto.CommandError, match="is not the subscription that this stack works in"):
        on_existing.preview()


def test_tags_are_changed_in_place(stack: Stack) -> None:
    """The preview says more: of an identity that is updated it knows nothing, so that its role seems another one."""
    stack.configure(tags={"team": "shop"})
    tagged = {f"{region}-{what}" for region in ("east", "west") for what in ("group", "vnet", "identity", "cluster")}
    assert stack.up().changes == dict.fromkeys({*tagged, "hub-group", "hub-fleet"}, "update")


def test_keys_that_made_a_cluster_are_not_taken_away(empty: Stack) -> None:
    config = empty.config
    pool(zones=["1", "2"])(config)
    east(sshPublicKey="ssh-rsa AAAA", userPool=POOL)(config)
    empty.configure(**config)
    empty.up()
    pool(zones=["2", "1"])(config)
    empty.configure(**config)
    empty.preview()  # in another order, they are the same zones
    del config["regions"][0]["nodePool"]["zones"], config["regions"][0]["sshPublicKey"]
    empty.configure(**config)
    with pytest.raises(auto.CommandError, match=f"(?s)sshPublicKey: {CREATED} a key\n.*zones: {CREATED} .*, not none"):
        empty.preview()
    east(userPool=POOL | {"vmSize": "Standard_D8ds_v5", "maxPods": 29, "zones": ["1"]})(config)
    empty.configure(**config)
    size, pods, zones = (rf"userPool.{each}: {CREATED} " for each in ("vmSize", "maxPods", "zones"))
    with pytest.raises(auto.CommandError, match=rf"(?s){size}.*{pods}.*{zones}"):
        empty.preview()


@pytest.mark.slow
def test_pool_for_the_apps_comes_and_goes_in_place(stack: Stack) -> None:
    config = stack.config
    east(userPool=POOL)(config)
    stack.configure(**config)
    assert stack.up().changes == {"east-cluster": "update", "east-apps": "create"}
    assert stack.preview().changes == {}
    assert_healthy(stack)
    east(userPool=POOL | {"count": 2, "surge": 50})(config)
    stack.configure(**config)
    assert stack.up().changes == {"east-apps": "update"}
    del config["regions"][0]["userPool"]
    stack.configure(**config)
    assert stack.up().changes == {"east-cluster": "update", "east-apps": "delete"}
    assert stack.recorded("east-cluster")["outputs"]["agentPoolProfiles"][0]["nodeTaints"] == []
    assert_healthy(stack)
    assert stack.preview().changes == {}


# Two rows that change the same setting or resource are in different halves. `regions.lost` is in neither, because no
# other change reaches a lost region.
ONE_HALF = {"regions.nodePool.count", "regions.kubernetesVersion", "protect", "clusters.tier", "app.entryRegions"}
OTHER_HALF = {row.setting for row in DONE} - ONE_HALF - {"regions.lost"}


@pytest.mark.parametrize("half", [ONE_HALF, OTHER_HALF], ids=["one half", "other half"])
def test_changes_are_made_as_they_were_planned(stack: Stack, half: set[str]) -> None:
    config = stack.config
    rows = [row for row in DONE if row.setting in half]
    for row in rows:
        row.change(config)
    stack.configure(**config)
    assert stack.up().changes == {name: step for row in rows for name, step in row.steps.items()}
    assert stack.preview().changes == {}
    assert_healthy(stack)


def test_region_with_another_value_comes_beside_the_old_one_and_the_old_one_goes(stack: Stack) -> None:
    """The way of docs/operations.md, "What cannot change"."""
    east, west = stack.config["regions"]
    names = {"name": "east2", "resourceGroup": "rg-aks-eastus2-b", "cluster": "aks-eastus2-b", "entrySuffix": "-east2"}
    ranges = {"addressSpace": "10.5.0.0/16", "nodeSubnet": "10.5.0.0/24", "serviceCidr": "172.20.0.0/16"}
    stack.configure(regions=[east, west, east | names | ranges], app={"entryRegions": ["east2"]})
    assert set(stack.up().changes.values()) == {"create", "update", "delete"}
    stack.configure(regions=[west, east | names | ranges])
    assert stack.up().changes["east-cluster"] == "delete"
    assert_healthy(stack)
    assert stack.preview().changes == {}


def names(text: str) -> list[str]:
    """Return the settings that a text lists, of which each but the first may leave out its section."""
    first, *others = text.replace("`", "").replace(".<name>", "").split(", ")
    section = first.rpartition(".")[0]
    return [first, *(other if "." in other or not section else f"{section}.{other}" for other in others)]


def leaves() -> list[str]:
    """Return every setting that is not a section itself; the list of administrators counts as one."""
    known = [key for key in keys(Settings) if not key.startswith("access.hubAdmins.")]
    return [key for key in known if not any(other.startswith(f"{key}.") for other in known)]


def left_out(listed: set[str]) -> list[str]:
    """Return the settings that are not in a list, nor their section; `regions` is one that speaks of the list alone."""
    return [
        leaf
        for leaf in leaves()
        if not any(leaf == name or leaf.startswith(f"{name}.") for name in listed - {"regions"})
    ]


def test_every_setting_has_a_test() -> None:
    rows = [*REFUSED, *REFUSED_ON_EXISTING, *PLANNED, *PLANNED_ON_EXISTING, *DONE]
    tested = {name for row in rows for name in names(row.setting)}
    # In test_apps.py, test_budget.py, test_private.py, test_rollout.py and test_teams.py.
    elsewhere = {"apps", "globalAddresses", "teams", "app.rollout", "budget"}
    private = {"access.runnerNetworkId", "fleet.hub.private", "regions.apiServerSubnet"}
    assert left_out(tested | elsewhere | private | {"tags", "regions.existing.apiServerSubnetId"}) == []


def test_every_setting_has_a_row_in_the_document() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    table = text.partition("\n## What a change does\n")[2].partition("\n## ")[0]
    rows = {name for cell in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE) for name in names(cell)}
    assert left_out(rows) == []
    sections = {leaf.rsplit(".", n)[0] for leaf in leaves() for n in range(3)}
    assert rows - sections == {"azure-native:subscriptionId"}
