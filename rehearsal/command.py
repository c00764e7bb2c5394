"""The `pulumi` command, as the Automation API runs it."""

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pulumi.automation import CommandResult, OnOutput, PulumiCommand
from pulumi.automation.errors import create_command_error

from rehearsal.child import child, read_lines
from rehearsal.engine import version_of


class EngineCommand(PulumiCommand):
    """Runs the engine so that interrupts stop it in good order, which the Automation API's own command does not."""

    def __init__(self, path: Path, lock: int, updating: Path) -> None:
        """Wrap a command.

        Args:
            path: where it is.
            lock: the descriptor of a locked file. The engine inherits it, so that the lock is held until both,
                this process and the engine, have ended.
            updating: the file that is there while the engine updates the stack; it stays if we are killed meanwhile.
        """
        self.command = str(path)
        self.version = version_of(path)
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
            KeyboardInterrupt: once it has ended, if it was asked to stop.
        """
        output: list[str] = []
        errors: list[str] = []
        with (
            self._noted(args[0]),
            child(
                [self.command, "--non-interactive", *args],
                environment={**additional_env, "PULUMI_AUTOMATION_API": "true"},
                cwd=cwd,
                descriptors=[self._lock],
            ) as process,
        ):
            reader = threading.Thread(target=read_lines, args=(process.stderr, errors, on_error))
            reader.start()
            read_lines(process.stdout, output, on_output)
            reader.join()
        result = CommandResult("\n".join(output), "\n".join(errors), process.returncode)
        if process.returncode:
            raise create_command_error(result)
        return result

    @contextmanager
    def _noted(self, command: str) -> Generator[None]:
        if command != "up":
            yield
            return
        self._updating.touch()
        try:
            yield
        finally:
            self._updating.unlink()
