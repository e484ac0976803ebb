"""Products as scenes find them."""

import numpy as np

from simulator.engine.simulate import make_grid
from simulator.market.build import build_world
from simulator.market.draws import Expected
from simulator.market.lifecycle import LifeCycles
from simulator.market.today import Assortment
from tests.worlds import minimal


def test_the_fortune_of_a_picture_multiplies_the_click_odds_of_its_scene():
    scenario = minimal()
    world = build_world(scenario, make_grid(scenario))
    cycles = LifeCycles(world.goods, scenario.life_cycle, sampled=False)
    shelf, one = cycles.start(2, Expected(2)), np.ones((1, 2))
    fortune = np.array([[1.3, 0.8], [1.0, 1.1]])
    plain, lucky = (
        Assortment(world, cycles, one, shelf, pictures).today(shelf, one).scene_ctr
        for pictures in (None, fortune)
    )
    np.testing.assert_allclose(lucky, plain * fortune, rtol=1e-12)
