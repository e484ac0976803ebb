"""Plain arithmetic of first orders: what strangers buy decides how many new customers stay.

Strangers are shown a trial pack, of which 3 in 100 come back; regulars buy a dress, of which 60 come back.
"""

import numpy as np
import pytest

from simulator.market.basket import Orders
from simulator.market.substitutes import Substitutes
from simulator.outcomes.ledger import LawBroken
from simulator.outcomes.outcomes import Outcomes
from tests.engine.test_by_hand import NO_B, REPLICATIONS, figure, play
from tests.engine.test_by_hand_goods import AWARE, CARTS, CUSTOMERS, MANY, NOBUY, SALE, of_product

BOTH = pytest.mark.parametrize("mode", ["expected", "sampled"])
STRANGERS = "{outside: 1, aware: 1, active: 0, customers: 0, lapsed: 0}"
PACK = "pack: {price: 10, margin: 50%, refund: 3%, organic: 0"
DRESS = "dress: {price: 100, margin: 50%, refund: 60%"
SHOP = f"products={{p: null, {PACK}}}, {DRESS}}}}}"
REGULARS = f"sources.s={{organic_visits: 5k, organic_cvr: 1%, organic_bands: {CUSTOMERS}}}"
TRIAL = (
    MANY, "segments.all.start={engage: 50%, initial: 50%}", SHOP, REGULARS, NO_B,
    f"scenes.A={{audience: {STRANGERS}, products: {{pack: 1}}}}", "slots.sa.precision=1",
    "chain.lapse_days=3600", "chain.new_customer_window_days=3650",
)  # fmt: skip
"""10,000 visits of strangers in five days x 1%: 100 packs; 5,000 of regulars a day x 1%: 850 dresses in 17 days."""
NO_SPLIT = f"sources.s={{organic_visits: 10k, organic_cvr: 1%, organic_bands: {STRANGERS}}}"
NO_ADS = "slots.sa.packages.pa.impressions=1"
NO_PAID_DRESS = "sources.s.organic_visits=0"


def run(mode: str, *changes: str, **options: object) -> Outcomes:
    return play(*TRIAL, *changes, mode=mode, **REPLICATIONS[mode], **options)


def near(value: float, mode: str, off: float = 0.1) -> object:
    return pytest.approx(value, rel=0.005 if mode == "expected" else 0.05, abs=off)


def kept(found: Outcomes) -> float:
    """Share of the new customers who stay."""
    return figure(found, "new_customers") / figure(found, "new_customers_gross")


@BOTH
def test_whoever_is_won_with_a_trial_pack_sends_back_a_trial_pack(mode: str) -> None:
    """97 of 100 stay, and of 850 dresses 510 come back."""
    found = run(mode)
    assert figure(found, "new_customers_gross") == near(100, mode)
    assert figure(found, "new_customers") == near(97, mode)
    assert figure(found, "refunds") == near(100 * 0.03 + 850 * 0.6, mode)


@BOTH
def test_whoever_is_won_with_a_dress_sends_back_a_dress(mode: str) -> None:
    """The other way round: 40 of 100 stay, and of 850 packs hardly any comes back."""
    found = run(
        mode,
        "scenes.A.products={pack: 0, dress: 1}",
        "products.pack.organic=1",
        "products.dress.organic=0",
    )
    assert figure(found, "new_customers") == near(40, mode)
    assert figure(found, "refunds") == near(100 * 0.6 + 850 * 0.03, mode)


@BOTH
def test_carts_of_strangers_are_first_orders_of_what_is_in_them(mode: str) -> None:
    """10,000 visits x 5%: 500 carts of packs; half are bought on one day, and 0.7% on 7 more. 3% of these come back."""
    found = run(
        mode, CARTS, SALE, "calendar.phases.e={start: 2021-03-07, release: 0}", *NOBUY,
        f"scenes.A.audience={AWARE}", "sources.s.organic_visits=50k",
    )  # fmt: skip
    bought = 500 * (1 - 0.5 * 0.993**7)
    assert figure(found, "new_customers_gross") == near(bought, mode)
    assert kept(found) == pytest.approx(0.97, abs=0.002 if mode == "expected" else 0.01)


@BOTH
def test_what_a_customer_buys_again_is_no_first_order(mode: str) -> None:
    """Orders of habit, thousands of dresses beside 100 packs: of the packs 3% come back."""
    found = run(mode, "chain.repeat={rate_365: 0.01, tau_months: 100, event_factor: 1}")
    assert of_product(found, "dress", "paid_orders") > 5_000
    assert figure(found, "new_customers_gross") == near(100, mode)
    assert figure(found, "new_customers") == near(97, mode)


@BOTH
def test_a_customer_who_sees_the_ad_is_no_stranger(mode: str) -> None:
    """Of 10,000 visits half are of customers: 50 packs each. The dress that strangers come for by themselves: 500 a day
    x 1% x 17 days = 85.
    """
    everybody = "{outside: 1, aware: 1, active: 0, customers: 1, lapsed: 0}"
    found = run(
        mode, f"scenes.A.audience={everybody}", "sources.s.organic_visits=500",
        f"sources.s.organic_bands={AWARE}",
    )  # fmt: skip
    assert figure(found, "new_customers_gross") == near(50 + 85, mode)
    assert figure(found, "new_customers") == near(50 * 0.97 + 85 * 0.4, mode)


@BOTH
def test_an_order_that_comes_late_is_that_of_whose_visit_decided(mode: str) -> None:
    """5 days later, on average: strangers' packs are still strangers' packs."""
    found = run(mode, "segments.all.order_delay_days=5")
    assert figure(found, "new_customers_gross") > 90
    assert kept(found) == pytest.approx(0.97, abs=0.002 if mode == "expected" else 0.01)


@BOTH
def test_who_goes_on_from_a_hit_is_the_same_stranger(mode: str) -> None:
    """10,000 visits of the hit, x 1%: 100 packs. As many looks at the dress, x 1%: 100 dresses."""
    found = run(
        mode, "products.pack.product_stage=hit", "life_cycle.halo=1", "life_cycle.halo_cvr=1%",
        "life_cycle.core_days=3650", "life_cycle.decline_days=3650",
    )  # fmt: skip
    assert figure(found, "new_customers_gross") == near(200, mode)
    assert figure(found, "new_customers") == near(97 + 40, mode)


@BOTH
def test_a_partner_brings_strangers_too(mode: str) -> None:
    """1,000 visits x 1% = 10 packs a day, for ten days."""
    partner = f"commissions.c={{source: s, visits: 1k, bands: {STRANGERS}, cvr: 1%, products: {{pack: 1}}}}"
    found = run(mode, NO_ADS, partner)
    assert figure(found, "new_customers_gross") == near(100, mode)
    assert figure(found, "new_customers") == near(97, mode)


@BOTH
def test_a_deposit_of_a_stranger_ends_in_a_first_order_of_its_product(mode: str) -> None:
    """100 packs and 100 deposits of packs, 90 of which are paid: 190, and 3% of these come back."""
    found = run(
        mode, "products.pack.presale=true", "calendar.phases.a={start: 2021-03-01, release: 0, deposit: 1}",
        "calendar.balances=[{start: 2021-03-06, end: 2021-03-08, completion: 90%}]",
    )  # fmt: skip
    assert figure(found, "new_customers_gross") == near(190, mode)
    assert figure(found, "new_customers") == near(190 * 0.97, mode)


@BOTH
def test_strangers_whose_pack_is_sold_out_are_not_won(mode: str) -> None:
    """40 packs in stock, and nobody takes another product: 40 first orders, and every dress is sold."""
    once = (
        "commerce.refund_fast_share=0",
        "commerce.resale=0",
    )  # what comes back is not sold again
    found = run(mode, "products.pack.stock=40", "commerce.substitution=0", *once)
    assert figure(found, "new_customers_gross") == near(40, mode)
    assert figure(found, "new_customers") == near(40 * 0.97, mode)
    assert of_product(found, "dress", "paid_orders") == near(850, mode)


@BOTH
def test_strangers_who_take_a_dress_instead_send_back_a_dress(mode: str) -> None:
    """40 packs in stock, and whoever finds none takes a dress: of 40 come back 3%, of 60 come back 60%."""
    found = run(mode, "products.pack.stock=40", "commerce.substitution=1")
    packs, won = of_product(found, "pack", "paid_orders"), figure(found, "new_customers_gross")
    assert packs == pytest.approx(40, rel=0.03)
    assert won == pytest.approx(100, rel=0.08)  # in the step in which it runs out some find nothing
    assert of_product(found, "dress", "paid_orders") == near(850 + won - packs, mode)
    assert figure(found, "new_customers") == near(packs * 0.97 + (won - packs) * 0.4, mode)


@BOTH
@pytest.mark.parametrize("taken", [1, 0.25])
def test_what_is_bought_instead_is_due_to_whose_visit_it_was(mode: str, taken: float) -> None:
    """No pack is left: of A's 100 visitors, and of the partner's 500, who want one all or a quarter take a dress."""
    found = run(
        mode, "products.pack.stock=0", f"commerce.substitution={taken}",
        f"commissions.c={{source: s, visits: 10k, bands: {STRANGERS}, cvr: 1%, rate: 10%, products: {{pack: 1}}, "
        "phases: [a]}",
    )  # fmt: skip
    assert figure(found, "new_customers_gross") == near(600 * taken, mode)
    assert found.scenes(found.plans[0])["A"]["gmv_attributed"]["mean"] == near(10_000 * taken, mode)
    (row,) = found.commissions(found.plans[0]).to_dict("records")
    assert row["gmv"] == near(50_000 * taken, mode)


@BOTH
def test_where_all_buy_one_mix_first_orders_come_back_as_all_orders_do(mode: str) -> None:
    """Packs and dresses alike for everybody: 3% and 60%, of all orders and of first orders."""
    found = run(mode, "products.pack.organic=1", "scenes.A.products={pack: 1, dress: 1}")
    assert figure(found, "new_customers_gross") == near(100, mode)
    assert figure(found, "new_customers") == near(100 * (1 - (0.03 + 0.6) / 2), mode)
    assert figure(found, "refunds") == near(950 * (0.03 + 0.6) / 2, mode)


@BOTH
@pytest.mark.parametrize("wrong", [0.99, 1.01], ids=["fewer", "more"])
def test_every_run_is_checked_for_one_product_a_new_customer(
    monkeypatch: pytest.MonkeyPatch, mode: str, wrong: float
) -> None:
    right = Orders.first
    monkeypatch.setattr(Orders, "first", lambda orders, new: wrong * right(orders, new))
    with pytest.raises(LawBroken):
        run(mode)


def test_no_more_first_orders_of_a_product_are_paid_than_orders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = Orders.first
    monkeypatch.setattr(Orders, "first", lambda orders, new: right(orders, new)[::-1])
    with pytest.raises(LawBroken, match="first orders of a product"):
        run("expected", NO_PAID_DRESS)


def test_whoever_turns_from_what_is_sold_out_still_wants_one_product() -> None:
    """Strangers want p, of which none is left, regulars q: of both together half turn, all to q."""
    mix = np.array([[1.0, 0.0], [0.0, 1.0]])[:, :, None, None]
    part = np.array([[0.25], [0.75]])
    first = (mix[..., 0, 0] @ part)[:, None, None]
    shop = Substitutes.of(first, np.array([[0.0], [1.0]]), np.array([0.5]))
    tried, wanted = (orders[..., 0, 0] for orders in shop.turn(mix.copy()))
    assert tried == pytest.approx(np.array([[1.0, 0.0], [0.5, 1.0]]))
    assert wanted == pytest.approx(np.array([[0.5, 0.0], [0.5, 1.0]]))
    every = [orders.ravel() for orders in shop.turn(part[:, None, None].copy())]
    assert every == [pytest.approx((orders @ part).ravel()) for orders in (tried, wanted)]


PAGE = (
    NO_ADS, "commerce={resale: 0, substitution: 0}", "products.pack={price: 100, stock: 30, refund: 0}",
    "products.dress.price=1000", "products.box={price: 10, margin: 50%, refund: 0, organic: 0}",
)  # fmt: skip
PARTNER = f"source: s, bands: {STRANGERS}, cvr: 1%, rate: 10%, phases: [a]"
"""30 packs at 100 CNY, boxes at 10; regulars buy dresses at 1,000."""


@BOTH
@pytest.mark.parametrize(("clock", "off"), [("15min", 3), ("1h", 5), ("1d", 250)])
@pytest.mark.parametrize("packs", [1, 3])
def test_a_page_goes_on_with_what_else_is_on_it(
    mode: str, clock: str, off: float, packs: float
) -> None:
    """100 visitors of the partner want pack or box, alike or 3 to 1, until 30 packs are gone, then boxes. In steps of a
    day chance in what is wanted leaves some packs, in the draws.
    """
    found = run(
        mode, *PAGE, f"calendar.phases.a.clock={clock}",
        f"commissions.c={{{PARTNER}, visits: 2k, products: {{pack: {packs}, box: 1}}}}",
    )  # fmt: skip
    (row,) = found.commissions(found.plans[0]).to_dict("records")
    assert row["gmv"] == pytest.approx(
        30 * 100 + 70 * 10, abs=off if mode == "expected" else 60 + off
    )


@BOTH
def test_a_page_of_which_all_runs_out_sends_the_rest_away(mode: str) -> None:
    """Of 100 visitors 30 find a pack and 20 a box, whichever they came for; half of the others take a dress."""
    found = run(
        mode, *PAGE, "products.box.stock=20", "commerce.substitution=0.5", "calendar.phases.a.clock=1h",
        f"commissions.c={{{PARTNER}, visits: 2k, products: {{pack: 1, box: 1}}}}",
    )  # fmt: skip
    (row,) = found.commissions(found.plans[0]).to_dict("records")
    assert of_product(found, "box", "paid_orders") == near(20, mode, off=0.3)
    assert row["gmv"] == near(30 * 100 + 20 * 10 + 25 * 1000, mode, off=200)
    assert figure(found, "unmet") == pytest.approx(25, rel=0.05)


@BOTH
def test_who_looks_on_from_a_hit_looks_at_what_is_there(mode: str) -> None:
    """100 visitors of the hit buy it, and look at packs and boxes alike until 30 packs are gone, then at boxes."""
    found = run(
        mode, *PAGE[1:], "products.hit={price: 1, margin: 50%, refund: 0, organic: 0, product_stage: hit}",
        "products.pack.organic=1", "products.box.organic=1", "products.dress.organic=0",
        "sources.s.organic_visits=1", "life_cycle.halo=1", "life_cycle.halo_cvr=1%", "life_cycle.core_days=3650",
        "life_cycle.decline_days=3650", "calendar.phases.a.clock=1h", "scenes.A.products={pack: 0, hit: 1}",
    )  # fmt: skip
    assert of_product(found, "pack", "paid_orders") == near(30, mode)
    assert of_product(found, "box", "paid_orders") == near(70, mode)
    assert figure(found, "unmet") == near(0, mode, off=0.5)


@BOTH
@pytest.mark.parametrize("taken", [0, 0.25, 1])
def test_orders_are_credited_to_the_visits_whose_buyers_found_goods(
    mode: str, taken: float
) -> None:
    """A and the partner show packs to strangers, none is left; strangers who come by themselves want dresses."""
    found = run(
        mode, "products.pack.stock=0", f"commerce.substitution={taken}", NO_SPLIT,
        f"commissions.c={{source: s, visits: 10k, bands: {STRANGERS}, cvr: 1%, rate: 10%, products: {{pack: 1}}, "
        "phases: [a]}",
    )  # fmt: skip
    row = found.scenes(found.plans[0])["A"]  # and some who come again by themselves on the same day
    assert row["orders_attributed"]["mean"] == near(100 * taken, mode)
    assert row["gmv_attributed"]["mean"] == near(10_000 * taken, mode, off=10)
    assert figure(found, "orders_commissioned") == near(500 * taken, mode)


@BOTH
@pytest.mark.parametrize(("clock", "taken"), [("1d", 0.25), ("1h", 0.25), ("1h", 1)])
def test_whoever_turns_need_not_meet_a_buyer_of_the_same_hour(
    mode: str, clock: str, taken: float
) -> None:
    """No pack is left: of A's 100 visitors all or a quarter take a dress, however few order in one step."""
    found = run(
        mode, "products.pack.stock=0", f"commerce.substitution={taken}", f"calendar.phases.a.clock={clock}",
        "sources.s.organic_visits=1k",
    )  # fmt: skip
    assert figure(found, "new_customers_gross") == near(100 * taken, mode)


@BOTH
@pytest.mark.parametrize("taken", [0, 0.5])
def test_a_page_on_which_nothing_is_left_goes_on_with_nothing(mode: str, taken: float) -> None:
    """Pack and box of A and the partner are gone: of 100 and 500 who want them, who takes another buys a dress."""
    box = "{price: 10, margin: 50%, refund: 3%, organic: 0, stock: 0}"
    found = run(
        mode, "products.pack.stock=0", f"products.box={box}", f"commerce.substitution={taken}",
        "scenes.A.products={pack: 1, box: 1}",
        f"commissions.c={{source: s, visits: 10k, bands: {STRANGERS}, cvr: 1%, rate: 10%, "
        "products: {pack: 1, box: 1}, phases: [a]}",
    )  # fmt: skip
    assert figure(found, "new_customers_gross") == near(600 * taken, mode)
    assert figure(found, "unmet") == near(600 * (1 - taken), mode)
    (row,) = found.commissions(found.plans[0]).to_dict("records")
    assert row["gmv"] == near(50_000 * taken, mode)


@BOTH
@pytest.mark.parametrize("more", ["", ", q: {price: 100, margin: 50%, refund: 0, stock: 0}"])
def test_goods_that_run_out_are_sold_to_strangers_first_where_they_come_first(
    mode: str, more: str
) -> None:
    """100 first orders in five days, in two segments; then regulars buy the rest of 500, by visits and by habit."""
    found = play(
        MANY, REGULARS, NO_B, "slots.sa.precision=1",
        f"products={{p: {{price: 100, margin: 50%, refund: 0, stock: 500}}{more}}}",
        f"scenes.A={{audience: {STRANGERS}, products: {{p: 1}}}}",
        "segments={all: {people: 50m, start: {engage: 50%, initial: 50%}}, "
        "rest: {people: 50m, start: {engage: 50%, initial: 50%}}}",
        "chain.repeat={rate_365: 0.0001, tau_months: 100, event_factor: 1}", "commerce.substitution=0",
        mode=mode, **REPLICATIONS[mode],
    )  # fmt: skip
    assert figure(found, "new_customers_gross") == near(100, mode)
    assert figure(found, "paid_orders") == near(500, mode)
