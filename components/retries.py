"""Azure's temporary errors, which are retried, and the remedies for some permanent errors."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

import pulumi


@dataclass(frozen=True)
class Passing:
    """A temporary error, which is retried.

    Attributes:
        sign: part of the error's text.
        reason: the condition to wait for, in the user's words.
        minutes: how long to wait.
        otherwise: what to do if the error is still there then, in the user's words.
    """

    sign: str
    reason: str
    minutes: int = 20
    otherwise: str = "`pulumi up` tries again"


@dataclass(frozen=True)
class Terminal:
    """A permanent error with a known remedy.

    Attributes:
        sign: part of the error's text.
        remedy: what to do, in the user's words.
        kind: the only kind of object to which the remedy applies; empty for every resource.
    """

    sign: str
    remedy: str
    kind: str = ""


ROLE_NOT_IN_EFFECT: Final = (
    # A role assignment acts up to ten minutes after it was made
    # (learn: role-based-access-control/troubleshooting; hashicorp/terraform-provider-azurerm issue 24064).
    Passing("LinkedAuthorizationFailed", "the role on the subnet takes effect"),
    # Azure/azure-service-operator, v2/api/containerservice/customizations, isRetryableClusterError
    Passing("CustomKubeletIdentityMissingPermissionError", "the role on the nodes' identity takes effect"),
    Passing("is forbidden: User", "the role on the cluster takes effect"),
)
FLEETS_ROLES_NOT_IN_EFFECT: Final = (
    # Azure's answer to a missing role of its own resource provider is not documented; assumed as for other identities.
    Passing(
        "LinkedAuthorizationFailed",
        "the roles on the hub's subnets take effect",
        otherwise="look whether fleet.hub.private.resourceProviderObjectId is that of Fleet's resource provider here "
        '(docs/private.md, "Before the first `up`"), then run this again',
    ),
)
IDENTITY_NOT_IN_DIRECTORY: Final = (
    # A new identity reaches all of Microsoft Entra ID with a delay (pulumi/pulumi-azure issue 142).
    Passing("PrincipalNotFound", "the new identity is known to Microsoft Entra ID"),
)
NETWORK_BUSY: Final = (
    # A VNet, its subnets and its peerings are written one at a time
    # (pulumi/pulumi-azure-native issue 4340; hashicorp/terraform-provider-azurerm issue 2605).
    Passing("ReferencedResourceNotProvisioned", "the network is no longer being updated"),
    Passing("AnotherOperationInProgress", "the other operation on the network ends"),
    # AKS sets its ownership on the VNet when it creates, upgrades or scales a cluster (learn: troubleshoot/azure/
    # azure-kubernetes/error-codes/virtualnetworknotinsucceededstate-error). A creation that has begun is not retried.
    Passing("VirtualNetworkNotInSucceededState", "the network is no longer being updated"),
)
FRONTEND_CHANGES: Final = (
    # AKS writes its load balancer while a Service changes (aka.ms/aks-pending-operation is of clusters alone; Azure
    # writes a network resource once at a time: pulumi/pulumi-azure-native issue 4340).
    Passing("ReferencedResourceNotProvisioned", "the region's load balancer is no longer being updated"),
    Passing("AnotherOperationInProgress", "the other operation on the load balancer ends"),
)
MEMBER_EXPORTS_SERVICES: Final = (
    # A member can leave once its exports are gone (Azure/fleet v0.18.12, pkg/webhook/membercluster): seconds after it
    # has left the placement, or when its agent next looks for leftovers, every five minutes (Azure/fleet-networking
    # v0.3.25, controllers/member/endpointsliceexport). If exports remain after that, the agent does not run.
    Passing(
        "Please delete serviceExport",
        "the member's exports are withdrawn",
        minutes=7,
        otherwise="its cluster or the Fleet agents there do not run: start them and run this again; if the region is "
        "lost, put it back into `regions` with `lost: true`, run `pulumi up`, and only then remove it "
        '(docs/operations.md, "A region is lost for good")',
    ),
)
ANYWHERE: Final = (
    # The providers retry such requests themselves, but only a few times: azure-native for about three minutes
    # (provider/pkg/azure/client_azcore.go), less if Azure asks for short pauses (pulumi-azure-native issue 3720).
    *(Passing(f"Status={status}", "Azure accepts requests again") for status in (408, 429, 500, 502, 503, 504)),
    Passing("connection reset by peer", "the connection is stable"),
    Passing("the server is currently unable to handle the request", "the cluster's API server answers again"),
    Passing("the server has received too many requests", "the cluster's API server accepts requests again"),
    # AKS does one operation on a cluster at a time (aka.ms/aks-pending-operation;
    # Azure/azure-workload-identity issue 417).
    Passing("Operation is not allowed: Another", "the other operation on the cluster ends"),
    Passing("Operation is not allowed because there's an in progress", "the other operation on the cluster ends"),
    # The same, if two requests collide (microsoft/retina issue 1212, Azure/terraform-azurerm-aks PR 354).
    Passing("EtagMismatch", "the other operation on the cluster ends"),
)
"""Retried for every resource."""

_FEW_VCPUS: Final = (
    "too few vCPUs are left in the region: raise the quota (`az vm list-usage --location … --output table`), "
    "or choose a smaller node pool, another VM size or another region"
)
_NOT_LIVE: Final = "become live: timed out waiting for the condition"
_NO_RIGHT: Final = (
    'the deploying identity lacks this right: grant it (docs/team.md, "Rights"), then run this again; '
    "a new right takes effect within ten minutes"
)
_OTHER_REGION: Final = "add another region, then remove this one (docs/operations.md)"
_USED_RANGE: Final = (
    f"nodes are in this subnet, so its range cannot change: put nodeSubnet back; for another range, {_OTHER_REGION}"
)

TERMINAL: Final = (
    # learn: quotas/regional-quota-requests; texts: Azure/AKS issue 5808, MicrosoftDocs/azure-docs issue 25605
    Terminal("exceeding approved", _FEW_VCPUS),
    # 1ChristianAlex/motordesk issue 14
    Terminal("Insufficient vcpu quota", _FEW_VCPUS),
    # learn: azure-resource-manager/troubleshooting/error-sku-not-available; texts: Azure/azure-cli issue 16961
    Terminal(
        "is currently not available in location",
        "the VM size is not available in that region or zone now: `az vm list-skus --location … --output table` lists "
        "those that are; change vmSize, zones or the location",
    ),
    # dotnet/core issue 7603
    Terminal(
        "is not allowed in your subscription in location",
        "the subscription may not use the VM size in that region: `az vm list-skus --location … --output table` lists "
        "those that it may use; change vmSize or the location",
    ),
    # cloud-barista/cb-spider issue 527, Azure/AKS issue 5099
    Terminal(
        "LocationNotAvailableForResource",
        "this is not an Azure region, or not one for this subscription: `az account list-locations --output table` "
        "lists them; change location",
    ),
    # Azure/azure-cli issue 16788, MicrosoftDocs/azure-docs issue 68028
    Terminal(
        "'Microsoft.Compute/EncryptionAtHost' feature is not enabled",
        "the subscription lacks a feature: `az feature register --namespace Microsoft.Compute --name "
        "EncryptionAtHost`, wait until it is Registered, then `az provider register --namespace Microsoft.Compute` and "
        "`pulumi up`; or set clusters.hostEncryption to false before the clusters exist",
    ),
    # MicrosoftDocs/azure-docs issue 111834, Azure/AKS-Construction issue 344
    Terminal(
        "Unable to establish connection from agents to Kubernetes API server",
        "the nodes do not reach their API server: add the public address of their NAT gateway or firewall to "
        "clusters.apiRanges, open the subnet's outbound traffic (learn: aks/outbound-rules-control-egress), or the way "
        'into the subnet of a private API server (docs/private.md, "Existing subnets"); then delete the cluster '
        "(`az aks delete`), run `pulumi refresh` and `pulumi up`",
    ),
    # learn: …/azure-kubernetes/connectivity/insufficientsubnetsize-error-advanced-networking
    Terminal(
        "InsufficientSubnetSize",
        "the subnet has too few addresses for the node pool: lower maxPods, count or maxCount, or use a larger subnet",
    ),
    # pulumi/pulumi-azure-native issue 4761. First the remedy that loses nothing: the resource may be in use.
    Terminal(
        "cannot create already existing resource",
        "Azure has this resource, the stack's state does not: if you renamed a region or gave its name to another one, "
        "put the name back; if a `pulumi destroy` was stopped, run it again; if it is somebody else's, choose "
        'another name; if a `pulumi up` was killed, follow docs/operations.md, "After a killed `up`"',
    ),
    # pulumi/pulumi v3.274.1, pkg/resource/deploy/providers/registry.go: while a cluster is replaced, the engine closes
    # the provider through which its objects are deleted.
    Terminal(
        "client connection is closing",
        "a cluster cannot be replaced in one `pulumi up`: put the old values back; or move the entry point to another "
        "region, remove this one, run `pulumi up`, and add it again",
    ),
    # pulumi/pulumi-azure-native issue 959, Azure/azure-cli issue 29520
    Terminal(
        "Changing property",
        f"Azure cannot change this property afterwards: put the old value back; for the new one, {_OTHER_REGION}",
    ),
    # Source: learn, page aks/upgrade-aks-cluster
    Terminal(
        "Available upgrades:",
        "a cluster is upgraded by one minor version at a time, and never back: set kubernetesVersion to one that "
        "`az aks get-upgrades` lists",
    ),
    # hashicorp/terraform-provider-azurerm issues 11211, 7687
    Terminal("InUsePrefixCannotBeDeleted", _USED_RANGE),
    Terminal("InUseSubnetCannotBeUpdated", _USED_RANGE),
    # microsoft/nav-arm-templates issue 161
    Terminal(
        "InUseSubnetCannotBeDeleted",
        "something is still in the subnet, and the message names it: remove it, then run this again",
    ),
    # pulumi/pulumi-azure-native issue 3051
    Terminal(
        "InUseNetworkSecurityGroupCannotBeDeleted",
        "another subnet or network interface uses the security group, and the message names it: give it another one, "
        "then run this again",
    ),
    # MicrosoftDocs/azure-docs PR 123869
    Terminal(
        "NetcfgSubnetRangeOutsideVnet",
        f"a subnet must be inside its network: put addressSpace and nodeSubnet back; for others, {_OTHER_REGION}",
    ),
    # learn: virtual-network/virtual-network-manage-peering; Azure/ResourceModules issue 731
    Terminal(
        "Overlapping address prefixes",
        "two networks to be peered have the same addresses, and the message names them: choose another addressSpace, "
        "or delete the peering with a network that is no longer used",
    ),
    # cloud-manager of kyma-project, errors.go
    Terminal(
        "AnotherPeeringAlreadyReferencesRemoteVnet",
        "the networks are already peered: if by somebody else, set `existing.peered: true` in both regions; if by this "
        "stack, for a region of the same VNet that was removed or moved in the list, delete both peerings (`az network "
        "vnet peering delete`), then `pulumi up`",
    ),
    # Code: Azure/azure-service-operator issue 4181
    Terminal(
        "ClusterAlreadyJoinedAnotherFleet",
        "the cluster is a member of another fleet, and can be in one only: set fleet.existingId to that fleet, or "
        "remove the cluster from it (`az fleet member delete`)",
    ),
    # hashicorp/terraform-provider-azurerm, docs of virtual_network_peering
    Terminal(
        "ChangingRemoteVirtualNetworkNotAllowed",
        "a peering cannot be changed to another network: delete it (`az network vnet peering delete`), then "
        "`pulumi refresh` and `pulumi up`",
    ),
    # Source: learn, page virtual-network-troubleshoot-peering-issues
    Terminal(
        "RemotePeeringIsDisconnected",
        "the opposite peering still exists, disconnected, and must be created again too: `pulumi up --replace` with "
        'its URN (docs/operations.md, "Destroy the stack")',
    ),
    # learn: azure-resource-manager/management/lock-resources; MicrosoftDocs/azure-docs issue 110791
    Terminal(
        "ScopeLocked",
        "a lock forbids this deletion, and the message names the locked resource: put the settings back to keep it, or "
        "delete the lock (`az lock list --resource-group …`), wait some minutes and run this again",
    ),
    # Azure/bicep-registry-modules PR 1607, MicrosoftDocs/azure-docs issue 52282
    Terminal(
        "ResourceGroupDeletionBlocked",
        "something in the group cannot be deleted, and the message names it: "
        "`az monitor activity-log list --resource-group …` says why; remove the cause, then run this again",
    ),
    # learn: governance/policy/concepts/effect-deny-action; HoussemDellai/terraform-course issue 1
    Terminal(
        "RequestDisallowedByPolicy",
        "an Azure policy forbids this, and the message names its assignment: comply with it (with tags, or with your "
        "own subnet that has its security group: existing.subnetId), or ask for an exemption; then run this again",
    ),
    # learn: role-based-access-control/troubleshooting. No role that the program assigns would help: the deploying
    # identity sends these requests itself. The last three are for a right on a resource that the request refers to.
    Terminal("does not have authorization to perform action", _NO_RIGHT),
    Terminal("permission to perform action 'Microsoft.ContainerService/managedClusters/write'", _NO_RIGHT),
    Terminal("permission to perform action 'Microsoft.ContainerService/fleets/members/write'", _NO_RIGHT),
    Terminal(
        "permission to perform action 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings/write'", _NO_RIGHT
    ),
    # learn: kubernetes-fleet/concepts-preview-api-lifecycle; texts: pulumi/pulumi-azure-native issue 4097,
    # Azure/azure-service-operator issue 4935
    Terminal(
        "NoRegisteredProviderFound",
        "Azure does not support this API version any more (or not in this region): use another one "
        '(docs/operations.md, "Another version of Azure\'s API")',
    ),
    # Azure/fleet v0.18.12, pkg/utils/validator/resourceoverride.go. The engine creates before it deletes.
    Terminal(
        "the resource has been selected by both",
        "an object has one override at a time, and the message names both: take the one out, `pulumi up`, then add the "
        "other; or keep the first one's name",
    ),
    # The provider shows the missing condition while it waits, and not in its error (pulumi-kubernetes
    # provider/pkg/await/internal/awaiter.go). Azure/fleet v0.18.12: a placement is available without the members that
    # have not joined.
    Terminal(
        _NOT_LIVE,
        "the app does not run on every member: on the hub, `kubectl get memberclusters` names a member that has not "
        "joined (make sure that its nodes run and reach the hub), and `kubectl describe clusterresourceplacement` the "
        "cluster and the object that do not become available; fix it, then `pulumi up`; if a region no longer answers, "
        'set `lost: true` in it (docs/operations.md, "Take a lost region out")',
        kind="ClusterResourcePlacement",
    ),
    # fleet-networking v0.3.25, multiclusterservice controller. An entry point without a service has no address either.
    Terminal(
        _NOT_LIVE,
        "the entry point has no address: look at `kubectl describe multiclusterservice` on the entry region's cluster; "
        "if it is not Valid, the fleet offers it no service: `kubectl describe serviceexport` on a member says why (a "
        "headless Service is never exported), or another entry point holds it; if it is Valid, `kubectl get events "
        "--namespace fleet-system` says why Azure gives no address (often the quota of public addresses, or a right on "
        "the subnet); then `pulumi up`; if another region no longer answers, Fleet may be waiting for it: set "
        '`lost: true` in it (docs/operations.md, "Take a lost region out")',
        kind="MultiClusterService",
    ),
)
"""Permanent errors with their remedies. The first match counts, even if the text also matches a temporary error.

Other permanent errors end an operation with Azure's message only.
"""

# How the engine reports a failure after which the resource exists and is kept in the state
# (pulumi/pulumi v3.274.1, pkg/resource/plugin/provider_plugin.go, InitError).
_HALF_MADE: Final = re.compile(r"\d+ errors? occurred:")

_LONGEST_PAUSE: Final = 60
_MINUTE: Final = 60


def pause_before_retry(failures: int, minutes: int = 20) -> int | None:
    """Return the seconds to wait after so many failures: 5, 10, 20, 40, then 60; None once the minutes are used up."""
    pauses = [min(5 * 2**n, _LONGEST_PAUSE) for n in range(failures)]
    return pauses[-1] if sum(pauses) <= minutes * _MINUTE else None


class Retry:
    """Lets the engine repeat an operation that fails with a temporary error.

    Every other error ends the operation at once, with the remedy if one is known.

    Args:
        name: the hook's name, which the engine keeps with each resource. It names the errors, not a resource: when a
            region has left the program, the hook that other regions share still serves the deletion of its resources.
        refusals: the temporary errors, besides `ANYWHERE`.
    """

    def __init__(self, name: str, *refusals: Passing) -> None:
        self._name = name
        self._answer = _answer(refusals)
        # A name can be registered once in each run of a program, and each run has a loop of its own.
        self._bindings = WeakKeyDictionary[asyncio.AbstractEventLoop, pulumi.ResourceHookBinding]()

    def hooks(self) -> pulumi.ResourceHookBinding:
        """Return the hooks for a resource's options."""
        loop = asyncio.get_event_loop()
        if loop not in self._bindings:
            self._bindings[loop] = pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(self._name, self._answer)])
        return self._bindings[loop]


def _answer(refusals: Sequence[Passing]) -> Callable[[pulumi.ErrorHookArgs], Awaitable[bool]]:
    async def answer(failed: pulumi.ErrorHookArgs) -> bool:
        error = failed.errors[0]
        # A second creation of the same resource would be refused, and the engine would then forget the resource
        # (pulumi/pulumi v3.259.0, pkg/resource/deploy/step.go, CreateStep.Apply; v3.274.1 would update it, but older
        # engines are supported too). Without a retry, the next `up` finishes the resource.
        half_made = failed.failed_operation == "create" and _HALF_MADE.match(error)
        remedies = (each.remedy for each in TERMINAL if each.sign in error and failed.type.endswith(each.kind))
        remedy = next(remedies, None)
        signs = () if remedy else (*refusals, *ANYWHERE)
        passing = next((refusal for refusal in signs if refusal.sign in error), None)
        pause = pause_before_retry(len(failed.errors), passing.minutes) if passing else None
        if passing and pause and not half_made:
            pulumi.log.info(f"{failed.name}: waiting until {passing.reason}; next try in {pause} s")
            await asyncio.sleep(pause)
            return True
        if half_made and not remedy:
            remedy = "it was created, but not finished; `pulumi up` finishes it"
        elif passing:
            remedy = f"gave up after {passing.minutes} minutes of waiting until {passing.reason}; {passing.otherwise}"
        if remedy:
            pulumi.log.error(f"{failed.name}: {remedy}")
        return False

    return answer


NETWORK_RETRY: Final = Retry("network-retry", *NETWORK_BUSY)
CLUSTER_RETRY: Final = Retry("cluster-retry", *ROLE_NOT_IN_EFFECT, *NETWORK_BUSY)
GRANT_RETRY: Final = Retry("grant-retry", *IDENTITY_NOT_IN_DIRECTORY)
BALANCER_RETRY: Final = Retry("balancer-retry", *FRONTEND_CHANGES)
FLEET_RETRY: Final = Retry("fleet-retry", *MEMBER_EXPORTS_SERVICES)
PRIVATE_HUB_RETRY: Final = Retry("private-hub-retry", *FLEETS_ROLES_NOT_IN_EFFECT, *NETWORK_BUSY)
MONITOR_RETRY: Final = Retry("monitor-retry")
OBJECT_RETRY: Final = Retry("role-retry", *ROLE_NOT_IN_EFFECT)
BUDGET_RETRY: Final = Retry("budget-retry")
