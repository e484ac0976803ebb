"""The response sweep: what every cell brings at several levels of its money, the others held fixed.

symbol   meaning                                                       unit      shape
x, x0    money of a cell, and at the incumbent                         CNY       [level], [row, cell]
f        objectives of the plan with the cell at x                     any       [level, objective]
u        what a unit of the knapsack's money is                        CNY

All incumbents, cells and levels are played in one call. Between the levels the curve is a monotone
cubic (Fritsch and Carlson 1980), which keeps an S where there is one and adds no bumps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.interpolate import PchipInterpolator

from simulator.allocation.knapsack import IMPOSSIBLE, Curve, merge_all
from simulator.allocation.market import Answers, Market
from simulator.allocation.problem import Array, Flags, Problem, Split, stack
from simulator.allocation.repair import repair

WIDE = (
    0.0,
    0.0025,
    0.005,
    0.01,
    0.02,
    0.03,
    0.045,
    0.065,
    0.09,
    0.13,
    0.18,
    0.25,
    0.35,
    0.5,
    0.7,
    1.0,
)
"""Levels of a cell in the first sweep, as shares of the budget."""
NEAR = (0.0, 0.5, 0.75, 0.9, 1.1, 1.3, 1.7, 2.5)
"""Levels around an incumbent, as factors of its money."""
DOOR = (0.0, 0.004, 0.012, 0.04)
"""Levels of a cell that has nothing, as shares of the budget."""
SPENT = 0.995
"""A level counts as possible if so much of it is spent: the simulator, not the plan, says what a cell
can take."""
UNITS = 500


@dataclass(frozen=True, eq=False)
class Sweep:
    """What the cells and packages of one incumbent bring, as changes of the objectives."""

    levels: tuple[Array, ...]
    """Money of each cell, rising: [cell][level]."""
    gains: tuple[Array, ...]
    """Change of the objectives: [cell][level, objective]."""
    most: tuple[Array, ...]
    """Highest spend: [cell][level]."""
    packages: Array
    """Change of the objectives if the package is switched: [package, objective]."""
    booked: Flags
    """[package]"""


def sweep(
    market: Market, problem: Problem, incumbents: Split, levels: Sequence[Sequence[Array]]
) -> list[Sweep]:
    """Play every cell of every incumbent at its levels [row][cell][level], and every package switched."""
    rows, plan = [], []
    for r in range(len(incumbents)):
        rows.append(incumbents.take([r]))
        for c, some in enumerate(levels[r]):
            rows.append(_at_levels(incumbents.take([r]), c, some))
        rows.append(_switched(incumbents.take([r])))
        plan.append(np.cumsum([1, *(len(some) for some in levels[r]), len(problem.packages)]))
    answers = market(stack(rows))
    sizes = np.cumsum([0, *(int(ends[-1]) for ends in plan)])
    return [
        _read(answers, int(sizes[r]), ends, incumbents.booked[r], levels[r])
        for r, ends in enumerate(plan)
    ]


def _at_levels(incumbent: Split, cell: int, levels: Array) -> Split:
    money = np.repeat(incumbent.money, len(levels), axis=0)
    money[:, cell] = levels
    return Split(money, np.repeat(incumbent.booked, len(levels), axis=0))


def _switched(incumbent: Split) -> Split:
    """One row for each package, with that package switched."""
    count = incumbent.booked.shape[1]
    flags = np.repeat(incumbent.booked, count, axis=0) ^ np.eye(count, dtype=bool)
    return Split(np.repeat(incumbent.money, count, axis=0), flags)


def _read(
    answers: Answers, first: int, ends: Array, booked: Flags, levels: Sequence[Array]
) -> Sweep:
    base = answers.values[first]
    parts = [slice(first + int(a), first + int(b)) for a, b in pairwise(ends)]
    gains = tuple(answers.values[part] - base for part in parts[:-1])
    most = tuple(answers.most[part, c] for c, part in enumerate(parts[:-1]))
    return Sweep(tuple(levels), gains, most, answers.values[parts[-1]] - base, booked)


# --------------------------------------------------------------------------- levels
def wide_levels(problem: Problem) -> list[Array]:
    """Levels over all that a cell may have: [cell][level]."""
    return [
        _within(np.array(WIDE) * problem.budget, low, high)
        for low, high in zip(problem.low, problem.high, strict=True)
    ]


def near_levels(problem: Problem, money: Array) -> list[Array]:
    """Levels around the money of an incumbent [cell]."""
    door = np.array(DOOR) * problem.budget
    return [
        _within(np.array(NEAR) * x if x > door[1] else door, low, high)
        for x, low, high in zip(money, problem.low, problem.high, strict=True)
    ]


def _within(levels: Array, low: float, high: float) -> Array:
    return np.unique(np.clip(levels, low, high))


# --------------------------------------------------------------------------- the knapsack of a sweep
def best_split(
    problem: Problem, table: Sweep, wide: Sweep | None, weight: Array, budget: float, *, exact: bool
) -> Split:
    """The split that is best if the parts added up; `weight` [objective] says what counts.

    With `exact` the whole budget is planned if the cells can take it, else what pays. Money that
    limits force on cells beyond their supply counts as spent. Limits that leave less than a unit to
    choose decide by themselves.
    """
    unit = budget / UNITS
    room = int(np.floor((budget - problem.fees) / unit + 1e-9))
    whole = _whole_curve(problem, table, wide, weight, unit)
    if not np.isfinite(whole.best[: room + 1]).any():
        forced = wide and _all_spent(wide)
        whole = _whole_curve(problem, _all_spent(table), forced, weight, unit)
    possible = np.flatnonzero(np.isfinite(whole.best[: room + 1]))
    if not possible.size:
        return _squeezed(problem, table, budget)
    left = unit * (room - possible)
    value = whole.best[possible] - (weight[0] * left if exact else 0.0)
    total = int(possible[len(value) - 1 - value[::-1].argmax()])
    units = whole.units(total)
    cells = len(problem.cells)
    money = np.array([[units.get(c, 0) * unit for c in range(cells)]])
    flags = np.array(
        [[units.get(cells + q, 0) > 0 for q in range(len(problem.packages))]], dtype=bool
    )
    return Split(money, flags)


def _squeezed(problem: Problem, table: Sweep, budget: float) -> Split:
    """The plan that limits leave where their parts, in whole units, are more than the budget."""
    middle = np.array([[levels[levels.size // 2] for levels in table.levels]])
    return repair(problem, Split(middle, table.booked[None]), np.array([budget]))


def _whole_curve(
    problem: Problem, table: Sweep, wide: Sweep | None, weight: Array, unit: float
) -> Curve:
    """All scenes together, under all limits."""
    scenes = [
        _scene_curve(problem, table, wide, weight, (s, unit)) for s in range(len(problem.scenes))
    ]
    return merge_all(_grouped(problem, scenes, unit), UNITS + 1)


def _all_spent(table: Sweep) -> Sweep:
    """As if every level were spent."""
    return replace(table, most=table.levels)


def _scene_curve(
    problem: Problem, table: Sweep, wide: Sweep | None, weight: Array, at: tuple[int, float]
) -> Curve:
    """Cells and packages of a scene together, under its limits."""
    scene, unit = at
    parts = [
        _cell_curve(table, wide, weight, int(c), unit)
        for c in np.flatnonzero(problem.scene_of == scene)
    ]
    for q in np.flatnonzero(problem.payer == scene):
        parts.append(_package_curve(problem, table, weight, int(q), unit))
    sunk = problem.sunk[scene]
    least, most = _between(problem.floor[scene] - sunk, problem.cap[scene] - sunk, unit)
    minimum = _in_units(problem.minimum[scene] - sunk, unit)
    price = float(weight[0] * problem.fixed[scene]) if problem.fixed[scene] else 0.0
    return merge_all(parts, UNITS + 1).costing(price).limited(least, most, minimum)


def _grouped(problem: Problem, scenes: list[Curve], unit: float) -> list[Curve]:
    loose = [curve for s, curve in enumerate(scenes) if problem.group_of[s] < 0]
    for g in range(len(problem.groups)):
        own = [curve for s, curve in enumerate(scenes) if problem.group_of[s] == g]
        sunk = problem.sunk[problem.of_group[g]].sum()
        least, most = _between(problem.group_floor[g] - sunk, problem.group_cap[g] - sunk, unit)
        loose.append(merge_all(own, UNITS + 1).limited(least, most))
    return loose


def _cell_curve(table: Sweep, wide: Sweep | None, weight: Array, cell: int, unit: float) -> Curve:
    """A cell's gain at every number of units; what the near levels do not reach, the wide ones say."""
    money: Array = unit * np.arange(UNITS + 1, dtype=float)
    near = _values(table, weight, cell, money)
    if wide is not None:
        far = _values(wide, weight, cell, money)
        near = _extended(near, far, money, table.levels[cell])
    return Curve(near, part=cell)


def _extended(near: Array, far: Array, money: Array, levels: Array) -> Array:
    """The wide curve, moved to meet the near one, beyond the highest near level."""
    inside = np.flatnonzero(np.isfinite(near))
    if not inside.size or inside[-1] + 1 >= near.size or money[inside[-1]] < levels[-1] * 0.9:
        return near
    edge = inside[-1]
    if not np.isfinite(far[edge]):
        return near
    return np.concatenate([near[: edge + 1], far[edge + 1 :] - far[edge] + near[edge]])


def _values(table: Sweep, weight: Array, cell: int, money: Array) -> Array:
    """Interpolated gains [unit]; impossible outside the levels and where the money is not spent."""
    levels, gains = table.levels[cell], table.gains[cell] @ weight
    if levels.size == 1:
        return np.where(np.abs(money - levels[0]) <= money[1] / 2, gains[0], IMPOSSIBLE)
    found = PchipInterpolator(levels, gains)(np.clip(money, levels[0], levels[-1]))
    takes = np.interp(money, levels, table.most[cell])
    step = money[1] / 2
    fits = (money >= levels[0] - step) & (money <= levels[-1] + step)
    return np.where(
        fits & (takes >= SPENT * np.minimum(money, levels[-1]) - step * 1e-3), found, IMPOSSIBLE
    )


def _package_curve(
    problem: Problem, table: Sweep, weight: Array, package: int, unit: float
) -> Curve:
    """A package as it is now and switched, at no units or at its price."""
    change = float(table.packages[package] @ weight)
    now = bool(table.booked[package])
    without, with_ = (change, 0.0) if now else (0.0, change)
    best = np.full(UNITS + 1, IMPOSSIBLE)
    if not problem.must[package]:
        best[0] = without
    price = _package_units(problem, package, unit)
    if problem.may[package] and price <= UNITS:
        best[price] = with_
    return Curve(best, part=len(problem.cells) + package)


def _package_units(problem: Problem, package: int, unit: float) -> int:
    """Units of a price; at least one where there is a choice, for what has none is not booked."""
    least = 0 if problem.must[package] else 1
    return max(least, _in_units(problem.price[package], unit))


def _in_units(money: float, unit: float) -> int:
    return int(np.ceil(money / unit - 1e-9))


def _between(floor: float, cap: float, unit: float) -> tuple[int, int]:
    """Least and most units; a lock between two units is rounded up, and fitted later."""
    least = max(_in_units(floor, unit), 0)
    most = int(np.floor(cap / unit + 1e-9)) if np.isfinite(cap) else UNITS
    return least, max(least, most)
