"""Budgets beside the one that is asked for, and limits that leave next to no choice."""

import pytest

from simulator.allocation.optimize import SHORT, optimize
from simulator.allocation.problem import Limits
from tests.allocation.worlds import six


def quick(limits: Limits, **options):
    return optimize(six(), ("roi",), limits=limits, replications=4, effort=SHORT, **options)


def test_a_budget_that_locks_exceed_is_left_out():
    budget = six().budget
    scene = next(iter(six().scenes))
    found = quick(Limits(locks={scene: 0.9 * budget}))
    assert {round(p.budget / budget, 2) for p in found.others[:-1]} == {1.3}
    for point in (*found.points, *found.others):
        assert point.plan.total(six()) <= max(point.budget, budget) * (1 + 1e-6)


@pytest.mark.parametrize("share", [0.95, 0.983, 1.0])
def test_money_that_a_lock_holds_beyond_supply_leaves_an_answer(share: float):
    """Between two units of the knapsack, and where the scene cannot spend it."""
    budget = 50 * six().budget
    scene = next(iter(six().scenes))
    found = quick(Limits(locks={scene: share * budget}), budget=budget, budgets=())
    assert sum(found.best.plan.money[scene].values()) == pytest.approx(share * budget)
