"""Reads an app's manifests from YAML, and reports all mistakes at once, with file and line."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path as File
from string import Template
from typing import Any, Final, TypeAlias, cast

import pulumi
import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.reader import ReaderError

from . import checks, overrides
from .kinds import refusal
from .manifest import AppManifests, Manifest, ManifestsError, Path, overlay
from .pods import replicated

_SUFFIXES: Final = (".yaml", ".yml", ".json")  # which `kubectl apply -f <folder>` reads
_RENDERED: Final = {  # by other tools, from files of these names
    "kustomization": "kustomize is not applied: put what `kubectl kustomize` writes into a file here",
    "chart": "a Helm chart is not rendered: put what `helm template` writes into a file here",
}
_FLEET_FILES: Final = {
    "ServiceExport": "service-export.yaml",
    "ClusterResourcePlacement": "cluster-resource-placement.yaml",
    "MultiClusterService": "multi-cluster-service.yaml",
}
_PLACEHOLDERS: Final = ("${namespace}", "${service}", "${members}")
_DEEPEST: Final = 100  # levels; an alias inside its own anchor has no end

_Text: TypeAlias = Callable[["_Document", Path, str], object]
"""Returns the value for a string in a file."""


def load(  # noqa: PLR0913 - what decides whether an app can be placed
    folder: File,
    *,
    namespace: str,
    service: str,
    members: Sequence[str],
    entries: Collection[str] = (),
    others: Mapping[str, Collection[str]] | None = None,
    app_folder: File | None = None,
    team: bool = False,
    secrets: Mapping[str, Mapping[str, int]] | None = None,
    replicas: int | None = None,
    member_replicas: Mapping[str, int] | None = None,
    linux_only: bool = True,
    internal: bool = False,
    global_address: bool = False,
) -> AppManifests:
    """Read an app's manifests.

    Args:
        folder: the folder of the manifests. Its `app/` has the app's own YAML, which is used as it is. Its `fleet/` has
            Fleet's objects, one in a file; `${namespace}`, `${service}` and `${members}` stand for the other arguments.
        namespace: the app's namespace.
        service: the Service that all clusters share.
        members: names of the fleet's members that the app is placed on.
        entries: names of the entry Services.
        others: other Services that all clusters share, and the names of the entry Services of each.
        app_folder: the folder of the app's own YAML, if it is not `app/`.
        team: whether another stack has made the namespace and placed it (`TeamNamespace`). `fleet/` then needs no
            ClusterResourcePlacement.
        secrets: Secrets to generate: for each name, the keys and the lengths of their values. Values are letters and
            digits. The manifests refer to these Secrets, and cannot have Secrets of the same names.
        replicas: replicas, in each cluster, of the only Deployment or StatefulSet behind each shared Service; None for
            the manifest's number.
        member_replicas: the same for single members, by their names. It is checked here, and set by the component.
        linux_only: whether a cluster has Linux nodes only, as have clusters that the components create.
        internal: whether the entry points' addresses are in their VNets.
        global_address: whether a global address leads to the entry points.

    Raises:
        ManifestsError: the manifests have mistakes; the message lists all of them, with file and line.
    """
    reader = _Reader(folder.parent, namespace)
    app_folder = app_folder or folder / "app"
    documents = list(reader.app(app_folder, secrets or {}))
    app = [document.manifest for document in documents]
    services = [document.name for document in documents if document.manifest["kind"] == "Service"]
    shared = {service: entries, **(others or {})}
    where = app_folder.relative_to(folder.parent)
    for name in (each for each in shared if each not in services):
        reader.mistakes.append(f"{where} has no Service {name!r} to export; it has {', '.join(services) or 'none'}")
    at = {id(document.manifest): document.at for document in documents}
    found = checks.problems(
        app,
        shared,
        member_replicas=member_replicas,
        linux_only=linux_only,
        internal=internal,
        global_address=global_address,
    )
    reader.mistakes += [f"{at[id(manifest)](*path)}: {text}" for manifest, path, text in found]
    if replicas is not None or member_replicas:
        for name in (each for each in shared if each in services):
            if isinstance(workload := replicated(app, name), str):
                reader.mistakes.append(f"{where}: replicas cannot be set: {workload}")
            elif replicas is not None:
                changed = overlay(workload, {"spec": {"replicas": replicas}})
                app = [changed if manifest is workload else manifest for manifest in app]
    values = {"namespace": namespace, "service": service, "members": sorted(set(members))}
    export, placement, entry_point = (
        {} if team and kind == "ClusterResourcePlacement" else reader.fleet(folder / "fleet", kind, values)
        for kind in _FLEET_FILES
    )
    if reader.mistakes:
        raise ManifestsError("The manifests have mistakes; nothing was deployed:", reader.mistakes)
    written = [document.manifest for document in documents]
    remarks = [*checks.remarks(written, shared), *overrides.remarks(written, values["members"])]
    for warning in [*reader.warnings, *(f"{at[id(manifest)](*path)}: {text}" for manifest, path, text in remarks)]:
        pulumi.log.warn(warning)
    return AppManifests(
        namespace=namespace,
        service=service,
        app=app,
        export=export,
        placement=placement,
        entry_point=entry_point,
        others=[*(others or ())],
        secrets=secrets or {},
    )


class _Document:
    """One object in a file, and the line of each of its values.

    Args:
        file: the file.
        node: the object.
        text: returns the value for a string.
        mistakes: the list to which mistakes of YAML are added.
    """

    def __init__(self, file: File, node: yaml.Node, text: _Text, mistakes: list[str]) -> None:
        self._file, self._text, self._mistakes = file, text, mistakes
        self._lines: dict[Path, int] = {}
        self.manifest: Any = self._value(node, ())

    @property
    def name(self) -> str:
        return self.manifest["metadata"]["name"]

    def at(self, *path: str | int) -> str:
        """Return the position of a value as `file:line`; for a missing value, its parent's position."""
        while path not in self._lines:
            path = path[:-1]
        return f"{self._file}:{self._lines[path]}"

    def mistakes(self, namespace: str) -> Iterator[tuple[Path, str]]:
        """Find mistakes for which this cannot be an object of the app's namespace."""
        if ("apiVersion",) not in self._lines and ("kind",) not in self._lines:
            yield (), "not a Kubernetes object, as apiVersion and kind are missing; move it out of this folder"
            return
        if str(self.manifest.get("apiVersion")).startswith("kustomize.config.k8s.io/"):
            yield (), _RENDERED["kustomization"]
            return
        for path in (("apiVersion",), ("kind",), ("metadata", "name")):
            value = self.manifest
            for key in path:
                value = cast("Manifest", value).get(key) if isinstance(value, dict) else None
            if not value and path[-1] == "name" and (generated := ("metadata", "generateName")) in self._lines:
                text = "generateName creates another object each time, which cannot be placed; use metadata.name"
                yield generated, f"{text}, or remove the object if it is a Helm hook"
            elif not value:
                yield path, f"{'.'.join(path)} is required"
            elif not isinstance(value, str):
                yield path, f"{'.'.join(path)} is not a string; quote it"
        metadata = self.manifest.get("metadata")
        if (
            isinstance(metadata, dict)
            and (other := cast("Manifest", metadata).get("namespace", namespace)) != namespace
        ):
            yield ("metadata", "namespace"), f"namespace {other} is not the app's, {namespace}; remove it"

    def _value(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - any JSON value
        self._lines[path] = node.start_mark.line + 1
        if len(path) > _DEEPEST:
            raise ConstructorError(None, None, "an alias refers to itself", node.start_mark)
        match node:
            case yaml.MappingNode():
                return {key: self._value(item, (*path, key)) for key, item in self._items(node)}
            case yaml.SequenceNode():
                return [self._value(item, (*path, position)) for position, item in enumerate(node.value)]
            case _:
                value = cast("object", SafeConstructor().construct_object(node))  # pyright: ignore[reportUnknownMemberType] - without types
        if isinstance(value, str):
            # JSON writes an emoji as two escapes. A single one is replaced, as kubectl does (go.dev: encoding/json).
            whole = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            return self._text(self, path, whole)
        if value is not None and not isinstance(value, bool | int | float):
            self._mistakes.append(f"{self.at(*path)}: YAML reads this as a {type(value).__name__}; quote it")
        return value

    def _items(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
        seen: set[str] = set()
        # An alias brings a mapping again, then with the keys of its `<<`, which are from further up.
        for key in (key for key, _ in node.value if key.start_mark.index >= node.start_mark.index):
            at = f"{self._file}:{key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                text = "a key cannot be a mapping or a list; quote {{ … }}, or render the template first"
                self._mistakes.append(f"{at}: {text} (`helm template`)")
            elif key.tag not in {"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"}:
                self._mistakes.append(f"{at}: the key {key.value} is not a string; quote it")
            elif key.value in seen:
                self._mistakes.append(f"{at}: duplicate key {key.value}")
            seen.add(str(key.value))
        SafeConstructor().flatten_mapping(node)  # puts the keys of `<<` in front of the mapping's own keys, which win
        yield from ((str(key.value), value) for key, value in node.value)


def _members(node: yaml.Node) -> list[yaml.Node]:
    """Return the objects of a list, such as `kubectl get --output yaml` writes; else the document itself."""
    if isinstance(node, yaml.MappingNode):
        fields = {key.value: value for key, value in node.value}
        items, kind = fields.get("items"), fields.get("kind")
        if isinstance(items, yaml.SequenceNode) and isinstance(kind, yaml.ScalarNode) and kind.value.endswith("List"):
            return items.value
    return [node]


class _Reader:
    """Reads documents and collects mistakes and warnings. No message quotes a value, which may be a Secret's."""

    def __init__(self, root: File, namespace: str) -> None:
        self.mistakes: list[str] = []
        self.warnings: list[str] = []
        self._root = root
        self._namespace = namespace

    def app(self, folder: File, secrets: Mapping[str, object]) -> Iterator[_Document]:
        """Yield the app's objects."""
        seen = {("Secret", name): "generated by the program" for name in secrets}
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        for document in (each for file in files if self._is_read(file) for each in self._objects(file, self._as_is)):
            kind, name = document.manifest["kind"], document.name
            if reason := refusal(document.manifest["apiVersion"], kind):
                self.mistakes.append(f"{document.at('kind')}: {reason}")
            elif first := seen.get((kind, name)):
                self.mistakes.append(f"{document.at()}: {kind} {name} is already {first}")
            else:
                seen[kind, name] = f"in {document.at()}"
                yield document

    def fleet(self, folder: File, kind: str, values: Mapping[str, object]) -> Manifest:
        """Return the only object of a Fleet kind; empty if there is a mistake."""
        where = (file := folder / _FLEET_FILES[kind]).relative_to(self._root)
        if not file.is_file():
            self.mistakes.append(f"{where} is missing; it must have one {kind}")
            return {}

        def filled(document: _Document, path: Path, text: str) -> object:
            whole = next((name for name in values if text == f"${{{name}}}"), None)
            if whole:  # the value itself, which may be a list
                return values[whole]
            try:
                return Template(text).substitute(values)
            except (KeyError, ValueError) as error:
                found = f"${{{error.args[0]}}}" if isinstance(error, KeyError) else "a $ without a name"
                known = f"{', '.join(_PLACEHOLDERS)}, and $$ for a dollar"
                self.mistakes.append(f"{document.at(*path)}: {found} is not a placeholder; use {known}")
                return text

        before = len(self.mistakes)
        manifests = [document.manifest for document in self._objects(file, filled)]
        if before == len(self.mistakes) and [manifest["kind"] for manifest in manifests] != [kind]:
            found = ", ".join(manifest["kind"] for manifest in manifests) or "nothing"
            self.mistakes.append(f"{where} has {found}; it must have one {kind}")
        return manifests[0] if manifests else {}

    def _as_is(self, document: _Document, path: Path, text: str) -> str:
        # In data, a placeholder may be meant for a program in the app's pods.
        if text in _PLACEHOLDERS and path[:1] not in (("data",), ("stringData",)):
            self.warnings.append(f"{document.at(*path)}: {text} stays as it is: only manifests/fleet/ has placeholders")
        return text

    def _is_read(self, file: File) -> bool:
        """Return whether a file of the app is read; report a file that users may expect to be read."""
        where = file.relative_to(self._root)
        if file.is_dir():
            inside = any(each.suffix.lower() in _SUFFIXES for each in file.rglob("*"))
            if inside and not file.name.startswith("."):
                self.mistakes.append(f"{where}: folders inside app/ are not read; move the files into app/ itself")
        elif file.suffix.lower() not in _SUFFIXES and file.name != "Kustomization":
            pass
        elif file.suffix not in _SUFFIXES and file.suffix:
            self.mistakes.append(f"{where} is not read; rename it to {file.with_suffix(file.suffix.lower()).name}")
        elif remedy := _RENDERED.get(file.stem.lower()):
            self.mistakes.append(f"{where}: {remedy}")
        else:
            return True
        return False

    def _objects(self, file: File, text: _Text) -> Iterator[_Document]:
        """Yield the objects of a file, including those in lists, that have no mistakes."""
        where, content = file.relative_to(self._root), file.read_bytes()
        if file.suffix == ".json":
            content = content.replace(b"\t", b" ")  # JSON has tabs between values only, and YAML allows none there
        try:
            for node in cast("Iterator[yaml.Node]", yaml.compose_all(content, yaml.SafeLoader)):  # pyright: ignore[reportUnknownMemberType] - without types
                for member in _members(node):
                    document = _Document(where, member, text, self.mistakes)
                    found = [] if document.manifest is None else [*document.mistakes(self._namespace)]
                    self.mistakes += [f"{document.at(*path)}: {mistake}" for path, mistake in found]
                    if document.manifest is not None and not found:
                        yield document
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line if mark else 0
            template = "{{" in "".join(content.decode(errors="replace").splitlines()[line : line + 1])
            remedy = "; render a template first (`helm template`)" if template else ""
            self.mistakes.append(f"{where}:{line + 1}: {error.problem or error.context}{remedy}")
        except ReaderError as error:
            line = content[: error.position].count(b"\n") + 1
            self.mistakes.append(f"{where}:{line}: this is not UTF-8 text: {error.reason}")
