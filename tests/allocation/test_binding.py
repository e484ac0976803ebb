"""What is said of the limits that keep a plan from bringing more."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from simulator.allocation.advice import binding_of
from simulator.allocation.effort import SHORT
from simulator.allocation.optimize import optimize
from simulator.allocation.problem import Split
from simulator.outcomes.margin import Margin
from simulator.reports.advice import advice_text
from tests.allocation.markets import BUDGET, make_problem
from tests.worlds import brief


@dataclass
class Plan:
    unspent: float = 0.0
    margins: dict = field(default_factory=dict)
    shadow_price: float | None = None


def split_of(*money: float) -> Split:
    return Split(np.array([money]), np.zeros((1, 0), dtype=bool))


@pytest.mark.parametrize(
    ("limits", "money", "words"),
    [
        ({"floor": np.array([3e5, 0.0])}, (3e5, 7e5), ["floor of s0: 300,000 CNY"]),
        ({"floor": np.array([3e5, 0.0])}, (4e5, 6e5), []),
        ({"floor": np.array([4e5, 0.0]), "cap": np.array([4e5, np.inf])}, (4e5, 6e5),
         ["lock of s0: 400,000 CNY"]),
        ({"cap": np.array([np.inf, 6e5])}, (4e5, 6e5), ["cap of s1: 600,000 CNY"]),
        ({"minimum": np.array([0.0, 2e6])}, (1e6, 0.0),
         ["minimum of s1: 2,000,000 CNY, of 1,000,000 that it may have"]),
        ({"minimum": np.array([0.0, 2e5])}, (1e6, 0.0), []),
        ({"minimum": np.array([0.0, 2e5])}, (7e5, 3e5), []),
    ],
)  # fmt: skip
def test_limits_that_bind_are_named(limits, money, words):
    problem = make_problem([1, 1], BUDGET, **limits)
    assert list(binding_of(problem, split_of(*money), Plan(), 0.0)) == words


@pytest.mark.parametrize(
    ("state", "price", "why"),
    [
        ("full", 0.1, "the cells below have no more to buy"),
        ("at_target", 0.1, "the targets of bids hold the cells below back"),
        ("at_limit", None, "limits hold them back"),
        ("empty", None, "no cell brings what it costs"),
        ("inside", 0.01, "not every day can use all of it"),
    ],
)
def test_why_money_stays_is_told(state: str, price: float | None, why: str):
    plan = Plan(5e4, {"s0.p0": Margin(4e5, 1.2, 0.0, 1.2, state)}, price)
    first = next(iter(binding_of(make_problem([1, 1], BUDGET), split_of(4e5, 6e5), plan, 5e4)))
    assert first == f"about 50,000 CNY stay unspent: {why}"


def test_money_without_a_plan_that_would_lose_is_told_from_money_that_some_days_leave():
    plan = Plan(5e4, {"s0.p0": Margin(4e5, 0.8, 0.0, 0.8, "inside")}, -0.2)
    problem = make_problem([1, 1], BUDGET)
    first = [
        next(iter(binding_of(problem, split_of(*x), plan, 5e4))) for x in ((4e5, 5.5e5), (4e5, 6e5))
    ]
    assert [line.partition(": ")[2] for line in first] == [
        "more of it in the cells would lose", "not every day can use all of it",
    ]  # fmt: skip


def test_a_return_that_is_not_sought_says_nothing_of_what_pays():
    """Beside another objective no shadow price is known, whatever the cells bring."""
    plan = Plan(5e4, {"s0.p0": Margin(4e5, 1.2, 0.0, 1.2, "inside")}, None)
    first = next(iter(binding_of(make_problem([1, 1], BUDGET), split_of(4e5, 6e5), plan, 5e4)))
    assert first.endswith("not every day can use all of it")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "; booking p would lose"),
        ({"may": np.zeros(1, bool)}, ""),
        ({"price": np.array([2e5])}, ""),
        ({"cap": np.array([4e5, np.inf])}, ""),
    ],
)
def test_packages_that_are_left_out_beside_money_are_named(limits: dict, words: str):
    """Only those that may be booked, can be paid and keep the limits."""
    booking = {"packages": ("p",), "price": np.array([5e4]), "payer": np.zeros(1, int)}
    flags = {"must": np.zeros(1, bool), "may": np.ones(1, bool)}
    problem = make_problem([1, 1], BUDGET, **booking | flags | limits)
    plan = Plan(1e5, {"s1.p0": Margin(5e5, 1.2, 0.0, 1.2, "inside")}, 0.2)
    row = Split(np.array([[4e5, 5e5]]), np.zeros((1, 1), bool))
    why = next(iter(binding_of(problem, row, plan, 1e5))).partition(": ")[2]
    assert why == f"not every day can use all of it{words}"


def test_what_stays_and_what_is_full_is_named():
    full = Margin(4e5, 1.2, 0.0, 1.2, "full")
    plan = Plan(unspent=5e4, margins={"s0.p0": full}, shadow_price=-0.25)
    assert list(binding_of(make_problem([1, 1], BUDGET), split_of(4e5, 6e5), plan, 5e4)) == [
        "about 50,000 CNY stay unspent: the cells below have no more to buy",
        "budget: one more yuan brings -0.25 CNY net, money that stays being lost",
        "no more to buy: s0.p0",
    ]


def test_less_is_better_where_nothing_stays_and_the_last_yuan_does_not_come_back():
    lines = [list(binding_of(make_problem([1, 1], BUDGET), split_of(4e5, 6e5), Plan(shadow_price=price), 0.0))
             for price in (-0.25, 0.25)]  # fmt: skip
    assert lines == [
        ["budget: one more yuan brings -0.25 CNY net; spend less"],
        ["budget: one more yuan brings +0.25 CNY net"],
    ]


def test_a_cell_that_its_target_holds_back_is_told_from_one_without_more_to_buy():
    bid = "{mode: cost_control, cost_per: order, target: 20}"
    world = brief(f"scenes.new_customer.bid={bid}", "scenes.new_customer.fixed_cost=0")
    found = optimize(
        world, ("roi",), budget=300_000, budgets=(), effort=SHORT, replications=8
    )  # fmt: skip
    states = {cell: margin.state for cell, margin in found.answered.margins.items()}
    assert (states["new_customer.normal"], states["harvest.sale"]) == ("at_target", "full")
    assert found.binding[0].endswith(
        "the cells below have no more to buy, or targets of bids hold them back"
    )
    assert found.binding[1:3] == (
        "no more to buy: harvest.sale",
        "held by the target of its bid: new_customer.normal",
    )
    assert "held by its target" in advice_text(found, world)
