"""Counts against SciPy's own quantiles, and what must hold for every draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import ndtr, ndtri

from simulator.market.quantiles import (
    LEAST_SHAPE,
    Workspace,
    binomial_quantile,
    expansion_terms,
    gamma_multiplier,
    steady,
)

U = (np.arange(20_000) + 0.5) / 20_000
BINOMIALS = [
    *((n, p) for n in (1, 2, 5, 20, 37, 60, 400, 13_000) for p in (1e-6, 0.01, 0.2, 0.45)),
    *((n, p) for n in (1, 5, 13, 37, 60, 400, 13_000) for p in (0.5, 0.55, 0.8, 0.99, 0.999)),
    *((1e10, mean / 1e10) for mean in (1e-12, 0.1, 3.0, 9.5, 1e4, 5e9, 1e10 - 20)),
]
uniforms = st.integers(1, 2**53 - 1).map(lambda k: k * 2.0**-53)
unhurried = settings(deadline=None)


def draw_binomial(n, p, u):
    """Draw with everything spread to the shape of u, as [1, 1, replication]."""
    u = np.atleast_1d(np.asarray(u, dtype=float))[None, None]
    n, p = (np.broadcast_to(np.asarray(x, dtype=float), u.shape) for x in (n, p))
    return binomial_quantile(n, p, u, expansion_terms(ndtri(u)), np.empty(u.shape))[0, 0]


def check_against(exact, drawn, mean):
    off = np.abs(drawn - exact)
    assert off.max() <= 1
    assert np.mean(off > 0) <= 0.003
    assert abs(np.mean(drawn - exact)) <= 3e-5 * max(mean, 1.0)


@pytest.mark.parametrize(("n", "p"), BINOMIALS)
def test_binomial_is_scipys(n, p):
    check_against(stats.binom.ppf(U, n, p), draw_binomial(n, p, U), n * p)


@pytest.mark.parametrize("p", [1e-4, 0.1, 0.3, 0.5, 0.7, 0.95])
def test_small_binomial_is_exact(p):
    n = np.floor(8.99 / (p * (1 - p)))
    np.testing.assert_array_equal(draw_binomial(n, p, U), stats.binom.ppf(U, n, p))


@pytest.mark.parametrize("variance", [9.0, 10.0, 20.0, 100.0])
@pytest.mark.parametrize("p", [1e-4, 0.2, 0.5, 0.9])
def test_mean_and_variance_are_the_binomials(variance, p):
    n = np.ceil(variance / (p * (1 - p)))
    u = (np.arange(400_000) + 0.5) / 400_000
    drawn = draw_binomial(n, p, u)
    assert abs(drawn.mean() - n * p) <= 3e-5 * n * p
    assert drawn.var() == pytest.approx(n * p * (1 - p), rel=1e-3)


@unhurried
@given(n=st.integers(0, 10**10), p=st.floats(0, 1 + 1e-15), u=st.lists(uniforms, min_size=2))
def test_binomial_is_whole_bounded_and_monotone(n, p, u):
    drawn = draw_binomial(n, p, np.sort(u))
    assert np.all((drawn >= 0) & (drawn <= n))
    assert np.all(drawn == np.floor(drawn))
    assert np.all(np.diff(drawn) >= 0)


@pytest.mark.parametrize("n", [4, 30, 50, 1e3, 1e6])
@pytest.mark.parametrize("p", [0.02, 0.3, 0.5, 0.9])
def test_monotone_into_the_far_tails(n, p):
    z = np.linspace(-8.2, 8.2, 20_001)
    u = np.clip(stats.norm.cdf(z), 2.0**-53, 1 - 2.0**-53)
    assert np.all(np.diff(draw_binomial(n, p, u)) >= 0)


@unhurried
@given(n=st.integers(1, 10**6), p=st.floats(0, 1), u=uniforms)
def test_failures_mirror_successes(n, p, u):
    mirrored = n - draw_binomial(n, 1 - p, 1 - u)
    assert abs(draw_binomial(n, p, u) - mirrored) <= 1


@pytest.mark.parametrize(
    ("n", "p", "count"),
    [
        (0, 0.3, 0),
        (7, 0, 0),
        (7, 1, 7),
        (7, 1 + 1e-15, 7),
        (1e10, 1, 1e10),
        (1e10, 0, 0),
        (0, 1, 0),
    ],
)
def test_certain_counts(n, p, count):
    np.testing.assert_array_equal(draw_binomial(n, p, U), np.full(U.shape, count))


def test_certain_among_uncertain():
    n, p = np.array([0.0, 50.0, 50.0, 50.0, 1e6]), np.array([0.5, 0.0, 1.0, 1.0 + 1e-15, 0.5])
    np.testing.assert_array_equal(draw_binomial(n, p, np.full(5, 0.5))[:4], [0, 0, 50, 50])


@unhurried
@given(
    st.lists(st.tuples(st.floats(-4, 8), st.floats(-6, 0), uniforms), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
def test_neighbours_do_not_matter(draws, random):
    mean, p, u = (np.array(x) for x in zip(*draws, strict=True))
    p = 10**p
    n = np.ceil(10**mean / p)
    together = draw_binomial(n, p, u)
    i = random.randrange(len(draws))
    assert draw_binomial(n[i], p[i], u[i]).item() == together[i]
    np.testing.assert_array_equal(draw_binomial(n[::-1], p[::-1], u[::-1])[::-1], together)


def test_blocks_broadcasting_and_a_used_workspace_change_nothing():
    rng = np.random.default_rng(5)
    n = np.ceil(10 ** rng.uniform(0, 6, (70, 16, 16)))
    p = 10 ** rng.uniform(-5, 0, (70, 1, 1))
    u = rng.random((70, 1, 16))
    work = Workspace()
    first = binomial_quantile(n, p, u, expansion_terms(ndtri(u)), np.empty(n.shape), work=work)
    again = binomial_quantile(n, p, u, expansion_terms(ndtri(u)), np.empty(n.shape), work=work)
    np.testing.assert_array_equal(first, again)
    for cell in range(0, 70, 9):
        spread = np.broadcast_to(u[cell], (16, 16)).ravel()
        alone = draw_binomial(n[cell].ravel(), p[cell, 0, 0], spread)
        np.testing.assert_array_equal(alone, first[cell].ravel())


def test_the_result_may_replace_the_trials():
    rng = np.random.default_rng(6)
    n = np.ceil(10 ** rng.uniform(0, 6, (30, 4, 8)))
    u = rng.random((30, 1, 8))
    fresh = binomial_quantile(
        n, np.full(n.shape, 0.01), u, expansion_terms(ndtri(u)), np.empty(n.shape)
    )
    replaced = binomial_quantile(n, np.full(n.shape, 0.01), u, expansion_terms(ndtri(u)), n)
    np.testing.assert_array_equal(fresh, replaced)


def test_a_sliced_result_is_refused():
    x = np.ones((2, 1, 4))
    with pytest.raises(ValueError, match="C-contiguous"):
        binomial_quantile(x, x / 2, x / 2, expansion_terms(x), np.empty((2, 1, 8))[:, :, ::2])


@pytest.mark.parametrize("inverse_shape", [0.0, np.inf, np.nan])
def test_the_average_of_nothing_is_not_multiplied(inverse_shape):
    z = np.linspace(-5, 5, 11)[None, None]
    multiplier = gamma_multiplier(np.full((1, 1, 1), inverse_shape), z, np.empty(z.shape))
    np.testing.assert_array_equal(multiplier, np.ones(z.shape))


# --- the expansions as they are written ---------------------------------------------------------

Z = ndtri((np.arange(200_000) + 0.5) / 200_000)


@pytest.mark.parametrize(
    ("n", "p"), [(36, 0.5), (57, 0.8), (9_100, 1e-3), (200, 0.3), (300, 0.85), (10_000, 0.04)]
)
def test_binomial_is_its_expansion(n, p):
    """Cornish and Fisher's third order on whole numbers, from a variance of 9 on."""
    q, s = 1 - p, np.sqrt(n * p * (1 - p))
    third = p * q * (7 * Z - Z**3) / 36 - (Z**3 + 2 * Z) / 72
    x = n * p + 0.5 + s * Z + (q - p) * (Z**2 - 1) / 6 + third / s
    check_whole(draw_binomial(n, p, ndtr(Z)), x, n)


def check_whole(drawn, x, most):
    """The whole part, but for rounding."""
    sure = np.abs(x - np.round(x)) > 1e-9
    np.testing.assert_array_equal(drawn[sure], np.clip(np.floor(x[sure]), 0, most))


@pytest.mark.parametrize("shape", [0.05, 0.1, 0.3, 1.0, 3.98, 4.02, 30.0])
def test_gamma_multiplier_is_its_cube(shape):
    """From a shape of 4 on it is Wilson and Hilferty's, below it is divided by its mean."""
    v = 1 / max(shape, 0.1)

    def cube(z):
        return np.maximum(1 - v / 9 + z * np.sqrt(v) / 3, 0.0) ** 3

    lowest = (v / 9 - 1) * 3 / np.sqrt(v)
    mean = integrate.quad(lambda z: cube(z) * stats.norm.pdf(z), lowest, 12, epsabs=1e-14)[0]
    z = np.linspace(-3, 5, 40)[None, None]
    multiplier = gamma_multiplier(np.full((1, 1, 1), 1 / shape), z, np.empty(z.shape))
    exact = cube(z) / mean if shape < 4 else cube(z)
    np.testing.assert_allclose(multiplier, exact, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("shape", [LEAST_SHAPE, 0.3, 1.0, 1.7, 3.99, 4.0, 6.0, 30.0, 1e6])
def test_gamma_multiplier_has_mean_one(shape):
    z = np.linspace(-9, 9, 40_001)[None, None]
    multiplier = gamma_multiplier(np.full((1, 1, 1), 1 / shape), z, np.empty(z.shape))
    mean = integrate.simpson((multiplier * stats.norm.pdf(z)).ravel(), z.ravel())
    assert mean == pytest.approx(1.0, abs=3e-5)
    assert multiplier.min() >= 0
    assert np.all(np.diff(multiplier) >= 0)


@pytest.mark.parametrize("shape", [2.0, 5.0, 40.0])
def test_gamma_multiplier_is_nearly_scipys(shape):
    z = ndtri(U)[None, None]
    multiplier = gamma_multiplier(np.full((1, 1, 1), 1 / shape), z, np.empty(z.shape))
    exact = stats.gamma.ppf(U, shape) / shape
    assert np.abs(multiplier.ravel() - exact).mean() <= 0.006
    assert multiplier.std() == pytest.approx(exact.std(), rel=0.02)


@pytest.mark.parametrize("function", [np.exp, np.log, np.log1p])
def test_steady_functions_are_steady(function):
    x = np.random.default_rng(7).random(999)
    whole = steady(function, x)
    for first, last in [(0, 1), (5, 6), (17, 19), (100, 999)]:
        np.testing.assert_array_equal(steady(function, x[first:last]), whole[first:last])
    np.testing.assert_array_equal(steady(function, x[::-1]), whole[::-1])
