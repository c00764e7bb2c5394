"""The model of the cloud: the three providers on one store."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from rehearsal.azure.arm import Deployer
from rehearsal.cluster.interface import ApiServer, Part
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Call, FakeProvider, Operation, Properties
from rehearsal.core.store import Activity, Store
from rehearsal.fleet.in_memory import InMemoryClusters
from rehearsal.interception import Interceptor
from rehearsal.providers.azure_native import Azure
from rehearsal.providers.kubernetes import Kubernetes
from rehearsal.providers.random import Randomness
from rehearsal.real.clusters import RealClusters

# The keys of the store's sections that are empty in an empty cloud.
_KEPT = {"azure": "resources", "kubernetes": "clusters"}
_PAUSE = 5.0  # simulated seconds, the program's shortest pause before a retry


class Cloud:
    """Azure, the Kubernetes clusters in it, and pulumi-random.

    Real clusters have the real Kubernetes provider, whose operations do not pass through this class.

    Attributes:
        asked: the number of requests, including those of previews.
        interceptors: functions of faults, durations and tests that run around operations.
        clusters: the Kubernetes clusters.

    Args:
        path: the file that keeps the cloud between runs; None keeps nothing.
        idle_seconds: in simulated time, a wait ends after this many real seconds without another operation.
        real_clusters: returns real clusters; without it, clusters are in memory.
        clock: returns the time in seconds, to measure the pauses before retries.
    """

    def __init__(
        self,
        path: Path | None = None,
        idle_seconds: float = 3.0,
        real_clusters: Callable[[Store], RealClusters] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = Store(path)
        self._activity = Activity(idle_seconds)
        self._clock = clock
        self._refused: dict[tuple[str, str], float] = {}  # the time of the refusal, by verb and logical name
        self.asked = 0
        self.interceptors: list[Interceptor] = []
        self.clusters: InMemoryClusters | RealClusters = (
            real_clusters(self._store) if real_clusters else InMemoryClusters(self._store, self._activity)
        )
        self.azure = Azure(self._store, self.clusters, failure=self._failure)
        self.clusters.is_down = self._is_down
        self.clusters.admits = self._admits
        self.clusters.enforces = self.azure.enforces
        self._providers: dict[str, FakeProvider] = {"azure-native": self.azure, "random": Randomness()}
        if isinstance(self.clusters, RealClusters):
            self.clusters.guard.allows = self.allows
        else:
            self._providers["kubernetes"] = Kubernetes(
                self.clusters,
                user=Deployer().object_id,
                may_access=self.azure.may_access,
                reaches=self.azure.reaches,
            )

    @property
    def packages(self) -> list[str]:
        """The packages of its providers."""
        return list(self._providers)

    def provider(self, token: str) -> FakeProvider:
        """Return the provider of a token: of a resource's type, a function, or a provider's type."""
        self.asked += 1
        # A package for one version of Azure's API has a suffix: `azure-native_<module>_<version>`.
        package = token.removeprefix("pulumi:providers:").split(":")[0].split("_")[0]
        return self._providers[package]

    @contextmanager
    def intercepted(self, interceptor: Interceptor) -> Generator[None]:
        """Add an interceptor until the end of the block."""
        self.interceptors.append(interceptor)
        try:
            yield
        finally:
            self.interceptors.remove(interceptor)
            self.pass_time(0)  # stopped parts of clusters run again

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Create a resource; return its ID (empty in previews) and its outputs."""
        with self.operation(Operation("create", call, inputs=inputs)) as provider:
            return provider.create(call, inputs)

    def read(
        self, call: Call, resource_id: str, inputs: Properties, outputs: Properties
    ) -> tuple[Properties, Properties] | None:
        """Return a resource's inputs and outputs, or None if it does not exist."""
        with self.operation(Operation("read", call, resource_id)) as provider:
            return provider.read(call, resource_id, inputs, outputs)

    def update(self, call: Call, resource_id: str, outputs: Properties, inputs: Properties) -> Properties:
        """Give a resource new inputs; return its outputs."""
        with self.operation(Operation("update", call, resource_id, inputs)) as provider:
            return provider.update(call, resource_id, outputs, inputs)

    def delete(self, call: Call, resource_id: str, outputs: Properties) -> None:
        """Delete a resource."""
        with self.operation(Operation("delete", call, resource_id)) as provider:
            provider.delete(call, resource_id, outputs)

    def invoke(self, call: Call, args: Properties) -> Properties:
        """Call a function."""
        with self.operation(Operation("invoke", call)) as provider:
            return provider.invoke(call, args)

    def allows(self, cluster_id: str, request: Operation) -> bool:
        """Return whether a cluster allows a request of the deploying identity."""
        forbidden = any(interceptor.forbids(request) for interceptor in self.interceptors)
        return not forbidden and self.azure.may_access(cluster_id)

    @contextmanager
    def operation(self, operation: Operation) -> Generator[FakeProvider]:
        """Count an operation as under way, and yield the provider that answers it."""
        call, asked = operation.call, (operation.verb, operation.call.name)
        interceptors = [] if call.preview else self.interceptors
        with self._activity.operation(), self.azure.under_way(operation):
            if asked in self._refused:
                # During the pause before a retry, the clusters' time passes at least as fast.
                self.pass_time(max(0.0, self._clock() - self._refused.pop(asked) - _PAUSE))
            try:
                for interceptor in interceptors:
                    interceptor.before(operation)
                yield self.provider(call.token)
            except RefusedError:
                # The clusters' work goes on after a refusal, whether or not the operation is retried.
                self.pass_time(_PAUSE)
                self._refused[asked] = self._clock()
                raise
        for interceptor in interceptors:
            interceptor.after(operation)

    def _failure(self, operation: Operation) -> str | None:
        failures = (interceptor.failure(operation) for interceptor in self.interceptors)
        return next(filter(None, failures), None)

    def _is_down(self, part: Part, cluster: ApiServer) -> bool:
        return any(interceptor.is_down(part, cluster) for interceptor in self.interceptors) or (
            # A load balancer needs its cluster's role on the subnet.
            part == Part.LOAD_BALANCERS and not self.azure.may_balance(cluster.id)
        )

    def _admits(self, cluster_id: str, port: int, origin_id: str) -> bool:
        cluster = self.clusters.get(cluster_id)
        shut = not origin_id and cluster is not None and self._is_down(Part.ENTRY_PORTS, cluster)
        return not shut and self.azure.admits(cluster_id, port, origin_id)

    def pass_time(self, seconds: float) -> None:
        """Let simulated time pass, in which the clusters' controllers work."""
        with self._store.transaction():
            self.clusters.pass_time(seconds)

    def is_empty(self) -> bool:
        """Return whether there is no Azure resource and no cluster."""
        with self._store.transaction():
            return not any(self._store.section(name).get(kept) for name, kept in _KEPT.items())
