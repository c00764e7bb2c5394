"""The networks of the real Fleet: every VNet a network namespace of the kernel, with real addresses and routes.

They live in one process (`rehearsal.real.dataplane`), in namespaces that only it has: nothing leaves the machine, the
machine's own network stays as it is, and all of it ends with that process. It needs no root where the kernel lets
users have namespaces.
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


class Networks:
    """The VNets, what answers in them, and an internet from which only public addresses can be reached.

    Several threads may call it. Every method raises OSError if the kernel refuses, and if a network or a pod that it
    names does not exist. Addresses are IPv4.
    """

    def __init__(self, control: socket.socket, process: int) -> None:
        """Speak to a data plane.

        Args:
            control: what its standard input is the other end of.
            process: its process id.
        """
        self._control = control
        self._process = process

    def add(self, name: str, prefixes: Sequence[str]) -> None:
        """Add a VNet.

        Args:
            name: any text, such as its id in Azure.
            prefixes: its address space, in CIDR notation. It may overlap with others as long as they are not connected.

        Raises:
            FileExistsError: if it exists.
        """
        self._call("add", name=name, prefixes=prefixes)

    def remove(self, name: str) -> None:
        """Remove a VNet with its pods, its connections, and the addresses that are balanced through it."""
        self._call("remove", name=name)

    def connect(self, one: str, other: str) -> None:
        """Let the addresses of two VNets reach each other. It is not transitive, as peerings are not.

        Raises:
            FileExistsError: if one of them is connected already to a VNet with the other's address space.
        """
        self._call("connect", one=one, other=other)

    def route(self, network: str, other: str, prefixes: Sequence[str]) -> None:
        """Let one of two connected VNets reach these ranges of the other, and no longer its whole address space."""
        self._call("route", network=network, other=other, prefixes=prefixes)

    def disconnect(self, one: str, other: str) -> None:
        """Undo `connect`, if it was done."""
        self._call("disconnect", one=one, other=other)

    def serve(self, network: str, address: str, ports: Mapping[int, str], answer: Mapping[str, str]) -> None:
        """Start a pod, or let one that runs listen at other ports.

        Args:
            network: the VNet that it is in.
            address: its address.
            ports: what each port speaks: `http` or `https` answers every GET with `answer` and the `caller`'s address,
                as JSON; `tcp` takes connections, reads, and says nothing.
            answer: what tells the pod from others.

        Raises:
            FileExistsError: if the address is taken, also by a pod that is being stopped.
        """
        self._call("serve", network=network, address=address, ports=[*ports.items()], answer=dict(answer))

    def stop(self, network: str, address: str) -> None:
        """Stop a pod once it has answered the requests under way. Then nobody has its address."""
        self._call("stop", network=network, address=address)

    def balance(  # noqa: PLR0913 - what a load balancer forwards, and how
        self,
        address: str,
        port: int,
        network: str,
        sources: Sequence[str],
        backends: Sequence[tuple[str, int]],
        *,
        accepted: Sequence[str] = (),
    ) -> None:
        """Forward a port of a public address to pods; called again, forward new connections to other ones.

        Args:
            address: the public address.
            port: the port.
            network: the VNet of the cluster that the load balancer belongs to.
            sources: the addresses of the nodes there, which the pods see as their callers (kube-proxy's masquerading).
            backends: addresses and ports of pods. Without any, connections are refused, as kube-proxy does.
            accepted: other addresses whose packets the nodes take for this Service.
        """
        self._call(
            "balance",
            address=address,
            port=port,
            network=network,
            sources=[*sources],
            backends=backends,
            accepted=[*accepted],
        )

    def lead(self, address: str, regional: Mapping[str, Sequence[int]]) -> None:
        """Lead a global address to the first healthy one of several public addresses.

        Packets keep the global address as their destination: a public address takes them only if `balance` named it
        among the addresses that its cluster accepts. Whether one is healthy is looked at every five seconds.

        Args:
            address: the global address.
            regional: the public addresses in the order of their distance, each with the ports that are led there. None
                gives the global address up.
        """
        self._call("lead", address=address, regional={each: [*ports] for each, ports in regional.items()})

    def unbalance(self, address: str) -> None:
        """Give up a public address with all its ports."""
        self._call("unbalance", address=address)

    def request(self, url: str, timeout: float) -> dict[str, str]:
        """Make an HTTP request from the internet, in a connection of its own.

        Args:
            url: with an address for host.
            timeout: how long to wait for the whole answer, in seconds.

        Raises:
            OSError: if nobody answers; TimeoutError, if not in time.
        """
        return self._call("request", url=url, seconds=timeout)

    def reach(self, address: str, port: int, timeout: float) -> None:
        """Open a TCP connection from the internet, and close it.

        Raises:
            OSError: if nobody takes it; TimeoutError, if not in time.
        """
        self._call("reach", address=address, port=port, seconds=timeout)

    def client(self) -> list[str]:
        """Return what to put before a command, for instance curl, that shall run on the internet."""
        enter = ["nsenter", "--preserve-credentials", "--user", "--net", "--target", str(self._process)]
        # The user's proxy is not on this internet.
        return [*enter, "env", "no_proxy=*", "NO_PROXY=*"]

    def _call(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 - JSON
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(self._control, [b"\0"], [theirs.fileno()])
            ours.sendall(json.dumps([command, arguments]).encode())
            ours.shutdown(socket.SHUT_WR)
            with ours.makefile("rb") as answered:
                text = answered.read()
        if not text:
            raise BrokenPipeError("the process that the networks live in has failed")
        answer = json.loads(text)
        if "error" in answer:
            raise OSError(*answer["error"])
        return answer["result"]


@contextmanager
def networks() -> Generator[Networks]:
    """Have networks, until the end of the block or of this process.

    Raises:
        OSError: if the kernel lets this user have no namespaces; it has then said why on standard error.
    """
    ours, theirs = socket.socketpair()
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-m", "rehearsal.real.dataplane"]
    with theirs:
        # A session of its own, because Ctrl-C is for us.
        process = subprocess.Popen(command, cwd=_ROOT, stdin=theirs.fileno(), start_new_session=True)  # noqa: S603 - constant
    with process, ours:
        if not ours.recv(1):
            raise OSError("this machine lets this user have no network namespaces; the line above says why")
        yield Networks(ours, process.pid)
