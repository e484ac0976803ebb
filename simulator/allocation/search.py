"""The search: sweeps and knapsacks from afar, slopes near by, and plans between those that were found.

1. One wide sweep around the best plan at hand; a knapsack for each end of the frontier; the best
   point on the way there.  2. Newton steps on slopes, and cells closed that are better empty.
3. Between neighbours of the frontier the weighting to which they are equal, from both of them, and
   plans on the lines between them.  4. Sweeps nearer to these, a knapsack for every weighting, and steps
   until they gain nothing.
Curves of single cells alone would lose much where scenes share people and places (docs/decisions.md);
that is why every knapsack is followed by a search along the way to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from simulator.allocation.aims import Aims, linear, nothing_beats
from simulator.allocation.ascent import NOTHING_LOST, REACH, Ascent, Known, Rows
from simulator.allocation.market import Answers
from simulator.allocation.problem import Array, Split, stack
from simulator.allocation.refine import best_of, line_search, no_trail
from simulator.allocation.repair import repair
from simulator.allocation.response import UNITS, Sweep, best_split, near_levels, sweep, wide_levels
from simulator.allocation.settle import settle, without_specks
from simulator.outcomes.frontier import FREE

TILT = 1e-3
"""Weight of the other objectives at the ends: among equals, the plan that is better in those."""
NEAR = 3
"""Rows that have sweeps of their own: of a frontier the ends and the middle, which come first."""
PARTS = 6
"""Halvings of the best plan that are tried where money may be kept."""
TOPS = 3
"""Further tops that are climbed at most from that of the row asked for: where ads tire people, pauses make several."""
NEARLY = 0.01
"""Gain of the score's scale below which first steps are over."""


@dataclass
class Search(Ascent):
    """One search; `rows` are the best so far, one for each aim."""

    wide: Sweep | None = None
    sought: int = 0
    """The objective that the answer is asked for first: its end is made even."""

    def go(self, starts: Split, budgets: Sequence[float] = (), *, keeping: bool = False) -> None:
        """Search; what is found stays in the archive, also when it is stopped half-way.

        With other budgets the plan of most profit is sought as well, which may keep money; without them
        if `keeping` asks for it.
        """
        self.say("looking everywhere", 0.0)
        self.begin(starts)
        fills = self.effort.fills if self.objectives > 1 else 0
        late = self.approach(self.later(0), self.effort.first_steps * (1 if fills else 3))
        for n in range(fills):
            self.say("filling gaps", 0.1 + 0.1 * n)
            late = self.fill_gaps(late)
        for n in range(self.effort.sweeps):
            self.say("looking around the best", 0.3 + 0.1 * n)
            self.sweep_near()
            self.rescale()
        self.climb(self.effort.steps, told=("climbing", 0.4, 0.55))
        self.close()
        self.keep_best(self.known.rows)
        more = self.effort.more_steps * (2 if self.objectives == 1 else 1)
        self.climb(more, told=("climbing", 0.55, 0.7))
        if fills:
            self.thicken()
            self.show_more()
        if budgets:
            self.say("trying other budgets", 0.7)
            self.other_budgets(budgets)
        elif keeping:
            self.say("asking what is better kept", 0.7)
            self.at_any_budget()

    def settle(self) -> Split:
        """The rows without money that is never spent; what that leaves loose is climbed with once more."""
        words = "planning as it is spent"
        self.say(words, 0.8)
        aims, rows = self.known
        first = settle(self.market, self.problem, rows, aims)
        self.rows = without_specks(self.market, self.problem, first, aims)
        at_budget = np.flatnonzero((aims.budget == self.problem.budget) & ~aims.keeps)
        end = at_budget[self.sought : self.sought + 1]
        self.climb(1, at_budget)
        self._climb_over(end, words)
        for row in end:
            self.even_out(row, self.effort.even_steps)
        self._best_kept()
        self.rows = settle(self.market, self.problem, self.known.rows, aims)
        self._unless_better(first)
        return self.known.rows

    def _climb_over(self, some: Rows, words: str) -> None:
        """To the top, and from there to a higher one as long as one lies behind a cell or scene that is closed."""
        self.climb(self.effort.settle_steps, some, enough=0.0, told=(words, 0.8, 0.85))
        for _ in range(TOPS):
            before = self.scores()
            self.close(some)
            if not (self.scores() - before > NOTHING_LOST * np.abs(before)).any():
                break
            self.climb(self.effort.settle_steps, some, enough=0.0)

    def _best_kept(self) -> None:
        """Rows that may keep money: the best of all that were played here, climbed with.

        They were sought by what the search asks; another aim may serve them better by what judges it.
        """
        aims, rows = self.known
        kept = np.flatnonzero(aims.keeps)
        best = [self.best_ever(aims.take(kept[[n]])) for n in range(kept.size)]
        if best:
            both = best_of(
                self.market, self.problem, aims.take(kept), [rows.take(kept), stack(best)]
            )
            self.put(kept, both[0])
            self.climb(self.effort.settle_steps, kept)

    def _unless_better(self, others: Split) -> None:
        """The other rows where they are better by what counts."""
        aims, rows = self.known
        best, gain = best_of(self.market, self.problem, aims, [rows, others])
        better = np.flatnonzero(gain > NOTHING_LOST * np.abs(self.scores()))
        self.put(better, best.take(better))

    def seek(self, aims: Aims, starts: Split) -> Known:
        """The best rows for aims of any kind, each at its own budget, from afar and then near by."""
        fitted = repair(self.problem, starts)
        own = aims.take([0] * len(fitted))
        first = own.score(own.values(self.problem, fitted, self.market(fitted))).argmax()
        origin = fitted.take([int(first)])
        self.wide = sweep(self.market, self.problem, origin, [wide_levels(self.problem)])[0]
        self.aims = aims
        self.rows = repair(self.problem, origin.take([0] * len(aims)), aims.budget)
        self._knapsacks([self.wide] * len(aims))
        for _ in range(self.effort.sweeps):
            self.sweep_near()
        self.climb(self.effort.steps)
        self.keep_best(stack([fitted, self.known.rows]))
        return self.known

    def near(self, aims: Aims, starts: Split) -> Known:
        """The same from rows that are near already, one for each aim."""
        self.aims, self.rows = aims, repair(self.problem, starts, aims.budget)
        self.climb(self.effort.more_steps)
        self.keep_best(stack([starts, self.known.rows]))
        return self.known

    # ------------------------------------------------------------------ from afar
    def begin(self, starts: Split) -> None:
        """The wide sweep, and the ends of the frontier on the way to its knapsacks."""
        problem, budget = self.problem, self.problem.budget
        fitted = repair(problem, starts)
        as_given = repair(problem, starts, most=starts.money)  # spending less may bring more
        answers = self.market(stack([fitted, as_given])).take(np.arange(len(fitted)))
        ends = linear(_ends(self.objectives), self._first_scale(answers), np.array([budget]))
        origin = fitted.take([self._best_start(ends, fitted, answers)])
        self.wide = sweep(self.market, problem, origin, [wide_levels(problem)])[0]
        self.aims, self.rows = ends, origin.take([0] * len(ends))
        self._knapsacks([self.wide] * len(ends))
        self.keep_best(stack([fitted, self.rows]))
        self.rescale()

    def _first_scale(self, answers: Answers) -> Array:
        """Before the ends are known: the budget for the return, its own size for the other."""
        own = np.abs(answers.values[:, 1 : self.objectives]).max(axis=0, initial=0.0)
        return np.concatenate([[self.problem.budget], np.where(own > 0, own, 1.0)])

    def _best_start(self, ends: Aims, fitted: Split, answers: Answers) -> int:
        every = np.ones((len(fitted), self.objectives))
        one = linear(every, ends.scale, np.array([self.problem.budget]))
        return int(one.score(one.values(self.problem, fitted, answers)).argmax())

    def rescale(self) -> None:
        """Weight objectives by their range over the rows, now that more of it is known."""
        if self.objectives == 1:
            return
        aims, rows = self.known
        alike = aims.take([0] * len(rows))
        values = alike.values(self.problem, rows, self.market(rows))
        least = 1e-3 * np.abs(values).max(axis=0) + 1e-9
        self.aims = replace(aims, scale=np.maximum(np.ptp(values, axis=0), least))

    def approach(self, some: Rows, steps: int) -> Rows:
        """Newton steps and closed cells in turn, each row while it gains much; those that still do."""
        reach = np.full(len(self.known.rows), REACH)
        for _ in range(steps):
            if not some.size:
                break
            before = self.scores()
            self._step(some, reach, no_trail(self.known.rows), self.effort.enough)
            self.close(some)
            some = some[(self.scores() - before)[some] > NEARLY]
        self.keep_best(self.known.rows)
        self.rescale()
        self.thicken()
        return some

    def sweep_near(self) -> None:
        """Sweeps around the first rows (the ends and the middle), and for every aim the knapsack of the nearest."""
        rows = self.known.rows
        some = rows.take(range(min(NEAR, len(rows))))
        levels = [near_levels(self.problem, money) for money in some.money]
        tables = sweep(self.market, self.problem, some, levels)
        apart = np.abs(rows.money[:, None] - some.money).sum(axis=2)
        self._knapsacks([tables[n] for n in apart.argmin(axis=1)])

    def _knapsacks(self, tables: list[Sweep]) -> None:
        """On the way from every row to the knapsack of its table: the best."""
        aims, rows = self.known
        goals = [
            best_split(
                self.problem, table, self.wide if table is not self.wide else None,
                aims.weights[n] / aims.scale, float(aims.budget[n]), exact=not aims.keeps[n],
            )
            for n, table in enumerate(tables)
        ]  # fmt: skip
        goal = stack(goals)
        leaves = self.problem.total(goal) < aims.budget * (1 - 2 / UNITS)
        most = np.where((aims.keeps | leaves)[:, None], goal.money, np.inf)
        fitted = repair(self.problem, goal, aims.budget, most=most)
        found = line_search(self.market, self.problem, aims, rows, fitted, leaves=leaves)
        self.keep_best(stack([self.known.rows, found]))

    # ------------------------------------------------------------------ near by
    def fill_gaps(self, late: Rows) -> Rows:
        """New rows in the widest gaps between neighbours, from both sides, with an aim of their own.

        Rows that are `late` go on beside them, and those that still are come back: calls of many plans
        cost little more than calls of few.

        Neighbours may differ in kind (two scenes that meet take each other's place), and half-way
        between two kinds is neither.
        """
        rows = self.known.rows
        first, gaps = len(rows), self._gaps()
        if not gaps:
            return late
        for pair, aim in gaps:
            self.add(aim.take([0, 0]), rows.take(pair))
        late = self.approach(np.concatenate([late, self.later(first)]), self.effort.first_steps)
        self.keep([*range(first), *range(first, len(self.known.aims), 2)])
        return late[late < first]

    def _gaps(self) -> list[tuple[list[int], Aims]]:
        """The widest gaps between neighbours of the frontier: their rows, and the aim between them."""
        aims, rows = self.known
        values = aims.values(self.problem, rows, self.market(rows))
        scaled = values / aims.scale
        pairs = [list(pair) for pair in pairwise(nothing_beats(values).tolist())]
        gap = np.array([np.abs(scaled[a] - scaled[b]).sum() for a, b in pairs])
        chosen = [pairs[n] for n in np.argsort(-gap)[: self.effort.fill] if gap[n] > 1e-3]
        return [(pair, self._between(pair[0], pair[1], values)) for pair in chosen]

    def show_more(self) -> None:
        """What was played between neighbours, improved a little, as plans of the answer."""
        first = len(self.known.aims)
        for _, aim in self._gaps():
            self.add(aim, self.best_ever(aim))
        self.climb(self.effort.show_steps, self.later(first))

    def _between(self, a: int, b: int, values: Array) -> Aims:
        """The weighting to which two neighbours are equal: what lies beyond their line beats both."""
        scale = self.known.aims.scale
        span = np.maximum(np.abs(values[a] - values[b]), 1e-9 * scale)
        weights = scale / span
        return linear((weights / weights.max())[None], scale, np.array([self.problem.budget]))

    def thicken(self) -> None:
        """Play plans on the lines between neighbours; one of them may serve an aim better than its row."""
        aims, rows = self.known
        values = aims.values(self.problem, rows, self.market(rows))
        order = nothing_beats(values)
        if len(order) < 2 or not self.effort.between:
            return
        count = max(1, round(self.effort.between / (len(order) - 1)))
        share = np.linspace(0, 1, count + 2)[1:-1, None]
        lines = [
            Split((1 - share) * rows.money[a] + share * rows.money[b], rows.booked[[a] * count])
            for a, b in pairwise(order.tolist())
        ]
        self.keep_best(stack([rows, repair(self.problem, stack(lines))]))

    def other_budgets(self, budgets: Sequence[float]) -> None:
        """The ends and the middle at other budgets, and the return at whatever budget is best.

        A row that plans nothing is filled to be climbed from; where nothing stays best, it comes back.
        """
        aims, rows = self.known
        wanted = np.argsort(-aims.weights[:NEAR, 0], kind="stable")
        for budget in budgets:
            some = replace(aims.take(wanted), budget=np.full(wanted.size, budget))
            self.add(some, repair(self.problem, rows.take(wanted), some.budget))
        self.close(self.later(len(aims)))
        self.climb(self.effort.show_steps, self.later(len(aims)))
        self.keep_best(self.known.rows)
        self.at_any_budget()

    def at_any_budget(self) -> None:
        """The return at whatever budget is best: from the best row or a part of it, and from one that plans nothing."""
        first = len(self.known.aims)
        most = np.array([FREE * self.problem.budget])
        free = replace(self.known.aims.take([0]), budget=most, keeps=np.ones(1, bool))
        self._play_parts(free)
        for row in (self.best_ever(free), self._nothing(free)):
            self.add(free, row)
        for _ in range(2):
            self.switch(self.later(first))
            self.climb(self.effort.steps, self.later(first))
        self.keep_best(self.known.rows)
        self.keep(range(first + 1))
        self.put(self.later(first), self._closer(free, self.known.rows.take([first])))

    def _play_parts(self, aim: Aims) -> None:
        """Play a half, a quarter .. of the first row: the budget may be many times what is worth spending."""
        row = self.known.rows.take([0])
        parts = row.money / 2.0 ** np.arange(1, PARTS + 1)[:, None]
        some = Split(parts, row.booked.repeat(PARTS, axis=0))
        self.market(repair(self.problem, some, aim.budget, most=some.money))

    def _closer(self, aim: Aims, row: Split) -> Split:
        """The row climbed with in steps that suit what it spends, if it spends anything."""
        spends = float(self.problem.total(row)[0])
        if not spends:
            return row
        own = Search(
            self.market, replace(self.problem, budget=spends), self.objectives, self.effort
        )
        scale = np.concatenate([[spends], aim.scale[1:]])
        return own.near(replace(aim, scale=scale), row).rows

    def _nothing(self, aim: Aims) -> Split:
        """Nothing planned but what limits force."""
        problem = self.problem
        none = Split(np.zeros((1, len(problem.cells))), np.zeros((1, len(problem.packages)), bool))
        return repair(problem, none, aim.budget, most=none.money)


def _ends(objectives: int) -> Array:
    """Weights of the ends: each objective almost alone."""
    return np.where(np.eye(objectives, dtype=bool), 1.0, TILT)
