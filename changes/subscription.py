"""A changed default subscription."""

from collections.abc import Iterator

from components.existing import id_part
from components.subscriptions import own_subscription
from settings import Problem, show

from .state import State


def problems(state: State) -> Iterator[Problem]:
    """Find a changed default subscription: Azure would look there for resources of the old one."""
    outputs = [
        state[name].get("clusterId", state[name].get("fleetId"))
        for name in state
        if name.partition(" ")[0] in ("RegionalCluster", "ExistingCluster", "FleetHub")
    ]
    found = sorted({id_part(each, "subscriptions").lower() for each in outputs if isinstance(each, str)})
    # Resources in another subscription have a provider of that name.
    before = next((each for each in found if f"azure-native azure-{each}" not in state), None)
    if not found or (own := own_subscription()) == before or (not before and own not in found):
        return
    was = show(before) if before else f"{show(own)} has existing resources only"
    yield Problem(
        "azure-native:subscriptionId",
        f"{show(own)} is not the subscription that this stack works in: {was}",
        "put the former one back, here or with `az account set`; another subscription needs another stack",
    )
