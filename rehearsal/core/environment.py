"""The environment of commands that the rehearsal starts.

An engine's environment starts empty and gets only the variables listed here. The user's variables for the real engine
(backend, token, options, cloud log-ins, proxies) are never copied, so a variable that we did not think of cannot lead
to a real stack or subscription.
"""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

# Variables that a command needs to run, to find its files, and for the user's locale. HOME is included for shims of
# version managers. Log-ins stored in it cannot be used: only the stand-in's providers can be started.
_KEPT: Final = frozenset(
    (
        *("HOME", "LOGNAME", "PATH", "PYTHONPATH", "TMPDIR", "USER", "VIRTUAL_ENV"),
        *("COLORTERM", "COLUMNS", "LANG", "LANGUAGE", "LINES", "NO_COLOR", "TERM", "TZ"),
    )
)

LOOPBACK: Final = ("127.0.0.1", "localhost")
"""Addresses that are never reached through a proxy."""


def neutral() -> dict[str, str]:
    """Return the part of our environment without clouds, backends and networks."""
    return {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}


@contextmanager
def having(variables: Mapping[str, str]) -> Generator[None]:
    """Set environment variables for this process and its children, until the end of the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def reach_loopback() -> None:
    """Let this process and its children reach loopback past any proxy.

    gRPC in Python sends even requests to 127.0.0.1, such as the program's to the engine, through `https_proxy` or
    `http_proxy` (grpc, src/core/handshaker/http_connect/http_proxy_mapper.cc, which reads `no_grpc_proxy` or else
    `no_proxy`).
    """
    _exempt("no_proxy", "NO_PROXY")  # both with the same value: a client that finds one does not read the other
    if "no_grpc_proxy" in os.environ:
        _exempt("no_grpc_proxy")


def _exempt(*names: str) -> None:
    hosts = [host.strip() for name in names for host in os.environ.get(name, "").split(",") if host.strip()]
    for name in names:
        os.environ[name] = ",".join(dict.fromkeys([*hosts, *LOOPBACK]))
