"""API servers of in-memory clusters without Azure, with kubeconfigs of their own, for the gateway on loopback."""

import base64
import ssl
from urllib.parse import urlsplit

import yaml

from rehearsal.cluster import http_gateway
from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.objects import Object
from rehearsal.core import certificate
from rehearsal.core.errors import ApiError
from rehearsal.fleet.in_memory import InMemoryClusters
from rehearsal.tests.objects import USER

TOKEN = "planted-token"


class Servers:
    """The API servers of in-memory clusters; the token lets into all of them."""

    def __init__(self, clusters: InMemoryClusters) -> None:
        self._clusters = clusters

    def kubeconfig(self, cluster: Cluster) -> str:
        """Return what lets into a cluster."""
        authority = base64.b64encode(certificate.authority(cluster.id).certificate.encode())
        server = {"server": f"{cluster.server}:443", "certificate-authority-data": authority.decode()}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "it", "cluster": server}],
                "users": [{"name": "it", "user": {"token": TOKEN}}],
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                "current-context": "it",
            }
        )

    def identity(self, url: str) -> ssl.SSLContext | None:
        """Return what an API server speaks TLS with."""
        cluster = self._clusters.at(url.removesuffix(":443"))
        if cluster is None:
            return None
        if not cluster.reachable:
            raise TimeoutError
        host = urlsplit(cluster.server).hostname or ""
        return certificate.issued(cluster.id, "server", host).context()

    def read(self, url: str, token: str, path: str) -> tuple[Object, float]:
        """Return what a path names, and the server's time."""
        cluster = self._admitted(url, token)
        with self._clusters.requests():
            return http_gateway.content(cluster, path), self._clusters.now

    def change(self, url: str, token: str, path: str, changes: Object) -> tuple[Object, float]:
        """Change what a path names, and return it with the server's time."""
        cluster = self._admitted(url, token)
        with self._clusters.requests():
            return http_gateway.changed(cluster, path, changes, user=USER), self._clusters.now

    def _admitted(self, url: str, token: str) -> Cluster:
        if token != TOKEN:
            raise ApiError("Unauthorized", "Unauthorized")
        cluster = self._clusters.at(url.removesuffix(":443"))
        assert cluster
        return cluster
