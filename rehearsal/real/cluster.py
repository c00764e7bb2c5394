"""A real cluster: etcd, an API server, the controller manager and Fleet's agents, as processes on this machine."""

import os
import secrets
import socket
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Final, cast
from urllib.parse import urlsplit

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from rehearsal.azure.arm import Access
from rehearsal.cluster.kinds import HUB
from rehearsal.cluster.workloads import namespace
from rehearsal.core.errors import ApiError, ProcessError
from rehearsal.real import enclosed
from rehearsal.real.apiserver import RealApiServer
from rehearsal.real.guard import Guard
from rehearsal.real.processes import Process
from rehearsal.real.tools import Tools

# The kernel takes the ports of outgoing connections from 32768 on (net.ipv4.ip_local_port_range).
_PORTS: Final = (20000, 32000)
_LOOPBACK: Final = "127.0.0.1"

# The controllers for pods, services and namespaces; the others need a cloud or a kubelet.
_CONTROLLERS: Final = (
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "daemonset-controller",
    "job-controller",
    "namespace-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "root-ca-certificate-publisher-controller",
    "validatingadmissionpolicy-status-controller",
    "clusterrole-aggregation-controller",
)
# Without load and metrics, it keeps the replicas within its limits. Whether Azure runs it on a hub is not known.
_ON_MEMBERS: Final = ("horizontal-pod-autoscaler-controller",)
_INSTALLERS: Final = 8  # requests at a time

# Azure/fleet v0.18.12, charts/hub-agent/values.yaml and templates/deployment.yaml, whose comments name differences of
# the managed service: none of these options. Snapshots are taken at once, because a rehearsal makes one change after
# the other.
_HUB_AGENT: Final = (
    "--enable-webhook=true",
    "--webhook-service-name=fleetwebhook",
    "--webhook-client-connection-type=service",
    "--enable-guard-rail=true",
    "--whitelisted-users=system:serviceaccount:fleet-system:hub-agent-sa",
    "--enable-workload=false",
    "--enable-admission-policy-manager=true",
    "--networking-agents-enabled=true",
    "--cluster-unhealthy-threshold=3m0s",
    "--force-delete-wait-time=15m0s",
    "--resource-snapshot-creation-minimum-interval=0s",
    "--resource-changes-collection-duration=0s",
)
_WEBHOOK_PORT: Final = 9443  # the same, cmd/hubagent/main.go: fixed, on all addresses
_QUIET: Final = ("--metrics-bind-address=0", "--health-probe-bind-address=0", "--leader-elect=false")
_MEMBER_QUIET: Final = ("--hub-metrics-bind-address=0", "--hub-health-probe-bind-address=0", "--leader-elect=false")


class RealCluster:
    """One cluster with its processes.

    Args:
        tools: the commands.
        folder: stores the cluster's data between runs.
        cluster_id: its Azure resource ID; for a hub, the fleet's.
        role: whether it is a fleet's hub or a member.
        services: the service network's CIDR.
        guard: decides which requests of the deploying identity are allowed.
    """

    def __init__(  # noqa: PLR0913 - the parts of a cluster
        self, tools: Tools, folder: Path, cluster_id: str, *, role: str, services: str, guard: Guard
    ) -> None:
        self.id = cluster_id
        self.role = role
        self._tools = tools
        self._folder = folder
        self._services = services
        self._guard = guard
        self._control_plane: list[Process] = []
        self._agents: list[Process] = []
        self._server: RealApiServer | None = None
        self._guard_rail_before = ""

    @property
    def server(self) -> RealApiServer:
        """Its API server, after `start`."""
        return cast("RealApiServer", self._server)

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig for users: the deployer's on a hub, which has no local accounts; else the administrator's."""
        return self._folder / "kubeconfig"

    @property
    def _administrator(self) -> Path:
        return self._folder / "pki" / "administrator"

    def start(self) -> None:
        """Start the cluster, with the data of an earlier run if there is any.

        Raises:
            ProcessError: a process did not start.
        """
        first = not self._folder.exists()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ports = self._ports()
        self._start_store(ports)
        self._start_server(ports)
        if first:
            self._install()
        if self.role == HUB:
            self._start_hub_agents()

    def join(self, hub: "RealCluster", member: str, token: str) -> None:
        """Start Fleet's agents for a member.

        Args:
            hub: the fleet's hub.
            member: the member's name.
            token: the agents' token for the hub.
        """
        file = self._folder / "hub-token"
        _write(file, token)
        environment = {
            "KUBECONFIG": str(self._administrator),
            "CONFIG_PATH": str(file),
            "HUB_SERVER_URL": hub.server.access.server,
            "HUB_CERTIFICATE_AUTHORITY": hub.server.access.certificate_authority,
            "MEMBER_CLUSTER_NAME": member,
        }
        quiet = (*_MEMBER_QUIET, "--metrics-bind-address=0", "--health-probe-bind-address=0")
        networking = (*_MEMBER_QUIET, "--enable-traffic-manager-feature=false", "--member-metrics-bind-address=0")
        self._agents = [
            self._run("memberagent", [self._tools.memberagent, *quiet], environment),
            self._run(
                "member-net-controller-manager",
                [self._tools.member_net, *networking, "--member-health-probe-bind-address=0"],
                environment,
            ),
            self._run("mcs-controller-manager", [self._tools.mcs, *quiet], environment),
        ]

    def wait_for_webhook(self) -> None:
        """Wait until a hub's webhook runs: four seconds after its start, mostly for two RSA keys.

        Raises:
            ProcessError: the webhook does not start in time.
        """
        # Each start writes a new webhook configuration, as its last step. With an earlier start's configuration, every
        # request fails.
        self._agents[0].wait_until(lambda: self.server.guard_rail() not in ("", self._guard_rail_before))
        self.server.give_guard_rail_time()

    def leave(self) -> None:
        """Stop Fleet's agents."""
        for agent in self._agents:
            agent.stop()
        self._agents = []

    def stop(self) -> None:
        """Stop all processes at once. All data that a later start needs is in the folder."""
        for process in [*self._agents, *reversed(self._control_plane)]:
            process.stop()
        self._agents, self._control_plane = [], []

    # The processes.

    def _ports(self) -> list[int]:
        """Return the ports of the API server and of etcd's two listeners, which stay the same between runs."""
        file = self._folder / "ports"
        if not file.exists():
            _write(file, " ".join(map(str, _free_ports(3))))
        return [int(port) for port in file.read_text(encoding="utf-8").split()]

    def _start_store(self, ports: list[int]) -> None:
        _, client, peer = (f"http://{_LOOPBACK}:{port}" for port in ports)
        command = [
            self._tools.etcd,
            f"--data-dir={self._folder}/etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",  # the data survives the end of the process, but not of the machine
            "--log-level=warn",
        ]
        etcd = self._run("etcd", command)
        self._control_plane = [etcd]
        etcd.wait_until(lambda: _listens(ports[1]))

    def _start_server(self, ports: list[int]) -> None:
        port, store, _ = ports
        keys = self._folder / "pki"
        keys.mkdir(mode=0o700, exist_ok=True)
        admin, manager = self._tokens()
        # The guard does not authenticate its callers.
        _write(keys / "guard", _kubeconfig("guard", {"server": self._guard.url(self.id)}, {}))
        command = [
            self._tools.kube_apiserver,
            f"--etcd-servers=http://{_LOOPBACK}:{store}",
            f"--secure-port={port}",
            f"--bind-address={_LOOPBACK}",
            f"--advertise-address={_LOOPBACK}",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={keys}",
            f"--token-auth-file={keys}/tokens.csv",
            "--authorization-mode=RBAC,Webhook",
            f"--authorization-webhook-config-file={keys}/guard",
            "--authorization-webhook-version=v1",
            "--authorization-webhook-cache-authorized-ttl=0",  # roles change within a run
            "--authorization-webhook-cache-unauthorized-ttl=0",
            f"--service-account-key-file={keys}/service-accounts.pub",
            f"--service-account-signing-key-file={keys}/service-accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={self._services}",
        ]
        # The user's proxy does not lead to the hub's webhook.
        apiserver = self._run("kube-apiserver", command, {"NO_PROXY": "*", "no_proxy": "*"})
        self._control_plane.append(apiserver)
        certificate = keys / "apiserver.crt"
        apiserver.wait_until(lambda: certificate.exists() and _listens(port))
        authority = b64encode(certificate.read_bytes()).decode()  # contains its own authority's certificate
        access = Access(f"https://{_LOOPBACK}:{port}", authority, admin)
        self._server = server = RealApiServer(self.id, self.role, access, self._guard.token)
        apiserver.wait_until(lambda: server.reachable)
        name = self.id.rsplit("/", 1)[-1]
        cluster = {"server": access.server, "certificate-authority-data": authority}
        _write(self._administrator, _kubeconfig(name, cluster, {"token": admin}))
        people = self._guard.token if self.role == HUB else admin
        _write(self.kubeconfig, _kubeconfig(name, cluster, {"token": people}))
        _write(keys / "controller-manager", _kubeconfig(name, cluster, {"token": manager}))
        command = [
            self._tools.kube_controller_manager,
            f"--kubeconfig={keys}/controller-manager",
            "--secure-port=0",
            "--leader-elect=false",
            f"--service-account-private-key-file={keys}/service-accounts.key",
            f"--root-ca-file={certificate}",
            "--use-service-account-credentials=true",
            f"--controllers={','.join([*_CONTROLLERS, *(_ON_MEMBERS if self.role != HUB else ())])}",
        ]
        self._control_plane.append(self._run("kube-controller-manager", command))

    def _tokens(self) -> list[str]:
        """Return the tokens of the administrator and the controller manager; the first call creates tokens and keys."""
        keys = self._folder / "pki"
        file = keys / "tokens.csv"
        guard = self._guard
        if not file.exists() or guard.token not in file.read_text(encoding="utf-8"):
            users = (("administrator", ",system:masters"), ("system:kube-controller-manager", ""))
            lines = [f"{secrets.token_hex(32)},{user},{user}{groups}\n" for user, groups in users]
            _write(file, "".join([*lines, f"{guard.token},{guard.user},{guard.user}\n"]))
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            private = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
            public = key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            _write(keys / "service-accounts.key", private.decode())
            _write(keys / "service-accounts.pub", public.decode())
        return [line.split(",")[0] for line in file.read_text(encoding="utf-8").splitlines()[:2]]

    def _install(self) -> None:
        """Install Fleet's kinds, and the namespace of Fleet's own objects."""
        files = self._tools.hub_crds if self.role == HUB else self._tools.member_crds
        with ThreadPoolExecutor(_INSTALLERS) as pool:
            list(pool.map(self._define, files))
        self._control_plane[1].wait_until(self._served)
        self.server.create(namespace("fleet-system"))
        if self.role == HUB:
            self.server.create(
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": "fleetwebhook", "namespace": "fleet-system"},
                    "spec": {"type": "ExternalName", "externalName": self._webhook_address()},
                }
            )

    def _define(self, file: Path) -> None:
        group, plural = file.stem.split("_")  # controller-gen's file names
        self.server.install(f"{plural}.{group}", file.read_text(encoding="utf-8"))

    def _served(self) -> bool:
        try:
            return self.server.installed()
        except ApiError:
            return False

    def _start_hub_agents(self) -> None:
        environment = {"KUBECONFIG": str(self._administrator), "POD_NAMESPACE": "fleet-system"}
        self._guard_rail_before = self.server.guard_rail()
        port = urlsplit(self.server.access.server).port
        self._agents = [
            self._run(
                "hubagent",
                [
                    *enclosed.command(int(port or 0), self._webhook_address(), _WEBHOOK_PORT),
                    self._tools.hubagent,
                    *_HUB_AGENT,
                    *_QUIET,
                ],
                environment,
            ),
            self._run(
                "hub-net-controller-manager",
                [self._tools.hub_net, "--enable-traffic-manager-feature=false", *_QUIET],
                environment,
            ),
        ]

    def _webhook_address(self) -> str:
        """Return the webhook's loopback address, which stays the same between runs."""
        file = self._folder / "webhook"
        if not file.exists():
            _write(file, _free_address(_WEBHOOK_PORT))
        return file.read_text(encoding="utf-8")

    def _run(self, name: str, command: list[str | Path], environment: dict[str, str] | None = None) -> Process:
        what = f"{name} of {self.id.rsplit('/', 1)[-1]}"
        return Process(what, command, log=self._folder / f"{name}.log", environment=environment)


def _kubeconfig(name: str, cluster: dict[str, str], user: dict[str, str]) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    )


def _write(file: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    for port in Random().sample(range(*_PORTS), _PORTS[1] - _PORTS[0]):  # noqa: S311 - not a secret
        if not _listens(port):
            found.append(port)
        if len(found) == count:
            return found
    raise ProcessError("no port is free on this machine")


def _free_address(port: int) -> str:
    """Return a loopback address, of which Linux has 2^24, whose port is free."""
    while True:
        address = ".".join(["127", *(str(Random().randint(1, 254)) for _ in range(3))])  # noqa: S311 - not a secret
        if not _listens(port, address):
            return address


def _listens(port: int, address: str = _LOOPBACK) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0
