"""The least budget that reaches a target.

symbol   meaning                                              unit    shape
B        budget                                               CNY     [budget]
V(B)     the wanted metric of the best plan at a budget       any     [budget]

V rises with B, so a target is bracketed on a ladder of budgets and closed in on by the secant, the
plan sought anew at every budget that is tried.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from simulator.allocation.aims import Aims, linear
from simulator.allocation.effort import Effort, asked_effort
from simulator.allocation.market import (
    PROFIT,
    PROFITS,
    TARGETS,
    Answers,
    SimulatedMarket,
    make_problem,
)
from simulator.allocation.problem import Array, Limits, Split, asked_limits, check_known
from simulator.allocation.quest import (
    CLOSE,
    LARGE,
    Draws,
    Progress,
    Quest,
    asked_budget,
    kept_so_far,
    make_quest,
    metric_of,
    spread,
    taken_at_most,
)
from simulator.allocation.repair import repair
from simulator.allocation.search import TILT
from simulator.engine.simulate import check_run
from simulator.errors import UserError
from simulator.outcomes.compare import quantile_interval
from simulator.outcomes.goal import Goal, StoppedShort, TargetMissed
from simulator.outcomes.metrics import at_most, written
from simulator.scenario.asked import asked_number
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario

LADDER = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Budgets that are tried first, as shares of the most."""
MOST = 4.0
"""Most that is tried, as a multiple of the scenario's budget."""
ROUNDS = 8
BATCHES = 8
"""A quantile is read from so many times the replications that are asked for: of one batch it is mostly luck."""
NOISE = 0.25
"""A bracket is closed when what is reached at its ends differs by no more of the interval of a quantile."""
ASIDE = np.array([-0.08, 0.01, 0.1])
"""Where a round tries: at the secant's budget and beside it, as shares of the bracket."""


def least_budget(
    scenario: Scenario, target: Mapping[str, float], *, sure: float | None = None,
    limits: Limits | None = None, current: Plan | str | None = None, most: float | None = None,
    replications: int = 100, seed: int = 11, effort: Effort | None = None,
    executor: Executor | None = None, progress: Progress | None = None, label: str | None = None,
) -> Goal:  # fmt: skip
    """The least budget whose best plan reaches a target, such as {"new_customers": 30000}.

    `sure` asks that it be reached in this share of replications, not in the mean; `most` is the
    highest budget that is tried. Raises TargetMissed, with the best that can be reached. Ctrl-C ends
    the search with the cheapest plan so far that reaches the target, `finished` False, or with
    StoppedShort where there is none.
    """
    check_run(scenario, "sampled", replications, seed, progress=progress)
    name, value = _only(target)
    top = _top(scenario, most, asked_limits(limits))
    problem = make_problem(scenario, top, limits, current)
    draws = Draws(replications, seed, sure)
    quest = make_quest(
        scenario, problem, (name,), current=current, effort=asked_effort(effort), executor=executor,
        progress=progress,
    )  # fmt: skip
    ladder = _Ladder(quest, draws, name, value)
    row, finished = ladder.found()
    least = {metric_of(name): value}
    return quest.answer(row, draws, name, least, tried=ladder.curve, label=label, finished=finished,
        between=ladder.between,
    )  # fmt: skip


def _top(scenario: Scenario, most: float | None, limits: Limits) -> float:
    """The highest budget that is worth a try: of a huge one, what the market takes and limits ask."""
    usual = MOST * scenario.budget
    top = asked_budget(most, usual)
    if top <= LARGE * scenario.budget:
        return top
    problem = make_problem(scenario, top, limits)
    taken = taken_at_most(SimulatedMarket(scenario, problem, [PROFIT]), problem)
    asked = sum([*limits.floors.values(), *limits.locks.values()])
    return min(top, max(usual, 1.05 * (taken + asked)))


def _only(target: Mapping[str, float]) -> tuple[str, float]:
    if not isinstance(target, Mapping) or len(target) != 1:
        raise UserError(
            f"one target can be sought at a time, such as {{'new_customers': 30000}} (got {target!r})"
        )
    ((name, value),) = target.items()
    if name == "roi":
        raise UserError(
            "a return falls with the budget, so no budget is the least for it: ask for the most at a "
            "return instead (--min-roi; best_target with min_roi)"
        )
    check_known("target", [name], [n for n in TARGETS if n != "roi"])
    value = asked_number(name, value)
    if value <= 0:
        raise UserError(f"{name} must be above 0 to be a target (got {value:g})")
    return name, value


@dataclass
class _Ladder:
    """The best plans at several budgets, and what they reach; rises with the budget."""

    quest: Quest
    draws: Draws
    name: str
    target: float
    budgets: Array = field(default_factory=lambda: np.zeros(0))
    levels: Array = field(default_factory=lambda: np.zeros((0, 3)))
    """What is reached and where it lies at 95%: the mean of expected mode has no width: [budget, 3]."""
    rows: list[Split] = field(default_factory=list)

    @property
    def metric(self) -> str:
        """The figure that is wanted."""
        return metric_of(self.name)

    @property
    def values(self) -> Array:
        """What the best plans reach: [budget]."""
        return self.levels[:, 0]

    @property
    def between(self) -> tuple[float, float | None] | None:
        """Budgets at which the target may be reached as surely as asked [CNY]; None at the end: beyond them."""
        if self.draws.sure is None or not self.levels.size:
            return None
        low, high = (self._crossing(self.levels[:, n]) for n in (2, 1))
        return low or 0.0, high

    def _crossing(self, level: Array) -> float | None:
        """The budget at which a level that rises with it reaches the target [CNY]."""
        if level[-1] < self.target:
            return None
        at = int(np.argmax(level >= self.target))
        if at == 0:
            return float(self.budgets[0])
        return float(np.interp(self.target, level[at - 1 : at + 1], self.budgets[at - 1 : at + 1]))

    @property
    def curve(self) -> list[tuple[float, float]]:
        """Budgets and the best of the metric."""
        return list(zip(self.budgets.tolist(), self.values.tolist(), strict=True))

    def found(self) -> tuple[Split, bool]:
        """The row that answers, and whether the search came to its end."""
        try:
            return self.close_in(), True
        except KeyboardInterrupt:
            return self._cheapest_so_far(), False

    def close_in(self) -> Split:
        """The row of the least budget that reaches the target."""
        self._climb_up()
        if self.values[-1] < self.target:
            raise TargetMissed(self._words(), float(self.values.max()))
        for turn in range(ROUNDS):
            self.quest.search.say("closing in on the budget", 0.5 + 0.3 * turn / ROUNDS)
            at = self._bracket()
            if at == 0 or self._is_close(at):
                break
            self._add(self._near(at), [at - 1, at])
        self.quest.search.say("planning what is spent", 0.8)
        return self._settled(self._bracket())

    def _aims(self, budgets: Array) -> Aims:
        """Nearly all weight on the metric; a profit may leave money unspent."""
        quest, profit = self.quest, self.metric in PROFITS
        weights = np.tile([1.0, 1.0] if profit else [TILT, 1.0], (len(budgets), 1))
        scale = np.array([quest.problem.budget, max(abs(self.target), 1e-9)])
        if profit:
            weights[:, 1], scale[1] = 0.0, 1.0
        return linear(weights, scale, budgets, keeps=profit)

    def _climb_up(self) -> None:
        """What must be spent anyhow, and the rungs above it."""
        problem = self.quest.problem
        nothing = np.zeros((1, len(problem.cells))), np.zeros((1, len(problem.packages)), bool)
        least = repair(problem, Split(*nothing), problem.fees)
        floor = problem.total(least)
        self._keep(floor, least)
        steps = np.array(LADDER) * problem.budget
        budgets = steps[steps > floor * (1 + 1e-6)]
        self.quest.search.say("looking everywhere", 0.0)
        found = self.quest.search.seek(self._aims(budgets), self.quest.starts())
        self._keep(budgets, found.rows)

    def _add(self, budgets: Array, near: Sequence[int]) -> None:
        """Best plans at further budgets, from the plans at known ones."""
        a, b = (self.rows[n] for n in near)
        low, high = (self.budgets[n] for n in near)
        part = ((budgets - low) / (high - low))[:, None]
        starts = Split(a.money + part * (b.money - a.money), b.booked.repeat(len(budgets), axis=0))
        found = self.quest.search.near(self._aims(budgets), starts)
        self._keep(budgets, found.rows)

    def _keep(self, budgets: Array, rows: Split) -> None:
        levels = self._reached(rows, self._aims(budgets))
        every = np.concatenate([self.budgets, budgets])
        order = np.argsort(every, kind="stable")
        known = [*self.rows, *(rows.take([n]) for n in range(len(rows)))]
        self.budgets, self.rows = every[order], [known[n] for n in order]
        self.levels = np.maximum.accumulate(np.concatenate([self.levels, levels])[order])

    def _reached(self, rows: Split, aims: Aims) -> Array:
        """The metric, in the mean or as surely as asked, and both ends of its interval: [row, 3]."""
        draws = self.draws
        if draws.sure is None:
            return self._expected(rows, aims, self.quest.archive(rows))[:, None].repeat(3, axis=1)
        many = replace(draws, replications=BATCHES * draws.replications)
        outcomes, share = self.quest.play(rows, many), 1 - draws.sure
        values = [outcomes.values(name, self.metric) for name in outcomes.plans]
        return np.array([[np.quantile(x, share), *quantile_interval(x, share)] for x in values])

    def _expected(self, rows: Split, aims: Aims, answers: Answers) -> Array:
        """The metric in the mean: [row]; of profits only the return, which is first, has paid fixed costs."""
        column, problem = self.quest.metrics.index(self.metric), self.quest.problem
        values = aims.values(problem, rows, answers)[:, column]
        return values - problem.fixed_costs(rows) if self.metric == "profit" else values

    def _bracket(self) -> int:
        """The first budget that reaches the target."""
        return int(np.argmax(self.values >= self.target))

    def _is_close(self, at: int) -> bool:
        _, low, high = self.levels[at]
        slack = (self.values[at] - self.target) <= CLOSE / 4 * abs(self.target)
        luck = self.values[at] - self.values[at - 1] <= NOISE * (high - low)
        narrow = self.budgets[at] - self.budgets[at - 1] <= CLOSE / 4 * self.budgets[at]
        return bool(slack or narrow or luck)

    def _near(self, at: int) -> Array:
        """The secant's budget, and one to either side."""
        low, high = self.budgets[at - 1 : at + 1]
        below, above = self.values[at - 1 : at + 1]
        part = (self.target - below) / (above - below)
        return low + np.clip(part + ASIDE, 0.01, 0.99) * (high - low)

    def _settled(self, at: int) -> Split:
        """The row planned at what it spends, if that still reaches the target."""
        row, aims = self.rows[at], self._aims(self.budgets[[at]])
        settled = self.quest.settled(row, aims)
        return (
            settled if self._reached(settled, aims)[0, 0] >= self.target * (1 - CLOSE / 4) else row
        )

    # ------------------------------------------------------------------ stopped
    def _cheapest_so_far(self) -> Split:
        """The cheapest row played until now that reaches the target, as surely as asked."""
        problem = self.quest.problem
        rows, answers = kept_so_far(self.quest.archive, problem)
        costs = problem.total(rows)
        values = self._expected(rows, self._aims(costs), answers)
        reach = np.flatnonzero(values >= self.target)
        reach = reach[np.argsort(costs[reach], kind="stable")]
        if self.draws.sure and reach.size:
            some = spread(reach)
            values = self._reached(rows.take(some), self._aims(costs[some]))[:, 0]
            reach = some[values >= self.target]
        if not reach.size:
            words = f"stopped before a budget was found that {self._asked}"
            best = float(values.max(initial=-np.inf))
            raise StoppedShort(f"{words}: the nearest so far is {self._written(best)}", best)
        return rows.take(reach[:1])

    # ------------------------------------------------------------------ words
    @property
    def _asked(self) -> str:
        how = f"with probability {self.draws.sure:g}" if self.draws.sure else "in the mean"
        return f"reaches {self.name} {written(self.metric, self.target)} {how}"

    def _written(self, value: float) -> str:
        return written(self.metric, at_most(value))

    def _words(self) -> str:
        best, top = float(self.values.max()), self.quest.problem.budget
        return f"no budget up to {top:,.0f} CNY {self._asked}: the nearest is {self._written(best)}"
