"""The simulated Kubernetes provider does what Pulumi's own does, under the same engine.

Every scenario is run with both, on a real API server and on one in memory. Compared are what the engine says of each
resource (steps, diffs by property and kind, errors and warnings), what it keeps in its state, and whether it ends well,
less what is another one in every run (`engine_runs`).
"""

import difflib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

import pytest

from tests.conformance.engine_runs import Bench, Run, bench
from tests.conformance.provider_scenarios import (
    CHANGED,
    CREATED,
    DESTROYED,
    LATE,
    MISTYPED,
    REFRESHED,
    REPAIRED,
    ROUNDS,
    SCENARIOS,
    Program,
)

Story: TypeAlias = list[tuple[str, Run]]


def _told(at: Bench) -> Story:
    """Run all scenarios; those that take long beside the others."""
    with ThreadPoolExecutor() as pool:
        others = [pool.submit(_once, at, name) for name in (LATE, MISTYPED)]
        return [*_rounds(at), *(entry for story in others for entry in story.result())]


def _rounds(at: Bench) -> Story:
    program = Program(at, ROUNDS)
    stack = at.stack(ROUNDS, program)
    story: Story = []
    for round_ in (CREATED, CHANGED, REFRESHED, REPAIRED, DESTROYED):
        program.act(round_)
        if round_ == REFRESHED:
            story.append(("refresh", stack.refresh()))
        elif round_ == DESTROYED:
            story.append(("destroy", stack.destroy()))
        else:
            story += zip((f"preview {round_}", f"up {round_}"), stack.up(), strict=True)
    return story


def _once(at: Bench, name: str) -> Story:
    stack = at.stack(name, Program(at, name))
    return [*zip((f"{name} preview", f"{name} up"), stack.up(), strict=True), (f"{name} destroy", stack.destroy())]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Story, Story]:
    """What both did: the simulated provider, and the real one."""
    folder = tmp_path_factory.mktemp("held")

    def tell(name: str) -> Story:
        with bench(folder / name, real=name == "real") as at:
            return _told(at)

    with ThreadPoolExecutor() as pool:
        simulated, real = pool.map(tell, ("simulated", "real"))
    return simulated, real


def _text(story: Story, concerns: Callable[[str], bool]) -> list[str]:
    lines: list[str] = []
    for name, run in story:
        part = run.of(concerns)
        for what, known in (("says", part.events), ("keeps", part.state)):
            for resource, entries in sorted(known.items()):
                for entry in entries:
                    text = json.dumps(entry, indent=1, sort_keys=True, ensure_ascii=False)
                    lines += [f"{name}: {resource}: {what}", *(f"  {line}" for line in text.splitlines())]
    return lines


def _difference(told: tuple[Story, Story], concerns: Callable[[str], bool]) -> str:
    simulated, real = (_text(story, concerns) for story in told)
    return "\n".join(difflib.unified_diff(real, simulated, "the real provider", "the simulated one", n=3, lineterm=""))


# What the two do not have in common, and why.
_DIFFERENT: Final = {
    "mistyped": (
        "the simulated provider holds inputs against the SDK's argument classes before it asks the API server, so it "
        "also finds a misspelt key of a plain dict; Pulumi's own leaves both to the API server, which refuses this in "
        "the same preview"
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xfail(strict=True, reason=_DIFFERENT[name]) if name in _DIFFERENT else ())
        for name in (*(scenario.name for scenario in SCENARIOS), "providers")
    ],
)
def test_same_as_the_real_provider(told: tuple[Story, Story], name: str) -> None:
    if name == "providers":  # which of them that stack has depends on when its mistake ends the program
        simulated, real = ([entry for entry in story if not entry[0].startswith(MISTYPED)] for story in told)
        told = simulated, real
    assert any(_text(told[0], lambda resource: resource.startswith(f"{name}-")))
    if difference := _difference(told, lambda resource: resource.startswith(f"{name}-")):
        pytest.fail(difference)


def test_engine_ends_alike(told: tuple[Story, Story]) -> None:
    simulated, real = ([(name, run.succeeded) for name, run in story] for story in told)
    assert simulated == real
