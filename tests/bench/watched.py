"""What a search asked of a market, row by row, and how much of the frontier it had by then.

A row counts if its plan costs no more than the budget; money that it does not spend is lost, as in the
aims of the search. `strict` counts only rows that spend what they plan, cell by cell. The search's own
CPU time is that of the process less the time inside the market.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.allocation.aims import linear
from simulator.allocation.market import Answers, SimulatedMarket
from simulator.allocation.problem import Array, Flags, Problem, Split, stack
from simulator.allocation.slopes import PARKED
from simulator.scenario.schema import Scenario

WANTED = ("profit_incremental", "new_customers")
SLACK = 1e-6
"""Rounding of a plan's total, as a share of the budget."""


class WatchedMarket:
    """A market that keeps what it was asked, and looks at the clock before and after."""

    def __init__(self, scenario: Scenario, problem: Problem, objectives: int = 2):
        self.problem = problem
        self.inner = SimulatedMarket(scenario, problem, WANTED[:objectives])
        self.splits: list[Split] = []
        self.answers: list[Answers] = []
        self.own: list[float] = []
        self.inside, self.start = 0.0, time.process_time()

    @property
    def evaluations(self) -> int:
        return sum(len(split) for split in self.splits)

    def __call__(self, split: Split) -> Answers:
        begun = time.process_time()
        self.own.append(begun - self.start - self.inside)
        found = self.inner(split)
        self.splits.append(split)
        self.answers.append(found)
        self.inside += time.process_time() - begun
        return found


@dataclass(frozen=True, eq=False)
class Trace:
    """Everything that a search asked, in order."""

    split: Split
    values: Array
    """[row, objective]; -inf where the row costs too much."""
    strict: Flags
    """Whether all that is planned is spent: [row]."""
    call: Array
    """Number of the call, from 1: [row]."""
    own: Array
    """CPU time of the search itself until it asked [s]: [row]."""
    calls: int
    own_cpu: float
    cpu: float

    def __len__(self) -> int:
        return len(self.values)

    def last(self) -> Array:
        """Values of the rows of the last call: [row, objective]."""
        return self.values[self.call == self.calls]

    def spending(self) -> Array:
        """Values of the rows that spend what they plan, -inf for the others: [row, objective]."""
        return np.where(self.strict[:, None], self.values, -np.inf)


def trace_of(market: WatchedMarket) -> Trace:
    """What the market was asked until now."""
    cpu = time.process_time() - market.start
    split, answers = stack(market.splits), join_answers(market.answers)
    sizes = [len(s) for s in market.splits]
    return Trace(
        split, counted(market.problem, split, answers), spends_it(split, answers.most),
        np.repeat(np.arange(1, len(sizes) + 1), sizes), np.repeat(market.own, sizes),
        len(sizes), cpu - market.inside, cpu,
    )  # fmt: skip


def join_answers(parts: Sequence[Answers]) -> Answers:
    """All rows, one after another."""
    columns = [(a.values, a.spent, a.most) for a in parts]
    return Answers(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def counted(problem: Problem, split: Split, answers: Answers) -> Array:
    """Objectives of rows, what is not spent taken off the return; -inf for rows above the budget."""
    every = np.ones((len(split), answers.values.shape[1]))
    values = linear(every, every[0], np.array([problem.budget])).values(problem, split, answers)
    fits = problem.total(split) <= problem.budget * (1 + SLACK)
    return np.where(fits[:, None], values, -np.inf)


# --- how much of the frontier -------------------------------------------------------------------


def hypervolume(values: Array, corner: Array) -> float:
    """Area that rows [row, 2] dominate above a corner; more is better in both.

    >>> hypervolume(np.array([[3.0, 1.0], [1.0, 2.0], [1.0, 1.0]]), np.zeros(2))
    4.0
    """
    above = values[(values > corner).all(axis=1)] - corner
    across, up = above[np.argsort(-above[:, 0])].T
    rise = np.diff(np.maximum.accumulate(up), prepend=0.0)
    return float((across * rise).sum())


def corner_of(values: Array) -> Array:
    """Where areas are measured from: the worst of each objective on the frontier less a tenth of its range."""
    low, high = values.min(axis=0), values.max(axis=0)
    return low - np.maximum(0.1 * (high - low), 1e-6 * np.abs(high))


def rows_to(values: Array, corner: Array, area: float) -> int | None:
    """How many rows, in order, it takes to dominate the area; None where all do not.

    >>> rows_to(np.array([[1.0, 1.0], [2.0, 2.0], [1.5, 2.0]]), np.zeros(2), 2.5)
    2
    """
    if hypervolume(values, corner) < area:
        return None
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        enough = hypervolume(values[:middle], corner) >= area
        low, high = (low, middle) if enough else (middle, high)
    return high


def spends_it(split: Split, most: Array) -> Flags:
    """Whether no cell is planned above the most that it spends: [row]."""
    slack = PARKED * np.maximum(split.money, 1.0)
    return np.asarray((split.money - most <= slack).all(axis=1))
