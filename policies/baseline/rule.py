"""One rule of a baseline."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from .plan import Plan, Resource


class Severity(Enum):
    """How much a rule matters, by PSRule for Azure, otherwise by the AKS checklist; most important first."""

    CRITICAL = "Critical"
    HIGH = "High"
    IMPORTANT = "Important"
    MEDIUM = "Medium"
    LOW = "Low"
    AWARENESS = "Awareness"
    NONE = "-"


REQUIRED: Final = (Severity.CRITICAL, Severity.HIGH, Severity.IMPORTANT)
"""The severities whose rules must all be met."""

Check = Callable[[Resource, Plan], bool]
"""Returns whether a resource meets a rule."""


@dataclass(frozen=True)
class Source:
    """Who publishes a rule, and under which ID."""

    publisher: str
    id: str

    def __str__(self) -> str:
        return f"{self.publisher}: {self.id}"

    @property
    def short(self) -> str:
        """The same in a few characters: of a GUID, the first eight."""
        if self.publisher == _OWN:
            return _OWN
        return f"{self.publisher} {_GUID_TAIL.sub('', self.id.partition(' (')[0].removeprefix('Azure.'))}"


_OWN: Final = "this project"
_GUID_TAIL: Final = re.compile(r"(?<=^[0-9a-f]{8})(-[0-9a-f]+)+$")


@dataclass(frozen=True)
class Rule:
    """One requirement for the resources of some types.

    Attributes:
        name: its name as a policy.
        requirement: what it requires.
        severity: how much it matters.
        types: the types of the resources that it judges; a plan without any is not judged.
        check: whether a resource meets it.
        azure: the property to set in azure-native, for programs without a setting for it.
        sources: who publishes it.
    """

    name: str
    requirement: str
    severity: Severity
    types: tuple[str, ...]
    check: Check
    azure: str
    sources: tuple[Source, ...]


def psrule(name: str, reference: str = "") -> Source:
    """Name a rule of PSRule for Azure (v1.48.0, baseline Azure.GA_2026_03)."""
    return Source("PSRule", f"Azure.{name} ({reference})" if reference else f"Azure.{name}")


def azure_policy(definition: str) -> Source:
    """Name a built-in policy definition (Azure/azure-policy, f4a50bac)."""
    return Source("Azure Policy", definition)


def checklist(item: str) -> Source:
    """Name an item of the AKS checklist (lgmorand/the-aks-checklist, fe3afe9)."""
    return Source("AKS checklist", item)


def baseline(part: str) -> Source:
    """Name a part of the AKS baseline (mspnp/aks-baseline, 0b468aa)."""
    return Source("AKS baseline", part)


def own(page: str) -> Source:
    """Name the page that a rule of this project follows."""
    return Source(_OWN, f"learn: {page}")


def is_(path: str, value: Any) -> Check:  # noqa: ANN401 - any JSON value
    """Require a value. Case is ignored in texts, as PSRule and Azure Policy do."""

    def check(resource: Resource, plan: Plan) -> bool:
        del plan
        found = resource.at(path)
        return found.lower() == value.lower() if isinstance(found, str) and isinstance(value, str) else found == value

    return check


def on(path: str) -> Check:
    """Require that something is switched on."""
    return is_(path, value=True)


def one_of(path: str, *values: str) -> Check:
    """Require one of several values."""
    return lambda resource, plan: any(is_(path, value)(resource, plan) for value in values)


def given(path: str) -> Check:
    """Require that something is set."""
    return lambda resource, _: resource.has(path)


def at_least(path: str, least: float) -> Check:
    """Require at least a number."""
    return lambda resource, _: resource.number(path) >= least
