"""Closed forms of the auction against integrals, simulated auctions and what they promise."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.special import erfcx, log_ndtr, ndtr, ndtri_exp

from simulator.market.auction import LOWEST, Bids, Market, Rates, both_below, evaluate, normal
from tests.oracles.auctions import (
    Setting,
    run_auction,
    simulate_one_place,
    simulate_places,
)

FOUR = (1.0, 0.65, 0.45, 0.3)
EIGHT = (*FOUR, 0.2, 0.15, 0.1, 0.08)


def rates_of(setting, ln_scores=None):
    """The closed forms of one placement; one lane per score."""
    scores = np.atleast_2d([setting.ln_score] * 2 if ln_scores is None else ln_scores)
    column = np.ones((1, 1))
    market = Market(
        setting.sigma * column,
        setting.tau * column,
        scores.shape[1],
        mechanism=[setting.mechanism],
        clicks=np.array(setting.decays)[:, None],
        reserve=setting.reserve * column,
    )
    market.meet(setting.mu * column, setting.quality * column)
    return evaluate(bids_of(scores.astype(float), market), market, Rates.of(*scores.shape))


def bids_of(ln_score, market):
    """What the scores bid: F = s exp(tau^2/2) / (1000 q)."""
    return Bids(ln_score, np.exp(ln_score + market.tau**2 / 2) / (1000 * market.quality))


def density(t):
    return np.exp(-t * t / 2) / np.sqrt(2 * np.pi)


def integral(function, low, high, *kinks, size=1.0):
    """Integral of something like a normal density, cut where it bends; `size` is roughly it."""
    cuts = sorted({min(max(t, low), high) for t in (low, -4.0, 0.0, 4.0, high, *kinks)})
    options = {"epsabs": 1e-15 * size, "epsrel": 1e-12, "limit": 200}
    return sum(quad(function, a, b, **options)[0] for a, b in pairwise(cuts))


def payment_given_score(ln_score, s):
    """E[payment] of a score that is known, from the density of the best rival [CNY]."""
    z = (ln_score - s.mu) / s.sigma
    bar = -12.0 if s.reserve == 0 else max((np.log(s.reserve) - s.mu) / s.sigma, -12.0)
    if z < bar or (s.reserve and ln_score < np.log(s.reserve)):
        return 0.0
    if s.mechanism == "first_price":
        return np.exp(ln_score) * ndtr(z) / (1000 * s.quality)
    rival = integral(lambda t: np.exp(s.mu + s.sigma * t) * density(t), bar, max(z, bar), s.sigma)
    return (s.reserve * ndtr(bar) + rival) / (1000 * s.quality)


def averaged(s, of_score, weight=lambda p: 1.0):
    """The mean over the prediction of what a known score brings."""
    if s.tau == 0:
        return of_score(s.ln_score)
    low = -10.0 if s.reserve == 0 else max((np.log(s.reserve) - s.ln_score) / s.tau, -10.0)
    return integral(
        lambda t: density(t) * weight(s.tau * t) * of_score(s.ln_score + s.tau * t), low, 11.0
    )


def win_given_score(ln_score, s):
    open_to_us = not s.reserve or ln_score >= np.log(s.reserve) - 1e-12
    return ndtr((ln_score - s.mu) / s.sigma) if open_to_us else 0.0


ONE_PLACE = [
    Setting(ln_score, 3.0, sigma, tau, quality, reserve, (1.0,), mechanism)
    for ln_score, sigma, quality in ((1.2, 0.8, 1.0), (3.4, 0.6, 1.3), (4.5, 1.1, 0.7))
    for tau in (0.0, 0.4, 0.9)
    for reserve in (0.0, 14.0)
    for mechanism in ("second_price", "first_price")
]


# --- one place ----------------------------------------------------------------------------------


@pytest.mark.parametrize("s", ONE_PLACE, ids=str)
def test_win_value_and_payment_equal_their_integrals(s):
    rates = rates_of(s)
    win = averaged(s, lambda x: win_given_score(x, s))
    value = averaged(s, lambda x: win_given_score(x, s), lambda p: np.exp(p - s.tau**2 / 2))
    cost = averaged(s, lambda x: payment_given_score(x, s))
    for name, expected in (("win", win), ("value", value), ("cost", cost)):
        assert_allclose(getattr(rates, name)[0, 0], expected, rtol=1e-9, atol=1e-13, err_msg=name)
    assert rates.lift[0, 0] == (rates.value / rates.win if win else rates.win + 1)[0, 0]
    assert rates.click_factor[0, 0] == 1


@pytest.mark.parametrize("s", ONE_PLACE, ids=str)
def test_slopes_equal_finite_differences(s):
    step = 1e-5
    rates = rates_of(s, s.ln_score + step * np.array([-1.0, 0.0, 1.0]))
    for name in ("cost", "value"):
        low, _, high = getattr(rates, name)[0]
        slope = getattr(rates, name + "_slope")[0, 1]
        assert_allclose(slope, (high - low) / (2 * step), rtol=1e-6, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("reserve", [0.0, 15.0])
@pytest.mark.parametrize("mechanism", ["second_price", "first_price"])
def test_a_million_simulated_auctions_agree(mechanism, reserve):
    s = Setting(3.2, 3.0, 0.8, 0.5, 1.2, reserve, (1.0,), mechanism)
    rates = rates_of(s)
    for name, seen in simulate_one_place(np.random.default_rng(11), s, 1_000_000).items():
        assert seen.far(getattr(rates, name)[0, 0]) < 4, name


@pytest.mark.parametrize("mechanism", ["second_price", "gsp", "vcg"])
def test_a_score_at_the_reserve_meets_nobody_and_wins(mechanism):
    reserve = 30.0
    decays = (1.0,) if mechanism == "second_price" else FOUR
    s = Setting(0.0, -20.0, 0.5, 0.0, 1.5, reserve, decays, mechanism)
    rates = rates_of(s, np.log(reserve) + np.array([-1e-6, 0.0]))
    assert_allclose(rates.win, [[0, 1]], atol=1e-12)
    assert_allclose(rates.cost, [[0, reserve / 1500]], rtol=1e-12)
    alone = run_auction([reserve / 1.5], [1.5], list(decays), mechanism, reserve)
    assert alone.winners == [0]
    assert alone.payments == pytest.approx([reserve / 1.5])


# --- several places -----------------------------------------------------------------------------

SEVERAL = [
    Setting(ln_score, 3.0, 0.8, 0.0, quality, reserve, FOUR, mechanism)
    for ln_score, quality, reserve in ((2.2, 1.0, 0.0), (3.3, 1.4, 0.0), (3.1, 0.8, 14.0))
    for mechanism in ("gsp", "vcg")
]


@pytest.mark.parametrize("s", SEVERAL, ids=str)
def test_places_agree_with_auctions_run_one_by_one(s):
    rates = rates_of(s)
    clicks = (rates.win * rates.click_factor)[0, 0]
    expected = {"win": rates.win[0, 0], "clicks": clicks, "cost": rates.cost[0, 0]}
    seen = simulate_places(np.random.default_rng(5), s, 15_000)
    assert {name for name in expected if seen[name].far(expected[name]) >= 4} == set()


def lost_by_others(s, top):
    """Integral of the clicks that others lose up to a score [ln], straight from its definition."""
    steps = np.append(-np.diff(s.decays), s.decays[-1])
    a = s.sigma**2 / np.hypot(s.sigma, s.tau)

    def density_of_loss(t):
        rivals = min(-log_ndtr(t), 50.0)
        terms = [step * rivals**k / np.prod(np.arange(1, k + 1)) for k, step in enumerate(steps)]
        return density(t - a) * sum(terms)

    kinks = (top - 0.1, top - 1.0, top - 4.0, top - 8.0, ndtri_exp(-50.0))
    return integral(density_of_loss, min(top, 0.0) - 14.0, top, *kinks, size=ndtr(top - a))


@pytest.mark.parametrize("decays", [FOUR, EIGHT, (1.0, 1.0)], ids=len)
@pytest.mark.parametrize(("sigma", "tau"), [(0.05, 0.0), (0.8, 0.0), (0.8, 0.6), (2.5, 0.3)])
def test_vcg_equals_its_integral(decays, sigma, tau):
    s = Setting(0.0, 1.0, sigma, tau, 1.0, 0.0, decays, "vcg")
    z = np.array([-25.0, -9.7, -9.6, -6.0, -2.0, -0.4, 0.0, 1.1, 2.0, 5.0, 9.0, 12.0])
    rates = rates_of(s, s.mu + z * np.hypot(sigma, tau))
    mean_rival = np.exp(s.mu + sigma**2 / 2) / 1000
    expected = [mean_rival * lost_by_others(s, top) for top in z]
    assert_allclose(rates.cost[0], expected, rtol=1e-9)


def test_vcg_slope_is_the_slope_of_vcg():
    s = Setting(0.0, 3.0, 0.8, 0.5, 1.2, 0.0, EIGHT, "vcg")
    scores = np.linspace(0.0, 6.0, 25)
    slope = (rates_of(s, scores + 1e-5).cost - rates_of(s, scores - 1e-5).cost) / 2e-5
    assert_allclose(rates_of(s, scores).cost_slope, slope, rtol=1e-6)


@pytest.mark.parametrize("decays", [FOUR, EIGHT, (1.0, 1.0)], ids=len)
@pytest.mark.parametrize(("sigma", "reserve"), [(0.5, 14.0), (0.8, 0.2), (1.4, 60.0)])
def test_vcg_over_a_reserve_pays_what_makes_truth_pay(decays, sigma, reserve):
    """Its payment is s E(s) less the clicks won between the reserve and s (Myerson 1981)."""
    s = Setting(0.0, 3.0, sigma, 0.0, 1.3, reserve, decays, "vcg")
    scores = np.log(reserve) + np.array([1e-9, 0.1, 0.5, 1.0, 2.0, 4.0])
    rates = rates_of(s, scores)

    def clicks(ln_score):
        win = ndtr((ln_score - s.mu) / sigma)
        rivals = min(-np.log(win), 50.0)
        terms = [c * rivals**k / np.prod(np.arange(1, k + 1)) for k, c in enumerate(decays)]
        return win * sum(terms)

    won = np.array([clicks(x) for x in scores])
    assert_allclose(rates.win[0] * rates.click_factor[0], won, rtol=1e-12)
    assert_allclose(rates.value, rates.win, rtol=1e-12)
    surplus = [
        quad(lambda x: clicks(x) * np.exp(x), np.log(reserve), top, epsrel=1e-12)[0]
        for top in scores
    ]
    assert_allclose(rates.cost[0], (np.exp(scores) * won - surplus) / 1300, rtol=1e-9)
    step = 1e-5
    low, high = (rates_of(s, scores[1:] + x).cost for x in (-step, step))
    slope = rates_of(s, scores[1:]).cost_slope
    assert_allclose(slope, (high - low) / (2 * step), rtol=1e-6, atol=1e-9)


def test_places_follow_the_poisson_law():
    s = Setting(2.5, 3.0, 0.8, 0.0, 1.0, 0.0, FOUR, "gsp")
    win = ndtr((s.ln_score - s.mu) / s.sigma)
    rivals = -np.log(win)
    chance = win * np.array([1, rivals, rivals**2 / 2, rivals**3 / 6])
    rates = rates_of(s)
    assert_allclose(rates.win[0, 0], chance.sum(), rtol=1e-12)
    assert_allclose(rates.click_factor[0, 0], chance @ FOUR / chance.sum(), rtol=1e-12)


def test_vcg_pays_no_more_than_gsp_and_gsp_no_more_than_the_bid():
    scores = np.linspace(-4.0, 8.0, 60)
    for tau, reserve in ((0.0, 0.0), (0.5, 0.0), (0.0, 14.0), (0.5, 14.0)):
        gsp = Setting(0.0, 3.0, 0.8, tau, 1.3, reserve, FOUR, "gsp")
        cost = rates_of(gsp, scores).cost
        assert (rates_of(replace(gsp, mechanism="vcg"), scores).cost <= cost * (1 + 1e-9)).all()
        own = rates_of(replace(gsp, mechanism="first_price", decays=(1.0,)), scores).cost
        assert (cost <= own * rates_of(gsp, scores).click_factor * places(gsp, scores)).all()


def places(s, scores):
    """A: wins in any place against wins of the first."""
    one = rates_of(replace(s, decays=(1.0,)), scores).win
    return (1 + 1e-9) * rates_of(s, scores).win / np.maximum(one, 1e-300)


@pytest.mark.parametrize("reserve", [0.0, 14.0])
def test_one_place_is_a_second_price_under_any_name(reserve):
    scores = np.linspace(-1.0, 6.0, 40)
    second = Setting(0.0, 3.0, 0.8, 0.5, 1.2, reserve)
    for mechanism in ("gsp", "vcg"):
        named = rates_of(replace(second, mechanism=mechanism), scores)
        for name in Rates.__slots__:
            assert_array_equal(getattr(named, name), getattr(rates_of(second, scores), name))
    bids = [3.0, 5.0, 4.0]
    paid = {m: run_auction(bids, [1.0] * 3, [1.0], m, 2.0) for m in ("second_price", "gsp", "vcg")}
    assert set(map(str, paid.values())) == {"Result(winners=[1], payments=[4.0])"}


# --- what holds for every bid -------------------------------------------------------------------

spreads = st.floats(0.1, 2.0)
NORMAL_NUMBERS = -36.0  # a score further down than this many deviations brings less than 1e-280
RESERVES = st.sampled_from([0.0, 5.0, 40.0])
MECHANISMS = st.sampled_from(["second_price", "first_price", "gsp", "vcg"])


@settings(deadline=None, max_examples=60)
@given(MECHANISMS, spreads, st.just(0.0) | spreads, RESERVES)
def test_a_higher_bid_wins_more_and_pays_more(mechanism, sigma, tau, reserve):
    decays = FOUR if mechanism in {"gsp", "vcg"} else (1.0,)
    s = Setting(0.0, 3.0, sigma, tau, 1.1, reserve, decays, mechanism)
    rates = rates_of(s, np.linspace(-6.0, 12.0, 200))
    names = ["win", "value", "cost"]
    if tau and len(decays) > 1:  # the places of the average prediction: an approximation
        names = ["cost"] if reserve == 0 else []
    for name in names:
        level = getattr(rates, name)[rates.z > NORMAL_NUMBERS]
        assert (np.diff(level) >= -1e-12 * level[1:]).all(), name
    assert (rates.win >= 0).all() and (rates.win <= 1 + 1e-12).all()
    assert (rates.cost_slope >= 0).all() and (rates.value_slope >= 0).all()


@settings(deadline=None, max_examples=60)
@given(MECHANISMS, spreads, st.just(0.0) | spreads, RESERVES)
def test_a_win_costs_between_nothing_and_the_own_score(mechanism, sigma, tau, reserve):
    decays = FOUR if mechanism in {"gsp", "vcg"} else (1.0,)
    s = Setting(0.0, 3.0, sigma, tau, 1.1, reserve, decays, mechanism)
    scores = np.linspace(-2.0, 12.0, 100)
    rates = rates_of(s, scores)
    price = np.exp(scores + tau**2 / 2) / 1100
    most = price * rates.value * rates.click_factor
    assert (rates.cost >= 0).all()
    assert (rates.cost <= most * (1 + 1e-9))[rates.z > NORMAL_NUMBERS].all()


def test_money_is_a_unit():
    for s in (*ONE_PLACE, *SEVERAL):
        twice = replace(
            s, ln_score=s.ln_score + np.log(2), mu=s.mu + np.log(2), reserve=2 * s.reserve
        )
        one, two = rates_of(s), rates_of(twice)
        assert_allclose(two.win, one.win, rtol=1e-10)
        assert_allclose(two.cost, 2 * one.cost, rtol=1e-10)


def test_a_value_of_nothing_shows_nothing():
    with np.errstate(divide="ignore"):
        rates = rates_of(Setting(0.0, 3.0, 0.8, 0.4), np.log([0.0, 1.0]))
    assert rates.z[0, 0] == LOWEST
    assert 0 < rates.win[0, 0] < 1e-300
    assert np.isfinite([getattr(rates, name) for name in Rates.__slots__]).all()


def test_a_lane_does_not_know_its_neighbours():
    rng = np.random.default_rng(9)
    mechanism = ["second_price", "gsp", "first_price", "vcg", "second_price", "vcg"] * 20
    count, lanes = len(mechanism), 700
    sigma, tau = rng.uniform(0.5, 1.0, (2, count, 1))
    tau[::5] = 0
    reserve = np.where(np.arange(count) % 4 == 0, 10.0, 0.0)[:, None]
    clicks = np.array(FOUR)[:, None] * np.ones(count)
    mu, ln_score = rng.normal(3.0, 1.5, (2, count, lanes))
    quality = rng.uniform(0.8, 1.2, (count, lanes))

    def of_lanes(chosen):
        market = Market(
            sigma, tau, len(chosen), mechanism=mechanism, clicks=clicks, reserve=reserve
        )
        market.meet(mu[:, chosen], quality[:, chosen])
        bids = bids_of(ln_score[:, chosen].copy(), market)
        return evaluate(bids, market, Rates.of(count, len(chosen)))

    everything = of_lanes(np.arange(lanes))
    for chosen in (np.array([0, 1]), np.array([699, 13, 350]), np.arange(100, 357)):
        some = of_lanes(chosen)
        for name in Rates.__slots__:
            assert_array_equal(getattr(some, name), getattr(everything, name)[:, chosen], name)


# --- the normal distribution --------------------------------------------------------------------


def exact_normal(x):
    """Phi with the square of x carried in two parts; good to a few last bits."""
    coarse = np.round(x * 2**20) / 2**20
    rest = x - coarse
    bell = np.exp(-coarse * coarse / 2) * np.exp(-coarse * rest - rest * rest / 2)
    return np.where(x < 1, bell * erfcx(-np.minimum(x, 1) / np.sqrt(2)) / 2, ndtr(x))


def test_normal_is_exact_in_both_tails():
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.uniform(-30, 8, 200_000), rng.normal(0, 1.5, 100_000), [-37.5, 0, 60]])
    seen = normal(x, np.empty_like(x), np.empty((4, *x.shape)))
    assert_allclose(seen, exact_normal(x), rtol=1e-11)
    assert_allclose(seen[x > -10], exact_normal(x[x > -10]), rtol=1e-13)
    usual = np.abs(x) < 4
    assert_allclose(seen[usual], exact_normal(x[usual]), rtol=5e-15)
    low = rng.uniform(-37.4, -30.0, 20_000)
    found = normal(low, np.empty_like(low), np.empty((4, *low.shape)))
    assert_allclose(found, exact_normal(low), rtol=2e-11)


@pytest.mark.parametrize("rho", [1e-12, 0.3, 0.8, 0.95, 0.99])
def test_a_normal_pair_equals_its_integral(rho):
    h, k = np.random.default_rng(8).normal(0, 1.5, (2, 30))
    rest = np.sqrt(1 - rho * rho)
    expected = [
        integral(
            lambda t, b=b: density(t) * ndtr((b - rho * t) / rest),
            -12.0,
            a,
            *(b / rho + rest * np.array([-8.0, -2.0, 0.0, 2.0, 8.0])),
        )
        for a, b in zip(h, k, strict=True)
    ]
    assert_allclose(both_below(h, k, np.array([rho])), expected, atol=1e-11)
