"""The program under the engine."""

import threading

import grpc
import pytest
from pulumi.automation import _server
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from rehearsal.engine.program import failures, served, wait_for_end


def test_error_inside_the_sdk_counts_as_a_failure_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """As two errors at once cause it: `destroy` then goes on without the program."""

    def fail(*_: object) -> None:
        raise RuntimeError("invalid state")

    monkeypatch.setattr(_server.LanguageServer, "Run", fail)
    before = failures()
    with served(lambda: None) as address, grpc.insecure_channel(address) as channel:
        stub = language_pb2_grpc.LanguageRuntimeStub(channel)
        with pytest.raises(grpc.RpcError, match="invalid state"):
            stub.Run(language_pb2.RunRequest(), timeout=10)  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK
    assert failures() == before + 1


def test_run_that_outlasts_its_engine_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, released = threading.Event(), threading.Event()

    def outlast(*_: object) -> language_pb2.RunResponse:
        begun.set()
        released.wait(10)
        return language_pb2.RunResponse()

    monkeypatch.setattr(_server.LanguageServer, "Run", outlast)
    with served(lambda: None) as address, grpc.insecure_channel(address) as channel:
        stub = language_pb2_grpc.LanguageRuntimeStub(channel)
        call = stub.Run.future(language_pb2.RunRequest())  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped in the SDK
        assert begun.wait(10)
        call.cancel()  # pyright: ignore[reportUnknownMemberType] - as above
    assert not wait_for_end(0)
    released.set()
    assert wait_for_end(10)
