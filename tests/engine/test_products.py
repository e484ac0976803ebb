"""What products can be besides a price: rows of many items, generations, creatives."""

import numpy as np
import pytest

from simulator.engine.simulate import simulate
from simulator.market.choice import mean_of_best, told
from simulator.outcomes.metrics import items_above, tail_shares
from simulator.outcomes.store import read_outcomes, write_outcomes
from simulator.scenario.plan import plans_of
from tests.worlds import brief, differing, expected, lanes_of, minimal, one, sampled

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


# --- creatives ----------------------------------------------------------------------------------

TWENTY = "scenes.new_customer.creatives={count: 20, sd: 0.4, cost: 30}"


def test_the_best_creative_is_a_better_creative():
    """The gain is one of `creative`: the same clicks as with so much better a picture."""
    scenario = minimal(TWENTY, "slots.feed.ctr=5%")
    rate = 0.05 * 0.95 * 2000
    gain = float(mean_of_best(told(np.array(0.4), np.array(rate)), np.array(20.0)))
    assert gain > 1.7
    better = minimal(f"scenes.new_customer.creative={gain!r}", "slots.feed.ctr=5%")
    names = ("clicks", "gmv", "new_customers")
    assert one(expected(scenario), *names) == pytest.approx(one(expected(better), *names))


def test_creatives_cost_the_scenes_that_run():
    cheap, dear = (
        expected(minimal(TWENTY, f"scenes.new_customer.creatives.cost={x}")) for x in (0, 30)
    )
    for plan in dear.plans:
        assert one(cheap, "profit", plan=plan)[0] - one(dear, "profit", plan=plan)[0] == (
            pytest.approx(20 * 30)
        )
    assert one(cheap, "profit", plan="no ads") == one(dear, "profit", plan="no ads")


def test_one_creative_and_a_choice_without_a_test_change_nothing():
    names = ("clicks", "gmv", "profit")
    plain = one(expected(minimal()), *names)
    for choice in ("{count: 1, sd: 0.9}", "{count: 50, test_impressions: 0}", "{count: 9, sd: 0}"):
        chosen = expected(minimal(f"scenes.new_customer.creatives={choice}"))
        assert one(chosen, *names) == pytest.approx(plain, rel=1e-12)


def test_drawn_creatives_are_as_good_as_expected_ones_on_average():
    """Clicks of a fixed bid are nearly in proportion to the click odds."""
    bid = "scenes.new_customer.bid={mode: custom_bid, cost_per: impression, target: 40}"
    scenario = brief(TWENTY, bid, "scenes.new_customer.prediction=0")
    drawn = sampled(scenario, replications=400)
    clicks = drawn.values("mostly_new", "clicks")
    error = clicks.std(ddof=1) / np.sqrt(400)
    assert error > 0.005 * clicks.mean()
    assert abs(clicks.mean() - one(expected(scenario), "clicks", plan="mostly_new")[0]) < 4 * error


def test_the_fortune_of_creatives_is_the_same_for_all_plans():
    """And one plan alone, or other replications beside it, change nothing."""
    scenario = brief(TWENTY)
    plans = plans_of(scenario)
    every, some = (
        sampled(scenario, plans, replications=20),
        sampled(scenario, plans[1:], replications=5),
    )
    ours = lanes_of(every, plans[1].name).lanes(np.arange(5))
    assert differing(ours, lanes_of(some, plans[1].name)) == []
