"""Budgets beside the one that is asked for, and limits that leave next to no choice."""

import numpy as np
import pytest

from simulator.allocation.archive import Archive
from simulator.allocation.effort import SHORT, Effort
from simulator.allocation.fair import fair_points
from simulator.allocation.market import PROFIT
from simulator.allocation.optimize import optimize
from simulator.allocation.problem import Limits, Split
from simulator.allocation.search import Search
from tests.allocation.markets import BUDGET, certain, make_problem
from tests.allocation.worlds import SIX, six
from tests.worlds import brief, expected, minimal


def quick(limits: Limits, **options):
    return optimize(six(), ("roi",), limits=limits, replications=4, effort=SHORT, **options)


@pytest.mark.slow
def test_a_budget_that_locks_exceed_is_left_out():
    budget = six().budget
    scene = next(iter(six().scenes))
    found = quick(Limits(locks={scene: 0.9 * budget}))
    assert {round(p.budget / budget, 2) for p in found.others[:-1]} == {1.3}
    for point in (*found.points, *found.others):
        assert point.plan.total(six()) <= max(point.budget, budget) * (1 + 1e-6)


@pytest.mark.slow
def test_the_plan_of_most_profit_says_what_it_leaves_on_average():
    most = quick(Limits(), budgets=(0.7,)).others[-1]
    name = most.plan.name
    played = expected(six(), [most.plan], vectors=fair_points(six()))
    spent = played.metrics(name)["spend"]["mean"]
    assert most.unspent == pytest.approx(most.budget - spent, rel=1e-6, abs=1.0)
    assert most.budget == pytest.approx(most.plan.total(six()))


@pytest.mark.slow
def test_no_budget_is_spent_where_spending_nothing_is_better():
    """Scenes that cost more to run than they bring: a row that starts from nothing must not be filled."""
    costly = [f"scenes.{name}.fixed_cost=1m" for name in six().scenes]
    world = brief(*SIX, *costly)
    options = {"replications": 4, "effort": SHORT}
    found = optimize(world, ("roi", "new_customers"), budgets=(0.7, 1.3), **options)
    best = {p.budget: p for p in reversed((*found.points, *found.others[:-1]))}
    assert len(best) == 3
    assert [p.plan.total(world) for p in best.values()] == [0.0] * 3


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.95, 0.983, 1.0])
def test_money_that_a_lock_holds_beyond_supply_leaves_an_answer(share: float):
    """Between two units of the knapsack, and where the scene cannot spend it."""
    budget = 50 * six().budget
    scene = next(iter(six().scenes))
    found = quick(Limits(locks={scene: share * budget}), budget=budget, budgets=())
    assert sum(found.best.plan.money[scene].values()) == pytest.approx(share * budget)


def test_most_profit_is_never_less_than_what_a_plan_brings_as_it_stands():
    """Where only the plan itself, far below the budget, brings anything."""
    own = np.array([[2e4, 1e4, 0.0]])

    def spike(split: Split):
        near = np.abs(split.money - own).sum(axis=1) < 1.0
        return certain((5e4 * near - split.money.sum(axis=1))[:, None], split.money)

    none = np.zeros((1, 0), dtype=bool)
    search = Search(Archive(spike), make_problem([1, 1, 1]), 1, Effort())
    search.go(Split(own, none), budgets=(0.7 * BUDGET,))
    free = np.flatnonzero(search.known.aims.keeps)
    assert np.allclose(search.known.rows.money[free], own)


@pytest.mark.slow
@pytest.mark.parametrize("times", [10, 20])
def test_a_budget_out_of_proportion_does_not_hide_what_is_worth_spending(times: int):
    """The plan of most profit is the same one whatever budget it stands beside."""
    profits = []
    for budget in (20_000, times * 20_000):
        found = optimize(brief(), ("roi",), budget=budget, replications=4)
        profits.append(found.others[-1].expected[PROFIT])
    assert profits[1] == pytest.approx(profits[0], rel=0.01) and profits[0] > 5_000


@pytest.mark.slow
def test_no_plan_at_another_budget_beats_the_plan_of_most_profit():
    """Under this lock the plan that was sought by what the search asks had 3,000 CNY less than one beside it."""
    locks = Limits(locks={"harvest": 30_000})
    found = optimize(minimal(), limits=locks, replications=100, effort=SHORT)
    most = found.point("most profit")
    for point in (*found.points, *found.others):
        _, low, high = found.gain(point.plan.name, PROFIT, "most profit")
        assert low <= 0
        assert point.expected[PROFIT] <= most.expected[PROFIT] or high < 0  # chance told better
