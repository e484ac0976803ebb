"""Calendars: the dates of each edition, and the opening rush fitted to the milestones of two years."""

from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import least_squares

from simulator.market.calendar import (
    DAY,
    HOUR,
    Shape,
    make_steps,
    phase_bounds,
    phase_names,
    read_shape,
)
from simulator.scenario import parse_scenario
from simulator.scenario.calendar import Burst, Calendar
from simulator.scenario.loader import preset_names

ONE_DAY = ("double11_2013", "double11_2019")
TWO_WAVES = ("double11_2020", "double11_2021", "mid_year_618")
EDITIONS = (*ONE_DAY, *TWO_WAVES, "double11_2024")

MILESTONES = {  # hours since the opening: sales so far [bn CNY], as published on and after the day
    "double11_2013": {55 / 3600: 0.1, 367 / 3600: 1, 38 / 60: 5, 349 / 60: 10, 819 / 60: 20, 1051 / 60: 25, 24: 35.019},
    "double11_2019": {96 / 3600: 10, 769 / 3600: 50, 3839 / 3600: 100, 5167 / 3600: 120.7, 861 / 60: 200,
                      991 / 60: 213.5, 24: 268.44},
}  # fmt: skip

WORLD = """
name: A festival
extends: [calendars/NAME, chain/deeplink, categories/coffee]
budget: 1m
segments: {people: {people: 1m, start: {discover: 5%}}}
products: {coffee: {price: 120, margin: 55%}}
sources: {search: {preset: search, organic_visits: 500}}
slots: {search_words: {preset: search_words, source: search, opportunities: 50k}}
scenes: {keyword: {preset: keyword, slots: [search_words]}}
"""


@cache
def edition(name: str) -> Calendar:
    return parse_scenario(WORLD.replace("NAME", name).encode(), "festival.yaml").calendar


def openings(calendar: Calendar) -> list[datetime]:
    """First moments of the phases with a rush."""
    found = [phase.start for phase in calendar.phases.values() if phase.burst]
    return sorted(found)


def test_every_dated_calendar_is_looked_at():
    undated = {"curves", "plain", "one_day", "two_waves"}
    shipped = {name.removeprefix("calendars/") for name in preset_names() if "calendars/" in name}
    assert shipped - undated == {*EDITIONS}


@pytest.mark.parametrize("name", ONE_DAY)
def test_the_old_festival_is_one_monday(name: str):
    calendar = edition(name)
    (opening,) = openings(calendar)
    assert (opening.month, opening.day, opening.hour, opening.weekday()) == (11, 11, 0, 0)
    after = calendar.phases["after"].start
    assert (after - opening).total_seconds() == DAY
    assert [balance.end for balance in calendar.balances] == [after]


@pytest.mark.parametrize("name", TWO_WAVES)
def test_the_newer_festival_has_two_windows_with_a_lull_between(name: str):
    calendar = edition(name)
    assert len(openings(calendar)) == len(calendar.balances) == 2
    names = phase_names(calendar)
    assert names.index("wave_1") < names.index("lull") < names.index("wave_2")
    for opening, balance in zip(openings(calendar), calendar.balances, strict=True):
        assert (balance.start - opening).total_seconds() in (0, 1800)


def test_dates_of_2020_are_those_of_its_calendar():
    first, second = openings(edition("double11_2020"))
    assert (first, second) == (datetime(2020, 11, 1), datetime(2020, 11, 11))
    assert edition("double11_2020").phases["presale"].start == datetime(2020, 10, 21)


def test_the_festival_of_2024_is_the_longest_and_opens_in_the_evening():
    lengths = {name: sale_days(edition(name)) for name in EDITIONS if name.startswith("double11")}
    assert max(lengths, key=lengths.__getitem__) == "double11_2024"
    assert edition("double11_2024").phases["presale"].start.date() == datetime(2024, 10, 14).date()
    assert {opening.hour for opening in openings(edition("double11_2024"))} == {20}


def sale_days(calendar: Calendar) -> float:
    """Days from the first opening to the end of the sale."""
    return (calendar.phases["after"].start - openings(calendar)[0]).total_seconds() / DAY


@pytest.mark.parametrize("name", EDITIONS)
def test_every_edition_ends_with_weeks_of_quiet(name: str):
    calendar = edition(name)
    assert phase_names(calendar)[-2] == "after"
    assert calendar.phases["after"].traffic < 1 < calendar.phases["after"].refund
    assert np.diff(phase_bounds(calendar))[-1] >= 12 * DAY


def test_trade_peaks_on_mondays_and_looking_on_weekends():
    calendar = edition("double11_2020")
    assert int(np.argmax(calendar.weekdays_buy)) == 0
    assert {*np.argsort(calendar.weekdays_browse)[-2:].tolist()} == {5, 6}


# --- the rush -----------------------------------------------------------------------------------


def opening_day(name: str) -> tuple[Shape, int]:
    """The curves of an edition, and the second at which its sale opens."""
    shape = read_shape(edition(name))
    return shape, shape.bursts[0][0]


def sold_by(shape: Shape, opening: int, hours: list[float]) -> np.ndarray:
    """Share of the opening day's purchases by each hour since the opening."""
    bought = [shape.integrate(opening, opening + round(h * HOUR))[1] for h in (*hours, 24)]
    return np.array(bought[:-1]) / bought[-1]


def misses(rush: Burst, name: str) -> np.ndarray:
    """Curve of a rush less what was published of an edition, as shares of the day."""
    shape, opening = opening_day(name)
    points = MILESTONES[name]
    shape = replace(shape, bursts=((opening, opening + DAY, rush),))
    published = np.array(list(points.values())[:-1]) / points[24]
    return sold_by(shape, opening, list(points)[:-1]) - published


def off(rush: Burst, name: str) -> float:
    return float(np.sqrt(np.mean(misses(rush, name) ** 2)))


@cache
def fitted(name: str) -> Burst:
    """Least squares over w, tau and k, from a start that is no year's."""

    def rush(x: np.ndarray) -> Burst:
        return Burst(share=x[0], tau=x[1], k=x[2])

    found = least_squares(
        lambda x: misses(rush(x), name), [0.4, 1.5, 1.0], bounds=([0, 0.05, 0.3], [0.95, 8, 3])
    )
    return rush(found.x)


def shipped(name: str) -> Burst:
    (rush,) = (phase.burst for phase in edition(name).phases.values() if phase.burst)
    return rush


@pytest.mark.parametrize("curve", [fitted, shipped])
def test_the_rush_of_a_year_describes_that_year_and_not_the_other(curve):
    """A few points in a hundred off its own milestones, and five times as much off the other's."""
    old, new = ONE_DAY
    for own, other in ((old, new), (new, old)):
        assert off(curve(own), own) < 0.03
        assert off(curve(own), other) > 5 * off(curve(own), own)
        assert off(curve(other), own) > 5 * off(curve(own), own)


def test_half_of_the_later_day_belongs_to_the_rush_and_a_third_of_the_earlier():
    old, new = (fitted(name) for name in ONE_DAY)
    assert 0.2 < old.share < 0.4
    assert 0.5 < new.share < 0.65
    first_hour = [sold_by(*opening_day(name), [1])[0] for name in ONE_DAY]
    assert first_hour[0] < 0.6 * first_hour[1]


@pytest.mark.parametrize("name", ["double11_2020", "double11_2024"])
def test_an_opening_adds_its_extra_to_its_first_day_and_to_no_other(name):
    """Purchases by the extra, visits by its part that comes as visitors; when in the day stays as it was."""
    shape = read_shape(edition(name))
    opening, _, rush = shape.bursts[0]
    assert rush.extra == pytest.approx(0.3)
    usual_day = rush.model_copy(update={"extra": 0.0})
    plain = replace(shape, bursts=((opening, opening + DAY, usual_day),))
    for hours in (0.1, 1, 24):
        more = shape.integrate(opening, opening + round(hours * HOUR))
        usual = plain.integrate(opening, opening + round(hours * HOUR))
        assert more / usual == pytest.approx([1 + 0.3 * rush.traffic_part, 1.3])
    later = (opening + DAY, opening + 2 * DAY)
    assert shape.integrate(*later).tolist() == plain.integrate(*later).tolist()


@pytest.mark.parametrize(
    ("name", "count"),
    [("double11_2020", 1), ("double11_2021", 1), ("mid_year_618", 2), ("double11_2024", 2)],
)
def test_the_opening_day_sells_more_than_a_day_of_its_wave(name, count):
    """Whatever weekday it is: the rush is on top of a usual day."""
    shape, waves = read_shape(edition(name)), 0
    for start, end in pairwise(phase_bounds(edition(name)).tolist()):
        if any(start == opening for opening, *_ in shape.bursts) and end >= start + 3 * DAY:
            days = [shape.integrate(start + n * DAY, start + (n + 1) * DAY)[1] for n in range(3)]
            assert days[0] == max(days)
            waves += 1
    assert waves == count  # of three days and more


def test_a_run_that_begins_in_the_morning_counts_its_days_from_midnight():
    first = min(phase.start for phase in edition("double11_2020").phases.values())
    begun = f"calendar.phases={{normal: {{start: {first:%Y-%m-%d}T08:30:15, clock: 1h}}}}"
    end = "calendar.end=2020-11-20"
    text = WORLD.replace("calendars/NAME", "calendars/plain").encode()
    steps = make_steps(parse_scenario(text, "morning.yaml", [begun, end]).calendar, 5)
    hours = np.array([steps.since_midnight(step) for step in range(3)]) * 24
    assert hours == pytest.approx(
        [8 + 30 / 60 + 15 / 3600, 9 + 30 / 60 + 15 / 3600, 10 + 30 / 60 + 15 / 3600]
    )


@pytest.mark.parametrize("sales_after", [7, 9])
def test_nobody_buys_once_sales_have_closed(sales_after: int):
    text = WORLD.replace("calendars/NAME", "calendars/plain").encode()
    changes = [
        "calendar.phases={normal: {start: 2020-11-01T00:00:00, clock: 1h}}", "calendar.end=2020-11-05",
        f"calendar.sales_after_days={sales_after}",
    ]  # fmt: skip
    steps = make_steps(parse_scenario(text, "close.yaml", changes).calendar, 12)
    closed = (4 + sales_after) * DAY
    assert (steps.buy > 0).tolist() == (steps.start < closed).tolist()
    assert closed in steps.start
