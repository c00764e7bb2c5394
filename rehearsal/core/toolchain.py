"""Commands that are downloaded or built once, into a cache that all clones of a user share."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semver import VersionInfo

from rehearsal.core.child import child
from rehearsal.core.errors import ToolchainError

_GO_ENVIRONMENT = {
    "CGO_ENABLED": "0",  # no C compiler needed
    "GOFLAGS": "-trimpath -buildvcs=false",
    "GOTOOLCHAIN": "auto",  # an older Go downloads the one that go.mod names; images of Go switch this off
    "GOWORK": "off",
}
_MODULES = Path(__file__).parents[1] / "tools"

PROBE_SECONDS = 15
"""The time limit for a command or a server that may not answer."""

WORK_SECONDS = 7200
"""The time limit for a download or a build. On two busy cores, half an hour was not enough for `pulumi`."""


@dataclass(frozen=True)
class Module:
    """A Go module with `tool` lines for the commands to build, and a go.sum that pins all dependencies.

    Attributes:
        name: its folder in `tools/`; if it has only one tool, also the name of that command.
        source: the path of the module with the commands' source.
        takes: the duration of the build, in words.
        link: flags for the linker; `{version}` in them is the version of the source.
    """

    name: str
    source: str
    takes: str
    link: str = ""

    @property
    def version(self) -> VersionInfo:
        """The version of the source, as go.mod states it."""
        content = (self._folder / "go.mod").read_text(encoding="utf-8")
        stated: list[str] = re.findall(rf"^(?:\t|require ){re.escape(self.source)} v(\S+)", content, re.MULTILINE)
        return VersionInfo.parse(stated[0])

    @property
    def is_built(self) -> bool:
        """Whether the commands are in the cache."""
        return self._target.exists()

    def commands(self) -> Path:
        """Return the folder of the commands, after building them if the module or the linker's flags have changed.

        Go's own cache would need a second or two for each module to find that nothing has changed. After five days
        without a build, it would build again, because Go removes unused entries (cmd/go, internal/cache).

        Raises:
            ToolchainError: if there is no Go, or the build fails.
        """
        return filled(self._target, self._build) / "bin"

    def source_folder(self) -> Path:
        """Return the folder of the source in Go's module cache, after downloading it if necessary.

        Raises:
            ToolchainError: if there is no Go, or the download fails.
        """
        self._go("mod", "download", self.source)
        return Path(self._go("list", "-m", "-f", "{{.Dir}}", self.source).strip())

    def _build(self, folder: Path) -> None:
        (folder / "bin").mkdir()
        is_single = re.search(r"^tool [^(]", (self._folder / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
        target = f"{folder}/bin/{self.name if is_single else ''}"
        doing = f"Building {self.name} {self.version} from its Go module ({self.takes}, once) ...\n"
        self._go("build", "-o", target, "-ldflags", self._link, "tool", doing=doing)

    def _go(self, *arguments: str, doing: str = "") -> str:
        if not shutil.which("go"):
            raise ToolchainError(f"{self.name} is built with Go >= 1.21 (https://go.dev/dl/); no `go` is on PATH")
        sys.stderr.write(doing)
        environment = {**os.environ, **_GO_ENVIRONMENT}
        try:
            return run(["go", *arguments], environment=environment, cwd=self._folder, seconds=WORK_SECONDS)
        except ToolchainError as error:
            raise ToolchainError(f"`go {arguments[0]}` for {self.name} {error}") from None

    @property
    def _target(self) -> Path:
        """The folder in the cache for this version of sources and flags."""
        files = [path.read_bytes() for path in sorted(self._folder.iterdir())]
        digest = hashlib.sha256(b"\0".join([*files, self._link.encode()])).hexdigest()
        return cache_folder() / self.name / f"{self.version}-{digest[:12]}"

    @property
    def _link(self) -> str:
        return f"-s -w {self.link.format(version=self.version)}".rstrip()

    @property
    def _folder(self) -> Path:
        return _MODULES / self.name


def cache_folder() -> Path:
    """Return the cache folder for downloads and builds, which all clones of a user share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fleet-l4-lb"


def filled(target: Path, fill: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, after filling it if it is missing.

    The folder appears only when it is complete. One process fills it; other processes wait.

    Args:
        target: the folder.
        fill: writes the content into the given empty folder.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"Waiting for another process that is filling {target} ...\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            draft = target.with_name(f".{target.name}.new")
            shutil.rmtree(draft, ignore_errors=True)  # left by a process that was killed
            draft.mkdir()
            try:
                fill(draft)
                draft.rename(target)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return target


def run(command: Sequence[str], *, environment: Mapping[str, str], cwd: Path, seconds: float) -> str:
    """Return the output of a command.

    Args:
        command: the command; no shell sees it.
        environment: all of it.
        cwd: its working directory.
        seconds: its time limit.

    Raises:
        ToolchainError: if it fails or takes longer.
    """
    try:
        with child(command, environment=environment, cwd=cwd) as process:
            output, errors = process.communicate(timeout=seconds)
    except OSError as error:
        raise ToolchainError(f"does not run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ToolchainError(f"did not end within {seconds} s") from None
    if process.returncode:
        lines = (errors.strip() or output.strip() or f"exit status {process.returncode}").splitlines()
        raise ToolchainError(f"failed: {' | '.join(line.strip() for line in lines[-3:])}")
    return output
