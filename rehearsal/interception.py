"""The place where faults, durations and tests enter the cloud."""

from collections.abc import Callable
from dataclasses import dataclass

from rehearsal.cluster.interface import ApiServer, Part
from rehearsal.core.protocol import Operation


@dataclass(frozen=True, eq=False)
class Interceptor:
    """Functions that the cloud calls while it works; each can be left out.

    Previews and checks are not operations.

    Attributes:
        before: called before an operation; it can wait, and it can refuse the operation with a `RefusedError`.
        after: called after an operation that succeeded.
        failure: returns Azure's error if Azure fails to carry out a creation or update that it has accepted.
        is_down: says whether a part of a cluster does not run.
        forbids: says whether clusters refuse the deploying identity a request, although its roles allow it. Clusters in
            memory ask this for other programs than the engine only.
    """

    before: Callable[[Operation], None] = lambda _operation: None
    after: Callable[[Operation], None] = lambda _operation: None
    failure: Callable[[Operation], str | None] = lambda _operation: None
    is_down: Callable[[Part, ApiServer], bool] = lambda _part, _cluster: False
    forbids: Callable[[Operation], bool] = lambda _operation: False
