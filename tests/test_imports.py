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


def test_program_starts_without_the_client_of_api_servers() -> None:
    """Its import takes a second: only runs that wait for a cluster need it."""
    check = "import sys, components.multi_cluster_app; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0  # noqa: S603 - no shell
