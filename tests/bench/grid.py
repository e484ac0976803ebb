"""Every plan of a grid against the search: two scenes in three phases, three weightings.

The best plan of the grid is improved by SLSQP first, with slopes of its own, so that the search is not
helped by the gaps of the grid.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from simulator.allocation.aims import Aims
from simulator.allocation.archive import Archive
from simulator.allocation.effort import Effort
from simulator.allocation.market import PROFIT, SimulatedMarket, make_problem, read_plans
from simulator.allocation.problem import Problem, Split
from simulator.allocation.search import NEAR, Search
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario
from tests.allocation.worlds import six
from tests.bench.table import Row

Array = NDArray[np.float64]
BATCH = 1024
GOAL = 1e-3
WANTED = (PROFIT, "new_customers")


def grid(parts: int, cells: int) -> Array:
    """Every way to give so many parts to the cells: [plan, cell], in shares.

    >>> grid(2, 2).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    rods = combinations(range(parts + cells - 1), cells - 1)
    ends = np.array([(-1, *rod, parts + cells - 1) for rod in rods])
    return (np.diff(ends, axis=1) - 1) / parts


class Judge:
    """Gross scores of plans, given as shares of the budget, in one aim after another."""

    def __init__(self, scenario: Scenario):
        self.scenario = scenario
        self.problem: Problem = make_problem(scenario, scenario.budget)
        self.market = SimulatedMarket(scenario, self.problem, WANTED)

    def values(self, shares: Array) -> Array:
        """Contribution and new customers: [plan, objective]. What is not spent is lost."""
        parts = []
        for first in range(0, len(shares), BATCH):
            money = shares[first : first + BATCH] * self.problem.budget
            split = Split(money, np.zeros((len(money), len(self.problem.packages)), dtype=bool))
            answers = self.market(split)
            gross = answers.values - [1.0, 0.0] * self.problem.fixed_costs(split)[:, None]
            gross[:, 0] += answers.spent.sum(axis=1)
            parts.append(gross)
        return np.concatenate(parts)

    def polished(self, share: Array, weight: Array) -> float:
        """The best gross score that SLSQP reaches from a plan."""
        step = 1e-4
        size = abs(float(self.values(share[None])[0] @ weight))

        def score(x: Array) -> tuple[float, Array]:
            rows = np.concatenate([x[None], x + step * np.eye(x.size)])
            found = self.values(rows) @ weight / size
            return -float(found[0]), -(found[1:] - found[0]) / step

        found = minimize(
            score, share, jac=True, method="SLSQP", bounds=[(0, 1)] * share.size,
            constraints=[{"type": "eq", "fun": lambda x: x.sum() - 1, "jac": np.ones_like}],
            options={"ftol": 1e-9, "maxiter": 60},
        )  # fmt: skip
        kept = np.clip(found.x, 0, 1)
        return float(self.values((kept / kept.sum())[None])[0] @ weight)


def searched(judge: Judge) -> tuple[Aims, Array]:
    """The ends and the middle of the search, and their plans as shares: [aim, cell]."""
    problem = judge.problem
    search = Search(Archive(judge.market), problem, 2, Effort(fills=1))
    search.go(read_plans(problem, [Plan.even(judge.scenario)]))
    aims, rows = search.known
    first = range(NEAR)
    return aims.take(first), rows.take(first).money / problem.budget


def gaps(scenario: Scenario, parts: int) -> Array:
    """What the best of the grid, improved, has more than the search's plan: share, by weighting."""
    judge = Judge(scenario)
    aims, shares = searched(judge)
    weights = aims.weights / aims.scale
    own = (judge.values(shares) * weights).sum(axis=1)
    every = grid(parts, len(judge.problem.cells))
    scores = judge.values(every) @ weights.T
    best = [
        max(scores[:, n].max(), judge.polished(every[scores[:, n].argmax()], weights[n]))
        for n in range(len(weights))
    ]
    return np.array(best) / own - 1


def grid_rows(parts: int) -> Iterator[Row]:
    plans = len(grid(parts, 6))
    for name, gap in zip(("return", "new customers", "both"), gaps(six(), parts), strict=True):
        what = f"best of {plans:,} plans over the search: {name}"
        yield Row(what, 100 * float(gap), " %", "<=", 100 * GOAL)
