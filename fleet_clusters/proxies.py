"""Proxies that the environment names, on the way to the app and to API servers."""

from base64 import b64encode
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from .errors import CheckFailedError

REMEDY: Final = "set {} to an HTTP proxy, such as http://proxy.example.com:3128, or add the address to NO_PROXY"
"""What to do about a proxy that cannot be used; `{}` stands for the variable that names it."""


def http_proxy(scheme: str, address: str) -> str:
    """Return the URL of the proxy on the way to an address of the app; "" if there is none.

    Args:
        scheme: `http` or `https`; `all` for TCP connections, for which only `ALL_PROXY` counts.
        address: the address.

    Raises:
        CheckFailedError: the proxy is not an HTTP proxy, the only kind that Python's own client can use.
    """
    known = {} if proxy_bypass(address) else getproxies()
    name = scheme if known.get(scheme) else "all"
    if not (url := known.get(name, "")):
        return ""
    kind, separator, _ = url.partition("://")
    if not separator:
        return f"http://{url}"
    if kind.lower() != "http":
        variable = f"{name.upper()}_PROXY"
        raise CheckFailedError(
            f"{variable} names a proxy of the kind {kind}, not an HTTP proxy", REMEDY.format(variable)
        )
    return url


def log_in(proxy: str | None) -> dict[str, str]:
    """Return the header for the credentials in an HTTP proxy's URL, if it has some."""
    parts = urlsplit(proxy or "")
    if not parts.username or not parts.scheme.startswith("http"):
        return {}
    credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(credentials.encode()).decode()}"}
