"""Plain arithmetic of baskets: what strangers and customers, and those of each segment, put in is what they buy.

Strangers who see the ad put trial packs into carts, regulars who come by themselves dresses.
"""

import pytest

from simulator.outcomes.outcomes import Outcomes
from tests.engine.test_by_hand import NO_B, REPLICATIONS, figure, play
from tests.engine.test_by_hand_goods import AWARE, CUSTOMERS, MANY, NOBUY, SALE, of_product
from tests.worlds import brief, expected, plan

BOTH = pytest.mark.parametrize("mode", ["expected", "sampled"])
END = "calendar.phases.e={start: 2021-03-07, release: 0}"
CARTS = "chain.visit_moves={engage: {cart: 5%}, customers: {cart: 5%}}"
SHOP = (
    "products={p: null, pack: {price: 10, margin: 50%, refund: 3%, organic: 0}, "
    "dress: {price: 100, margin: 50%, refund: 60%}}"
)
BOTH_FILL = (
    MANY, "segments.all.start={engage: 50%, initial: 50%}", SHOP, CARTS, *NOBUY, NO_B, SALE, END,
    f"scenes.A={{audience: {AWARE}, products: {{pack: 1}}}}", "slots.sa.precision=1",
    f"sources.s={{organic_visits: 10k, organic_cvr: 0, organic_bands: {CUSTOMERS}}}",
    "chain.lapse_days=3600", "chain.new_customer_window_days=3650",
)  # fmt: skip
"""10,000 visits x 5%: 500 carts of packs; 10,000 visits of customers a day: as many of dresses, and more each day."""
BOUGHT = 500 * (1 - 0.5 * 0.993**7)
"""Packs: half on one day, and 0.7% on 7 more."""


def run(mode: str, *changes: str) -> Outcomes:
    return play(*BOTH_FILL, *changes, mode=mode, **REPLICATIONS[mode])


def near(value: float, mode: str, off: float = 0.1) -> object:
    return pytest.approx(value, rel=0.005 if mode == "expected" else 0.04, abs=off)


@BOTH
def test_strangers_buy_what_strangers_put_in(mode: str) -> None:
    """Packs, of which 3% come back; customers buy dresses, of which 60% do."""
    found = run(mode)
    assert figure(found, "new_customers_gross") == near(BOUGHT, mode)
    assert of_product(found, "pack", "paid_orders") == near(BOUGHT, mode)
    assert of_product(found, "dress", "paid_orders") > 3 * BOUGHT
    kept = figure(found, "new_customers") / figure(found, "new_customers_gross")
    assert kept == pytest.approx(0.97, abs=0.002 if mode == "expected" else 0.01)


@BOTH
@pytest.mark.parametrize(("scarce", "packs"), [("dress", BOUGHT), ("pack", 100)])
def test_goods_that_run_out_cut_whose_baskets_hold_them(
    mode: str, scarce: str, packs: float
) -> None:
    """100 units of the one or the other, of which nothing is sold again: who wants the other finds it as before."""
    plenty, found = (run(mode, "commerce.resale=0", "commerce.refund_fast_share=0", *change)
                     for change in ((), (f"products.{scarce}.stock=100",)))  # fmt: skip
    dresses = of_product(plenty, "dress", "paid_orders") if scarce == "pack" else 100
    assert figure(found, "new_customers_gross") == near(packs, mode)
    assert of_product(found, "pack", "paid_orders") == near(packs, mode)
    assert of_product(found, "dress", "paid_orders") == near(dresses, mode)


@BOTH
def test_what_fills_the_carts_of_strangers_says_nothing_of_those_of_customers(mode: str) -> None:
    """Packs at twice the power: strangers fill twice as many carts, customers as many as before."""
    before, after = run(mode), run(mode, "products.pack.product_power=2")
    assert figure(after, "new_customers_gross") == near(2 * BOUGHT, mode, off=10)
    dresses = (of_product(found, "dress", "paid_orders") for found in (before, after))
    assert next(dresses) == near(next(dresses), mode)


@BOTH
def test_each_segment_buys_what_it_has_put_in(mode: str) -> None:
    """The poor see packs at 10, the rich dresses at 3 x 100, 5,000 visits each: 250 carts each."""
    people = "people: 50m, start: {engage: 50%, initial: 50%}"
    found = run(
        mode, "segments.all=null", f"segments.poor={{{people}}}", f"segments.rich={{{people}, order_value: 3}}",
        "sources.s.organic_visits=0", "scenes.A={segments: [poor], budget: 10k}",
        "slots.sa.packages.pa.impressions=50k",
        "slots.sb.precision=1", "slots.sb.packages.pb={impressions: 50k, phases: [a]}",
        f"scenes.B={{segments: [rich], budget: 10k, audience: {AWARE}, products: {{dress: 1}}}}",
    )  # fmt: skip
    assert figure(found, "new_customers_gross") == near(BOUGHT, mode)
    assert figure(found, "gmv") == near(BOUGHT / 2 * (10 + 300), mode)


@BOTH
def test_deposits_are_kept_apart_likewise(mode: str) -> None:
    """500 carts of packs and as many of dresses of customers pay half of their deposits, all balances are paid: of what
    strangers have won 3% comes back, though most deposits are of dresses.
    """
    found = run(
        mode, "products.pack.presale=true", "products.dress.presale=true", "calendar.phases.b.release=0",
        "calendar.phases.b.deposit_release=50%",
        "calendar.balances=[{start: 2021-03-09, end: 2021-03-10, completion: 100%}]",
    )  # fmt: skip
    won = figure(found, "new_customers_gross")
    assert won == near(BOUGHT, mode, off=10)
    assert of_product(found, "pack", "paid_orders") == near(won, mode)
    assert of_product(found, "dress", "paid_orders") > 2 * won
    kept = figure(found, "new_customers") / won
    assert kept == pytest.approx(0.97, abs=0.002 if mode == "expected" else 0.01)


# --- as many as there are -----------------------------------------------------------------------------
def test_no_more_orders_are_released_than_there_are_baskets():
    """Few baskets hold what the sale makes a bargain of: 1,600 of 40,000."""
    sets = (
        "products.coffee.organic=0",
        "products.rare={price: 100, margin: 50%, organic: 4, discount: {sale: 60%}, refund: 0}",
        "products.usual={price: 100, margin: 50%, organic: 96, refund: 0}",
        "segments.shoppers.price_elasticity=3", "segments.shoppers.start={cart: 10%}",
        "sources.search.organic_visits=0", "sources.recommend.organic_visits=0",
        "calendar.phases.sale.release=60%", "commerce.substitution=0",
    )  # fmt: skip
    for clock in ("1h", "1d"):
        scenario = brief(*sets, f"calendar.phases.sale.clock={clock}")
        outcomes = expected(scenario, [plan(scenario)])
        names = list(scenario.products)
        paid = dict(zip(names, outcomes.book.products["paid"][:, 0], strict=True))
        rare, usual = paid["rare"], paid["usual"]
        assert rare <= 0.04 * 40_000 * (1 + 1e-9)
        assert usual > 20_000
