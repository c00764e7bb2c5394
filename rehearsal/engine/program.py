"""Runs the rehearsed program in this process, each time the engine asks for it."""

import gc
import runpy
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
from pulumi.automation import _server, _stack  # pyright: ignore[reportPrivateUsage] - the SDK has no other way in
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # pyright: ignore[reportPrivateUsage]
from pulumi.runtime.proto import language_pb2, language_pb2_grpc
from typing_extensions import override

from rehearsal.core.environment import having

# Objects between two garbage collections: about six runs of a program with fifty resources. The SDKs' modules have
# 200,000 objects, and with Python's default threshold a third of a run's time would go into garbage collection.
_GARBAGE = 500_000


@dataclass(frozen=True)
class Program:
    """A program, run as `pulumi` runs it: as `__main__`, with its folder first on the module path.

    Attributes:
        root: its folder.
        environment: its environment variables, in addition to ours.
    """

    root: Path
    environment: Mapping[str, str]

    def __call__(self) -> None:
        """Run the program. Registrations that it started continue after the return."""
        if str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))
        runpy.run_path(str(self.root / "__main__.py"), run_name="__main__")


def wait_for_end(seconds: float) -> bool:
    """Wait until no program runs in this process; say whether that is so. A run can outlast an engine that has failed.

    Args:
        seconds: how long to wait.
    """
    with _LanguageServer.ended:
        return _LanguageServer.ended.wait_for(lambda: not _LanguageServer.running, seconds)


def failures() -> int:
    """Return the number of failed program runs in this process."""
    return _LanguageServer.failures


@contextmanager
def served(program: Callable[[], None]) -> Generator[str]:
    """Serve a program to an engine without a language plugin; yield the address for `--client`."""
    server = grpc.server(ThreadPoolExecutor(4), options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(_LanguageServer(program), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=0).wait()


def adapt_sdk() -> None:
    """Patch the SDK (pulumi 3.272.0) to run a program several times in one process, and to report an error once."""
    gc.set_threshold(_GARBAGE)
    setattr(_stack, "LanguageServer", _LanguageServer)  # noqa: B010 - the module does not export it
    # A failed update ends the engine before the program. The program's last log calls then leave a channel that tries
    # to reconnect for ever. gRPC shares connections by address, and the kernel reuses ports. So the calls to a later
    # engine on that port would wait while the old channel pauses between two attempts.
    own_connections = ("grpc.use_local_subchannel_pool", 1)
    if own_connections not in _GRPC_CHANNEL_OPTIONS:
        _GRPC_CHANNEL_OPTIONS.append(own_connections)


@contextmanager
def _running() -> Generator[None]:
    ended = _LanguageServer.ended
    with ended:
        _LanguageServer.running += 1
    try:
        yield
    finally:
        with ended:
            _LanguageServer.running -= 1
            ended.notify_all()


class _LanguageServer(_server.LanguageServer):
    failures = 0
    running = 0
    ended = threading.Condition()

    @override
    def Run(self, request: language_pb2.RunRequest, context: Any) -> language_pb2.RunResponse:
        response = self._run(request, context)
        if response.bail:
            # A program that has failed leaves coroutines behind, which clean up when they are collected. This must not
            # happen in the event loop of another program: CPython 3.11.7 crashed there twice (asyncio/events.py, _run).
            gc.collect()
        return response

    def _run(self, request: language_pb2.RunRequest, context: Any) -> language_pb2.RunResponse:  # noqa: ANN401 - the SDK's
        program = cast("object", self.program)
        environment = program.environment if isinstance(program, Program) else dict[str, str]()
        try:
            with _running(), having(environment):
                response: language_pb2.RunResponse = super().Run(request, context)  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK
        except grpc.RpcError:
            return language_pb2.RunResponse(bail=True)  # the engine has ended before the program
        except Exception:
            # Two errors at once can fail inside the SDK (pulumi 3.272.0, runtime/rpc.py: `set_result` on a future that
            # has a result).
            _LanguageServer.failures += 1
            raise
        # The error has been logged. Without `bail`, the engine would print it again, as unhandled (pulumi v3.274.1,
        # pkg/resource/deploy/program_source.go).
        response.bail = bool(response.error)
        _LanguageServer.failures += response.bail
        return response
