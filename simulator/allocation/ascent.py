"""Rows at work: one plan for each aim, and the steps that better them.

symbol   meaning                                                          shape
aims     what is sought: weights of the objectives, and a budget          [row]
rows     the best plans so far, one for each aim                          [row, cell], [row, package]
reach    share by which a step may change a cell                          [row]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.allocation.aims import Aims, join
from simulator.allocation.archive import Archive
from simulator.allocation.effort import Effort
from simulator.allocation.problem import Array, Problem, Split, stack
from simulator.allocation.refine import Trail, climb, close, exchange, no_trail, switch
from simulator.allocation.repair import repair
from simulator.allocation.slopes import Slopes, sides, slopes, unevenness

Rows = NDArray[np.intp]
"""Places of rows."""
NOTHING_LOST = 1e-6
"""Share of the score that counts for nothing: slopes are read over 2% of a cell, and steps there are finer."""
EVEN = 0.005
"""A row whose slopes are as even as this is at the top."""
REACH = 0.3
"""Share by which a first step may change a cell."""


class Known(NamedTuple):
    """What a search that has begun has."""

    aims: Aims
    rows: Split


def _silent(_: str, __: float) -> None:
    """Say nothing."""


@dataclass
class Ascent:
    """Rows, and where they stand in the market."""

    market: Archive
    problem: Problem
    objectives: int
    effort: Effort = field(default_factory=Effort)
    aims: Aims | None = None
    rows: Split | None = None
    say: Callable[[str, float], None] = _silent
    """Told what is being done, and the share of the work that is behind."""

    @property
    def known(self) -> "Known":
        """Aims and rows, once the search has begun."""
        assert self.aims is not None and self.rows is not None
        return Known(self.aims, self.rows)

    def scores(self) -> Array:
        """Scores of the rows."""
        aims, rows = self.known
        return aims.score(aims.values(self.problem, rows, self.market(rows)))

    def climb(
        self, steps: int, some: Rows | None = None, *, enough: float | None = None,
        told: tuple[str, float, float] | None = None,
    ) -> None:  # fmt: skip
        """Steps of some rows, or all, until they gain nothing or their slopes are even; `told`: what is said
        of each, and from which share of the work to which.
        """
        rows = self.known.rows
        reach, trail = np.full(len(rows), REACH), no_trail(rows)
        active = np.arange(len(rows)) if some is None else some
        for n in range(steps):
            if active.size:
                if told:
                    words, begun, ended = told
                    self.say(words, begun + (ended - begun) * n / steps)
                least = self.effort.enough if enough is None else enough
                active = self._step(active, reach, trail, least)

    def _step(self, active: Rows, reach: Array, trail: Trail, enough: float) -> Rows:
        """One step of some rows; those of them that go on."""
        active, found = self._uneven(active)
        if not active.size:
            return active
        aims, rows = self.known
        some, here = aims.take(active), rows.take(active)
        moved, gain = climb(
            self.market, self.problem, some, here, reach[active], found=found,
            trail=trail.take(active),
        )  # fmt: skip
        trail.follow(active, sides(found, some.pull(), here.money).middle, moved.money - here.money)
        self.put(active, moved)
        stuck = gain <= enough
        reach[active] = np.where(stuck, reach[active] / 4, np.minimum(reach[active] * 1.5, 1.0))
        return active[~stuck | (reach[active] > 0.05)]

    def _uneven(self, active: Rows) -> tuple[Rows, Slopes]:
        """Of these rows those that are not at the top, and their slopes."""
        some, here = self.known.aims.take(active), self.known.rows.take(active)
        found = slopes(self.market, self.problem, some, here)
        goes = unevenness(self.problem, some, here, found) > EVEN
        return active[goes], found.take(goes)

    def even_out(self, row: np.intp | int, steps: int) -> None:
        """Money between two cells of a row at a time, as long as that costs nothing that counts: the evenest."""
        place = np.array([row])
        aims, here = self.known.aims.take(place), self.known.rows.take(place)
        found = slopes(self.market, self.problem, aims, here)
        score = float(aims.score(found.values)[0])
        apart, least = np.inf, score - NOTHING_LOST * abs(score)
        for turn in range(steps + 1):
            now = unevenness(self.problem, aims, here, found)[0]
            if now < apart:
                apart = now
                self.put(place, here)
            if apart < 2 * EVEN or turn == steps:
                break
            here = exchange(self.problem, aims, here, found)
            found = slopes(self.market, self.problem, aims, here)
            if aims.score(found.values)[0] < least:
                break

    def close(self, some: Rows | None = None) -> None:
        """Close the cell that each of some rows, or all, is best without."""
        aims, rows = self.known
        chosen = np.arange(len(aims)) if some is None else some
        moved, _ = close(self.market, self.problem, aims.take(chosen), rows.take(chosen))
        self.put(chosen, moved)

    def switch(self, some: Rows) -> None:
        """Packages booked or dropped and scenes closed, one by one, as long as a row gains by that."""
        for _ in range(len(self.problem.packages) + len(self.problem.scenes)):
            aims, rows = self.known
            moved, gain = switch(self.market, self.problem, aims.take(some), rows.take(some))
            self.put(some, moved)
            some = some[gain > 0]
            if not some.size:
                break

    def put(self, some: Rows, moved: Split) -> None:
        """Rows take the place of some."""
        place = np.arange(len(self.known.rows))
        place[some] = len(place) + np.arange(len(some))
        self.rows = stack([self.known.rows, moved]).take(place)

    def later(self, first: int) -> Rows:
        """The rows that came last."""
        return np.arange(first, len(self.known.aims))

    def keep_best(self, candidates: Split) -> None:
        """For every aim the best of the candidates at its budget; one may serve another."""
        aims = self.known.aims
        answers, costs = self.market(candidates), self.problem.total(candidates)
        count, n = len(aims), len(candidates)
        again = np.tile(np.arange(n), count)
        own = aims.take(np.repeat(np.arange(count), n))
        wide = answers.take(again)
        scores = own.score(own.values(self.problem, candidates.take(again), wide)).reshape(count, n)
        fits = costs <= aims.budget[:, None] * (1 + 1e-6)
        best = np.where(fits, scores, -np.inf).argmax(axis=1)
        self.rows = candidates.take(best)

    def best_ever(self, aim: Aims) -> Split:
        """The best row in the archive for one aim."""
        rows, answers = self.market.every()
        values = aim.take([0] * len(rows)).values(self.problem, rows, answers)
        fits = self.problem.total(rows) <= aim.budget[0]
        score = aim.take([0] * len(rows)).score(values)
        best = rows.take([int(np.where(fits, score, -np.inf).argmax())])
        return repair(self.problem, best, aim.budget, most=best.money)  # sweeps leave floors aside

    def keep(self, some: Sequence[int]) -> None:
        """Only some of the rows."""
        aims, rows = self.known
        self.aims, self.rows = aims.take(some), rows.take(some)

    def add(self, aims: Aims, rows: Split) -> None:
        """Further rows, with aims of their own."""
        self.aims, self.rows = join(self.known.aims, aims), stack([self.known.rows, rows])
