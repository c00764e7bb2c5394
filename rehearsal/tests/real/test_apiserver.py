"""Clients of a real API server, with its answers made up."""

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path

import certifi
import httpx
import pytest

from rehearsal.azure.arm import Access
from rehearsal.cluster.kinds import MEMBER
from rehearsal.core.errors import ApiError
from rehearsal.real.apiserver import RealApiServer

Answers = Callable[[httpx.Response], RealApiServer]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """An API server that gives one answer to everything."""

    def start(response: httpx.Response) -> RealApiServer:
        transport = httpx.MockTransport(lambda _request: response)
        monkeypatch.setattr(httpx, "Client", partial(httpx.Client, transport=transport))
        authority = b64encode(Path(certifi.where()).read_bytes()).decode()
        return RealApiServer("/clusters/east", MEMBER, Access("https://east", authority, "token"), "")

    return start


def test_watch_tells_what_has_happened_to_each_object(answering: Answers) -> None:
    text = '{"type": "ADDED", "object": {"kind": "Pod"}}\n{"type": "DELETED", "object": {"kind": "Pod"}}\n'
    events = answering(httpx.Response(200, text=text)).watch("v1", "Pod")
    assert [(event["type"], event["object"]) for event in events] == [
        ("ADDED", {"kind": "Pod"}),
        ("DELETED", {"kind": "Pod"}),
    ]


def test_watch_that_is_refused_says_so(answering: Answers) -> None:
    status = {"kind": "Status", "reason": "Forbidden", "message": "pods is forbidden"}
    with pytest.raises(ApiError, match="pods is forbidden"):
        next(answering(httpx.Response(403, json=status)).watch("v1", "Pod"))
