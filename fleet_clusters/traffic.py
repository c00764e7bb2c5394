"""Requests of a client to an address of the app, through the proxies that the environment names."""

import socket
import ssl
from collections.abc import Iterable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, build_opener

from .errors import plain
from .proxies import http_proxy, log_in

_SECONDS: Final = 5  # for a connection, and for an answer


def failure(address: str, web: tuple[str, str] | None, ports: Iterable[int], requests: int) -> str:
    """Make requests until one fails; return how, "" if none does.

    Args:
        address: the app's address.
        web: scheme and port of its URL, as in `("http", ":8080")`; None if it does not speak HTTP.
        ports: its TCP ports, for connections if it does not.
        requests: how many, each in a connection of its own, because a load balancer chooses a pod for each.

    Raises:
        CheckFailedError: the environment names a proxy that is not an HTTP proxy.
    """
    for _ in range(requests):
        if web:
            url = f"{web[0]}://{address}{web[1]}"
            if problem := request(url):
                return f"{url}: {problem}"
            continue
        for port in ports:
            if problem := connect(address, port):
                return f"{address} port {port}: {problem}"
    return ""


def request(url: str) -> str:
    """Make a request in a connection of its own; return how it fails, "" if it is answered without an error.

    The first answer counts: a redirect may lead to a host that is not the app. Any certificate is accepted, because it
    is issued for a name, and the URL has an address.

    Raises:
        CheckFailedError: the environment names a proxy that is not an HTTP proxy.
    """
    parts = urlsplit(url)
    proxy = http_proxy(parts.scheme, parts.hostname or "")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    proxies = ProxyHandler({parts.scheme: proxy} if proxy else {})
    try:
        build_opener(proxies, HTTPSHandler(context=context), _FirstAnswer).open(url, timeout=_SECONDS).close()
    except HTTPError as answer:
        answer.close()
        return f"{answer.code} {answer.reason}" if answer.code >= HTTPStatus.BAD_REQUEST else ""
    except (OSError, HTTPException) as error:
        return _reason(error)
    return ""


def connect(address: str, port: int) -> str:
    """Open a TCP connection, through `ALL_PROXY` if it is set, and close it; return how it fails, "" if it opens.

    Raises:
        CheckFailedError: the environment names a proxy that is not an HTTP proxy.
    """
    proxy = http_proxy("all", address)
    try:
        if not proxy:
            socket.create_connection((address, port), _SECONDS).close()
            return ""
        way = HTTPConnection(urlsplit(proxy).netloc.rpartition("@")[2], timeout=_SECONDS)
        way.set_tunnel(address, port, log_in(proxy))
        try:
            way.connect()
        finally:
            way.close()
    except (OSError, HTTPException) as error:
        return _reason(error)
    return ""


class _FirstAnswer(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - not used
        """Follow nothing."""


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    return "no answer in time" if isinstance(cause, TimeoutError) else plain(cause)
