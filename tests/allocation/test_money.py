"""Money is never hidden where it is not spent, and never planned beyond what the market can take."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.allocation.aims import Aims, linear
from simulator.allocation.archive import Archive
from simulator.allocation.effort import SHORT, Effort
from simulator.allocation.fair import fair_points
from simulator.allocation.market import Answers
from simulator.allocation.optimize import optimize
from simulator.allocation.problem import Array, Problem, Split
from simulator.allocation.search import Search
from simulator.allocation.settle import settle
from simulator.outcomes.frontier import Frontier
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.plan import Plan
from tests.allocation.markets import Made, make_problem
from tests.allocation.worlds import six, with_a_dead_cell
from tests.worlds import expected

BUDGET = 100.0
PARKED = 0.005


# --------------------------------------------------------------------------- a cell that sells nothing
def half_dead() -> Made:
    """Two cells that pay badly in the end, and one that takes no money at all."""

    def answer(split: Split) -> tuple[Array, Array]:
        spent = split.money * [1.0, 1.0, 0.0]
        gained = 12 * np.sqrt(np.maximum(spent, 0.0)).sum(axis=1)
        return (gained - spent.sum(axis=1))[:, None], spent

    return Made(answer)


class ByRealisedSpend(Aims):
    """A wrong aim: return on what was spent, so that hiding money looks good."""

    def values(self, problem: Problem, split: Split, answers: Answers) -> Array:
        gross = answers.values + answers.spent.sum(axis=1)[:, None]
        return gross / np.maximum(answers.spent.sum(axis=1), 1.0)[:, None]


def climbed(kind: type[Aims]) -> Array:
    """Where the steps of the search end, by the aim: shares of three cells."""
    search = Search(Archive(half_dead()), make_problem([1, 1, 1], BUDGET), 1, Effort())
    right = linear(np.ones((1, 1)), np.array([BUDGET]), np.array([BUDGET]))
    search.aims = kind(**vars(right))
    search.rows = Split(np.full((1, 3), BUDGET / 3), np.zeros((1, 0), dtype=bool))
    search.climb(20)
    return search.rows.money[0] / BUDGET


def test_a_dead_cell_gets_nothing():
    search = Search(Archive(half_dead()), make_problem([1, 1, 1], BUDGET), 1, Effort())
    search.go(Split(np.full((1, 3), BUDGET / 3), np.zeros((1, 0), dtype=bool)))
    assert search.known.rows.money[0] == pytest.approx([50.0, 50.0, 0.0], abs=0.2)


def test_money_is_lost_and_not_hidden():
    """The gain over the money that was spent would be higher with all of it in the dead cell."""
    problem, market = make_problem([1, 1, 1], BUDGET), half_dead()
    rows = Split(np.array([[50.0, 50, 0], [5, 5, 90]]), np.zeros((2, 0), dtype=bool))
    right = linear(np.ones((2, 1)), np.array([BUDGET]), np.array([BUDGET]))
    assert np.diff(right.values(problem, rows, market(rows))[:, 0]) < 0
    wrong = ByRealisedSpend(**vars(right))
    assert np.diff(wrong.values(problem, rows, market(rows))[:, 0]) > 0


def test_a_return_on_realised_spend_would_park():
    """The same steps by the wrong aim fill the dead cell, by the right one they do not."""
    assert climbed(Aims)[2] < PARKED
    assert climbed(ByRealisedSpend)[2] > 0.3


def test_a_scene_without_supply_gets_nothing():
    frontier = optimize(with_a_dead_cell(), ("roi",), effort=SHORT, replications=2, budgets=())
    money = frontier.best.plan.money
    assert sum(money["ghost"].values()) < 1.0
    assert sum(sum(own.values()) for own in money.values()) > 0


# --------------------------------------------------------------------------- more than the market takes
@pytest.fixture(scope="module")
def flooded() -> Frontier:
    """Fifty times the budget."""
    return optimize(six(), ("roi",), budget=1e6, effort=SHORT, replications=2, budgets=())


def played(plan: Plan) -> Outcomes:
    """As the search plays it."""
    return expected(six(), [plan], vectors=fair_points(six()))


def test_what_no_cell_takes_comes_back_with_the_reason(flooded: Frontier):
    best = flooded.best
    assert best.unspent > 0.3 * flooded.budget
    spent = played(best.plan).metrics(best.plan.name)["spend"]["mean"]
    assert best.unspent == pytest.approx(flooded.budget - spent, rel=1e-6)
    assert any("stay unspent" in words for words in flooded.binding)
    assert any("no more to buy" in words for words in flooded.binding)


def test_no_cell_is_planned_above_the_most_that_it_spends(flooded: Frontier):
    """What is not known may be better than its mean: a cell holds what its best point needs."""
    outcomes = played(flooded.best.plan)
    spent = outcomes.book.spend[:, :, : outcomes.replications].max(axis=2)
    for s, scene in enumerate(outcomes.axes.scenes):
        for f, phase in enumerate(outcomes.axes.phases):
            money = flooded.best.plan.money[scene].get(phase, 0.0)
            assert money - spent[s, f] <= PARKED * money + 1.0, (scene, phase)


def test_the_rest_goes_where_there_is_room_before_it_comes_back():
    """A cell that takes 20 leaves 80 to the other; with room for 50 there, 30 come back."""
    problem = make_problem([1, 1], BUDGET)
    aims = linear(np.ones((1, 1)), np.array([BUDGET]), np.array([BUDGET]))
    rows = Split(np.array([[60.0, 40.0]]), np.zeros((1, 0), dtype=bool))

    def takes(*most: float) -> Made:
        return Made(lambda split: (np.zeros((len(split), 1)), np.minimum(split.money, most)))

    def settled(*most: float) -> list[float]:
        return settle(takes(*most), problem, rows, aims).money[0].tolist()

    assert settled(20.0, np.inf) == pytest.approx([20.0, 80.0])
    assert settled(20.0, 50.0) == pytest.approx([20.0, 50.0])


def test_money_that_may_be_kept_is_no_loss():
    problem, market = make_problem([1, 1, 1], BUDGET), half_dead()
    rows = Split(np.array([[20.0, 20.0, 0.0]]), np.zeros((1, 0), dtype=bool))
    lost = linear(np.ones((1, 1)), np.array([BUDGET]), np.array([BUDGET]))
    kept = replace(lost, keeps=np.ones(1, dtype=bool))
    answers = market(rows)
    apart = kept.values(problem, rows, answers) - lost.values(problem, rows, answers)
    assert apart[0, 0] == pytest.approx(60.0)
