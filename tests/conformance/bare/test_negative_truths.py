"""What Fleet does not do, although one might expect it: each case is silent on the hub, and costs a user hours."""

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from itertools import count

import pytest

from fleet_clusters import endpoints
from rehearsal.cluster.objects import Object, condition, conditions_of, name_of, namespace_of, status_of
from rehearsal.core.errors import ApiError
from rehearsal.tests.objects import USER, get, in_locations, new_object, role, state
from tests.conformance.fleet import Fleet, KubectlError, eventually
from tests.conformance.scenarios import app, entry_point, namespace, placement, put, remove

_BOTH = in_locations("eastus2", "westus2")
_SPACES = (f"shop-{number}" for number in count(1))
"""A namespace for each test.

The hub may forget to take back endpoints that it offered to an entry point a moment before that was removed, until they
change: fleet-networking v0.3.25, pkg/controllers/hub/endpointsliceexport/controller.go withdraws what its cache lists.
The next entry point of the same Service would find them.
"""


def _gone(fleet: Fleet, name: str, item: Object) -> bool:
    try:
        get(fleet[name], item)
    except ApiError as error:
        return error.reason == "NotFound"
    return False


def _clear(fleet: Fleet, space: str) -> None:
    """Remove an app with its placement, and wait until all of it is gone."""
    remove(fleet["hub"], placement(space, _BOTH))
    for name in ("east", "west"):
        eventually(lambda name=name: _gone(fleet, name, namespace(space)), expected=True)
    remove(fleet["hub"], namespace(space))
    eventually(lambda: _gone(fleet, "hub", namespace(space)), expected=True)


def _is_available(fleet: Fleet, space: str) -> bool:
    live = get(fleet["hub"], placement(space, _BOTH))
    return state(live, "ClusterResourcePlacementAvailable") == ("True", "ResourceAvailable")


@pytest.fixture
def shop(bare: Fleet) -> Iterator[str]:
    """The namespace of an app on both members; its service is exported."""
    space = next(_SPACES)
    put(bare["hub"], *app(space), placement(space, _BOTH))
    eventually(lambda: _is_available(bare, space), expected=True)
    yield space
    _clear(bare, space)


def _entry(fleet: Fleet, name: str, space: str) -> tuple[tuple[str, str] | None, int]:
    """Return the Valid condition of an entry point, and how many addresses it has."""
    live = get(fleet[name], entry_point(space))
    return state(live, "Valid"), len(status_of(live).get("loadBalancer", {}).get("ingress", ()))


_VALID = (("True", "FoundServiceImport"), 1)
_UNKNOWN = (("Unknown", "UnknownServiceImport"), 0)


@pytest.fixture
def address(bare: Fleet, shop: str) -> str:
    """The address of an entry point in east."""
    put(bare["east"], entry_point(shop))
    eventually(lambda: _entry(bare, "east", shop), _VALID)
    return get(bare["east"], entry_point(shop))["status"]["loadBalancer"]["ingress"][0]["ip"]


def test_role_acts_on_the_hub_too_unless_it_is_in_an_envelope(bare: Fleet) -> None:
    space = "members-only"
    plain, inside = role("plain", space), role("inside", space)
    envelope = new_object("placement.kubernetes-fleet.io/v1beta1", "ResourceEnvelope", "members-only", space)
    envelope["data"] = {"role-inside": inside}
    put(bare["hub"], namespace(space), plain, envelope, placement(space, _BOTH))
    for name in ("east", "west"):
        eventually(lambda name=name: [_gone(bare, name, item) for item in (plain, inside)], [False, False])
    assert [_gone(bare, "hub", item) for item in (plain, inside)] == [False, True]
    _clear(bare, space)


def test_placement_by_the_articles_labels_is_scheduled_on_no_cluster_and_says_nothing_else(bare: Fleet) -> None:
    hub = bare["hub"]
    put(hub, *app("mislabelled"), placement("mislabelled", in_locations("east", "west")))
    put(hub, *app("labelled"), placement("labelled", _BOTH))
    eventually(lambda: _is_available(bare, "labelled"), expected=True)

    wrong = get(hub, placement("mislabelled", _BOTH))
    assert [(entry["type"], entry["status"], entry["reason"]) for entry in conditions_of(wrong)] == [
        ("ClusterResourcePlacementScheduled", "True", "SchedulingPolicyFulfilled")
    ]
    assert conditions_of(wrong)[0]["message"].endswith("found 0 cluster(s)")
    assert "placementStatuses" not in wrong["status"]
    (row,) = bare.table("hub", "get clusterresourceplacement mislabelled")
    assert (row["SCHEDULED"], row["AVAILABLE"]) == ("True", "")
    for name in ("east", "west"):
        assert _gone(bare, name, app("mislabelled")[0])

    hub.apply(placement("mislabelled", _BOTH))
    eventually(lambda: _is_available(bare, "mislabelled"), expected=True)
    for space in ("mislabelled", "labelled"):
        _clear(bare, space)


def test_entry_point_on_the_hub_stays_without_status_and_its_copies_fight_for_the_service(bare: Fleet) -> None:
    space = "entered-on-the-hub"
    put(bare["hub"], *app(space), entry_point(space), placement(space, _BOTH))

    def copies() -> list[tuple[tuple[str, str] | None, int]]:
        return sorted((_entry(bare, name, space) for name in ("east", "west")), key=str)

    eventually(copies, [_VALID, _UNKNOWN])
    eventually(lambda: _is_available(bare, space), expected=True)
    live = get(bare["hub"], entry_point(space))
    assert status_of(live) == {}
    assert "finalizers" not in live["metadata"]
    (row,) = bare.table("hub", f"get multiclusterservice --namespace {space}")
    assert (row["EXTERNAL-IP"], row["IS-VALID"]) == ("", "")
    _clear(bare, space)


@pytest.mark.usefixtures("address")
def test_second_entry_point_waits_until_the_first_is_gone(bare: Fleet, shop: str) -> None:
    put(bare["west"], entry_point(shop))
    eventually(lambda: _entry(bare, "west", shop), _UNKNOWN)
    # It has been heard on the hub, and was granted nothing.
    request = ("networking.fleet.azure.com/v1alpha1", "InternalServiceImport", f"{shop}-front", "fleet-member-west")
    eventually(lambda: status_of(bare["hub"].get(*request)), {})
    assert (_entry(bare, "east", shop), _entry(bare, "west", shop)) == (_VALID, _UNKNOWN)

    remove(bare["east"], entry_point(shop))

    eventually(lambda: _entry(bare, "west", shop), _VALID)


def test_entry_point_that_becomes_internal_gives_its_public_address_back(bare: Fleet, shop: str, address: str) -> None:
    def is_internal() -> bool:
        ingress = status_of(get(bare["east"], entry_point(shop)))["loadBalancer"]["ingress"]
        return ip_address(ingress[0]["ip"]) in ip_network("10.1.0.0/24")

    assert not is_internal()
    internal = entry_point(shop)
    internal["metadata"]["annotations"] = {"networking.fleet.azure.com/azure-load-balancer-internal": "true"}
    bare["east"].apply(internal, user=USER)

    eventually(is_internal, expected=True)
    eventually(lambda: bare.answering(address, requests=1, timeout=1), [""])


def test_without_the_peering_only_local_pods_answer(bare: Fleet, address: str) -> None:
    eventually(lambda: set(bare.answering(address)), {"east", "west"})

    bare.clusters.set_peered("/networks/east", "/networks/west", peered=False)
    alone = bare.answering(address, timeout=30)
    bare.clusters.set_peered("/networks/east", "/networks/west", peered=True)

    assert set(alone) == {"east", ""}
    assert set(bare.answering(address)) == {"east", "west"}


def test_deployment_on_the_hub_never_gets_a_pod(bare: Fleet, shop: str) -> None:
    deployment = app(shop)[1]
    eventually(lambda: state(get(bare["hub"], deployment), "Progressing"), ("False", "ReplicaSetCreateError"))

    assert condition(get(bare["hub"], deployment), "Available") is None
    (row,) = bare.table("hub", f"get deployment --namespace {shop}")
    assert (row["READY"], row["UP-TO-DATE"], row["AVAILABLE"]) == ("0/2", "0", "0")
    assert bare.table("hub", f"get pods --namespace {shop}") == []
    for name in ("east", "west"):
        assert len(bare.table(name, f"get pods --namespace {shop}")) == 2


def test_pod_on_the_hub_is_refused(bare: Fleet, shop: str) -> None:
    policy = "deny-pods-and-replicasets-outside-reserved-namespaces"
    with pytest.raises(KubectlError) as refused:
        bare.kubectl("hub", "run", "front", "--image=shop:1", "--namespace", shop)

    assert str(refused.value).strip() == (
        f"Error from server (Forbidden): pods \"front\" is forbidden: ValidatingAdmissionPolicy '{policy}' "
        f"with binding '{policy}-binding' denied request: "
        "creating pods and replicas is disallowed in the fleet hub cluster"
    )


@pytest.mark.parametrize(
    ("command", "operation"),
    [
        ("delete memberclusters/west", "DELETE"),
        ('patch membercluster west --type merge --patch {"metadata":{"finalizers":null}}', "UPDATE"),
        (
            (
                "patch memberclusters.v1beta1.cluster.kubernetes-fleet.io west --type merge --patch "
                '{"spec":{"deleteOptions":{"validationMode":"Skip"}}}'
            ),
            "UPDATE",
        ),
        ("delete namespaces/fleet-member-west", "DELETE"),
        ("delete internalmemberclusters/west --namespace fleet-member-west", "DELETE"),
        ("delete configmaps/kube-root-ca.crt --namespace fleet-member-west", "DELETE"),
    ],
)
def test_nothing_that_would_release_a_dead_member_is_for_users(bare: Fleet, command: str, operation: str) -> None:
    with pytest.raises(KubectlError) as refused:
        bare.kubectl("hub", *command.split(), "--dry-run=server")

    assert re.search(r"fleet\.\w+\.guardrail\.validating\" denied the request", str(refused.value))
    assert f"'groups: [system:authenticated]' is not allowed to {operation} resource" in str(refused.value)


@pytest.mark.usefixtures("address")
def test_endpoints_that_fleet_has_lost_come_back_when_they_are_asked_for(bare: Fleet, shop: str) -> None:
    def behind() -> int:
        slices = bare["east"].list("discovery.k8s.io/v1", "EndpointSlice", endpoints.SYSTEM)
        found = endpoints.imported(slices, shop, [name_of(entry_point(shop))])
        return len(endpoints.addresses(endpoints.by_member(found, shop, ["east", "west"])["west"]))

    eventually(behind, 2)
    api, kind = "networking.fleet.azure.com/v1alpha1", "EndpointSliceImport"
    for each in bare["hub"].list(api, kind):
        if name_of(each).startswith(f"west-{shop}-"):
            bare["hub"].delete(api, kind, name_of(each), namespace_of(each))
    eventually(behind, 0)

    bare.kubectl("west", "annotate", "endpointslices", "--all", "--namespace", shop, f"{endpoints.ASKED_AGAIN}=1")

    eventually(behind, 2)
