"""API servers in memory."""

import re
from pathlib import Path

import pytest

from rehearsal.cluster import workloads
from rehearsal.cluster.objects import merge
from rehearsal.core.errors import ApiError
from rehearsal.core.store import Store
from rehearsal.fleet.in_memory import InMemoryClusters
from rehearsal.tests.objects import (
    USER,
    deployment,
    entry_point,
    export,
    get,
    new_fleet,
    new_object,
    placed_fleet,
    placement,
    put_app,
    service,
    state,
)


def test_object_in_a_missing_namespace_is_refused_as_the_api_server_does() -> None:
    _, _, east, _ = new_fleet()
    with pytest.raises(ApiError, match=r'^namespaces "shop" not found$') as refused:
        east.create(entry_point())
    assert refused.value.reason == "NotFound"


def test_object_exists_once() -> None:
    _, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    with pytest.raises(ApiError, match=r'^namespaces "shop" already exists$'):
        east.create(new_object("v1", "Namespace", "shop"))


@pytest.mark.parametrize(
    ("on_hub", "api_version", "kind"),
    [
        (False, "placement.kubernetes-fleet.io/v1", "ClusterResourcePlacement"),
        (False, "cluster.kubernetes-fleet.io/v1", "MemberCluster"),
        (True, "placement.kubernetes-fleet.io/v1", "AppliedWork"),
        (True, "networking.fleet.azure.com/v1", "MultiClusterService"),
    ],
)
def test_each_role_serves_its_own_kinds(on_hub: bool, api_version: str, kind: str) -> None:  # noqa: FBT001 - a case
    _, hub, east, _ = new_fleet()
    with pytest.raises(ApiError, match=f'^no matches for kind "{kind}" in version "{api_version}"$'):
        (hub if on_hub else east).create(new_object(api_version, kind, "x"))


@pytest.mark.parametrize(
    "item", [new_object("v1", "Pod", "p", "shop"), new_object("apps/v1", "ReplicaSet", "r", "shop")]
)
def test_hub_refuses_pods_and_replica_sets(item: dict[str, object]) -> None:
    _, hub, _, _ = new_fleet()
    hub.create(new_object("v1", "Namespace", "shop"))
    with pytest.raises(ApiError, match="creating pods and replicas is disallowed in the fleet hub cluster"):
        hub.create(item)


_MEBIBYTE = 1024 * 1024
_WORD = "alphanumeric characters, '-', '_' or '.'"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            new_object("v1", "ConfigMap", "x", "shop", data={"a": "x" * (_MEBIBYTE + 1)}),
            'ConfigMap "x" is invalid: []: Too long: may not be more than 1048576 bytes',
        ),
        (
            new_object("v1", "Secret", "x", "shop", stringData={"a": "x" * (_MEBIBYTE + 1)}),
            'Secret "x" is invalid: data: Too long: may not be more than 1048576 bytes',
        ),
        (
            new_object("v1", "ConfigMap", "x", "shop", data={"a": "x" * 4 * _MEBIBYTE}),
            "Request entity too large: limit is 3145728",
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "annotations": {"a": "x" * 262144}}},
            'ConfigMap "x" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes',
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": {"a": "a b"}}},
            'ConfigMap "x" is invalid: metadata.labels: Invalid value: "a b": a valid label must be an empty string or',
        ),
        (
            new_object("v1", "ConfigMap", "x", "shop", data={"a/b": "x"}),
            f'ConfigMap "x" is invalid: data[a/b]: Invalid value: "a/b": a valid config key must consist of {_WORD}',
        ),
        (
            new_object("v1", "Secret", "x", data={"key": "a b!"}),
            'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 1',
        ),
        (
            service(ports=[{"port": 80}, {"port": 81}]),
            'Service "front" is invalid: [spec.ports[0].name: Required value, spec.ports[1].name: Required value]',
        ),
        (service(ports=[]), 'Service "front" is invalid: spec.ports: Required value'),
    ],
)
def test_what_no_api_server_takes_is_refused_in_its_words(item: dict[str, object], message: str) -> None:
    _, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    with pytest.raises(ApiError, match=re.escape(message)):
        east.create(item, user=USER)


def test_users_do_not_write_the_fleets_own_namespaces() -> None:
    _, hub, _, _ = new_fleet()
    with pytest.raises(ApiError, match=r"fleet\.namespace\.guardrail\.validating.*not allowed to CREATE.*: /fleet-x$"):
        hub.create(new_object("v1", "Namespace", "fleet-x"), user=USER)


def test_users_do_not_delete_what_members_tell_the_hub() -> None:
    _, hub, _, _ = placed_fleet()
    kind = ("networking.fleet.azure.com/v1alpha1", "InternalServiceExport")
    (export, *_) = hub.list(*kind, "fleet-member-east")
    with pytest.raises(ApiError) as refused:
        hub.delete(*kind, export["metadata"]["name"], "fleet-member-east", user=USER)
    assert str(refused.value) == (
        'admission webhook "fleet.fleetmembernamespacedresources.guardrail.validating" denied the request: '
        f"user: '{USER}' in 'groups: [system:authenticated]' is not allowed to DELETE resource "
        "networking.fleet.azure.com/v1alpha1, Kind=InternalServiceExport/: "
        f"fleet-member-east/{export['metadata']['name']}"
    )


def test_users_change_of_a_member_only_what_is_theirs() -> None:
    _, hub, _, _ = new_fleet()
    kind = ("cluster.kubernetes-fleet.io/v1", "MemberCluster")
    live = hub.get(*kind, "east")
    taint = {"key": "drain", "effect": "NoSchedule"}
    hub.apply({**live, "spec": {**live["spec"], "taints": [taint]}}, user=USER)
    skipping = {**live, "spec": {**live["spec"], "deleteOptions": {"validationMode": "Skip"}}}
    with pytest.raises(ApiError, match=r"fleet\.membercluster\.guardrail\.validating.*not allowed to UPDATE"):
        hub.apply(skipping, user=USER)
    with pytest.raises(ApiError, match=r"fleet\.membercluster\.guardrail\.validating.*not allowed to DELETE"):
        hub.delete(*kind, "east", user=USER)
    assert hub.get(*kind, "east")["spec"] == {**live["spec"], "taints": [taint]}


def test_only_a_changed_specification_makes_a_new_generation() -> None:
    clusters, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    east.create(deployment(), user=USER)
    labelled = deployment() | {"metadata": {"name": "front", "namespace": "shop", "labels": {"a": "b"}}}
    assert east.apply(labelled, user=USER)["metadata"]["generation"] == 1
    assert east.apply(deployment(replicas=3), user=USER)["metadata"]["generation"] == 2
    clusters.settle()
    assert get(east, deployment())["metadata"]["generation"] == 2


def test_apply_takes_away_what_the_last_one_set_and_nothing_of_others() -> None:
    live = {"labels": {"mine": "1", "other": "2"}, "data": {"a": "1", "b": "2"}}
    previous = {"labels": {"mine": "1"}, "data": {"a": "1", "b": "2"}}
    assert merge(live, previous, {"data": {"a": "3"}}) == {"labels": {"other": "2"}, "data": {"a": "3"}}


def test_applying_again_changes_nothing() -> None:
    _, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    first = east.create(service(), user=USER)
    assert east.apply(service(), user=USER) == first


OTHER_SELECTOR = {"selector": {"matchLabels": {"x": "y"}}, "template": {"metadata": {"labels": {"x": "y"}}}}


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (service(), service(clusterIP="10.0.0.99"), "spec.clusterIPs"),
        (deployment(), merge(deployment(), {}, {"spec": OTHER_SELECTOR}), "spec.selector"),
    ],
)
def test_fixed_fields_are_refused(old: dict[str, object], new: dict[str, object], field: str) -> None:
    _, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    east.create(old)
    with pytest.raises(ApiError, match=field) as refused:
        east.apply(new)
    assert refused.value.reason == "Invalid"


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (
            service(ports=[{"port": 99999}]),
            (
                "[spec.ports[0].port: Invalid value: 99999: must be between 1 and 65535, inclusive, "
                "spec.ports[0].targetPort: Invalid value: 99999: must be between 1 and 65535, inclusive]"
            ),
        ),
        (
            service(ports=[{"port": 80, "targetPort": 0}]),
            "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (
            merge(deployment(), {}, {"spec": {"selector": {"matchLabels": {"app": "other"}}}}),
            (
                'spec.template.metadata.labels: Invalid value: {"app":"front"}: `selector` does not match template '
                "`labels`"
            ),
        ),
    ],
)
def test_objects_that_cannot_work_are_refused(item: dict[str, object], problem: str) -> None:
    _, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    with pytest.raises(ApiError) as refused:
        east.create(item)
    assert str(refused.value).endswith(f'"front" is invalid: {problem}')


def test_what_the_api_server_fills_in_is_no_conflict() -> None:
    _, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    item = service(ports=[{"port": 80}])
    east.create(item, user=USER)
    east.apply(item, user=USER, manager="ours", force=False)
    with pytest.raises(ApiError, match="conflict"):
        east.apply(service(ports=[{"port": 81}]), user=USER, manager="ours", force=False)


def test_deletion_that_waits_has_no_grace_period() -> None:
    _, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    held = service()
    held["metadata"] |= {"finalizers": ["example.com/hold"]}
    east.create(held)
    east.delete("v1", "Service", "front", "shop")
    assert get(east, held)["metadata"]["deletionGracePeriodSeconds"] == 0


def test_placement_type_is_fixed() -> None:
    _, hub, _, _ = new_fleet()
    hub.create(placement(), user=USER)
    with pytest.raises(ApiError, match="placement type is immutable"):
        hub.apply(placement({"placementType": "PickN", "numberOfClusters": 1}), user=USER)


@pytest.mark.parametrize("name", ["Shop", "shop_1", "-shop", "s" * 64])
def test_names_follow_the_rules_of_dns(name: str) -> None:
    _, _, east, _ = new_fleet()
    with pytest.raises(ApiError, match=r"metadata\.name: Invalid value"):
        east.create(new_object("v1", "Namespace", name))


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ({"placementType": "PickFixed", "affinity": {}}, "tolerations cannot be set when placementType is PickFixed$"),
        ({"placementType": "PickFixed", "numberOfClusters": 1}, "cannot be set when placementType is PickFixed$"),
        ({"placementType": "PickN"}, "numberOfClusters must be set when placementType is PickN$"),
        ({"clusterNames": ["east"]}, "Constraints cannot be set when placementType is PickAll$"),
        ({"tolerations": [{"operator": "Exists", "value": "b"}]}, "value must be empty when operator is Exists$"),
        ({"tolerations": [{"value": "b"}]}, "operator must be Exists when key is empty$"),
        (
            {"affinity": {"clusterAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}},
            "denied the request: .* will be ignored for placement policy type PickAll$",
        ),
    ],
)
def test_placement_policies_are_validated(policy: dict[str, object], problem: str) -> None:
    _, hub, _, _ = new_fleet()
    with pytest.raises(ApiError, match=problem):
        hub.create(placement(policy), user=USER)


def test_deleted_namespace_empties_itself_in_passes_of_five_seconds() -> None:
    clusters, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    east.create(deployment())
    clusters.settle()
    since = clusters.now
    east.delete("v1", "Namespace", "shop")
    with pytest.raises(ApiError, match="being terminated"):
        east.create(service())
    clusters.settle()
    assert (east.list("apps/v1", "Deployment"), east.list("v1", "Pod")) == ([], [])
    assert east.find("Namespace", "shop") is None
    assert clusters.now == since + 5


def test_deleted_namespace_is_left_alone_for_its_first_five_seconds() -> None:
    clusters, _, east, _ = new_fleet()
    for item in (new_object("v1", "Namespace", "shop"), service()):
        east.create(item)
    since = clusters.now
    east.delete("v1", "Namespace", "shop")
    while clusters.now == since:
        assert east.list("v1", "Service", "shop")
        clusters.step()
    clusters.settle()
    assert east.find("Namespace", "shop") is None


def test_owned_objects_go_with_their_owner_and_before_it_in_the_foreground() -> None:
    clusters, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    east.create(deployment())
    clusters.settle()
    assert len(east.list("v1", "Pod")) == 2
    east.delete("apps/v1", "Deployment", "front", "shop", foreground=True)
    assert east.find("Deployment.apps", "front", "shop") is not None
    clusters.settle()
    assert [east.find("Deployment.apps", "front", "shop"), *east.list("apps/v1", "ReplicaSet")] == [None]
    assert east.list("v1", "Pod") == []


def test_finalizer_holds_a_deleted_object() -> None:
    _, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    east.create(export() | {"metadata": {"name": "front", "namespace": "shop", "finalizers": ["x/y"]}})
    east.delete("networking.fleet.azure.com/v1beta1", "ServiceExport", "front", "shop")
    live = east.find("ServiceExport.networking.fleet.azure.com", "front", "shop")
    assert live is not None
    east.set_finalizer(live, "x/y", present=False)
    assert east.find("ServiceExport.networking.fleet.azure.com", "front", "shop") is None


def test_pods_and_internal_balancers_get_addresses_of_the_node_subnet() -> None:
    clusters, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    internal = service(type="LoadBalancer")
    internal["metadata"]["annotations"] = {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}
    public = service("public", type="LoadBalancer")
    for item in (deployment(), internal, public):
        east.create(item)
    clusters.settle()
    # Azure keeps .0 to .3; .4 and .5 are the nodes'.
    assert [pod["status"]["podIP"] for pod in east.list("v1", "Pod")] == ["10.1.0.6", "10.1.0.7"]
    assert get(east, internal)["status"]["loadBalancer"]["ingress"][0]["ip"] == "10.1.0.8"
    assert get(east, public)["status"]["loadBalancer"]["ingress"][0]["ip"].startswith("20.")


def test_public_balancer_with_sctp_gets_no_address() -> None:
    clusters, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    public = service(type="LoadBalancer", ports=[{"port": 2905, "protocol": "SCTP"}])
    internal = service("internal", type="LoadBalancer", ports=[{"port": 2905, "protocol": "SCTP"}])
    internal["metadata"]["annotations"] = {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}
    for item in (public, internal):
        east.create(item)
    clusters.settle()
    assert "ingress" not in get(east, public)["status"]["loadBalancer"]
    assert get(east, internal)["status"]["loadBalancer"]["ingress"][0]["ip"].startswith("10.")


def test_full_subnet_keeps_pods_waiting() -> None:
    clusters, _, _, _ = new_fleet()
    small = clusters.add_cluster(
        "/clusters/small", "https://small", location="uksouth", network="vnet", pods="10.9.0.0/29", nodes=1
    )
    small.create(new_object("v1", "Namespace", "shop"))
    small.create(deployment(replicas=3))
    clusters.settle()
    # Of eight addresses Azure keeps five and the node has one.
    assert [pod["status"]["phase"] for pod in small.list("v1", "Pod")] == ["Running", "Running", "Pending"]
    assert state(get(small, deployment()), "Available") == ("False", "MinimumReplicasUnavailable")


def test_pods_run_on_nodes_whose_taints_they_tolerate() -> None:
    clusters, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    clusters.set_pool(east.id, "", None, ["CriticalAddonsOnly=true:NoSchedule"])
    east.create(deployment(replicas=3))
    clusters.settle()
    assert [pod["status"]["phase"] for pod in east.list("v1", "Pod")] == ["Pending"] * 3
    clusters.set_pool(east.id, "apps", 2, [])
    clusters.settle()
    nodes = {pod["spec"]["nodeName"] for pod in east.list("v1", "Pod")}
    assert {node.split("-")[1] for node in nodes} == {"apps"}
    assert (state(get(east, deployment()), "Available") or "")[0] == "True"
    clusters.set_pool(east.id, "", None, [])
    clusters.set_pool(east.id, "apps", 0, [])
    clusters.settle()
    assert {pod["spec"]["nodeName"].split("-")[1] for pod in east.list("v1", "Pod")} == {"nodepool1"}
    assert (state(get(east, deployment()), "Available") or "")[0] == "True"


def test_tolerations_match_by_key_value_and_effect() -> None:
    taints = [workloads.taint("CriticalAddonsOnly=true:NoSchedule")]

    def tolerates(**toleration: str) -> bool:
        return workloads.tolerates({"spec": {"tolerations": [toleration]}}, taints)

    assert tolerates(operator="Exists")
    assert tolerates(key="CriticalAddonsOnly", value="true", effect="NoSchedule")
    assert not tolerates(key="CriticalAddonsOnly", value="false")
    assert not tolerates(key="other", operator="Exists")
    assert not tolerates(operator="Exists", effect="NoExecute")


def test_dead_cluster_refuses_requests_and_its_controllers_stop() -> None:
    clusters, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    east.create(deployment())
    clusters.set_reachable(east.id, reachable=False)
    clusters.settle()
    with pytest.raises(ApiError, match="i/o timeout"):
        east.list("v1", "Pod")
    clusters.set_reachable(east.id, reachable=True)
    clusters.settle()
    assert len(east.list("v1", "Pod")) == 2


def test_a_new_process_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    store = Store(path)
    clusters, hub, _, _ = new_fleet(store)
    with store.transaction():
        put_app(hub)
        hub.create(placement(), user=USER)
        for _ in range(6):
            clusters.step()
    other = InMemoryClusters(Store(path))
    for one in (clusters, other):
        one.settle()
    for name in ("/fleets/hub", "/clusters/east", "/clusters/west"):
        assert list(other.cluster(name).everything()) == list(clusters.cluster(name).everything())


def test_server_is_found_however_its_host_is_spelt() -> None:
    clusters, hub, *_ = new_fleet()
    assert clusters.at(hub.server.upper()) is hub
