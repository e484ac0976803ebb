"""The race under chance: the right plan wins, ties stay ties, and few plays are needed."""

from collections.abc import Sequence

import numpy as np
import pytest

from simulator.allocation.race import Race, race
from tests.allocation.markets import Array

BLOCK, ROUNDS = 16, 8


def played(means: Sequence[float], seed: int, *, common: float = 10.0, own: float = 1.0):
    """Blocks of scores: chance that all plans share, and a little of their own."""

    def play(chosen: Sequence[int], turn: int) -> Array:
        chance = np.random.default_rng([seed, turn])
        shared = common * chance.standard_normal(BLOCK)
        apart = own * chance.standard_normal((len(means), BLOCK))
        return np.array([means[n] + shared + apart[n] for n in chosen])

    return play


def raced(means: Sequence[float], seed: int, **options) -> Race:
    return race(played(means, seed, **options), len(means), rounds=ROUNDS)


def test_the_best_plan_is_thrown_out_in_at_most_one_race_of_twenty():
    """Hardest where all are equal: any of them may be called the best, and chance alone speaks."""
    runs = [raced([0.0] * 6, seed) for seed in range(300)]
    thrown = np.array([[n not in run.standing for n in range(6)] for run in runs])
    assert thrown.mean(axis=0).max() <= 0.05


def test_a_close_second_does_not_push_out_the_best():
    runs = [raced([0.1, 0.0, -0.1, -1.0], seed) for seed in range(200)]
    assert np.mean([0 not in run.standing for run in runs]) <= 0.05


def test_plans_that_are_clearly_behind_leave_in_the_first_block():
    run = raced([5.0, 0.0, -1.0, -2.0], 1)
    assert run == Race(best=0, standing=(0,), played=4 * BLOCK)


def test_equal_plans_are_ties_to_the_end():
    run = raced([1.0, 1.0, -9.0], 3)
    assert set(run.standing) == {0, 1}
    assert run.played == (3 + 2 * (ROUNDS - 1)) * BLOCK


def pick_rate(draw, count: int) -> float:
    return float(np.mean([draw(seed) for seed in range(count)]))


def test_it_takes_a_sixteenth_of_what_independent_plays_take():
    """To the same share of right choices, on plans whose common chance is ten times their own."""
    means = [0.5, 0.0, -0.5, -1.0, -1.5, -2.0, -2.5, -3.0]

    def independent(seed: int, each: int) -> bool:
        chance = np.random.default_rng([seed, 99])
        noise = np.sqrt(10.0**2 + 1.0**2) * chance.standard_normal((len(means), each)).mean(axis=1)
        return int(np.argmax(np.array(means) + noise)) == 0

    runs = [raced(means, seed) for seed in range(100)]
    right = np.mean([run.best == 0 for run in runs])
    lanes = np.mean([run.played for run in runs])
    assert right >= 0.95
    each = int(16 * lanes / len(means))
    assert pick_rate(lambda seed: independent(seed, each), 100) < right


@pytest.mark.parametrize("seed", range(3))
def test_a_race_is_the_same_each_time(seed: int):
    assert raced([0.2, 0.1, 0.0], seed) == raced([0.2, 0.1, 0.0], seed)
