"""Frequency caps against SciPy's negative binomial, and against people simulated one by one."""

import numpy as np
import pytest
from scipy import stats

from simulator.market.contract import at_most


@pytest.mark.parametrize("most", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("shape", [0.3, 0.6, 4.0])
@pytest.mark.parametrize("mean", [1e-4, 0.2, 3.0, 40.0])
def test_the_mean_of_what_a_cap_leaves(mean, shape, most):
    law = stats.nbinom(shape, shape / (shape + mean))
    truth = float(law.sf(np.arange(most)).sum())
    assert float(at_most(np.array(mean), np.array(shape), most)) == pytest.approx(truth, rel=1e-9)


def test_a_cap_among_single_people():
    rng = np.random.default_rng(5)
    met = rng.poisson(rng.gamma(0.6, 2.5 / 0.6, 400_000))
    for most in (1, 2, 4):
        left = float(at_most(np.array(2.5), np.array(0.6), most))
        assert left == pytest.approx(np.minimum(met, most).mean(), rel=0.01)


def test_nobody_offered_nothing_shown():
    assert at_most(np.array([0.0]), np.array(0.6), 3) == 0
