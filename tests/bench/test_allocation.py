"""The bench of the search measures what it says: areas, prefixes, and rivals that are played fairly."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.allocation.aims import linear
from simulator.allocation.market import Answers, SimulatedMarket
from simulator.allocation.problem import Problem, Split
from simulator.engine.lanes import quadrature, shock_names
from tests.allocation.markets import certain
from tests.bench.allocation import World, our_search, without_scenes
from tests.bench.rivals import Together, as_rows, nsga2, slsqp, slsqp_each
from tests.bench.watched import (
    WANTED,
    WatchedMarket,
    counted,
    hypervolume,
    rows_to,
    trace_of,
)
from tests.bench.worlds import SPLIT_WORLDS, split_scenario

PULLS = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 0.5]])  # [objective, cell]
CELLS = 3


def problem() -> Problem:
    nothing = np.zeros(CELLS)
    return Problem(
        budget=100.0, cells=("a", "b", "c"), scenes=("a", "b", "c"), scene_of=np.arange(CELLS),
        low=nothing, high=np.full(CELLS, np.inf), floor=nothing, cap=np.full(CELLS, np.inf),
        minimum=nothing, fixed=nothing, sunk=nothing, group_of=np.full(CELLS, -1),
    )  # fmt: skip


class Roots:
    """Every cell brings pull x square root of its money, and spends no more than 80."""

    def __init__(self) -> None:
        self.asked: list[Split] = []

    def __call__(self, split: Split) -> Answers:
        self.asked.append(split)
        spent = np.minimum(split.money, 80.0)
        return certain(np.sqrt(spent) @ PULLS.T, spent)


def even(rows: int = 1) -> Split:
    return as_rows(problem(), np.full((rows, CELLS), 1 / CELLS))


def aims(weights: list[list[float]]):
    return linear(np.array(weights), np.ones(2), np.array([100.0]))


# --- areas --------------------------------------------------------------------------------------

POINTS = st.lists(st.tuples(st.integers(-2, 8), st.integers(-2, 8)), max_size=8)


@settings(max_examples=25, deadline=None)
@given(POINTS)
def test_the_area_is_the_number_of_unit_squares_below_the_points(points: list[tuple[int, int]]):
    squares = {(x, y) for a, b in points for x in range(a) for y in range(b)}
    values = np.array(points, dtype=float).reshape(-1, 2)
    assert hypervolume(values, np.zeros(2)) == len(squares)


def test_the_area_below_a_quarter_circle_is_a_quarter_of_pi():
    angle = np.linspace(0, np.pi / 2, 20_001)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert hypervolume(circle, np.zeros(2)) == pytest.approx(np.pi / 4, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(POINTS, st.integers(1, 40))
def test_rows_to_an_area_are_the_shortest_prefix_that_has_it(
    points: list[tuple[int, int]], area: int
):
    values, corner = np.array(points, dtype=float).reshape(-1, 2), np.zeros(2)
    enough = [n for n in range(1, len(values) + 1) if hypervolume(values[:n], corner) >= area]
    assert rows_to(values, corner, area) == (enough[0] if enough else None)


def test_money_not_spent_is_lost_and_plans_above_the_budget_do_not_count():
    rows = Split(np.array([[100.0, 0, 0], [50, 50, 0], [60, 60, 0]]), np.zeros((3, 0), dtype=bool))
    values = counted(problem(), rows, Roots()(rows))
    root = np.sqrt([80.0, 50.0])
    assert values[0] == pytest.approx([root[0] - 20, 3 * root[0]])
    assert values[1] == pytest.approx([3 * root[1], 4 * root[1]])
    assert np.isneginf(values[2]).all()


# --- rivals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("batched", [True, False])
def test_slsqp_finds_what_the_formula_says(batched: bool):
    # max sum p sqrt(x) at a fixed sum: x is proportional to p squared
    weights = np.array([1.0, 0.3])
    pull = weights @ PULLS
    found = slsqp(Roots(), problem(), even(), aims([weights.tolist()]), batched=batched)
    assert found.money[0] == pytest.approx(100 * pull**2 / (pull**2).sum(), abs=0.5)


def test_askers_together_get_their_own_answers_in_common_calls():
    market = Roots()
    together = Together(market, 3)

    def ask(n: int) -> list[float]:
        try:
            rows = [
                Split(np.full((k + 1, CELLS), n + 1.0), np.zeros((k + 1, 0), bool))
                for k in range(n + 1)
            ]
            return [together(split).values[-1, 0] for split in rows]
        finally:
            together.leave()

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(ask, range(3)))
    assert answers == [pytest.approx([6 * np.sqrt(n + 1)] * (n + 1)) for n in range(3)]
    assert [len(split) for split in market.asked] == [3, 4, 3]


def test_a_market_that_fails_fails_for_all_who_ask():
    def fails(_: Split) -> Answers:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        slsqp_each(fails, problem(), even(2), aims([[1.0, 0.0], [0.0, 1.0]]))  # type: ignore[arg-type]


def test_runs_together_end_where_single_runs_end():
    many = aims([[1.0, 0.1], [0.1, 1.0]])
    both = slsqp_each(Roots(), problem(), even(2), many)
    alone = [
        slsqp(Roots(), problem(), even(), many.take([n]), batched=True).money[0] for n in range(2)
    ]
    assert both.money == pytest.approx(np.array(alone))


def test_nsga2_asks_for_as_many_plans_as_it_may_and_all_cost_the_budget():
    pytest.importorskip("pymoo")
    market = Roots()
    nsga2(market, problem(), 500, seed=1)
    money = np.concatenate([split.money for split in market.asked])
    assert len(money) == 500
    assert money.sum(axis=1) == pytest.approx(np.full(500, 100.0))


def test_every_scene_is_closed_once_and_its_money_kept_or_given_to_the_others():
    money = without_scenes(problem(), even()).money * CELLS / 100
    kept, given = np.split(money, 2)
    assert kept == pytest.approx(np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 0]]))
    half = np.array([[0, 1.5, 1.5], [1.5, 0, 1.5], [1.5, 1.5, 0]])
    assert given[:3] == pytest.approx(half, abs=1e-5)


# --- the watch and the worlds -------------------------------------------------------------------


@pytest.mark.parametrize("cells", SPLIT_WORLDS)
def test_worlds_have_so_many_cells_and_one_lane_a_plan(cells: int):
    world = World.of(split_scenario(cells))
    assert len(world.problem.cells) == cells
    assert world.problem.must.all()
    assert quadrature(len(shock_names(world.scenario))).shape[1] == 1


def test_the_watch_tells_rows_calls_and_time_apart():
    world = World.of(split_scenario(6))
    market = WatchedMarket(world.scenario, world.problem)
    twice = world.starts.take([0, 0])
    market(world.starts)
    burn = sum(n * n for n in range(300_000))
    market(replace(twice, money=twice.money * np.array([[1.0], [1.1]])))
    trace = trace_of(market)
    assert burn and trace.call.tolist() == [1, 2, 2]
    assert trace.own[0] < 0.5 * trace.own[1] and trace.own[1] <= trace.own_cpu < trace.cpu
    plain = SimulatedMarket(world.scenario, world.problem, WANTED)(world.starts)
    assert trace.values[:2] == pytest.approx(
        np.repeat(counted(world.problem, world.starts, plain), 2, axis=0)
    )
    assert np.isneginf(trace.values[2]).all()
    assert np.array_equal(trace.last(), trace.values[1:])


def test_our_search_is_measured_with_its_last_step():
    market = Roots()
    search = our_search(market, problem(), even())  # type: ignore[arg-type]
    last = market.asked[-1]
    assert len(last) == len(search.known.rows)
    assert (last.money <= 80 * 1.005).all()
