"""The clock's grid and the shape of time: phases, weekdays, hours and opening bursts.

symbol    meaning                                                    unit          shape
t         whole seconds since the first phase's start                s
browse V  visits that fall into a step, normal day = 1               normal days   [step]
buy U     purchases that fall into a step, normal day = 1            normal days   [step]
f         density of the opening rush (Weibull)                      1/rush
w, tau, k share, time constant [h] and shape of the rush
x         purchases that the opening adds to its day                 1

A burst day is (1 + x) S(t), S(t) = w (1 - exp(-(t/tau)^k)) + (1 - w) B(t): B is the normal day
(docs/model.md section 2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise

import numpy as np

from simulator.scenario.calendar import Burst, Calendar, Phase

DAY = 86400
HOUR = 3600
RUNOFF = "runoff"


@dataclass(frozen=True)
class Shape:
    """How visits and purchases spread over time; phase multipliers are not included."""

    origin: datetime
    hours: np.ndarray
    """Cumulated share of a day at each full hour, browse and buy: [2, 25]."""
    weekdays: np.ndarray
    """Index of Monday..Sunday, browse and buy: [2, 7]."""
    bursts: tuple[tuple[int, int, Burst], ...]
    """Start and end [s] of each opening rush."""

    def integrate(self, start: int, end: int) -> np.ndarray:
        """Visits and purchases in [start, end) [normal days], as [browse, buy]."""
        total = np.zeros(2)
        for a, b in pairwise(self._cuts(start, end)):
            total += self._piece(a, b)
        return total

    def _cuts(self, start: int, end: int) -> list[int]:
        inside = {x for a, b, _ in self.bursts for x in (a, b) if start < x < end}
        midnights = range(_next_midnight(self.origin, start), end, DAY)
        return sorted({start, end, *inside, *midnights})

    def _piece(self, start: int, end: int) -> np.ndarray:
        base = self._base(start, end)
        for a, b, burst in self.bursts:
            if a <= start < b:
                part = np.array([burst.traffic_part, 1.0])
                share, day = burst.share * part, 1 + burst.extra * part
                return day * (share * _rush(burst, start - a, end - a) + (1 - share) * base)
        return base

    def _base(self, start: int, end: int) -> np.ndarray:
        moment = self.origin + timedelta(seconds=start)
        second = moment.hour * HOUR + moment.minute * 60 + moment.second
        part = self._before((second + end - start) / HOUR) - self._before(second / HOUR)
        return np.asarray(self.weekdays[:, moment.weekday()] * part)

    def _before(self, hour: float) -> np.ndarray:
        """Share of a day that lies before an hour of it, even inside each full hour: [browse, buy]."""
        full = min(int(hour), 23)
        left = self.hours[:, full]
        return np.asarray(left + (hour - full) * (self.hours[:, full + 1] - left))


@dataclass(frozen=True)
class Steps:
    """The grid of the clock; every array is [step]."""

    shape: Shape
    phases: tuple[str, ...]
    """Names of the phases in order; the last is the run-off."""
    start: np.ndarray
    """[s]"""
    end: np.ndarray
    """[s]"""
    phase: np.ndarray
    """Index of the phase."""
    browse: np.ndarray
    """Visits V [normal days]."""
    buy: np.ndarray
    """Purchases U [normal days]."""
    day: np.ndarray
    """Calendar day, 0 for the first."""
    advertising: int
    """Number of steps before the run-off."""
    selling: int
    """Number of steps before sales close."""
    rush: np.ndarray
    """Of each hour of a step the share of its purchases, and how dense they are against its mean, 0 after the last one:
    [2, step, hour].
    """

    def __len__(self) -> int:
        return len(self.start)

    @property
    def days(self) -> np.ndarray:
        """Length of each step [d]."""
        return (self.end - self.start) / DAY

    def middle(self, step: int) -> float:
        """Time in the middle of a step [d]."""
        return (int(self.start[step]) + int(self.end[step])) / 2 / DAY

    def since_midnight(self, step: int) -> float:
        """Start of a step, from the midnight before the first one [d]."""
        origin = self.shape.origin
        second = origin.hour * HOUR + origin.minute * 60 + origin.second
        return (int(self.start[step]) + second) / DAY

    @cached_property
    def readiness(self) -> np.ndarray:
        """R = U / V: how ready to buy the visitors of a step are."""
        return np.divide(self.buy, self.browse, out=np.ones(len(self)), where=self.browse > 0)

    def first_of(self, values: np.ndarray) -> np.ndarray:
        """True where a step has another value than the step before it (and at the first)."""
        return np.r_[True, values[1:] != values[:-1]]

    def left_in(self, window: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Weight left in the window from each step on, this step included; 0 outside."""
        inside = np.where(window, weight, 0.0)
        return np.where(window, np.cumsum(inside[::-1])[::-1], 0.0)


def phase_names(calendar: Calendar) -> tuple[str, ...]:
    """Names of the phases in order of time, the run-off last."""
    ordered = sorted(calendar.phases, key=lambda name: calendar.phases[name].start)
    return (*ordered, RUNOFF)


def phase_bounds(calendar: Calendar) -> np.ndarray:
    """Start of each phase and the end of advertising [s]: [phase + 1]."""
    names = phase_names(calendar)[:-1]
    moments = [calendar.phases[name].start for name in names] + [calendar.end]
    return np.array([seconds_between(moments[0], m) for m in moments], dtype=np.int64)


def seconds_between(origin: datetime, moment: datetime) -> int:
    """Whole seconds from origin to moment."""
    return round((moment - origin).total_seconds())


def read_shape(calendar: Calendar) -> Shape:
    """The curves of a calendar, scaled to a normal day of 1."""
    hours = np.array([calendar.hours_browse, calendar.hours_buy], dtype=float)
    weekdays = np.array([calendar.weekdays_browse, calendar.weekdays_buy], dtype=float)
    hours /= hours.sum(axis=1, keepdims=True)
    weekdays /= weekdays.mean(axis=1, keepdims=True)
    names, bounds = phase_names(calendar)[:-1], phase_bounds(calendar)
    bursts = tuple(
        (int(a), int(min(a + DAY, b)), burst)
        for name, (a, b) in zip(names, pairwise(bounds), strict=True)
        if (burst := calendar.phases[name].burst)
    )
    origin = calendar.phases[names[0]].start
    return Shape(origin, np.c_[[0.0, 0.0], np.cumsum(hours, axis=1)], weekdays, bursts)


def make_steps(
    calendar: Calendar, runoff_days: int, turning_points: Sequence[datetime] = ()
) -> Steps:
    """The whole grid of a run: steps of each phase's clock, cut at every boundary, turning point and midnight.

    Nobody comes or buys once sales have closed.
    """
    shape, names = read_shape(calendar), phase_names(calendar)
    bounds = phase_bounds(calendar)
    finish = int(bounds[-1]) + runoff_days * DAY
    closed = int(bounds[-1]) + calendar.sales_after_days * DAY
    edges = [*bounds[:-1].tolist(), int(bounds[-1]), finish]
    clocks = [calendar.phases[name].clock for name in names[:-1]] + [DAY]
    turns = [seconds_between(shape.origin, moment) for moment in turning_points]
    cuts = sorted({*_boundaries(calendar, shape.origin, edges), closed, *turns})
    rows = [
        (a, b, index)
        for index, (begin, close) in enumerate(pairwise(edges))
        for a, b in _grid(begin, close, clocks[index], cuts)
    ]
    start, end, phase = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    weights = np.array([shape.integrate(a, b) for a, b, _ in rows])
    weights[start >= closed] = 0.0
    offset = start - _next_midnight(shape.origin, 0)
    day = np.floor_divide(offset, DAY) - np.floor_divide(offset[0], DAY)
    last = int(np.count_nonzero(phase < len(names) - 1))
    selling = int(np.count_nonzero(start < closed))
    return Steps(
        shape, names, start, end, phase, weights[:, 0], weights[:, 1], day, last, selling,
        _by_hour(shape, start, end, weights[:, 1]),
    )  # fmt: skip


def _by_hour(shape: Shape, start: np.ndarray, end: np.ndarray, buy: np.ndarray) -> np.ndarray:
    """Share of the purchases and their density in each hour of the steps, one where nobody buys: [2, step, hour]."""
    most = -(-int((end - start).max()) // HOUR)
    rush = np.zeros((2, len(start), most))
    rush[:, :, 0] = 1.0
    for step in np.flatnonzero((end - start > HOUR) & (buy > 0)):
        cuts = [*range(int(start[step]), int(end[step]), HOUR), int(end[step])]
        share = np.array([shape.integrate(a, b)[1] for a, b in pairwise(cuts)]) / buy[step]
        rush[0, step, : len(share)] = share
        rush[1, step, : len(share)] = share * (end[step] - start[step]) / np.diff(cuts)
    return rush


def phase_of_runoff(start: datetime) -> Phase:
    """The quiet phase after the end of advertising."""
    return Phase(start=start)


def _boundaries(calendar: Calendar, origin: datetime, edges: list[int]) -> list[int]:
    windows = [seconds_between(origin, m) for w in calendar.balances for m in (w.start, w.end)]
    midnights = range(_next_midnight(origin, edges[0]), edges[-1], DAY)
    return sorted({*edges, *windows, *midnights})


def _grid(begin: int, close: int, clock: int, cuts: list[int]) -> list[tuple[int, int]]:
    inner = [begin, *(c for c in cuts if begin < c < close), close]
    return [(t, min(t + clock, b)) for a, b in pairwise(inner) for t in range(a, b, clock)]


def _rush(burst: Burst, start: int, end: int) -> float:
    """Part of the rush between two moments after the opening [s]."""
    left, right = (math.exp(-((x / HOUR / burst.tau) ** burst.k)) for x in (start, end))
    return left - right


def _next_midnight(origin: datetime, second: int) -> int:
    """First midnight at or after `second` [s since origin]."""
    moment = origin + timedelta(seconds=second)
    past = moment.hour * HOUR + moment.minute * 60 + moment.second
    return second + (-past) % DAY
