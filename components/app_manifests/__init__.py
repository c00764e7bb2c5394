"""An app's manifests: read from YAML, checked, and prepared for the hub."""

from .hub import hub_objects, importing
from .manifest import AppManifests, Manifest, ManifestsError, overlay
from .overrides import selected
from .pods import offers_endpoints
from .ports import ServicePort, internet_ports, ports, web_address
from .reader import load

__all__ = [
    "AppManifests",
    "Manifest",
    "ManifestsError",
    "ServicePort",
    "hub_objects",
    "importing",
    "internet_ports",
    "load",
    "offers_endpoints",
    "overlay",
    "ports",
    "selected",
    "web_address",
]
