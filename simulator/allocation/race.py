"""A race between plans under common chance: who is surely behind drops out, the rest go on.

symbol   meaning                                                      shape
v        score of each plan in each replication                       [plan, replication]
d        leader's score less a plan's, in the same replications       [replication]

After every round a plan is out if mean(d) - t sd(d) / sqrt(n) > 0, with t at 1 - 5% / (plans x rounds)
(paired elimination with a Bonferroni bound; Nelson et al. 2001, screening). With common random numbers
sd(d) is small, so most plans leave after the first block.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Play = Callable[[Sequence[int], int], Array]
"""Scores of the plans of these numbers in one block of replications: [plan, replication]."""
ERROR = 0.05


@dataclass(frozen=True)
class Race:
    """How it ended."""

    best: int
    standing: tuple[int, ...]
    """Plans that are not surely behind the best one, it included: ties."""
    played: int
    """Lanes in all."""


def race(play: Play, plans: int, *, rounds: int = 8) -> Race:
    """Play blocks until one plan is left or the rounds are over."""
    standing, scores = list(range(plans)), np.zeros((plans, 0))
    played = 0
    for turn in range(rounds):
        block = play(standing, turn)
        wide = np.full((plans, block.shape[1]), np.nan)
        wide[standing] = block
        scores = np.concatenate([scores, wide], axis=1)
        played += block.size
        standing = _still_in(scores, standing, plans * rounds)
        if len(standing) == 1:
            break
    best = max(standing, key=lambda n: float(scores[n].mean()))
    return Race(best, tuple(standing), played)


def _still_in(scores: Array, standing: list[int], tests: int) -> list[int]:
    """Those that the leader does not surely beat, itself included."""
    means = scores[standing].mean(axis=1)
    leader = standing[int(means.argmax())]
    return [n for n in standing if n == leader or _least(scores[leader] - scores[n], tests) <= 0]


def _least(difference: Array, tests: int) -> float:
    """Lower bound of the mean difference, low enough for all tests together."""
    from scipy.special import stdtrit

    n = difference.size
    half = float(stdtrit(n - 1, 1 - ERROR / tests)) * difference.std(ddof=1) / np.sqrt(n)
    return float(difference.mean() - half)
