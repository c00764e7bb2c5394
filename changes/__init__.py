"""Changes that a running stack cannot make. The preview reports them, before anything is done.

A change that replaces a cluster or a fleet cannot succeed in one `up`. The engine closes the old provider before it
deletes the objects on the old cluster through it (pulumi v3.274.1, pkg/resource/deploy/providers/registry.go, Diff),
and a member cannot leave the fleet while the placement selects it. Azure refuses other changes after half of the plan
has been carried out. So the settings are compared with the outputs in the state.
"""

from collections.abc import Mapping

import pulumi

from settings import Settings

from . import apps, clusters, fleet, regions, subscription
from .apps import leaving_overrides, refuse_moved_overrides
from .problems import ChangeError, refuse
from .running import additions, existing, has, has_kubelet_identity, kept_admins, switched
from .state import State, StateError, member_key, read_state, value_at

__all__ = [
    "ChangeError", "State", "StateError", "additions", "existing", "has", "has_kubelet_identity", "kept_admins",
    "leaving_overrides", "member_key", "refuse_moved_overrides", "refuse_what_cannot_change", "switched",
]  # fmt: skip


def refuse_what_cannot_change(stack: Settings) -> State:
    """Compare a stack's settings with the running stack, and return its state, which is empty for a new stack.

    Raises:
        ChangeError: a change cannot be made; the message lists all such changes.
        StateError: the state cannot be read.
    """
    state = read_state()
    found = [
        *subscription.problems(state),
        *regions.problems(stack, state),
        *clusters.problems(stack, state),
        *fleet.problems(stack, state),
        *apps.problems(stack, state),
    ]
    refuse(found or apps.moved_entries(stack, state))
    if "MultiClusterApp app" in state and not stack.all_apps:
        pulumi.log.warn(
            "the app of the running stack is deleted, because a stack with teams has no app by default; to keep it, "
            f"write one of its keys, such as app.service: {stack.app.service}"
        )
    lost: Mapping[str, str] = value_at(state.get(""), ("lostMembers",)) or {}
    for region, member in lost.items():
        if member_key(region) in state and region not in {each.name for each in stack.regions}:
            pulumi.log.warn(
                f"the member {member} of region {region} stays in the fleet, because Fleet does not release it without "
                'its agents: see docs/operations.md, "A region is lost for good"'
            )
    return state
