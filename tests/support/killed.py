"""A run that is killed before it ends: `python -m tests.support.killed ROOT COMMAND NAME WHEN VICTIM...`.

COMMAND is `up` or `destroy`. NAME is the logical name of the resource at whose creation or deletion the kill happens;
`any` is the first one in Azure or in a cluster. WHEN is `before` the cloud carries the operation out, `during` the
clusters' next work, or `after` it. A VICTIM is the `engine`, the `stand-in` (this process), `ctrl-c` (two
interrupts), or the `answer`: the engine gets an error in its place.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any
from unittest import mock

from rehearsal.cloud import Cloud
from rehearsal.core.child import child
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Operation
from rehearsal.engine import command
from rehearsal.interception import Interceptor
from rehearsal.stack import rehearsing
from rehearsal.tests.objects import in_memory

_VERBS = {"up": "create", "destroy": "delete"}


class _Killer:
    """Kills the victims, once it knows the engine's process and its output."""

    def __init__(self, victims: Collection[str]) -> None:
        self._victims = victims
        self._engines: list[Popen[str]] = []
        self._asked_to_stop = threading.Event()

    @contextmanager
    def child(self, *args: Any, **options: Any) -> Generator[Popen[str]]:  # noqa: ANN401 - passed on
        with child(*args, **options) as process:
            self._engines.append(process)
            yield process

    def listen(self, line: str) -> None:
        sys.stdout.write(f"{line}\n")
        if "press ^C again" in line:
            self._asked_to_stop.set()

    def __call__(self, *_: object) -> None:
        engine = self._engines[-1]
        if "ctrl-c" in self._victims:
            os.kill(os.getpid(), signal.SIGINT)
            self._asked_to_stop.wait()
            os.kill(os.getpid(), signal.SIGINT)
            engine.wait()
        if "engine" in self._victims:
            engine.kill()
        if "stand-in" in self._victims:
            os.kill(os.getpid(), signal.SIGKILL)
        if "answer" in self._victims:
            raise RefusedError("the provider died")


def _kills(cloud: Cloud, verb: str, name: str, when: str, kill: Callable[..., None]) -> Interceptor:
    def strike(operation: Operation) -> None:
        call = operation.call
        is_named = call.name == name or (name == "any" and not call.token.startswith("random:"))
        if operation.verb == verb and is_named:
            if when == "during":
                in_memory(cloud).observers.append(kill)
            else:
                kill()

    return Interceptor(after=strike) if when == "after" else Interceptor(before=strike)


def main(root: Path, what: str, name: str, when: str, *victims: str) -> None:
    """Run a command, and kill the victims when it reaches a resource."""
    killer = _Killer(victims)
    with mock.patch.object(command, "child", killer.child), rehearsing("dev", root) as rehearsal:
        cloud = rehearsal.cloud
        cloud.interceptors.append(_kills(cloud, _VERBS[what], name, when, killer))
        getattr(rehearsal.stack, what)(on_output=killer.listen, on_error=killer.listen)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
