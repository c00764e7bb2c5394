"""How pulumi-kubernetes compares an object with the program's new inputs, and which changes replace it.

Source: pulumi/pulumi-kubernetes 4.32, provider/pkg/provider/provider.go (Diff) and diff.go (forceNew).
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, TypeAlias, cast

from rehearsal.cluster import quantities
from rehearsal.cluster.admission import normalise
from rehearsal.cluster.kinds import split_api_version
from rehearsal.cluster.objects import child
from rehearsal.core.protocol import UNKNOWN, Change, Properties, has_unknown

PropertyPath: TypeAlias = tuple[str | int, ...]

_SELECTOR: Final = ("spec", "selector")
_REPLACING: Final[dict[tuple[str, str], tuple[PropertyPath, ...]]] = {
    ("apps/v1", "Deployment"): (_SELECTOR,),
    ("apps/v1", "DaemonSet"): (_SELECTOR,),
    ("apps/v1", "StatefulSet"): (
        _SELECTOR,
        ("spec", "podManagementPolicy"),
        ("spec", "revisionHistoryLimit"),
        ("spec", "serviceName"),
        ("spec", "volumeClaimTemplates"),
    ),
    ("batch/v1", "Job"): (_SELECTOR, ("spec", "completions"), ("spec", "parallelism"), ("spec", "template")),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): (("roleRef",),),
    ("v1", "Service"): (("spec", "clusterIP"),),
    ("v1", "PersistentVolumeClaim"): tuple(
        ("spec", field) for field in ("accessModes", "selector", "storageClassName", "volumeName")
    ),
    ("v1", "ResourceQuota"): (("spec", "scopes"),),
    ("v1", "Pod"): (("spec",),),
}
_IDENTITY: Final[tuple[PropertyPath, ...]] = (("metadata", "name"), ("metadata", "namespace"))
_READ_ONLY: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)


def duplicate(value: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """Copy a value. Unlike with `deepcopy`, `UNKNOWN` keeps its identity."""
    if isinstance(value, dict):
        return {key: duplicate(item) for key, item in cast("Properties", value).items()}
    if isinstance(value, list):
        return [duplicate(item) for item in cast("list[Any]", value)]
    return value


def prune(source: Any, shape: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """Return the parts of a live value that another value also has (provider/util.go, pruneMap)."""
    if isinstance(source, dict) and isinstance(shape, dict):
        known, wanted = cast("Properties", source), cast("Properties", shape)
        return {key: prune(value, wanted[key]) for key, value in known.items() if key in wanted}
    if isinstance(source, list) and isinstance(shape, list):
        items, shapes = cast("list[Any]", source), cast("list[Any]", shape)
        return [prune(item, other) for item, other in zip(items, shapes, strict=False)]
    return cast("Any", source)


def normal(inputs: Properties) -> Properties:
    """Return inputs as the API server stores them: without read-only fields, with text and quantities rewritten.

    Source: provider.go, normalizeInputs.
    """
    result: Properties = duplicate(inputs)
    if not has_unknown(inputs):
        normalise(result)
        group, _ = split_api_version(inputs["apiVersion"])
        with suppress(ValueError):  # the API server will refuse it
            quantities.rewrite(f"{inputs['kind']}.{group}" if group else inputs["kind"], child(result, "spec"))
    metadata = result.get("metadata")
    if isinstance(metadata, dict):
        for field in _READ_ONLY:
            cast("Properties", metadata).pop(field, None)
    return result


def changes(  # noqa: C901 - each kind of JSON value
    old: Any,  # noqa: ANN401 -- any JSON value
    new: Any,  # noqa: ANN401 -- any JSON value
    path: PropertyPath = (),
) -> Iterator[tuple[PropertyPath, Change, Any]]:
    """Yield each difference between two values: its path, the kind of change, and the new value.

    An unknown value always counts as different.

    As in the provider's conversion of a merge patch to a diff (provider.go, convertPatchToDiff), lists are compared by
    position.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("Properties", old), cast("Properties", new)
        for key in [*before, *(key for key in after if key not in before)]:
            # An absent value and an explicit null mean the same.
            if after.get(key) is None:
                if before.get(key) is not None:
                    yield (*path, key), "delete", None
            elif before.get(key) is None:
                yield (*path, key), "add", after[key]
            else:
                yield from changes(before[key], after[key], (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        items, others = cast("list[Any]", old), cast("list[Any]", new)
        for index in range(max(len(items), len(others))):
            if index >= len(others):
                yield (*path, index), "delete", None
            elif index >= len(items):
                yield (*path, index), "add", others[index]
            else:
                yield from changes(items[index], others[index], (*path, index))
    elif new is UNKNOWN or old != new:
        yield path, "update", new


def replacing(
    api_version: str, kind: str, *, mutable_config_maps: bool, mutable_secrets: bool
) -> tuple[PropertyPath, ...]:
    """Return the paths at which a change replaces an object of a kind."""
    if kind == "Secret" and not mutable_secrets:
        return (*_IDENTITY, ("type",), ("stringData",), ("data",))
    if kind == "Secret":
        return (*_IDENTITY, ("type",))
    if kind == "ConfigMap" and not mutable_config_maps:
        return (*_IDENTITY, ("binaryData",), ("data",))
    return (*_IDENTITY, *_REPLACING.get((api_version, kind), ()))


def touches(changed: PropertyPath, value: Any, forcing: PropertyPath) -> bool:  # noqa: ANN401 -- any JSON value
    """Return whether a changed property, or a part of its new value, forces a replacement (PatchPropertiesChanged)."""
    if not forcing:
        return True
    if changed:
        return forcing[0] == changed[0] and touches(changed[1:], value, forcing[1:])
    return isinstance(value, dict) and forcing[0] in value and touches((), value[forcing[0]], forcing[1:])


def render(path: PropertyPath) -> str:
    """Format a path for the engine: `spec.ports[0].port`, `metadata.labels["a.b/c"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif any(character in part for character in '."[]'):
            quoted = part.replace('"', '\\"')
            text += f'["{quoted}"]'
        else:
            text += f".{part}" if text else part
    return text
