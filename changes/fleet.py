"""Changes of the fleet and of its monitoring."""

from collections.abc import Iterator
from typing import Final

import pulumi

from settings import ExistingFleet, Hub, Problem, Settings, short_name, show

from .problems import other_id
from .state import State, lower, value_at

_ANOTHER_FLEET: Final = "put it back; another fleet needs another stack, or a `pulumi destroy` before the change"


def problems(stack: Settings, state: State) -> Iterator[Problem]:
    """Find another fleet, hub or place for the workspaces."""
    if "FleetHub/Fleet hub-fleet" in state:
        yield from _fleet(stack, state)
    yield from _monitoring(stack, state)


def _fleet(stack: Settings, state: State) -> Iterator[Problem]:
    fleet, made = stack.fleet, "FleetHub/ResourceGroup hub-group" in state
    if isinstance(fleet, ExistingFleet):
        if made:
            yield Problem("fleet.existingId", "this stack has made its fleet", "remove the key")
            return
        before = value_at(state.get("FleetHub hub"), ("fleetId",))
        yield from other_id("fleet.existingId", before, fleet.existing_id, "stack", pulumi.get_stack())
    elif not made:
        yield Problem("fleet.existingId", "is missing: this stack is in a fleet that existed before it", "put it back")
    else:
        hub = fleet.hub
        yield from _private_hub(hub, state)
        for key, resource, output, wanted, same in (
            ("name", "Fleet hub-fleet", ("name",), fleet.name, lower),
            ("location", "Fleet hub-fleet", ("location",), fleet.location, short_name),
            ("resourceGroup", "ResourceGroup hub-group", ("name",), fleet.resource_group, lower),
            # A hub's properties cannot be changed. [Azure/azure-rest-api-specs: fleets.json, FleetHubProfile]
            ("hub.dnsPrefix", "Fleet hub-fleet", ("hubProfile", "dnsPrefix"), hub.dns_prefix, lower),
            ("hub.vmSize", "Fleet hub-fleet", ("hubProfile", "agentProfile", "vmSize"), hub.vm_size, lower),
        ):
            before = value_at(state.get(f"FleetHub/{resource}"), output)
            # Azure does not return the hub's values that it chose itself. [Azure/azure-cli-extensions:
            # test_fleet_hubful]
            if wanted and (before or key.startswith("hub.")) and (not before or same(before) != same(wanted)):
                created = show(before) if before else "a value that Azure chose"
                found = f"the fleet was created with {created}, not {show(wanted)}"
                yield Problem(f"fleet.{key}", found, _ANOTHER_FLEET)


def _private_hub(hub: Hub, state: State) -> Iterator[Problem]:
    """Find a hub that would become private or public, or move. [learn: kubernetes-fleet/concepts-choosing-fleet]."""
    access = ("hubProfile", "apiServerAccessProfile", "enablePrivateCluster")
    was = bool(value_at(state["FleetHub/Fleet hub-fleet"], access))
    if was != bool(hub.private):
        words = ("is missing", "private") if was else ("is set", "public")
        found = f"{words[0]}, but the fleet was created with a {words[1]} hub"
        yield Problem("fleet.hub.private", found, _ANOTHER_FLEET)
        return
    before = value_at(state.get("FleetHub/VirtualNetwork hub-vnet"), ("addressSpace", "addressPrefixes", 0))
    if hub.private and before and before != (after := str(hub.private.address_space)):
        found = f"the hub was created in {show(before)}, not {show(after)}"
        yield Problem("fleet.hub.private.addressSpace", found, _ANOTHER_FLEET)


def _monitoring(stack: Settings, state: State) -> Iterator[Problem]:
    """Find a change that would replace the workspaces, with all that has been collected."""
    group = state.get("Monitoring/ResourceGroup monitoring-group")
    if not stack.monitoring.enabled or not group:
        return
    for key, before, after, same in (
        ("location", group.get("location"), stack.monitoring.location, short_name),
        ("resourceGroup", group.get("name"), stack.monitoring.resource_group, lower),
    ):
        if before and same(before) != same(after):
            found = f"the workspaces were created with {show(before)}, not {show(after)}"
            remedy = "put it back: new workspaces would be empty. Or remove monitoring, `pulumi up`, and add it again"
            yield Problem(f"monitoring.{key}", found, remedy)
