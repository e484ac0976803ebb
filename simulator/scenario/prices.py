"""What a booking costs: steps of the price by date and phase, and the last day to book."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from simulator.scenario.amounts import Amount, Multiple, Part

WEEK = timedelta(weeks=1)


class PriceSteps(Part):
    """How the price of a contract slot rises as the date comes near, and in dear phases."""

    per_week: Annotated[Multiple, Field(le=1)] = 0.0
    """Rise for each week begun inside the last weeks before the first impression, share of the price."""
    weeks: Annotated[Amount, Field(ge=0, le=52)] = 3
    """How many weeks before the first impression the rise begins."""
    sale_sensitivity: Annotated[Amount, Field(ge=0, le=2)] = 0.0
    """Exponent on the phases' cpm multipliers: 0 asks the same price in a sale, 1 follows the auctions."""
    phases: dict[str, Annotated[Multiple, Field(gt=0, le=20)]] = {}
    """Price of impressions of a phase against the slot's [x]; missing phases are 1."""


def late_factor(steps: PriceSteps, ahead: timedelta | None) -> float:
    """Price of a booking made so long before its first impression, against an early one [x].

    >>> [late_factor(PriceSteps(per_week=0.1), timedelta(days=d)) for d in (21, 20, 14, 13, 0)]
    [1.0, 1.1, 1.1, 1.2, 1.3]
    """
    begun = 0 if ahead is None else math.ceil(max(0.0, steps.weeks - ahead / WEEK))
    return round(1 + steps.per_week * begun, 12)


def phase_factor(
    steps: PriceSteps, traffic: Mapping[str, float], cpm: Mapping[str, float]
) -> float:
    """Mean price of the phases of a booking, weighed by their traffic; cpm as the phases have it [x].

    >>> phase_factor(PriceSteps(phases={"sale": 2}), {"normal": 30, "sale": 10}, {})
    1.25
    >>> phase_factor(PriceSteps(sale_sensitivity=1), {"sale": 10}, {"sale": 1.5})
    1.5
    """
    total = sum(
        steps.phases.get(phase, 1.0) * cpm.get(phase, 1.0) ** steps.sale_sensitivity * weight
        for phase, weight in traffic.items()
    )
    return total / sum(traffic.values())


def last_booking(first: datetime, lead_days: float) -> datetime:
    """The last moment at which a package that starts at `first` can be booked."""
    return first - timedelta(days=lead_days)
