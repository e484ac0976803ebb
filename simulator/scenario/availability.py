"""How much of a booking there is to be had, before any run: the calendar and the supply alone tell.

symbol    meaning                                                       unit
V         visits of a step of the clock                                 normal days
pace      V x traffic: what delivery follows                            normal days
left      booked impressions not yet delivered                          impressions
z         share of what is wanted that supply allows (High Water Mark)  1
F         most impressions of a package per person and day              1

The rules are those of docs/model.md section 4, played step by step with the mean supply: what rivals have
booked is gone, the packages of a plan and the make-good of those before share what they meet in, caps hold.
This is what expected mode delivers, to the last digit where no clock is finer than an hour (finer ones count as
an hour). Of an auction nothing can be promised: what it brings depends on rivals' bids.
"""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from simulator.scenario.calendar import Burst, Phase, phase_spans
from simulator.scenario.moments import turning_points
from simulator.scenario.people import activity_of
from simulator.scenario.plan import Plan, all_packages, find_package, package_price
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import ContractSlot

HOUR, ONE_DAY = 3600, timedelta(days=1)
RUNOFF = "runoff"
PLENTY = 0.999  # a booking that lacks less than this is whole


@dataclass(frozen=True)
class Available:
    """What can be delivered of a package, on average over chance."""

    package: str
    booked: float
    impressions: float
    price: float
    """Of the whole package [CNY]."""
    owed: bool
    """What is missing is made good later, as far as it can be."""
    unpaid: float
    """Booked impressions that never come, neither in time nor later."""

    @property
    def paid(self) -> float:
        """What the package costs in the end [CNY]."""
        return self.price * (1 - self.unpaid / self.booked)

    @property
    def short(self) -> bool:
        """Whether a part that matters is missing."""
        return self.impressions < PLENTY * self.booked

    def __str__(self) -> str:
        if not self.short:
            return f"{self.package}: all of {_short(self.booked)} impressions available"
        there = f"{_short(self.impressions)} of {_short(self.booked)} impressions available"
        all_of = self.paid > PLENTY * self.price
        part = "all of CNY" if all_of else f"CNY {math.floor(self.paid):,} of"
        can = "is paid, for the remedy is make_good" if self.owed else "can be spent"
        money = f"{part} {self.price:,.0f} {can}"
        return f"{self.package}: {there}: {money}"


def available(scenario: Scenario, packages: Collection[str] | None = None) -> list[Available]:
    """What can be delivered of each of these packages (all of the file) when all are booked together."""
    names = [p for p in all_packages(scenario) if packages is None or p in packages]
    booked = [_Booked.of(scenario, name) for name in names]
    pieces = list(_pieces(scenario, max((q.until for q in booked), default=scenario.calendar.end)))
    for q in booked:
        q.schedule(pieces)
    for number, piece in enumerate(pieces):
        busy = [q for q in booked if q.is_open(number)]
        for q in busy:
            q.offer(scenario, piece)
            q.want(number, piece)
        _serve(busy)
    return [
        Available(
            q.name, q.impressions, q.impressions - q.left, package_price(scenario, q.name), q.until > q.end,
            q.unpaid,
        )
        for q in booked
    ]  # fmt: skip


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
    end: datetime
    """End of its last phase: what is left then is owed, times `make_good`, until `until`."""
    until: datetime
    make_good: float
    impressions: float
    left: float
    slots: dict[str, str]
    """Its slots, and the slot whose opportunities each uses."""
    people: list[tuple[float, float]]
    """Share of a slot's opportunities, and people, of the scene's crowd in each of its segments."""
    cap: int | None
    shape: float
    owed: float | None = None
    """Make-good still to be served, once the window is over."""
    shares: dict[int, float] = field(default_factory=dict)
    """Share of what is left, or owed, that each step of its windows should serve."""
    late: dict[int, float] = field(default_factory=dict)
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
        total = sum(g.people * activity_of(g) for g in every.values())
        scene = scenario.scenes[package.scene]
        some, pool = scene.segments or list(every), float(scene.selection.pool)
        people = [
            (every[g].people * activity_of(every[g]) / total * pool, every[g].people * pool)
            for g in some
        ]
        number, end = float(package.impressions), _end(scenario, package.phases)
        owes = facts.remedy == "make_good"
        until = end + ONE_DAY * facts.make_good_days if owes else end
        slots = {k: getattr(scenario.slots[k], "shares", None) or k for k in (slot, *package.over)}
        return cls(
            name, tuple(package.phases), end, until, float(facts.make_good), number, number, slots, people,
            facts.frequency_cap, float(scenario.chain.frequency_shape),
        )  # fmt: skip

    def schedule(self, pieces: "list[_Piece]") -> None:
        """Delivery follows the traffic of its phases, make-good that of the days after them."""
        self.shares = _shares(pieces, [x.name in self.phases for x in pieces])
        self.late = _shares(pieces, [self.end <= x.start < self.until for x in pieces])

    def is_open(self, number: int) -> bool:
        """Whether there may be something to serve in a step."""
        return number in self.shares or number in self.late

    def offer(self, scenario: Scenario, piece: "_Piece") -> None:
        """What each slot has for it in a piece of the calendar."""
        part = sum(share for share, _ in self.people) * (1 - piece.phase.rival_booked)
        self.offers = {
            slot: part * _opportunities(scenario, inventory, piece)
            for slot, inventory in self.slots.items()
        }

    def want(self, number: int, piece: "_Piece") -> None:
        """What it asks of each slot, a cap on frequency permitting."""
        if number in self.late and self.owed is None:
            self.owed = self.left * self.make_good
        late = 0.0 if self.owed is None else self.owed * self.late[number]
        due = late if number in self.late else self.left * self.shares[number]
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

    @property
    def unpaid(self) -> float:
        """Booked impressions that came neither in time nor later; none where nothing is owed for them."""
        if self.until <= self.end:
            return self.left
        if self.owed is None:
            return self.left if self.make_good else 0.0
        return self.owed / self.make_good if self.make_good else 0.0

    def take(self, served: float) -> None:
        """Impressions of the step."""
        self.seen += served
        if self.owed is None:
            self.left = max(0.0, self.left - served)
        else:
            self.owed = max(0.0, self.owed - served)


def _shares(pieces: "list[_Piece]", inside: list[bool]) -> dict[int, float]:
    """Pace of each step of a window over the pace left in it, that step included."""
    left, found = 0.0, {}
    for number in reversed(range(len(pieces))):
        if inside[number]:
            left += pieces[number].pace
            found[number] = pieces[number].pace / left
    return found


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
        q.take(served)


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
    start: datetime
    visits: float

    @property
    def date(self) -> datetime:
        return _midnight(self.start)

    @property
    def pace(self) -> float:
        return self.visits * float(self.phase.traffic)


def _pieces(scenario: Scenario, until: datetime) -> Iterator[_Piece]:
    """The steps of all phases, and those after the end of advertising in which something may be made good."""
    calendar, end = scenario.calendar, scenario.calendar.end
    after = {RUNOFF: Phase(start=end)} if until > end else {}
    phases = sorted((calendar.phases | after).items(), key=lambda item: item[1].start)
    ends = [*(phase.start for _, phase in phases[1:]), max(end, until)]
    windows = [moment for window in calendar.balances for moment in (window.start, window.end)]
    windows += turning_points(scenario)
    for (name, phase), stop in zip(phases, ends, strict=True):
        clock = timedelta(seconds=max(phase.clock, HOUR))
        for one, other in pairwise(_cuts(phase.start, stop, windows)):
            for moment, then in pairwise(_grid(one, other, clock)):
                yield _Piece(name, phase, moment, _visits(scenario, phase, moment, then))


def _end(scenario: Scenario, phases: Iterable[str]) -> datetime:
    """End of the last of these phases."""
    some = set(phases)
    return max(span.end for span in phase_spans(scenario.calendar) if span.phase in some)


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
    part = phase.burst.traffic_part
    share, day = phase.burst.share * part, 1 + phase.burst.extra * part
    rush = _calm(phase.burst, start - phase.start) - _calm(phase.burst, over - phase.start)
    opening = share * rush + (1 - share) * _normal(scenario, start, over)
    return day * opening + _normal(scenario, over, end)


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
