"""What a little more money brings: played beside the plan, not read off its slope."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.allocation.advice import next_money
from simulator.allocation.effort import SHORT
from simulator.allocation.fair import fair_points
from simulator.allocation.market import PROFIT
from simulator.allocation.optimize import optimize
from simulator.allocation.problem import Split
from simulator.outcomes.margin import Margin, NextMoney, next_json
from tests.allocation.markets import certain, make_problem
from tests.worlds import expected, minimal

ROW = Split(np.array([[3e4, 1e4, 2e4]]), np.zeros((1, 0), dtype=bool))


def bent(split: Split):
    """Profit bends by 1 / 50,000 per CNY in every cell; new customers are a hundredth of the money."""
    gained = (1.5 * split.money - split.money**2 / 1e5).sum(axis=1)
    profit = gained - split.money.sum(axis=1)
    return certain(np.stack([profit, split.money.sum(axis=1) / 100], axis=1), split.money)


def states(*names: str) -> dict[str, Margin]:
    return {f"s{n}.p0": Margin(1.0, 1.0, 0.0, 1.0, state) for n, state in enumerate(names)}


def asked(*names: str, **limits) -> NextMoney | None:
    problem = make_problem([1, 1, 1], 6e4, **limits)
    return next_money(bent, problem, ROW, states(*names), 10_000)


def test_the_next_money_is_played_in_cells_inside_their_limits_by_their_money():
    """7,500 and 2,500 CNY more: 5,000 less (3.75^2 - 3^2 + 1.25^2 - 1) / 10 x 10,000 CNY."""
    found = asked("inside", "inside", "full")
    assert found == NextMoney(10_000, pytest.approx(5_000 - 5_625), pytest.approx(100))
    slope = 10_000 * (0.75 * 0.9 + 0.25 * 1.3 - 1)
    assert slope == pytest.approx(0.0, abs=1e-6)  # what it was said to bring


def test_where_a_limit_leaves_less_room_that_is_what_is_spoken_of():
    found = asked("inside", "at_limit", "full", cap=np.array([3.4e4, np.inf, np.inf]))
    assert found == NextMoney(pytest.approx(4_000), pytest.approx(2_000 - 2_560), pytest.approx(40))
    assert next_json(found, "new_customers") == {
        "profit_incremental": found.profit, "new_customers": found.second, "money": found.money,
    }  # fmt: skip


def test_a_cell_that_another_one_cannot_fill_up_takes_its_share_up_to_its_limit():
    found = asked("inside", "inside", "full", cap=np.array([3.4e4, np.inf, np.inf]))
    first, second = 2_000 - 2_560, 3_000 - (1.6**2 - 1) * 1_000
    assert found == NextMoney(10_000, pytest.approx(first + second), pytest.approx(100))


def test_nothing_is_said_where_no_cell_is_inside_its_limits():
    assert asked("full", "at_limit", "empty") is None
    assert next_json(None, "new_customers") is None


@pytest.mark.slow
@pytest.mark.parametrize("budget", [2_000, 60_000])
def test_what_is_said_is_what_the_plan_with_so_much_more_brings(budget: int):
    world = minimal()
    found = optimize(world, budget=budget, replications=4, effort=SHORT, budgets=()).best
    more = found.next_money
    inside = {c: m.money for c, m in found.margins.items() if m.state == "inside"}
    money = {s: dict(own) for s, own in found.plan.money.items()}
    for cell, own in inside.items():
        scene, _, phase = cell.partition(".")
        money[scene][phase] += more.money * own / sum(inside.values())
    plans = [found.plan, replace(found.plan, name="more", money=money)]
    played = expected(world, plans, vectors=fair_points(world))
    brought = [played.metrics(plan.name)[PROFIT]["mean"] for plan in plans]
    assert more.profit == pytest.approx(brought[1] - brought[0], rel=1e-6, abs=0.01)
    assert more.money == {2_000: 100, 60_000: 10_000}[budget]
    assert found.expected[PROFIT] == pytest.approx(brought[0], rel=0.05)
