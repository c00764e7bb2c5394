"""Three regions, two entry points, a global address: each region is lost in turn, with all that is in it.

Nobody runs a command. `make bench` shows the figures.
"""

from collections.abc import Iterator

import pytest

from rehearsal.bench.recovery import GOAL
from tests.conformance.entries import Entries, deployed_entries, entries_of, lose
from tests.support.program import NORTH, stack_config


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entries]:
    """East and west have entry points, north has none."""
    app = {"entryRegions": ["east", "west"], "globalAddress": {"homeRegion": "eastus2"}}
    regions = [*stack_config("dev")["regions"], NORTH]
    with deployed_entries(tmp_path_factory.mktemp("lost"), regions=regions, app=app) as stack:
        yield entries_of(stack)


@pytest.mark.parametrize("region", ["east", "west", "north"])
def test_lost_region_is_left_alone_by_itself_and_comes_back_by_itself(entries: Entries, region: str) -> None:
    loss = lose(entries, region)

    assert max(loss.last_failures.values()) <= GOAL, loss
    assert loss.failed_on_return == {}
