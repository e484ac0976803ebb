"""Which cells can move, how far a plan is from the top, and steps that get there."""

import numpy as np
import pytest

from simulator.allocation.aims import Aims, linear
from simulator.allocation.archive import Archive
from simulator.allocation.ascent import EVEN
from simulator.allocation.effort import Effort
from simulator.allocation.problem import Array, Problem, Split
from simulator.allocation.refine import climb, exchange
from simulator.allocation.search import Search
from simulator.allocation.settle import settle, without_specks
from simulator.allocation.slopes import rooms, slopes, states, unevenness
from tests.allocation.markets import Made, make_problem

BUDGET = 100.0


def aim(rows: int = 1, **options) -> Aims:
    return linear(np.ones((rows, 1)), np.array([BUDGET]), np.array([BUDGET]), **options)


def split_of(*money: float, packages: int = 0) -> Split:
    return Split(np.array([money]), np.ones((1, packages), dtype=bool))


def roots(*scale: float, takes: Array | float = np.inf) -> Made:
    """Cells that do not touch, 2 s sqrt(x) each, up to what they take: the next yuan brings s / sqrt(x)."""

    def answer(split: Split) -> tuple[Array, Array]:
        spent = np.minimum(split.money, takes)
        gained = (2 * np.array(scale) * np.sqrt(np.maximum(spent, 0.0))).sum(axis=1)
        return (gained - spent.sum(axis=1))[:, None], spent

    return Made(answer)


# --------------------------------------------------------------------------- how uneven
def uneven(market: Made, problem: Problem, split: Split, aims: Aims | None = None) -> float:
    own = aims or aim()
    return float(unevenness(problem, own, split, slopes(Archive(market), problem, own, split))[0])


def test_slopes_are_even_where_every_cell_brings_the_same():
    """Money in proportion to the squares: 3 and 4 share 100 as 36 and 64."""
    market, problem = roots(3.0, 4.0), make_problem([1, 1], BUDGET)
    assert uneven(market, problem, split_of(36.0, 64.0)) < 1e-4
    by_hand = (4 / np.sqrt(36) - 3 / np.sqrt(64)) / np.median([4 / np.sqrt(36), 3 / np.sqrt(64)])
    assert uneven(market, problem, split_of(64.0, 36.0)) == pytest.approx(by_hand, rel=1e-3)


def test_a_cell_that_takes_no_more_may_be_worth_more_but_not_less():
    problem = make_problem([1, 1], BUDGET)
    dear = roots(30.0, 4.0, takes=np.array([20.0, np.inf]))
    for money in (20.0, 19.8):  # at its end, and where a little more of it would still be spent
        assert uneven(dear, problem, split_of(money, BUDGET - money)) == 0.0
    cheap = roots(1.0, 4.0, takes=np.array([50.0, np.inf]))
    assert uneven(cheap, problem, split_of(50.0, 50.0)) > 0.5


def test_an_empty_cell_counts_if_it_would_bring_more():
    problem = make_problem([1, 1], BUDGET)
    assert uneven(roots(1.0, 4.0), problem, split_of(0.0, 100.0)) > 0.5
    line = Made(lambda s: ((s.money @ [0.2, 1.5] - s.money.sum(axis=1))[:, None], s.money))
    assert uneven(line, problem, split_of(0.0, 100.0)) == 0.0


def test_where_money_may_be_kept_the_next_yuan_brings_nothing():
    """Net s / sqrt(x) - 1 is nothing at s squared."""
    market, problem, kept = roots(4.0), make_problem([1], BUDGET), aim(keeps=True)
    assert uneven(market, problem, split_of(16.0), kept) < 1e-3
    assert uneven(market, problem, split_of(4.0), kept) == pytest.approx(1.0, rel=1e-2)
    assert uneven(market, problem, split_of(64.0), kept) == pytest.approx(0.5, rel=1e-2)


# --------------------------------------------------------------------------- which cells can move
def state_of(problem: Problem, market: Made, split: Split) -> list[str]:
    own = aim()
    found = slopes(Archive(market), problem, own, split)
    return states(problem, split, found, own.pull())[0].tolist()


def test_a_cell_is_full_if_it_would_not_spend_a_little_more():
    """At 20 of 20 and, half a nudge below, at 19.8; at 19 there is room."""
    market = roots(9.0, 9.0, takes=np.array([20.0, np.inf]))
    problem = make_problem([1, 1], BUDGET)
    found = [state_of(problem, market, split_of(x, 100 - x))[0] for x in (19.0, 19.8, 20.0, 0.0)]
    assert found == ["inside", "full", "full", "empty"]


def test_limits_of_cells_scenes_and_groups_hold():
    """A booking of 30 and 20 of money meet a cap of 50."""
    market, scenes = roots(5.0, 5.0), [1, 1]
    own = make_problem(scenes, BUDGET, high=np.array([50.0, np.inf]))
    assert state_of(own, market, split_of(50.0, 50.0)) == ["at_limit", "inside"]
    group = {"groups": ("g",), "group_of": np.array([0, -1]), "group_floor": np.zeros(1)}
    capped = make_problem(scenes, BUDGET, group_cap=np.array([50.0]), **group)
    assert state_of(capped, market, split_of(50.0, 50.0)) == ["at_limit", "inside"]
    booking = {
        "packages": ("p",), "price": np.array([30.0]), "payer": np.array([0]),
        "must": np.ones(1, dtype=bool), "may": np.ones(1, dtype=bool),
    }  # fmt: skip
    booked = make_problem(scenes, BUDGET, cap=np.array([50.0, np.inf]), **booking)
    assert state_of(booked, market, split_of(20.0, 50.0, packages=1)) == ["at_limit", "inside"]
    assert state_of(booked, market, split_of(19.0, 51.0, packages=1)) == ["inside", "inside"]


def test_supply_that_has_ended_is_cut_and_supply_that_thins_out_is_not():
    def most(split: Split) -> tuple[Array, Array]:
        ended, thin = np.minimum(split.money[:, 0], 20), 3 + 0.9 * split.money[:, 1]
        spent = np.stack([ended, np.minimum(thin, split.money[:, 1]), split.money[:, 2]], axis=1)
        return np.zeros((len(split), 1)), spent

    split, problem = split_of(30.0, 40.0, 30.0), make_problem([1, 1, 1], BUDGET)
    found = slopes(Archive(Made(most)), problem, aim(), split)
    assert rooms(found, split.money)[0].tolist() == [-10.0, np.inf, np.inf]


# --------------------------------------------------------------------------- steps
def coupled(*shares: float) -> Made:
    """Pairs of cells, each of which moves the value of the other: x b - x C x / 2."""
    cells = 2 * len(shares)
    bend = np.diag(1.0 + np.arange(cells))
    for n, share in enumerate(shares):
        a, b = 2 * n, 2 * n + 1
        bend[a, b] = bend[b, a] = share * np.sqrt(bend[a, a] * bend[b, b])
    base = 100.0 + 10 * np.arange(cells)

    def answer(split: Split) -> tuple[Array, Array]:
        x = split.money
        return (x @ base - np.einsum("ra,ab,rb->r", x, bend, x) / 2)[:, None], x

    return Made(answer)


PAIRS = (0.9, -0.5, 0.95)


def after_steps(steps: int, *, trail: bool) -> float:
    """Unevenness after some steps, with and without a look at the move before."""
    market, problem, cells = coupled(*PAIRS), make_problem([1] * 6, BUDGET), 6
    search = Search(Archive(market), problem, 1, Effort(), aims=aim())
    search.rows = split_of(*[BUDGET / cells] * cells)
    if trail:
        search.climb(steps, enough=0.0)
    else:
        for _ in range(steps):
            search.rows = climb(search.market, problem, aim(), search.rows, np.ones(1))[0]
    return uneven(market, problem, search.rows)


def test_cells_that_share_supply_are_brought_to_one_value():
    assert after_steps(12, trail=True) <= EVEN
    assert after_steps(12, trail=False) > 4 * EVEN


@pytest.mark.parametrize("lost", [0.0, 2e4])
def test_two_cells_at_a_time_even_out_what_shares_supply(lost: float):
    """Also where all plans lose."""
    inside, problem = coupled(*PAIRS), make_problem([1] * 6, BUDGET)
    market = Made(lambda split: (inside.answer(split)[0] - lost, split.money))
    search = Search(Archive(market), problem, 1, Effort(), aims=aim())
    search.rows = split_of(*[BUDGET / 6] * 6)
    search.climb(4, enough=0.0)
    before, apart = search.rows, uneven(market, problem, search.rows)
    search.even_out(0, 60)
    assert apart > 0.05 and uneven(market, problem, search.rows) < 2 * EVEN
    assert search.rows.money.sum() == pytest.approx(BUDGET)
    assert market(search.rows).values[0, 0] > market(before).values[0, 0]


def test_a_move_between_two_cells_is_their_newton_step():
    """Of straight slopes: what is given and taken meets at one value; a locked cell takes no part."""
    bend, base = np.array([2.0, 3.0, 4.0]), np.array([200.0, 250.0, 230.0])
    market = Made(lambda x: ((x.money @ base - x.money**2 @ bend / 2)[:, None], x.money))
    problem = make_problem([1, 1, 1], BUDGET, high=np.array([np.inf, 20.0, np.inf]))
    split = split_of(50.0, 20.0, 30.0)
    found = slopes(market, problem, aim(), split)
    moved = exchange(problem, aim(), split, found).money[0]
    given = (110.0 - 100.0) / (2.0 + 4.0)
    assert base[0] - 2 * 50.0 == 100.0 and base[2] - 4 * 30.0 == 110.0
    assert moved == pytest.approx([50.0 - given, 20.0, 30.0 + given])


@pytest.mark.parametrize(
    ("fee", "lost", "stays"), [(40, 0.0, True), (8, 0.0, True), (8, 1e7, False)]
)
def test_evening_out_stops_where_it_would_cost(fee: float, lost: float, stays: bool):
    """Two cells whose values differ, but to move money more than it takes to see that costs more than it brings.

    A millionth of what all plans lose counts for nothing.
    """
    cost = Made(lambda x: (
        (100 * np.sqrt(x.money).sum(axis=1) - fee * (np.abs(x.money[:, 0] - 60) > 1.5) - lost)[:, None],
        x.money,
    ))  # fmt: skip
    problem = make_problem([1, 1], BUDGET)
    search = Search(Archive(cost), problem, 1, Effort(), aims=aim())
    search.rows = split_of(60.0, 40.0)
    assert uneven(cost, problem, search.rows) > 0.1
    search.even_out(0, 15)
    assert (search.rows.money[0].tolist() == [60.0, 40.0]) is stays


def test_moves_between_two_cells_are_as_many_as_asked():
    """Of 64 and 36 for slopes 3 and 4 one move is a Newton step, two arrive."""
    for steps, apart in ((0, 0.9), (1, 0.2), (2, 0.02)):
        market, problem = roots(3.0, 4.0), make_problem([1, 1], BUDGET)
        search = Search(Archive(market), problem, 1, Effort(), aims=aim())
        search.rows = split_of(64.0, 36.0)
        search.even_out(0, steps)
        assert uneven(market, problem, search.rows) < apart
        assert market.evaluations <= 5 * (steps + 1) + 5


def test_a_move_that_brings_more_and_is_less_even_is_not_kept():
    """Two cells of which one is worth more with every yuan: moves go on, and the first row stays."""
    market = Made(lambda x: ((x.money[:, 0] ** 2 + 90 * x.money[:, 1])[:, None], x.money))
    problem = make_problem([1, 1], BUDGET)
    search = Search(Archive(market), problem, 1, Effort(), aims=aim())
    search.rows = split_of(50.0, 50.0)
    search.even_out(0, 3)
    assert search.rows.money[0].tolist() == [50.0, 50.0]
    moved, _ = search.market.every()
    assert len(moved) > 15 and moved.money[:, 0].max() > 55  # they were tried


def test_settling_evens_out_what_steps_leave():
    apart = []
    for turns in (0, 60):
        market, problem = coupled(*PAIRS), make_problem([1] * 6, BUDGET)
        effort = Effort(settle_steps=1, even_steps=turns)
        search = Search(Archive(market), problem, 1, effort, aims=aim())
        search.rows = split_of(*[BUDGET / 6] * 6)
        apart.append(uneven(market, problem, search.settle()))
    assert apart[0] > 4 * EVEN and apart[1] < 2 * EVEN


def test_an_even_row_is_left_alone():
    market, problem = roots(3.0, 4.0), make_problem([1, 1], BUDGET)
    search = Search(Archive(market), problem, 1, Effort(), aims=aim())
    search.rows = split_of(36.1, 63.9)
    search.even_out(0, 15)
    assert search.rows.money[0].tolist() == [36.1, 63.9] and market.evaluations == 5


def test_a_move_opens_the_cell_that_is_worth_most():
    market, problem = roots(3.0, 4.0, 6.0), make_problem([1, 1, 1], BUDGET)
    split = split_of(64.0, 36.0, 0.0)
    moved = exchange(problem, aim(), split, slopes(market, problem, aim(), split)).money[0]
    assert moved[2] > 0 and moved[1] == 36.0 and moved[0] < 64.0


def test_a_full_cell_takes_nothing_in_a_move():
    """At 20 of 20, and at 19.8, where what it would still spend is worth most of all."""
    market = roots(30.0, 4.0, 3.0, takes=np.array([20.0, np.inf, np.inf]))
    problem = make_problem([1, 1, 1], BUDGET)
    for money in (20.0, 19.8):
        split = split_of(money, 40.0, 60.0 - money)
        found = slopes(market, problem, aim(), split)
        moved = exchange(problem, aim(), split, found).money[0]
        assert moved[0] == money and moved[1] > 40.0


def test_a_move_takes_at_most_half_of_a_cell():
    market, problem = roots(0.1, 40.0), make_problem([1, 1], BUDGET)
    split = split_of(4.0, 96.0)
    moved = exchange(problem, aim(), split, slopes(market, problem, aim(), split)).money[0]
    assert 2.0 <= moved[0] < 4.0


def test_cells_that_limits_keep_empty_are_at_their_limit():
    """A scene that its minimum keeps closed does not make the others uneven."""
    market = roots(3.0, 4.0, 60.0)
    for limits in ({"minimum": np.array([0.0, 0.0, 90.0])}, {"cap": np.array([np.inf, np.inf, 0.0])},
                   {"high": np.array([np.inf, np.inf, 0.0])}):  # fmt: skip
        problem, split = make_problem([1, 1, 1], BUDGET, **limits), split_of(36.0, 64.0, 0.0)
        found = slopes(market, problem, aim(), split)
        assert states(problem, split, found, aim().pull())[0].tolist() == [
            "inside",
            "inside",
            "at_limit",
        ]
        assert unevenness(problem, aim(), split, found)[0] < 1e-3


def test_a_world_of_packages_alone_is_searched():
    """No money to split: the bookings that pay are what is sought."""
    brings, nothing = np.array([3.0, -4.0]), np.zeros(0)
    market = Made(lambda x: ((x.booked @ brings)[:, None], x.money))
    problem = Problem(
        10.0, (), ("a",), np.zeros(0, dtype=np.intp), nothing, nothing, np.zeros(1), np.full(1, np.inf),
        np.zeros(1), np.zeros(1), np.zeros(1), group_of=np.array([-1]), packages=("p", "q"),
        price=np.array([2.0, 3.0]), payer=np.zeros(2, dtype=np.intp), must=np.zeros(2, dtype=bool),
        may=np.ones(2, dtype=bool),
    )  # fmt: skip
    search = Search(Archive(market), problem, 1)
    search.go(Split(np.zeros((1, 0)), np.zeros((1, 2), dtype=bool)), [7.0])
    assert search.settle().booked[0].tolist() == [True, False]


def test_a_row_at_the_top_costs_one_look_at_its_slopes():
    market = roots(3.0, 4.0)
    search = Search(Archive(market), make_problem([1, 1], BUDGET), 1, Effort(), aims=aim())
    search.rows = split_of(36.0, 64.0)
    search.climb(9)
    assert market.evaluations == 5


def opened() -> tuple[Made, Problem, Search]:
    """Three scenes, the last one empty; opening it costs 3."""
    market = roots(3.0, 4.0, 0.1)
    problem = make_problem([1, 1, 1], BUDGET, fixed=np.array([0.0, 0.0, 3.0]))
    search = Search(Archive(market), problem, 1, Effort(), aims=aim())
    search.rows = split_of(60.0, 39.0, 0.0)
    return market, problem, search


def test_a_step_opens_no_scene_for_a_fen():
    """What the step leaves of the budget goes to cells that have some."""
    _, problem, search = opened()
    search.climb(9, enough=0.0)
    assert search.rows.money[0] == pytest.approx([36.0, 64.0, 0.0], abs=0.5)
    assert problem.fixed_costs(search.rows)[0] == 0.0


def test_what_is_freed_opens_no_scene_for_a_fen():
    _, problem, _ = opened()
    market = roots(3.0, 4.0, 0.1, takes=np.array([20.0, np.inf, np.inf]))
    rows = settle(Archive(market), problem, split_of(60.0, 40.0, 0.0), aim())
    assert rows.money[0].tolist() == pytest.approx([20.0, 80.0, 0.0])
    assert problem.fixed_costs(rows)[0] == 0.0


# --------------------------------------------------------------------------- specks
def test_a_scene_that_does_not_pay_for_being_run_is_left_out():
    """0.1 brings 0.06 there, 0.05 elsewhere, and the scene costs 3; what is worth it stays, and so does more."""
    _, problem, _ = opened()
    rows = split_of(36.0, 63.9, 0.1)
    assert drop(roots(3.0, 4.0, 0.1), problem, rows) == pytest.approx([36.04, 63.96, 0.0], abs=0.01)
    assert drop(roots(3.0, 4.0, 90.0), problem, rows) == rows.money[0].tolist()
    more = split_of(36.0, 61.0, 3.0)
    assert drop(roots(3.0, 4.0, 0.1), problem, more) == more.money[0].tolist()


def drop(market: Made, problem: Problem, rows: Split) -> list[float]:
    return without_specks(Archive(market), problem, rows, aim()).money[0].tolist()
