"""The twin's clock: docs/model.md section 2, and the length of the run-off of section 12."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from scipy.special import gammaincc

from simulator.scenario.calendar import Burst, Phase
from simulator.scenario.schema import Scenario

DAY = 86400
HOUR = 3600
RUNOFF = "runoff"


@dataclass(frozen=True)
class Step:
    """One step of the run: its place in time and the integrals of section 2."""

    index: int
    start: int  # [s] since the first phase's start
    end: int
    date: str
    phase_name: str
    phase: Phase
    opens_phase: bool
    browse: float  # V [normal days]
    buy: float  # U [normal days]

    @property
    def days(self) -> float:
        """D."""
        return (self.end - self.start) / DAY

    @property
    def readiness(self) -> float:
        """r = U / V, 1 if V is 0."""
        return self.buy / self.browse if self.browse > 0 else 1.0

    @property
    def pace(self) -> float:
        """V x phase.traffic: what pacing follows."""
        return self.browse * self.phase.traffic


@dataclass(frozen=True)
class Span:
    """A phase with its place in time."""

    name: str
    phase: Phase
    start: int
    end: int


def runoff_days(scenario: Scenario) -> int:
    """R of section 12; it follows the scenario alone."""
    commerce = scenario.commerce
    fast_share = commerce.refund_fast_share
    days = 0
    while True:
        fast = math.exp(-days / commerce.refund_fast_days)
        slow = float(gammaincc(4, 4 * days / commerce.refund_slow_days))
        if fast_share * fast + (1 - fast_share) * slow <= 0.001:
            break
        days += 1
    late = max(math.ceil(3 * g.order_delay_days) for g in scenario.segments.values())
    sales = scenario.calendar.sales_after_days
    return max(days, sales + late)


class Clock:
    """All steps of a run, made before it starts: they follow the scenario alone."""

    def __init__(self, scenario: Scenario, runoff: int) -> None:
        calendar = scenario.calendar
        self.start: datetime = min(phase.start for phase in calendar.phases.values())
        self.end_of_ads = self.seconds(calendar.end)
        self.close_of_sales = self.end_of_ads + calendar.sales_after_days * DAY
        self.end = self.end_of_ads + runoff * DAY
        self.spans = self._spans(calendar.phases, calendar.end)
        self.balances = [
            (self.seconds(window.start), self.seconds(window.end), float(window.completion))
            for window in calendar.balances
        ]
        self.turns = set(map(self.seconds, self._turns(scenario)))
        self._browse = scaled(calendar.weekdays_browse, calendar.hours_browse)
        self._buy = scaled(calendar.weekdays_buy, calendar.hours_buy)
        self.steps = list(self._steps())

    def seconds(self, moment: datetime) -> int:
        """Whole seconds from the first phase's start."""
        return round((moment - self.start).total_seconds())

    def _spans(self, phases: dict[str, Phase], end: datetime) -> list[Span]:
        ordered = sorted(phases.items(), key=lambda item: item[1].start)
        starts = [self.seconds(phase.start) for _, phase in ordered] + [self.end_of_ads]
        spans = [
            Span(name, phase, starts[i], starts[i + 1]) for i, (name, phase) in enumerate(ordered)
        ]
        return [*spans, Span(RUNOFF, Phase(start=end), self.end_of_ads, self.end)]

    def _turns(self, scenario: Scenario) -> Iterable[datetime]:
        """Deliveries, launches, ends of subsidies and decisions."""
        for product in scenario.products.values():
            yield from [restock.at for restock in product.restocks]
            if product.launch:
                yield product.launch
        for subsidy in scenario.incentives.subsidies.values():
            yield from filter(None, [subsidy.start, subsidy.end])
        for scene in scenario.scenes.values():
            at = scene.explore.decide_at if scene.explore else None
            if at is not None:
                yield at if isinstance(at, datetime) else scenario.calendar.phases[at].start

    def midnights(self) -> Iterable[int]:
        """Every midnight after the start, up to the end of the run-off included."""
        first = datetime.combine(self.start.date(), datetime.min.time()) + timedelta(days=1)
        return range(self.seconds(first), self.end + 1, DAY)

    def closings(self) -> list[int]:
        """The ends of the run's days: every midnight, and the end of the run."""
        return sorted({*self.midnights(), self.end})

    def market_levels(self) -> dict[str, float]:
        """Section 2: U x traffic x cvr of every date, at least 0.1."""
        levels: dict[str, float] = {}
        for step in self.steps:
            level = step.buy * step.phase.traffic * step.phase.cvr
            levels[step.date] = levels.get(step.date, 0.0) + level
        return {date: max(0.1, level) for date, level in levels.items()}

    def readiness(self) -> dict[tuple[str, str], float]:
        """U / V of the steps of each phase that start on each date, 1 if V is 0."""
        sums: dict[tuple[str, str], tuple[float, float]] = {}
        for step in self.steps:
            buy, browse = sums.get((step.phase_name, step.date), (0.0, 0.0))
            sums[step.phase_name, step.date] = buy + step.buy, browse + step.browse
        return {key: buy / browse if browse > 0 else 1.0 for key, (buy, browse) in sums.items()}

    def date(self, seconds: int) -> str:
        return (self.start + timedelta(seconds=seconds)).date().isoformat()

    def _cuts(self) -> list[int]:
        cuts = {span.start for span in self.spans}
        cuts |= {self.end_of_ads, self.close_of_sales, self.end}
        cuts |= {moment for window in self.balances for moment in window[:2]}
        cuts |= set(self.midnights()) | self.turns
        return sorted(cut for cut in cuts if 0 <= cut <= self.end)

    def _steps(self) -> Iterable[Step]:
        cuts, index = self._cuts(), 0
        for left, right in pairwise(cuts):
            span = next(span for span in self.spans if span.start <= left < span.end)
            start = left
            while start < right:  # the grid of clock lengths starts anew at a cut
                end = min(start + span.phase.clock, right)
                yield self._step(index, start, end, span)
                start, index = end, index + 1

    def _step(self, index: int, start: int, end: int, span: Span) -> Step:
        burst = span.phase.burst
        visitors = burst.traffic_part if burst else 0.0
        piece, sells = (start, end), start < self.close_of_sales
        return Step(
            index=index,
            start=start,
            end=end,
            date=self.date(start),
            phase_name=span.name,
            phase=span.phase,
            opens_phase=start == span.start,
            browse=self._with_burst(self._browse, visitors, piece, span) if sells else 0.0,
            buy=self._with_burst(self._buy, 1.0, piece, span) if sells else 0.0,
        )

    def hours(self, step: Step) -> list[tuple[float, float]]:
        """Section 9: of each hour of a step its part of the purchases, and how dense they are."""
        if step.buy <= 0:
            return [(1.0, 1.0)]
        span = next(span for span in self.spans if span.name == step.phase_name)
        found = []
        for start in range(step.start, step.end, HOUR):
            end = min(start + HOUR, step.end)
            part = self._with_burst(self._buy, 1.0, (start, end), span) / step.buy
            found.append((part, part * (step.end - step.start) / (end - start)))
        return found

    def _with_burst(self, curve: "Curve", part: float, piece: tuple[int, int], span: Span) -> float:
        """The integral of (1 + extra part) (w f + (1 - w) curve), w = share part, in the phase's
        first 24 h, of the curve after it.
        """
        start, end = piece
        burst = span.phase.burst
        if burst is None:
            return self._integral(curve, start, end)
        over = min(max(start, min(span.start + DAY, span.end)), end)
        rush = survival(burst, start - span.start) - survival(burst, over - span.start)
        weight = burst.share * part
        inside = weight * rush + (1 - weight) * self._integral(curve, start, over)
        return (1 + burst.extra * part) * inside + self._integral(curve, over, end)

    def _integral(self, curve: "Curve", start: int, end: int) -> float:
        """The integral of a normal day's curve, hour by hour of the wall clock [normal days]."""
        weekdays, hours = curve
        total = 0.0
        while start < end:
            moment = self.start + timedelta(seconds=start)
            to_next_hour = HOUR - (moment.minute * 60 + moment.second)
            length = min(to_next_hour, end - start)
            total += weekdays[moment.weekday()] * hours[moment.hour] * length / HOUR
            start += length
        return total

    def remaining(self, counts: Callable[[Step], bool]) -> dict[int, float]:
        """Pace left in the steps that count, by step index, that step included."""
        left, total = {}, 0.0
        for step in reversed(self.steps):
            if counts(step):
                total += step.pace
                left[step.index] = total
        return left

    def balance_shares(self) -> dict[int, float]:
        """q of section 7 by step index: completion dF / (1 - completion F(start))."""
        shares: dict[int, float] = {}
        for start, end, completion in self.balances:
            inside = [step for step in self.steps if start <= step.start < end]
            total = sum(step.buy for step in inside)
            done = 0.0
            for step in inside:
                part = step.buy / total if total > 0 else 0.0
                left = 1 - completion * done
                if part > 0:  # where nobody buys nothing is paid, also when nothing is left to pay
                    shares[step.index] = min(1.0, completion * part / left) if left > 0 else 1.0
                done += part
        return shares


Curve = tuple[list[float], list[float]]


def scaled(weekdays: list[float], hours: list[float]) -> Curve:
    """Weekdays to mean 1, hours to sum 1."""
    mean, total = sum(weekdays) / 7, sum(hours)
    return [day / mean for day in weekdays], [hour / total for hour in hours]


def survival(burst: Burst, seconds: int) -> float:
    """exp(-(x / tau)^k), x in hours."""
    return math.exp(-((seconds / HOUR / burst.tau) ** burst.k))
