"""The program that is rehearsed, run in this process, as often as the engine asks for it."""

import gc
import runpy
import sys
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

# Objects, about six runs of a program with fifty resources. The SDKs' modules are 200,000, and a run makes many that
# refer to each other: with Python's own threshold, a third of the run goes into looking for garbage.
_GARBAGE = 500_000


@dataclass(frozen=True)
class Program:
    """A program, to be run as `pulumi` would: as `__main__`, with its own folder first on the module path.

    Attributes:
        root: its folder.
        environment: what it finds in its environment, besides ours.
    """

    root: Path
    environment: Mapping[str, str]

    def __call__(self) -> None:
        """Register everything; what is registered goes on after that."""
        if str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))
        runpy.run_path(str(self.root / "__main__.py"), run_name="__main__")


def failures() -> int:
    """Return how often a program has failed in this process."""
    return _LanguageServer.failures


@contextmanager
def served(program: Callable[[], None]) -> Generator[str]:
    """Offer a program to an engine that has no language plugin for it; yields the address for `--client`."""
    server = grpc.server(ThreadPoolExecutor(4), options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(_LanguageServer(program), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=0).wait()


def adapt_sdk() -> None:
    """Make the SDK (pulumi 3.272.0) fit to run a program several times in one process, and to report an error once."""
    gc.set_threshold(_GARBAGE)
    setattr(_stack, "LanguageServer", _LanguageServer)  # noqa: B010 - not one of its exports, says the type checker
    # A failed update ends the engine before the program, whose last log calls then leave a channel that tries to
    # reconnect for ever. gRPC shares connections by address, and the kernel gives ports again: to a later engine on
    # that port, nothing would get through while the old channel pauses between two tries.
    own_connections = ("grpc.use_local_subchannel_pool", 1)
    if own_connections not in _GRPC_CHANNEL_OPTIONS:
        _GRPC_CHANNEL_OPTIONS.append(own_connections)


class _LanguageServer(_server.LanguageServer):
    failures = 0

    @override
    def Run(self, request: language_pb2.RunRequest, context: Any) -> language_pb2.RunResponse:
        program = cast("object", self.program)
        environment = program.environment if isinstance(program, Program) else dict[str, str]()
        try:
            with having(environment):
                response: language_pb2.RunResponse = super().Run(request, context)  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK
        except grpc.RpcError:
            return language_pb2.RunResponse(bail=True)  # the engine has ended before the program
        except Exception:
            # Two errors at once may meet in the SDK (pulumi 3.272.0, runtime/rpc.py, `set_result` on a settled future).
            _LanguageServer.failures += 1
            raise
        # The error has been logged. Without `bail`, the engine would say it once more, as unhandled
        # (pulumi v3.274.1, pkg/resource/deploy/program_source.go).
        response.bail = bool(response.error)
        _LanguageServer.failures += response.bail
        return response
