"""Kubernetes objects from YAML, read and checked before anything is registered."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from string import Template
from typing import Any, Final, NotRequired, TypedDict, cast

import pulumi
import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.reader import ReaderError

from . import app_rules
from .app_rules import Manifest
from .app_rules import Path as _Path

# What an app may bring: the namespaced kinds of the Kubernetes API reference, v1.36. Other kinds need a
# CustomResourceDefinition, which is not of a namespace, so that the placement of the namespace leaves it behind.
# Endpoints are not among them: the placement leaves those of a Service behind, too, and EndpointSlices replace them.
_KINDS: Final = {
    "v1": (
        *("ConfigMap", "LimitRange", "PersistentVolumeClaim", "ResourceQuota", "Secret", "Service"),
        "ServiceAccount",
    ),
    "apps/v1": ("DaemonSet", "Deployment", "StatefulSet"),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "batch/v1": ("CronJob", "Job"),
    "discovery.k8s.io/v1": ("EndpointSlice",),
    "networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
    "policy/v1": ("PodDisruptionBudget",),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding"),
}
_VERSIONS: Final = {kind: version for version, kinds in _KINDS.items() for kind in kinds}
_CLUSTER_SCOPED: Final = (
    *("APIService", "CSIDriver", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass"),
    *("MutatingAdmissionPolicy", "MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume"),
    *("PriorityClass", "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy", "ValidatingWebhookConfiguration"),
)
_DENIED: Final = ("Pod", "ReplicaSet")  # Azure/fleet v0.18.12, pkg/webhook/pod and pkg/webhook/replicaset
# Kubernetes' own groups that have a dot (API reference, v1.36); any other group with one is of custom resources.
_GROUPS: Final = re.compile(
    r"(admissionregistration|apiextensions|apiregistration|authentication|authorization|certificates|coordination"
    r"|discovery|events|(flowcontrol|internal)\.apiserver|networking|node|rbac\.authorization|resource|scheduling"
    r"|storage|storagemigration)\.k8s\.io"
)
_FLEET_GROUPS: Final = ("networking.fleet.azure.com", "placement.kubernetes-fleet.io", "cluster.kubernetes-fleet.io")
_FLEET_KINDS: Final = ("ServiceExport", "ClusterResourcePlacement", "MultiClusterService")

_SUFFIXES: Final = (".yaml", ".yml", ".json")  # which `kubectl apply -f <folder>` reads
_RENDERED: Final = {  # by other tools, from files of these names
    "kustomization": "kustomize is not applied: put what `kubectl kustomize` writes into a file here",
    "chart": "a Helm chart is not rendered: put what `helm template` writes into a file here",
}
_PLACEHOLDERS: Final = ("${namespace}", "${service}", "${members}")
_DEEPEST: Final = 100  # levels; an alias inside its own anchor has no end


class ManifestsError(pulumi.RunError):
    """All that is wrong with the manifests; Pulumi shows the message of a RunError and no traceback."""


class AppManifests(TypedDict):
    """What makes an app on a fleet."""

    namespace: str
    """The app's namespace, placed as a whole."""
    service: str
    """The Service that all clusters share."""
    app: Sequence[Manifest]
    """The app's own objects, in the order of files and documents."""
    export: Manifest
    """Offers the Service to the fleet."""
    placement: Manifest
    """Places the namespace."""
    entry_point: Manifest
    """Balances over the Service of all clusters."""
    secrets: NotRequired[Mapping[str, Mapping[str, int]]]
    """Secrets that are generated: by name, the length of each key's value, which has letters and digits."""


def load(  # noqa: PLR0913 - what decides whether an app can be placed
    folder: Path,
    *,
    namespace: str,
    service: str,
    members: Sequence[str],
    secrets: Mapping[str, Mapping[str, int]] | None = None,
    replicas: int | None = None,
    linux_only: bool = True,
    internal: bool = False,
) -> AppManifests:
    """Read an app's manifests.

    Args:
        folder: `app/` in it has the app's own YAML, which is used as it is; `fleet/` has Fleet's objects, one in a
            file, in which `${namespace}`, `${service}` and `${members}` stand for the other arguments.
        namespace: the app's namespace.
        service: the Service that all clusters share.
        members: names of the fleet's members that the app is placed on.
        secrets: Secrets that are generated: by name, the length of each key's value, which has letters and digits.
            The manifests refer to them, and must not have one of such a name.
        replicas: pods, in each cluster, of the one Deployment or StatefulSet behind the Service; None leaves the
            manifests' number.
        linux_only: whether a cluster has Linux nodes only, as those have that the components make.
        internal: whether the entry point's address is one of the VNet.

    Raises:
        ManifestsError: something is wrong; the message names everything that is, with file and line.
    """
    reader = _Reader(folder.parent, namespace, secrets or {})
    documents = [*reader.app(folder / "app")]
    app = [document.manifest for document in documents]
    services = [document.name for document in documents if document.manifest["kind"] == "Service"]
    if service not in services:
        where = (folder / "app").relative_to(folder.parent)
        reader.problems.append(f"{where} has no Service {service!r} to export; it has {', '.join(services) or 'none'}")
    at = {id(document.manifest): document.at for document in documents}
    found = app_rules.problems(app, service, linux_only=linux_only, internal=internal)
    reader.problems += [f"{at[id(manifest)](*path)}: {text}" for manifest, path, text in found]
    if replicas is not None and service in services:
        if isinstance(workload := app_rules.replicated(app, service), str):
            reader.problems.append(f"app.replicas cannot be set: {workload}")
        else:
            changes = {"spec": {"replicas": replicas}}
            app = [overlay(manifest, changes) if manifest is workload else manifest for manifest in app]
    values = {"namespace": namespace, "service": service, "members": sorted(set(members))}
    fleet = [reader.fleet(folder / "fleet", kind, values) for kind in _FLEET_KINDS]
    if reader.problems:
        lines = [f"  {problem}" for problem in reader.problems]
        raise ManifestsError("\n".join(["The manifests have mistakes; nothing was deployed:", *lines]))
    remarks = app_rules.remarks([document.manifest for document in documents], service)
    for remark in [*reader.hints, *(f"{at[id(manifest)](*path)}: {text}" for manifest, path, text in remarks)]:
        pulumi.log.warn(remark)
    export, placement, entry_point = fleet
    return AppManifests(
        namespace=namespace,
        service=service,
        app=app,
        export=export,
        placement=placement,
        entry_point=entry_point,
        secrets=secrets or {},
    )


def overlay(manifest: Manifest, changes: Mapping[str, Any]) -> Manifest:
    """Return a manifest with changes laid over it: mappings are joined, everything else is replaced."""
    merged = dict(manifest)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = (
            overlay(cast("Manifest", below), cast("Manifest", value))
            if isinstance(below, dict) and isinstance(value, dict)
            else value
        )
    return merged


class _Document:
    """One object in a file: what it says, and in which line it says so.

    Args:
        file: the file.
        node: what YAML has there.
        values: of placeholders; None where there are no placeholders.
        problems: takes what is wrong.
        hints: takes what may be wrong.
    """

    def __init__(
        self, file: Path, node: yaml.Node, values: Mapping[str, Any] | None, problems: list[str], hints: list[str]
    ) -> None:
        self._file = file
        self._values = values
        self._problems = problems
        self._hints = hints
        self._lines: dict[_Path, int] = {}
        self.manifest: Any = self._value(node, ())

    @property
    def name(self) -> str:
        return self.manifest["metadata"]["name"]

    @property
    def identity(self) -> str:
        return f"{self.manifest['kind']} {self.name}"

    def has(self, *path: str | int) -> bool:
        """Say whether there is a value at a path."""
        return path in self._lines

    def at(self, *path: str | int) -> str:
        """Return the place of a value as `file:line`; of what should hold it, where it is missing."""
        while path not in self._lines:
            path = path[:-1]
        return f"{self._file}:{self._lines[path]}"

    def _value(self, node: yaml.Node, path: _Path) -> Any:  # noqa: ANN401 - any JSON value
        self._lines[path] = node.start_mark.line + 1
        if len(path) > _DEEPEST:
            raise ConstructorError(None, None, "an alias stands inside what it stands for", node.start_mark)
        match node:
            case yaml.MappingNode():
                return {key: self._value(item, (*path, key)) for key, item in self._items(node)}
            case yaml.SequenceNode():
                return [self._value(item, (*path, position)) for position, item in enumerate(node.value)]
            case _:
                value = SafeConstructor().construct_object(node)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - without types
                return self._scalar(cast("object", value), path)

    def _items(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag not in {"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"}:
                found = (
                    f"the key {key.value} is not text; quote it"
                    if isinstance(key, yaml.ScalarNode)
                    else "braces make a key; quote them, or render the template they are of (`helm template`)"
                )
                self._problems.append(f"{self._file}:{key.start_mark.line + 1}: {found}")
            elif key.value in seen:
                self._problems.append(f"{self._file}:{key.start_mark.line + 1}: the key {key.value} is here already")
            seen.add(str(key.value))
        SafeConstructor().flatten_mapping(node)  # of `<<`: its keys, in front of the mapping's own, which win
        yield from ((str(key.value), value) for key, value in node.value)

    def _scalar(self, value: object, path: _Path) -> object:
        if not isinstance(value, str):
            if value is not None and not isinstance(value, bool | int | float):
                self._problems.append(f"{self.at(*path)}: YAML reads this as a {type(value).__name__}; quote it")
            return value
        if self._values is None:
            # Everything is the app's own, also where it is a template for something in its pods.
            if value in _PLACEHOLDERS and path[:1] not in (("data",), ("stringData",)):
                self._hints.append(f"{self.at(*path)}: {value} stays as it is: only manifests/fleet/ has placeholders")
            return value
        return self._filled(value, path, self._values)

    def _filled(self, value: str, path: _Path, values: Mapping[str, Any]) -> object:
        whole = next((name for name in values if value == f"${{{name}}}"), None)
        if whole:
            return values[whole]
        try:
            return Template(value).substitute(values)
        except (KeyError, ValueError) as error:
            found = f"${{{error.args[0]}}}" if isinstance(error, KeyError) else "a $ that begins no name"
            known = ", ".join(f"${{{name}}}" for name in values)
            self._problems.append(f"{self.at(*path)}: {found} has no value ({known}; $$ is a dollar)")
            return value


class _Reader:
    """Reads documents and notes what is wrong with them; no note quotes a value, as it may be a Secret's."""

    def __init__(self, root: Path, namespace: str, secrets: Collection[str]) -> None:
        self.problems: list[str] = []
        self.hints: list[str] = []
        self._root = root
        self._namespace = namespace
        self._secrets = secrets

    def app(self, folder: Path) -> Iterator[_Document]:
        """Yield the app's objects."""
        seen = {f"Secret {name}": "the program" for name in self._secrets}
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            for document in self._objects(file, None) if self._is_read(file) else ():
                if refusal := _refusal(document.manifest["apiVersion"], document.manifest["kind"]):
                    self.problems.append(f"{document.at('kind')}: {refusal}")
                elif first := seen.get(document.identity):
                    self.problems.append(f"{document.at()}: {document.identity} is in {first} already")
                else:
                    seen[document.identity] = document.at()
                    yield document

    def _is_read(self, file: Path) -> bool:
        """Say whether a file of the app is read, and note where it looks as if it should be."""
        where = file.relative_to(self._root)
        if file.is_dir():
            inside = any(each.suffix.lower() in _SUFFIXES for each in file.rglob("*"))
            if inside and not file.name.startswith("."):
                self.problems.append(f"{where}: folders inside app/ are not read; put the files into app/ itself")
        elif file.suffix.lower() not in _SUFFIXES and file.name != "Kustomization":
            pass
        elif file.suffix not in _SUFFIXES and file.suffix:
            self.problems.append(f"{where} is not read; call it {file.with_suffix(file.suffix.lower()).name}")
        elif remedy := _RENDERED.get(file.stem.lower()):
            self.problems.append(f"{where}: {remedy}")
        else:
            return True
        return False

    def fleet(self, folder: Path, kind: str, values: Mapping[str, Any]) -> Manifest:
        """Return the one object of a kind of Fleet's; empty where there is a problem."""
        file = folder / f"{re.sub('(?<!^)(?=[A-Z])', '-', kind).lower()}.yaml"
        where = file.relative_to(self._root)
        if not file.is_file():
            self.problems.append(f"{where} is missing; it has the {kind}")
            return {}
        before = len(self.problems)
        manifests = [document.manifest for document in self._objects(file, values)]
        if before == len(self.problems) and [manifest["kind"] for manifest in manifests] != [kind]:
            found = ", ".join(manifest["kind"] for manifest in manifests) or "nothing"
            self.problems.append(f"{where} has {found}; it must have one {kind}")
        return manifests[0] if manifests else {}

    def _objects(self, file: Path, values: Mapping[str, Any] | None) -> Iterator[_Document]:
        """Yield the objects of a file, also those in lists, that are whole and of our namespace."""
        where, text = file.relative_to(self._root), file.read_bytes()
        if file.suffix == ".json":
            text = text.replace(b"\t", b" ")  # which JSON has between values only, and YAML takes nowhere there
        try:
            for node in cast("Iterator[yaml.Node]", yaml.compose_all(text, yaml.SafeLoader)):  # pyright: ignore[reportUnknownMemberType] - without types
                for part in _members(node):
                    document = _Document(where, part, values, self.problems, self.hints)
                    if document.manifest is not None and self._is_whole(document):
                        yield document
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line if mark else 0
            template = "{{" in "".join(text.decode(errors="replace").splitlines()[line : line + 1])
            remedy = "; a template is rendered first (`helm template`)" if template else ""
            self.problems.append(f"{where}:{line + 1}: {error.problem or error.context}{remedy}")
        except ReaderError as error:  # bytes that are no text
            line = text[: error.position].count(b"\n") + 1
            self.problems.append(f"{where}:{line}: this is not UTF-8, or no character: {error.reason}")

    def _is_whole(self, document: _Document) -> bool:
        before = len(self.problems)
        if not document.has("apiVersion") and not document.has("kind"):
            self.problems.append(
                f"{document.at()}: this is no Kubernetes object, which has apiVersion, kind and metadata.name; "
                "move it out of this folder"
            )
            return False
        if document.has("apiVersion") and str(document.manifest["apiVersion"]).startswith("kustomize.config.k8s.io/"):
            self.problems.append(f"{document.at()}: {_RENDERED['kustomization']}")
            return False
        for path in (("apiVersion",), ("kind",), ("metadata", "name")):
            value = document.manifest
            for key in path:
                value = cast("Manifest", value).get(key) if isinstance(value, dict) else None
            if not value and path[-1] == "name" and document.has("metadata", "generateName"):
                text = "generateName makes another object each time, which cannot be placed; write metadata.name"
                self.problems.append(f"{document.at('metadata', 'generateName')}: {text}, or leave a Helm hook out")
            elif not value:
                self.problems.append(f"{document.at(*path)}: {'.'.join(path)} is missing")
            elif not isinstance(value, str):
                self.problems.append(f"{document.at(*path)}: {'.'.join(path)} is not text; quote it")
        if before < len(self.problems):
            return False
        namespace = document.manifest["metadata"].get("namespace", self._namespace)
        if namespace != self._namespace:
            self.problems.append(
                f"{document.at('metadata', 'namespace')}: namespace {namespace} is not the app's, "
                f"{self._namespace}; leave it out"
            )
        return namespace == self._namespace


def _members(node: yaml.Node) -> list[yaml.Node]:
    """Return the objects of a list, such as `kubectl get --output yaml` writes; else the document itself."""
    if isinstance(node, yaml.MappingNode):
        parts = {key.value: value for key, value in node.value}
        items, kind = parts.get("items"), parts.get("kind")
        if isinstance(items, yaml.SequenceNode) and isinstance(kind, yaml.ScalarNode) and kind.value.endswith("List"):
            return items.value
    return [node]


def _refusal(version: str, kind: str) -> str:
    """Say why an app cannot have a kind; empty where it can."""
    if kind in _KINDS.get(version, ()):
        return ""
    group = version.rpartition("/")[0]
    nearest = get_close_matches(kind, _VERSIONS, n=1)
    remedy = f"did you mean {nearest[0]}?" if nearest else f"the kinds are {', '.join(sorted(_VERSIONS))}"
    reasons = {
        f"{kind} is one of Fleet's objects, and those are in manifests/fleet/": group in _FLEET_GROUPS,
        # A definition is not of a namespace, and the placement of a namespace takes what is in it.
        f"{kind} of {group} is a custom resource, which cannot be placed: its CustomResourceDefinition is not in the "
        "namespace": "." in group and not _GROUPS.fullmatch(group),
        f"{kind} is not of a namespace, and the app is placed as a namespace: it would stay on the hub": (
            kind in _CLUSTER_SCOPED
        ),
        f"{kind} is refused by the hub, which runs no pods; write a Deployment": kind in _DENIED,
        "Endpoints of a Service are not placed; write an EndpointSlice of discovery.k8s.io/v1": kind == "Endpoints",
        # Fields differ: kubernetes.io: tasks/run-application/horizontal-pod-autoscale, "API object".
        "write apiVersion: autoscaling/v2, with spec.metrics in place of targetCPUUtilizationPercentage": (
            version == "autoscaling/v1" and kind == "HorizontalPodAutoscaler"
        ),
        f"{kind} is not of {version}; write apiVersion: {_VERSIONS.get(kind)}": kind in _VERSIONS,
        f"{kind} of {version} is not a kind that an app can have; {remedy}": True,
    }
    return next(reason for reason, applies in reasons.items() if applies)


class KubernetesObject(pulumi.CustomResource):
    """An object of any kind, given by its manifest.

    One class for all kinds: the SDK's own classes want every field of a manifest renamed, and there are none for
    Fleet's kinds.

    Attributes:
        metadata: the object's metadata.
        status: the object's status once it is ready; None for kinds without one.
    """

    metadata: pulumi.Output[Any]
    status: pulumi.Output[Any]

    def __init__(self, name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> None:
        version, kind = manifest["apiVersion"], manifest["kind"]
        group_version = version if "/" in version else f"core/{version}"
        if kind == "Secret":
            parts = {part: manifest[part] for part in ("data", "stringData") if part in manifest}
            manifest = overlay(manifest, {part: _all_secret(values) for part, values in parts.items()})
        # Named here, `status` becomes an attribute that the provider's answer fills.
        super().__init__(f"kubernetes:{group_version}:{kind}", name, {**manifest, "status": None}, opts)


def _all_secret(values: Mapping[str, pulumi.Input[str]]) -> Mapping[str, pulumi.Output[str]]:
    return {key: pulumi.Output.secret(value) for key, value in values.items()}
