"""The app: placed on every cluster by the hub, reached through one address on one of them."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random

from components.manifests import QUEUE_CREDENTIALS, AppManifests, KubernetesObject, Manifest, overlay
from components.retries import ROLE_NOT_IN_EFFECT, retry

_LONGEST_PLACEMENT: Final = "30m"
_LONGEST_ADDRESS: Final = "20m"


@dataclass(frozen=True)
class MultiClusterAppArgs:
    """What is placed, where, and where it is entered.

    Attributes:
        manifests: the app, and Fleet's objects for it.
        replicas: pods of the shared Service's Deployment, of the same name, in each cluster.
        ingress: whether the app's Ingresses are placed too; they need app routing on the clusters.
        internal: whether the entry point's address is one of the VNet instead of a public one.
        hub: provider for the hub.
        fleet: the fleet; the hub's objects go with it.
        members: what must have joined, able to reach each other's pods, before the placement looks for clusters.
        entry: provider for the cluster with the entry point.
        entry_cluster: that cluster; the entry point goes with it.
    """

    manifests: AppManifests
    replicas: int
    ingress: bool
    internal: bool
    hub: k8s.Provider
    fleet: pulumi.Resource
    members: Sequence[pulumi.Resource]
    entry: k8s.Provider
    entry_cluster: pulumi.Resource


class MultiClusterApp(pulumi.ComponentResource):
    """An app on every cluster of a fleet, behind one layer-4 address.

    Attributes:
        external_ip: the address that balances over the pods of all clusters.
        url: the same as a URL.
    """

    external_ip: pulumi.Output[str]
    url: pulumi.Output[str]

    def __init__(self, name: str, args: MultiClusterAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:MultiClusterApp", name, {}, opts)
        role_retry = retry("role-retry", *ROLE_NOT_IN_EFFECT)
        on_hub = pulumi.ResourceOptions(parent=self, provider=args.hub, deleted_with=args.fleet, hooks=role_retry)
        namespace = KubernetesObject(
            f"{name}-namespace",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": args.manifests.namespace}},
            on_hub,
        )
        in_namespace = pulumi.ResourceOptions.merge(on_hub, pulumi.ResourceOptions(depends_on=[namespace]))

        app = [
            self._place(name, manifest, args, in_namespace)
            for manifest in [_rabbitmq_credentials(name, self), *_app_manifests(args)]
        ]
        export = self._place(name, args.manifests.export, args, in_namespace)

        placement = KubernetesObject(
            f"{name}-placement",
            _placement(args),
            # A placement that comes before its objects or before a member is Available without them
            # (Azure/fleet v0.18.9: a missing namespace selects nothing, and nothing is available at once).
            pulumi.ResourceOptions.merge(
                on_hub,
                pulumi.ResourceOptions(
                    depends_on=[*app, export, *args.members],
                    custom_timeouts=pulumi.CustomTimeouts(create=_LONGEST_PLACEMENT, update=_LONGEST_PLACEMENT),
                ),
            ),
        )

        entry_point = KubernetesObject(
            f"{name}-entry-point",
            _entry_point(args),
            pulumi.ResourceOptions(
                parent=self,
                provider=args.entry,
                deleted_with=args.entry_cluster,
                depends_on=[placement],
                # One importer in the whole fleet: the old entry point must let go before a new one can hold.
                delete_before_replace=True,
                custom_timeouts=pulumi.CustomTimeouts(create=_LONGEST_ADDRESS, update=_LONGEST_ADDRESS),
                hooks=role_retry,
            ),
        )
        self.external_ip = entry_point.status.apply(_address)
        self.url = self.external_ip.apply(lambda address: f"http://{address}")
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
                {"metadata": {"namespace": args.manifests.namespace, "annotations": {"pulumi.com/skipAwait": "true"}}},
            ),
            opts,
        )


def _app_manifests(args: MultiClusterAppArgs) -> list[Manifest]:
    return [
        overlay(manifest, {"spec": {"replicas": args.replicas}})
        if (manifest["kind"], manifest["metadata"]["name"]) == ("Deployment", args.manifests.service)
        else manifest
        for manifest in args.manifests.app
        if args.ingress or manifest["kind"] != "Ingress"
    ]


def _rabbitmq_credentials(name: str, parent: pulumi.Resource) -> Manifest:
    def generated(part: str, length: int) -> pulumi.Output[str]:
        password = random.RandomPassword(
            f"{name}-rabbitmq-{part}", length=length, special=False, opts=pulumi.ResourceOptions(parent=parent)
        )
        return password.result.apply(lambda text: base64.b64encode(text.encode()).decode())

    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": QUEUE_CREDENTIALS},
        "data": {"username": generated("username", 12), "password": generated("password", 32)},
    }


def _placement(args: MultiClusterAppArgs) -> Manifest:
    """Place the namespace on the members; ready when it is available on all of them."""
    return _waiting_for(
        args.manifests.placement,
        "condition=ClusterResourcePlacementAvailable",
        # Available alone is also true of fewer clusters than are wanted.
        f"jsonpath={{.status.placementStatuses[{len(args.members) - 1}].clusterName}}",
    )


def _entry_point(args: MultiClusterAppArgs) -> Manifest:
    """Import the service on one cluster and expose it; ready when it balances and has its address."""
    manifest = args.manifests.entry_point
    if args.internal:
        internal = {"networking.fleet.azure.com/azure-load-balancer-internal": "true"}
        manifest = overlay(manifest, {"metadata": {"annotations": internal}})
    return _waiting_for(manifest, "condition=Valid", "jsonpath={.status.loadBalancer.ingress[0].ip}")


def _waiting_for(manifest: Manifest, *conditions: str) -> Manifest:
    return overlay(manifest, {"metadata": {"annotations": {"pulumi.com/waitFor": json.dumps(conditions)}}})


def _address(status: Mapping[str, Any]) -> str:
    return status["loadBalancer"]["ingress"][0]["ip"]
