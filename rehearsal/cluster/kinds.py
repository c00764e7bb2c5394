"""The kinds that hubs and members serve, with their API groups, versions and plurals."""

from dataclasses import dataclass
from typing import Final

from rehearsal.cluster.objects import Object
from rehearsal.core.errors import ApiError

HUB: Final = "hub"
MEMBER: Final = "member"


@dataclass(frozen=True)
class Kind:
    """One kind of object.

    Attributes:
        name: the kind, such as `Deployment`.
        group: the API group; empty for the core group.
        versions: the served versions, the preferred one first.
        plural: the resource's name in URLs and messages.
        namespaced: whether objects live in namespaces.
        roles: the roles of clusters that serve it.
    """

    name: str
    group: str
    versions: tuple[str, ...]
    plural: str
    namespaced: bool = True
    roles: frozenset[str] = frozenset({HUB, MEMBER})

    @property
    def key(self) -> str:
        """The kind with its group, which is unique: `Deployment.apps`, `Service`."""
        return f"{self.name}.{self.group}" if self.group else self.name

    @property
    def resource(self) -> str:
        """The plural with its group, as the API server writes it in messages: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """The preferred group and version."""
        return f"{self.group}/{self.versions[0]}" if self.group else self.versions[0]


_NETWORKING: Final = "networking.fleet.azure.com"
_PLACEMENT: Final = "placement.kubernetes-fleet.io"
_ON_HUB: Final = frozenset({HUB})
_ON_MEMBER: Final = frozenset({MEMBER})

# Sources. Built-in kinds: the Kubernetes API reference, v1.36. Fleet's kinds, and whether hubs or members serve them:
# Azure/fleet v0.18.12, cmd/crdinstaller/utils/util.go; Azure/fleet-networking v0.3.25,
# cmd/net-crd-installer/utils/util.go.
_KINDS: Final = (
    Kind("Namespace", "", ("v1",), "namespaces", namespaced=False),
    Kind("Node", "", ("v1",), "nodes", namespaced=False),
    Kind("ConfigMap", "", ("v1",), "configmaps"),
    Kind("Secret", "", ("v1",), "secrets"),
    Kind("Service", "", ("v1",), "services"),
    Kind("Endpoints", "", ("v1",), "endpoints"),
    Kind("ServiceAccount", "", ("v1",), "serviceaccounts"),
    Kind("Pod", "", ("v1",), "pods"),
    Kind("LimitRange", "", ("v1",), "limitranges"),
    Kind("PersistentVolumeClaim", "", ("v1",), "persistentvolumeclaims"),
    Kind("ResourceQuota", "", ("v1",), "resourcequotas"),
    Kind("Deployment", "apps", ("v1",), "deployments"),
    Kind("ReplicaSet", "apps", ("v1",), "replicasets"),
    Kind("StatefulSet", "apps", ("v1",), "statefulsets"),
    Kind("DaemonSet", "apps", ("v1",), "daemonsets"),
    Kind("Job", "batch", ("v1",), "jobs"),
    Kind("CronJob", "batch", ("v1",), "cronjobs"),
    Kind("EndpointSlice", "discovery.k8s.io", ("v1",), "endpointslices"),
    Kind("Ingress", "networking.k8s.io", ("v1",), "ingresses"),
    Kind("IngressClass", "networking.k8s.io", ("v1",), "ingressclasses", namespaced=False),
    Kind("NetworkPolicy", "networking.k8s.io", ("v1",), "networkpolicies"),
    Kind("PodDisruptionBudget", "policy", ("v1",), "poddisruptionbudgets"),
    Kind("HorizontalPodAutoscaler", "autoscaling", ("v2", "v1"), "horizontalpodautoscalers"),
    Kind("Role", "rbac.authorization.k8s.io", ("v1",), "roles"),
    Kind("RoleBinding", "rbac.authorization.k8s.io", ("v1",), "rolebindings"),
    Kind("ClusterRole", "rbac.authorization.k8s.io", ("v1",), "clusterroles", namespaced=False),
    Kind("ClusterRoleBinding", "rbac.authorization.k8s.io", ("v1",), "clusterrolebindings", namespaced=False),
    Kind("ServiceExport", _NETWORKING, ("v1beta1", "v1alpha1"), "serviceexports"),
    Kind("ServiceImport", _NETWORKING, ("v1alpha1",), "serviceimports"),
    Kind("MultiClusterService", _NETWORKING, ("v1alpha1",), "multiclusterservices"),
    Kind("InternalServiceExport", _NETWORKING, ("v1alpha1",), "internalserviceexports", roles=_ON_HUB),
    Kind("InternalServiceImport", _NETWORKING, ("v1alpha1",), "internalserviceimports", roles=_ON_HUB),
    Kind("EndpointSliceExport", _NETWORKING, ("v1alpha1",), "endpointsliceexports", roles=_ON_HUB),
    Kind("EndpointSliceImport", _NETWORKING, ("v1alpha1",), "endpointsliceimports", roles=_ON_HUB),
    Kind(
        "MemberCluster",
        "cluster.kubernetes-fleet.io",
        ("v1", "v1beta1"),
        "memberclusters",
        namespaced=False,
        roles=_ON_HUB,
    ),
    Kind(
        "ClusterResourcePlacement",
        _PLACEMENT,
        ("v1", "v1beta1"),
        "clusterresourceplacements",
        namespaced=False,
        roles=_ON_HUB,
    ),
    Kind(
        "ClusterResourceSnapshot",
        _PLACEMENT,
        ("v1", "v1beta1"),
        "clusterresourcesnapshots",
        namespaced=False,
        roles=_ON_HUB,
    ),
    Kind(
        "ClusterSchedulingPolicySnapshot",
        _PLACEMENT,
        ("v1", "v1beta1"),
        "clusterschedulingpolicysnapshots",
        namespaced=False,
        roles=_ON_HUB,
    ),
    Kind(
        "ClusterResourceBinding",
        _PLACEMENT,
        ("v1", "v1beta1"),
        "clusterresourcebindings",
        namespaced=False,
        roles=_ON_HUB,
    ),
    Kind(
        "ClusterStagedUpdateStrategy",
        _PLACEMENT,
        ("v1", "v1beta1", "v1alpha1"),
        "clusterstagedupdatestrategies",
        namespaced=False,
        roles=_ON_HUB,
    ),
    Kind(
        "ClusterStagedUpdateRun",
        _PLACEMENT,
        ("v1", "v1beta1", "v1alpha1"),
        "clusterstagedupdateruns",
        namespaced=False,
        roles=_ON_HUB,
    ),
    Kind(
        "ClusterApprovalRequest",
        _PLACEMENT,
        ("v1", "v1beta1", "v1alpha1"),
        "clusterapprovalrequests",
        namespaced=False,
        roles=_ON_HUB,
    ),
    Kind("ResourceOverride", _PLACEMENT, ("v1", "v1beta1", "v1alpha1"), "resourceoverrides", roles=_ON_HUB),
    Kind("ResourceEnvelope", _PLACEMENT, ("v1beta1",), "resourceenvelopes", roles=_ON_HUB),
    Kind("AppliedWork", _PLACEMENT, ("v1", "v1beta1"), "appliedworks", namespaced=False, roles=_ON_MEMBER),
)

KINDS: Final[dict[str, Kind]] = {kind.key: kind for kind in _KINDS}
_BY_GROUP_AND_NAME: Final = {(kind.group, kind.name): kind for kind in _KINDS}


def split_api_version(api_version: str) -> tuple[str, str]:
    """Split `apps/v1` into group and version; the core group is empty."""
    group, _, version = api_version.rpartition("/")
    return group, version


def find_kind(api_version: str, name: str, role: str) -> Kind | None:
    """Return the kind if a cluster of that role serves it in that version."""
    group, version = split_api_version(api_version)
    kind = _BY_GROUP_AND_NAME.get((group, name))
    return kind if kind and version in kind.versions and role in kind.roles else None


def key_of(item: Object) -> str:
    """Return the key of an object's kind."""
    group, _ = split_api_version(item["apiVersion"])
    return f"{item['kind']}.{group}" if group else item["kind"]


def resolve(api_version: str, name: str, role: str) -> Kind:
    """Return the kind that a cluster of that role serves.

    Raises:
        ApiError: NoMatch, with client-go's message (apimachinery pkg/api/meta/errors.go).
    """
    if kind := find_kind(api_version, name, role):
        return kind
    raise ApiError("NoMatch", f'no matches for kind "{name}" in version "{api_version}"')
