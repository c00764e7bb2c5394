"""The score: totals, table, advice, exceptions and the goal; and the policies that carry it."""

import json
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Final, cast

import pytest
from pulumi_policy import (
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from policies.baseline.plan import Plan, Resource
from policies.baseline.policies import Baseline
from policies.baseline.rule import REQUIRED
from policies.baseline.score import Exemption, Judgement, Verdict, judge, report, short_of_goal
from policies.baseline.table import GROUPS, RULES
from tests.baseline.plans import Resources, both, ideal, put, recorded, without
from tests.baseline.test_rules import BREAKS
from tests.support.program import ROOT

TODAY: Final = date(2026, 11, 26)
OTHERS: Final = sum(rule.severity not in REQUIRED for rule in RULES)


def score(resources: Resources, **reasons: str) -> str:
    exceptions = {name.replace("_", "-"): Exemption(reason, TODAY) for name, reason in reasons.items()}
    return report(judge(Plan(resources), exceptions), exceptions, TODAY)


def test_it_counts_rules_and_groups() -> None:
    lines = score(ideal(), upgrade_channel="the fleet upgrades").splitlines()
    assert lines[0] == f"{len(RULES) - 1} of {len(RULES)} rules met, 1 exception"
    rows = {line[:22].rstrip(): [int(number) for number in line[22:].split()] for line in lines[3 : 4 + len(GROUPS)]}
    assert rows.keys() == {*GROUPS, "all"}
    assert rows["Lifecycle"] == [10, 9, 1, 0]
    assert rows["all"] == [len(RULES), len(RULES) - 1, 1, 0]
    assert [sum(row[column] for name, row in rows.items() if name != "all") for column in range(4)] == rows["all"]


def test_a_rule_without_anything_to_judge_does_not_count() -> None:
    text = score(without("workspace")(ideal()))
    assert text.startswith(f"{len(RULES) - 2} of {len(RULES) - 1} rules met")
    assert text.endswith("nothing to judge for: workspace-replicated")


def test_it_says_what_to_set_and_where_by_severity() -> None:
    found = both(BREAKS["paid-tier"], BREAKS["private-subnet"], BREAKS["oidc-issuer"])(ideal())
    text = score(found, upgrade_channel="the fleet upgrades")
    told = [" ".join(line.split()) for line in text.splitlines() if line.startswith(("Critical", "Important", "- "))]
    assert told == [
        "Critical private-subnet PSRule VNET.PrivateSubnet clusters.baseline: true [east-subnet]",
        "Important paid-tier PSRule AKS.UptimeSLA clusters.tier: Standard [east-cluster]",
        "- oidc-issuer AKS baseline OIDC issuer clusters.baseline: true [east-cluster]",
    ]


def test_an_exception_shows_its_reason_and_date() -> None:
    assert (
        "upgrade-channel        2026-11-26  the fleet upgrades\n"
        in score(ideal(), upgrade_channel="the fleet upgrades") + "\n"
    )


def test_an_exception_for_a_met_rule_is_to_be_removed() -> None:
    text = score(ideal(), zones="no zones there")
    assert text.startswith(f"{len(RULES) - 1} of {len(RULES)} rules met, 0 exceptions")
    assert "no zones there; the rule is met: remove the exception" in text


def test_an_old_exception_is_to_be_checked() -> None:
    exceptions = {"upgrade-channel": Exemption("the fleet upgrades", date(2025, 11, 25))}
    assert "more than a year old" in report(judge(Plan(ideal()), exceptions), exceptions, TODAY)


def test_the_goal_is_met_by_the_ideal_plan_with_its_exception() -> None:
    assert short_of_goal(judge(Plan(ideal()), {"upgrade-channel"})) == []


def test_the_score_says_how_far_the_goal_is() -> None:
    found = both(BREAKS["surge"], BREAKS["paid-tier"])(ideal())
    assert (
        "\nThe goal for production is not met (docs/policies.md):\n"
        "missed of the severities Critical, High, Important: 1 (goal: 0)\n"
        f"met of the others, exceptions apart: {OTHERS - 1} of {OTHERS} (goal: 95%)\n"
    ) in score(found, upgrade_channel="the fleet upgrades")
    assert "The goal for production is met" in score(ideal(), upgrade_channel="the fleet upgrades")


@pytest.mark.parametrize("rule", ["private-subnet", "node-group-locked", "paid-tier"])
def test_the_goal_requires_each_critical_high_and_important_rule(rule: str) -> None:
    (line,) = short_of_goal(judge(Plan(BREAKS[rule](ideal())), {"upgrade-channel"}))
    assert line.startswith(f"{rule} (")


def test_the_goal_lets_a_twentieth_of_the_other_rules_go() -> None:
    most = ("oidc-issuer", "surge")[: OTHERS // 20]
    found = both(*(BREAKS[rule] for rule in most))(ideal())
    assert short_of_goal(judge(Plan(found), {"upgrade-channel"})) == []
    (line,) = short_of_goal(judge(Plan(BREAKS["image-cleaner"](found)), {"upgrade-channel"}))
    assert "image-cleaner" in line
    assert all(rule in line for rule in most)


# Stack prod.


def test_the_goal_is_met_by_exactly_nineteen_of_twenty_other_rules() -> None:
    rule = next(rule for rule in RULES if rule.severity not in REQUIRED)
    assert short_of_goal([Judgement(rule, Verdict.MET)] * 19 + [Judgement(rule, Verdict.MISSED)]) == []


def test_prod_meets_the_goal_with_the_figures_of_the_documents() -> None:
    config = json.loads((ROOT / "policies" / "prod.json").read_text())
    given = config["baseline-score"]["exceptions"]
    exceptions = {name: Exemption(each["reason"], date.fromisoformat(each["date"])) for name, each in given.items()}
    judgements = judge(Plan(recorded("prod")), exceptions)
    assert short_of_goal(judgements) == []
    assert config["baseline-goal"] == "mandatory"
    text = report(judgements, exceptions, TODAY)
    assert "remove the exception" not in text
    for page in ("README.md", "docs/policies.md"):
        block = (ROOT / page).read_text().partition("rules met, ")
        shown = (block[0].rpartition("```\n")[2] + block[1] + block[2].partition("\n```")[0]).splitlines()
        assert [line for line in shown if line not in {*text.splitlines(), "…"}] == [], page


# The policies.


def run(
    resources: Resources, config: Mapping[str, Any] | None = None, read: Collection[str] = ()
) -> dict[str, list[str]]:
    """Run the policies as the engine does, and return the messages of each one that reports."""
    policies = Baseline().policies()
    told: dict[str, list[str]] = {}

    def validate(policy: Any, args: object) -> None:  # noqa: ANN401 - untyped in the SDK
        def told_by(message: str, urn: str | None = None) -> None:
            del urn
            told.setdefault(policy.name, []).append(message)

        policy.validate(args, told_by)

    for resource in resources:
        for policy in policies:
            if isinstance(policy, ResourceValidationPolicy) and resource.name not in read:
                validate(policy, _resource_args(resource))
    args = StackValidationArgs(_stack(resources), config or {"exceptions": {}})
    for policy in policies:
        if isinstance(policy, StackValidationPolicy):
            validate(policy, args)
    return told


_OPTIONS: Final = PolicyResourceOptions(False, [], None, [], cast("Any", None), [])  # noqa: FBT003 - the SDK's order


def _resource_args(resource: Resource) -> ResourceValidationArgs:
    inputs = cast("Any", unknown_checking_proxy(dict(resource.inputs)))
    return ResourceValidationArgs(resource.type, inputs, resource.urn, resource.name, _OPTIONS, None)


def _stack(resources: Resources) -> list[PolicyResource]:
    """Return the resources as policies for a stack get them: the outputs say nothing in a preview."""
    outputs = {"disableLocalAccounts": UNKNOWN_STRING_VALUE}
    made = {
        each.urn: PolicyResource(each.type, outputs, each.urn, each.name, _OPTIONS, None, None, [], {})
        for each in resources
    }
    for each in resources:
        made[each.urn].property_dependencies.update(
            {key: [made[urn] for urn in urns if urn in made] for key, urns in each.uses.items()}
        )
    return list(made.values())


def test_each_rule_is_a_policy_that_names_the_resource() -> None:
    told = run(BREAKS["surge"](ideal()))
    assert told.keys() == {"surge", "upgrade-channel", "baseline-score", "baseline-goal"}
    assert told["surge"] == ["east-apps: set regions[].nodePool.surge: 33"]


def test_a_value_that_is_not_known_yet_counts_as_set() -> None:
    unknown = put("east-subnet", "networkSecurityGroup.id", UNKNOWN_STRING_VALUE)
    assert "subnet-security-group" not in run(unknown(ideal()))


def test_the_score_and_the_goal_follow_the_exceptions() -> None:
    exception = {"reason": "the fleet upgrades", "date": "2026-11-26"}
    told = run(ideal(), {"exceptions": {"upgrade-channel": exception}})
    assert told["baseline-score"][0].startswith(f"{len(RULES) - 1} of {len(RULES)} rules met, 1 exception")
    assert "baseline-goal" not in told


def test_resources_that_the_program_only_reads_are_not_judged() -> None:
    """The engine shows them to policies for the stack alone."""
    found = BREAKS["private-hub"](ideal())
    assert "private-hub" in run(found)
    assert "private-hub" not in run(found, read={"hub-fleet"})
