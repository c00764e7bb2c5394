"""Somebody on the internet who goes on asking for a URL while a test changes the stack."""

import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from rehearsal.cluster.objects import namespace_of
from rehearsal.real.network import Networks
from tests.conformance.fleet import Fleet, eventually
from tests.support.stack import Stack

FRONT = "store-front"

_PAUSE = 0.005  # seconds between a client's requests
_PATIENCE = 10  # seconds that a client waits for an answer
# Seconds after which Fleet withdraws what it has exported twice by chance (docs/operations.md).
_RESCAN = 330


@dataclass(frozen=True)
class Answer:
    """Who answered a request.

    Attributes:
        moment: when it was made, as `time.monotonic` has it.
        cluster: the name of the pod's cluster.
        pod: the pod's name.
    """

    moment: float
    cluster: str
    pod: str


class Client:
    """Somebody on the internet who asks for a URL all the time, until closed.

    Attributes:
        answers: what was answered, in order.
        failures: the moments of requests that were not answered, with the reason.
    """

    def __init__(self, networks: Networks, url: str) -> None:
        self.answers: list[Answer] = []
        self.failures: list[tuple[float, str]] = []
        self._networks = networks
        self._url = url
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._closed.set()
        self._thread.join()

    def clusters(self, since: float = 0) -> set[str]:
        """Return which clusters have answered requests that were made after a moment."""
        return {answer.cluster for answer in self.answers if answer.moment > since}

    def pods(self, since: float) -> set[str]:
        """Return which pods have."""
        return {answer.pod for answer in self.answers if answer.moment > since}

    def _ask(self) -> None:
        while not self._closed.wait(_PAUSE):
            moment = time.monotonic()
            try:
                answer = self._networks.request(self._url, _PATIENCE)
            except OSError as error:
                self.failures.append((moment, str(error)))
            else:
                self.answers.append(Answer(moment, answer["cluster"], answer["pod"]))


@contextmanager
def steady_client(stack: Stack, fleet: Fleet, members: set[str]) -> Generator[Client]:
    """Start a client of the stack's URL once all members answer, and follow every change of their pods."""
    wait_for_one_export(fleet, members)
    with closing(Client(fleet.clusters.networks, stack.outputs()["url"].value)) as client:
        eventually(client.clusters, members)
        yield client


def wait_for_one_export(fleet: Fleet, members: set[str]) -> None:
    """Wait until each member exports the endpoints of the front once: a second one does not follow the pods."""
    eventually(lambda: _times_exported(fleet), dict.fromkeys(members, 1), _RESCAN)


def _times_exported(fleet: Fleet) -> dict[str, int]:
    """Return how often each member exports the endpoints of the front."""
    every = fleet["hub"].list("networking.fleet.azure.com/v1alpha1", "EndpointSliceExport")
    fronts = [each for each in every if each["spec"]["ownerServiceReference"]["name"] == FRONT]
    return Counter(namespace_of(each).removeprefix("fleet-member-") for each in fronts)
