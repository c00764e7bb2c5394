"""Injects the failures of a profile into operations on their way to the cloud.

A provider retries some requests itself (`clients.py`). The other failures reach the engine and the program's error
hooks.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from typing import Final

from rehearsal.azure import errors
from rehearsal.azure.arm import last_segment
from rehearsal.cloud import Cloud
from rehearsal.cluster.interface import ApiServer, Part
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Call, Operation
from rehearsal.faults import clients
from rehearsal.faults.catalogue import FAILURES
from rehearsal.faults.profile import Fault, Outage, Profile
from rehearsal.interception import Interceptor

_AUTHORIZATION: Final = frozenset({"Forbidden"})  # the only failure that can be injected into a real cluster


class Faults:
    """Injects the failures of one profile.

    Attributes:
        refused: the number of refusals of each operation, by verb and logical name, or a function's token.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        seed: int = 0,
        tell: Callable[[str], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the injection.

        Args:
            profile: the profile.
            seed: the seed of `probability`; the result does not depend on the operations' order.
            tell: called with a line for each injected failure.
            clock: returns the time in seconds, for `lasts`.
        """
        self.refused: Counter[tuple[str, str]] = Counter()
        self._profile = profile
        self._seed = seed
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._requests: Counter[tuple[int, str, str]] = Counter()
        self._first: dict[int, float] = {}  # the time of each fault's first match
        self._first_met: dict[int, float] = {}  # the time of each outage's first match
        self._matched: set[Fault | Outage] = set()

    @contextmanager
    def in_force(self, cloud: Cloud) -> Generator[None]:
        """Apply the profile to a cloud, in addition to others, until the end of the block. It is not stored there."""
        interceptor = Interceptor(
            before=partial(self._request, cloud),
            failure=self._fail_halfway,
            is_down=self.is_down,
            forbids=self._forbids,
        )
        with cloud.intercepted(interceptor):
            yield

    def unplayed(self) -> list[str]:
        """Return the profile's entries that have not matched an operation, as the profile writes them."""
        return [
            ", ".join(f"{key}: {value}" for key, value in each.model_dump(exclude_unset=True).items())
            for each in (*self._profile.faults, *self._profile.outages)
            if each not in self._matched
        ]

    def _request(self, cloud: Cloud, operation: Operation) -> None:
        """Send the operation's request with the provider's retries, and raise the failure that remains."""
        verb, call, failed = operation.verb, operation.call, 0
        if verb == "delete" and (lock := self._lock_on(operation.resource_id)):
            self._note(verb, call, "ScopeLocked")
            raise errors.SCOPE_LOCKED.refusal(scope=operation.resource_id, lock=lock)
        while fault := self._strike(verb, call, halfway=False):
            failed += 1
            pause = clients.pause(fault.failure, verb, call, failed)
            if pause is None:
                self._refuse(verb, call, fault, failed)
                raise RefusedError(clients.printed(fault.failure, verb, call))
            cloud.pass_time(pause)
        if failed:
            self._tell(f"fault: {verb} {_label(call)}: the provider succeeded with attempt {failed + 1}")

    def _fail_halfway(self, operation: Operation) -> str | None:
        verb, call = operation.verb, operation.call
        fault = self._strike(verb, call, halfway=True)
        if fault is None:
            return None
        self._refuse(verb, call, fault, 1)
        return clients.printed(fault.failure, verb, call, errors.ACCEPTED)

    def _forbids(self, request: Operation) -> bool:
        """Return whether a real cluster refuses a request."""
        verb, call = request.verb, request.call
        fault = self._strike(verb, call, halfway=False, among=_AUTHORIZATION)
        if fault:
            self._refuse(verb, call, fault, 1)
        return fault is not None

    def _refuse(self, verb: str, call: Call, fault: Fault, failed: int) -> None:
        often = f", {failed} times in a row" if failed > 1 else ""
        how = " after Azure had accepted it" if fault.halfway else ""
        self._note(verb, call, f"{fault.fault}{often}{how}")

    def _note(self, verb: str, call: Call, what: str) -> None:
        self.refused[verb, _label(call)] += 1
        self._tell(f"fault: {verb} {_label(call)}: {what}")

    def _lock_on(self, resource_id: str) -> str | None:
        """Return the ID of a resource's group, or of the resource if it is a group, if it is locked."""
        group = "/".join(resource_id.split("/")[:5])
        locked = "/resourcegroups/" in group.lower() and any(
            fnmatchcase(last_segment(group).lower(), pattern.lower()) for pattern in self._profile.locks
        )
        return group if locked else None

    def _strike(
        self, verb: str, call: Call, *, halfway: bool, among: Collection[str] = FAILURES.keys()
    ) -> Fault | None:
        """Return the fault that the next request of an operation meets; None if there is none."""
        with self._lock:
            for index, fault in enumerate(self._profile.faults):
                if fault.fault not in among or fault.halfway != halfway or not fault.concerns(verb, call):
                    continue
                key = (index, verb, _label(call))
                first = self._first.setdefault(index, self._clock())
                # Each request has its own random number, independent of other operations.
                chance = random.Random(f"{self._seed} {key} {self._requests[key]}").random()  # noqa: S311 - a dice
                over = (fault.times is not None and self._requests[key] >= fault.times) or (
                    fault.lasts is not None and self._clock() - first >= fault.lasts
                )
                self._requests[key] += 1
                if not over and chance < fault.probability:
                    self._matched.add(fault)
                    return fault
        return None

    def is_down(self, part: Part, cluster: ApiServer) -> bool:
        """Return whether a part of a cluster is in an outage now."""
        name = last_segment(cluster.id)
        for index, each in enumerate(self._profile.outages):
            if each.outage == part and fnmatchcase(name, each.cluster):
                self._matched.add(each)
                since = self._clock() - self._first_met.setdefault(index, self._clock())
                return each.lasts is None or since < each.lasts
        return False


def _label(call: Call) -> str:
    return call.name or call.token
