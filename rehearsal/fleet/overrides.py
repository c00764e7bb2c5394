"""ResourceOverrides: changes of a placed object on some members, or on all.

Source: Azure/fleet v0.18.12, pkg/utils/overrider, pkg/controllers/overrider and workgenerator/override.go. The
snapshots that the hub takes of an override are left out: a binding stores the overrides of its rollout.
"""

import json
from copy import deepcopy
from typing import Any, Final, cast

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.kinds import split_api_version
from rehearsal.cluster.objects import Object, child, deleting, generation_of, labels_of, matches, name_of, namespace_of
from rehearsal.core.errors import OverrideError
from rehearsal.fleet.selection import seal

_OVERRIDE: Final = "ResourceOverride.placement.kubernetes-fleet.io"
_LABEL_VARIABLE: Final = "${MEMBER-CLUSTER-LABEL-KEY-"
_NOTHING: Final = object()


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
                    found = _changed(found, override["name"], rule, member)
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


def _changed(manifest: Object, snapshot: str, rule: Object, member: Object) -> Object:
    if rule.get("overrideType") == "Delete":
        return {}
    changed = deepcopy(manifest)
    try:
        patches = [{**patch, "value": _value(patch, member)} for patch in rule.get("jsonPatchOverrides") or ()]
        for patch in patches:
            _patch(changed, patch)
    except OverrideError as error:
        where = f'{manifest["kind"]} "{name_of(manifest)}" in namespace "{namespace_of(manifest)}"'
        raise OverrideError(f'ResourceOverrideSnapshot "{snapshot}" failed to apply on {where}: {error}') from None
    return seal(changed)


def _value(patch: Object, member: Object) -> Any:  # noqa: ANN401 - any JSON value
    """Return a patch's value, with the variables of a member filled in (workgenerator/override.go)."""
    text = json.dumps(patch.get("value")).replace("${MEMBER-CLUSTER-NAME}", name_of(member))
    while (start := text.find(_LABEL_VARIABLE)) >= 0:
        key, end, _ = text[start + len(_LABEL_VARIABLE) :].partition("}")
        if not end:
            raise OverrideError(f"input {text} is missing the closing bracket `}}`")
        if key not in labels_of(member):
            raise OverrideError(f"label key {key} not found on cluster {name_of(member)}")
        text = text.replace(f"{_LABEL_VARIABLE}{key}}}", labels_of(member)[key], 1)
    return json.loads(text)


def _patch(document: Object, patch: Object) -> None:
    """Apply one operation of a JSON patch, with the errors of evanphx/json-patch v5.9.11, patch.go."""
    operation, path = patch["op"], patch["path"]
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    owner: Any = document
    for part in parents:
        owner = _get(owner, part)
    if not isinstance(owner, dict | list):
        quoted = path if operation == "replace" else f'"{path}"'
        raise OverrideError(f"{operation} operation does not apply: doc is missing path: {quoted}: missing value")
    if operation == "replace" and _get(owner, last) is _NOTHING:
        raise OverrideError(f"replace operation does not apply: doc is missing key: {path}: missing value")
    try:
        _put(cast("Any", owner), last, patch)
    except LookupError as error:
        raise OverrideError(f"error in {operation} for path: '{path}': {error.args[0]}") from None


def _get(owner: Any, key: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return cast("Any", owner[int(key)] if isinstance(owner, list) else owner[key])
    except (LookupError, TypeError, ValueError):
        return _NOTHING


def _put(owner: Any, key: str, patch: Object) -> None:  # noqa: ANN401 - any JSON value
    if isinstance(owner, dict):
        items = cast("Object", owner)
        if patch["op"] != "remove":
            items[key] = patch["value"]
        elif items.pop(key, _NOTHING) is _NOTHING:
            raise LookupError(f"unable to remove nonexistent key: {key}: missing value")
        return
    length = len(owner) + (patch["op"] == "add")
    try:
        place = len(owner) if (key, patch["op"]) == ("-", "add") else int(key)
    except ValueError:
        problem = f'strconv.Atoi: parsing "{key}": invalid syntax'
        add = f"value was not a proper array index: '{key}': " if patch["op"] == "add" else ""
        raise LookupError(f"{add}{problem}") from None
    if not -length <= place < length:
        raise LookupError(f"Unable to access invalid index: {place}: invalid index referenced")
    place %= length
    owner[place : place + (patch["op"] != "add")] = [] if patch["op"] == "remove" else [patch["value"]]
