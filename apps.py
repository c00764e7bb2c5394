"""The apps' manifests: read, and compared with each other, before anything is registered."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from components import app_manifests
from components.app_manifests.kinds import KINDS
from components.app_manifests.manifest import named, part
from settings import App, ClusterRegion, Settings

# The second part of a logical name, after the app's: `shop-service-web`, `shop-entry-point`.
_PARTS: Final = {
    *(kind.lower() for kinds in KINDS.values() for kind in kinds),
    *("endpoints", "entry", "resourceenvelope", "serviceexport"),
}
# The limits are those of learn: azure-resource-manager/management/azure-subscription-service-limits.
# Each port of a Service with a load balancer is a rule for every node, and so is outbound traffic through one
# (kubernetes-sigs/cloud-provider-azure: site/content/en/topics/multislb.md). A cluster's load balancer could have 1,500
# rules and 600 frontends: the nodes' limit comes first.
MAX_RULES: Final = 300
MAX_GLOBAL_RULES: Final = 1500  # of a global load balancer, which has no nodes
MAX_OPEN_PORTS: Final = 999  # of a network security group's 1,000 rules, one refuses RDP
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
    mistakes += [*_ports(stack, found), *_rules(stack, found), *_answers(stack, found)]
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
        members=[region.cluster for region in stack.live_regions_of(app)],
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
    for name, manifests in found.items():
        app = stack.all_apps[name]
        for port in app_manifests.internet_ports(manifests["app"], app.shared, internal=app.internal):
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
                    f"apps.{other}: its resources could have the same names as resources of apps.{name}, because its "
                    f"name begins with {name}-{part}; choose another name"
                )


def _ports(stack: Settings, found: Mapping[str, app_manifests.AppManifests]) -> Iterator[str]:
    """Find a port that two Services would have at one global address, and an address with too many ports."""
    for address in stack.addresses:
        first: dict[tuple[int, str], str] = {}
        for _, name, service in stack.pools_of(address):
            for port in _ports_of(found[name], service) if name in found else ():
                owner = first.setdefault((port["port"], port["protocol"]), f"{service} of {name}")
                if owner != f"{service} of {name}":
                    yield (
                        f"{stack.path_of(name)}.globalAddress: the port {port['port']}/{port['protocol']} of Service "
                        f"{service} is already used by Service {owner} at the address {address}; choose another port "
                        "or another address"
                    )
        if len(first) > MAX_GLOBAL_RULES:
            yield (
                f"{_section(stack)}: the global address {address} would have {len(first)} ports, and its load balancer "
                f"has at most {MAX_GLOBAL_RULES} rules; give some apps another address"
            )


def _rules(stack: Settings, found: Mapping[str, app_manifests.AppManifests]) -> Iterator[str]:
    """Find a cluster with more rules of load balancers, or a security group with more rules, than Azure allows."""
    entries, services = Counter[str](), Counter[str]()
    for name, manifests in found.items():
        app = stack.all_apps[name]
        balanced = [
            each["metadata"]["name"]
            for each in manifests["app"]
            if each["kind"] == "Service" and part(each, "spec").get("type") == "LoadBalancer"
        ]
        for entry in stack.entries(app):
            entries[entry.region] += len(_ports_of(manifests, entry.service))
        for region in stack.regions_of(app):
            services[region.name] += sum(len(_ports_of(manifests, service)) for service in balanced)
    for region in (each for each in stack.regions if not each.lost):
        out = int(stack.clusters.outbound == "loadBalancer" and not isinstance(region, ClusterRegion))
        if (rules := entries[region.name] + services[region.name] + out) > MAX_RULES:
            yield (
                f"{_section(stack)}: in region {region.name}, each node would have {rules} rules of load balancers: "
                f"{entries[region.name]} for ports of entry points, {services[region.name]} for those of Services of "
                f"type LoadBalancer, {out} for outbound traffic; Azure allows at most {MAX_RULES}; choose other "
                "entry regions for some apps, or fewer ports"
            )
    if stack.clusters.security_group and (ports := len(internet_ports(stack, found))) > MAX_OPEN_PORTS:
        yield (
            f"{_section(stack)}: the internet would reach {ports} ports, and a security group (clusters.securityGroup) "
            f"has room for {MAX_OPEN_PORTS}; use the same ports for several apps, at different addresses"
        )


def _answers(stack: Settings, found: Mapping[str, app_manifests.AppManifests]) -> Iterator[str]:
    """Find public load balancers whose answers would leave by a route table (learn: aks/egress-outboundtype)."""
    for name, manifests in found.items() if stack.clusters.outbound == "routeTable" else ():
        created = [region for region in stack.regions_of(stack.all_apps[name]) if not isinstance(region, ClusterRegion)]
        ports = app_manifests.internet_ports(manifests["app"], (), internal=True)
        if created and ports:
            numbers = ", ".join(str(port["port"]) for port in ports)
            yield (
                f"{stack.path_of(name)}: answers of its Services with a public load balancer (ports {numbers}) would "
                "leave by the route table (clusters.outbound), another way than the requests come; give these Services "
                'the annotation service.beta.kubernetes.io/azure-load-balancer-internal: "true"'
            )


def _ports_of(manifests: app_manifests.AppManifests, service: str) -> list[app_manifests.ServicePort]:
    found = named(manifests["app"], "Service", service)
    return app_manifests.ports(found) if found else []


def _section(stack: Settings) -> str:
    return "apps" if stack.apps else "app"
