"""Overrides: Fleet changes an object before it puts it on some members."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import pulumi

from .manifest import (
    FOR_MEMBERS_ONLY,
    MEMBER_NAME,
    OVERRIDE,
    SCALED,
    Manifest,
    Path,
    Problem,
    named,
    overlay,
    part,
    parts,
    selecting,
)
from .pods import autoscaled, behind, replicated

# Labels that Azure gives a member (learn: kubernetes-fleet/concepts-member-cluster-labels).
_LABELS: Final = (
    *("fleet.azure.com/cluster-name", "fleet.azure.com/location", MEMBER_NAME),
    *("fleet.azure.com/resource-group", "fleet.azure.com/subscription-id"),
)
_MOST: Final = 20  # objects, rules, and patches of a rule (Azure/fleet v0.18.12, apis/placement/v1/override_types.go)
_LONGEST_NAME: Final = 63  # characters; it is the value of a label (the same, pkg/controllers/overrider)
# Other variables would reach the members as they stand (the same, pkg/controllers/workgenerator/override.go).
_UNKNOWN_VARIABLE: Final = re.compile(r"\$\{MEMBER-CLUSTER(?!-NAME\}|-LABEL-KEY-[^}]+\})[^}]*\}?")
_ALL: Final[Manifest] = {"clusterSelectorTerms": []}
# The hub's API server sets `replicas: 1` if the field is missing, and Fleet writes every field that the hub has
# (the same, pkg/controllers/workapplier/apply.go). Without the field, an autoscaler on the member sets it.
_NO_REPLICAS: Final[Manifest] = {"op": "remove", "path": "/spec/replicas"}
_ONE: Final = "and an object can have only one"  # the same, pkg/utils/validator/resourceoverride.go


class _Own(NamedTuple):
    """An override that the program makes.

    Attributes:
        workload: the object that it changes.
        rules: its rules.
        reason: what needs it.
        remedy: what to do about an override of the app for the same object.
    """

    workload: Manifest
    rules: Sequence[Manifest]
    reason: str
    remedy: str


def own(
    app: Sequence[Manifest], services: Collection[str], placement: object, member_replicas: Mapping[str, int]
) -> list[Manifest]:
    """Return the overrides that the program makes, for autoscaled workloads and for replicas on single members."""
    return [
        of_placement(
            {
                "apiVersion": "placement.kubernetes-fleet.io/v1",
                "kind": OVERRIDE,
                "metadata": {"name": name},
                "spec": {
                    "resourceSelectors": [_selector(each.workload)],
                    "policy": {"overrideRules": [*each.rules]},
                },
            },
            placement,
        )
        for name, each in _own(app, services, member_replicas).items()
    ]


def selected(
    app: Sequence[Manifest], services: Collection[str], member_replicas: Mapping[str, int]
) -> dict[str, list[Manifest]]:
    """Return the selectors of the objects of each override, by its name: of the app's own and of the program's."""
    found = {each["metadata"]["name"]: parts(part(each, "spec"), "resourceSelectors") for each in _overrides(app)}
    return found | {name: [_selector(each.workload)] for name, each in _own(app, services, member_replicas).items()}


def of_placement(override: Manifest, placement: object) -> Manifest:
    """Return an override that takes effect at once, and not with the app's next change.

    Source: Azure/fleet v0.18.12, apis/placement/v1/override_types.go.
    """
    return override | {"spec": {"placement": {"name": placement}, **part(override, "spec")}}


def problems(
    app: Sequence[Manifest], services: Collection[str], member_replicas: Mapping[str, int]
) -> Iterator[Problem]:
    """Find overrides that Fleet refuses, or that cannot work.

    Args:
        app: the app's objects.
        services: the Services that all clusters share.
        member_replicas: the replicas on single members, by their names.
    """
    made = _own(app, services, member_replicas)
    taken = {
        id(each.workload): f"{_called(each.workload)} has an override for {each.reason}, {_ONE}; {each.remedy}"
        for each in made.values()
    }
    for name, each in made.items():
        yield from _long(each.workload, name, f"the program's override for {each.reason} would be called")
    for override in _overrides(app):
        name, spec = override["metadata"]["name"], part(override, "spec")
        if name in made:
            text = f"the program gives this name to its override for {made[name].reason}; choose another"
            yield Problem(override, ("metadata", "name"), text)
        yield from _long(override, name, "metadata.name is")
        if "placement" in spec:
            yield Problem(override, ("spec", "placement"), "the program writes the app's placement here; remove it")
        yield from _counted(override, ("spec",), "resourceSelectors")
        targets = list[Manifest]()
        for number, selector in enumerate(parts(spec, "resourceSelectors")):
            at, target = ("spec", "resourceSelectors", number), _target(app, selector)
            if target is None:
                yield Problem(override, at, _missing(app, selector))
            elif text := _untouchable(target, services, selector) or taken.get(id(target)):
                yield Problem(override, at, text)
            else:
                taken[id(target)] = f"{_called(target)} has the override {name}, {_ONE}; join the two"
                targets.append(target)
        yield from _counted(override, ("spec", "policy"), "overrideRules")
        for number, rule in enumerate(_rules(override)):
            found = [*_members(rule), *_kind(rule), *_stopped(app, services, targets, rule), *_patched(targets, rule)]
            for path, text in found:
                yield Problem(override, ("spec", "policy", "overrideRules", number, *path), text)


def _long(owner: Manifest, name: object, what: str) -> Iterator[Problem]:
    if isinstance(name, str) and len(name) > _LONGEST_NAME:
        text = f"{what} {name}, {len(name)} characters; an override's name can have {_LONGEST_NAME}: shorten it"
        yield Problem(owner, ("metadata", "name"), text)


def remarks(app: Sequence[Manifest], members: Collection[str]) -> Iterator[Problem]:
    """Find rules for members that the app does not have, and for labels that Azure does not give them."""
    for override in _overrides(app):
        for number, rule in enumerate(_rules(override)):
            at = ("spec", "policy", "overrideRules", number, "clusterSelector")
            for key, value in _labels(rule):
                if key == MEMBER_NAME and value is not None and value not in members:
                    yield Problem(override, at, f"the app has no member {value}: its members are {', '.join(members)}")
                elif key.startswith("fleet.azure.com/") and key not in _LABELS:
                    yield Problem(override, at, f"members have no label {key}; they have {', '.join(_LABELS)}")


def _overrides(app: Sequence[Manifest]) -> list[Manifest]:
    return [each for each in app if each["kind"] == OVERRIDE]


def _rules(override: Manifest) -> list[Manifest]:
    return parts(part(part(override, "spec"), "policy"), "overrideRules")


def _called(target: Manifest) -> str:
    return f"{target['kind']} {target['metadata']['name']}"


# --- The program's own ---------------------------------------------------------------------------------------------


def _own(app: Sequence[Manifest], services: Collection[str], member_replicas: Mapping[str, int]) -> dict[str, _Own]:
    found: dict[str, _Own] = {}
    for service in services if member_replicas else ():
        if not isinstance(workload := replicated(app, service), str):
            found[f"replicas-{workload['metadata']['name']}"] = _Own(
                workload,
                _by_member(member_replicas),
                "app.replicas by region",
                "write the numbers into this one ({op: replace, path: /spec/replicas, value: 5}) and none by region "
                "into app.replicas",
            )
    for autoscaler, workload in autoscaled(app).items():
        rules = [
            rule
            for each in _overrides(app)
            if _selector(workload) in parts(part(each, "spec"), "resourceSelectors")
            for rule in _rules(each)
        ]
        if any(rule.get("clusterSelector") == _ALL and _NO_REPLICAS in _patches(rule) for rule in rules):
            continue
        found[autoscaler] = _Own(
            workload,
            [{"clusterSelector": _ALL, "overrideType": "JSONPatch", "jsonPatchOverrides": [_NO_REPLICAS]}],
            f"HorizontalPodAutoscaler {autoscaler}",
            "add its rule to this one, which then takes its place: {clusterSelector: {clusterSelectorTerms: []}, "
            "jsonPatchOverrides: [{op: remove, path: /spec/replicas}]}",
        )
    return found


def _by_member(replicas: Mapping[str, int]) -> list[Manifest]:
    """Return the rules that set the replicas on single members, a rule for each number."""

    def on(members: Sequence[str]) -> Manifest:
        return {"clusterSelectorTerms": [{"labelSelector": selecting(members)}]}

    return [
        {
            "clusterSelector": on(sorted(member for member, each in replicas.items() if each == number)),
            "overrideType": "JSONPatch",
            # The hub has the field: its API server sets it where the manifest does not.
            "jsonPatchOverrides": [{"op": "replace", "path": "/spec/replicas", "value": number}],
        }
        for number in sorted({*replicas.values()})
    ]


# --- The objects that an override changes --------------------------------------------------------------------------


def _selector(target: Manifest) -> Manifest:
    group, _, version = str(target["apiVersion"]).rpartition("/")
    return {"group": group, "version": version, "kind": target["kind"], "name": target["metadata"]["name"]}


def _target(app: Sequence[Manifest], selector: Manifest) -> Manifest | None:
    kind = selector.get("kind")
    return named(app, kind, selector.get("name")) if isinstance(kind, str) and kind != OVERRIDE else None


def _missing(app: Sequence[Manifest], selector: Manifest) -> str:
    kind = selector.get("kind")
    if not kind or not selector.get("name"):
        return "group, version, kind and name are required"
    others = ", ".join(each["metadata"]["name"] for each in app if each["kind"] == kind and kind != OVERRIDE)
    return f"the app has no {kind} {selector.get('name')}" + (f"; it has {others}" if others else "")


def _untouchable(target: Manifest, services: Collection[str], selector: Manifest) -> str:
    """Return why an override cannot change an object, or that the selector is not the object's; empty if it can."""
    kind, name = target["kind"], target["metadata"]["name"]
    if kind in FOR_MEMBERS_ONLY:
        # Azure/fleet v0.18.12, pkg/controllers/workgenerator/controller.go: overrides are applied to an envelope, not
        # to its objects.
        return f"{kind} {name} is placed in an envelope, and Fleet does not change what is in it; remove it from here"
    if kind == "Service" and name in services:
        return (
            f"Service {name} is shared by all regions, which must agree about it; change another Service, or the "
            "workload behind it"
        )
    if (right := _selector(target)) != selector:
        return f"{kind} {name} is of {target['apiVersion']}: write {_flow(right)}"
    return ""


def _flow(selector: Manifest) -> str:
    fields = (f"{key}: {value}" if value else f'{key}: ""' for key, value in selector.items())
    return f"{{{', '.join(fields)}}}"


# --- Rules ---------------------------------------------------------------------------------------------------------


def _counted(override: Manifest, at: Path, key: str) -> Iterator[Problem]:
    owner: Any = override
    for step in at:
        owner = part(owner, str(step))
    if not (found := owner.get(key)) or not isinstance(found, list):
        yield Problem(override, at, f"{key} is required, as a list")
    elif len(cast("list[object]", found)) > _MOST:
        yield Problem(override, (*at, key), f"{key}: write at most {_MOST}; Fleet takes no more")


def _labels(rule: Manifest) -> Iterator[tuple[str, object]]:
    """Yield the keys of the labels that a rule asks for, with each value that a label may have, or None."""
    for term in parts(part(rule, "clusterSelector"), "clusterSelectorTerms"):
        selector = part(term, "labelSelector")
        yield from part(selector, "matchLabels").items()
        for expression in parts(selector, "matchExpressions"):
            values = expression.get("values") if expression.get("operator") == "In" else None
            yield from ((str(expression.get("key")), value) for value in cast("list[object]", values or [None]))


def _patches(rule: Manifest) -> list[Manifest]:
    return parts(rule, "jsonPatchOverrides")


# Azure/fleet v0.18.12, apis/placement/v1/override_types.go and pkg/utils/validator/resourceoverride.go.
def _members(rule: Manifest) -> Iterator[tuple[Path, str]]:
    selector = part(rule, "clusterSelector")
    if not isinstance(selector.get("clusterSelectorTerms"), list):
        text = "the rule is for no member, as it has no clusterSelectorTerms"
        yield ("clusterSelector",), f"{text}; write clusterSelector: {{clusterSelectorTerms: []}} for all members"
    for number, term in enumerate(parts(selector, "clusterSelectorTerms")):
        if term.keys() != {"labelSelector"}:
            yield ("clusterSelector", "clusterSelectorTerms", number), "a rule selects members by a labelSelector only"


def _kind(rule: Manifest) -> Iterator[tuple[Path, str]]:
    kind, number = rule.get("overrideType", "JSONPatch"), len(_patches(rule))
    if kind not in ("JSONPatch", "Delete"):
        yield ("overrideType",), f"overrideType {kind} is unknown; write JSONPatch or Delete"
    elif kind == "Delete" and number:
        yield ("jsonPatchOverrides",), "a rule with overrideType Delete has no jsonPatchOverrides; remove them"
    elif kind == "JSONPatch" and not 1 <= number <= _MOST:
        yield ("jsonPatchOverrides",), f"jsonPatchOverrides: write a list of 1 to {_MOST} patches"


def _stopped(
    app: Sequence[Manifest], services: Collection[str], targets: Sequence[Manifest], rule: Manifest
) -> Iterator[tuple[Path, str]]:
    """Find shared Services that a rule leaves without pods."""
    none = [(each.get("path"), each.get("value")) for each in _patches(rule)].count(("/spec/replicas", 0))
    for service in services if none or rule.get("overrideType") == "Delete" else ():
        if (pods := {*map(id, behind(app, service))}) and pods <= {*map(id, targets)}:
            text = f"Service {service} would have no pods there, although the fleet shares it"
            yield (), f"{text}; leave the region out of the app's regions instead"


def _patched(targets: Sequence[Manifest], rule: Manifest) -> Iterator[tuple[Path, str]]:
    copies = [_copy(overlay(_DEFAULT, each) if each["kind"] in SCALED else each) for each in targets]
    for number, patch in enumerate(_patches(rule)):
        at = ("jsonPatchOverrides", number)
        if text := _refused(patch):
            yield at, text
            continue
        if unknown := _UNKNOWN_VARIABLE.search(str(patch.get("value"))):
            known = "${MEMBER-CLUSTER-NAME} and ${MEMBER-CLUSTER-LABEL-KEY-<label>}"
            yield (*at, "value"), f"Fleet has no variable {unknown[0]}; it has {known}"
        for target in (target for target, copy in zip(targets, copies, strict=True) if not _applied(copy, patch)):
            path, remedy = patch["path"], ", or use op: add" if patch["op"] == "replace" else ""
            text = f"{_called(target)} has no {path} to {patch['op']}; write it into the manifest{remedy}"
            if patch["op"] == "add":
                parent = path.rpartition("/")[0]
                text = f"{_called(target)} has no {parent} to add to; write it into the manifest, or add that first"
            yield (*at, "path"), text


_DEFAULT: Final[Manifest] = {"spec": {"replicas": 1}}  # by the hub's API server


def _refused(patch: Manifest) -> str:
    """Return why Fleet refuses a patch; empty if it does not."""
    path = patch.get("path")
    if patch.get("op") not in ("add", "remove", "replace"):
        return f"op {patch.get('op')} is unknown; write add, remove or replace"
    if patch["op"] == "remove" and "value" in patch:
        return "a patch that removes has no value; remove it"
    if not isinstance(path, str) or not path.startswith("/") or not all(step.strip() for step in path[1:].split("/")):
        return f"path {path} is invalid: write it as /spec/replicas, with ~1 for a slash in a name"
    first, second, *_ = [*path[1:].split("/"), ""]
    if first in ("apiVersion", "kind", "status") or (first == "metadata" and second not in ("annotations", "labels")):
        return f"an override cannot change {path}; of metadata it can change labels and annotations only"
    return ""


def _applied(document: Any, patch: Manifest) -> bool:  # noqa: ANN401 - JSON
    """Apply a patch (RFC 6902) to an object; return whether it fits. An Output may have anything."""
    *parents, last = [step.replace("~1", "/").replace("~0", "~") for step in patch["path"][1:].split("/")]
    value = _copy(patch.get("value"))
    try:
        for step in parents:
            document = document[int(step) if isinstance(document, list) else step]
        if isinstance(document, pulumi.Output):
            return True
        if isinstance(document, list):
            items = cast("list[Any]", document)
            if patch["op"] == "add":
                place = len(items) if last == "-" else int(last)
                items.insert(place, value)
                return place < len(items)
            document, last = items, int(last)
        elif patch["op"] != "add":
            document[last]
        if patch["op"] == "remove":
            del document[last]
        else:
            document[last] = value
    except (LookupError, TypeError, ValueError):
        return False
    return True


def _copy(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in cast("Manifest", value).items()}
    return [_copy(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value
