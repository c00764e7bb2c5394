"""The app: its objects on the hub, its placement, its entry point."""

import json
from typing import Any

import pytest
import yaml

from components.manifests import ManifestsError
from components.multi_cluster_app import MultiClusterApp
from tests.program import ROOT, Program, run, run_stack, stack_config

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


def test_every_manifest_is_put_on_the_hub_as_it_stands(dev: Program) -> None:
    for manifest in manifests():
        if manifest["kind"] == "Ingress":
            continue
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
    objects = kubernetes_objects(prod).keys() - {"app-namespace", "app-placement", "app-entry-point"}
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


def test_old_entry_point_lets_go_before_a_new_one_holds(dev: Program) -> None:
    assert dev["app-entry-point"].options.deleteBeforeReplace is True


def test_entry_point_keeps_its_name_wherever_it_is() -> None:
    app = {"entryRegion": "west"}
    program = run_stack("dev", app=app)
    assert program["app-entry-point"].provider == "west-kubernetes"
    assert program.outputs["entryRegion"] == "west"


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


def test_ingress_comes_only_with_app_routing(dev: Program) -> None:
    assert "app-ingress-store-front" not in dev.resources
    program = run_stack("dev", clusters={"appRouting": True})
    assert "app-ingress-store-front" in program["app-placement"].dependencies


def test_manifests_of_ones_own_without_the_service_are_refused_before_anything_is_registered() -> None:
    args: Any = {"manifests": {"service": "shop", "app": [], "namespace": "shops"}}
    with pytest.raises(ManifestsError, match=r"The app has no Service 'shop' to export; nothing was deployed"):
        run(lambda: MultiClusterApp("app", args))


def test_service_that_is_not_in_the_manifests_is_refused_at_once() -> None:
    with pytest.raises(ManifestsError, match=r"app has no Service 'shop' to export; it has .*store-front"):
        run_stack("dev", app={"service": "shop"})
