"""Profiles: files that list failures, the operations that meet them, and how often."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rehearsal.cluster.interface import Part
from rehearsal.core.errors import ProfileError
from rehearsal.core.parsing import parsed
from rehearsal.core.protocol import Call, Verb
from rehearsal.faults.catalogue import FAILURES, Failure
from rehearsal.faults.clients import can_meet


def _known_failure(name: str) -> str:
    if name not in FAILURES:
        raise ValueError(f"unknown; use one of {', '.join(FAILURES)}")
    return name


def _known_outage(name: str) -> Part:
    try:
        return Part(name)
    except ValueError:
        raise ValueError(f"unknown; use one of {', '.join(Part)}") from None


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fault(_Entry):
    """A failure for matching operations: always, or within the limits of `times`, `lasts` and `probability`.

    Attributes:
        fault: the failure's name in the catalogue.
        verb: the kind of operations; None for all.
        type: pattern (`*`) of type tokens, or of function tokens.
        name: pattern of the resources' logical names; functions have none.
        times: the number of requests of each operation that fail.
        lasts: the seconds, from the first match, in which requests fail.
        probability: the probability that a request fails.
        halfway: whether Azure accepts the operation and then fails, which leaves the resource in state Failed.
    """

    fault: Annotated[str, AfterValidator(_known_failure)]
    verb: Verb | None = None
    type: str = "*"
    name: str = "*"
    times: Annotated[int, Field(ge=1)] | None = None
    lasts: Annotated[float, Field(gt=0)] | None = None
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    halfway: bool = False

    @property
    def failure(self) -> Failure:
        """The entry of the catalogue."""
        return FAILURES[self.fault]

    def concerns(self, verb: str, call: Call) -> bool:
        """Return whether an operation matches."""
        return (
            can_meet(self.failure, call)
            and verb in self.failure.verbs
            and self.verb in (None, verb)
            and fnmatchcase(call.token, self.type)
            and fnmatchcase(call.name, self.name)
        )


class Outage(_Entry):
    """A part of a cluster that does not run.

    Attributes:
        outage: the part.
        cluster: pattern (`*`) of the clusters' names in Azure.
        lasts: the seconds, from the first match, of the outage; None for ever.
    """

    outage: Annotated[Part, BeforeValidator(_known_outage)]
    cluster: str = "*"
    lasts: Annotated[float, Field(gt=0)] | None = None


class Profile(_Entry):
    """The faults of a run. If several match an operation, the first one applies.

    Attributes:
        faults: failures of operations.
        outages: parts of clusters that do not run.
        locks: patterns (`*`) of resource groups' names. The groups and everything in them, including role assignments,
            cannot be deleted.
    """

    faults: tuple[Fault, ...] = ()
    outages: tuple[Outage, ...] = ()
    locks: tuple[str, ...] = ()


def load(path: Path) -> Profile:
    """Read a profile.

    Raises:
        UnparsableError: the file cannot be read.
        ProfileError: the profile is invalid or empty.
    """
    try:
        profile = Profile.model_validate(parsed(path, str(path)))
    except ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ProfileError("\n".join(lines)) from error
    if profile == Profile():
        raise ProfileError(
            f"{path}: the profile is empty; write faults, outages or locks, as in rehearsal/faults/profiles"
        )
    return profile
