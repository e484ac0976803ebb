"""Checks of dates by themselves: can these phases, windows, curves and shocks be meant?"""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from simulator.scenario.amounts import duration, moment_text, shown
from simulator.scenario.calendar import Balance, Calendar, phase_spans
from simulator.scenario.chance import Shock
from simulator.scenario.nodes import Parts, Tree
from simulator.scenario.references import Fault
from simulator.scenario.runoff import runoff_days
from simulator.scenario.schema import Scenario

DAY = 86400
WEEK = 7 * 24  # hours

MOST_SPELLS = 100
"""Times that a shock may begin in a run, on average."""


def check_calendar(scenario: Scenario, tree: Tree | None) -> Iterator[Fault]:
    """Phases, windows, curves and the length of the run; the order of phases is that of a file."""
    if tree is not None:
        yield from _check_order(scenario.calendar, tree)
    yield from _check_phases(scenario)
    yield from _check_balances(scenario)
    yield from _check_deposits(scenario)
    yield from _check_curves(scenario)
    yield from _check_length(scenario)


def _check_order(calendar: Calendar, tree: Tree) -> Iterator[Fault]:
    """Phases stand in order of time in the file that dates them; a phase more may come later.

    A date that is set belongs to the file of its phase.
    """
    last: dict[str, str] = {}
    for name, phase in calendar.phases.items():
        path = ("calendar", "phases", name, "start")
        file = tree.nearest(path)[0].source.name
        if file.startswith("--set "):
            file = tree.nearest(path[:-1])[0].source.name
        before = calendar.phases[last[file]] if file in last else None
        if before and phase.start < before.start:
            first = f"{shown(last[file])} ({moment_text(before.start)})"
            yield Fault(path, f"must not be before the phase above it, {first}: put them in order")
        last[file] = name


def _check_phases(scenario: Scenario) -> Iterator[Fault]:
    calendar, seen = scenario.calendar, dict[datetime, str]()
    if not calendar.phases:
        yield Fault(("calendar", "phases"), "must have at least one phase")
    for name, phase in calendar.phases.items():
        path = ("calendar", "phases", name)
        if phase.start >= calendar.end:
            end = f"calendar.end, {moment_text(calendar.end)}"
            yield Fault((*path, "start"), f"must be before {end} (got {moment_text(phase.start)})")
        if phase.start in seen:
            other = shown(seen[phase.start])
            yield Fault((*path, "start"), f"must not be that of phase {other}: one has no length")
        seen.setdefault(phase.start, name)
        if phase.clock <= 0 or DAY % phase.clock:
            near = duration(_nearest_clock(phase.clock))
            rule = f"must divide a day evenly, 1d at most (got {duration(phase.clock)})"
            yield Fault((*path, "clock"), f"{rule}; the nearest is {near}")


def _nearest_clock(seconds: int) -> int:
    even = [clock for clock in range(1, DAY + 1) if DAY % clock == 0]
    return min(even, key=lambda clock: abs(clock - seconds))


def _check_balances(scenario: Scenario) -> Iterator[Fault]:
    calendar, path = scenario.calendar, ("calendar", "balances")
    inside = f"must lie inside the calendar, {span_text(calendar)}"
    for number, window in enumerate(calendar.balances):
        if window.start < first_moment(calendar):
            yield Fault((*path, number, "start"), f"{inside} (got {moment_text(window.start)})")
        if window.end > calendar.end:
            yield Fault((*path, number, "end"), f"{inside} (got {moment_text(window.end)})")
        if window.end <= window.start:
            yield Fault(
                (*path, number, "end"), f"must be after its start {moment_text(window.start)}"
            )
        elif not _somebody_buys(calendar, window):
            rule = "must hold an hour in which people buy: by calendar.hours_buy and weekdays_buy nobody"
            mend = "move or lengthen the window, or write 0.01 for hardly ever"
            span = f"{moment_text(window.start)} to {moment_text(window.end)}"
            yield Fault((*path, number), f"{rule} does from {span}; {mend}")
    for number, (one, two) in enumerate(pairwise(calendar.balances), start=1):
        if two.start < one.end:
            rule = f"must not be before the window above it ends, {moment_text(one.end)}"
            yield Fault((*path, number, "start"), f"{rule}: windows stand in order, side by side")


def _check_deposits(scenario: Scenario) -> Iterator[Fault]:
    """Who could never pay the balance pays no deposit: a presale that nothing settles is a slip."""
    calendar = scenario.calendar
    presold = [name for name, product in scenario.products.items() if product.presale]
    if presold:
        yield from _check_readiness(calendar)
    taking = deposit_phases(calendar) if calendar.phases else []
    if not taking or not presold or settled_phases(calendar):
        return
    first = f"phase {shown(taking[0])}, {moment_text(calendar.phases[taking[0]].start)}"
    rule = "could take no deposit, for no balance can ever be paid: no window of calendar.balances"
    mend = "add one to calendar.balances, or set presale: false"
    yield Fault(
        ("products", presold[0], "presale"), f"{rule} ends after the start of {first}; {mend}"
    )


def _check_readiness(calendar: Calendar) -> Iterator[Fault]:
    """A visit pays a deposit in proportion to its chance to buy: without one it would pay none, and say nothing."""
    for name, phase in calendar.phases.items():
        if phase.deposit > 0 and phase.cvr <= 0:
            rule = "must be above 0 where visits pay deposits, for they do so in proportion to it"
            mend = "write 0.001 for a phase in which hardly anything is bought outright"
            yield Fault(("calendar", "phases", name, "cvr"), f"{rule}; {mend}")


def deposit_phases(calendar: Calendar) -> list[str]:
    """Phases whose visits, or carts, pay deposits, in order of time."""
    phases = calendar.phases
    return [
        span.phase
        for span in phase_spans(calendar)
        if phases[span.phase].deposit or phases[span.phase].deposit_release
    ]


def settled_phases(calendar: Calendar) -> list[str]:
    """Those of them before the end of a balance window: in all others no deposit is taken."""
    last = max((window.end for window in calendar.balances), default=first_moment(calendar))
    return [name for name in deposit_phases(calendar) if calendar.phases[name].start < last]


def _somebody_buys(calendar: Calendar, window: Balance) -> bool:
    """Whether a window has purchases: of a usual hour, or of the rush of an opening."""
    first = window.start.replace(minute=0, second=0)
    hours = (first + timedelta(hours=n) for n in range(WEEK + 1))
    usual = any(
        calendar.hours_buy[hour.hour] > 0 and calendar.weekdays_buy[hour.weekday()] > 0
        for hour in hours
        if hour < window.end
    )
    return usual or any(
        start < window.end and window.start < end for start, end in _rushes(calendar)
    )


def _rushes(calendar: Calendar) -> Iterator[tuple[datetime, datetime]]:
    """From when to when the rush of an opening lasts: a day, and not beyond its phase."""
    for name, start, end in phase_spans(calendar):
        burst = calendar.phases[name].burst
        if burst and burst.share > 0:
            yield start, min(end, start + timedelta(days=1))


def _check_curves(scenario: Scenario) -> Iterator[Fault]:
    calendar = scenario.calendar
    for name in ("hours_browse", "weekdays_browse"):
        why = "nobody buys without a visit; write 0.01 for hardly ever"
        yield from _positive(("calendar", name), getattr(calendar, name), why)
    for name in ("hours_buy", "weekdays_buy"):
        yield from _weights(("calendar", name), getattr(calendar, name))
    for name in ("ctr", "cvr", "quality", "refund"):
        values = getattr(scenario.life_cycle, name)
        yield from _positive(("life_cycle", name), values, "1 changes nothing")


def _positive(path: Parts, values: list[float], why: str) -> Iterator[Fault]:
    for number, value in enumerate(values):
        if value <= 0:
            yield Fault((*path, number), f"must be > 0 (got {value:g}): {why}")


def _weights(path: Parts, values: list[float]) -> Iterator[Fault]:
    for number, value in enumerate(values):
        if value < 0:
            yield Fault((*path, number), f"must be >= 0 (got {value:g})")
    if not any(values):
        yield Fault(path, "must not be 0 throughout")


def _check_length(scenario: Scenario) -> Iterator[Fault]:
    """People age by their last order; the model follows those of the start for one window only."""
    calendar, chain = scenario.calendar, scenario.chain
    if not calendar.phases:
        return
    after = runoff_days(scenario)
    days = math.ceil((calendar.end - first_moment(calendar)).total_seconds() / DAY) + after
    run = f"the run lasts {days} days with {after} days of run-off"
    if days > chain.lapse_days:
        latest = math.floor(chain.lapse_days) - after
        mend = f"advertise {latest} days at most" if latest > 0 else "settle refunds sooner"
        rule = f"is too late: {run}, more than chain.lapse_days ({chain.lapse_days:g})"
        yield Fault(("calendar", "end"), f"{rule}; {mend}, or raise lapse_days")
    elif days > chain.new_customer_window_days - chain.lapse_days:
        least = f"lapse_days + {days} = {chain.lapse_days + days:g}"
        path = ("chain", "new_customer_window_days")
        yield Fault(path, f"must be >= {least}, since {run}")


# --------------------------------------------------------------------------- weather and news
def check_shocks(scenario: Scenario) -> Iterator[Fault]:
    """What may come from outside, and when."""
    for name, shock in scenario.shocks.items():
        yield from _check_shock(scenario.calendar, ("shocks", name), shock)


def _check_shock(calendar: Calendar, at: Parts, shock: Shock) -> Iterator[Fault]:
    if (shock.chance is None) == (shock.rate is None):
        yield Fault(
            at, "must have a chance (it comes once or not) or a rate (times per day): one of them"
        )
    if shock.end <= shock.start:
        yield Fault((*at, "end"), f"must be after its start {moment_text(shock.start)}")
    elif (shock.rate or 0) * (shock.end - shock.start).total_seconds() / DAY > MOST_SPELLS:
        yield Fault((*at, "rate"), f"makes it begin more than {MOST_SPELLS} times: lower it")
    yield from inside_run(calendar, (*at, "start"), shock.start)
    if shock.products and shock.segments:
        rule = "must not stand beside products: a shock moves products or people"
        yield Fault((*at, "segments"), f"{rule}; write two shocks")
    if shock.demand == shock.traffic == 1:
        yield Fault(at, "changes nothing: give demand or traffic another factor than 1")
    if shock.demand == 1 and (shock.products or shock.segments):
        field = "products" if shock.products else "segments"
        yield Fault((*at, field), "has no effect: traffic is that of the whole shop; leave it out")


# --------------------------------------------------------------------------- words
def first_moment(calendar: Calendar) -> datetime:
    """When the first phase starts."""
    return min((phase.start for phase in calendar.phases.values()), default=calendar.end)


def span_text(calendar: Calendar) -> str:
    """From the first moment to the last, as people write it."""
    return f"{moment_text(first_moment(calendar))} to {moment_text(calendar.end)}"


def inside_run(calendar: Calendar, path: Parts, moment: datetime) -> Iterator[Fault]:
    """A fault, unless the moment lies between the first phase and the end of advertising."""
    if calendar.phases and not first_moment(calendar) <= moment < calendar.end:
        got = f"(got {moment_text(moment)})"
        yield Fault(path, f"must lie inside the run, {span_text(calendar)} {got}")
