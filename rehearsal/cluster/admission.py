"""Validation and defaults of objects, as an API server applies them."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

from rehearsal.cluster import limits
from rehearsal.cluster.kinds import HUB, Kind, find_kind
from rehearsal.cluster.objects import Object, child, deleting, matches, name_of, namespace_of
from rehearsal.core.errors import ApiError

# Object names: kubernetes.io/docs/concepts/overview/working-with-objects/names; texts: apimachinery validation.go.
_LABEL: Final = (
    re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"),
    63,
    (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    ),
)
_SUBDOMAIN: Final = (
    re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"),
    253,
    (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    ),
)
_SERVICE: Final = (
    re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?"),
    63,
    (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation "
        "is '[a-z]([-a-z0-9]*[a-z0-9])?')"
    ),
)
# Fields that cannot be updated (Kubernetes API validation, v1.36); for the placement, the rule in its CRD.
_IMMUTABLE: Final = {
    "Deployment.apps": ("selector",),
    "StatefulSet.apps": ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"),
    "DaemonSet.apps": ("selector",),
    "Job.batch": ("selector", "template", "completions"),
    # Azure/fleet v0.18.12, apis/placement/v1/stageupdate_types.go
    "ClusterStagedUpdateRun.placement.kubernetes-fleet.io": (
        "placementName",
        "resourceSnapshotIndex",
        "stagedRolloutStrategyName",
    ),
}
_PLACEMENT: Final = "ClusterResourcePlacement.placement.kubernetes-fleet.io"
_MOST_RULES: Final = 20  # of an override, and of its objects
_SELECTOR: Final = ("group", "version", "kind", "name")
_LAST_PORT: Final = 65535
_RESERVED: Final = ("fleet-", "kube-")
_RECONCILE: Final = "fleet.azure.com/reconcile"
# The policy's name in Azure/fleet v0.18.12 pkg/admissionpolicymanager/podsnreplicasets.go.
POD_POLICY: Final = "deny-pods-and-replicasets-outside-reserved-namespaces"
_ACCOUNT_POLICY: Final = "deny-serviceaccounts-and-tokenrequests-in-reserved-namespaces"  # svcaccountsntokenreqs.go
_MEMBER: Final = "MemberCluster.cluster.kubernetes-fleet.io"
# Kinds of which the guard rail gets only the users' deletions (the same, pkg/webhook/webhook.go).
_UNGUARDED: Final = frozenset(
    {
        "ServiceExport.networking.fleet.azure.com",
        "ServiceImport.networking.fleet.azure.com",
        "MultiClusterService.networking.fleet.azure.com",
        "ResourceOverride.placement.kubernetes-fleet.io",
        "ResourceEnvelope.placement.kubernetes-fleet.io",
    }
)


class Contents(Protocol):
    """The parts of a cluster on which the admission of an object depends."""

    @property
    def role(self) -> str:
        """Whether this is a fleet's hub or a member."""
        ...

    def objects(self, key: str) -> Sequence[Object]:
        """Return the objects of a kind."""
        ...

    def free_service_address(self) -> str:
        """Return an address of the service network that no Service has."""
        ...


def check(cluster: Contents, kind: Kind, item: Object, user: str) -> None:
    """Refuse a new or changed object that is invalid or not allowed on this cluster.

    Raises:
        ApiError: with the API server's message.
    """
    _check_name(kind, name_of(item))
    if user:
        limits.check(kind, item)
    if kind.key == "MultiClusterService.networking.fleet.azure.com":
        _check_multi_cluster_service(kind, item)
    if kind.key == "Service":
        _check_ports(kind, item)
    if kind.key in ("Deployment.apps", "StatefulSet.apps", "DaemonSet.apps"):
        _check_selector(kind, item)
    if cluster.role != HUB:
        return
    if kind.key == "ResourceOverride.placement.kubernetes-fleet.io":
        _check_override(cluster, kind, item)
    if kind.key in ("Pod", "ReplicaSet.apps") and not namespace_of(item).startswith(_RESERVED):
        raise ApiError("Forbidden", pod_denial(kind.resource, name_of(item)))
    if kind.key == _PLACEMENT:
        _check_placement(kind, item)


def pod_denial(resource: str, name: str) -> str:
    """Return the hub's refusal of a user's pods and ReplicaSets (Azure/fleet v0.18.12 podsnreplicasets.go:112-160)."""
    return f"{_denial(resource, name)}creating pods and replicas is disallowed in the fleet hub cluster"


def replica_set_denial(name: str) -> str:
    """Return the hub's refusal of a Deployment's ReplicaSet.

    The policy allows the Deployment controller to create ReplicaSets that Azure manages, by a label. Other ReplicaSets
    lack the label, and CEL reports a missing key as an error.
    """
    users = (
        "system:serviceaccount:kube-system:deployment-controller",
        "system:serviceaccount:kube-system:replicaset-controller",
        "system:kube-controller-manager",
    )
    reserved = " || ".join(f'(request.namespace.startsWith("{prefix}"))' for prefix in _RESERVED)
    controllers = " || ".join(f'(request.userInfo.username == "{user}")' for user in users)
    managed = f'(object.metadata.labels["{_RECONCILE}"] == "managed")'
    return (
        f"{_denial('replicasets.apps', name)}expression '({reserved}) || ({managed} && ({controllers}))' resulted in "
        f"error: no such key: {_RECONCILE}"
    )


def _denial(resource: str, name: str, policy: str = POD_POLICY) -> str:
    return (
        f"{resource} \"{name}\" is forbidden: ValidatingAdmissionPolicy '{policy}' with binding "
        f"'{policy}-binding' denied request: "
    )


def check_immutable(kind: Kind, live: Object, merged: Object) -> None:
    """Refuse a change of a field that is fixed at creation.

    Raises:
        ApiError: with the API server's message.
    """
    old, new = child(live, "spec"), child(merged, "spec")
    for field in _IMMUTABLE.get(kind.key, ()):
        if old.get(field) != new.get(field):
            if kind.group == "placement.kubernetes-fleet.io":  # rules of its definition
                problem = f'Invalid value: "{new.get(field)}": {field} is immutable'
                raise _invalid(kind, merged, f"spec.{field}: {problem}")
            raise _invalid(kind, merged, f"spec.{field}: Invalid value: {new.get(field)}: field is immutable")
    if kind.key == "Service" and new.get("clusterIP") and old.get("clusterIP") != new.get("clusterIP"):
        raise _invalid(
            kind, merged, f'spec.clusterIPs[0]: Invalid value: ["{new["clusterIP"]}"]: may not change once set'
        )
    if kind.key == _PLACEMENT and _placement_type(old) != _placement_type(new):
        raise _invalid(kind, merged, "spec.policy: Invalid value: placement type is immutable")
    if kind.key == _PLACEMENT and child(old, "strategy").get("type") == "External" != child(new, "strategy").get(
        "type"
    ):
        problem = "cannot change rollout strategy type from 'External' to other types"
        raise _invalid(
            kind, merged, f'spec.strategy.type: Invalid value: "{child(new, "strategy").get("type")}": {problem}'
        )


def check_delete(cluster: Contents, kind: Kind, api_version: str, item: Object, user: str) -> None:
    """Refuse the deletion of an object that must not be deleted.

    Raises:
        ApiError: with the message of the API server, or of Fleet's webhook.
    """
    if kind.key == "Namespace" and name_of(item) in ("default", "kube-system"):
        raise ApiError("Forbidden", f'namespaces "{name_of(item)}" is forbidden: this namespace may not be deleted')
    if cluster.role == HUB and user:
        check_guard_rail(kind, "DELETE", item, item, api_version=api_version, user=user)
    if kind.key == _MEMBER:
        _check_leave(item, cluster.objects("InternalServiceExport.networking.fleet.azure.com"))


def _check_leave(member: Object, exports: Iterable[Object]) -> None:
    # fleet v0.18.12 membercluster_validating_webhook.go:50-79
    if child(member["spec"], "deleteOptions").get("validationMode") == "Skip":
        return
    for export in exports:
        if namespace_of(export) == f"fleet-member-{name_of(member)}" and not deleting(export):
            reference = export["spec"]["serviceReference"]["namespacedName"]
            raise ApiError(
                "Forbidden",
                _denied(
                    "membercluster",
                    f"Please delete serviceExport {reference} in the member cluster before leaving, request is denied",
                ),
            )


def normalise(item: Object) -> None:
    """Move a Secret's `stringData` to `data`, as the API server stores it."""
    if item["kind"] == "Secret" and (plain := item.pop("stringData", None)):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        item["data"] = child(item, "data") | encoded


def complete(cluster: Contents, kind: Kind, item: Object, live: Object | None) -> None:
    """Set the defaults that other parts of the cloud or the program read."""
    match kind.key:
        case "Namespace":
            item["metadata"]["labels"] = child(item["metadata"], "labels") | {
                "kubernetes.io/metadata.name": name_of(item)
            }
            item.setdefault("spec", {"finalizers": ["kubernetes"]})
            item.setdefault("status", {"phase": "Active"})
        case "Secret":
            item.setdefault("type", "Opaque")
        case "Deployment.apps" | "StatefulSet.apps":
            item["spec"].setdefault("replicas", 1)
        case "Service":
            _complete_service(cluster, item, live)
        case _ if kind.key == _PLACEMENT:
            item["spec"].setdefault("revisionHistoryLimit", 10)
            item["spec"].setdefault("statusReportingScope", "ClusterScopeOnly")
            _complete_placement(item["spec"])
        case "ClusterStagedUpdateRun.placement.kubernetes-fleet.io":
            item["spec"].setdefault("state", "Initialize")
        case "ClusterStagedUpdateStrategy.placement.kubernetes-fleet.io":
            for stage in item["spec"]["stages"]:
                stage.setdefault("maxConcurrency", 1)
        case _:
            pass


def _complete_placement(spec: Object) -> None:
    # fleet v0.18.12 pkg/utils/defaulter/placement.go, which the hub's webhook calls
    strategy: Object = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling: Object = strategy.setdefault("rollingUpdate", {})
        for key, value in {"maxUnavailable": "25%", "maxSurge": "25%", "unavailablePeriodSeconds": 60}.items():
            rolling.setdefault(key, value)
    apply: Object = strategy.setdefault("applyStrategy", {})
    for key, value in {
        "type": "ClientSideApply",
        "comparisonOption": "PartialComparison",
        "whenToApply": "Always",
        "whenToTakeOver": "Always",
    }.items():
        apply.setdefault(key, value)


def _complete_service(cluster: Contents, item: Object, live: Object | None) -> None:
    spec = item["spec"]
    spec.setdefault("type", "ClusterIP")
    if spec["type"] == "ExternalName":
        return
    if not spec.get("clusterIP"):
        spec["clusterIP"] = (live or {}).get("spec", {}).get("clusterIP") or cluster.free_service_address()
    spec["clusterIPs"] = [spec["clusterIP"]]
    exposed = spec["type"] in ("NodePort", "LoadBalancer")
    before = {port["port"]: port.get("nodePort") for port in (live or {}).get("spec", {}).get("ports", ())}
    used = {
        port.get("nodePort") for service in cluster.objects("Service") for port in service["spec"].get("ports") or ()
    }
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
        if exposed and not port.get("nodePort"):
            # 30000-32767 is Kubernetes' range of node ports.
            free = next(number for number in range(30000, 32768) if number not in used)
            port["nodePort"] = before.get(port["port"]) or free
            used.add(port["nodePort"])
    if exposed:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    item.setdefault("status", {"loadBalancer": {}})


def _check_name(kind: Kind, name: str) -> None:
    pattern, length, rule = _SERVICE if kind.key == "Service" else _LABEL if kind.key == "Namespace" else _SUBDOMAIN
    problem = rule if not pattern.fullmatch(name) else f"must be no more than {length} characters"
    if problem is not rule and len(name) <= length:
        return
    quoted = f'{kind.key} "{name}" is invalid: metadata.name: Invalid value: "{name}": {problem}'
    raise ApiError("Invalid", quoted)


def _check_ports(kind: Kind, item: Object) -> None:
    # kubernetes v1.36 pkg/apis/core/validation, validateServicePort
    numbers: dict[str, int | str] = {
        f"spec.ports[{index}].{field}": port.get(field, port["port"])
        for index, port in enumerate(child(item, "spec").get("ports") or ())
        for field in ("port", "targetPort")
    }
    problems = [
        f"{path}: Invalid value: {number}: must be between 1 and {_LAST_PORT}, inclusive"
        for path, number in numbers.items()
        if not isinstance(number, str) and not 1 <= number <= _LAST_PORT
    ]
    if problems:
        raise _invalid(kind, item, problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")


def _check_selector(kind: Kind, item: Object) -> None:
    # kubernetes v1.36 pkg/apis/apps/validation
    labels = child(child(child(item["spec"], "template"), "metadata"), "labels")
    if not matches(child(item["spec"], "selector"), labels):
        text = json.dumps(labels, sort_keys=True, separators=(",", ":"))
        problem = "`selector` does not match template `labels`"
        raise _invalid(kind, item, f"spec.template.metadata.labels: Invalid value: {text}: {problem}")


def _check_multi_cluster_service(kind: Kind, item: Object) -> None:
    # fleet-networking v0.3.25 api/v1alpha1/multiclusterservice_types.go:22-29.
    name = child(child(item, "spec"), "serviceImport").get("name")
    if not name:
        raise _invalid(kind, item, "spec.serviceImport.name: Required value")
    pattern, length, _ = _SERVICE
    if not pattern.fullmatch(name) or len(name) > length:
        rule = f"spec.serviceImport.name in body should match '^({pattern.pattern})$'"
        raise _invalid(kind, item, f'spec.serviceImport.name: Invalid value: "{name}": {rule}')


def _check_override(cluster: Contents, kind: Kind, item: Object) -> None:
    spec = child(item, "spec")
    rules: list[Object] = child(spec, "policy").get("overrideRules") or []
    # Azure/fleet v0.18.12, apis/placement/v1beta1/override_types.go.
    for path, found in (("policy.overrideRules", rules), ("resourceSelectors", spec.get("resourceSelectors") or [])):
        if len(found) > _MOST_RULES:
            problem = f"spec.{path}: Too many: {len(found)}: must have at most {_MOST_RULES} items"
            raise _invalid(kind, item, problem)
    before = next((each for each in cluster.objects(kind.key) if _is_same(each, item)), item)
    if before["spec"].get("placement") != spec.get("placement"):
        raise _invalid(kind, item, 'spec: Invalid value: "object": The placement field is immutable')
    # Source: answers of a hub with the definitions of fleet v0.18.12.
    for number, rule in enumerate(rules):
        if "clusterSelectorTerms" not in rule.get("clusterSelector", {"clusterSelectorTerms": []}):
            problem = (
                f"[spec.policy.overrideRules[{number}].clusterSelector.clusterSelectorTerms: Required value, <nil>: "
                "Invalid value: null: some validation rules were not checked because the object was invalid; correct "
                "the existing errors to complete validation]"
            )
            raise _invalid(kind, item, problem)
    # Azure/fleet v0.18.12, pkg/utils/validator/resourceoverride.go.
    others = [each for each in cluster.objects(kind.key) if namespace_of(each) == namespace_of(item)]
    problems = [*_selected_by_both(item, others), *(problem for rule in rules for problem in _problems_of(rule))]
    if problems:
        text = problems[0] if len(problems) == 1 else f"[{', '.join(dict.fromkeys(problems))}]"
        raise ApiError("Forbidden", _denied("resourceoverride", text))


def _is_same(one: Object, other: Object) -> bool:
    return (namespace_of(one), name_of(one)) == (namespace_of(other), name_of(other))


def _selected_by_both(item: Object, others: Iterable[Object]) -> Iterator[str]:
    for other in others:
        for selector in child(item, "spec").get("resourceSelectors") or ():
            if name_of(other) != name_of(item) and selector in other["spec"]["resourceSelectors"]:
                text = " ".join(f"{key.capitalize()}:{selector.get(key, '')}" for key in _SELECTOR)
                both = f"{name_of(item)} and {name_of(other)}"
                yield (
                    f"invalid resource selector {{{text}}}: the resource has been selected by both {both}, which is "
                    "not supported"
                )


def _problems_of(rule: Object) -> Iterator[str]:
    patches: list[Object] = rule.get("jsonPatchOverrides") or []
    if rule.get("overrideType") == "Delete":
        if patches:
            yield "invalid JSONPatchOverrides: JSONPatchOverrides cannot be set when the override type is Delete"
        return
    if not patches:
        yield "invalid JSONPatchOverrides: JSONPatchOverrides cannot be empty"
    for patch in patches:
        value = json.dumps(patch["value"], separators=(",", ":")) if "value" in patch else ""
        prefix = f"invalid JSONPatchOverride {{{patch['op']} {patch['path']} {{{value}}}}}: "
        if problem := _path_problem(patch["path"]):
            yield f"{prefix}{problem}"
        if patch["op"] == "remove" and value:
            yield f"{prefix}remove operation cannot have value"


def _path_problem(path: str) -> str:
    parts = path.split("/")
    first, second = [*parts, "", ""][1:3]
    wrong = {
        "path cannot be empty": not path,
        "path must start with /": not path.startswith("/"),
        "cannot override typeMeta fields": first in ("kind", "apiVersion"),
        "cannot override field metadata": parts[1:] == ["metadata"],
        "cannot override metadata fields except annotations and labels": (
            first == "metadata" and second not in ("annotations", "labels")
        ),
        "cannot override status fields": first == "status",
        "path cannot contain empty string": not all(part.strip() for part in parts[1:]),
    }
    return next((problem for problem, applies in wrong.items() if applies), "")


def check_guard_rail(  # noqa: PLR0913 - the parts of a request
    kind: Kind, verb: str, item: Object, live: Object | None, *, api_version: str, user: str
) -> None:
    """Refuse requests on a hub that only Fleet may send (fleet v0.18.12 pkg/webhook: webhook.go, fleetresourcehandler).

    Args:
        kind: the object's kind.
        verb: CREATE, UPDATE or DELETE.
        item: the object after the request.
        live: the object before a change; None for a new one.
        api_version: the version in the request.
        user: the user.

    Raises:
        ApiError: with the message of the policy or the webhook.
    """
    name, space = name_of(item), namespace_of(item)
    if kind.key == "ServiceAccount" and space.startswith(_RESERVED):
        reason = "writing service accounts in reserved namespaces or requesting tokens from such service accounts"
        raise ApiError("Forbidden", f"{_denial(kind.resource, name, _ACCOUNT_POLICY)}{reason} is disallowed")
    webhook = _guarding(kind, verb, name, space)
    if webhook == "membercluster":
        if reason := _change_refusal(verb, item, live):
            raise ApiError("Forbidden", _denied(f"{webhook}.guardrail", reason))
        if not _changes_more_than_labels(verb, item, live):
            return
    if webhook:
        group, _, version = api_version.rpartition("/")
        reason = (
            f"user: '{user}' in 'groups: [system:authenticated]' is not allowed to {verb} resource "
            f"{group}/{version}, Kind={kind.name}/: {space}/{name}"
        )
        raise ApiError("Forbidden", _denied(f"{webhook}.guardrail", reason))


def _guarding(kind: Kind, verb: str, name: str, space: str) -> str:
    """Return the name of the guard rail's webhook for a request; empty if there is none."""
    if kind.key == _MEMBER:
        return "membercluster"
    if kind.key == "Namespace":
        return "namespace" if name.startswith(_RESERVED) else ""
    if verb != "DELETE" and kind.key in _UNGUARDED:
        return ""
    if space in ("kube-system", "kube-public", "kube-node-lease"):
        return "kubenamespacedresources"
    if space == "fleet-system":
        return "fleetsystemnamespacedresources"
    return "fleetmembernamespacedresources" if space.startswith("fleet-member-") else ""


def _change_refusal(verb: str, item: Object, live: Object | None) -> str:
    if verb == "UPDATE" and live and _fleet_annotations(live) and not _fleet_annotations(item):
        return "no user is allowed to remove all fleet pre-fixed annotations from a fleet member cluster"
    return ""


def _changes_more_than_labels(verb: str, item: Object, live: Object | None) -> bool:
    """Return whether a request changes more of a MemberCluster than its labels, taints and other annotations."""
    if verb != "UPDATE" or live is None:
        return bool(_fleet_annotations(item))

    def guarded(each: Object) -> Object:
        metadata = each["metadata"]
        spec = {key: value for key, value in each["spec"].items() if key != "taints"}
        return {"spec": spec, **{key: metadata.get(key) or [] for key in ("finalizers", "ownerReferences")}}

    return guarded(item) != guarded(live) or not _fleet_annotations(live).items() <= _fleet_annotations(item).items()


def _fleet_annotations(item: Object) -> Object:
    return {
        key: value for key, value in child(item["metadata"], "annotations").items() if key.startswith("fleet.azure.com")
    }


def _denied(webhook: str, reason: str) -> str:
    return f'admission webhook "fleet.{webhook}.validating" denied the request: {reason}'


def _check_placement(kind: Kind, item: Object) -> None:
    spec: dict[str, Any] = child(item, "spec")
    if not spec.get("resourceSelectors"):
        raise _invalid(kind, item, "spec.resourceSelectors: Required value")
    _check_rules(kind, item, spec)
    # fleet v0.18.12 pkg/utils/validator/placement.go:130-340, without the checks that the definition makes first.
    problems: list[str] = []
    strategy = child(spec, "strategy")
    if strategy.get("type") == "External" and strategy.get("rollingUpdate") is not None:
        problems.append(
            "the rollout Strategy field  is invalid: rollingUpdateConifg is not valid for ExternalRollout strategy type"
        )
    in_namespace = any(
        each.get("selectionScope") == "NamespaceWithResourceSelectors" for each in spec["resourceSelectors"]
    )
    length = 63
    if len(name_of(item)) > length:
        problems.append(f"the name field cannot have length exceeding {length}")
    for selector in spec.get("resourceSelectors") or ():
        api_version = "/".join(part for part in (selector["group"], selector["version"]) if part)
        if not (selected := find_kind(api_version, selector["kind"], HUB)):
            missing = f'no matches for kind "{selector["kind"]}" in version "{api_version}"'
            problems.append(f"failed to get GVR of the selector: {missing}")
        elif selected.namespaced and not in_namespace:
            problems.append(
                "the resource is not found in schema (please retry) or it is not a cluster scoped resource: "
                f"{api_version}, Kind={selected.name}"
            )
    affinity = child(child(child(spec, "policy"), "affinity"), "clusterAffinity")
    if _placement_type(spec) == "PickAll" and affinity.get("preferredDuringSchedulingIgnoredDuringExecution"):
        problems.append(
            "the placement policy field is invalid: PreferredDuringSchedulingIgnoredDuringExecution will be ignored "
            "for placement policy type PickAll"
        )
    if problems:
        text = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        raise ApiError(
            "Forbidden",
            _denied("clusterresourceplacementv1beta1", f"deny create/update v1beta1 CRP has invalid fields {text}"),
        )


def _check_rules(kind: Kind, item: Object, spec: dict[str, Any]) -> None:
    # fleet v0.18.12 apis/placement/v1beta1/clusterresourceplacement_types.go, XValidation; texts: answers of a hub with
    # these definitions.
    policy: dict[str, Any] = child(spec, "policy")
    placement = _placement_type(spec)
    tolerations: list[Object] = policy.get("tolerations") or []
    has = {key for key, value in policy.items() if value is not None}
    spread = "topologySpreadConstraints"
    wrong = {
        "resourceSelectors: Invalid value: name and labelSelector are mutually exclusive in a resource selector": any(
            selector.get("name") and "labelSelector" in selector for selector in spec["resourceSelectors"]
        ),
        "policy: Invalid value: affinity, numberOfClusters, topologySpreadConstraints, and tolerations cannot be set "
        "when placementType is PickFixed": (
            placement == "PickFixed" and has & {"affinity", "numberOfClusters", spread, "tolerations"}
        ),
        "policy: Invalid value: clusterNames, numberOfClusters, and topologySpreadConstraints cannot be set when "
        "placementType is PickAll": placement == "PickAll" and has & {"clusterNames", "numberOfClusters", spread},
        "policy: Invalid value: clusterNames cannot be set and numberOfClusters must be set when placementType is "
        "PickN": placement == "PickN" and ("clusterNames" in has or "numberOfClusters" not in has),
        "policy.tolerations: Invalid value: value must be empty when operator is Exists": any(
            each.get("operator") == "Exists" and each.get("value") for each in tolerations
        ),
        "policy.tolerations: Invalid value: operator must be Exists when key is empty": any(
            not each.get("key") and each.get("operator") != "Exists" for each in tolerations
        ),
    }
    problems = [f"spec.{problem}" for problem, applies in wrong.items() if applies]
    if problems:
        raise _invalid(kind, item, problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")


def _placement_type(spec: dict[str, Any]) -> str:
    return child(spec, "policy").get("placementType", "PickAll")


def _invalid(kind: Kind, item: Object, problem: str) -> ApiError:
    return ApiError("Invalid", f'{kind.key} "{name_of(item)}" is invalid: {problem}')
