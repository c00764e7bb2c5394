"""How many rules a plan meets, and what to set for the others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Final

from .plan import Plan, Resource
from .rule import REQUIRED, Rule, Severity
from .table import GROUPS, RULES, SETTINGS

SHARE: Final = 0.95
"""The part of the rules of lower severity that must be met, exceptions apart."""

_REVIEW_DAYS: Final = 365


class Verdict(Enum):
    """What a rule says about a plan."""

    MET = "met"
    EXCEPTED = "excepted"
    MISSED = "missed"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Exemption:
    """Why a rule need not be met.

    Attributes:
        reason: the reason.
        date: the day on which somebody last checked it.
    """

    reason: str
    date: date


@dataclass(frozen=True)
class Judgement:
    """A rule and what it says about a plan.

    Attributes:
        rule: the rule.
        verdict: the verdict.
        where: the names of the resources that do not meet it; empty if none does.
    """

    rule: Rule
    verdict: Verdict
    where: Sequence[str] = ()

    @property
    def advice(self) -> str:
        """What to set, and where."""
        return f"{fix(self.rule)} [{', '.join(self.where)}]" if self.where else fix(self.rule)

    @property
    def required(self) -> bool:
        """Whether the goal requires this rule."""
        return self.rule.severity in REQUIRED


def fix(rule: Rule) -> str:
    """Return the setting that meets a rule, or the property of Azure if the program has no setting for it."""
    return SETTINGS.get(rule.name) or f"Azure: {rule.azure}"


def offenders(rule: Rule, plan: Plan) -> list[Resource]:
    """Return the resources that do not meet a rule."""
    return [resource for resource in plan.of(*rule.types) if not rule.check(resource, plan)]


def judge(plan: Plan, exceptions: Iterable[str] = ()) -> list[Judgement]:
    """Judge a plan by every rule."""
    excepted = set(exceptions)

    def judged(rule: Rule) -> Judgement:
        subjects = plan.of(*rule.types)
        broken = offenders(rule, plan)
        if not subjects:
            return Judgement(rule, Verdict.NOT_JUDGED)
        if not broken:
            return Judgement(rule, Verdict.MET)
        where = sorted(resource.name for resource in broken) if len(broken) < len(subjects) else []
        return Judgement(rule, Verdict.EXCEPTED if rule.name in excepted else Verdict.MISSED, where)

    return [judged(rule) for rule in RULES]


def short_of_goal(judgements: Sequence[Judgement]) -> list[str]:
    """Return what a plan lacks for the goal: each required rule, and most of the others."""
    missed = [each for each in judgements if each.verdict is Verdict.MISSED]
    found = [
        f"{each.rule.name} ({each.rule.severity.value}): {each.rule.requirement}. Set {each.advice}"
        for each in missed
        if each.required
    ]
    met, others = _others(judgements)
    if met < SHARE * others:
        names = ", ".join(each.rule.name for each in missed if not each.required)
        found.append(f"only {met} of {others} rules of lower severity are met. Meet some of: {names}")
    return found


def _others(judgements: Sequence[Judgement]) -> tuple[int, int]:
    """Return how many rules of lower severity are met, and how many there are, exceptions apart."""
    met, missed = (
        sum(each.verdict is verdict and not each.required for each in judgements)
        for verdict in (Verdict.MET, Verdict.MISSED)
    )
    return met, met + missed


def report(judgements: Sequence[Judgement], exceptions: Mapping[str, Exemption], today: date) -> str:
    """Return the score as text: totals, a table by group, the missed rules, the exceptions."""
    judged = [each for each in judgements if each.verdict is not Verdict.NOT_JUDGED]
    excepted = _count(judged, Verdict.EXCEPTED)
    lines = [
        f"{_count(judged, Verdict.MET)} of {len(judged)} rules met, {excepted} exception{'s' * (excepted != 1)}",
        "",
        *_table(judged),
        "",
        *_goal(judgements),
    ]
    if missed := [each for each in judged if each.verdict is Verdict.MISSED]:
        lines += ["", f"{'severity':<10}{'missed rule':<23}{'source':<32}what to set [where, if not everywhere]"]
        lines += [
            f"{severity.value:<10}{each.rule.name:<23}{each.rule.sources[0].short:<32}{each.advice}"
            for severity in Severity
            for each in missed
            if each.rule.severity is severity
        ]
    if noted := [each for each in judgements if each.rule.name in exceptions]:
        lines += ["", f"{'exception':<23}{'checked on':<12}reason"]
        lines += [_exception(each, exceptions[each.rule.name], today) for each in noted]
    if unused := [each.rule.name for each in judgements if each.verdict is Verdict.NOT_JUDGED]:
        lines += ["", f"nothing to judge for: {', '.join(unused)}"]
    return "\n".join(lines)


def _table(judged: Sequence[Judgement]) -> list[str]:
    rows = [(group, [each for each in judged if each.rule in rules]) for group, rules in GROUPS.items()]
    verdicts = (Verdict.MET, Verdict.EXCEPTED, Verdict.MISSED)
    return [
        f"{'group':<22}rules" + "".join(f"{verdict.value:>10}" for verdict in verdicts),
        *(
            f"{name:<22}{len(found):>5}" + "".join(f"{_count(found, verdict):>10}" for verdict in verdicts)
            for name, found in (*rows, ("all", judged))
        ),
    ]


def _goal(judgements: Sequence[Judgement]) -> list[str]:
    required = sum(each.required and each.verdict is Verdict.MISSED for each in judgements)
    met, others = _others(judgements)
    return [
        f"The goal for production is {'not met' if short_of_goal(judgements) else 'met'} (docs/policies.md):",
        f"missed of the severities {', '.join(severity.value for severity in REQUIRED)}: {required} (goal: 0)",
        f"met of the others, exceptions apart: {met} of {others} (goal: {SHARE:.0%})",
    ]


def _count(judgements: Iterable[Judgement], verdict: Verdict) -> int:
    return sum(each.verdict is verdict for each in judgements)


def _exception(judgement: Judgement, exemption: Exemption, today: date) -> str:
    note = ""
    if judgement.verdict is not Verdict.EXCEPTED:
        note = f"; the rule is {judgement.verdict.value}: remove the exception"
    elif (today - exemption.date).days > _REVIEW_DAYS:
        note = "; more than a year old: check it again"
    return f"{judgement.rule.name:<23}{exemption.date!s:<12}{exemption.reason}{note}"
