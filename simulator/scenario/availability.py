"""How much of a booking there is to be had, before any run: the calendar and the supply alone tell.

symbol    meaning                                                       unit
V         visits of a step of the clock                                 normal days
pace      V x traffic: what delivery follows                            normal days
left      booked impressions not yet delivered                          impressions
z         share of what is wanted that supply allows (High Water Mark)  1
F         most impressions of a package per person and day              1

The rules are those of docs/model.md section 4, played step by step with the mean supply: what rivals have
booked is gone, the packages of a plan share what they meet in, caps hold. This is what expected mode delivers,
to the last digit where no clock is finer than an hour (finer ones count as an hour). Of an auction nothing can
be promised: what it brings depends on rivals' bids.
"""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from simulator.scenario.plan import Plan, all_packages, find_package, package_price
from simulator.scenario.schema import Burst, ContractSlot, Phase, Scenario

HOUR, ONE_DAY = 3600, timedelta(days=1)
PLENTY = 0.999  # a booking that lacks less than this is whole


@dataclass(frozen=True)
class Available:
    """What can be delivered of a package, on average over chance."""

    package: str
    booked: float
    impressions: float
    price: float
    """Of the whole package [CNY]."""

    @property
    def short(self) -> bool:
        """Whether a part that matters is missing."""
        return self.impressions < PLENTY * self.booked

    def __str__(self) -> str:
        if not self.short:
            return f"{self.package}: all of {_short(self.booked)} impressions available"
        part = math.floor(self.price * self.impressions / self.booked)
        there = f"{_short(self.impressions)} of {_short(self.booked)} impressions available"
        return f"{self.package}: {there}: CNY {part:,} of {self.price:,.0f} can be spent"


def available(scenario: Scenario, packages: Collection[str] | None = None) -> list[Available]:
    """What can be delivered of each of these packages (all of the file) when all are booked together."""
    names = [p for p in all_packages(scenario) if packages is None or p in packages]
    booked = [_Booked.of(scenario, name) for name in names]
    pieces = list(_pieces(scenario))
    ahead = {q.name: sum(x.pace for x in pieces if x.name in q.phases) for q in booked}
    for piece in pieces if booked else ():
        busy = [q for q in booked if piece.name in q.phases]
        for q in busy:
            q.offer(scenario, piece)
            q.want(q.left * piece.pace / ahead[q.name], piece)
            ahead[q.name] -= piece.pace
        _serve(busy)
    return [
        Available(q.name, q.impressions, q.impressions - q.left, package_price(scenario, q.name))
        for q in booked
    ]


def lines_of(scenario: Scenario, plans: Iterable[Plan], *, short_only: bool = False) -> list[str]:
    """A line for every booking of the plans; what plans book differently is told for each of them."""
    sets: dict[frozenset[str], list[str]] = {}
    for plan in plans:
        sets.setdefault(plan.packages, []).append(plan.name)
    whose: dict[str, list[str]] = {}
    for packages, names in sets.items():
        for found in available(scenario, packages):
            if found.short or not short_only:
                whose.setdefault(str(found), []).extend(names)
    several = len([packages for packages in sets if packages]) > 1
    return [f"{line} (in {', '.join(names)})" if several else line for line, names in whose.items()]


# --------------------------------------------------------------------------- packages
@dataclass
class _Booked:
    """A package on its way through the calendar."""

    name: str
    phases: tuple[str, ...]
    impressions: float
    left: float
    slots: dict[str, str]
    """Its slots, and the slot whose opportunities each uses."""
    people: list[tuple[float, float]]
    """Share of a slot's opportunities, and people, of each segment of its scene."""
    cap: int | None
    shape: float
    offers: dict[str, float] = field(default_factory=dict)
    wants: dict[str, float] = field(default_factory=dict)
    date: datetime | None = None
    seen: float = 0.0
    offered: float = 0.0

    @classmethod
    def of(cls, scenario: Scenario, name: str) -> "_Booked":
        slot, package = name.split(".", maxsplit=1)[0], find_package(scenario, name)
        facts, every = scenario.slots[slot], scenario.segments
        assert isinstance(facts, ContractSlot)
        total = sum(g.people * g.activity for g in every.values())
        some = scenario.scenes[package.scene].segments or list(every)
        people = [
            (every[g].people * every[g].activity / total, float(every[g].people)) for g in some
        ]
        number = float(package.impressions)
        slots = {k: getattr(scenario.slots[k], "shares", None) or k for k in (slot, *package.over)}
        return cls(
            name, tuple(package.phases), number, number, slots, people, facts.frequency_cap,
            float(scenario.chain.frequency_shape),
        )  # fmt: skip

    def offer(self, scenario: Scenario, piece: "_Piece") -> None:
        """What each slot has for it in a piece of the calendar."""
        part = sum(share for share, _ in self.people) * (1 - piece.phase.rival_booked)
        self.offers = {
            slot: part * _opportunities(scenario, inventory, piece)
            for slot, inventory in self.slots.items()
        }

    def want(self, due: float, piece: "_Piece") -> None:
        """What it asks of each slot, a cap on frequency permitting."""
        total = sum(self.offers.values())
        if self.cap is not None:
            due = min(due, self._room(total, self.cap, piece))
        self.wants = {k: due * x / total if total else 0.0 for k, x in self.offers.items()}

    def _room(self, offered: float, cap: int, piece: "_Piece") -> float:
        """Impressions that still fit under the cap today."""
        if piece.date != self.date:
            self.date, self.seen, self.offered = piece.date, 0.0, 0.0
        self.offered += offered
        whole = sum(share for share, _ in self.people)
        fits = sum(
            size * _at_most(self.offered * share / whole / size, self.shape, cap)
            for share, size in self.people
        )
        return max(0.0, fits - self.seen)


def _serve(busy: list[_Booked]) -> None:
    """High Water Mark: every part of an inventory gets the same share of what it wants."""
    total: dict[str, float] = {}
    for q in busy:
        for slot, wanted in q.wants.items():
            total[q.slots[slot]] = total.get(q.slots[slot], 0.0) + wanted
    for q in busy:
        served = sum(
            wanted * min(1.0, q.offers[slot] / total[q.slots[slot]])
            for slot, wanted in q.wants.items()
            if total[q.slots[slot]] > 0
        )
        q.left = max(0.0, q.left - served)
        q.seen += served


def _opportunities(scenario: Scenario, slot: str, piece: "_Piece") -> float:
    facts = scenario.slots[slot]
    sensitivity = scenario.sources[facts.source].sale_sensitivity
    return float(facts.opportunities * piece.visits * piece.phase.traffic**sensitivity)


def _at_most(mean: float, shape: float, most: int) -> float:
    """E[min(X, F)] of negative binomial X."""
    chance = math.exp(-shape * math.log1p(mean / shape))
    above = -math.expm1(-shape * math.log1p(mean / shape))
    total = above
    for k in range(1, most):
        chance *= (k - 1 + shape) / k * mean / (mean + shape)
        above = max(0.0, above - chance)
        total += above
    return total


# --------------------------------------------------------------------------- calendar
@dataclass(frozen=True)
class _Piece:
    """A step of the clock."""

    name: str
    phase: Phase
    date: datetime
    visits: float

    @property
    def pace(self) -> float:
        return self.visits * float(self.phase.traffic)


def _pieces(scenario: Scenario) -> Iterator[_Piece]:
    calendar = scenario.calendar
    phases = sorted(calendar.phases.items(), key=lambda item: item[1].start)
    ends = [*(phase.start for _, phase in phases[1:]), calendar.end]
    windows = [moment for window in calendar.balances for moment in (window.start, window.end)]
    for (name, phase), end in zip(phases, ends, strict=True):
        clock = timedelta(seconds=max(phase.clock, HOUR))
        for start, stop in pairwise(_cuts(phase.start, end, windows)):
            for moment, until in pairwise(_grid(start, stop, clock)):
                visits = _visits(scenario, phase, moment, until)
                yield _Piece(name, phase, _midnight(moment), visits)


def _cuts(start: datetime, end: datetime, windows: list[datetime]) -> list[datetime]:
    """Start, the midnights and ends of windows between, and end."""
    days = (end - _midnight(start)).days + 1
    midnights = [_midnight(start) + ONE_DAY * n for n in range(1, days + 1)]
    return sorted({start, end, *(x for x in (*midnights, *windows) if start < x < end)})


def _grid(start: datetime, end: datetime, clock: timedelta) -> list[datetime]:
    """Steps of the clock; the last is cut."""
    return [start + clock * n for n in range(math.ceil((end - start) / clock))] + [end]


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _visits(scenario: Scenario, phase: Phase, start: datetime, end: datetime) -> float:
    """Visits between two moments of one date [normal days]; the opening day has its rush."""
    if phase.burst is None:
        return _normal(scenario, start, end)
    over = min(max(start, phase.start + ONE_DAY), end)
    share = phase.burst.share * phase.burst.traffic_part
    rush = _calm(phase.burst, start - phase.start) - _calm(phase.burst, over - phase.start)
    opening = share * rush + (1 - share) * _normal(scenario, start, over)
    return opening + _normal(scenario, over, end)


def _calm(burst: Burst, since: timedelta) -> float:
    """Part of the rush that is still to come."""
    return math.exp(-((since.total_seconds() / HOUR / burst.tau) ** burst.k))


def _normal(scenario: Scenario, start: datetime, end: datetime) -> float:
    """Visits of a normal day between two moments of one date."""
    hours, weekdays = scenario.calendar.hours_browse, scenario.calendar.weekdays_browse
    first, last = ((x - _midnight(start)).total_seconds() / HOUR for x in (start, end))
    inside = sum(w * max(0.0, min(last, n + 1) - max(first, n)) for n, w in enumerate(hours))
    return inside / sum(hours) * weekdays[start.weekday()] * 7 / sum(weekdays)


# --------------------------------------------------------------------------- words
def _short(count: float) -> str:
    """A count in three digits, cut: 15m, 12.3m, 420k.

    >>> _short(12_399_000), _short(15e6), _short(999), _short(8e9)
    ('12.3m', '15m', '999', '8bn')
    """
    for size, unit in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if count >= size:
            scaled = count / size
            digits = 2 - int(math.log10(scaled))
            return f"{math.floor(scaled * 10**digits + 1e-9) / 10**digits:g}{unit}"
    return f"{math.floor(count)}"
