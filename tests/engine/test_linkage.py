"""Paid-to-free linkage, of both signs, from end to end."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from simulator.engine import lanes
from simulator.outcomes.outcomes import Outcomes
from simulator.outcomes.store import read_outcomes, write_outcomes
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario
from tests.engine import stress
from tests.engine.stress_linkage import linked
from tests.worlds import (
    brief,
    differing,
    everything,
    expected,
    lanes_of,
    minimal,
    one,
    plan,
    sampled,
)

# --- cannibalisation ----------------------------------------------------------------------------


def replacing(share: float, *sets: str) -> Scenario:
    """The brief world in which bought visits of both sources replace free ones."""
    both = (f"sources.{name}.cannibalisation={share}" for name in ("search", "recommend"))
    return brief(*both, *sets)


def test_more_cannibalisation_less_profit_at_nearly_the_same_attributed_return():
    runs = [expected(replacing(c), attribution=True) for c in (0.0, 0.1, 0.2, 0.3)]
    profit, roas, visits = zip(
        *(one(run, "profit_incremental", "roas", "visits") for run in runs), strict=True
    )
    assert (np.diff(profit) < 0).all()
    assert (np.diff(visits) < 0).all()
    assert roas[-1] == pytest.approx(roas[0], rel=0.06)
    assert profit[0] - profit[-1] > 0.2 * abs(profit[0])


def test_nothing_is_replaced_where_nothing_is_bought():
    before, after = (lanes_of(expected(replacing(c)), "no ads") for c in (0.0, 0.3))
    for name in ("gmv", "free_visits", "new_customers"):
        assert_allclose(after.totals[name], before.totals[name], rtol=1e-12)


@settings(max_examples=6)
@given(st.floats(0.01, 0.3), st.floats(10, 1e5), st.booleans(), st.integers(0, 2**32))
def test_replaced_visits_are_missing_and_never_more_than_there_are(
    share: float, money: float, drawn: bool, seed: int
):
    """A fixed bid buys the same whatever is replaced; the laws are checked in every run."""
    fixed = ("scenes.new_customer.bid={mode: custom_bid, cost_per: click, target: 1}",)
    without, replaced = (
        spent(replacing(c, *fixed), money, drawn=drawn, seed=seed) for c in (0.0, share)
    )
    assert (replaced["free_visits"] < without["free_visits"]).all()
    assert (replaced["free_visits"] > 0).all()
    assert (replaced["gmv"] <= without["gmv"] * (1 + 0.02 * drawn)).all()


def spent(scenario: Scenario, money: float, *, drawn: bool, seed: int) -> dict[str, np.ndarray]:
    """Totals of a plan that gives the new-customer scene some money."""
    chosen = plan(scenario, new_customer=money)
    if drawn:
        return lanes_of(sampled(scenario, [chosen], replications=2, seed=seed), "plan").totals
    return lanes_of(expected(scenario, [chosen]), "plan").totals


# --- whole-site promotion -----------------------------------------------------------------------

WHOLE_SITE = "scenes.harvest.bid={mode: roi_control, target: 6}"
COUNTING = "scenes.harvest.bid={mode: roi_control, target: 6, counts_organic: true}"
ALL_PHASES = "scenes.harvest.phases=[]"


@settings(max_examples=6)
@given(st.floats(0, 5), st.floats(0, 1), st.booleans(), st.integers(0, 2**32))
def test_the_lift_of_free_visits_never_passes_its_cap(
    kappa: float, cap: float, drawn: bool, seed: int
):
    sets = (f"scenes.harvest.organic_boost={kappa}", f"life_cycle.organic_boost_cap={cap}")
    options = {"replications": 2, "seed": seed} if drawn else {}
    run = sampled if drawn else expected
    lifts = lifts_of(brief(*sets, COUNTING, ALL_PHASES), run, **options)
    assert ((lifts >= 1) & (lifts <= 1 + cap)).all()
    assert lifts.max() > 1 or min(kappa, cap) < 1e-12
    if kappa * 0.05 > cap > 1e-9:
        assert lifts.max() == 1 + cap


@pytest.mark.parametrize("run", [expected, sampled])
def test_a_lift_ends_at_forty_per_cent_where_the_file_says_nothing_else(run):
    options = {"replications": 2} if run is sampled else {}
    scenario = brief("scenes.harvest.organic_boost=5", COUNTING, ALL_PHASES)
    assert lifts_of(scenario, run, **options).max() == 1.4


def lifts_of(scenario: Scenario, run: Callable[..., Outcomes], **options: int) -> np.ndarray:
    """What free visits of each product are multiplied by, day by day: [day, product, lane]."""
    seen = []

    def look(view):
        while view.floor.linkage:
            seen.append(view.floor.linkage.boost())
            yield 24 * 3600

    run(scenario, processes=[look], **options)
    return np.array(seen)


def test_whole_site_promotion_lifts_free_visits_and_profit():
    off, on, more = (
        one(expected(brief(f"scenes.harvest.organic_boost={k}", ALL_PHASES)), "visits", "profit")
        for k in (0, 0.5, 1)
    )
    assert off[0] < on[0] < more[0]
    assert off[1] < on[1] < more[1]


def test_a_target_that_counts_free_sales_lets_the_scene_spend_more():
    strict, counting, loose = (
        one(expected(minimal(bid, ALL_PHASES)), "spend", "cpm")
        for bid in (WHOLE_SITE, COUNTING, "scenes.harvest.bid={mode: max_amount}")
    )
    assert strict[0] < 0.97 * counting[0]
    assert counting[0] <= loose[0] * (1 + 1e-9)
    assert strict[1] < counting[1]


def test_halves_of_a_scene_that_counts_free_sales_do_what_the_whole_did():
    half = (
        "{preset: harvest, slots: [search_words, feed], phases: [], organic_boost: 1, budget: 20k, "
        "bid: {mode: roi_control, target: 6, counts_organic: true}}"
    )
    base = ("budget=200k", "plans.half_half=null", "plans.mostly_new=null")
    one_scene = minimal(f"scenes.harvest={half}", *base)
    two = minimal(f"scenes.harvest={half}", f"scenes.other={half}", *base)
    whole = expected(one_scene, [plan(one_scene, harvest=40_000)])
    parts = expected(two, [plan(two, harvest=20_000, other=20_000)])
    names = ("gmv", "spend", "visits", "contribution")
    assert one(parts, *names) == pytest.approx(one(whole, *names), rel=1e-9)


def test_each_parameter_of_the_linkage_changes_figures():
    target = "scenes.harvest.bid={mode: roi_control, target: 15, counts_organic: "
    base = (f"{target} true}}", ALL_PHASES, "scenes.harvest.organic_boost=1")
    usual = one(expected(brief(*base)), "gmv")[0]
    for change in (
        "life_cycle.organic_conversion=0.5", "life_cycle.organic_orders_scale=50", f"{target} false}}",
        "life_cycle.organic_boost_cap=0.05", "scenes.harvest.organic_boost=0.1",
        "sources.search.cannibalisation=20%",
    ):  # fmt: skip
        assert one(expected(brief(*base, change)), "gmv")[0] != pytest.approx(usual, rel=1e-6)


# --- commissioned media -------------------------------------------------------------------------


def partners(**fields: str) -> str:
    """Two partners of the brief world: an affiliate, and a creator with a fee who shows it to strangers."""
    affiliate = {"source": "recommend", "visits": "500", "bands": "{active: 1, customers: 3}"}
    affiliate |= {"cvr": "6%", "rate": "15%"} | fields
    creator = (
        "{source: search, visits: 300, bands: {outside: 1}, cvr: 2%, fee: 800, phases: [sale]}"
    )
    facts = ", ".join(f"{name}: {value}" for name, value in affiliate.items())
    return f"commissions={{affiliate: {{{facts}}}, creator: {creator}}}"


def test_commissioned_media_is_paid_by_what_it_sells_on_top_of_the_plan():
    outcomes = expected(brief(partners()))
    table = outcomes.commissions(outcomes.plans[0])
    refund = outcomes.sample(outcomes.plans[0], "refunds")
    paid = table["cost"]["affiliate"] / table["gmv"]["affiliate"]
    assert 0.15 * 0.93 < paid < 0.15 * 0.96  # commission on what is kept: 4 to 7% are refunded
    assert table["cost"]["creator"] == 800
    spend, media, net = one(outcomes, "spend", "commission_media", "net_spend")
    assert media == pytest.approx(table["cost"].sum())
    assert net == pytest.approx(spend + media)
    assert spend == pytest.approx(60_000)
    assert refund.top.min() > 0


def test_the_plan_without_ads_has_no_commissioned_media_and_a_plan_may_leave_it_out():
    scenario = brief(partners(), "plans.alone={new_customer: 50%, harvest: 50%, commissions: none}")
    some = brief(
        partners(), "plans.alone={new_customer: 50%, harvest: 50%, commissions: [creator]}"
    )
    outcomes, fewer = expected(scenario), expected(some)
    assert lanes_of(outcomes, "no ads").totals["commission_media"].tolist() == [0]
    assert one(outcomes, "commission_media", "visits", plan="alone")[0] == 0
    assert fewer.commissions("alone")["cost"].tolist() == [0, 800]
    with_all, without = one(outcomes, "gmv", "profit"), one(outcomes, "gmv", "profit", plan="alone")
    assert with_all[0] > without[0]
    plain = expected(brief("plans.alone={new_customer: 50%, harvest: 50%}"))
    assert without == pytest.approx(one(plain, "gmv", "profit", plan="alone"), rel=1e-12)


def test_visits_by_band_decide_how_many_customers_are_new():
    """The same visits of regular customers bring no new ones; of strangers they bring people to the brand."""
    base = one(expected(brief()), "new_customers")[0]
    regular, strangers = (
        one(expected(brief(partners(bands=bands))), "new_customers")[0] - base
        for bands in ("{customers: 1}", "{outside: 1, aware: 1}")
    )
    assert regular < 0.5 * strangers
    assert strangers > 20


@settings(max_examples=8)
@given(st.floats(5, 20_000), st.floats(0, 0.9), st.booleans(), st.integers(0, 2**32))
def test_a_cap_is_never_passed_and_is_used(cap: float, rate: float, drawn: bool, seed: int):
    """To the fen when drawn; the laws are checked in every run."""
    scenario = brief(partners(cap=f"{cap}", rate=f"{rate}", visits="20k"))
    run = sampled(scenario, replications=2, seed=seed) if drawn else expected(scenario)
    book = lanes_of(run, run.plans[0])
    cost, free = book.commissions["cost"][0], lanes_of(
        expected(brief(partners(rate=f"{rate}", visits="20k"))), run.plans[0]
    ).commissions["cost"][0]  # fmt: skip
    assert (cost <= cap).all()
    if drawn:
        fen = np.rint(book.commissions["cost"] * 100)
        assert np.array_equal(fen / 100, book.commissions["cost"])
    if cap < 0.5 * free.min():
        assert (cost > 0.9 * cap).all()


def test_partners_are_not_paid_for_orders_of_habit():
    """Who orders by habit comes without a visit: gmv per commissioned order stays that of an order."""
    start = "segments.shoppers.start.initial=10%"
    each = []
    for repeat in ((), ("chain.repeat={rate_365: 10}",)):
        outcomes = expected(brief(partners(), start, *repeat), attribution=True)
        gmv = outcomes.commissions(outcomes.plans[0])["gmv"].sum()
        each.append(gmv / one(outcomes, "orders_commissioned")[0])
    assert each[1] == pytest.approx(each[0], rel=0.05)


def test_more_commission_less_profit_at_the_same_sales():
    low, high = (one(expected(brief(partners(rate=r))), "gmv", "profit") for r in ("5%", "25%"))
    assert high[0] == pytest.approx(low[0], rel=1e-12)
    assert high[1] < low[1] - 1000


def test_visits_of_partners_replace_free_ones_where_their_source_says_so():
    free, replaced = (
        lanes_of(
            expected(brief(partners(), f"sources.recommend.cannibalisation={c}", MONEYLESS)), "x"
        )
        for c in (0, 0.3)
    )
    assert replaced.totals["free_visits"][0] < free.totals["free_visits"][0]
    assert replaced.totals["commission_visits"][0] > 0


MONEYLESS = "plans.x={new_customer: 0}"


def test_what_partners_brought_is_kept_on_disk(tmp_path):
    outcomes = expected(brief(partners()))
    write_outcomes(outcomes, tmp_path / "run")
    kept = read_outcomes(tmp_path / "run")
    plan_name = outcomes.plans[0]
    assert kept.commissions(plan_name).equals(outcomes.commissions(plan_name))
    assert kept.commissions(plan_name).loc["creator", "cost"] == 800


def test_uncertain_numbers_of_the_linkage_are_drawn_for_every_replication():
    unsure = (
        "sources.recommend.cannibalisation={value: 10%, sd: 30%}",
        "scenes.harvest.organic_boost={value: 0.5, sd: 30%}",
        partners(visits="{value: 500, sd: 30%}", rate="{value: 15%, sd: 20%}"),
    )
    run = sampled(brief(*unsure, COUNTING), replications=4, spreads=True)
    book = lanes_of(run, run.plans[0])
    visits, paid = book.commissions["visits"][0], book.commissions["cost"] / book.commissions["gmv"]
    assert np.ptp(visits) > 0.1 * visits.mean()
    assert np.ptp(paid[0]) > 0.01


# --- attribution --------------------------------------------------------------------------------

MODELS = ("last_touch", "first_touch", "even")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("drawn", [False, True])
def test_credited_and_organic_orders_are_all_paid_orders(model: str, drawn: bool):
    """Direct, indirect, presale, commissioned and organic, with contracts, presale and short stock."""
    scenario = everything(f"attribution.model={model}", EVERYWHERE)
    run = sampled(scenario, replications=2, attribution=True) if drawn else expected(
        scenario, attribution=True
    )  # fmt: skip
    book = run.book
    parts = [
        book.scenes[f"orders_{kind}"].sum(axis=0) for kind in ("direct", "indirect", "presale")
    ]
    parts += [book.totals[f"orders_{kind}"] for kind in ("commissioned", "organic")]
    assert all(part.max() > 0 and part.min() >= -1e-9 for part in parts)
    assert_allclose(sum(parts), book.totals["paid_orders"], rtol=1e-9)
    assert_allclose(sum(parts[:3]), book.scenes["orders_attributed"].sum(axis=0), rtol=1e-9)


EVERYWHERE = "commissions={star: {source: search, visits: 900, bands: {aware: 1, active: 1}, cvr: 3%, rate: 10%}}"


def test_the_model_of_attribution_moves_credit_and_nothing_else():
    last, first, even = (
        expected(minimal(f"attribution.model={m}"), attribution=True) for m in MODELS
    )
    gmv, profit, roas, organic = zip(
        *(one(run, "gmv", "profit", "roas", "orders_organic") for run in (last, first, even)),
        strict=True,
    )
    assert len(set(gmv)) == len(set(profit)) == 1
    assert roas == pytest.approx([roas[0]] * 3, rel=0.01)  # order values differ by segment only
    assert organic == pytest.approx([organic[0]] * 3, rel=1e-9)
    opener, harvest = (
        [
            run.scenes(run.plans[0])[scene]["orders_attributed"]["mean"]
            for run in (last, first, even)
        ]
        for scene in ("new_customer", "harvest")
    )
    assert opener[0] < opener[2] < opener[1]
    assert harvest[0] > harvest[2] > harvest[1]
    assert opener[2] == pytest.approx((opener[0] + opener[1]) / 2)


def test_a_run_that_follows_no_orders_knows_no_parts_of_them():
    metrics = expected(brief()).metrics("half_half")
    names = ("orders_direct", "orders_indirect", "orders_presale", "orders_organic")
    assert [metrics[name]["mean"] for name in names] == [None] * 4


# --- any chunk ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("drawn", [False, True])
def test_every_lane_is_the_same_in_any_company(monkeypatch, drawn: bool):
    scenario = Scenario.model_validate(linked())
    plans = [stress.plan(scenario), Plan.even(scenario)]
    run = (lambda p: sampled(scenario, p, replications=3, attribution=True)) if drawn else (
        lambda p: expected(scenario, p, attribution=True)
    )  # fmt: skip
    together, alone = run(plans), run(plans[1:])
    assert differing(lanes_of(together, "even"), lanes_of(alone, "even")) == []
    monkeypatch.setattr(lanes, "PLANS_AT_ONCE", 2)
    monkeypatch.setattr(lanes, "LANES_AT_ONCE", 2)
    assert differing(together.book, run(plans).book) == []


# --- agreement ----------------------------------------------------------------------------------

ALL_TOGETHER = (
    partners(cap="4000"), COUNTING.replace("6", "15"), ALL_PHASES, "attribution.model=even",
    "sources.recommend.cannibalisation=20%", "scenes.harvest.organic_boost=1",
)  # fmt: skip


def test_a_finer_clock_changes_little():
    """docs/model.md, section 16: at most 0.5% of gmv, new customers and spend, 0.01 of roi."""
    clocks = [f"calendar.phases.{phase}.clock=1h" for phase in ("normal", "sale")]
    coarse, fine = (
        one(expected(brief(*ALL_TOGETHER, *sets)), "gmv", "new_customers", "spend", "roi")
        for sets in ((), clocks)
    )
    assert fine[:3] == pytest.approx(coarse[:3], rel=0.005)
    assert abs(fine[3] - coarse[3]) < 0.01


def test_drawn_runs_are_the_mean_field_on_average():
    scenario = brief(*ALL_TOGETHER)
    names = (
        "gmv",
        "spend",
        "commission_media",
        "orders_direct",
        "orders_indirect",
        "orders_organic",
    )
    mean = one(expected(scenario, attribution=True), *names)
    drawn = one(sampled(scenario, replications=48, attribution=True), *names)
    assert drawn == pytest.approx(mean, rel=0.012)


def test_the_stress_scenario_strains_the_linkage():
    """Both caps bind in the scenario on which the twin agrees."""
    scenario, seen = Scenario.model_validate(linked()), []

    def look(view):
        while True:
            seen.append(view.floor.linkage.boost().copy())
            yield 24 * 3600

    run = expected(scenario, [stress.plan(scenario)], processes=[look])
    assert np.array(seen).max() == 1.35
    cost = run.commissions("stress")["cost"]
    assert cost["taoke"] == pytest.approx(2500, rel=1e-3)
    assert cost["star"] > 3000


@pytest.mark.parametrize("run", [expected, sampled])
def test_what_a_whole_site_scene_knows_on_the_first_day_does_not_hang_on_other_plans(run) -> None:
    """It begins at noon; only another plan has money in the morning."""
    scenario = minimal(
        "calendar.phases.normal={start: 2021-03-20, clock: 6h}", "calendar.end=2021-03-25",
        "calendar.phases.sale={start: 2021-03-20 12:00, traffic: 2, cvr: 2.2, clock: 6h}",
        "scenes.harvest={preset: harvest, slots: [search_words, feed], budget: 30k, phases: [sale], "
        "bid: {mode: roi_control, target: 6, counts_organic: true}}",
    )  # fmt: skip
    options = {"replications": 2} if run is sampled else {}
    own, other = plan(scenario, "own", harvest=3e4), plan(scenario, "other", new_customer=3e4)
    beside, alone = (run(scenario, plans, **options) for plans in ([other, own], [own]))
    assert np.array_equal(beside.values("own", "gmv"), alone.values("own", "gmv"))
