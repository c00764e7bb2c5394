"""The program and the rehearsal do not import each other (docs/architecture.md)."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.program import ROOT

PROGRAM = {
    "__main__",
    "changes",
    "components",
    "fleet_clusters",
    "policies",
    "provider",
    "quantities",
    "regions",
    "settings",
    "verify",
}


def imported(path: Path) -> Iterator[str]:
    """Yield the packages that a file imports, by their first names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def files(*names: str) -> list[Path]:
    """Return the files of packages and modules."""
    return [path for name in names for path in (ROOT / f"{name}.py", *(ROOT / name).rglob("*.py")) if path.exists()]


@pytest.mark.parametrize(
    ("importing", "others"),
    [
        (["rehearsal"], {*PROGRAM, "fleet_l4_lb", "tests"}),
        ([*PROGRAM, "examples"], {"rehearsal", "tests"}),
        (["verify", "fleet_clusters"], PROGRAM - {"verify", "fleet_clusters"}),
        (["quantities"], PROGRAM - {"quantities"}),
    ],
)
def test_neither_side_imports_the_other(importing: list[str], others: set[str]) -> None:
    paths = files(*importing)
    assert paths
    assert [(path.name, name) for path in paths for name in imported(path) if name in others] == []


def test_start_of_the_program_leaves_out_the_kubernetes_client() -> None:
    # Its import takes half a second. Only the hooks that read clusters need it.
    code = f"import {', '.join(imported(ROOT / '__main__.py'))}, sys; print('kubernetes' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603 - our own
    assert told.stdout.strip() == "False"
