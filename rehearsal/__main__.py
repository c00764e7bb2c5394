"""The rehearsal's command line: `python -m rehearsal up --stack dev`."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from pulumi.automation import CommandError

from rehearsal.core.errors import RefusedError, RehearsalError, UnknownTypeError
from rehearsal.engine.install import find_engine
from rehearsal.faults.injection import Faults
from rehearsal.faults.profile import Profile, load
from rehearsal.real.clusters import RealClusters
from rehearsal.real.tools import find_tools
from rehearsal.speed import Speed, Write
from rehearsal.stack import ROOT, Rehearsal, rehearsing
from rehearsal.timing import durations

_INTERRUPTED = 130  # what shells report for a command that Ctrl-C has ended


def _keep_running(clusters: RealClusters) -> None:
    """Print commands to inspect the real clusters, and keep these running until Ctrl-C."""
    sys.stdout.write("\n" + "".join(f"{line}\n" for line in clusters.commands()))
    sys.stdout.flush()
    if sys.stdin.isatty():
        sys.stderr.write("The clusters run until Ctrl-C. The next rehearsal starts them again.\n")
        with suppress(KeyboardInterrupt):
            signal.pause()


def destroy(rehearsal: Rehearsal) -> int:
    """Destroy the stack, unless the fleet has members of others, like `make destroy`."""
    if "ownsFleet" in rehearsal.stack.outputs() and (status := rehearsal.verify("--before-destroy")) == 1:
        return status
    rehearsal.destroy()
    return 0


def _factor(text: str) -> float:
    with suppress(ValueError):
        if (factor := float(text)) > 0:
            return factor
    raise argparse.ArgumentTypeError(f"{text} is not a number above 0")


def _azures_time(token: str, verb: Write) -> float:
    """Return Azure's typical seconds for an operation."""
    try:
        return durations.load().seconds(token, verb)
    except UnknownTypeError as error:
        raise RefusedError(str(error)) from error


_ON_STACK: dict[str, tuple[Callable[[Rehearsal], int | None], str]] = {
    "up": (Rehearsal.up, "preview, deploy, and check the deployment as `verify` does"),
    "preview": (Rehearsal.preview, "show what `up` would do"),
    "refresh": (Rehearsal.refresh, "read the state back from the stand-in"),
    "verify": (Rehearsal.verify, "check the deployment as `python -m verify` does"),
    "destroy": (destroy, "delete everything"),
}


_PULUMI = "run a `pulumi` command on the stack, with the stand-in running meanwhile"


def _perform(rehearsal: Rehearsal, arguments: argparse.Namespace) -> int:
    """Run one command on a stack, and return its status."""
    if arguments.command == "pulumi":
        return rehearsal.pulumi(arguments.arguments)
    if arguments.command == "preview" and arguments.policies:
        configs = [arguments.policy_config.resolve()] if arguments.policy_config else []
        rehearsal.preview([arguments.policies.resolve()], configs)
        return 0
    return _ON_STACK[arguments.command][0](rehearsal) or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=sys.modules["rehearsal"].__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in [*((name, text) for name, (_, text) in _ON_STACK.items()), ("pulumi", _PULUMI)]:
        command = commands.add_parser(name, help=text)
        command.add_argument("--stack", default="dev", help="(default: dev)")
        command.add_argument(
            "--program",
            type=Path,
            default=ROOT,
            metavar="FOLDER",
            help="the program's folder (default: this repository)",
        )
        command.add_argument(
            "--faults", type=Path, metavar="FILE", help="a profile of faults, as in rehearsal/faults/profiles"
        )
        command.add_argument("--seed", type=int, default=0, help="seed of the probabilities in FILE (default: 0)")
        command.add_argument(
            "--fleet",
            choices=("memory", "real"),
            default="memory",
            help="real: real API servers and Fleet's own controllers, built once (default: memory)",
        )
        command.add_argument(
            "--speed",
            type=_factor,
            metavar="N",
            help="simulated seconds of Azure in one real second (default: no delays)",
        )
        if name == "preview":
            command.add_argument(
                "--policies", type=Path, metavar="FOLDER", help="a policy pack to check the plan against"
            )
            command.add_argument("--policy-config", type=Path, metavar="FILE", help="the pack's configuration")
        if name == "pulumi":
            command.add_argument("arguments", nargs=argparse.REMAINDER, help="the command, such as `preview --diff`")
    commands.add_parser("engine", help="print the path of the `pulumi` command, after installing it if necessary")
    commands.add_parser("tools", help="print the paths of the real Fleet's tools, after building the missing ones")
    return parser


@contextmanager
def _reporting_unplayed(faults: Faults) -> Generator[None]:
    """Print, at the end, the faults of the profile that no operation has met."""
    try:
        yield
    finally:
        for each in faults.unplayed():
            sys.stderr.write(f"fault: not played, as no operation met it: {each}\n")
        if faults.unplayed():
            sys.stderr.write(
                "If the stack is already deployed, run `make rehearse-destroy` first: nothing is created again.\n"
            )


def _on_stack(arguments: argparse.Namespace) -> int:
    """Start the stand-in for one command, and return its status."""
    faults = Faults(
        load(arguments.faults) if arguments.faults else Profile(),
        seed=arguments.seed,
        tell=lambda line: sys.stderr.write(f"{line}\n"),  # another program may read the engine's output
    )
    with (
        rehearsing(
            arguments.stack,
            arguments.program.resolve(),
            real_fleet=arguments.fleet == "real",
        ) as rehearsal,
        faults.in_force(rehearsal.cloud),
        Speed(arguments.speed, _azures_time).in_force(rehearsal.cloud) if arguments.speed else nullcontext(),
        nullcontext() if arguments.command in {"preview", "verify"} else _reporting_unplayed(faults),
    ):
        status = _perform(rehearsal, arguments)
        if arguments.command == "up" and isinstance(rehearsal.cloud.clusters, RealClusters):
            _keep_running(rehearsal.cloud.clusters)
    return status


def _message(error: Exception) -> str:
    if isinstance(error, OSError):  # such as a full disk
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    return str(error)


def main() -> int:
    """Run one command and return the exit status."""
    arguments = _parser().parse_args()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # if the locale lacks a character
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)  # so that both clean up as Ctrl-C does
    try:
        if arguments.command == "engine":
            sys.stdout.write(f"{find_engine()}\n")
            return 0
        if arguments.command == "tools":
            sys.stdout.write(f"{find_tools()}\n")
            return 0
        return _on_stack(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped; run the command again to go on.\n")
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, RehearsalError, CommandError) as error:
        sys.stderr.write(f"error: {_message(error)}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
