"""The apps' manifests: read, and compared with each other, before anything is registered."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from components import app_manifests
from components.app_manifests.kinds import KINDS
from settings import App, ClusterRegion, Settings

# The second part of a logical name, after the app's: `shop-service-web`, `shop-entry-point`.
_PARTS: Final = {
    *(kind.lower() for kinds in KINDS.values() for kind in kinds),
    *("endpoints", "entry", "resourceenvelope", "serviceexport"),
}
# Each port of a Service with a load balancer is a rule for every node. (kubernetes-sigs/cloud-provider-azure:
# site/content/en/topics/multislb.md; learn: azure-resource-manager/management/azure-subscription-service-limits)
MAX_RULES: Final = 300
SECRETS: Final = {"app": {"rabbitmq": {"username": 12, "password": 32}}}
"""Secrets to generate, by the app's name: the demo's queue has one."""


def load(stack: Settings, folder: Path) -> dict[str, app_manifests.AppManifests]:
    """Read the manifests of all apps.

    Args:
        stack: the settings.
        folder: the folder of the program.

    Raises:
        ManifestsError: the manifests of some apps have mistakes; the message lists all of them.
    """
    found, mistakes = dict[str, app_manifests.AppManifests](), [*_names(stack)]
    for name, app in stack.all_apps.items():
        try:
            found[name] = _read(stack, app, folder, SECRETS.get(name, {}))
        except app_manifests.ManifestsError as error:
            mistakes += error.mistakes
    mistakes += [*_ports(stack, found), *_rules(stack, found)]
    if mistakes:
        heading = "The manifests have mistakes; nothing was deployed:"
        raise app_manifests.ManifestsError(heading, [*dict.fromkeys(mistakes)])
    return found


def _read(
    stack: Settings, app: App, folder: Path, secrets: Mapping[str, Mapping[str, int]]
) -> app_manifests.AppManifests:
    entries = {service: [each.name for each in stack.entries(app) if each.service == service] for service in app.shared}
    first, *others = app.shared
    return app_manifests.load(
        folder / "manifests",
        namespace=app.namespace,
        service=first,
        members=[region.cluster for region in stack.regions_of(app) if not region.lost],
        entries=entries[first],
        others={service: entries[service] for service in others},
        app_folder=folder / app.folder,
        secrets=secrets,
        replicas=app.replicas if isinstance(app.replicas, int) else None,
        member_replicas=member_replicas(stack, app),
        linux_only=not all(isinstance(region, ClusterRegion) for region in stack.regions_of(app)),
        internal=app.internal,
        global_address=app.address is not None,
    )


def internet_ports(stack: Settings, found: Mapping[str, app_manifests.AppManifests]) -> list[app_manifests.ServicePort]:
    """Return the ports at which the internet reaches any app."""
    ports: dict[tuple[int, str], app_manifests.ServicePort] = {}
    for name, app in stack.all_apps.items():
        for port in app_manifests.internet_ports(found[name]["app"], app.shared, internal=app.internal):
            ports.setdefault((port["port"], port["protocol"]), port)
    return [*ports.values()]


def member_replicas(stack: Settings, app: App) -> dict[str, int]:
    """Return an app's replicas on single members, by their names."""
    numbers: Mapping[str, int] = app.replicas if isinstance(app.replicas, Mapping) else {}
    return {region.cluster: numbers[region.name] for region in stack.regions if region.name in numbers}


def overrides(
    stack: Settings, found: Mapping[str, app_manifests.AppManifests]
) -> dict[str, dict[str, list[app_manifests.Manifest]]]:
    """Return the selectors of the objects of each override, by the names of app and override."""
    return {
        name: app_manifests.selected(manifests["app"], app.shared, member_replicas(stack, app))
        for name, manifests in found.items()
        for app in [stack.all_apps[name]]
    }


def _names(stack: Settings) -> Iterator[str]:
    """Find apps whose resources could have the same logical names."""
    for name in stack.apps:
        for other in stack.apps:
            rest = other.removeprefix(f"{name}-") if other.startswith(f"{name}-") else ""
            if (part := rest.partition("-")[0]) in _PARTS:
                yield (
                    f"apps.{other}: its resources would have names of those of apps.{name}, because its name is that "
                    f"one and -{part}; choose another"
                )


def _ports(stack: Settings, found: Mapping[str, app_manifests.AppManifests]) -> Iterator[str]:
    """Find a port that two Services would have at one global address."""
    first: dict[tuple[str, int, str], str] = {}
    for name, manifests in found.items():
        app = stack.all_apps[name]
        for service in app.shared if app.address else ():
            for port in app_manifests.internet_ports(manifests["app"], [service], internal=False):
                owner = first.setdefault((str(app.address), port["port"], port["protocol"]), f"{service} of {name}")
                if owner != f"{service} of {name}":
                    yield (
                        f"{stack.path_of(name)}.globalAddress: the port {port['port']}/{port['protocol']} of Service "
                        f"{service} is already used by Service {owner} at the address {app.address}; choose another "
                        "port or another address"
                    )


def _rules(stack: Settings, found: Mapping[str, app_manifests.AppManifests]) -> Iterator[str]:
    """Find a cluster with more ports of load balancers than Azure has rules for a node."""
    for region in stack.regions:
        entries = {
            name: [entry.service for entry in stack.entries(stack.all_apps[name]) if entry.region == region.name]
            for name in found
        }
        ports = sum(
            len(app_manifests.ports(each))
            for name, services in entries.items()
            for each in found[name]["app"]
            if each["kind"] == "Service"
            for _ in range(services.count(each["metadata"]["name"]))
        )
        if ports > MAX_RULES:
            yield (
                f"apps: the entry points in region {region.name} have {ports} ports, and a node has at most "
                f"{MAX_RULES} rules of load balancers; give some apps other entry regions"
            )
