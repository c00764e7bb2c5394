"""One stack of the program under the real engine, with its state in a folder that git ignores."""

import fcntl
import json
import os
import runpy
import shutil
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import yaml
from pulumi import automation as auto

from rehearsal.cloud import Cloud
from rehearsal.command import EngineCommand
from rehearsal.engine import find_engine
from rehearsal.provider import serve
from rehearsal.real.world import real_clusters
from rehearsal.recovery import Recovery

ROOT = Path(__file__).parents[1]

# It protects nothing: the state is of a cloud that does not exist, and only its owner can read the folder.
_PASSPHRASE = "rehearsal"  # noqa: S105

_PATIENCE = 15  # seconds, for an engine that has lost its program and its providers to end

_PACKAGES = ("azure-native", "kubernetes", "random")  # which the stand-in answers for

_DONE: Final = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "same": "unchanged",
}

_T = TypeVar("_T")


class RehearsalError(Exception):
    """A rehearsal cannot start or did not succeed; the message says why, for people."""


class Rehearsal:
    """A stack with its engine and its stand-in at work: what `rehearsing` yields.

    Attributes:
        stack: the Automation API's handle.
        cloud: the model behind the stand-in.
        environment: with which a `pulumi` command, run in the program's folder, works on the same stack.
    """

    def __init__(self, stack: auto.Stack, cloud: Cloud, environment: dict[str, str]) -> None:
        self.stack = stack
        self.cloud = cloud
        self.environment = environment

    def preview(self) -> None:
        """Show what `up` would do."""
        self._stream(self.stack.preview)

    def up(self) -> None:
        """Show what is going to be done, do it, and report."""
        self.preview()
        result = self._stream(self.stack.up, show_secrets=False, suppress_outputs=True)
        changes = result.summary.resource_changes or {}
        if set(changes) == {"same"}:
            _say("No changes.")
        self._report()
        self._picture(", ".join(f"{count} {_DONE.get(what, what)}" for what, count in changes.items()))

    def refresh(self) -> None:
        """Read everything back from the stand-in, and report."""
        self._stream(self.stack.refresh, show_secrets=False, suppress_outputs=True)
        self._report()

    def destroy(self) -> None:
        """Delete everything."""
        self._stream(self.stack.destroy, show_secrets=False)

    def _stream(self, operation: Callable[..., _T], **options: bool) -> _T:
        color = "always" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else "never"
        try:
            return operation(color=color, on_output=_say, on_error=_say, **options)
        except auto.CommandError:
            raise RehearsalError(f"{operation.__name__} did not succeed; the engine says why above") from None

    def _report(self) -> None:
        outputs: dict[str, object] = self._ask("output", "--json")
        width = max(map(len, outputs), default=0)
        _say("")
        for name, value in sorted(outputs.items()):
            _say(f"{name:{width}}  {value if isinstance(value, str) else json.dumps(value)}")
        _say("")
        for what, is_well, particulars in self.cloud.summary():
            _say(f"{'ok' if is_well else '--'}  {what}: {particulars}")

    def _picture(self, done: str) -> None:
        """Say how long Azure would take, and leave the report."""
        from timing import durations, report, schedule, summary  # noqa: PLC0415 - only an `up` has to wait for them

        path = Path(self.stack.workspace.work_dir).parent / "report.html"
        try:
            state, table = schedule.resources(self._ask("export")), durations.load()
            outcome = report.Outcome(self.stack.name, done, self.cloud.summary())
            lines = summary.summary(state, table)
            report.write(path, outcome, state, table)
        except durations.UnknownTypeError as error:
            _say(f"\nreport  none: {error}")
            return
        _say("\n" + "\n".join(lines))
        _say(f"\nreport  {os.path.relpath(path)}")

    def _ask(self, *command: str) -> dict[str, Any]:
        """Return what `pulumi stack` says as JSON, with secrets hidden at any depth."""
        # The Automation API would have them all shown first.
        workspace = cast("auto.LocalWorkspace", self.stack.workspace)
        answer = workspace.pulumi_command.run(["stack", *command], workspace.work_dir, self.environment)
        return json.loads(answer.stdout)


@contextmanager
def rehearsing(stack: str, root: Path = ROOT, *, real_fleet: bool = False) -> Generator[Rehearsal]:
    """Start the stand-in on what the stack's earlier runs have left, and attach the engine to it.

    Args:
        stack: the stack's name; its file `Pulumi.<stack>.yaml` is read, and never written.
        root: the folder of the program. Everything that is written goes to `.rehearsal/<stack>` in it, or to
            `.rehearsal/<stack>.real`: they are different clouds.
        real_fleet: whether clusters are real API servers with Fleet's own controllers, rather than in memory.

    Raises:
        RehearsalError: if the stack has no file, has secrets of its own, or is in use.
        EngineError: if there is no engine.
    """
    settings = _settings(root, stack)
    engine = find_engine()
    folder = root / ".rehearsal" / (f"{stack}.real" if real_fleet else stack)
    project = folder / "project"
    backend = folder / "backend"
    home = folder / "home"
    updating = folder / "updating"
    root.joinpath(".rehearsal").mkdir(mode=0o700, exist_ok=True)
    for each in (folder, project, backend, home):
        each.mkdir(mode=0o700, exist_ok=True)
    with (
        _locked(folder, stack) as lock,
        real_clusters(folder / "clusters") if real_fleet else nullcontext() as clusters,
        serve(cloud := Cloud(folder / "cloud.json", clusters=clusters)) as port,
    ):
        # Commands without a --config-file, such as the creation of a stack, would write the salt of its secrets into
        # the program's own stack file. They run in a folder that has a copy, and the others are pointed to the copy.
        copy = project / f"Pulumi.{stack}.yaml"
        copy.write_text(settings + _salt(copy))
        shutil.copy(root / "Pulumi.yaml", project)
        environment = {
            # Without the attributes beside each file, which are not replaced as a whole: a kill that leaves them
            # half written makes the state unreadable (gocloud.dev v0.46, blob/fileblob/attrs.go).
            "PULUMI_BACKEND_URL": f"file://{backend}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": _PASSPHRASE,
            "PULUMI_DEBUG_PROVIDERS": ",".join(f"{package}:{port}" for package in _PACKAGES),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(home),
            "PULUMI_OPTION_CONFIG_FILE": str(copy),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_STACK": stack,
        }
        workspace = auto.LocalWorkspace(
            work_dir=str(project),
            secrets_provider="passphrase",  # said at the stack's creation, so that the salt is made and kept there
            program=lambda: _run_program(root),
            env_vars=environment,
            pulumi_command=EngineCommand(engine, lock, updating),
        )
        handle = auto.Stack.create_or_select(stack, workspace)
        if any(backend.glob(".pulumi/locks/**/*.json")):
            # We hold the folder's lock, so nobody is left who could hold the engine's.
            _tell("The last run was killed, but holds the stack. pulumi cancel")
            handle.cancel()
        recovery = Recovery(handle, cloud, environment=environment, standin=f"127.0.0.1:{port}", say=_tell)
        recovery.run(crashed=updating.exists())
        updating.unlink(missing_ok=True)
        yield Rehearsal(handle, cloud, environment)


def _run_program(root: Path) -> None:
    """Run the program as `pulumi` would: as `__main__`, with its own folder first on the module path."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    runpy.run_path(str(root / "__main__.py"), run_name="__main__")


def _settings(root: Path, stack: str) -> str:
    """Return the text of the stack's file."""
    file = root / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        known = ", ".join(
            sorted(path.name.split(".", 1)[1].removesuffix(".yaml") for path in root.glob("Pulumi.*.yaml"))
        )
        raise RehearsalError(f"there is no {file.name}; the stacks here are: {known}")
    text = file.read_text()
    secrets = {"encryptedkey", "encryptionsalt", "secretsprovider", "secure"}.intersection(_keys(yaml.safe_load(text)))
    if secrets:
        raise RehearsalError(
            f"{file.name} has secrets that only their owner can open ({', '.join(sorted(secrets))}); "
            "rehearse a stack whose file has none"
        )
    return text.rstrip() + "\n"


def _keys(value: object) -> Generator[str]:
    """Yield the keys of a YAML document, at every depth."""
    if isinstance(value, dict):
        mapping = cast("dict[str, object]", value)
        yield from mapping
        value = list(mapping.values())
    if isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _keys(item)


def _salt(copy: Path) -> str:
    """Return the line that an earlier run has added to the copy, without which its secrets stay closed."""
    lines = copy.read_text().splitlines() if copy.exists() else []
    return "".join(f"{line}\n" for line in lines if line.startswith("encryptionsalt:"))


@contextmanager
def _locked(folder: Path, stack: str) -> Generator[int]:
    """Hold the stack's folder, alone; the kernel lets go of it when we and the engine have ended.

    Yields:
        the descriptor that holds the lock.
    """
    with os.fdopen(os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        for _ in range(_PATIENCE):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                holder = file.read()
                if _alive(holder):
                    raise RehearsalError(f"process {holder} is at work on stack {stack}; wait for its end") from None
                time.sleep(1)  # the run was killed, and its engine is about to notice
        else:
            raise RehearsalError(f"the engine of a killed run is still at work on stack {stack}; end it first")
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")  # the output of `serve` is for a shell to read
