"""The failures and outages that a profile can name."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from rehearsal.azure import errors
from rehearsal.azure.errors import AzureError
from rehearsal.cluster.interface import Part
from rehearsal.core.protocol import Verb

Layer = Literal["provider", "program", "nobody"]


@dataclass(frozen=True)
class Failure:
    """One failure: the answers of Azure and of API servers, and the layer that handles it.

    Attributes:
        handled_by: the layer that handles it: the provider that made the request and, after the provider's last
            attempt, the program; the program only; or none, so the operation fails.
        azure: the error of Azure's REST API; None if only API servers have this failure.
        kubernetes: the text of an API server; empty if only Azure has this failure.
        source: the source of `kubernetes`, and of facts that `azure.source` does not cover.
        retry_after: the seconds in the answer's Retry-After header, if it has one.
        verbs: the operations that can meet it.
    """

    handled_by: Layer
    azure: AzureError | None = None
    kubernetes: str = ""
    source: str = ""
    retry_after: int | None = None
    verbs: tuple[Verb, ...] = get_args(Verb)

    @property
    def breaks_connection(self) -> bool:
        """Whether the connection breaks before there is an answer."""
        return self.azure is not None and self.azure.status is None


_GENERIC: Final = "Kubernetes: apimachinery v0.34.1 pkg/api/errors, NewGenericServerResponse"

FAILURES: Final[dict[str, Failure]] = {
    "TooManyRequests": Failure(
        "provider",
        errors.SUBSCRIPTION_REQUESTS_THROTTLED,
        kubernetes="the server has received too many requests and has asked us to try again later",
        source=_GENERIC,
        retry_after=17,
    ),
    "LongThrottling": Failure(
        "program",
        errors.SUBSCRIPTION_REQUESTS_THROTTLED,
        source="as TooManyRequests, with a Retry-After that azcore v1.17.0 (policy_retry.go) finds too long",
        retry_after=300,
    ),
    "RetryableError": Failure("provider", errors.RETRYABLE_ERROR, retry_after=14),
    "ServerTimeout": Failure(
        "provider",
        errors.SERVER_TIMEOUT,
        kubernetes="the server is currently unable to handle the request",
        source=_GENERIC,
    ),
    "GatewayTimeout": Failure("provider", errors.GATEWAY_TIMEOUT),
    "ConnectionReset": Failure(
        "provider",
        errors.CONNECTION_RESET,
        kubernetes='"https://…:443/…": read tcp 10.0.0.4:50212->20.72.0.9:443: read: connection reset by peer',
        source="Go, net.OpError, as the provider's client prints it",
    ),
    "AnotherOperationInProgress": Failure("provider", errors.ANOTHER_OPERATION_IN_PROGRESS),
    "ClusterBusy": Failure("program", errors.CLUSTER_BUSY),
    "EtagMismatch": Failure("program", errors.ETAG_MISMATCH),
    "ReferencedResourceNotProvisioned": Failure("program", errors.REFERENCED_RESOURCE_NOT_PROVISIONED),
    "SetVNetOwnershipFailed": Failure("program", errors.SET_VNET_OWNERSHIP_FAILED, verbs=("create", "update")),
    "LinkedAuthorizationFailed": Failure("program", errors.LINKED_AUTHORIZATION_FAILED),
    "CustomKubeletIdentityMissingPermissionError": Failure(
        "program", errors.KUBELET_IDENTITY_MISSING_PERMISSION, verbs=("create", "update")
    ),
    "Forbidden": Failure(
        "program",
        kubernetes='{kind} is forbidden: User "…" cannot {verb} resource "{kind}" in API group "…": '
        + errors.NO_ACCESS_TO_CLUSTER,
        source="learn: kubernetes-fleet/access-fleet-hub-cluster-kubernetes-api; learn: aks/manage-azure-rbac",
    ),
    "PrincipalNotFound": Failure("program", errors.PRINCIPAL_NOT_FOUND),
    "CreateVMSSAgentPoolFailed": Failure("nobody", errors.NODES_DO_NOT_REACH_API_SERVER, verbs=("create",)),
    "NoRegisteredProviderFound": Failure("nobody", errors.NO_REGISTERED_PROVIDER_FOUND),
    "QuotaExceeded": Failure("nobody", errors.QUOTA_EXCEEDED),
    "SkuNotAvailable": Failure("nobody", errors.SKU_NOT_AVAILABLE),
    "SizeNotAllowed": Failure("nobody", errors.VM_SIZE_NOT_ALLOWED),
    "EncryptionAtHostNotEnabled": Failure("nobody", errors.ENCRYPTION_AT_HOST_NOT_ENABLED, verbs=("create",)),
    "InsufficientVCPUQuota": Failure("nobody", errors.INSUFFICIENT_VCPU_QUOTA),
    "ScopeLocked": Failure("nobody", errors.SCOPE_LOCKED, verbs=("delete",)),
    "ResourceGroupDeletionBlocked": Failure("nobody", errors.RESOURCE_GROUP_DELETION_BLOCKED, verbs=("delete",)),
    "RequestDisallowedByPolicy": Failure(
        "nobody", errors.REQUEST_DISALLOWED_BY_POLICY, verbs=("create", "update", "delete")
    ),
    "AuthorizationFailed": Failure("nobody", errors.AUTHORIZATION_FAILED, verbs=("create", "update", "delete")),
}

OUTAGES: Final[dict[Part, str]] = {
    Part.AGENTS: "Azure/fleet v0.18.12, pkg/controllers/membercluster/v1beta1: Joined needs a report of every agent",
    Part.PODS: "Azure/fleet v0.18.12, pkg/controllers/workapplier/availability_tracker.go: a Deployment's ready "
    "replicas",
    Part.LOAD_BALANCERS: "fleet-networking v0.3.25, multiclusterservice controller: Valid comes without an address",
    Part.ENTRY_PORTS: "learn: aks/concepts-network: AKS opens the ports of its load balancers only in its own security "
    "group",
    Part.IMPORTS: "fleet-networking v0.3.25, pkg/controllers/member/endpointsliceimport: what a cluster exports is "
    "passed over where no entry point is known yet",
}
"""The parts of a cluster that can stop, each with the source of the consequences."""
