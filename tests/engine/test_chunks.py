"""How a run is cut into pieces changes nothing, and what takes no part changes nothing.

Chance is found by name, never by order of call, and no sum depends on its neighbours; so all of
these are equal to the last bit, unless a test says otherwise.
"""

import json
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

from simulator.engine import lanes
from simulator.engine.lanes import Chunk
from simulator.engine.media import Media
from simulator.engine.simulate import Job, run_job, simulate
from simulator.outcomes.ledger import Ledger
from simulator.scenario import parse_scenario
from simulator.scenario.plan import Plan, plans_of
from tests.worlds import (
    SCENARIOS,
    apart,
    booked,
    brief,
    coffee,
    differing,
    everything,
    expected,
    figures,
    lanes_of,
    one,
    plan,
    sampled,
    totals,
)

COUNT = 18  # replications: more than one block of 16, and not a whole number of them
CUTS = {
    "an odd block": (7, 64, 7),
    "two blocks": (32, 64, 32),
    "two plans at a time": (16, 2, 16),
    "one plan at a time": (6, 1, 6),
}
"""Replications in a block, plans at once, lanes at once."""


def cut(monkeypatch, block: int, plans: int, at_once: int) -> None:
    monkeypatch.setattr(lanes, "BLOCK", block)
    monkeypatch.setattr(lanes, "PLANS_AT_ONCE", plans)
    monkeypatch.setattr(lanes, "LANES_AT_ONCE", at_once)


def as_bytes(outcomes) -> bytes:
    return json.dumps(outcomes.as_json(), allow_nan=False).encode()


# --- cutting ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("world", [brief, booked, everything])
def test_any_chunks_give_the_same_book(monkeypatch, world, name: str):
    scenario = world()
    plans = [Plan.even(scenario), short(scenario)]
    if world not in _WHOLE:
        _WHOLE[world] = sampled(scenario, plans, **DRAWN).book
    cut(monkeypatch, *CUTS[name])
    assert differing(_WHOLE[world], sampled(scenario, plans, **DRAWN).book) == []


DRAWN: dict[str, Any] = {"replications": COUNT, "daily": True, "attribution": True}
_WHOLE: dict[Callable, Ledger] = {}
"""Books that were not cut; `cut` is undone after each test."""


@pytest.mark.parametrize("name", CUTS)
def test_any_chunks_give_the_same_mean_field(monkeypatch, name: str):
    scenario = everything("products.hit.luck_sd=30%")
    plans = [Plan.even(scenario), short(scenario)]
    whole = expected(scenario, plans, daily=True, attribution=True)
    assert whole.replications == 16  # points of two shocks
    cut(monkeypatch, *CUTS[name])
    assert differing(whole.book, expected(scenario, plans, daily=True, attribution=True).book) == []


def short(scenario) -> Plan:
    """A third of the money, no contracts but signed ones."""
    part = {name: 0.3 / len(scenario.scenes) for name in scenario.scenes}
    return plan(scenario, "short", packages="none", **part)


def test_drawn_numbers_do_not_depend_on_the_chunks(monkeypatch):
    scenario = brief()
    whole = simulate(scenario, replications=COUNT)
    cut(monkeypatch, 8, 2, 8)
    parts = simulate(scenario, replications=COUNT)
    assert as_bytes(parts) == as_bytes(whole)
    assert whole.chance_only
    assert parts.chance_only
    assert differing(whole.chance_only.book, parts.chance_only.book) == []


def test_a_lane_that_is_left_over_equals_itself_in_company():
    """The zero-spend plan of 64 plans would have a chunk to itself, of one lane."""
    scenario = brief("calendar.end=2021-03-27")
    crowd = [plan(scenario, f"p{n}", harvest=100.0 * n + 2) for n in range(64)]
    few, many = expected(scenario, crowd[:2]), expected(scenario, crowd)
    assert differing(lanes_of(few, "no ads"), lanes_of(many, "no ads")) == []
    assert differing(lanes_of(few, "p1"), lanes_of(many, "p1")) == []


@pytest.mark.parametrize("run", [expected, sampled])
@pytest.mark.parametrize("world", [brief, booked, everything])
def test_few_lanes_are_summed_as_many_are(monkeypatch, world, run):
    scenario, options = world(), {"daily": True, "attribution": True}
    options |= {"replications": 3} if run is sampled else {}
    few = run(scenario, plans_of(scenario)[:2], **options).book
    for place in FEW:
        monkeypatch.setattr(place, 0)
    assert differing(few, run(scenario, plans_of(scenario)[:2], **options).book) == []


FEW = (
    "simulator.market.groups.FEW",
    "simulator.market.audience.FEW",
    "simulator.market.auction.SMALL",
    "simulator.market.columns.LITTLE",
    "simulator.market.bounds.LARGE",
)
"""Where another way is taken for few lanes."""


# --- company ------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", [brief, booked, everything])
def test_a_plan_alone_equals_the_plan_among_others(world):
    scenario = world()
    even, other = Plan.even(scenario), short(scenario)
    both = sampled(scenario, [even, other], replications=5)
    swapped = sampled(scenario, [other, even], replications=5)
    single = sampled(scenario, [even], replications=5)
    for run in (swapped, single):
        for name in ("even", "no ads"):
            assert differing(lanes_of(both, name), lanes_of(run, name)) == []
    assert differing(lanes_of(both, "short"), lanes_of(swapped, "short")) == []


@pytest.mark.parametrize("spreads", [False, True])
def test_more_replications_never_change_the_first(spreads: bool):
    scenario = brief()
    few = simulate(scenario, replications=5, spreads=spreads, daily=False)
    many = simulate(scenario, replications=40, spreads=spreads, daily=False)
    for name in (*few.plans, "no ads"):
        first = lanes_of(many, name).lanes(np.arange(5))
        assert differing(first, lanes_of(few, name)) == []


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    first, again, other = (
        simulate(brief(), replications=4, seed=seed, daily=False) for seed in (5, 5, 6)
    )
    assert as_bytes(first) == as_bytes(again)
    assert as_bytes(first) != as_bytes(other)


@pytest.mark.slow
def test_other_processes_give_the_same_bytes(monkeypatch):
    cut(monkeypatch, 8, 2, 8)
    here = simulate(brief(), replications=17, daily=False)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        there = simulate(brief(), replications=17, daily=False, executor=pool)
    assert as_bytes(here) == as_bytes(there)
    assert differing(here.book, there.book) == []


@pytest.mark.parametrize(
    ("plans", "alone", "shared"),
    [(7, [7], [7]), (8, [8], [4, 4]), (61, [61], [31, 30]), (129, [43] * 3, [33, 32, 32, 32])],
)
def test_shared_chunks_come_in_even_numbers(plans: int, alone: list[int], shared: list[int]):
    every = [Plan.none(brief())] * plans
    for sizes, option in ((alone, False), (shared, True)):
        chunks = list(lanes.make_chunks(every, 8, shared=option))
        assert [len(chunk.plans) for chunk in chunks] == sizes


def test_a_chunk_sends_little_home_beside_its_book():
    scenario = brief()
    chunk = Chunk((Plan.even(scenario), Plan.none(scenario)), tuple(range(16)))
    job = Job(scenario, chunk, 1, sampled=True, spreads=True, daily=False, attribution=False)
    result = run_job(job)
    assert len(pickle.dumps(result)) - len(pickle.dumps(result.book)) < 3_000


# --- what takes no part -------------------------------------------------------------------------

IDLE = {
    "a scene": ("scenes.idle.preset=live", "scenes.idle.slots={slots}"),
    "a product": ("products.unsold={{price: 999, margin: 10%, organic: 0}}",),
    "a slot": (
        "slots.unused.preset=bytedance",
        "slots.unused.source=search",
        "slots.unused.opportunities=1m",
    ),
}


@pytest.mark.parametrize("name", IDLE)
@pytest.mark.parametrize("run", [expected, sampled])
def test_what_nobody_uses_changes_no_figure_of_the_brief_world(run, name: str):
    own = [f"scenes.{scene}.products={{coffee: 1}}" for scene in ("new_customer", "harvest")]
    idle = [text.format(slots="[search_words, feed]") for text in IDLE[name]]
    assert_same_figures(run, brief(*own), brief(*own, *idle), 0 if run is sampled else 1e-12)


@pytest.mark.parametrize("name", IDLE)
def test_what_nobody_uses_changes_no_draw_of_the_coffee_world(name: str):
    every = "{instant_capsules: 1, drip_bags: 1, latte_powder: 1, cold_brew: 1, gift_box: 1}"
    own = [f"scenes.{scene}.products={every}" for scene in ("harvest", "member_recall")]
    own += [f"calendar.phases.{wave}.clock=4h" for wave in ("wave_1", "wave_2")]
    idle = [text.format(slots="[live_feed, bytedance, recommend_feed]") for text in IDLE[name]]
    assert_same_figures(sampled, coffee(*own), coffee(*own, *idle), 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("run", [expected, sampled])
def test_scenes_that_are_closed_might_as_well_stand_open_without_money(monkeypatch, run):
    """Uses of scenes that are closed in a phase, or have no money in any plan, are left out."""
    scenario = coffee("scenes.live.daily_cap=100k")
    plans = [plan(scenario, packages="none", new_customer=0.5, live=0.5)]
    laid_out = []
    options = {"daily": True, "attribution": True}
    if run is sampled:
        options["replications"] = 2
    usual = run(scenario, plans, **options)

    def every_use(self: Media) -> np.ndarray:
        laid_out.append(len(self.floor.world.media.scene) - len(of_some(self)))
        return np.arange(len(self.floor.world.media.scene))

    of_some = Media._open_uses
    monkeypatch.setattr(Media, "_open_uses", every_use)
    assert differing(usual.book, run(scenario, plans, **options).book) == []
    assert len(set(laid_out)) > 1
    assert max(laid_out) > 0


def test_a_scene_that_opens_in_a_later_part_of_a_phase_unsettles_nobody():
    """A phase that continues another is the same market: bids go on, whoever joins."""
    sets = ("calendar.phases.later={start: 2021-03-23, continues: normal}",)
    alone, joined = (
        brief(*sets, f"scenes.harvest.phases={phases}") for phases in ("[sale]", "[later, sale]")
    )
    money = {"new_customer": {"normal": 20_000, "later": 5_000, "sale": 5_000}}
    found = []
    for scenario, extra in ((alone, {}), (joined, {"later": 2})):
        harvest = {"harvest": {**extra, "sale": 20_000}}
        chosen = plans_of(scenario)[0]
        outcomes = expected(scenario, [replace(chosen, money=money | harvest)])
        found.append(one(outcomes, "gmv", "clicks", "cpm"))
    assert found[1] == pytest.approx(found[0], rel=3e-3)


def assert_same_figures(run, scenario, larger, tolerance: float) -> None:
    """Of the first plan. Sums over three slots or more may be taken in another order."""
    options = {"replications": 3} if run is sampled else {}
    before, after = (figures(run(s, plans_of(s)[:1], **options)) for s in (scenario, larger))
    assert apart(before, {name: after[name] for name in before}, tolerance) == {}


def test_the_name_of_a_file_changes_nothing():
    text, day = (SCENARIOS / "minimal.yaml").read_bytes(), "calendar.phases.sale.clock=1d"
    files = [parse_scenario(text, name, [day]) for name in ("a.yaml", "b.yaml")]
    runs = [sampled(scenario, replications=2) for scenario in files]
    assert as_bytes(runs[0]) == as_bytes(runs[1])
    other = parse_scenario(text, "a.yaml", [day, "name=Another name"])
    assert figures(sampled(other, replications=2)) == figures(runs[0])


# --- one scene as two ---------------------------------------------------------------------------

OWN_RATIOS = {"roi", "profit", "profit_incremental", "fixed_cost"}
"""The fixed cost, which two scenes pay twice, and what contains it."""

MODES = {
    "max_amount": "{mode: max_amount, cost_per: order}",
    "cost per cart": "{mode: cost_control, cost_per: cart, target: 15}",
    "cost per first order": "{mode: cost_control, cost_per: first_order, target: 30}",
    "roi": "{mode: roi_control, target: 1.5}",
    "custom": "{mode: custom_bid, cost_per: click, target: 2}",
}


def halved(*sets: str, rest: float = 6000.0):
    """The brief world with its harvest once whole and once as two halves; the other has `rest`."""
    whole = brief("plans.half_half=null", "plans.mostly_new=null", *sets)
    scene = whole.scenes["harvest"]
    pair = whole.model_copy(update={"scenes": whole.scenes | {"harvest_too": scene}})
    one = plan(whole, "one", harvest=8000, new_customer=rest)
    two = plan(pair, "two", harvest=4000, harvest_too=4000, new_customer=rest)
    return (whole, one), (pair, two)


@pytest.mark.parametrize(
    ("mode", "pacing", "rest"),
    [
        *((mode, pacing, 6000) for mode in MODES for pacing in ("smooth", "quick")),
        ("max_amount", "smooth", 0),
    ],
)
def test_two_halves_bring_what_the_whole_brings(mode: str, pacing: str, rest: float):
    (whole, one), (pair, two) = halved(
        f"scenes.harvest.bid={MODES[mode]}",
        f"scenes.harvest.pacing={pacing}",
        "scenes.harvest.phases=[normal, sale]",
        rest=rest,
    )
    left, right = (figures(expected(s, [p])) for s, p in ((whole, one), (pair, two)))
    left = {name: x for name, x in left.items() if name not in OWN_RATIOS}
    for name in ("spend", "unspent", "impressions", "clicks", "visits"):
        right[f"harvest {name}"] += right[f"harvest_too {name}"]
    assert apart(left, {name: right[name] for name in left}, 1e-9) == {}


def test_two_halves_bring_as_much_on_average_when_drawn():
    """At a fixed bid, with money to spare: a price noise that meets the last fen is no fair coin."""
    (whole, one), (pair, two) = halved(
        f"scenes.harvest.bid={MODES['custom'].replace('2', '1.2')}",
        "scenes.new_customer.bid={mode: custom_bid, cost_per: click, target: 0.8}",
    )
    count = 48
    a, b = sampled(whole, [one], replications=count), sampled(pair, [two], replications=count)
    left, right = totals(a, "one"), totals(b, "two")
    assert left["spend"].max() < 14000
    for name in left.keys() - OWN_RATIOS:
        gap = right[name] - left[name]
        error = gap.std(ddof=1) / np.sqrt(count)
        slack = 4 * error + 1e-9 * abs(left[name].mean())
        assert abs(gap.mean()) <= slack, f"{name}: {gap.mean():g}, standard error {error:g}"
