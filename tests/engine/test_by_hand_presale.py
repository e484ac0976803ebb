"""A balance is paid on the terms of its deposit: what buyer and platform pay, goods in the order, odds of a refund."""

import numpy as np
import pytest

from simulator.scenario import parse_scenario
from tests.worlds import Figures, expected, figures, lanes_of, one, plan, sampled

WORLD = b"""
name: A presale, and coupons
extends: [calendars/plain, chain/deeplink]
budget: 10k
calendar:
  end: 2021-03-15
  sales_after_days: 8
  phases:
    pre: {start: 2021-03-01, deposit: 2, deposit_release: 2%}
    sale: {start: 2021-03-08, release: 5%}
    after: {start: 2021-03-11}
  balances: [{start: 2021-03-08, end: 2021-03-10, completion: 90%}]
segments:
  people: {people: 500k, start: {discover: 5%, engage: 4%, cart: 1%, initial: 3%}}
products:
  a: {price: 100, margin: 40%, refund: 0, presale: true, deposit: 20%}
life_cycle: {ctr: [1, 1, 1, 1, 1, 1], cvr: [1, 1, 1, 1, 1, 1], refund: [1, 1, 1, 1, 1, 1], price: [1, 1, 1, 1, 1, 1]}
commerce: {commission: 5%, payment_fee: 0, fulfilment: 8, refund_handling: 8, depreciation: 5%, refund_fast_share: 40%,
           refund_slow_days: 2}
sources:
  feed: {organic_visits: 2000, organic_bands: {outside: 1, customers: 5}}
slots:
  feed: {kind: auction, source: feed, opportunities: 200k, median_cpm: 40, sigma: 0.7, ctr: 4%, cvr: 2%}
scenes:
  only: {slots: [feed], audience: {outside: 100%}}
"""
MODES = pytest.mark.parametrize(
    "run", [expected, lambda *x: sampled(*x, replications=20)], ids=["expected", "sampled"]
)


def coupon(terms: str, *sets: str):
    return parse_scenario(WORLD, "presale.yaml", (f"incentives.coupons.c={terms}", *sets))


def totals(run, scenario) -> Figures:
    outcomes = run(scenario, [plan(scenario, only=0)])
    book = lanes_of(outcomes, "plan")
    found = {name: float(np.mean(value)) for name, value in book.totals.items()}
    return found | figures(outcomes, "plan")


def orders_by_terms(run) -> tuple[float, float, float]:
    """Orders on the terms of the presale (balances too), of the sale, and all: coupons of no effect on counts."""
    low = totals(run, coupon("{merchant: 50%, phases: [pre]}"))
    high = totals(run, coupon("{merchant: 50%, phases: [sale]}"))
    count = low["paid_orders"]
    assert count == pytest.approx(high["paid_orders"], rel=1e-9)
    return 2 * (count - low["gmv"] / 100), 2 * (count - high["gmv"] / 100), count


@MODES
@pytest.mark.parametrize("phase", ["pre", "sale"])
def test_the_platform_pays_what_buyers_save(run, phase):
    found = totals(run, coupon(f"{{platform: 10%, phases: [{phase}]}}"))
    assert found["gmv"] < 100 * found["paid_orders"] * 0.999
    noise = 0.01 if run is not expected else 1e-9  # single orders are of different value
    assert found["gmv"] + found["subsidy"] == pytest.approx(100 * found["paid_orders"], rel=noise)


def test_a_larger_basket_is_the_one_that_was_ordered():
    """Half as many goods again in each order on the coupon's terms, at 60 CNY of cost."""
    pre, sale, count = orders_by_terms(expected)
    assert pre > 1.3 * sale  # most balances fall into the sale, and are of the presale
    for phase, larger in (("pre", pre), ("sale", sale)):
        found = totals(expected, coupon(f"{{merchant: 1%, order_value: 1.5, phases: [{phase}]}}"))
        assert found["goods_cost"] == pytest.approx(60 * (count + larger / 2), rel=1e-9)
        assert found["gmv"] == pytest.approx(100 * (count - larger) + 148.5 * larger, rel=1e-9)


def test_what_is_called_off_goes_by_the_coupon_that_was_taken():
    """Odds three times as high, of a refund of one in ten: 3/12 in place of 1/10 of the orders on these terms.

    Nearly: who sends back what he bought first may buy again.
    """
    pre, sale, count = orders_by_terms(expected)
    for phase, eager in (("pre", pre), ("sale", sale)):
        terms = f"{{merchant: 1%, refund: 3, phases: [{phase}]}}"
        found = totals(expected, coupon(terms, "products.a.refund=10%"))
        assert found["refunds"] == pytest.approx(0.1 * count + 0.15 * eager, rel=2e-3)


def test_a_coupon_that_nobody_takes_costs_nobody():
    """Everything that is sold in the sale was ordered before: no visit and no basket buys then."""
    shut = ("calendar.phases.sale.release=0", "calendar.phases.sale.cvr=0.000001")
    lone = coupon("{platform: 30%, merchant: 5%, order_value: 2, phases: [sale]}", *shut)
    free = coupon("{merchant: 0.0001%, phases: [sale]}", *shut)
    for name in ("gmv", "subsidy", "goods_cost"):
        left, right = (totals(expected, s)[name] for s in (lone, free))
        assert left == pytest.approx(right, rel=1e-4, abs=1), name


@MODES
def test_goods_that_are_announced_are_presold_as_if_they_were_there(run):
    """A presale comes before the goods."""
    there, announced = (
        coupon(
            "{merchant: 1%, phases: [after]}",
            f"products.a={{stock: {stock}, restocks: {restocks}}}",
        )
        for stock, restocks in ((100_000, "[]"), (0, "[{at: 2021-03-08, units: 100k}]"))
    )
    book, later = (totals(run, s) for s in (there, announced))
    assert book["deposits"] > 300
    assert later["deposits"] == pytest.approx(book["deposits"], rel=0.02)
    assert later["balances"] == pytest.approx(book["balances"], rel=0.02)


# --- moments inside a step ------------------------------------------------------------------------------
def test_a_delivery_at_noon_sells_in_the_afternoon():
    """Whatever the clock: a step ends where goods arrive."""
    goods = (
        "products.a={presale: false, stock: 1, restocks: [{at: '2021-03-04 12:00', units: 10k}]}"
    )
    found = []
    for clock in ("1d", "1h"):
        scenario = coupon(
            "{merchant: 1%, phases: [after]}", goods, f"calendar.phases.pre.clock={clock}"
        )
        found.append(one(expected(scenario, [plan(scenario, only=0)]), "paid_orders")[0])
    assert found[0] == pytest.approx(found[1], rel=2e-3)
