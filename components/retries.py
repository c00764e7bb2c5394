"""Patience with Azure: which refusals pass by themselves, and for how long; and what to do about some that do not."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

import pulumi


@dataclass(frozen=True)
class Passing:
    """A refusal that passes by itself.

    Attributes:
        sign: what the error's text contains.
        reason: what is being waited for, as the user reads it.
    """

    sign: str
    reason: str


@dataclass(frozen=True)
class Terminal:
    """A refusal that stays until somebody does something.

    Attributes:
        sign: what the error's text contains.
        remedy: what to do, as the user reads it.
    """

    sign: str
    remedy: str


ROLE_NOT_IN_EFFECT: Final = (
    # A role assignment acts up to ten minutes after it was made
    # (learn: role-based-access-control/troubleshooting; hashicorp/terraform-provider-azurerm issue 24064).
    Passing("LinkedAuthorizationFailed", "the role on the subnet takes effect"),
    Passing("AuthorizationFailed", "the role takes effect"),
    Passing("is forbidden: User", "the role on the cluster takes effect"),
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
)
MEMBER_EXPORTS_SERVICES: Final = (
    # A member leaves once its exports are gone, which is soon after it has left the placement
    # (Azure/fleet v0.18.9, pkg/webhook/membercluster).
    Passing("Please delete serviceExport", "the member's exports are withdrawn"),
)
ANYWHERE: Final = (
    # The providers repeat such requests themselves, but only a few times: azure-native for about three minutes
    # (provider/pkg/azure/client_azcore.go), less where Azure asks for short pauses (pulumi-azure-native issue 3720).
    *(Passing(f"Status={status}", "Azure takes requests again") for status in (408, 429, 500, 502, 503, 504)),
    Passing("connection reset by peer", "the connection holds"),
    Passing("the server is currently unable to handle the request", "the cluster's API server answers again"),
    Passing("the server has received too many requests", "the cluster's API server takes requests again"),
    # AKS does one operation on a cluster at a time (aka.ms/aks-pending-operation;
    # Azure/azure-workload-identity issue 417).
    Passing("Operation is not allowed: Another", "the other operation on the cluster ends"),
    Passing("Operation is not allowed because there's an in progress", "the other operation on the cluster ends"),
)
"""Worth waiting for whatever the resource."""

TERMINAL: Final = (
    # learn: quotas/regional-quota-requests; texts: Azure/AKS issue 5808, MicrosoftDocs/azure-docs issue 25605
    Terminal(
        "exceeding approved",
        "too few vCPUs are left in the region: raise the quota (`az vm list-usage --location … --output table`), "
        "or choose a smaller node pool, another VM size or another region",
    ),
    # learn: azure-resource-manager/troubleshooting/error-sku-not-available; texts: Azure/azure-cli issue 16961
    Terminal(
        "is currently not available in location",
        "the VM size is not offered in that region or zone now: `az vm list-skus --location … --output table` shows "
        "which are; change vmSize, zones or the location",
    ),
    # dotnet/core issue 7603
    Terminal(
        "is not allowed in your subscription in location",
        "the subscription may not use the VM size in that region: `az vm list-skus --location … --output table` shows "
        "which it may; change vmSize or the location",
    ),
    # pulumi/pulumi-azure-native issue 4761
    Terminal(
        "cannot create already existing resource",
        "Azure has it and the stack's state does not: `pulumi import` it, or delete it in Azure; then `pulumi up`",
    ),
    # learn: kubernetes-fleet/concepts-preview-api-lifecycle; texts: pulumi/pulumi-azure-native issue 4097,
    # Azure/azure-service-operator issue 4935
    Terminal(
        "NoRegisteredProviderFound",
        "Azure does not answer to this API version any more (or not in this region): use another one, as "
        'docs/operations.md says under "Another version of Azure\'s API"',
    ),
    # Source: learn, page virtual-network-troubleshoot-peering-issues
    Terminal(
        "RemotePeeringIsDisconnected",
        "Azure makes a peering only together with its opposite: delete that too (`az network vnet peering delete`), "
        "then `pulumi refresh` and `pulumi up`",
    ),
    # Text: cloud-manager of kyma-project, errors.go
    Terminal(
        "AnotherPeeringAlreadyReferencesRemoteVnet",
        "the networks are peered already: by somebody else, write `existing.peered: true` in both regions; by this "
        "stack, under a region of the same VNet that has gone or moved in the list, delete both peerings (`az network "
        "vnet peering delete`), then `pulumi up`",
    ),
    # Code: Azure/azure-service-operator issue 4181
    Terminal(
        "ClusterAlreadyJoinedAnotherFleet",
        "the cluster is a member of another fleet, and can be in one only: name that fleet in fleet.existingId, or "
        "take the cluster out of it (`az fleet member delete`)",
    ),
    # Azure/fleet v0.18.9: a placement counts as available without the members that have not joined.
    Terminal(
        "placementStatuses[",
        "a member has not joined, so the app is not placed on it: `kubectl get memberclusters` on the hub names it; "
        "see that its nodes run and reach the hub, then `pulumi up`",
    ),
    Terminal(
        "has condition ClusterResourcePlacementAvailable=",
        "the app does not become available on every cluster: `kubectl describe clusterresourceplacement` on the hub "
        "names the cluster and the object; mend it, then `pulumi up`",
    ),
    Terminal(
        ".status.loadBalancer.ingress",
        "Azure gives the entry point no address: `kubectl get events --namespace fleet-system` on the entry region's "
        "cluster says why (often the quota of public addresses, or a right on the subnet); then `pulumi up`",
    ),
)
"""What ends an operation, with what to do; everything else that is not passing ends it in its own words."""

# The engine's form of a failure that has left the resource behind, to be kept in the state
# (pulumi/pulumi v3.259.0, sdk/go/common/resource/plugin/provider_plugin.go, InitError).
_HALF_MADE: Final = re.compile(r"\d+ errors? occurred:")

_LONGEST_PAUSE: Final = 60
_LONGEST_WAIT: Final = 20 * 60


def pause_before_retry(failures: int) -> int | None:
    """Return the seconds to wait after so many failures: 5, 10, 20, 40, then 60; None once 20 minutes are used up."""
    pauses = [min(5 * 2**n, _LONGEST_PAUSE) for n in range(failures)]
    return pauses[-1] if sum(pauses) <= _LONGEST_WAIT else None


_hooks: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, pulumi.ResourceHookBinding]]] = WeakKeyDictionary()


def retry(name: str, *refusals: Passing) -> pulumi.ResourceHookBinding:
    """Let the engine repeat an operation that Azure refuses for a passing reason.

    Args:
        name: the hook's name: of the refusals, not of a resource. The engine keeps it with the resource, and when a
            region has left the program, the hook that the others share still serves the deletion of what was there.
        refusals: what is worth repeating, besides `ANYWHERE`; every other error ends the operation at once, with what
            to do about it where we know. The same for each use of a name.
    """
    # A name can be registered once, in each run of a program; each run has a loop of its own.
    hooks = _hooks.setdefault(asyncio.get_event_loop(), {})
    if name not in hooks:
        hooks[name] = pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(name, _patience(refusals))])
    return hooks[name]


def _patience(refusals: Sequence[Passing]) -> Callable[[pulumi.ErrorHookArgs], Awaitable[bool]]:

    async def answer(failed: pulumi.ErrorHookArgs) -> bool:
        error = failed.errors[0]
        # To try once more to create what is there already would be refused, and the engine would then forget that it is
        # there (pulumi/pulumi v3.259.0, pkg/resource/deploy/step.go, CreateStep.Apply). As it is, `up` goes on with it.
        half_made = failed.failed_operation == "create" and _HALF_MADE.match(error)
        passing = next((refusal for refusal in (*refusals, *ANYWHERE) if refusal.sign in error), None)
        pause = pause_before_retry(len(failed.errors))
        if passing and pause and not half_made:
            pulumi.log.info(f"{failed.name}: waiting until {passing.reason}; next try in {pause} s")
            await asyncio.sleep(pause)
            return True
        remedy = next((terminal.remedy for terminal in TERMINAL if terminal.sign in error), None)
        if half_made and not remedy:
            remedy = "it was created, but not finished; `pulumi up` finishes it"
        elif passing and not remedy:
            remedy = f"waited {_LONGEST_WAIT // 60} minutes until {passing.reason}, in vain; `pulumi up` tries again"
        if remedy:
            pulumi.log.error(f"{failed.name}: {remedy}")
        return False

    return answer
