"""docs/settings.md, from the models: `python -m settings.document > docs/settings.md`."""

import sys
from collections.abc import Collection, Iterator
from inspect import getdoc
from typing import Any, cast

from pydantic.fields import FieldInfo

from .models import Section, Settings
from .report import sections

_TOP = """\
# Settings

<!-- Written by `make docs` from the docstrings in settings/models.py. -->

Each stack has a file, `Pulumi.<stack>.yaml`, with keys in the namespace `fleet-l4-lb`. `Pulumi.dev.yaml` shows the
smallest one, `Pulumi.prod.yaml` more. Mistakes are reported before anything is created: first all mistakes in single
keys, then all that concern several of them, each with what is allowed.

The defaults of a section's keys apply one by one: `fleet: {name: shop}` keeps the default location.
"""
_HEADER = "| key | default | meaning |\n| --- | --- | --- |"


def page() -> str:
    """Return the whole page."""
    parts, others, described = [_TOP], list[str](), set[type[Section]]()
    for field in Settings.model_fields.values():
        kinds = [cast("type[Section]", kind) for kind in sections(field.annotation)]
        if not kinds:
            others += _rows(field)
            continue
        parts.append(f"## `{field.alias}`\n")
        parts += [f"{_words(field)}\n"] if field.description else []
        bases = [base for kind in kinds for base in reversed(kind.__mro__)] if len(kinds) > 1 else kinds
        for section in dict.fromkeys(bases):
            if issubclass(section, Section) and section is not Section and section not in described:
                shown = {name for base in described if issubclass(section, base) for name in base.model_fields}
                described.add(section)
                title, _, text = (getdoc(section) or "").partition("\n\n")
                parts.append(f"### {title.removesuffix('.')}\n" if len(kinds) > 1 else f"{title}\n")
                parts += [f"{text}\n"] if text else []
                parts.append("\n".join((_HEADER, *_section(section, "", shown - {*section.__annotations__}))) + "\n")
    return "\n".join((*parts, "## Other keys\n", _HEADER, *others)) + "\n"


def _section(section: type[Section], prefix: str, shown: Collection[str] = ()) -> Iterator[str]:
    for name, field in section.model_fields.items():
        if name not in shown:  # in the table of a base class
            yield from _rows(field, prefix)


def _rows(field: FieldInfo, prefix: str = "") -> Iterator[str]:
    if field.description:
        yield f"| `{prefix}{field.alias}` | {_default(field)} | {_words(field)} |"
    for section in sections(field.annotation):
        yield from _section(cast("type[Section]", section), f"{prefix}{field.alias}.")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    extra: Any = field.json_schema_extra or {}
    if field.default_factory or extra:
        return extra["default"]
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return "none" if field.default in (None, "", (), {}) else f"`{field.default}`"


def _words(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


if __name__ == "__main__":
    sys.stdout.write(page())
