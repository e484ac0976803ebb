"""What products can be besides a price: rows of many items, generations, creatives, tests, a halo."""

from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from simulator.engine.lanes import Chunk
from simulator.engine.run import Run
from simulator.engine.simulate import make_grid, simulate
from simulator.market.build import build_world
from simulator.market.choice import mean_of_best, start_trials, told
from simulator.market.draws import Expected, Sampled
from simulator.market.lifecycle import LifeCycles
from simulator.outcomes.ledger import Ledger
from simulator.outcomes.metrics import items_above, tail_shares
from simulator.outcomes.store import read_outcomes, write_outcomes
from simulator.scenario.goods import PRODUCT_STAGES, LifeCycle, Product
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.scenes import Creatives, Explore
from simulator.scenario.schema import Scenario
from tests.engine import stress
from tests.worlds import brief, differing, expected, lanes_of, minimal, one, plan, sampled

# --- many items in one row ----------------------------------------------------------------------


def test_a_row_of_items_is_so_many_products_that_are_alike():
    rules = ("products.coffee.product_stage=potential", "life_cycle.category_orders=8")
    tea = "{price: 120, margin: 55%, discount: {sale: 15%}, product_stage: potential}"
    three = minimal(*rules, *(f"products.tea{n}={tea}" for n in range(2)))
    row = minimal(*rules, "products.coffee.items=3")
    names = ("gmv", "new_customers", "visits", "refunds", "profit", "asset_value")
    figures = one(expected(row), *names)
    assert figures == pytest.approx(one(expected(three), *names), rel=1e-9)
    assert figures[0] < 0.99 * one(expected(minimal(*rules)), "gmv")[0]


def test_the_tail_is_read_after_the_run_and_kept_with_it(tmp_path):
    scenario = minimal("products.coffee.items=14", "products.coffee.tail=0.8")
    outcomes = expected(scenario)
    gmv = one(outcomes, "gmv")[0]
    least = gmv * tail_shares(14, 0.8)[4]
    table = outcomes.items("half_half", least=least * (1 - 1e-12))
    assert table.loc["coffee", "items_above"] == 5
    assert (
        read_outcomes(write_outcomes(outcomes, tmp_path))
        .items("half_half")
        .equals(outcomes.items("half_half"))
    )
    same = expected(minimal("products.coffee.items=14", "products.coffee.tail=2"))
    assert one(same, "gmv") == [gmv]


@pytest.mark.parametrize(("items", "tail"), [(1, 1.0), (7, 0.0), (200, 1.0), (50, 3.0)])
def test_items_above_counts_ranks(items: int, tail: float):
    shares = np.arange(1.0, items + 1) ** -tail
    shares /= shares.sum()
    sales = np.array([0.0, 1e3, 5e6, 1e9])
    counted = [(total * shares >= 1e6).sum() for total in sales]
    assert items_above(sales, items, tail, 1e6).tolist() == counted


# --- samples ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("run", [expected, sampled])
def test_samples_cost_a_part_of_the_price_until_the_launch(run):
    """The same orders, for less; what is bought after the last day of advertising is launched."""
    sample = ("products.coffee.product_stage=sampling", "products.coffee.launch=2021-03-28 23:59")
    found, full = (
        run(minimal(*sample, f"life_cycle.price=[{part}, 1, 1, 1, 1, 1]")) for part in (0.3, 1)
    )
    names = ("paid_orders", "refunds", "gmv_campaign", "gmv", "contribution")
    less, usual = (dict(zip(names, one(x, *names), strict=True)) for x in (found, full))
    for same in ("paid_orders", "refunds"):
        assert less[same] == pytest.approx(usual[same])
    assert less["gmv_campaign"] == pytest.approx(0.3 * usual["gmv_campaign"], rel=1e-3)
    late = usual["gmv"] - usual["gmv_campaign"]
    assert 0.7 * late < less["gmv"] - less["gmv_campaign"] < late * (1 + 1e-9)
    assert less["contribution"] < 0 < usual["contribution"]


@pytest.mark.slow
@pytest.mark.parametrize("run", [expected, sampled])
def test_no_stage_takes_a_price_below_the_salvage_value(run):
    """A sample for 36 of 120 is sold for the 50 that it is worth, before a coupon of the platform and after."""
    sample = ("products.coffee.product_stage=sampling", "products.coffee.launch=2021-03-28 23:59",
              "products.coffee.discount={sale: 30%}", "products.coffee.stock=90k",
              "incentives.coupons.aid={platform: 10%}")  # fmt: skip
    floor, free = (
        run(minimal(*sample, f"products.coffee.salvage={x}")).book.totals for x in (50, 0)
    )
    orders = free["gmv_campaign"]
    assert (floor["paid_orders"] == free["paid_orders"]).all()
    assert (floor["gmv_campaign"] >= orders * 50 / 36 - 1e-6).all()
    assert (floor["gmv_campaign"] <= orders * 50 / (36 * 0.7) + 1e-6).all()


@given(
    stage=st.lists(st.floats(0.01, 1), min_size=6, max_size=6),
    price=st.lists(st.floats(0, 1.2), min_size=6, max_size=6),
    salvage=st.floats(0, 60),
)
def test_the_price_is_the_mean_of_the_stages_prices(stage, price, salvage: float):
    """Of those that are paid, by order: where half of a row of items is a sample, more than half of its
    orders are at the salvage value, for samples are bought more readily.
    """
    shop = minimal(f"life_cycle.price={price}", f"products.coffee.salvage={salvage}",
                   "products.coffee.discount={sale: 40%}", "products.coffee.stock=9k")  # fmt: skip
    goods = build_world(shop, make_grid(shop)).goods
    cycles = LifeCycles(goods, shop.life_cycle, sampled=False)
    shelf = cycles.start(1, Expected(1))
    shelf.stage = np.array(stage)[:, None, None] / sum(stage)
    phases = [f for f, _ in sorted(shop.calendar.phases.items(), key=lambda item: item[1].start)]
    for f, cut in ((phases.index("normal"), 0.0), (phases.index("sale"), 0.4)):
        paid = [max(120 * (1 - cut) * x, salvage) for x in price]
        orders = np.multiply(stage, shop.life_cycle.cvr)
        mean = np.dot(orders, paid) / sum(orders)
        found = goods.price[f, 0, 0] * cycles.price(shelf, f)[0, 0]
        assert found == pytest.approx(mean, rel=1e-9, abs=1e-9)


# --- generations --------------------------------------------------------------------------------


def test_fortune_makes_few_winners_among_many():
    """The same launch again and again: half of the runs stay below the mean, and a tenth sell far more than theirs."""
    tried = {}
    for spread in (0, 1):
        scenario = brief(f"products.coffee.luck_sd={spread}", "life_cycle.organic_orders=0")
        gmv = np.sort(
            sampled(scenario, [Plan.even(scenario)], replications=160).values("even", "gmv")
        )
        tried[spread] = gmv[-16:].sum() / gmv.sum(), np.median(gmv) / gmv.mean()
    assert tried[0][0] < 0.12 and tried[1][0] > 0.18
    assert tried[1][1] < 0.93 < tried[0][1]


def test_a_generation_has_the_power_that_the_one_before_it_left():
    third = minimal("products.coffee.generation=3", "life_cycle.generation_decay=20%")
    weaker = minimal("products.coffee.product_power=0.64")
    names = ("gmv", "new_customers", "profit", "asset_value")
    assert one(expected(third), *names) == pytest.approx(one(expected(weaker), *names), rel=1e-12)


def test_the_decay_may_be_uncertain():
    spread = minimal(
        "products.coffee.generation=3", "life_cycle.generation_decay={low: 10%, high: 20%}"
    )
    drawn = simulate(spread, replications=8, daily=False, attribution=False)
    assert drawn.chance_only is not None
    gap = drawn.values("half_half", "gmv") / drawn.chance_only.values("half_half", "gmv")
    assert gap.min() < 0.99
    assert gap.max() > 1.01


# --- creatives ----------------------------------------------------------------------------------

TWENTY = "scenes.new_customer.creatives={count: 20, sd: 0.4, cost: 30}"


def test_the_best_creative_is_a_better_creative():
    """The gain is one of `creative`: the same clicks as with so much better a picture."""
    scenario = minimal(TWENTY, "slots.feed.ctr=5%")
    rate = 0.05 * 0.95 * 2000
    gain = float(mean_of_best(told(np.array(0.4), np.array(rate)), np.array(20.0)))
    assert gain > 1.7
    better = minimal(f"scenes.new_customer.creative={gain!r}", "slots.feed.ctr=5%")
    names = ("clicks", "gmv", "new_customers")
    assert one(expected(scenario), *names) == pytest.approx(one(expected(better), *names))


def test_creatives_cost_the_scenes_that_run():
    cheap, dear = (
        expected(minimal(TWENTY, f"scenes.new_customer.creatives.cost={x}")) for x in (0, 30)
    )
    for name in dear.plans:
        without, with_cost = (one(x, "profit", plan=name)[0] for x in (cheap, dear))
        assert without - with_cost == pytest.approx(20 * 30)
    assert one(cheap, "profit", plan="no ads") == one(dear, "profit", plan="no ads")


def test_one_creative_and_a_choice_without_a_test_change_nothing():
    names = ("clicks", "gmv", "profit")
    plain = one(expected(minimal()), *names)
    for choice in ("{count: 1, sd: 0.9}", "{count: 50, test_impressions: 0}", "{count: 9, sd: 0}"):
        chosen = expected(minimal(f"scenes.new_customer.creatives={choice}"))
        assert one(chosen, *names) == pytest.approx(plain, rel=1e-12)


def test_drawn_creatives_are_as_good_as_expected_ones_on_average():
    """Clicks of a fixed bid are nearly in proportion to the click odds."""
    bid = "scenes.new_customer.bid={mode: custom_bid, cost_per: impression, target: 40}"
    scenario = brief(TWENTY, bid, "scenes.new_customer.prediction=0")
    drawn = sampled(scenario, replications=400)
    clicks = drawn.values("mostly_new", "clicks")
    error = clicks.std(ddof=1) / np.sqrt(400)
    assert error > 0.005 * clicks.mean()
    assert abs(clicks.mean() - one(expected(scenario), "clicks", plan="mostly_new")[0]) < 4 * error


def test_the_fortune_of_creatives_is_the_same_for_all_plans():
    """And one plan alone, or other replications beside it, change nothing."""
    scenario = brief(TWENTY)
    plans = plans_of(scenario)
    every, some = (
        sampled(scenario, plans, replications=20),
        sampled(scenario, plans[1:], replications=5),
    )
    ours = lanes_of(every, plans[1].name).lanes(np.arange(5))
    assert differing(ours, lanes_of(some, plans[1].name)) == []


# --- product tests ------------------------------------------------------------------------------

TRIAL = (
    "scenes.trial={audience: {outside: 100%, aware: 100%}, bid: {cost_per: click}, slots: [feed], prediction: 0, "
    "explore: {product: coffee, variants: 6, sd: 50%, decide_at: 2021-03-24}, budget: 0}",
)


def trial_world(*sets: str) -> Scenario:
    return brief(*TRIAL, "budget=100k", "plans=null", *sets)


def run_of(scenario: Scenario, *amounts: float, sampled: bool = False, count: int = 1) -> Run:
    """Plans that spend so much on the test, and the zero-spend plan."""
    plans = [plan(scenario, f"{x:g}", trial={"normal": x}) for x in amounts]
    chunk = Chunk((*plans, Plan.none(scenario)), tuple(range(count)))
    world = build_world(scenario, make_grid(scenario))
    run = Run(world, chunk, 3, sampled=sampled, daily=False)
    run.go()
    return run


def test_a_test_that_buys_more_orders_chooses_better():
    run = run_of(trial_world(), 50.0, 1e3, 2e4)
    (trial,) = run.floor.trials
    assert trial.orders[-1] == 0
    assert (np.diff(trial.orders[:3]) > 0).all()
    gain = run.floor.assortment.luck[0]
    heard = np.sqrt(1 / (1 + 6 / (0.25 * np.maximum(trial.orders, 1e-12))))
    assert gain == pytest.approx(mean_of_best(0.5 * heard, np.array(6.0)))
    assert gain[-1] == pytest.approx(1)
    assert 1.01 < gain[0] < gain[1] < gain[2] < mean_of_best(np.array(0.5), np.array(6.0))


def test_orders_seen_are_those_of_the_scene_until_the_decision():
    """Nobody else is advertised to: seen orders are what the ads bought, the late ones left out."""
    early = trial_world("scenes.trial.explore.decide_at=2021-03-22")
    late = trial_world(
        "scenes.trial.explore.decide_at=2021-03-28 23:00", "scenes.trial.explore.sd=0"
    )
    seen = [run_of(scenario, 2e4).floor.trials[0].orders[0] for scenario in (early, late)]
    assert 0.2 < seen[0] / seen[1] < 0.5
    tea = "{price: 120, margin: 55%, discount: {sale: 15%}}"
    shared = trial_world(f"products.tea={tea}", "scenes.trial.explore.sd=0")
    whole = trial_world("scenes.trial.explore.sd=0")
    half = [run_of(scenario, 2e4).floor.trials[0].orders[0] for scenario in (shared, whole)]
    assert half[0] == pytest.approx(half[1] / 2, rel=0.01)


def test_drawn_tests_choose_as_well_as_expected_on_average():
    world = trial_world()
    (mean,) = run_of(world, 3e3).floor.trials
    rules = build_world(world, make_grid(world)).trials
    assert rules is not None
    draws = Sampled(
        5, list(range(4096)), 1, {x: rules.cells for x in ("variant", "variant_measured")}
    )
    (drawn,) = start_trials(rules, draws, 4096, sampled=True)
    drawn.orders += mean.orders[0]
    for found, wanted in ((drawn.before(), 1.0), (drawn.chosen(), mean.chosen()[0])):
        assert abs(found.mean() - wanted) < 4 * found.std() / 64


def test_more_seen_finds_the_true_best_more_often_with_the_same_luck():
    run = run_of(trial_world(), 50.0, 5e4, sampled=True, count=16)
    (trial,) = run.floor.trials
    true, best = trial.chosen().reshape(3, 16), trial.values.max(axis=0)[:16]
    right = (true == best).sum(axis=1)
    assert right[1] > right[0] >= 1
    assert np.array_equal(trial.true[:, :16], trial.true[:, 16:32])
    assert (true[1] >= true[2] - 1e-12).mean() > 0.8


def test_a_test_of_variants_that_are_alike_changes_nothing():
    names = ("gmv", "new_customers", "profit")
    worlds = trial_world("scenes.trial.explore.sd=0"), trial_world("scenes.trial.explore=null")
    plans = [plan(world, trial={"normal": 2e4}) for world in worlds]
    alike, without = (
        one(expected(world, [p]), *names) for world, p in zip(worlds, plans, strict=True)
    )
    assert alike == pytest.approx(without, rel=1e-12)


def test_a_test_changes_nothing_before_its_decision():
    """The daily book of the days before is that of a world without a test."""
    worlds = trial_world(), trial_world("scenes.trial.explore=null")
    days = [
        expected(world, [plan(world, trial={"normal": 2e4})], daily=True).days("plan")["gmv"]
        for world in worlds
    ]
    assert days[0][:4].tolist() == days[1][:4].tolist()
    assert (days[0][4:9] > 1.02 * days[1][4:9]).all()


@pytest.mark.parametrize("sampled_mode", [False, True])
def test_the_world_of_choices_keeps_the_laws_in_any_chunk(sampled_mode: bool):
    """`Run.go` checks the laws; the second plan alone with some replications is the same to the bit."""
    scenario = Scenario.model_validate(stress.shelf())
    spent = stress.plan(scenario)
    half = {s: {f: x / 2 for f, x in cells.items()} for s, cells in spent.money.items()}
    plans = (spent, Plan("half", half, spent.packages), Plan.none(scenario))
    world = build_world(scenario, make_grid(scenario))

    def go(chosen: tuple[Plan, ...], replications: tuple[int, ...]) -> Ledger:
        return Run(world, Chunk(chosen, replications), 3, sampled=sampled_mode, daily=False).go()

    every, some = go(plans, (0, 1, 2, 3, 4)), go(plans[1:], (1, 2, 3))
    assert differing(every.lanes(np.arange(6, 9)), some.lanes(np.arange(3))) == []


# --- the halo of a hit --------------------------------------------------------------------------

STORE = (
    "products.tea={price: 90, margin: 50%}",
    "products.coffee.product_stage=hit",
    "scenes.new_customer.products={coffee: 1}",
    "scenes.harvest.products={coffee: 1}",
)
PULL = ("life_cycle.halo=20%", "life_cycle.halo_cvr=8%")


def test_looks_buy_the_other_products_and_count_as_free_visits():
    apart, pull = expected(brief(*STORE)), expected(brief(*STORE, *PULL))
    before, after = (x.products("half_half")["paid_orders"] for x in (apart, pull))
    assert after["tea"] > 1.5 * before["tea"]
    assert after.sum() > 1.15 * before.sum()
    assert (
        after["coffee"] > 0.8 * before["coffee"]
    )  # baskets hold tea beside it, in the mix of orders
    first, second = (x.book.totals for x in (apart, pull))
    assert second["paid_visits"] == pytest.approx(first["paid_visits"], rel=0.02)
    looks = second["free_visits"][0] - first["free_visits"][0]
    hits = first["paid_visits"][0] + first["free_visits"][0] / 2
    assert looks == pytest.approx(0.2 * hits, rel=0.15)  # not all stay hits, and free visits grow


def test_a_hit_alone_has_no_halo():
    alone = "products.coffee.product_stage=hit"
    names = ("gmv", "visits", "new_customers", "profit")
    without, pull = (one(expected(minimal(alone, *more)), *names) for more in ((), PULL))
    assert pull == pytest.approx(without, rel=1e-12)


def test_what_looks_buy_is_credited_to_the_scene_of_the_visit():
    runs = [expected(brief(*STORE, *more), attribution=True) for more in ((), PULL)]
    credit = [x.scenes("half_half")["new_customer"]["gmv_attributed"]["mean"] for x in runs]
    assert None not in credit
    assert credit[1] > 1.02 * credit[0]
    visits = [x.scenes("half_half")["new_customer"]["visits"]["mean"] for x in runs]
    assert visits[1] == pytest.approx(visits[0], rel=0.02)


def test_drawn_halos_scatter_around_the_expected_one():
    scenario = brief(*STORE, *PULL, "life_cycle.core_days=3650", "life_cycle.decline_days=3650")
    drawn, mean = sampled(scenario, replications=100), expected(scenario)
    for name in ("paid_orders", "new_customers", "gmv"):
        values = drawn.values("half_half", name)
        error = values.std(ddof=1) / 10
        assert abs(values.mean() - one(mean, name)[0]) < max(4 * error, 1e-3 * values.mean())


@pytest.mark.parametrize(
    "setting",
    [
        {"items": 6}, {"generation": 2}, {"generation_decay": 0.1}, {"halo": 0.2}, {"halo_cvr": 0.09},
        {"count": 4}, {"sd": 0.5}, {"test_impressions": 900.0}, {"variants": 4},
        {"decide_at": datetime(2020, 11, 5)}, {"product": "x"},
    ],
    ids=lambda setting: next(iter(setting)),
)  # fmt: skip
def test_everything_about_products_matters_in_the_world_of_the_twin(setting: dict[str, Any]):
    scenario = Scenario.model_validate(stress.shelf())
    after = np.array(gmv_and_clicks(changed(scenario, setting)))
    assert (np.abs(after / np.array(standard()) - 1) > 1e-5).any()


@cache
def standard() -> list[float]:
    return gmv_and_clicks(Scenario.model_validate(stress.shelf()))


def gmv_and_clicks(scenario: Scenario) -> list[float]:
    return one(expected(scenario, [stress.plan(scenario)]), "gmv", "clicks")


def changed(part: Any, setting: dict[str, Any]) -> Any:
    """The part of a scenario with other choices, halo and products, wherever they stand."""
    if isinstance(part, dict):
        return {key: changed(item, setting) for key, item in part.items()}
    if not isinstance(part, BaseModel):
        return part
    inner = {name: changed(getattr(part, name), setting) for name in type(part).model_fields}
    own = setting if isinstance(part, LifeCycle | Product | Creatives | Explore) else {}
    return part.model_copy(update=inner | {k: x for k, x in own.items() if k in inner})


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    halo=st.floats(0, 1), cvr=st.floats(0, 0.3), stock=st.integers(0, 400), drawn=st.booleans(),
    stage=st.sampled_from(PRODUCT_STAGES),
)  # fmt: skip
def test_a_halo_keeps_the_laws_and_never_sells_less(
    halo: float, cvr: float, stock: int, drawn: bool, stage: str
):
    """`Run.go` checks the laws. Carts take the mix of the looks, and some then wait for what is sold out."""
    sets = (*STORE, f"products.coffee.product_stage={stage}", f"products.tea.stock={stock}")
    worlds = [
        brief(*sets, f"life_cycle.halo={x:.6f}", f"life_cycle.halo_cvr={cvr:.6f}")
        for x in (halo, 0)
    ]
    mode = sampled if drawn else expected
    pull, apart = (
        mode(world, replications=4).book.products["paid"].sum(axis=1) for world in worlds
    )
    assert pull.sum() >= apart.sum() * 0.98
