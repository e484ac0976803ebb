"""Worlds so plain that their figures are plain arithmetic: who bought what, who is paid for it, what comes back."""

import pytest

import simulator as sim
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario import parse_scenario
from simulator.scenario.amounts import read_amount

EVEN = ", ".join(["1"] * 24)
SLOT = (
    "kind: contract, source: s, cpm: 10, opportunities: 1m, ctr: 10%, cvr: 1%, arrival: 100%, precision: 0, "
    "make_good_days: 1"
)
WORLD = f"""
name: plain
budget: 10m
calendar:
  end: 2021-03-11
  sales_after_days: 7
  hours_browse: [{EVEN}]
  hours_buy: [{EVEN}]
  weekdays_browse: [1, 1, 1, 1, 1, 1, 1]
  weekdays_buy: [1, 1, 1, 1, 1, 1, 1]
  phases:
    a: {{start: 2021-03-01, release: 0, clock: 1d}}
    b: {{start: 2021-03-06, release: 0, clock: 1d}}
chain:
  visit_moves: {{engage: {{engage: 0}}}}
  buy_propensity:
    {{outside: 1, discover: 1, engage: 1, enthuse: 1, favourite: 1, cart: 1, initial: 1, numerous: 1,
    keen: 1, lapsed: 1}}
  reference_mix: {{engage: 100%}}
  discover_days: 3650
  enthuse_days: 3650
  basket_days: 3650
  fatigue: 0
  keen_per_year: 0
  lapse_days: 1000
  new_customer_window_days: 2000
segments: {{all: {{people: 1m, start: {{engage: 100%}}}}}}
products: {{p: {{price: 100, margin: 50%, refund: 0}}}}
life_cycle:
  {{ctr: [1, 1, 1, 1, 1, 1], cvr: [1, 1, 1, 1, 1, 1], quality: [1, 1, 1, 1, 1, 1],
  refund: [1, 1, 1, 1, 1, 1], organic_orders: 0}}
commerce: {{order_value_sd: 0}}
payment: {{fail: 0}}
chance: {{supply_sd: 0, price_sd: 0}}
attribution: {{window_days: 1}}
sources:
  s: {{organic_visits: 0, organic_bands: {{outside: 1, lapsed: 1, aware: 1, active: 1, customers: 1}}, organic_cvr: 1%}}
slots:
  sa: {{{SLOT}, packages: {{pa: {{impressions: 100k, phases: [a], scene: A}}}}}}
  sb: {{{SLOT}, packages: {{pb: {{impressions: 100k, phases: [b], scene: B}}}}}}
scenes:
  A: {{slots: [sa], audience: {{outside: 1, aware: 1, active: 1, customers: 1, lapsed: 1}}, budget: 1000}}
  B: {{slots: [sb], audience: {{outside: 1, aware: 1, active: 1, customers: 1, lapsed: 1}}, budget: 1000}}
"""
NO_B = "slots.sb.packages.pb.impressions=1"
APART = (
    "segments.all.people=100m",
    "segments.all.start={engage: 0, initial: 50%}",
    "chain.buy_propensity={outside: 0.2, discover: 0.2, engage: 0.2, enthuse: 0.2, favourite: 0.2, cart: 0.2, "
    "initial: 3, numerous: 3, keen: 3, lapsed: 0.2}",
    "chain.reference_mix={engage: 0, outside: 71.42857142857143%, initial: 28.57142857142857%}",
    "sources.s={organic_visits: 1000, organic_bands: {outside: 0, aware: 0, active: 0, customers: 1, lapsed: 0}}",
    "scenes.A={audience: {outside: 1, aware: 0, active: 0, customers: 0, lapsed: 0}, budget: 10k}",
    "slots.sa.packages.pa.impressions=1m", "slots.sa.precision=1", NO_B,
)  # fmt: skip
"""Ads reach people of readiness 0.2, free visits customers of readiness 3: 20,000 and 1,000 a day."""
TWO_PRICES = (
    "products={p: {price: 100, margin: 50%, refund: 0, organic: 0}, q: {price: 1000, margin: 50%, refund: 0}}",
    "scenes.A.products={p: 1}",
)


AUCTION = (
    "segments.all.people=100m",
    "slots.sa.packages.pa.impressions=1",
    NO_B,
    "slots.au={kind: auction, source: s, opportunities: 1m, median_cpm: 40, sigma: 0.8, ctr: 10%, cvr: 1%, "
    "arrival: 100%}",
    "scenes.A={slots: [sa, au], phases: [a], prediction: 0, budget: 9m}",
    "budget=10m",
)
REPLICATIONS = {"expected": {}, "sampled": {"replications": 64}}


def play(*changes: str, mode: str = "expected", **options: object) -> Outcomes:
    scenario = parse_scenario(WORLD.encode(), "plain.yaml", changes)
    return sim.simulate(scenario, mode=mode, spreads=False, **options)  # type: ignore[arg-type]


def figure(found: Outcomes, metric: str) -> float:
    return float(found.metrics(found.plans[0])[metric]["mean"])


@pytest.mark.parametrize("mode", ["expected", "sampled"])
def test_a_visit_of_people_who_hardly_buy_decides_little_of_what_is_bought(mode: str) -> None:
    """A: 20,000 x 1% x 0.2 = 40 orders of p a day, 5 days; free: 1,000 x 1% x 3 = 30 of q a day, 17 days."""
    found = play(*APART, *TWO_PRICES, mode=mode, replications=60)
    sold = found.products(found.plans[0])["paid_orders"]
    off = 0.01 if mode == "expected" else 0.04
    assert sold["p"] == pytest.approx(200, rel=off)
    assert sold["q"] == pytest.approx(510, rel=off)


def test_a_partner_is_paid_for_the_orders_on_its_own_visits() -> None:
    """5,000 visits x 1% x 0.2 = 10 orders a day for 10 days: gmv 10,000, commission 2,000; 30 free orders a day."""
    partner = "commissions.c={source: s, visits: 5k, bands: {outside: 1}, cvr: 1%, rate: 20%}"
    nobody = "slots.sa.packages.pa.impressions=1"
    found = play(*APART, nobody, partner)
    (row,) = found.commissions(found.plans[0]).to_dict("records")
    assert row["gmv"] == pytest.approx(10_000, rel=2e-3)
    assert row["cost"] == pytest.approx(2_000, rel=2e-3)
    assert figure(found, "orders_commissioned") == pytest.approx(100, rel=2e-3)
    assert figure(found, "profit_incremental") == pytest.approx(100 * 36.4 - 2_000, rel=4e-3)
    capped = play(*APART, nobody, partner, "commissions.c.cap=1500")
    assert figure(capped, "orders_commissioned") == pytest.approx(75, rel=2e-3)


def test_free_visits_follow_the_orders_that_ads_made() -> None:
    """At rest x = 0.5 x 10 / (10 + 30 (1 + x)): 11.5%."""
    found = play(
        *APART, "calendar.phases.b.start=2021-03-31", "calendar.end=2021-04-10", "scenes.A.budget=15k",
        "slots.sa.packages.pa.impressions=1.5m", "scenes.A.organic_boost=0.5", daily=True,
    )  # fmt: skip
    with_ads, without = (found.days(plan)["visits"][29] for plan in (found.plans[0], "none"))
    assert (with_ads - 5_000) / without - 1 == pytest.approx(0.115, abs=0.003)


def test_who_rarely_fills_baskets_says_little_of_what_they_hold() -> None:
    """A: 20,000 visits a day x 1% = 200 carts of p; free: 1,000 x 20% = 200 of q. Each is wanted as it was seen."""
    changes = (
        "segments.all={people: 100m, start: {engage: 50%}}",
        "chain.visit_moves={outside: {cart: 1%}, engage: {engage: 0, cart: 20%}}",
        "sources.s={organic_visits: 1000, organic_cvr: 0, organic_bands: {outside: 0, aware: 1, active: 0, "
        "customers: 0, lapsed: 0}}",
        "scenes.A={audience: {outside: 1, aware: 0, active: 0, customers: 0, lapsed: 0}, budget: 10k}",
        "slots.sa.packages.pa.impressions=1m",
        "slots.sa.precision=1",
        NO_B,
        "slots.sa.cvr=0",
        "slots.sb.cvr=0",
        "calendar.phases.b={start: 2021-03-06, release: 50%}",
        "calendar.phases.e={start: 2021-03-07, release: 0}",
    )
    found = play(*TWO_PRICES, *changes, daily=True)
    gmv, without = (found.days(plan)["gmv"][5] for plan in (found.plans[0], "none"))
    assert gmv == pytest.approx(without + 500 * 100, rel=0.05)  # baskets of both in one like_g


@pytest.mark.parametrize("model", ["last_touch", "first_touch", "even"])
def test_a_scene_has_the_gmv_of_what_its_own_visits_bought(model: str) -> None:
    """10,000 visits each x 1%: 100 orders of 100 CNY, and 100 of 1,000."""
    found = play(
        "products.q={price: 1000, margin: 50%, refund: 0}", "scenes.A.products={p: 1}", "scenes.B.products={q: 1}",
        "slots.sb.packages.pb.phases=[a]", f"attribution.model={model}",
    )  # fmt: skip
    scenes = found.scenes(found.plans[0])
    assert scenes["A"]["gmv_attributed"]["mean"] == pytest.approx(10_000, rel=0.03)
    assert scenes["B"]["gmv_attributed"]["mean"] == pytest.approx(100_000, rel=0.03)
    credited = sum(scene["gmv_attributed"]["mean"] for scene in scenes.values())
    assert credited == pytest.approx(figure(found, "gmv"), rel=1e-9)


@pytest.mark.parametrize("mode", ["expected", "sampled"])
def test_what_another_scene_sells_settles_no_guarantee(mode: str) -> None:
    """A spends 5,000 and sells p alone: 5,000 less gmv of p / 20 is owed, whatever B sells."""
    changes = (
        "products.q={price: 1000, margin: 50%, refund: 0}", "scenes.A.products={p: 1}", "scenes.B.products={q: 1}",
        "slots.sb.packages.pb.phases=[a]", "slots.sa.packages.pa.impressions=1", "scenes.A.slots=[sa, au]",
        "slots.au={kind: auction, source: s, opportunities: 1m, median_cpm: 40, ctr: 10%, cvr: 1%, arrival: 100%}",
        "scenes.A.budget=5000", "scenes.A.phases=[a]",
        "incentives.roi_guarantees.g={scenes: [A], target: 20, least_orders: 0}",
    )  # fmt: skip
    for rest in ((), (NO_B,)):
        found = play(*changes, *rest, mode=mode, replications=40)
        n = found.replications
        gmv = found.products(found.plans[0])["gmv"]["p"]
        spend = found.book.spend[0, :, :n].sum(axis=0).mean()
        paid = found.book.totals["guarantee"][:n].mean()
        assert paid == pytest.approx(spend - gmv / 20, rel=1e-4 if mode == "expected" else 0.02)


def test_every_refund_falls_due_before_the_books_are_closed() -> None:
    """100 free orders a day for 40 days, half of which come back."""
    found = play(
        "segments.all.people=100m", "products.p.refund=50%", "sources.s.organic_visits=10k", "slots.sa.cvr=0",
        "slots.sb.cvr=0", "calendar.sales_after_days=30",
    )  # fmt: skip
    assert figure(found, "refunds") == pytest.approx(2_000, rel=1e-4)
    assert figure(found, "revenue") == pytest.approx(200_000, rel=1e-4)
    assert figure(found, "new_customers") == pytest.approx(2_000, rel=1e-4)
    assert not found.book.pending.any()


def test_first_orders_come_back_as_those_of_their_segment_do() -> None:
    """10 first orders a day for 17 days in a segment that sends half of them back; 90 of customers, none back."""
    found = play(
        "segments.all=null", "segments.new={people: 10m, refund: 1, start: {engage: 100%}}",
        "segments.old={people: 90m, refund: 0.001, start: {initial: 100%}}", "products.p.refund=50%",
        "sources.s.organic_visits=10k", "slots.sa.cvr=0", "slots.sb.cvr=0",
    )  # fmt: skip
    assert figure(found, "new_customers_gross") == pytest.approx(170, rel=1e-3)
    assert figure(found, "new_customers") == pytest.approx(85, rel=2e-3)


@pytest.mark.parametrize("fast", [0.0, 0.4, 1.0])
def test_a_parcel_that_was_never_sent_costs_no_freight(fast: float) -> None:
    """1,700 orders of 100, half come back: goods 50, commission 5% of what is kept, payment 0.6% of all; freight 8
    of every parcel sent, and for what comes back 8 and 5% of the goods.
    """
    found = play(
        "segments.all.people=100m", "products.p.refund=50%", "sources.s.organic_visits=10k", "slots.sa.cvr=0",
        "slots.sb.cvr=0", f"commerce.refund_fast_share={fast}",
    )  # fmt: skip
    back = 1_700 / 2
    sent, returned = 1_700 - fast * back, (1 - fast) * back
    by_hand = (
        (1_700 - back) * (100 * 0.95 - 50) - 0.6 * 1_700 - 8 * sent - returned * (8 + 0.05 * 50)
    )
    assert figure(found, "contribution") == pytest.approx(by_hand, rel=1e-3)


def test_a_signature_that_takes_long_loses_no_orders() -> None:
    """100 free decisions a day for 17 days: each waits 10 days on average, and 95% of the last come in."""
    free = (
        "segments.all.people=100m",
        "sources.s.organic_visits=10k",
        "slots.sa.cvr=0",
        "slots.sb.cvr=0",
    )
    late = play(*free, "segments.all.order_delay_days=10")
    assert figure(late, "paid_orders") == pytest.approx(1_700, rel=0.04)
    assert figure(play(*free), "paid_orders") == pytest.approx(1_700, rel=1e-3)


@pytest.mark.parametrize("mode", ["expected", "sampled"])
def test_a_late_order_is_one_order_however_ready_its_place_has_become(mode: str) -> None:
    """A partner of five days decides 66 orders. Who stands with the deciders is three times as ready a month later."""
    world = (
        "segments={all: {people: 10m, start: {engage: 0, enthuse: 100%}}}",
        "chain.reference_mix={engage: 0, enthuse: 100%}",
        "chain.buy_propensity.favourite=3",
        "chain.base_moves={enthuse: {favourite: 90%}}",
        "slots.sa.cvr=0",
        "slots.sb.cvr=0",
        "commissions={star: {source: s, visits: 1000, bands: {active: 1}, cvr: 1%, rate: 20%, phases: [a]}}",
    )

    def gmv(*changes: str) -> float:
        many = {"replications": 64} if mode == "sampled" else {}
        found = play(*world, *changes, mode=mode, **many)
        return float(found.commissions(found.plans[0])["gmv"].iloc[0])

    at_once, late = gmv(), gmv("segments.all.order_delay_days=10")
    assert late == pytest.approx(0.975 * at_once, rel=0.01 if mode == "expected" else 0.06)


@pytest.mark.parametrize("products", [1, 2, 5])
def test_common_luck_changes_no_mean(products: int) -> None:
    """Sales are proportional to luck as long as nothing runs out: a visit that buys one time in 10,000 is."""
    rare = ("sources.s.organic_cvr=0", "slots.sa.cvr=0.01%", "slots.sb.cvr=0.01%")
    shop = [f"p{n}: {{price: 100, margin: 50%, refund: 0, luck_sd: 1}}" for n in range(products)]
    lucky = play(f"products={{{', '.join(shop)}}}", *rare)
    calm = play(f"products={{{', '.join(shop)}}}".replace("luck_sd: 1", "luck_sd: 0"), *rare)
    assert figure(lucky, "gmv") == pytest.approx(figure(calm, "gmv"), rel=1e-3)


def bid(**facts: object) -> str:
    return f"scenes.A.bid={{{', '.join(f'{name}: {fact}' for name, fact in facts.items())}}}"


@pytest.mark.parametrize("mode", ["expected", "sampled"])
def test_a_scene_stops_when_all_that_it_shows_is_sold_out(mode: str) -> None:
    """400 orders a day at 25 CNY: 500 units last for 1.25 days; an hour's step and luck let 6% more through."""
    limit = bid(mode="cost_control", target=25)
    every = play(*AUCTION, limit, mode=mode, **REPLICATIONS[mode])
    short = ("products.p.stock=500", "calendar.phases.a.clock=1h")
    few = play(*AUCTION, limit, *short, mode=mode, **REPLICATIONS[mode])
    assert figure(few, "spend") < 500 * 25 * 1.06 < 0.3 * figure(every, "spend")
    awaited = "products.p.restocks=[{at: 2021-03-10 00:00, units: 1}]"
    waits = play(*AUCTION, limit, *short, awaited, mode=mode, **REPLICATIONS[mode])
    assert figure(waits, "spend") == pytest.approx(figure(every, "spend"), rel=0.03)


def test_what_is_sold_out_leaves_its_opportunities_to_other_scenes() -> None:
    other = (
        "scenes.B={slots: [sb, au], phases: [a], prediction: 0, budget: 900k, products: {q: 1}}",
        "products={p: {price: 100, margin: 50%, refund: 0, stock: 1}, q: {price: 100, margin: 50%, refund: 0}}",
        "scenes.A.products={p: 1}",
        "calendar.phases.a.clock=1h",
    )
    beside, alone = play(*AUCTION, *other), play(*AUCTION, *other, "scenes.A.budget=0.01")
    one, two = (found.scenes(found.plans[0])["B"]["clicks"]["mean"] for found in (beside, alone))
    assert one == pytest.approx(two, rel=0.02)


@pytest.mark.parametrize(("shown", "orders"), [("50k", 25), ("100k", 50), ("1m", 50), ("5m", 50)])
def test_a_contract_shows_its_crowd_no_more_than_the_crowd_sees(shown: str, orders: int) -> None:
    """1% of the people, of 5m opportunities in five days: 50,000 impressions, of which one in 1,000 buys; nobody
    else does. Half of a small booking reaches them: precision 50%.
    """
    found = play(
        "segments.all.people=100m", "segments.all.start={engage: 1%}", NO_B, "slots.sa.precision=0.5",
        "chain.buy_propensity.outside=0", "chain.visit_moves.outside={engage: 0}",
        "chain.buy_propensity.discover=0",
        "scenes.A={audience: {outside: 0, aware: 1, active: 0, customers: 0, lapsed: 0}, budget: 100k}",
        f"slots.sa.packages.pa.impressions={shown}",
    )  # fmt: skip
    assert figure(found, "impressions") == pytest.approx(read_amount(shown), abs=1.5)
    assert figure(found, "orders") == pytest.approx(orders, rel=0.02)


@pytest.mark.parametrize(
    "coupon",
    [
        "coupons.c={platform: 20%}",
        "subsidies.s={rate: 20%, quota: 100m}",
        "coupons.c={merchant: 10%, order_value: 1.2}",
    ],
)
def test_a_return_is_bid_for_in_the_gmv_that_the_books_count(coupon: str) -> None:
    found = play(*AUCTION, bid(mode="roi_control", target=3), f"incentives.{coupon}")
    assert found.scenes(found.plans[0])["A"]["roas"]["mean"] == pytest.approx(3, rel=0.01)


def test_a_return_is_that_of_what_is_bought_not_of_what_is_shown() -> None:
    """One order in four is of q, at 300: 150 CNY on average, not 200."""
    goods = (
        "products={p: {price: 100, margin: 50%, refund: 0, product_power: 3}, "
        "q: {price: 300, margin: 50%, refund: 0}}"
    )
    found = play(*AUCTION, goods, bid(mode="roi_control", target=10))
    assert found.scenes(found.plans[0])["A"]["roas"]["mean"] == pytest.approx(10, rel=0.01)


def test_money_that_never_runs_out_is_spent_alike_at_any_pace() -> None:
    limit = bid(mode="cost_control", target=20)
    slow, fast = play(*AUCTION, limit), play(*AUCTION, limit, "scenes.A.pacing=quick")
    assert figure(fast, "spend") == pytest.approx(figure(slow, "spend"), rel=1e-3)
    assert figure(fast, "spend") / figure(fast, "orders") == pytest.approx(20, rel=0.01)


def test_a_whole_site_scene_knows_the_free_sales_of_the_shop_from_the_first_day_on() -> None:
    """10,000 CNY a day from free visits: what a return of 20 on the whole allows is spent on every day alike."""
    whole_site = bid(mode="roi_control", target=20, counts_organic="true")
    found = play(*AUCTION, "sources.s.organic_visits=10k", whole_site, daily=True)
    spend = found.days(found.plans[0])["spend"].tolist()[:5]
    assert spend == pytest.approx([spend[4]] * 5, rel=0.02)


@pytest.mark.parametrize("mode", ["expected", "sampled"])
def test_what_is_neither_delivered_nor_made_good_is_paid_back(mode: str) -> None:
    """Of 100,000 impressions 75,000 come, 26,250 are owed, 15,000 made good: 10,714 booked ones are not paid."""
    few = (
        "segments.all.people=100m",
        "slots.sa.opportunities=15k",
        NO_B,
    )
    found = play(*few, mode=mode, **REPLICATIONS[mode])
    paid = found.packages(found.plans[0])["paid"]["sa.pa"]
    assert paid == pytest.approx(1_000 - 11_250 / 1.05 * 10 / 1_000, rel=1e-3)
