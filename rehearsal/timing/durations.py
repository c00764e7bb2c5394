"""The table of durations, `durations.yaml`: the time of each operation on each resource type."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from rehearsal.core.errors import UnknownTypeError

Verb = Literal["create", "update", "delete"]
Scale = Literal["low", "typical", "high"]

TABLE: Final = Path(__file__).parent / "durations.yaml"


class Duration(BaseModel):
    """Seconds of one kind of operation.

    Attributes:
        low: on a good day.
        typical: on a usual day.
        high: on a bad day.
        source: the source of the figures, or `assumed: …` with the reasons.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: Annotated[float, Field(ge=0)]
    typical: float
    high: float
    source: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.low <= self.typical <= self.high:
            raise ValueError(f"{self.low:g}, {self.typical:g}, {self.high:g} do not rise")
        if not self.source.removeprefix("assumed").strip(": "):
            raise ValueError("no source, and no reasoning of an assumption")
        return self


class Durations(RootModel[dict[str, dict[Verb, Duration]]]):
    """The table: for each resource type token its durations by verb."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _check_verbs(self) -> Self:
        for token, verbs in self.root.items():
            if missing := {"create", "update", "delete"} - verbs.keys():
                raise ValueError(f"{token} has no {', '.join(sorted(missing))}")
        return self

    def seconds(self, token: str, verb: Verb, scale: Scale = "typical") -> float:
        """Return an operation's duration, in seconds.

        Raises:
            UnknownTypeError: the table does not have the type.
        """
        self.require([token])
        return float(getattr(self.root[token][verb], scale))

    def require(self, tokens: Iterable[str]) -> None:
        """Check that the table has all given types.

        Raises:
            UnknownTypeError: types are missing.
        """
        if missing := sorted(set(tokens) - self.root.keys()):
            raise UnknownTypeError(f"{TABLE.name} has no durations of {', '.join(missing)}")


@cache
def load(path: Path = TABLE) -> Durations:
    """Read and check a table.

    Raises:
        pydantic.ValidationError: figures are missing, negative or do not rise.
    """
    return Durations.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
