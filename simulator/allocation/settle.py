"""Plans as they are spent: no money where it stays, and no cell with next to nothing."""

import numpy as np

from simulator.allocation.aims import Aims
from simulator.allocation.market import Market
from simulator.allocation.problem import Array, Flags, Problem, Split, stack, sums
from simulator.allocation.refine import best_of, open_to
from simulator.allocation.repair import repair
from simulator.allocation.slopes import PARKED

SETTLE, TRIM, DEEP = 6, 12, 4
"""Rounds of moving what is not spent elsewhere, and then of cutting it: a cut may free or starve others."""
LEAKS = 0.03
"""Share of its money, at most, that a cell may leave over of any amount: where money is kept by day, days are cut short
by chance. Cut to what it spends, it leaves as much again.
"""
SPECK, SMALL = 0.002, 0.02
"""A cell, or a scene, with less of the budget is left out if that costs nothing."""


def settle(market: Market, problem: Problem, rows: Split, aims: Aims) -> Split:
    """Rows without money that is never spent.

    What that frees is offered to the others, or not planned, whichever is better: more in one cell
    can cost another one its supply. Locks and floors stay, also where they cannot be spent.
    """
    ways = [
        _settled(market, problem, rows, aims, moves=moves, idle=idle)
        for moves, idle in ((SETTLE, PARKED), (0, PARKED), (SETTLE, LEAKS))
    ]
    return best_of(market, problem, aims, ways)[0]


def _settled(
    market: Market, problem: Problem, rows: Split, aims: Aims, *, moves: int, idle: float
) -> Split:
    """After some rounds of moving what is not spent, and as many of cutting it as it takes, until no cell is planned
    above what it spends by more than the share `idle`.
    """
    most = open_to(aims, rows)
    for turn in range(moves + TRIM):
        parked, spent = _parked(market, problem, rows, idle)
        if not parked.any():
            break
        if turn >= moves:
            most = np.minimum(most, rows.money)
        # A scene that is cut buys a smaller share of what scenes share: late cuts go deeper and deeper.
        late = turn - moves - DEEP
        deep = 2.0 ** min(late, 4) * (rows.money - spent) if late >= 0 else 0.0
        most = np.where(parked, np.minimum(most, np.maximum(spent - deep, problem.low)), most)
        rows = repair(
            problem, Split(np.minimum(rows.money, most), rows.booked), aims.budget, most=most
        )
    return rows


def _parked(market: Market, problem: Problem, rows: Split, share: float) -> tuple[Flags, Array]:
    """Cells that are planned above the most that they spend, and need not be, and that: [row, cell]."""
    most = market(rows).most
    idle = rows.money - np.maximum(most, problem.low)
    return idle > share * rows.money, most


def without_specks(market: Market, problem: Problem, rows: Split, aims: Aims) -> Split:
    """Rows without a small scene, or a cell that holds next to nothing, unless it brings more than its money
    elsewhere.

    Slopes do not see that a scene costs to run, nor the knapsack a share of its unit.
    """
    parts = np.concatenate([problem.of_scene, np.eye(len(problem.cells), dtype=bool)])
    money = sums(rows.money, parts)
    small = np.repeat([SMALL, SPECK], [len(problem.of_scene), len(problem.cells)])
    owner, part = np.nonzero((money > 0) & (money < small * problem.budget))
    kept = Split(np.where(parts[part], 0.0, rows.money[owner]), rows.booked[owner])
    own = aims.take(owner)
    every = stack([rows, repair(problem, kept, own.budget, most=open_to(own, kept))])
    both = aims.take([*range(len(rows)), *owner.tolist()])
    score = both.score(both.values(problem, every, market(every)))
    best = np.arange(len(rows))
    for n, of in enumerate(owner.tolist(), len(rows)):
        best[of] = n if score[n] >= score[best[of]] else best[of]
    return every.take(best)
