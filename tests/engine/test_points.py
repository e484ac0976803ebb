"""Points of the common shocks: a page of rules written twice, what they are exact for, and what they are nearly."""

import numpy as np
import pytest
from scipy.stats import norm

import simulator as sim
from simulator.engine.lanes import quadrature, shock_factor
from simulator.scenario.schema import Scenario
from tests.oracles.twin_luck import points_of


@pytest.mark.parametrize("shocks", [1, 2, 3, 8, 9, 17])
def test_the_points_are_those_of_the_twin(shocks: int):
    np.testing.assert_allclose(quadrature(shocks), points_of(shocks), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shocks", [1, 2, 5, 9])
def test_polynomials_of_degree_three_have_their_mean(shocks: int):
    z = quadrature(shocks)
    count = z.shape[1]
    assert np.abs(z.mean(axis=1)).max() < 1e-12
    np.testing.assert_allclose(z @ z.T / count, np.eye(shocks), atol=1e-12)
    assert np.abs(np.einsum("ap,bp,cp->abc", z, z, z) / count).max() < 1e-12


@pytest.mark.parametrize(("shocks", "near"), [(1, 0.01), (2, 0.02), (3, 0.06), (4, 0.08)])
def test_what_falls_short_of_a_promise_has_nearly_its_mean(shocks: int, near: float):
    """max(0, K - x), x standard normal in any direction of the shocks: K Phi(K) + phi(K)."""
    z, directions = quadrature(shocks), np.random.default_rng(5).normal(size=(300, shocks))
    x = np.abs(directions) / np.linalg.norm(directions, axis=1, keepdims=True) @ z
    promised = np.linspace(-1.5, 1.5, 13)[:, None, None]
    found = np.maximum(0.0, promised - x).mean(axis=-1)
    true = promised * norm.cdf(promised) + norm.pdf(promised)
    assert np.abs(found - true[..., 0]).max() < near


@pytest.mark.parametrize(("sd", "near"), [(0.1, 0.001), (0.3, 0.005), (0.5, 0.01), (1.0, 0.042)])
def test_what_a_stock_can_sell_has_nearly_its_mean(sd: float, near: float):
    """E min(X, S), X log-normal of mean 1; the points leave out the farthest tail, which counts beyond an sd of 1/2."""
    factor, spread = shock_factor(quadrature(1)[0], sd), np.sqrt(np.log1p(sd * sd))
    stock = np.geomspace(0.5, 6, 25)[:, None]
    far = (np.log(stock) + spread**2 / 2) / spread
    true = norm.cdf(far - spread) + stock * norm.sf(far)
    found = np.minimum(factor / factor.mean(), stock).mean(axis=1, keepdims=True)
    assert np.abs(found / true - 1).max() < near


def test_expected_mode_knows_what_a_promise_is_worth():
    uncertain = "chance.demand_sd=0.3"
    gmv = _mean("gmv", sim.read_scenario("scenarios/minimal.yaml", [uncertain]))
    hosted = f"incentives.hosted.host={{guaranteed_gmv: {gmv:.0f}, fee: 5%}}"
    scenario = sim.read_scenario("scenarios/minimal.yaml", [uncertain, hosted])
    expected = _mean("settlement", scenario)
    drawn = sim.simulate(
        scenario, replications=1000, seed=3, spreads=False, daily=False, attribution=False
    ).values("half_half", "settlement")
    assert expected > 0.05 * gmv
    assert abs(drawn.mean() - expected) < 3 * drawn.std() / np.sqrt(drawn.size)


def _mean(metric: str, scenario: Scenario) -> float:
    outcomes = sim.simulate(scenario, mode="expected", daily=False, attribution=False)
    return float(outcomes.values("half_half", metric).mean())
