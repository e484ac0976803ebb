"""Products at a known pace: the day on which a clock rings, and shares that move as it says."""

import numpy as np
import pytest

from simulator.engine.simulate import make_grid
from simulator.market.build import build_world
from simulator.market.draws import Expected
from simulator.market.lifecycle import NEW_STAGES, LifeCycles, Shelf
from tests.worlds import minimal

DAYS = 60.5
"""Mean days of a hit, and its clock: it rings on the day after."""


def hits(*, sampled: bool) -> tuple[LifeCycles, Shelf]:
    """One product that is a hit and sells as much as it ever did."""
    scenario = minimal("products.coffee.product_stage=hit", f"life_cycle.core_days={DAYS}")
    goods = build_world(scenario, make_grid(scenario)).goods
    cycles = LifeCycles(
        goods, scenario.life_cycle.model_copy(update={"decline_days": 1e300}), sampled
    )
    return cycles, cycles.start(2, Expected(2))  # clocks of 1, their mean


def close(cycles: LifeCycles, shelf: Shelf, days: int) -> None:
    for _ in range(days):
        cycles.close_day(shelf, shelf.week.copy(), 1.0)


def test_a_clock_rings_in_the_day_in_which_its_hazard_is_used_up():
    """Half of the 61st day is that of a hit, half that of a core product."""
    cycles, shelf = hits(sampled=True)
    close(cycles, shelf, int(DAYS))
    assert shelf.stage[:, 0].T.tolist() == [[0, 0, 0, 1, 0, 0]] * 2
    close(cycles, shelf, 1)
    assert shelf.stage[3:5, 0] == pytest.approx(0.5)
    assert shelf.at[:, 0].T.tolist() == [[0, 0, 0, 0, 1, 0]] * 2
    close(cycles, shelf, 1)
    assert shelf.stage[:, 0].T.tolist() == [[0, 0, 0, 0, 1, 0]] * 2


def test_shares_flow_as_clocks_ring_on_average():
    cycles, shelf = hits(sampled=False)
    close(cycles, shelf, int(DAYS))
    assert shelf.at[3] == pytest.approx(np.exp(-int(DAYS) / DAYS))
    assert shelf.at[3] + shelf.at[4] == pytest.approx(1.0)


def test_the_day_of_many_clocks_is_the_mean_of_the_day():
    """Clocks of any length: the mean of their mixes is the share that flows, both within the day and by its end."""
    cycles, flowing = hits(sampled=False)
    goods = cycles.goods
    ringing = LifeCycles(goods, cycles.rules.model_copy(update={"core_days": 1.5}), True)
    cycles.rules = ringing.rules
    lanes = 20000
    shelf = ringing.start(lanes, Expected(lanes))
    quantiles = (np.arange(lanes) + 0.5) / lanes
    shelf.clock = np.tile(-np.log(quantiles), (len(shelf.clock), 1))
    for _ in range(3):
        close(ringing, shelf, 1)
        close(cycles, flowing, 1)
        for name in ("at", "stage"):
            found = getattr(shelf, name).mean(axis=2)
            assert found == pytest.approx(getattr(flowing, name).mean(axis=2), abs=1e-3)


def test_what_an_order_brings_is_its_mean_over_clocks():
    """Samples are cheap, seldom come back, and are bought twice as readily as what has been launched."""
    scenario = minimal("products.coffee.product_stage=sampling")
    goods = build_world(scenario, make_grid(scenario)).goods
    flowing, ringing = (
        LifeCycles(goods, scenario.life_cycle, sampled) for sampled in (False, True)
    )
    mean, lanes = flowing.start(1, Expected(1)), 20000
    shelf = ringing.start(lanes, Expected(lanes))
    clocks = np.tile(-np.log((np.arange(lanes) + 0.5) / lanes), (len(shelf.clock), 1))
    shelf.clock = np.random.default_rng(1).permuted(clocks, axis=1)
    close(ringing, shelf, 3)
    close(flowing, mean, 3)
    orders = ringing.effects(shelf).cvr
    for figure in (
        lambda cycles, of: cycles.price(of, 0),
        lambda cycles, of: cycles.effects(of).refund,
        lambda cycles, of: cycles.ordered(of)[NEW_STAGES].sum(axis=0),
    ):
        found = (orders * figure(ringing, shelf)).sum() / orders.sum()
        assert found == pytest.approx(float(figure(flowing, mean)[0, 0]), rel=1e-3)
    plain = (mean.stage[:, 0, 0] * scenario.life_cycle.price).sum()
    assert flowing.price(mean, 0) < 0.98 * plain


def test_without_a_date_samples_are_launched_at_a_third_a_day():
    scenario = minimal("products.coffee.product_stage=sampling")
    goods = build_world(scenario, make_grid(scenario)).goods
    cycles = LifeCycles(goods, scenario.life_cycle, False, np.ones((1, 2)))
    shelf = cycles.start(2, Expected(2))
    close(cycles, shelf, 1)
    assert shelf.at[0, 0] == pytest.approx(np.exp(-1 / 3), rel=1e-12)
