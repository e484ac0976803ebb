"""Rivals: the better their shops, the dearer the place; strength by phase is a price like any other."""

import numpy as np
import pytest
from scipy import stats

from simulator.market.rivals import ln_quality, ln_rivals
from simulator.scenario.plan import plans_of
from tests.scenario.test_checks import complaints
from tests.worlds import alone, apart, brief, expected, figures, plan


@pytest.mark.parametrize("above", [0.0, 0.36, 1.0])
def test_a_mixture_of_rivals_is_won_as_often_as_its_stand_in(above):
    """Best rivals of two kinds, drawn: the win rate at any own score is off by at most half a point."""
    rng = np.random.default_rng(3)
    better = rng.random(400_000) < above
    at_measure = ln_quality(0.3 * 4.9 + 0.7 * 4.5)
    quality = np.where(better, ln_quality(4.9), ln_quality(4.5)) - at_measure
    rival = 0.8 * rng.standard_normal(len(better)) + quality
    for own in (-1.0, 0.0, 0.5, 1.5):
        stand_in = stats.norm.cdf((own - ln_rivals(above, 0.3, 4.9, 4.5)) / 0.8)
        assert (rival < own).mean() == pytest.approx(stand_in, abs=0.005)


def custom(*sets):
    (only,) = plans_of(alone(*sets))
    return figures(expected(alone(*sets), [only]))


def test_only_the_score_against_rivals_counts():
    """Half of rivals more above 4.8 (0.4 points better) are made up for by 0.2 points of one's own."""
    usual, worse = custom(), custom("rivals_above=80%")
    even = custom("rivals_above=80%", "service_score=5.0")
    assert worse["impressions"] < usual["impressions"]
    assert worse["cpm"] > usual["cpm"]
    for name in ("impressions", "spend", "win_rate", "clicks"):
        assert even[name] == pytest.approx(usual[name], rel=1e-9), name


def test_a_rise_from_30_to_36_per_cent_costs_about_one_per_cent():
    money = {"new_customer": 20_000}
    cpm = [
        figures(expected(s, [plan(s, **money)]))["new_customer cpm"]
        for s in (brief(), brief("rivals_above=36%"))
    ]
    assert 1.004 < cpm[1] / cpm[0] < 1.02


def test_rivals_of_a_phase_bid_as_a_dearer_phase_does():
    """With one auction slot that follows the sale wholly, rival_level is the phase's cpm."""
    flat = ("sources.feed.sale_sensitivity=1",)
    levels = ("slots.feed.rival_level={normal: 1.5}",)
    one = custom(*flat, *levels)
    other = custom(*flat, "calendar.phases.normal.cpm=1.8")
    assert not apart(one, other, 1e-9)


def test_a_phase_that_is_none_is_refused():
    assert "slots.feed.rival_level.sail names no phase: 'sail', did you mean 'sale'?" in str(
        complaints("slots.feed.rival_level={sail: 2}")
    )
