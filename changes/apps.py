"""Changes of apps, teams and addresses."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from settings import App, Entry, Problem, Settings, show

from .problems import refuse
from .state import State, lower, value_at

# The kind of owner, the setting and the output of a namespace or resource group, by the beginning of its key in the
# state.
_HELD: Final[Mapping[str, tuple[str, str, tuple[str | int, ...]]]] = {
    "MultiClusterApp/Namespace ": ("app", "namespace", ("metadata", "name")),
    "TeamNamespace/Namespace team-": ("team", "namespace", ("metadata", "name")),
    "GlobalAddress/ResourceGroup ": ("address", "resourceGroup", ("name",)),
}


def problems(stack: Settings, state: State) -> Iterator[Problem]:
    """Find a removed rollout, and names whose namespace or group another one has."""
    yield from _rollout(stack, state)
    yield from _renamed(stack, state)


def _rollout(stack: Settings, state: State) -> Iterator[Problem]:
    """Find a removed rollout: Fleet's API server refuses to change the strategy back.

    [Azure/fleet v0.18.12, apis/placement/v1/clusterresourceplacement_types.go, RolloutStrategy.Type]
    """
    for name, app in stack.all_apps.items():
        # The placement is left to the stages before the first run exists.
        there = {
            f"MultiClusterApp/ClusterStagedUpdateStrategy {name}-rollout-stages",
            f"MultiClusterApp/ClusterResourcePlacement {name}-placement",
        }
        if not app.rollout and there <= state.keys():
            found = "is missing: the app is rolled out in stages, and Fleet cannot change that"
            remedy = "put it back; for all regions at once, write one stage with all of them"
            yield Problem(f"{stack.path_of(name)}.rollout", found, remedy)


def _renamed(stack: Settings, state: State) -> Iterator[Problem]:
    """Find a namespace or resource group that belongs to another app, team or address of the running stack.

    For example, an app gets another name and keeps its namespace. The engine creates the new app's namespace before it
    deletes the old app's, and the hub refuses a second namespace of the same name.
    """
    held = dict[tuple[str, str], tuple[str, str]]()
    for key, outputs in state.items():
        for prefix, (kind, field, output) in _HELD.items():
            if key.startswith(prefix):
                owner = kind, key.removeprefix(prefix).rpartition("-")[0]
                held[field, lower(value_at(outputs, output))] = owner
    at = "globalAddresses.{}" if stack.apps else "app.globalAddress"
    addresses = stack.addresses.items()
    for kind, name, path, value in (
        *(("app", name, f"{stack.path_of(name)}.namespace", app.namespace) for name, app in stack.all_apps.items()),
        *(("team", name, f"teams.{name}.namespace", team.namespace) for name, team in stack.teams.items()),
        *(("address", name, f"{at.format(name)}.resourceGroup", each.resource_group) for name, each in addresses),
    ):
        field = path.rpartition(".")[2]
        other, owner = held.get((field, lower(value)), (kind, name))
        if (other, owner) != (kind, name):
            found = f"{show(value)} belongs to {other} {show(owner)} of the running stack"
            remedy = f"keep the name {show(owner)}; or choose another {field}"
            after = f"or remove {other} {show(owner)} in one `pulumi up`, and add {kind} {show(name)} in the next"
            yield Problem(path, found, f"{remedy}; {after}")


def moved_entries(stack: Settings, state: State) -> Iterator[Problem]:
    """Find entry Services that would move to another region, or be replaced, so that an address would be lost.

    A Service has one importer in the whole fleet, which must release it before another one can have it.
    """
    numbers = {region.name: place for place, region in enumerate(stack.regions)}
    for name, app in stack.all_apps.items():
        at, after = stack.path_of(name), stack.entries(app)
        yield from _first_service(at, name, app, after, state)
        for region, shared, service in _running_entries(name, state):
            suffix = show(service.removeprefix(shared))
            other = next((each.region for each in after if each.name == service and each.region != region), None)
            kept = any(each.region == region and each.name == service for each in after)
            renamed = any(each.region == region and each.service == shared for each in after)
            if other and app.entry_regions:
                found = f"{show(service)} is the entry Service of region {show(region)}"
                remedy = (
                    f"choose another suffix; or remove the entry point of {show(region)}, or its app, in one "
                    "`pulumi up`, and add this in the next"
                )
                yield Problem(f"regions[{numbers[other]}].entrySuffix", found, remedy, at.partition(".")[0])
            elif other:
                found = (
                    f"is missing: the address is in {show(region)}, and would move to {show(other)}, the first region"
                )
                keep = f"put {show(region)} first in {at}.regions" if app.placed_in else f"write [{region}]"
                remedy = f"write [{other}] to have a new one there"
                if region in [each.name for each in stack.regions_of(app)]:
                    remedy = f"{keep} to keep it; or {remedy}"
                yield Problem(f"{at}.entryRegions", found, remedy, "regions")
            elif renamed and not kept:
                found = f"is not what the entry Service of region {show(region)} has: {suffix}"
                remedy = f"write {suffix} to keep the address; or take the region out of {at}.entryRegions first"
                yield Problem(f"regions[{numbers[region]}].entrySuffix", found, remedy, at.partition(".")[0])


def _first_service(at: str, name: str, app: App, after: Sequence[Entry], state: State) -> Iterator[Problem]:
    """Find another first Service: the resources of the first one's entry point are called after the app alone."""
    key = f"MultiClusterApp/MultiClusterService {name}-entry-point"
    before, first = value_at(state.get(key), ("metadata", "name")), app.shared[0]
    stays = before in [each.name for each in after]
    if before and before != first and (stays or f"{key}-{first}" in state):
        found = f"{show(first)} cannot take the place of {show(before)}, which is the first in the running stack"
        other = f"; or take {show(first)} out, `pulumi up`, and write it then, for another address"
        yield Problem(f"{at}.services", found, f"write {show(before)} first{'' if stays else other}")


def _running_entries(app: str, state: State) -> Iterator[tuple[str, str, str]]:
    """Yield region, shared Service and entry Service of each entry point that an app has in the state."""
    outputs = state.get("", {})
    apps: Mapping[str, Mapping[str, Mapping[str, Any]]] = outputs.get("apps") or {"app": {"": outputs}}
    there = {
        (value_at(each, ("metadata", "namespace")), value_at(each, ("metadata", "name")))
        for name, each in state.items()
        if name.startswith("MultiClusterApp/MultiClusterService ")
    }
    for each in apps.get(app, {}).values():
        namespace, _, shared = str(each.get("service")).rpartition("/")
        found: Mapping[str, str] | None = each.get("entryServices")
        if found is None:  # an older stack, with one entry point: its entry Service is the app's own
            region = each.get("entryRegion")
            found = {region: shared} if region and shared else {}
        yield from ((region, shared, name) for region, name in found.items() if (namespace, name) in there)


def refuse_moved_overrides(state: State, overrides: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> None:
    """Refuse an override of an object that is in another override of the running stack.

    Fleet allows one for an object, and the engine deletes the other one last.
    [Azure/fleet v0.18.12, pkg/utils/validator/resourceoverride.go]

    Args:
        state: the stack's state.
        overrides: the selectors of the objects of each override, by the names of app and override.

    Raises:
        ChangeError: the message lists all such overrides.
    """
    refuse(
        Problem(
            f"ResourceOverride {name}",
            f"{selector['kind']} {selector['name']} is still in {before} on the hub",
            f"keep the name {before}; or take the object out of both, `pulumi up`, and then put it into {name}",
        )
        for app, found in overrides.items()
        for name, selectors in found.items()
        for before, outputs in _overrides(app, state).items()
        for selector in value_at(outputs, ("spec", "resourceSelectors")) or ()
        if selector in selectors and before != name
    )


def leaving_overrides(state: State, app: str, overrides: Mapping[str, object]) -> list[str]:
    """Return the names of an app's overrides that the running stack has, and that this `up` deletes at its end."""
    return [name for name in _overrides(app, state) if name not in overrides]


def _overrides(app: str, state: State) -> dict[str, Mapping[str, Any]]:
    prefix = f"MultiClusterApp/ResourceOverride {app}-resourceoverride-"
    return {key.removeprefix(prefix): outputs for key, outputs in state.items() if key.startswith(prefix)}
