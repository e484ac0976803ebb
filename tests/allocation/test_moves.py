"""Steps from one plan to another: where money comes from, and what each step brings."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.allocation.advice import MOVES, UNPLANNED, moves_between
from simulator.allocation.market import Answers
from simulator.allocation.problem import Problem, Split
from tests.allocation.markets import BUDGET, certain, hill, make_problem

MARKET = hill(1.5, 3, channels=4)
PROBLEM = make_problem([2, 2])


def plan(*money: float, booked: bool | None = None) -> Split:
    packages = [] if booked is None else [booked]
    return Split(np.array([money]), np.array([packages], dtype=bool))


def steps(start: Split, goal: Split, problem: Problem = PROBLEM) -> list[tuple[float, str, str]]:
    moves = moves_between(MARKET, problem, start, goal)
    return [(round(m.amount), m.source, m.target) for m in moves]


@pytest.mark.parametrize(
    ("start", "goal", "expected"),
    [
        ((5e5, 3e5, 2e5, 0), (1e5, 3e5, 2e5, 4e5), [(400_000, "s0.p0", "s1.p1")]),
        ((5e5, 3e5, 2e5, 0), (2e5, 2e5, 2e5, 4e5),
         [(300_000, "s0.p0", "s1.p1"), (100_000, "s0.p1", "s1.p1")]),
        ((1e5, 1e5, 1e5, 1e5), (1e5, 1e5, 1e5, 7e5), [(600_000, UNPLANNED, "s1.p1")]),
        ((7e5, 1e5, 1e5, 1e5), (2e5, 1e5, 1e5, 1e5), [(500_000, "s0.p0", UNPLANNED)]),
        ((5e5, 3e5, 2e5, 0), (4.99e5, 3e5, 2e5, 1e3), [(1_000, "the rest", "the rest")]),
        ((5e5, 3e5, 1e5, 0), (5.01e5, 3.01e5, 1e5, 0), [(2_000, "the rest", "the rest")]),
        ((5e5, 3e5, 1e5, 0), (5e5, 3e5, 1e5, 0), []),
    ],
)  # fmt: skip
def test_money_goes_where_it_is_missing_the_largest_step_first(start, goal, expected):
    assert steps(plan(*start), plan(*goal)) == expected


def test_the_effects_add_up_to_the_whole_difference():
    start, goal = plan(4e5, 3e5, 2e5, 0), plan(1e5, 1.5e5, 4e5, 3.5e5)
    moves = moves_between(MARKET, PROBLEM, start, goal)
    whole = (MARKET(goal).values - MARKET(start).values)[0, 0]
    assert len(moves) > 2
    assert sum(m.profit for m in moves) == pytest.approx(whole)


def test_the_first_effect_is_that_of_the_first_step_alone():
    start, goal = plan(4e5, 3e5, 3e5, 0), plan(1e5, 2e5, 3e5, 4e5)
    first = moves_between(MARKET, PROBLEM, start, goal)[0]
    after = MARKET(plan(1e5, 3e5, 3e5, 3e5)).values[0, 0]
    assert first.profit == pytest.approx(after - MARKET(start).values[0, 0])


def test_many_small_steps_are_one():
    problem = make_problem([1] * 16)
    start = plan(*([BUDGET / 16] * 16))
    goal = plan(*(BUDGET / 16 + 1e3 * np.arange(-7.5, 8)))
    found = moves_between(hill(1, 1, channels=16), problem, start, goal)
    assert len(found) == MOVES + 1 and found[-1].source == "the rest"
    assert sum(m.amount for m in found) == pytest.approx(np.abs(goal.money - start.money).sum() / 2)


BOOKINGS = replace(
    PROBLEM, packages=("splash", "venue"), price=np.array([2e5, 3e5]), payer=np.zeros(2, dtype=np.intp)
)  # fmt: skip


def bookings(split: Split) -> Answers:
    """Every cell brings so much a yuan, and the packages 500,000 and 700,000."""
    values = split.money @ np.arange(1.0, 5.0) + split.booked @ np.array([5e5, 7e5])
    return certain(values[:, None], split.money)


def with_packages(*money: float, splash: bool = False, venue: bool = False) -> Split:
    return Split(np.array([money]), np.array([[splash, venue]]))


def test_packages_come_first_with_the_money_that_pays_for_them():
    """The cut of the cells is not told a second time, as a step of its own."""
    start, goal = with_packages(5e5, 5e5, 0, 0), with_packages(3e5, 5e5, 0, 0, splash=True)
    (booked,) = moves_between(bookings, BOOKINGS, start, goal)
    assert (booked.amount, booked.source, booked.target) == (2e5, "auctions", "splash")
    assert booked.profit == pytest.approx(5e5 - 2e5)


@pytest.mark.parametrize("cells", [(0.0, 0.0), (1e5, -1e5)])
def test_packages_of_one_price_swap_for_no_money(cells):
    """Sums of prices differ by rounding; nobody pays for that."""
    prices = np.array([0.1 + 0.2, 0.3]) * 1e6
    problem = replace(BOOKINGS, price=prices)
    start = with_packages(5e5, 5e5, 0, 0, splash=True)
    goal = with_packages(5e5 + cells[0], 5e5 + cells[1], 0, 0, venue=True)
    booked, *_ = moves_between(bookings, problem, start, goal)
    assert (booked.source, booked.target) == ("splash", "venue")
    assert booked.profit == pytest.approx(2e5, abs=1)


def test_a_package_that_is_dropped_comes_with_what_its_money_buys():
    start, goal = with_packages(5e5, 3e5, 0, 0, splash=True), with_packages(4e5, 3e5, 0, 3e5)
    dropped, moved = moves_between(bookings, BOOKINGS, start, goal)
    assert (dropped.amount, dropped.source, dropped.target) == (2e5, "splash", "auctions")
    assert dropped.profit == pytest.approx(-5e5 + 4 * 2e5)
    assert (moved.amount, moved.source, moved.target) == (pytest.approx(1e5), "s0.p0", "s1.p1")


@pytest.mark.parametrize(
    ("start", "goal", "expected"),
    [
        (with_packages(4e5, 4e5, 0, 0, splash=True), with_packages(3e5, 4e5, 0, 0, venue=True),
         [(300_000, "splash, auctions", "venue")]),
        (with_packages(3e5, 4e5, 0, 0, venue=True), with_packages(4e5, 4e5, 0, 0, splash=True),
         [(300_000, "venue", "splash, auctions")]),
        (with_packages(5e5, 0, 0, 0), with_packages(5e5, 0, 0, 0, splash=True),
         [(200_000, UNPLANNED, "splash")]),
        (with_packages(5e5, 0, 0, 0), with_packages(4e5, 0, 0, 0, splash=True),
         [(200_000, f"auctions, {UNPLANNED}", "splash")]),
        (with_packages(5e5, 0, 0, 0, splash=True), with_packages(5e5, 0, 0, 0),
         [(200_000, "splash", UNPLANNED)]),
    ],
)  # fmt: skip
def test_a_package_says_where_its_money_comes_from_and_goes(start, goal, expected):
    moves = moves_between(bookings, BOOKINGS, start, goal)
    assert [(round(m.amount), m.source, m.target) for m in moves] == expected
    whole = (bookings(goal).values - bookings(start).values)[0, 0]
    assert sum(m.profit for m in moves) == pytest.approx(whole)
