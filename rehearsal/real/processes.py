"""Server processes that run during a rehearsal and never outlive it."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from rehearsal.core.errors import ProcessError

_READY_SECONDS: Final = 120  # on a machine that is busy with other things
_POLL_SECONDS: Final = 0.05

# The kernel kills a child when the *thread* that started it ends. This thread ends with this process, even if it is
# killed.
_starter: Final = ThreadPoolExecutor(1, "starter")


class Process:
    """One server, with its output in a file.

    Args:
        name: its name in messages.
        command: the command; no shell sees it.
        log: the file for its output.
        environment: in addition to ours.
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._command = [str(part) for part in command]
        self._log = log
        self._environment = environment or {}
        self._process = _starter.submit(self._start).result()

    def _start(self) -> subprocess.Popen[bytes]:
        with os.fdopen(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as log:
            return subprocess.Popen(  # noqa: S603 - no shell, and nothing in it comes from outside
                ["setpriv", "--pdeathsig", "KILL", *self._command],  # noqa: S607 - of util-linux, found on PATH
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                umask=0o077,
                start_new_session=True,  # Ctrl-C reaches only the rehearsal, which stops servers in order
            )

    @property
    def running(self) -> bool:
        """Whether it is running."""
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until it is ready.

        Raises:
            ProcessError: the process ended, or is not ready in time.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while not ready():
            if not self.running:
                raise ProcessError(f"{self.name} ended with status {self._process.returncode}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.name} is not ready after {_READY_SECONDS} s: {self._last_words()}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Kill it at once: its data is in its files."""
        self._process.kill()
        self._process.wait()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return " | ".join(lines[-3:]) or "without output"
