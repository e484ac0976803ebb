"""A crowd chosen within the audience: smaller, dearer and readier, each as its own field says."""

import pytest

from simulator.scenario.plan import package_price, plans_of
from tests.worlds import alone, apart, booked, expected, figures, lanes_of, plan


def of(*sets):
    (only,) = plans_of(alone(*sets))
    return figures(expected(alone(*sets), [only]))


def test_a_dearer_crowd_is_a_dearer_slot():
    left, right = of("scenes.only.selection.cpm=1.2"), of("slots.feed.median_cpm=48")
    assert not apart(left, right, 1e-9)


def test_half_a_crowd_is_half_an_audience():
    half = (
        "scenes.only.audience={outside: 50%, aware: 50%, active: 50%, customers: 50%, lapsed: 50%}"
    )
    assert not apart(of("scenes.only.selection.pool=50%"), of(half), 1e-9)


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
