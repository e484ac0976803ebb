"""From a scenario to its frontier: search in expected mode, race under chance, promise on fresh draws."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from simulator.allocation.advice import binding_of, margins_of, moves_between, next_money
from simulator.allocation.aims import join
from simulator.allocation.archive import Archive
from simulator.allocation.effort import Effort, asked_effort
from simulator.allocation.fair import ROUGH, VECTORS, fair_points
from simulator.allocation.feasible import check_feasible
from simulator.allocation.finalists import (
    Final,
    budget_of,
    in_order,
    names_of,
    price_of_new,
    shares,
    unspent,
)
from simulator.allocation.market import (
    OBJECTIVES,
    PROFIT,
    SimulatedMarket,
    even_split,
    known_rows,
    make_plans,
    make_problem,
    read_plans,
)
from simulator.allocation.problem import Array, Limits, Problem, Split, check_known, stack
from simulator.allocation.quest import Draws, Progress, asked_budget, check_budget
from simulator.allocation.race import race
from simulator.allocation.repair import ROUNDING, keeps_limits, repair
from simulator.allocation.search import TILT, Search
from simulator.allocation.wish import Wish, asked_wish, wished
from simulator.engine.points import Points
from simulator.engine.simulate import Mode, check_run, simulate
from simulator.errors import UserError
from simulator.outcomes.compare import ratio_of_means
from simulator.outcomes.frontier import Frontier, Past, Point
from simulator.outcomes.goal import StoppedShort
from simulator.outcomes.margin import Margin, step_of, told_targets
from simulator.outcomes.most_profit import with_most_named
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.asked import asked, asked_number
from simulator.scenario.plan import Plan, asked_plan, package_prices
from simulator.scenario.schema import Scenario

BUDGETS = (0.7, 1.3)
BLOCK, ROUNDS = 16, 4
"""Replications of a round of the race, and rounds."""
EVEN, WISHED = "even split", "as wished"
SEEKING, WISH_FROM = "seeking what is wished", 0.5
"""What is said while a wish is sought, and the share of the work that is behind when it begins."""


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
    past: Past | None
    wish: Wish
    points: Points = field(init=False)
    """Values of what is not known, at which every answer is judged."""
    archive: Archive = field(init=False)
    rough: Archive = field(init=False)
    """What the search asks; every answer is judged by `archive`."""

    def __post_init__(self) -> None:
        self.points, rough = (
            fair_points(self.scenario, n, self.executor) for n in (VECTORS, ROUGH)
        )
        self.archive, self.rough = self._market(self.points), self._market(rough)

    @property
    def idle(self) -> float:
        """Money of the past that stays where it is, on top of the budget [CNY]."""
        return self.past.idle if self.past else 0.0

    def _market(self, points: Points) -> Archive:
        return Archive(SimulatedMarket(
            self.scenario, self.problem, self.wanted, executor=self.executor, vectors=points
        ))  # fmt: skip

    def before_wish(self, words: str, share: float) -> None:
        """Tell how far the search is; a wish takes nearly as long again."""
        self.say(words, share * (WISH_FROM / 0.85 if self.wish.sought else 1.0))

    def say(self, words: str, share: float) -> None:
        """Tell how far it is."""
        if self.progress:
            self.progress(words, share)


def optimize(
    scenario: Scenario, objectives: Sequence[str] = ("roi", "new_customers"), *, budget: float | None = None,
    limits: Limits | None = None, current: Plan | str | None = None, replications: int = 100, seed: int = 11,
    budgets: Sequence[float] = BUDGETS, effort: Effort | None = None, executor: Executor | None = None,
    progress: Progress | None = None, label: str | None = None, past: Past | None = None,
    min_roi: float | None = None, at_least: Mapping[str, float] | None = None, sure: float | None = None,
) -> Frontier:  # fmt: skip
    """Split the budget: the plans that nothing beats on one or two objectives, and their certainty.

    With `min_roi` or `at_least` a plan is sought as well that reaches these figures (min_roi with `sure` in
    this share of replications) with the most of the second, or the first, objective: `Frontier.wished`, of
    which `Frontier.pick` with the same figures knows. It may keep money.
    `current` is the user's own plan or its name (the file's first), beside which every answer is shown;
    `budgets` are further budgets as multiples. Ctrl-C ends the search and returns what was found,
    with `finished` False. `past` is what is over in every plan: its cells are locked, and what is idle
    there is on top of the budget. Raises UserError if the limits leave no plan.
    """
    check_run(scenario, "sampled", replications, seed, progress=progress)
    effort = asked_effort(effort)
    if past is not None:
        asked(Past, past, "past is that of a frontier of sim.replan")
    names, further = _checked(objectives), _multiples(budgets)
    wish = asked_wish(min_roi, at_least, sure)
    own = asked_plan(scenario, current)
    whole = asked_budget(budget, scenario.budget) + (past.idle if past else 0.0)
    problem = make_problem(scenario, whole, limits, own)
    check_feasible(problem)
    wanted = tuple(dict.fromkeys([PROFIT, *(OBJECTIVES[name] for name in names)]))
    work = _Work(scenario, problem, wanted, own, executor, progress, past, wish)
    check_budget(work.archive.market, problem, scenario.budget)
    sought = wanted.index(OBJECTIVES[names[0]])
    found = _finalists(work, *_search(work, effort, further, sought))
    chance = _Chance(replications, seed, label)
    return _answer(work, _with_wish(work, found, names, chance, effort), names, chance)


def _checked(objectives: Sequence[str]) -> tuple[str, ...]:
    names = list(objectives) if isinstance(objectives, list | tuple) else []
    if not 1 <= len(names) <= 2 or names.count(names[0]) > 1:
        raise UserError(
            f"one objective, or two that differ, can be sought at a time, such as ('roi', "
            f"'new_customers') (got {objectives!r})"
        )
    check_known("objective", objectives, list(OBJECTIVES))
    return tuple(objectives)


def _search(
    work: _Work, effort: Effort, budgets: Sequence[float], sought: int
) -> tuple[Search, bool]:
    """Search until it ends or is stopped; it must at least have begun."""
    problem = work.problem
    search = Search(
        work.rough, problem, len(work.wanted), effort, sought=sought, say=work.before_wish
    )
    starts = known_rows(work.scenario, problem, work.current)
    try:
        search.go(starts, _possible(problem, budgets), keeping=work.past is not None)
    except KeyboardInterrupt:
        if search.rows is None:
            raise
        work.say("stopped: playing the best so far", 0.9)
        return search, False
    return search, True


def _multiples(budgets: Sequence[float]) -> list[float]:
    """The further budgets that are asked for, as shares of the budget."""
    if isinstance(budgets, str | Mapping) or not isinstance(budgets, Iterable):
        raise UserError(f"budgets are multiples of the budget: (0.7, 1.3) (got {budgets!r})")
    shares = [asked_number("each of the budgets", share, percent=True) for share in budgets]
    if shares and min(shares) <= 0:
        raise UserError(f"each of the budgets must be above 0 (got {min(shares):g})")
    return shares


def _possible(problem: Problem, budgets: Sequence[float]) -> list[float]:
    """Other budgets, those apart that floors, locks and signed bookings exceed."""
    money = []
    for share in budgets:
        with suppress(UserError):
            check_feasible(replace(problem, budget=share * problem.budget))
            money.append(share * problem.budget)
    return money


T = TypeVar("T")


def _though_stopped(ask: Callable[[], T]) -> T:
    """Ask again where Ctrl-C cuts the first try off: what is left takes seconds, and all else is found."""
    try:
        return ask()
    except KeyboardInterrupt:
        return ask()


def _finalists(work: _Work, search: Search, finished: bool) -> Final:
    """The rows of every aim, settled if nobody stops that."""
    search.market = work.archive
    try:
        if finished:
            search.settle()
    except KeyboardInterrupt:
        finished = False
    aims, settled = search.known
    return Final.of(work.archive, work.problem, settled, aims, finished=finished)


def _with_wish(
    work: _Work, found: Final, objectives: tuple[str, ...], chance: "_Chance", effort: Effort
) -> Final:  # fmt: skip
    """What was found, and last the row that was sought for the user's wish, if there is one."""
    if not (found.finished and work.wish.sought):
        return found
    try:
        row, finished = _as_wished(work, objectives, chance, effort)
    except (KeyboardInterrupt, StoppedShort):
        return replace(found, finished=False)
    aim = replace(found.aims.take([0]), keeps=np.ones(1, bool))
    rows, aims = stack([found.rows, row]), join(found.aims, aim)
    both = Final.of(work.archive, work.problem, rows, aims, finished=finished)
    return replace(both, wished=len(found.rows))


def _as_wished(
    work: _Work, objectives: tuple[str, ...], chance: "_Chance", effort: Effort
) -> tuple[Split, bool]:  # fmt: skip
    """Of rows that may reach the wish the best one that does on the draws of the promise, else the first;
    and whether the search came to its end.
    """
    wish, metric = work.wish, work.wish.metric(objectives)
    rows, finished = wished(
        wish, work.scenario, work.problem, metric, current=work.current, effort=effort,
        draws=Draws(chance.replications, chance.seed, wish.sure), executor=work.executor,
        progress=lambda _, share: work.say(SEEKING, WISH_FROM + (0.84 - WISH_FROM) * share),
    )  # fmt: skip
    if not finished:
        return rows.take([0]), False
    outcomes = _played(work, make_plans(work.scenario, work.problem, rows), chance, "sampled")
    means = [
        ratio_of_means(outcomes.sample(plan, OBJECTIVES[metric])) if wish.reached(outcomes, plan) else -np.inf
        for plan in outcomes.plans
    ]  # fmt: skip
    return rows.take([int(np.argmax(means))]), True


def _answer(work: _Work, found: Final, objectives: tuple[str, ...], chance: "_Chance") -> Frontier:
    """Play the finalists, the current plan and an even split on fresh draws, and say what follows."""
    budget, columns = work.problem.budget, [work.wanted.index(OBJECTIVES[n]) for n in objectives]
    here, others = in_order(found, budget, columns)
    extra = [] if found.wished is None else [found.wished]
    some = found.take([*here, *extra, *others])
    names = [f"best {n + 1}" for n in range(len(here))]
    names += [WISHED] * len(extra) + names_of(found, budget, others)
    plans = make_plans(work.scenario, work.problem, some.rows, names)
    own = _renamed(work.current, [*names, EVEN])
    even, fits = _even(work), _fits(work)
    every = [*plans, own, even]
    racers = [*plans[: len(here)], *([own] if fits else []), even]
    leader, outcomes = (
        _under_chance(work, every, racers, objectives[0], chance)
        if found.finished
        else ("", _played(work, every, chance, "expected"))
    )
    finished = found.finished and outcomes.mode == "sampled"
    points = _though_stopped(lambda: _points(work, some, plans, len(here) + len(extra), outcomes))
    frontier = Frontier(
        scenario=chance.label or work.scenario.name, budget=budget - work.idle, objectives=objectives,
        points=tuple(points[: len(here)]), others=tuple(points[len(here) :]), outcomes=outcomes,
        current_plan=own, even_plan=even, current_fits=fits, leader=leader,
        calls=work.rough.calls + work.archive.calls,
        evaluations=work.rough.evaluations + work.archive.evaluations, finished=finished,
        past=work.past, wished=WISHED if extra else "", package_prices=package_prices(work.scenario),
    )  # fmt: skip
    return _explained(work, frontier, some.rows)


def _explained(work: _Work, frontier: Frontier, rows: Split) -> Frontier:
    """With the moves to the answer, what binds it, and no beaten plans; `rows` of the points, in their order."""
    aim, points = frontier.objectives[0], frontier.points
    found = max(points, key=lambda p: frontier.statistic(p.plan.name, aim))
    row, own = rows.take([points.index(found)]), read_plans(work.problem, [frontier.current_plan])
    moves = _though_stopped(lambda: moves_between(work.archive, work.problem, own, row))
    binding = binding_of(work.problem, row, found, frontier.left(found.plan.name))
    told = replace(frontier, answer=found.plan.name, moves=tuple(moves), binding=tuple(binding))
    return with_most_named(told.unbeaten())


def _fits(work: _Work) -> bool:
    """Whether the current plan keeps the budget and the limits, and so may be the answer itself."""
    problem, row = work.problem, read_plans(work.problem, [work.current])
    paid = work.current.total(work.scenario) <= problem.budget * (1 + ROUNDING)
    return bool(paid and keeps_limits(problem, row)[0])


def _even(work: _Work) -> Plan:
    """An even split, as far as limits and budget let."""
    plan = even_split(work.scenario, work.problem.budget)
    row = repair(work.problem, read_plans(work.problem, [plan]))
    return make_plans(work.scenario, work.problem, row, [EVEN])[0]


def _points(
    work: _Work, some: Final, plans: Sequence[Plan], told: int, outcomes: Outcomes
) -> list[Point]:
    """Every finalist with its figures; margins and next money for the first ones, which are at the budget."""
    tables = _tables(work, some, plans[:told], outcomes) + [{}] * (len(plans) - told)
    step = step_of(work.problem.budget - work.idle)
    return [
        Point(
            plan=plan, budget=budget_of(some, n, plan.total(work.scenario)) - work.idle,
            unspent=unspent(some, n, plan.total(work.scenario), work.idle),
            expected=dict(zip(work.wanted, some.values[n].tolist(), strict=True)),
            price_of_new=price_of_new(some.aims, n), margins=table,
            priced=bool(shares(some.aims, n)[0] > TILT),
            next_money=next_money(work.archive, work.problem, some.rows.take([n]), table, step),
        )
        for n, (plan, table) in enumerate(zip(plans, tables, strict=True))
    ]  # fmt: skip


def _tables(
    work: _Work, some: Final, plans: Sequence[Plan], outcomes: Outcomes
) -> list[dict[str, Margin]]:
    """Values at the margin of the first rows, a plan each: of a yuan before it is paid, in the one that may
    keep money as well.
    """
    first = list(range(len(plans)))
    aims = replace(some.aims.take(first), keeps=np.zeros(len(first), bool))
    found = margins_of(work.archive, work.problem, some.rows.take(first), aims)
    return [
        _ahead(work, told_targets(table, outcomes, plan.name))
        for table, plan in zip(found, plans, strict=True)
    ]


def _ahead(work: _Work, margins: dict[str, Margin]) -> dict[str, Margin]:
    """Cells that can still be given money: those that are over have no next yuan."""
    over = work.past.spent if work.past else {}
    return {cell: margin for cell, margin in margins.items() if cell not in over}


def _renamed(plan: Plan, taken: Sequence[str]) -> Plan:
    return replace(plan, name=f"own {plan.name}") if plan.name in taken else plan


@dataclass(frozen=True)
class _Chance:
    """How the answer is checked."""

    replications: int
    seed: int
    label: str | None


def _leader(work: _Work, plans: Sequence[Plan], objective: str, chance: _Chance) -> str:
    """The plan that is best under chance, found by paired elimination on draws of its own."""
    metric = OBJECTIVES[objective]

    def play(chosen: Sequence[int], turn: int) -> Array:
        outcomes = simulate(
            work.scenario, [plans[n] for n in chosen], replications=BLOCK, seed=chance.seed + 1 + turn,
            daily=False, attribution=False, chance_alone=False, executor=work.executor,
        )  # fmt: skip
        return np.stack([outcomes.values(plans[n].name, metric) for n in chosen])

    return plans[race(play, len(plans), rounds=ROUNDS).best].name


def _under_chance(
    work: _Work, plans: Sequence[Plan], racers: Sequence[Plan], objective: str, chance: _Chance
) -> tuple[str, Outcomes]:
    """Who wins the race, and the run of all plans; without chance if it is stopped."""
    try:
        work.say("racing under chance", 0.85)
        leader = _leader(work, racers, objective, chance)
        work.say("checking on fresh draws", 0.9)
        return leader, _played(work, plans, chance, "sampled")
    except KeyboardInterrupt:
        return "", _played(work, plans, chance, "expected")


def _played(work: _Work, plans: Sequence[Plan], chance: _Chance, mode: Mode) -> Outcomes:
    """The promise: all plans under chance, on a seed that the race did not see."""
    return simulate(
        work.scenario, plans, replications=chance.replications, seed=chance.seed, daily=False,
        mode=mode, executor=work.executor, chance_alone=False, label=chance.label, vectors=work.points,
    )  # fmt: skip
