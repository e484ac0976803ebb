"""The rows that a search has found, as an answer shows them: in order, told apart, and by name.

A row is at the budget, at another one, or at whatever budget is best (`keeps`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.allocation.aims import Aims, nothing_beats
from simulator.allocation.archive import Archive
from simulator.allocation.problem import Array, Problem, Split
from simulator.allocation.search import TILT
from simulator.outcomes.most_profit import MOST

ALIKE, SAME = 0.02, 1e-3
"""Plans are shown as one if no cell differs by more of the budget, and no figure by a larger share."""


@dataclass(frozen=True)
class Final:
    """What the search found, planned as it is spent."""

    rows: Split
    aims: Aims
    values: Array
    """Objectives in expected mode: [row, objective]."""
    spent: Array
    """Expected cost, contracts included [CNY]: [row]."""
    finished: bool
    wished: int | None = None
    """Which row was sought for the user's wish, the last one, if there is a wish."""

    @classmethod
    def of(
        cls, judge: Archive, problem: Problem, rows: Split, aims: Aims, *, finished: bool
    ) -> "Final":
        """Rows as the judge sees them."""
        answers = judge(rows)
        values = aims.values(problem, rows, answers)
        spent = answers.spent.sum(axis=1) + problem.contract_money(rows.booked)
        return cls(rows, aims, values, spent, finished)

    def take(self, rows: Sequence[int]) -> "Final":
        """Some of the rows."""
        parts = self.values[rows], self.spent[rows]
        return Final(self.rows.take(rows), self.aims.take(rows), *parts, self.finished)


def in_order(found: Final, budget: float, columns: Sequence[int]) -> tuple[list[int], list[int]]:
    """Rows at the budget that nothing beats in these objectives, best return first; and rows at other budgets."""
    at_budget = (found.aims.budget == budget) & ~found.aims.keeps
    here = np.flatnonzero(at_budget)
    kept = here[nothing_beats(found.values[here][:, columns])][::-1]
    apart = [*_less_profit(found), found.wished]
    others = [n for n in np.flatnonzero(~at_budget).tolist() if n not in apart]
    return distinct(found, kept.tolist()), distinct(found, others)


def _less_profit(found: Final) -> list[int]:
    """Rows beside the best one whose budget itself was sought: a search that is stopped may have two."""
    free = np.flatnonzero(found.aims.keeps[: found.wished])
    return free[np.argsort(-found.values[free, 0], kind="stable")][1:].tolist()


def distinct(found: Final, rows: list[int]) -> list[int]:
    """Of rows that are nearly the same one alone, the ends before those between them."""
    kept: list[int] = []
    for n in (*rows[:1], *rows[-1:], *rows[1:-1]):
        if not any(_alike(found, n, other) for other in kept):
            kept.append(n)
    return [n for n in rows if n in kept]


def _alike(found: Final, a: int, b: int) -> bool:
    """Whether a reader could not tell two plans of one budget apart."""
    aims, rows = found.aims, found.rows
    budget = aims.budget[a]
    if aims.budget[b] != budget or aims.keeps[a] != aims.keeps[b]:
        return False
    money = np.abs(rows.money[a] - rows.money[b]).max(initial=0.0) <= ALIKE * budget
    figures = np.isclose(found.values[a], found.values[b], rtol=SAME, atol=0.0)
    return bool(money and figures.all() and (rows.booked[a] == rows.booked[b]).all())


def names_of(found: Final, budget: float, others: Sequence[int]) -> list[str]:
    """What rows at other budgets are called."""
    names, seen = [], dict[int, int]()
    for n in others:
        share = round(100 * found.aims.budget[n] / budget)
        seen[share] = seen.get(share, 0) + 1
        names.append(MOST if found.aims.keeps[n] else f"{share}% best {seen[share]}")
    return names


def budget_of(some: Final, row: int, planned: float) -> float:
    """What was to be split; where the budget itself was sought, what is planned."""
    return planned if some.aims.keeps[row] else float(some.aims.budget[row])


def unspent(some: Final, row: int, planned: float, idle: float) -> float:
    """Expected leftovers, those apart that were known before."""
    return max(0.0, budget_of(some, row, planned) - float(some.spent[row]) - idle)


def price_of_new(aims: Aims, row: int) -> float | None:
    """Return given up for one more of the second objective, by the weights of the aim."""
    weights = aims.weights[row] / aims.scale
    if len(weights) < 2 or aims.keeps[row] or shares(aims, row).min() <= TILT:
        return None
    return float(weights[1] / weights[0])


def shares(aims: Aims, row: int) -> Array:
    """How the weight is shared among the objectives."""
    return np.asarray(aims.weights[row] / aims.weights[row].sum())
