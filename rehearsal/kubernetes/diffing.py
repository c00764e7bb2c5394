"""How pulumi-kubernetes compares an object with the program's new inputs, and what makes it replace.

Source: pulumi/pulumi-kubernetes 4.32, provider/pkg/provider/provider.go (Diff) and diff.go (forceNew).
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias, cast

from rehearsal.kubernetes.admission import normalise
from rehearsal.model import UNKNOWN, Properties, has_unknown

Path: TypeAlias = tuple[str | int, ...]

_SELECTOR: Final = ("spec", "selector")
_REPLACING: Final[dict[tuple[str, str], tuple[Path, ...]]] = {
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
    ("v1", "Pod"): (("spec",),),
}
_IDENTITY: Final[tuple[Path, ...]] = (("metadata", "name"), ("metadata", "namespace"))
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
    """Copy a value; `UNKNOWN` stays the one that it is, which `deepcopy` would not heed."""
    if isinstance(value, dict):
        return {key: duplicate(item) for key, item in cast("Properties", value).items()}
    if isinstance(value, list):
        return [duplicate(item) for item in cast("list[Any]", value)]
    return value


def prune(source: Any, shape: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """Return the parts of a live value that another value has, too; additional list elements stay."""
    if isinstance(source, dict) and isinstance(shape, dict):
        known, wanted = cast("Properties", source), cast("Properties", shape)
        return {key: prune(value, wanted[key]) for key, value in known.items() if key in wanted}
    if isinstance(source, list) and isinstance(shape, list):
        items, shapes = cast("list[Any]", source), cast("list[Any]", shape)
        return [prune(item, shapes[index]) if index < len(shapes) else item for index, item in enumerate(items)]
    return cast("Any", source)


def normal(inputs: Properties) -> Properties:
    """Return inputs as the API server keeps them: without read-only fields, a Secret's text encoded."""
    result: Properties = duplicate(inputs)
    if not has_unknown(inputs):
        normalise(result)
    metadata = result.get("metadata")
    if isinstance(metadata, dict):
        for field in _READ_ONLY:
            cast("Properties", metadata).pop(field, None)
    return result


def changes(old: Any, new: Any, path: Path = ()) -> Iterator[Path]:  # noqa: ANN401 -- any JSON value
    """Go through the paths at which two values differ; unknown values always do."""
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("Properties", old), cast("Properties", new)
        for key in [*before, *(key for key in after if key not in before)]:
            if key in before and key in after:
                yield from changes(before[key], after[key], (*path, key))
            # An absent value and an explicit null mean the same.
            elif (before.get(key), after.get(key)) != (None, None):
                yield (*path, key)
    elif isinstance(old, list) and isinstance(new, list):
        items, others = cast("list[Any]", old), cast("list[Any]", new)
        for index in range(max(len(items), len(others))):
            if index < min(len(items), len(others)):
                yield from changes(items[index], others[index], (*path, index))
            else:
                yield (*path, index)
    elif new is UNKNOWN or old != new:
        yield path


def replacing(api_version: str, kind: str, *, mutable_config_maps: bool, mutable_secrets: bool) -> tuple[Path, ...]:
    """Return the paths whose change replaces an object of a kind."""
    if kind == "Secret" and not mutable_secrets:
        return (*_IDENTITY, ("type",), ("stringData",), ("data",))
    if kind == "Secret":
        return (*_IDENTITY, ("type",))
    if kind == "ConfigMap" and not mutable_config_maps:
        return (*_IDENTITY, ("binaryData",), ("data",))
    return (*_IDENTITY, *_REPLACING.get((api_version, kind), ()))


def touches(changed: Path, forcing: Path) -> bool:
    """Say whether a change is one of a path that forces a replacement, of a part of it, or of what holds it."""
    length = min(len(changed), len(forcing))
    return changed[:length] == forcing[:length]


def render(path: Path) -> str:
    """Write a path as the engine reads it: `spec.ports[0].port`, `metadata.labels["a.b/c"]`."""
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
