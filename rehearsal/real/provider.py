"""Pulumi's Kubernetes provider: where it comes from, and in which version.

In this order: Pulumi's own, of the SDK's version, where somebody has installed it; the per-user cache; the official
place, if it answers; a build from the Go module in `tools/`.
"""

import os
import platform
import shutil
import tarfile
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from importlib import metadata
from pathlib import Path
from typing import Final

from rehearsal.core.toolchain import PROBE_SECONDS, Module, ToolchainError, cache_folder, filled

COMMAND: Final = "pulumi-resource-kubernetes"

# What `git describe` says of the commit in go.mod. The proxy of Go modules has no later one.
_BUILT: Final = "4.25.0"
_SOURCE: Final = "github.com/pulumi/pulumi-kubernetes/provider/v4"

MODULE: Final = Module(
    COMMAND,
    source=_SOURCE,
    takes="about ten minutes",
    link=f"-X {_SOURCE}/pkg/version.Version={_BUILT}",
)

# pulumi v3.274.1, sdk/go/common/workspace/plugins.go
_OFFICIAL: Final = "https://get.pulumi.com/releases/plugins"
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Provider:
    """The provider's program.

    Attributes:
        command: where it is.
        version: which it is, whatever the SDK's.
        expected: the version of the SDK, which the engine asks for.
    """

    command: Path
    version: str
    expected: str

    @property
    def is_of_sdk(self) -> bool:
        """Whether it is the version that belongs to the SDK."""
        return self.version == self.expected

    def __str__(self) -> str:
        """Return where it is, and its version."""
        return f"{self.command} ({self.version})"


def find_provider() -> Provider:
    """Return the provider, after downloading or building it where there is none.

    Raises:
        ToolchainError: if it cannot be had.
    """
    expected = metadata.version("pulumi-kubernetes")
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    installed, downloaded = (home / "plugins" / f"resource-kubernetes-v{expected}", cache_folder() / COMMAND / expected)
    for folder in (installed, downloaded):
        if (folder / COMMAND).is_file():
            return Provider(folder / COMMAND, expected, expected)
    if not MODULE.is_built:
        try:
            folder = filled(downloaded, lambda folder: _download(expected, folder))
            return Provider(folder / COMMAND, expected, expected)
        except (ToolchainError, OSError, HTTPException, tarfile.TarError):
            pass  # most often this machine reaches module proxies alone
    return Provider(MODULE.commands() / COMMAND, _BUILT, expected)


def install(provider: Provider, home: Path) -> None:
    """Let an engine find the provider among the plugins in its own folder, whatever its version."""
    plugins = home / "plugins"
    for earlier in plugins.glob("resource-kubernetes-v*/"):  # folders; the engine notes the last use beside each
        shutil.rmtree(earlier)
    target = plugins / f"resource-kubernetes-v{provider.expected}"
    target.mkdir(parents=True)
    (target / COMMAND).symlink_to(provider.command)


def _download(version: str, folder: Path) -> None:
    machine = _ARCHITECTURES.get(platform.machine(), platform.machine())
    url = f"{_OFFICIAL}/{COMMAND}-v{version}-{platform.system().lower()}-{machine}.tar.gz"
    with (
        urllib.request.urlopen(url, timeout=PROBE_SECONDS) as answer,  # noqa: S310 - the scheme is ours
        tarfile.open(fileobj=answer, mode="r|gz") as archive,
    ):
        archive.extractall(folder, filter="data")
    if not (folder / COMMAND).is_file():
        raise ToolchainError(f"{url} has no {COMMAND}")
