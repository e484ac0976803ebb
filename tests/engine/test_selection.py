"""A crowd chosen within the audience: the same few people throughout, dearer and readier, as its fields say."""

import pytest

from simulator.errors import UserError
from simulator.scenario.crowds import with_crowds
from simulator.scenario.plan import package_price, plans_of
from tests.worlds import (
    alone,
    apart,
    booked,
    brief,
    expected,
    figures,
    lanes_of,
    plan,
    sampled,
)

PEOPLE = 500_000
"""Of the only segment of `alone`."""
ADS = ("impressions", "clicks", "spend", "reach")


def of(*sets, run=expected):
    (only,) = plans_of(alone(*sets))
    return figures(run(alone(*sets), [only]))


# --- who is in it -----------------------------------------------------------------------------------
@pytest.mark.parametrize("pool", [50, 10, 1])
@pytest.mark.parametrize("fatigue", [0, 0.3])
def test_a_crowd_meets_as_many_ads_a_head_as_everybody_would(pool, fatigue):
    """A hundredth of the people with a hundredth of the opportunities: what was bought per person stays."""
    tired = f"chain.fatigue={fatigue}"
    everybody, crowd = of(tired), of(tired, f"scenes.only.selection.pool={pool}%")
    for name in ADS:
        assert crowd[name] == pytest.approx(everybody[name] * pool / 100, rel=1e-9), name
    assert crowd["frequency"] == pytest.approx(everybody["frequency"], rel=1e-9)


@pytest.mark.parametrize("pool", [50, 10, 1])
def test_what_ads_win_is_won_among_the_crowd(pool):
    """Nearly in proportion: only organic weight is common to all, and it moves with all sales."""
    nobody = figures(expected(alone(), [plan(alone())]))
    everybody, crowd = of(), of(f"scenes.only.selection.pool={pool}%")
    for name in ("paid_orders", "new_customers_gross"):
        won = (crowd[name] - nobody[name]) / (everybody[name] - nobody[name])
        assert won == pytest.approx(pool / 100, rel=0.01), name


def test_no_more_customers_are_won_than_the_crowd_has_people():
    strong = ("slots.feed.cvr=40%", "slots.feed.opportunities=100m", "scenes.only.bid.target=9")
    few = (*strong, "scenes.only.selection.pool=0.02%")  # a hundred people
    nobody = figures(sampled(alone(*few), [plan(alone(*few))], replications=20))
    crowd = of(*few, run=lambda s, plans: sampled(s, plans, replications=20))
    assert crowd["reach"] <= 100.001
    assert 60 < crowd["new_customers_gross"] - nobody["new_customers_gross"] < 110


def test_a_crowd_without_money_changes_nothing():
    crowd = brief("scenes.new_customer.selection.pool=30%")
    books = [expected(s, [plan(s, harvest="20k")]) for s in (brief(), crowd)]
    assert not apart(*map(figures, books), 1e-9)


def test_nobody_falls_between_two_crowds_of_nearly_one_size():
    other = "{slots: [feed], audience: {outside: 100%}, selection: {pool: 25.00001%}}"
    crowds = with_crowds(alone("scenes.only.selection.pool=25%", f"scenes.other={other}"))
    assert next(iter(crowds.segments)) == "people 0% to 25%"
    assert len(crowds.segments) == 3
    assert sum(g.people for g in crowds.segments.values()) == pytest.approx(PEOPLE)


# --- the same, written by hand ------------------------------------------------------------------------
START = "start: {discover: 5%, engage: 4%, cart: 1%, initial: 3%}"


def town(segments, *sets):
    """The brief world with segments of so many thousands; what a name begins with tells their habits."""
    habits = {"s": "activity: 1.5", "c": "cvr: 1.2"}
    parts = [
        f"segments.{name}={{people: {thousands}k, {habits[name[0]]}, {START}}}"
        for name, thousands in segments.items()
    ]
    note = "{source: recommend, days: ['2021-03-23'], audience: {outside: 10%, aware: 50%}, segments: [CLUB]}"
    club = ", ".join(name for name in segments if name[0] == "c")
    return brief(
        "segments.shoppers=null", *parts, "pushes.note=" + note.replace("CLUB", club), *sets
    )


@pytest.mark.parametrize("pacing", ["smooth", "quick"])
def test_a_crowd_is_a_segment_of_its_own(pacing):
    """A smaller crowd is part of a larger one, and pushes go to all of a segment."""
    files = [
        town(
            {"s": 100, "c": 300},
            "scenes.new_customer.segments=[c]",
            "scenes.new_customer.selection={pool: 20%, cvr: 1.5, cpm: 1.2}",
            "scenes.harvest.selection={pool: 50%, cpm: 1.1}",
            f"scenes.harvest.pacing={pacing}",
        ),
        town(
            {"s_half": 50, "s_rest": 50, "c_fifth": 60, "c_half": 90, "c_rest": 150},
            "scenes.new_customer.segments=[c_fifth]",
            "scenes.new_customer.selection={cvr: 1.5, cpm: 1.2}",
            "scenes.harvest.segments=[s_half, c_fifth, c_half]",
            "scenes.harvest.selection.cpm=1.1",
            f"scenes.harvest.pacing={pacing}",
        ),
    ]
    books = [expected(s, [plan(s, new_customer="12k", harvest="20k")]) for s in files]
    assert not apart(*map(figures, books), 1e-9)


def test_a_shock_of_a_segment_comes_over_all_of_it():
    crowd = "scenes.new_customer.selection.pool=20%"
    rain = (
        "{start: 2021-03-22, end: 2021-03-23, chance: 100%, days: 2, demand: 3, segments: [SOME]}"
    )
    some, everybody = (
        town({"s": 100, "c": 300}, crowd, "shocks.rain=" + rain.replace(", segments: [SOME]", x))
        for x in (", segments: [s, c]", "")
    )
    runs = [sampled(s, [plan(s, new_customer="12k")], replications=50) for s in (some, everybody)]
    with_rain, same = (figures(x)["paid_orders"] for x in runs)
    dry = town({"s": 100, "c": 300}, crowd)
    without = figures(sampled(dry, [plan(dry, new_customer="12k")], replications=50))["paid_orders"]
    assert with_rain == pytest.approx(same, rel=0.01)
    assert with_rain > 1.05 * without


def test_a_cap_on_frequency_counts_the_crowd():
    """One impression a day for each of 8,000 people over nine days, however many are booked."""
    crowd = ("slots.focus.frequency_cap=1", "scenes.new_customer.selection.pool=2%")
    scenario = booked(*crowd, "slots.focus.opportunities=20m")
    book = lanes_of(expected(scenario, [plan(scenario, new_customer=3000)]), "plan")
    days = (
        1 + (scenario.calendar.phases["sale"].start - scenario.calendar.phases["normal"].start).days
    )
    assert 0.5 * 8_000 < book.packages["delivered"][0, 0] <= 8_000 * days


# --- what it costs, and how ready it is -------------------------------------------------------------
def test_a_dearer_crowd_is_a_dearer_slot():
    left, right = of("scenes.only.selection.cpm=1.2"), of("slots.feed.median_cpm=48")
    assert not apart(left, right, 1e-9)


def test_a_readier_crowd_buys_more_at_the_same_clicks():
    """A bid per click is not moved by what clicks are worth; orders are, by nearly the odds."""
    usual, ready = of(), of("scenes.only.selection.cvr=1.5")
    assert ready["spend"] == pytest.approx(usual["spend"], rel=0.01)
    none = figures(expected(alone(), [plans_of(alone())[0]]), "no ads")
    gain = (ready["orders"] - none["orders"]) / (usual["orders"] - none["orders"])
    assert 1.2 < gain < 1.5


def test_a_contract_is_dearer_smaller_and_as_ready_as_it_is_precise():
    crowd = "scenes.new_customer.selection={pool: 40%, cvr: 1.5, cpm: 1.3}"
    small = (
        "slots.focus.packages.opening.impressions=1m",
        "budget=90k",
        "slots.focus.precision=50%",
    )
    usual, chosen = booked(*small), booked(*small, crowd)
    assert package_price(chosen, "focus.opening") == pytest.approx(1.3 * 5000)
    assert package_price(usual, "focus.opening") == pytest.approx(5000)
    books = [
        lanes_of(expected(s, [plan(s, new_customer=7000)]), "plan")
        for s in (booked(*small, "scenes.new_customer.selection.pool=40%"), chosen)
    ]
    assert books[0].packages["delivered"] == pytest.approx(books[1].packages["delivered"], rel=1e-9)


def test_the_size_of_a_crowd_is_known():
    with pytest.raises(UserError, match=r"scenes\.only\.selection\.pool"):
        alone("scenes.only.selection.pool={value: 20%, sd: 10%}")
