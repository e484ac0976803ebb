"""Who buys, how much and when: habits of segments from end to end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.simulate import make_grid, simulate
from simulator.market.audience import put_off
from simulator.market.build import build_world
from simulator.market.repeat import Habit
from tests.worlds import alone, brief, expected, figures, lanes_of, minimal, one, plan, sampled

# --- 88VIP: spend is breadth times what is spent per category -------------------------------------


def test_members_spend_nine_times_as_much_where_more_of_them_are_customers_by_the_root_of_breadth():
    sets = "segments.members={people: 40k, breadth: 5, spend: 9, start: {initial: 6.7082%}}"
    scenario = brief("segments.shoppers.start={initial: 3%}", sets)
    world = build_world(scenario, make_grid(scenario))
    others, members = 0, 1
    visits = world.free.rate[0, 3] * (world.people.start[7] / world.people.size)
    spend = visits * world.free.buy_odds[0] * world.people.order_value
    assert spend[members] / spend[others] == pytest.approx(9, rel=1e-4)


def test_spend_multiplies_readiness_and_value_by_its_root():
    base, more = brief(), brief("segments.shoppers.spend=1.44")
    same = brief("segments.shoppers.cvr=1.2", "segments.shoppers.order_value=1.2")
    assert figures(expected(more)) == pytest.approx(figures(expected(same)), rel=1e-12)
    assert one(expected(more), "aov")[0] == pytest.approx(1.2 * one(expected(base), "aov")[0], 3e-3)


# --- what customers hold at the start -------------------------------------------------------------


@pytest.mark.parametrize("mode", [expected, sampled])
def test_customers_hold_as_many_carts_at_the_start_as_normal_days_keep(mode):
    """No ads, normal days: the share of customers with a cart stays, also where more are filled."""

    def held(*sets):
        shares = []

        def watch(view):
            for _ in range(12):
                baskets, customers = view.floor.state.baskets, view.people[7:10].sum(axis=0)
                shares.append((baskets.carts / customers).mean())
                yield view.hours(24)

        world = minimal(*sets)
        mode(world, [plan(world, packages="none")], processes=watch, spreads=False)
        return np.array(shares)

    calm, full = held()[1:], held("chain.visit_moves.customers.cart=32%")[1:]
    assert calm[0] == pytest.approx(0.08, abs=0.01)
    assert full[0] > 2.5 * calm[0]
    assert calm == pytest.approx(calm[0], rel=0.02)
    assert full == pytest.approx(full[0], rel=0.02)


def test_carts_of_the_start_are_whole_and_never_more_than_the_customers():
    seen = []

    def look(view):
        carts = view.floor.state.baskets.carts
        seen.append((carts.copy(), view.people[7:10].sum(axis=0)))
        yield view.hours(1)

    world = minimal(
        "segments.shoppers={people: {value: 300, sd: 30%}, start: {initial: {value: 5%, sd: 50%}}}",
        "chain.visit_moves.customers.cart={value: 50%, sd: 50%}", "sources.search.organic_visits=500",
    )  # fmt: skip
    sampled(world, processes=look, replications=16, spreads=True, chance_alone=False)
    carts, customers = seen[0]
    assert (carts == np.rint(carts)).all() and (carts <= customers).all()
    assert 0 < carts.mean() < customers.mean() and carts.std() > 0


# --- a taste for new products ---------------------------------------------------------------------

TWO = (
    "products.fresh={price: 120, margin: 55%, product_stage: launch}",
    "life_cycle.cvr=[1, 1, 1, 1, 1, 1]",
    "life_cycle.potential_at=1000",
    "life_cycle.decline_days=3650",
)


@pytest.mark.parametrize("mode", [expected, sampled])
def test_members_buy_new_products_more_often_by_their_affinity(mode):
    def ratio(affinity):
        world = brief(*TWO, f"segments.shoppers.new_product_affinity={affinity}")
        outcomes = mode(world, **({"replications": 16} if mode is sampled else {}))
        old, new = lanes_of(outcomes, outcomes.plans[0]).products["paid"].sum(axis=1)
        return new / old

    exact = mode is expected
    assert ratio(1.3) / ratio(1) == pytest.approx(1.3, rel=0.01 if exact else 0.08)


def test_a_taste_for_new_products_changes_nothing_where_none_is_new():
    world = brief("segments.shoppers.new_product_affinity=1.3")
    assert figures(expected(world)) == pytest.approx(figures(expected(brief())), rel=1e-12)


# --- returns --------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=10)
@given(refund=st.floats(0.2, 5), freight=st.floats(0, 300))
def test_returns_cost_their_freight_times_the_refunds(refund, freight):
    sets = [f"segments.shoppers.refund={refund}", f"segments.shoppers.return_freight={freight}"]
    usual, dear = expected(brief(sets[0])), expected(brief(*sets))
    refunds, before = one(usual, "refunds", "contribution")
    again, after = one(dear, "refunds", "contribution")
    assert again == pytest.approx(refunds)
    commerce = brief().commerce
    sent = refunds * (1 - commerce.refund_fast_share)
    dearer = sent * (freight - float(commerce.refund_handling))
    assert before - after == pytest.approx(dearer, rel=1e-9, abs=1e-6)


def test_refund_odds_are_multiplied():
    def share(refund):
        orders, refunds = one(
            expected(brief(f"segments.shoppers.refund={refund}")), "paid_orders", "refunds"
        )
        return refunds / orders

    rare, often = share(1), share(3)
    assert often / (1 - often) == pytest.approx(3 * rare / (1 - rare), rel=1e-2)


RICH = (
    "segments.rich={people: 100k, order_value: 4, refund: 6, start: {discover: 4%, cart: 2%, initial: 3%}}",
    "segments.shoppers.refund=0.001",
    "products.coffee.discount={sale: 0%}",
    "incentives.subsidies.state={rate: 10%, cap: 1k, quota: 900m}",
)
"""Who buys for four times as much returns six times as often; hardly anybody else does."""


@pytest.mark.parametrize("mode", [expected, sampled])
def test_a_refund_takes_back_what_its_own_buyer_paid(mode):
    """Not what the mean buyer of the day paid; nor the mean cost, nor the mean aid."""
    drawn = mode is sampled
    outcomes = mode(brief(*RICH), **({"replications": 16} if drawn else {}))
    t = {name: total.sum() for name, total in outcomes.book.totals.items()}
    near = 0.02 if drawn else 0.005
    assert t["refund_cost"] == pytest.approx(4 * 54 * t["refunds"], rel=0.005)
    assert t["refund_value"] == pytest.approx(4 * 108 * t["refunds"], rel=near)
    assert t["refund_subsidy"] == pytest.approx(4 * 12 * t["refunds"], rel=near)


@pytest.mark.parametrize("mode", [expected, sampled])
@pytest.mark.parametrize("rich", ["platform", "merchant"])
def test_returns_that_the_platform_bears_cost_the_shop_nothing(mode, rich: str):
    """Whatever its orders hold: freight and the loss of value are the platform's."""
    sets = ["segments.shoppers.returns_borne_by=platform", "commerce.depreciation=50%",
            "incentives.coupons.full={platform: 10%, order_value: 2}"]  # fmt: skip
    if rich == "platform":
        sets += [*RICH[:2], "segments.rich.returns_borne_by=platform"]
    world = brief(*sets)
    t = mode(world, **({"replications": 4} if mode is sampled else {})).book.totals
    lost = world.commerce.refund_handling * t["refunds"]
    lost += world.commerce.depreciation * t["refund_cost"]
    assert (lost > 1000).all()
    assert t["return_cost"] == pytest.approx(-lost, rel=1e-9)


# --- late orders ----------------------------------------------------------------------------------


@given(rate=st.floats(1e-4, 50), fresh=st.lists(st.floats(0, 10), min_size=1, max_size=30))
def test_every_decision_is_acted_on_once(rate, fresh):
    waiting, acted = np.zeros(1), 0.0
    for amount in fresh:
        now, waiting = put_off(waiting, np.array([amount]), np.array([rate]))
        assert now >= -1e-12
        acted += float(now[0])
    assert acted + waiting[0] == pytest.approx(sum(fresh), abs=1e-9)


def test_the_mean_wait_is_the_order_delay():
    waiting, times, days = np.zeros(1), 0.0, 7.0
    for day in range(400):
        now, waiting = put_off(waiting, np.array([float(day == 0)]), np.array([1 / days]))
        times += float(now[0]) * (day + 0.5)
    assert times - 0.5 == pytest.approx(days, rel=0.01)


def test_late_orders_come_in_the_run_off():
    fast, slow = minimal(), minimal("segments.shoppers.order_delay_days=10")
    quick, late = (
        one(expected(fast), "gmv", "gmv_campaign"),
        one(expected(slow), "gmv", "gmv_campaign"),
    )
    assert late[1] < 0.9 * quick[1]
    assert late[0] - late[1] > 1.2 * (quick[0] - quick[1])


LATE = "segments.shoppers.order_delay_days=10"


@pytest.mark.slow
@pytest.mark.parametrize("mode", [expected, sampled])
def test_a_late_order_is_credited_to_the_scene_whose_visit_decided_it(mode):
    """The sale's scene ends with the sale: most of its orders come when nobody clicks any more."""
    options = {"replications": 16} if mode is sampled else {}

    def credited(*sets):
        outcomes = mode(minimal(*sets), attribution=True, **options)
        return outcomes.scenes(outcomes.plans[0])["harvest"]["gmv_attributed"]["mean"]

    at_once, late = credited(), credited(LATE)
    assert late == pytest.approx(at_once, rel=0.15)
    stopped = credited(LATE, "calendar.phases.sale.start=2021-03-28")
    assert 0 < stopped < 0.7 * late


# --- personal pages and pictures ------------------------------------------------------------------

BANDS = ("outside", "aware", "active", "customers", "lapsed")


def test_the_same_picture_for_every_band_is_the_scene_s_picture():
    each = ", ".join(f"{band}: 1.3" for band in BANDS)
    by_band = figures(expected(alone(f"scenes.only.creative_by_band={{{each}}}")))
    assert by_band == pytest.approx(figures(expected(alone("scenes.only.creative=1.3"))), rel=1e-9)


def test_a_picture_reaches_its_own_band():
    """Twice the clicks of customers: they are no more than others where none is there."""
    usual = expected(alone())
    liked = expected(alone("scenes.only.creative_by_band={customers: 2}"))
    nobody = "segments.people.start={initial: 0}"
    names = ("ctr", "new_customers", "paid_orders")
    (ctr, new, orders), (more, few, all_orders) = one(usual, *names), one(liked, *names)
    assert more > 1.02 * ctr
    assert few / all_orders < 0.99 * new / orders
    strangers = expected(alone(nobody, "chain.visit_moves.outside.cart=0"))
    same = expected(
        alone(
            nobody, "chain.visit_moves.outside.cart=0", "scenes.only.creative_by_band={lapsed: 2}"
        )
    )
    assert figures(same) == pytest.approx(figures(strangers), rel=1e-9)


def test_personal_pages_multiply_the_odds_of_buying():
    cvr = 0.02 / 0.98 * 1.3
    same = alone(f"slots.feed.cvr={cvr / (1 + cvr)}")
    ours = expected(alone("scenes.only.personalisation=1.3"))
    assert figures(ours) == pytest.approx(figures(expected(same)), rel=1e-9)
    source = same.sources["feed"]
    free = source.organic_cvr / (1 - source.organic_cvr) * 1.8
    shop = expected(alone("personalisation=1.8"))
    other = expected(alone(f"sources.feed.organic_cvr={free / (1 + free)}"))
    assert figures(shop) == pytest.approx(figures(other), rel=1e-9)


# --- owned reach ----------------------------------------------------------------------------------

PUSH = "pushes.call={source: feed, days: [2021-03-04], audience: {customers: 50%}, reach: 40%, ctr: 10%, cost: 0.05}"


def test_a_push_sends_a_message_to_each_addressed_and_brings_its_share_of_them():
    quiet, loud = expected(alone(), daily=True), expected(alone(PUSH), daily=True)
    customers = 0.03 * 500e3
    messages = one(loud, "messages")[0]
    more = one(loud, "net_spend")[0] - one(loud, "spend")[0]
    assert more == pytest.approx(0.05 * messages, rel=1e-9)
    assert messages == pytest.approx(0.5 * customers, rel=0.05)
    before = lanes_of(quiet, quiet.plans[0]).days["visits"][:, 0]
    after = lanes_of(loud, loud.plans[0]).days["visits"][:, 0]
    assert after[:3] == pytest.approx(before[:3], rel=1e-12)
    assert after[3] - before[3] == pytest.approx(0.04 * messages, rel=1e-9)
    assert lanes_of(loud, "no ads").totals["messages"] > 0


@settings(max_examples=8)
@given(reach=st.floats(0, 1), ctr=st.floats(0, 1), clock=st.sampled_from(["1d", "3h"]))
def test_more_reach_brings_more_orders_and_no_more_messages(reach, ctr, clock):
    def run(seen):
        push = f"{{source: feed, days: [2021-03-04], audience: {{customers: 50%}}, reach: {seen}, ctr: {ctr}}}"
        return expected(alone(f"pushes.call={push}", f"calendar.phases.normal.clock={clock}"))

    (orders, messages), (more, same) = (
        one(run(seen), "paid_orders", "messages") for seen in (reach / 2, reach)
    )
    assert more >= orders * (1 - 1e-9)
    assert same == pytest.approx(messages, rel=0.02)


# --- brand-new and shop-new -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", [expected, sampled])
def test_whoever_had_a_basket_is_new_to_the_shop_but_not_to_the_brand(mode):
    def count(world):
        names = ("brand_new_customers", "new_customers_gross")
        return one(mode(world, **({"replications": 8} if mode is sampled else {})), *names)

    brand, shop = count(minimal())
    assert 0 < brand < shop
    carts = "segments.shoppers.start={discover: 0, engage: 0, cart: 30%, initial: 0}"
    no_more = [
        f"chain.buy_propensity.{stage}=0" for stage in ("outside", "discover", "engage", "enthuse")
    ]
    brand, shop = count(minimal(carts, *no_more))
    assert brand == 0 < shop


def test_a_shorter_look_back_makes_old_customers_new_again():
    """Who has not bought for so long is outside: fewer are recalled, and those who come are new."""
    lapsed = "segments.shoppers.start={initial: 3%, lapsed: 20%}"
    year, half = (
        expected(minimal(lapsed, f"chain.new_customer_window_days={days}")) for days in (730, 260)
    )
    names = ("new_customers_gross", "recalled_members")
    (new, recalled), (more, fewer) = one(year, *names), one(half, *names)
    assert more > 1.005 * new
    assert fewer < 0.9 * recalled
    back = [lanes_of(x, x.plans[0]).totals["returned"][0] for x in (year, half)]
    assert back[1] > 3 * back[0] > 0


# --- repeat orders of habit -----------------------------------------------------------------------

QUIET = (
    "sources.feed.organic_visits=0", "segments.people.start={discover: 0, engage: 0, cart: 0, initial: 10%}",
    "chain.base_moves.outside.engage=0",
)  # fmt: skip


def nothing(scenario):
    return [plan(scenario, "nothing", only=0)]


def habits(rate=1.5, tau=6, event=0.75):
    return f"chain.repeat={{rate_365: {rate}, tau_months: {tau}, event_factor: {event}}}"


@pytest.mark.parametrize("mode", [expected, sampled])
def test_old_customers_repeat_at_the_mean_rate_of_their_ages(mode):
    """Nobody visits; orders are those of people spread evenly over the lapse window of 180 days, who grow older."""
    world = alone(*QUIET, habits(rate=0.5))
    outcomes = mode(world, nothing(world), **({"replications": 16} if mode is sampled else {}))
    days = len(lanes_of(expected(world, nothing(world), daily=True), "no ads").days["gmv"])
    tau, age = 6 * 365 / 12, np.arange(days) + 0.5
    rate = 0.5 * (np.exp(-age / tau) - np.exp(-180 / tau)) / (180 * (1 - np.exp(-365 / tau)))
    assert one(outcomes, "paid_orders")[0] == pytest.approx(50_000 * rate.sum(), rel=0.03)
    assert one(outcomes, "visits") == [0]


def drawn_repeats(days: int, rate: float, lapse: float = 180.0) -> float:
    """Orders per customer in so many days: people of ages 0 .. lapse, one by one, by quarters of a day."""
    rng, tau, each = np.random.default_rng(3), 6 * 365 / 12, 0.25
    age, orders = rng.uniform(0, lapse, 200_000), 0
    for _ in range(round(days / each)):
        hazard = np.where(age < lapse, rate * np.exp(-age / tau) / tau / -np.expm1(-365 / tau), 0)
        buys = rng.random(age.size) < hazard * each
        orders += int(buys.sum())
        age = np.where(buys, 0.0, age + each)
    return orders / age.size


@pytest.mark.parametrize("days", [30, 60, 90])
def test_old_customers_grow_older(days):
    """Whoever has not ordered since the start is at least so old, and repeats less and less."""
    scenario = alone(*QUIET, habits(rate=2), f"calendar.sales_after_days={days - 8}")
    orders = one(expected(scenario, nothing(scenario)), "paid_orders")[0]
    assert orders / 50_000 == pytest.approx(drawn_repeats(days, 2.0), rel=0.03)


def test_who_was_won_in_the_event_repeats_less():
    loyal, fickle = (expected(alone(habits(event=x))) for x in (1, 0.6))
    assert one(fickle, "new_customers_gross") == pytest.approx(
        one(loyal, "new_customers_gross"), rel=0.01
    )
    assert one(fickle, "paid_orders")[0] < one(loyal, "paid_orders")[0]
    assert one(fickle, "asset_value")[0] < one(loyal, "asset_value")[0]


@settings(max_examples=12)
@given(rate=st.floats(0.01, 20), tau=st.floats(0.5, 60), split=st.floats(0.01, 0.99))
def test_the_mean_rate_of_a_year_is_the_rate(rate, tau, split):
    habit = Habit(*(np.full((1, 1), x) for x in (rate, tau * 365 / 12, 1.0)))
    assert 365 * habit.mean_rate(0.0, 365.0)[0, 0] == pytest.approx(rate, rel=1e-12)
    ages = np.linspace(0, 365 * split, 20_001)
    fade = tau * 365 / 12
    at_age = rate * np.exp(-ages / fade) / (fade * (1 - np.exp(-365 / fade)))
    assert habit.mean_rate(0.0, 365 * split)[0, 0] == pytest.approx(at_age.mean(), rel=1e-3)
    assert habit.mean_rate(0.0, 365 * split) >= habit.mean_rate(0.0, 365.0) * (1 - 1e-12)


def test_credit_of_habit_follows_the_last_touch_not_the_visits_of_the_day():
    """Attributed orders stay below all orders, habit or none."""
    world = alone(habits(rate=10))
    outcomes = expected(world, attribution=True)
    book = lanes_of(outcomes, outcomes.plans[0])
    assert 0 < book.scenes["orders_attributed"].sum() < book.totals["paid_orders"].sum()


# --- what is not known of them --------------------------------------------------------------------


def test_every_habit_may_be_uncertain():
    """One value of each per replication; the laws of every lane are checked by the run."""
    doubt = "{low: 0.8, high: 1.3}"
    habits_of = ("breadth", "spend", "new_product_affinity", "refund", "activity")
    sets = [
        *(f"segments.shoppers.{name}={doubt}" for name in habits_of),
        "segments.shoppers.return_freight={low: 5, high: 20}",
        "scenes.new_customer.personalisation={value: 1.3, sd: 20%}",
        "scenes.new_customer.creative_by_band={aware: {low: 0.8, high: 1.4}}",
        "scenes.new_customer.product_stages={core: {low: 0.5, high: 1}, hit: 1}",
        "scenes.harvest.bid={cost_per: perform}", "personalisation={value: 1.2, sd: 10%}",
        "chain.repeat={rate_365: {value: 1, sd: 30%}, event_factor: {low: 60%, high: 85%}}",
        "pushes.call={source: search, days: [2021-03-22], audience: {customers: 50%}, reach: {low: 15%, high: 30%}}",
    ]  # fmt: skip
    outcomes = simulate(brief(*sets), mode="sampled", replications=20, seed=3)
    gmv = lanes_of(outcomes, outcomes.plans[0]).totals["gmv"]
    assert len({*gmv.tolist()}) == 20
