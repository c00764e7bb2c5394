"""Runs `verify`, as it is, on a rehearsed stack."""

import json
import os
import subprocess
import sys

from tests.support.program import ROOT
from tests.support.stack import Stack


def verify(stack: Stack, timeout: int = 0) -> dict[str, str]:
    """Return what was found of each check that is not well.

    Args:
        stack: the stack, deployed.
        timeout: how many seconds to wait until all is well.
    """
    outputs = {name: output.value for name, output in stack.outputs().items()}
    result = subprocess.run(  # noqa: S603 - no shell
        [sys.executable, "-m", "verify", "--outputs", "-", "--json", "--timeout", str(timeout)],
        cwd=ROOT,
        env={**os.environ, **stack.rehearsal.leading, **stack.rehearsal.gateway.environment()},
        input=json.dumps(outputs),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    answer = json.loads(result.stdout)
    assert result.returncode == (0 if answer["ok"] else 1)
    return {each["check"]: each["found"] for each in answer["checks"] if not each["ok"]}
