"""Programs that want one port and one folder for themselves, several at a time."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rehearsal.real.enclosed import command

_SECONDS = 20
PORT = 9443
# Says what it reads at its server, to whoever connects; in the folder that it has for itself it leaves a file.
PROGRAM = f"""
import os, pathlib, socket
folder = pathlib.Path("/tmp/enclosed-test")
folder.mkdir()
secret = pathlib.Path(os.environ["KUBECONFIG"]).read_text()
with socket.create_server(("", {PORT})) as listening:
    while True:
        caller, _ = listening.accept()
        with caller, socket.create_connection(("127.0.0.1", SERVER)) as server:
            caller.sendall(secret.encode() + server.recv(100))
"""


def _why_not() -> str:
    probe = ["unshare", "--user", "--map-root-user", "--net", "--mount", "true"]
    return subprocess.run(probe, stderr=subprocess.PIPE, text=True, check=False).stderr  # noqa: S603 - constant


pytestmark = pytest.mark.skipif(bool(_why_not()), reason=f"this kernel forbids namespaces: {_why_not()}")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server of this machine, to be answered by hand."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(_SECONDS)
        yield listening


def start(stack: ExitStack, server: socket.socket, address: str, kubeconfig: Path) -> subprocess.Popen[bytes]:
    number = server.getsockname()[1]
    program = [os.path.realpath(sys.executable), "-c", PROGRAM.replace("SERVER", str(number))]
    started = subprocess.Popen(  # noqa: S603 - ours
        [*command(number, address, PORT), *program], env={**os.environ, "KUBECONFIG": str(kubeconfig)}
    )
    stack.callback(started.wait)
    stack.callback(started.kill)
    return started


def ask(address: str, server: socket.socket, says: bytes) -> bytes:
    """Return what the program behind an address says, once it is there, whose server says something."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            caller = socket.create_connection((address, PORT), timeout=_SECONDS)
            server.settimeout(1)
            with caller, server.accept()[0] as asked:
                asked.sendall(says)
                return caller.makefile("rb").read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_two_have_the_same_port_and_the_same_folder_at_once(tmp_path: Path, server: socket.socket) -> None:
    with ExitStack() as stack:
        for address in ("127.77.0.1", "127.77.0.2"):
            (tmp_path / address).write_text(f"{address} reads ")
            start(stack, server, address, tmp_path / address)
        for address in ("127.77.0.1", "127.77.0.2"):
            assert ask(address, server, b"this") == f"{address} reads this".encode()
    assert not Path("/tmp/enclosed-test").exists()  # noqa: S108 - that it is not there is the point


def test_killed_it_takes_its_program_along(tmp_path: Path, server: socket.socket) -> None:
    (tmp_path / "kubeconfig").write_text("")
    with ExitStack() as stack:
        started = start(stack, server, "127.77.0.3", tmp_path / "kubeconfig")
        ask("127.77.0.3", server, b"x")
        tasks = Path(f"/proc/{started.pid}/task").glob("*/children")
        children = [int(each) for file in tasks for each in file.read_text().split()]
        assert children
        started.send_signal(signal.SIGKILL)
        started.wait()
        deadline = time.monotonic() + _SECONDS
        while any(_runs(each) for each in children):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
