"""Kubernetes objects from YAML."""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any, TypeAlias, cast

import pulumi
import yaml

Manifest: TypeAlias = dict[str, Any]
"""One object as kubectl would take it; values may be Outputs."""


def load(path: Path, values: Mapping[str, Any] | None = None) -> list[Manifest]:
    """Read the objects of a file, or of every file of a folder in the order of their names.

    Args:
        path: the YAML file or the folder.
        values: what stands for `${name}` in the YAML; alone in its place, it keeps its type.

    Raises:
        pulumi.RunError: a file has a placeholder without a value.
    """
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    manifests: list[Manifest] = []
    for file in files:
        try:
            manifests += [
                _fill(document, values or {}) for document in yaml.safe_load_all(file.read_text()) if document
            ]
        except KeyError as missing:
            raise pulumi.RunError(f"{file}: no value for ${{{missing.args[0]}}}") from missing
    return manifests


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


def _fill(node: Any, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - YAML is any JSON value
    match node:
        case dict():
            return {key: _fill(value, values) for key, value in cast("Manifest", node).items()}
        case list():
            return [_fill(item, values) for item in cast("list[Any]", node)]
        case str() if (whole := node.removeprefix("${").removesuffix("}")) in values and node == f"${{{whole}}}":
            return values[whole]
        case str():
            return Template(node).substitute(values)
        case _:
            return node


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
        # Named here, `status` becomes an attribute that the provider's answer fills.
        super().__init__(f"kubernetes:{group_version}:{kind}", name, {**manifest, "status": None}, opts)
