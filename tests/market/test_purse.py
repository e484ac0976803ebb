"""Purses: what is left of the money of a scene."""

import numpy as np

from simulator.market.purse import unspent


def test_what_a_scene_leaves_is_what_it_did_not_spend_and_dust_is_nothing() -> None:
    money = np.array([[[60.0], [40.0]], [[0.0], [50.0]], [[0.0], [0.0]]])  # [scene, phase, lane]
    spend = np.array([[[10.0], [25.0]], [[0.0], [50.0 - 1e-12]], [[0.0], [0.0]]])
    assert unspent(money, spend).ravel().tolist() == [65.0, 0.0, 0.0]
