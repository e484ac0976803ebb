"""The frontier of two objectives against exact sums of curves, weighting by weighting."""

from collections import Counter

import numpy as np
import pytest

from simulator.allocation.aims import linear
from simulator.allocation.archive import Archive
from simulator.allocation.effort import Effort
from simulator.allocation.market import Answers
from simulator.allocation.problem import Split
from simulator.allocation.response import Sweep, near_levels
from simulator.allocation.search import NEAR, Search
from tests.allocation.markets import BUDGET, Hill, certain, exact, hill, make_problem

LOSS, SHOWN = 0.001, 0.01
SOUGHT = 5
"""Ends, the middle, and what fills the gaps beside it; others are shown beside them."""
CHANNELS = 6


class Two:
    """Channels that bring money and people, each by a curve of its own."""

    def __init__(self, seed: int):
        self.money, self.people = hill(1.5, seed, CHANNELS), hill(2.0, seed + 100, CHANNELS)

    def __call__(self, split: Split) -> Answers:
        gained = self.money.response(split.money).sum(axis=1) - split.money.sum(axis=1)
        people = self.people.response(split.money).sum(axis=1)
        return certain(np.stack([gained, people], axis=1), split.money)

    def weighted(self, money: float, people: float) -> "Both":
        """One objective of both."""
        return Both(
            self.money.scale, self.money.half, 1.5, parts=(money, people), other=self.people
        )


class Both(Hill):
    """What both curves bring together."""

    def __init__(self, *args, parts: tuple[float, float], other: Hill):
        super().__init__(*args)
        self.parts, self.other = parts, other

    def response(self, money: np.ndarray) -> np.ndarray:
        own = super().response(money)
        return self.parts[0] * own + self.parts[1] * self.other.response(money)


def searched(market: Two, effort: Effort | None = None) -> Search:
    search = Search(Archive(market), make_problem([1] * CHANNELS), 2, effort or Effort())
    search.go(Split(np.full((1, CHANNELS), BUDGET / CHANNELS), np.zeros((1, 0), dtype=bool)))
    return search


@pytest.mark.parametrize("seed", range(6))
def test_every_plan_of_the_frontier_is_the_best_of_its_weighting(seed: int):
    market = Two(seed)
    search = searched(market)
    aims, rows = search.known
    assert len(rows) > SOUGHT
    best = [market.weighted(*aim) for aim in aims.pull()]
    own = np.array(
        [float(b.response(m[None]).sum()) for b, m in zip(best, rows.money, strict=True)]
    )
    lost = 1 - own / exact(best)
    assert lost[:SOUGHT].max() <= LOSS, lost.round(5).tolist()
    assert lost.max() <= SHOWN, lost.round(5).tolist()


def test_what_fills_a_gap_is_kept_once():
    aims, _ = searched(Two(0)).known
    assert max(Counter(map(tuple, aims.pull().tolist())).values()) == 1


def test_ends_come_first_and_then_the_middle():
    """The near sweeps and the other budgets rely on it."""
    aims, _ = searched(Two(0), Effort(fills=1)).known
    share = aims.weights / aims.weights.sum(axis=1, keepdims=True)
    assert share[0, 0] > 0.99 and share[1, 1] > 0.99
    assert 0.05 < share[NEAR - 1, 0] < 0.95


class Noting(Search):
    """A search that only notes the sweeps from which knapsacks would be made."""

    def _knapsacks(self, tables: list[Sweep]) -> None:
        self.tables = tables


def test_a_row_without_a_near_sweep_has_that_of_the_nearest():
    """The first three have their own; of these the last one is nearest to the fourth, the second to the fifth."""
    market, problem = hill(1.5, 0, 2), make_problem([1, 1])
    money = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9], [0.2, 0.8], [0.6, 0.4]]) * BUDGET
    rows = Split(money, np.zeros((5, 0), dtype=bool))
    aims = linear(np.ones((5, 1)), np.array([BUDGET]), np.array([BUDGET]))
    search = Noting(Archive(market), problem, 1, aims=aims, rows=rows)
    search.sweep_near()
    found = [table.levels[0].tolist() for table in search.tables]
    assert found == [near_levels(problem, money[n])[0].tolist() for n in (0, 1, 2, 2, 1)]


def test_fills_are_as_many_as_asked():
    assert [len(searched(Two(1), Effort(fills=n, fill=9)).known.rows) for n in (0, 1, 2)] == [
        2,
        5,
        9,
    ]
