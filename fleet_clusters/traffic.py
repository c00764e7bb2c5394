"""Requests of a client to an address of the app, through the proxies that the environment names."""

import socket
import ssl
from base64 import b64encode
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, getproxies, proxy_bypass, urlopen

_SECONDS: Final = 5  # for a connection, and for an answer


def connect(address: str, port: int) -> None:
    """Open a TCP connection, through `ALL_PROXY` if it is set, and close it.

    Raises:
        OSError: there is no answer.
    """
    proxy = urlsplit("" if proxy_bypass(address) else getproxies().get("all", ""))
    if proxy.scheme != "http":
        socket.create_connection((address, port), _SECONDS).close()
        return
    way = HTTPConnection(proxy.hostname or "", proxy.port, timeout=_SECONDS)
    user = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    way.set_tunnel(
        address, port, {"Proxy-Authorization": f"Basic {b64encode(user.encode()).decode()}"} if proxy.username else {}
    )
    try:
        way.connect()
    finally:
        way.close()


def failure(address: str, web: tuple[str, str] | None, ports: Iterable[int], requests: int) -> str:
    """Make requests until one fails; return how, "" if none does.

    Args:
        address: the app's address.
        web: scheme and port of its URL, as in `("http", ":8080")`; None if it does not speak HTTP.
        ports: its TCP ports, for connections if it does not.
        requests: how many, each in a connection of its own, because a load balancer chooses a pod for each.
    """
    for _ in range(requests):
        if web:
            url = f"{web[0]}://{address}{web[1]}"
            if problem := _request(url):
                return f"{url}: {problem}"
            continue
        for port in ports:
            try:
                connect(address, port)
            except (OSError, HTTPException) as error:
                return f"{address} port {port}: {error}"
    return ""


def _request(url: str) -> str:
    # A certificate is issued for a name, and the URL has an address.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        urlopen(Request(url, headers={"Connection": "close"}), timeout=_SECONDS, context=context).close()  # noqa: S310 - http or https
    except HTTPError as error:
        return f"{error.code} {error.reason}"
    except (OSError, HTTPException) as error:
        return f"no answer ({error})"
    return ""
