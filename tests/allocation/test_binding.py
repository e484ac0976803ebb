"""What is said of the limits that keep a plan from bringing more."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from simulator.allocation.advice import binding_of
from simulator.allocation.problem import Split
from simulator.outcomes.frontier import Margin
from tests.allocation.markets import BUDGET, make_problem


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
    assert list(binding_of(problem, split_of(*money), Plan())) == words


@pytest.mark.parametrize(
    ("state", "price", "why"),
    [
        ("full", 0.1, "the cells below have no more to buy"),
        ("at_limit", None, "limits hold them back"),
        ("empty", None, "no cell brings what it costs"),
        ("inside", 0.01, "not every day can use all of it"),
    ],
)
def test_why_money_stays_is_told(state: str, price: float | None, why: str):
    plan = Plan(5e4, {"s0.p0": Margin(4e5, 1.2, 0.0, 1.2, state)}, price)
    first = next(iter(binding_of(make_problem([1, 1], BUDGET), split_of(4e5, 6e5), plan)))
    assert first == f"about 50,000 CNY stay unspent: {why}"


def test_what_stays_and_what_is_full_is_named():
    full = Margin(4e5, 1.2, 0.0, 1.2, "full")
    plan = Plan(unspent=5e4, margins={"s0.p0": full}, shadow_price=-0.25)
    assert list(binding_of(make_problem([1, 1], BUDGET), split_of(4e5, 6e5), plan)) == [
        "about 50,000 CNY stay unspent: the cells below have no more to buy",
        "budget: one more yuan brings -0.25 CNY net, money that stays being lost",
        "no more to buy: s0.p0",
    ]


def test_less_is_better_where_nothing_stays_and_the_last_yuan_does_not_come_back():
    lines = [list(binding_of(make_problem([1, 1], BUDGET), split_of(4e5, 6e5), Plan(shadow_price=price)))
             for price in (-0.25, 0.25)]  # fmt: skip
    assert lines == [
        ["budget: one more yuan brings -0.25 CNY net; spend less"],
        ["budget: one more yuan brings +0.25 CNY net"],
    ]
