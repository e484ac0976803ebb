"""Small scenarios for the optimiser: a few cells, few steps, every kind of limit."""

from tests.worlds import Scenario, booked, brief

SIX = (
    "calendar.phases.after={start: 2021-03-27}",
    "scenes.harvest.phases=[normal, sale, after]",
    "scenes.new_customer.phases=[normal, sale, after]",
    "budget=20k",
    "scenes.new_customer.budget=10k",
    "scenes.harvest.budget=10k",
    "plans={half_half: {scenes: {new_customer: 50%, harvest: 50%}}}",
)


def six() -> Scenario:
    """Two scenes in three phases: six cells."""
    return brief(*SIX)


def packaged() -> Scenario:
    """The same with a contract package that shares the feed."""
    return booked(*SIX)


def with_a_dead_cell() -> Scenario:
    """A third scene on a slot that has next to nothing to sell."""
    return brief(
        "slots.void={preset: recommend_feed, source: recommend, opportunities: 1}",
        "scenes.ghost={preset: new_customer, slots: [void], budget: 0}",
    )
