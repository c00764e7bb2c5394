"""docs/rules.md, from the rules: `python -m policies.baseline.document > docs/rules.md`."""

import sys

from .rule import Rule
from .score import fix
from .table import GROUPS, RULES

_TOP = f"""\
# Rules of the baseline

<!-- Written by `make docs` from policies/baseline/. -->

`make policies` checks a plan against these {len(RULES)} rules. [policies.md](policies.md) says how.

- The severity is PSRule's or, if PSRule has no such rule, the AKS checklist's. The AKS baseline and Azure Policy have
  none.
- In the last column, "Azure:" precedes a property of azure-native, because the program has no setting for it.
- IDs of Azure Policy are those of built-in definitions. IDs of the checklist are GUIDs.
"""
_HEADER = "| rule | severity | requirement | sources | set |\n| --- | --- | --- | --- | --- |"


def page() -> str:
    """Return the whole page."""
    parts = [_TOP]
    for group, rules in GROUPS.items():
        parts += [f"## {group}\n", _HEADER + "".join(map(_row, rules)) + "\n"]
    return "\n".join(parts)


def _row(rule: Rule) -> str:
    sources = "<br>".join(map(str, rule.sources))
    return f"\n| `{rule.name}` | {rule.severity.value} | {rule.requirement} | {sources} | {fix(rule)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
