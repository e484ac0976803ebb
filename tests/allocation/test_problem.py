"""What a plan may be: the nearest plan that keeps every limit, and limits that cannot be kept."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from simulator.allocation.feasible import check_feasible
from simulator.allocation.problem import Problem, Split
from simulator.allocation.repair import repair
from simulator.errors import UserError
from tests.allocation.markets import make_problem

BUDGET = 1000.0
FEW = settings(max_examples=25)


@dataclass(frozen=True)
class Case:
    problem: Problem
    wish: Split

    @property
    def fitted(self) -> Split:
        return repair(self.problem, self.wish)


def amounts(n: int, least: float, most: float) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.integers(int(least), int(most)), min_size=n, max_size=n).map(
        lambda values: np.array(values, dtype=float)
    )


@st.composite
def cases(draw, *, minimums: bool = False) -> Case:
    """Up to four scenes, some of them in a group, some with a package."""
    cells = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    n, s = sum(cells), len(cells)
    low = draw(amounts(n, 0, 40)) * draw(amounts(n, 0, 1))
    high = np.where(draw(amounts(n, 0, 1)) > 0, np.inf, low + draw(amounts(n, 0, 600)))
    floor = draw(amounts(s, 0, 200)) * draw(amounts(s, 0, 1))
    cap = np.where(draw(amounts(s, 0, 1)) > 0, np.inf, floor + draw(amounts(s, 0, 700)))
    grouped = draw(st.booleans())
    group_floor = float(draw(st.integers(0, 300)))
    problem = make_problem(
        cells, BUDGET, low=low, high=high, floor=floor, cap=cap,
        minimum=draw(amounts(s, 0, 400)) * minimums,
        groups=("g",) if grouped else (), group_floor=np.full(int(grouped), group_floor),
        group_of=np.where(np.arange(s) < 2, 0 if grouped else -1, -1),
        group_cap=np.full(int(grouped), group_floor + draw(st.integers(0, 900))),
        packages=("p", "q"), price=np.array([70.0, 150.0]), payer=np.array([0, s - 1]),
        must=np.array([draw(st.booleans()), False]), may=np.array([True, draw(st.booleans())]),
    )  # fmt: skip
    money = draw(amounts(n, 0, 500))
    return Case(problem, Split(money[None], np.array([[draw(st.booleans()), draw(st.booleans())]])))


# --------------------------------------------------------------------------- what a plan has to keep
@dataclass(frozen=True)
class Region:
    """The plans that keep all limits but minimums, for one row of bookings: A x <= b, sum(x) = room."""

    matrix: np.ndarray
    bound: np.ndarray
    bounds: list[tuple[float, float | None]]
    room: float

    def best(self, slope: np.ndarray) -> np.ndarray | None:
        """The plan that is furthest along a direction; None if there is no plan."""
        found = linprog(
            -slope, A_ub=self.matrix, b_ub=self.bound, A_eq=np.ones((1, slope.size)),
            b_eq=[self.room], bounds=self.bounds,
        )  # fmt: skip
        return found.x if found.success else None


def region(problem: Problem, booked: np.ndarray) -> Region:
    paid = problem.booked_money(booked[None])[0]
    own = problem.of_scene.astype(float)
    group = problem.of_group.astype(float)
    levels = [
        (own, problem.floor - paid, problem.cap - paid),
        (group @ own, problem.group_floor - group @ paid, problem.group_cap - group @ paid),
    ]
    pairs = [
        (sign * matrix, sign * side)
        for matrix, low, high in levels
        for sign, side in ((1, np.maximum(high, 0)), (-1, np.maximum(low, 0)))
    ]
    matrix, bound = np.concatenate([m for m, _ in pairs]), np.concatenate([b for _, b in pairs])
    finite = np.isfinite(bound)
    bounds = [
        (float(a), None if np.isinf(b) else float(b))
        for a, b in zip(problem.low, problem.high, strict=True)
    ]
    room = problem.budget - float(problem.contract_money(booked[None])[0])
    return Region(matrix[finite], bound[finite], bounds, room)


def possible(case: Case) -> Region:
    """The region of a case; cases without any plan are left out."""
    found = region(case.problem, case.fitted.booked[0])
    assume(found.room >= 0 and found.best(np.zeros(len(case.problem.cells))) is not None)
    return found


# --------------------------------------------------------------------------- repair
@FEW
@given(cases())
def test_the_whole_budget_is_planned_and_every_limit_is_kept(case: Case):
    found, money = possible(case), case.fitted.money[0]
    assert case.problem.total(case.fitted)[0] == pytest.approx(BUDGET, abs=1e-7)
    assert (found.matrix @ money <= found.bound + 1e-6).all()
    assert (money >= case.problem.low - 1e-9).all() and (money <= case.problem.high + 1e-9).all()


@FEW
@given(cases())
def test_no_plan_that_keeps_the_limits_is_nearer(case: Case):
    """x is nearest to y in the metric 1 / k just if no z has (y - x) / k . (z - x) > 0."""
    found, money = possible(case), case.fitted.money[0]
    wish = case.wish.money[0]
    slope = (wish - money) / (wish + 1e-6 * BUDGET)
    slope /= max(1.0, float(np.abs(slope).max()))
    furthest = found.best(slope)
    assert furthest is not None
    assert slope @ (furthest - money) <= 1e-4


@pytest.mark.slow
@FEW
@given(cases())
def test_what_fits_stays_as_it_is(case: Case):
    possible(case)
    again = repair(case.problem, case.fitted)
    assert again.money == pytest.approx(case.fitted.money, abs=1e-6)
    assert (again.booked == case.fitted.booked).all()


@FEW
@given(cases(minimums=True), st.sampled_from([1e-3, 7.0, 1e6]))
def test_the_unit_of_money_does_not_matter(case: Case, unit: float):
    problem = case.problem
    money = (
        "budget",
        "low",
        "high",
        "floor",
        "cap",
        "minimum",
        "group_floor",
        "group_cap",
        "price",
    )
    other = replace(problem, **{name: getattr(problem, name) * unit for name in money})
    scaled = repair(other, Split(case.wish.money * unit, case.wish.booked))
    assert scaled.money / unit == pytest.approx(case.fitted.money, abs=1e-6)


@FEW
@given(cases())
def test_packages_are_booked_if_they_must_and_only_if_they_may(case: Case):
    flags, wish = case.fitted.booked[0], case.wish.booked[0]
    assert flags[case.problem.must].all() and not flags[~case.problem.may].any()
    free = case.problem.may & ~case.problem.must
    assert not (flags[free] & ~wish[free]).any()
    asked = replace(case.problem, must=case.problem.must | (wish & free))
    if flags.tolist() != asked.must.tolist():
        with pytest.raises(UserError):
            check_feasible(asked)


@FEW
@given(cases(minimums=True))
def test_a_scene_gets_nothing_or_its_minimum(case: Case):
    """Where its caps allow the minimum at all, and bookings and floors do not decide by themselves."""
    problem = replace(
        case.problem, low=case.problem.low * 0, floor=case.problem.floor * 0,
        group_floor=case.problem.group_floor * 0, cap=np.full(len(case.problem.scenes), np.inf),
        high=np.full(len(case.problem.cells), np.inf), group_cap=case.problem.group_cap * np.inf,
        must=np.zeros(2, dtype=bool), may=np.zeros(2, dtype=bool),
    )  # fmt: skip
    fitted = repair(problem, case.wish)
    totals = (fitted.money @ problem.of_scene.T)[0]
    assert ((totals == 0) | (totals >= problem.minimum - 1e-6)).all()
    assert problem.total(fitted)[0] == pytest.approx(BUDGET, abs=1e-6)


@pytest.mark.parametrize("minimum", [400.0, 600.0, 800.0])
@pytest.mark.parametrize("scenes", [2, 3, 5])
def test_minimums_that_cannot_all_be_met_close_scenes(minimum: float, scenes: int):
    problem = make_problem([1] * scenes, BUDGET, minimum=np.full(scenes, minimum))
    fitted = repair(problem, Split(np.full((1, scenes), 1.0), np.zeros((1, 0), dtype=bool)))
    assert fitted.money.sum() == pytest.approx(BUDGET)
    running = fitted.money[fitted.money > 0]
    assert (running >= minimum - 1e-6).all()


def test_a_cell_without_money_stays_without_while_others_have_room():
    problem = make_problem([2, 1], BUDGET, cap=np.array([np.inf, 300.0]))
    wish = Split(np.array([[0.0, 100.0, 100.0]]), np.zeros((1, 0), dtype=bool))
    assert repair(problem, wish).money[0, 0] <= 1e-5 * BUDGET
    tight = replace(problem, high=np.array([np.inf, 200.0, np.inf]))
    assert repair(tight, wish).money[0] == pytest.approx([500.0, 200.0, 300.0])


def test_what_the_caps_leave_over_is_not_planned():
    problem = make_problem([1, 1], BUDGET, cap=np.array([200.0, 300.0]))
    wish = Split(np.array([[500.0, 1.0]]), np.zeros((1, 0), dtype=bool))
    assert repair(problem, wish).money[0] == pytest.approx([200.0, 300.0])


def test_floors_come_before_further_caps():
    """A scene that is capped below its floor goes on to it, its cells in proportion."""
    problem = make_problem([2, 1], BUDGET, floor=np.array([300.0, 0.0]))
    wish = Split(np.array([[50.0, 100.0, 400.0]]), np.zeros((1, 0), dtype=bool))
    fitted = repair(problem, wish, most=np.array([[50.0, 100.0, 400.0]]))
    assert fitted.money[0] == pytest.approx([100.0, 200.0, 400.0])
    locked = replace(problem, high=np.array([60.0, np.inf, np.inf]))
    fitted = repair(locked, wish, most=np.array([[50.0, 100.0, 400.0]]))
    assert fitted.money[0] == pytest.approx([60.0, 240.0, 400.0])
    group = make_problem(
        [1, 1, 1], BUDGET, groups=("g",), group_of=np.array([0, 0, -1]),
        group_floor=np.array([300.0]), group_cap=np.array([np.inf]),
    )  # fmt: skip
    fitted = repair(group, wish, most=np.array([[50.0, 100.0, 400.0]]))
    assert fitted.money[0] == pytest.approx([100.0, 200.0, 400.0])


def test_rows_do_not_touch_each_other():
    problem = make_problem(
        [2, 2], BUDGET, floor=np.array([300.0, 0.0]), minimum=np.array([0, 300.0])
    )
    money = np.random.default_rng(1).uniform(0, 500, (7, 4))
    flags = np.zeros((7, 0), dtype=bool)
    budgets = np.linspace(500, 2000, 7)
    whole = repair(problem, Split(money, flags), budgets).money
    for n in range(7):
        alone = repair(problem, Split(money[[n]], flags[[n]]), budgets[[n]]).money
        assert (alone == whole[[n]]).all()


# --------------------------------------------------------------------------- limits that clash
def test_limits_that_can_hold_are_not_refused():
    check_feasible(make_problem([1, 1], BUDGET, floor=np.array([500.0, 500.0])))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"floor": np.array([700.0, 400.0])}, ["s0 700", "s1 400", "1,100", "1,000"]),
        ({"floor": np.array([300.0, 0]), "cap": np.array([200.0, np.inf])}, ["s0", "300", "200"]),
        ({"low": np.array([90.0, 0]), "high": np.array([80.0, np.inf])}, ["s0.p0", "90", "80"]),
        ({"low": np.array([90.0, 0]), "cap": np.array([80.0, np.inf])}, ["s0", "90", "80"]),
        (
            {"floor": np.array([90.0, 0]), "high": np.array([80.0, np.inf]), "may": np.array([False])},
            ["s0", "90", "80"],
        ),
        (
            {"must": np.array([True]), "cap": np.array([60.0, np.inf])},
            ["s0", "70", "60"],
        ),
        (
            {"must": np.array([True]), "floor": np.array([0.0, 950.0])},
            ["s0 70", "s1 950", "1,020", "1,000"],
        ),
        (
            {"floor": np.array([60.0, 50.0]), "group_cap": np.array([100.0])},
            ["group g", "110", "100"],
        ),
        (
            {"cap": np.array([60.0, 50.0]), "group_floor": np.array([200.0])},
            ["group g", "200", "110"],
        ),
        ({"group_floor": np.array([1100.0])}, ["g 1,100", "1,000"]),
    ],
)  # fmt: skip
def test_limits_that_clash_are_named_with_what_would_fit(limits: dict, words: list[str]):
    known = {
        "groups": ("g",), "group_of": np.zeros(2, dtype=int), "group_floor": np.zeros(1),
        "group_cap": np.full(1, np.inf), "packages": ("p",), "price": np.array([70.0]),
        "payer": np.zeros(1, dtype=int), "must": np.zeros(1, dtype=bool), "may": np.ones(1, dtype=bool),
    }  # fmt: skip
    with pytest.raises(UserError) as caught:
        check_feasible(make_problem([1, 1], BUDGET, **known | limits))
    missing = [word for word in words if word not in str(caught.value)]
    assert not missing, str(caught.value)
