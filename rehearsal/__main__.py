"""The rehearsal's command line: `python -m rehearsal up --stack dev`."""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pulumi.automation import CommandError

from rehearsal.engine import EngineError, find_engine
from rehearsal.faults import Faults, Profile, ProfileError, load
from rehearsal.stack import Rehearsal, RehearsalError, rehearsing

_INTERRUPTED = 130  # what shells report for a command that Ctrl-C has ended


def _serve(rehearsal: Rehearsal) -> None:
    for name, value in rehearsal.environment.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    sys.stdout.flush()
    sys.stderr.write("The stand-in is ready; Ctrl-C ends it.\n")
    with suppress(KeyboardInterrupt):
        signal.pause()


_ON_STACK: dict[str, tuple[Callable[[Rehearsal], None], str]] = {
    "up": (Rehearsal.up, "show what is going to be done, then do it"),
    "preview": (Rehearsal.preview, "show what `up` would do"),
    "refresh": (Rehearsal.refresh, "read the state back from the stand-in"),
    "destroy": (Rehearsal.destroy, "delete everything"),
    "serve": (_serve, "start the stand-in alone, and print the environment for a `pulumi` command of your own"),
}


def main() -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=sys.modules["rehearsal"].__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, text) in _ON_STACK.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--stack", default="dev", help="(default: dev)")
        command.add_argument("--faults", type=Path, metavar="FILE", help="what goes wrong, as in rehearsal/profiles")
        command.add_argument("--seed", type=int, default=0, help="decides what FILE leaves to chance (default: 0)")
    commands.add_parser("engine", help="print the path of the `pulumi` command, installing it where there is none")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)  # so that both clean up as Ctrl-C does
    try:
        if arguments.command == "engine":
            sys.stdout.write(f"{find_engine()}\n")
            return 0
        faults = Faults(
            load(arguments.faults) if arguments.faults else Profile(),
            seed=arguments.seed,
            tell=lambda line: sys.stderr.write(f"{line}\n"),  # the output of `serve` is for a shell to read
        )
        with rehearsing(arguments.stack) as rehearsal, faults.in_force(rehearsal.cloud):
            _ON_STACK[arguments.command][0](rehearsal)
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped; run the command again to go on.\n")
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read our output has gone; nothing more can be said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (EngineError, ProfileError, RehearsalError, CommandError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
