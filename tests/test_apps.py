"""What several apps cannot have together: found in their manifests, before anything is registered."""

from pathlib import Path
from typing import Any

import pytest

import apps
from components.app_manifests import ManifestsError
from settings import Settings, parse
from tests.support.apps import write_app
from tests.support.program import ROOT, stack_config

CLUSTER = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/"
    "Microsoft.ContainerService/managedClusters/aks{}"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A program's folder with no app."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "fleet").symlink_to(ROOT / "manifests" / "fleet")
    return tmp_path


def settings(found: dict[str, Any], *addresses: str, **others: Any) -> Settings:  # noqa: ANN401 - any JSON value
    made = {name: {"homeRegion": "eastus2"} for name in addresses}
    return parse(stack_config("dev") | {"apps": found, "globalAddresses": made} | others)


def mistakes(stack: Settings, folder: Path) -> list[str]:
    with pytest.raises(ManifestsError) as refused:
        apps.load(stack, folder)
    return [*refused.value.mistakes]


def test_mistakes_of_all_apps_are_reported_at_once(folder: Path) -> None:
    write_app(folder, "shop", web=80)
    write_app(folder, "news", news=80)
    (folder / "manifests" / "news" / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n")
    found = mistakes(settings({"shop": {"service": "front"}, "news": {}}), folder)
    assert [text.partition(": ")[0] for text in found] == [
        "manifests/shop has no Service 'front' to export; it has web",
        "manifests/news/pod.yaml:2",
    ]


def test_replicas_that_cannot_be_set_are_reported_with_the_apps_folder(folder: Path) -> None:
    write_app(folder, "shop", shop=80)
    write_app(folder, "news", news=80)
    (folder / "manifests" / "news" / "more.yaml").write_text(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: load}\n"
        "spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: news}, maxReplicas: 3}\n"
    )
    (found,) = mistakes(settings({"shop": {"replicas": 2}, "news": {"replicas": 2}}), folder)
    assert found.startswith("manifests/news: replicas cannot be set: HorizontalPodAutoscaler load scales")


def test_two_services_cannot_have_one_port_of_a_shared_address(folder: Path) -> None:
    write_app(folder, "shop", web=80, api=443)
    write_app(folder, "news", news=80)
    shared = {"shop": {"services": ["web", "api"], "globalAddress": "front"}, "news": {"globalAddress": "front"}}
    (found,) = mistakes(settings(shared, "front"), folder)
    assert found.startswith("apps.news.globalAddress: the port 80/TCP of Service news is already used by Service web")
    shared["news"]["globalAddress"] = "other"
    assert apps.load(settings(shared, "front", "other"), folder)


def test_apps_whose_resources_would_have_the_same_names_are_refused(folder: Path) -> None:
    for name in ("shop", "shop-service", "shop-api"):
        write_app(folder, name, web=80)
    found = mistakes(settings({name: {"service": "web"} for name in ("shop", "shop-service", "shop-api")}), folder)
    assert [text.partition(":")[0] for text in found] == ["apps.shop-service"]


def write_ports(folder: Path, app: str, ports: range, kind: str = "ClusterIP") -> None:
    """Write the manifests of an app whose Service has these ports."""
    write_app(folder, app, web=80)
    file = folder / "manifests" / app / "web.yaml"
    found = ", ".join(f"{{name: p{port}, port: {port}}}" for port in ports)
    text = file.read_text().replace("[{port: 80, targetPort: 8080}]", f"[{found}]")
    file.write_text(
        text.replace(
            "spec:\n  selector: {app: web}\n  ports", f"spec:\n  type: {kind}\n  selector: {{app: web}}\n  ports"
        )
    )


def test_a_port_of_another_load_balancer_is_not_at_the_shared_address(folder: Path) -> None:
    write_app(folder, "shop", web=80, own=443)
    file = folder / "manifests" / "shop" / "own.yaml"
    file.write_text(file.read_text().replace("ports: [{port: 443", "type: LoadBalancer\n  ports: [{port: 443"))
    write_app(folder, "news", news=443)
    shared = {"shop": {"service": "web", "globalAddress": "front"}, "news": {"globalAddress": "front"}}
    assert apps.load(settings(shared, "front"), folder)


def test_more_ports_than_a_node_has_rules_are_refused(folder: Path) -> None:
    write_ports(folder, "app", range(1000, 1301))
    (found,) = mistakes(parse(stack_config("dev") | {"app": {"service": "web"}}), folder)
    assert found.startswith("app: in region east, each node would have 302 rules of load balancers")


def test_more_ports_of_several_apps_than_a_node_has_rules_are_refused(folder: Path) -> None:
    for name in ("shop", "news"):
        write_ports(folder, name, range(1000, 1150))
    both = {"shop": {"service": "web"}, "news": {"service": "web"}}
    (found,) = mistakes(settings(both), folder)
    assert found.startswith(
        "apps: in region east, each node would have 301 rules of load balancers: 300 for ports of entry points, "
        "0 for those of Services of type LoadBalancer, 1 for outbound traffic; Azure allows at most 300"
    )
    # Outbound traffic then needs no rule of a load balancer.
    assert apps.load(settings(both, clusters={"outbound": "natGateway"}), folder)
    both["news"]["entryRegions"] = ["west"]  # pyright: ignore[reportArgumentType] - any JSON value
    assert apps.load(settings(both), folder)


def test_load_balancers_of_an_apps_own_services_count_in_each_of_its_regions(folder: Path) -> None:
    write_ports(folder, "shop", range(1000, 1150), "LoadBalancer")
    found = mistakes(settings({"shop": {"service": "web"}}), folder)
    assert [text.partition(",")[0] for text in found] == ["apps: in region east"]
    write_ports(folder, "shop", range(1000, 1300), "LoadBalancer")
    found = mistakes(settings({"shop": {"service": "web"}}), folder)
    assert [text.partition(",")[0] for text in found] == ["apps: in region east", "apps: in region west"]


def test_public_load_balancers_behind_a_route_table_are_refused(folder: Path) -> None:
    write_ports(folder, "app", range(80, 82), "LoadBalancer")
    network = CLUSTER.replace("ContainerService/managedClusters", "Network/virtualNetworks")
    regions = [
        region | {"existing": {"subnetId": f"{network.format(number)}/subnets/nodes"}}
        for number, region in enumerate(stack_config("dev")["regions"])
    ]
    kept = ("name", "location", "existing", "nodePool", "entrySuffix")
    stack = stack_config("dev") | {
        "regions": [{key: value for key, value in region.items() if key in kept} for region in regions],
        "clusters": {"outbound": "routeTable"},
        "app": {"service": "web", "internal": True},
    }
    (found,) = mistakes(parse(stack), folder)
    assert found.startswith("app: answers of its Services with a public load balancer (ports 80, 81) would leave by")
    file = folder / "manifests" / "app" / "web.yaml"
    private = 'annotations: {service.beta.kubernetes.io/azure-load-balancer-internal: "true"}'
    file.write_text(file.read_text().replace("kind: Service\nmetadata: {", f"kind: Service\nmetadata: {{{private}, "))
    assert apps.load(parse(stack), folder)


def on_existing_clusters(folder: Path, count: int, per_app: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Write apps without common ports, behind one address, each on an existing cluster; return apps and regions."""
    regions = [
        {"name": f"r{number}", "location": f"eastus{number}", "existing": {"clusterId": CLUSTER.format(number)}}
        for number in range(count)
    ]
    found = dict[str, Any]()
    for number in range(count):
        write_ports(folder, f"app{number}", range(1000 + number * per_app, 1000 + (number + 1) * per_app))
        found[f"app{number}"] = {"service": "web", "regions": [f"r{number}"], "globalAddress": "front"}
    return found, regions


@pytest.mark.parametrize(
    ("count", "per_app", "keys", "start"),
    [
        (5, 250, {"clusters": {"securityGroup": True}}, "apps: the internet would reach 1250 ports"),
        (7, 250, {}, "apps: the global address front would have 1750 ports"),
    ],
    ids=["security group", "global address"],
)
def test_more_ports_than_all_regions_share_are_refused(
    folder: Path, count: int, per_app: int, keys: dict[str, Any], start: str
) -> None:
    found, regions = on_existing_clusters(folder, count, per_app)
    (mistake,) = mistakes(settings(found, "front", regions=regions, **keys), folder)
    assert mistake.startswith(start)


def test_existing_clusters_and_a_global_address_can_have_as_many_ports_as_azure_allows(folder: Path) -> None:
    """The outbound traffic of an existing cluster is not this program's, so it takes none of the 300 rules."""
    found, regions = on_existing_clusters(folder, 5, 300)
    assert apps.load(settings(found, "front", regions=regions), folder)


def test_a_workload_whose_override_would_have_a_long_name_takes_no_replicas_by_region(folder: Path) -> None:
    name = "w" * 55
    write_app(folder, "shop", web=80)
    file = folder / "manifests" / "shop" / "web.yaml"
    file.write_text(
        file.read_text().replace(
            "kind: Deployment\nmetadata: {name: web}", f"kind: Deployment\nmetadata: {{name: {name}}}"
        )
    )
    shop: dict[str, Any] = {"service": "web"}
    (found,) = mistakes(settings({"shop": shop | {"replicas": {"east": 3}}}), folder)
    assert f"would be called replicas-{name}, 64 characters" in found
    assert apps.load(settings({"shop": shop | {"replicas": 3}}), folder)
