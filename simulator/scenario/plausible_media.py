"""Checks of media by themselves: can this traffic, slot, package or partner be meant?"""

import math
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise

from simulator.scenario.amounts import moment_text
from simulator.scenario.calendar import Calendar, phase_spans
from simulator.scenario.nodes import Parts
from simulator.scenario.plan import price_of
from simulator.scenario.plausible_calendar import first_moment, span_text
from simulator.scenario.prices import last_booking
from simulator.scenario.ranges import in_range
from simulator.scenario.references import Fault
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, ContractSlot, Package

MOST_VISITS, MOST_OPPORTUNITIES = 100, 1000
"""Free visits and impressions on offer, a day and person."""


def check_media(scenario: Scenario) -> Iterator[Fault]:
    """Where traffic comes from, what can be bought, and who brings visits."""
    yield from _check_sources(scenario)
    yield from _check_pushes(scenario)
    yield from _check_density(scenario)
    yield from _check_slots(scenario)
    yield from _check_partners(scenario)


def _check_sources(scenario: Scenario) -> Iterator[Fault]:
    for name, source in scenario.sources.items():
        if source.organic_visits > 0 and not any(source.organic_bands.values()):
            rule = "must give a band above 0, or organic_visits has no effect"
            yield Fault(("sources", name, "organic_bands"), rule)


def _check_pushes(scenario: Scenario) -> Iterator[Fault]:
    for name, push in scenario.pushes.items():
        at = ("pushes", name)
        yield from in_range((*at, "cost"), push.cost, (0, 1000))
        if not any(push.audience.values()):
            yield Fault((*at, "audience"), "must give a band above 0: nobody is addressed")
        for number, day in enumerate(push.days):
            path = (*at, "days", number)
            if (
                not first_moment(scenario.calendar).date()
                <= day.date()
                <= _last_day(scenario.calendar)
            ):
                rule = f"must lie inside the calendar, {span_text(scenario.calendar)}"
                yield Fault(path, f"{rule} (got {moment_text(day)})")
            elif day.date() in [other.date() for other in push.days[:number]]:
                yield Fault(path, f"names {day.date()} twice: one message a day, or another push")


def _last_day(calendar: Calendar) -> date:
    return (calendar.end - timedelta(seconds=1)).date()


def _check_density(scenario: Scenario) -> Iterator[Fault]:
    """What is on offer is for these people: nobody meets a brand thousands of times a day."""
    people = sum(segment.people for segment in scenario.segments.values())
    offers = [
        (("sources", name, "organic_visits"), source.organic_visits, MOST_VISITS)
        for name, source in scenario.sources.items()
    ] + [
        (("slots", name, "opportunities"), slot.opportunities, MOST_OPPORTUNITIES)
        for name, slot in scenario.slots.items()
    ]
    offers += [
        (("commissions", name, "visits"), partner.visits, MOST_VISITS)
        for name, partner in scenario.commissions.items()
    ]
    for path, daily, most in offers:
        if people and daily > most * people:
            each = f"{daily / people:,.0f} a day for each of {people:,.0f} people"
            yield Fault(path, f"must be at most {most:,} per person (is {each})")


def _check_slots(scenario: Scenario) -> Iterator[Fault]:
    for name, slot in scenario.slots.items():
        if isinstance(slot, AuctionSlot):
            yield from _check_positions(("slots", name), slot)
        else:
            yield from _check_packages(scenario, ("slots", name, "packages"), slot)
            yield from _check_make_good(scenario.calendar, ("slots", name, "make_good_days"), slot)


def _check_make_good(calendar: Calendar, at: Parts, slot: ContractSlot) -> Iterator[Fault]:
    """What is owed is served while the shop is open."""
    booked = {phase for package in slot.packages.values() for phase in package.phases}
    if slot.remedy != "make_good" or not booked & set(calendar.phases):
        return
    last = [span.end for span in phase_spans(calendar) if span.phase in booked]
    open_days = (calendar.end - max(last)) / timedelta(days=1) + calendar.sales_after_days
    if slot.make_good_days > open_days:
        rule = f"reaches beyond the close of sales, {calendar.sales_after_days} days after the end"
        mend = f"{open_days:g} days are left after its last phase; raise calendar.sales_after_days"
        yield Fault(at, f"{rule}: {mend}, or lower it (got {slot.make_good_days:g})")


def _check_positions(at: Parts, slot: AuctionSlot) -> Iterator[Fault]:
    decay = slot.position_decay
    if slot.positions % 1:
        rule = f"must be a whole number (got {slot.positions:g})"
        yield Fault((*at, "positions"), f"{rule}; the nearest is {round(slot.positions)}")
    if len(decay) < slot.positions:
        rule = f"must have a click rate for each of {slot.positions:g} positions"
        yield Fault((*at, "position_decay"), f"{rule} (has {len(decay)})")
    for number, (above, below) in enumerate(pairwise(decay), start=1):
        if below > above:
            rule = f"must not be above that of the position before it, {above:g}"
            yield Fault((*at, "position_decay", number), f"{rule} (got {below:g})")


def _check_packages(scenario: Scenario, at: Parts, slot: ContractSlot) -> Iterator[Fault]:
    for name, package in slot.packages.items():
        yield from in_range((*at, name, "impressions"), package.impressions, (1, 1e12))
        yield from in_range((*at, name, "cpm"), package.cpm, (0.01, 1e6))
        if not package.phases:
            yield Fault((*at, name, "phases"), "must name at least one phase")
        elif all(phase in scenario.calendar.phases for phase in package.phases):
            yield from _check_booking(scenario, (*at, name), slot, package)


def _check_booking(
    scenario: Scenario, at: Parts, slot: ContractSlot, package: Package
) -> Iterator[Fault]:
    """A booking comes in time, and is not too small for the slot."""
    first = min(scenario.calendar.phases[phase].start for phase in package.phases)
    last = last_booking(first, slot.lead_days)
    if package.booked_at and package.booked_at > last:
        lead = f"{slot.lead_days:g} days before its first impression on {moment_text(first)}"
        rule = f"must be {moment_text(last)} at the latest, {lead}"
        yield Fault((*at, "booked_at"), f"{rule} (got {moment_text(package.booked_at)})")
    if package.scene not in scenario.scenes:
        return
    price = price_of(scenario, slot, package)
    if 0 < price < slot.minimum_booking * (1 - 1e-9):
        least = math.ceil(package.impressions * slot.minimum_booking / price)
        rule = f"must be {least:,} at least: the slot takes no booking below"
        what = f"CNY {slot.minimum_booking:,.0f} (this one costs {price:,.0f})"
        yield Fault((*at, "impressions"), f"{rule} {what}")


def _check_partners(scenario: Scenario) -> Iterator[Fault]:
    for name, partner in scenario.commissions.items():
        at = ("commissions", name)
        if not any(partner.bands.values()):
            yield Fault((*at, "bands"), "must give a band above 0: it brings nobody")
        if partner.products and not any(partner.products.values()):
            rule = "must give a product a weight above 0, or be left out for all alike"
            yield Fault((*at, "products"), rule)
        if partner.cap is not None and partner.cap < partner.fee:
            yield Fault((*at, "cap"), f"must pay the fee, {partner.fee:,.0f} CNY, at least")
