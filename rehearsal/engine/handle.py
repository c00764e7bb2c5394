"""The Automation API's stack, without its extra commands after each operation."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pulumi.automation import (
    CommandResult,
    DestroyResult,
    LocalWorkspace,
    OutputMap,
    PreviewResult,
    RefreshResult,
    Stack,
    StackNotFoundError,
    UpdateSummary,
    UpResult,
    Workspace,
)
from pulumi.automation._stack import StackInitMode  # pyright: ignore[reportPrivateImportUsage] - only class methods use it
from typing_extensions import override

from rehearsal.engine.program import wait_for_end

_PATIENCE = 10  # seconds for a program that outlasts its engine


class FolderWorkspace(LocalWorkspace):
    """A workspace whose states are files in a folder, and whose stack `PULUMI_STACK` names for every command."""

    def __init__(self, backend: Path, **options: Any) -> None:  # noqa: ANN401 - the SDK's
        super().__init__(**options)
        self._states = backend / ".pulumi" / "stacks"

    @override
    def select_stack(self, stack_name: str) -> None:
        """Check that the stack exists, without the engine."""
        if not (self._states / self.project_settings().name / f"{stack_name}.json").exists():
            raise StackNotFoundError(CommandResult("", f"no stack named {stack_name}", 1))


class Handle(Stack):
    """One stack. Its operations return empty results; use their events.

    The SDK (pulumi 3.272.0) would run three more commands after each: for the outputs, the outputs with secrets, and
    the history. These take longer than an update without changes.
    """

    def __init__(self, name: str, workspace: Workspace) -> None:
        """Select a stack; create it if it does not exist."""
        self._operating = False
        super().__init__(name, workspace, StackInitMode.CREATE_OR_SELECT)

    @override
    def up(self, *args: Any, **options: Any) -> UpResult:
        with self._operation():
            return super().up(*args, **options)

    @override
    def preview(self, *args: Any, **options: Any) -> PreviewResult:
        with self._operation():
            return super().preview(*args, **options)

    @override
    def refresh(self, *args: Any, **options: Any) -> RefreshResult:
        with self._operation():
            return super().refresh(*args, **options)

    @override
    def destroy(self, *args: Any, **options: Any) -> DestroyResult:
        with self._operation():
            return super().destroy(*args, **options)

    @override
    def outputs(self) -> OutputMap:
        return {} if self._operating else super().outputs()

    @override
    def info(self, show_secrets: bool = True) -> UpdateSummary | None:
        if not self._operating:
            return super().info(show_secrets)
        return UpdateSummary(
            kind="", start_time=datetime.now(UTC), message="", environment={}, config={}, result="succeeded"
        )

    @contextmanager
    def _operation(self) -> Generator[None]:
        self._operating = True
        try:
            yield
        finally:
            self._operating = False
            # The next operation would find the environment of this one's program, which then puts its own back.
            wait_for_end(_PATIENCE)
