"""What the program's order costs, by the table of durations."""

from rehearsal.timing import bounds, durations
from rehearsal.timing.schedule import conflicts, plan, schedule
from tests.support.stack import Stack


def test_program_adds_next_to_nothing_to_what_azure_asks_for(stack: Stack) -> None:
    up = schedule(plan([], stack.resources(), durations.load()))
    assert up.makespan <= 1.02 * schedule(bounds.least(2, durations.load())).makespan


def test_no_write_meets_a_busy_network(stack: Stack) -> None:
    assert conflicts(plan([], stack.resources(), durations.load())) == []


def test_fleet_and_clusters_are_deleted_at_the_same_time(stack: Stack) -> None:
    destroy = schedule(plan(stack.resources(), [], durations.load()))
    starts = {span.operation.name: span.start for span in destroy.operations}
    assert starts["hub-fleet"] == starts["east-cluster"] == starts["west-cluster"]
