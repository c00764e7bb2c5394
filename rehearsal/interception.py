"""The interface through which faults, durations and tests change the cloud's operations."""

from collections.abc import Callable
from dataclasses import dataclass

from rehearsal.cluster.interface import ApiServer, Part
from rehearsal.core.protocol import Operation


@dataclass(frozen=True, eq=False)
class Interceptor:
    """Functions that the cloud calls during operations; all are optional.

    Previews and checks are not operations.

    Attributes:
        before: called before an operation; may wait, or refuse the operation with a `RefusedError`.
        after: called after an operation that succeeded.
        failure: returns Azure's error if Azure fails to carry out a creation or update that it has accepted.
        is_down: returns whether a part of a cluster does not run.
        forbids: returns whether clusters deny a request of the deploying identity although its roles allow it. Clusters
            in memory call it only for other programs than the engine.
    """

    before: Callable[[Operation], None] = lambda _operation: None
    after: Callable[[Operation], None] = lambda _operation: None
    failure: Callable[[Operation], str | None] = lambda _operation: None
    is_down: Callable[[Part, ApiServer], bool] = lambda _part, _cluster: False
    forbids: Callable[[Operation], bool] = lambda _operation: False
