"""The few values that the optimiser judges by are those at which known plans have their level."""

from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from simulator.allocation.fair import KNOWN, KNOWN_PLANS, ORDERS, fair_points
from simulator.engine.points import Points, make_points, side_by_side
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.uncertain import draw_all, uncertain_paths
from tests.allocation.worlds import six
from tests.worlds import expected

COUNT = 16


def known() -> list[Plan]:
    return [*plans_of(six())[:KNOWN_PLANS], Plan.even(six())]


def means(points: Points) -> list[float]:
    """Every metric of every known plan and of no spending, from a run of its own."""
    outcomes = expected(six(), known(), vectors=points)
    names = [*(p.name for p in known()), "none"]
    rows = [(name, m) for m in KNOWN for name in names if (name, m) != ("none", KNOWN[0])]
    return [float(outcomes.values(name, m).mean()) for name, m in rows]


@pytest.fixture(scope="module")
def table() -> list[list[float]]:
    return [means(make_points(six(), COUNT, order)) for order in range(ORDERS)]


def same(a: Points, b: Points) -> bool:
    return np.array_equal(a.shocks, b.shocks) and all(
        np.array_equal(a.numbers[path], b.numbers[path]) for path in a.numbers
    )


def test_no_order_is_nearer_to_all_of_them(table):
    """One number after another, without arrays."""
    far = [0.0] * ORDERS
    for column in zip(*table, strict=True):
        middle = sum(column) / ORDERS
        spread = sum((x - middle) ** 2 for x in column) / ORDERS
        far = [f + (x - middle) ** 2 / spread for f, x in zip(far, column, strict=True)]
    best = far.index(min(far))
    assert far[best] < 0.2 * sum(far) / ORDERS
    assert same(fair_points(six(), COUNT), make_points(six(), COUNT, best))


def test_the_level_is_that_of_many_values(table):
    """512 values of an order that was not to be chosen."""
    many = np.array(means(make_points(six(), 512, ORDERS)))
    off = np.abs(np.array(table) / many - 1).mean(axis=1)
    fair = np.abs(np.array(means(fair_points(six(), COUNT))) / many - 1).mean()
    assert fair < 0.5 * np.median(off)


def test_an_executor_changes_nothing():
    with ProcessPoolExecutor(2) as executor:
        assert same(fair_points(six(), COUNT, executor), fair_points(six(), COUNT))


def test_sets_side_by_side_are_what_each_is_alone():
    sets = [make_points(six(), COUNT, order) for order in (0, 3)]
    assert not same(*sets)
    both = expected(six(), known(), vectors=side_by_side(sets))
    for n, points in enumerate(sets):
        alone = expected(six(), known(), vectors=points)
        for plan in known():
            part = both.values(plan.name, "gmv")[n * COUNT : (n + 1) * COUNT]
            assert np.array_equal(part, alone.values(plan.name, "gmv"))


def test_where_nothing_is_unknown_there_is_nothing_to_choose():
    certain = draw_all(six(), lambda _, number: float(number))
    assert not uncertain_paths(certain)
    assert same(fair_points(certain, COUNT), make_points(certain, 0))
