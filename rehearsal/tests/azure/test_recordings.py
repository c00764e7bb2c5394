"""The page of Azure's recorded answers."""

from importlib import import_module
from pkgutil import iter_modules

from rehearsal.azure.recordings import RECORDINGS, page
from rehearsal.stack import ROOT
from rehearsal.tests import azure


def test_each_recording_has_its_test_and_the_page_is_up_to_date() -> None:
    modules = (import_module(f"{azure.__name__}.{name}") for _, name, _ in iter_modules(azure.__path__))
    marks = [
        mark.args[0]
        for module in modules
        for each in vars(module).values()
        for mark in getattr(each, "pytestmark", ())
        if mark.name == "recording"
    ]
    assert sorted(marks) == sorted(RECORDINGS)
    assert (ROOT / "docs" / "recordings.md").read_text(encoding="utf-8") == page()
