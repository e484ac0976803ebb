"""What spending brings back: red packets, credit, guaranteed returns and hosting (docs/model.md section 17).

symbol   meaning                                              unit     shape
S        auction spend that counts                            CNY      [lane]
gmv      gmv that counts                                      CNY      [lane]
R        guaranteed gmv per yuan of spend                     x        number
N        orders that count, and their least number n          orders   [lane]

Rebate and credit are known at the end, a guaranteed return after every window of seven days.
"""

import numpy as np
from scipy.special import gammainc

WINDOW_DAYS = 7


def matched(spend: np.ndarray, rate: float, cap: float) -> np.ndarray:
    """min(cap, rate x spend): a red packet, or credit for small merchants  [CNY].

    >>> matched(np.array([1e6, 3e6]), 0.1, 200_000.0).tolist()
    [100000.0, 200000.0]
    """
    return np.minimum(cap, rate * spend)


def short_of(spend: np.ndarray, gmv: np.ndarray, target: float) -> np.ndarray:
    """max(0, S - gmv / R): spend that the guaranteed return does not cover  [CNY].

    >>> short_of(np.array([100.0, 100.0]), np.array([150.0, 250.0]), 2.0).tolist()
    [25.0, 0.0]
    """
    return np.maximum(0.0, spend - gmv / target)


def enough(orders: np.ndarray, least: float, *, sampled: bool) -> np.ndarray:
    """Whether N >= n (sampled), or P(Poisson(N) >= n), which is smooth (expected)  [1].

    >>> enough(np.array([1.0]), 1.0, sampled=False).round(6).tolist()
    [0.632121]
    """
    if sampled or least <= 0:
        return np.asarray((orders >= least).astype(float))
    return np.asarray(gammainc(np.ceil(least), np.maximum(orders, 0.0)))


def made_up(gmv: np.ndarray, guaranteed: float) -> np.ndarray:
    """max(0, guaranteed - gmv): what the host pays for missing gmv  [CNY]."""
    return np.maximum(0.0, guaranteed - gmv)
