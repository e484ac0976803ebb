"""Slopes of the score at a plan, and what they say of it: which cells can still move, how uneven it is.

symbol   meaning                                                       unit        shape
f        objectives                                                    any         [row, objective]
x, e     money of a cell; what it is moved by to see a slope           CNY         [row, cell]
up, down (f(x + e) - f(x)) / e and (f(x) - f(x - e)) / e               1/CNY       [row, cell, objective]
m        highest spend of the cell                                     CNY         [row, cell]

A plan is at its best where no cell that can take more has a slope to the right above the slope to the
left of one that can give: one price for all cells inside their limits, and a price between both
slopes where supply ends (Karush 1939). `unevenness` is how far from that it is.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.allocation.aims import Aims
from simulator.allocation.market import Market
from simulator.allocation.problem import Array, Flags, Problem, Split, stack, sums

NUDGE = 0.02
"""Difference of a slope, as a share of the cell's money."""
LEAST_NUDGE = 0.0001
"""The same for a cell without money, as a share of the budget."""
NOTHING = 1e-5
"""A cell with less of the budget counts as one without money."""
PARKED = 0.005
"""A cell is not planned above what it spends by more than this."""
FULL = 0.9955
"""A cell that would spend less of a little more money is full: there is no more for it to buy."""
LEAN = 0.5
"""Where less of the next yuan is spent, supply has ended."""
KINK = 0.2
"""Share of the slope to the left by which that to the right is less where supply ends."""
HELD = 1e-6
"""Share by which a limit may be missed and still binds."""


@dataclass(frozen=True, eq=False)
class Slopes:
    """Derivatives of the objectives at rows of decisions."""

    values: Array
    """[row, objective]"""
    most: Array
    """m: [row, cell]."""
    takes: Array
    """m at x + e: [row, cell]."""
    step: Array
    """e to the right: [row, cell]."""
    up: Array
    """To the right: [row, cell, objective]."""
    down: Array
    """To the left: [row, cell, objective]."""
    bend: Array
    """Second derivative: [row, cell, objective]."""

    @property
    def middle(self) -> Array:
        """Central differences: [row, cell, objective]."""
        return (self.up + self.down) / 2

    def take(self, rows: Flags) -> "Slopes":
        """Some of the rows."""
        return Slopes(**{name: part[rows] for name, part in vars(self).items()})


def nudges(problem: Problem, money: Array) -> Array:
    """Differences [row, cell]."""
    some = money > NOTHING * problem.budget
    own = np.maximum(NUDGE * money, NOTHING * problem.budget)
    return np.where(some, own, LEAST_NUDGE * problem.budget)


def slopes(market: Market, problem: Problem, aims: Aims, split: Split) -> Slopes:
    """Differences of every cell to both sides, in one call; at zero to the right only."""
    rows, cells = split.money.shape
    step = nudges(problem, split.money)
    back = np.where(split.money > NOTHING * problem.budget, np.minimum(step, split.money), 0.0)
    right, left = np.nonzero(step), np.nonzero(back)
    tried = stack([split, _moved(split, right, step), _moved(split, left, -back)])
    owner = np.concatenate([np.arange(rows), right[0], left[0]])
    answers = market(tried)
    values = aims.take(owner).values(problem, tried, answers)
    base, more, less = np.split(values, [rows, rows + rows * cells])
    up = (more.reshape(rows, cells, base.shape[1]) - base[:, None]) / step[..., None]
    down = up.copy()
    down[left] = (base[left[0]] - less) / back[left][:, None]
    bend = 2 * (up - down) / (step + back)[..., None]
    own = answers.most[rows : rows * (1 + cells)].reshape(rows, cells, cells)
    takes = np.diagonal(own, axis1=1, axis2=2)
    return Slopes(base, answers.most[:rows], takes, step, up, down, bend)


def _moved(split: Split, places: tuple[NDArray[np.intp], ...], by: Array) -> Split:
    """One row for each place (row, cell), with that cell's money changed."""
    row, cell = places
    moved = split.take(row)
    moved.money[np.arange(len(row)), cell] += by[places]
    return moved


# --------------------------------------------------------------------------- which cells can move
class Sides(NamedTuple):
    """Slopes of the score [row, cell]: the same to both sides, save at a kink."""

    right: Array
    left: Array
    kink: Flags

    @property
    def middle(self) -> Array:
        """Mean of both: [row, cell]."""
        return (self.right + self.left) / 2


def sides(found: Slopes, pull: Array, money: Array) -> Sides:
    """What the next and the last yuan bring to a score with these derivatives [row, objective]."""
    up, down = (np.einsum("rco,ro->rc", part, pull) for part in (found.up, found.down))
    kink = down - up > KINK * np.abs(down)
    middle = np.where(money > 0, (up + down) / 2, up)
    return Sides(np.where(kink, up, middle), np.where(kink, down, middle), kink)


def full(found: Slopes, money: Array) -> Flags:
    """Cells that would not spend a little more: [row, cell]."""
    return np.asarray(found.takes < FULL * (money + found.step))


def rooms(found: Slopes, money: Array) -> Array:
    """How much more a cell may be given [row, cell]: none where supply ends, less than that where it ended below.

    Where supply thins out there is no bound: what such a cell parks is for `settle` to cut.
    """
    ended = (found.takes - found.most) / found.step < LEAN
    over = np.where(found.most < FULL * money, found.most - money, 0.0)
    return np.where(ended, over, np.inf)


def held(problem: Problem, split: Split) -> Flags:
    """Cells that a limit of their own, of their scene or of its group keeps: [row, cell]."""
    money, booked = split.money, problem.booked_money(split.booked)
    scene = sums(money, problem.of_scene) + booked
    group = sums(scene, problem.of_group)
    least = np.maximum(problem.floor, problem.minimum)
    cells = _binds(money, problem.low, problem.high)
    scenes = _binds(scene, least, problem.cap)
    groups = _binds(group, problem.group_floor, problem.group_cap)
    scenes = scenes | problem.per_scene(groups)
    return cells | scenes[:, problem.scene_of] | shut(problem, split)


def shut(problem: Problem, split: Split) -> Flags:
    """Cells that limits keep empty: a cap without room, or the minimum of a scene that is closed: [row, cell]."""
    scene = sums(split.money, problem.of_scene) + problem.booked_money(split.booked)
    sunk = problem.sunk
    closed = (scene <= sunk) & ((problem.minimum > sunk) | (problem.cap <= sunk))
    return np.asarray((problem.high <= 0) | closed[:, problem.scene_of])


def _binds(value: Array, low: Array, high: Array) -> Flags:
    """Whether a limit is met; nothing at all is not held from below."""
    below = (value > 0) & (value <= low * (1 + HELD))
    return np.asarray(below | (value >= high * (1 - HELD)))


def states(problem: Problem, split: Split, found: Slopes, pull: Array) -> NDArray[np.str_]:
    """The state of every cell: [row, cell]."""
    empty = split.money <= NOTHING * problem.budget
    ended = full(found, split.money) | sides(found, pull, split.money).kink
    cases = [shut(problem, split), empty, ended, held(problem, split)]
    return np.select(cases, ["at_limit", "empty", "full", "at_limit"], "inside")


def unevenness(problem: Problem, aims: Aims, split: Split, found: Slopes) -> Array:
    """Best slope of a cell that can take more, less the worst of one that can give, over the median: [row].

    Where money may be kept, giving it to no cell is one more way, and the next yuan is what it is held to.
    """
    pull, money = aims.pull(), split.money
    right, left, _ = sides(found, pull, money)
    free = ~held(problem, split)
    takes = free & ~full(found, money)
    gives = free & (money > NOTHING * problem.budget)
    gaps = [
        _gap(right[n, takes[n]], left[n, gives[n]], pull[n, 0] if aims.keeps[n] else 0.0)
        for n in range(len(split))
    ]
    return np.array(gaps)


def _gap(right: Array, left: Array, yuan: float) -> float:
    """Of one row; `yuan` is what the score sees of money that may be kept."""
    if yuan:
        right, left = np.append(right, 0.0), np.append(left, 0.0)
    if not (right.size and left.size):
        return 0.0
    size = yuan or float(np.median(np.abs(left)))
    return float(max(right.max() - left.min(), 0.0)) / max(size, 1e-300)
