"""Other ways to split a budget, on the same market: what the search is measured against.

NSGA-II is that of pymoo with its default settings and 100 plans a generation; its plans pass through
`Problem.repair`, so that it never meets a limit. SLSQP is that of SciPy, from one or many starts.
Bookings are given: only money is sought.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

import numpy as np
from scipy.optimize import minimize

from simulator.allocation.aims import Aims, linear
from simulator.allocation.market import Answers, Market
from simulator.allocation.problem import Array, Problem, Split, stack
from simulator.allocation.repair import repair
from simulator.allocation.response import best_split, sweep, wide_levels
from simulator.allocation.slopes import slopes
from tests.bench.watched import counted

POPULATION = 100
STEPS = 100
"""Iterations of SLSQP at most."""


def as_rows(problem: Problem, shares: Array) -> Split:
    """Shares of the budget [row, cell] as plans with every booking that must be made."""
    money = np.atleast_2d(shares) * problem.budget
    return Split(money, np.repeat(problem.must[None], len(money), axis=0))


def dirichlet(problem: Problem, rows: int, seed: int) -> Split:
    """Random splits that keep every limit."""
    rng = np.random.default_rng(seed)
    return repair(problem, as_rows(problem, rng.dirichlet(np.ones(len(problem.cells)), rows)))


def search_at_random(market: Market, problem: Problem, evaluations: int, seed: int) -> None:
    """Play random splits."""
    for turn in range(-(-evaluations // POPULATION)):
        market(dirichlet(problem, POPULATION, seed + turn))


def knapsack_once(
    market: Market, problem: Problem, start: Split, weightings: Array, scale: Array
) -> None:
    """One wide sweep around a start, and the best sum of its curves for each weighting."""
    table = sweep(market, problem, start, [wide_levels(problem)])[0]
    goals = [
        best_split(problem, table, None, w / scale, problem.budget, exact=True) for w in weightings
    ]
    market(repair(problem, stack(goals)))


# --- NSGA-II ------------------------------------------------------------------------------------


def nsga2(market: Market, problem: Problem, evaluations: int, seed: int) -> None:
    """Let pymoo ask for so many plans."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem as Question
    from pymoo.core.repair import Repair
    from pymoo.optimize import minimize as evolve

    cells = len(problem.cells)

    class OnMarket(Question):
        def __init__(self) -> None:
            super().__init__(n_var=cells, n_obj=2, xl=0.0, xu=1.0)

        def _evaluate(self, x: Array, out: dict[str, Array], *_: object, **__: object) -> None:
            rows = as_rows(problem, x)
            out["F"] = -counted(problem, rows, market(rows))

    class Fitted(Repair):
        def _do(self, _: Question, x: Array, **__: object) -> Array:
            return repair(problem, as_rows(problem, x)).money / problem.budget

    evolve(
        OnMarket(), NSGA2(pop_size=POPULATION, repair=Fitted()), ("n_eval", evaluations), seed=seed
    )


# --- SLSQP --------------------------------------------------------------------------------------


def slsqp(market: Market, problem: Problem, start: Split, aim: Aims, *, batched: bool) -> Split:
    """One run from a start [1, cell] to a maximum of an aim.

    `batched` takes slopes as our search does, all cells in one call; else SciPy takes its own.
    """
    room = problem.budget - float(problem.contract_money(start.booked)[0])

    def rows(x: Array) -> Split:
        return Split(x[None] * problem.budget, start.booked)

    def loss(x: Array) -> float:
        asked = rows(x)
        return -float(aim.score(aim.values(problem, asked, market(asked)))[0])

    def slope(x: Array) -> Array:
        found = slopes(market, problem, aim, rows(x))
        return -problem.budget * np.einsum("rco,ro->c", found.middle, aim.pull())

    high = np.minimum(problem.high / problem.budget, 1.0)
    found = minimize(
        loss, start.money[0] / problem.budget, method="SLSQP", jac=slope if batched else None,
        bounds=list(zip(problem.low / problem.budget, high, strict=True)),
        constraints={
            "type": "eq", "fun": lambda x: x.sum() - room / problem.budget, "jac": np.ones_like,
        },
        options={"maxiter": STEPS, "ftol": 1e-7},
    )  # fmt: skip
    return repair(problem, rows(np.clip(found.x, 0.0, None)))


def slsqp_each(
    market: Market, problem: Problem, starts: Split, aims: Aims, *, batched: bool = True
) -> Split:
    """A run from every start to its aim, all of them asking in the same calls."""
    together = Together(market, len(starts))

    def run(n: int) -> Split:
        try:
            return slsqp(together, problem, starts.take([n]), aims.take([n]), batched=batched)
        finally:
            together.leave()

    with ThreadPoolExecutor(len(starts)) as pool:
        return stack(list(pool.map(run, range(len(starts)))))


def weighted(problem: Problem, weightings: Array, scale: Array) -> Aims:
    """Aims at the budget: weightings [row, objective]."""
    return linear(weightings, scale, np.array([problem.budget]))


class Together:
    """One call for many askers, each in a thread of its own: the last one to ask asks for all."""

    def __init__(self, market: Market, askers: int):
        self.market, self.askers = market, askers
        self.waiting: list[tuple[Split, Future[Answers]]] = []
        self.lock = Lock()

    def __call__(self, split: Split) -> Answers:
        mine: Future[Answers] = Future()
        with self.lock:
            self.waiting.append((split, mine))
            self._ask_for_all()
        return mine.result()

    def leave(self) -> None:
        """Ask nothing more."""
        with self.lock:
            self.askers -= 1
            self._ask_for_all()

    def _ask_for_all(self) -> None:
        if not self.waiting or len(self.waiting) < self.askers:
            return
        asked, self.waiting = self.waiting, []
        try:
            found = self.market(stack([split for split, _ in asked]))
        except BaseException as error:
            for _, future in asked:
                future.set_exception(error)
            return
        first = 0
        for split, future in asked:
            future.set_result(found.take(range(first, first + len(split))))
            first += len(split)
