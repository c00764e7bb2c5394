"""The app: placed on every cluster by the hub, and reached through entry points on some of them."""

import base64
from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random
from pulumi_azure_native import containerservice

from fleet_clusters import traffic

from . import placed_namespace
from .app_manifests import (
    AppManifests,
    Manifest,
    ManifestsError,
    ServicePort,
    hub_objects,
    importing,
    offers_endpoints,
    overlay,
    ports,
    web_address,
)
from .entry_point import EntryPoint, EntryPointArgs
from .kubernetes_object import KubernetesObject, not_awaited
from .retries import OBJECT_RETRY
from .sdk import provider
from .staged_rollout import Probe, RolloutArgs, StagedRollout, staged, stages


class MultiClusterAppArgs(TypedDict):
    """The app, its clusters, and its entry points."""

    manifests: AppManifests
    """The app's manifests, and those of Fleet's objects for it."""
    hub: pulumi.Input[k8s.Provider]
    """Provider for objects on the hub."""
    members: NotRequired[Sequence[containerservice.FleetMember]]
    """The members. They have joined, and reach each other's pods, before the app is placed."""
    member_names: NotRequired[Sequence[str]]
    """The members' names, in place of `members`, for an app in a namespace that another stack has created and placed
    (`TeamNamespace`). The manifests then have no placement."""
    entries: Mapping[str, EntryPointArgs]
    """One cluster or more with an entry point, by the name of the Service that the entry point imports. A Service has
    one entry point in the whole fleet. Besides the app's shared Service, any names are allowed: for each of them, the
    app gets another Service with the same selector and ports."""
    kubeconfigs: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Log-ins to the members, by their names: to ask Fleet once more for endpoints that do not come, and to check the
    stages of a rollout, which requires them. Members without a log-in are left out."""
    global_address: NotRequired[pulumi.Input[str] | None]
    """A global address that leads to all entry points (`GlobalAddress.ip_address`). Cannot be set with `internal`."""
    replicas: NotRequired[int | None]
    """Replicas, in each cluster, of the only Deployment or StatefulSet that the shared Service selects; None for the
    manifest's number. Cannot be set for a workload with a HorizontalPodAutoscaler."""
    member_replicas: NotRequired[Mapping[str, int] | None]
    """The same for single members, by their names."""
    internal: NotRequired[bool]
    """Whether the entry points' addresses are in their VNets instead of public. False by default."""
    rollout: NotRequired[RolloutArgs | None]
    """The stages in which a change reaches the members; None for Fleet's rolling update. It cannot be removed from a
    running app. Cannot be set if another stack places the namespace."""


class SharedService(TypedDict):
    """What clients of a shared Service use."""

    external_ip: pulumi.Output[str]
    """The address."""
    url: pulumi.Output[str | None]
    """The address as a URL, if the Service's first TCP port speaks HTTP."""
    ports: pulumi.Output[Sequence[ServicePort]]
    """The Service's ports."""


class MultiClusterApp(pulumi.ComponentResource):
    """An app on every cluster of a fleet, behind one layer-4 address.

    The component is complete when the app is available on every member (it waits up to 30 minutes), each entry point
    has its address (20 minutes), and each entry point has endpoints of every member (7 minutes). It waits for endpoints
    only if the entry point has a `kubeconfig`, the entry point or a member is new, and the shared Service has pods.

    Raises:
        ManifestsError: the manifests have mistakes, such as no Service that can be shared under that name, or a rollout
            is set without log-ins to the members, or although another stack places the namespace.
    """

    external_ip: pulumi.Output[str]
    """The address that balances over the pods of all clusters, with every port of the shared Service. It is the global
    address if there is one, otherwise that of the first entry point."""
    entry_addresses: dict[str, pulumi.Output[str]]
    """The address of each entry point, by the name of its Service."""
    frontend_ids: dict[str, pulumi.Output[str]]
    """With a global address, the Azure IDs of the load balancer frontends that it leads to, by the name of the entry
    Service."""
    url: pulumi.Output[str | None]
    """The address as a URL, if the Service's first TCP port speaks HTTP. Its `appProtocol` decides, then its name
    (`http`, `https`, `http-…`, `https-…`), then its number (80, 8080, 443), unless the name is that of another
    protocol. Otherwise None, so that a stack has no such output."""
    ports: pulumi.Output[Sequence[ServicePort]]
    """The shared Service's ports."""
    services: dict[str, SharedService]
    """The same for each shared Service, if the app has several."""

    def __init__(self, name: str, args: MultiClusterAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        manifests, internal = args["manifests"], args.get("internal", False)
        if args.get("rollout"):
            _check_rollout(args)
        shared = {entry: each.get("service", manifests["service"]) for entry, each in args["entries"].items()}
        services, objects = hub_objects(
            manifests,
            shared,
            replicas=args.get("replicas"),
            member_replicas=args.get("member_replicas") or {},
            internal=internal,
            global_address=args.get("global_address") is not None,
        )
        super().__init__("fleet-l4-lb:index:MultiClusterApp", name, {}, opts)
        members = args.get("members", ())
        kubeconfigs = args.get("kubeconfigs", {})
        names = [*args.get("member_names", ()), *(member.name for member in members)]
        on_hub = pulumi.ResourceOptions(parent=self, provider=provider(args["hub"]), hooks=OBJECT_RETRY.hooks())

        rollout, first = args.get("rollout"), list[pulumi.Resource]()
        if manifests["placement"]:  # otherwise, another stack has made the namespace
            first.append(placed_namespace.namespace(name, manifests["namespace"], members, on_hub))
        if rollout:
            first.append(stages(f"{name}-rollout", rollout, manifests["placement"]["metadata"]["name"], on_hub))
        in_namespace = pulumi.ResourceOptions.merge(on_hub, pulumi.ResourceOptions(depends_on=first))
        content = [*_generated_secrets(name, manifests, self), *objects]
        placed = [
            KubernetesObject(
                f"{name}-{manifest['kind'].lower()}-{manifest['metadata']['name']}",
                # The hub runs no pods, so nothing on it ever becomes ready (Azure/fleet v0.18.12:
                # admissionpolicymanager).
                not_awaited(overlay(manifest, {"metadata": {"namespace": manifests["namespace"]}})),
                in_namespace,
            )
            for manifest in content
        ]

        # An entry point needs the app in the regions, and releases the Service before the Service's export goes.
        before: list[pulumi.Input[pulumi.Resource]] = [*placed]
        if manifests["placement"]:
            manifest, condition = manifests["placement"], "ClusterResourcePlacementAvailable"
            if rollout:  # it is available after the rollout only
                manifest = staged(manifest, content, manifests["namespace"])
                condition = "ClusterResourcePlacementScheduled"
            once_placed = pulumi.ResourceOptions(
                depends_on=placed, custom_timeouts=pulumi.CustomTimeouts(create="30m", update="30m")
            )
            placement = placed_namespace.placement(
                name, manifest, len(names), pulumi.ResourceOptions.merge(on_hub, once_placed), condition
            )
            before.append(placement)
            if rollout:
                probe = None if internal else _probe({entry: services[shared[entry]] for entry in shared})
                version = [manifests["placement"], *content]
                staging = StagedRollout(f"{name}-rollout", rollout, placement, version, kubeconfigs, probe, on_hub)
                before.append(staging.done)
        self.entry_addresses, self.frontend_ids = {}, {}
        for entry_service, entry in args["entries"].items():
            suffix = "" if entry_service == manifests["service"] else f"-{entry_service}"
            entry_point = EntryPoint(
                lambda what, suffix=suffix: f"{name}-{what}{suffix}",
                entry,
                importing(manifests, entry_service),
                names,
                kubeconfigs=kubeconfigs,
                internal=internal,
                global_address=args.get("global_address"),
                offered=offers_endpoints(objects, services[shared[entry_service]]),
                opts=pulumi.ResourceOptions(parent=self, depends_on=before),
            )
            self.entry_addresses[entry_service] = entry_point.address
            if entry_point.frontend_id is not None:
                self.frontend_ids[entry_service] = entry_point.frontend_id

        self.services = {}
        for service, manifest in services.items():
            address = args.get("global_address") or next(
                self.entry_addresses[each] for each in shared if shared[each] == service
            )
            external_ip, web = pulumi.Output.from_input(address), web_address(manifest)
            self.services[service] = SharedService(
                external_ip=external_ip,
                url=pulumi.Output.concat(web[0], "://", external_ip, web[1]) if web else pulumi.Output.from_input(None),
                ports=pulumi.Output.from_input(ports(manifest)),
            )
        main = self.services[manifests["service"]]
        self.external_ip, self.url, self.ports = main["external_ip"], main["url"], main["ports"]
        self.register_outputs({"externalIp": self.external_ip, "url": self.url, "ports": self.ports})


def _check_rollout(args: MultiClusterAppArgs) -> None:
    """Find what a rollout cannot do without.

    Raises:
        ManifestsError: another stack places the app, or there are no log-ins to the members.
    """
    manifests = args["manifests"]
    if not manifests["placement"]:
        raise ManifestsError(
            "rollout cannot be set: it changes the placement, and the platform's stack places the namespace "
            f"{manifests['namespace']}; remove rollout; nothing was deployed."
        )
    if "kubeconfigs" not in args:
        raise ManifestsError(
            "rollout cannot be set without kubeconfigs: it checks the app on the members of a stage before the next "
            "one begins; nothing was deployed."
        )


def _probe(services: Mapping[str, Manifest]) -> Probe:
    """Return a probe of entry points, from the shared Services by the names of the entry Services."""

    def probe(entry: str, address: str, requests: int) -> str:
        if (service := services.get(entry)) is None:  # an entry point that this run removes
            return ""
        tcp = [port["port"] for port in ports(service) if port["protocol"] == "TCP"]
        return traffic.failure(address, web_address(service), tcp, requests)

    return probe


def _generated_secrets(name: str, manifests: AppManifests, parent: pulumi.Resource) -> list[Manifest]:
    """Return Secrets whose values are generated."""

    def generated(secret: str, key: str, length: int) -> pulumi.Output[str]:
        password = random.RandomPassword(
            f"{name}-{secret}-{key}", length=length, special=False, opts=pulumi.ResourceOptions(parent=parent)
        )
        return password.result.apply(lambda text: base64.b64encode(text.encode()).decode())

    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret},
            "data": {key: generated(secret, key, length) for key, length in keys.items()},
        }
        for secret, keys in manifests.get("secrets", {}).items()
    ]
