"""A machine for tests of what is installed: nothing on PATH, an empty cache, no network, and fake commands."""

import sys
from pathlib import Path

import pytest

# As much of `go` as is asked for; it notes each build.
_GO = """
case $1 in
  list) {listing} ;;
  mod) {download} ;;
  build) echo "$@" >> {log}; PATH=/usr/bin:/bin; {build} ;;
esac
"""


class Machine:
    """A machine with nothing on PATH, an empty cache and no network."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = root / "path"
        self.cache = root / "cache" / "fleet-l4-lb"
        self.log = root / "builds"
        monkeypatch.setenv("PATH", str(self.path))
        monkeypatch.setenv("XDG_CACHE_HOME", str(self.cache.parent))
        monkeypatch.setattr(sys, "executable", str(command(root / "python", "echo no installer; exit 1")))

    def go(
        self,
        *,
        build: str,
        listing: str = "exit 1",
        download: str = "echo no network; exit 1",
    ) -> None:
        """Put a `go` on PATH.

        Args:
            build: what `go build` does, as a shell script; so do the other two.
            listing: what `go list` does.
            download: what `go mod download` does.
        """
        command(self.path / "go", _GO.format(listing=listing, download=download, log=self.log, build=build))

    def builds(self) -> list[str]:
        """Return the arguments of each build so far."""
        return self.log.read_text().splitlines() if self.log.exists() else []


def command(path: Path, script: str) -> Path:
    """Write an executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
