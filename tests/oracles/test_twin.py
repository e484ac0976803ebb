"""The twin's own checks: laws that hold in every run, and closed forms of its parts."""

import copy
import math
from itertools import pairwise
from typing import Any

import pytest
from scipy.integrate import quad

from simulator.scenario.schema import Scenario
from tests.oracles.twin import TwinResult, World, run_twin
from tests.oracles.twin_auction import Auction, Phi, Phi2, offer_at, phi
from tests.oracles.twin_chain import renewal
from tests.oracles.twin_clock import Clock, runoff_days
from tests.oracles.twin_goods import Pipeline, Supply, availability, find_goods, mean_sold

PACKAGES = ["top.sale"]
Money = dict[str, dict[str, float]]


def small_world() -> dict[str, Any]:
    """Two segments, five slots of every kind, a presale, a rush, little stock: a month."""
    return {
        "name": "small",
        "budget": 1e6,
        "calendar": {
            "end": "2020-11-15",
            "hours_browse": [1, 1, 0.5] + [2] * 21,
            "hours_buy": [2] + [1] * 23,
            "weekdays_browse": [1, 1, 1, 1, 1, 1.3, 1.2],
            "weekdays_buy": [1] * 7,
            "balances": [{"start": "2020-11-11", "end": "2020-11-12", "completion": 0.9}],
            "phases": {
                "warm": {"start": "2020-10-20 20:00"},
                "presale": {
                    "start": "2020-11-01",
                    "deposit": 0.5,
                    "deposit_release": 0.05,
                    "cart": 2,
                    "cvr": 0.6,
                    "clock": "7h",
                },
                "day": {
                    "start": "2020-11-11",
                    "traffic": 3,
                    "cpm": 2,
                    "cvr": 2,
                    "release": 0.4,
                    "payment_load": 2,
                    "rival_booked": 0.3,
                    "clock": "1h",
                    "burst": {},
                },
                "after": {"start": "2020-11-12", "traffic": 0.8},
            },
        },
        "segments": {
            "a": {"people": 3e5, "activity": 1.5, "cpm": 1.2, "start": start_mix(1.0)},
            "b": {"people": 5e5, "cvr": 0.7, "order_value": 0.8, "start": start_mix(0.4)},
        },
        "chain": {
            "visit_moves": {
                "outside": {"engage": 0.2, "enthuse": 0.02, "favourite": 0.02, "cart": 0.02},
                "discover": {"engage": 0.3, "enthuse": 0.03, "favourite": 0.03, "cart": 0.04},
                "engage": {"enthuse": 0.1, "favourite": 0.05, "cart": 0.07},
                "enthuse": {"favourite": 0.08, "cart": 0.1},
                "favourite": {"cart": 0.1},
                "customers": {"cart": 0.12},
            },
            "base_moves": {"outside": {"engage": 0.001}},
            "buy_propensity": {
                "outside": 0.3,
                "engage": 1,
                "cart": 3,
                "numerous": 2.5,
                "lapsed": 1,
            },
            "reference_mix": {"outside": 0.5, "engage": 0.4, "cart": 0.1},
        },
        "products": {
            "x": {"price": 120, "margin": 0.6, "presale": True, "discount": {"day": 0.2}},
            "y": {
                "price": 60,
                "margin": 0.5,
                "product_stage": "hit",
                "organic": 2,
                "stock": 3000,
                "restocks": [{"at": "2020-11-05 12:00", "units": 2000}],
            },
        },
        "sources": {
            "search": {"organic_visits": 2000, "organic_bands": {"aware": 1, "customers": 3}},
            "feed": {"sale_sensitivity": 0.8, "touch": 0.7},
        },
        "slots": {
            "words": {**auction("search", 4e5, 60), "mechanism": "gsp", "positions": 3},
            "stream": auction("feed", 2e6, 25),
            "hall": {**auction("feed", 5e5, 30), "mechanism": "vcg", "positions": 2},
            "out": {**auction("feed", 1e6, 15), "mechanism": "first_price", "reserve_cpm": 5},
            "top": {
                "kind": "contract",
                "source": "feed",
                "opportunities": 1,
                "ctr": 0.03,
                "cvr": 0.015,
                "cpm": 40,
                "shares": "stream",
                "packages": {
                    "sale": {"impressions": 8_000_000, "phases": ["day"], "scene": "brand"}
                },
            },
        },
        "scenes": {
            "brand": {
                "audience": {"outside": 0.3, "aware": 0.1},
                "slots": ["out", "stream"],
                "bid": {"cost_per": "impression"},
            },
            "new": {
                "audience": {"outside": 0.2, "aware": 0.8, "active": 0.8},
                "slots": ["words", "stream", "hall"],
                "bid": {"mode": "cost_control", "cost_per": "first_order", "target": 90},
            },
            "sale": {
                "audience": {"aware": 0.5, "active": 1, "customers": 0.5},
                "slots": ["words", "stream", "out"],
                "bid": {"mode": "roi_control", "target": 2},
                "products": {"x": 1},
            },
            "keep": {
                "audience": {"customers": 1, "lapsed": 1},
                "slots": ["words"],
                "segments": ["a"],
                "bid": {"mode": "custom_bid", "cost_per": "click", "target": 1.5},
                "pacing": "quick",
            },
        },
    }


def start_mix(size: float) -> dict[str, float]:
    mix = {"discover": 0.1, "engage": 0.05, "perform": 0.02, "initial": 0.01, "lapsed": 0.03}
    return {stage: share * size for stage, share in mix.items()}


def auction(source: str, opportunities: float, median_cpm: float) -> dict[str, Any]:
    return {
        "kind": "auction",
        "source": source,
        "opportunities": opportunities,
        "ctr": 0.03,
        "cvr": 0.02,
        "median_cpm": median_cpm,
    }


def even_money(world: dict[str, Any], each: float = 2e4) -> Money:
    return {scene: dict.fromkeys(world["calendar"]["phases"], each) for scene in world["scenes"]}


def run(world: dict[str, Any], money: Money | None = None, **options: Any) -> TwinResult:
    chosen = even_money(world) if money is None else money
    return run_twin(Scenario.model_validate(world), chosen, PACKAGES, **options)


@pytest.fixture(scope="module")
def result() -> TwinResult:
    return run(small_world())


# --------------------------------------------------------------------------- laws of every run
def test_people_are_conserved_in_every_step():
    world, seen = small_world(), []
    run(world, on_step=lambda index, values: seen.append((index, values["n"], values["n_after"])))
    assert [index for index, _, _ in seen] == list(range(len(seen)))
    for g, facts in world["segments"].items():
        for _, before, after in seen:
            assert sum(before[g].values()) == pytest.approx(facts["people"], rel=1e-9)
            assert sum(after[g].values()) == pytest.approx(facts["people"], rel=1e-9)
            assert min(after[g].values()) >= -1e-9


def test_no_cell_spends_more_than_its_money(result: TwinResult):
    assert len(result.scene_phase_spend) == 4 * 4
    assert max(result.scene_phase_spend.values()) <= 2e4 * (1 + 1e-12)
    assert sum(result.scene_phase_spend.values()) == pytest.approx(result.totals["auction_spend"])
    assert result.scene_phase_spend["new", "presale"] > 1e4


def test_no_more_is_sold_than_stocked(result: TwinResult):
    scarce = result.products["y"]
    came = 5000 + scarce["back_on_sale"]
    assert scarce["paid"] <= came * (1 + 1e-12)
    assert scarce["paid"] + scarce["stock_left"] == pytest.approx(came)
    assert result.totals["unmet"] > 0


def test_every_booked_impression_is_delivered_or_owed(result: TwinResult):
    package = result.packages["top.sale"]
    assert package["delivered"] + package["shortfall"] == pytest.approx(package["booked"])
    assert package["shortfall"] > 1e5
    assert package["make_good_due"] == pytest.approx(1.05 * package["shortfall"])
    assert package["make_good_served"] == pytest.approx(package["make_good_due"])
    assert result.totals["contract_spend"] == pytest.approx(8e6 * 40 / 1000)


def test_a_refunding_seller_is_paid_for_what_was_shown():
    world = small_world()
    world["slots"]["top"]["remedy"] = "refund"
    got = run(world)
    delivered = got.packages["top.sale"]["delivered"]
    assert got.packages["top.sale"]["make_good_served"] == 0
    assert got.totals["contract_spend"] == pytest.approx(delivered * 40 / 1000)


def test_funnel_narrows(result: TwinResult):
    totals = result.totals
    assert (
        totals["clicks"]
        <= totals["impressions"]
        <= sum(scene["offered"] for scene in result.scenes.values()) + 1.05 * 8e6
    )
    assert totals["paid_visits"] <= totals["clicks"]
    assert totals["paid_orders"] <= totals["orders"]
    assert totals["refunds"] <= totals["paid_orders"]


def test_parts_sum_to_totals(result: TwinResult):
    totals = result.totals
    for count in ("gmv", "spend", "new_customers"):
        assert sum(day[count] for day in result.daily) == pytest.approx(totals[count])
    assert sum(p["paid"] for p in result.products.values()) == pytest.approx(totals["paid_orders"])
    assert sum(p["gmv"] for p in result.products.values()) == pytest.approx(totals["gmv"])
    for product in result.products.values():
        assert sum(product["stages"].values()) == pytest.approx(1)


def test_nothing_happens_without_money_and_packages():
    world = small_world()
    got = run_twin(Scenario.model_validate(world), {}, [])
    for count in ("impressions", "clicks", "paid_visits", "spend"):
        assert got.totals[count] == 0
    assert got.totals["free_visits"] > 0
    assert got.totals["gmv"] > 0


def test_a_scene_without_money_changes_nothing(result: TwinResult):
    world = small_world()
    world["scenes"]["idle"] = copy.deepcopy(world["scenes"]["new"])
    assert_same(run(world, even_money(small_world())).totals, result.totals)


SCENES = ["brand", "new", "sale", "keep"]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("alone", [True, False])
def test_two_halves_of_a_scene_are_the_scene(scene: str, alone: bool):
    """Exact at one bid; halves that pace step a little shorter, as they compete with each other."""
    others = {} if alone else even_money(small_world())
    rel = 1e-9 if scene == "keep" else 5e-3
    cells = even_money(small_world())[scene]
    halves = {phase: cell / 2 for phase, cell in cells.items()}
    whole = run(small_world(), others | {scene: cells})
    world = small_world()
    world["scenes"]["half"] = copy.deepcopy(world["scenes"][scene])
    split = run(world, others | {scene: halves, "half": halves})
    assert_same(split.totals, whole.totals, rel)
    assert split.scenes["half"]["spend"] == pytest.approx(whole.scenes[scene]["spend"] / 2, rel=rel)
    assert whole.scenes[scene]["spend"] > 1000


def test_another_currency_changes_no_count(result: TwinResult):
    world, coin = small_world(), 7.0
    for product in world["products"].values():
        product["price"] *= coin
    for slot in world["slots"].values():
        for price in {"median_cpm", "reserve_cpm", "cpm"} & slot.keys():
            slot[price] *= coin
    world["scenes"]["new"]["bid"]["target"] *= coin
    world["scenes"]["keep"]["bid"]["target"] *= coin
    world["commerce"] = {"fulfilment": 8 * coin, "refund_handling": 8 * coin}
    got = run(world, even_money(world, 2e4 * coin)).totals
    money = {"gmv", "spend", "refund_value", "contribution", "profit", "forfeited"}
    for count, expected in result.totals.items():
        if count in money or count in {"clicks", "orders", "new_customers", "deposits"}:
            factor = coin if count in money else 1
            assert got[count] == pytest.approx(expected * factor, rel=1e-9)


def test_a_world_of_twice_the_size_brings_twice_as_much():
    worlds = [small_world(), small_world()]
    for scale, world in zip((1, 2), worlds, strict=True):
        for segment in world["segments"].values():
            segment["people"] *= scale
        for slot in world["slots"].values():
            slot["opportunities"] *= scale
        world["sources"]["search"]["organic_visits"] *= scale
        world["slots"]["top"]["packages"]["sale"]["impressions"] *= scale
        world["products"]["y"] |= {"stock": 10**9, "restocks": []}
        world["life_cycle"] = {"category_orders": 20 * scale, "organic_orders": 0}
    small, large = run(worlds[0]), run(worlds[1], even_money(worlds[1], 4e4))
    same = {"frequency", "peak_payment_load"}
    twice = {count: 2 * x for count, x in small.totals.items() if count not in same}
    assert_same({count: large.totals[count] for count in twice}, twice)


def test_the_run_can_stop_early(result: TwinResult):
    short = run(small_world(), end_after_steps=3)
    assert short.steps == 3
    assert [day["date"] for day in short.daily] == ["2020-10-20", "2020-10-21", "2020-10-22"]
    assert [day["gmv"] for day in short.daily] == [day["gmv"] for day in result.daily[:3]]


def assert_same(got: dict[str, float], expected: dict[str, float], rel: float = 1e-9) -> None:
    for count, x in expected.items():
        assert got[count] == pytest.approx(x, rel=rel, abs=1e-9), count


# --------------------------------------------------------------------------- the auction
def test_an_auction_slot_alone_is_the_integral_over_prices_and_predictions():
    """One custom bid of 2 per click on one slot: every opportunity integrated one by one."""
    world = small_world()
    world["slots"] = {"stream": auction("feed", 2e6, 25)}
    world["sources"]["feed"]["sale_sensitivity"] = 0
    scene = {"audience": {"outside": 1}, "slots": ["stream"], "segments": ["a"]}
    bid = {"mode": "custom_bid", "cost_per": "click", "target": 1.1}
    world["scenes"] = {"only": {**scene, "bid": bid, "pacing": "quick"}}
    got = run_twin(
        Scenario.model_validate(world), {"only": {"warm": 1e9}}, [], end_after_steps=1
    ).totals
    sigma, tau, quality = 0.8, 0.5, (1.1 + 1.15) / 2  # a core product and a hit
    score = 1.1 * 1000 * 0.03 * quality * math.exp(-(tau**2) / 2)  # the median bid
    mu = math.log(25 * 1.2)

    def over_predictions(part) -> float:
        return quad(lambda p: part(score * math.exp(tau * p)) * phi(p), -9, 9, epsabs=1e-13)[0]

    hours = [1, 1, 0.5] + [2] * 21
    day = sum(hours[20:]) / sum(hours) / (7.5 / 7)  # four hours of a Tuesday
    share = 3e5 * 1.5 / (3e5 * 1.5 + 5e5)
    outside = 1 - 0.21
    offered = 2e6 * share * day * outside
    won = over_predictions(lambda s: Phi((math.log(s) - mu) / sigma))
    paid = over_predictions(
        lambda s: math.exp(mu + sigma**2 / 2) * Phi((math.log(s) - mu) / sigma - sigma)
    )
    assert got["impressions"] == pytest.approx(offered * won, rel=1e-9)
    assert got["spend"] == pytest.approx(offered * paid / 1000 / quality, rel=1e-9)


AUCTIONS = [
    Auction(mechanism, 0.8, tau, reserve, (1.0,))
    for mechanism in ("second_price", "first_price")
    for tau in (0.0, 0.3, 0.7)
    for reserve in (0.0, 12.0)
]
VCG = Auction("vcg", 0.8, 0.0, 0.0, (1.0, 0.6, 0.3))
MU = 3.0


@pytest.mark.parametrize("auction", AUCTIONS)
@pytest.mark.parametrize("log_score", [1.9, 2.6, 3.2, 4.5])
def test_an_offer_is_the_mean_over_predictions(auction: Auction, log_score: float):
    offer = offer_at(auction, log_score, MU, 1.2)
    assert offer.win == pytest.approx(mean_over(auction, log_score, win), abs=1e-10)
    value_win = mean_over(auction, log_score, lambda a, s: win(a, s) * s)
    scale = math.exp(log_score + auction.tau**2 / 2)
    assert offer.value_win == pytest.approx(value_win / scale, abs=1e-10)
    paid = mean_over(auction, log_score, payment) / 1200
    assert offer.cost == pytest.approx(paid, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("auction", [*AUCTIONS, VCG])
@pytest.mark.parametrize("log_score", [1.9, 2.6, 3.2, 4.5])
def test_slopes_are_slopes(auction: Auction, log_score: float):
    h = 1e-5
    low, high = (offer_at(auction, log_score + move, MU, 1.2) for move in (-h, h))
    offer = offer_at(auction, log_score, MU, 1.2)
    assert offer.cost_slope == pytest.approx((high.cost - low.cost) / (2 * h), rel=1e-6, abs=1e-9)
    slope = (high.value_win - low.value_win) / (2 * h)
    assert offer.value_slope == pytest.approx(slope, rel=1e-6, abs=1e-9)


def mean_over(auction: Auction, log_score: float, figure) -> float:
    """The mean over predictions; the bid starts to count at the reserve."""
    tau = auction.tau
    if tau == 0:
        return figure(auction, math.exp(log_score))
    first = (math.log(auction.reserve) - log_score) / tau if auction.reserve else -10.0
    low = min(max(first, -10.0), 10.0)
    value = quad(
        lambda p: figure(auction, math.exp(log_score + tau * p)) * phi(p), low, 10, epsabs=1e-13
    )
    return value[0]


def win(auction: Auction, score: float) -> float:
    if score < auction.reserve * (1 - 1e-12):
        return 0.0
    return Phi((math.log(score) - MU) / auction.sigma)


def payment(auction: Auction, score: float) -> float:
    """Mean payment x 1000 q of one opportunity: the density of the best rival, integrated."""
    if auction.mechanism == "first_price":
        return score * win(auction, score)
    if win(auction, score) == 0:
        return 0.0
    top = (math.log(score) - MU) / auction.sigma
    return quad(
        lambda u: max(math.exp(MU + auction.sigma * u), auction.reserve) * phi(u),
        -12,
        top,
        points=[(math.log(auction.reserve) - MU) / auction.sigma] if auction.reserve else None,
        epsabs=1e-12,
        limit=200,
    )[0]


def test_vcg_pays_the_area_above_the_click_curve():
    """A truthful auction: payment = integral of y dE(y), E(y) the clicks won at score y."""
    decay, sigma, log_score = (1.0, 0.6, 0.3), 0.8, 3.1
    offer = offer_at(Auction("vcg", sigma, 0.0, 0.0, decay), log_score, MU, 1.0)

    def clicks(u: float) -> float:
        rivals = -math.log(Phi(u))
        terms = (rivals**place / math.factorial(place) for place in range(3))
        return Phi(u) * sum(d * term for d, term in zip(decay, terms, strict=True))

    z = (log_score - MU) / sigma
    area = quad(lambda u: clicks(u) * sigma * math.exp(MU + sigma * u), -12, z, epsabs=1e-12)[0]
    expected = (math.exp(log_score) * clicks(z) - area) / 1000
    assert offer.cost == pytest.approx(expected, rel=1e-10)
    assert offer.win * offer.clicked == pytest.approx(clicks(z))


@pytest.mark.parametrize("h", [-1.5, 0.0, 0.4])
@pytest.mark.parametrize("k", [-0.7, 0.0, 2.0])
@pytest.mark.parametrize("rho", [0.2, 0.9])
def test_bivariate_normal(h: float, k: float, rho: float):
    root = math.sqrt(1 - rho**2)
    area = quad(lambda u: phi(u) * Phi((k - rho * u) / root), -12, h, epsabs=1e-13)[0]
    assert Phi2(h, k, rho) == pytest.approx(area, abs=1e-12)


# --------------------------------------------------------------------------- parts of the model
def test_stock_sells_the_mean_of_the_smaller():
    for stock, demand in ((1, 0.5), (7, 9.0), (40, 33.0), (60, 70.0), (100_000, 100_100.0)):
        low = max(0, int(demand - 60 * math.sqrt(demand) - 60))
        high = int(demand + 60 * math.sqrt(demand) + 60)
        direct = sum(
            min(stock, k) * math.exp(k * math.log(demand) - demand - math.lgamma(k + 1))
            for k in range(low, high)
        )
        assert mean_sold(stock, demand) == pytest.approx(direct, rel=1e-8)


def test_availability_falls_from_one_to_zero_without_a_jump():
    shares = [availability(100, demand, 0.01) for demand in range(0, 300, 5)]
    assert all(later <= share + 1e-12 for share, later in pairwise(shares))
    assert shares[0] == 1 and shares[-1] < 1e-12
    assert find_goods(100, 95.0) == pytest.approx(availability(100, 95.0, 1e-4), rel=1e-5)


def test_contacts_renew_a_window_as_a_poisson_stream_does():
    assert renewal(0, 15, 1, 0.6) == 1
    assert renewal(0.1, 15, 1, 1e9) == pytest.approx(1.5 / (math.exp(1.5) - 1))
    assert renewal(1e6, 15, 1, 0.6) == pytest.approx(0, abs=1e-3)


def test_steps_fill_the_run_and_a_normal_week_is_seven_days():
    world = small_world()
    clock = Clock(Scenario.model_validate(world), 7)
    steps = clock.steps
    assert steps[0].start == 0 and steps[-1].end == clock.end
    assert all(a.end == b.start for a, b in pairwise(steps))
    assert {step.end - step.start for step in steps if step.phase_name == "presale"} == {
        7 * 3600,
        3 * 3600,
        5 * 3600,  # up to a delivery
    }
    week = [step for step in steps if step.phase_name == "runoff"]
    assert sum(step.browse for step in week) == pytest.approx(7)
    assert sum(step.buy for step in week) == pytest.approx(7)


def test_the_rush_brings_its_share_of_the_opening_day():
    world = small_world()
    clock = Clock(Scenario.model_validate(world), 7)
    day = [step for step in clock.steps if step.phase_name == "day"]
    came = 1 - math.exp(-((24 / 0.95) ** 0.72))
    assert sum(step.buy for step in day) == pytest.approx(0.58 * came + 0.42)
    first = 1 - math.exp(-((1 / 0.95) ** 0.72))
    assert day[0].buy == pytest.approx(0.58 * first + 0.42 * 2 / 25)
    assert day[0].readiness > day[12].readiness


def test_reach_is_the_negative_binomial():
    """Nobody clicks, forgets or leaves: people still outside are those never reached."""
    world = small_world()
    world["slots"] = {"stream": {**auction("feed", 2e6, 25), "ctr": 1e-15}}
    world["scenes"] = {"brand": {"audience": {"outside": 1, "aware": 1}, "slots": ["stream"]}}
    world["chain"] |= {"base_moves": {}, "discover_days": 1e12, "reach_window_days": 1e12}
    world["sources"]["search"]["organic_visits"] = 0
    for segment in world["segments"].values():
        segment["start"] = {}
    got = run_twin(Scenario.model_validate(world), {"brand": {"warm": 5e5, "day": 5e5}}, [])
    outside = sum(n for (_, stage), n in got.people.items() if stage == "outside")
    assert got.totals["reach"] == pytest.approx(8e5 - outside, rel=1e-6)
    assert 1e4 < outside < 7e5


def test_all_but_a_thousandth_of_refunds_fall_due_in_the_run_off():
    scenario = Scenario.model_validate(small_world())
    for days, least, most in ((runoff_days(scenario), 0.999, 1), (17, 0, 0.999)):
        pipeline = Pipeline(scenario)
        pipeline.enter(10.0)
        due = sum(pipeline.advance() for _ in range(days - 1))  # entered at a midnight
        assert least <= due / 10 <= most
        assert due + pipeline.waiting == pytest.approx(10)


def refunding(fast_share: float = 0.7, **commerce: float) -> dict[str, Any]:
    """A tenth of all orders is refunded, in every stage and segment."""
    world = small_world()
    world["life_cycle"] = {"refund": [1] * 6}
    world["commerce"] = {"refund_fast_share": fast_share, **commerce}
    for product in world["products"].values():
        product["refund"] = 0.1
    return world


@pytest.mark.parametrize("days", [5, 30])
def test_refunds_of_a_run_are_its_orders_by_their_odds(days: int):
    """None is pending at the end, however soon that comes."""
    got = run(refunding(), runoff=days).totals
    assert got["refunds"] == pytest.approx(0.1 * got["paid_orders"])
    assert got["refund_value"] == pytest.approx(0.1 * got["gmv"])
    assert got["refund_cost"] == pytest.approx(0.1 * got["goods_cost"])
    assert got["refunded_new_customers"] == pytest.approx(0.1 * got["new_customers"])


def test_first_orders_come_back_where_refunds_are_made():
    """A segment that keeps what it buys keeps its new customers, and only its own."""
    kept = {}
    for g in "ab":
        world = refunding()
        world["segments"][g]["refund"] = 1e-12
        kept[g] = run(world).totals["refunded_new_customers"]
    both = run(refunding()).totals["refunded_new_customers"]
    assert min(kept.values()) > 10
    assert sum(kept.values()) == pytest.approx(
        both, rel=0.02
    )  # who is back may buy again, and so may others what is


def test_refunded_first_orders_go_by_what_is_still_to_be_refunded():
    world = World(Scenario.model_validate(small_world()), {}, [], {}, None)
    a, b = (world.people[g] for g in "ab")
    a.new_unrefunded, b.new_unrefunded = 100.0, 10.0
    a.first_refunds, b.first_refunds = 4.0, 12.0
    first = {g: world.people[g].people["initial"] for g in "ab"}

    def back() -> list[float]:
        return [first[g] - world.people[g].people["initial"] for g in "ab"]

    world._refund_new_customers(8.0)
    assert back() == pytest.approx([2, 6])
    world._refund_new_customers(8.0)  # b has four new customers left, though six refunds
    assert back() == pytest.approx([4, 10])
    b.first_refunds = 10.0
    world._refund_new_customers(3.0)  # nothing to be refunded: by new customers, all of them a's
    assert back() == pytest.approx([7, 10])
    assert world.totals["refunded_new_customers"] == pytest.approx(17)


def test_what_was_never_sent_costs_no_freight_handling_or_goods():
    """Costs of sending and taking back move nothing else: each adds its rate times its count."""
    counts = {"fulfilment": 8.0, "refund_handling": 8.0, "depreciation": 0.2, "resale": 0.1}
    base = run(refunding(0.3, **counts)).totals
    refunds, paid = base["refunds"], base["paid_orders"]
    more = {
        "fulfilment": paid - 0.3 * refunds,
        "refund_handling": 0.7 * refunds,
        "depreciation": 0.7 * base["refund_cost"],
    }
    for cost, expected in more.items():
        got = run(refunding(0.3, **counts | {cost: counts[cost] + 0.5})).totals
        assert base["contribution"] - got["contribution"] == pytest.approx(0.5 * expected)


@pytest.mark.parametrize("resale", [0.0, 0.2, 0.5, 1.0])
def test_parcels_that_stand_about_are_written_down(resale: float):
    """Product y costs 30 and is worth 10 at the end; of what was sent and came back half of the value is lost."""
    world = refunding(0.3, depreciation=0.5, resale=resale)
    world["life_cycle"]["price"] = [1] * 6
    world["products"]["y"]["salvage"] = 10
    got = run(world)
    y = got.products["y"]
    back = 0.1 * y["gmv"] / 60  # goods of y that came back
    expected = (y["stock_left"] + back * 0.7 * max(0.0, 0.5 - resale)) * (30 - 10)
    assert got.totals["write_down"] == pytest.approx(expected)


@pytest.mark.parametrize("resale", [None, 0.0, 0.5])
def test_refunded_goods_are_on_sale_again(resale: float | None):
    """What was never sent, and of the parcels a part, or all but what was lost."""
    costs = {"depreciation": 0.2} if resale is None else {"resale": resale}
    y = run(refunding(0.3, **costs)).products["y"]
    part = 0.3 + 0.7 * (0.8 if resale is None else resale)
    assert y["back_on_sale"] == pytest.approx(part * y["refunds"])
    assert y["paid"] + y["stock_left"] == pytest.approx(5000 + y["back_on_sale"])


def test_what_was_sold_stays_sold_when_goods_come_back():
    supply = Supply(50.0)
    for demand, back in ((20.0, 5.0), (40.0, 10.0), (500.0, 3.0), (1.0, 0.0)):
        supply.demand += demand
        left = supply.left()
        supply.take_back(back)
        assert supply.left() == pytest.approx(left + back)


def test_an_order_of_later_days_costs_what_is_sent_of_it():
    def order(**costs: float) -> float:
        scenario = Scenario.model_validate(refunding(0.3, **counts | costs))
        return World(scenario, {}, [], {}, None).worth.orders["a"]

    counts = {"fulfilment": 8.0, "refund_handling": 8.0, "depreciation": 0.0}
    cost = (120 * 0.4 + 2 * 60 * 0.5) / 3  # of x, and of y that comes twice as often
    assert order() - order(fulfilment=9.0) == pytest.approx(1 - 0.3 * 0.1)
    assert order() - order(refund_handling=9.0) == pytest.approx(0.7 * 0.1)
    assert order() - order(depreciation=0.5) == pytest.approx(0.7 * 0.1 * 0.5 * cost)


def test_deposits_are_settled_or_forfeited(result: TwinResult):
    assert result.totals["deposits"] > 100
    assert result.totals["forfeited"] > 0
    assert sum(n for (_, stage), n in result.people.items() if stage == "deposit") == 0


def test_a_demand_shock_moves_orders_and_needs_a_spread():
    world = small_world()
    calm = run(world).totals["orders"]
    world["chance"] = {"demand_sd": 0.2}
    assert run(world).totals["orders"] == calm
    low, high = (run(world, point=point).totals["orders"] for point in (0, 15))
    assert low < calm < high
