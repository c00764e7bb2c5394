"""The app: its objects on the hub, its placement, its entry point."""

import json
from collections.abc import Sequence
from typing import Any, cast

import pulumi
import pulumi_kubernetes as k8s
import pytest
import yaml

from components.app_manifests import AppManifests, ManifestsError
from components.entry_point import EntryPointArgs
from components.multi_cluster_app import MultiClusterApp, MultiClusterAppArgs
from tests.support.program import ROOT, Program, run, run_stack, stack_config

NAMESPACE = "aks-store-demo"
SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}


def manifests() -> list[dict[str, Any]]:
    return [
        document
        for file in (ROOT / "manifests" / "app").glob("*.yaml")
        for document in yaml.safe_load_all(file.read_text())
    ]


def logical_name(manifest: dict[str, Any]) -> str:
    return f"app-{manifest['kind'].lower()}-{manifest['metadata']['name']}"


def kubernetes_objects(program: Program) -> dict[str, str]:
    """Return the provider of every Kubernetes object."""
    return {name: each.provider for name, each in program.resources.items() if each.type.startswith("kubernetes:")}


def wait_for(program: Program, name: str) -> list[str]:
    return json.loads(program[name].inputs["metadata"]["annotations"]["pulumi.com/waitFor"])


def test_only_the_entry_point_is_written_to_a_member(dev: Program) -> None:
    providers = kubernetes_objects(dev)
    assert providers.pop("app-entry-point") == "east-kubernetes"
    assert set(providers.values()) == {"hub-kubernetes"}


def test_new_entry_point_comes_before_the_old_one_goes_only_behind_a_global_address(
    dev: Program, prod: Program
) -> None:
    """Both have one name, but Azure keeps a frontend to which the global load balancer still refers."""
    assert dev["app-entry-point"].options.deleteBeforeReplace
    assert not prod["app-entry-point"].options.deleteBeforeReplace


def test_every_manifest_is_put_on_the_hub_as_it_stands(dev: Program) -> None:
    for manifest in manifests():
        version = manifest["apiVersion"]
        placed = dev[logical_name(manifest)]
        assert placed.type == f"kubernetes:{version if '/' in version else f'core/{version}'}:{manifest['kind']}"
        metadata = manifest["metadata"] | {"namespace": NAMESPACE, "annotations": SKIP_AWAIT}
        assert placed.inputs == manifest | {"metadata": metadata}


def test_nothing_on_the_hub_holds_the_deployment_up(dev: Program) -> None:
    on_hub = {name for name, provider in kubernetes_objects(dev).items() if provider == "hub-kubernetes"}
    for name in on_hub - {"app-namespace", "app-placement"}:
        assert dev[name].inputs["metadata"]["annotations"] == SKIP_AWAIT, name


def test_hub_objects_wait_for_their_namespace_and_the_role(dev: Program) -> None:
    assert dev["app-namespace"].inputs["metadata"] == {"name": NAMESPACE}
    for name in kubernetes_objects(dev):
        if name not in {"app-namespace", "app-placement", "app-entry-point"}:
            assert "app-namespace" in dev[name].dependencies, name
            assert "hub-deployer" in dev.waits_for(name)


def test_members_leave_after_everything_on_the_hub_is_gone(dev: Program) -> None:
    # The engine deletes what depends on a resource before that resource.
    for name in kubernetes_objects(dev):
        assert {"hub-member-east", "hub-member-west"} <= dev.waits_for(name), name


def test_queue_credentials_are_generated_and_secret(dev: Program) -> None:
    secret = dev["app-secret-rabbitmq"]
    assert secret.type == "kubernetes:core/v1:Secret"
    assert secret.inputs["metadata"] == {"name": "rabbitmq", "namespace": NAMESPACE, "annotations": SKIP_AWAIT}
    assert secret.secrets == {("data", "username"), ("data", "password")}
    assert {"app-rabbitmq-username", "app-rabbitmq-password"} <= secret.dependencies
    for workload in ("app-statefulset-rabbitmq", "app-deployment-order-service"):
        assert "secretKeyRef" in json.dumps(dev[workload].inputs)


def test_queue_credentials_fit_into_a_url(dev: Program) -> None:
    for name, length in {"app-rabbitmq-username": 12, "app-rabbitmq-password": 32}.items():
        assert dev[name].inputs == {"length": length, "special": False}


def test_no_manifest_has_a_credential() -> None:
    for manifest in manifests():
        assert manifest["kind"] != "Secret"
        pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
        for variable in [each for container in pod.get("containers", []) for each in container.get("env", [])]:
            is_credential = any(word in variable["name"] for word in ("PASS", "USER"))
            assert ("valueFrom" in variable) == is_credential


def test_export_names_the_service(dev: Program) -> None:
    assert dev["app-serviceexport-store-front"].inputs == {
        "apiVersion": "networking.fleet.azure.com/v1beta1",
        "kind": "ServiceExport",
        "metadata": {"name": "store-front", "namespace": NAMESPACE, "annotations": SKIP_AWAIT},
    }


def test_placement_takes_the_namespace_to_the_members_of_the_stack(dev: Program) -> None:
    placement = dev["app-placement"].inputs
    assert placement["metadata"]["name"] == NAMESPACE
    assert placement["spec"]["resourceSelectors"] == [
        {"group": "", "version": "v1", "kind": "Namespace", "name": NAMESPACE}
    ]
    assert placement["spec"]["policy"] == {
        "placementType": "PickAll",
        "affinity": {
            "clusterAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "clusterSelectorTerms": [
                        {
                            "labelSelector": {
                                "matchExpressions": [
                                    {
                                        "key": "fleet.azure.com/member-name",
                                        "operator": "In",
                                        "values": ["aks-eastus2", "aks-westus2"],
                                    }
                                ]
                            }
                        }
                    ]
                }
            }
        },
    }


def test_placement_waits_for_every_object_and_every_member(prod: Program) -> None:
    names = {region["name"] for region in stack_config("prod")["regions"]}
    objects = {name for name, provider in kubernetes_objects(prod).items() if provider == "hub-kubernetes"}
    objects -= {"app-namespace", "app-placement"}
    assert objects | {f"hub-member-{name}" for name in names} <= prod.waits_for("app-placement")


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_placement_is_done_when_available_in_as_many_clusters_as_there_are_regions(
    stack: str, request: pytest.FixtureRequest
) -> None:
    last = len(stack_config(stack)["regions"]) - 1
    assert wait_for(request.getfixturevalue(stack), "app-placement") == [
        "condition=ClusterResourcePlacementAvailable",
        f"jsonpath={{.status.placementStatuses[{last}].clusterName}}",
    ]


def test_entry_point_imports_the_service(dev: Program) -> None:
    entry = dev["app-entry-point"]
    assert entry.type == "kubernetes:networking.fleet.azure.com/v1alpha1:MultiClusterService"
    assert entry.inputs["spec"] == {"serviceImport": {"name": "store-front"}}
    assert entry.inputs["metadata"]["name"] == "store-front"
    assert entry.inputs["metadata"]["namespace"] == NAMESPACE
    assert entry.inputs["metadata"]["annotations"].keys() == {"pulumi.com/waitFor"}


def test_entry_point_waits_for_the_placement_and_every_peering(prod: Program) -> None:
    peerings = set(prod.of_type("azure-native:network:VirtualNetworkPeering"))
    assert len(peerings) == 6
    assert {"app-placement"} | peerings <= prod.waits_for("app-entry-point")


def test_placement_waits_for_every_peering(prod: Program) -> None:
    # The fleet hands an app's endpoints to an entry point that is there already as soon as it has placed the app.
    assert set(prod.of_type("azure-native:network:VirtualNetworkPeering")) <= prod.waits_for("app-placement")


def test_entry_point_is_done_when_valid_and_addressed(dev: Program) -> None:
    assert wait_for(dev, "app-entry-point") == ["condition=Valid", "jsonpath={.status.loadBalancer.ingress[0].ip}"]


def test_waits_are_long_enough_for_azure(dev: Program) -> None:
    timeouts = {name: dev[name].options.customTimeouts for name in ("app-placement", "app-entry-point")}
    assert {name: (each.create, each.update) for name, each in timeouts.items()} == {
        "app-placement": ("30m", "30m"),
        "app-entry-point": ("20m", "20m"),
    }


def entry_services(program: Program) -> dict[str, str]:
    """Return the Services that have an entry point, by the provider of the cluster that imports them."""
    kind = "kubernetes:networking.fleet.azure.com/v1alpha1:MultiClusterService"
    found = [program[name] for name in program.of_type(kind)]
    return {each.provider: each.inputs["spec"]["serviceImport"]["name"] for each in found}


@pytest.mark.parametrize("entries", [["east", "west"], ["west", "east"]])
def test_every_entry_region_imports_a_service_of_its_own(entries: list[str]) -> None:
    program = run_stack("dev", app={"entryRegions": entries})
    assert entry_services(program) == {"east-kubernetes": "store-front", "west-kubernetes": "store-front-west"}
    shared, own = (program[f"app-service-{name}"].inputs for name in ("store-front", "store-front-west"))
    assert (own["metadata"]["name"], own["spec"]) == ("store-front-west", shared["spec"])
    assert program["app-serviceexport-store-front-west"].inputs["metadata"]["name"] == "store-front-west"
    assert program["app-entry-point-store-front-west"].inputs["metadata"]["name"] == "store-front-west"
    assert program.outputs["externalIp"] == program.outputs["entryAddresses"][entries[0]]
    assert {*program.outputs["entryAddresses"]} == {"east", "west"}


def test_entry_service_keeps_its_name_whatever_other_entries_and_regions_there_are() -> None:
    regions = stack_config("dev")["regions"]
    north = regions[1] | {"name": "north", "location": "northcentralus"}
    north |= {"addressSpace": "10.3.0.0/16", "nodeSubnet": "10.3.0.0/24"}
    for entries, order in ((["west"], regions), (["north", "west"], [north, *regions]), (["west", "east"], regions)):
        program = run_stack("dev", app={"entryRegions": entries}, regions=order)
        assert entry_services(program)["west-kubernetes"] == "store-front-west"


def test_entry_point_releases_its_service_before_the_service_goes() -> None:
    program = run_stack("dev", app={"entryRegions": ["east", "west"]})
    assert "app-serviceexport-store-front-west" in program["app-entry-point-store-front-west"].dependencies
    assert "app-serviceexport-store-front" in program["app-entry-point"].dependencies


def test_refusals_until_the_role_takes_effect_are_retried(dev: Program) -> None:
    for name in kubernetes_objects(dev):
        assert list(dev[name].options.hooks.on_error) == ["role-retry"], name


def test_options_of_the_app_reach_its_objects() -> None:
    app = {"namespace": "shop", "replicas": 3, "internal": True}
    program = run_stack("dev", app=app)
    assert program["app-namespace"].inputs["metadata"]["name"] == "shop"
    assert program["app-deployment-store-front"].inputs["spec"]["replicas"] == 3
    assert program["app-deployment-order-service"].inputs["spec"]["replicas"] == 1
    annotations = program["app-entry-point"].inputs["metadata"]["annotations"]
    assert annotations["networking.fleet.azure.com/azure-load-balancer-internal"] == "true"
    assert program.outputs["externalIp"].startswith("10.1.0.")


def test_manifests_of_ones_own_without_the_service_are_refused_before_anything_is_registered() -> None:
    args: Any = {"manifests": {"service": "shop", "app": [], "namespace": "shops"}, "entries": {"shop": {}}}
    with pytest.raises(ManifestsError, match=r"The app has no Service 'shop' to export; nothing was deployed"):
        run(lambda: MultiClusterApp("app", args))


@pytest.mark.parametrize(
    ("placement", "reason"),
    [
        ({}, "the platform's stack places the namespace shops; remove rollout"),
        ({"metadata": {"name": "shops"}}, "rollout cannot be set without kubeconfigs"),
    ],
)
def test_rollout_that_cannot_work_is_refused_before_anything_is_registered(
    placement: dict[str, Any], reason: str
) -> None:
    manifests: Any = {"service": "shop", "app": [], "namespace": "shops", "placement": placement}
    args: Any = {"manifests": manifests, "entries": {}, "rollout": {"stages": [["west"]]}}
    with pytest.raises(ManifestsError, match=reason):
        MultiClusterApp("app", args)  # no program runs that could register anything


def test_service_that_is_not_in_the_manifests_is_refused_at_once() -> None:
    with pytest.raises(ManifestsError, match=r"app has no Service 'shop' to export; it has .*store-front"):
        run_stack("dev", app={"service": "shop"})


# --- Apps of one's own --------------------------------------------------------------------------------------------

PORTS = [{"name": "mqtt", "port": 1883}]
LABELS = {"app": "broker"}


def own_app(
    *objects: dict[str, Any],
    ports: list[dict[str, Any]] = PORTS,
    kubeconfig: str | None = None,
    entries: Sequence[str] = ("broker",),
    **args: Any,  # noqa: ANN401 - JSON
) -> Program:
    """Preview an app behind the Service `broker`."""
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "emq", "image": "emqx"}]}}
    spec = {"replicas": 2, "serviceName": "peers", "selector": {"matchLabels": LABELS}, "template": template}
    app = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "broker"},
            "spec": {"selector": LABELS, "ports": ports},
        },
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "emq"}, "spec": spec},
        *objects,
    ]
    manifest: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any"}}

    def program() -> None:
        provider = k8s.Provider("anywhere")
        manifests = AppManifests(
            namespace="iot",
            service="broker",
            app=app,
            export={
                "apiVersion": "networking.fleet.azure.com/v1beta1",
                "kind": "ServiceExport",
                "metadata": {"name": "broker"},
            },
            placement=manifest,
            entry_point={
                "apiVersion": "networking.fleet.azure.com/v1alpha1",
                "kind": "MultiClusterService",
                "metadata": {"name": "broker"},
                "spec": {"serviceImport": {"name": "broker"}},
            },
        )
        made = MultiClusterApp(
            "app",
            MultiClusterAppArgs(
                manifests=manifests,
                hub=provider,
                members=[],
                entries={
                    entry: EntryPointArgs(
                        cluster=cast("Any", None),  # read for a global address only
                        kubernetes=provider,
                        kubeconfig=kubeconfig,
                    )
                    for entry in entries
                },
                **args,
            ),
        )
        pulumi.export("url", made.url)
        pulumi.export("ports", made.ports)

    return run(program, preview=True)


def test_entry_service_has_no_address_of_its_own_in_each_region() -> None:
    ports = [{"name": "mqtt", "port": 1883, "nodePort": 31883}]
    spec = own_app(entries=["broker", "broker-west"], ports=ports)["app-service-broker-west"].inputs["spec"]
    assert spec == {"selector": LABELS, "ports": PORTS}


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (
            [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "broker-west"}, "spec": {"ports": PORTS}}],
            "Service broker-west has the name of an entry Service; rename it, or set the region's entrySuffix",
        )
    ],
)
def test_entry_service_of_a_name_that_the_app_has_is_refused(objects: list[Any], message: str) -> None:
    with pytest.raises(ManifestsError, match=message):
        own_app(*objects, entries=["broker", "broker-west"])


def autoscaler(kind: str = "StatefulSet", name: str = "emq") -> dict[str, Any]:
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    spec = {"scaleTargetRef": reference, "minReplicas": 2, "maxReplicas": 4}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "load"},
        "spec": spec,
    }


def test_number_of_pods_is_of_the_workload_behind_the_service() -> None:
    assert own_app()["app-statefulset-emq"].inputs["spec"]["replicas"] == 2
    assert own_app(replicas=5)["app-statefulset-emq"].inputs["spec"]["replicas"] == 5


def test_endpoints_are_waited_for_where_the_program_can_log_in() -> None:
    assert "app-endpoints" not in own_app().resources
    awaited = own_app(kubeconfig="planted-kubeconfig")["app-endpoints"]
    assert awaited.options.hooks.before_create == awaited.options.hooks.before_update == ["app-endpoints"]
    assert {"app-placement", "app-entry-point"} <= awaited.dependencies
    assert "planted" not in str(awaited.options)


def test_endpoints_are_those_of_the_entry_point_and_of_the_members(dev: Program) -> None:
    noted = dict(dev["app-endpoints"].inputs)
    assert noted.pop("uid")
    assert noted == {"namespace": NAMESPACE, "name": "store-front", "members": ["aks-eastus2", "aks-westus2"]}


def test_autoscaler_has_the_number_of_pods_for_itself() -> None:
    program = own_app(autoscaler())
    assert "replicas" not in program["app-statefulset-emq"].inputs["spec"]
    override = program["app-resourceoverride-load"]
    assert override.inputs == {
        "apiVersion": "placement.kubernetes-fleet.io/v1",
        "kind": "ResourceOverride",
        "metadata": {"name": "load", "namespace": "iot", "annotations": SKIP_AWAIT},
        "spec": {
            "placement": {"name": "any"},
            "resourceSelectors": [{"group": "apps", "version": "v1", "kind": "StatefulSet", "name": "emq"}],
            "policy": {
                "overrideRules": [
                    {
                        "clusterSelector": {"clusterSelectorTerms": []},
                        "overrideType": "JSONPatch",
                        "jsonPatchOverrides": [{"op": "remove", "path": "/spec/replicas"}],
                    }
                ]
            },
        },
    }
    assert "app-resourceoverride-load" in program["app-placement"].dependencies


@pytest.mark.parametrize(
    ("objects", "args", "message"),
    [
        (
            [autoscaler()],
            {"replicas": 3},
            "replicas cannot be set: HorizontalPodAutoscaler load scales StatefulSet emq",
        ),
        (
            [autoscaler(name="web")],
            {},
            "HorizontalPodAutoscaler load: the app has no Deployment or StatefulSet that is StatefulSet web",
        ),
        (
            [autoscaler("Rollout")],
            {},
            "HorizontalPodAutoscaler load: the app has no Deployment or StatefulSet that is Rollout emq",
        ),
    ],
)
def test_autoscaler_that_cannot_work_is_refused(objects: list[Any], args: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestsError, match=message):
        own_app(*objects, **args)


def test_url_is_left_out_where_the_port_is_not_http() -> None:
    program = own_app()
    assert "url" not in program.outputs
    assert program.outputs["ports"] == [{"name": "mqtt", "port": 1883, "protocol": "TCP"}]
    assert "url" in own_app(ports=[{"port": 443}]).outputs
