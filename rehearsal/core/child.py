"""Child processes that an interrupt reaches exactly once, and that do not outlive whoever started them."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def child(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: str | Path | None = None,
    descriptors: Collection[int] = (),
) -> Generator[subprocess.Popen[str]]:
    """Start a command, with pipes for its two outputs, and wait for its end.

    It gets a session of its own. Were it in the terminal's process group, Ctrl-C would reach it beside us, and a
    request to stop that we pass on would be its second, on which the engine drops what it is doing
    (pkg/backend/cancellation_scope.go, v3.274.1); a SIGTERM to us, on the other hand, would not reach it at all.

    Args:
        command: the command; no shell sees it.
        environment: all of it.
        cwd: where it runs, if not here.
        descriptors: open files that it inherits.

    Raises:
        KeyboardInterrupt: once it has ended, if an interrupt came meanwhile.
    """
    process: subprocess.Popen[str] | None = None
    interrupted = False

    def send(number: signal.Signals) -> None:
        if process and process.poll() is None:
            os.killpg(process.pid, number)

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        send(signal.SIGINT)

    # Only what would raise KeyboardInterrupt here; other threads cannot set handlers, and get no interrupts.
    postponed = [number for number in _INTERRUPTS if signal.getsignal(number) is signal.default_int_handler]
    if threading.current_thread() is not threading.main_thread():
        postponed = []
    for number in postponed:
        signal.signal(number, interrupt)
    try:
        with subprocess.Popen(  # noqa: S603 - no shell, and nothing in it comes from outside
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            umask=0o077,  # what the engine writes is for its owner, whatever the user's own mask
            start_new_session=True,
            pass_fds=descriptors,
        ) as process:
            if interrupted:  # before there was a process to tell
                send(signal.SIGINT)
            try:
                yield process
            except BaseException:
                send(signal.SIGKILL)  # nobody listens to it any more
                raise
    finally:
        for number in postponed:
            signal.signal(number, signal.default_int_handler)
    if interrupted:
        raise KeyboardInterrupt


def read_lines(stream: IO[str] | None, lines: list[str], callback: Callable[[str], object] | None = None) -> None:
    """Append what a child writes to `lines`, and hand each line on as it comes."""
    for line in stream or ():
        lines.append(line.rstrip())
        if callback:
            callback(lines[-1])
