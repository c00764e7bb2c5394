"""The process with the network namespaces: `unshare --user --map-root-user --net python -m rehearsal.real.dataplane 5`.

The argument is the interval of the load balancers' health probes, in seconds. Its first namespace is the internet. Its
standard input is a Unix socket. Each message there carries another socket (SCM_RIGHTS), on which it reads one command
and writes the answer, both in JSON. It ends when its standard input is closed, also if its parent was killed, and all
namespaces end with it.
"""

import asyncio
import errno
import json
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network
from itertools import count, cycle
from typing import Any
from urllib.parse import urlsplit

from rehearsal.core import certificate
from rehearsal.real.namespace import Namespace
from rehearsal.real.packet_filter import Verdicts, attach

# The time that a stopped pod has for its running requests: the default of terminationGracePeriodSeconds [Kubernetes
# docs: concepts/workloads/pods/pod-lifecycle, "Termination of Pods"].
_GRACE_SECONDS = 30
# More than the kernel's three attempts, a second apart, to resolve an address (arp(7)).
_CONNECT_SECONDS = 5
# Health probes in a row that change a node's state (kubernetes-sigs/cloud-provider-azure,
# azure_loadbalancer_healthprobe.go).
_THRESHOLD = 2
_CHUNK = 65536
_LOOPBACK = "127.0.0.1"
_READY = b"\0"


class _Server:
    """Passes each connection to a handler, and resets it if the handler fails."""

    def __init__(self, handler: Callable[[socket.socket], Awaitable[None]]) -> None:
        self._handler = handler
        self._listening: socket.socket | None = None
        self._verdicts: Verdicts = ()
        self._under_way: set[asyncio.Task[None]] = set()

    def listen(self, listening: socket.socket) -> None:
        attach(listening, self._verdicts)
        listening.listen()
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)
        self._listening = listening

    def filter(self, verdicts: Verdicts) -> None:
        """Drop packets of new connections by these verdicts."""
        self._verdicts = verdicts
        if self._listening:
            attach(self._listening, verdicts)

    @property
    def is_listening(self) -> bool:
        return self._listening is not None

    def refuse(self) -> None:
        """Refuse new connections. Existing ones continue, including those that are not accepted yet."""
        if self._listening:
            self._accept(self._listening)
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    async def close(self, grace: float = 0) -> None:
        """Refuse new connections, and reset the existing ones after `grace` seconds."""
        self.refuse()
        for timeout in (grace, None):
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=timeout)
            for task in self._under_way:
                task.cancel()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(BlockingIOError):
            while True:
                connection, _ = listening.accept()
                connection.settimeout(0)
                task = asyncio.create_task(self._handle(connection))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def _handle(self, connection: socket.socket) -> None:
        with connection:
            try:
                await self._handler(connection)
            except* (OSError, asyncio.CancelledError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))


class _Port(_Server):
    """A port of a pod. With HTTP, it gives the same answer to every request, one request in a connection."""

    def __init__(self, spoken: str, answer: Mapping[str, str]) -> None:
        super().__init__({"http": self._respond, "https": self._respond_securely}.get(spoken, _listen_only))
        self.spoken = spoken
        self._answer = answer

    async def _respond(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        request = b""
        while b"\r\n\r\n" not in request:
            data = await loop.sock_recv(connection, _CHUNK)
            if not data:
                return
            request += data
        await loop.sock_sendall(connection, self._response(connection))

    async def _respond_securely(self, connection: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        loop = asyncio.get_running_loop()
        own = connection.dup()  # the transport closes it
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, own, ssl=certificate.server())
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._response(connection))
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    def _response(self, connection: socket.socket) -> bytes:
        caller, _ = connection.getpeername()
        body = json.dumps({**self._answer, "caller": caller}).encode() + b"\n"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
        return head.encode() + b"\r\n\r\n" + body


async def _listen_only(connection: socket.socket) -> None:
    await _read(connection)


@dataclass
class _Pod:
    """A pod: its answer and its ports."""

    answer: Mapping[str, str]
    ports: dict[int, _Port] = field(default_factory=dict[int, _Port])

    async def close(self, grace: float = 0) -> None:
        """Refuse new connections, and reset the existing ones after `grace` seconds."""
        await asyncio.gather(*(port.close(grace) for port in self.ports.values()))


@dataclass
class _Network:
    """A VNet: its namespace, its address space, and its pods by their addresses.

    Attributes:
        attached: the namespaces of pods that are processes, and the links to them.
    """

    namespace: Namespace
    prefixes: list[IPv4Network]
    pods: dict[str, _Pod] = field(default_factory=dict[str, _Pod])
    attached: dict[str, tuple[Namespace, str]] = field(default_factory=dict[str, tuple[Namespace, str]])


class _Balancer(_Server):
    """One port of a load balancer: both Azure's balancer, which passes connections to a node, and kube-proxy there.

    The pods take turns (kube-proxy's `rr`: pkg/proxy/ipvs/proxier.go, v1.36.3). A connection to a pod that does not
    answer is not retried with another pod [Kubernetes docs: reference/networking/virtual-ips]. Without endpoints,
    connections are refused (REJECT: pkg/proxy/iptables/proxier.go, v1.36.3).

    Attributes:
        shut: whether a security group drops what arrives from the internet; health probes get through
            (AllowAzureLoadBalancerInBound: learn: virtual-network/network-security-groups-overview).
    """

    shut = False

    def __init__(self) -> None:
        super().__init__(self.forward)

    def point_to(
        self, network: _Network, nodes: Sequence[str], backends: Sequence[tuple[str, int]], accepted: Sequence[str]
    ) -> None:
        """Send new connections to these pods, from the addresses of nodes in this network."""
        self.network = network
        self.nodes = nodes
        self.accepted = accepted
        # Each destination has turns of its own, and so has each node for its probes.
        self._turns = {destination: cycle(backends) for destination in ("", *accepted)}
        self._probed = {node: cycle([*backends[number:], *backends[:number]]) for number, node in enumerate(nodes)}

    async def forward(self, client: socket.socket, destination: str = "") -> None:
        """Hand a connection to a pod; the destination is one of the accepted addresses, or else the balancer's own."""
        with await self._connect(self.nodes[0], self._turns[destination]) as pod:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(_copy(client, pod))
                directions.create_task(_copy(pod, client))

    async def probe(self, node: str, seconds: float) -> bool:
        """Do what AKS's health probe does: connect to the node's port, which leads to one of the pods."""
        try:
            async with asyncio.timeout(seconds):
                (await self._connect(node, self._probed[node])).close()
        except OSError:
            return False
        return True

    async def _connect(self, node: str, turns: Iterator[tuple[str, int]]) -> socket.socket:
        backend = next(turns, None)
        if backend is None:
            raise ConnectionRefusedError
        pod = self.network.namespace.open_socket(node)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(pod, backend)
        except BaseException:
            pod.close()
            raise
        return pod


@dataclass
class _Probed:
    """What health probes know of a node."""

    healthy: bool = True
    contrary: int = 0

    def note(self, *, answered: bool) -> None:
        """Change the node's state after two contrary results in a row (`probeThreshold` of AKS's probes)."""
        self.contrary = 0 if answered == self.healthy else self.contrary + 1
        if self.contrary == _THRESHOLD:
            self.healthy, self.contrary = answered, 0


class _Global(_Server):
    """One port of a global load balancer: each connection goes to the first regional one that is available.

    It has no probes of its own: from time to time, it looks which regional load balancers have a healthy node
    (learn: load-balancer/cross-region-overview). Their probes are sent here too, because nothing else needs them.
    """

    def __init__(self, address: str, find: Callable[[str], _Balancer | None], seconds: float) -> None:
        super().__init__(self._forward)
        self._address = address
        self._find = find
        self._seconds = seconds
        self._regional: dict[str, dict[str, _Probed]] = {}
        self._available: set[str] = set()
        self._looking = asyncio.create_task(self._look())

    def lead_to(self, regional: Sequence[str]) -> None:
        """Hand further connections to these regional addresses, the nearest first."""
        self._available |= {*regional} - {*self._regional}
        self._regional = {address: self._regional.get(address, {}) for address in regional}

    async def end(self) -> None:
        """Refuse new connections, and reset the existing ones."""
        self._looking.cancel()
        await self.close()

    async def _look(self) -> None:
        while True:
            probes = (self._probe(address, nodes) for address, nodes in self._regional.items())
            await asyncio.gather(asyncio.sleep(self._seconds), *probes)
            self._available = {
                address
                for address, nodes in self._regional.items()
                if not nodes or any(node.healthy for node in nodes.values())  # a new one was not probed yet
            }

    async def _probe(self, address: str, nodes: dict[str, _Probed]) -> None:
        if balancer := self._find(address):
            probes = [balancer.probe(node, self._seconds) for node in balancer.nodes]
            answers = dict(zip(balancer.nodes, await asyncio.gather(*probes), strict=True))
            for name in nodes.keys() - answers.keys():
                del nodes[name]
        else:  # the whole region is gone
            answers = dict.fromkeys(nodes or [""], False)
        for name, answered in answers.items():
            nodes.setdefault(name, _Probed()).note(answered=answered)

    async def _forward(self, client: socket.socket) -> None:
        nearest = next((address for address in self._regional if address in self._available), None)
        balancer = self._find(nearest) if nearest else None
        if balancer and self._address in balancer.accepted and not balancer.shut:
            await balancer.forward(client, self._address)
        else:  # nobody takes the packets
            await _read(client)


async def _copy(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, _CHUNK):
        await loop.sock_sendall(target, data)
    target.shutdown(socket.SHUT_WR)


async def _read(source: socket.socket) -> bytes:
    """Read until the other side has closed its output."""
    loop = asyncio.get_running_loop()
    text = b""
    while data := await loop.sock_recv(source, _CHUNK):
        text += data
    return text


class DataPlane:
    """The commands. `rehearsal.real.network.Networks` describes them.

    Args:
        probe_seconds: the interval of the load balancers' health probes.
    """

    def __init__(self, probe_seconds: float) -> None:
        self._probe_seconds = probe_seconds
        self._internet = Namespace()
        self._internet.start("lo")
        self._networks: dict[str, _Network] = {}
        self._links: dict[frozenset[str], str] = {}
        self._routes: dict[tuple[str, str], set[IPv4Network]] = {}  # ranges routed from one network to another
        self._balancers: dict[tuple[str, int], _Balancer] = {}
        self._globals: dict[tuple[str, int], _Global] = {}
        self._numbers = count()

    async def add(self, name: str, prefixes: list[str]) -> None:
        """Create the namespace of a VNet."""
        if name in self._networks:
            raise FileExistsError(errno.EEXIST, f"there is a network {name}")
        ranges = [IPv4Network(prefix) for prefix in prefixes]
        self._networks[name] = _Network(Namespace.new(), ranges)

    async def remove(self, name: str) -> None:
        """Remove a VNet and its connections."""
        network = self._network(name)
        del self._networks[name]
        for address in {key[0] for key, balancer in self._balancers.items() if balancer.network is network}:
            await self.unbalance(address)
        while network.pods:
            _, pod = network.pods.popitem()
            await pod.close()
        for address in [*network.attached]:
            self._detach(network, address)
        for pair in [pair for pair in self._links if name in pair]:
            network.namespace.disconnect(self._links.pop(pair))
        network.namespace.close()

    async def connect(self, one: str, other: str) -> None:
        """Connect two VNets by a virtual link, with a route for each range of both."""
        pair = frozenset((one, other))
        if pair in self._links:
            return
        here, there = self._network(one), self._network(other)
        link = f"peering{next(self._numbers)}"
        here.namespace.connect(link, there.namespace)
        self._links[pair] = link
        for end in (here, there):
            end.namespace.forward(link)
        try:
            for near, far in ((one, other), (other, one)):
                self._routes[near, far] = set()
                self._set_routes(near, far, self._network(far).prefixes)
        except OSError:
            here.namespace.disconnect(self._links.pop(pair))
            raise

    async def route(self, network: str, other: str, prefixes: list[str]) -> None:
        """Route only these ranges from one VNet to another."""
        if frozenset((network, other)) in self._links:
            self._set_routes(network, other, [IPv4Network(prefix) for prefix in prefixes])

    def _set_routes(self, network: str, other: str, prefixes: Sequence[IPv4Network]) -> None:
        namespace, link = self._network(network).namespace, self._links[frozenset((network, other))]
        known = self._routes[network, other]
        for prefix in known - {*prefixes}:
            namespace.remove_route(prefix, link)
            known.remove(prefix)
        for prefix in {*prefixes} - known:
            namespace.add_route(prefix, link)
            known.add(prefix)

    async def disconnect(self, one: str, other: str) -> None:
        """Remove the link between two VNets."""
        link = self._links.pop(frozenset((one, other)), None)
        if link:
            self._network(one).namespace.disconnect(link)

    async def serve(
        self,
        network: str,
        address: str,
        ports: list[tuple[int, str]],
        answer: dict[str, str],
        filters: list[tuple[int, list[tuple[str, bool]]]],
    ) -> None:
        """Start a pod, or change the ports of one that runs."""
        place = self._network(network)
        pod = place.pods.get(address)
        if pod is None or pod.answer != answer:
            place.namespace.add_address(address)
            place.pods[address] = pod = _Pod(answer)
        wanted = {number: spoken for number, spoken in ports}  # noqa: C416 - JSON has lists for pairs
        for number in [number for number, port in pod.ports.items() if wanted.get(number) != port.spoken]:
            await pod.ports.pop(number).close(_GRACE_SECONDS)
        for number in wanted.keys() - pod.ports.keys():
            pod.ports[number] = _Port(wanted[number], answer)
        verdicts = {number: each for number, each in filters}  # noqa: C416 - as above
        for number, port in pod.ports.items():
            port.filter(verdicts.get(number, ()))
            if not port.is_listening:
                port.listen(place.namespace.open_socket(address, number))

    async def stop(self, network: str, address: str) -> None:
        """Stop a pod, and wait until it has stopped."""
        place = self._network(network)
        pod = place.pods.get(address)
        if not pod:
            raise OSError(errno.EADDRNOTAVAIL, f"no pod has the address {address} in {network}")
        await pod.close(_GRACE_SECONDS)
        if place.pods.pop(address, None):  # otherwise the pod or its network was removed in the meantime
            place.namespace.remove_address(address)

    async def attach(self, network: str, address: str) -> int:
        """Make a namespace for a pod that is a process; return the descriptor that this process has of it."""
        place = self._network(network)
        if address in place.attached or address in place.pods:
            raise FileExistsError(errno.EEXIST, f"the address {address} is used in {network}")
        own, link = Namespace.new(), f"pod{next(self._numbers)}"
        place.namespace.connect(link, own)
        place.attached[address] = own, link
        own.add_address(address)
        own.add_route(IPv4Network("0.0.0.0/0"), link)
        place.namespace.add_route(IPv4Network(address), link)
        place.namespace.forward(link)
        return own.descriptor

    async def detach(self, network: str, address: str) -> None:
        """Remove the namespace of a pod."""
        self._detach(self._network(network), address)

    def _detach(self, network: _Network, address: str) -> None:
        own, link = network.attached.pop(address)
        network.namespace.disconnect(link)
        own.close()

    async def open(self, network: str, address: str, port: int) -> socket.socket:
        """Return a socket in the namespace of a pod that is a process, bound to a port of its loopback."""
        namespace, _ = self._network(network).attached[address]
        return namespace.open_socket(_LOOPBACK, port)

    async def balance(  # noqa: PLR0913 - as `Networks.balance`
        self,
        address: str,
        port: int,
        network: str,
        sources: list[str],
        *,
        backends: list[tuple[str, int]],
        accepted: list[str],
        shut: bool,
    ) -> None:
        """Listen at a public address; without backends, refuse connections; if shut, drop their packets."""
        place = self._network(network)
        for source in sources:
            with suppress(FileExistsError):  # a node keeps its address
                place.namespace.add_address(source)
        with suppress(FileExistsError):  # another port, or the same one again
            self._internet.add_address(address)
        balancer = self._balancers.setdefault((address, port), _Balancer())
        balancer.point_to(place, sources, [(pod, target) for pod, target in backends], accepted)
        balancer.shut = shut
        balancer.filter([("0.0.0.0/0", False)] if shut else [])
        if not backends and not shut:
            balancer.refuse()
        elif not balancer.is_listening:
            balancer.listen(self._internet.open_socket(address, port))

    async def lead(self, address: str, regional: dict[str, list[int]]) -> None:
        """Listen at a global address, at the ports that lead to regional ones."""
        ports = {port for each in regional.values() for port in each}
        for key in [key for key in self._globals if key[0] == address and key[1] not in ports]:
            await self._globals.pop(key).end()
        if not ports:
            with suppress(OSError):  # nothing was led there
                self._internet.remove_address(address)
            return
        with suppress(FileExistsError):
            self._internet.add_address(address)
        for port in ports:
            if (address, port) not in self._globals:
                self._globals[address, port] = made = _Global(
                    address, partial(self._balancer_at, port), self._probe_seconds
                )
                made.listen(self._internet.open_socket(address, port))
            self._globals[address, port].lead_to([each for each, found in regional.items() if port in found])

    def _balancer_at(self, port: int, address: str) -> _Balancer | None:
        return self._balancers.get((address, port))

    async def unbalance(self, address: str) -> None:
        """Stop listening at a public address."""
        for key in [key for key in self._balancers if key[0] == address]:
            await self._balancers.pop(key).close()
        self._internet.remove_address(address)

    async def request(self, url: str, seconds: float) -> dict[str, str]:
        """Send an HTTP request from this process's own namespace, the internet."""
        parts = urlsplit(url)
        asked = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
        loop = asyncio.get_running_loop()
        with socket.socket() as connection:
            connection.settimeout(0)
            async with asyncio.timeout(seconds):
                await loop.sock_connect(
                    connection, (parts.hostname, parts.port or {"https": 443}.get(parts.scheme, 80))
                )
                if parts.scheme == "https":
                    answered = await _ask_securely(connection.dup(), asked.encode())
                else:
                    await loop.sock_sendall(connection, asked.encode())
                    answered = await _read(connection)
        _, _, body = answered.partition(b"\r\n\r\n")
        if not body:
            raise ConnectionResetError(errno.ECONNRESET, f"{url} closed the connection without an answer")
        return json.loads(body)

    async def reach(self, address: str, port: int, seconds: float) -> None:
        """Open a TCP connection from the internet, and close it."""
        with socket.socket() as connection:
            connection.settimeout(0)
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_connect(connection, (address, port))

    def _network(self, name: str) -> _Network:
        if name not in self._networks:
            raise OSError(errno.ENONET, f"there is no network {name}")
        return self._networks[name]


async def _ask_securely(connection: socket.socket, asked: bytes) -> bytes:
    try:
        reader, writer = await asyncio.open_connection(sock=connection, ssl=certificate.client(), server_hostname="pod")
    except OSError as error:  # the other side does not speak TLS, or has closed
        connection.close()
        raise ConnectionResetError(errno.ECONNRESET, "no TLS") from error
    try:
        writer.write(asked)
        return await reader.read()
    finally:
        writer.transport.abort()


async def _obey(plane: DataPlane, caller: socket.socket) -> None:
    with caller:
        caller.settimeout(0)
        command, arguments = json.loads(await _read(caller))
        answer: dict[str, Any]
        try:
            answer = {"result": await getattr(plane, command)(**arguments)}
        except OSError as error:
            answer = {"error": [error.errno or errno.ETIMEDOUT, error.strerror or "no answer in time"]}
        if isinstance(made := answer.get("result"), socket.socket):
            with made:
                socket.send_fds(caller, [json.dumps({"result": None}).encode()], [made.fileno()])
        else:
            await asyncio.get_running_loop().sock_sendall(caller, json.dumps(answer).encode())


async def _main() -> None:
    loop = asyncio.get_running_loop()
    plane = DataPlane(float(sys.argv[1]))
    ended = asyncio.Event()
    commands: set[asyncio.Task[None]] = set()

    def receive() -> None:
        _, callers, _, _ = socket.recv_fds(standard_input, 1, 1)
        for caller in callers:
            task = asyncio.create_task(_obey(plane, socket.socket(fileno=caller)))
            commands.add(task)
            task.add_done_callback(commands.discard)
        if not callers:
            ended.set()

    with socket.socket(fileno=0) as standard_input:
        loop.add_reader(standard_input, receive)
        standard_input.send(_READY)
        await ended.wait()
        loop.remove_reader(standard_input)


if __name__ == "__main__":
    asyncio.run(_main())
