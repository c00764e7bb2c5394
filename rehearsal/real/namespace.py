"""Network namespaces of the Linux kernel: sockets, addresses, routes, and virtual cables between two namespaces.

The requests are encoded here (rtnetlink(7); formats: linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h,
linux/ip.h). The library
pyroute2 would save about 50 lines, but not setns(2) and the sockets. docs/decisions.md has the reasons against it.
"""

import ctypes
import os
import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import IPv4Network

_CLONE_NEWNET = 0x40000000
_CLONE_NEWNS = 0x00020000
_IP_BIND_ADDRESS_NO_PORT = 24

_NEW_LINK, _DELETE_LINK, _NEW_ADDRESS, _DELETE_ADDRESS, _NEW_ROUTE, _DELETE_ROUTE = 16, 17, 20, 21, 24, 25
_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400
_UP = 0x1
# Attributes: of an interface, of its kind, of a veth; of its IPv4 settings; of an address; of a route.
_NAME, _LINK_INFO, _OF_FAMILIES, _NAMESPACE = 3, 18, 26, 28
_KIND, _DATA = 1, 2
_VETH_PEER = 1
_SETTINGS, _FORWARDING, _PROXY_ARP = 1, 1, 3
_ON = struct.pack("=I", 1)
_ADDRESS, _LOCAL = 1, 2
_DESTINATION, _INTERFACE = 1, 4

_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace, for as long as this process lives or until `close`."""

    def __init__(self) -> None:
        """Open the namespace of this thread."""
        self.descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @classmethod
    def new(cls) -> "Namespace":
        """Create a namespace that reaches only its own addresses."""
        here = cls()
        try:
            _check(_libc.unshare(_CLONE_NEWNET))
            there = cls()
            there.start("lo")
        finally:
            _check(_libc.setns(here.descriptor, _CLONE_NEWNET))
            here.close()
        return there

    def close(self) -> None:
        """Close it; the namespace ends with its last socket."""
        os.close(self.descriptor)

    def start(self, interface: str) -> None:
        """Bring an interface up, such as `lo`, which is down in a new namespace."""
        with self._entered():
            _ask(_NEW_LINK, 0, _interface(interface, _UP))

    def add_address(self, address: str) -> None:
        """Add an address, with the prefix length /32.

        Raises:
            OSError: EEXIST, if it has the address.
        """
        with self._entered():
            _ask(_NEW_ADDRESS, _CREATE | _EXCLUSIVE, _host(address))

    def remove_address(self, address: str) -> None:
        """Remove an address."""
        with self._entered():
            _ask(_DELETE_ADDRESS, 0, _host(address))

    def lay_cable(self, name: str, other: "Namespace") -> None:
        """Connect it to another namespace by a pair of interfaces, of this name at both ends (veth(4))."""
        peer = _interface(name) + _attribute(_NAMESPACE, struct.pack("=i", other.descriptor))
        pair = _attribute(_KIND, b"veth") + _attribute(_DATA, _attribute(_VETH_PEER, peer))
        with self._entered():
            _ask(_NEW_LINK, _CREATE | _EXCLUSIVE, _interface(name) + _attribute(_LINK_INFO, pair))
        for end in (self, other):  # an interface comes up only when both exist
            end.start(name)

    def forward(self, cable: str) -> None:
        """Forward packets that arrive through a cable, and take those for addresses that are reached through others."""
        settings = _attribute(_FORWARDING, _ON) + _attribute(_PROXY_ARP, _ON)
        family = _attribute(socket.AF_INET, _attribute(_SETTINGS, settings))
        with self._entered():
            _ask(_NEW_LINK, 0, _interface(cable, _UP) + _attribute(_OF_FAMILIES, family))

    def remove_cable(self, name: str) -> None:
        """Remove a pair of interfaces, and with it the routes of both sides that go through it."""
        with self._entered():
            _ask(_DELETE_LINK, 0, _interface(name))

    def add_route(self, prefix: IPv4Network, cable: str) -> None:
        """Route a range of addresses through a cable to its other end.

        Raises:
            OSError: EEXIST, if the range has a route.
        """
        self._change_route(_NEW_ROUTE, _CREATE | _EXCLUSIVE, prefix, cable)

    def remove_route(self, prefix: IPv4Network, cable: str) -> None:
        """Remove the route of a range of addresses."""
        self._change_route(_DELETE_ROUTE, 0, prefix, cable)

    def _change_route(self, change: int, flags: int, prefix: IPv4Network, cable: str) -> None:
        main_table, static, link_scope, unicast = 254, 4, 253, 1
        kind = (socket.AF_INET, prefix.prefixlen, 0, 0, main_table, static, link_scope, unicast, 0)
        with self._entered():
            interface = struct.pack("=i", socket.if_nametoindex(cable))
            ends = _attribute(_DESTINATION, prefix.network_address.packed) + _attribute(_INTERFACE, interface)
            _ask(change, flags, struct.pack("=8BI", *kind) + ends)

    def open_socket(self, address: str, port: int = 0) -> socket.socket:
        """Return a non-blocking TCP socket in the namespace, bound to one of its addresses.

        Args:
            address: one of its addresses.
            port: the port; 0 for a free one, chosen at the connection.

        Raises:
            OSError: EADDRNOTAVAIL, if the namespace lacks the address; EADDRINUSE, if the port is in use.
        """
        with self._entered():
            made = socket.socket()
        try:
            made.settimeout(0)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Without this option, a source could have only as many connections as ports, including recently closed ones
            # (ip(7)).
            made.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            made.bind((address, port))
        except OSError:
            made.close()
            raise
        return made

    @contextmanager
    def _entered(self) -> Generator[None]:
        """Enter the namespace: a socket belongs to its creating thread's namespace (network_namespaces(7))."""
        here = Namespace()
        try:
            _check(_libc.setns(self.descriptor, _CLONE_NEWNET))
            try:
                yield
            finally:
                _check(_libc.setns(here.descriptor, _CLONE_NEWNET))
        finally:
            here.close()


def become_alone() -> None:
    """Move this thread and its children permanently to a new network namespace and a new mount namespace."""
    _check(_libc.unshare(_CLONE_NEWNET | _CLONE_NEWNS))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _interface(name: str, flags: int = 0) -> bytes:
    header = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, flags, flags)
    return header + _attribute(_NAME, name.encode())


def _host(address: str) -> bytes:
    loopback = 1  # the first interface of every namespace
    packed = socket.inet_aton(address)
    header = struct.pack("=4BI", socket.AF_INET, 32, 0, 0, loopback)
    return header + _attribute(_LOCAL, packed) + _attribute(_ADDRESS, packed)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _ask(kind: int, flags: int, body: bytes) -> None:
    """Request a change of this thread's namespace from the kernel, and wait until it is done."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | _ACKNOWLEDGE | flags, 0, 0) + body)
        (error,) = struct.unpack_from("=i", kernel.recv(4096), 16)
    if error:
        raise OSError(-error, os.strerror(-error))
