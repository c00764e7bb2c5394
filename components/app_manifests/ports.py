"""Ports and URL of the shared Service."""

from collections.abc import Collection, Sequence
from typing import Final, Literal, NotRequired, TypedDict

from .manifest import Manifest, part, parts

# Port numbers that determine the protocol (IANA: http, http-alt, https).
_NUMBERS: Final[dict[int, Literal["http", "https"]]] = {80: "http", 8080: "http", 443: "https"}
# The annotation of a private load balancer (learn: aks/internal-lb).
_INTERNAL: Final = "service.beta.kubernetes.io/azure-load-balancer-internal"
# `<protocol>` or `<protocol>-<suffix>`, in a port's name or as its appProtocol (istio.io: protocol-selection).
_OTHER_PROTOCOLS: Final = ("http2", "h2c", "grpc", "tcp", "tls", "udp", "mongo", "mysql", "redis", "mqtt", "amqp")


class ServicePort(TypedDict):
    """A port of the shared Service."""

    name: NotRequired[str]
    """Its name, if it has one."""
    port: int
    """Its number, at the entry point's address."""
    protocol: str
    """TCP, UDP or SCTP."""


def ports(service: Manifest) -> list[ServicePort]:
    """Return the ports of a Service, which the entry point has too."""
    found: list[ServicePort] = []
    for each in parts(part(service, "spec"), "ports"):
        # A number from a program in another language arrives as a float.
        port: ServicePort = {"port": int(each["port"]), "protocol": each.get("protocol") or "TCP"}
        found.append({"name": each["name"], **port} if each.get("name") else port)
    return found


def internet_ports(app: Sequence[Manifest], services: Collection[str], *, internal: bool) -> list[ServicePort]:
    """Return the ports at which the internet reaches an app: of its entry points, and of Services with a load balancer.

    Args:
        app: the app's objects.
        services: the names of the Services that the entry points balance over.
        internal: whether the entry points' addresses are in their VNets.
    """
    found: list[ServicePort] = []
    for each in app:
        if each["kind"] != "Service":
            continue
        private = part(part(each, "metadata"), "annotations").get(_INTERNAL) == "true"
        balanced = part(each, "spec").get("type") == "LoadBalancer" and not private
        if balanced or (each["metadata"]["name"] in services and not internal):
            found += [port for port in ports(each) if _socket(port) not in map(_socket, found)]
    return found


def _socket(port: ServicePort) -> tuple[int, str]:
    return port["port"], port["protocol"]


def web_address(service: Manifest) -> tuple[Literal["http", "https"], str] | None:
    """Return scheme and port of a Service's URL; None if its first TCP port does not speak HTTP.

    The port's `appProtocol` decides, then its name (`http`, `https`, `http-<suffix>` or `https-<suffix>`), then its
    number, unless the name is that of another protocol.
    """
    tcp = (each for each in parts(part(service, "spec"), "ports") if (each.get("protocol") or "TCP") == "TCP")
    if (first := next(tcp, None)) is None:
        return None
    number = int(first["port"])
    said = str(first.get("appProtocol") or first.get("name") or "").lower()
    word = said.partition("-")[0]
    if word in ("http", "https") and (word == said or not first.get("appProtocol")):
        scheme = word
    elif first.get("appProtocol") or word in _OTHER_PROTOCOLS or number not in _NUMBERS:
        return None
    else:
        scheme = _NUMBERS[number]
    return scheme, "" if number == {"http": 80, "https": 443}[scheme] else f":{number}"
