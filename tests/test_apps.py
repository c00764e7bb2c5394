"""What several apps cannot have together: found in their manifests, before anything is registered."""

from pathlib import Path
from typing import Any

import pytest

import apps
from components.app_manifests import ManifestsError
from settings import Settings, parse
from tests.support.apps import write_app
from tests.support.program import ROOT, stack_config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A program's folder with no app."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "fleet").symlink_to(ROOT / "manifests" / "fleet")
    return tmp_path


def settings(found: dict[str, Any], *addresses: str) -> Settings:
    made = {name: {"homeRegion": "eastus2"} for name in addresses}
    return parse(stack_config("dev") | {"apps": found, "globalAddresses": made})


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


def write_ports(folder: Path, name: str, number: int) -> None:
    """Write an app whose Service has many ports."""
    write_app(folder, name, web=80)
    file = folder / "manifests" / name / "web.yaml"
    ports = ", ".join(f"{{name: p{port}, port: {port}}}" for port in range(1000, 1000 + number))
    file.write_text(file.read_text().replace("[{port: 80, targetPort: 8080}]", f"[{ports}]"))


def test_more_ports_than_a_node_has_rules_are_refused(folder: Path) -> None:
    write_ports(folder, "app", 301)
    (found,) = mistakes(parse(stack_config("dev") | {"app": {"service": "web"}}), folder)
    assert found.startswith("app: the entry points in region east have 301 ports")
    assert found.endswith("share fewer ports")


def test_more_ports_of_several_apps_than_a_node_has_rules_are_refused(folder: Path) -> None:
    for name in ("shop", "news"):
        write_ports(folder, name, 151)
    both = {"shop": {"service": "web"}, "news": {"service": "web"}}
    (found,) = mistakes(settings(both), folder)
    assert found.startswith("apps: the entry points in region east have 302 ports, and a node has at most 300 rules")
    both["news"]["entryRegions"] = ["west"]  # pyright: ignore[reportArgumentType] - any JSON value
    assert apps.load(settings(both), folder)
