"""Bring stacks up with an older commit, and show what the program in this repository would change in them."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PLATFORM: Final = Path(__file__).parent / "platform"

STACKS: Final = ("dev", "prod", "own-app", "existing")
"""`own-app` is the example of that name, `existing` uses what `platform/` has made."""

ACCEPTED: Final = {"nothing": 0, "additions": 1, "updates": 2}
"""What may differ; each includes those before it."""


class UpgradeError(Exception):
    """A stack could not be brought up or previewed; the message says why, for people."""


@dataclass(frozen=True)
class Difference:
    """A resource that the upgrade would change, in words, and from which of `ACCEPTED` on this is accepted."""

    text: str
    accepted_from: int


_KINDS: Final = {
    "create": ("added", 1),
    "update": ("updated", 2),
    "replace": ("replaced", 3),
    "create-replacement": ("replaced", 3),
    "delete-replaced": ("replaced", 3),
    "read-replacement": ("replaced", 3),
    "discard-replaced": ("replaced", 3),
    "delete": ("deleted", 3),  # also where a name is gone without an alias
    "discard": ("deleted", 3),  # so, of what is only read
}
"""The engine's steps that change something (pulumi v3.274.1, pkg/resource/deploy/step.go); what is only read stays."""

_HARMLESS: Final = frozenset({"same", "read", "refresh"})


def differences(steps: Sequence[dict[str, Any]]) -> list[Difference]:
    """Return what a plan would change, each resource once.

    Args:
        steps: those of `pulumi preview --json`.
    """
    found: dict[str, Difference] = {}
    for step in steps:
        if step["op"] in _HARMLESS:
            continue
        done, accepted_from = _KINDS.get(step["op"], (step["op"], 3))
        properties = ", ".join(step.get("diffReasons") or step.get("detailedDiff") or ())
        _, _, token, name = step["urn"].split("::")
        text = f"{name} ({token.rpartition('$')[2]}) would be {done}" + (f": {properties}" if properties else "")
        if step["urn"] not in found or properties:
            found[step["urn"]] = Difference(text, accepted_from)
    return list(found.values())


def _run(what: str, command: Sequence[str | Path], folder: Path) -> str:
    """Run a command to its end, and return what it prints."""
    sys.stderr.write(f"{what} ...\n")
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(  # noqa: S603 - no shell
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UpgradeError(f"{what} failed: {_errors(done.stdout) or (done.stderr or done.stdout).strip()}")
    return done.stdout


def _errors(output: str) -> str:
    """Return the errors in the output of `pulumi preview --json`, nothing if it is something else."""
    try:
        diagnostics = json.loads(output).get("diagnostics", [])
    except json.JSONDecodeError:
        return ""
    return "\n".join(each["message"].strip() for each in diagnostics if each["severity"] == "error")


class Upgrade:
    """Two copies of the program, and the stacks that move from one to the other.

    Args:
        folder: an empty folder.
        commit: the older commit.
        fleet: `memory` or `real`, as for the rehearsal.
    """

    def __init__(self, folder: Path, commit: str, fleet: str) -> None:
        self._commit = commit
        self._fleet = fleet
        self._before = folder / "before"
        self._after = folder / "after"
        archive = folder / "before.tar"
        _run(f"Reading {commit}", ["git", "archive", f"--output={archive}", commit], ROOT)
        shutil.unpack_archive(archive, self._before)
        # As they are here, committed or not; a copy, because this folder may have rehearsals of its own.
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in _run("Copying what is here", listing, ROOT).split("\0"):
            if name and (ROOT / name).is_file():
                (self._after / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self._after / name)
        # The app is the user's; so are the settings, which `steps` takes along.
        shutil.rmtree(self._after / "manifests")
        shutil.copytree(self._before / "manifests", self._after / "manifests")

    def steps(self, name: str) -> tuple[list[dict[str, Any]], int]:
        """Return what the program here plans for a stack that the older commit has brought up, and how many stay.

        Raises:
            UpgradeError: if either fails.
        """
        if name == "own-app":
            # A program of somebody else's stays as it is; only the components under it are others.
            program = self._before / "examples" / "own-app"
            self._up("dev", program)
            return self._preview("dev", program)
        if name == "existing":
            self._up_platform()
        self._up(name, self._before)
        shutil.copy(self._before / f"Pulumi.{name}.yaml", self._after)
        state = self._state(name)
        (self._after / ".rehearsal").mkdir(exist_ok=True)
        (self._before / state).rename(self._after / state)
        return self._preview(name, self._after)

    def _up_platform(self) -> None:
        """Bring up what is there before the stack `existing`: another stack in the same cloud."""
        program = shutil.copytree(PLATFORM, self._before.parent / "platform")
        self._up("existing", program)
        shutil.copy(program / "stack.yaml", self._before / "Pulumi.existing.yaml")
        state = self._state("existing")
        (self._before / ".rehearsal").mkdir(exist_ok=True)
        (program / state).rename(self._before / state)

    def _state(self, stack: str) -> Path:
        """Return the rehearsal's folder for a stack, relative to the program."""
        return Path(".rehearsal") / (f"{stack}.real" if self._fleet == "real" else stack)

    def _up(self, stack: str, program: Path) -> None:
        fleet = "real" if self._fleet == "real" else ""
        command = ["make", "rehearse", f"STACK={stack}", f"PROGRAM={program}", f"FLEET={fleet}"]
        try:
            _run(f"Bringing {program.name}/{stack} up with {self._commit}", command, self._before)
        except UpgradeError as error:
            # Up to 9504d58, the report that follows an `up` ends with an error where a cluster or a fleet exists
            # already, or where there is no entry point.
            if "timing/report.py" not in str(error):
                raise

    def _preview(self, stack: str, program: Path) -> tuple[list[dict[str, Any]], int]:
        rehearsal = [sys.executable, "-m", "rehearsal", "pulumi", "--stack", stack, "--program", program]
        command = [*rehearsal, "--fleet", self._fleet, "preview", "--json"]
        plan = json.loads(_run(f"Previewing {program.name}/{stack} with what is here", command, self._after))
        return plan["steps"], plan["changeSummary"].get("same", 0)


def main() -> int:
    """Check every stack, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    parser.add_argument("commit", help="the commit that the stacks are brought up with")
    parser.add_argument("stacks", nargs="*", metavar="stack", help=f"(default: {' '.join(STACKS)})")
    parser.add_argument("--fleet", choices=("memory", "real"), default="memory", help="as for a rehearsal")
    parser.add_argument(
        "--accept",
        choices=tuple(ACCEPTED),
        default="additions",
        help="what is no failure; `updates` asks only whether every resource stays the one that it was",
    )
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="upgrade-") as folder:
        upgrade = Upgrade(Path(folder), arguments.commit, arguments.fleet)
        for name in arguments.stacks or STACKS:
            try:
                steps, same = upgrade.steps(name)
            except UpgradeError as error:
                sys.stdout.write(f"{name}: {error}\n")
                sys.stdout.flush()
                failed = True
                continue
            found = differences(steps)
            failed |= any(each.accepted_from > ACCEPTED[arguments.accept] for each in found)
            sys.stdout.write(f"{name}: {'; '.join(each.text for each in found) or 'unchanged'} ({same} unchanged)\n")
            sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
