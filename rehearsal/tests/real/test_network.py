"""The networks of the real Fleet: who reaches whom, and what is left on the machine."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import permutations
from pathlib import Path

import pytest

from rehearsal.real.network import Networks, networks

ROOT = Path(__file__).parents[3]
URL = "http://20.72.1.12"
POD: tuple[str, int] = ("10.1.0.10", 8080)
FAR_POD: tuple[str, int] = ("10.2.0.10", 8080)
GLOBAL, NEAR, FAR = "20.50.0.1", "20.72.1.12", "20.99.1.12"
PROBE_SECONDS = 1
# Until the next probe, its failure, another one, and some time for a busy machine.
LOSS_SECONDS = 6 * PROBE_SECONDS

PARENT = """
from rehearsal.real.network import networks
with networks() as vnets:
    vnets.add("east", ["10.1.0.0/16"])
    vnets.add("west", ["10.2.0.0/16"])
    vnets.connect("east", "west")
    vnets.serve("west", "10.2.0.10", {80: "http"}, {"pod": "west-0"})
    vnets.balance("20.72.1.12", 80, "east", ["10.1.0.4"], [("10.2.0.10", 80)])
    print(*vnets.client(), flush=True)
    input()
"""
CLIENT = """
import socket
with socket.create_connection(("20.72.1.12", 80), timeout=30) as connection:
    connection.sendall(b"GET / HTTP/1.1\\r\\n")
    print("half", flush=True)
    input()
    connection.sendall(b"\\r\\n")
    print(connection.makefile().read())
"""


def _why_not() -> str:
    command = ["unshare", "--user", "--map-root-user", "--net", "true"]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False).stderr  # noqa: S603 - constant


pytestmark = pytest.mark.skipif(bool(_why_not()), reason=f"this kernel forbids network namespaces: {_why_not()}")


@pytest.fixture
def vnets() -> Generator[Networks]:
    """Two VNets with a pod each, not connected, and an address that is balanced over both pods through the first."""
    with networks(PROBE_SECONDS) as vnets:
        for name, prefix, pod in (("east", "10.1.0.0/16", POD), ("west", "10.2.0.0/16", FAR_POD)):
            vnets.add(name, [prefix])
            vnets.serve(name, pod[0], {pod[1]: "http"}, {"pod": f"{name}-0"})
        vnets.balance("20.72.1.12", 80, "east", ["10.1.0.4"], [POD, FAR_POD])
        yield vnets


def answering(vnets: Networks, url: str = URL, requests: int = 4) -> list[str]:
    """Return which pods answer some requests; `reset` where a connection is."""
    pods: list[str] = []
    for _ in range(requests):
        try:
            pods.append(vnets.request(url, 10)["pod"])
        except ConnectionResetError:
            pods.append("reset")
    return pods


def test_one_address_is_answered_by_pods_of_both_networks_once_they_are_connected(vnets: Networks) -> None:
    vnets.connect("east", "west")
    vnets.connect("west", "east")  # the other direction of the same peering

    assert answering(vnets) == ["east-0", "west-0", "east-0", "west-0"]


def test_pods_see_a_node_as_their_caller(vnets: Networks) -> None:
    vnets.connect("east", "west")

    assert [vnets.request(URL, 10)["caller"] for _ in range(2)] == ["10.1.0.4", "10.1.0.4"]


def test_without_a_connection_only_local_pods_answer_and_nobody_waits_for_the_others(vnets: Networks) -> None:
    assert answering(vnets) == ["east-0", "reset", "east-0", "reset"]


def test_a_connection_that_is_cut_is_cut_in_both_directions(vnets: Networks) -> None:
    vnets.balance("20.99.1.12", 80, "west", ["10.2.0.4"], [POD, FAR_POD])
    vnets.connect("east", "west")
    assert answering(vnets, "http://20.99.1.12", 2) == ["east-0", "west-0"]

    vnets.disconnect("west", "east")

    assert answering(vnets, URL, 2) == ["east-0", "reset"]
    assert answering(vnets, "http://20.99.1.12", 2) == ["reset", "west-0"]


def test_a_network_reaches_only_the_ranges_of_the_other_that_it_knows(vnets: Networks) -> None:
    vnets.connect("east", "west")
    vnets.route("east", "west", ["10.2.1.0/24"])
    assert answering(vnets, URL, 2) == ["east-0", "reset"]

    vnets.route("east", "west", ["10.2.0.0/24", "10.2.1.0/24"])

    assert answering(vnets, URL, 2) == ["east-0", "west-0"]


def test_pod_gets_packets_of_those_only_that_its_filter_admits(vnets: Networks) -> None:
    vnets.connect("east", "west")
    pod = ("west", FAR_POD[0], {FAR_POD[1]: "http"}, {"pod": "west-0"})

    vnets.serve(*pod, {FAR_POD[1]: [("10.1.0.4/32", False), ("10.1.0.0/16", True)]})
    assert answering(vnets, requests=2) == ["east-0", "reset"]

    vnets.serve(*pod, {FAR_POD[1]: [("10.1.0.5/32", False), ("10.1.0.0/16", True)]})
    assert answering(vnets, requests=2) == ["east-0", "west-0"]

    vnets.serve(*pod, {FAR_POD[1]: [("10.3.0.0/16", True)]})
    assert answering(vnets, requests=2) == ["east-0", "reset"]

    vnets.serve(*pod)
    assert answering(vnets, requests=2) == ["east-0", "west-0"]


def test_packets_for_a_shut_port_are_dropped_at_each_address_that_leads_there(vnets: Networks) -> None:
    vnets.balance(NEAR, 80, "east", ["10.1.0.4"], [POD], accepted=[GLOBAL], shut=True)
    vnets.lead(GLOBAL, {NEAR: [80]})
    for address in (NEAR, GLOBAL):
        with pytest.raises(TimeoutError):
            vnets.request(f"http://{address}", 1)

    vnets.balance(NEAR, 80, "east", ["10.1.0.4"], [POD], accepted=[GLOBAL])
    assert answering(vnets, f"http://{NEAR}", 1) == answering(vnets, f"http://{GLOBAL}", 1) == ["east-0"]


def test_connections_are_not_transitive(vnets: Networks) -> None:
    vnets.add("north", ["10.3.0.0/16"])
    vnets.connect("east", "north")
    vnets.connect("north", "west")

    assert answering(vnets, URL, 2) == ["east-0", "reset"]


def test_networks_may_have_the_same_addresses_as_long_as_one_does_not_reach_both(vnets: Networks) -> None:
    vnets.add("other", ["10.1.0.0/16"])
    vnets.serve("other", POD[0], {POD[1]: "http"}, {"pod": "other-0"})
    vnets.balance("20.99.1.12", 80, "other", ["10.1.0.4"], [POD])
    vnets.connect("east", "west")

    with pytest.raises(FileExistsError):
        vnets.connect("west", "other")

    assert answering(vnets, "http://20.99.1.12", 1) == ["other-0"]
    assert answering(vnets, URL, 2) == ["east-0", "west-0"]


def test_a_stopped_pod_leaves_its_address(vnets: Networks) -> None:
    vnets.stop("east", POD[0])
    assert answering(vnets, URL, 1) == ["reset"]

    vnets.balance("20.72.1.12", 80, "east", ["10.1.0.4"], [POD])
    vnets.serve("east", POD[0], {POD[1]: "http"}, {"pod": "east-1"})

    assert answering(vnets, URL, 1) == ["east-1"]


def test_a_pod_that_is_stopped_answers_the_request_under_way(vnets: Networks) -> None:
    vnets.balance("20.72.1.12", 80, "east", ["10.1.0.4"], [POD])
    command = [*vnets.client(), sys.executable, "-c", CLIENT]
    with (
        ThreadPoolExecutor() as threads,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client,  # noqa: S603 - ours
    ):
        assert client.stdout
        assert client.stdout.readline() == "half\n"
        assert answering(vnets, URL, 1) == ["east-0"]  # so the connection made before it has reached the pod too
        stopped = threads.submit(vnets.stop, "east", POD[0])
        while answering(vnets, URL, 1) != ["reset"]:
            pass

        answer, _ = client.communicate("\n")
        stopped.result()

    assert '"pod": "east-0"' in answer


def test_replaced_backends_get_the_next_connections(vnets: Networks) -> None:
    vnets.serve("east", "10.1.0.11", {80: "http"}, {"pod": "east-1"})
    assert answering(vnets, URL, 1) == ["east-0"]

    vnets.balance("20.72.1.12", 80, "east", ["10.1.0.4"], [("10.1.0.11", 80)])

    assert answering(vnets, URL, 2) == ["east-1", "east-1"]


def test_an_address_without_backends_refuses_until_it_has_some(vnets: Networks) -> None:
    vnets.balance("20.72.1.12", 80, "east", ["10.1.0.4"], [])
    with pytest.raises(ConnectionRefusedError):
        vnets.request(URL, 10)

    vnets.balance("20.72.1.12", 80, "east", ["10.1.0.4"], [POD])

    assert answering(vnets, URL, 1) == ["east-0"]


def test_an_address_that_is_given_up_is_not_reachable(vnets: Networks) -> None:
    vnets.unbalance("20.72.1.12")

    with pytest.raises(OSError, match="unreachable"):
        vnets.request(URL, 10)


def test_pods_are_not_on_the_internet(vnets: Networks) -> None:
    with pytest.raises(OSError, match="unreachable"):
        vnets.request(f"http://{POD[0]}:{POD[1]}", 10)


def test_a_network_is_removed_with_everything_in_it(vnets: Networks) -> None:
    vnets.balance("20.99.1.12", 80, "west", ["10.2.0.4"], [FAR_POD])
    vnets.connect("east", "west")

    vnets.remove("east")

    with pytest.raises(OSError, match="unreachable"):
        vnets.request(URL, 10)
    assert answering(vnets, "http://20.99.1.12", 1) == ["west-0"]

    vnets.add("east", ["10.1.0.0/16"])
    vnets.serve("east", POD[0], {POD[1]: "http"}, {"pod": "east-1"})
    vnets.connect("east", "west")
    vnets.balance("20.99.1.12", 80, "west", ["10.2.0.4"], [POD])
    assert answering(vnets, "http://20.99.1.12", 1) == ["east-1"]


def test_a_network_that_does_not_exist_has_no_pods(vnets: Networks) -> None:
    with pytest.raises(OSError, match="there is no network nowhere"):
        vnets.serve("nowhere", POD[0], {POD[1]: "http"}, {})


def test_many_networks_are_made_connected_and_used_from_many_threads(vnets: Networks) -> None:
    more = [f"region{number}" for number in range(3, 11)]
    backends = [POD, FAR_POD, *((f"10.{number}.0.10", 8080) for number in range(3, 11))]
    ends = list(permutations(["east", "west", *more], 2))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(vnets.add, more, [[f"10.{number}.0.0/16"] for number in range(3, 11)]))
        list(threads.map(vnets.connect, [one for one, _ in ends], [other for _, other in ends]))
        for name, pod in zip(more, backends[2:], strict=True):
            vnets.serve(name, pod[0], {pod[1]: "http"}, {"pod": name})
        vnets.balance("20.72.1.12", 80, "east", ["10.1.0.4"], backends)
        answers = threads.map(answering, [vnets] * 10, [URL] * 10, [1] * 10)
        pods = sorted(pod for answer in answers for pod in answer)

    assert pods == sorted(["east-0", "west-0", *more])


def test_the_network_of_the_machine_stays_as_it_is() -> None:
    def machine() -> list[object]:
        return [socket.if_nameindex(), Path("/proc/net/route").read_text(), Path("/proc/net/fib_trie").read_text()]

    before = machine()
    with networks() as vnets:
        vnets.add("east", ["10.1.0.0/16"])
        vnets.add("west", ["10.2.0.0/16"])
        vnets.connect("east", "west")
        vnets.serve("east", POD[0], {POD[1]: "http"}, {})
        vnets.balance("20.72.1.12", 80, "east", ["10.1.0.4"], [POD])
        assert machine() == before
    assert machine() == before


def test_nothing_outlives_a_rehearsal_that_is_killed() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(  # noqa: S603 - ours
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        prefix = parent.stdout.readline().split()
        process = os.pidfd_open(int(prefix[prefix.index("--target") + 1]))
        parent.send_signal(signal.SIGKILL)

    ended, _, _ = select.select([process], [], [], 10)
    os.close(process)
    assert ended


def test_an_ordinary_user_has_networks_and_clients_on_their_internet() -> None:
    nobody = None if os.geteuid() else 65534
    no_groups = None if os.geteuid() else list[int]()
    python = _python_for(nobody)
    with subprocess.Popen(  # noqa: S603 - ours
        [python, "-c", PARENT],
        cwd=ROOT,
        user=nobody,
        group=nobody,
        extra_groups=no_groups,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        prefix = parent.stdout.readline().split()
        client = subprocess.run(  # noqa: S603 - ours
            [*prefix, python, "-c", f"from urllib.request import urlopen; print(urlopen({URL!r}).read().decode())"],
            env={"PATH": os.environ["PATH"], "http_proxy": "http://192.0.2.1:3128"},
            user=nobody,
            group=nobody,
            extra_groups=no_groups,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        parent.communicate("\n")

    assert json.loads(client.stdout) == {"pod": "west-0", "caller": "10.1.0.4"}
    assert parent.returncode == 0


def _python_for(user: int | None) -> str:
    for python in (sys.executable, "/usr/bin/python3"):
        with suppress(OSError):
            command = [python, "-c", "import rehearsal.real.network"]
            if not subprocess.run(command, cwd=ROOT, user=user, stderr=subprocess.DEVNULL, check=False).returncode:  # noqa: S603 - ours
                return python
    pytest.skip("there is no Python here that an ordinary user may run, with this checkout")


def test_pod_speaks_what_its_ports_say_and_may_be_told_others(vnets: Networks) -> None:
    pod, answer, address = "10.1.0.20", {"pod": "broker"}, "20.72.9.9"
    vnets.serve("east", pod, {1883: "tcp", 8443: "https"}, answer)
    for port in (1883, 8443):
        vnets.balance(address, port, "east", ["10.1.0.4"], [(pod, port)])
    assert vnets.request(f"https://{address}:8443", 10)["pod"] == "broker"
    vnets.reach(address, 1883, 10)
    for scheme in ("http", "https"):
        with pytest.raises(TimeoutError):
            vnets.request(f"{scheme}://{address}:1883", 1)

    vnets.serve("east", pod, {1883: "http"}, answer)
    assert vnets.request(f"http://{address}:1883", 10)["pod"] == "broker"
    with pytest.raises(ConnectionResetError):
        vnets.request(f"https://{address}:8443", 10)


@pytest.fixture
def led(vnets: Networks) -> Networks:
    """The two VNets, each with an address for its own pod, and a global address that leads to the first one first."""
    vnets.balance(NEAR, 80, "east", ["10.1.0.4", "10.1.0.5"], [POD], accepted=[GLOBAL])
    vnets.balance(FAR, 80, "west", ["10.2.0.4"], [FAR_POD], accepted=[GLOBAL])
    vnets.lead(GLOBAL, {NEAR: [80], FAR: [80]})
    return vnets


def wait_for(vnets: Networks, pod: str) -> None:
    """Wait until a pod answers at the global address."""
    deadline = time.monotonic() + LOSS_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError):
            if vnets.request(f"http://{GLOBAL}", 1)["pod"] == pod:
                return
        time.sleep(0.1)
    pytest.fail(f"{pod} has not answered at the global address within {LOSS_SECONDS} s")


def test_global_address_leads_to_the_nearest_region_and_pods_see_its_nodes(led: Networks) -> None:
    answers = [led.request(f"http://{GLOBAL}", 10) for _ in range(3)]

    assert answers == [{"pod": "east-0", "caller": "10.1.0.4"}] * 3


def test_global_address_leaves_a_region_without_healthy_nodes_and_returns_to_it(led: Networks) -> None:
    led.stop("east", POD[0])

    wait_for(led, "west-0")

    led.serve("east", POD[0], {POD[1]: "http"}, {"pod": "east-1"})
    wait_for(led, "east-1")


def test_global_address_leaves_a_region_that_is_gone_even_if_it_was_gone_from_the_beginning(led: Networks) -> None:
    led.unbalance(NEAR)
    wait_for(led, "west-0")

    led.lead(GLOBAL, {})
    led.lead(GLOBAL, {NEAR: [80], FAR: [80]})
    wait_for(led, "west-0")


@pytest.mark.slow
def test_nodes_drop_what_arrives_for_a_global_address_that_their_service_does_not_have(led: Networks) -> None:
    led.balance(NEAR, 80, "east", ["10.1.0.4", "10.1.0.5"], [POD])

    # The region is healthy, so the global load balancer goes on sending connections there.
    deadline = time.monotonic() + LOSS_SECONDS
    while time.monotonic() < deadline:
        with pytest.raises(TimeoutError):
            led.request(f"http://{GLOBAL}", 1)
    assert answering(led) == ["east-0"] * 4


def test_global_address_has_the_ports_that_are_led_and_no_others(led: Networks) -> None:
    for address, network, node, pod in ((NEAR, "east", "10.1.0.4", POD), (FAR, "west", "10.2.0.4", FAR_POD)):
        led.balance(address, 81, network, [node], [pod], accepted=[GLOBAL])
    with pytest.raises(ConnectionRefusedError):
        led.request(f"http://{GLOBAL}:81", 10)

    led.lead(GLOBAL, {NEAR: [80], FAR: [80, 81]})
    assert led.request(f"http://{GLOBAL}:81", 10)["pod"] == "west-0"

    led.lead(GLOBAL, {NEAR: [81], FAR: [81]})
    assert led.request(f"http://{GLOBAL}:81", 10)["pod"] == "east-0"
    with pytest.raises(ConnectionRefusedError):
        led.request(f"http://{GLOBAL}", 10)

    led.lead(GLOBAL, {NEAR: [], FAR: []})
    with pytest.raises(OSError, match="unreachable"):
        led.request(f"http://{GLOBAL}:81", 10)


def test_region_that_comes_or_goes_behind_a_global_address_disturbs_no_request(led: Networks) -> None:
    led.lead(GLOBAL, {FAR: [80]})
    assert answering(led, f"http://{GLOBAL}", 1) == ["west-0"]

    led.lead(GLOBAL, {NEAR: [80], FAR: [80]})
    assert answering(led, f"http://{GLOBAL}", 1) == ["east-0"]

    led.lead(GLOBAL, {FAR: [80]})
    assert answering(led, f"http://{GLOBAL}", 1) == ["west-0"]


@pytest.mark.slow
@pytest.mark.parametrize(("dead", "leaves"), [(1, False), (2, True)])
def test_healthy_region_is_left_when_its_nodes_meet_dead_endpoints_twice_in_a_row(
    led: Networks, dead: int, *, leaves: bool
) -> None:
    # Endpoints of a lost region that are still listed: probes and clients meet them in turn.
    led.lead(GLOBAL, {NEAR: [80]})
    lost = [(f"10.2.0.1{number}", 80) for number in range(1, dead + 1)]
    led.balance(NEAR, 80, "east", ["10.1.0.4"], [*lost, POD], accepted=[GLOBAL])

    left, deadline = False, time.monotonic() + LOSS_SECONDS
    while time.monotonic() < deadline and not left:
        try:
            led.request(f"http://{GLOBAL}", 1)
        except TimeoutError:
            left = True  # no region is available
        except OSError:
            pass  # one of the dead endpoints
    assert left is leaves
