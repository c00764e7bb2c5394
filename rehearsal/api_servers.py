"""API servers in memory, for clients with a kubeconfig of Azure's."""

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from hmac import compare_digest
from urllib.parse import urlsplit

from rehearsal.azure.arm import Deployer
from rehearsal.azure.errors import NO_ACCESS_TO_CLUSTER
from rehearsal.cloud import Cloud
from rehearsal.cluster import http_gateway
from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.objects import Object
from rehearsal.core.errors import ApiError
from rehearsal.core.protocol import Call, Operation
from rehearsal.fleet.in_memory import InMemoryClusters

_BEFORE_REQUEST = 5.0  # simulated seconds before each request: clusters make progress while a client polls


class ApiServers:
    """The API servers of a cloud's clusters.

    Args:
        cloud: the cloud.
        clusters: its clusters.
        token: the deployer's token, as `kubelogin` prints it.
    """

    def __init__(self, cloud: Cloud, clusters: InMemoryClusters, token: str) -> None:
        self._cloud = cloud
        self._clusters = clusters
        self._token = token

    def identity(self, url: str) -> ssl.SSLContext | None:
        """Return the TLS context of the API server at a URL; None if there is none.

        Raises:
            OSError: the server does not answer.
        """
        with self._clusters.requests():
            cluster = self._clusters.at(url)
        if cluster is None:
            return None
        if not cluster.reachable or not self._cloud.azure.reaches(cluster.id):
            raise TimeoutError("timed out")
        return self._cloud.azure.identity(cluster.id, urlsplit(url).hostname or "")

    def read(self, url: str, token: str, path: str) -> tuple[Object, float]:
        """Return the object or list at a path, and the server's time.

        Raises:
            ApiError: the server refuses the request, or the path does not exist.
        """
        with self._admitted(url, token, path) as cluster:
            return http_gateway.content(cluster, path), self._clusters.now

    def change(self, url: str, token: str, path: str, changes: Object) -> tuple[Object, float]:
        """Change the object at a path by a JSON merge patch; return the result, and the server's time.

        Raises:
            ApiError: the server refuses the request, or the path does not exist.
        """
        with self._admitted(url, token, path) as cluster:
            return http_gateway.changed(cluster, path, changes, user=Deployer().object_id), self._clusters.now

    @contextmanager
    def _admitted(self, url: str, token: str, path: str) -> Generator[Cluster]:
        self._cloud.pass_time(_BEFORE_REQUEST)
        with self._clusters.requests():
            cluster = self._clusters.at(url)
            if cluster is None:
                raise ApiError("Unreachable", "it is gone")
            self._admit(cluster, token, path)
            yield cluster

    def _admit(self, cluster: Cluster, token: str, path: str) -> None:
        if self._cloud.azure.is_local(cluster.id, token):
            return
        if not compare_digest(token.encode(), self._token.encode()):
            raise ApiError("Unauthorized", "Unauthorized")
        if not self._cloud.allows(cluster.id, Operation("read", Call(f"kubernetes:{path}"))):
            raise ApiError("Forbidden", NO_ACCESS_TO_CLUSTER)
