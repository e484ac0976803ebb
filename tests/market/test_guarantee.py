"""What promises pay, and when they pay nothing."""

import numpy as np
import pytest
from scipy.stats import poisson

from simulator.market.guarantee import enough, made_up, matched, short_of


def test_at_the_target_nothing_is_paid():
    spend, gmv = np.array([100.0, 100.0, 100.0]), np.array([199.0, 200.0, 201.0])
    assert short_of(spend, gmv, 2.0) == pytest.approx([0.5, 0, 0])


def test_below_twenty_orders_nothing_is_paid():
    number = np.array([19.0, 20.0])
    assert enough(number, 20, sampled=True).tolist() == [0, 1]
    smooth = enough(number, 20, sampled=False)
    assert smooth == pytest.approx(1 - poisson(number).cdf(19))


def test_caps_and_floors():
    assert matched(np.array([10.0, 1e9]), 0.3, 200.0).tolist() == [3, 200]
    assert made_up(np.array([90.0, 110.0]), 100.0).tolist() == [10, 0]
