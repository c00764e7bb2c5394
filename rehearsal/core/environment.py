"""What commands that the rehearsal starts find in their environment.

An engine's environment is made from nothing. What the user has set for the real engine (a backend, a token, options,
log-ins to a cloud, proxies) is not taken away from it but never gets into it: a name that nobody has thought of here
cannot lead to a real stack or a real subscription.
"""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

# What a command needs to run at all, to find its files, and to speak the user's language. HOME is here because shims
# of version managers need it; what log-ins leave in it is of no use without a provider, and only ours can be started.
_KEPT: Final = frozenset(
    (
        *("HOME", "LOGNAME", "PATH", "PYTHONPATH", "TMPDIR", "USER", "VIRTUAL_ENV"),
        *("COLORTERM", "COLUMNS", "LANG", "LANGUAGE", "LINES", "NO_COLOR", "TERM", "TZ"),
    )
)

LOOPBACK: Final = ("127.0.0.1", "localhost")
"""What no proxy is asked for."""


def neutral() -> dict[str, str]:
    """Return the part of our environment that says nothing about clouds, backends or networks."""
    return {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}


@contextmanager
def having(variables: Mapping[str, str]) -> Generator[None]:
    """Let this process and its children have variables, until the end of the block."""
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

    gRPC in Python sends even what is for 127.0.0.1 through `https_proxy` or `http_proxy` (grpc, src/core/handshaker/
    http_connect/http_proxy_mapper.cc, which reads `no_grpc_proxy` and, where that is not set, `no_proxy`), and so the
    program's calls to the engine.
    """
    _exempt("no_proxy", "NO_PROXY")  # as one: whoever finds the first does not read the second
    if "no_grpc_proxy" in os.environ:
        _exempt("no_grpc_proxy")


def _exempt(*names: str) -> None:
    hosts = [host.strip() for name in names for host in os.environ.get(name, "").split(",") if host.strip()]
    for name in names:
        os.environ[name] = ",".join(dict.fromkeys([*hosts, *LOOPBACK]))
