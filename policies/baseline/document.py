"""docs/rules.md, from the rules: `python -m policies.baseline.document > docs/rules.md`."""

import sys

from .rule import Rule
from .score import fix
from .table import GROUPS, RULES

_TOP = f"""\
# Rules of the baseline

<!-- Written by `make docs` from policies/baseline/. -->

`make policies` judges a plan by these {len(RULES)} rules. [policies.md](policies.md) says how.

The severity is PSRule's, otherwise the AKS checklist's; the AKS baseline and Azure Policy have none. What begins with
"Azure:" has no setting in this program: it names the property of azure-native. An ID of Azure Policy is that of a
built-in definition, one of the checklist its GUID.
"""
_HEADER = "| rule | severity | demand | sources | set |\n| --- | --- | --- | --- | --- |"


def page() -> str:
    """Return the whole page."""
    parts = [_TOP]
    for group, rules in GROUPS.items():
        parts += [f"## {group}\n", _HEADER + "".join(map(_row, rules)) + "\n"]
    return "\n".join(parts)


def _row(rule: Rule) -> str:
    sources = "<br>".join(map(str, rule.sources))
    return f"\n| `{rule.name}` | {rule.severity.value} | {rule.demands} | {sources} | {fix(rule)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
