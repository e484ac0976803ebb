"""Weather and news: shocks that come from outside, at their own time in every replication.

symbol   meaning                                                       unit    shape
a, b     window in which a shock may begin                             s       [shock]
d        how long it lasts                                             s       [shock]
o(t)     part of the window from which it would still last at t        s       scalar
on       share of a step in which it lasts (its mean, if expected)     1       [shock, lane]
x        factor on demand or traffic while it lasts                    x       [shock, replication]

A shock with a chance p begins once, at any moment of [a, b) alike: it is on at t with probability
p o(t) / (b - a). One with a rate r begins as a Poisson process does, and is on with probability 1 - e^(-r o(t)).
o(t) = length of [a, b) and (t - d, t] together (docs/model.md section 13).
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simulator.market.calendar import DAY, Steps, seconds_between
from simulator.market.columns import column
from simulator.market.draws import Draws
from simulator.scenario.schema import Scenario

NEVER = 1e18  # [s]


@dataclass(frozen=True)
class Shocks:
    """Weather and news that may come: [shock] unless said otherwise."""

    names: tuple[str, ...]
    start: np.ndarray
    """First moment at which it may begin [s]."""
    end: np.ndarray
    last: np.ndarray
    """How long it lasts [s]."""
    chance: np.ndarray
    """Probability that it comes once; 0 where it has a rate."""
    rate: np.ndarray
    """Times per day that it begins; 0 where it has a chance."""
    demand: np.ndarray
    """Factor on the odds of buying: [shock, replication]."""
    traffic: np.ndarray
    products: np.ndarray
    """Products that it moves: [shock, product] of bool."""
    segments: np.ndarray
    """Segments that it moves, where not by product: [shock, segment] of bool."""


def clocks(shocks: Shocks) -> list[str]:
    """Cells of chance: one clock for every time that a shock may begin."""
    counts = [_most(shocks, n) for n in range(len(shocks.names))]
    return [f"{shocks.names[n]}/{k}" for n, count in enumerate(counts) for k in range(count)]


def _most(shocks: Shocks, n: int) -> int:
    """Times that a shock begins at most; a Poisson process exceeds it once in 1e10 runs."""
    if not shocks.rate[n]:
        return 1
    mean = shocks.rate[n] * (shocks.end[n] - shocks.start[n]) / DAY
    return math.ceil(mean + 8 * math.sqrt(mean) + 8)


def read_shocks(scenario: Scenario, steps: Steps) -> Shocks | None:
    """Arrays of the shocks of a scenario, if there are any."""
    rows, origin = list(scenario.shocks.values()), steps.shape.origin
    goods, people = list(scenario.products), list(scenario.segments)
    if not rows:
        return None
    return Shocks(
        names=tuple(scenario.shocks),
        start=np.array([seconds_between(origin, x.start) for x in rows]),
        end=np.array([seconds_between(origin, x.end) for x in rows]),
        last=np.array([round(x.days * DAY) for x in rows]),
        chance=np.array([x.chance or 0.0 for x in rows]),
        rate=np.array([x.rate or 0.0 for x in rows]),
        demand=column([x.demand for x in rows]), traffic=column([x.traffic for x in rows]),
        products=np.array([
            [p in (x.products or goods) and not x.segments for p in goods] for x in rows
        ]),
        segments=np.array([[g in x.segments for g in people] for x in rows]),
    )  # fmt: skip


class Weather:
    """When the shocks of one chunk of lanes are on, and what they do."""

    def __init__(self, shocks: Shocks, steps: Steps, draws: Draws, *, sampled: bool) -> None:
        self.shocks, self.steps = shocks, steps
        begins, ends = steps.start[:, None], steps.end[:, None]
        last = shocks.end + shocks.last
        self.near = ((ends > shocks.start) & (begins < last)).any(axis=1)
        """Steps in which a shock may be on: [step] of bool."""
        self.spells = begin(shocks, draws) if sampled else None
        """Start and end of every spell of each shock [s]: [2, spell, lane]."""
        self.mean = None if sampled else expected_on(shocks, steps)
        self.on = np.zeros((len(shocks.names), 1))

    def read(self, step: int) -> bool:
        """Look at the sky at a step; return whether anything has changed since the step before."""
        before = self.on
        if not self.near[step]:
            self.on = np.zeros((len(self.shocks.names), 1))
        elif self.mean is not None:
            self.on = self.mean[step][:, None]
        else:
            self.on = self._share(step)
        return bool(np.any(before != self.on))

    def _share(self, step: int) -> np.ndarray:
        """Share of the step in which each shock lasts: [shock, lane]."""
        assert self.spells is not None
        begins, ends = float(self.steps.start[step]), float(self.steps.end[step])
        rows = []
        for starts, stops in self.spells:
            part = np.minimum(stops, ends) - np.maximum(starts, begins)
            rows.append(np.add.reduce(np.maximum(part, 0.0), axis=0) / (ends - begins))
        return np.array(rows)

    def of_products(self) -> np.ndarray:
        """Factor on the odds of buying each product: [product, lane]."""
        return _factor(self.on, self.shocks.demand, self.shocks.products)

    def of_segments(self) -> np.ndarray | None:
        """Factor on the odds that people of each segment buy: [segment, lane]; None if no shock names one."""
        if not self.shocks.segments.any():
            return None
        return _factor(self.on, self.shocks.demand, self.shocks.segments)

    def of_traffic(self) -> np.ndarray | None:
        """Factor on visits and opportunities: [1, lane]; None if no shock moves them."""
        if (self.shocks.traffic == 1).all():
            return None
        everyone = np.ones((len(self.shocks.names), 1), dtype=bool)
        return _factor(self.on, self.shocks.traffic, everyone)


def _factor(on: np.ndarray, factor: np.ndarray, whom: np.ndarray) -> np.ndarray:
    """Product over shocks of 1 + on (x - 1), for those whom a shock moves [shock, row]: [row, lane]."""
    change = 1 + on * (factor - 1)
    return np.asarray(np.multiply.reduce(np.where(whom[:, :, None], change[:, None], 1.0), axis=0))


def begin(shocks: Shocks, draws: Draws) -> list[np.ndarray]:
    """Spells of each shock: start and end [s], [2, spell, lane]; a later start cuts the spell before it."""
    waits = draws.exponential("shock", len(clocks(shocks)))
    found, row = [], 0
    for n in range(len(shocks.names)):
        count = _most(shocks, n)
        starts = _starts(shocks, n, waits[row : row + count])
        stops = starts + shocks.last[n]
        stops[:-1] = np.minimum(stops[:-1], starts[1:])
        found.append(np.array([starts, stops]))
        row += count
    return found


def _starts(shocks: Shocks, n: int, waits: np.ndarray) -> np.ndarray:
    """Moments at which a shock begins [spell, lane]; NEVER beyond its window."""
    first, width = float(shocks.start[n]), float(shocks.end[n] - shocks.start[n])
    if shocks.rate[n]:
        after = np.cumsum(waits, axis=0) * (DAY / shocks.rate[n])
    else:
        after = -np.expm1(-waits) * (width / max(shocks.chance[n], 1e-300))
    return np.where(after < width, first + after, NEVER)


def expected_on(shocks: Shocks, steps: Steps) -> np.ndarray:
    """Mean share of every step in which each shock is on: [step, shock]."""
    ends = zip(steps.start.astype(float), steps.end.astype(float), strict=True)
    return np.array([[_mean_on(shocks, n, e) for n in range(len(shocks.names))] for e in ends])


def _mean_on(shocks: Shocks, n: int, ends: tuple[float, float]) -> float:
    """The probability that a shock is on, averaged between two moments: o(t) is linear between its corners."""
    a, b, d = float(shocks.start[n]), float(shocks.end[n]), float(shocks.last[n])
    corners = sorted({*ends, *(t for t in (a, b, a + d, b + d) if ends[0] < t < ends[1])})
    total = 0.0
    for left, right in pairwise(corners):
        part = [max(0.0, min(b, t) - max(a, t - d)) for t in (left, right)]
        total += (right - left) * _mean_of_piece(shocks, n, *part)
    return total / (ends[1] - ends[0])


def _mean_of_piece(shocks: Shocks, n: int, left: float, right: float) -> float:
    """Mean probability while o(t) goes evenly from `left` to `right`."""
    if not shocks.rate[n]:
        return float(shocks.chance[n] * (left + right) / 2 / (shocks.end[n] - shocks.start[n]))
    h, k = (shocks.rate[n] * x / DAY for x in (left, right))
    slope = -math.expm1(h - k) / (k - h) if k != h else 1.0
    return float(1 - math.exp(-h) * slope)
