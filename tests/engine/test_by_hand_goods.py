"""Plain arithmetic of goods: which product baskets, deposits and segments buy, and who stands where afterwards."""

import pytest

from simulator.outcomes.outcomes import Outcomes
from tests.engine.test_by_hand import NO_B, REPLICATIONS, TWO_PRICES, figure, play

NOBUY = ("slots.sa.cvr=0", "slots.sb.cvr=0")
MANY = "segments.all.people=100m"
FREE = (MANY, "sources.s.organic_visits=10k", *NOBUY)
CARTS = "chain.visit_moves={engage: {cart: 5%}}"
SALE = "calendar.phases.b={start: 2021-03-06, release: 50%}"
AFTER = "calendar.phases.e={start: 2021-03-07, release: 0}"
AWARE = "{outside: 0, aware: 1, active: 0, customers: 0, lapsed: 0}"
CUSTOMERS = "{outside: 0, aware: 0, active: 0, customers: 1, lapsed: 0}"
BOTH = pytest.mark.parametrize("mode", ["expected", "sampled"])


def run(mode: str, *changes: str, **options: object) -> Outcomes:
    return play(*changes, mode=mode, **REPLICATIONS[mode], **options)


def near(value: float, mode: str, off: float) -> object:
    """This value: within 0.5% of it in expected mode, within `off` of it where chance has a part."""
    return pytest.approx(value, rel=0.005 if mode == "expected" else off)


def few(value: float, mode: str) -> object:
    """Near this number of some hundred at most, which may be none."""
    return pytest.approx(value, rel=0.005 if mode == "expected" else 0.05, abs=0.1)


def of_product(found: Outcomes, name: str, metric: str) -> float:
    return float(found.products(found.plans[0])[metric][name])


def beyond_none(found: Outcomes, metric: str) -> float:
    gap = found.differences(found.plans[0], "none")[metric]["difference"]
    assert gap is not None
    return gap


@BOTH
def test_carts_that_stand_at_the_start_hold_what_free_visitors_put_in(mode: str) -> None:
    """Ads fill 500 carts of p among 100,000 of q: 50% and then 0.7% on 7 days buy 262, at 36.4 each; ads cost 1,000."""
    found = run(
        mode, MANY, "segments.all.start={engage: 50%, cart: 0.1%}", *TWO_PRICES,
        f"sources.s={{organic_visits: 1000, organic_cvr: 0, organic_bands: {AWARE}}}", CARTS, *NOBUY, NO_B,
        f"scenes.A={{audience: {AWARE}}}", "slots.sa.precision=1", SALE, AFTER,
    )  # fmt: skip
    bought = 500 * (1 - 0.5 * 0.993**7)
    assert of_product(found, "p", "paid_orders") == near(bought, mode, 0.04)
    if mode == "expected":
        assert figure(found, "profit_incremental") == pytest.approx(bought * 36.4 - 1_000, rel=0.02)


@BOTH
@pytest.mark.parametrize(("presale", "deposits"), [("q", 100), ("p", 0)])
def test_a_visit_pays_deposits_for_what_it_shows(mode: str, presale: str, deposits: int) -> None:
    """10,000 visits x 1%, each of q: all of them, or none, whatever free visitors want."""
    found = run(
        mode, MANY, NO_B, "calendar.phases.a={start: 2021-03-01, release: 0, deposit: 1}", "scenes.A.products={q: 1}",
        "calendar.balances=[{start: 2021-03-06, end: 2021-03-08, completion: 90%}]",
        "products={p: {price: 100, margin: 50%, refund: 0}, q: {price: 1000, margin: 50%, refund: 0, organic: 0}}",
        f"products.{presale}.presale=true",
    )  # fmt: skip
    assert figure(found, "deposits") == few(deposits, mode)
    assert figure(found, "balances") == few(0.9 * deposits, mode)


@BOTH
@pytest.mark.parametrize(
    ("shown", "presale", "deposits"),
    [("{q: 1}", "p", 0), ("{q: 1}", "q", 500), ("{q: 1, r: 1}", "q", 250)],
    ids=["none", "all", "half"],
)
def test_deposit_release_takes_presale_goods_out_of_baskets(
    mode: str, shown: str, presale: str, deposits: int
) -> None:
    """20,000 visits x 5% = 1,000 carts; half of those of presale goods pay a deposit, whatever free visitors want.
    Then half of those that are left buy, and 0.7% on 7 days.
    """
    goods = {"p": "", "q": ", organic: 0", "r": ", organic: 0"}
    goods[presale] += ", presale: true"
    shop = ", ".join(
        f"{name}: {{price: 100, margin: 50%, refund: 0{fact}}}" for name, fact in goods.items()
    )
    found = run(
        mode, MANY, NO_B, *NOBUY, CARTS, f"products={{{shop}}}", f"scenes.A={{products: {shown}, budget: 10k}}",
        "slots.sa.packages.pa.impressions=200k",
        "calendar.phases.b={start: 2021-03-06, release: 0, deposit_release: 50%, clock: 1d}",
        "calendar.phases.c={start: 2021-03-07, release: 50%, clock: 1d}",
        "calendar.phases.e={start: 2021-03-08, release: 0, clock: 1d}",
        "calendar.balances=[{start: 2021-03-09, end: 2021-03-10, completion: 0}]",
    )  # fmt: skip
    assert figure(found, "deposits") == few(deposits, mode)
    left = 1_000 / shown.count(":") - deposits
    assert of_product(found, "q", "paid_orders") == few(left * (1 - 0.5 * 0.993**7), mode)


@BOTH
def test_baskets_of_a_product_are_bought_as_that_product_however_little_there_is_of_another(
    mode: str,
) -> None:
    """500 carts of each: of q half are bought a day for 5 days, 0.7% for 7 more; of p the one unit that there is."""
    found = run(
        mode, MANY,
        "products={p: {price: 100, margin: 50%, refund: 0, stock: 0, restocks: [{at: 2021-03-10, units: 1}]}, "
        "q: {price: 1000, margin: 50%, refund: 0}}",
        "scenes.A.products={p: 1}", "scenes.B.products={q: 1}", "slots.sb.packages.pb.phases=[a]", CARTS, *NOBUY, SALE,
    )  # fmt: skip
    assert of_product(found, "q", "paid_orders") == near(500 * (1 - 0.5**5 * 0.993**7), mode, 0.03)
    assert of_product(found, "p", "paid_orders") == pytest.approx(1, abs=0.01)


@BOTH
def test_what_a_segment_buys_is_its_own(mode: str) -> None:
    """Ads for the poor: 50,000 visits x 1% = 500 orders of p at 100. Free visits of the rich: q at 3,000, as ever."""
    found = run(
        mode, "segments.all=null", "segments.poor={people: 50m, start: {engage: 100%}}",
        "segments.rich={people: 50m, order_value: 3, start: {initial: 100%}}",
        f"sources.s={{organic_visits: 10k, organic_cvr: 1%, organic_bands: {CUSTOMERS}}}",
        f"scenes.A={{segments: [poor], audience: {AWARE}, budget: 10k}}", "slots.sa.packages.pa.impressions=500k",
        "slots.sa.precision=1", NO_B, *TWO_PRICES,
    )  # fmt: skip
    assert beyond_none(found, "paid_orders") == near(500, mode, 0.03)
    assert of_product(found, "p", "gmv") == near(50_000, mode, 0.03)
    if mode == "expected":
        assert beyond_none(found, "gmv") == pytest.approx(50_000, rel=0.01)


@BOTH
def test_orders_of_habit_are_not_for_what_ads_show(mode: str) -> None:
    """50,000 visits x 1% = 500 orders of q at 1,000; 21,000 of habit and 1,700 on free visits stay those of p."""
    found = run(
        mode, MANY, "segments.all.start={engage: 50%, initial: 50%}",
        f"sources.s={{organic_visits: 10k, organic_bands: {AWARE}}}",
        "chain.repeat={rate_365: 0.01, tau_months: 100, event_factor: 1}",
        "products={p: {price: 100, margin: 50%, refund: 0}, q: {price: 1000, margin: 50%, refund: 0, organic: 0}}",
        f"scenes.A={{products: {{q: 1}}, budget: 10k, audience: {AWARE}}}", "slots.sa.packages.pa.impressions=500k",
        "slots.sa.precision=1", NO_B,
    )  # fmt: skip
    assert of_product(found, "q", "gmv") == near(500_000, mode, 0.03)
    if mode == "expected":
        assert beyond_none(found, "gmv") == pytest.approx(500_000, rel=0.005)


@BOTH
def test_what_people_are_worth_does_not_hang_on_how_long_refunds_take(mode: str) -> None:
    """One order in 1,000 comes back, sooner or later: the people who were won are the same."""
    world = (
        "segments.all.people=10m", "segments.all.start={engage: 0}",
        "sources.s.organic_visits=100k",
        "sources.s.organic_bands={outside: 1, lapsed: 1, aware: 20, active: 20, customers: 20}",
        "chain.visit_moves={outside: {engage: 10%}, discover: {engage: 20%}, engage: {cart: 5%}, "
        "customers: {cart: 5%}}",
        "chain.discover_days=15", "chain.enthuse_days=30", "chain.basket_days=30", "chain.lapse_days=180",
        "chain.new_customer_window_days=365", "chain.repeat={rate_365: 1}", "products.p.refund=0.1%",
        "calendar.sales_after_days=30", "slots.sa.packages.pa.impressions=1m", "scenes.A.budget=10k", NO_B,
    )  # fmt: skip
    soon, late = (
        figure(run(mode, *world, f"commerce.refund_slow_days={days}"), "asset_value")
        for days in (2, 30)
    )
    assert soon > 1e6
    assert late == pytest.approx(soon, rel=0.01)


@BOTH
def test_a_launch_is_at_its_date(mode: str) -> None:
    """100 free orders a day: samples at 30 CNY for 5 days, then goods at 100 for 12."""
    found = run(
        mode, *FREE, "products.p.product_stage=sampling", "products.p.launch=2021-03-06",
        "life_cycle.price=[0.3, 1, 1, 1, 1, 1]", daily=True,
    )  # fmt: skip
    gmv = found.days(found.plans[0])["gmv"][:17].tolist()
    for day, value in enumerate(gmv):
        assert value == near(3_000 if day < 5 else 10_000, mode, 0.06), day


@BOTH
def test_deposits_whose_goods_are_gone_are_paid_back(mode: str) -> None:
    """505 deposits of 10 CNY (1% / 99% of 50,000 visits). Of half nobody pays the balance: kept. Of 405 there are no
    goods: paid back.
    """

    def forfeited(stock: int, completion: str) -> float:
        found = run(
            mode, *FREE, "calendar.phases.a={start: 2021-03-01, release: 0, deposit: 1, cvr: 0.001}",
            f"calendar.balances=[{{start: 2021-03-06, end: 2021-03-08, completion: {completion}}}]",
            f"products.p={{price: 100, margin: 50%, refund: 0, presale: true, stock: {stock}}}",
            "calendar.phases.b={start: 2021-03-06, release: 0, cvr: 0.001}",
        )  # fmt: skip
        return figure(found, "forfeited")

    assert forfeited(10_000, "50%") == near(505 / 2 * 10, mode, 0.05)
    assert forfeited(100, "100%") == pytest.approx(0, abs=1)


@BOTH
def test_a_free_visit_makes_a_brand_known(mode: str) -> None:
    """10,000 visits a day for 17 days, of 100m people outside: who came knows the brand, and comes to no more."""
    found = run(
        mode, MANY, "segments.all.start={engage: 0}", "sources.s={organic_visits: 10k, organic_cvr: 0}",
        "chain.visit_moves={outside: {engage: 0}, discover: {engage: 0}}",
    )  # fmt: skip
    people = found.people("none")["all"]
    assert people["discover"] == pytest.approx(170_000, rel=0.02)
    assert people["outside"] + people["discover"] == pytest.approx(100e6, rel=1e-9)


@BOTH
@pytest.mark.parametrize(("discount", "price"), [("{a: 50%}", 50), ("{b: 50%}", 100)])
def test_a_balance_and_a_deposit_that_is_kept_have_the_price_of_its_day(
    mode: str, discount: str, price: float
) -> None:
    """505 deposits in phase a: half of them are paid in b, of the rest 10% of the price is kept."""
    found = run(
        mode, *FREE, "calendar.phases.a={start: 2021-03-01, release: 0, deposit: 1, cvr: 0.001}",
        "calendar.balances=[{start: 2021-03-06, end: 2021-03-08, completion: 50%}]",
        f"products.p={{price: 100, margin: 50%, refund: 0, presale: true, discount: {discount}}}",
        "calendar.phases.b={start: 2021-03-06, release: 0, cvr: 0.001}", daily=True,
    )  # fmt: skip
    gmv = found.days(found.plans[0])["gmv"][5:7].sum()
    assert figure(found, "balances") == near(505 / 2, mode, 0.05)
    assert gmv == near(505 / 2 * price, mode, 0.06)
    assert figure(found, "forfeited") == near(505 / 2 * price / 10, mode, 0.05)
