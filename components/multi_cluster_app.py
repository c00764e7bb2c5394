"""The app: placed on every cluster by the hub, reached through one address on one of them."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random
from pulumi_azure_native import containerservice

from . import app_rules
from .app_rules import Manifest, ServicePort
from .entry_endpoints import EntryPointEndpoints
from .manifests import AppManifests, KubernetesObject, ManifestsError, overlay
from .retries import ROLE_NOT_IN_EFFECT, retry

_LONGEST_PLACEMENT: Final = "30m"
_LONGEST_ADDRESS: Final = "20m"


class MultiClusterAppArgs(TypedDict):
    """What is placed, where, and where it is entered."""

    manifests: AppManifests
    """The app, and Fleet's objects for it."""
    hub: pulumi.Input[k8s.Provider]
    """Provider for the hub."""
    members: Sequence[containerservice.FleetMember]
    """What must have joined, able to reach each other's pods, before the placement looks for clusters."""
    entry: pulumi.Input[k8s.Provider]
    """Provider for the cluster with the entry point."""
    entry_kubeconfig: NotRequired[pulumi.Input[str] | None]
    """Log-in to that cluster, with which the program waits for the entry point's endpoints; None does not wait."""
    replicas: NotRequired[int | None]
    """Pods, in each cluster, of the one Deployment or StatefulSet that the shared Service selects; None leaves the
    manifest's number. A workload with a HorizontalPodAutoscaler has as many as that wants."""
    internal: NotRequired[bool]
    """Whether the entry point's address is one of the VNet instead of a public one. False by default."""


class MultiClusterApp(pulumi.ComponentResource):
    """An app on every cluster of a fleet, behind one layer-4 address.

    It is there when the app is available on every member, for which it waits 30 minutes, the address is assigned, for
    which it waits 20, and the entry point has endpoints of every member, for which it waits 7, if it can log in there
    (`entry_kubeconfig`). Endpoints are waited for when the entry point is new, and when a member is. An app without
    pods by its manifests has none.

    Raises:
        ManifestsError: the manifests have no Service that can be shared under that name, or not the one workload
            whose number of pods is to be set.
    """

    external_ip: pulumi.Output[str]
    """The address that balances over the pods of all clusters, at every port of the shared Service."""
    url: pulumi.Output[str | None]
    """The same as a URL, if the Service's first TCP port speaks HTTP: by its `appProtocol`, else by its name (`http`,
    `https`, `http-…`, `https-…`), else, if the name is of no other protocol, by its number (80, 8080, 443). Else
    None, so that a stack has no such output."""
    ports: pulumi.Output[Sequence[ServicePort]]
    """The shared Service's ports."""

    def __init__(self, name: str, args: MultiClusterAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:MultiClusterApp", name, {}, opts)
        service, objects = _checked(args)
        role_retry = retry("role-retry", *ROLE_NOT_IN_EFFECT)
        on_hub = pulumi.ResourceOptions(parent=self, provider=_provider(args["hub"]), hooks=role_retry)
        namespace = KubernetesObject(
            f"{name}-namespace",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": args["manifests"]["namespace"]}},
            # On the way down, the members leave after the hub's objects are gone: a member that still exports a Service
            # is refused (Azure/fleet v0.18.12, pkg/webhook/membercluster).
            pulumi.ResourceOptions.merge(on_hub, pulumi.ResourceOptions(depends_on=args["members"])),
        )
        in_namespace = pulumi.ResourceOptions.merge(on_hub, pulumi.ResourceOptions(depends_on=[namespace]))

        app = [
            self._place(name, manifest, args, in_namespace)
            for manifest in [*_generated_secrets(name, args, self), *objects]
        ]
        export = self._place(name, args["manifests"]["export"], args, in_namespace)

        placement = KubernetesObject(
            f"{name}-placement",
            _placement(args),
            # A placement that comes before its objects or before a member is Available without them
            # (Azure/fleet v0.18.12: a missing namespace selects nothing, and nothing is available at once).
            pulumi.ResourceOptions.merge(
                on_hub,
                pulumi.ResourceOptions(
                    depends_on=[*app, export],
                    custom_timeouts=pulumi.CustomTimeouts(create=_LONGEST_PLACEMENT, update=_LONGEST_PLACEMENT),
                ),
            ),
        )

        entry_point = KubernetesObject(
            f"{name}-entry-point",
            _entry_point(args),
            pulumi.ResourceOptions(
                parent=self,
                provider=_provider(args["entry"]),
                depends_on=[placement],
                # One importer in the whole fleet: the old entry point must let go before a new one can hold.
                delete_before_replace=True,
                # Fleet never takes the annotation off the load balancer again
                # (Azure/fleet-networking v0.3.25, pkg/controllers/multiclusterservice, ensureDerivedService).
                replacement_trigger="internal" if args.get("internal") else "public",
                custom_timeouts=pulumi.CustomTimeouts(create=_LONGEST_ADDRESS, update=_LONGEST_ADDRESS),
                hooks=role_retry,
            ),
        )
        if (kubeconfig := args.get("entry_kubeconfig")) is not None:
            EntryPointEndpoints(
                f"{name}-endpoints",
                entry_point,
                [member.name for member in args["members"]],
                kubeconfig,
                offered=app_rules.offers_endpoints(objects, service),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[placement, entry_point]),
            )
        self.external_ip = entry_point.status.apply(_address)
        self.url = _url(service, self.external_ip)
        self.ports = pulumi.Output.from_input(app_rules.ports(service))
        self.register_outputs({"externalIp": self.external_ip, "url": self.url, "ports": self.ports})

    @staticmethod
    def _place(
        name: str, manifest: Manifest, args: MultiClusterAppArgs, opts: pulumi.ResourceOptions
    ) -> KubernetesObject:
        """Put an object of the app on the hub, from where the placement takes it."""
        return KubernetesObject(
            f"{name}-{manifest['kind'].lower()}-{manifest['metadata']['name']}",
            # The hub runs no pods, so nothing ever becomes ready on it (Azure/fleet v0.18.12: admissionpolicymanager).
            overlay(
                manifest,
                {
                    "metadata": {
                        "namespace": args["manifests"]["namespace"],
                        "annotations": {"pulumi.com/skipAwait": "true"},
                    }
                },
            ),
            opts,
        )


def _provider(given: pulumi.Input[k8s.Provider]) -> pulumi.ProviderResource:
    return given if isinstance(given, pulumi.ProviderResource) else _Promised(pulumi.Output.from_input(given))


class _Promised(pulumi.ProviderResource):
    """A provider that is an Output, as a component's is in another language's program.

    The SDK looks at a provider's package before it waits for anything, and takes the package's default provider in
    place of an Output, which has none (pulumi 3.272.0, resource.py, `_get_providers`).
    """

    def __init__(self, provider: pulumi.Output[k8s.Provider]) -> None:
        super().__init__("kubernetes", "promised", dependency=True)
        self.__dict__ |= {
            "urn": provider.apply(lambda known: known.urn),
            "id": provider.apply(lambda known: known.id),
        }


def _checked(args: MultiClusterAppArgs) -> tuple[Manifest, list[Manifest]]:
    """Return the shared Service, and the app's objects as they are placed.

    `manifests.load` has said what is wrong with file and line, where it was asked.
    """
    app, name = args["manifests"]["app"], args["manifests"]["service"]
    service = app_rules.named(app, "Service", name)
    if not service:
        raise ManifestsError(f"The app has no Service {name!r} to export; nothing was deployed.")
    if found := [
        f"  {each['kind']} {each['metadata']['name']}: {text}"
        for each, _, text in app_rules.problems(app, name, internal=args.get("internal", False))
    ]:
        raise ManifestsError("\n".join(["The app has mistakes; nothing was deployed:", *found]))
    scaled: dict[int, Manifest] = {}
    if (replicas := args.get("replicas")) is not None:
        if isinstance(workload := app_rules.replicated(app, name), str):
            raise ManifestsError(f"replicas cannot be set: {workload}; nothing was deployed.")
        scaled[id(workload)] = overlay(workload, {"spec": {"replicas": replicas}})
    autoscaled = app_rules.autoscaled(app)
    for workload in autoscaled.values():
        # Not on the hub either, whose own autoscaler may change it: the provider would find somebody else's value.
        spec = {key: value for key, value in workload["spec"].items() if key != "replicas"}
        scaled[id(workload)] = workload | {"spec": spec}
    placement = args["manifests"]["placement"]["metadata"]["name"]
    overrides = [app_rules.override(autoscaler, workload, placement) for autoscaler, workload in autoscaled.items()]
    objects = app_rules.enveloped([scaled.get(id(each), each) for each in app], args["manifests"]["namespace"])
    return service, [*objects, *overrides]


def _url(service: Manifest, address: pulumi.Output[str]) -> pulumi.Output[str | None]:
    if (found := app_rules.web_address(service)) is None:
        return pulumi.Output.from_input(None)
    scheme, port = found
    return pulumi.Output.concat(scheme, "://", address, port)


def _generated_secrets(name: str, args: MultiClusterAppArgs, parent: pulumi.Resource) -> list[Manifest]:
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
        for secret, keys in args["manifests"].get("secrets", {}).items()
    ]


def _placement(args: MultiClusterAppArgs) -> Manifest:
    """Place the namespace on the members; ready when it is available on all of them."""
    return _waiting_for(
        args["manifests"]["placement"],
        "condition=ClusterResourcePlacementAvailable",
        # Available alone is also true of fewer clusters than are wanted.
        f"jsonpath={{.status.placementStatuses[{len(args['members']) - 1}].clusterName}}",
    )


def _entry_point(args: MultiClusterAppArgs) -> Manifest:
    """Import the service on one cluster and expose it; ready when it balances and has its address."""
    manifest = args["manifests"]["entry_point"]
    if args.get("internal"):
        internal = {"networking.fleet.azure.com/azure-load-balancer-internal": "true"}
        manifest = overlay(manifest, {"metadata": {"annotations": internal}})
    return _waiting_for(manifest, "condition=Valid", "jsonpath={.status.loadBalancer.ingress[0].ip}")


def _waiting_for(manifest: Manifest, *conditions: str) -> Manifest:
    return overlay(manifest, {"metadata": {"annotations": {"pulumi.com/waitFor": json.dumps(conditions)}}})


def _address(status: Mapping[str, Any]) -> str:
    return status["loadBalancer"]["ingress"][0]["ip"]
