"""Bring stacks up with an older commit, and show what the program in this repository would change in them."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PLATFORM: Final = Path(__file__).parent / "platform"

STACKS: Final = ("dev", "prod", "private", "own-app", "existing")
"""`private` and `own-app` are the examples of these names, `existing` uses what `platform/` has made."""


class UpgradeError(Exception):
    """A stack could not be brought up or previewed; the message says why, for people."""


@dataclass(frozen=True)
class Difference:
    """A resource that the upgrade would change, in words.

    Attributes:
        text: the words.
        added: whether it is only added.
    """

    text: str
    added: bool = False


_HARMLESS: Final = frozenset({"same", "read", "refresh"})
_DONE: Final = {
    "create": "added",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "discard": "deleted",
}
"""The engine's steps in words (pulumi v3.274.1, pkg/resource/deploy/step.go); `discard` is of what is only read."""


def differences(steps: Sequence[dict[str, Any]]) -> list[Difference]:
    """Return what a plan would change, each resource once.

    Args:
        steps: those of `pulumi preview --json`.
    """
    found: dict[str, Difference] = {}
    for step in steps:
        if step["op"] in _HARMLESS:
            continue
        done = _DONE.get(step["op"], "replaced")  # by several steps
        properties = ", ".join(step.get("diffReasons") or step.get("detailedDiff") or ())
        text = f"{_words(step['urn'])} would be {done}" + (f": {properties}" if properties else "")
        if step["urn"] not in found or properties:
            found[step["urn"]] = Difference(text, added=step["op"] == "create")
    return list(found.values())


def gone(before: Iterable[str], steps: Sequence[dict[str, Any]]) -> list[Difference]:
    """Return the resources that a program no longer has, neither by their name nor by an alias.

    Args:
        before: the URNs of the state that another program has left.
        steps: those of `pulumi preview --json` on an empty state.
    """
    known = {urn for step in steps for urn in (step["urn"], *step["newState"].get("aliases", ()))}
    # Default providers are the engine's own, named by the SDKs' versions.
    return [Difference(f"{_words(urn)} is gone") for urn in before if urn not in known and "::default_" not in urn]


def _words(urn: str) -> str:
    _, _, token, name = urn.split("::")
    return f"{name} ({token.rpartition('$')[2]})"


def _run(what: str, command: Sequence[str | Path], folder: Path) -> str:
    """Run a command to its end, and return what it prints."""
    sys.stderr.write(f"{what} ...\n")
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    environment["PIP_NO_COMPILE"] = "1"  # most modules of the SDKs are never imported
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
        self._platform = folder / "platform"
        archive = folder / "before.tar"
        _run(f"Reading {commit}", ["git", "archive", f"--output={archive}", commit], ROOT)
        shutil.unpack_archive(archive, self._before)
        # As they are here, committed or not; a copy, because this folder may have rehearsals of its own.
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in _run("Copying what is here", listing, ROOT).split("\0"):
            if name and (ROOT / name).is_file():
                (self._after / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self._after / name)

    def differences(self, name: str) -> list[Difference]:
        """Return what the program here would change in a stack that the older commit has brought up.

        The settings and the app are the user's, and stay as they were. So does the example: somebody else's program,
        under which only the components change.

        Raises:
            UpgradeError: if either fails.
        """
        program, stack = self._bring_up(name)
        if name == "own-app":
            return differences(self._preview(program, stack))
        here = self._after / program.relative_to(self._before)
        shutil.copy(program / f"Pulumi.{stack}.yaml", here)
        shutil.rmtree(self._after / "manifests")
        shutil.copytree(self._before / "manifests", self._after / "manifests")
        self._hand_over(stack, program, here)
        return differences(self._preview(here, stack))

    def gone(self, name: str) -> list[Difference]:
        """Return the resources of the older commit that the program here does not have, with the settings here.

        Raises:
            UpgradeError: if either fails.
        """
        program, stack = self._bring_up(name)
        state = json.loads(self._pulumi(program, stack, "stack", "export"))
        urns = [each["urn"] for each in state["deployment"]["resources"]]
        if name == "existing":
            shutil.copy(program / "Pulumi.existing.yaml", self._after)
            self._hand_over(stack, self._platform, self._after)
        return gone(urns, self._preview(self._after / program.relative_to(self._before), stack))

    def _bring_up(self, name: str) -> tuple[Path, str]:
        """Bring a stack up with the older commit; return its program's folder, and its name there."""
        examples = {"own-app": "dev", "private": "private"}
        program = self._before / "examples" / name if name in examples else self._before
        stack = examples.get(name, name)
        if name == "existing":
            # Another stack in the same cloud.
            shutil.copytree(PLATFORM, self._platform)
            self._up(self._platform, stack)
            shutil.copy(self._platform / "stack.yaml", program / "Pulumi.existing.yaml")
            self._hand_over(stack, self._platform, program)
        self._up(program, stack)
        return program, stack

    def _hand_over(self, stack: str, source: Path, target: Path) -> None:
        """Give a program the cloud, and the state, that another one has left."""
        folder = Path(".rehearsal") / (f"{stack}.real" if self._fleet == "real" else stack)
        shutil.copytree(source / folder, target / folder)

    def _up(self, program: Path, stack: str) -> None:
        fleet = "real" if self._fleet == "real" else ""
        command = ["make", "rehearse", f"STACK={stack}", f"PROGRAM={program}", f"FLEET={fleet}"]
        try:
            _run(f"Bringing {program.name}/{stack} up with {self._commit}", command, self._before)
        except UpgradeError as error:
            # Up to 9504d58, the report that follows an `up` ends with an error where a cluster or a fleet exists
            # already, or where there is no entry point.
            if "timing/report.py" not in str(error):
                raise

    def _preview(self, program: Path, stack: str) -> list[dict[str, Any]]:
        return json.loads(self._pulumi(program, stack, "preview", "--json"))["steps"]

    def _pulumi(self, program: Path, stack: str, *command: str) -> str:
        """Run a command of the engine with the rehearsal here."""
        options = ["--stack", stack, "--program", program, "--fleet", self._fleet]
        rehearsal = [sys.executable, "-m", "rehearsal", "pulumi", *options]
        return _run(f"{program.name}/{stack}: pulumi {' '.join(command)}", [*rehearsal, *command], self._after)


def main() -> int:
    """Check every stack, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    parser.add_argument("commit", help="the commit that the stacks are brought up with")
    parser.add_argument("stacks", nargs="*", metavar="stack", help=f"(default: {' '.join(STACKS)})")
    parser.add_argument("--fleet", choices=("memory", "real"), default="memory", help="as for a rehearsal")
    parser.add_argument("--strict", action="store_true", help="fail for resources that are only added, too")
    parser.add_argument(
        "--urns",
        action="store_true",
        help="ask only whether every URN is still there, with the settings here: for a commit whose settings or "
        "manifests the program no longer takes",
    )
    arguments = parser.parse_intermixed_args()  # `commit --fleet real prod`
    failed = False
    with tempfile.TemporaryDirectory(prefix="upgrade-") as folder:
        upgrade = Upgrade(Path(folder), arguments.commit, arguments.fleet)
        for name in arguments.stacks or STACKS:
            try:
                found = upgrade.gone(name) if arguments.urns else upgrade.differences(name)
            except UpgradeError as error:
                found = [Difference(str(error))]
            failed |= any(arguments.strict or not each.added for each in found)
            well = "no URN is gone" if arguments.urns else "unchanged"
            sys.stdout.write(f"{name}: {'; '.join(each.text for each in found) or well}\n")
            sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
