"""Small problems whose best answer is known, and rivals that look for it in the usual ways.

symbol   meaning                                                       unit      shape
a, k, h  scale, half-way point and slope of a Hill curve               CNY       [cell]
x        money of a cell                                               CNY       [row, cell]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from simulator.allocation.archive import Archive
from simulator.allocation.effort import Effort
from simulator.allocation.market import Answers
from simulator.allocation.problem import Problem, Split
from simulator.allocation.search import Search

Array = NDArray[np.float64]
BUDGET = 1e6
UNITS = 1000


def certain(values: Array, spent: Array) -> Answers:
    """Answers of a market that has no common chance."""
    return Answers(values, spent, spent)


def make_problem(cells: Sequence[int], budget: float = BUDGET, **limits) -> Problem:
    """Scenes with so many cells each; no limits but those that are given."""
    scene_of = np.repeat(np.arange(len(cells)), cells)
    n, s = len(scene_of), len(cells)
    known = {
        "low": np.zeros(n), "high": np.full(n, np.inf),
        "floor": np.zeros(s), "cap": np.full(s, np.inf), "minimum": np.zeros(s), "fixed": np.zeros(s),
        "sunk": np.zeros(s), "group_of": np.full(s, -1),
    }  # fmt: skip
    names = tuple(f"s{m}.p{c}" for m, count in enumerate(cells) for c in range(count))
    return Problem(
        budget, names, tuple(f"s{m}" for m in range(s)), scene_of.astype(np.intp), **known | limits
    )


@dataclass
class Hill:
    """Channels that do not touch each other; each brings a x^h / (k^h + x^h)."""

    scale: Array
    half: Array
    slope: float

    def response(self, money: Array) -> Array:
        """What every channel brings: same shape."""
        power = np.maximum(money, 0.0) ** self.slope
        return self.scale * power / (self.half**self.slope + power)

    def __call__(self, split: Split) -> Answers:
        gained = self.response(split.money).sum(axis=1) - split.money.sum(axis=1)
        return certain(gained[:, None], split.money)


def hill(slope: float, seed: int, channels: int = 8) -> Hill:
    """A random market: what a channel can bring, and how soon, differ widely."""
    chance = np.random.default_rng([int(10 * slope), seed])
    scale = chance.uniform(0.3, 1.2, channels) * BUDGET
    return Hill(scale, chance.uniform(0.025, 0.3, channels) * BUDGET, slope)


def exact(markets: Sequence[Hill], units: int = UNITS) -> Array:
    """The largest response of each market to the budget in whole units, by dynamic programming."""
    levels = np.arange(units + 1) * BUDGET / units
    curves = np.stack([
        market.response(np.repeat(levels[:, None], len(market.scale), axis=1)).T
        for market in markets
    ], axis=1)  # fmt: skip
    best = curves[0]
    for curve in curves[1:]:
        tried = np.full_like(best, -np.inf)
        for given in range(units + 1):
            rest = best[:, : units + 1 - given] + curve[:, given, None]
            np.maximum(tried[:, given:], rest, out=tried[:, given:])
        best = tried
    return best[:, -1]


# --------------------------------------------------------------------------- who looks for it
def searched(market: Hill, effort: Effort | None = None) -> Split:
    """What this house finds from an even split."""
    channels = len(market.scale)
    problem = make_problem([1] * channels)
    search = Search(Archive(market), problem, 1, effort or Effort())
    search.go(Split(np.full((1, channels), BUDGET / channels), np.zeros((1, 0), dtype=bool)))
    assert search.rows is not None
    return search.rows


def by_slsqp(market: Hill) -> float:
    """The usual way: SLSQP from an even split, on shares."""
    channels = len(market.scale)
    found = minimize(
        lambda share: -market.response(share * BUDGET).sum() / BUDGET,
        np.full(channels, 1 / channels), method="SLSQP", bounds=[(0, 1)] * channels,
        constraints=[{"type": "eq", "fun": lambda share: share.sum() - 1}],
        options={"ftol": 1e-10, "maxiter": 500},
    )  # fmt: skip
    share = np.clip(found.x, 0, 1)
    return float(market.response(share / share.sum() * BUDGET).sum())


def by_greedy(market: Hill, steps: int = 200) -> float:
    """Another usual way: the next step of money where that step brings the most."""
    unit, money = BUDGET / steps, np.zeros(len(market.scale))
    for _ in range(steps):
        gain = market.response(money + unit) - market.response(money)
        money[gain.argmax()] += unit
    return float(market.response(money).sum())


# --------------------------------------------------------------------------- a market of many kinds
@dataclass
class Made:
    """A market from a function of money and bookings: values [row, objective] and spend [row, cell]."""

    answer: Callable[[Split], tuple[Array, Array]]
    calls: int = 0
    evaluations: int = 0
    asked: list[Split] = field(default_factory=list)

    def __call__(self, split: Split) -> Answers:
        self.calls += 1
        self.evaluations += len(split)
        return certain(*self.answer(split))
