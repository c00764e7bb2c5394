"""What goes wrong on demand: which failures there are, whom they strike, and what the providers make of them."""

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from rehearsal import faults
from rehearsal.cloud import Cloud
from rehearsal.cluster.interface import Part
from rehearsal.cluster.objects import name_of
from rehearsal.core.errors import NotReadyError, RefusedError, RehearsalError
from rehearsal.core.protocol import Call, Operation, Verb
from rehearsal.faults.catalogue import OUTAGES
from rehearsal.faults.injection import Faults
from rehearsal.faults.profile import Fault, Outage, Profile, load
from rehearsal.fleet.in_memory import Cluster, InMemoryClusters
from rehearsal.tests.objects import (
    HUB,
    USER,
    add_member,
    addresses,
    deployment,
    entry_point,
    get,
    in_memory,
    new_object,
    placed_fleet,
    service,
    state,
)

GROUP = "azure-native:resources:ResourceGroup"
CLUSTER = "azure-native:containerservice:ManagedCluster"
NAMESPACE = "kubernetes:core/v1:Namespace"
STOPPED = {outage for outage in OUTAGES if outage != "imports"}  # what can be told from one cluster
PROFILES = sorted((Path(faults.__file__).parent / "profiles").glob("*.yaml"))


def request(cloud: Cloud, verb: Verb = "create", token: str = GROUP, name: str = "east-group") -> float:
    """Ask the cloud for something; return the simulated seconds until it was taken."""
    before = in_memory(cloud).now
    with cloud.operation(Operation(verb, Call(token, name))):
        return in_memory(cloud).now - before


def outcomes(profile: Profile, names: list[str], seed: int = 0) -> dict[str, bool]:
    """Ask for one object of each name; return whether it was refused."""
    cloud, refused = Cloud(), dict[str, bool]()
    with Faults(profile, seed=seed).in_force(cloud):
        for name in names:
            try:
                request(cloud, token=NAMESPACE, name=name)
                refused[name] = False
            except RefusedError:
                refused[name] = True
    return refused


# The providers.


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("ServerTimeout", 20 + 60 + 120),
        ("GatewayTimeout", 20 + 60 + 120),
        ("ConnectionReset", 20 + 60 + 120),
        ("AnotherOperationInProgress", 20 + 60 + 120),
        ("TooManyRequests", 3 * 17),
        ("RetryableError", 3 * 14),
    ],
)
def test_azure_native_tries_four_times(name: str, seconds: float) -> None:
    cloud = Cloud()
    with Faults(Profile(faults=(Fault(fault=name, times=3),))).in_force(cloud):
        assert request(cloud) == seconds
    with Faults(Profile(faults=(Fault(fault=name, times=4),))).in_force(cloud):
        with pytest.raises(RefusedError):
            request(cloud)
        assert request(cloud) == 0


def test_clusters_go_on_while_whoever_was_refused_pauses() -> None:
    now = 0.0
    cloud = Cloud(clock=lambda: now)
    with Faults(Profile(faults=(Fault(fault="QuotaExceeded", times=1),))).in_force(cloud):
        with pytest.raises(RefusedError):
            request(cloud)
        now = 60.0
        request(cloud)
    assert in_memory(cloud).now == 60


@pytest.mark.parametrize("name", ["LongThrottling", "ClusterBusy", "ReferencedResourceNotProvisioned", "QuotaExceeded"])
def test_azure_native_hands_on_what_it_does_not_repeat(name: str) -> None:
    cloud = Cloud()
    with Faults(Profile(faults=(Fault(fault=name, times=1),))).in_force(cloud):
        with pytest.raises(RefusedError):
            request(cloud)
        assert request(cloud) == 0


@pytest.mark.parametrize(
    ("name", "verb", "repeated"),
    [
        ("TooManyRequests", "create", 10),
        ("ConnectionReset", "read", 10),
        ("ConnectionReset", "create", 0),
        ("ServerTimeout", "read", 0),
        ("Forbidden", "create", 0),
    ],
)
def test_kubernetes_client_repeats_where_it_may(name: str, verb: Verb, repeated: int) -> None:
    cloud = Cloud()
    with Faults(Profile(faults=(Fault(fault=name, times=repeated + 1),))).in_force(cloud):
        with pytest.raises(RefusedError):
            request(cloud, verb, NAMESPACE)
        request(cloud, verb, NAMESPACE)


# Whom a fault strikes.


def test_fault_strikes_each_operation_as_often_as_it_says() -> None:
    profile = Profile(faults=(Fault(fault="Forbidden", name="app-*", times=1),))
    names = ["app-one", "app-one", "app-two", "other"]
    cloud, refused = Cloud(), list[bool]()
    with Faults(profile).in_force(cloud):
        for name in names:
            try:
                request(cloud, token=NAMESPACE, name=name)
                refused.append(False)
            except RefusedError:
                refused.append(True)
    assert refused == [True, False, True, False]


def test_fault_lasts_from_its_first_strike() -> None:
    now = 100.0
    cloud = Cloud()
    with Faults(Profile(faults=(Fault(fault="Forbidden", lasts=10),)), clock=lambda: now).in_force(cloud):
        for moment in (100.0, 109.0):
            now = moment
            with pytest.raises(RefusedError):
                request(cloud, token=NAMESPACE)
        now = 110.0
        request(cloud, token=NAMESPACE)


def test_chance_is_the_seeds_whatever_the_order() -> None:
    profile = Profile(faults=(Fault(fault="Forbidden", probability=0.5),))
    names = [f"object-{number}" for number in range(40)]
    first = outcomes(profile, names)
    assert 5 < sum(first.values()) < 35
    assert outcomes(profile, names[::-1]) == first
    assert outcomes(profile, names, seed=1) != first


def test_failures_strike_where_they_exist() -> None:
    everything = Profile(faults=tuple(Fault(fault=name) for name in ("QuotaExceeded", "Forbidden")))
    cloud = Cloud()
    with Faults(everything).in_force(cloud):
        request(cloud, token="random:index:RandomUuid", name="id")
        with pytest.raises(RefusedError, match="QuotaExceeded"):
            request(cloud, token=CLUSTER)
        with pytest.raises(RefusedError, match="is forbidden"):
            request(cloud, token=NAMESPACE)


def test_previews_are_not_struck() -> None:
    cloud = Cloud()
    preview = Operation("create", Call(GROUP, "east-group", preview=True))
    with Faults(Profile(faults=(Fault(fault="QuotaExceeded"),))).in_force(cloud), cloud.operation(preview):
        pass


@pytest.mark.parametrize("name", ["ScopeLocked", "ResourceGroupDeletionBlocked"])
def test_what_only_a_deletion_meets_strikes_nothing_else(name: str) -> None:
    cloud = Cloud()
    with Faults(Profile(faults=(Fault(fault=name),))).in_force(cloud):
        for verb in [each for each in get_args(Verb) if each != "delete"]:
            request(cloud, verb)
        with pytest.raises(RefusedError, match=name):
            request(cloud, "delete")


# Locks.


def asked_to_delete(cloud: Cloud, resource_id: str) -> str | None:
    """Ask for a deletion; return the refusal."""
    try:
        with cloud.operation(Operation("delete", Call(GROUP, "x"), resource_id)):
            return None
    except RefusedError as refused:
        return str(refused)


def test_nothing_in_a_locked_group_can_be_deleted_nor_the_group() -> None:
    group, cloud = "/subscriptions/s/resourceGroups/rg-aks-eastus2", Cloud()
    inside = f"{group}/providers/Microsoft.Network/virtualNetworks/v"
    with Faults(Profile(locks=("rg-aks-*",))).in_force(cloud):
        for scope in (group, inside, f"{inside}/providers/Microsoft.Authorization/roleAssignments/r", group.upper()):
            lock = "/".join(scope.split("/")[:5])
            assert asked_to_delete(cloud, scope) == (
                f'Status=409 Code="ScopeLocked" Message="The scope \'{scope}\' cannot perform delete operation because '
                f"following scope(s) are locked: '{lock}'. Please remove the lock and try again.\""
            )
        assert asked_to_delete(cloud, "/subscriptions/s/resourceGroups/rg-fleet") is None
        assert asked_to_delete(cloud, "shop/web") is None
        with cloud.operation(Operation("update", Call(GROUP, "x"), group)):
            pass
    assert asked_to_delete(cloud, inside) is None


# What an operation leaves behind that fails halfway.


def test_resource_stays_failed_until_it_is_written_again() -> None:
    cloud = Cloud()
    call, inputs = Call(GROUP, "east-group"), {"resourceGroupName": "rg", "location": "eastus2"}
    profile = Profile(faults=(Fault(fault="ServerTimeout", halfway=True),))
    with (
        Faults(profile).in_force(cloud),
        pytest.raises(NotReadyError, match='Status=200 Code="ServerTimeout"') as failed,
    ):
        cloud.azure.create(call, inputs)
    found = cloud.azure.read(call, failed.value.resource_id, inputs, {})
    assert found is not None
    assert found[1]["provisioningState"] == "Failed"
    with pytest.raises(RefusedError, match="cannot create already existing resource"):
        cloud.azure.create(call, inputs)
    cloud.azure.update(call, failed.value.resource_id, found[1], inputs)
    repaired = cloud.azure.read(call, failed.value.resource_id, inputs, {})
    assert repaired is not None
    assert "Failed" not in str(repaired[1])


# Outages.


def running(clusters: InMemoryClusters, cluster: Cluster, name: str) -> set[str]:
    """Return what runs on a member, by the names of the outages that would stop it."""
    member = clusters.cluster(HUB).get("cluster.kubernetes-fleet.io/v1", "MemberCluster", name)
    web, front = get(cluster, deployment()), get(cluster, service(type="LoadBalancer"))
    signs = {
        "agents": state(member, "Joined"),
        "pods": (state(web, "Available") or ("",))[0] == "True",
        "load_balancers": addresses(front),
        "entry_ports": clusters.admits(cluster.id, 80, ""),
    }
    return {outage for outage, sign in signs.items() if sign}


@pytest.mark.parametrize("outage", sorted(STOPPED))
def test_outage_stops_one_thing_on_one_cluster_until_it_ends(outage: Part) -> None:
    cloud = Cloud()
    clusters = in_memory(cloud)
    clusters.add_hub(HUB, "https://hub")
    with Faults(Profile(outages=(Outage(outage=outage, cluster="west"),))).in_force(cloud):
        east, west = add_member(clusters, "east", "eastus2", 1), add_member(clusters, "west", "westus2", 2)
        for cluster in (east, west):
            for item in (new_object("v1", "Namespace", "shop"), deployment(), service(type="LoadBalancer")):
                cluster.create(item)
        clusters.settle()
        assert running(clusters, east, "east") == STOPPED
        assert running(clusters, west, "west") == STOPPED - {outage}
    clusters.settle()
    assert running(clusters, west, "west") == STOPPED


def test_endpoints_are_passed_over_for_as_long_as_the_outage_lasts() -> None:
    now = [0.0]
    clusters, _, east, _ = placed_fleet()
    late = Faults(Profile(outages=(Outage(outage=Part.IMPORTS, cluster="west", lasts=20),)), clock=lambda: now[0])
    clusters.is_down = late.is_down
    east.create(entry_point(), user=USER)

    def imported() -> set[str]:
        clusters.pass_time(10)
        return {
            name_of(each).split("-")[0] for each in east.list("discovery.k8s.io/v1", "EndpointSlice", "fleet-system")
        }

    assert imported() == {"east"}
    now[0] = 19
    assert imported() == {"east"}
    now[0] = 20
    assert imported() == {"east", "west"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"faults": [{"fault": "Quota"}]}, r"faults\.0\.fault: .*unknown; use one of TooManyRequests, "),
        ({"faults": [{"fault": "Forbidden", "tims": 2}]}, r"faults\.0\.tims: Extra inputs"),
        ({"faults": [{"fault": "Forbidden", "times": 0}]}, r"faults\.0\.times: "),
        ({"faults": [{"fault": "Forbidden", "probability": 2}]}, r"faults\.0\.probability: "),
        ({"outages": [{"outage": "moon"}]}, r"outages\.0\.outage: .*unknown; use one of agents, "),
        (["Forbidden"], "not a map of keys"),
    ],
)
def test_profile_says_where_it_is_wrong(tmp_path: Path, content: Any, complaint: str) -> None:  # noqa: ANN401 - YAML
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(RehearsalError, match=complaint) as refused:
        load(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, ": No such file or directory"),
        (b"", ":1: this is not a map of keys and values"),
        (b"faults: []", ": the profile is empty; write faults, outages or locks, as in rehearsal/faults/profiles"),
        (b"faults:\n  - [", ":2: expected the node content, but found '<stream end>'"),
        (b"faults:\n  - \xff", ":2: this is not UTF-8; save the file as UTF-8"),
    ],
)
def test_profile_that_cannot_be_read_is_told_in_one_line(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "profile.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RehearsalError) as refused:
        load(path)
    assert str(refused.value) == f"{path}{complaint}"
