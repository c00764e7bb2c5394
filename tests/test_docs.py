"""The pages: their links work, and the pages and headings that the code names exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.program import ROOT

_FOLDERS = (".", "docs", "examples/*", "rehearsal")
PAGES = sorted(page for folder in _FOLDERS for page in ROOT.glob(f"{folder}/*.md"))
_CODE = (".py", ".yaml", ".yml", ".toml", ".txt")


def prose(page: Path) -> str:
    """Return a page's text without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def headings(page: Path) -> set[str]:
    return set(re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page: its headings as GitHub writes them, and explicit ids."""
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(page)}
    return slugs | set(re.findall(r'<a id="([^"]+)"', prose(page)))


def code() -> Iterator[tuple[str, str]]:
    """Yield each file of code with its text, in which a string over several lines is one."""
    for path in (*ROOT.glob("Makefile"), *ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        is_ours = not any((part.startswith(".") and part != ".github") or part == "build" for part in parts)
        if is_ours and path.is_file() and (path.suffix in _CODE or path.name == "Makefile"):
            text = path.read_text(encoding="utf-8")
            yield str(path.relative_to(ROOT)), re.sub(r"""["']\n\s*f?["']""", "", text).replace("\\", "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_work(page: Path) -> None:
    text = re.sub(r"`[^`\n]+`", "", prose(page))
    broken: list[str] = []
    for link in re.findall(r'(?:\]\(|src=")([^)"\s]+)', text):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if "://" not in name and not (target.exists() and (not anchor or anchor in anchors(target))):
            broken.append(link)
    assert broken == []


def test_pages_and_headings_that_the_code_names_exist() -> None:
    pages = {page.name: headings(page) for page in ROOT.glob("docs/*.md")}
    named = [
        (file, page, heading)
        for file, text in code()
        for page, heading in re.findall(r"""(?<!/)docs/([a-z-]+\.md)(?:[^"“”\n]{0,30}["“]([A-Z][^"”\n]+)["”])?""", text)
    ]
    assert sum(1 for _, _, heading in named if heading) > len(pages)
    assert [row for row in named if row[1] not in pages or (row[2] and row[2] not in pages[row[1]])] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    folders = "components|examples|fleet_clusters|manifests|policies|rehearsal|tests|timing|verify"
    named = re.findall(rf"(?<![\w./-])(?:{folders})/[\w./*-]*\w", page.read_text(encoding="utf-8"))
    assert sorted({name for name in named if not any(ROOT.glob(name))}) == []
