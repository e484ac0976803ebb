"""Chance: the same numbers however they are asked for, and the right ones on average."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri

from simulator.market.draws import Draws, Expected, Sampled

CELLS = {"click": ["search", "feed", "live"], "buy": ["search", "feed"], "clock": ["one"]}
unhurried = settings(deadline=None)


def sample(replications=range(16), plans=3, cells=None, seed=11, step=0):
    draws = Sampled(seed, list(replications), plans, cells or CELLS)
    draws.at(step)
    return draws


def ask_everything(draws, lanes, plans=3):
    """One call of every method; lane by lane the same questions for any chunk of replications."""
    plan = np.arange(lanes) // (lanes // plans)
    n = np.array([[4.0], [90.0], [1e6]]) * (1 + plan)
    p = np.array([[0.2], [0.02], [0.7]]) / (1 + plan)
    weights = np.stack([n + 1, p, n * p])
    return {
        "binomial": draws.binomial("click", n, p),
        "split": draws.split("click", n, weights),
        "round_off": draws.round_off("click", n * p / 3),
        "factor": draws.factor("buy", np.array([[0.3], [0.8]]), 2),
        "mean_noise": draws.mean_noise("click", np.floor(n / 3), 0.9),
        "exponential": draws.exponential("clock", 1),
    }


def by_plan(x, plans=3):
    return x.reshape(*x.shape[:-1], plans, -1)


# --- streams ------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [range(8, 16), range(16, 32), range(30, 40), [7], [3, 20, 38]])
@pytest.mark.parametrize("step", [0, 63, 64, 230])
def test_any_chunk_of_replications_gives_the_same_bits(chunk, step):
    whole = ask_everything(sample(range(40), step=step), 120)
    part = ask_everything(sample(chunk, step=step), 3 * len(chunk))
    for method, values in whole.items():
        expected = by_plan(values)[..., list(chunk)]
        np.testing.assert_array_equal(by_plan(part[method]), expected, err_msg=method)


def test_a_plan_alone_gives_the_same_bits():
    n = np.array([[5.0], [700.0], [1e7]]) * np.ones(16)
    many = sample(plans=5).binomial("click", np.tile(n, 5), 0.03)
    np.testing.assert_array_equal(
        by_plan(many, 5)[:, 4], sample(plans=1).binomial("click", n, 0.03)
    )


def test_more_cells_purposes_and_another_order_shift_nothing():
    n, p = np.full((3, 48), 200.0), 0.1
    before = sample().binomial("click", n, p)
    more = {"new": ["feed"], "click": ["live", "extra", "search", "feed"], "buy": ["search"]}
    after = sample(cells=more).binomial("click", np.full((4, 48), 200.0), p)
    np.testing.assert_array_equal(after[[2, 3, 0]], before)


def test_chosen_cells_are_drawn_as_in_the_company_of_all():
    n, p, draws = np.full((3, 48), 200.0), 0.1, sample()
    every = draws.binomial("click", n, p)
    draws.choose("click", np.array([0, 2]))
    np.testing.assert_array_equal(draws.binomial("click", n[:2], p), every[[0, 2]])
    draws.choose("click", np.arange(3))
    np.testing.assert_array_equal(draws.binomial("click", n, p), every)


def test_steps_may_be_visited_in_any_order():
    n, draws = np.full((3, 48), 200.0), sample()
    seen = {}
    for step in [0, 1, 64, 200]:
        draws.at(step)
        seen[step] = draws.binomial("click", n, 0.1)
    for step in [200, 1, 0, 64]:
        draws.at(step)
        np.testing.assert_array_equal(draws.binomial("click", n, 0.1), seen[step])
    assert len({values.tobytes() for values in seen.values()}) == 4


def test_uniforms_are_common_to_plans_and_differ_in_all_else():
    z = {}
    for seed in (1, 2):
        for step in (0, 1, 64, 65):
            draws = sample(range(32), seed=seed, step=step)
            for purpose in ("click", "buy"):
                factor = by_plan(draws.factor(purpose, 0.5, len(CELLS[purpose])))
                assert np.all(factor == factor[:, :1])
                z[seed, step, purpose] = factor[:, 0]
    values = np.concatenate([block.ravel() for block in z.values()])
    assert len(np.unique(values)) == len(values)


def test_uniforms_are_uniform():
    draws = sample(range(64), plans=1, cells={"clock": [f"c{i}" for i in range(40)]})
    clocks = []
    for step in range(20):
        draws.at(step)
        clocks.append(draws.exponential("clock", 40))
    u = np.exp(-np.array(clocks))
    assert np.all((u > 0) & (u < 1))
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-3
    for axis in range(3):
        ahead, behind = np.moveaxis(u, axis, 0)[1:], np.moveaxis(u, axis, 0)[:-1]
        assert abs(np.corrcoef(ahead.ravel(), behind.ravel())[0, 1]) < 4 / np.sqrt(u.size)


def test_a_uniform_of_zero_is_the_least_that_is_not(monkeypatch):
    class Zeros:
        def __init__(self, _):
            pass

        def random(self, out):
            out.fill(0.0)

    monkeypatch.setattr(np.random, "Generator", Zeros)
    np.testing.assert_allclose(sample().exponential("clock", 1), 53 * np.log(2), rtol=1e-15)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_outside_64_bits_is_refused(seed):
    with pytest.raises(ValueError, match=rf"seed must be >= 0 and < 2\*\*64 \(got {seed}\)"):
        sample(seed=seed)
    sample(seed=2**64 - 1)


def test_two_cells_of_one_name_are_refused():
    with pytest.raises(ValueError, match="cells of 'click' must have different names"):
        sample(cells={"click": ["feed", "feed"]})


# --- sampled values -----------------------------------------------------------------------------


def collect(ask, cells=50, replications=64, steps=60):
    """Many draws of one question: [step, cell, replication]."""
    draws = sample(range(replications), 1, {"any": [f"c{i}" for i in range(cells)]})
    values = []
    for step in range(steps):
        draws.at(step)
        values.append(ask(draws))
    return np.array(values)


@pytest.mark.parametrize(("n", "p"), [(3, 0.2), (100, 0.03), (1e5, 0.01), (60, 0.95)])
def test_binomial_has_its_moments(n, p):
    x = collect(lambda draws: draws.binomial("any", n, p))
    sd = np.sqrt(n * p * (1 - p))
    assert x.mean() == pytest.approx(n * p, abs=4 * sd / np.sqrt(x.size))
    assert x.std() == pytest.approx(sd, rel=0.02)


@pytest.mark.parametrize("sd", [0.05, 0.5, 1.0])
def test_factor_has_mean_one_and_the_given_spread(sd):
    x = collect(lambda draws: draws.factor("any", sd, 50))
    assert x.mean() == pytest.approx(1.0, abs=4 * sd / np.sqrt(x.size))
    assert x.std() == pytest.approx(sd, rel=0.05)


def test_multipliers_are_their_quantiles():
    """The same uniform gives the clock, a lognormal factor and, from a shape of 4 on, the noise."""
    draws = sample(cells={"any": ["a", "b"]})
    z = ndtri(np.exp(-draws.exponential("any", 2)))
    s = np.sqrt(np.log1p(0.6**2))
    factor = draws.factor("any", 0.6, 2)
    np.testing.assert_allclose(factor, np.exp(s * z - s * s / 2), rtol=1e-12)
    v = 0.9**2 / 7
    noise = draws.mean_noise("any", np.full((2, 48), 7.0), 0.9)
    np.testing.assert_allclose(noise, (1 - v / 9 + z * np.sqrt(v) / 3) ** 3, rtol=1e-12)


def test_factor_without_spread_is_one():
    np.testing.assert_array_equal(sample().factor("click", 0.0, 3), np.ones((3, 48)))


@pytest.mark.parametrize(("count", "cv"), [(1, 1.0), (1, 0.5), (12, 2.0), (1e6, 0.7)])
def test_mean_noise_has_mean_one_and_the_spread_of_an_average(count, cv):
    x = collect(lambda draws: draws.mean_noise("any", count, cv))
    sd = cv / np.sqrt(count)
    assert x.mean() == pytest.approx(1.0, abs=4 * sd / np.sqrt(x.size))
    assert x.std() == pytest.approx(sd, rel=0.03)
    assert x.min() >= 0


@pytest.mark.parametrize(("count", "cv"), [(0, 0.5), (0, 0.0), (9, 0.0)])
def test_the_average_of_nothing_or_of_equals_has_no_noise(count, cv):
    noise = sample().mean_noise("click", np.full((3, 48), float(count)), cv)
    np.testing.assert_array_equal(noise, np.ones((3, 48)))


def test_exponential_is_exponential():
    x = collect(lambda draws: draws.exponential("any", 50))
    assert stats.kstest(x.ravel(), "expon").pvalue > 1e-3


@unhurried
@given(st.lists(st.floats(0, 1e10), min_size=3, max_size=3), st.integers(0, 500))
def test_round_off_takes_the_whole_number_below_or_above(amounts, step):
    amount = np.array(amounts)[:, None] * np.ones(48)
    whole = sample(step=step).round_off("click", amount)
    assert np.all((whole == np.floor(amount)) | (whole == np.ceil(amount)))


def test_round_off_is_unbiased():
    x = collect(lambda draws: draws.round_off("any", 7.3))
    assert x.mean() == pytest.approx(7.3, abs=4 * 0.46 / np.sqrt(x.size))


@unhurried
@given(
    total=st.integers(0, 10**10),
    weights=st.lists(st.floats(0, 1e6), min_size=1, max_size=7),
    step=st.integers(0, 500),
)
def test_parts_are_whole_and_sum_to_the_total(total, weights, step):
    w = np.array(weights)[:, None, None] * np.ones((len(weights), 3, 48))
    parts = sample(step=step).split("click", np.full((3, 48), float(total)), w)
    assert np.all(parts == np.floor(parts))
    assert np.all(parts >= 0)
    assert np.all(parts[np.array(weights) == 0.0] == 0)
    if sum(weights) == 0:
        assert not parts.any()
    else:
        np.testing.assert_array_equal(parts.sum(axis=0), np.full((3, 48), total))
        share = total * (np.array(weights) / sum(weights))[:, None, None]
        assert np.all(np.abs(parts - share) < 1 + 1e-15 * 8 * total)


def test_parts_are_unbiased():
    weights = np.array([1.0, 0.0, 2.0, 5.0])[:, None, None] * np.ones((4, 50, 64))
    x = collect(lambda draws: draws.split("any", np.full((50, 64), 3.0), weights))
    mean = x.mean(axis=(0, 2, 3))
    np.testing.assert_allclose(mean, [0.375, 0, 0.75, 1.875], atol=4 * 0.5 / np.sqrt(x[:, 0].size))


def test_results_are_written_where_asked():
    n, p = np.full((3, 48), 500.0), np.full((3, 1), 0.04)
    fresh = sample().binomial("click", n, p)
    whole, sliced = np.empty((3, 48)), np.empty((3, 2, 48))[:, 1]
    assert sample().binomial("click", n, p, out=whole) is whole
    assert sample().binomial("click", n, p, out=sliced) is sliced
    np.testing.assert_array_equal(whole, fresh)
    np.testing.assert_array_equal(sliced, fresh)
    for method, values in ask_everything(sample(), 48).items():
        assert np.isfinite(values).all(), method


# --- the expected implementation ----------------------------------------------------------------


def test_both_are_draws_and_answer_in_the_same_shapes():
    expected: Draws = Expected(48)
    sampled: Draws = sample()
    means, counts = ask_everything(expected, 48), ask_everything(sampled, 48)
    assert {k: v.shape for k, v in means.items()} == {k: v.shape for k, v in counts.items()}


def test_expected_is_the_mean():
    draws = Expected(4)
    draws.at(3)
    n, p = np.arange(8.0).reshape(2, 4), np.array([[0.1], [0.5]])
    np.testing.assert_array_equal(draws.binomial("click", n, p), n * p)
    np.testing.assert_array_equal(draws.round_off("click", n / 3), n / 3)
    for ones in (
        draws.factor("click", 0.4, 2),
        draws.mean_noise("click", n, 0.4),
        draws.exponential("click", 2),
    ):
        np.testing.assert_array_equal(ones, np.ones((2, 4)))
    out = np.empty((2, 4))
    assert draws.binomial("click", n, p, out=out) is out


def test_expected_parts_are_the_shares():
    weights = np.array([[1.0, 0.0], [3.0, 0.0]])[:, None, :]
    parts = Expected(2).split("click", np.array([[10.0, 7.0]]), weights)
    np.testing.assert_array_equal(parts, [[[2.5, 0.0]], [[7.5, 0.0]]])


def test_sampled_averages_to_expected():
    expected = ask_everything(Expected(48), 48)
    draws = sample(range(2000))
    answers = ask_everything(draws, 6000)
    for method in ("binomial", "split", "round_off", "mean_noise"):
        values = by_plan(answers[method])
        error = values.std(axis=-1) / np.sqrt(2000)
        mean = by_plan(expected[method]).mean(axis=-1)
        assert np.all(np.abs(values.mean(axis=-1) - mean) <= 4.5 * error + 1e-12 * mean), method
