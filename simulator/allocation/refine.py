"""From a good split to the best near it: steps along the slopes of every cell that keep the sum.

symbol   meaning                                                       unit        shape
g, h     first and second derivative of the score in a cell's money    1/CNY, ..   [row, cell]
d        step                                                          CNY         [row, cell]
p, y     the move before it, and what that changed in the slopes       CNY, 1/CNY  [row, cell]
rho      most that a step may change a cell, share of it               1           [row]
lambda   shadow price: what the next yuan of the budget brings         1/CNY       [row]

d maximises sum_c g_c d_c + h_c d_c^2 / 2 subject to sum_c d_c = 0 and the limits: d_c = (g_c - lambda)
/ -h_c where no limit binds (a Newton step on the diagonal, projected; Bertsekas 1982). Cells that take
each other's supply would send such steps to and fro, so each is made conjugate to the move before it:
d + beta p, beta = -(d y) / (p y) (Hestenes and Stiefel 1952). Several lengths of the step are tried in
one call, and a row never gets worse.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.allocation.aims import Aims
from simulator.allocation.market import Market
from simulator.allocation.problem import Array, Flags, Problem, Split, stack
from simulator.allocation.repair import repair
from simulator.allocation.slopes import NOTHING, Slopes, full, held, rooms, sides, slopes

LENGTHS = np.array([0.1, 0.3, 0.6, 1.0, 1.7, 3.0])
"""Lengths of a step that are tried."""
BEYOND = 3.0
"""Most of the last move that a step repeats."""
LARGE = 0.02
"""Share of the budget from which a cell may be closed for the sake of one other."""
TURNS = 60


@dataclass(eq=False)
class Trail:
    """Where rows come from."""

    slope: Array
    """g before the last move: [row, cell]."""
    move: Array
    """p; nothing where a row has not moved yet: [row, cell]."""

    def take(self, rows: NDArray[np.intp]) -> "Trail":
        """Some of the rows."""
        return Trail(self.slope[rows], self.move[rows])

    def follow(self, rows: NDArray[np.intp], slope: Array, move: Array) -> None:
        """Note the slopes where some rows were, and how they moved from there."""
        self.slope[rows], self.move[rows] = slope, move


def no_trail(split: Split) -> Trail:
    """Of rows that have not moved yet."""
    return Trail(np.zeros_like(split.money), np.zeros_like(split.money))


def climb(
    market: Market, problem: Problem, aims: Aims, split: Split, reach: Array, *,
    found: Slopes | None = None, trail: Trail | None = None,
) -> tuple[Split, Array]:  # fmt: skip
    """One step of every row: the new rows, and what their scores gain."""
    found = found or slopes(market, problem, aims, split)
    step = newton_step(problem, aims, split, found, reach)
    if trail:
        step = conjugate(step, aims, split, found, trail)
    most = split.money + rooms(found, split.money)
    goals = [Split(split.money + t * step, split.booked) for t in LENGTHS]
    limits = [np.minimum(most, open_to(aims, goal)) for goal in goals]
    return best_of(market, problem, aims, [split, *_fitted(problem, aims, goals, limits)])


def _fitted(
    problem: Problem, aims: Aims, goals: Sequence[Split], most: Sequence[Array]
) -> Iterator[Split]:
    """Goals of all rows, repaired in one call."""
    wide = np.tile(aims.budget, len(goals))
    every = repair(problem, stack(goals), wide, most=np.concatenate(most))
    for n in range(len(goals)):
        yield every.take(range(n * len(aims), (n + 1) * len(aims)))


def conjugate(step: Array, aims: Aims, split: Split, found: Slopes, trail: Trail) -> Array:
    """The step and so much of the last move that together they leave its slope as it is: [row, cell].

    Where that would lead down, or the score did not bend down along the last move, the step alone.
    """
    here = sides(found, aims.pull(), split.money)
    slope = here.middle
    change = np.where(here.kink, 0.0, slope - trail.slope)
    move = np.where(here.kink, 0.0, trail.move)
    along = (move * change).sum(axis=1, keepdims=True)
    beta = -(step * change).sum(axis=1, keepdims=True) / np.where(along < 0, along, -np.inf)
    both = step + np.clip(beta, 0.0, BEYOND) * move
    rises = (slope * both).sum(axis=1, keepdims=True) > 0
    return np.where(rises, both, step)


def exchange(problem: Problem, aims: Aims, split: Split, found: Slopes) -> Split:
    """The Newton step of the two cells that are furthest apart: one gives, one takes.

    Where cells take each other's supply a common step may lead down, while that of two evens out.
    """
    money, rows = split.money, np.arange(len(aims))
    right, left, _ = sides(found, aims.pull(), money)
    free = ~held(problem, split)
    takes = np.where(free & ~full(found, money), right, -np.inf)
    gives = np.where(free & (money > NOTHING * problem.budget), left, np.inf)
    bend = np.einsum("rco,ro->rc", found.bend, aims.pull())
    stiff = np.maximum(-bend, _least_bend(left, split, problem))
    up, down = takes.argmax(axis=1), gives.argmin(axis=1)
    gap = np.maximum(takes[rows, up] - gives[rows, down], 0.0)
    size = np.minimum(gap / (stiff[rows, up] + stiff[rows, down]), money[rows, down] / 2)
    moved = money.copy()
    moved[rows, up] += size
    moved[rows, down] -= size
    goal = Split(moved, split.booked)
    return repair(problem, goal, aims.budget, most=open_to(aims, goal))


def best_of(
    market: Market, problem: Problem, aims: Aims, tries: list[Split]
) -> tuple[Split, Array]:
    """The best of each row's tries, and what it gains over the first."""
    rows = np.arange(len(aims))
    every, owner = stack(tries), np.tile(rows, len(tries))
    own = aims.take(owner)
    scores = own.score(own.values(problem, every, market(every))).reshape(len(tries), -1)
    best = scores.argmax(axis=0)
    return every.take(best * len(aims) + rows), scores[best, rows] - scores[0]


def close(market: Market, problem: Problem, aims: Aims, split: Split) -> tuple[Split, Array]:
    """Every cell closed in turn, its money given to others of its phase or of its scene, and every scene, its
    money given to all others: the best, and its gain.

    Scenes that meet outbid each other, and the higher score takes most; people who are shown ads all the time
    tire of them, and rest in a pause; a scene costs to run. So a share in the middle can be worse than none
    and than all, where slopes show no way to either.
    """
    row, money = _closed(problem, split)
    own, goal = aims.take(row), Split(money, split.booked[row])
    every = stack([split, repair(problem, goal, own.budget, most=open_to(own, goal))])
    owner = np.concatenate([np.arange(len(aims)), row])
    wide = aims.take(owner)
    scores = wide.score(wide.values(problem, every, market(every)))
    best = [np.where(owner == n, scores, -np.inf).argmax() for n in range(len(aims))]
    place = np.array(best, dtype=np.intp)
    return every.take(place), scores[place] - scores[: len(aims)]


def switch(market: Market, problem: Problem, aims: Aims, split: Split) -> tuple[Split, Array]:
    """Every package switched, and every scene closed, in turn, other money as it is: the best, and its gain."""
    own, money = problem.of_scene, split.money
    flips = [Split(money, split.booked ^ one) for one in np.eye(len(problem.packages), dtype=bool)]
    shut = [
        Split(np.where(cells, 0.0, money), split.booked & ~packs)
        for cells, packs in zip(own, problem.owns, strict=True)
    ]
    tries = [repair(problem, one, aims.budget, most=one.money) for one in (*flips, *shut)]
    return best_of(market, problem, aims, [split, *tries])


def without_losers(market: Market, problem: Problem, aims: Aims, split: Split) -> Split:
    """Rows without packages that they are better without, one by one; the same rows where all are worth it.

    What a package costs stays, or goes to the cells that have money, whichever is better.
    """
    for _ in problem.packages:
        dropped = [
            Split(split.money, split.booked & ~one)
            for one in np.eye(len(problem.packages), dtype=bool)
        ]
        stays = [repair(problem, one, aims.budget, most=one.money) for one in dropped]
        goes = [repair(problem, one, aims.budget, most=_filled(one)) for one in dropped]
        better, gain = best_of(market, problem, aims, [split, *stays, *goes])
        if not (gain > 0).any():
            break
        split = better
    return split


def _filled(split: Split) -> Array:
    """What is empty stays so."""
    return np.where(split.money > 0, np.inf, 0.0)


def _closed(problem: Problem, split: Split) -> tuple[NDArray[np.intp], Array]:
    """Rows with one cell closed, for all others of the phase, of the scene or for one, or with one scene closed:
    of which row, and their money.
    """
    phase = np.array([cell.partition(".")[2] for cell in problem.cells])
    alone = np.eye(len(phase), dtype=bool)
    meets = (phase == phase[:, None]) & ~alone
    kin = (problem.scene_of == problem.scene_of[:, None]) & ~alone
    freed = np.maximum(split.money - problem.low, 0.0)
    row, cell = np.nonzero(freed > NOTHING * problem.budget)
    shared = [_to_mates(split, freed, mates, row, cell) for mates in (meets, kin)]
    large = (split.money > LARGE * problem.budget) & (freed > 0)
    one, gone, mate = np.nonzero(large[:, :, None] & large[:, None] & meets)
    to_one = split.money[one] - freed[one, gone][:, None] * (1.0 * alone[gone] - alone[mate])
    of, without = _shut(problem, split)
    return np.concatenate([row, row, one, of]), np.concatenate([*shared, to_one, without])


def _to_mates(
    split: Split, freed: Array, mates: Flags, row: NDArray[np.intp], cell: NDArray[np.intp]
) -> Array:
    """The money of rows of which a cell is closed for its mates [cell, mate], in proportion to what they have;
    in equal parts where they have none.
    """
    here = (split.money[row] + 1e-9) * mates[cell]
    share = here / np.maximum(here.sum(axis=1, keepdims=True), 1e-9)
    share[np.arange(len(cell)), cell] = -1.0
    return np.asarray(split.money[row] + freed[row, cell][:, None] * share)


def _shut(problem: Problem, split: Split) -> tuple[NDArray[np.intp], Array]:
    """Rows with one scene of several cells closed: of which row, and the money that is left."""
    open_cells = (split.money > NOTHING * problem.budget)[:, None] & problem.of_scene
    row, scene = np.nonzero(open_cells.sum(axis=2) > 1)
    return row, np.where(problem.of_scene[scene], problem.low, split.money[row])


def open_to(aims: Aims, split: Split) -> Array:
    """An aim that may keep money is not filled up to its budget, and what is empty stays so: a fen opens a scene."""
    some = np.where(split.money > 0, np.inf, 0.0)
    return np.where(aims.keeps[:, None], np.maximum(split.money, 0.0), some)


def newton_step(problem: Problem, aims: Aims, split: Split, found: Slopes, reach: Array) -> Array:
    """The step d [row, cell]: the diagonal Newton step that keeps the sum and the cells' own limits.

    Where a cell's supply ends (a kink) the next yuan and the last one have slopes of their own, and
    the cell stays if the price lies between them.
    """
    here = sides(found, aims.pull(), split.money)
    (right, left, kink), middle = here, here.middle
    bend = np.einsum("rco,ro->rc", found.bend, aims.pull())
    least = _least_bend(middle, split, problem)
    stiff = np.where(kink, least, np.maximum(-bend, least))
    span = reach[:, None] * (split.money + problem.budget / 100)
    low = np.maximum(-span, problem.low - split.money)
    high = np.minimum(span, problem.high - split.money)
    high = np.minimum(high, rooms(found, split.money))
    low, high = np.minimum(low, high), np.maximum(low, high)

    def step(price: Array) -> Array:
        way = np.maximum(right - price, 0.0) + np.minimum(left - price, 0.0)
        return np.clip(way / stiff, low, high)

    slack = np.maximum(aims.budget - problem.total(split), 0.0) * aims.keeps
    price = _balance(step, middle, np.abs(left - right) + stiff * span, slack[:, None])
    return step(np.where(aims.keeps[:, None], np.maximum(price, 0.0), price))


def _least_bend(slope: Array, split: Split, problem: Problem) -> Array:
    """A straight cell counts as bent so that its slope is used up over all its money.

    Slopes of empty cells say nothing of the others: a scene that must be opened first costs more than it brings.
    """
    size = split.money + problem.budget / 100
    usual = np.where(split.money > 0, np.abs(slope), 0.0).max(axis=1, keepdims=True)
    return 0.2 * np.maximum(np.abs(slope), 0.05 * usual) / size


def _balance(step: Callable[[Array], Array], slope: Array, spread: Array, slack: Array) -> Array:
    """The lambda at which the steps sum to what is left of the budget [row, 1]."""
    width = spread.max(axis=1, keepdims=True)
    low = (slope - width).min(axis=1, keepdims=True)
    high = (slope + width).max(axis=1, keepdims=True)
    for _ in range(TURNS):
        middle = (low + high) / 2
        more = step(middle).sum(axis=1, keepdims=True) > slack
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return np.asarray((low + high) / 2)


def line_search(
    market: Market, problem: Problem, aims: Aims, start: Split, goal: Split, *, leaves: Flags
) -> Split:
    """The best row on the way from every start to its goal.

    Rows whose goal `leaves` money [row] are not filled up to the budget.
    """
    loose = (aims.keeps | leaves)[:, None]
    between = [
        Split(start.money + t * (goal.money - start.money), goal.booked)
        for t in (0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    most = [np.where(loose, way.money, np.inf) for way in between]
    return best_of(market, problem, aims, [start, *_fitted(problem, aims, between, most)])[0]
