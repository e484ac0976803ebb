"""Which plan of an answer is called that of most profit."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.outcomes.most_profit import (
    MOST,
    PROFIT,
    most_profit,
    ties_with_most,
    with_most_named,
)
from simulator.outcomes.portfolio import SHARED, Portfolio
from simulator.reports import advice, sentences
from tests.outcomes.synthetic import make_frontier
from tests.worlds import minimal


def with_profits(luck=0.0, **profits):
    """A frontier whose plans bring so much [CNY], give or take chance of their own."""
    made = make_frontier(minimal())
    gmv = made.outcomes.book.totals["gmv"].reshape(7, 20)
    spend = made.outcomes.book.scenes["spend"][0].reshape(7, 20)
    own = np.random.default_rng(7).normal(0, 1, (7, 20))
    own -= own.mean(axis=1, keepdims=True)
    for n, name in enumerate((*made.outcomes.plans, "none")):
        key = name.replace(" ", "_").replace("%", "").replace("70", "less")
        gmv[n] = spend[n] + profits.get(key, 0.0) + luck * own[n] * (name != "none")
    return made


def test_the_plan_that_was_sought_keeps_its_name_in_a_tie():
    found = with_profits(900.0, best_1=9_900, most_profit=10_000, less_best_1=10_100)
    mean, low, high = found.gain("70% best 1", PROFIT, MOST)
    assert low < 0 < high and mean == pytest.approx(100)
    assert most_profit(found) == MOST and ties_with_most(found) == ["70% best 1"]
    assert with_most_named(found) is found
    table = advice.frontier_table(found, minimal())
    assert "most profit: by chance alone less incremental profit than 70% best 1" in table


def test_a_plan_that_surely_brings_more_takes_the_name_and_the_other_one_that_of_its_budget():
    found = with_profits(100.0, best_1=9_000, most_profit=10_000, less_best_1=12_000)
    assert most_profit(found) == "70% best 1" and ties_with_most(found) == []
    named = with_most_named(found)
    assert [p.plan.name for p in named.others] == ["100% best 1", MOST]
    assert named.figure(MOST, PROFIT) == pytest.approx(12_000)
    assert named.figure("100% best 1", PROFIT) == pytest.approx(10_000)
    assert named.point(MOST).plan.money == found.point("70% best 1").plan.money
    assert named.table()["profit_incremental_mean"].idxmax() == MOST == most_profit(named)


def test_where_a_plan_for_the_budget_surely_brings_more_no_other_one_has_the_name():
    found = with_most_named(with_profits(100.0, best_1=12_000, most_profit=10_000))
    assert [p.plan.name for p in found.others] == ["70% best 1", "100% best 1"]
    assert most_profit(found) == "best 1"
    assert sentences._of_most_profit(found) is found.best.plan


def test_the_plan_that_was_wished_keeps_its_own_name():
    found = replace(with_profits(0.0, less_best_1=12_000, most_profit=10_000), wished="70% best 1")
    assert [p.plan.name for p in with_most_named(found).others] == ["70% best 1", "100% best 1"]


@pytest.mark.parametrize(("most", "stays"), [(10_000, True), (9_000, False)])
def test_a_shared_split_that_surely_brings_more_leaves_no_split_of_most_profit(most, stays):
    made = with_profits(100.0, best_1=9_500, most_profit=most)
    axes = made.outcomes.axes
    plans = (SHARED, *axes.plans[1:])
    found = Portfolio(
        budget=6e4, objective=PROFIT, plans={"shop": made.best.plan}, margins={}, unspent=0.0,
        money={SHARED: {"shop": 6e4}, MOST: {"shop": 7.2e4}},
        outcomes={"shop": replace(made.outcomes, axes=replace(axes, plans=plans))},
    )  # fmt: skip
    assert (MOST in found.without_beaten_most().rivals) == stays
    short = replace(found, budget=6.3e4, unspent=9.0)
    assert short.as_json()["unspent"] == pytest.approx(3_000)  # on the fresh draws
