"""Patience with Azure: which refusals pass by themselves, and for how long they are worth waiting for."""

import asyncio
from dataclasses import dataclass
from typing import Final

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

_LONGEST_PAUSE: Final = 60
_LONGEST_WAIT: Final = 20 * 60


def pause_before_retry(failures: int) -> int | None:
    """Return the seconds to wait after so many failures: 5, 10, 20, 40, then 60; None once 20 minutes are used up."""
    pauses = [min(5 * 2**n, _LONGEST_PAUSE) for n in range(failures)]
    return pauses[-1] if sum(pauses) <= _LONGEST_WAIT else None


def retry(name: str, *refusals: Passing) -> pulumi.ResourceHookBinding:
    """Let the engine repeat an operation that Azure refuses for a passing reason.

    Args:
        name: the hook's name, unique in the program. The engine keeps it with the resource, so that it also serves
            the deletion of a resource that the program no longer has.
        refusals: what is worth repeating; every other error ends the operation at once.
    """

    async def wait(failed: pulumi.ErrorHookArgs) -> bool:
        passing = next((refusal for refusal in refusals if refusal.sign in failed.errors[0]), None)
        pause = pause_before_retry(len(failed.errors))
        if passing is None or pause is None:
            return False
        pulumi.log.info(f"{failed.name}: waiting until {passing.reason}; next try in {pause} s")
        await asyncio.sleep(pause)
        return True

    return pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(name, wait)])
