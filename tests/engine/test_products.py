"""What products can be besides a price: rows of many items."""

import numpy as np
import pytest

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
