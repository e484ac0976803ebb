"""Bids in a new market: few steps and their leaps against a search without end."""

import numpy as np
import pytest

from simulator.engine.lanes import Chunk
from simulator.engine.run import Run
from simulator.engine.simulate import make_grid
from simulator.market import bidding
from simulator.market.build import build_world
from simulator.scenario import read_scenario
from simulator.scenario.plan import plans_of


@pytest.mark.parametrize("name", ["beauty_multi_scene", "flash_presale", "new_coffee_100m"])
def test_few_steps_find_the_bids(name, monkeypatch):
    """Bids within 7% of where they would end; the leaps bring them there."""
    scenario = read_scenario(f"scenarios/{name}.yaml")
    world, chunk = build_world(scenario, make_grid(scenario)), Chunk(plans_of(scenario), (0,))

    def bids(steps: int, leaps: tuple[int, ...]) -> np.ndarray:
        monkeypatch.setattr(bidding, "FRESH_STEPS", steps)
        monkeypatch.setattr(bidding, "LEAPS", leaps)
        run = Run(world, chunk, 0, sampled=False, daily=False)
        run.step(0)
        return run.media.bidder.x

    endless = bids(99, ())
    far, near = (np.abs(bids(6, leaps) - endless).max() for leaps in [(), (2, 4)])
    assert near < 0.07 and near < far / 2
