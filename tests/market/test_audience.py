"""Closed forms of exposure and the conservation of people, whatever the hazards."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.stats import gamma, poisson

from simulator.market.audience import (
    DECAY,
    KINDS,
    ORDER,
    STAY,
    TO,
    Chain,
    Crowd,
    Pulse,
    blend,
    by_band,
    fading,
    mean_fading,
    reach_hazard,
    renewal,
    wear,
)
from simulator.market.draws import Expected, Sampled
from simulator.market.people import People
from tests.market.chain_steps import cells, draw_moves

STAGES, SEGMENTS = 11, 2
CHANGES = TO != STAY
"""Moves that lead to another stage: [kind, stage]."""
MOVES = CHANGES.copy()
MOVES[ORDER, 8:10] = True
unhurried = settings(deadline=None, max_examples=60)
amounts = st.floats(1e-6, 50.0)
shapes = st.floats(0.05, 100.0)


def array(x):
    return np.array(float(x))


EVEN = array(1e13)
"""Shape of a media use that is nearly the same for all."""


# --- exposure -----------------------------------------------------------------------------------


@unhurried
@given(amounts, amounts, amounts, shapes)
def test_reach_of_two_steps_is_reach_of_one(before, first, second, shape):
    exposure, r = array(before), array(shape)
    parts = reach_hazard(exposure, array(first), r) + reach_hazard(
        exposure + first, array(second), r
    )
    assert parts == pytest.approx(float(reach_hazard(exposure, array(first + second), r)), rel=1e-9)


@unhurried
@given(amounts, amounts, shapes)
def test_reach_is_a_ratio_of_negative_binomial_survivals(before, views, shape):
    survival = (1 + (before + views) / shape) ** -shape / (1 + before / shape) ** -shape
    hazard = float(reach_hazard(array(before), array(views), array(shape)))
    assert np.exp(-hazard) == pytest.approx(survival, rel=1e-9)
    assert 0 < hazard < views * (1 + 1e-12)


def test_even_exposure_reaches_like_a_poisson_stream():
    assert_allclose(reach_hazard(array(3), array(0.7), array(1e9)), 0.7, rtol=1e-8)


@unhurried
@given(st.floats(1e-3, 30.0))
def test_renewal_of_even_use_is_one_over_the_mean_wait_for_a_gap(contacts):
    """Mean wait for a gap of one window: the integral of e^(u s) over the window."""
    wait = quad(lambda s: np.exp(contacts * s), 0, 1)[0]
    assert float(renewal(array(contacts), EVEN)) == pytest.approx(1 / wait, rel=1e-9)


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(st.floats(0.01, 30.0), st.floats(0.2, 20.0))
def test_renewal_of_uneven_use_is_gaps_of_all_over_people_inside(contacts, shape):
    """Gaps begin with a contact that none follows, u e^-u each; inside are those with a contact."""

    def mean(of_person):
        """Over the ranks of people by media use: the density may have a pole at no use."""
        return quad(lambda rank: of_person(use.ppf(rank)), 0, 1, epsabs=0, limit=500)[0]

    use = gamma(shape, scale=contacts / shape)
    expected = mean(lambda u: u * np.exp(-u)) / mean(lambda u: -np.expm1(-u))
    assert float(renewal(array(contacts), array(shape))) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [0.3, 0.6, 2.0])
def test_uneven_use_lapses_slower_at_few_contacts_and_faster_at_many(shape):
    few, many = renewal(np.array([0.02, 50.0]), array(shape))
    assert few == pytest.approx(1 - (shape + 1) / shape * 0.02 / 2, abs=4 * (0.02 / shape) ** 2)
    assert few < renewal(array(0.02), EVEN)
    assert many == pytest.approx(shape * (50 / shape) ** -shape, rel=0.3)
    assert many > 1e10 * renewal(array(50), EVEN)


@pytest.mark.parametrize("shape", [0.05, 0.6, 1e9])
def test_renewal_from_no_contact_to_many(shape):
    contacts = np.array([0.0, 1e-9, 1e-4, 1.0, 5.0, 600.0, 1e9])
    rates = renewal(contacts, array(shape))
    assert_allclose(rates[:3], 1 - contacts[:3] * (1 + 1 / shape) / 2, atol=5e-6)
    assert (np.diff(rates) <= 0).all()
    assert (rates >= 0).all()
    assert np.isfinite(rates).all()


def test_renewal_of_even_use_ends_with_many_contacts():
    rates = renewal(np.array([5.0, 1e9]), EVEN)
    assert rates[0] == pytest.approx(5 * np.exp(-5), rel=0.01)
    assert 0 <= rates[1] < 1e-200


@unhurried
@given(st.floats(0.01, 40.0), st.floats(0.0, 2.0))
def test_wear_takes_the_mean_exposures_of_those_exposed(exposures, fatigue):
    n = np.arange(1, 200)
    mean = (n * poisson.pmf(n, exposures)).sum() / poisson.sf(0, exposures)
    found = float(wear(array(exposures), array(fatigue)))
    assert found == pytest.approx(np.exp(-fatigue * (mean - 1)), rel=1e-8)


def test_wear_from_no_exposure_to_many():
    exposures = np.array([0.0, 1e-9, 0.1, 1.0, 10.0, 300.0])
    factors = wear(exposures, array(0.1))
    assert factors[0] == pytest.approx(1, abs=1e-12)
    assert (np.diff(factors[1:]) < 0).all()
    assert factors[2] == pytest.approx(1 - 0.1 * 0.1 / 2, abs=2e-4)
    assert factors[-1] == pytest.approx(np.exp(-0.1 * 299), rel=1e-12)
    assert_array_equal(wear(exposures, array(0)), 1.0)


# --- stocks -------------------------------------------------------------------------------------


def level(s, stock, inflow, rate):
    """A decaying stock at the part s of a step, by integrating its inflow."""
    return stock * np.exp(-rate * s) + quad(lambda t: inflow * np.exp(-rate * (s - t)), 0, s)[0]


@unhurried
@given(st.floats(0, 20), st.floats(0, 20), st.floats(1e-7, 8))
def test_decay_is_the_integral_of_its_inflow(stock, inflow, rate):
    after = blend(fading(array(rate)), array(stock), array(inflow))
    assert float(after) == pytest.approx(level(1.0, stock, inflow, rate), rel=1e-7, abs=1e-12)
    mean = quad(level, 0, 1, args=(stock, inflow, rate))[0]
    found = blend(mean_fading(array(rate)), array(stock), array(inflow))
    assert float(found) == pytest.approx(mean, rel=1e-6, abs=1e-12)


@unhurried
@given(amounts, amounts, st.floats(1e-4, 5))
def test_two_half_steps_decay_as_one(stock, inflow, rate):
    half = blend(fading(array(rate / 2)), array(stock), array(inflow / 2))
    twice = blend(fading(array(rate / 2)), half, array(inflow / 2))
    whole = blend(fading(array(rate)), array(stock), array(inflow))
    assert float(twice) == pytest.approx(float(whole), rel=1e-9)
    levels = [
        blend(mean_fading(array(rate / 2)), x, array(inflow / 2)) for x in (array(stock), half)
    ]
    once = blend(mean_fading(array(rate)), array(stock), array(inflow))
    assert float(np.mean(levels)) == pytest.approx(float(once), rel=1e-7)


@pytest.mark.parametrize("rate", [0.99e-4, 1.01e-4])
def test_mean_level_is_smooth_where_its_formula_changes(rate):
    series = 2 * (1 - rate / 2 + rate**2 / 6) + 3 * (1 / 2 - rate / 6 + rate**2 / 24)
    assert blend(mean_fading(array(rate)), array(2), array(3)) == pytest.approx(series, rel=1e-7)


# --- moves --------------------------------------------------------------------------------------


def plain_people(lanes):
    """People of whom only the numbers matter."""
    column = np.ones((1, lanes))
    table, stages = np.zeros((4, STAGES, lanes)), np.ones((STAGES, lanes))
    return People(
        size=np.ones((SEGMENTS, lanes)), start=np.zeros((STAGES, SEGMENTS, lanes)),
        order_value=column, buy_odds=column, visit_moves=table, base_moves=table, cart_again=column,
        propensity=stages, forget=stages[:5], favourite_release=column, keen_rate=column,
        lapse_days=180.0, window_days=365.0, frequency_shape=column, reach_window=column,
        fatigue=column, fatigue_half_life=column,
        new_taste=None, refund_odds=None, return_cost=None, spared=None, order_delay=None, habit=None,
    )  # fmt: skip


def pulse_with_deposits(lanes):
    one = np.ones((1, lanes))
    return Pulse(
        days=1.0, browse=1.0, now=0.5, pay=one, cart=one, release=one, deposit=one,
        deposit_release=one, balance=one,
    )  # fmt: skip


def sampled(seed, replications, plans):
    segments = [str(g) for g in range(SEGMENTS)]
    names = cells(segments) | {"old": [f"{c}/{g}" for c in range(4) for g in segments]}
    return Sampled(seed, range(replications), plans, names)


def random_crowd(rng, lanes, *, most):
    """Whole people, some stages empty, some of the customers and lapsed old."""
    shape = (STAGES, SEGMENTS, lanes)
    n = rng.integers(0, most, shape) * (rng.random(shape) < 0.8)
    old = rng.binomial(n[7:], rng.random((4, SEGMENTS, lanes)))
    nothing = np.zeros((SEGMENTS, lanes))
    return Crowd(n.astype(float), old.astype(float), nothing, nothing.copy())


def random_chain(rng, lanes, scale, allowed=MOVES):
    """A chain with hazards of any size, some of them 0."""
    chain = Chain(plain_people(lanes), SEGMENTS, lanes)
    shape = chain.hazards.shape
    sizes = rng.exponential(scale, shape) * (rng.random(shape) < 0.8)
    chain.hazards[...] = sizes * allowed[:, :, None, None]
    return chain


def step(chain, crowd, draws):
    lanes = crowd.n.shape[2]
    flows = draw_moves(chain, crowd, pulse_with_deposits(lanes), draws).copy()
    chain.settle(crowd, np.zeros((SEGMENTS, lanes)), draws)
    return flows


seeds = st.integers(0, 2**32 - 1)


@unhurried
@given(seeds, st.sampled_from([1e-3, 0.1, 1.0, 40.0]), st.sampled_from([2, 30, 10_000_000]))
def test_people_are_conserved_by_expected_moves(seed, scale, most):
    rng = np.random.default_rng(seed)
    crowd, chain = random_crowd(rng, 4, most=most), random_chain(rng, 4, scale)
    before, total = crowd.n.copy(), crowd.n.sum(axis=0)
    for _ in range(3):
        flows = step(chain, crowd, Expected(4))
        assert (flows >= -1e-12 * most).all()
        assert (flows.sum(axis=0) <= before + 1e-12 * most).all()
        assert_allclose(crowd.n.sum(axis=0), total, rtol=1e-12)
        assert (crowd.n >= -1e-9 * most).all()
        assert ((crowd.old >= 0) & (crowd.old <= crowd.n[7:] + 1e-9 * most)).all()
        before = crowd.n.copy()


@unhurried
@given(seeds, st.sampled_from([1e-3, 0.1, 1.0, 40.0]), st.sampled_from([2, 30, 10_000_000]))
def test_people_are_conserved_and_whole_by_sampled_moves(seed, scale, most):
    rng = np.random.default_rng(seed)
    crowd, chain = random_crowd(rng, 8, most=most), random_chain(rng, 8, scale)
    draws, total = sampled(seed, replications=4, plans=2), crowd.n.sum(axis=0)
    for number in range(3):
        draws.at(number)
        before = crowd.n.copy()
        flows = step(chain, crowd, draws)
        for whole in (flows, crowd.n, crowd.old):
            assert (whole >= 0).all()
            assert_array_equal(whole, np.floor(whole))
        assert (flows.sum(axis=0) <= before).all()
        assert_array_equal(crowd.n.sum(axis=0), total)
        assert (crowd.old <= crowd.n[7:]).all()


@unhurried
@given(seeds)
def test_nobody_moves_where_no_hazard_is(seed):
    rng = np.random.default_rng(seed)
    crowd, chain = random_crowd(rng, 4, most=1000), random_chain(rng, 4, 0.3)
    for draws in (Expected(4), sampled(seed, replications=4, plans=1)):
        flows = draw_moves(chain, crowd, pulse_with_deposits(4), draws)
        assert not flows[chain.hazards == 0].any()
        leaves = CHANGES.copy()
        leaves[ORDER] = True
        assert not flows[~leaves].any()


def test_sampled_moves_are_the_expected_ones_on_average():
    rng, lanes = np.random.default_rng(7), 4000
    one_crowd, one_chain = random_crowd(rng, 1, most=300), random_chain(rng, 1, 0.3)
    mean = draw_moves(one_chain, one_crowd, pulse_with_deposits(1), Expected(1))
    nothing = np.zeros((SEGMENTS, lanes))
    old = np.repeat(one_crowd.old, lanes, axis=2)
    crowd = Crowd(np.repeat(one_crowd.n, lanes, axis=2), old, nothing, nothing)
    chain = Chain(plain_people(lanes), SEGMENTS, lanes)
    chain.hazards[...] = one_chain.hazards
    found = draw_moves(chain, crowd, pulse_with_deposits(lanes), sampled(3, lanes, 1))
    found = found.mean(axis=3)
    # the parts of a split follow one uniform, so a part's spread is at most the total's and one
    error = 5 * np.sqrt((mean[..., 0] + 1) / lanes)
    assert (np.abs(found - mean[..., 0]) < error).all()


def test_a_step_is_right_to_second_order():
    """Newcomers of a step get half its hazard: a halved step has an eighth of the error.

    Not so for newcomers of an empty stage, who wait for the next step.
    """
    rng = np.random.default_rng(1)
    shares = random_chain(rng, 1, 0.5, CHANGES).hazards
    crowd = random_crowd(rng, 1, most=1000)
    crowd.n += 100
    generator = np.zeros((SEGMENTS, STAGES, STAGES))
    for kind, stage in zip(*np.nonzero(CHANGES), strict=True):
        generator[:, stage, TO[kind, stage]] += shares[kind, stage, :, 0]
        generator[:, stage, stage] -= shares[kind, stage, :, 0]
    errors = []
    for size in (0.04, 0.02, 0.01):
        chain, after = (
            Chain(plain_people(1), SEGMENTS, 1),
            Crowd(crowd.n.copy(), crowd.old.copy(), crowd.exposure, crowd.fatigue),
        )
        chain.hazards[...] = size * shares
        step(chain, after, Expected(1))
        exact = [crowd.n[:, g, 0] @ expm(size * generator[g]) for g in range(SEGMENTS)]
        errors.append(np.abs(after.n[..., 0] - np.array(exact).T).max())
    assert errors[0] / errors[1] == pytest.approx(8, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(8, rel=0.15)


def test_old_customers_lapse_evenly_and_buying_makes_them_new():
    """Last orders lie evenly in the lapse window: after 90 of 180 days half have lapsed."""
    chain = Chain(plain_people(1), SEGMENTS, 1)
    n = np.zeros((STAGES, SEGMENTS, 1))
    n[7:10] = 1000.0
    crowd = Crowd(n, n[7:].copy(), np.zeros((SEGMENTS, 1)), np.zeros((SEGMENTS, 1)))
    for day in range(90):
        for row in range(3):
            left = crowd.old[row] / crowd.n[7 + row]
            chain.hazards[DECAY, 7 + row] = left / (180 - day - 0.5)
        step(chain, crowd, Expected(1))
    assert_allclose(crowd.old[:3], 500.0, rtol=1e-3)
    assert_allclose(crowd.n[10], 1500.0, rtol=1e-3)
    chain.hazards[DECAY] = 0.0
    chain.hazards[ORDER, 9] = np.log(2)
    step(chain, crowd, Expected(1))
    assert_allclose(crowd.n[9], 500.0, rtol=1e-3)
    assert_allclose(crowd.old[2], 250.0, rtol=1e-3)


def test_bands_are_their_stages():
    n = np.arange(11.0)[:, None, None]
    assert_array_equal(by_band(n).ravel(), [0, 3, 18, 24, 10])
    assert len(KINDS) == len(TO)
