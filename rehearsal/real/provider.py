"""Finds or installs Pulumi's Kubernetes provider.

Sources, in this order: an installed plugin of the SDK's version; the user's cache; Pulumi's download server, if it
answers; a build from the Go module in `tools/`.
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

from rehearsal.core.errors import ToolchainError
from rehearsal.core.toolchain import PROBE_SECONDS, Module, cache_folder, filled

COMMAND: Final = "pulumi-resource-kubernetes"

# The version by `git describe` of the commit in go.mod. The Go module proxy has no later one.
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
        command: its path.
        version: its own version.
        expected: the SDK's version, which the engine requires.
    """

    command: Path
    version: str
    expected: str

    @property
    def is_of_sdk(self) -> bool:
        """Whether it has the SDK's version."""
        return self.version == self.expected

    def __str__(self) -> str:
        """Return its path and its version."""
        return f"{self.command} ({self.version})"


def find_provider() -> Provider:
    """Return the provider, after downloading or building it if necessary.

    Raises:
        ToolchainError: if it cannot be downloaded or built.
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
            pass  # usually a machine that reaches only module proxies
    return Provider(MODULE.commands() / COMMAND, _BUILT, expected)


def install(provider: Provider, home: Path) -> None:
    """Install the provider as a plugin in an engine's home, whatever its version."""
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
