"""Operations that take their time."""

import threading

import pytest

from rehearsal.cloud import Cloud
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Call, Operation
from rehearsal.speed import Speed, Write

GROUP = "azure-native:resources:ResourceGroup"


def test_writes_take_the_time_of_their_type_and_verb() -> None:
    asked: list[tuple[str, Write]] = []

    def seconds(token: str, verb: Write) -> float:
        asked.append((token, verb))
        return 0

    cloud = Cloud()
    with Speed(60, seconds).in_force(cloud):
        for verb in ("create", "read", "update", "delete", "invoke"):
            with cloud.operation(Operation(verb, Call(GROUP, "group"))):
                pass
    assert asked == [(GROUP, "create"), (GROUP, "update"), (GROUP, "delete")]
    assert cloud.interceptors == []


def test_what_still_waits_when_the_rehearsal_ends_is_refused() -> None:
    cloud, begun, refused = Cloud(), threading.Event(), list[str]()

    def seconds(*_: str) -> float:
        begun.set()
        return 1e6

    def create() -> None:
        with pytest.raises(RefusedError) as error, cloud.operation(Operation("create", Call(GROUP, "group"))):
            pass
        refused.append(str(error.value))

    thread = threading.Thread(target=create, daemon=True)
    with Speed(1, seconds).in_force(cloud):
        thread.start()
        assert begun.wait(30)
        assert not refused
    thread.join(30)
    assert refused == ["the rehearsal ended during create of group"]
