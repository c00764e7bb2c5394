"""The `pulumi` command, as the Automation API runs it."""

import signal
import subprocess
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path

from pulumi.automation import CommandResult, OnOutput, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from rehearsal.core.child import child, read_lines
from rehearsal.engine.install import version_of

_CHANGING = ("up", "refresh", "destroy")  # commands that change the stack, or the cloud


class EngineCommand(PulumiCommand):
    """Runs the engine so that interrupts stop it cleanly, unlike the Automation API's own command."""

    def __init__(self, path: Path, environment: Mapping[str, str], lock: int, updating: Path) -> None:
        """Wrap a command.

        Args:
            path: the command's path.
            environment: its whole environment.
            lock: the descriptor of a locked file. The engine inherits it, so the lock is held until this process and
                the engine have both ended.
            updating: a file that exists while a command changes the stack. It remains if this process is killed.
        """
        self.command = str(path)
        self.version = _version(path, path.stat().st_mtime_ns)
        self.environment = dict(environment)
        self._lock = lock
        self._updating = updating

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """Run one command of the engine to its end.

        Raises:
            pulumi.automation.CommandError: if it fails.
            KeyboardInterrupt: after its end, if it was interrupted.
        """
        output: list[str] = []
        errors: list[str] = []
        environment = {**self.environment, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        with self._noted() if args[0] in _CHANGING else nullcontext():
            with child(
                [self.command, "--non-interactive", *args], environment=environment, cwd=cwd, descriptors=[self._lock]
            ) as process:
                reader = threading.Thread(target=read_lines, args=(process.stderr, errors, on_error))
                reader.start()
                read_lines(process.stdout, output, on_output)
                reader.join()
            result = CommandResult("\n".join(output), "\n".join(errors), process.returncode)
            if process.returncode:
                raise create_command_error(result)
        return result

    def run_interactively(self, args: Sequence[str], cwd: Path) -> int:
        """Run one command of the engine at our terminal, with our input and output, and return its exit status."""
        process: subprocess.Popen[bytes] | None = None

        def stop(*_: object) -> None:
            if process:
                process.send_signal(signal.SIGINT)

        # Ctrl-C reaches the engine directly, because it is in the terminal's foreground too; other signals do not.
        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _leave_to_the_engine)
        try:
            with (
                self._noted(),
                subprocess.Popen(  # noqa: S603 - no shell
                    [self.command, *args], cwd=cwd, env=self.environment, umask=0o077, pass_fds=[self._lock]
                ) as process,
            ):
                return process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def _noted(self) -> Generator[None]:
        self._updating.touch()
        try:
            yield
        finally:
            self._updating.unlink()


@cache
def _version(path: Path, changed: int) -> VersionInfo:  # noqa: ARG001 - part of the cache's key
    return version_of(path)


def _leave_to_the_engine(*_: object) -> None:
    pass
