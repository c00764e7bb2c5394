"""The printed results: a table that fills while the checks run, and the remedies for failed checks."""

import math
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Result:
    """The result of a check.

    Attributes:
        check: the check's name.
        ok: whether it passed; None if it was left out.
        found: the finding.
        remedy: what to do, in one line; empty if it has not failed.
    """

    check: str
    ok: bool | None
    found: str
    remedy: str = ""

    @property
    def failed(self) -> bool:
        """Whether it has failed."""
        return self.ok is False


class Progress:
    """The results so far, on standard error: a table on a terminal, else a line for each change."""

    def __init__(self, names: list[str]) -> None:
        self._console = Console(stderr=True)
        self._found: dict[str, Result | None] = dict.fromkeys(names)
        self._live = Live(console=self._console, transient=True, auto_refresh=True)
        self._said = ""
        self._left = ""

    @property
    def results(self) -> list[Result]:
        """The latest result of each check, in their order."""
        return [result for result in self._found.values() if result]

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def found(self, result: Result) -> None:
        """Show the result of a check."""
        self._found[result.check] = result
        self._show()

    def waiting(self, seconds: float) -> None:
        """Show that the checks are repeated, and for how long at most."""
        missing = ", ".join(result.check for result in self.results if result.failed)
        self._left = f"waiting up to {math.ceil(seconds)} s until all checks pass"
        self._show()
        if not self._console.is_terminal and missing != self._said:
            self._said = missing
            self._console.print(f"{self._left}: {missing}", soft_wrap=True, markup=False, highlight=False)

    def _show(self) -> None:
        if self._console.is_terminal:
            table = _table(self._console, self._found)
            self._live.update(Group(table, Spinner("dots", text=self._left or "looking")))


def show(results: list[Result]) -> None:
    """Print the table and, below it, each remedy once, in one line that can be copied."""
    console = Console()
    console.print(_table(console, {result.check: result for result in results}))
    remedies: dict[str, list[str]] = {}
    for result in results:
        if result.failed:
            remedies.setdefault(result.remedy, []).append(result.check)
    for remedy, concerned in remedies.items():
        console.print()
        console.print(Text(", ".join(concerned), "bold"), soft_wrap=True)
        console.print(Text(f"  {remedy}"), soft_wrap=True)
    if any(".kubeconfig" in remedy for remedy in remedies):
        console.print()
        console.print(Text("The kubeconfigs: docs/operations.md, “Kubeconfig files”"), soft_wrap=True)


def _table(console: Console, found: dict[str, Result | None]) -> Table:
    yes, no, left_out = ("ok", "--", "..") if console.options.ascii_only else ("✓", "✗", "·")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, result in found.items():
        if result:
            mark = Text(no, "red") if result.failed else Text(yes, "green") if result.ok else Text(left_out, "dim")
            table.add_row(mark, Text(name), Text(result.found))
        else:
            table.add_row(Text("…", "dim"), Text(name, "dim"), Text())
    return table
