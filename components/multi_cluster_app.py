"""The app: placed on every cluster by the hub, and reached through one address on one of them."""

import base64
from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random
from pulumi_azure_native import containerservice

from .app_manifests import (
    AppManifests,
    Manifest,
    ServicePort,
    hub_objects,
    offers_endpoints,
    overlay,
    ports,
    web_address,
)
from .entry_endpoints import EntryPointEndpoints
from .kubernetes_object import KubernetesObject, awaited, not_awaited
from .retries import OBJECT_RETRY
from .sdk import provider


class MultiClusterAppArgs(TypedDict):
    """The app, its clusters, and its entry point."""

    manifests: AppManifests
    """The app's manifests, and those of Fleet's objects for it."""
    hub: pulumi.Input[k8s.Provider]
    """Provider for objects on the hub."""
    members: Sequence[containerservice.FleetMember]
    """The members. They have joined, and reach each other's pods, before the app is placed."""
    entry: pulumi.Input[k8s.Provider]
    """Provider for objects on the cluster with the entry point."""
    entry_kubeconfig: NotRequired[pulumi.Input[str] | None]
    """Log-in to the cluster with the entry point, needed to wait for the entry point's endpoints; None does not
    wait."""
    replicas: NotRequired[int | None]
    """Replicas, in each cluster, of the only Deployment or StatefulSet that the shared Service selects; None for the
    manifest's number. Cannot be set for a workload with a HorizontalPodAutoscaler."""
    internal: NotRequired[bool]
    """Whether the entry point's address is in the VNet instead of public. False by default."""


class MultiClusterApp(pulumi.ComponentResource):
    """An app on every cluster of a fleet, behind one layer-4 address.

    The component is complete when the app is available on every member (it waits up to 30 minutes), the entry point
    has its address (20 minutes), and the entry point has endpoints of every member (7 minutes). It waits for endpoints
    only with `entry_kubeconfig`, if the entry point or a member is new, and if the app's manifests have pods.

    Raises:
        ManifestsError: the manifests have mistakes, such as no Service that can be shared under that name.
    """

    external_ip: pulumi.Output[str]
    """The address that balances over the pods of all clusters, with every port of the shared Service."""
    url: pulumi.Output[str | None]
    """The address as a URL, if the Service's first TCP port speaks HTTP. Its `appProtocol` decides, then its name
    (`http`, `https`, `http-…`, `https-…`), then its number (80, 8080, 443), unless the name is that of another
    protocol. Otherwise None, so that a stack has no such output."""
    ports: pulumi.Output[Sequence[ServicePort]]
    """The shared Service's ports."""

    def __init__(self, name: str, args: MultiClusterAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:MultiClusterApp", name, {}, opts)
        manifests, internal = args["manifests"], args.get("internal", False)
        service, objects = hub_objects(manifests, replicas=args.get("replicas"), internal=internal)
        on_hub = pulumi.ResourceOptions(parent=self, provider=provider(args["hub"]), hooks=OBJECT_RETRY.hooks())

        namespace = KubernetesObject(
            f"{name}-namespace",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": manifests["namespace"]}},
            # `destroy` deletes the hub's objects before the members: Fleet's webhook refuses to delete a member that
            # still exports a Service (Azure/fleet v0.18.12, pkg/webhook/membercluster).
            pulumi.ResourceOptions.merge(on_hub, pulumi.ResourceOptions(depends_on=args["members"])),
        )

        in_namespace = pulumi.ResourceOptions.merge(on_hub, pulumi.ResourceOptions(depends_on=[namespace]))
        placed = [
            KubernetesObject(
                f"{name}-{manifest['kind'].lower()}-{manifest['metadata']['name']}",
                # The hub runs no pods, so nothing on it ever becomes ready (Azure/fleet v0.18.12:
                # admissionpolicymanager).
                not_awaited(overlay(manifest, {"metadata": {"namespace": manifests["namespace"]}})),
                in_namespace,
            )
            for manifest in [*_generated_secrets(name, manifests, self), *objects, manifests["export"]]
        ]

        placement = KubernetesObject(
            f"{name}-placement",
            awaited(
                manifests["placement"],
                "condition=ClusterResourcePlacementAvailable",
                # Available is also true with fewer clusters than wanted.
                f"jsonpath={{.status.placementStatuses[{len(args['members']) - 1}].clusterName}}",
            ),
            pulumi.ResourceOptions.merge(
                on_hub,
                pulumi.ResourceOptions(
                    # A placement that is created before its objects or before a member is Available without them
                    # (Azure/fleet v0.18.12: a missing namespace selects nothing, and nothing is available at once).
                    depends_on=placed,
                    custom_timeouts=pulumi.CustomTimeouts(create="30m", update="30m"),
                ),
            ),
        )

        manifest = manifests["entry_point"]
        if internal:
            annotations = {"networking.fleet.azure.com/azure-load-balancer-internal": "true"}
            manifest = overlay(manifest, {"metadata": {"annotations": annotations}})
        entry_point = KubernetesObject(
            f"{name}-entry-point",
            awaited(manifest, "condition=Valid", "jsonpath={.status.loadBalancer.ingress[0].ip}"),
            pulumi.ResourceOptions(
                parent=self,
                provider=provider(args["entry"]),
                depends_on=[placement],
                # The whole fleet has one importer: the old entry point must release the service before a new one can
                # have it.
                delete_before_replace=True,
                # Fleet never removes the annotation from the load balancer
                # (Azure/fleet-networking v0.3.25, pkg/controllers/multiclusterservice, ensureDerivedService).
                replacement_trigger="internal" if internal else "public",
                custom_timeouts=pulumi.CustomTimeouts(create="20m", update="20m"),
                hooks=OBJECT_RETRY.hooks(),
            ),
        )
        if (kubeconfig := args.get("entry_kubeconfig")) is not None:
            EntryPointEndpoints(
                f"{name}-endpoints",
                entry_point,
                [member.name for member in args["members"]],
                kubeconfig,
                offered=offers_endpoints(objects, service),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[placement, entry_point]),
            )

        self.external_ip = entry_point.status.apply(lambda status: status["loadBalancer"]["ingress"][0]["ip"])
        if web := web_address(service):
            scheme, port = web
            self.url = pulumi.Output.concat(scheme, "://", self.external_ip, port)
        else:
            self.url = pulumi.Output.from_input(None)
        self.ports = pulumi.Output.from_input(ports(service))
        self.register_outputs({"externalIp": self.external_ip, "url": self.url, "ports": self.ports})


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
