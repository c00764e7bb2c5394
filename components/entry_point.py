"""An entry point: the cluster that imports a Service of the app, its address, and its share in a global address."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import containerservice

from fleet_clusters.frontends import frontend_name
from fleet_clusters.objects import Object, part, parts

from .app_manifests import Manifest, overlay
from .entry_endpoints import EntryPointEndpoints
from .errors import GlobalAddressError
from .kubernetes_object import KubernetesObject, awaited
from .retries import OBJECT_RETRY
from .sdk import provider

# Fleet's label for the Service that it makes for a MultiClusterService (Azure/fleet-networking v0.3.25,
# pkg/controllers/multiclusterservice).
_DERIVED: Final = "networking.fleet.azure.com/derived-service"
_FLEET_SYSTEM: Final = "fleet-system"
_INTERNAL: Final = "networking.fleet.azure.com/azure-load-balancer-internal"
_ADDITIONAL_ADDRESSES: Final = "service.beta.kubernetes.io/azure-additional-public-ips"


class EntryPointArgs(TypedDict):
    """A cluster with an entry point."""

    kubernetes: pulumi.Input[k8s.Provider]
    """Provider for objects on the cluster."""
    kubeconfig: NotRequired[pulumi.Input[str] | None]
    """Kubeconfig of the cluster, to wait for the entry point's endpoints. Without it, the component does not wait for
    them."""
    cluster: NotRequired[containerservice.ManagedCluster]
    """The AKS cluster, whose load balancer has the address. Required with a global address."""
    service: NotRequired[str]
    """The shared Service that it balances over, if the app has several; otherwise the only one."""


class EntryPoint:
    """An entry point's resources. They are children of the app's component.

    Args:
        names: returns a resource's logical name.
        args: the cluster.
        manifest: the MultiClusterService.
        members: the names of the members.
        kubeconfigs: log-ins to members, by their names.
        internal: whether the address is in the VNet.
        global_address: the global address that leads here too, if there is one.
        offered: whether the app has any endpoints, according to its manifests.
        opts: parent and dependencies of the resources.
    """

    address: pulumi.Output[str]
    """The address that balances over the pods of all clusters."""
    frontend_id: pulumi.Output[str] | None = None
    """The Azure ID of the load balancer's frontend with that address; None without a global address."""

    def __init__(  # noqa: PLR0913 - an entry point is made of these
        self,
        names: Callable[[str], str],
        args: EntryPointArgs,
        manifest: Manifest,
        members: Sequence[pulumi.Input[str]],
        *,
        kubeconfigs: Mapping[str, pulumi.Input[str]],
        internal: bool,
        global_address: pulumi.Input[str] | None,
        offered: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        if internal:
            manifest = overlay(manifest, {"metadata": {"annotations": {_INTERNAL: "true"}}})
        on_cluster = pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                provider=provider(args["kubernetes"]),
                custom_timeouts=pulumi.CustomTimeouts(create="20m", update="20m"),
                hooks=OBJECT_RETRY.hooks(),
            ),
        )
        imported = KubernetesObject(
            names("entry-point"),
            awaited(manifest, "condition=Valid", "jsonpath={.status.loadBalancer.ingress[0].ip}"),
            pulumi.ResourceOptions.merge(
                on_cluster,
                pulumi.ResourceOptions(
                    # The replacement has the same name. But Azure keeps a frontend that a global load balancer refers
                    # to: that one must refer to the new frontend before the old entry point goes.
                    delete_before_replace=global_address is None,
                    # Fleet never removes the annotation from the load balancer
                    # (Azure/fleet-networking v0.3.25, pkg/controllers/multiclusterservice, ensureDerivedService).
                    replacement_trigger="internal" if internal else "public",
                ),
            ),
        )
        found: pulumi.Input[object] = None
        if (kubeconfig := args.get("kubeconfig")) is not None:
            found = EntryPointEndpoints(
                names("endpoints"),
                imported,
                members,
                kubeconfig,
                kubeconfigs=kubeconfigs,
                offered=offered,
                opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[imported])),
            ).urn
        self.address = imported.status.apply(_address)
        if global_address is not None:
            if (cluster := args.get("cluster")) is None:
                raise GlobalAddressError("an entry point behind a global address needs its cluster")
            derived = _addressed(names("entry-service"), imported, global_address, on_cluster)
            # A global load balancer would lead clients to an entry point that has no endpoints yet.
            self.frontend_id = pulumi.Output.all(_frontend_id(cluster, derived), found).apply(
                lambda known: str(known[0])
            )


def _address(status: Object | None) -> Any:  # noqa: ANN401 - an address, or the SDK's mark
    """Return the address; a preview after an `up` that failed may not find one yet."""
    found = parts(part(status or {}, "loadBalancer"), "ingress")
    return found[0]["ip"] if found else pulumi.UNKNOWN


def _addressed(
    name: str, imported: KubernetesObject, address: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> k8s.core.v1.ServicePatch:
    """Let a cluster accept what arrives for a global address, and wait until it does.

    With floating IP, packets keep the global address as their destination. AKS takes the annotation into the Service's
    status, by which kube-proxy accepts these packets, and into the rules of the nodes' network security group
    (kubernetes-sigs/cloud-provider-azure@7b31c76, azure_loadbalancer.go). Fleet leaves the annotation alone
    (Azure/fleet-networking v0.3.25, ensureDerivedService).
    """

    def known(get: Callable[[Any], str]) -> pulumi.Output[str]:
        # A preview knows the metadata of a new entry point from a dry run, without Fleet's label and with a random UID.
        # It does not know the status.
        return pulumi.Output.all(imported.metadata, imported.status).apply(lambda found: get(found[0]))

    return k8s.core.v1.ServicePatch(
        name,
        metadata={
            "name": known(lambda metadata: metadata["labels"][_DERIVED]),
            "namespace": _FLEET_SYSTEM,
            "annotations": {
                _ADDITIONAL_ADDRESSES: address,
                # Another entry point has another Service, which needs a patch of its own.
                "fleet-l4-lb/entry-point": known(lambda metadata: metadata["uid"]),
                "pulumi.com/patchForce": "true",
                "pulumi.com/waitFor": "jsonpath={.status.loadBalancer.ingress[1].ip}",
            },
        },
        # With the entry point, Fleet deletes the Service, maybe before the engine gets here. Without the Service, the
        # provider cannot take the annotation back (pulumi-kubernetes, provider.go, IsDeleteRequiredFieldErr).
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(deleted_with=imported)),
    )


def _frontend_id(cluster: containerservice.ManagedCluster, service: k8s.core.v1.ServicePatch) -> pulumi.Output[str]:
    """Return the Azure ID of the frontend that AKS makes for a Service.

    It is computed rather than looked up: a look-up in a region that is down would end every preview. The load balancer
    is `kubernetes` in the nodes' resource group; the frontend has the Service's UID (kubernetes v1.34.1,
    cloud-provider/cloud.go; kubernetes-sigs/cloud-provider-azure@7b31c76, azure_loadbalancer.go).
    """
    return pulumi.Output.concat(
        cluster.id.apply(lambda found: "/".join(found.split("/")[:3])),
        "/resourceGroups/",
        cluster.node_resource_group.apply(lambda found: found or ""),
        "/providers/Microsoft.Network/loadBalancers/kubernetes/frontendIPConfigurations/",
        service.metadata.apply(_frontend_name),
    )


def _frontend_name(service: Any) -> str:  # noqa: ANN401 - the SDK says that it may be None
    return frontend_name(service["uid"])
