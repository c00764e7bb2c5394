"""Pods whose program is a Python file in a ConfigMap: they run as processes, with what a kubelet gives them."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from typing_extensions import override

from rehearsal.azure.arm import Access
from rehearsal.cluster.objects import Object
from rehearsal.core.errors import ApiError
from rehearsal.real.apiserver import RealApiServer
from rehearsal.real.containers import Container, program_of
from rehearsal.real.network import Networks, networks
from rehearsal.tests.real.test_network import pytestmark as needs_namespaces

pytestmark = needs_namespaces

ADDRESS, FAR_POD = "10.1.0.20", ("10.2.0.10", 8080)
# It answers with what it finds: its surroundings, the API server's answer, and whether another region's pod answers.
PROGRAM = """
import http.client, http.server, json, os, socket
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
def api():
    connection = http.client.HTTPConnection("kubernetes.default.svc", 443, timeout=5)
    connection.request("GET", "/", headers={"Authorization": open(ACCOUNT + "/token").read()})
    return connection.getresponse().read().decode()
def reaches(address, port):
    try:
        socket.create_connection((address, port), 2).close()
        return True
    except OSError:
        return False
def writes(path):
    try:
        open(path, "w").close()
        return True
    except OSError:
        return False
FINDINGS = {
    "/found": lambda: {
        "api": api(),
        "namespace": open(ACCOUNT + "/namespace").read(),
        "root": sorted(os.listdir("/")),
        "environment": dict(os.environ),
        "writes": [path for path in ("/new", "/code/new") if writes(path)],
        "pid": os.getpid(),
    },
    "/reaches": lambda: {"other": reaches("10.2.0.10", 8080)},
    "/healthz": dict,
}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        finding = FINDINGS.get(self.path)
        self.send_response(200 if finding and not (self.path == "/healthz" and Handler.ill) else 503)
        self.end_headers()
        if self.path == "/ill":
            Handler.ill = True
        self.wfile.write(json.dumps(finding() if finding else {}).encode())
Handler.ill = False
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
NAMESPACE = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
POD: Object = {
    "metadata": {"name": "guard-1", "namespace": "guards", "uid": "1"},
    "spec": {
        "serviceAccountName": "guard",
        "containers": [
            {
                "name": "guard",
                "command": ["/usr/bin/python3", "/code/program.py"],
                "env": [{"name": "COLOUR", "value": "blue"}],
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
                "volumeMounts": [
                    {"name": "code", "mountPath": "/code"},
                    {"name": "account", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
                ],
            }
        ],
        "volumes": [
            {"name": "code", "configMap": {"name": "program"}},
            {
                "name": "account",
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "token"}},
                        {"downwardAPI": {"items": [NAMESPACE]}},
                    ]
                },
            },
        ],
    },
}


@dataclass
class ApiServer:
    """What a container asks an API server for."""

    access: Access
    config_maps: dict[str, dict[str, str]] = field(default_factory=lambda: {"program": {"program.py": PROGRAM}})

    def get(self, api_version: str, kind: str, name: str, namespace: str) -> Object:
        """Return a ConfigMap."""
        assert (api_version, kind, namespace) == ("v1", "ConfigMap", "guards")
        if name not in self.config_maps:
            raise ApiError("NotFound", name)
        return {"data": self.config_maps[name]}

    def create_token(self, namespace: str, account: str) -> str:
        """Return a text that names the account."""
        return f"token of {namespace}/{account}"


@pytest.fixture
def api_server() -> Iterator[ApiServer]:
    """An API server on this machine's loopback, which answers with the token that it is shown."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.headers["Authorization"].encode())

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield ApiServer(Access(f"http://127.0.0.1:{server.server_port}", "", ""))
        server.shutdown()


@pytest.fixture
def clusters() -> Iterator[Networks]:
    """Two VNets; a pod and a node in the first one are at other addresses than the container's, at the same port."""
    with networks() as clusters:
        for name, prefix, pod in (("east", "10.1.0.0/16", ("10.1.0.10", 8080)), ("west", "10.2.0.0/16", FAR_POD)):
            clusters.add(name, [prefix])
            clusters.serve(name, pod[0], {pod[1]: "http"}, {"pod": f"{name}-0"})
        clusters.balance("20.72.1.12", 80, "east", ["10.1.0.4"], [(ADDRESS, 8080)])
        yield clusters


@pytest.fixture
def start(clusters: Networks, api_server: ApiServer, tmp_path: Path) -> Iterator[Callable[[], Container]]:
    """Start the pod in the first VNet; it ends with the test."""
    started: list[Container] = []

    def start() -> Container:
        server = cast("RealApiServer", api_server)
        started.append(
            Container(server, clusters, network="east", address=ADDRESS, pod=POD, folder=tmp_path / "pods" / "1")
        )
        return started[-1]

    yield start
    for each in started:
        with suppress(OSError):  # a test has stopped it
            each.stop()


def until_ready(container: Container, *, ready: bool = True) -> None:
    deadline = time.monotonic() + 30
    while container.check() is not ready:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def ask(clusters: Networks, path: str) -> dict[str, Any]:
    """Ask the container through a load balancer, from the internet."""
    return clusters.request(f"http://20.72.1.12{path}", 10)


def test_program_has_what_a_kubelet_gives_it_and_nothing_else_of_the_machine(
    clusters: Networks, start: Callable[[], Container]
) -> None:
    container = start()
    until_ready(container)

    found = ask(clusters, "/found")

    assert found["api"] == "token of guards/guard"
    assert found["namespace"] == "guards"
    assert found["environment"] == {"COLOUR": "blue", "LC_CTYPE": "C.UTF-8"}  # Python sets the second one
    assert {"code", "etc", "usr", "var"} <= {*found["root"]}
    assert not {"home", "proc", "tmp", "work"} & {*found["root"]}
    assert found["writes"] == []
    container.stop()
    assert not Path("/proc", str(found["pid"])).exists()


def test_program_reaches_pods_of_other_networks_like_its_nodes(
    clusters: Networks, start: Callable[[], Container]
) -> None:
    until_ready(start())
    assert ask(clusters, "/reaches") == {"other": False}

    clusters.connect("east", "west")
    assert ask(clusters, "/reaches") == {"other": True}

    clusters.stop("west", FAR_POD[0])
    assert ask(clusters, "/reaches") == {"other": False}

    clusters.serve("west", FAR_POD[0], {FAR_POD[1]: "http"}, {"pod": "west-1"})
    clusters.disconnect("east", "west")
    assert ask(clusters, "/reaches") == {"other": False}


def test_program_that_is_killed_is_started_again(clusters: Networks, start: Callable[[], Container]) -> None:
    container = start()
    until_ready(container)
    process = ask(clusters, "/found")["pid"]

    os.kill(process, signal.SIGKILL)
    until_ready(container, ready=False)
    until_ready(container)

    assert container.restarts == 1
    assert ask(clusters, "/found")["pid"] != process


def test_readiness_is_what_the_probe_finds_in_three_attempts(
    clusters: Networks, start: Callable[[], Container]
) -> None:
    container = start()
    until_ready(container)
    with suppress(json.JSONDecodeError):
        ask(clusters, "/ill")

    assert container.check()
    until_ready(container, ready=False)


def test_pod_whose_volume_does_not_exist_waits_for_it(api_server: ApiServer, start: Callable[[], Container]) -> None:
    program = api_server.config_maps.pop("program")
    with pytest.raises(ApiError):
        start()

    api_server.config_maps["program"] = program
    until_ready(start())


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (["/usr/bin/python3", "/code/program.py"], ["/code/program.py"]),
        (["python3.12", "-u", "/code/program.py", "--once"], ["-u", "/code/program.py", "--once"]),
        (["/usr/bin/python3", "/app/program.py"], []),
        (["/bin/sh", "/code/program.py"], []),
        ([], []),
    ],
)
def test_only_programs_that_are_known_run(command: list[str], arguments: list[str]) -> None:
    container = {**POD["spec"]["containers"][0], "command": command}
    assert program_of({"spec": {**POD["spec"], "containers": [container]}}) == arguments
