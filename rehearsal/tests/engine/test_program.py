"""The program under the engine."""

import grpc
import pytest
from pulumi.automation import _server
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from rehearsal.engine.program import failures, served


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
