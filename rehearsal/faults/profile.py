"""Profiles: files that say which failures strike which operations, and how often."""

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
        raise ValueError(f"unknown; known are {', '.join(FAILURES)}")
    return name


def _known_outage(name: str) -> Part:
    try:
        return Part(name)
    except ValueError:
        raise ValueError(f"unknown; known are {', '.join(Part)}") from None


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fault(_Entry):
    """A failure that strikes operations: always, or as often as `times`, `lasts` and `probability` allow.

    Attributes:
        fault: the failure's name in the catalogue.
        verb: which operations; None for all.
        type: pattern (`*`) of the resources' type tokens, or of the functions'.
        name: pattern of the resources' logical names; functions have none.
        times: how many requests of each operation.
        lasts: for how many seconds after it struck first.
        probability: of each request.
        halfway: whether Azure accepts the operation and fails to carry it out, which leaves the resource Failed.
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
        """Say whether an operation is one of those that this strikes."""
        return (
            can_meet(self.failure, call)
            and verb in self.failure.verbs
            and self.verb in (None, verb)
            and fnmatchcase(call.token, self.type)
            and fnmatchcase(call.name, self.name)
        )


class Outage(_Entry):
    """A part that does not run on a cluster.

    Attributes:
        outage: the part.
        cluster: pattern (`*`) of the clusters' names in Azure.
        lasts: for how many seconds after it was met first; for ever, if left out.
    """

    outage: Annotated[Part, BeforeValidator(_known_outage)]
    cluster: str = "*"
    lasts: Annotated[float, Field(gt=0)] | None = None


class Profile(_Entry):
    """The faults of a run. If several match an operation, the first one applies.

    Attributes:
        faults: which failures strike what.
        outages: what does not run.
        locks: patterns (`*`) of resource groups' names: they and all that is in them, role assignments included,
            cannot be deleted.
    """

    faults: tuple[Fault, ...] = ()
    outages: tuple[Outage, ...] = ()
    locks: tuple[str, ...] = ()


def load(path: Path) -> Profile:
    """Read a profile.

    Raises:
        UnparsableError: the file cannot be read.
        ProfileError: it says what no profile can say.
    """
    try:
        profile = Profile.model_validate(parsed(path, str(path)))
    except ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ProfileError("\n".join(lines)) from error
    if profile == Profile():
        raise ProfileError(
            f"{path}: nothing goes wrong in it; write faults, outages or locks, as in rehearsal/faults/profiles"
        )
    return profile
