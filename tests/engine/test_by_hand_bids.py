"""Money that the market can take is spent: bids find it on long steps, across reserves, caps and phases."""

import numpy as np
import pytest

from simulator.scenario import parse_scenario
from tests.worlds import expected, plan, sampled

EVERYBODY = "{outside: 100%, aware: 100%, active: 100%, customers: 100%, lapsed: 100%}"
WORLD = f"""
name: One slot, two weeks, a clock of a day
extends: [calendars/plain, chain/deeplink, categories/coffee]
budget: 100m
calendar:
  end: 2021-03-15
  sales_after_days: 8
  phases:
    normal: {{start: 2021-03-01}}
segments:
  people: {{people: 500k, start: {{discover: 5%, engage: 4%, cart: 1%, initial: 3%}}}}
products:
  coffee: {{price: 120, margin: 55%}}
chain: {{fatigue: 0}}
commerce: {{refund_slow_days: 2}}
sources:
  feed: {{organic_visits: 500, organic_bands: {{outside: 1, customers: 5}}}}
slots:
  feed: {{kind: auction, source: feed, opportunities: 200k, median_cpm: 40, sigma: 0.7, ctr: 4%, cvr: 2%}}
scenes:
  only: {{slots: [feed], audience: {EVERYBODY}}}
"""
GOAL = f"scenes.goal={{slots: [feed], audience: {EVERYBODY}, bid: {{mode: cost_control, cost_per: order, target: 40}}}}"
MODES = pytest.mark.parametrize(
    "run",
    [expected, lambda *x, **o: sampled(*x, replications=20, **o)],
    ids=["expected", "sampled"],
)


def spent(run, *sets: str, **money: float) -> float:
    """Auction spend of the scene `only`; all supply would cost 142,700 CNY."""
    scenario = parse_scenario(WORLD.encode(), "bids.yaml", sets)
    table = run(scenario, [plan(scenario, **money)]).scenes("plan")
    return float(table["only"]["spend"]["mean"])


@MODES
@pytest.mark.parametrize(
    ("reserve", "money"), [(40, 20_000), (40, 5_000), (200, 500), (200, 60_000)]
)
def test_a_flat_bid_stays_above_the_reserve(run, reserve, money):
    """Below it nothing is bought and above it too much: entering fewer auctions is what spends the money."""
    sets = f"slots.feed.reserve_cpm={reserve}", "scenes.only.prediction=0"
    assert spent(run, *sets, only=money) == pytest.approx(money, rel=2e-3)


def test_several_places_with_a_reserve_spend_evenly():
    """The words of a search, by position."""
    sets = (
        "slots.feed={preset: search_words, source: feed, opportunities: 50k, reserve_cpm: 30}",
        "scenes.only.prediction=0",
    )
    scenario = parse_scenario(WORLD.encode(), "bids.yaml", sets)
    run = expected(scenario, [plan(scenario, only=3_000)], daily=True)
    days = run.days("plan")["spend"].to_numpy()[:14]
    assert days.sum() == pytest.approx(3_000, rel=1e-3)
    assert days.min() > 0.5 * days.mean()


@MODES
def test_a_scene_beside_one_that_is_held_by_its_target_spends_its_money(run):
    both = spent(run, GOAL, only=20_000, goal=20_000)
    assert both == pytest.approx(spent(run, GOAL, only=20_000, goal=0), rel=2e-3)


@MODES
@pytest.mark.parametrize(
    ("kind", "money"), [("budget_kind=daily", 60_000), ("daily_cap=3000", 60_000)]
)
def test_little_of_a_day_is_lost(run, kind, money):
    """Two fifths of the market would do; a Monday has less of it than a Sunday."""
    most = min(money, 14 * 3000) if "cap" in kind else money
    assert 0.99 * most < spent(run, f"scenes.only.{kind}", only=money) <= most


@pytest.mark.parametrize("cap", [300, 900])
def test_a_phase_that_begins_when_the_cap_is_used_up_begins_the_day_after(cap):
    sets = (
        f"scenes.only.daily_cap={cap}",
        "calendar.phases.wave={start: 2021-03-08, traffic: 5, cpm: 1.5, cvr: 2, clock: 1h}",
        "calendar.phases.after={start: 2021-03-09 20:00, traffic: 0.8}",
    )
    assert spent(expected, *sets, only=60_000) == pytest.approx(14 * cap, rel=2e-3)


def test_dear_slots_beside_a_cheap_one_lift_no_bid():
    """A target that only the cheap one can meet, and a budget that it alone would take."""
    cheap = (
        "slots.feed.median_cpm=10",
        "scenes.only.bid={mode: cost_control, cost_per: click, target: 0.05}",
    )
    dear = tuple(
        f"slots.dear_{n}={{kind: auction, source: feed, opportunities: 100k, median_cpm: 120, sigma: 0.7,"
        " ctr: 2%, cvr: 2%}"
        for n in range(3)
    )
    all_slots = (*dear, "scenes.only.slots=[feed, dear_0, dear_1, dear_2]")
    alone, beside = (
        spent(expected, *cheap, only=50_000),
        spent(expected, *cheap, *all_slots, only=50_000),
    )
    assert beside == pytest.approx(alone, rel=0.05)


def test_the_last_step_is_no_jump_where_nothing_is_reserved():
    """In a smooth market no bid is taken back: spend rises evenly with money."""
    found = [spent(expected, only=money) for money in np.linspace(20_000, 24_000, 9)]
    assert np.diff(found, 2) == pytest.approx(np.zeros(7), abs=2.0)
