"""The gateway on loopback: who enters, and what is behind it."""

import base64
import ssl
from collections.abc import Iterator

import httpx
import pytest
import yaml

from rehearsal.cluster.http_gateway import HttpGateway, open_http_gateway
from rehearsal.fleet import traffic
from rehearsal.tests.clusters_in_memory import TOKEN, Servers
from rehearsal.tests.objects import placed_fleet

BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def gateway(authorities: dict[str, str]) -> Iterator[HttpGateway]:
    clusters, hub, *_ = placed_fleet()
    servers = Servers(clusters)
    cluster = yaml.safe_load(servers.kubeconfig(hub))["clusters"][0]["cluster"]
    authorities["hub"] = base64.b64decode(cluster["certificate-authority-data"]).decode()
    with open_http_gateway(traffic.Internet(clusters), servers) as gateway:
        yield gateway


@pytest.fixture
def authorities() -> dict[str, str]:
    """The authorities of the clusters, by their names."""
    return {}


@pytest.fixture
def hub(gateway: HttpGateway, authorities: dict[str, str]) -> Iterator[httpx.Client]:
    """A client of the hub, with its kubeconfig's authority."""
    trusted = ssl.create_default_context(cadata=authorities["hub"])
    proxy = gateway.environment()["https_proxy"]
    with httpx.Client(base_url="https://hub:443", proxy=proxy, verify=trusted, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer other"}])
def test_no_cluster_is_read_without_its_log_in(hub: httpx.Client, header: dict[str, str]) -> None:
    assert hub.get("/api/v1/namespaces", headers=header).status_code == 401


@pytest.mark.parametrize("header", [{}, {"Proxy-Authorization": "Basic other"}])
def test_nobody_enters_without_the_gateways_token(gateway: HttpGateway, header: dict[str, str]) -> None:
    proxy = "http://127.0.0.1:" + gateway.environment()["http_proxy"].rpartition(":")[2]
    with httpx.Client(proxy=httpx.Proxy(proxy, headers=header), trust_env=False) as client:
        assert client.get("http://20.72.0.1").status_code == 407
        with pytest.raises(httpx.ProxyError, match="407"):
            client.get("https://hub:443/api/v1/namespaces", headers=BEARER)


def test_a_cluster_shows_the_certificate_of_its_own_authority(gateway: HttpGateway) -> None:
    with (
        httpx.Client(proxy=gateway.environment()["https_proxy"], trust_env=False) as client,
        pytest.raises(httpx.ConnectError, match="certificate verify failed"),
    ):
        client.get("https://hub:443/api/v1/namespaces", headers=BEARER)


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
def test_paths_are_those_of_the_kubernetes_api(hub: httpx.Client, path: str, kind: str) -> None:
    answer = hub.get(path, headers=BEARER)
    assert (answer.status_code, answer.json()["kind"]) == (200, kind)


@pytest.mark.parametrize(
    "path", ["/readyz", "/api/v1/nothings", "/api/v1/namespaces/none", "/apis/apps/v0/deployments", "/"]
)
def test_what_is_not_there_is_not_found(hub: httpx.Client, path: str) -> None:
    answer = hub.get(path, headers=BEARER)
    assert (answer.status_code, answer.json()["kind"]) == (404, "Status")


def test_object_is_changed_by_a_patch_with_the_clusters_log_in(hub: httpx.Client) -> None:
    path = "/api/v1/namespaces/shop"
    changes = {"metadata": {"labels": {"team": "store"}}}
    assert hub.patch(path, json=changes).status_code == 401
    changed = hub.patch(path, json=changes, headers=BEARER).json()
    assert changed == hub.get(path, headers=BEARER).json()
    assert changed["metadata"]["labels"]["team"] == "store"
