"""Rules of paid-to-free linkage against brute force and closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from simulator.engine.simulate import make_grid
from simulator.market.build import build_world
from simulator.market.draws import Expected
from simulator.market.lifecycle import LifeCycles
from simulator.market.linkage import Linkage, not_replaced
from tests.worlds import minimal


@pytest.mark.parametrize("taken", [10, 300, 1000, 4000])
def test_replaced_visits_fall_on_free_ones_at_random(taken: int):
    """Of 1,000 free visits those are left that none of `taken` darts hits."""
    rng, free = np.random.default_rng(5), 1000
    left = [free - len(set(rng.integers(0, free, taken))) for _ in range(200)]
    share = float(not_replaced(np.array(taken), np.array(free)))
    assert np.mean(left) / free == pytest.approx(share, abs=0.003)


# --- whole-site promotion -----------------------------------------------------------------------


def linkage(kappa: float = 0.5, cap: float = 0.4) -> Linkage:
    """Two scenes, two products, one lane; both products sell 100 CNY a day."""
    zeros = np.zeros((4, 2, 1))
    return Linkage(
        np.array([[kappa], [0.0]]), np.array([True, True]), cap, np.full((2, 1), 100.0), *zeros
    )


def test_the_boost_remembers_a_week_of_sales_and_stops_at_its_cap():
    """A scene that makes all sales of a product lifts it by kappa (1 - (6/7)^days), 40% at most."""
    one = linkage(kappa=0.5)
    every = np.array([[[1.0], [0.2]], [[0.0], [0.3]]])  # [scene, product, lane]
    lifts = []
    for _ in range(30):
        one.sell(np.full((2, 1), 100.0), every)
        one.close_day(np.full((2, 1), 100.0), 1.0)
        lifts.append(one.boost()[:, 0])
    fade = 1 - (6 / 7) ** np.arange(1, 31)
    assert_allclose(np.array(lifts)[:, 0], 1 + np.minimum(0.4, 0.5 * fade), rtol=1e-12)
    assert_allclose(np.array(lifts)[:, 1], 1 + 0.1 * fade, rtol=1e-12)
    assert lifts[-1][0] == 1.4


def test_free_sales_that_count_are_shared_by_money_and_weight():
    """Halves of a scene count together what the whole did; what no scene promotes counts for none."""
    one = linkage()
    one.free = np.array([[70.0], [30.0]])
    mix = np.array([[[1.0], [0.0]], [[1.0], [0.0]]])
    whole = one.counted(np.array([[8.0], [0.0]]), mix, 2.0)
    halves = one.counted(np.array([[4.0], [4.0]]), mix, 2.0)
    assert whole is not None and halves is not None
    assert whole.ravel().tolist() == [140.0, 0.0]
    assert halves.ravel().tolist() == [70.0, 70.0]


# --- organic weight -----------------------------------------------------------------------------


def pull(orders: float, *sets: str) -> float:
    """Pull on free traffic of the minimal world's product at so many orders a day."""
    scenario = minimal(*sets)
    goods = build_world(scenario, make_grid(scenario)).goods
    cycles = LifeCycles(goods, scenario.life_cycle, sampled=False)
    start = cycles.start(2, Expected(2))
    week = np.full((1, 2), orders)
    shelf = replace(start, week=week)
    shelf.weight = cycles.organic_target(shelf)
    return float(cycles.organic_pull(shelf)[0, 0])


def doubled(orders: float, *sets: str) -> float:
    """What twice the orders bring in free visits once the weight has followed."""
    return pull(2 * orders, *sets) / pull(orders, *sets) - 1


def test_doubling_orders_brings_what_the_page_says():
    """docs/model.md, section 10: defaults, and orders counted against the median product (20 a day)."""
    measured = [round(100 * doubled(x), 1) for x in (1, 6, 20, 80)]
    assert measured == [9.8, 7.8, 6.6, 5.5]
    against = ("life_cycle.organic_orders_scale=140", "life_cycle.organic_orders=1")
    against = (*against, "life_cycle.organic_base=0.7")
    assert all(0.15 < doubled(x, *against) < 0.30 for x in (5, 6, 20, 80, 120))


def test_conversion_above_the_median_pulls_free_traffic():
    on = "life_cycle.organic_conversion=1"
    powers = [f"products.coffee.product_power={x}" for x in (0.5, 1, 2)]
    core = "life_cycle.cvr=[1, 1, 1, 1, 1, 1]"
    weak, median, strong = (pull(20, core, on, power) for power in powers)
    assert median == pull(20, core)
    assert weak < median < strong


def test_the_worst_score_leaves_a_hundredth_of_the_weight_without_orders():
    bad = ("life_cycle.organic_score=3", "service_score=3", "life_cycle.organic_base=0.7")
    rivals = minimal().life_cycle.organic_rivals
    assert pull(20, *bad) == pytest.approx(0.007 / (0.007 + rivals), rel=1e-12)
