"""The model of the cloud: the three providers on one store."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rehearsal.azure.arm import Deployer
from rehearsal.cluster.interface import Part
from rehearsal.core.protocol import Call, FakeProvider, Properties, RefusedError
from rehearsal.core.store import Activity, Store
from rehearsal.fleet.in_memory import InMemoryClusters
from rehearsal.providers.azure_native import Azure
from rehearsal.providers.kubernetes import Kubernetes
from rehearsal.providers.random import Randomness
from rehearsal.real.clusters import RealClusters

_KEPT = {"azure": "resources", "kubernetes": "clusters"}  # what the store's sections hold while anything exists
_PAUSE = 5.0  # simulated seconds, the shortest pause of the program before it tries again


@dataclass(frozen=True)
class Operation:
    """One thing that was asked of the cloud.

    Attributes:
        verb: what.
        call: the circumstances.
        resource_id: empty for what has none yet.
        inputs: those of a creation or an update.
    """

    verb: Literal["create", "read", "update", "delete", "invoke"]
    call: Call
    resource_id: str = ""
    inputs: Properties = field(default_factory=dict[str, Any])


Observer = Callable[[Operation], None]
"""Sees an operation before the cloud does, and may refuse it in the cloud's place (`RefusedError`)."""


class Cloud:
    """Azure, the Kubernetes clusters in it, and pulumi-random.

    Real clusters have the real Kubernetes provider, of whose operations nothing is known here.

    Attributes:
        asked: how often anything was asked of it, in previews too.
        observers: who sees every operation first; previews and checks are not operations.
        forbidden: says which requests clusters refuse, although the deployer's roles allow them; in memory, those of
            others than the engine.
        world: the Kubernetes clusters.

    Args:
        path: the file that keeps the cloud between runs, or None to forget it.
        patience: seconds without any other operation after which a wait is given up, where time is simulated.
        clusters: makes real clusters; without it, they are in memory.
        clock: seconds, for the pauses of whoever was refused.
    """

    def __init__(
        self,
        path: Path | None = None,
        patience: float = 3.0,
        clusters: Callable[[Store], RealClusters] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = Store(path)
        self._activity = Activity(patience)
        self._clock = clock
        self._refused: dict[tuple[str, str], float] = {}  # when, by verb and logical name
        self.asked = 0
        self.observers: list[Observer] = []
        self.forbidden: Callable[[str, Call], bool] = lambda _verb, _call: False
        self.world: InMemoryClusters | RealClusters = (
            clusters(self._store) if clusters else InMemoryClusters(self._store, self._activity)
        )
        self.azure = Azure(self._store, self.world)
        # A load balancer needs its cluster's role on the subnet.
        self.world.stopped = lambda part, cluster: (
            part == Part.LOAD_BALANCERS and not self.azure.may_balance(cluster.id)
        )
        self._providers: dict[str, FakeProvider] = {"azure-native": self.azure, "random": Randomness()}
        if isinstance(self.world, RealClusters):
            self.world.guard.allows = self.allows
        else:
            self._providers["kubernetes"] = Kubernetes(
                self.world, user=Deployer().object_id, may_access=self.azure.may_access
            )

    @property
    def packages(self) -> list[str]:
        """The packages that it answers for."""
        return list(self._providers)

    def provider(self, token: str) -> FakeProvider:
        """Return the provider that a type's or a function's token belongs to, or that a provider's type names."""
        self.asked += 1
        # A package that was made for one version of Azure's API has its name behind that of its base.
        package = token.removeprefix("pulumi:providers:").split(":")[0].split("_")[0]
        return self._providers[package]

    @contextmanager
    def operation(self, operation: Operation) -> Generator[FakeProvider]:
        """Count an operation as under way, and yield the provider that answers it."""
        verb, call = operation.verb, operation.call
        asked = verb, call.name
        with self._activity.operation(), self.azure.under_way(verb, call, operation.resource_id, operation.inputs):
            if asked in self._refused:
                # The clusters' time passes no slower than that of whoever has paused and comes back.
                self.pass_time(max(0.0, self._clock() - self._refused.pop(asked) - _PAUSE))
            try:
                if not call.preview:
                    for observer in self.observers:
                        observer(operation)
                yield self.provider(call.token)
            except RefusedError:
                # Whoever is refused comes back later or never; either way the clusters' work goes on meanwhile.
                self.pass_time(_PAUSE)
                self._refused[asked] = self._clock()
                raise

    def allows(self, cluster_id: str, verb: str, call: Call) -> bool:
        """Say whether a cluster allows the deployer's own identity a request."""
        return not self.forbidden(verb, call) and self.azure.may_access(cluster_id)

    def pass_time(self, seconds: float) -> None:
        """Let some simulated time pass in which the clusters do what they do by themselves."""
        with self._store.transaction():
            self.world.pass_time(seconds)

    def is_empty(self) -> bool:
        """Say whether nothing is left: no Azure resource, no cluster."""
        with self._store.transaction():
            return not any(self._store.section(name).get(kept) for name, kept in _KEPT.items())
