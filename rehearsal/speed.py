"""Operations that take Azure's time, divided by a chosen factor."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Literal

from rehearsal.cloud import Cloud
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Operation
from rehearsal.interception import Interceptor

Write = Literal["create", "update", "delete"]


class Speed:
    """A number of simulated seconds in each real second."""

    def __init__(self, factor: float, seconds: Callable[[str, Write], float]) -> None:
        """Prepare a speed.

        Args:
            factor: simulated seconds in a real second, above 0.
            seconds: returns an operation's duration, by the type's token and the verb; may raise `RefusedError`.
        """
        self._factor = factor
        self._seconds = seconds

    @contextmanager
    def in_force(self, cloud: Cloud) -> Generator[None]:
        """Delay every write by its duration; at the end of the block, waiting writes are refused."""
        over = threading.Event()

        def wait(operation: Operation) -> None:
            verb, token = operation.verb, operation.call.token
            if verb in ("read", "invoke"):
                return
            if over.wait(self._seconds(token, verb) / self._factor):
                raise RefusedError(f"the rehearsal ended during {verb} of {operation.call.name}")

        with cloud.intercepted(Interceptor(before=wait)):
            try:
                yield
            finally:
                over.set()
