"""What becomes of each product's goods: orders that found none, units left, and when it was first sold out."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest

from simulator.engine.run import View
from simulator.engine.simulate import make_grid
from simulator.market.calendar import DAY
from simulator.outcomes.ledger import Ledger
from simulator.scenario.plan import plans_of
from simulator.scenario.schema import Scenario
from tests.worlds import NONE_BACK, brief, everything, expected, lanes_of, sampled

MODES = {"expected": expected, "sampled": lambda *args: sampled(*args, replications=3)}
TEA = "products.tea={price: 60, margin: 50%, stock: 40}"
SCARCE = ("products.coffee.stock=500", "calendar.phases.sale.clock=1h")


def watched(scenario: Scenario, replications: int = 1) -> tuple[np.ndarray, Ledger]:
    """Units of the first product sold by the end of every step [step, lane], and the book; one plan."""
    starts, seen = make_grid(scenario).start, []

    def look(view: View) -> Iterator[float]:
        for wait in (1, *np.diff(starts)):
            yield float(wait)
            seen.append(view.book.products["paid"][0].copy())

    ads = plans_of(scenario)[:1]
    book = sampled(scenario, ads, processes=[look], replications=replications).book
    return np.array(seen), book


def first_days(scenario: Scenario, sold: np.ndarray, units: float) -> np.ndarray:
    """Start of the step in which so many units were sold [d], the run begins at midnight: [lane]."""
    return make_grid(scenario).start[(sold < units).sum(axis=0)] / DAY


@pytest.mark.parametrize("mode", MODES)
def test_the_goods_of_each_product_are_sold_or_left(mode: str):
    """Tea is short, coffee is not: only tea is missed, and what is left of coffee is what nobody bought."""
    scenario = brief(TEA, "products.coffee.stock=9000", "commerce.substitution=0", *NONE_BACK)
    goods = MODES[mode](scenario).book.products
    assert goods["unmet"][0] == pytest.approx(0)
    assert (goods["unmet"][1] > 10).all()
    assert goods["left"][0] == pytest.approx(9000 - goods["paid"][0], abs=1e-6)
    assert goods["left"][1] == pytest.approx(0, abs=1e-3)


def test_deliveries_and_shops_are_left_as_well():
    sets = (
        "products.coffee.stock=20000",
        "products.coffee.pooled={units: 400, share: 75%}",
        "products.coffee.restocks=[{at: 2021-03-25, units: 77}]",
    )
    goods = sampled(brief(*sets), replications=2).book.products
    assert (goods["back_on_sale"][0] > 0).all()
    np.testing.assert_array_equal(goods["left"] + goods["paid"], 20_377 + goods["back_on_sale"])


def test_it_is_sold_out_in_the_step_that_sells_its_last_unit():
    scenario = brief(*SCARCE)
    sold, book = watched(scenario, replications=3)
    days = book.products["sold_out_day"][0]
    np.testing.assert_array_equal(days, first_days(scenario, sold, 500))
    assert len(set(days)) > 1  # every lane has its own


def test_a_delivery_that_comes_at_once_does_not_hide_it():
    """Units arrive at the very step at which the empty shelf would first be seen."""
    scenario = brief(*SCARCE)
    sold, book = watched(scenario)
    steps, ads = make_grid(scenario), plans_of(scenario)[:1]
    after = int(steps.start[(sold[:, 0] < 500).sum() + 1])
    moment = steps.shape.origin + timedelta(seconds=after)
    restock = f"products.coffee.restocks=[{{at: {moment:%Y-%m-%d %H:%M}, units: 5000}}]"
    again = sampled(brief(*SCARCE, restock), ads, replications=1).book.products
    assert again["sold_out_day"][0, 0] == book.products["sold_out_day"][0, 0]
    assert again["left"][0, 0] > 0


@pytest.mark.parametrize("mode", MODES)
def test_what_is_never_gone_or_never_came_is_not_sold_out(mode: str):
    for units in (0, 1_000_000):
        goods = MODES[mode](brief(f"products.coffee.stock={units}")).book.products
        assert np.isinf(goods["sold_out_day"]).all()


def test_the_first_time_counts_and_not_the_empty_shelf_before_the_first_delivery():
    """Nothing at first; 50 units on the 22nd are gone in hours, and 50 on the 24th as well."""
    units = "[{at: 2021-03-22, units: 50}, {at: 2021-03-24, units: 50}]"
    scenario = brief("products.coffee.stock=0", f"products.coffee.restocks={units}", *NONE_BACK)
    for mode in MODES.values():
        goods = mode(scenario).book.products
        np.testing.assert_allclose(goods["left"], 0, atol=1e-6)
        assert (goods["sold_out_day"] >= 2).all() and (goods["sold_out_day"] < 4).all()


def test_what_goes_in_the_last_step_is_told():
    """Sales go on until the run ends, and the last order takes the last unit."""
    sets = ("calendar.sales_after_days=30", "calendar.phases.normal.start=2021-03-25", *NONE_BACK)
    sold, book = watched(brief(*sets))
    units = int(book.products["paid"][0, 0])
    assert sold[-2, 0] < units  # something is sold in the last step
    scenario = brief(*sets, f"products.coffee.stock={units}")
    goods = sampled(scenario, plans_of(scenario)[:1], replications=1).book.products
    assert (goods["left"][0, 0], goods["unmet"][0, 0]) == (0, 0)
    assert goods["sold_out_day"][0, 0] == make_grid(scenario).start[-1] / DAY


def test_expected_mode_has_the_day_on_which_half_of_the_draws_are_sold_out():
    sets = (*SCARCE, "chance.demand_sd=0")
    mean = expected(brief(*sets)).book.products["sold_out_day"][0, 0]
    drawn = sampled(brief(*sets), replications=40)
    days = lanes_of(drawn, drawn.plans[0]).products["sold_out_day"][0]
    assert mean == pytest.approx(np.median(days), abs=0.25)


def test_days_are_counted_from_midnight():
    """A run that begins at 20:00 sells out two hours later, on its first day."""
    late = brief("calendar.phases.normal.start=2021-03-20 20:00")
    steps = make_grid(late)
    assert steps.since_midnight(0) == pytest.approx(20 / 24)
    assert (np.floor([steps.since_midnight(n) for n in range(len(steps))]) == steps.day).all()


@pytest.mark.parametrize("mode", MODES)
def test_every_lane_of_a_full_world_knows_its_days(mode: str):
    """Where a product ends with nothing it was sold out, and where nobody missed it, it was not."""
    book = MODES[mode](everything()).book
    goods, out = book.products, np.isfinite(book.products["sold_out_day"])
    if mode == "sampled":
        assert out[goods["left"] == 0].all()
    assert out[1].all() and not out[[0, 2, 3, 4, 5]].any()  # of all products only `old` is short
    np.testing.assert_allclose(goods["unmet"].sum(axis=0), book.totals["unmet"], rtol=1e-12)
