"""Takes a region that is lost out of an entry point, and puts it back when it answers again.

Fleet keeps a member's endpoints until the member's own agents withdraw them (Azure/fleet-networking v0.3.25,
pkg/controllers/hub). When a whole region is lost, nobody withdraws them, and the entry point goes on sending its share
of all connections there. This program runs on the cluster of an entry point. It connects to every imported endpoint,
and marks all endpoints of a member as not ready once none of them answers. kube-proxy sends nothing to an endpoint that
is not ready.

It holds a member back only if

- every endpoint of the member was silent in three rounds in a row; an endpoint that refuses a connection is alive: its
  node answers, and its own region withdraws it if need be,
- another endpoint answered in the same round: otherwise the guard itself may be cut off, and
- each of the member's Services keeps a ready endpoint of another member.

It needs nothing but Python's standard library. The variables GUARD_… configure it. A Kubernetes service account gives
it access to the API server.
"""

import json
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

Slice = Mapping[str, Any]

ROUND: Final = 5.0  # seconds from the beginning of one round to that of the next
PATIENCE: Final = 1.0  # seconds for an endpoint to take a connection
DEAD_AFTER: Final = 3  # rounds in a row without any answer
ALIVE_AFTER: Final = 2  # rounds in a row with an answer
HEALTHY_FOR: Final = 3 * ROUND  # seconds without a complete round, after which the guard is not healthy
PROBES: Final = 64  # connections at a time

SYSTEM: Final = "fleet-system"
MARK: Final = "fleet-l4-lb/held-back"
_SLICES: Final = f"/apis/discovery.k8s.io/v1/namespaces/{SYSTEM}/endpointslices"
_IMPORTER: Final = "endpointsliceimport-controller.networking.fleet.azure.com"
_MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
_SERVICE: Final = "kubernetes.io/service-name"
_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CONFLICTS: Final = (409, 422)  # the slice has changed since it was read

Target = tuple[str, int]
"""The address and the port of an endpoint."""


class ApiServer:
    """The API server of the cluster that the guard runs on.

    Args:
        url: where it answers.
        account: the folder with the service account's token and the server's certificate authority.
    """

    def __init__(self, url: str, account: Path = _ACCOUNT) -> None:
        self._account = account
        self._host = urlsplit(url).netloc
        self._context = ssl.create_default_context(cafile=str(account / "ca.crt"))

    def request(self, verb: str, path: str, body: object = None, kind: str = "application/json") -> Any:  # noqa: ANN401 - JSON
        """Send a request; return the answer.

        Raises:
            OSError, HTTPException: the server does not answer.
            ApiError: it refuses.
        """
        # The kubelet replaces the token before it expires.
        token = (self._account / "token").read_text(encoding="utf-8").strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        connection = HTTPSConnection(self._host, timeout=ROUND, context=self._context)
        try:
            connection.request(verb, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:  # noqa: PLR2004 - HTTP
            raise ApiError(answer.status, text.decode(errors="replace"))
        return json.loads(text)


class ApiError(Exception):
    """The API server has refused a request."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:300]}")
        self.status = status


@dataclass
class Member:
    """What the guard knows of a member.

    Attributes:
        silent: rounds in a row in which none of its endpoints answered.
        answering: rounds in a row in which one did.
        held_back: whether its endpoints are to be not ready.
        since: the time at which that began; empty if they are to be ready.
    """

    silent: int = 0
    answering: int = 0
    held_back: bool = False
    since: str = ""


@dataclass
class Round:
    """What one round has found.

    Attributes:
        slices: the imported slices of each member.
        alive: the endpoints that have taken or refused a connection.
    """

    slices: Mapping[str, Sequence[Slice]]
    alive: frozenset[Target]

    def targets(self, member: str) -> list[Target]:
        """Return the endpoints of a member that can be probed."""
        return [target for each in self.slices[member] for target in targets(each)]

    def answers(self, member: str) -> bool:
        """Say whether an endpoint of a member is alive."""
        return any(target in self.alive for target in self.targets(member))


def member_of(item: Slice, members: Iterable[str]) -> str:
    """Return the member that a slice is imported from: its name begins with the member's (pkg/common/uniquename).

    The member may be another one than those named: that of a lost region stays in the fleet when the region is removed.
    """
    name, service = item["metadata"]["name"], _labels(item).get(_SERVICE, "")
    # Of `aks-east` and `aks-east-2`, the longer name is meant, unless the Service's name says otherwise.
    fitting = [member for member in members if name.startswith(f"{member}-{service}")]
    fitting = fitting or [member for member in members if name.startswith(f"{member}-")]
    return max(fitting, key=len, default=name.partition(f"-{service}-")[0])


def targets(item: Slice) -> list[Target]:
    """Return the endpoints of a slice, at its first TCP port; none if it has no TCP port."""
    ports = [port["port"] for port in item.get("ports") or () if port.get("protocol", "TCP") == "TCP"]
    addresses = [address for endpoint in item.get("endpoints") or () for address in endpoint["addresses"]]
    return [(address, ports[0]) for address in addresses] if ports else []


def is_ready(endpoint: Mapping[str, Any]) -> bool:
    """Say whether kube-proxy uses an endpoint: it does if nothing is said (pkg/proxy/topology.go)."""
    conditions: Mapping[str, Any] = endpoint.get("conditions") or {}
    return conditions.get("ready") is not False


def is_marked(item: Slice) -> bool:
    """Say whether all endpoints of a slice are not ready."""
    return not any(map(is_ready, item.get("endpoints") or ()))


def answers(target: Target) -> bool:
    """Connect to an endpoint; say whether anything answers, if only with a refusal."""
    try:
        socket.create_connection(target, PATIENCE).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def judge(members: dict[str, Member], found: Round, now: str) -> bool:
    """Decide which members are held back, by what a round has found.

    Returns:
        whether the round counts: it does not if nothing at all has answered.
    """
    if not any(found.answers(name) for name in found.slices):
        for member in members.values():
            member.silent = member.answering = 0
        return False
    for name in found.slices:
        member = members[name]
        if not found.targets(name):
            member.silent = member.answering = 0
        elif found.answers(name):
            member.silent, member.answering = 0, member.answering + 1
        else:
            member.silent, member.answering = member.silent + 1, 0
        if member.held_back and member.answering >= ALIVE_AFTER:
            member.held_back, member.since = False, ""
        elif not member.held_back and member.silent >= DEAD_AFTER and _is_replaceable(name, members, found):
            member.held_back, member.since = True, now
    return True


def _is_replaceable(name: str, members: Mapping[str, Member], found: Round) -> bool:
    """Say whether each Service that a member has endpoints of keeps one of another member."""
    others = [
        item
        for other, slices in found.slices.items()
        if other != name and not members[other].held_back and found.answers(other)
        for item in slices
        if any(target in found.alive for target in targets(item))
    ]
    kept = {_labels(item).get(_SERVICE) for item in others}
    return all(_labels(item).get(_SERVICE) in kept for item in found.slices[name] if item.get("endpoints"))


def patch(item: Slice, member: Member) -> list[dict[str, Any]] | None:
    """Return the JSON patch that brings a slice to what its member's state asks for; None if it is so already."""
    endpoints: list[dict[str, Any]] = item.get("endpoints") or []
    annotations = _annotations(item)
    if not endpoints or (is_marked(item) if member.held_back else MARK not in annotations):
        return None
    if member.held_back:
        wanted = [{**each, "conditions": {"ready": False, "serving": False}} for each in endpoints]
        annotations = {**annotations, MARK: f"{member.since} no endpoint answers"}
    else:
        wanted = [{key: value for key, value in each.items() if key != "conditions"} for each in endpoints]
        annotations = {key: value for key, value in annotations.items() if key != MARK}
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": item["metadata"]["resourceVersion"]},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
        {"op": "replace", "path": "/endpoints", "value": wanted},
    ]


@dataclass
class Guard:
    """The guard of one cluster's entry points.

    Attributes:
        api: the API server.
        members: the names of the fleet's members.
        state: what is known of each member.
        rewrites: how many slices were changed.
        failures: how many probes found nothing.
        blind: whether nothing answered in the last round.
        rounds: how many rounds were completed.
        completed: when the last round was completed, in seconds of the monotonic clock.
    """

    api: ApiServer
    members: Sequence[str]
    state: dict[str, Member] = field(default_factory=dict[str, Member])
    endpoints: dict[str, int] = field(default_factory=dict[str, int])
    rewrites: int = 0
    failures: int = 0
    blind: bool = False
    rounds: int = 0
    completed: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.state = {member: Member() for member in self.members}

    def look(self) -> Round:
        """Read the imported slices, and connect to all their endpoints."""
        answer = self.api.request("GET", f"{_SLICES}?labelSelector={_MANAGED_BY}%3D{_IMPORTER}")
        slices: dict[str, list[Slice]] = {member: [] for member in self.members}
        for item in answer["items"]:
            member = member_of(item, self.members)
            self.state.setdefault(member, Member())
            slices.setdefault(member, []).append(item)
        every = sorted({target for items in slices.values() for item in items for target in targets(item)})
        with ThreadPoolExecutor(PROBES) as pool:
            alive = frozenset(target for target, found in zip(every, pool.map(answers, every), strict=True) if found)
        self.failures += len(every) - len(alive)
        self.endpoints = {member: sum(map(len, map(targets, items))) for member, items in slices.items()}
        return Round(slices, alive)

    def run_round(self) -> None:
        """Look, judge, and change the slices that are not as they are to be."""
        found = self.look()
        if not self.rounds:  # an earlier guard may have held members back
            self._take_over(found)
        before = {name: member.held_back for name, member in self.state.items()}
        self.blind = not judge(self.state, found, _now())
        if not self.blind:
            for name, items in found.slices.items():
                for item in items:
                    self._apply(item, name, changed=before[name] != self.state[name].held_back)
        self.rounds += 1
        self.completed = time.monotonic()

    def release(self) -> None:
        """Make all endpoints ready again."""
        self.state = {member: Member() for member in self.members}
        for name, items in self.look().slices.items():
            for item in items:
                self._apply(item, name, changed=True)

    def _take_over(self, found: Round) -> None:
        for name, items in found.slices.items():
            marks = [mark for item in items if (mark := _annotations(item).get(MARK))]
            if marks:
                self.state[name] = Member(held_back=True, since=marks[0].split(" ")[0])

    def _apply(self, item: Slice, name: str, *, changed: bool) -> None:
        change = patch(item, self.state[name])
        if change is None:
            return
        path = f"{_SLICES}/{item['metadata']['name']}"
        try:
            self.api.request("PATCH", path, change, "application/json-patch+json")
        except ApiError as error:
            if error.status in _CONFLICTS:
                return  # the next round reads it anew
            raise
        self.rewrites += 1
        if changed:
            self._report(item, name)

    def _report(self, item: Slice, name: str) -> None:
        held_back = self.state[name].held_back
        say(f"{name} is {'held back: none of its endpoints answers' if held_back else 'back: its endpoints answer'}")
        now, slice_name = _now(), item["metadata"]["name"]
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{slice_name[:50]}-", "namespace": SYSTEM},
            "involvedObject": {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "namespace": SYSTEM,
                "name": slice_name,
                "uid": item["metadata"].get("uid", ""),
            },
            "type": "Warning" if held_back else "Normal",
            "reason": "MemberHeldBack" if held_back else "MemberBack",
            "message": f"no endpoint of {name} answers" if held_back else f"endpoints of {name} answer again",
            "source": {"component": "entry-guard"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self.api.request("POST", f"/api/v1/namespaces/{SYSTEM}/events", event)
        except (ApiError, OSError, HTTPException) as error:
            say(f"the event was not recorded: {error}")

    def metrics(self) -> str:
        """Return the metrics in Prometheus' text format."""
        lines = [
            "# HELP guard_member_up Whether the endpoints of a member are used.",
            "# TYPE guard_member_up gauge",
            *(f'guard_member_up{{member="{name}"}} {int(not each.held_back)}' for name, each in [*self.state.items()]),
            "# HELP guard_endpoints Imported endpoints of a member.",
            "# TYPE guard_endpoints gauge",
            *(f'guard_endpoints{{member="{name}"}} {number}' for name, number in self.endpoints.items()),
            "# HELP guard_probe_failures_total Connections that nothing answered.",
            "# TYPE guard_probe_failures_total counter",
            f"guard_probe_failures_total {self.failures}",
            "# HELP guard_rewrites_total Slices that the guard has changed.",
            "# TYPE guard_rewrites_total counter",
            f"guard_rewrites_total {self.rewrites}",
            "# HELP guard_panic Whether nothing at all answered in the last round, so that nothing was changed.",
            "# TYPE guard_panic gauge",
            f"guard_panic {int(self.blind)}",
        ]
        return "\n".join(lines) + "\n"

    @property
    def is_healthy(self) -> bool:
        """Whether a round was completed lately."""
        return time.monotonic() - self.completed < HEALTHY_FOR


def serve(guard: Guard, port: int) -> ThreadingHTTPServer:
    """Serve /metrics and /healthz on a port, in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = {
                "/metrics": lambda: (200, guard.metrics()),
                "/healthz": lambda: (200, "ok\n") if guard.is_healthy else (503, "no round was completed lately\n"),
            }.get(self.path, lambda: (404, "not found\n"))
            status, text = found()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            """Write nothing: the kubelet asks every few seconds."""
            del format, args

    server = ThreadingHTTPServer(("", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def say(line: str) -> None:
    """Write a line to the log."""
    sys.stdout.write(f"{_now()} {line}\n")
    sys.stdout.flush()


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _labels(item: Slice) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}


def _annotations(item: Slice) -> Mapping[str, str]:
    return item["metadata"].get("annotations") or {}


def main() -> int:
    """Guard until SIGTERM. Marks stay: the next guard goes on with them. With --release, remove them and end."""
    server = os.environ.get("GUARD_API_SERVER", "https://kubernetes.default.svc")
    account = Path(os.environ.get("GUARD_ACCOUNT", str(_ACCOUNT)))
    guard = Guard(ApiServer(server, account), json.loads(os.environ["GUARD_MEMBERS"]))
    if "--release" in sys.argv[1:]:
        guard.release()
        return 0
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stopped.set())
    serve(guard, int(os.environ.get("GUARD_PORT", "8080")))
    while not stopped.is_set():
        began = time.monotonic()
        try:
            guard.run_round()
        except (ApiError, OSError, HTTPException) as error:
            say(f"nothing was changed in this round: {error}")
        stopped.wait(max(0.0, ROUND - (time.monotonic() - began)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
