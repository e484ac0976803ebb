"""Where money is kept by day a cell leaves a little of any amount, and still has much to buy."""

import numpy as np
import pytest

from simulator.allocation.market import read_plans
from simulator.allocation.optimize import optimize
from tests.allocation.test_promises import SHORT
from tests.bench.grid import Judge, grid
from tests.worlds import brief

DAILY = ("scenes.new_customer.budget_kind=daily", "scenes.harvest.budget_kind=daily")


@pytest.mark.slow
@pytest.mark.parametrize("budget", [20_000, 90_000])
def test_a_cell_that_leaves_a_little_of_each_day_is_not_cut(budget):
    """Nearly the whole budget is planned, and no plan of a grid returns more."""
    half = (f"scenes.{scene}.budget={budget // 2}" for scene in ("new_customer", "harvest"))
    scenario = brief(f"budget={budget}", *half, *DAILY)
    judge = Judge(scenario)
    best = optimize(scenario, ("roi",), effort=SHORT, replications=4, budgets=()).pick()
    share = read_plans(judge.problem, [best]).money / judge.problem.budget
    assert share.sum() > 0.99
    answer, others = judge.values(share)[0, 0], judge.values(grid(10, share.size))[:, 0]
    assert answer > others.max() * (1 - 1e-3)
    assert np.median(others) < answer * (1 - 1e-2)
