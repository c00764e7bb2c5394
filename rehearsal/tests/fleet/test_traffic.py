"""Requests from the internet to an address in memory."""

from collections import Counter

from rehearsal.fleet.traffic import Internet
from rehearsal.tests.objects import USER, addresses, entry_point, get, placed_fleet


def test_pods_behind_an_address_take_turns() -> None:
    clusters, _, east, _ = placed_fleet()
    east.create(entry_point(), user=USER)
    clusters.settle()
    (address,) = addresses(get(east, entry_point()))
    internet = Internet(clusters)
    answers = Counter(tuple(internet.request(f"http://{address}").values()) for _ in range(12))
    assert [*answers.values()] == [3] * 4  # two pods in each of two regions
