"""The rules and the score as Pulumi policies."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, cast

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyResource,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy import Severity as PolicySeverity

from .plan import Plan, Resource
from .rule import Rule, Severity
from .score import Exemption, Judgement, fix, judge, offenders, report, short_of_goal
from .table import GROUPS, RULES

_SEVERITIES: Final = {
    Severity.CRITICAL: PolicySeverity.CRITICAL,
    Severity.HIGH: PolicySeverity.HIGH,
    Severity.IMPORTANT: PolicySeverity.HIGH,
    Severity.MEDIUM: PolicySeverity.MEDIUM,
    Severity.LOW: PolicySeverity.LOW,
    Severity.AWARENESS: PolicySeverity.LOW,
}

_EXCEPTION: Final = {
    "type": "object",
    "required": ["reason", "date"],
    "additionalProperties": False,
    "properties": {
        "reason": {"type": "string", "minLength": 1},
        "date": {"type": "string", "format": "date"},
    },
}

Report = Callable[..., None]
"""Takes the message and, optionally, the resource's URN."""


class Baseline:
    """The rules, the score and the goal, for one plan.

    A rule judges inputs: what the program asks for. Policies for a stack get outputs. In a running stack these contain
    Azure's defaults; in a preview, everything that is not set is unknown. Policies for a resource get inputs, but not
    the resources that the inputs come from. So `baseline-inputs`, a policy for resources, keeps the inputs for the
    policies for the stack.
    """

    def __init__(self) -> None:
        self._inputs: dict[str, Mapping[str, Any]] = {}
        self._exceptions: dict[str, Exemption] = {}

    def policies(self) -> list[Policy]:
        """Return all policies. The engine runs those for resources before those for the stack, and these in order."""
        return [
            ResourceValidationPolicy(
                "baseline-inputs",
                "Keeps the inputs of the plan's resources for the other rules of the baseline.",
                self._keep,
                enforcement_level=EnforcementLevel.ADVISORY,
            ),
            *(self._policy(rule, group) for group, rules in GROUPS.items() for rule in rules),
            StackValidationPolicy(
                "baseline-score",
                "The plan, judged by the rules of PSRule for Azure, Azure Policy, the AKS baseline and checklist.",
                self._score,
                enforcement_level=EnforcementLevel.ADVISORY,
                config_schema=PolicyConfigSchema(
                    {
                        "exceptions": {
                            "type": "object",
                            "default": {},
                            "additionalProperties": False,
                            "properties": {rule.name: _EXCEPTION for rule in RULES},
                        }
                    }
                ),
            ),
            StackValidationPolicy(
                "baseline-goal",
                "Every rule of the severities Critical, High and Important is met or has an exception in "
                "baseline-score, and so are 95 % of the others.",
                self._goal,
                enforcement_level=EnforcementLevel.DISABLED,
            ),
        ]

    def _keep(self, args: ResourceValidationArgs, report: Report) -> None:
        del report
        if args.resource_type.startswith("azure-native:"):
            self._inputs[args.urn] = _plain(args.props)

    def _plan(self, args: StackValidationArgs) -> Plan:
        return Plan(self._resource(each) for each in args.resources if each.urn in self._inputs)

    def _resource(self, resource: PolicyResource) -> Resource:
        return Resource(
            resource.resource_type,
            resource.name,
            resource.urn,
            self._inputs[resource.urn],
            {
                key: frozenset(source.urn for source in sources)
                for key, sources in resource.property_dependencies.items()
            },
        )

    def _policy(self, rule: Rule, group: str) -> Policy:
        def validate(args: StackValidationArgs, report: Report) -> None:
            for resource in offenders(rule, self._plan(args)):
                report(f"{resource.name}: set {fix(rule)}", resource.urn)

        return StackValidationPolicy(
            rule.name,
            f"{rule.requirement[0].upper()}{rule.requirement[1:]} ({'; '.join(map(str, rule.sources))}).",
            validate,
            enforcement_level=EnforcementLevel.DISABLED,
            severity=_SEVERITIES.get(rule.severity),
            tags=[group],
            remediation_steps=fix(rule),
        )

    def _score(self, args: StackValidationArgs, report_: Report) -> None:
        given = cast("Mapping[str, Mapping[str, str]]", args.get_config()["exceptions"])
        self._exceptions = {
            name: Exemption(each["reason"], date.fromisoformat(each["date"])) for name, each in given.items()
        }
        report_(report(self._judge(args), self._exceptions, datetime.now(UTC).date()))

    def _goal(self, args: StackValidationArgs, report: Report) -> None:
        """Report what is missed. The exceptions are those of `baseline-score`: without it, there are none."""
        for line in short_of_goal(self._judge(args)):
            report(line)

    def _judge(self, args: StackValidationArgs) -> list[Judgement]:
        return judge(self._plan(args), self._exceptions)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value without the SDK's wrappers, which refuse to show values that are not known yet.

    pulumi-policy 1.21.0, pulumi_policy/proxy.py.
    """
    try:
        inner = value["__target"]
    except (TypeError, KeyError):
        return value
    if isinstance(inner, list):
        return [_plain(item) for item in cast("list[Any]", inner)]
    return {key: _plain(item) for key, item in cast("dict[str, Any]", inner).items()}
