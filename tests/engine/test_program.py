"""The program may be run several times in one process."""

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # pyright: ignore[reportPrivateUsage]
from pulumi.runtime.proto import provider_pb2_grpc

from rehearsal.cloud import Cloud
from rehearsal.engine.grpc_server import serve
from rehearsal.engine.program import adapt_sdk


def test_an_address_that_was_somebodys_who_has_ended_can_be_called() -> None:
    adapt_sdk()

    def call(channel: grpc.Channel) -> None:
        provider_pb2_grpc.ResourceProviderStub(channel).GetPluginInfo(empty_pb2.Empty())  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK

    with serve(Cloud()) as port:
        earlier = grpc.insecure_channel(f"127.0.0.1:{port}", options=_GRPC_CHANNEL_OPTIONS)
        call(earlier)
    for _ in range(3):  # so that it pauses before it tries again
        with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            call(earlier)
    with serve(Cloud(), port=port):
        call(grpc.insecure_channel(f"127.0.0.1:{port}", options=_GRPC_CHANNEL_OPTIONS))
