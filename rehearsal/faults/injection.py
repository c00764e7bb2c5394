"""Azure's known failures, on demand: a profile says which of them strike what, and how often.

The catalogue has each failure in the words of Azure, or of a cluster's API server (with … for ids). Which layer answers
is not decided here: a provider repeats some requests by itself, as played below; the rest reaches the engine and, with
it, the program.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rehearsal.azure.arm import last_segment, refusal
from rehearsal.azure.clusters import CLUSTER_BUSY
from rehearsal.cloud import Cloud, Operation
from rehearsal.cluster.interface import ApiServer, Part
from rehearsal.core.parsing import UnparsableError, parsed
from rehearsal.core.protocol import Call, RefusedError

Layer = Literal["provider", "program", "nobody"]
Verb = Literal["create", "read", "update", "delete", "invoke"]


@dataclass(frozen=True)
class Failure:
    """One entry of the catalogue.

    Attributes:
        source: where code and text come from.
        answer: who deals with it: the provider that made the request, and the program once that has given up; the
            program alone; or nobody, so that the operation ends.
        status: the HTTP status; None where the connection breaks instead.
        code: Azure's code.
        azure: Azure's text, or all that the provider prints where there is no status; empty where Azure never says it.
        deletion: Azure's text where a deletion is refused, if that is another one.
        kubernetes: the same of a cluster's API server.
        retry_after: the seconds in the answer's Retry-After header, if it has one.
        verbs: the operations that it can strike.
    """

    source: str
    answer: Layer
    status: int | None = None
    code: str = ""
    azure: str = ""
    deletion: str = ""
    kubernetes: str = ""
    retry_after: int | None = None
    verbs: tuple[Verb, ...] = get_args(Verb)


_BUSY = "Another operation on this or dependent resource is in progress."
_LOCKED = (
    "The scope '{scope}' cannot perform delete operation because following scope(s) are locked: '{lock}'. "
    "Please remove the lock and try again."
)
_POLICY = (
    'Policy identifiers: \'[{"policyAssignment":{"name":"…","id":"…"},"policyDefinition":{"name":"…","id":"…"}}]\'.'
)
_NO_RIGHT = (
    "The client '…' with object id '…' does not have authorization to perform action '…/{action}' over scope '…' or "
    "the scope is invalid. If access was recently granted, please refresh your credentials."
)

CATALOGUE: Final[dict[str, Failure]] = {
    "TooManyRequests": Failure(
        source="learn: azure-resource-manager/management/request-limits-and-throttling; Azure/apiops issue 612; "
        "Kubernetes: apimachinery v0.34.1 pkg/api/errors, NewGenericServerResponse",
        answer="provider",
        status=429,
        code="SubscriptionRequestsThrottled",
        azure="Number of 'write' requests for subscription actor exceeded. Please try again after '17' seconds after "
        "additional tokens are available. Refer to https://aka.ms/arm-throttling for additional information.",
        kubernetes="the server has received too many requests and has asked us to try again later",
        retry_after=17,
    ),
    "LongThrottling": Failure(
        source="as TooManyRequests, with a Retry-After that azcore v1.17.0 (policy_retry.go) finds too long",
        answer="program",
        status=429,
        code="SubscriptionRequestsThrottled",
        azure="Number of 'write' requests for subscription actor exceeded. Please try again after '300' seconds after "
        "additional tokens are available. Refer to https://aka.ms/arm-throttling for additional information.",
        retry_after=300,
    ),
    "RetryableError": Failure(
        source="pulumi/pulumi-azure-native issues 1450, 3720",
        answer="provider",
        status=429,
        code="RetryableError",
        azure="A retryable error occurred.",
        retry_after=14,
    ),
    "ServerTimeout": Failure(
        source="microsoft/MLOS PR 950; Kubernetes: apimachinery v0.34.1 pkg/api/errors, NewGenericServerResponse",
        answer="provider",
        status=503,
        code="ServerTimeout",
        azure="The request timed out. Diagnostic information: timestamp '…', subscription id '…', tracking id '…', "
        "request correlation id '…'.",
        kubernetes="the server is currently unable to handle the request",
    ),
    "GatewayTimeout": Failure(
        source="pulumi/pulumi-azure-native issue 3200",
        answer="provider",
        status=504,
        code="GatewayTimeout",
        azure="The gateway did not receive a response from '…' within the specified time period.",
    ),
    "ConnectionReset": Failure(
        source="Go, net.OpError, as the providers' clients print it",
        answer="provider",
        azure='"https://management.azure.com/…": read tcp 10.0.0.4:50210->4.150.240.10:443: '
        "read: connection reset by peer",
        kubernetes='"https://…:443/…": read tcp 10.0.0.4:50212->20.72.0.9:443: read: connection reset by peer',
    ),
    "AnotherOperationInProgress": Failure(
        source="pulumi/pulumi-azure-native issues 699, 903, PR 3653",
        answer="provider",
        status=409,
        code="AnotherOperationInProgress",
        azure=f"{_BUSY} To retrieve status of the operation use uri: https://management.azure.com/…/operations/….",
    ),
    "ClusterBusy": Failure(
        source="Azure/azure-workload-identity issue 417; aka.ms/aks-pending-operation",
        answer="program",
        status=409,
        code="OperationNotAllowed",
        azure=CLUSTER_BUSY,
    ),
    "EtagMismatch": Failure(
        source="code: microsoft/retina issue 1212, Azure/terraform-azurerm-aks PR 354; text: Azure/azure-cli, "
        "recording test_aks_approuting_zone_add_delete_list",
        answer="program",
        status=409,
        code="EtagMismatch",
        azure="Failed to save control plane with ID …. Operation is not allowed: Another operation is in progress",
    ),
    "ReferencedResourceNotProvisioned": Failure(
        source="pulumi/pulumi-azure-native issue 4340, hashicorp/terraform-provider-azurerm issues 2605, 24150; Azure/"
        "azure-service-operator, recording Test_Network_v1api20240301",
        answer="program",
        status=400,
        code="ReferencedResourceNotProvisioned",
        azure="Cannot proceed with operation because resource …/virtualNetworks/… used by resource "
        "…/virtualNetworkPeerings/… is not in Succeeded state. Resource is in Updating state and the last "
        "operation that updated/is updating the resource is PutSubnetOperation.",
    ),
    "SetVNetOwnershipFailed": Failure(
        source="Azure/AKS issue 4522; learn: troubleshoot/azure/azure-kubernetes/error-codes/"
        "virtualnetworknotinsucceededstate-error",
        answer="program",
        status=400,
        code="SetVNetOwnershipFailed",
        azure="Set virtual network ownership failed. Subscription: …; resource group: …; virtual network name: …. "
        'autorest/azure: Service returned an error. Status=400 Code="VirtualNetworkNotInSucceededState" '
        'Message="Virtual network …/virtualNetworks/… is in Updating state. It needs to be in Succeeded state in order '
        'to set resource ownership."',
        verbs=("create", "update"),
    ),
    "LinkedAuthorizationFailed": Failure(
        source="hashicorp/terraform-provider-azurerm issues 3067, 24064, Azure/aad-pod-identity PR 550; learn: "
        "role-based-access-control/troubleshooting. Of three recorded creations without the role none was refused "
        "(docs/recordings.md)",
        answer="program",
        status=403,
        code="LinkedAuthorizationFailed",
        azure="The client '…' with object id '…' has permission to perform action "
        "'Microsoft.Compute/virtualMachineScaleSets/write' on scope '…/virtualMachineScaleSets/…'; however, it does "
        "not have permission to perform action 'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked "
        "scope(s) '…/subnets/…' or the linked scope(s) are invalid.",
    ),
    "Forbidden": Failure(
        source="learn: kubernetes-fleet/access-fleet-hub-cluster-kubernetes-api; learn: aks/manage-azure-rbac",
        answer="program",
        status=403,
        kubernetes='{kind} is forbidden: User "…" cannot {verb} resource "{kind}" in API group "…": '
        "User does not have access to the resource in Azure. Update role assignment to allow access.",
    ),
    "PrincipalNotFound": Failure(
        source="pulumi/pulumi-azure issue 142, MicrosoftDocs/azure-docs issue 103085; learn: role-based-access-control/"
        "troubleshooting",
        answer="program",
        status=400,
        code="PrincipalNotFound",
        azure="Principal … does not exist in the directory …. Check that you have the correct principal ID. If you are "
        "creating this principal and then immediately assigning a role, this error might be related to a replication "
        "delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, "
        "User, or Group.  See https://aka.ms/docs-principaltype",
    ),
    "NoRegisteredProviderFound": Failure(
        source="pulumi/pulumi-azure-native issue 4097, Azure/azure-service-operator issue 4935; "
        "learn: kubernetes-fleet/concepts-preview-api-lifecycle",
        answer="nobody",
        status=400,
        code="NoRegisteredProviderFound",
        azure="No registered resource provider found for location '…' and API version '…' for type '…'. The supported "
        "api-versions are '…'. The supported locations are '…'.",
    ),
    "QuotaExceeded": Failure(
        source="mspnp/aks-baseline issue 377, Azure/AKS issue 5808; learn: quotas/regional-quota-requests",
        answer="nobody",
        status=400,
        code="QuotaExceeded",
        azure="Provisioning of resource(s) for container service … in resource group … failed. Message: Operation "
        "could not be completed as it results in exceeding approved Total Regional Cores quota. Additional details - "
        "Deployment Model: Resource Manager, Location: …, Current Limit: 10, Current Usage: 8, Additional Required: 6, "
        "(Minimum) New Limit Required: 14.",
    ),
    "SkuNotAvailable": Failure(
        source="learn: azure-resource-manager/troubleshooting/error-sku-not-available; Azure/azure-cli issue 16961",
        answer="nobody",
        status=400,
        code="SkuNotAvailable",
        azure="The requested size for resource '…' is currently not available in location '…' zones '' for "
        "subscription '…'. Please try another size or deploy to a different location or zones. "
        "See https://aka.ms/azureskunotavailable for details.",
    ),
    "SizeNotAllowed": Failure(
        source="dotnet/core issue 7603",
        answer="nobody",
        status=400,
        code="BadRequest",
        azure="The VM size of AgentPoolProfile:system is not allowed in your subscription in location '…'. "
        "For more details, please visit https://aka.ms/aks/quotas-skus-regions",
    ),
    "InsufficientVCPUQuota": Failure(
        source="1ChristianAlex/motordesk issue 14",
        answer="nobody",
        status=400,
        code="ErrCode_InsufficientVCPUQuota",
        azure="Insufficient vcpu quota requested 6, remaining 2 for provider standardDSv2Family for region …. "
        "Surge nodes would also consume vcpu quota.",
    ),
    "ScopeLocked": Failure(
        source="learn: azure-resource-manager/management/lock-resources; MicrosoftDocs/azure-docs issue 110791 (role "
        "assignments), Azure/terraform-azurerm-lz-vending issue 496",
        answer="nobody",
        status=409,
        code="ScopeLocked",
        azure=_LOCKED.format(scope="…", lock="…"),
        verbs=("delete",),
    ),
    "ResourceGroupDeletionBlocked": Failure(
        source="Azure/bicep-registry-modules PR 1607, MicrosoftDocs/azure-docs issue 52282",
        answer="nobody",
        status=409,
        code="ResourceGroupDeletionBlocked",
        azure="Deletion of resource group '…' failed as resources with identifiers '…' could not be deleted. The "
        "provisioning state of the resource group will be rolled back. The tracking Id is '…'. Please check audit logs "
        "for more details.",
        verbs=("delete",),
    ),
    "RequestDisallowedByPolicy": Failure(
        source="HoussemDellai/terraform-course issue 1; for deletions learn: governance/policy/concepts/"
        "effect-deny-action, which has the status, but neither code nor text",
        answer="nobody",
        status=403,
        code="RequestDisallowedByPolicy",
        azure=f"Resource '…' was disallowed by policy. {_POLICY}",
        deletion=f"Deletion of resource '…' was disallowed by policy. {_POLICY}",
        verbs=("create", "update", "delete"),
    ),
    "AuthorizationFailed": Failure(
        source="Azure/azure-cli issues 30789, 30800, 28354",
        answer="nobody",
        status=403,
        code="AuthorizationFailed",
        azure=_NO_RIGHT.format(action="write"),
        deletion=_NO_RIGHT.format(action="delete"),
        verbs=("create", "update", "delete"),
    ),
}

_AUTHORIZATION: Final = {"Forbidden"}

OUTAGES: Final[dict[Part, str]] = {
    Part.AGENTS: "Azure/fleet v0.18.12, pkg/controllers/membercluster/v1beta1: Joined needs a report of every agent",
    Part.PODS: "Azure/fleet v0.18.12, pkg/controllers/workapplier/availability_tracker.go: a Deployment's ready "
    "replicas",
    Part.LOAD_BALANCERS: "fleet-networking v0.3.25, multiclusterservice controller: Valid comes without an address",
    Part.IMPORTS: "fleet-networking v0.3.25, pkg/controllers/member/endpointsliceimport: what a cluster exports is "
    "passed over where no entry point is known yet",
}
"""The parts of a cluster that can stop, each with the source of what follows from it."""


def _known_failure(name: str) -> str:
    if name not in CATALOGUE:
        raise ValueError(f"unknown; known are {', '.join(CATALOGUE)}")
    return name


def _known_outage(name: str) -> Part:
    try:
        return Part(name)
    except ValueError:
        raise ValueError(f"unknown; known are {', '.join(Part)}") from None


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fault(_Entry):
    """A failure that strikes operations: always, or as often as `times`, `lasts` and `probability` allow.

    Attributes:
        fault: the failure's name in the catalogue.
        verb: which operations; None for all.
        type: pattern (`*`) of the resources' type tokens, or of the functions'.
        name: pattern of the resources' logical names; functions have none.
        times: how many requests of each operation.
        lasts: for how many seconds after it struck first.
        probability: of each request.
        halfway: whether Azure accepts the operation and fails to carry it out, which leaves the resource Failed.
    """

    fault: Annotated[str, AfterValidator(_known_failure)]
    verb: Verb | None = None
    type: str = "*"
    name: str = "*"
    times: Annotated[int, Field(ge=1)] | None = None
    lasts: Annotated[float, Field(gt=0)] | None = None
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    halfway: bool = False

    @property
    def failure(self) -> Failure:
        """The entry of the catalogue."""
        return CATALOGUE[self.fault]

    def concerns(self, verb: str, call: Call) -> bool:
        """Say whether an operation is one of those that this strikes."""
        return (
            bool(_text(self.failure, verb, call))
            and verb in self.failure.verbs
            and self.verb in (None, verb)
            and fnmatchcase(call.token, self.type)
            and fnmatchcase(call.name, self.name)
        )


class Outage(_Entry):
    """A part that does not run on a cluster.

    Attributes:
        outage: the part.
        cluster: pattern (`*`) of the clusters' names in Azure.
        lasts: for how many seconds after it was met first; for ever, if left out.
    """

    outage: Annotated[Part, BeforeValidator(_known_outage)]
    cluster: str = "*"
    lasts: Annotated[float, Field(gt=0)] | None = None


class Profile(_Entry):
    """What goes wrong in a run; of several faults that concern an operation the first strikes.

    Attributes:
        faults: which failures strike what.
        outages: what does not run.
        locks: patterns (`*`) of resource groups' names: they and all that is in them, role assignments included,
            cannot be deleted.
    """

    faults: tuple[Fault, ...] = ()
    outages: tuple[Outage, ...] = ()
    locks: tuple[str, ...] = ()


class ProfileError(Exception):
    """A profile cannot be used; the message says why, for people."""


def load(path: Path) -> Profile:
    """Read a profile.

    Raises:
        ProfileError: the file cannot be read, or says what no profile can say.
    """
    try:
        profile = Profile.model_validate(parsed(path, str(path)))
    except UnparsableError as error:
        raise ProfileError(str(error)) from None
    except ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ProfileError("\n".join(lines)) from error
    if profile == Profile():
        raise ProfileError(
            f"{path}: nothing goes wrong in it; write faults, outages or locks, as in rehearsal/faults/profiles"
        )
    return profile


class Faults:
    """A profile in force.

    Attributes:
        refused: how often each operation was refused, by verb and logical name (of a function: its token).
    """

    def __init__(
        self,
        profile: Profile,
        *,
        seed: int = 0,
        tell: Callable[[str], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a profile.

        Args:
            profile: what goes wrong.
            seed: decides what `probability` leaves to chance, whatever order operations come in.
            tell: told what struck, in words.
            clock: seconds, for `lasts`.
        """
        self.refused: Counter[tuple[str, str]] = Counter()
        self._profile = profile
        self._seed = seed
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._requests: Counter[tuple[int, str, str]] = Counter()
        self._first: dict[int, float] = {}  # when each fault struck first
        self._met: dict[int, float] = {}  # when each outage was met first
        self._played: set[Fault | Outage] = set()

    @contextmanager
    def in_force(self, cloud: Cloud) -> Generator[None]:
        """Let the profile happen in a cloud, besides others in force; nothing of it is kept with the cloud."""
        failure, stopped, forbidden = cloud.azure.failure, cloud.world.stopped, cloud.forbidden

        def observe(operation: Operation) -> None:
            self._observe(cloud, operation)

        cloud.observers.append(observe)
        cloud.azure.failure = lambda verb, call: self._fail_halfway(verb, call) or failure(verb, call)
        cloud.world.stopped = lambda part, cluster: self._stopped(part, cluster) or stopped(part, cluster)
        cloud.forbidden = lambda verb, call: self._forbids(verb, call) or forbidden(verb, call)
        try:
            yield
        finally:
            cloud.observers.remove(observe)
            cloud.azure.failure, cloud.world.stopped, cloud.forbidden = failure, stopped, forbidden
            cloud.pass_time(0)  # what had stopped looks about again

    def unplayed(self) -> list[str]:
        """Return what of the profile has not happened so far, in the profile's own words."""
        return [
            ", ".join(f"{key}: {value}" for key, value in each.model_dump(exclude_unset=True).items())
            for each in (*self._profile.faults, *self._profile.outages)
            if each not in self._played
        ]

    def _observe(self, cloud: Cloud, operation: Operation) -> None:
        """Send the operation's request as the provider does, again and again as far as it would; then refuse."""
        verb, call, failed = operation.verb, operation.call, 0
        if verb == "delete" and (lock := self._lock_on(operation.resource_id)):
            self._note(verb, call, "ScopeLocked")
            failure = CATALOGUE["ScopeLocked"]
            text = _LOCKED.format(scope=operation.resource_id, lock=lock)
            raise refusal(failure.status or 0, failure.code, text)
        while fault := self._strike(verb, call, halfway=False):
            failed += 1
            pause = _provider_pause(fault.failure, verb, call, failed)
            if pause is None:
                self._refuse(verb, call, fault, failed)
                raise RefusedError(_text(fault.failure, verb, call))
            cloud.pass_time(pause)
        if failed:
            self._tell(f"fault: {verb} {_what(call)}: the provider came through with try {failed + 1}")

    def _fail_halfway(self, verb: Literal["create", "update"], call: Call) -> str | None:
        fault = self._strike(verb, call, halfway=True)
        if fault is None:
            return None
        self._refuse(verb, call, fault, 1)
        # The error is in the answer to a poll, which as such is in order (azure-native, client_azcore.go).
        return str(refusal(200, fault.failure.code, fault.failure.azure))

    def _forbids(self, verb: str, call: Call) -> bool:
        """Say whether a real cluster refuses a request, which is all that can be played to one."""
        fault = self._strike(verb, call, halfway=False, among=_AUTHORIZATION)
        if fault:
            self._refuse(verb, call, fault, 1)
        return fault is not None

    def _refuse(self, verb: str, call: Call, fault: Fault, failed: int) -> None:
        often = f", {failed} times in a row" if failed > 1 else ""
        how = " after Azure had accepted it" if fault.halfway else ""
        self._note(verb, call, f"{fault.fault}{often}{how}")

    def _note(self, verb: str, call: Call, what: str) -> None:
        self.refused[verb, _what(call)] += 1
        self._tell(f"fault: {verb} {_what(call)}: {what}")

    def _lock_on(self, resource_id: str) -> str | None:
        """Return the id of the locked group that a resource is in, or is."""
        group = "/".join(resource_id.split("/")[:5])
        locked = "/resourcegroups/" in group.lower() and any(
            fnmatchcase(last_segment(group).lower(), pattern.lower()) for pattern in self._profile.locks
        )
        return group if locked else None

    def _strike(
        self, verb: str, call: Call, *, halfway: bool, among: Collection[str] = CATALOGUE.keys()
    ) -> Fault | None:
        """Return the fault that strikes the next request of an operation, if one does."""
        with self._lock:
            for index, fault in enumerate(self._profile.faults):
                if fault.fault not in among or fault.halfway != halfway or not fault.concerns(verb, call):
                    continue
                key = (index, verb, _what(call))
                first = self._first.setdefault(index, self._clock())
                # Each request has a chance of its own that no other operation shifts.
                chance = random.Random(f"{self._seed} {key} {self._requests[key]}").random()  # noqa: S311 - a dice
                over = (fault.times is not None and self._requests[key] >= fault.times) or (
                    fault.lasts is not None and self._clock() - first >= fault.lasts
                )
                self._requests[key] += 1
                if not over and chance < fault.probability:
                    self._played.add(fault)
                    return fault
        return None

    def _stopped(self, part: Part, cluster: ApiServer) -> bool:
        name = last_segment(cluster.id)
        for index, each in enumerate(self._profile.outages):
            if each.outage == part and fnmatchcase(name, each.cluster):
                self._played.add(each)
                since = self._clock() - self._met.setdefault(index, self._clock())
                return each.lasts is None or since < each.lasts
        return False


def _what(call: Call) -> str:
    return call.name or call.token


# How azure-native's client tries again: 3 times, after 20, 60 and 120 s or as Retry-After says, up to 120 s; on these
# statuses, on broken connections, and on one conflict (azure-native, provider/pkg/azure/client_azcore.go;
# azcore v1.17.0, runtime/policy_retry.go).
_AZURE_PAUSES: Final = (20, 60, 120)
_AZURE_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504, None})
_AZURE_CONFLICT: Final = "AnotherOperationInProgress"
# How a Kubernetes client does: 10 times where the server says Retry-After, and on broken connections when it reads
# (client-go v0.34.1, rest/with_retry.go and request.go).
_KUBERNETES_TRIES: Final = 10


def _provider_pause(failure: Failure, verb: str, call: Call, failed: int) -> int | None:
    """Return the seconds after which the provider tries again; None when it hands the failure to the engine."""
    if _package(call) == "kubernetes":
        tries = failure.retry_after is not None or (failure.status is None and verb == "read")
        return (failure.retry_after or 1) if tries and failed <= _KUBERNETES_TRIES else None
    repeated = failure.status in _AZURE_STATUSES or failure.code == _AZURE_CONFLICT
    if not repeated or failed > len(_AZURE_PAUSES) or (failure.retry_after or 0) > _AZURE_PAUSES[-1]:
        return None
    return failure.retry_after or _AZURE_PAUSES[failed - 1]


def _text(failure: Failure, verb: str, call: Call) -> str:
    """Return what the provider prints; nothing where it never meets the failure."""
    match _package(call):
        case "azure-native" if failure.azure:
            if failure.status is None:
                return f"{_METHODS[verb]} {failure.azure}"
            text = failure.deletion if verb == "delete" and failure.deletion else failure.azure
            return str(refusal(failure.status, failure.code, text))
        case "kubernetes" if failure.kubernetes:
            kind = call.token.rsplit(":", 1)[-1]
            text = failure.kubernetes.format(verb=_KUBERNETES_VERBS.get(verb, verb), kind=f"{kind.lower()}s")
            return _KUBERNETES_PREFIXES.get(verb, "").format(name=call.name) + text
        case _:
            return ""


_METHODS: Final = {"create": "Put", "read": "Get", "update": "Put", "delete": "Delete", "invoke": "Post"}
_KUBERNETES_VERBS: Final = {"read": "get", "update": "patch"}
# pulumi/pulumi-kubernetes 4.32, provider/pkg/provider/provider.go
_KUBERNETES_PREFIXES: Final = {
    "create": 'resource "{name}" was not successfully created by the Kubernetes API server: ',
    "update": 'update of resource "{name}" failed: ',
}


def _package(call: Call) -> str:
    return call.token.split(":")[0]
