"""A filter of the kernel for a listening socket: packets that it refuses are dropped, as by a firewall.

The programs are classic BPF (the kernel's Documentation/networking/filter.rst; linux/filter.h, linux/bpf_common.h).
Connections have the filter of the moment at which they were opened.
"""

import ctypes
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Network
from typing import Final

Verdicts = Iterable[tuple[str, bool]]
"""Ranges of callers, each with whether packets from there get in. The first one that has an address decides."""

_ATTACH, _DETACH = 26, 27
_LOAD, _AND, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
# The source address: 12 bytes after the beginning of the network header (SKF_NET_OFF).
_SOURCE: Final = (-0x100000 + 12) & 0xFFFFFFFF
_WHOLE, _NOTHING = 0xFFFFFFFF, 0


def attach(listening: socket.socket, verdicts: Verdicts) -> None:
    """Let packets in by these verdicts, which replace those of before; without any, let all in."""
    program: list[tuple[int, int, int, int]] = []
    for text, admitted in verdicts:
        prefix = IPv4Network(text)
        program += [
            (_LOAD, 0, 0, _SOURCE),
            (_AND, 0, 0, int(prefix.netmask)),
            (_JUMP_IF_EQUAL, 0, 1, int(prefix.network_address)),
            (_RETURN, 0, 0, _WHOLE if admitted else _NOTHING),
        ]
    if program:
        program.append((_RETURN, 0, 0, _NOTHING))
        code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
        listening.setsockopt(socket.SOL_SOCKET, _ATTACH, struct.pack("@HP", len(program), ctypes.addressof(code)))
    else:
        with suppress(FileNotFoundError):  # it has none
            listening.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
