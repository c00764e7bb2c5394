"""Each setting, changed on a running stack: what the engine then does, or why the program refuses.

The same rows are in docs/operations.md, under "What a change does".
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pulumi import automation as auto

from rehearsal.stack import rehearsing
from tests.engine.stack import Stack

Config = dict[str, Any]


class Row(NamedTuple):
    """A setting, and what its change does.

    Attributes:
        setting: the key, as in docs/settings.md.
        change: makes the change in the configuration of stack `dev`.
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


def backwards(config: Config) -> None:
    """Let the list of regions begin with the last one."""
    config["regions"].reverse()


def without_the_first(config: Config) -> None:
    """Take the first region out."""
    del config["regions"][0]


MADE_WITH = r'is not what region "east" was made with'
BOTH = {"east-cluster": "update", "west-cluster": "update"}
REFUSED = [
    Row("regions.location", east(location="centralus"), refusal=rf"regions\[0\].location: .* {MADE_WITH}: \"eastus2\""),
    Row("regions.nodeSubnet", east(nodeSubnet="10.1.4.0/22"), refusal=rf"regions\[0\].nodeSubnet: .* {MADE_WITH}"),
    Row(
        "regions.serviceCidr", east(serviceCidr="172.20.0.0/16"), refusal=rf"serviceCidr: .* {MADE_WITH}: \"10.0.0.0/16"
    ),
    Row(
        "regions.dnsServiceIp", east(dnsServiceIp="10.0.0.20"), refusal=rf"dnsServiceIp: .* {MADE_WITH}: \"10.0.0.10\""
    ),
    Row("regions.sshPublicKey", east(sshPublicKey="ssh-rsa AAAA"), refusal=rf"sshPublicKey: {MADE_WITH}"),
    Row("regions.resourceGroup", east(resourceGroup="rg-other"), refusal=rf"resourceGroup: .* {MADE_WITH}"),
    Row(
        "regions.cluster", east(cluster="aks-other"), refusal=rf"regions\[0\].cluster: .* {MADE_WITH}: \"aks-eastus2\""
    ),
    Row("regions.virtualNetwork", east(virtualNetwork="vnet-other"), refusal=rf"virtualNetwork: .* {MADE_WITH}"),
    Row("regions.subnet", east(subnet="other"), refusal=rf"regions\[0\].subnet: .* {MADE_WITH}: \"aks-subnet-east\""),
    Row("regions.nodePool.vmSize", pool(vmSize="Standard_D4ds_v5"), refusal=rf"nodePool.vmSize: .* {MADE_WITH}"),
    Row("regions.nodePool.maxPods", pool(maxPods=40), refusal=rf"nodePool.maxPods: 40 {MADE_WITH}: 30"),
    Row("regions.nodePool.zones", pool(zones=["1", "2"]), refusal=rf"nodePool.zones: .* {MADE_WITH}: none"),
    Row("regions.kubernetesVersion", east(kubernetesVersion="1.33"), refusal="is older than what the cluster runs"),
    Row("regions.kubernetesVersion", east(kubernetesVersion="1.36"), refusal='write "1.35" first'),
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
        refusal='app.entryRegion: is missing: the address is in region "east", and would move to "west"',
    ),
    Row(
        "regions",
        without_the_first,
        refusal='app.entryRegion: is missing: .*\n.*write "west" to move it: the address changes',
    ),
    Row("nameSuffix", key(nameSuffix="x"), refusal=r"(?s)resourceGroup.*fleet.name"),
    Row("fleet.name", section("fleet", name="other"), refusal="fleet.name: .* is not what the fleet was made with"),
    Row("fleet.location", section("fleet", location="centralus"), refusal='fleet.location: "centralus" is not'),
    Row("fleet.hub.dnsPrefix", section("fleet", hub={"dnsPrefix": "other"}), refusal='fleet.hub.dnsPrefix: "other" is'),
    Row("fleet.hub.vmSize", section("fleet", hub={"vmSize": "Standard_D2s_v5"}), refusal="fleet.hub.vmSize: .*: none"),
    Row("fleet.resourceGroup", section("fleet", resourceGroup="rg-other"), refusal="fleet.resourceGroup: "),
]
DONE = [
    Row("regions.nodePool.count", pool(count=4), {"east-cluster": "update"}),
    Row(
        "regions.nodePool.minCount",
        east(nodePool={"vmSize": "Standard_DS2_v2", "minCount": 3, "maxCount": 5}),
        {"east-cluster": "update"},
    ),
    Row(
        "regions.addressSpace", west(addressSpace="10.2.0.0/15"), {"west-vnet": "update", "mesh-east-to-west": "update"}
    ),
    Row("regions.updateGroup", east(updateGroup="first"), {"hub-member-east": "update"}),
    Row("regions.kubernetesVersion", east(kubernetesVersion="1.35"), {"east-cluster": "update"}),
    Row("clusters.appRouting", section("clusters", appRouting=True), BOTH | {"app-ingress-store-front": "create"}),
    Row("protect", key(protect=True), {}),
    Row("clusters.tier", section("clusters", tier="Standard"), BOTH),
    Row("app.entryRegion", section("app", entryRegion="west"), {"app-entry-point": "replace"}),
    Row("app.internal", section("app", internal=True), {"app-entry-point": "replace"}),
    Row("app.replicas", section("app", replicas=2), {"app-deployment-store-front": "update"}),
]


@pytest.fixture(scope="module")
def running(deployed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployed stack, whose configuration each test puts back."""
    root = tmp_path_factory.mktemp("running") / "program"
    shutil.copytree(deployed, root, symlinks=True)
    with rehearsing("dev", root) as rehearsal:
        yield Stack(root, rehearsal)


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


def test_keys_that_made_a_cluster_are_not_taken_away(empty: Stack) -> None:
    config = empty.config
    pool(zones=["1", "2"])(config)
    east(sshPublicKey="ssh-rsa AAAA")(config)
    empty.configure(**config)
    empty.up()
    del config["regions"][0]["nodePool"]["zones"], config["regions"][0]["sshPublicKey"]
    empty.configure(**config)
    with pytest.raises(auto.CommandError, match=f"(?s)sshPublicKey: none {MADE_WITH}\n.*zones: none {MADE_WITH}: "):
        empty.preview()


@pytest.mark.parametrize("row", DONE, ids=identity)
def test_change_is_made(running: Stack, before: Config, row: Row) -> None:
    row.change(before)
    running.configure(**before)
    planned = running.preview().changes
    assert running.up().changes == planned == row.steps
    assert running.preview().changes == {}
    assert [line for line in running.cloud.summary() if not line[1]] == []


@pytest.fixture(autouse=True)
def as_before(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a change that was made, go back to what the stack was."""
    yield
    if request.node.name.startswith("test_change_is_made"):
        running = request.getfixturevalue("running")
        config = running.config
        running.configure(app=config.get("app", {}) | {"entryRegion": config["regions"][0]["name"]})
        running.up()
        running.configure_all(config)


def test_region_with_another_value_comes_beside_the_old_one_and_the_old_one_goes(stack: Stack) -> None:
    """The way of docs/operations.md, "What cannot change"."""
    east, west = stack.config["regions"]
    names = {"name": "east2", "resourceGroup": "rg-aks-eastus2-b", "cluster": "aks-eastus2-b"}
    ranges = {"addressSpace": "10.5.0.0/16", "nodeSubnet": "10.5.0.0/24", "serviceCidr": "172.20.0.0/16"}
    stack.configure(regions=[east, west, east | names | ranges], app={"entryRegion": "east2"})
    assert set(stack.up().changes.values()) == {"create", "update", "replace"}
    stack.configure(regions=[west, east | names | ranges])
    assert stack.up().changes["east-cluster"] == "delete"
    assert [line for line in stack.cloud.summary() if not line[1]] == []
    assert stack.preview().changes == {}
