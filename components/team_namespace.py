"""A team's namespace on the fleet: placed as a whole, and the only one that the team may write to."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import containerservice

from . import placed_namespace
from .app_manifests.manifest import selecting
from .kubernetes_object import KubernetesObject, not_awaited
from .retries import OBJECT_RETRY
from .roles import Principal
from .sdk import provider

_NAME: Final = "team"
_SYSTEM: Final = "fleet-system"


def _rule(group: str, kinds: Sequence[str], verbs: Sequence[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [*kinds], "verbs": [*verbs]}


# The objects that a team's app can have (app_manifests/kinds.py), and those by which Fleet shares them. Not Roles, by
# which a team could give itself more rights, and not quotas.
_WRITTEN: Final = [
    _rule(group, kinds, ["*"])
    for group, kinds in {
        "": ("configmaps", "persistentvolumeclaims", "secrets", "serviceaccounts", "services"),
        "apps": ("daemonsets", "deployments", "statefulsets"),
        "autoscaling": ("horizontalpodautoscalers",),
        "batch": ("cronjobs", "jobs"),
        "discovery.k8s.io": ("endpointslices",),
        "networking.fleet.azure.com": ("multiclusterservices", "serviceexports"),
        "networking.k8s.io": ("ingresses", "networkpolicies"),
        "placement.kubernetes-fleet.io": ("resourceoverrides",),
    }.items()
]
_LOOKED_AT: Final = [
    _rule("", ["events", "pods", "pods/log"], ["get", "list", "watch"]),
    _rule("networking.fleet.azure.com", ["serviceimports"], ["get", "list", "watch"]),
]
_IMPORTED: Final = _rule("discovery.k8s.io", ["endpointslices"], ["list"])


class TeamNamespaceArgs(TypedDict):
    """The namespace, its clusters, and the team."""

    namespace: str
    """The namespace's name, which is the placement's too."""
    hub: pulumi.Input[k8s.Provider]
    """Provider for objects on the hub."""
    members: Sequence[containerservice.FleetMember]
    """The members that everything in the namespace is placed on."""
    clusters: NotRequired[Mapping[str, pulumi.Input[k8s.Provider]]]
    """Providers for objects on the members' clusters, by the names of their regions. There the team may read which
    endpoints its entry points have; without it, an entry point of the team cannot have a `kubeconfig`."""
    team: Principal
    """The team, preferably a group in Microsoft Entra ID."""


class TeamNamespace(pulumi.ComponentResource):
    """A namespace for a team that deploys its app alone, from a stack of its own.

    The team's role is placed with the namespace, so the team may write to its namespace on the hub and on the members,
    and to nothing else. The team needs no right to create placements, which are cluster-scoped. On the members it may
    also list the endpoints that entry points have, those of other apps included: Fleet keeps them in a namespace of
    its own.
    """

    def __init__(self, name: str, args: TeamNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("fleet-l4-lb:index:TeamNamespace", name, {}, opts)
        on_hub = pulumi.ResourceOptions(parent=self, provider=provider(args["hub"]), hooks=OBJECT_RETRY.hooks())
        namespace = placed_namespace.namespace(name, args["namespace"], args["members"], on_hub)
        inside = pulumi.ResourceOptions.merge(on_hub, pulumi.ResourceOptions(depends_on=[namespace]))
        own = {"name": _NAME, "namespace": args["namespace"]}
        role = KubernetesObject(f"{name}-role", not_awaited(_role(own, [*_WRITTEN, *_LOOKED_AT])), inside)
        binding = KubernetesObject(f"{name}-binding", not_awaited(_binding(own, args["team"])), inside)
        # Placements do not reach `fleet-system`. It exists once the member has joined.
        imported = {"name": f"{_NAME}-{args['namespace']}", "namespace": _SYSTEM}
        for region, cluster in args.get("clusters", {}).items():
            there = pulumi.ResourceOptions(
                parent=self, provider=provider(cluster), hooks=OBJECT_RETRY.hooks(), depends_on=args["members"]
            )
            KubernetesObject(f"{name}-endpoints-role-{region}", _role(imported, [_IMPORTED]), there)
            KubernetesObject(f"{name}-endpoints-binding-{region}", _binding(imported, args["team"]), there)
        placed_namespace.placement(
            name,
            _placement(args["namespace"], [member.name for member in args["members"]]),
            len(args["members"]),
            pulumi.ResourceOptions.merge(on_hub, pulumi.ResourceOptions(depends_on=[role, binding])),
        )
        self.register_outputs({})


def _role(metadata: dict[str, str], rules: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": [*rules]}


def _binding(metadata: dict[str, str], team: Principal) -> dict[str, Any]:
    # A service principal is a user, too (learn: aks/azure-ad-rbac).
    kind = "Group" if team["type"] == "Group" else "User"
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": metadata["name"]},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": team["object_id"]}],
    }


def _placement(namespace: str, members: Sequence[pulumi.Input[str]]) -> dict[str, Any]:
    term = {"labelSelector": selecting(members)}
    return {
        "apiVersion": "placement.kubernetes-fleet.io/v1",
        "kind": "ClusterResourcePlacement",
        "metadata": {"name": namespace},
        "spec": {
            "resourceSelectors": [{"group": "", "version": "v1", "kind": "Namespace", "name": namespace}],
            "policy": {
                "placementType": "PickAll",
                "affinity": {
                    "clusterAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {"clusterSelectorTerms": [term]}
                    }
                },
            },
            "strategy": {"type": "RollingUpdate"},
        },
    }
