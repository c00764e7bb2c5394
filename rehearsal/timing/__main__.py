"""The command line: `python -m rehearsal.timing STATEFILE`."""

import argparse
import json
import sys
from pathlib import Path

from rehearsal.core.errors import UnknownTypeError
from rehearsal.timing import durations
from rehearsal.timing.schedule import resources
from rehearsal.timing.summary import summary


def main() -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal.timing",
        description="Print how long Azure would take for a stack.",
    )
    parser.add_argument("state", type=Path, metavar="STATEFILE", help="the JSON of `pulumi stack export`")
    try:
        export = json.loads(parser.parse_args().state.read_text(encoding="utf-8"))
        sys.stdout.writelines(f"{line}\n" for line in summary(resources(export), durations.load()))
    except (OSError, ValueError, KeyError, UnknownTypeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
