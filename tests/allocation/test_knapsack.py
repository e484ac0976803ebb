"""The knapsack of a sweep against every split that there is, one after another."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.allocation import response
from simulator.allocation.knapsack import Curve, merge_all
from simulator.allocation.problem import Problem, Split
from simulator.allocation.repair import repair
from simulator.allocation.response import Sweep, best_split
from tests.allocation.markets import make_problem

UNITS = 8
BUDGET = 800.0
FEW = settings(max_examples=25)


def tables(count: int) -> st.SearchStrategy[np.ndarray]:
    """What each part brings at every number of units: any shape, some of it impossible."""
    value = st.one_of(st.integers(-20, 40), st.just(None))
    row = st.lists(value, min_size=UNITS + 1, max_size=UNITS + 1)
    return st.lists(row, min_size=count, max_size=count).map(
        lambda rows: np.array([[-np.inf if v is None else float(v) for v in row] for row in rows])
    )


@FEW
@given(tables(4))
def test_merged_curves_are_the_best_of_all_splits(table: np.ndarray):
    whole = merge_all([Curve(row, part=n) for n, row in enumerate(table)], UNITS + 1)
    best = np.full(UNITS + 1, -np.inf)
    for units in product(range(UNITS + 1), repeat=4):
        if sum(units) <= UNITS:
            value = sum(table[n, u] for n, u in enumerate(units))
            best[sum(units)] = max(best[sum(units)], value)
    assert whole.best.tolist() == best.tolist()
    for total in np.flatnonzero(np.isfinite(best)):
        found = whole.units(int(total))
        assert sum(found.values()) == total
        assert sum(table[n, u] for n, u in found.items()) == best[total]


# --------------------------------------------------------------------------- the knapsack of a sweep
@st.composite
def problems(draw) -> Problem:
    """Three scenes with four cells, two packages, and limits of every kind, in whole units."""
    unit = BUDGET / UNITS

    def money(most: int, n: int) -> np.ndarray:
        return unit * np.array(draw(st.lists(st.integers(0, most), min_size=n, max_size=n)), float)

    some = np.array(draw(st.lists(st.booleans(), min_size=3, max_size=3)))
    floor = money(2, 3) * some
    return make_problem(
        (2, 1, 1), BUDGET, floor=floor, cap=floor + money(7, 3),
        minimum=money(4, 3) * ~some, fixed=np.array([15.0, 0.0, 25.0]),
        groups=("g",), group_of=np.array([0, 0, -1]), group_floor=money(1, 1), group_cap=money(3, 1) + 4 * unit,
        packages=("p", "q"), price=unit * np.array([2.0, 3.0]), payer=np.array([0, 2]),
        must=np.array([draw(st.booleans()), False]), may=np.array([True, draw(st.booleans())]),
        high=unit * np.array([UNITS, 3.0, UNITS, 4.0]),
    )  # fmt: skip


def swept(problem: Problem, table: np.ndarray, packages: np.ndarray) -> Sweep:
    """A sweep whose levels are the knapsack's units, so that nothing lies between them."""
    levels = [np.arange(round(high / BUDGET * UNITS) + 1) * BUDGET / UNITS for high in problem.high]
    gains = tuple(table[c, : len(own), None] for c, own in enumerate(levels))
    return Sweep(tuple(levels), gains, tuple(levels), packages[:, None], np.zeros(2, dtype=bool))


def value_of(problem: Problem, table: np.ndarray, packages: np.ndarray, split: Split) -> float:
    units = np.rint(split.money[0] / BUDGET * UNITS).astype(int)
    gained = sum(table[c, u] for c, u in enumerate(units)) + packages @ split.booked[0]
    return float(gained - problem.fixed_costs(split)[0])


def keeps_limits(problem: Problem, split: Split) -> bool:
    total = (split.money @ problem.of_scene.T + problem.booked_money(split.booked))[0]
    group = float(total[:2].sum())
    return bool(
        (total >= problem.floor).all()
        and (total <= problem.cap).all()
        and ((total == 0) | (total >= problem.minimum)).all()
        and problem.group_floor[0] <= group <= problem.group_cap[0]
        and (split.booked[0] | ~problem.must).all()
        and (~split.booked[0] | problem.may).all()
    )


def every_split(problem: Problem) -> list[Split]:
    unit = BUDGET / UNITS
    rooms = [range(round(high / unit) + 1) for high in problem.high]
    found = []
    for flags in product([False, True], repeat=2):
        for units in product(*rooms):
            split = Split(unit * np.array([units], float), np.array([flags]))
            if problem.total(split)[0] <= BUDGET and keeps_limits(problem, split):
                found.append(split)
    return found


@FEW
@given(problems(), st.integers(0, 999), st.booleans())
def test_the_best_split_is_the_best_of_all_that_keep_the_limits(problem, seed, exact):
    chance = np.random.default_rng(seed)
    table = chance.integers(-5, 40, (4, UNITS + 1)).astype(float)
    table[:, 0] = 0.0
    packages = chance.integers(-10, 60, 2).astype(float)
    known = every_split(problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(response, "UNITS", UNITS)
        sweep = swept(problem, table, packages)
        found = best_split(problem, sweep, None, np.ones(1), BUDGET, exact=exact)
    if not known:  # no plan in whole units: what the limits make of any other
        fitted = repair(problem, found, np.array([BUDGET]))
        np.testing.assert_allclose(fitted.money, found.money, atol=1e-6)
        return
    totals = [problem.total(split)[0] for split in known]
    rivals = [s for s, t in zip(known, totals, strict=True) if not exact or t == max(totals)]
    best = max(value_of(problem, table, packages, split) for split in rivals)
    assert keeps_limits(problem, found)
    assert not exact or problem.total(found)[0] == max(totals)
    assert value_of(problem, table, packages, found) == pytest.approx(best)
