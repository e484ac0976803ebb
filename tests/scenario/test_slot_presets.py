"""Every slot that is shipped loads in a small world, delivers, and has figures inside what is known of it."""

import re
from functools import cache

import numpy as np
import pytest

from simulator.scenario import parse_scenario
from simulator.scenario.loader import preset_names
from simulator.scenario.plan import price_factor
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, ContractSlot
from tests.worlds import expected, lanes_of, plan

CONTRACTS = {  # cpm [CNY], ctr, arrival, most a day per person, least booking [CNY]
    "taobao_splash": ((100, 180), (0.04, 0.09), (0.85, 0.85), 2, 200_000),
    "joint_splash": ((60, 120), (0.02, 0.05), (0.6, 0.75), 3, 200_000),
    "focus_picture": ((30, 80), (0.03, 0.06), (0.85, 0.85), 4, 10_000),
    "interactive_city": ((15, 35), (0.06, 0.15), (0.5, 0.5), None, 10_000),
    "brand_zone": ((30, 70), (0.10, 0.30), (0.9, 0.9), None, 10_000),
    "youku_splash": ((40, 90), (0.01, 0.03), (0.5, 0.65), 2, 200_000),
    "gaode_splash": ((20, 60), (0.01, 0.025), (0.5, 0.65), 3, 200_000),
    "uc_splash": ((20, 60), (0.01, 0.025), (0.5, 0.65), 3, 200_000),
    "price_channel": ((30, 70), (0.04, 0.08), (0.9, 0.9), None, 10_000),
    "cainiao_page": ((20, 60), (0.01, 0.025), (0.5, 0.65), 3, 10_000),
}
AUCTIONS = {  # what is paid for, its price [CNY], ctr, cvr, arrival
    "search_words": ("click", (0.5, 5), (0.03, 0.07), (0.02, 0.08), (0.9, 1)),
    "recommend_feed": ("mille", (20, 60), (0.02, 0.06), (0.005, 0.025), (0.9, 1)),
    "live_feed": ("click", (0.3, 1.5), (0.03, 0.08), (0.01, 0.06), (0.9, 1)),
    "short_video_feed": ("view", (0.05, 0.3), (0.01, 0.03), (0.003, 0.01), (0.8, 1)),
    "whole_site": ("click", (0.8, 2.5), (0.03, 0.06), (0.02, 0.06), (0.9, 1)),
    "bytedance": ("mille", (25, 60), (0.01, 0.03), (0.004, 0.012), (0.5, 0.7)),
    "kuaishou": ("mille", (15, 40), (0.01, 0.025), (0.003, 0.01), (0.5, 0.7)),
    "tencent": ("mille", (25, 70), (0.008, 0.025), (0.003, 0.009), (0.4, 0.6)),
}
VIEWS_OF_VIDEO = 0.2  # share of impressions of short video that are watched

WORLD = """
name: One slot
extends: [calendars/plain, chain/deeplink, categories/coffee]
budget: 9m
calendar:
  end: 2021-03-05
  phases:
    normal: {start: 2021-03-01, cpm: 1.9}
segments:
  people: {people: 2m, start: {discover: 5%, engage: 4%, cart: 1%, initial: 3%}}
products:
  coffee: {price: 120, margin: 55%}
commerce: {refund_slow_days: 2}
sources:
  here: {preset: group_media, organic_visits: 500}
scenes:
  only: {preset: warm_up, slots: [it]}
slots:
  it: {preset: NAME, source: here, opportunities: 9m, PACKAGE}
"""
PACKAGE = "make_good_days: 2, packages: {all: {impressions: 9m, phases: [normal], scene: only, booked_at: 2021-02-01}}"


@cache
def world(name: str) -> Scenario:
    text = WORLD.replace("NAME", name)
    package = PACKAGE if name in CONTRACTS else "viewability: 80%"
    return parse_scenario(text.replace("PACKAGE", package).encode(), "one.yaml")


def inside(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] - 1e-9 <= value <= limits[1] + 1e-9


def test_every_preset_is_tried():
    shipped = {name.removeprefix("slots/") for name in preset_names() if name.startswith("slots/")}
    assert shipped == CONTRACTS.keys() | AUCTIONS.keys()


@pytest.mark.parametrize("name", [*CONTRACTS, *AUCTIONS])
def test_it_delivers_in_a_small_world(name):
    scenario = world(name)
    money = 9_000_000 if name in CONTRACTS else 20_000
    book = lanes_of(expected(scenario, [plan(scenario, only=money)]), "plan")
    assert book.scenes["impressions"].sum() > 100_000
    assert book.totals["paid_visits"].sum() > 0
    if name in CONTRACTS:
        assert np.allclose(book.packages["delivered"], 9e6)
        assert book.packages["paid"] == pytest.approx(book.packages["price"])


@pytest.mark.parametrize("name", [*CONTRACTS, *AUCTIONS])
def test_it_is_named_in_both_languages(name):
    title = world(name).slots["it"].title
    assert re.match(r"[A-Z][A-Za-z- ]+ .*[\u4e00-\u9fff]", title), title


@pytest.mark.parametrize("name", CONTRACTS)
def test_figures_of_a_contract_are_those_known(name):
    slot = world(name).slots["it"]
    assert isinstance(slot, ContractSlot)
    cpm, ctr, arrival, cap, least = CONTRACTS[name]
    assert inside(slot.cpm, cpm)
    assert inside(slot.ctr, ctr)
    assert inside(slot.arrival, arrival)
    assert slot.frequency_cap == cap
    assert slot.minimum_booking == least
    assert inside(slot.precision, (0.3, 0.9))
    assert inside(slot.deposit, (0.2, 0.3))
    assert slot.cancellation_fee is not None
    assert inside(slot.cancellation_fee, (0.2, 0.5))
    assert inside(slot.make_good, (1.0, 1.1))
    assert 3 <= slot.lead_days <= 7


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_main_day_and_a_late_booking_are_dear(name):
    scenario = world(name)
    slot = scenario.slots["it"]
    assert isinstance(slot, ContractSlot)
    early = slot.packages["all"]
    late = early.model_copy(update={"booked_at": scenario.calendar.phases["normal"].start})
    assert inside(price_factor(scenario, slot, early), (1.5, 2.0))
    rise = price_factor(scenario, slot, late) / price_factor(scenario, slot, early)
    assert rise == pytest.approx(1.3)


def test_a_visitor_of_the_interactive_city_costs_what_one_does():
    slot = world("interactive_city").slots["it"]
    assert isinstance(slot, ContractSlot)
    assert inside(slot.cpm / 1000 / slot.ctr / slot.arrival, (0.3, 0.8))


@pytest.mark.parametrize("name", AUCTIONS)
def test_figures_of_an_auction_are_those_known(name):
    slot = world(name).slots["it"]
    assert isinstance(slot, AuctionSlot)
    paid, price, ctr, cvr, arrival = AUCTIONS[name]
    per_impression = {"mille": 1000, "click": 1 / slot.ctr, "view": 1 / VIEWS_OF_VIDEO}[paid]
    assert inside(slot.median_cpm / 1000 * per_impression, price)
    assert inside(slot.ctr, ctr)
    assert inside(slot.cvr, cvr)
    assert inside(slot.arrival, arrival)
    assert inside(slot.sigma, (0.6, 0.9))


def test_three_apps_in_one_package():
    """A joint splash may also be booked app by app: one package over the presets of single apps."""
    more = (
        "slots.uc={preset: uc_splash, source: here, opportunities: 1m}",
        "slots.cainiao={preset: cainiao_page, source: here, opportunities: 500k}",
        "slots.it.packages.all.over=[uc, cainiao]", "scenes.only.slots=[it, uc, cainiao]",
    )  # fmt: skip
    text = WORLD.replace("NAME", "gaode_splash").replace("PACKAGE", PACKAGE)
    scenario = parse_scenario(text.encode(), "three.yaml", more)
    book = lanes_of(expected(scenario, [plan(scenario, only=9_000_000)]), "plan")
    assert np.allclose(book.packages["delivered"], 9e6)
    alone = lanes_of(
        expected(world("gaode_splash"), [plan(world("gaode_splash"), only=9_000_000)]), "plan"
    )
    rates = (9 * 0.016 + 1 * 0.014 + 0.5 * 0.022) / 10.5 / 0.016
    clicks = book.scenes["clicks"].sum() / alone.scenes["clicks"].sum()
    assert clicks == pytest.approx(rates, rel=0.02)
