"""After the order: the payment gate, stock in shops, the shipping queue, the service score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine import lanes
from simulator.engine.simulate import make_grid
from simulator.errors import ScenarioError
from simulator.market.build import build_world
from simulator.scenario.chance import Shock
from simulator.scenario.goods import Payment, Pooled, Shipping
from simulator.scenario.schema import Scenario
from tests.engine import stress
from tests.engine.test_mechanics import Leaf, changed_replications, leaves, put
from tests.worlds import NONE_BACK, brief, differing, expected, lanes_of, one, sampled

MODES = {"expected": expected, "sampled": lambda *args: sampled(*args, replications=24)}

# --- payment ------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [None, 30])
def test_a_day_in_one_step_fails_as_often_as_its_hours_do(capacity):
    """Payments fail at the square of the load: the mean of a day has too little."""
    sets = [f"calendar.phases.{f}.payment_load=1" for f in ("normal", "sale")]
    sets = sets if capacity is None else [f"payment.capacity={capacity}"]
    found = []
    for clock in ("1d", "1h", "15min"):
        clocks = [f"calendar.phases.{f}.clock={clock}" for f in ("normal", "sale")]
        outcomes = expected(brief(*sets, *clocks, "payment.wallet_share=0", "payment.retry=0"))
        found.append(one(outcomes, "failed_payments", "peak_payment_load"))
    day, hour, quarter = found
    assert day == pytest.approx(hour, rel=0.05)
    assert quarter == pytest.approx(hour, rel=0.02)


GATE = ("payment.wallet_share=0", "payment.capacity=60", "payment.retry=0")


def paid_and_failed(mode: str, *sets: str) -> list[float]:
    return one(MODES[mode](brief(*sets)), "paid_orders", "failed_payments", "peak_payment_load")


@pytest.mark.parametrize("mode", MODES)
def test_the_load_of_the_gate_follows_its_own_buyers(mode: str):
    """Half the capacity is twice the load, and up to four times the failures."""
    wide = paid_and_failed(mode, *GATE, "payment.capacity=120")
    narrow = paid_and_failed(mode, *GATE, "payment.capacity=60")
    shut = paid_and_failed(mode, *GATE, "payment.capacity=0.01")
    assert narrow[2] == pytest.approx(2 * wide[2], rel=0.02)
    assert wide[1] < narrow[1] < 4.2 * wide[1]
    assert wide[0] > narrow[0] > shut[0]
    assert shut[1] == pytest.approx(shut[0], rel=0.02)  # at most half of all attempts fail


def test_attempts_are_the_orders_that_are_paid_when_nothing_fails():
    """A day of one step, alike in all hours: the load is its orders an hour, but for the newcomers of the step."""
    even = f"calendar.hours_buy=[{', '.join(['1'] * 24)}]"
    world = brief("payment.fail=0", "payment.capacity=1", "calendar.phases.sale.clock=1d", even)
    outcomes = expected(world, daily=True)
    orders = outcomes.book.days["gmv"][:, 0] / world.products["coffee"].price / 0.85
    peak = one(outcomes, "peak_payment_load")[0]
    assert peak == pytest.approx(orders.max() / 24, rel=0.05)


@pytest.mark.parametrize("mode", MODES)
def test_wallets_filled_in_time_pay_better(mode: str):
    """A top-up counts from the next phase on: in the last phase it comes too late."""
    none = paid_and_failed(mode, *GATE)
    some = paid_and_failed(mode, *GATE, "calendar.phases.normal.wallet_topup=30%")
    late = paid_and_failed(mode, *GATE, "calendar.phases.sale.wallet_topup=100%")
    assert some[1] < 0.95 * none[1] and some[0] > none[0]
    assert late[1] < none[1]  # the run-off is all that is left
    assert late[1] > some[1]


def test_topups_come_one_after_the_other():
    """1 - (1 - w) (1 - t1) (1 - t2): what is filled stays filled."""
    sets = [f"calendar.phases.{f}.payment_load=2" for f in ("normal", "sale")]
    sets += ["calendar.phases.normal.start=2021-03-24", "payment.retry=0"]
    twice = brief(
        *sets, "payment.wallet_share=20%", "calendar.phases.normal.wallet_topup=50%",
        "calendar.phases.early={start: 2021-03-20, wallet_topup: 25%, payment_load: 2}",
    )  # fmt: skip
    wallet = build_world(twice, make_grid(twice)).phases.wallet[:, 0]
    np.testing.assert_allclose(wallet, [0.2, 0.4, 0.7, 0.7], rtol=1e-15)


def test_without_a_capacity_the_calendar_gives_the_load():
    """Half of its purchases at the best hour of the busiest weekday."""
    world = brief("calendar.phases.sale.payment_load=0.5", "calendar.phases.sale.clock=1d")
    hours, days = world.calendar.hours_buy, world.calendar.weekdays_buy[4:]
    busiest = 24 * max(hours) / sum(hours) * max(days) / (sum(world.calendar.weekdays_buy) / 7)
    assert one(expected(world), "peak_payment_load")[0] == pytest.approx(0.5 * busiest)
    assert world.payment.capacity is None


# --- stock in shops -----------------------------------------------------------------------------

DEPOT = ("products.coffee.stock=500", "commerce.fulfilment=8", *NONE_BACK)
POOL = "products.coffee.pooled={units: 400, share: 75%, fulfilment: 20}"


@pytest.mark.parametrize("mode", MODES)
def test_shops_sell_what_the_depot_cannot(mode: str):
    names = ("paid_orders", "pooled", "unmet", "contribution", "refunds")
    alone = one(MODES[mode](brief(*DEPOT)), *names)
    pooled = one(MODES[mode](brief(*DEPOT, POOL)), *names)
    one_depot = one(MODES[mode](brief(*DEPOT, "products.coffee.stock=800")), *names)
    assert alone[:2] == pytest.approx([500, 0], abs=0.5)
    assert pooled[:2] == pytest.approx([800, 300], abs=0.5)
    assert pooled[2] == pytest.approx(one_depot[2], rel=0.02)  # people buy as if it were one stock
    assert one_depot[3] - pooled[3] == pytest.approx(
        300 * (20 - 8), rel=0.05
    )  # but freight is dearer


@pytest.mark.parametrize("mode", MODES)
def test_a_delivery_spares_the_shops(mode: str):
    """Goods that come to the depot in the sale are sent before those of the shops."""
    pool = ("products.coffee.stock=3000", "products.coffee.pooled={units: 400}", *NONE_BACK)
    late = "products.coffee.restocks=[{at: 2021-03-28 06:00, units: 700}]"
    alone, helped = (
        one(MODES[mode](brief(*pool, *more)), "pooled", "paid_orders") for more in ((), (late,))
    )
    assert alone == pytest.approx([400, 3400], abs=0.5)
    assert helped[1] > 3600 and 100 < helped[0] < 350


def test_shops_send_nothing_while_the_depot_is_full():
    book = lanes_of(expected(brief(POOL)), "half_half")
    assert not book.totals["pooled"].any()
    assert not book.totals["pooled_fulfilment"].any()


def test_an_order_from_a_shop_costs_as_any_other_if_nothing_else_is_said():
    plain = "products.coffee.pooled={units: 300}"
    both = (brief(*DEPOT, plain), brief(*DEPOT, "products.coffee.stock=800"))
    left, right = (one(expected(world), "contribution")[0] for world in both)
    assert left == pytest.approx(right, rel=1e-9)


def test_a_pool_without_units_is_told():
    with pytest.raises(
        ScenarioError, match=r"products.coffee.pooled.*no unit \(0.1% of 500 units\)"
    ):
        brief("products.coffee.pooled={units: 500, share: 0.1%}")


# --- shipping and the service score ---------------------------------------------------------------

SLOW = "shipping={per_day: 120}"


@pytest.mark.parametrize("mode", MODES)
def test_a_depot_that_is_too_small_costs_refunds_and_good_will(mode: str):
    names = ("late_share", "refunds", "peak_score_fall", "shipping_delay", "peak_shipping_delay")
    free = one(MODES[mode](brief()), *names)
    wide = one(MODES[mode](brief("shipping={per_day: 100k}")), *names)
    slow = one(MODES[mode](brief(SLOW)), *names)
    slower = one(MODES[mode](brief("shipping={per_day: 60}")), *names)
    assert free[0] == free[2] == free[3] == free[4] == 0
    assert wide[1] == pytest.approx(free[1], rel=1e-6) and wide[0] < 1e-9
    for less, more in ((wide, slow), (slow, slower)):
        assert all(a < b for a, b in zip(less, more, strict=True))
    assert slower[2] <= 0.1 and slower[0] <= 1
    assert slower[1] < 2 * free[1]  # odds at most double


@pytest.mark.parametrize("mode", MODES)
def test_a_bad_score_pays_more_for_the_same_place(mode: str):
    """The backlog of the sale makes the ads of the days after it dearer, and the free visits fewer."""
    after = (
        "calendar.end=2021-04-08",
        "calendar.phases.after={start: 2021-03-29}",
        "scenes.new_customer.phases=[after]",
        "plans=null",
        "scenes.new_customer.budget=20k",
        "scenes.harvest.budget=10k",
        "life_cycle.organic_score=3",
    )
    names = ("spend", "impressions", "cpm", "paid_orders", "visits")
    rude = "shipping={per_day: 80, late_score: 1, late_refund: 1}"
    good, bad = (one(MODES[mode](brief(*after, *more)), *names) for more in ((), (rude,)))
    assert bad[0] == pytest.approx(good[0], rel=2e-3)
    assert bad[1] < 0.95 * good[1] and bad[2] > 1.05 * good[2]
    assert bad[3] < good[3] and bad[4] < 0.98 * good[4]


def test_orders_from_shops_do_not_wait_in_the_depot():
    half = ("products.coffee.stock=1500", "products.coffee.pooled={units: 50k}", SLOW)
    alone, pooled = (
        one(expected(brief(*more)), "late_share", "paid_orders") for more in ((SLOW,), half)
    )
    assert pooled[0] < 0.7 * alone[0]
    assert pooled[1] == pytest.approx(alone[1], rel=0.02)


def test_the_score_itself_earns_free_visits_only_where_the_coefficient_says_so():
    def visits(*sets: str) -> float:
        return one(expected(brief("slots.feed.opportunities=150k", *sets)), "visits")[0]

    scored = "life_cycle.organic_score=2"
    slow = "shipping={per_day: 60, late_score: 1, late_refund: 1}"
    assert visits(scored) == visits()  # 4.6 changes nothing
    assert visits(slow, scored) < visits(slow) < visits() * 1.000001


@settings(max_examples=6, deadline=None)
@given(
    per_day=st.floats(5, 2000), late_days=st.floats(0.2, 10), steepness=st.floats(0.5, 50),
    late_refund=st.floats(1, 5), late_score=st.floats(0, 2), half_life=st.floats(0.5, 30),
    drawn=st.booleans(),
)  # fmt: skip
def test_any_depot_keeps_the_laws_and_its_bounds(drawn: bool, **ship: float):
    shipping = Shipping(half_life_days=ship.pop("half_life"), **ship)
    world = brief("calendar.phases.sale.clock=12h").model_copy(update={"shipping": shipping})
    run = sampled(world, replications=2) if drawn else expected(world)
    totals = lanes_of(run, "half_half").totals
    assert (totals["peak_score_fall"] <= shipping.late_score + 1e-12).all()
    assert (totals["late_orders"] <= totals["paid_orders"]).all()
    assert (
        totals["days_waited"] <= totals["paid_orders"] * totals["peak_shipping_delay"] + 1e-6
    ).all()
    if drawn:
        np.testing.assert_array_equal(totals["late_orders"], np.rint(totals["late_orders"]))


# --- weather and news -----------------------------------------------------------------------------

JACKET = "products.jacket={price: 600, margin: 50%}"
COLD = "shocks.cold={{start: 2021-03-21, end: 2021-03-22, chance: {}, days: 4, demand: 2.5, products: [jacket]}}"


def paid_by_product(mode: str, *sets: str) -> np.ndarray:
    book = lanes_of(MODES[mode](brief(JACKET, "life_cycle.organic_orders=0", *sets)), "half_half")
    return book.products["paid"].mean(axis=1)


@pytest.mark.parametrize("mode", MODES)
def test_a_cold_wave_moves_jackets_alone(mode: str):
    mild, cold = (paid_by_product(mode, *sets) for sets in ((), (COLD.format("100%"),)))
    assert cold[1] > 1.1 * mild[1]
    assert cold[0] == pytest.approx(mild[0], rel=0.01)


def test_half_a_chance_brings_half_of_it_on_average():
    maybe, mild, cold = (
        paid_by_product("expected", *sets)
        for sets in ((COLD.format("50%"),), (), (COLD.format("100%"),))
    )
    assert maybe[1] - mild[1] == pytest.approx((cold[1] - mild[1]) / 2, rel=0.03)
    drawn = sampled(
        brief(JACKET, "life_cycle.organic_orders=0", COLD.format("50%")), replications=64
    )
    each = lanes_of(drawn, "half_half").products["paid"][1]
    assert each.mean() == pytest.approx(maybe[1], abs=4 * each.std() / 8)
    came = each > (mild[1] + cold[1]) / 2
    assert 0.25 < came.mean() < 0.75  # it comes or it does not


@pytest.mark.parametrize("mode", MODES)
def test_news_move_the_people_whom_they_reach_and_crowds_move_visits(mode: str):
    when = "start: 2021-03-21, end: 2021-03-21 06:00, chance: 100%, days: 4"
    news = f"shocks.news={{{when}, demand: 2, segments: [shoppers]}}"
    every = f"shocks.news={{{when}, demand: 2}}"
    fair = f"shocks.fair={{{when}, traffic: 2}}"
    names = ("paid_orders", "visits")
    usual, some, both, crowd = (
        one(MODES[mode](brief(*sets)), *names) for sets in ((), (news,), (every,), (fair,))
    )
    assert some == pytest.approx(both, rel=0.01)  # shoppers are everybody
    assert some[0] > 1.05 * usual[0] and some[1] == pytest.approx(usual[1], rel=0.01)
    assert crowd[1] > 1.05 * usual[1] and crowd[0] > 1.02 * usual[0]


def test_two_plans_meet_the_same_weather():
    """Without ads the cold brings its jackets in the same replications as with them."""
    world = brief(JACKET, "life_cycle.organic_orders=0", COLD.format("50%").replace("2.5", "8"))
    drawn = sampled(world, replications=32)
    own, none = (lanes_of(drawn, plan).products["paid"][1] for plan in ("half_half", "no ads"))
    assert np.corrcoef(own, none)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("shock", "message"),
    [
        ("{start: 2021-03-21, end: 2021-03-22, days: 1, demand: 2}", "a chance .* or a rate"),
        (
            "{start: 2021-03-21, end: 2021-03-22, days: 1, demand: 2, chance: 1, rate: 1}",
            "one of them",
        ),
        ("{start: 2021-03-22, end: 2021-03-21, days: 1, demand: 2, chance: 1}", "after its start"),
        ("{start: 2021-05-22, end: 2021-05-23, days: 1, demand: 2, chance: 1}", "inside the run"),
        ("{start: 2021-03-21, end: 2021-03-22, days: 1, chance: 1}", "changes nothing"),
        (
            "{start: 2021-03-21, end: 2021-03-22, days: 1, chance: 1, traffic: 2, products: [coffee]}",
            "no effect",
        ),
        (
            "{start: 2021-03-21, end: 2031-03-22, days: 1, demand: 2, rate: 2}",
            "more than 100 times",
        ),
        (
            "{start: 2021-03-21, end: 2021-03-22, days: 1, demand: 2, chance: 1, products: [tea]}",
            "names no product",
        ),
        (
            "{start: 2021-03-21, end: 2021-03-22, days: 1, demand: 2, chance: 1, segments: [all]}",
            "names no segment",
        ),
        (
            "{start: 2021-03-21, end: 2021-03-22, days: 1, demand: 2, chance: 1, products: [coffee], "
            "segments: [shoppers]}",
            "two shocks",
        ),
    ],
)
def test_a_shock_that_cannot_be_is_told(shock: str, message: str):
    with pytest.raises(ScenarioError, match=f"shocks.odd.*{message}"):
        brief(f"shocks.odd={shock}")


# --- any world ----------------------------------------------------------------------------------

factor = st.floats(0.01, 4)
weather = st.fixed_dictionaries({
    "start": st.just("2021-03-20"), "end": st.sampled_from(["2021-03-20 00:01", "2021-03-27"]),
    "days": st.floats(0.05, 12), "demand": factor, "traffic": st.floats(0.1, 4),
    "products": st.sampled_from([[], ["coffee"]]),
}).flatmap(lambda shock: st.sampled_from([{"chance": 0.4}, {"rate": 0.3}, {"chance": 1}]).map(
    lambda often: Shock.model_validate(shock | often)
))  # fmt: skip
pooled = st.builds(
    Pooled, units=st.integers(0, 3000), share=st.floats(0, 1), fulfilment=st.floats(0, 60)
)
payment = st.builds(
    Payment, capacity=st.floats(0.01, 1e4), wallet_share=st.floats(0, 1), retry=st.floats(0, 1)
)


NOT_FOLLOWED = {"orders_organic", "orders_commissioned"}  # credit is not kept here


@settings(max_examples=8, deadline=None)
@given(
    shocks=st.lists(weather, max_size=3), pool=pooled, stock=st.integers(0, 4000), pay=payment,
    topup=st.floats(0, 1), drawn=st.booleans(),
)  # fmt: skip
def test_any_shop_in_any_weather_keeps_the_laws(shocks, pool, pay, drawn: bool, **numbers):
    """Laws are checked in the run; here what the mechanics may do at most, and in which direction."""
    stock, topup = numbers["stock"], f"calendar.phases.normal.wallet_topup={numbers['topup']}"
    usual = brief("calendar.phases.sale.clock=12h", topup)
    coffee = usual.products["coffee"].model_copy(update={"stock": stock, "pooled": pool})
    world = usual.model_copy(update={
        "products": {"coffee": coffee}, "payment": pay,
        "shocks": {f"s{n}": shock for n, shock in enumerate(shocks)},
    })  # fmt: skip
    run = (lambda scenario: sampled(scenario, replications=2)) if drawn else expected
    totals = lanes_of(run(world), "half_half").totals
    slack = 1e-6
    assert (totals["pooled"] <= min(int(pool.units * pool.share + 1e-9), 10**9) + slack).all()
    freight = totals["pooled"] * pool.fulfilment
    np.testing.assert_allclose(totals["pooled_fulfilment"], freight, rtol=1e-9, atol=1e-9)
    assert (
        totals["orders"] - totals["paid_orders"] <= totals["paid_orders"] * (1 - pay.retry) + 9
    ).all()
    followed = [values for name, values in totals.items() if name not in NOT_FOLLOWED]
    assert all(np.isfinite(values).all() for values in followed)
    if (totals["pooled"] > slack).any():  # in the mean already where shelves may be empty by chance
        nearly = stock - 1 if drawn else stock - 1 - 6 * stock**0.5
        assert (totals["paid_orders"] > nearly).any()


# --- all of it at once ----------------------------------------------------------------------------


BUSY = (
    "calendar.phases.sale.clock=6h", SLOW, *GATE, *DEPOT, POOL, JACKET, COLD.format("60%"),
    "shocks.fair={start: 2021-03-22, end: 2021-03-26, rate: 0.3, days: 1.3, traffic: 1.5}",
    "shocks.news={start: 2021-03-22, end: 2021-03-26, chance: 0.5, days: 2, demand: 2, segments: [shoppers]}",
    "life_cycle.organic_score=2", "calendar.phases.normal.wallet_topup=10%",
)  # fmt: skip


@pytest.mark.parametrize("run", [expected, sampled])
def test_any_chunks_give_the_same_book_of_a_busy_shop(monkeypatch, run):
    """Gate, shops, depot, score and weather: to the last bit, whoever runs beside whom."""
    options = {"replications": 18} if run is sampled else {}
    whole = run(brief(*BUSY), **options).book
    monkeypatch.setattr(lanes, "BLOCK", 7)
    monkeypatch.setattr(lanes, "PLANS_AT_ONCE", 2)
    monkeypatch.setattr(lanes, "LANES_AT_ONCE", 7)
    assert differing(whole, run(brief(*BUSY), **options).book) == []
    assert (whole.totals["late_orders"][0] > 0) and (whole.totals["pooled"][0] > 0)


def test_a_busy_shop_when_drawn_scatters_around_its_mean():
    """With a depot that is well behind: where hardly anything is late, chance makes more late than the mean has."""
    data = stress.busy()
    data["shipping"]["per_day"] = 650
    scenario = Scenario.model_validate(data)
    plan = stress.plan(scenario)
    names = ("gmv", "orders", "late_orders", "pooled", "refunds", "days_waited", "new_customers")
    mean = lanes_of(expected(scenario, [plan]), "stress").totals
    drawn = lanes_of(sampled(scenario, [plan], replications=96), "stress").totals
    for name in names:
        assert drawn[name].mean() == pytest.approx(mean[name][0], rel=0.05), name


NEW = ("shipping.", "payment.", "shocks.", "life_cycle.organic_score", "products.x.pooled")


def new_leaves(*, uncertain: bool) -> list[Leaf]:
    found = leaves(Scenario.model_validate(stress.busy()))
    tops = [leaf for leaf in found if leaf.name.startswith(NEW) or leaf.name.endswith("_topup")]
    return [leaf for leaf in tops if leaf.uncertain == uncertain]


def test_every_number_of_the_operations_that_may_be_uncertain_matters():
    scenario, found = Scenario.model_validate(stress.busy()), new_leaves(uncertain=True)
    drawn = scenario
    for row, leaf in enumerate(found, start=1):
        values = np.full(len(found) + 1, float(leaf.value))
        values[row] = leaf.value * 1.1 if leaf.value else 0.05
        drawn = put(drawn, leaf.path, values)
    moved = changed_replications(drawn, scenario, len(found) + 1, stress.plan(scenario))
    still = {leaf.name for leaf, change in zip(found, moved[1:], strict=True) if not change}
    assert still == set()


ONE_OF_EACH = [
    leaf
    for leaf in new_leaves(uncertain=False)
    if "news" not in leaf.path and leaf.path[1:] != ("rain", "days")
]


@pytest.mark.parametrize("leaf", ONE_OF_EACH, ids=lambda leaf: leaf.name)
def test_every_number_of_the_operations_that_is_certain_matters(leaf: Leaf):
    scenario = Scenario.model_validate(stress.busy())
    value = int(leaf.value * 0.7) if isinstance(leaf.value, int) else leaf.value * 0.7
    before, after = (
        lanes_of(expected(world, [stress.plan(scenario)]), "stress").totals
        for world in (scenario, put(scenario, leaf.path, value))
    )
    assert any(abs(after[x] - before[x]).max() > 1e-9 * abs(before[x]).max() for x in before)
