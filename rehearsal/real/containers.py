"""Runs pods whose program is known: a Python file in a ConfigMap. Their image is replaced by this machine's Python.

The program gets what a kubelet gives it: its volumes with the service account's token, its variables, and a network of
its own at the pod's address. It reaches the API server under the name that each cluster has for it. Its probes decide
whether it is ready, and when it is started again. Not simulated: its user, its limits, and signals before its end.
"""

import json
import shutil
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rehearsal.cluster.objects import Object, child, name_of, namespace_of
from rehearsal.real.apiserver import RealApiServer
from rehearsal.real.enclosed import pass_on
from rehearsal.real.network import Networks
from rehearsal.real.processes import Process

_ROOT: Final = Path(__file__).parents[2]
_HTTPS: Final = 443
_FAILED: Final = 400  # HTTP
# Kubernetes' defaults for a probe (Kubernetes docs: tasks/configure-pod-container, "Configure Liveness, Readiness and
# Startup Probes").
_PERIOD, _TIMEOUT, _THRESHOLD = 10, 1, 3


def program_of(pod: Object) -> list[str]:
    """Return the arguments for Python with which a pod's only container starts; none if its program is in its image."""
    if len(pod["spec"]["containers"]) != 1:
        return []
    container: Object = pod["spec"]["containers"][0]
    command: list[str] = [*(container.get("command") or ()), *(container.get("args") or ())]
    if not command or not Path(command[0]).name.startswith("python"):
        return []
    configured = {volume["name"] for volume in pod["spec"].get("volumes") or () if "configMap" in volume}
    folders = {Path(each["mountPath"]) for each in container.get("volumeMounts") or () if each["name"] in configured}
    return command[1:] if any(Path(part).parent in folders for part in command[1:]) else []


class Container:
    """A running pod, from its construction to `stop`.

    Args:
        server: the API server of its cluster.
        networks: the networks of all clusters.
        network: the ID of the cluster's network.
        address: the pod's address.
        pod: the pod.
        folder: a new folder for its files.

    Raises:
        ApiError: a volume does not exist, or the API server does not answer.

    Attributes:
        restarts: how often the program was started again.
    """

    def __init__(  # noqa: PLR0913 - what a kubelet knows
        self, server: RealApiServer, networks: Networks, *, network: str, address: str, pod: Object, folder: Path
    ) -> None:
        self.restarts = 0
        self._networks = networks
        self._network = network
        self._address = address
        self._name = f"{namespace_of(pod)}/{name_of(pod)}"
        self._spec: Object = pod["spec"]["containers"][0]
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        folder.mkdir(mode=0o700, parents=True)
        try:
            self._write(server, pod)
            self._enter = networks.attach(network, address)
        except BaseException:
            shutil.rmtree(folder)
            raise
        self._entrance = networks.open(network, address, _HTTPS)
        self._entrance.settimeout(None)
        self._entrance.listen()
        threading.Thread(target=self._lead_to, args=(server.access.server,), daemon=True).start()
        self._start()

    def check(self) -> bool:
        """Start the program again if it has ended or is not alive; return whether the pod is ready."""
        if not self._process.running or not self._alive.run():
            self._process.stop()
            self.restarts += 1
            self._start()
        return self._ready.run()

    def stop(self) -> None:
        """Kill the program."""
        self._process.stop()
        self._entrance.shutdown(socket.SHUT_RDWR)
        self._entrance.close()
        self._networks.detach(self._network, self._address)
        shutil.rmtree(self._folder)

    def _start(self) -> None:
        python = [sys.executable, "-m", "rehearsal.real.confined", self._folder / "container"]
        # Entering a namespace removes the kernel's promise to end the process with ours.
        command = [*self._enter, "unshare", "--mount", "setpriv", "--pdeathsig", "KILL", *python]
        self._process = Process(
            self._name, command, log=self._folder.with_suffix(".log"), environment={"PYTHONPATH": str(_ROOT)}
        )
        self._ready = _Probe(self, self._spec.get("readinessProbe"), passing=False)
        self._alive = _Probe(self, self._spec.get("livenessProbe"), passing=True)

    def _write(self, server: RealApiServer, pod: Object) -> None:
        """Write the files of the pod's volumes, and how to mount them."""
        folders: dict[str, str] = {}
        for volume in pod["spec"].get("volumes") or ():
            folder = self._folder / "volumes" / volume["name"]
            folder.mkdir(parents=True)
            folders[volume["name"]] = str(folder)
            for source in [volume, *child(volume, "projected").get("sources", ())]:
                for name, text in _files(source, server, pod).items():
                    (folder / name).write_text(text, encoding="utf-8")
        mounts = {each["mountPath"]: folders[each["name"]] for each in self._spec.get("volumeMounts") or ()}
        environment = {each["name"]: each.get("value", "") for each in self._spec.get("env") or ()}
        content = {"arguments": program_of(pod), "environment": environment, "mounts": mounts}
        (self._folder / "container").write_text(json.dumps(content), encoding="utf-8")

    def _lead_to(self, server: str) -> None:
        """Lead connections inside the pod to the API server, which is outside all simulated networks."""
        parts = urlsplit(server)
        with suppress(OSError):  # the pod has ended
            pass_on(self._entrance, (parts.hostname or "", parts.port or _HTTPS))

    def get(self, path: str, port: int, timeout: float) -> bool:
        """Send an HTTP request to the pod, as the kubelet does; return whether the answer is a success."""
        connection = HTTPConnection(self._address, port)
        try:
            connection.sock = self._networks.open(self._network, self._address)
            connection.sock.settimeout(timeout)
            connection.sock.connect((self._address, port))
            connection.request("GET", path)
            return connection.getresponse().status < _FAILED
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


class _Probe:
    """A probe of a container over HTTP; without a specification, or with another one, it always passes.

    Args:
        container: the container.
        spec: what the pod says about it.
        passing: whether it passes until its first result.
    """

    def __init__(self, container: Container, spec: Object | None, *, passing: bool) -> None:
        self._container = container
        self._spec = spec or {}
        self._passing = passing or "httpGet" not in self._spec
        self._failures = 0
        self._due = time.monotonic() + self._spec.get("initialDelaySeconds", 0)

    def run(self) -> bool:
        """Probe if it is time to; return whether the container passes."""
        request = child(self._spec, "httpGet")
        if not request or time.monotonic() < self._due:
            return self._passing
        timeout = self._spec.get("timeoutSeconds", _TIMEOUT)
        if self._container.get(request.get("path", "/"), int(request["port"]), timeout):
            self._failures, self._passing = 0, True
        else:
            self._failures += 1
            if self._failures >= self._spec.get("failureThreshold", _THRESHOLD):
                self._passing = False
        # A program that is starting is asked again soon.
        self._due = time.monotonic() + (self._spec.get("periodSeconds", _PERIOD) if self._passing else 1)
        return self._passing


def _files(source: Object, server: RealApiServer, pod: Object) -> Mapping[str, str]:
    """Return the files of one source of a volume."""
    if asked := child(source, "configMap"):
        data = child(server.get("v1", "ConfigMap", asked["name"], namespace_of(pod)), "data")
        return {each["path"]: data[each["key"]] for each in asked.get("items") or ()} or data
    if asked := child(source, "serviceAccountToken"):
        return {asked["path"]: server.create_token(namespace_of(pod), pod["spec"]["serviceAccountName"])}
    if asked := child(source, "downwardAPI"):
        known = {"metadata.namespace": namespace_of(pod), "metadata.name": name_of(pod)}
        return {each["path"]: known[each["fieldRef"]["fieldPath"]] for each in asked["items"]}
    return {}
