"""What is sought: a weighting of the objectives at a budget.

symbol   meaning                                                       unit    shape
f        objectives of a plan; the first is always the return          any     [row, objective]
s        scale: range of each objective over the frontier              any     [objective]
w        weight of each objective                                      1       [row, objective]

Score  sum_k w_k f_k / s_k. Money that a plan does not spend counts as lost in the return unless the
aim may keep it; otherwise it could be hidden where it is not spent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.allocation.market import Answers
from simulator.allocation.problem import Array, Flags, Problem, Split


@dataclass(frozen=True, eq=False)
class Aims:
    """One aim a row."""

    weights: Array
    """[row, objective]"""
    scale: Array
    """[objective]"""
    budget: Array
    """[row]"""
    keeps: Flags
    """Whether unspent money is kept rather than lost: [row]."""

    def __len__(self) -> int:
        return len(self.weights)

    def take(self, rows: "NDArray[np.intp] | Sequence[int]") -> "Aims":
        """Some of the rows, or rows repeated."""
        return replace(
            self, weights=self.weights[rows], budget=self.budget[rows], keeps=self.keeps[rows]
        )

    def score(self, values: Array) -> Array:
        """Score of every row: [row]."""
        return np.asarray((self.weights * values / self.scale).sum(axis=1))

    def pull(self) -> Array:
        """Derivatives of the score, d score / d f: [row, objective]."""
        return self.weights / self.scale

    def values(self, problem: Problem, split: Split, answers: Answers) -> Array:
        """Objectives of rows, fixed costs and lost money taken off the return: [row, objective]."""
        values = answers.values.copy()
        paid = answers.spent.sum(axis=1) + problem.contract_money(split.booked)
        lost = np.where(self.keeps, 0.0, self.budget - paid)
        values[:, 0] -= problem.fixed_costs(split) + lost
        return values


def linear(weights: Array, scale: Array, budget: Array, *, keeps: bool = False) -> Aims:
    """Aims that weight the objectives: weights [row, objective], budget [row]."""
    rows = len(weights)
    return Aims(
        weights, scale, np.broadcast_to(budget, rows).astype(float), np.full(rows, keeps),
    )  # fmt: skip


def join(a: Aims, b: Aims) -> Aims:
    """Rows of both, at the scale of the first."""
    return Aims(
        np.concatenate([a.weights, b.weights]), a.scale, np.concatenate([a.budget, b.budget]),
        np.concatenate([a.keeps, b.keeps]),
    )  # fmt: skip


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
