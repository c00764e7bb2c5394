"""The page of a report, read."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from typing_extensions import override


@dataclass
class Row:
    """The lane of an operation: whether the row and its bar are marked, and the bar's place in percent."""

    marked: set[bool]
    start: float = 0.0
    length: float = 0.0


@dataclass
class Page(HTMLParser):
    """What a report consists of."""

    source: str
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])
    text: str = ""
    rows: dict[str, dict[str, Row]] = field(default_factory=dict[str, dict[str, Row]])

    def __post_init__(self) -> None:
        super().__init__()
        self._row: Row | None = None
        self.feed(self.source)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        self.tags.append((tag, given))
        if "chart" in classes:
            self.rows[classes[1]] = {}
        if "data-urn" in given:
            self._row = Row({"critical" in classes})
            list(self.rows.values())[-1][given["data-urn"]] = self._row
        elif self._row and "bar" in classes:
            self._row.marked.add("critical" in classes)
            self._row.start, self._row.length = map(float, re.findall(r":([\d.]+)%", given["style"]))
            self._row = None

    @override
    def handle_data(self, data: str) -> None:
        self.text += data
