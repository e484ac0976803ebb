"""Intervals against closed forms, and their promise: 95% of them hold the truth."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulator.outcomes.compare import (
    Sample,
    by_replication,
    describe,
    influence,
    interval_of,
    paired_difference,
    plain,
    quantiles,
    ratio_of_means,
    share_above,
    undefined_share,
)
from tests.outcomes.synthetic import make_shop

SHOCKS = np.array([
    #  demand  price   a      b     noise
    [0.35, 0.0, 0.0, 0.0, 0.0],  # base sales
    [0.35, 0.0, 0.30, 0.0, 0.0],  # sales won by a
    [0.35, 0.0, 0.27, 0.12, 0.0],  # sales won by b, almost those of a
    [0.10, 0.20, 0.0, 0.0, 0.0],  # spend of a and b
    [0.30, -0.1, 0.20, 0.0, 0.2],  # new customers won by a
    [0.30, -0.1, 0.18, 0.1, 0.2],  # new customers won by b
])  # fmt: skip
LEVEL = np.array([1e6, 3e5, 2.5e5, 1e5, 2000.0, 1500.0])
WORLDS, DRAWS = 2500, 100


def make_world(rng):
    """Two plans and no ads; every figure is its level times a mean-one log-normal factor."""
    z = rng.standard_normal((5, DRAWS))
    factors = np.exp(SHOCKS @ z - (SHOCKS**2).sum(axis=1, keepdims=True) / 2)
    base, gain_a, gain_b, spend, new_a, new_b = LEVEL[:, None] * factors
    idle = np.zeros(DRAWS)
    gmv = np.array([base + gain_a, base + gain_b, base])
    new = 300 * factors[0] + np.array([new_a, new_b, idle])
    return make_shop(np.array([spend, 0.9 * spend, idle]), gmv, new)


@pytest.fixture(scope="module")
def coverage():
    """Share of seeded worlds whose interval holds the truth, by promise."""
    rng = np.random.default_rng(2020)
    truth = {
        ("roi", "a"): 2.0, ("roi", "b"): 2.5e5 / 0.9e5 - 1, ("cac", "a"): 50.0, ("cac", "b"): 60.0,
        "roi": 2.0 - (2.5e5 / 0.9e5 - 1), "cac": -10.0, "profit": 4e4, "new_customers": 500.0,
    }  # fmt: skip
    hits = dict.fromkeys(truth, 0)
    for _ in range(WORLDS):
        outcomes = make_world(rng)
        for key, value in truth.items():
            lo, hi = interval_in(outcomes, key)
            hits[key] += lo <= value <= hi
    return {key: count / WORLDS for key, count in hits.items()}


def interval_in(outcomes, key):
    if isinstance(key, tuple):
        sample = outcomes.sample(key[1], key[0])
        return interval_of(ratio_of_means(sample), influence(sample))
    return paired_difference(outcomes.sample("a", key), outcomes.sample("b", key)).interval


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["roi", "cac"])
@pytest.mark.parametrize("plan", ["a", "b"])
def test_a_ratios_interval_holds_the_truth(coverage, metric, plan):
    assert 0.93 <= coverage[metric, plan] <= 0.97


@pytest.mark.parametrize("metric", ["roi", "cac", "profit", "new_customers"])
def test_a_paired_differences_interval_holds_the_truth(coverage, metric):
    assert 0.93 <= coverage[metric] <= 0.97


def test_a_total_has_students_interval():
    values = np.random.default_rng(3).gamma(2, 5, 30)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = describe(Sample.total(values))
    assert found["ci_lo"] == pytest.approx(expected.low)
    assert found["ci_hi"] == pytest.approx(expected.high)
    assert found["mean"] == pytest.approx(values.mean())


def test_a_difference_of_totals_has_the_paired_t_interval():
    rng = np.random.default_rng(4)
    common = rng.normal(0, 10, 25)
    a, b = common + rng.normal(1, 1, 25), common + rng.normal(0, 1, 25)
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    gap = paired_difference(Sample.total(a), Sample.total(b))
    assert tuple(gap.interval) == pytest.approx((expected.low, expected.high))
    assert gap.variance_reduction == pytest.approx(
        (a.var(ddof=1) + b.var(ddof=1)) / (a - b).var(ddof=1)
    )


def test_a_ratio_has_the_textbook_variance():
    # Cochran (1977), equation 2.46 without the finite population: (sy2 + R2 sx2 - 2 R syx) / n x2.
    rng = np.random.default_rng(5)
    x = rng.uniform(5, 9, 50)
    y = 2 * x + rng.normal(0, 1, 50)
    ratio, cov = y.mean() / x.mean(), np.cov(y, x)
    variance = (cov[0, 0] + ratio**2 * cov[1, 1] - 2 * ratio * cov[0, 1]) / (50 * x.mean() ** 2)
    lo, hi = interval_of(ratio, influence(Sample(y, x)))
    assert (hi - lo) / 2 == pytest.approx(stats.t.ppf(0.975, 49) * math.sqrt(variance))


def test_influence_is_the_slope_of_the_ratio_in_the_weight_of_a_replication():
    rng = np.random.default_rng(6)
    y, x = rng.uniform(1, 9, (2, 12))
    weight, tiny = np.ones(12), 1e-6
    weight[4] += tiny
    slope = ((weight @ y) / (weight @ x) - y.sum() / x.sum()) / tiny * 12
    assert influence(Sample(y, x))[4] == pytest.approx(slope, rel=1e-4)


def test_common_chance_narrows_a_difference_as_the_closed_form_says():
    # a = D + A, b = D + B: reduction (var a + var b) / (var A + var B) = 1 + 2 * 9 / 2.
    rng = np.random.default_rng(7)
    common = rng.normal(0, 3, 200_000)
    own = rng.normal(0, 1, (2, 200_000))
    gap = paired_difference(Sample.total(common + own[0]), Sample.total(common + own[1]))
    assert gap.variance_reduction == pytest.approx(10, rel=0.02)


def test_plans_that_never_differ_are_a_tie():
    a = Sample.total(np.array([0.1, 0.7, 0.3]))
    gap = paired_difference(a, a)
    assert (gap.mean, *gap.interval) == (0, 0, 0)
    assert plain(gap.variance_reduction) is None
    assert share_above(a, a) == 0.5


def test_share_above_leaves_out_what_is_undefined():
    a = Sample(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0, 0.0, 1.0]))
    b = Sample.total(np.array([2.0, 1.0, 0.0, 4.0]))
    assert share_above(a, b) == 0.5  # one below, one above, one tie
    assert undefined_share(a) == 0.25


def test_nothing_defined_is_none_everywhere():
    found = describe(Sample(np.ones(4), np.zeros(4)))
    assert found.pop("undefined_share") == 1
    assert set(found.values()) == {None}
    assert math.isnan(share_above(Sample(np.ones(2), np.zeros(2)), Sample.total(np.ones(2))))


def test_one_replication_has_no_interval():
    found = describe(Sample.total(np.array([7.0])))
    assert found == {
        "mean": 7, "p10": 7, "p50": 7, "p90": 7, "ci_lo": None, "ci_hi": None
    }  # fmt: skip


def test_the_mean_of_a_ratio_is_the_ratio_of_means():
    sample = Sample(np.array([1.0, 9.0]), np.array([1.0, 3.0]))
    assert ratio_of_means(sample) == 2.5
    assert by_replication(sample).mean() == 2.0


@settings(deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=60))
def test_quantiles_with_ties_are_values_in_order(numbers):
    values = np.array(numbers, dtype=float)
    low, middle, high = quantiles(values, [0.1, 0.5, 0.9])
    assert values.min() <= low <= middle <= high <= values.max()
    assert middle == np.median(values)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-10, 1e9)), min_size=1, max_size=20))
def test_no_input_gives_nan_infinity_or_a_warning(pairs):
    y, x = np.array(pairs).T
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = describe(Sample(y, x))
    assert all(value is None or math.isfinite(value) for value in found.values())
