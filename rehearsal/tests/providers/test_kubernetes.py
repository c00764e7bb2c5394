"""pulumi-kubernetes, as the stand-in plays it."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rehearsal.azure.login import SERVER_ID
from rehearsal.cluster.objects import Object
from rehearsal.core.errors import NotReadyError, RefusedError
from rehearsal.core.protocol import UNKNOWN, Call, Properties
from rehearsal.core.store import Activity
from rehearsal.fleet.in_memory import InMemoryClusters
from rehearsal.providers.kubernetes import Kubernetes
from rehearsal.tests.objects import (
    deployment,
    entry_point,
    export,
    in_locations,
    new_fleet,
    new_object,
    placement,
    service,
)

_SKIP = {"pulumi.com/skipAwait": "true"}
_TOKEN = "s3cret-token"
_TOKENS = {
    "ServiceExport": "kubernetes:networking.fleet.azure.com/v1beta1:ServiceExport",
    "MultiClusterService": "kubernetes:networking.fleet.azure.com/v1alpha1:MultiClusterService",
    "ClusterResourcePlacement": "kubernetes:placement.kubernetes-fleet.io/v1:ClusterResourcePlacement",
    "Deployment": "kubernetes:apps/v1:Deployment",
}


def kubeconfig(name: str, user: Properties | None = None, **cluster: str) -> str:
    return json.dumps(
        {
            "clusters": [{"name": name, "cluster": {"server": f"https://{name}", **cluster}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}}],
            "current-context": name,
            "users": [{"name": "me", "user": user or {"token": _TOKEN}}],
        }
    )


def login(mode: str, server_id: str = SERVER_ID) -> Properties:
    return {"exec": {"command": "kubelogin", "args": ["get-token", "--login", mode, "--server-id", server_id]}}


def call(item: Object, on: str = "east", **circumstances: Any) -> Call:  # noqa: ANN401 - of any type
    token = _TOKENS.get(item["kind"], f"kubernetes:core/v1:{item['kind']}")
    circumstances.setdefault("provider", {"kubeconfig": kubeconfig(on)})
    return Call(token, item["metadata"].get("name", "logical"), **circumstances)


def waiting_for(item: Object, text: str) -> Object:
    item["metadata"]["annotations"] = {"pulumi.com/waitFor": text}
    return item


def skipping(item: Object) -> Object:
    item["metadata"]["annotations"] = dict(_SKIP)
    return item


class WatchedActivity(Activity):
    """Tells when an operation waits for others, so that a test can act just then."""

    def __init__(self) -> None:
        super().__init__(idle_seconds=0.05)
        self.waiting = threading.Event()

    def wait_for_others(self) -> bool:
        """Say so, then wait."""
        self.waiting.set()
        return super().wait_for_others()


class Bench:
    """A fleet with the provider in front of it."""

    def __init__(self, may_access: Callable[[str], bool] = lambda _: True) -> None:
        self.activity = WatchedActivity()
        self.clusters: InMemoryClusters
        self.clusters, self.hub, self.east, self.west = new_fleet(activity=self.activity)
        self.provider = Kubernetes(self.clusters, may_access=may_access)

    def create(self, item: Object, on: str = "east", **circumstances: Any) -> Properties:  # noqa: ANN401 - of any type
        """Create an object and return the outputs."""
        with self.activity.operation():
            return self.provider.create(call(item, on, **circumstances), item)[1]

    def delete(self, item: Object, on: str = "east", **circumstances: Any) -> None:  # noqa: ANN401 - of any type
        """Delete an object."""
        metadata = item["metadata"]
        resource_id = "/".join(part for part in (metadata.get("namespace"), metadata["name"]) if part)
        with self.activity.operation():
            self.provider.delete(call(item, on, **circumstances), resource_id, item)

    def put_app(self) -> None:
        """Put the app on the hub as the program should."""
        self.create(new_object("v1", "Namespace", "shop"), "hub")
        for item in (deployment(), service()):
            self.create(skipping(item), "hub")
        self.create(export(), "hub")


# The pattern, and the mistakes that fail on Azure.


def test_the_pattern_ends_with_an_address() -> None:
    bench = Bench()
    bench.put_app()
    available = "condition=ClusterResourcePlacementAvailable"
    both = "jsonpath={.status.placementStatuses[1].clusterName}"
    placed = waiting_for(placement(in_locations("eastus2", "westus2")), json.dumps([available, both]))
    assert len(bench.create(placed, "hub")["status"]["placementStatuses"]) == 2
    valid = '["condition=Valid","jsonpath={.status.loadBalancer.ingress[0].ip}"]'
    entry = bench.create(waiting_for(entry_point(), valid))
    assert entry["status"]["loadBalancer"]["ingress"][0]["ip"].startswith("20.")


def test_waiting_for_valid_alone_returns_without_an_address() -> None:
    bench = Bench()
    bench.put_app()
    bench.create(waiting_for(placement(), "condition=ClusterResourcePlacementAvailable"), "hub")
    assert bench.create(waiting_for(entry_point(), "condition=Valid"))["status"]["loadBalancer"] == {}


def test_deployment_on_the_hub_without_skip_await_never_becomes_ready() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"), "hub")
    with pytest.raises(NotReadyError, match="'front' timed out waiting to be Ready") as failed:
        bench.create(deployment(), "hub")
    assert "Minimum number of live Pods was not attained" in failed.value.reasons
    assert any("ReplicaSetCreateError" in reason for reason in failed.value.reasons)
    assert failed.value.resource_id == "shop/front"
    assert failed.value.outputs["metadata"]["uid"]


def test_load_balancer_on_the_hub_without_skip_await_never_becomes_ready() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"), "hub")
    with pytest.raises(NotReadyError, match="not allocated an IP address"):
        bench.create(service(type="LoadBalancer"), "hub")


def test_entry_point_on_the_hub_never_becomes_valid() -> None:
    bench = Bench()
    bench.put_app()
    with pytest.raises(NotReadyError, match="no conditions"):
        bench.create(waiting_for(entry_point(), "condition=Valid"), "hub")


def test_placement_by_a_wrong_label_never_becomes_available() -> None:
    bench = Bench()
    bench.put_app()
    wrong = waiting_for(placement(in_locations("east")), "condition=ClusterResourcePlacementAvailable")
    with pytest.raises(NotReadyError, match=r"found 0 cluster\(s\)"):
        bench.create(wrong, "hub")


def test_entry_point_before_its_namespace_is_refused() -> None:
    bench = Bench()
    with pytest.raises(RefusedError, match='namespaces "shop" not found'):
        bench.create(entry_point())


def test_custom_object_of_an_unknown_kind_is_refused() -> None:
    bench = Bench()
    with pytest.raises(RefusedError, match="Verify that any required CRDs have been created"):
        bench.create(placement(), "east")


def test_creation_is_tried_again_while_the_namespace_is_on_its_way() -> None:
    bench = Bench()
    with ThreadPoolExecutor() as pool, bench.activity.operation():
        created = pool.submit(bench.create, entry_point())
        assert bench.activity.waiting.wait(5)
        bench.create(new_object("v1", "Namespace", "shop"))
    assert created.result()["metadata"]["name"] == "front"


def test_existing_object_is_not_taken_over() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    with pytest.raises(RefusedError, match=r'namespaces "shop" already exists'):
        bench.create(new_object("v1", "Namespace", "shop"))


# Waiting.


def test_deployment_on_a_member_is_waited_for() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    assert bench.create(deployment())["status"]["readyReplicas"] == 2


def test_skipped_wait_returns_at_once() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    assert "status" not in bench.create(skipping(deployment()))


@pytest.mark.parametrize("given", [2.0, None])
def test_wait_ends_at_its_timeout(given: float | None) -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    slow = service(type="LoadBalancer")
    if given is None:
        slow["metadata"]["annotations"] = {"pulumi.com/timeoutSeconds": "2"}
    # Azure's balancer takes three seconds here.
    with pytest.raises(NotReadyError, match="timed out"):
        bench.create(slow, timeout=given)


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        ("condition=Available", True),
        ("condition=available=true", True),
        ("condition=Progressing=False", False),
        ("condition=Missing", False),
        ("jsonpath={.status.readyReplicas}=2", True),
        ("jsonpath={.status.readyReplicas}=3", False),
        ("jsonpath={.status.conditions[?(@.type=='Available')].status}=True", True),
        ("jsonpath={$.status.conditions[7]}", False),
        ('["condition=Available","jsonpath={.spec.replicas}"]', True),
        ('["condition=Available","jsonpath={.spec.absent}"]', False),
    ],
)
def test_wait_for_annotation(text: str, ready: bool) -> None:  # noqa: FBT001 - a case
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    item = waiting_for(deployment(), text)
    if ready:
        assert bench.create(item)["status"]["readyReplicas"] == 2
    else:
        with pytest.raises(NotReadyError, match="timed out waiting for the condition"):
            bench.create(item)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Available", 'expected a "jsonpath=" or "condition=" prefix'),
        ("jsonpath=.status.x", "should be wrapped in brackets"),
        ("jsonpath={.status.x}=1=2", "format should be"),
        ("jsonpath={.status.x}=", "requires a value"),
        ("jsonpath={.status[}", "parsing"),
        ("[]", "at least one condition"),
    ],
)
def test_wait_for_annotation_that_cannot_be_understood(text: str, problem: str) -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    with pytest.raises(RefusedError, match=problem):
        bench.create(waiting_for(deployment(), text))


def test_failed_wait_says_what_it_saw_last_to_all_but_the_engine() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    with pytest.raises(NotReadyError) as failed:
        bench.create(waiting_for(entry_point(), "condition=Valid"))
    (reason,) = failed.value.reasons
    assert reason.endswith("failed to fully initialize or become live: timed out waiting for the condition")
    assert "Resource has condition Valid=Unknown (want True); last seen: Valid=Unknown" in str(failed.value)


def test_condition_of_an_older_generation_does_not_count() -> None:
    bench = Bench()
    bench.put_app()
    item = waiting_for(placement(in_locations("eastus2", "westus2")), "condition=ClusterResourcePlacementAvailable")
    before = bench.create(item, "hub")
    narrowed = waiting_for(placement(in_locations("eastus2")), "condition=ClusterResourcePlacementAvailable")
    with bench.activity.operation():
        after = bench.provider.update(call(item, "hub"), "shop", before, narrowed)
    assert [entry["clusterName"] for entry in after["status"]["placementStatuses"]] == ["east"]


def test_wait_goes_on_while_another_operation_may_still_help() -> None:
    bench = Bench()
    bench.put_app()
    bench.create(waiting_for(placement(), "condition=ClusterResourcePlacementAvailable"), "hub")
    with bench.activity.operation():
        bench.provider.create(call(entry_point()), entry_point())
    second = waiting_for(entry_point(), "condition=Valid")
    with ThreadPoolExecutor() as pool, bench.activity.operation():
        waiting = pool.submit(bench.create, second, "west")
        assert bench.activity.waiting.wait(5)
        bench.delete(entry_point())
    assert waiting.result()["status"]["conditions"][0]["status"] == "True"


# Deleting and reading.


def test_deletion_is_waited_for() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    bench.create(deployment())
    bench.delete(new_object("v1", "Namespace", "shop"))
    assert bench.east.find("Namespace", "shop") is None


def test_deletion_of_what_is_gone_is_no_error() -> None:
    Bench().delete(new_object("v1", "Namespace", "shop"))


def test_deletion_that_a_finalizer_holds_up_says_so() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    held = skipping(new_object("v1", "ConfigMap", "held", "shop"))
    held["metadata"]["finalizers"] = ["example.com/hold"]
    bench.create(held)
    said: list[tuple[str, str]] = []
    with pytest.raises(NotReadyError, match="timed out waiting for the condition"):
        bench.delete(held, log=lambda severity, message: said.append((severity, message)))  # pyright: ignore[reportUnknownLambdaType,reportUnknownArgumentType]
    assert said == [("warning", "finalizers might be preventing deletion (example.com/hold)")]


def test_reading_shows_drift_in_the_programs_own_terms() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    bench.create(deployment())
    bench.east.apply(deployment(replicas=5))
    bench.clusters.settle()
    found = bench.provider.read(call(deployment()), "shop/front", deployment(), {})
    assert found is not None
    inputs, outputs = found
    assert inputs == deployment(replicas=5)
    assert outputs["metadata"]["uid"]


def test_reading_what_is_not_ready_says_so_and_keeps_it() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"), "hub")
    bench.create(skipping(service(type="LoadBalancer")), "hub")
    item = service(type="LoadBalancer")
    with pytest.raises(NotReadyError) as found:
        bench.provider.read(call(item, "hub"), "shop/front", item, item)
    assert found.value.reasons[0] == "Resource 'front' was created but failed to initialize"
    assert any(reason.startswith("Service was not allocated an IP address") for reason in found.value.reasons)
    assert found.value.inputs == item
    assert bench.provider.read(call(item, "hub"), "shop/front", skipping(item), item)


def test_import_gets_all_that_could_be_said_of_a_kind_that_the_sdk_knows() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    bench.create(service())
    found = bench.provider.read(call(service()), "shop/front", {}, {})
    assert found is not None
    inputs, outputs = found
    assert inputs["spec"]["clusterIP"] == outputs["spec"]["clusterIP"]
    assert "status" not in inputs
    assert "uid" not in inputs["metadata"]


def test_import_gets_only_the_name_of_other_kinds() -> None:
    bench = Bench()
    bench.create(placement(), "hub")
    found = bench.provider.read(call(placement(), "hub"), "shop", {}, {})
    assert found is not None
    assert found[0] == {key: placement()[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "shop"}}


def test_reading_what_is_gone_finds_nothing() -> None:
    bench = Bench()
    assert bench.provider.read(call(service()), "shop/front", service(), {}) is None


def test_a_secrets_text_is_read_back_as_data_and_is_no_difference() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    item = new_object("v1", "Secret", "login", "shop", stringData={"password": "x"})
    bench.create(item)
    found = bench.provider.read(call(item), "shop/login", item, {})
    assert found is not None
    assert found[0]["data"] == {"password": "eA=="}
    assert bench.provider.diff(call(item), found[0], found[1], item).changed == []


# Comparing.


def test_what_the_cluster_adds_is_no_difference() -> None:
    bench = Bench()
    bench.create(new_object("v1", "Namespace", "shop"))
    for item in (deployment(), service()):
        outputs = bench.create(item)
        assert bench.provider.diff(call(item), item, outputs, item).changed == []


@pytest.mark.parametrize(
    ("old", "new", "changed", "replaced"),
    [
        (deployment(), deployment(replicas=3), ["spec.replicas"], []),
        (
            deployment(),
            deployment(image="shop:2"),
            ["spec.template.spec.containers[0].image"],
            [],
        ),
        (
            new_object("v1", "ConfigMap", "c", "shop", data={"a": "1"}),
            new_object("v1", "ConfigMap", "c", "shop", data={"a": "2"}),
            ["data.a"],
            ["data.a"],
        ),
        (service(), service(clusterIP="None"), ["spec.clusterIP"], ["spec.clusterIP"]),
        (
            service(),
            service() | {"metadata": {"name": "front", "namespace": "x"}},
            ["metadata.namespace"],
            ["metadata.namespace"],
        ),
    ],
)
def test_changes_that_replace(old: Object, new: Object, changed: list[str], replaced: list[str]) -> None:
    found = Bench().provider.diff(call(old), old, old, new)
    assert (list(found.changed), list(found.replaced)) == (changed, replaced)


def test_named_object_is_deleted_before_its_replacement_of_the_same_name() -> None:
    provider = Bench().provider
    old = new_object("v1", "ConfigMap", "c", "shop", data={"a": "1"})
    new = new_object("v1", "ConfigMap", "c", "shop", data={"a": "2"})
    assert provider.diff(call(old), old, old, new).delete_before_replace
    for item in (old, new):
        item["metadata"]["annotations"] = {"pulumi.com/autonamed": "true"}
    assert not provider.diff(call(old), old, old, new).delete_before_replace


def test_unknown_value_is_a_change() -> None:
    item, new = service(clusterIP="10.0.0.50"), service(clusterIP=UNKNOWN)
    assert Bench().provider.diff(call(item), item, item, new).replaced == ["spec.clusterIP"]


# Checking.


def test_missing_name_is_made_once_and_the_namespace_completed() -> None:
    provider = Bench().provider
    config_map: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}
    circumstances = call(config_map)
    first, _ = provider.check(circumstances, config_map)
    assert first["metadata"]["name"].startswith("logical-")
    assert len(first["metadata"]["name"]) == len("logical-") + 8
    assert first["metadata"]["namespace"] == "default"
    assert provider.check(circumstances, config_map, first)[0] == first


def test_inputs_are_kept_as_the_api_server_writes_them() -> None:
    provider = Bench().provider
    secret = new_object("v1", "Secret", "key", "shop", stringData={"a": "x"})
    checked, _ = provider.check(call(secret), secret)
    assert (checked["data"], "stringData" in checked) == ({"a": "eA=="}, False)
    item = deployment()
    (container,) = item["spec"]["template"]["spec"]["containers"]
    container["resources"] = {"requests": {"cpu": "1000m"}}
    checked, _ = provider.check(call(item), item)
    (container,) = checked["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "1"}


def test_misspelt_property_is_a_problem() -> None:
    item = deployment()
    item["spec"]["replica"] = 2
    _, problems = Bench().provider.check(call(item), item)
    assert [problem.path for problem in problems] == ["spec.replica"]


def test_unknown_metadata_is_left_alone() -> None:
    item: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": UNKNOWN}
    checked, _ = Bench().provider.check(Call("kubernetes:core/v1:ConfigMap", "c"), item)
    assert checked == item


@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:yaml/v2:ConfigFile",
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:kustomize:Directory",
        "kubernetes:core/v1:ServiceList",
    ],
)
def test_components_of_the_provider_are_refused(token: str) -> None:
    with pytest.raises(RefusedError, match="register typed objects"):
        Bench().provider.check(Call(token, "x"), {})


# Provider instances.


@pytest.mark.parametrize(
    ("new", "replaced"),
    [
        ({"kubeconfig": kubeconfig("west")}, ["kubeconfig"]),
        ({"kubeconfig": kubeconfig("east", {"token": "rotated"})}, []),
        ({"kubeconfig": UNKNOWN}, ["kubeconfig"]),
        ({"kubeconfig": kubeconfig("east"), "clusterIdentifier": "added"}, []),
    ],
)
def test_another_cluster_replaces_the_provider(new: Properties, replaced: list[str]) -> None:
    found = Bench().provider.diff_provider({"kubeconfig": kubeconfig("east")}, new)
    assert list(found.replaced) == replaced
    assert found.changed


@pytest.mark.parametrize("new", [UNKNOWN, kubeconfig("west")])
def test_same_cluster_identifier_never_replaces(new: object) -> None:
    old = {"kubeconfig": kubeconfig("east"), "clusterIdentifier": "id"}
    found = Bench().provider.diff_provider(old, old | {"kubeconfig": new})
    assert (list(found.changed), list(found.replaced)) == (["kubeconfig"], [])


@pytest.mark.parametrize("new", ["other", UNKNOWN])
def test_another_cluster_identifier_replaces(new: object) -> None:
    old = {"kubeconfig": kubeconfig("east"), "clusterIdentifier": "id"}
    found = Bench().provider.diff_provider(old, old | {"clusterIdentifier": new})
    assert list(found.replaced) == ["clusterIdentifier"]


# Reaching a cluster.


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, "failed to parse kubeconfig"),
        ({"kubeconfig": f"a: [{_TOKEN}"}, "failed to parse kubeconfig"),
        ({"kubeconfig": kubeconfig("nowhere")}, "no such host"),
        ({"kubeconfig": kubeconfig("east", login("devicecode"))}, "waits for a person to sign in"),
        ({"kubeconfig": kubeconfig("east", {"exec": {"command": "kubelogin", "args": ["get-token"]}})}, "devicecode"),
        (
            {"kubeconfig": kubeconfig("east", login("azurecli", "other"))},
            "other is not the application of AKS clusters",
        ),
        ({"kubeconfig": kubeconfig("east", {"auth-provider": {"name": "azure"}})}, "no Auth Provider found"),
        ({"kubeconfig": kubeconfig("east", {"username": "x"})}, "Unauthorized"),
    ],
)
def test_unreachable_cluster(config: Properties, reason: str) -> None:
    provider = Bench().provider
    item = new_object("v1", "Namespace", "shop")
    assert provider.create(call(item, provider=config, preview=True), item) == ("", item)
    with pytest.raises(RefusedError, match=f"configured Kubernetes cluster is unreachable: .*{reason}") as refused:
        provider.create(call(item, provider=config), item)
    assert _TOKEN not in str(refused.value)
    with pytest.raises(RefusedError, match="configured Kubernetes cluster is unreachable"):
        provider.delete(call(item, provider=config), "shop", item)
    with pytest.raises(RefusedError, match="unreachable cluster"):
        provider.read(call(item, provider=config), "shop", item, {})


@pytest.mark.parametrize("flag", [True, "true"])
def test_objects_of_an_unreachable_cluster_are_dropped_if_asked(flag: object) -> None:
    bench = Bench()
    bench.clusters.set_reachable(bench.east.id, reachable=False)
    item = new_object("v1", "Namespace", "shop")
    circumstances = call(item, provider={"kubeconfig": kubeconfig("east"), "deleteUnreachable": flag})
    bench.provider.delete(circumstances, "shop", item)
    assert bench.provider.read(circumstances, "shop", item, {}) is None


def test_role_decides_for_the_deploying_identity_and_not_for_local_accounts() -> None:
    bench = Bench(may_access=lambda _: False)
    item = new_object("v1", "Namespace", "shop")
    entra = {"kubeconfig": kubeconfig("hub", login("azurecli"))}
    with pytest.raises(
        RefusedError, match=r'namespaces is forbidden: User "[-\w]+" cannot create resource "namespaces"'
    ):
        bench.create(item, provider=entra)
    bench.create(item, "hub")
    with pytest.raises(RefusedError, match=r'namespaces "shop" is forbidden: .* cannot delete'):
        bench.delete(item, provider=entra)
