"""Child processes that get each interrupt exactly once, and do not outlive their parent."""

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

    The child gets its own session, so that it gets interrupts only from us. In the terminal's process group, Ctrl-C
    would reach it directly, and our own request to stop would be the second one, at which the engine aborts its
    operations (pkg/backend/cancellation_scope.go, v3.274.1). A SIGTERM to us would not reach it at all.

    Args:
        command: the command; no shell sees it.
        environment: its whole environment.
        cwd: its working directory; None for ours.
        descriptors: open file descriptors that it inherits.

    Raises:
        KeyboardInterrupt: after its end, if an interrupt came in the meantime.
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

    # Only signals that would raise KeyboardInterrupt here. Other threads cannot set handlers, and get no interrupts.
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
            umask=0o077,  # only the owner can read the engine's files, whatever the user's umask
            start_new_session=True,
            pass_fds=descriptors,
        ) as process:
            if interrupted:  # before the process was started
                send(signal.SIGINT)
            try:
                yield process
            except BaseException:
                send(signal.SIGKILL)  # nobody reads its output any more
                raise
    finally:
        for number in postponed:
            signal.signal(number, signal.default_int_handler)
    if interrupted:
        raise KeyboardInterrupt


def read_lines(stream: IO[str] | None, lines: list[str], callback: Callable[[str], object] | None = None) -> None:
    """Append a child's output to `lines`, and pass each line to `callback` at once."""
    for line in stream or ():
        lines.append(line.rstrip())
        if callback:
            callback(lines[-1])
