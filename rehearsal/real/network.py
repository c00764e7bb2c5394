"""The networks of the real Fleet: each VNet is a network namespace of the kernel, with real addresses and routes.

The namespaces belong to one process (`rehearsal.real.dataplane`). No traffic leaves the machine, the machine's own
network is not changed, and the namespaces end with that process. Root is not needed if the kernel allows users to
create namespaces.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
# Of AKS's load balancers (kubernetes-sigs/cloud-provider-azure, azure_loadbalancer_healthprobe.go), and the interval in
# which a global one looks at them (learn: load-balancer/cross-region-overview).
_PROBE_SECONDS = 5
_CHUNK = 65536


class Networks:
    """The VNets, their pods, and an internet that reaches public addresses only.

    Methods are safe to call from several threads. Each raises OSError if the kernel refuses, or if a network or pod
    does not exist. Addresses are IPv4.
    """

    def __init__(self, control: socket.socket, process: int) -> None:
        """Connect to a data plane.

        Args:
            control: the socket whose other end is the data plane's standard input.
            process: its process ID.
        """
        self._control = control
        self._process = process

    def add(self, name: str, prefixes: Sequence[str]) -> None:
        """Add a VNet.

        Args:
            name: any text, such as its ID in Azure.
            prefixes: its address space, in CIDR notation. It may overlap with others as long as they are not connected.

        Raises:
            FileExistsError: if it exists.
        """
        self._call("add", name=name, prefixes=prefixes)

    def remove(self, name: str) -> None:
        """Remove a VNet with its pods, its connections, and the addresses that are balanced through it."""
        self._call("remove", name=name)

    def connect(self, one: str, other: str) -> None:
        """Connect two VNets. Like a peering, the connection is not transitive.

        Raises:
            FileExistsError: if one VNet is already connected to a VNet with the other's address space.
        """
        self._call("connect", one=one, other=other)

    def route(self, network: str, other: str, prefixes: Sequence[str]) -> None:
        """Restrict the ranges that a VNet reaches in a connected one."""
        self._call("route", network=network, other=other, prefixes=prefixes)

    def disconnect(self, one: str, other: str) -> None:
        """Disconnect two VNets, if they are connected."""
        self._call("disconnect", one=one, other=other)

    def serve(
        self,
        network: str,
        address: str,
        ports: Mapping[int, str],
        answer: Mapping[str, str],
        filters: Mapping[int, Sequence[tuple[str, bool]]] | None = None,
    ) -> None:
        """Start a pod, or change the ports of a running one.

        Args:
            network: the pod's VNet.
            address: its address.
            ports: each port's protocol: `http` or `https` answers every GET with `answer` and the `caller`'s address,
                as JSON; `tcp` accepts connections and reads, without an answer.
            answer: the pod's answer, which identifies it.
            filters: for some ports, ranges of callers, each with whether packets from there get in; the first one that
                has an address decides. Other packets are dropped.

        Raises:
            FileExistsError: if the address is in use, even by a pod that is being stopped.
        """
        self._call(
            "serve",
            network=network,
            address=address,
            ports=[*ports.items()],
            answer=dict(answer),
            filters=[*(filters or {}).items()],
        )

    def stop(self, network: str, address: str) -> None:
        """Stop a pod after its running requests, and free its address."""
        self._call("stop", network=network, address=address)

    def attach(self, network: str, address: str) -> list[str]:
        """Connect a pod that is a process to a VNet; return the command to put before the process's own.

        The process has a network of its own, with all ports, and reaches what the VNet reaches.

        Raises:
            FileExistsError: if the address is in use.
        """
        descriptor = self._call("attach", network=network, address=address)
        return self._enter(f"--net=/proc/{self._process}/fd/{descriptor}")

    def detach(self, network: str, address: str) -> None:
        """Disconnect a pod that is a process, and free its address."""
        self._call("detach", network=network, address=address)

    def open(self, network: str, address: str, port: int = 0) -> socket.socket:
        """Return a TCP socket inside a pod that is a process, bound to its loopback.

        Args:
            network: the pod's VNet.
            address: the pod's address.
            port: the port; 0 for a free one.
        """
        return self._call("open", network=network, address=address, port=port)

    def balance(  # noqa: PLR0913 - what a load balancer forwards, and how
        self,
        address: str,
        port: int,
        network: str,
        sources: Sequence[str],
        backends: Sequence[tuple[str, int]],
        *,
        accepted: Sequence[str] = (),
        shut: bool = False,
    ) -> None:
        """Forward a port of a public address to pods; another call replaces the pods for new connections.

        Args:
            address: the public address.
            port: the port.
            network: the VNet of the load balancer's cluster.
            sources: the nodes' addresses there, which the pods see as the callers' (kube-proxy's masquerading).
            backends: addresses and ports of pods. Without any, connections are refused, as by kube-proxy.
            accepted: other addresses whose packets the nodes take for this Service.
            shut: whether packets from the internet are dropped.
        """
        self._call(
            "balance",
            address=address,
            port=port,
            network=network,
            sources=[*sources],
            backends=backends,
            accepted=[*accepted],
            shut=shut,
        )

    def lead(self, address: str, regional: Mapping[str, Sequence[int]]) -> None:
        """Lead a global address to the first healthy one of several public addresses.

        Packets keep the global address as their destination: a public address takes them only if `balance` named it
        among the addresses that its cluster accepts.

        Args:
            address: the global address.
            regional: the public addresses in the order of their distance, each with the ports that are led there. None
                gives the global address up.
        """
        self._call("lead", address=address, regional={each: [*ports] for each, ports in regional.items()})

    def unbalance(self, address: str) -> None:
        """Remove a public address with all its ports."""
        self._call("unbalance", address=address)

    def request(self, url: str, timeout: float) -> dict[str, str]:
        """Send an HTTP request from the internet, in a new connection.

        Args:
            url: the URL, with an address as host.
            timeout: the time limit for the whole answer, in seconds.

        Raises:
            OSError: if nobody answers; TimeoutError, if not in time.
        """
        return self._call("request", url=url, seconds=timeout)

    def reach(self, address: str, port: int, timeout: float) -> None:
        """Open a TCP connection from the internet, and close it.

        Raises:
            OSError: if nobody accepts it; TimeoutError, if not in time.
        """
        self._call("reach", address=address, port=port, seconds=timeout)

    def client(self) -> list[str]:
        """Return the command to put before another one, such as curl, to run it on the internet."""
        # The user's proxy cannot be reached from this internet.
        return [*self._enter("--net"), "env", "no_proxy=*", "NO_PROXY=*"]

    def _enter(self, network: str) -> list[str]:
        return ["nsenter", "--preserve-credentials", "--user", network, "--target", str(self._process)]

    def _call(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 - JSON
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(self._control, [b"\0"], [theirs.fileno()])
            ours.sendall(json.dumps([command, arguments]).encode())
            ours.shutdown(socket.SHUT_WR)
            text, made, _, _ = socket.recv_fds(ours, _CHUNK, 1)
            with ours.makefile("rb") as answered:
                text += answered.read()
        if not text:
            raise BrokenPipeError("the process of the networks has failed")
        answer = json.loads(text)
        if "error" in answer:
            raise OSError(*answer["error"])
        return socket.socket(fileno=made[0]) if made else answer["result"]


@contextmanager
def networks(probe_seconds: float = _PROBE_SECONDS) -> Generator[Networks]:
    """Provide networks, until the end of the block or of this process.

    Args:
        probe_seconds: the interval of the load balancers' health probes.

    Raises:
        OSError: if the kernel does not allow this user to create namespaces. The reason is on standard error.
    """
    ours, theirs = socket.socketpair()
    python = [sys.executable, "-m", "rehearsal.real.dataplane", str(probe_seconds)]
    command = ["unshare", "--user", "--map-root-user", "--net", *python]
    with theirs:
        # Its own session, so that Ctrl-C reaches only us.
        process = subprocess.Popen(command, cwd=_ROOT, stdin=theirs.fileno(), start_new_session=True)  # noqa: S603 - constant
    with process, ours:
        if not ours.recv(1):
            raise OSError(
                "this machine does not allow this user to create network namespaces; the reason is in the line above"
            )
        yield Networks(ours, process.pid)
