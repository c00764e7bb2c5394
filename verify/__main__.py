"""The command line: `python -m verify --stack dev`."""

import argparse
import io
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fleet_clusters.api_server import ClusterClient
from fleet_clusters.errors import CheckFailedError
from verify.checks import LOST, Check, Deployment, NotCheckedError, checks, foreign_members
from verify.outputs import Outputs, OutputsError, of_file, of_stack, parse
from verify.table import Progress, Result, show

_PAUSE: Final = 3  # seconds between two rounds of checks
_FOR_EACH_REGION: Final = 10  # requests; of n regions, one is missed by all with a probability of e^-10
_CHECKS: Final = 64  # at a time: of three apps in five regions, all
_INTERRUPTED: Final = 130  # what shells report for a command that Ctrl-C has ended


def _not_negative(text: str) -> int:
    if text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a whole number")


def main(arguments: list[str] | None = None) -> int:
    """Verify one deployment; return 0 if no check fails, 1 if one does, 2 if the outputs cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m verify", description=sys.modules["verify"].__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--stack", help="the stack (default: the one that is selected)")
    source.add_argument(
        "--outputs",
        metavar="FILE",
        help="the output of `pulumi stack output --json --show-secrets`; - is standard input",
    )
    parser.add_argument(
        "--timeout",
        type=_not_negative,
        default=120,  # Fleet rolls a change out to one cluster a minute (docs/operations.md)
        metavar="SECONDS",
        help="how long to wait until all checks pass (default: 120; 0 checks once)",
    )
    parser.add_argument(
        "--requests",
        type=_not_negative,
        metavar="N",
        help=f"requests to the URL, and connections to each other TCP port (default: {_FOR_EACH_REGION} for "
        "each region; 0: none)",
    )
    parser.add_argument(
        "--public-only",
        action="store_true",
        help="make no requests to private addresses, such as from outside their network",
    )
    parser.add_argument(
        "--before-destroy",
        action="store_true",
        help="only look for members of others, which destroying the stack would remove from the fleet",
    )
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="print the results as one JSON object; with FILE, write it there and print the table",
    )
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # if the locale lacks a character
    try:
        outputs = parse(_read(options.outputs, options.stack))
    except OutputsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    with TemporaryDirectory(prefix="verify-") as folder:
        if options.before_destroy:
            return _before_destroy(_deployment(outputs, folder, 0))
        requests = _FOR_EACH_REGION * len(outputs.cluster_ids) if options.requests is None else options.requests
        try:
            deployment = replace(_deployment(outputs, folder, requests), public_only=options.public_only)
            results = _wait(checks(deployment), options.timeout)
        except KeyboardInterrupt:
            return _INTERRUPTED
    well = not any(result.failed for result in results)
    urls = [service.url for app in outputs.apps.values() for service in app.values() if service.url]
    answer = {
        "ok": well,
        "url": urls[0] if urls else None,
        "urls": urls,
        "checks": [vars(result) for result in results],
    }
    text = json.dumps(answer, indent=2) + "\n"
    if options.json == "-":
        sys.stdout.write(text)
        return 0 if well else 1
    show(results)
    if options.json:
        try:
            Path(options.json).write_text(text, encoding="utf-8")
        except OSError as error:
            sys.stderr.write(f"error: cannot write {options.json}: {error.strerror}\n")
            return 2
    return 0 if well else 1


def _before_destroy(deployment: Deployment) -> int:
    """Look for members of others; return 0 if there are none, 1 if there are, 2 if the hub cannot be read."""
    if not deployment.outputs.owns_fleet:
        return 0
    try:
        foreign = foreign_members(deployment)
    except CheckFailedError as problem:
        sys.stderr.write(f"The check for members of others was skipped: {problem.found}\n")
        return 2
    if foreign:
        sys.stderr.write(
            f"error: the fleet has members that are not of this stack: {', '.join(foreign)}\n"
            "  Destroying the stack deletes the fleet, and removes them from it. Have their owners leave first: "
            "`az fleet member delete`\n"
        )
    return int(bool(foreign))


def _read(file: str | None, stack: str | None) -> str:
    if file == "-":
        return sys.stdin.read()
    return of_file(Path(file)) if file else of_stack(stack)


def _deployment(outputs: Outputs, folder: str, requests: int) -> Deployment:
    hub = ClusterClient(
        "hub",
        outputs.hub_kubeconfig,
        folder=folder,
        silent=f"see that it runs and can be reached from here: `az fleet show --ids {outputs.fleet_id}`",
    )
    clusters = {
        region: ClusterClient(
            region,
            outputs.kubeconfigs[region],
            folder=folder,
            silent=f"see that it runs: `az aks show --ids {cluster_id}`; if its region is lost: {LOST}",
        )
        for region, cluster_id in outputs.cluster_ids.items()
    }
    return Deployment(outputs, hub, clusters, requests)


def _wait(todo: list[Check], timeout: int) -> list[Result]:
    """Repeat the checks until all pass, or until the time is over; return the last results."""
    deadline = time.monotonic() + timeout
    names = [what for what, _ in todo]
    with Progress(names) as progress, ThreadPoolExecutor(min(len(todo), _CHECKS)) as pool:
        while True:
            looking = {pool.submit(_look, check): check[0] for check in todo}
            for each in as_completed(looking):
                progress.found(each.result())
            left = deadline - time.monotonic()
            results = progress.results
            if left <= 0 or not any(result.failed for result in results):
                return results
            progress.waiting(left)
            time.sleep(min(_PAUSE, left))


def _look(check: Check) -> Result:
    what, look = check
    try:
        return Result(what, ok=True, found=look())
    except NotCheckedError as reason:
        return Result(what, ok=None, found=str(reason))
    except CheckFailedError as problem:
        return Result(what, ok=False, found=problem.found, remedy=problem.remedy)


if __name__ == "__main__":
    sys.exit(main())
