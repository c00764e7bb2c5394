"""The table of durations: what it must have, and what it refuses."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from rehearsal.core.errors import UnknownTypeError
from rehearsal.timing.durations import load

GROUP = "azure-native:resources:ResourceGroup"
Entry = dict[str, float | str] | None


def table(tmp_path: Path, **verbs: Entry) -> Path:
    """Write a table of one type, whose verbs are right where they are not given."""
    right: Entry = {"low": 1, "typical": 2, "high": 3, "source": "somebody"}
    content = {"create": right, "update": right, "delete": right} | verbs
    file = tmp_path / "durations.yaml"
    file.write_text(yaml.safe_dump({GROUP: {verb: value for verb, value in content.items() if value}}))
    return file


def test_unknown_types_are_named() -> None:
    with pytest.raises(UnknownTypeError, match="a:b:C, a:b:D"):
        load().require([GROUP, "a:b:D", "a:b:C"])
    with pytest.raises(UnknownTypeError, match="a:b:C"):
        load().seconds("a:b:C", "create")


def test_seconds_are_those_of_verb_and_scale(tmp_path: Path) -> None:
    delete: Entry = {"low": 4, "typical": 5, "high": 6, "source": "somebody"}
    durations_here = load(table(tmp_path, delete=delete))
    assert durations_here.seconds(GROUP, "create") == 2
    assert [durations_here.seconds(GROUP, "delete", scale) for scale in ("low", "typical", "high")] == [4, 5, 6]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(None, id="a verb is missing"),
        pytest.param({"low": 1, "typical": 2, "high": 3}, id="no source"),
        pytest.param({"low": 1, "typical": 2, "high": 3, "source": ""}, id="empty source"),
        pytest.param({"low": 1, "typical": 2, "high": 3, "source": "assumed:"}, id="no reasoning"),
        pytest.param({"low": 3, "typical": 2, "high": 3, "source": "somebody"}, id="falling"),
        pytest.param({"low": -1, "typical": 2, "high": 3, "source": "somebody"}, id="negative"),
    ],
)
def test_wrong_entries_are_refused(tmp_path: Path, wrong: Entry) -> None:
    with pytest.raises(ValidationError):
        load(table(tmp_path, update=wrong))
