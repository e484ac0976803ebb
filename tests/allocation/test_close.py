"""Cells of one phase that outbid each other: closing one is what no slope shows."""

from dataclasses import dataclass

import numpy as np
import pytest

from simulator.allocation.aims import Aims, linear
from simulator.allocation.archive import Archive
from simulator.allocation.market import Answers
from simulator.allocation.problem import Problem, Split, stack
from simulator.allocation.refine import LARGE, climb, close
from simulator.allocation.repair import repair
from simulator.allocation.search import Search
from tests.allocation.markets import BUDGET, Array, certain, make_problem

CELLS = 3
PHASES = 2


@dataclass
class Rivals:
    """Scenes that bid in the same feed: in every phase sum x^2 / sum x counts, with less and less return."""

    worth: Array
    """[cell]"""

    def value(self, money: Array) -> float:
        """What one plan brings [CNY]."""
        total = 0.0
        for phase in range(PHASES):
            own = money[phase::PHASES]
            power = (self.worth[phase::PHASES] * own**2).sum() / max(own.sum(), 1e-9)
            total += 2e6 * power / (power + 6e5)
        return float(total)

    def __call__(self: "Market", split: Split) -> Answers:
        brought = np.array([[self.value(row) - row.sum()] for row in split.money])
        return certain(brought, split.money)


@dataclass
class Costly:
    """Scenes that cost as much to run as they have to spend."""

    fixed: float

    def value(self, money: Array) -> float:
        """What one plan brings [CNY]."""
        runs = money.reshape(CELLS, PHASES).sum(axis=1) > 1e-6
        return float((3e6 * money / (money + 3e5)).sum() - self.fixed * runs.sum())

    __call__ = Rivals.__call__


class Tiring:
    """Whoever is shown a scene in one phase is tired of it in the next, which is the better one."""

    def value(self, money: Array) -> float:
        """What one plan brings [CNY]."""
        first, second = money.reshape(CELLS, PHASES).T
        brought = 1e6 * (
            first / (first + 2e5) + 1.5 * second / (second + 2e5) * np.exp(-first / 4e4)
        )
        return float(brought.sum())

    __call__ = Rivals.__call__


Market = Rivals | Costly | Tiring


def rivals() -> Rivals:
    return Rivals(np.array([1.0, 0.9, 1.02, 1.0, 0.95, 0.98]))


def problem(**limits) -> Problem:
    return make_problem([PHASES] * CELLS, **limits)


def even(rows: int = 1) -> Split:
    return Split(np.full((rows, 6), BUDGET / 6), np.zeros((rows, 0), dtype=bool))


def aim(rows: int = 1) -> Aims:
    return linear(np.ones((rows, 1)), np.array([BUDGET]), np.array([BUDGET]))


def by_hand(market: Market, known: Problem, money: Array) -> float:
    """The best value of one plan with a cell closed for all, or for one, of its phase, or for its scene, or with a
    scene closed.
    """
    best = market.value(money)
    for gone in range(6):
        mates = [c for c in range(gone % PHASES, 6, PHASES) if c != gone]
        kin = [c for c in range(6) if c // PHASES == gone // PHASES and c != gone]
        freed = money[gone] - known.low[gone]
        to_all, to_kin = ({c: money[c] / money[own].sum() for c in own} for own in (mates, kin))
        large = [c for c in mates if min(money[c], money[gone]) > LARGE * BUDGET]
        for share in (to_all, to_kin, *({c: 1.0} for c in large)):
            new = money.copy()
            new[gone] -= freed
            for c, part in share.items():
                new[c] += freed * part
            best = max(best, market.value(new))
    for scene in range(CELLS):
        own = np.arange(6) // PHASES == scene
        wish = Split(np.where(own, known.low, money)[None], np.zeros((1, 0), dtype=bool))
        most = np.where(wish.money > 0, np.inf, 0.0)
        best = max(best, market.value(repair(known, wish, most=most).money[0]))
    return best


@pytest.mark.parametrize(
    "market", [rivals(), Costly(5e5), Tiring()], ids=lambda m: type(m).__name__
)
@pytest.mark.parametrize("seed", range(8))
def test_the_best_closed_cell_is_the_best_of_all(seed: int, market: Market):
    known = problem(low=np.array([0.0, 0, 2e4, 0, 0, 1e4]))
    shares = np.random.default_rng(seed).dirichlet(np.ones(6), 3)
    start = repair(known, Split(shares * BUDGET, np.zeros((3, 0), dtype=bool)))
    found, gain = close(market, known, aim(3), start)
    for n, money in enumerate(start.money):
        best = by_hand(market, known, money)
        assert market.value(found.money[n]) == pytest.approx(best, rel=1e-9)
        assert gain[n] * BUDGET == pytest.approx(best - market.value(money), abs=1e-3)


def test_limits_hold_and_the_budget_is_kept():
    known = problem(low=np.full(6, 3e4), cap=np.array([np.inf, 4e5, np.inf]))
    found, _ = close(rivals(), known, aim(), even())
    assert found.money.sum() == pytest.approx(BUDGET)
    assert (found.money >= known.low - 1e-6).all()
    assert found.money[0, 2:4].sum() <= 4e5 * (1 + 1e-9)


def test_a_plan_that_is_best_as_it_is_stays():
    start = Split(np.array([[0.0, 5e5, 5e5, 0, 0, 0]]), np.zeros((1, 0), dtype=bool))
    found, gain = close(rivals(), problem(), aim(), start)
    assert gain.tolist() == [0.0]
    assert found.money.tolist() == start.money.tolist()


def test_where_steps_stand_still_a_closed_cell_goes_on():
    market, known = Rivals(np.ones(6)), problem()
    stood, gain = climb(market, known, aim(), even(), np.full(1, 0.3))
    assert gain[0] == pytest.approx(0.0, abs=1e-9)
    rows = stood
    for _ in range(4):
        rows, _ = close(market, known, aim(), rows)
    money = rows.money[0]
    assert [(money[phase::PHASES] > 1e3).sum() for phase in range(PHASES)] == [1, 1]
    assert market.value(money) > 1.3 * market.value(stood.money[0])


def test_first_steps_close_cells_and_a_row_that_gains_no_more_leaves_them(monkeypatch):
    """One row begins at its best, the other in the middle, where steps alone stand still."""
    sizes, inside = [], Search.close

    def noted(search: Search, some: np.ndarray) -> None:
        sizes.append(len(some))
        inside(search, some)

    monkeypatch.setattr(Search, "close", noted)
    market = Rivals(np.ones(6))
    best = Split(np.array([[5e5, 5e5, 0, 0, 0, 0]]), np.zeros((1, 0), dtype=bool))
    search = Search(Archive(market), problem(), 1, aims=aim(2), rows=stack([best, even()]))
    late = search.approach(np.arange(2), 8)
    assert sizes[0] == 2 and set(sizes[1:]) == {1}
    assert late.size == 0
    values = [market.value(money) for money in search.known.rows.money]
    assert min(values) == pytest.approx(market.value(best.money[0]), rel=0.02)


def test_money_of_the_wrong_phase_moves_where_no_slope_leads():
    """Nobody who is tired of a scene buys in its better phase: the first yuan there brings nothing."""
    market, known = Tiring(), problem()
    early = Split(np.array([[3.3e5, 1e3, 3.3e5, 1e3, 3.3e5, 1e3]]), np.zeros((1, 0), dtype=bool))
    search = Search(Archive(market), known, 1, aims=aim(), rows=repair(known, early))
    search.climb(40, enough=0.0)
    stood = market.value(search.known.rows.money[0])
    search.settle()
    assert market.value(search.known.rows.money[0]) > 1.4 * stood
