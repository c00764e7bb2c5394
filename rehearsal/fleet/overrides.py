"""ResourceOverrides: changes of a placed object on some members, or on all.

Source: Azure/fleet v0.18.12, pkg/utils/overrider, pkg/controllers/overrider and workgenerator/override.go. The
snapshots that the hub takes of an override are left out: a binding stores the overrides of its rollout.
"""

from copy import deepcopy
from typing import Any, Final, cast

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.kinds import split_api_version
from rehearsal.cluster.objects import Object, child, deleting, generation_of, labels_of, matches, name_of, namespace_of
from rehearsal.core.errors import OverrideError
from rehearsal.fleet.selection import seal

_OVERRIDE: Final = "ResourceOverride.placement.kubernetes-fleet.io"


def matching(hub: Cluster, placement: Object, snapshot: Object, member: Object) -> list[Object]:
    """Return the overrides of a placement's objects for a member: name, namespace and specification of each."""
    selected = [_selector(item) for item in snapshot["spec"]["selectedResources"]]
    found = [
        item
        for item in hub.objects(_OVERRIDE)
        if not deleting(item)
        and item["spec"].get("placement", {"name": name_of(placement)})["name"] == name_of(placement)
        and any({**each, "namespace": namespace_of(item)} in selected for each in item["spec"]["resourceSelectors"])
        and any(_applies(rule, member) for rule in item["spec"]["policy"]["overrideRules"])
    ]
    return [
        # Each new specification gets a snapshot; the first one has the number 0.
        {
            "name": f"{name_of(item)}-{generation_of(item) - 1}",
            "namespace": namespace_of(item),
            "spec": deepcopy(item["spec"]),
        }
        for item in sorted(found, key=lambda item: (namespace_of(item), name_of(item)))
    ]


def overridden(manifests: list[Object], overrides: list[Object], member: Object) -> list[Object]:
    """Return the manifests for a member, with the overrides applied.

    Raises:
        OverrideError: an override does not fit its object.
    """
    result: list[Object] = []
    for manifest in manifests:
        found = manifest
        for override in overrides:
            chosen = [{**each, "namespace": override["namespace"]} for each in override["spec"]["resourceSelectors"]]
            if _selector(manifest) not in chosen:
                continue
            for rule in override["spec"]["policy"]["overrideRules"]:
                if found and _applies(rule, member):
                    found = _changed(found, override["name"], rule)
        if found:
            result.append(found)
    return result


def _selector(item: Object) -> Object:
    group, version = split_api_version(item["apiVersion"])
    return {
        "group": group,
        "version": version,
        "kind": item["kind"],
        "name": name_of(item),
        "namespace": namespace_of(item),
    }


def _applies(rule: Object, member: Object) -> bool:
    # A missing selector selects no cluster, an empty one selects all.
    if (selector := rule.get("clusterSelector")) is None:
        return False
    terms: list[Object] = selector.get("clusterSelectorTerms") or []
    return not terms or any(matches(child(term, "labelSelector"), labels_of(member)) for term in terms)


def _changed(manifest: Object, snapshot: str, rule: Object) -> Object:
    if rule.get("overrideType") == "Delete":
        return {}
    changed = deepcopy(manifest)
    for patch in rule.get("jsonPatchOverrides") or ():
        try:
            _patch(changed, patch)
        except (IndexError, KeyError, TypeError, ValueError):
            where = f'{manifest["kind"]} "{name_of(manifest)}" in namespace "{namespace_of(manifest)}"'
            raise OverrideError(
                f'ResourceOverrideSnapshot "{snapshot}" failed to apply on {where}: {patch["op"]} {patch["path"]}'
            ) from None
    return seal(changed)


def _patch(document: Object, patch: Object) -> None:
    """Apply one operation of a JSON patch (RFC 6902)."""
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in patch["path"].split("/")[1:]]
    owner: Any = document
    for part in parents:
        owner = cast("Any", owner[int(part)] if isinstance(owner, list) else owner[part])
    if isinstance(owner, list):
        items = cast("list[Any]", owner)
        position = len(items) if last == "-" else int(last)
        if patch["op"] == "add":
            items.insert(position, patch["value"])
        else:
            items[position : position + 1] = [] if patch["op"] == "remove" else [patch["value"]]
    elif patch["op"] == "remove":
        del owner[last]
    else:
        if patch["op"] == "replace" and last not in owner:
            raise KeyError(last)
        owner[last] = patch["value"]
