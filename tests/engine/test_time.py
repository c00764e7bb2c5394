"""What the program's order costs, by the table of durations."""

from tests.engine.stack import Stack
from timing import bounds, durations
from timing.schedule import conflicts, plan, schedule


def test_program_adds_next_to_nothing_to_what_azure_asks_for(stack: Stack) -> None:
    up = schedule(plan([], stack.resources(), durations.load()))
    assert up.makespan <= 1.02 * schedule(bounds.least(2, durations.load())).makespan


def test_no_write_meets_a_busy_network(stack: Stack) -> None:
    assert conflicts(plan([], stack.resources(), durations.load())) == []


def test_destroy_is_as_long_as_the_deletion_of_a_group(stack: Stack) -> None:
    destroy = schedule(plan(stack.resources(), [], durations.load()))
    assert destroy.makespan == bounds.slowest_group(durations.load())
