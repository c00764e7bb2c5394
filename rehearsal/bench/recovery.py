"""Measures on the real Fleet for how long the loss of a region disturbs clients when nobody runs a command.

    python -m rehearsal.bench.recovery REGIONS

The figures are printed as JSON: a `Loss` for each region. Each stack needs a process of its own, because the program is
imported only once.
"""

import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from rehearsal.bench.measure import LOCATIONS, STACK, configure, prepare
from rehearsal.real.clusters import RealClusters
from rehearsal.real.network import Networks
from rehearsal.stack import rehearsing

GLOBAL: Final = "global"
"""The name of the global address in a `Load`; the others have the names of their regions."""
GOAL: Final = 20
"""Seconds from the loss of a region until the last failing connection through an address that is left."""

_PAUSE: Final = 0.2  # seconds between two requests to an address
_PATIENCE: Final = 5  # seconds that a client waits for an answer
_CLIENTS: Final = 128  # at a time; each that fails waits for its whole patience
_QUIET: Final = 8  # seconds without a failure, after which no more are expected
_MOST: Final = 120  # seconds after which a measurement is given up
_EVEN: Final = 0.8  # the least answers of a region, as a share of the most of another one
_WINDOW: Final = 4  # seconds


@dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Attributes:
        moment: when it was made, as `time.monotonic` has it.
        cluster: the name of the cluster that answered; empty if none did.
        reason: why none did.
    """

    moment: float
    cluster: str
    reason: str = ""


class Load:
    """Clients on the internet, from the beginning of a block to its end.

    A new connection begins every 0.2 seconds at each address, whatever became of the earlier ones.

    Attributes:
        names: the names of the addresses.

    Args:
        networks: the networks.
        addresses: the addresses, by a name for each.
    """

    def __init__(self, networks: Networks, addresses: Mapping[str, str]) -> None:
        self.names = [*addresses]
        self._networks = networks
        self._addresses = addresses
        self._outcomes: dict[str, list[Outcome]] = {name: [] for name in addresses}
        self._closed = threading.Event()
        self._clients = ThreadPoolExecutor(_CLIENTS)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()
        self._clients.shutdown()

    def failures(self, since: float) -> dict[str, list[Outcome]]:
        """Return the failed requests that were made after a moment, by address; addresses without any are left out."""
        failed = {name: [each for each in self._since(name, since) if not each.cluster] for name in self.names}
        return {name: outcomes for name, outcomes in failed.items() if outcomes}

    def last_failures(self, since: float) -> dict[str, float]:
        """Return how many seconds after a moment the last failing request was made, by address; 0 if none failed."""
        failed = self.failures(since)
        return {name: max((each.moment - since for each in failed.get(name, ())), default=0) for name in self.names}

    def clusters(self, name: str, since: float) -> Counter[str]:
        """Return how many requests to an address each cluster has answered."""
        return Counter(each.cluster for each in self._since(name, since) if each.cluster)

    def balances(self, name: str, members: int) -> bool:
        """Say whether the last answers at an address came from a number of regions alike."""
        answers = self.clusters(name, time.monotonic() - _WINDOW).values()
        return len(answers) == members and min(answers) >= _EVEN * max(answers)

    def _since(self, name: str, moment: float) -> list[Outcome]:
        return sorted((each for each in [*self._outcomes[name]] if each.moment > moment), key=lambda each: each.moment)

    def _run(self) -> None:
        while not self._closed.wait(_PAUSE):
            for name, address in self._addresses.items():
                self._clients.submit(self._ask, name, address, time.monotonic())

    def _ask(self, name: str, address: str, moment: float) -> None:
        try:
            outcome = Outcome(moment, self._networks.request(f"http://{address}/", _PATIENCE)["cluster"])
        except OSError as error:
            outcome = Outcome(moment, "", str(error))
        self._outcomes[name].append(outcome)


@dataclass(frozen=True)
class Loss:
    """What a lost region cost.

    Attributes:
        last_failures: seconds until the last failing connection, by address.
        balanced: seconds from the region's return until all entry points that were left balance over all regions.
        failed_on_return: the requests that failed when the region came back.
    """

    last_failures: Mapping[str, float]
    balanced: float
    failed_on_return: Mapping[str, list[Outcome]]


def lose(
    clusters: RealClusters, outputs: Mapping[str, Any], region: str, meanwhile: Callable[[], None] = lambda: None
) -> Loss:
    """Lose a region with its API server, agents, nodes and pods; let it come back; return what clients noticed.

    Args:
        clusters: the clusters.
        outputs: the outputs of the stack, which has a global address.
        region: the region.
        meanwhile: called before the region comes back.
    """
    addresses: dict[str, str] = {GLOBAL: outputs["globalAddress"], **outputs["entryAddresses"]}
    addresses.pop(region, None)
    entries, members = [name for name in addresses if name != GLOBAL], len(outputs["clusterIds"])
    with Load(clusters.networks, addresses) as load:
        _wait(lambda: all(load.balances(name, members) for name in entries))
        lost = time.monotonic()
        clusters.set_reachable(outputs["clusterIds"][region], reachable=False)
        try:
            _wait(lambda: time.monotonic() > lost + GOAL + _QUIET and not load.failures(time.monotonic() - _QUIET))
            last_failures = load.last_failures(lost)
            meanwhile()
        finally:
            clusters.set_reachable(outputs["clusterIds"][region], reachable=True)
        returned = time.monotonic()
        _wait(lambda: all(load.balances(name, members) for name in entries))
        balanced = time.monotonic() - returned
        return Loss(last_failures, balanced, load.failures(returned))


def _lose_each(regions: int) -> Iterator[tuple[str, Loss]]:
    """Deploy a stack whose first two regions have entry points behind a global address; lose each region in turn."""
    with tempfile.TemporaryDirectory(prefix="fleet-l4-lb-bench-") as folder:
        root = Path(folder) / "program"
        prepare(root)
        configure(root, regions, entries=2)
        with rehearsing(STACK, root, real_fleet=True) as rehearsal:
            rehearsal.stack.up()
            outputs = {name: output.value for name, output in rehearsal.stack.outputs().items()}
            for region in LOCATIONS[:regions]:
                yield region, lose(cast("RealClusters", rehearsal.cloud.clusters), outputs, region)


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _MOST
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"gave up after {_MOST} s")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.stdout.write(json.dumps({region: asdict(loss) for region, loss in _lose_each(int(sys.argv[1]))}))
