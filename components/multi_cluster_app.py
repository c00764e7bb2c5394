"""The app: placed on every cluster by the hub, reached through one address on one of them."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random
from pulumi_azure_native import containerservice

from .manifests import AppManifests, KubernetesObject, Manifest, ManifestsError, overlay
from .retries import ROLE_NOT_IN_EFFECT, retry

_LONGEST_PLACEMENT: Final = "30m"
_LONGEST_ADDRESS: Final = "20m"
_HTTP: Final = 80


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
    replicas: NotRequired[int | None]
    """Pods of the shared Service's Deployment, of the same name, in each cluster; None leaves the manifest's."""
    ingress: NotRequired[bool]
    """Whether the app's Ingresses are placed too, which need app routing on the clusters. False by default."""
    internal: NotRequired[bool]
    """Whether the entry point's address is one of the VNet instead of a public one. False by default."""


class MultiClusterApp(pulumi.ComponentResource):
    """An app on every cluster of a fleet, behind one layer-4 address.

    It is there when the app is available on every member, for which it waits 30 minutes, and the address is assigned,
    for which it waits 20.

    Raises:
        ManifestsError: the manifests have no Service of the name that is to be shared.
    """

    external_ip: pulumi.Output[str]
    """The address that balances over the pods of all clusters, at every port of the shared Service."""
    url: pulumi.Output[str]
    """The same as an http URL, with the Service's first port where that is not 80."""

    def __init__(self, name: str, args: MultiClusterAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:MultiClusterApp", name, {}, opts)
        port = _port(args["manifests"])
        role_retry = retry("role-retry", *ROLE_NOT_IN_EFFECT)
        on_hub = pulumi.ResourceOptions(parent=self, provider=_provider(args["hub"]), hooks=role_retry)
        namespace = KubernetesObject(
            f"{name}-namespace",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": args["manifests"]["namespace"]}},
            # On the way down, the members leave after the hub's objects are gone: a member that still exports a Service
            # is refused (Azure/fleet v0.18.9, pkg/webhook/membercluster).
            pulumi.ResourceOptions.merge(on_hub, pulumi.ResourceOptions(depends_on=args["members"])),
        )
        in_namespace = pulumi.ResourceOptions.merge(on_hub, pulumi.ResourceOptions(depends_on=[namespace]))

        app = [
            self._place(name, manifest, args, in_namespace)
            for manifest in [*_generated_secrets(name, args, self), *_app_manifests(args)]
        ]
        export = self._place(name, args["manifests"]["export"], args, in_namespace)

        placement = KubernetesObject(
            f"{name}-placement",
            _placement(args),
            # A placement that comes before its objects or before a member is Available without them
            # (Azure/fleet v0.18.9: a missing namespace selects nothing, and nothing is available at once).
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
        self.external_ip = entry_point.status.apply(_address)
        self.url = pulumi.Output.concat("http://", self.external_ip, port)
        self.register_outputs({"externalIp": self.external_ip, "url": self.url})

    @staticmethod
    def _place(
        name: str, manifest: Manifest, args: MultiClusterAppArgs, opts: pulumi.ResourceOptions
    ) -> KubernetesObject:
        """Put an object of the app on the hub, from where the placement takes it."""
        return KubernetesObject(
            f"{name}-{manifest['kind'].lower()}-{manifest['metadata']['name']}",
            # The hub runs no pods, so nothing ever becomes ready on it (Azure/fleet v0.18.9: admissionpolicymanager).
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


def _app_manifests(args: MultiClusterAppArgs) -> list[Manifest]:
    replicas = args.get("replicas")
    return [
        overlay(manifest, {"spec": {"replicas": replicas}})
        if replicas is not None and _is(manifest, "Deployment", args["manifests"]["service"])
        else manifest
        for manifest in args["manifests"]["app"]
        if args.get("ingress") or manifest["kind"] != "Ingress"
    ]


def _is(manifest: Manifest, kind: str, name: str) -> bool:
    return (manifest["kind"], manifest["metadata"]["name"]) == (kind, name)


def _port(manifests: AppManifests) -> str:
    """Return what a URL has behind the address."""
    services = [each for each in manifests["app"] if _is(each, "Service", manifests["service"])]
    if not services:  # `manifests.load` has said so with more particulars, where it was asked
        raise ManifestsError(f"The app has no Service {manifests['service']!r} to export; nothing was deployed.")
    port = int(services[0]["spec"]["ports"][0]["port"])  # on its way from another language it becomes a float
    return "" if port == _HTTP else f":{port}"


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
