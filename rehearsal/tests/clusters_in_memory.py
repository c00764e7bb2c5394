"""API servers of a world without Azure, with kubeconfigs of their own, for the gateway on loopback."""

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

TOKEN = "planted-token"


class Servers:
    """The API servers of a world; whoever shows the token may read."""

    def __init__(self, world: InMemoryClusters) -> None:
        self._world = world

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
        cluster = self._world.at(url.removesuffix(":443"))
        if cluster is None:
            return None
        if not cluster.reachable:
            raise TimeoutError
        host = urlsplit(cluster.server).hostname or ""
        return certificate.issued(cluster.id, "server", host).context()

    def read(self, url: str, token: str, path: str) -> tuple[Object, float]:
        """Return what a path names, and the server's time."""
        if token != TOKEN:
            raise ApiError("Unauthorized", "Unauthorized")
        cluster = self._world.at(url.removesuffix(":443"))
        assert cluster
        with self._world.requests():
            return http_gateway.content(cluster, path), self._world.now
