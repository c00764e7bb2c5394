"""Finds or installs the `pulumi` command.

Sources, in this order: PATH, if it is new enough; the cache; the official installer; a build from the Go module in
`tools/pulumi/`, because some machines reach only module proxies. The last two fill the cache.
"""

import os
import shutil
import sys
import urllib.request
from importlib import metadata
from pathlib import Path

from semver import VersionInfo

from rehearsal.core.environment import neutral
from rehearsal.core.errors import EngineError, ToolchainError
from rehearsal.core.toolchain import PROBE_SECONDS, WORK_SECONDS, Module, cache_folder, filled, run

OLDEST = VersionInfo(3, 254, 0)
"""The oldest engine that the program supports (docs/azure.md)."""

_INSTALLER = "https://get.pulumi.com/install.sh"
_MODULE = Module(
    name="pulumi",
    source="github.com/pulumi/pulumi/pkg/v3",
    takes="about four minutes",
    link="-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}",
)


def version_of(command: Path) -> VersionInfo:
    """Return the version that a `pulumi` command reports.

    Raises:
        ToolchainError: the command fails, or prints no version.
    """
    environment = neutral() | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    answer = run([str(command), "version"], environment=environment, cwd=Path("/"), seconds=PROBE_SECONDS).strip()
    try:
        return VersionInfo.parse(answer.removeprefix("v"))
    except ValueError:
        last = answer.splitlines()[-1] if answer else ""
        raise ToolchainError(f"reports no version, but `{last}`") from None


def find_engine() -> Path:
    """Return the path of a usable `pulumi` command, after installing one if necessary.

    If the command on PATH is not usable, print the reason and the command in its place.

    Raises:
        EngineError: if none is found or can be installed.
    """
    problems: list[str] = []
    on_path = shutil.which("pulumi")
    if on_path:
        problem = _problem(Path(on_path))
        if not problem:
            return Path(on_path)
        problems.append(f"{on_path} {problem}")
    for way in (_build, _install) if _MODULE.is_built else (_install, _build):
        try:
            command = way()
        except ToolchainError as error:
            problems.append(str(error))
            continue
        if on_path:
            sys.stderr.write(f"{problems[0]}; using {command}\n")
        return command
    fit = f">= {OLDEST}, < {OLDEST.bump_major()}"
    advice = "install the Pulumi CLI (https://www.pulumi.com/docs/install/)"
    raise EngineError("\n  ".join([f"There is no usable `pulumi` command ({fit}): {advice}.", *problems]))


def _problem(command: Path) -> str:
    """Return the reason why a command cannot be used; empty if it can."""
    try:
        version = version_of(command)
    except ToolchainError as failure:
        return str(failure)
    if version < OLDEST:
        return f"is {version}, which is older than {OLDEST}"
    if version >= OLDEST.bump_major():
        return f"is {version}, which is not {OLDEST.major}.x"
    return ""


def _install() -> Path:
    """Install the SDK's version into the cache with the official installer; return the command."""
    version = metadata.version("pulumi")

    def fill(folder: Path) -> None:
        try:
            urllib.request.urlopen(_INSTALLER, timeout=PROBE_SECONDS).close()
        except OSError as error:
            raise ToolchainError(f"{_INSTALLER} does not answer ({error})") from None
        sys.stderr.write(f"Installing pulumi {version} ...\n")
        # A process of its own, because the SDK's installer has no time limit.
        code = "import sys; from pulumi.automation import PulumiCommand; PulumiCommand.install(root=sys.argv[1])"
        try:
            run([sys.executable, "-c", code, str(folder)], environment=os.environ, cwd=Path("/"), seconds=WORK_SECONDS)
        except ToolchainError as error:
            raise ToolchainError(f"{_INSTALLER} {error}") from None

    return filled(cache_folder() / "pulumi" / version, fill) / "bin" / "pulumi"


def _build() -> Path:
    return _MODULE.commands() / "pulumi"
