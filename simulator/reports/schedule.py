"""The media schedule 排期表: a plan as rows that a team can carry out, day by day.

symbol   meaning                                                       unit   shape
s        what a scene is expected to spend in auctions                 CNY    [day, scene, phase]
M        planned money of a scene in a phase, or of the whole of a     CNY
         scene that keeps its money in one pot
m        daily budget, M s / sum(s) over the days of the same money    CNY    [day]

Days follow the expected traffic, so m comes from a run of the plan in expected mode; a scene that
keeps its money by the day has the same on every day. Amounts are whole fen, and those of a scene and
phase add up to its planned money to the fen. On a day with two phases each has its own row.

A plan made again at a date has what is ahead alone: days from the date on, and bookings that still
show, of which those made before the date are booked and have no deadline.
"""

import csv
import io
from collections.abc import Generator, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np

from simulator.engine.run import View
from simulator.engine.simulate import make_grid, simulate
from simulator.errors import UserError
from simulator.scenario.asked import write_sheet
from simulator.scenario.calendar import Span, phase_spans
from simulator.scenario.cut import booked_before, moment_of
from simulator.scenario.plan import Plan, asked_plan, find_package, package_price
from simulator.scenario.prices import last_booking
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, ContractSlot

COLUMNS = (
    "kind", "date", "phase", "scene", "title", "slots", "daily_budget", "expected_spend",
    "bid_mode", "bid_per", "bid_target", "package", "until", "impressions", "price", "book_by",
    "booking",
)  # fmt: skip
"""Money in CNY; bid_target in CNY per action, in roi_control gmv per yuan."""
DAY = 86400
Row = dict[str, str | float | int]


def write_schedule(
    scenario: Scenario, plan: Plan | str, path: str | Path, since: str | datetime | None = None
) -> None:
    """Write the schedule for spreadsheet programs, as UTF-8 that they recognise.

    With `since`, what is ahead on that date alone, of a plan of `cut_at(scenario, since)`.
    """
    plan = asked_plan(scenario, plan)
    moment = None if since is None else moment_of(since)
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(schedule_rows(scenario, plan, moment))
    write_sheet(path, text.getvalue())


def schedule_rows(scenario: Scenario, plan: Plan, since: datetime | None = None) -> list[Row]:
    """Bookings in order of their last booking day, booked ones first, then auction budgets by day and scene."""
    ahead = _ahead(scenario, since)
    packages = sorted(plan.packages)
    bookings = [
        _booking(scenario, name, ahead, since) for name in packages if _shows(scenario, name, ahead)
    ]
    order = list(scenario.scenes)
    days = sorted(
        _auctions(scenario, plan, ahead), key=lambda r: (r["date"], order.index(str(r["scene"])))
    )
    return [*sorted(bookings, key=lambda row: (str(row["book_by"]), str(row["date"]))), *days]


def _ahead(scenario: Scenario, since: datetime | None) -> list[Span]:
    """Phases from the date on, at which one has to begin: money of a phase has no parts."""
    spans = phase_spans(scenario.calendar)
    if since is None:
        return spans
    if since not in (span.start for span in spans):
        raise UserError(
            f"no phase begins on {since:%Y-%m-%d %H:%M}: give the scenario that is cut there, and a plan of it"
        )
    return [span for span in spans if span.start >= since]


# --------------------------------------------------------------------------- bookings
def _shows(scenario: Scenario, name: str, ahead: list[Span]) -> bool:
    """Whether a booking is shown in one of these phases."""
    return any(span.phase in find_package(scenario, name).phases for span in ahead)


def _booking(scenario: Scenario, name: str, ahead: list[Span], since: datetime | None) -> Row:
    package, slot_name = find_package(scenario, name), name.split(".", maxsplit=1)[0]
    slot = scenario.slots[slot_name]
    assert isinstance(slot, ContractSlot)
    spans = [span for span in ahead if span.phase in package.phases]
    first, last = spans[0].start, spans[-1].end
    phases = [phase for phase in package.phases if phase in {span.phase for span in spans}]
    booked = since is not None and booked_before(package, since)
    return {
        "kind": "contract", "date": first.date().isoformat(), "phase": ", ".join(phases),
        "scene": package.scene, "title": _title(scenario, package.scene),
        "slots": ", ".join([slot_name, *package.over]), "package": name,
        "until": (last - timedelta(seconds=1)).date().isoformat(),
        "impressions": package.impressions, "price": round(package_price(scenario, name), 2),
        "book_by": "" if booked else last_booking(first, float(slot.lead_days)).isoformat(" ", "minutes"),
        "booking": "signed" if package.signed else "booked" if booked else "to book",
    }  # fmt: skip


def _title(scenario: Scenario, scene: str) -> str:
    return scenario.scenes[scene].title or scene


# --------------------------------------------------------------------------- auctions
def _auctions(scenario: Scenario, plan: Plan, spans: list[Span]) -> Iterator[Row]:
    """A row per day, phase and scene that has money."""
    spend, first = expected_days(scenario, plan)
    for s, scene in enumerate(scenario.scenes):
        own = plan.money.get(scene, {})
        pot = scenario.scenes[scene].budget_kind == "cycle"
        cells = [spans] if pot else [[span] for span in spans]
        for cell in cells:
            money = sum(own.get(span.phase, 0.0) for span in cell)
            if money > 0:
                yield from _cell(scenario, scene, spend[:, s], _days(cell, first), money)


Place = tuple[int, str, float]
"""A day's number, a phase on it, and how much of the day is the phase's."""


def _cell(
    scenario: Scenario, scene: str, spend: np.ndarray, places: list[Place], money: float
) -> Iterator[Row]:
    """Rows of the days that share one sum of money; spend [day, phase]."""
    order = [span.phase for span in phase_spans(scenario.calendar)]
    found = np.array([spend[day, order.index(phase)] for day, phase, _ in places])
    even = scenario.scenes[scene].budget_kind == "daily" or not found.any()
    weights = np.array([part for *_, part in places]) if even else found
    budgets = in_fen(money, weights)
    start = phase_spans(scenario.calendar)[0].start.date()
    for (day, phase, _), budget, expected in zip(places, budgets, found, strict=True):
        if budget > 0:
            when = start + timedelta(days=day)
            yield _auction_row(scenario, scene, when, phase) | {
                "daily_budget": budget, "expected_spend": round(float(expected), 2),
            }  # fmt: skip


def _auction_row(scenario: Scenario, scene: str, day: date, phase: str) -> Row:
    own = scenario.scenes[scene]
    slots = [name for name in own.slots if isinstance(scenario.slots[name], AuctionSlot)]
    return {
        "kind": "auction", "date": day.isoformat(), "phase": phase, "scene": scene,
        "title": _title(scenario, scene), "slots": ", ".join(slots), "bid_mode": own.bid.mode,
        "bid_per": own.bid.cost_per, "bid_target": "" if own.bid.target is None else own.bid.target,
    }  # fmt: skip


def _days(spans: list[Span], first: date) -> list[Place]:
    """Every day of the spans, from day 0 at `first`."""
    places = []
    for span in spans:
        day = span.start.date()
        while datetime.combine(day, time()) < span.end:
            begin = max(span.start, datetime.combine(day, time()))
            end = min(span.end, datetime.combine(day + timedelta(days=1), time()))
            places.append(((day - first).days, span.phase, (end - begin).total_seconds() / DAY))
            day += timedelta(days=1)
    return places


def in_fen(money: float, weights: np.ndarray) -> list[float]:
    """The money in parts of whole fen, in proportion to the weights; the parts add up to it.

    >>> in_fen(10.0, np.array([1.0, 1.0, 1.0]))
    [3.33, 3.34, 3.33]
    """
    marks = np.round(100 * money * np.cumsum(weights) / weights.sum())
    return [float(part) for part in np.diff(marks, prepend=0.0) / 100]


def expected_days(scenario: Scenario, plan: Plan) -> tuple[np.ndarray, date]:
    """Expected auction spend [day, scene, phase], and the date of day 0."""
    origin = make_grid(scenario).shape.origin
    days = (scenario.calendar.end - datetime.combine(origin.date(), time())) / timedelta(days=1)
    shape = (int(np.ceil(days)), len(scenario.scenes), len(scenario.calendar.phases))
    marks = np.zeros(shape)  # spent by the end of each day, all lanes of one plan in one sum

    def diary(view: View) -> Generator[float, None, None]:
        wait = DAY - (origin - datetime.combine(origin.date(), time())).total_seconds() - 1
        for day in range(shape[0]):
            yield wait
            marks[day] += view.book.spend[:, : shape[2]].sum(axis=-1)  # the run-off has no spend
            wait = DAY

    run = simulate(
        scenario, [plan], mode="expected", daily=False, attribution=False, processes=[diary]
    )
    return np.diff(marks, axis=0, prepend=0.0) / run.replications, origin.date()
