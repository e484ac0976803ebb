"""Chance that is common to a whole replication or day: its spreads, and what comes from outside."""

from typing import Annotated

from pydantic import Field

from simulator.scenario.amounts import Amount, Level, Moment, Multiple, Part, Share


class Chance(Part):
    """Chance that is common to a whole replication or day (not lack of knowledge)."""

    demand_sd: Annotated[Multiple, Field(le=1)] = 0.0
    """Spread of the level of demand of the whole run: relative sd of the odds of buying."""
    supply_sd: Annotated[Multiple, Field(le=1)] = 0.10
    """Day-to-day spread of a slot's opportunities against the forecast."""
    price_sd: Annotated[Multiple, Field(le=3)] = 0.6
    """Relative spread of the price of single impressions."""


class Shock(Part):
    """Weather or news that may come: in every replication at its own time, the same for all plans."""

    start: Moment
    """First moment at which it may begin."""
    end: Moment
    """From this moment on it does not begin any more (one that has begun lasts its days)."""
    chance: Share | None = None
    """Probability that it comes, once, at any moment of the window alike."""
    rate: Annotated[Amount, Field(gt=0, le=10)] | None = None
    """Mean number of times per day that it begins, instead of chance; where two overlap there is one."""
    days: Annotated[Amount, Field(gt=0, le=365)]
    """How long it lasts [d]."""
    demand: Annotated[Level, Field(ge=0.01, le=50)] = 1.0
    """Odds that a visit buys while it lasts [x]."""
    traffic: Annotated[Level, Field(gt=0, le=50)] = 1.0
    """Free visits and ad opportunities while it lasts, of the whole shop [x]."""
    products: list[str] = []
    """Products whose demand it moves; empty means all."""
    segments: list[str] = []
    """Segments whose demand it moves, whatever they buy; empty means all."""
