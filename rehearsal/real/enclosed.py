"""Runs several instances of a program that uses a fixed port and fixed files in `/tmp`, on one machine.

`unshare --user --map-root-user python -m rehearsal.real.enclosed <server> <entrance> <port> <program> ...`: the program
has its own network and its own `/tmp`. The port <server> of its loopback leads to the same port of this machine's
loopback. Connections to <port> at <entrance>, an address of this machine's loopback, lead to the program's port. Both
end with the program or with this process, even if it is killed.
"""

import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rehearsal.real.namespace import Namespace, become_alone

_ROOT = Path(__file__).parents[2]
_LOOPBACK = "127.0.0.1"
_CHUNK = 65536
_TEMPORARY = Path("/tmp")  # noqa: S108 - the program's own name for it
BIND, RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000  # linux/mount.h

_libc = ctypes.CDLL(None, use_errno=True)


def command(server: int, address: str, port: int) -> list[str]:
    """Return the command to put before a program's; its environment must have a `KUBECONFIG`.

    Args:
        server: the port of this machine's loopback that the program reaches.
        address: the address of this machine's loopback at which others reach the program.
        port: the program's port, also at that address.
    """
    module = [sys.executable, "-m", "rehearsal.real.enclosed", str(server), address, str(port)]
    return ["env", f"PYTHONPATH={_ROOT}", "unshare", "--user", "--map-root-user", *module]


def main() -> None:
    """Run the program; return when no connection is left to forward."""
    server, address, port, program, *arguments = sys.argv[1:]
    kept = [Path(each).resolve() for each in (program, os.environ["KUBECONFIG"])]
    environment = {**os.environ, "KUBECONFIG": str(kept[1])}
    entrance = socket.create_server((address, int(port)))
    outgoing: list[socket.socket] = []
    inside = threading.Event()

    def run_enclosed() -> None:
        become_alone()
        Namespace().start("lo")
        _take_temporary_folder(kept)
        outgoing.append(socket.create_server((_LOOPBACK, int(server))))
        inside.set()
        # The kernel kills the program when this thread ends, which is when this process ends.
        process = subprocess.Popen(  # noqa: S603 - no shell
            ["setpriv", "--pdeathsig", "KILL", kept[0], *arguments],  # noqa: S607 - as `Process` does
            env=environment,
        )
        threading.Thread(target=lambda: os._exit(process.wait()), daemon=True).start()
        pass_on(entrance, (_LOOPBACK, int(port)))

    threading.Thread(target=run_enclosed, daemon=True).start()
    inside.wait()
    pass_on(outgoing[0], (_LOOPBACK, int(server)))


def _take_temporary_folder(kept: Sequence[Path]) -> None:
    """Give this thread and its children an empty `/tmp`, with only the files in `kept`."""
    mount("none", "/", flags=RECURSIVE | _PRIVATE)
    files = {path: os.open(path, os.O_PATH) for path in kept if path.is_relative_to(_TEMPORARY)}
    mount("none", _TEMPORARY, kind="tmpfs")
    for path, file in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        mount(f"/proc/thread-self/fd/{file}", path, flags=BIND)
        os.close(file)


def mount(source: str, target: str | Path, *, kind: str = "", flags: int = 0) -> None:
    """Mount a file system in this thread's mount namespace (mount(2))."""
    if _libc.mount(source.encode(), str(target).encode(), kind.encode(), flags, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


def pass_on(listening: socket.socket, target: tuple[str, int]) -> None:
    """Forward each connection to the target, from this thread's namespace, until the socket is shut down."""
    while True:
        near, _ = listening.accept()
        try:
            far = socket.create_connection(target)
        except OSError:
            near.close()
            continue
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
