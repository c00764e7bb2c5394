"""Kubernetes objects from YAML, read and checked before anything is registered."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NotRequired, TypeAlias, TypedDict, cast

import pulumi
import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.reader import ReaderError

Manifest: TypeAlias = dict[str, Any]
"""One object as kubectl would take it; values may be Outputs."""

# What an app may bring: the namespaced kinds of the Kubernetes API reference, v1.34. Other kinds need a
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
    *("MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume", "PriorityClass", "RuntimeClass"),
    *("StorageClass", "ValidatingAdmissionPolicy", "ValidatingWebhookConfiguration"),
)
_DENIED: Final = ("Pod", "ReplicaSet")  # Azure/fleet v0.18.9, pkg/webhook/pod and pkg/webhook/replicaset
_FLEET_KINDS: Final = ("ServiceExport", "ClusterResourcePlacement", "MultiClusterService")

_SUFFIXES: Final = (".yaml", ".yml", ".json")  # which `kubectl apply -f <folder>` reads
_PLACEHOLDER: Final = re.compile(r"\$\{(\w+)\}")
_UNFILLED: Final = re.compile(r"\$\{[^}]*\}|\{\{.*?\}\}")  # ours, and those of templates in Go, such as Helm's
_DEEPEST: Final = 100  # levels; an alias inside its own anchor has no end

_Path: TypeAlias = tuple[str | int, ...]


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


def load(
    folder: Path,
    *,
    namespace: str,
    service: str,
    members: Sequence[str],
    secrets: Mapping[str, Mapping[str, int]] | None = None,
) -> AppManifests:
    """Read an app's manifests.

    Args:
        folder: `app/` in it has the app's own YAML, plain; `fleet/` has Fleet's objects, one in a file, in which
            `${namespace}`, `${service}` and `${members}` stand for the other arguments.
        namespace: the app's namespace.
        service: the Service that all clusters share.
        members: names of the fleet's members that the app is placed on.
        secrets: Secrets that are generated: by name, the length of each key's value, which has letters and digits.
            The manifests refer to them, and must not have one of such a name.

    Raises:
        ManifestsError: something is wrong; the message names everything that is, with file and line.
    """
    reader = _Reader(folder.parent, namespace, secrets or {})
    app = [*reader.app(folder / "app")]
    services = [document.name for document in app if document.manifest["kind"] == "Service"]
    if service not in services:
        where = (folder / "app").relative_to(folder.parent)
        reader.problems.append(f"{where} has no Service {service!r} to export; it has {', '.join(services) or 'none'}")
    values = {"namespace": namespace, "service": service, "members": sorted(set(members))}
    fleet = [reader.fleet(folder / "fleet", kind, values) for kind in _FLEET_KINDS]
    if reader.problems:
        lines = [f"  {problem}" for problem in reader.problems]
        raise ManifestsError("\n".join(["The manifests have mistakes; nothing was deployed:", *lines]))
    export, placement, entry_point = fleet
    return AppManifests(
        namespace=namespace,
        service=service,
        app=[document.manifest for document in app],
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
    """One YAML document: what it says, with values in place of placeholders, and in which line it says so."""

    def __init__(self, file: Path, node: yaml.Node, values: Mapping[str, Any], problems: list[str]) -> None:
        self._file = file
        self._values = values
        self._problems = problems
        self._lines: dict[_Path, int] = {}
        keys = {key.value: value.value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}
        # The files in a ConfigMap are the app's own, also where they are templates for something in its pods.
        self._verbatim = "data" if keys.get("kind") == "ConfigMap" else None
        self.manifest: Any = self._value(node, ())

    @property
    def name(self) -> str:
        return self.manifest["metadata"]["name"]

    @property
    def identity(self) -> str:
        return f"{self.manifest['kind']} {self.name}"

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
                found = f"the key {key.value} is not text" if isinstance(key, yaml.ScalarNode) else "braces make a key"
                self._problems.append(f"{self._file}:{key.start_mark.line + 1}: {found}; quote it")
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
        if path[:1] == (self._verbatim,):
            return value
        whole = _PLACEHOLDER.fullmatch(value)
        if whole and whole[1] in self._values:
            return self._values[whole[1]]
        filled = _PLACEHOLDER.sub(lambda found: str(self._values.get(found[1], found[0])), value)
        for left in _UNFILLED.findall(filled):
            known = [f"${{{name}}}" for name in self._values] or ["nothing is filled in here; a shell takes $name"]
            self._problems.append(f"{self.at(*path)}: {left} has no value ({', '.join(known)})")
        return filled


class _Reader:
    """Reads documents and notes what is wrong with them; no note quotes a value, as it may be a Secret's."""

    def __init__(self, root: Path, namespace: str, secrets: Collection[str]) -> None:
        self.problems: list[str] = []
        self._root = root
        self._namespace = namespace
        self._secrets = secrets

    def app(self, folder: Path) -> Iterator[_Document]:
        """Yield the app's objects."""
        seen = {f"Secret {name}": "the program" for name in self._secrets}
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            for document in self._objects(file, {}) if file.suffix in _SUFFIXES else ():
                if refusal := _refusal(document.manifest["apiVersion"], document.manifest["kind"]):
                    self.problems.append(f"{document.at('kind')}: {refusal}")
                elif first := seen.get(document.identity):
                    self.problems.append(f"{document.at()}: {document.identity} is in {first} already")
                else:
                    seen[document.identity] = document.at()
                    yield document

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

    def _objects(self, file: Path, values: Mapping[str, Any]) -> Iterator[_Document]:
        """Yield the documents of a file that are objects, whole and of our namespace."""
        where, text = file.relative_to(self._root), file.read_bytes()
        try:
            for node in cast("Iterator[yaml.Node]", yaml.compose_all(text, yaml.SafeLoader)):  # pyright: ignore[reportUnknownMemberType] - without types
                document = _Document(where, node, values, self.problems)
                if document.manifest is not None and self._is_whole(document):
                    yield document
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.problems.append(f"{where}:{mark.line + 1 if mark else 1}: {error.problem or error.context}")
        except ReaderError as error:  # bytes that are no text
            line = text[: error.position].count(b"\n") + 1
            self.problems.append(f"{where}:{line}: this is not UTF-8, or no character: {error.reason}")

    def _is_whole(self, document: _Document) -> bool:
        before = len(self.problems)
        for path in (("apiVersion",), ("kind",), ("metadata", "name")):
            value = document.manifest
            for key in path:
                value = cast("Manifest", value).get(key) if isinstance(value, dict) else None
            if not value:
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


def _refusal(version: str, kind: str) -> str:
    """Say why an app cannot have a kind; empty where it can."""
    if kind in _KINDS.get(version, ()):
        return ""
    if kind in _CLUSTER_SCOPED:
        return f"{kind} is not of a namespace, and the app is placed as a namespace: it would stay on the hub"
    if kind in _DENIED:
        return f"{kind} is refused by the hub, which runs no pods; write a Deployment"
    if kind in _VERSIONS:
        return f"{kind} is not of {version}; write apiVersion: {_VERSIONS[kind]}"
    nearest = get_close_matches(kind, _VERSIONS, n=1)
    remedy = f"did you mean {nearest[0]}?" if nearest else f"the kinds are {', '.join(sorted(_VERSIONS))}"
    return f"{kind} of {version} is not a kind that an app can have; {remedy}"


class KubernetesObject(pulumi.CustomResource):
    """An object of any kind, given by its manifest.

    One class for all kinds: the SDK's own classes want every field of a manifest renamed, and there are none for
    Fleet's kinds.

    Attributes:
        status: the object's status once it is ready; None for kinds without one.
    """

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
