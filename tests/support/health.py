"""Whether a deployment is healthy. `verify` answers, as it does for users and at the end of a rehearsal."""

import io
import json
import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from rehearsal.stack import open_gateway
from tests.support.program import Program
from tests.support.stack import Stack
from verify.__main__ import main
from verify.table import Result


def checked(deployed: Stack | Program, timeout: int = 0) -> dict[str, Result]:
    """Run `verify` on a deployment; return the result of each check by its name.

    Args:
        deployed: a stack under the engine, or what a program on mocks left behind.
        timeout: how many seconds to wait until every check passes.
    """
    if isinstance(deployed, Stack):
        outputs = {name: output.value for name, output in deployed.outputs().items()}
        rehearsal = deployed.rehearsal
        return _verified(outputs, {**rehearsal.cluster_environment, **rehearsal.gateway.environment()}, timeout)
    with TemporaryDirectory() as folder, open_gateway(deployed.cloud, Path(folder)) as (gateway, cluster_environment):
        return _verified(deployed.outputs, cluster_environment | gateway.environment(), timeout)


def failed(deployed: Stack | Program, timeout: int = 0) -> dict[str, str]:
    """Run `verify` on a deployment; return the finding of each check that failed."""
    return {name: result.found for name, result in checked(deployed, timeout).items() if result.failed}


def assert_healthy(deployed: Stack | Program, timeout: int = 0) -> None:
    """Expect that every check of `verify` passes. Fails if nothing is deployed."""
    assert failed(deployed, timeout) == {}


def assert_converged(stack: Stack) -> None:
    """Expect that a stack is healthy once all changes are rolled out, and that nothing is left to do."""
    # Fleet rolls a change out to one cluster after the other, a minute apart.
    stack.cloud.pass_time(600)
    assert_healthy(stack)
    assert stack.preview().changes == {}


def _verified(outputs: Mapping[str, Any], environment: Mapping[str, str], timeout: int) -> dict[str, Result]:
    printed = io.StringIO()
    requests = ["--public-only"]
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch("sys.stdin", io.StringIO(json.dumps(outputs))),
        redirect_stdout(printed),
    ):
        status = main(["--outputs", "-", "--json", "--timeout", str(timeout), *requests])
    assert status in (0, 1), "the stack has no outputs that `verify` can read"
    results = {each["check"]: Result(**each) for each in json.loads(printed.getvalue())["checks"]}
    assert status == int(any(result.failed for result in results.values()))
    return results
