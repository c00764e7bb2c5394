"""The door on loopback: who enters, and what is behind it."""

from collections.abc import Iterator

import httpx
import pytest
import yaml

from rehearsal.door import Door, open_door
from rehearsal.kubernetes import traffic
from tests.rehearsal.kubernetes_objects import HUB, placed_fleet


@pytest.fixture
def door() -> Iterator[Door]:
    world, *_ = placed_fleet()
    with open_door(traffic.Internet(world), world) as door:
        yield door


def _get(door: Door, path: str) -> httpx.Response:
    kubeconfig = yaml.safe_load(door.kubeconfig(HUB))
    token = kubeconfig["users"][0]["user"]["token"]
    server = kubeconfig["clusters"][0]["cluster"]["server"]
    return httpx.get(f"{server}{path}", headers={"Authorization": f"Bearer {token}"}, trust_env=False)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer other", "Proxy-Authorization": "Basic other"}])
def test_nobody_enters_without_the_token(door: Door, header: dict[str, str]) -> None:
    server = yaml.safe_load(door.kubeconfig(HUB))["clusters"][0]["cluster"]["server"]
    proxy = "http://127.0.0.1:" + door.environment()["http_proxy"].rpartition(":")[2]
    assert httpx.get(f"{server}/api/v1/namespaces", headers=header, trust_env=False).status_code == 401
    with httpx.Client(proxy=proxy, trust_env=False) as client:
        assert client.get("http://20.72.0.1", headers=header).status_code == 407


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/v1/namespaces", "NamespaceList"),
        ("/api/v1/namespaces/shop", "Namespace"),
        ("/api/v1/services", "ServiceList"),
        ("/api/v1/namespaces/shop/services/front", "Service"),
        ("/apis/apps/v1/namespaces/shop/deployments", "DeploymentList"),
    ],
)
def test_paths_are_those_of_the_kubernetes_api(door: Door, path: str, kind: str) -> None:
    answer = _get(door, path)
    assert (answer.status_code, answer.json()["kind"]) == (200, kind)


@pytest.mark.parametrize(
    "path", ["/readyz", "/api/v1/nothings", "/api/v1/namespaces/none", "/apis/apps/v0/deployments", "/"]
)
def test_what_is_not_there_is_not_found(door: Door, path: str) -> None:
    answer = _get(door, path)
    assert (answer.status_code, answer.json()["kind"]) == (404, "Status")
