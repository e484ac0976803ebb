"""The search: sweeps and knapsacks from afar, slopes near by, and plans between those that were found.

1. One wide sweep around the best plan at hand; a knapsack for each weighting of the objectives; the
   best point on the way there.  2. The same around each of these, nearer.  3. Newton steps on slopes.
4. Where the frontier has gaps, plans between the neighbours, by a smooth Chebyshev score.
Curves of single cells alone would lose much where scenes share people and places (docs/decisions.md);
that is why every knapsack is followed by a search along the way to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.allocation.aims import Aims, join, linear
from simulator.allocation.market import Answers, Market
from simulator.allocation.problem import Array, Flags, Problem, Split, stack
from simulator.allocation.refine import climb, line_search
from simulator.allocation.response import Sweep, best_split, near_levels, sweep, wide_levels

TILT = 1e-3
"""Weight of the other objectives at the ends: among equals, the plan that is better in those."""
FREE = 3.0
"""Most that may be planned where the budget itself is sought, as a multiple of the budget."""
SETTLE = 6
"""Rounds of moving what is not spent elsewhere."""
PARKED = 0.005
"""A cell is not planned above what it spends by more than this."""


@dataclass(frozen=True)
class Effort:
    """How much is played before an answer is given."""

    weightings: int = 5
    """Weightings of two objectives, the ends included."""
    sweeps: int = 2
    """Near sweeps of each weighting."""
    steps: int = 14
    """Newton steps at most."""
    fill: int = 4
    """Plans between neighbours."""
    fill_steps: int = 8
    enough: float = 2e-5
    """A step that gains less of the score's scale is the last."""


@dataclass
class Archive:
    """A market that remembers every row that it answered."""

    market: Market
    splits: list[Split] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """Calls of the simulator."""
        return self.market.calls

    @property
    def evaluations(self) -> int:
        """Plans that were played."""
        return self.market.evaluations

    def __call__(self, split: Split) -> Answers:
        """Ask the market."""
        found = self.market(split)
        self.splits.append(split)
        self.answers.append(found)
        return found

    def every(self) -> tuple[Split, Answers]:
        """All rows so far."""
        parts = [(a.values, a.spent, a.most) for a in self.answers]
        return stack(self.splits), Answers(*(np.concatenate(x) for x in zip(*parts, strict=True)))


def _silent(_: str, __: float) -> None:
    """Say nothing."""


@dataclass
class Search:
    """One search; `rows` are the best so far, one for each aim."""

    market: Archive
    problem: Problem
    objectives: int
    effort: Effort = Effort()
    aims: Aims | None = None
    rows: Split | None = None
    wide: Sweep | None = None
    say: Callable[[str, float], None] = _silent
    """Told what is being done, and the share of the work that is behind."""

    def go(self, starts: Split, budgets: Sequence[float] = ()) -> None:
        """Search; what is found stays in the archive, also when it is stopped half-way."""
        self.say("looking everywhere", 0.0)
        self.begin(starts)
        for n in range(self.effort.sweeps):
            self.say("looking around the best", 0.1 + 0.1 * n)
            self.sweep_near()
            self.rescale()
        self.say("climbing", 0.3)
        self.climb(self.effort.steps)
        if self.objectives == 2 and self.effort.fill:
            self.say("filling gaps", 0.5)
            self.fill_gaps()
            self.climb(self.effort.fill_steps)
            self._keep_best(self.known.rows)
            self.climb(self.effort.fill_steps)
        if budgets:
            self.say("trying other budgets", 0.7)
            self.other_budgets(budgets)

    @property
    def known(self) -> "Known":
        """Aims and rows, once the search has begun."""
        assert self.aims is not None and self.rows is not None
        return Known(self.aims, self.rows)

    # ------------------------------------------------------------------ from afar
    def begin(self, starts: Split) -> None:
        """The wide sweep, and the ends of the frontier on the way to its knapsacks."""
        problem, budget = self.problem, self.problem.budget
        fitted = problem.repair(starts)
        answers = self.market(fitted)
        ends = linear(_ends(self.objectives), self._first_scale(answers), np.array([budget]))
        origin = fitted.take([self._best_start(ends, fitted, answers)])
        self.wide = sweep(self.market, problem, origin, [wide_levels(problem)])[0]
        self.aims, self.rows = ends, origin.take([0] * len(ends))
        self._knapsacks([self.wide] * len(ends))
        self._keep_best(stack([fitted, self.rows]))
        self.aims = linear(self._weightings(), ends.scale, np.array([budget]))
        self.rescale()
        self._keep_best(stack([fitted, self.rows]))

    def _first_scale(self, answers: Answers) -> Array:
        """Before the ends are known: the budget for the return, its own size for the other."""
        own = np.abs(answers.values[:, 1 : self.objectives]).max(axis=0, initial=0.0)
        return np.concatenate([[self.problem.budget], np.where(own > 0, own, 1.0)])

    def _best_start(self, ends: Aims, fitted: Split, answers: Answers) -> int:
        every = np.ones((len(fitted), self.objectives))
        one = linear(every, ends.scale, np.array([self.problem.budget]))
        return int(one.score(one.values(self.problem, fitted, answers)).argmax())

    def _weightings(self) -> Array:
        if self.objectives == 1:
            return np.ones((1, 1))
        share = np.linspace(0, 1, self.effort.weightings)
        return np.clip(np.stack([1 - share, share], axis=1), TILT, 1.0)

    def rescale(self) -> None:
        """Weight objectives by their range over the rows, now that more of it is known."""
        if self.objectives == 1:
            return
        aims, rows = self.known
        alike = aims.take([0] * len(rows))
        values = alike.values(self.problem, rows, self.market(rows))
        least = 1e-3 * np.abs(values).max(axis=0) + 1e-9
        self.aims = replace(aims, scale=np.maximum(np.ptp(values, axis=0), least))

    def sweep_near(self) -> None:
        """Knapsacks of sweeps around every row."""
        levels = [near_levels(self.problem, money) for money in self.known.rows.money]
        self._knapsacks(sweep(self.market, self.problem, self.known.rows, levels))

    def _knapsacks(self, tables: list[Sweep]) -> None:
        aims, rows = self.known
        goals = [
            best_split(
                self.problem, table, self.wide if table is not self.wide else None,
                aims.weights[n] / aims.scale, float(aims.budget[n]), exact=not aims.keeps[n],
            )
            for n, table in enumerate(tables)
        ]  # fmt: skip
        goal = self.problem.repair(stack(goals), aims.budget)
        found, _ = line_search(self.market, self.problem, aims, rows, goal)
        self._keep_best(stack([rows, found]))

    def _keep_best(self, candidates: Split) -> None:
        """For every aim the best of the candidates at its budget; one may serve another."""
        aims = self.known.aims
        answers, costs = self.market(candidates), self.problem.total(candidates)
        count, n = len(aims), len(candidates)
        again = np.tile(np.arange(n), count)
        own = aims.take(np.repeat(np.arange(count), n))
        wide = answers.take(again)
        scores = own.score(own.values(self.problem, candidates.take(again), wide)).reshape(count, n)
        fits = costs <= aims.budget[:, None] * (1 + 1e-6)
        self.rows = candidates.take(np.where(fits, scores, -np.inf).argmax(axis=1))

    # ------------------------------------------------------------------ near by
    def climb(self, steps: int, first: int = 0) -> None:
        """Newton steps of the rows from `first` on, until they gain nothing."""
        aims, rows = self.known
        reach = np.full(len(aims), 0.3)
        active = np.arange(first, len(aims))
        for _ in range(steps):
            if not active.size:
                break
            some = aims.take(active)
            moved, gain = climb(self.market, self.problem, some, rows.take(active), reach[active])
            money = rows.money.copy()
            money[active] = moved.money
            self.rows = rows = Split(money, rows.booked)
            stuck = gain <= self.effort.enough
            reach[active] = np.where(stuck, reach[active] / 4, np.minimum(reach[active] * 1.5, 1.0))
            active = active[~stuck | (reach[active] > 0.01)]

    def fill_gaps(self) -> None:
        """A new row in each of the widest gaps between neighbours, with an aim of its own."""
        aims, rows = self.known
        values = aims.values(self.problem, rows, self.market(rows))
        scaled = values / aims.scale
        order = np.argsort(scaled[:, 0])
        pairs = list(pairwise(order.tolist()))
        gap = np.array([np.abs(scaled[a] - scaled[b]).sum() for a, b in pairs])
        chosen = [pairs[n] for n in np.argsort(-gap)[: self.effort.fill] if gap[n] > 1e-3]
        for a, b in chosen:
            middle = Split((rows.money[[a]] + rows.money[[b]]) / 2, rows.booked[[a]])
            self._add(self._between(a, b, values), self.problem.repair(middle))

    def _between(self, a: int, b: int, values: Array) -> Aims:
        """The weighting to which two neighbours are equal: what lies beyond their line beats both."""
        scale = self.known.aims.scale
        span = np.maximum(np.abs(values[a] - values[b]), 1e-9 * scale)
        weights = scale / span
        return linear((weights / weights.max())[None], scale, np.array([self.problem.budget]))

    def other_budgets(self, budgets: Sequence[float]) -> None:
        """The ends and the middle at other budgets, and the return at whatever budget is best."""
        aims, rows = self.known
        last = self.effort.weightings - 1
        wanted = [0] if self.objectives == 1 else [0, last // 2, last]
        for budget in budgets:
            some = replace(aims.take(wanted), budget=np.full(len(wanted), budget))
            self._add(some, self.problem.repair(rows.take(wanted), some.budget))
        self.climb(self.effort.fill_steps, len(aims))
        most = np.array([FREE * self.problem.budget])
        free = replace(aims.take([0]), budget=most, keeps=np.ones(1, bool))
        self._add(free, self._best_ever(free))
        self.climb(self.effort.steps, len(self.known.aims) - 1)

    def _best_ever(self, aim: Aims) -> Split:
        """The best row in the archive for one aim."""
        rows, answers = self.market.every()
        values = aim.take([0] * len(rows)).values(self.problem, rows, answers)
        fits = self.problem.total(rows) <= aim.budget[0]
        score = aim.take([0] * len(rows)).score(values)
        return rows.take([int(np.where(fits, score, -np.inf).argmax())])

    def _add(self, aims: Aims, rows: Split) -> None:
        self.aims, self.rows = join(self.known.aims, aims), stack([self.known.rows, rows])


class Known(NamedTuple):
    """What a search that has begun has."""

    aims: Aims
    rows: Split


def settle(market: Market, problem: Problem, rows: Split, aims: Aims) -> Split:
    """Rows without money that is never spent; what that frees goes to other cells, if it fits."""
    most = np.where(aims.keeps[:, None], rows.money, np.inf)
    for _ in range(SETTLE):
        parked, spent = _parked(market, rows)
        if not parked.any():
            return rows
        most = np.where(parked, np.minimum(most, spent), most)
        rows = problem.repair(
            Split(np.minimum(rows.money, most), rows.booked), aims.budget, most=most
        )
    parked, spent = _parked(market, rows)
    return Split(np.where(parked, spent, rows.money), rows.booked)


def _parked(market: Market, rows: Split) -> tuple[Flags, Array]:
    """Cells that are planned above the most that they spend, and that: [row, cell]."""
    most = market(rows).most
    return rows.money - most > PARKED * rows.money, most


def _ends(objectives: int) -> Array:
    """Weights of the ends: each objective almost alone."""
    return np.where(np.eye(objectives, dtype=bool), 1.0, TILT)


# --------------------------------------------------------------------------- what was found
def nothing_beats(values: Array) -> NDArray[np.intp]:
    """Rows that no other row equals or beats on every objective (of equals the first): rising in the first.

    >>> nothing_beats(np.array([[1.0, 3.0], [2.0, 2.0], [1.5, 1.0], [2.0, 2.0]])).tolist()
    [0, 1]
    """
    order = np.lexsort((np.arange(len(values)), *(-values.T[::-1])))
    best, kept = np.full(values.shape[1] - 1, -np.inf), []
    for row in order:
        if values.shape[1] == 1:
            return np.array([row])
        if (values[row, 1:] > best).any():
            kept.append(row)
            best = np.maximum(best, values[row, 1:])
    return np.array(kept[::-1], dtype=np.intp)


def spends_it(split: Split, most: Array) -> Flags:
    """Whether no cell is planned above the most that it spends: [row]."""
    slack = PARKED * np.maximum(split.money, 1.0)
    return np.asarray((split.money - most <= slack).all(axis=1))
