"""The Automation API's stack, without the questions that it asks the engine after each operation."""

from datetime import UTC, datetime

from pulumi.automation import OutputMap, Stack, UpdateSummary, Workspace
from pulumi.automation._stack import StackInitMode  # pyright: ignore[reportPrivateImportUsage] - only class methods use it
from typing_extensions import override


class Handle(Stack):
    """One stack. Its operations say what they did by their events, and return nothing of use.

    The SDK (pulumi 3.272.0) runs three more commands after each: for the outputs, the outputs with secrets, and the
    history. They take longer than an update that changes nothing. `current_outputs` asks for the outputs.
    """

    def __init__(self, name: str, workspace: Workspace) -> None:
        """Select a stack, which is created first if it does not exist."""
        super().__init__(name, workspace, StackInitMode.CREATE_OR_SELECT)

    def current_outputs(self) -> OutputMap:
        """Return the stack's outputs, secrets opened."""
        return self.workspace.stack_outputs(self.name)

    @override
    def outputs(self) -> OutputMap:
        return {}

    @override
    def info(self, show_secrets: bool = True) -> UpdateSummary:
        now = datetime.now(UTC)
        return UpdateSummary(kind="", start_time=now, message="", environment={}, config={}, result="succeeded")
