"""Replications to pick the right plan: the race on common draws against equal independent plays.

Plans are steps of money from one scene to the next around an even split; the right one is the best of
many replications on other draws. Independent plays give every plan draws of its own.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.allocation.market import PROFIT
from simulator.allocation.race import race
from simulator.engine.simulate import simulate
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario
from tests.allocation.worlds import six
from tests.bench.table import Row

Array = NDArray[np.float64]
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
MANY, BLOCK, ROUNDS, TRIALS = 1024, 16, 8, 20
GOAL = 1 / 16


def race_rows() -> Iterator[Row]:
    scenario = six()
    pool = pooled(scenario, plans_between(scenario))
    right = int(pool.mean(axis=1).argmax())
    races = [raced(pool, seed) for seed in range(TRIALS)]
    rate = float(np.mean([best == right for best, _ in races]))
    lanes = float(np.mean([played for _, played in races]))
    alone = independent_lanes(pool, max(0.5, min(rate, 0.95)))
    note = f"right in {rate:.0%} of {TRIALS} races with {lanes:.0f} lanes; alone {alone:,.0f}"
    yield Row("lanes to pick the right plan, over independent plays", lanes / alone, "", "<=", GOAL, note)  # fmt: skip


def plans_between(scenario: Scenario) -> list[Plan]:
    names = list(scenario.scenes)
    return [
        Plan.shares(scenario, f"{share:.0%}", **{names[0]: share, names[1]: 1 - share})
        for share in SHARES
    ]


def pooled(scenario: Scenario, plans: Sequence[Plan]) -> Array:
    """Profit on common draws: [plan, replication]."""
    outcomes = simulate(
        scenario,
        plans,
        replications=MANY,
        seed=5,
        daily=False,
        attribution=False,
        chance_alone=False,
    )
    return np.stack([outcomes.values(plan.name, PROFIT) for plan in plans])


def raced(pool: Array, seed: int) -> tuple[int, int]:
    """A race on replications drawn from the pool, the same ones for every plan."""
    order = np.random.default_rng(seed).permutation(pool.shape[1])

    def play(chosen: Sequence[int], turn: int) -> Array:
        return pool[list(chosen)][:, order[turn * BLOCK : (turn + 1) * BLOCK]]

    found = race(play, len(pool), rounds=ROUNDS)
    return found.best, found.played


def independent_lanes(pool: Array, rate: float) -> float:
    """Lanes that equal plays on draws of each plan's own need to be right as often.

    Means of so many replications are close to normal, with the pool's means and variances.
    """
    chance = np.random.default_rng(1).standard_normal((len(pool), 4000))
    mean, sd = pool.mean(axis=1)[:, None], pool.std(axis=1, ddof=1)[:, None]
    right = int(mean.argmax())
    for each in 2.0 ** np.arange(0, 40, 0.25):
        if ((mean + sd / np.sqrt(each) * chance).argmax(axis=0) == right).mean() >= rate:
            return float(each * len(pool))
    return np.inf
