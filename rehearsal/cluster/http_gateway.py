"""An HTTP proxy on 127.0.0.1 to the in-memory API servers and the simulated load balancers, for other programs.

A client needs the gateway's token and, for a cluster, the cluster's own log-in. It can read objects, and change them by
JSON merge patches. The rest of the Kubernetes API's conventions: Kubernetes docs, reference/using-api/api-concepts.
"""

import base64
import json
import re
import secrets
import ssl
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from email.utils import format_datetime
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import MSG_PEEK
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from typing_extensions import override

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.kinds import KINDS, Kind
from rehearsal.cluster.objects import Object, date_of
from rehearsal.core import certificate
from rehearsal.core.environment import LOOPBACK
from rehearsal.core.errors import ApiError

_STATUSES: Final = {
    "Unauthorized": HTTPStatus.UNAUTHORIZED,
    "NotFound": HTTPStatus.NOT_FOUND,
    "NoMatch": HTTPStatus.NOT_FOUND,
    "Forbidden": HTTPStatus.FORBIDDEN,
}

_PATH: Final = re.compile(
    "/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)"
    "(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?P<status>/status)?)?"
)

_HELLO: Final = b"\x16"  # the first byte of a TLS connection (RFC 8446, ContentType)


class Internet(Protocol):
    """Requests of a client on the internet; they raise OSError if nobody answers."""

    def request(self, url: str) -> Mapping[str, str]:
        """Make an HTTP request."""
        ...

    def connect(self, host: str, port: int) -> None:
        """Open a TCP connection, and close it."""
        ...


class ApiServers(Protocol):
    """The clusters' API servers."""

    def identity(self, url: str) -> ssl.SSLContext | None:
        """Return the TLS context of the API server at a URL; None if there is none.

        Raises:
            OSError: the server does not answer.
        """
        ...

    def read(self, url: str, token: str, path: str) -> tuple[Object, float]:
        """Return the object or list at a path, and the server's time.

        Raises:
            ApiError: the server refuses the request, or the path does not exist.
        """
        ...

    def change(self, url: str, token: str, path: str, changes: Object) -> tuple[Object, float]:
        """Change the object at a path by a JSON merge patch; return the result, and the server's time.

        Raises:
            ApiError: the server refuses the request, or the path does not exist.
        """
        ...


class HttpGateway:
    """An open HTTP gateway.

    Args:
        port: its port on loopback.
        token: the token that clients must send.
    """

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which a program uses the gateway, except for loopback."""
        proxy = f"http://gateway:{self._token}@127.0.0.1:{self._port}"
        values = {"http_proxy": proxy, "https_proxy": proxy, "all_proxy": proxy, "no_proxy": ",".join(LOOPBACK)}
        return values | {name.upper(): value for name, value in values.items()}


@contextmanager
def open_http_gateway(internet: Internet, servers: ApiServers | None = None) -> Generator[HttpGateway]:
    """Open a gateway until the end of the block.

    Args:
        internet: answers requests to other addresses than clusters.
        servers: the clusters in memory, if there are any.
    """
    token = secrets.token_urlsafe(32)

    class Handler(_Handler):
        pass

    Handler.token, Handler.internet, Handler.servers = token, internet, servers
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield HttpGateway(server.server_port, token)
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    token: str
    internet: Internet
    servers: ApiServers | None
    now: float | None = None  # the answering cluster's time

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass

    @override
    def date_time_string(self, timestamp: float | None = None) -> str:
        # The times in the objects are simulated too.
        if self.now is None:
            return super().date_time_string(timestamp)
        return format_datetime(date_of(self.now), usegmt=True)

    def do_GET(self) -> None:
        if not self.path.startswith("http://"):
            return self._answer(HTTPStatus.NOT_FOUND, {})
        if not self._is_proxys():
            return self._answer(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, {})
        return self._fetch(self.path)

    def do_CONNECT(self) -> None:
        if not self._is_proxys():
            return self._answer(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, {})
        self.close_connection = True
        url = f"https://{self.path}"
        try:
            identity = servers.identity(url) if (servers := self.servers) else None
        except OSError:
            return None  # no log
        try:
            if identity is None:
                host, _, port = self.path.rpartition(":")
                self.internet.connect(host, int(port))
        except (OSError, ValueError) as error:
            return self._unreachable(error)
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        with suppress(OSError):  # also of TLS
            if servers and identity:
                self._secure(identity, lambda: self._serve(servers, url))
            elif self.connection.recv(1, MSG_PEEK) == _HELLO:
                self._secure(certificate.server(), lambda: self._fetch(url))
        return None

    def _secure(self, identity: ssl.SSLContext, answer: Callable[[], None]) -> None:
        """Answer one request inside TLS, in the place of the API server."""
        with identity.wrap_socket(self.connection, server_side=True) as connection:
            self.rfile, self.wfile = connection.makefile("rb"), connection.makefile("wb")
            self.raw_requestline = self.rfile.readline()
            if self.parse_request():
                answer()
            self.wfile.flush()

    def _is_proxys(self) -> bool:
        basic = base64.b64encode(f"gateway:{self.token}".encode()).decode()
        return compare_digest(self.headers.get("Proxy-Authorization", "").encode(), f"Basic {basic}".encode())

    def _fetch(self, url: str) -> None:
        try:
            answer = self.internet.request(url)
        except OSError as error:
            self._unreachable(error)
        else:
            self._answer(HTTPStatus.OK, answer)

    def _unreachable(self, error: Exception) -> None:
        late = isinstance(error, TimeoutError)
        self._answer(HTTPStatus.GATEWAY_TIMEOUT if late else HTTPStatus.BAD_GATEWAY, {"error": str(error)})

    def _serve(self, servers: ApiServers, url: str) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        path, body = urlsplit(self.path).path, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if self.command == "PATCH":
                content, self.now = servers.change(url, token, path, json.loads(body))
            else:
                content, self.now = servers.read(url, token, path)
        except ApiError as error:
            code = _STATUSES.get(error.reason, HTTPStatus.BAD_REQUEST)
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": error.reason}
            self._answer(code, {**status, "message": str(error), "code": code})
        else:
            self._answer(HTTPStatus.OK, content)

    def _answer(self, code: HTTPStatus, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):  # the client may have given up
            self.end_headers()
            self.wfile.write(body)


def content(cluster: Cluster, path: str) -> Object:
    """Return a cluster's object or list at a path.

    Raises:
        ApiError: the path does not exist.
    """
    named, api_version, kind = _find(path)
    namespace = named["namespace"] or ""
    if named["name"]:
        return cluster.get(api_version, kind.name, named["name"], namespace)
    items = cluster.list(api_version, kind.name, namespace)
    return {"apiVersion": api_version, "kind": f"{kind.name}List", "metadata": {}, "items": items}


def changed(cluster: Cluster, path: str, changes: Object, *, user: str) -> Object:
    """Change a cluster's object at a path by a JSON merge patch; return the result.

    Raises:
        ApiError: the server refuses the change, or the path does not exist.
    """
    named, api_version, kind = _find(path)
    address = (api_version, kind.name, named["name"] or "", named["namespace"] or "")
    return cluster.change(*address, changes, status=named["status"] is not None, user=user)


def _find(path: str) -> tuple[re.Match[str], str, Kind]:
    named = _PATH.fullmatch(path)
    group, plural = (named["group"] or "", named["plural"]) if named else ("", "")
    kind = next((each for each in KINDS.values() if (each.group, each.plural) == (group, plural)), None)
    if named is None or kind is None:
        raise ApiError("NotFound", "the server could not find the requested resource")
    return named, f"{group}/{named['version']}".strip("/"), kind
