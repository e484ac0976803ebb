"""From a scenario to its frontier: search in expected mode, race under chance, promise on fresh draws."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from simulator.allocation.advice import binding_of, margins_of, moves_between
from simulator.allocation.aims import Aims
from simulator.allocation.market import (
    OBJECTIVES,
    PROFIT,
    Answers,
    SimulatedMarket,
    make_plans,
    make_problem,
    read_plans,
)
from simulator.allocation.problem import Array, Limits, Problem, Split, check_known
from simulator.allocation.race import race
from simulator.allocation.search import TILT, Archive, Effort, Search, nothing_beats, settle
from simulator.engine.simulate import simulate
from simulator.errors import UserError
from simulator.outcomes.frontier import Frontier, Point
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.schema import Scenario

Progress = Callable[[str, float], None]
"""What is being done, and the share of the work that is behind: (words, 0 to 1)."""
BUDGETS = (0.7, 1.3)
BLOCK = 16  # replications of one round of the race
SHORT = Effort(weightings=3, sweeps=1, steps=4, fill=2, fill_steps=2)
"""An effort for quick answers."""


@dataclass
class _Work:
    """What all parts of one optimisation share."""

    scenario: Scenario
    problem: Problem
    wanted: tuple[str, ...]
    """Quantities, the return first."""
    current: Plan
    executor: Executor | None
    progress: Progress | None
    archive: Archive = field(init=False)

    def __post_init__(self) -> None:
        inner = SimulatedMarket(self.scenario, self.problem, self.wanted, executor=self.executor)
        self.archive = Archive(inner)

    def say(self, words: str, share: float) -> None:
        """Tell how far it is."""
        if self.progress:
            self.progress(words, share)


def optimize(
    scenario: Scenario, objectives: Sequence[str] = ("roi", "new_customers"), *, budget: float | None = None,
    limits: Limits | None = None, current: Plan | None = None, replications: int = 100, seed: int = 11,
    budgets: Sequence[float] = BUDGETS, effort: Effort | None = None, executor: Executor | None = None,
    progress: Progress | None = None, label: str | None = None,
) -> Frontier:  # fmt: skip
    """Split the budget: the plans that nothing beats on one or two objectives, and their certainty.

    `current` is the user's own plan (the file's first), beside which every answer is shown;
    `budgets` are further budgets as multiples. Ctrl-C ends the search and returns what was found,
    with `finished` False. Raises UserError if the limits leave no plan.
    """
    names = _checked(objectives)
    own = current or plans_of(scenario)[0]
    problem = make_problem(scenario, budget or scenario.budget, limits)
    check_feasible(problem)
    wanted = tuple(dict.fromkeys([PROFIT, *(OBJECTIVES[name] for name in names)]))
    work = _Work(scenario, problem, wanted, own, executor, progress)
    search, finished = _search(work, effort or Effort(), budgets)
    rows, aims = _finalists(work, search)
    return _answer(work, search, _Final(rows, aims, names, label), replications, seed, finished)


def _checked(objectives: Sequence[str]) -> tuple[str, ...]:
    if not 1 <= len(objectives) <= 2 or len(set(objectives)) < len(objectives):
        raise UserError("one objective, or two that differ, can be sought at a time")
    check_known("objective", objectives, list(OBJECTIVES))
    return tuple(objectives)


def check_feasible(problem: Problem) -> None:
    """Raise UserError, with the amounts, where the limits cannot hold together."""
    must = float(problem.contract_money(problem.must[None])[0])
    booked = problem.booked_money(problem.must[None])[0]
    cells = np.array([problem.low[own].sum() for own in problem.of_scene])
    least = np.maximum(problem.floor, cells + booked)
    total = float(least.sum() - booked.sum() + must)
    if total > problem.budget * (1 + 1e-9):
        parts = [f"{s} {v:,.0f}" for s, v in zip(problem.scenes, least, strict=True) if v > 0]
        raise UserError(
            f"floors, locks and signed bookings need {total:,.0f} CNY, but the budget is "
            f"{problem.budget:,.0f} CNY ({', '.join(parts)}): lower them, or give {total:,.0f} CNY"
        )
    for name, low, high in zip(problem.scenes, least, problem.cap, strict=True):
        if low > high * (1 + 1e-9):
            raise UserError(f"{name} must have {low:,.0f} CNY, but may have only {high:,.0f} CNY")


def _search(work: _Work, effort: Effort, budgets: Sequence[float]) -> tuple[Search, bool]:
    """Search until it ends or is stopped; it must at least have begun."""
    problem = work.problem
    search = Search(work.archive, problem, len(work.wanted), effort, say=work.say)
    starts = read_plans(problem, [work.current, *plans_of(work.scenario), Plan.even(work.scenario)])
    try:
        search.go(starts, [share * problem.budget for share in budgets])
    except KeyboardInterrupt:
        if search.rows is None:
            raise
        return search, False
    return search, True


def _finalists(work: _Work, search: Search) -> tuple[Split, Aims]:
    """Rows that are planned as they spend, and the aims that they serve."""
    aims, rows = search.known
    return settle(work.archive, work.problem, rows, aims), aims


@dataclass(frozen=True)
class _Final:
    """Rows for the last run."""

    rows: Split
    aims: Aims
    names: tuple[str, ...]
    """Objectives as the user calls them."""
    label: str | None


def _answer(
    work: _Work, search: Search, final: _Final, replications: int, seed: int, finished: bool
) -> Frontier:  # fmt: skip
    """Play the finalists, the current plan and an even split on fresh draws, and say what follows."""
    values = final.aims.values(work.problem, final.rows, work.archive(final.rows))
    order, others = _sorted(work, final, values)
    rows = final.rows.take([*order, *others])
    names = [f"best {n + 1}" for n in range(len(order))] + _other_names(work, final, others)
    plans = make_plans(work.scenario, work.problem, rows, names)
    own = _renamed(work.current, names)
    every = [*plans, own, replace(Plan.even(work.scenario), name="even split")]
    work.say("checking on fresh draws", 0.9)
    outcomes = _played(work, every, replications, seed, finished)
    slopes = margins_of(work.archive, work.problem, rows.take(list(range(len(order)))), final.aims.take(order))
    points = [
        Point(
            plan=plan, budget=float(final.aims.budget[n]),
            unspent=float(final.aims.budget[n] - plan.total(work.scenario)),
            expected=dict(zip(work.wanted, values[n].tolist(), strict=True)),
            price_of_new=_price(final.aims, n), margins=slopes[i] if i < len(order) else {},
        )
        for i, (plan, n) in enumerate(zip(plans, [*order, *others], strict=True))
    ]  # fmt: skip
    return Frontier(
        scenario=final.label or work.scenario.name, budget=work.problem.budget, objectives=final.names,
        points=tuple(points[: len(order)]), others=tuple(points[len(order) :]), outcomes=outcomes,
        current_plan=own,
        moves=tuple(moves_between(work.archive, work.problem, read_plans(work.problem, [own]), rows.take([0]))),
        binding=tuple(binding_of(work.problem, rows.take([0]), points[0])),
        calls=work.archive.calls, evaluations=work.archive.evaluations, finished=finished,
    )  # fmt: skip


def _sorted(work: _Work, final: _Final, values: Array) -> tuple[list[int], list[int]]:
    """Rows at the budget that nothing beats, best return first; and the rows at other budgets."""
    aims = final.aims
    here = np.flatnonzero((aims.budget == work.problem.budget) & ~aims.keeps)
    columns = [work.wanted.index(OBJECTIVES[name]) for name in final.names]
    kept = here[nothing_beats(values[np.ix_(here, columns)])][::-1]
    others = np.flatnonzero((aims.budget != work.problem.budget) | aims.keeps)
    return kept.tolist(), others.tolist()


def _other_names(work: _Work, final: _Final, others: Sequence[int]) -> list[str]:
    names, seen = [], dict[int, int]()
    for n in others:
        share = round(100 * final.aims.budget[n] / work.problem.budget)
        seen[share] = seen.get(share, 0) + 1
        names.append("most profit" if final.aims.keeps[n] else f"{share}% best {seen[share]}")
    return names


def _renamed(plan: Plan, taken: Sequence[str]) -> Plan:
    return replace(plan, name=f"own {plan.name}") if plan.name in taken else plan


def _played(
    work: _Work, plans: Sequence[Plan], replications: int, seed: int, finished: bool
) -> Outcomes:  # fmt: skip
    """The promise: all plans under chance, on a seed that the race did not see."""
    if not finished:
        return simulate(work.scenario, plans, mode="expected", daily=False, executor=work.executor)
    return simulate(
        work.scenario, plans, replications=replications, seed=seed, daily=False,
        executor=work.executor, chance_alone=False,
    )  # fmt: skip


def _price(aims: Aims, row: int) -> float | None:
    """Return given up for one more of the second objective, by the weights of the aim."""
    weights = aims.weights[row] / aims.scale
    share = aims.weights[row] / aims.weights[row].sum()
    if len(weights) < 2 or aims.keeps[row] or share.min() <= TILT:
        return None
    return float(weights[1] / weights[0])


def run_race(work_scenario: Scenario, plans: Sequence[Plan], metric: str, seed: int, rounds: int = 8) -> int:
    """The plan that is best under chance in a metric, by paired elimination."""

    def play(chosen: Sequence[int], turn: int) -> Array:
        outcomes = simulate(
            work_scenario, [plans[n] for n in chosen], replications=BLOCK, seed=seed + 1 + turn, daily=False,
            attribution=False, chance_alone=False,
        )  # fmt: skip
        return np.stack([outcomes.values(plans[n].name, metric) for n in chosen])

    return race(play, len(plans), rounds=rounds).best


__all__ = ["Answers", "Effort", "Limits", "optimize", "run_race"]
