"""What products can be besides a price: rows of many items, generations."""

import numpy as np
import pytest

from simulator.engine.simulate import simulate
from simulator.outcomes.metrics import items_above, tail_shares
from simulator.outcomes.store import read_outcomes, write_outcomes
from tests.worlds import expected, minimal, one

# --- many items in one row ----------------------------------------------------------------------


def test_a_row_of_items_is_so_many_products_that_are_alike():
    rules = ("products.coffee.product_stage=potential", "life_cycle.category_orders=8")
    tea = "{price: 120, margin: 55%, discount: {sale: 15%}, product_stage: potential}"
    three = minimal(*rules, *(f"products.tea{n}={tea}" for n in range(2)))
    row = minimal(*rules, "products.coffee.items=3")
    names = ("gmv", "new_customers", "visits", "refunds", "profit", "asset_value")
    figures = one(expected(row), *names)
    assert figures == pytest.approx(one(expected(three), *names), rel=1e-9)
    assert figures[0] < 0.99 * one(expected(minimal(*rules)), "gmv")[0]


def test_the_tail_is_read_after_the_run_and_kept_with_it(tmp_path):
    scenario = minimal("products.coffee.items=14", "products.coffee.tail=0.8")
    outcomes = expected(scenario)
    gmv = one(outcomes, "gmv")[0]
    least = gmv * tail_shares(14, 0.8)[4]
    table = outcomes.items("half_half", least=least * (1 - 1e-12))
    assert table.loc["coffee", "items_above"] == 5
    assert (
        read_outcomes(write_outcomes(outcomes, tmp_path))
        .items("half_half")
        .equals(outcomes.items("half_half"))
    )
    same = expected(minimal("products.coffee.items=14", "products.coffee.tail=2"))
    assert one(same, "gmv") == [gmv]


@pytest.mark.parametrize(("items", "tail"), [(1, 1.0), (7, 0.0), (200, 1.0), (50, 3.0)])
def test_items_above_counts_ranks(items: int, tail: float):
    shares = np.arange(1.0, items + 1) ** -tail
    shares /= shares.sum()
    sales = np.array([0.0, 1e3, 5e6, 1e9])
    counted = [(total * shares >= 1e6).sum() for total in sales]
    assert items_above(sales, items, tail, 1e6).tolist() == counted


# --- generations --------------------------------------------------------------------------------


def test_a_generation_has_the_power_that_the_one_before_it_left():
    third = minimal("products.coffee.generation=3", "life_cycle.generation_decay=20%")
    weaker = minimal("products.coffee.product_power=0.64")
    names = ("gmv", "new_customers", "profit", "asset_value")
    assert one(expected(third), *names) == pytest.approx(one(expected(weaker), *names), rel=1e-12)


def test_the_decay_may_be_uncertain():
    spread = minimal(
        "products.coffee.generation=3", "life_cycle.generation_decay={low: 10%, high: 20%}"
    )
    drawn = simulate(spread, replications=8, daily=False, attribution=False)
    assert drawn.chance_only is not None
    gap = drawn.values("half_half", "gmv") / drawn.chance_only.values("half_half", "gmv")
    assert gap.min() < 0.99
    assert gap.max() > 1.01
