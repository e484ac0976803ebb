"""Bookings in the engine: price, deposit, cancelling, several slots, and caps on frequency."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.simulate import make_grid, simulate
from simulator.market.contract import at_most
from simulator.scenario.plan import cancelling_price, package_price
from simulator.scenario.schema import Scenario
from tests.engine import stress
from tests.worlds import apart, booked, brief, differing, expected, figures, lanes_of, plan, sampled

ONE_SLOT = (
    "slots.focus={kind: contract, source: recommend, opportunities: 200k, cpm: 5, ctr: 4%, cvr: 1%, "
    "packages: {opening: {impressions: 600k, phases: [normal], scene: new_customer}}}"
)


def world(*sets):
    """The brief world with a contract slot of its own inventory."""
    scene = "scenes.new_customer.slots=[feed, focus]"
    none = ("plans.half_half=null", "plans.mostly_new=null")
    return brief("calendar.sales_after_days=30", ONE_SLOT, scene, *none, *sets)


def book_of(scenario, packages="all", run=expected, **money):
    money = money or {"new_customer": 20_000, "harvest": 5_000}
    return lanes_of(run(scenario, [plan(scenario, packages=packages, **money)]), "plan")


# --------------------------------------------------------------------------- several slots
def test_two_apps_overlap_as_one():
    """The same impressions over two apps of half the size reach the same people as often."""
    one = world()
    two = world(
        "slots.focus.opportunities=80k",
        "slots.app={kind: contract, source: recommend, opportunities: 120k, cpm: 9, ctr: 4%, cvr: 1%}",
        "slots.focus.packages.opening.over=[app]",
        "scenes.new_customer.slots=[feed, focus, app]",
    )
    money = {"new_customer": 20_000, "harvest": 5_000}
    left, right = (figures(expected(s, [plan(s, **money)]), "plan") for s in (one, two))
    assert not apart(left, right, 1e-9)
    assert left["reach"] > 0


def test_a_slot_of_a_package_keeps_its_own_rates():
    """Delivery follows what each slot has on offer: a quarter of it sells at a tenth of the clicks."""
    scenario = world(
        "slots.app={kind: contract, source: recommend, opportunities: 600k, cpm: 9, ctr: 0.0001%, cvr: 1%}",
        "slots.focus.packages.opening.over=[app]",
        "scenes.new_customer.slots=[feed, focus, app]",
    )
    money = {"new_customer": 3_000, "harvest": 0.0}
    both, alone = (book_of(s, **money) for s in (scenario, world()))
    assert both.packages["delivered"] == pytest.approx(600e3)
    assert both.scenes["clicks"].sum() == pytest.approx(alone.scenes["clicks"].sum() / 4, rel=0.05)


@pytest.mark.parametrize("run", [expected, sampled])
def test_slots_of_a_package_share_the_water_mark(run):
    """Two packages want far more than there is; both get what there is, in proportion to their wants.

    The first wants two thirds of its impressions in `focus`, where it meets the second, and has the other slot alone.
    """
    scenario = world(
        "chance.supply_sd=0",
        "slots.focus.remedy=refund",
        "slots.app={kind: contract, source: recommend, opportunities: 100k, cpm: 5, ctr: 4%, cvr: 1%}",
        "slots.focus.packages.opening={impressions: 100m, over: [app]}",
        "slots.focus.packages.second={impressions: 66_666_667, phases: [normal], scene: new_customer}",
        "scenes.new_customer.slots=[feed, focus, app]",
        "scenes.new_customer.budget=null", "scenes.harvest.budget=null", "budget=2m",
    )  # fmt: skip
    book = book_of(scenario, run=run, new_customer=1_100_000)
    both, second = book.packages["delivered"].mean(axis=1)
    traffic = sum(normal_days(scenario))
    assert both + second == pytest.approx(300e3 * traffic, rel=1e-5)
    assert second == pytest.approx(100e3 * traffic, rel=0.02)


def normal_days(scenario):
    """Visits of each day of the normal phase [normal days]."""
    grid = make_grid(scenario)
    return np.bincount(grid.day[grid.phase == 0], grid.browse[grid.phase == 0])


# --------------------------------------------------------------------------- caps
def test_a_cap_serves_what_people_have_room_for():
    """A day's impressions are at most those that fit under the cap, whatever the clock."""
    sets = ("slots.focus.packages.opening.impressions=1.2m", "chance.supply_sd=0")
    free, tight = world(*sets), world(*sets, "slots.focus.frequency_cap=1")
    hourly = world(*sets, "slots.focus.frequency_cap=1", "calendar.phases.normal.clock=1h")
    money = {"new_customer": 20_000, "harvest": 5_000}
    shown = [book_of(s, **money).packages["delivered"][0, 0] for s in (free, tight, hourly)]
    size, shape = 400e3, float(tight.chain.frequency_shape)
    means = [200e3 * day / size for day in normal_days(tight)]
    fits = [size * float(at_most(np.array(mean), np.array(shape), 1)) for mean in means]
    assert shown[0] > shown[1]
    assert shown[1] == pytest.approx(sum(fits), rel=1e-6)
    assert shown[2] == pytest.approx(shown[1], rel=1e-6)


def test_a_high_cap_changes_nothing():
    free, capped = world(), world("slots.focus.frequency_cap=50")
    assert not differing(book_of(free), book_of(capped))


# --------------------------------------------------------------------------- money
def test_the_price_is_that_of_the_plan():
    late = world(
        "slots.focus.price_steps={per_week: 10%, weeks: 3, phases: {normal: 2}}",
        "slots.focus.packages.opening.booked_at=2021-03-14",
    )
    assert package_price(late, "focus.opening") == pytest.approx(600 * 5 * 1.3 * 2)
    book = book_of(late)
    for name in ("paid", "price"):
        assert book.packages[name] == pytest.approx(600 * 5 * 1.3 * 2)
    agreed = world("slots.focus.price_steps={phases: {normal: 2}}",
                   "slots.focus.packages.opening.cpm=7")  # fmt: skip
    assert book_of(agreed).packages["paid"] == pytest.approx(600 * 7)


@pytest.mark.parametrize("remedy", ["make_good", "refund"])
def test_a_deposit_is_paid_first_and_the_total_stays(remedy):
    sets = (f"slots.focus.remedy={remedy}", "slots.focus.packages.opening.impressions=4m")
    usual, early = world(*sets), world(*sets, "slots.focus.deposit=30%")
    plain, paid = (
        lanes_of(expected(s, [plan(s, new_customer=20_000)], daily=True), "plan") for s in (usual, early)
    )  # fmt: skip
    assert paid.packages["paid"] == pytest.approx(plain.packages["paid"])
    first = paid.days["spend"][0, 0] - plain.days["spend"][0, 0]
    on_the_day = 5 / 1000 * 200e3 * normal_days(usual)[0]
    assert first == pytest.approx(0.3 * (20_000 - on_the_day), rel=1e-6)


def test_a_cancelled_package_costs_its_fee():
    signed = ("slots.focus.packages.opening.signed=true",)
    firm = booked(*signed, "budget=73k")
    assert plan(firm, packages="none", harvest=10_000).packages == {"focus.opening"}
    loose = booked(*signed, "budget=73k", "slots.focus.cancellation_fee=40%")
    chosen = plan(loose, packages="none", harvest=10_000)
    assert chosen.packages == frozenset()
    assert chosen.total(loose) == pytest.approx(10_000 + 0.4 * 3000)
    outcomes = expected(loose, [chosen])
    book = lanes_of(outcomes, "plan")
    assert book.totals["contract_spend"] == pytest.approx(0.4 * 3000)
    assert not book.packages["delivered"].any()
    assert lanes_of(outcomes, "no ads").totals["contract_spend"] == pytest.approx(3000)
    kept = booked(
        *signed, "budget=73k", "slots.focus.deposit=50%", "slots.focus.cancellation_fee=40%"
    )
    assert cancelling_price(kept, "focus.opening") == pytest.approx(1500)


# --------------------------------------------------------------------------- venues
@pytest.mark.parametrize("run", [expected, sampled])
def test_a_venue_brings_free_visits_in_its_phases(run):
    """On the first day nothing else can have moved them; a plan that does not book it has none."""
    scenario = world("slots.focus.packages.opening.free_visits=1.5")
    plans = [plan(scenario, "with", new_customer=20_000), plan(scenario, "bare", packages="none")]
    outcomes = run(scenario, plans, daily=True, attribution=True)
    visits = {name: lanes_of(outcomes, name) for name in ("with", "bare", "no ads")}
    assert visits["bare"].days["visits"] == pytest.approx(visits["no ads"].days["visits"])
    free = visits["with"].totals["free_visits"].mean() / visits["bare"].totals["free_visits"].mean()
    assert 1.1 < free < 1.5
    first = visits["with"].days["visits"][0] / visits["bare"].days["visits"][0]
    assert (first > 1.5).all()


# --------------------------------------------------------------------------- laws
@pytest.mark.parametrize("run", [expected, sampled])
def test_a_world_without_auctions_runs(run):
    scenario = Scenario.model_validate(stress.contracts_alone())
    book = lanes_of(run(scenario, [stress.plan(scenario)], attribution=True), "stress")
    assert (book.packages["delivered"] > 0).all()
    assert not book.spend.any()
    assert (book.scenes["gmv_attributed"].sum(axis=0) > 0).all()


@pytest.mark.slow
@settings(max_examples=8)
@given(
    terms=st.tuples(st.integers(1, 6), *[st.floats(0, 1)] * 3), spread=st.booleans(),
    seed=st.integers(0, 5),
)  # fmt: skip
def test_laws_hold_whatever_the_booking(terms, spread, seed):
    """Impressions and money of packages add up in both modes, and a cap never delivers more."""
    data, (cap, deposit, fee, late) = stress.bookings(), terms
    for slot in ("top", "front", "own"):
        data["slots"][slot] |= {"frequency_cap": cap, "deposit": deposit}
    data["slots"]["own"]["cancellation_fee"] = fee
    data["slots"]["top"]["price_steps"]["per_week"] = late
    if not spread:
        data["slots"]["top"]["packages"]["sale"].pop("over")
    data["calendar"]["phases"]["day"]["clock"] = data["calendar"]["phases"]["presale"]["clock"] = (
        "1d"
    )
    capped = Scenario.model_validate(data)
    plans = [stress.plan(capped), stress.cancelled(capped)]
    first = package_price(capped, "own.first")
    for mode in ("expected", "sampled"):
        options = {"mode": mode, "replications": 2, "seed": seed, "attribution": False}
        book = simulate(capped, plans, **options).book
        packs = book.packages
        assert (packs["paid"] <= packs["price"] * (1 + 1e-9)).all()
        assert (packs["made_good"] >= 0).all()
        gone = packs["booked"][3] == 0
        assert packs["paid"][3, gone] == pytest.approx(max(fee, deposit) * first)


@pytest.mark.slow
def test_lanes_do_not_know_each_other():
    scenario = Scenario.model_validate(stress.bookings())
    plans = [stress.plan(scenario), stress.cancelled(scenario)]
    options = {"mode": "sampled", "replications": 3, "attribution": False}
    together = simulate(scenario, plans, **options)
    for one in plans:
        alone = simulate(scenario, [one], **options)
        assert not differing(lanes_of(together, one.name), lanes_of(alone, one.name))
