"""YAML becomes Kubernetes objects."""

from pathlib import Path

import pulumi
import pytest

from components.manifests import load, overlay


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_folder_is_read_in_the_order_of_names_with_every_document(tmp_path: Path) -> None:
    folder = write(tmp_path, b="kind: C\n", a="kind: A\n---\nkind: B\n---\n")
    assert [manifest["kind"] for manifest in load(folder)] == ["A", "B", "C"]


def test_placeholder_alone_keeps_the_type_of_its_value(tmp_path: Path) -> None:
    folder = write(tmp_path, a="name: ${name}-1\nvalues: ${values}\n")
    assert load(folder, {"name": "shop", "values": ["a", "b"]}) == [{"name": "shop-1", "values": ["a", "b"]}]


def test_placeholder_without_a_value_is_named_with_its_file(tmp_path: Path) -> None:
    folder = write(tmp_path, a="spec:\n  names: [x, '${name}']\n")
    with pytest.raises(pulumi.RunError, match=r"a\.yaml: no value for \$\{name\}"):
        load(folder, {"other": "x"})


def test_overlay_joins_mappings_and_leaves_the_original_alone() -> None:
    original = {"metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"ports": [1, 2]}}
    changed = overlay(original, {"metadata": {"labels": {"y": "2"}}, "spec": {"ports": [3]}})
    assert changed == {"metadata": {"name": "a", "labels": {"x": "1", "y": "2"}}, "spec": {"ports": [3]}}
    assert original == {"metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"ports": [1, 2]}}
