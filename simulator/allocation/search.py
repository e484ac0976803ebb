"""The search: sweeps and knapsacks from afar, slopes near by, and plans between those that were found.

1. One wide sweep around the best plan at hand; a knapsack for each weighting of the objectives; the
   best point on the way there.  2. The same around each of these, nearer.  3. Newton steps on slopes.
4. Where the frontier has gaps, plans between the neighbours, by a smooth Chebyshev score.
Curves of single cells alone would lose much where scenes share people and places (docs/decisions.md);
that is why every knapsack is followed by a search along the way to it.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from simulator.allocation.aims import Aims, join, linear
from simulator.allocation.market import Answers, Market
from simulator.allocation.problem import Array, Flags, Problem, Split, stack
from simulator.allocation.refine import climb, line_search
from simulator.allocation.response import Sweep, best_split, near_levels, sweep, wide_levels

TILT = 1e-3
"""Weight of the other objectives at the ends: among equals, the plan that is better in those."""
PARKED = 0.005
"""A cell is not planned above what it spends by more than this."""


@dataclass(frozen=True)
class Effort:
    """How much is played before an answer is given."""

    weightings: int = 5
    """Weightings of two objectives, the ends included."""
    sweeps: int = 2
    """Near sweeps of each weighting."""
    steps: int = 8
    """Newton steps at most."""
    fill: int = 4
    """Plans between neighbours."""
    fill_steps: int = 4
    enough: float = 1e-6
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
        return stack(self.splits), Answers(
            np.concatenate([a.values for a in self.answers]),
            np.concatenate([a.spent for a in self.answers]),
        )


@dataclass
class Search:
    """State of one search at one budget; `rows` are the best so far, one for each aim."""

    market: Archive
    problem: Problem
    objectives: int
    effort: Effort = Effort()
    aims: Aims | None = None
    rows: Split | None = None
    wide: Sweep | None = None

    def go(self, starts: Split) -> None:
        """Search; what is found stays in the archive, also when it is stopped half-way."""
        self.begin(starts)
        for _ in range(self.effort.sweeps):
            self.sweep_near()
        self.climb(self.effort.steps)
        if self.objectives == 2 and self.effort.fill:
            self.fill_gaps()
            self.climb(self.effort.fill_steps)

    # ------------------------------------------------------------------ from afar
    def begin(self, starts: Split) -> None:
        """The wide sweep, and the ends of the frontier on the way to its knapsacks."""
        problem, budget = self.problem, self.problem.budget
        fitted = problem.repair(starts)
        self.market(fitted)
        ends = linear(_ends(self.objectives), self._scale_of_start(fitted), budget)
        origin = fitted.take([self._best_start(ends, fitted)])
        self.wide = sweep(self.market, problem, origin, [wide_levels(problem)])[0]
        self.aims, self.rows = ends, origin.take([0] * len(ends))
        self._knapsacks([self.wide] * len(ends))
        self.aims = linear(self._weightings(), self._range(), budget)
        self._keep_best(stack([fitted, self.rows]))

    def _scale_of_start(self, fitted: Split) -> Array:
        """Before the ends are known: the budget for the return, its own size for the other."""
        values = self.market.answers[-1].values
        own = np.abs(values[:, 1 : self.objectives]).max(axis=0, initial=0.0)
        return np.concatenate([[self.problem.budget], np.where(own > 0, own, 1.0)])

    def _best_start(self, ends: Aims, fitted: Split) -> int:
        one = linear(np.ones((len(fitted), self.objectives)), ends.scale, self.problem.budget)
        values = one.values(self.problem, fitted, self.market.answers[-1])
        return int(one.score(values).argmax())

    def _weightings(self) -> Array:
        if self.objectives == 1:
            return np.ones((1, 1))
        share = np.linspace(0, 1, self.effort.weightings)
        return np.clip(np.stack([1 - share, share], axis=1), TILT, 1.0)

    def _range(self) -> Array:
        """Range of every objective over the rows; of the return, where it is alone, the budget."""
        assert self.aims is not None and self.rows is not None
        values = self.aims.values(self.problem, self.rows, self.market(self.rows))
        span = np.ptp(values, axis=0)
        floor = 1e-3 * np.abs(values).max(axis=0)
        floor[0] = max(floor[0], 1e-3 * self.problem.budget)
        if self.objectives == 1:
            return np.array([self.problem.budget])
        return np.maximum(span, np.where(floor > 0, floor, 1.0))

    def sweep_near(self) -> None:
        """Knapsacks of sweeps around every row."""
        assert self.rows is not None
        levels = [near_levels(self.problem, money) for money in self.rows.money]
        self._knapsacks(sweep(self.market, self.problem, self.rows, levels))

    def _knapsacks(self, tables: list[Sweep]) -> None:
        assert self.rows is not None and self.aims is not None
        goals = []
        for n, table in enumerate(tables):
            weight = self.aims.weights[n] / self.aims.scale
            weight = np.concatenate([weight, np.zeros(table.base.size - weight.size)])
            goals.append(best_split(
                self.problem, table, self.wide if table is not self.wide else None, weight,
                float(self.aims.budget[n]), exact=not self.aims.keeps[n],
            ))  # fmt: skip
        goal = self.problem.repair(stack(goals), self.aims.budget)
        found, _ = line_search(self.market, self.problem, self.aims, self.rows, goal)
        self._keep_best(stack([self.rows, found]))

    def _keep_best(self, candidates: Split) -> None:
        """For every aim the best of the candidates; what one aim found may serve another."""
        assert self.aims is not None
        answers = self.market(candidates)
        count, n = len(self.aims), len(candidates)
        owner = np.repeat(np.arange(count), n)
        again = np.tile(np.arange(n), count)
        wide = Answers(answers.values[again], answers.spent[again])
        own = self.aims.take(owner)
        scores = own.score(own.values(self.problem, candidates.take(again), wide)).reshape(count, n)
        self.rows = candidates.take(scores.argmax(axis=1))

    # ------------------------------------------------------------------ near by
    def climb(self, steps: int) -> None:
        """Newton steps until they gain nothing."""
        assert self.aims is not None and self.rows is not None
        reach = np.full(len(self.aims), 0.3)
        active = np.arange(len(self.aims))
        for _ in range(steps):
            aims = self.aims.take(active)
            moved, _, gain = climb(self.market, self.problem, aims, self.rows.take(active), reach[active])
            money = self.rows.money.copy()
            money[active] = moved.money
            self.rows = Split(money, self.rows.booked)
            stuck = gain <= self.effort.enough
            reach[active] = np.where(stuck, reach[active] / 4, np.minimum(reach[active] * 1.5, 1.0))
            active = active[~stuck | (reach[active] > 0.02)]
            if not active.size:
                break

    def fill_gaps(self) -> None:
        """A new row in each of the widest gaps between neighbours, with an aim of its own."""
        assert self.aims is not None and self.rows is not None
        values = self.aims.values(self.problem, self.rows, self.market(self.rows))
        scaled = values / self.aims.scale
        order = np.argsort(scaled[:, 0])
        pairs = list(zip(order[:-1], order[1:], strict=True))
        gap = np.array([np.abs(scaled[a] - scaled[b]).sum() for a, b in pairs])
        chosen = [pairs[n] for n in np.argsort(-gap)[: self.effort.fill] if gap[n] > 1e-3]
        if not chosen:
            return
        new = [self._between(a, b, values) for a, b in chosen]
        middle = Split(
            np.stack([(self.rows.money[a] + self.rows.money[b]) / 2 for a, b in chosen]),
            self.rows.booked[[a for a, _ in chosen]],
        )
        for aim in new:
            self.aims = join(self.aims, aim)
        self.rows = stack([self.rows, self.problem.repair(middle)])

    def _between(self, a: int, b: int, values: Array) -> Aims:
        """The weighting to which two neighbours are equal: what lies beyond their line beats both."""
        assert self.aims is not None
        span = np.maximum(np.abs(values[a] - values[b]), 1e-9 * self.aims.scale)
        return linear((self.aims.scale / span)[None], self.aims.scale, self.problem.budget)


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


def spends_it(split: Split, spent: Array) -> Flags:
    """Whether no cell is planned above what it spends: [row]."""
    slack = PARKED * np.maximum(split.money, 1.0)
    return np.asarray((split.money - spent <= slack).all(axis=1))
