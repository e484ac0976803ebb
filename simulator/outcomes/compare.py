"""How sure a figure is: intervals, quantiles and paired differences over replications.

symbol   meaning                                                        unit       shape
y, x     numerator and denominator of a figure (a total has x = 1)      any        [replication]
n        replications                                                   1
R        the figure: ratio of the means, mean(y) / mean(x)              [y] / [x]
e        influence of one replication on R: (y - R x) / mean(x)         [y] / [x]  [replication]
t        97.5% point of Student's t with n - 1 degrees of freedom       1

Replication r draws the same chance for every plan, so figures of two plans are compared replication
by replication. A figure is defined where its denominator is above zero (by more than rounding can
leave behind); NaN stands for an undefined number here, and `plain` makes it None at the border.
Sources: Cochran, Sampling Techniques (1977), chapter 6, for the ratio; Law, Simulation Modeling and
Analysis (2015), sections 10.2 and 11.2, for paired differences under common random numbers.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CONFIDENCE = 0.95
NOTHING = 1e-9
"""A denominator up to here is zero: what rounding leaves of a difference of two equal sums."""
QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}


class Sample(NamedTuple):
    """One figure in every replication, as numerator and denominator: [replication]."""

    top: Array
    bottom: Array

    @classmethod
    def total(cls, values: Array) -> "Sample":
        """A figure that is no ratio."""
        return cls(values, np.ones_like(values))


class Interval(NamedTuple):
    """Where the figure lies at 95% confidence."""

    lo: float
    hi: float


class Difference(NamedTuple):
    """Figure of a less figure of b, over the same replications."""

    mean: float
    interval: Interval
    variance_reduction: float
    """Variance of the difference had a and b been run apart, over its variance here [x]."""


def plain(value: float) -> float | None:
    """A number as JSON knows it: None where it is undefined.

    >>> plain(float("nan")), plain(0.5)
    (None, 0.5)
    """
    return float(value) if math.isfinite(value) else None


def ratio_of_means(sample: Sample) -> float:
    """R = mean(y) / mean(x)  [y / x]; NaN where mean(x) is 0 (Cochran 1977, section 6.2).

    A mean of ratios would let replications with a small denominator speak loudest.

    >>> ratio_of_means(Sample(np.array([1.0, 5.0]), np.array([1.0, 2.0])))
    2.0
    """
    below = float(sample.bottom.mean())
    return float(sample.top.mean()) / below if below > NOTHING else math.nan


def influence(sample: Sample) -> Array:
    """Influence e = (y - R x) / mean(x)  [y / x]: the delta method's linear part, with mean zero.

    For a total it is the deviation from the mean.

    >>> influence(Sample(np.array([1.0, 5.0]), np.array([1.0, 2.0]))).round(3).tolist()
    [-0.667, 0.667]
    """
    figure = ratio_of_means(sample)
    if not math.isfinite(figure):
        return np.full(sample.top.shape, math.nan)
    return np.asarray((sample.top - figure * sample.bottom) / sample.bottom.mean())


def interval_of(figure: float, effect: Array) -> Interval:
    """R -+ t sd(e) / sqrt(n)  [y / x]: 95% interval from the influences; NaN for n < 2.

    >>> [round(x, 2) for x in interval_of(2.0, np.array([-1.0, 0.0, 1.0]))]
    [-0.48, 4.48]
    """
    n = effect.size
    if n < 2 or not math.isfinite(figure):
        return Interval(math.nan, math.nan)
    half = student_t(n - 1) * math.sqrt(_variance(effect) / n)
    return Interval(figure - half, figure + half)


@lru_cache(maxsize=256)
def student_t(freedom: int) -> float:
    """t: the (1 + 95%) / 2 point of Student's t  [1].

    >>> round(student_t(10), 3), round(student_t(10**6), 3)
    (2.228, 1.96)
    """
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def by_replication(sample: Sample) -> Array:
    """Figure y / x of every replication [replication], NaN where x is 0.

    >>> by_replication(Sample(np.array([1.0, 5.0]), np.array([0.0, 2.0]))).tolist()
    [nan, 2.5]
    """
    safe = sample.bottom > NOTHING
    values = sample.top / np.where(safe, sample.bottom, 1.0)
    return np.where(safe, values, math.nan)


def undefined_share(sample: Sample) -> float:
    """Share of replications in which the figure is undefined  [1].

    >>> undefined_share(Sample(np.array([1.0, 5.0]), np.array([0.0, 2.0])))
    0.5
    """
    return float(np.mean(~np.isfinite(by_replication(sample))))


def quantiles(values: Array, shares: Sequence[float]) -> list[float]:
    """Quantiles of the defined values, median-unbiased (Hyndman and Fan 1996, type 8).

    Equal values need no care: between two of them the interpolation gives the value itself.

    >>> [round(q, 3) for q in quantiles(np.array([4.0, np.nan, 2.0, 2.0]), [0.1, 0.5, 0.9])]
    [2.0, 2.0, 4.0]
    >>> quantiles(np.array([np.nan]), [0.5])
    [nan]
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return [math.nan for _ in shares]
    return [float(q) for q in np.quantile(known, shares, method="median_unbiased")]


def quantile_interval(values: Array, share: float) -> Interval:
    """Where a quantile lies at 95% confidence: between two values by rank (Conover 1999, section 3.2).

    The share of values below it is binomial: share -+ 1.96 sqrt(share (1 - share) / n), cut at both ends.

    >>> low, high = quantile_interval(np.arange(101.0), 0.1)
    >>> round(low, 1), round(high, 1)
    (4.1, 15.9)
    """
    half = student_t(10**6) * math.sqrt(share * (1 - share) / values.size)
    ends = np.clip([share - half, share + half], 0.0, 1.0)
    return Interval(*(float(x) for x in np.quantile(values, ends)))


def share_interval(share: float, n: int) -> Interval:
    """Where a share of n replications lies at 95% confidence (Wilson 1927).

    >>> low, high = share_interval(0.9, 100)
    >>> round(low, 3), round(high, 3)
    (0.826, 0.945)
    """
    z = student_t(10**6)
    middle, below = share + z * z / (2 * n), 1 + z * z / n
    half = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return Interval((middle - half) / below, (middle + half) / below)


def paired_difference(a: Sample, b: Sample) -> Difference:
    """R_a - R_b -+ t sd(e_a - e_b) / sqrt(n)  [y / x]: replications are paired (Law 2015, 10.2.1).

    Variance reduction is (var(e_a) + var(e_b)) / var(e_a - e_b), NaN where a and b never differ.

    >>> a = Sample.total(np.array([3.0, 5.0, 8.0]))
    >>> b = Sample.total(np.array([2.0, 4.0, 6.0]))
    >>> gap = paired_difference(a, b)
    >>> round(gap.mean, 3), round(gap.variance_reduction, 1)
    (1.333, 31.0)
    """
    mean = ratio_of_means(a) - ratio_of_means(b)
    own = influence(a), influence(b)
    gap = np.asarray(own[0] - own[1])
    if gap.size < 2 or not math.isfinite(mean):
        return Difference(mean, Interval(math.nan, math.nan), math.nan)
    together, apart = _variance(gap), _variance(own[0]) + _variance(own[1])
    reduction = apart / together if together > 0 else math.nan
    return Difference(mean, interval_of(mean, gap), reduction)


def share_above(a: Sample, b: Sample) -> float:
    """Share of replications in which a is above b  [1]; a tie counts half.

    Only replications in which both are defined count (Vargha and Delaney 2000, paired).

    >>> share_above(Sample.total(np.array([3.0, 5.0])), Sample.total(np.array([2.0, 5.0])))
    0.75
    """
    gap = by_replication(a) - by_replication(b)
    gap = gap[np.isfinite(gap)]
    return float(np.mean(0.5 + 0.5 * np.sign(gap))) if gap.size else math.nan


def describe(sample: Sample) -> dict[str, float | None]:
    """All that is said about one figure; `undefined_share` only where it is above zero.

    >>> describe(Sample.total(np.array([1.0, 2.0, 3.0])))["p50"]
    2.0
    """
    mean = ratio_of_means(sample)
    spread = quantiles(by_replication(sample), list(QUANTILES.values()))
    interval = interval_of(mean, influence(sample))
    numbers = dict(zip(QUANTILES, spread, strict=True))
    numbers = {"mean": mean} | numbers | {"ci_lo": interval.lo, "ci_hi": interval.hi}
    if missing := undefined_share(sample):
        numbers["undefined_share"] = missing
    return {name: plain(value) for name, value in numbers.items()}


def _variance(values: Array) -> float:
    return float(values.var(ddof=1))
