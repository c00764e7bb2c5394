"""Authorizes requests of the deploying identity for API servers, as Azure does for AKS and for hubs.

An API server asks about requests that its own RBAC does not allow (Kubernetes docs,
reference/access-authn-authz/webhook).
"""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import quote, unquote

from typing_extensions import override

from rehearsal.azure.errors import NO_ACCESS_TO_CLUSTER
from rehearsal.cluster.kinds import KINDS
from rehearsal.core.protocol import Call, Operation, Verb

Allows = Callable[[str, Operation], bool]
"""Returns whether a cluster, given by its ID, allows a request of the deploying identity."""


class Guard:
    """A running guard.

    Attributes:
        user: the deploying identity's user name on API servers.
        token: its token, the same for all API servers, like a token of Entra ID.
        address: the address at which the guard listens.
        allows: the function that decides; before it is set, every request is denied.
    """

    def __init__(self, user: str, token: str, address: str) -> None:
        self.user = user
        self.token = token
        self.address = address
        self.allows: Allows = lambda _cluster, _request: False

    def url(self, cluster_id: str) -> str:
        """Return the guard's URL for a cluster; its path is the cluster's ID, which begins with a slash."""
        return self.address + quote(cluster_id)

    def review(self, cluster_id: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the status for a SubjectAccessReview's spec; for other users than the deployer, without an opinion."""
        if asked.get("user") != self.user:
            return {"allowed": False}
        attributes: dict[str, str] = asked.get("resourceAttributes") or {}
        if attributes and self.allows(cluster_id, Operation(_verb(attributes), Call(_token(attributes)))):
            return {"allowed": True}
        return {"allowed": False, "reason": NO_ACCESS_TO_CLUSTER}


def _verb(attributes: dict[str, str]) -> Verb:
    return _VERBS.get(attributes.get("verb", ""), "read")


_VERBS: Final[dict[str, Verb]] = {
    "create": "create",
    "update": "update",
    "patch": "update",
    "delete": "delete",
    "deletecollection": "delete",
}


def _token(attributes: dict[str, str]) -> str:
    """Return the Pulumi type token of a request's resource."""
    group, version = attributes.get("group", ""), attributes.get("version", "")
    plural = attributes.get("resource", "")
    kind = next((each.name for each in KINDS.values() if (each.plural, each.group) == (plural, group)), plural)
    return f"kubernetes:{group or 'core'}/{version}:{kind}"


@contextmanager
def guarding(user: str, token: str) -> Generator[Guard]:
    """Run a guard on loopback until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            review["status"] = guard.review(unquote(self.path.partition("?")[0]), review["spec"])
            content = json.dumps(review).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        guard = Guard(user, token, f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield guard
        finally:
            server.shutdown()
            thread.join()
