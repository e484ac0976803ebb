"""What is said to be available is what a run in expected mode delivers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.scenario.availability import available, lines_of
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.schema import Scenario
from tests.engine import stress
from tests.worlds import coffee, everything, expected, lanes_of, sampled

PHASES = ["early", "presale", "day", "after"]


def said(scenario, packages=None):
    return [found.impressions for found in available(scenario, packages)]


def delivered(scenario, plan, run=expected):
    return lanes_of(run(scenario, [plan]), plan.name).packages["delivered"].mean(axis=1)


@pytest.mark.parametrize("data", [stress.bookings, stress.scarcity])
def test_it_is_what_expected_mode_delivers(data):
    scenario = Scenario.model_validate(data())
    assert said(scenario) == pytest.approx(delivered(scenario, stress.plan(scenario)), rel=1e-9)


def test_make_good_of_an_earlier_package_meets_the_next():
    scenario = coffee("slots.focus_picture.opportunities=1.3m")
    served = delivered(scenario, plans_of(scenario)[0])
    assert said(scenario) == pytest.approx(served, rel=1e-9)
    alone = said(scenario, {"focus_picture.main_day"})
    assert alone[0] > 1.02 * served[1]


def test_what_an_opening_adds_can_be_had():
    few = "slots.taobao_splash.opportunities=1m"
    more, usual = coffee(few), coffee(few, "calendar.phases.wave_1.burst.extra=0")
    served = delivered(more, plans_of(more)[0])
    assert said(more) == pytest.approx(served, rel=1e-9)
    assert said(more)[-1] > 1.03 * said(usual)[-1]


def test_it_sees_which_packages_a_plan_books():
    scenario = Scenario.model_validate(stress.bookings())
    plan = stress.cancelled(scenario)
    served = delivered(scenario, plan)
    assert said(scenario, plan.packages) == pytest.approx(served[served > 0], rel=1e-9)


def test_chance_moves_it_little():
    scenario = everything()
    plan = Plan("all", stress.plan(scenario).money, stress.plan(scenario).packages)
    served = delivered(scenario, plan, lambda *x: sampled(*x, replications=60))
    assert said(scenario) == pytest.approx(served, rel=0.05)


def test_rivals_bookings_are_gone():
    full, half = (
        said(coffee(f"calendar.phases.preheat.rival_booked={share}", "slots.focus_picture.opportunities=200k"))
        for share in (0, 0.5)
    )  # fmt: skip
    assert half[0] < full[0]
    assert half[1] < full[1]  # what is owed for the first takes from the second


def test_words_and_money():
    few = "slots.focus_picture.opportunities=400k"
    scenario = coffee(few)
    first = available(coffee(few, "slots.focus_picture.remedy=refund"))[0]
    part = first.impressions / first.booked
    assert f"CNY {int(first.price * part):,} of {first.price:,.0f} can be spent" in str(first)
    (alone,) = available(scenario, ["focus_picture.warm_up"])
    line, paid = str(alone), alone.paid
    assert line.startswith("focus_picture.warm_up: ")
    assert line.endswith(
        f" available: CNY {int(paid):,} of {first.price:,.0f} is paid, for the remedy is make_good"
    )
    plans = [Plan("with", {}, frozenset({"focus_picture.warm_up"})), Plan("bare", {}, frozenset())]
    assert lines_of(scenario, plans, short_only=True) == [line]
    plans += [Plan("other", {}, frozenset({"taobao_splash.opening"}))]
    assert lines_of(scenario, plans, short_only=True) == [f"{line} (in with)"]


@pytest.mark.parametrize("remedy", ["make_good", "refund"])
def test_the_money_is_what_a_run_pays(remedy):
    """What is missing is paid for as well where it is made good later, and only there."""
    few = ("slots.focus_picture.opportunities=400k", f"slots.focus_picture.remedy={remedy}")
    scenario = coffee(*few)
    plan = plans_of(scenario)[0]
    paid = lanes_of(expected(scenario, [plan]), plan.name).packages["paid"].mean(axis=1)
    found = available(scenario)
    assert found[0].short
    assert [one.paid for one in found] == pytest.approx(paid, rel=1e-9)


@st.composite
def packages(draw):
    """Three packages that meet in two places, each in windows of its own."""
    names = ["first", "second", "third"]
    return {
        name: {
            "impressions": draw(st.integers(1, 4_000_000)),
            "phases": draw(st.lists(st.sampled_from(PHASES), min_size=1, max_size=3, unique=True)),
            "scene": draw(st.sampled_from(["brand", "few"])),
            "over": draw(st.sampled_from([[], ["other"]])),
        }
        for name in names
    }


@settings(max_examples=12)
@given(
    booked=packages(), cap=st.one_of(st.none(), st.integers(1, 5)), rival=st.floats(0, 0.9),
    days=st.floats(0.5, 12),
)  # fmt: skip
def test_whatever_is_booked(booked, cap, rival, days):
    """Windows with gaps, make-good that meets what comes later, caps, two slots: what is said is delivered."""
    data = stress.bookings()
    for name, phase in data["calendar"]["phases"].items():
        phase |= {"clock": "1d", "rival_booked": rival if name == "presale" else 0.0}
    data["slots"]["own"] |= {"packages": booked, "frequency_cap": cap, "make_good_days": days}
    scenario = Scenario.model_validate(data)
    plan = Plan("all", {}, frozenset(f"own.{name}" for name in booked))
    served = [x for x in delivered(scenario, plan) if x > 0]
    assert said(scenario, plan.packages) == pytest.approx(served, rel=1e-9)
