"""The report that an update leaves."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rehearsal.stack import Rehearsal, rehearsing
from rehearsal.tests.page import Page
from rehearsal.timing import durations
from rehearsal.timing.schedule import Resource, Timeline, plan, schedule
from tests.support.stack import copy_program

pytestmark = pytest.mark.slow

FLEET = "azure-native:containerservice:Fleet"


def timelines(state: Sequence[Resource]) -> dict[str, Timeline]:
    table = durations.load()
    return {"up": schedule(plan([], state, table)), "destroy": schedule(plan(state, [], table))}


# --- The rehearsal ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Rehearsal]]:
    """The dev stack after its first update."""
    root = copy_program(tmp_path_factory.mktemp("reported") / "program")
    with rehearsing("dev", root) as rehearsal:
        rehearsal.up()
        yield root / ".rehearsal" / "dev" / "report.html", rehearsal


def secrets(value: object) -> Iterator[str]:
    """Yield what the values of an opened state keep secret."""
    if isinstance(value, dict):
        if "plaintext" in value:
            yield str(value["plaintext"]).strip('"')  # pyright: ignore[reportUnknownArgumentType] - of JSON
            return
        value = list(value.values())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - of JSON
    if isinstance(value, list):
        for each in value:  # pyright: ignore[reportUnknownVariableType] - of JSON
            yield from secrets(each)  # pyright: ignore[reportUnknownArgumentType] - of JSON


def test_update_leaves_a_report_on_everything_without_its_secrets(rehearsed: tuple[Path, Rehearsal]) -> None:
    path, rehearsal = rehearsed
    page, state = Page(path.read_text()), dict(rehearsal.stack.export_stack().deployment or {})["resources"]
    for verb, timeline in timelines(state).items():
        assert page.rows[verb].keys() == {span.operation.urn for span in timeline.operations}
    assert (
        f"{len(state) - 3} created" in page.text
    )  # the default providers are not counted, the engine's own among them
    assert "20.72." in page.text
    hidden = set(secrets(state))
    assert len(hidden) > 3
    assert [each for each in hidden if each in page.source] == []


def test_type_without_durations_costs_the_report_and_not_the_update(
    rehearsed: tuple[Path, Rehearsal], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, rehearsal = rehearsed
    few = {token: verbs for token, verbs in durations.load().root.items() if token != FLEET}
    monkeypatch.setattr(durations, "load", lambda: durations.Durations(few))
    before = path.read_text()
    rehearsal.up()
    assert f"report  none: durations.yaml has no durations of {FLEET}" in capsys.readouterr().out
    assert path.read_text() == before
