"""A door on loopback, for programs that know no rehearsal: API servers in memory, and a proxy to the internet.

Who enters needs the door's token. Clusters can be read, no more; each is a folder of the one server. The rest of the
Kubernetes API's conventions: Kubernetes docs, reference/using-api/api-concepts.
"""

import base64
import json
import re
import secrets
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from email.utils import format_datetime
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import MSG_PEEK
from typing import Any, Final, Protocol
from urllib.parse import quote, unquote, urlsplit

import yaml
from typing_extensions import override

from rehearsal import certificate
from rehearsal.kubernetes.kinds import KINDS
from rehearsal.kubernetes.objects import ApiError, Object, date_of
from rehearsal.kubernetes.world import World

_STATUSES: Final = {
    "NotFound": HTTPStatus.NOT_FOUND,
    "NoMatch": HTTPStatus.NOT_FOUND,
    "Forbidden": HTTPStatus.FORBIDDEN,
}

_PATH: Final = re.compile(
    "/(?P<cluster>[^/]+)/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)"
    "(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?"
)

_HELLO: Final = b"\x16"  # with which TLS begins (RFC 8446, ContentType)


class Internet(Protocol):
    """What a client on the internet can do; raises OSError if nobody answers."""

    def request(self, url: str) -> Mapping[str, str]:
        """Make an HTTP request."""
        ...

    def connect(self, host: str, port: int) -> None:
        """Open a TCP connection, and close it."""
        ...


class Door:
    """An open door.

    Args:
        port: where it is, on loopback.
        token: what lets in.
    """

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token

    def kubeconfig(self, cluster_id: str) -> str:
        """Return what lets into a cluster or hub."""
        server = f"http://127.0.0.1:{self._port}/{quote(cluster_id, safe='')}"
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "door", "cluster": {"server": server}}],
                "users": [{"name": "door", "user": {"token": self._token}}],
                "contexts": [{"name": "door", "context": {"cluster": "door", "user": "door"}}],
                "current-context": "door",
            }
        )

    def environment(self) -> dict[str, str]:
        """Return the variables with which a program asks the internet here, and what is on loopback directly."""
        proxy = f"http://door:{self._token}@127.0.0.1:{self._port}"
        values = {"http_proxy": proxy, "all_proxy": proxy, "no_proxy": "127.0.0.1"}
        return values | {name.upper(): value for name, value in values.items()}


@contextmanager
def open_door(internet: Internet, world: World | None = None) -> Generator[Door]:
    """Open a door until the end of the block.

    Args:
        internet: answers what goes through the proxy.
        world: the clusters in memory, if there are any.
    """
    token = secrets.token_urlsafe(32)

    class Handler(_Handler):
        pass

    Handler.token, Handler.internet, Handler.world = token, internet, world
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield Door(server.server_port, token)
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    token: str
    internet: Internet
    world: World | None

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass

    @override
    def date_time_string(self, timestamp: float | None = None) -> str:
        # The times in the objects are simulated, too.
        return (
            format_datetime(date_of(self.world.now), usegmt=True) if self.world else super().date_time_string(timestamp)
        )

    def do_GET(self) -> None:
        if self.path.startswith("http://"):
            if not self._is_proxys():
                return self._answer(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, {})
            return self._fetch(self.path)
        if not self._admits("Authorization", f"Bearer {self.token}"):
            return self._refuse(HTTPStatus.UNAUTHORIZED, "Unauthorized", "Unauthorized")
        return self._read()

    def do_CONNECT(self) -> None:
        if not self._is_proxys():
            return self._answer(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, {})
        host, _, port = self.path.rpartition(":")
        self.close_connection = True
        try:
            self.internet.connect(host, int(port))
        except (OSError, ValueError) as error:
            return self._unreachable(error)
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        with suppress(OSError):  # of TLS, too
            if self.connection.recv(1, MSG_PEEK) == _HELLO:
                self._secure(f"https://{self.path}")
        return None

    def _secure(self, url: str) -> None:
        """Answer one request inside TLS, which ends here as it would at the pod."""
        with certificate.server().wrap_socket(self.connection, server_side=True) as connection:
            self.rfile, self.wfile = connection.makefile("rb"), connection.makefile("wb")
            self.raw_requestline = self.rfile.readline()
            if self.parse_request():
                self._fetch(url)
            self.wfile.flush()

    def _is_proxys(self) -> bool:
        basic = base64.b64encode(f"door:{self.token}".encode()).decode()
        return self._admits("Proxy-Authorization", f"Basic {basic}")

    def _admits(self, header: str, expected: str) -> bool:
        return compare_digest(self.headers.get(header, "").encode(), expected.encode())

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

    def _read(self) -> None:
        try:
            content = _content(self.world, urlsplit(self.path).path)
        except ApiError as error:
            if error.reason == "Unreachable":
                self.close_connection = True  # without a word
                return
            self._refuse(_STATUSES.get(error.reason, HTTPStatus.BAD_REQUEST), error.reason, str(error))
        else:
            self._answer(HTTPStatus.OK, content)

    def _refuse(self, code: HTTPStatus, reason: str, message: str) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
        self._answer(code, {**status, "code": code})

    def _answer(self, code: HTTPStatus, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):  # whoever asked does not wait for ever
            self.end_headers()
            self.wfile.write(body)


def _content(world: World | None, path: str) -> Object:
    """Return the object or the list that a path names.

    Raises:
        ApiError: there is none.
    """
    named = _PATH.fullmatch(path)
    group, plural = (named["group"] or "", named["plural"]) if named else ("", "")
    cluster = world.get(unquote(named["cluster"])) if world and named else None
    kind = next((each for each in KINDS.values() if (each.group, each.plural) == (group, plural)), None)
    if world is None or named is None or cluster is None or kind is None:
        raise ApiError("NotFound", "the server could not find the requested resource")
    api_version, namespace = f"{group}/{named['version']}".strip("/"), named["namespace"] or ""
    with world.requests():
        if named["name"]:
            return cluster.get(api_version, kind.name, named["name"], namespace)
        items = cluster.list(api_version, kind.name, namespace)
    return {"apiVersion": api_version, "kind": f"{kind.name}List", "metadata": {}, "items": items}
