"""What every search for a goal shares: the world, its market, and how certain an answer is."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from simulator.allocation.aims import Aims
from simulator.allocation.archive import Archive
from simulator.allocation.ascent import Rows
from simulator.allocation.effort import Effort
from simulator.allocation.fair import fair_points
from simulator.allocation.feasible import check_feasible
from simulator.allocation.market import (
    PROFIT,
    PROFITS,
    TARGETS,
    Answers,
    Market,
    SimulatedMarket,
    known_rows,
    make_plans,
)
from simulator.allocation.problem import Array, Problem, Split
from simulator.allocation.repair import keeps_limits
from simulator.allocation.search import Search
from simulator.allocation.settle import settle
from simulator.engine.points import Points
from simulator.engine.simulate import Mode, simulate
from simulator.errors import UserError
from simulator.outcomes.goal import Goal
from simulator.outcomes.outcomes import Outcomes
from simulator.outcomes.wanted import asked_sure
from simulator.scenario.asked import asked_money
from simulator.scenario.plan import Plan, asked_plan, package_prices
from simulator.scenario.schema import Scenario

GOAL = "goal"
"""Name of the plan that answers."""
CLOSE = 0.001
"""A goal is met when it is missed or passed by no more than this share."""
LARGE = 20
"""Budgets so many times as large as the file's, and as what the market takes, are refused."""
LOOK = 16
"""Plans that are played under chance after Ctrl-C, where chance was asked."""
Progress = Callable[[str, float], None]
"""What is being done, and the share of the work that is behind: (words, 0 to 1)."""


@dataclass(frozen=True)
class Draws:
    """How certainty is measured: searches use draws of their own."""

    replications: int
    seed: int
    sure: float | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "sure", asked_sure(self.sure))


@dataclass
class Quest:
    """What every part of one search for a goal shares."""

    scenario: Scenario
    problem: Problem
    metrics: tuple[str, ...]
    """Quantities of the market, the return first."""
    current: Plan
    search: Search
    executor: Executor | None
    points: Points
    """Values of what is not known, at which every row is judged."""
    archive: Archive = field(init=False)

    def __post_init__(self) -> None:
        self.archive = self.search.market

    def starts(self) -> Split:
        """Plans that are known before any search."""
        return known_rows(self.scenario, self.problem, self.current)

    def play(self, rows: Split, draws: Draws) -> Outcomes:
        """The rows under chance, on draws that no answer will use."""
        plans = make_plans(self.scenario, self.problem, rows)
        return simulate(
            self.scenario, plans, replications=draws.replications, seed=draws.seed + 1, daily=False,
            attribution=False, chance_alone=False, executor=self.executor,
        )  # fmt: skip

    def settled(self, row: Split, aims: Aims) -> Split:
        """A row planned at what it spends; what is freed stays unspent."""
        return settle(self.archive, self.problem, row, replace(aims, keeps=np.ones(1, bool)))

    def answer(
        self, row: Split, draws: Draws, name: str, least: Mapping[str, float], *,
        tried: Sequence[tuple[float, float]], label: str | None, finished: bool = True,
        between: tuple[float, float | None] | None = None,
    ) -> Goal:  # fmt: skip
        """Play the plan and the current one on fresh draws; without chance if it is stopped."""
        plan = make_plans(self.scenario, self.problem, row, [GOAL])[0]
        own = replace(self.current, name="own plan") if self.current.name == GOAL else self.current
        metric = metric_of(name)
        certain = self._played([plan, own], draws, "expected", label)
        outcomes = self._promised([plan, own], draws, label) if finished else None
        expected = certain.metrics(GOAL)
        return Goal(
            scenario=label or self.scenario.name, metric=metric, least=dict(least),
            budget=plan.total(self.scenario), plan=plan, current_plan=own,
            expected={m: expected[m]["mean"] or 0.0 for m in dict.fromkeys([metric, *least])},
            outcomes=outcomes or certain, sure=draws.sure, tried=tuple(sorted(tried)),
            package_prices=package_prices(self.scenario), finished=outcomes is not None, between=between,
        )  # fmt: skip

    def _promised(self, plans: Sequence[Plan], draws: Draws, label: str | None) -> Outcomes | None:
        """The plans under chance; None if that is stopped."""
        try:
            self.search.say("checking on fresh draws", 0.9)
            return self._played(plans, draws, "sampled", label)
        except KeyboardInterrupt:
            return None

    def _played(
        self, plans: Sequence[Plan], draws: Draws, mode: Mode, label: str | None
    ) -> Outcomes:
        return simulate(
            self.scenario, plans, replications=draws.replications, seed=draws.seed, daily=False,
            chance_alone=False, executor=self.executor, mode=mode, label=label, vectors=self.points,
        )  # fmt: skip


def metric_of(name: str) -> str:
    """A return is bounded and wanted as roi itself, everything else as the quantity behind it."""
    return name if name == "roi" else TARGETS[name]


def make_quest(
    scenario: Scenario, problem: Problem, names: Sequence[str], *, current: Plan | str | None, effort: Effort,
    executor: Executor | None, bounds: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Quest:  # fmt: skip
    """A quest for metrics of these names; with bounds its market answers g_k beside the metric."""
    check_feasible(problem)
    metrics = (PROFIT, *(metric_of(n) for n in names if n != "roi"))
    metrics += ("outlay",) if "roi" in names else ()
    points = fair_points(scenario, executor=executor)
    inner = SimulatedMarket(scenario, problem, metrics, executor=executor, vectors=points)
    market = Bounded(inner, problem, metrics, bounds) if bounds else inner
    search = Search(Archive(market), problem, len(metrics), effort)
    search.say = progress or search.say
    own = asked_plan(scenario, current)
    return Quest(scenario, problem, metrics, own, search, executor, points)


def asked_budget(given: float | None, own: float) -> float:
    """The budget that is asked for, or the file's own."""
    budget = own if given is None else asked_money("the budget", given)
    if not budget:
        raise UserError("the budget must be above 0 CNY (got 0)")
    return budget


def taken_at_most(market: Market, problem: Problem) -> float:
    """What the market takes if every cell has all of the budget by itself, packages on top [CNY]."""
    count = len(problem.cells)
    alone = Split(problem.budget * np.eye(count), np.zeros((count, len(problem.packages)), bool))
    spent = float(np.trace(market(alone).spent)) if count else 0.0
    return spent + float(np.maximum(problem.price, 0.0).sum()) + problem.fees


def check_budget(market: Market, problem: Problem, own: float) -> None:
    """Raise UserError where a budget is out of all proportion: shares of it could not be told apart."""
    if problem.budget <= LARGE * own:
        return
    most = taken_at_most(market, problem)
    if problem.budget > LARGE * most:
        raise UserError(
            f"the budget of {problem.budget:,.0f} CNY is out of proportion: the market takes no more "
            f"than about {most:,.0f} CNY"
        )


def kept_so_far(archive: Archive, problem: Problem) -> tuple[Split, Answers]:
    """All rows played until now that keep every limit."""
    if not archive.played:
        raise KeyboardInterrupt
    rows, answers = archive.every()
    keeps = np.flatnonzero(keeps_limits(problem, rows))
    return rows.take(keeps), answers.take(keeps)


def spread(rows: Rows) -> Rows:
    """Of many rows a few, the first and the last and some between."""
    return rows[np.unique(np.linspace(0, rows.size - 1, LOOK).round().astype(int))]


class Bounded:
    """A market whose objectives are the return, the wanted metric and, for each bound, g_k."""

    def __init__(
        self, inner: Market, problem: Problem, quantities: Sequence[str], least: Mapping[str, float]
    ):
        self.inner, self.problem = inner, problem
        self.names, self.least = list(quantities), dict(least)

    def __call__(self, split: Split) -> Answers:
        """Ask the market, and hold its answers against the bounds."""
        found = self.inner(split)
        own = dict(zip(self.names, found.values.T, strict=True))
        fixed = self.problem.fixed_costs(split)
        net = own | {name: own[name] - fixed for name in PROFITS if name in own}
        gaps = [self._gap(name, value, net) for name, value in self.least.items()]
        return Answers(
            np.stack([own[PROFIT], net[self.names[1]], *gaps], axis=1), found.spent, found.most
        )

    def _gap(self, name: str, least: float, own: Mapping[str, Array]) -> Array:
        if name == "roi":
            return np.asarray((own[PROFIT] - least * own["outlay"]) / self.problem.budget)
        return np.asarray((own[name] - least) / max(abs(least), 1e-9))
