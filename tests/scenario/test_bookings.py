"""Bookings in a file: in time, large enough, over slots that fit; what cannot be is refused at its place."""

import pytest

from simulator.scenario import parse_scenario
from simulator.scenario.plan import package_price, plans_of
from tests.scenario.test_checks import SHOP, complaints

OPENING = "slots.focus.packages.opening"
SPLASH = "slots.splash={preset: taobao_splash, source: recommend, opportunities: 50k}"

REFUSED = {
    (f"{OPENING}.booked_at=2021-03-20", "slots.focus.lead_days=7"): (
        f"{OPENING}.booked_at must be 2021-03-19 at the latest, 7 days before its first impression on "
        "2021-03-26 (got 2021-03-20)"
    ),
    (f"{OPENING}.booked_at=2021-03-27", "slots.focus.lead_days=0"): "must be 2021-03-26 at the latest",
    ("slots.focus.minimum_booking=50k",): (
        f"{OPENING}.impressions must be 500,000 at least: the slot takes no booking below CNY 50,000 "
        "(this one costs 10,000)"
    ),
    ("slots.focus.price_steps={phases: {sail: 2}}",): (
        "slots.focus.price_steps.phases.sail names no phase: 'sail', did you mean 'sale'?"
    ),
    (f"{OPENING}.over=[splsh]", SPLASH): "over.0 names no contract slot: 'splsh', did you mean 'sp",
    (f"{OPENING}.over=[feed]",): "over.0 names no contract slot: 'feed'",
    (f"{OPENING}.over=[focus]",): "over.0 names the package's own slot: it is delivered there anyway",
    (f"{OPENING}.over=[splash]", SPLASH): (
        "scene 'harvest' does not use slot 'splash'; add it to scenes.harvest.slots"
    ),
    ("slots.focus.frequency_cap=0",): "slots.focus.frequency_cap must be >= 1 (got 0)",
    ("slots.focus.deposit=2",): "slots.focus.deposit must lie in 0..1",
}  # fmt: skip


@pytest.mark.parametrize("sets", REFUSED)
def test_a_booking_that_cannot_be(sets):
    assert any(REFUSED[sets] in line for line in complaints(*sets)), complaints(*sets)


def shop(*sets):
    return parse_scenario(SHOP.encode(), "shop.yaml", sets)


def test_the_last_moment_is_in_time():
    assert shop(f"{OPENING}.booked_at=2021-03-19", "slots.focus.lead_days=7")


@pytest.mark.parametrize(
    ("booked_at", "phases", "price"),
    [
        (None, "sale", 6000),
        ("2021-03-05", "sale", 6000),
        ("2021-03-05 00:01", "sale", 6600),
        ("2021-03-19", "sale", 7200),
        ("2021-03-25", "sale", 7800),
        (None, "presale", 4000),
        (None, "presale, sale", 4000 * 6 / 9 + 6000 * 3 / 9),
    ],
)
def test_the_price_rises_by_date_and_phase(booked_at, phases, price):
    late = [f"{OPENING}.booked_at={booked_at}"] if booked_at else []
    scenario = shop(
        "slots.focus.cpm=40", f"{OPENING}.cpm=null", f"{OPENING}.phases=[{phases}]", "slots.focus.lead_days=0",
        "slots.focus.minimum_booking=0",
        "slots.focus.price_steps={per_week: 10%, weeks: 3, phases: {sale: 1.5}}", *late,
    )  # fmt: skip
    assert package_price(scenario, "focus.opening") == pytest.approx(price)


def test_a_plan_may_cancel_what_it_can_pay_for():
    signed = (
        f"{OPENING}.signed=true", "slots.focus.cancellation_fee=50%",
        "plans.half={harvest: 50%}", "plans.money=null",
    )  # fmt: skip
    kept = {plan.name: plan.packages for plan in plans_of(shop(*signed))}
    assert kept["half"] == {"focus.opening"}
    assert kept["bare"] == frozenset()
    said = complaints(*signed, "plans.bare.scenes.harvest=96k")
    assert "spends 1,000 CNY more than the budget of 100,000 CNY" in said[0]
