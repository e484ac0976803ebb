"""Who may buy: groups of people and their habits, parts of a scenario, as schema.py."""

from typing import Annotated, Any, Literal

from pydantic import Field

from simulator.scenario.amounts import Amount, Level, Moment, Part, Rate, Share


class Segment(Part):
    """A group of people with their own size, activity and habits."""

    people: Annotated[Level, Field(gt=0)]
    """People in the segment; visits and opportunities of the file are shared out by people x activity, so that more
    people are reached less often each."""
    activity: Annotated[Level, Field(gt=0)] = 1.0
    """Ad opportunities and visits per person against the other segments [x]."""
    ctr: Annotated[Level, Field(gt=0)] = 1.0
    """Odds of a click against the slot's figure [x]."""
    cvr: Annotated[Level, Field(gt=0)] = 1.0
    """Odds of buying against the slot's figure [x]."""
    order_value: Annotated[Level, Field(gt=0)] = 1.0
    """Value of an order against the list price [x]."""
    price_elasticity: Annotated[Level, Field(ge=0, le=8)] = 0.0
    """eps: log odds of buying per log price paid below the phase's usual price; 0: price moves nobody."""
    cpm: Annotated[Level, Field(gt=0)] = 1.0
    """Rival bids for these people against the slot's figure [x]."""
    breadth: Annotated[Level, Field(gt=0)] = 1.0
    """Categories in which they buy in a year [x]: its root multiplies activity; the other root belongs into start."""
    spend: Annotated[Level, Field(gt=0)] = 1.0
    """What they spend in a year [x]: the root of spend / breadth multiplies cvr, and order_value."""
    new_product_affinity: Annotated[Level, Field(gt=0)] = 1.0
    """Odds of buying products in stage sampling or launch, against the other products [x] (88VIP 1.3)."""
    refund: Annotated[Level, Field(gt=0)] = 1.0
    """Odds that an order is refunded against the product's figure [x]."""
    returns_borne_by: Literal["merchant", "platform"] = "merchant"
    """Who bears the freight, handling and loss of value of their returns; a hosted overseas channel does."""
    return_freight: Annotated[Level, Field(ge=0)] | None = None
    """Inbound freight and handling of one of their refunds, if not commerce.refund_handling [CNY]."""
    order_delay_days: Annotated[Amount, Field(ge=0, le=60)] = 0.0
    """Mean days from the deciding visit to the order, the cycle of companies; 0: at once."""
    start: dict[str, Rate] = {}
    """Share of the people in each chain stage at the start; the rest is outside."""


def activity_of(people: Segment) -> Any:
    """Opportunities and visits per person: half of the breadth, its root."""
    return people.activity * people.breadth**0.5


def readiness_of(people: Segment) -> Any:
    """Odds of buying: half of what is spent in a category, its root; order value is the other half."""
    return people.cvr * (people.spend / people.breadth) ** 0.5


def order_value_of(people: Segment) -> Any:
    """Value of an order against the list price."""
    return people.order_value * (people.spend / people.breadth) ** 0.5


class Repeat(Part):
    """Orders of habit: customers who buy again without a visit of theirs in the file."""

    rate_365: Annotated[Level, Field(gt=0, le=50)]
    """Repeat orders of a customer within 365 days of an order, on top of those that visits bring."""
    tau_months: Annotated[Level, Field(gt=0.1, le=120)] = 6.0
    """Months over which the habit fades: the rate of a repeat follows exp(-age / tau) (4-8)."""
    event_factor: Annotated[Rate, Field(le=1)] = 0.75
    """Habit of first-time buyers whom the run won, against other customers [x] (0.6-0.85)."""


class Push(Part):
    """A message to people whom the shop can reach by itself: followers, members, subscribers."""

    source: str
    """Source whose visits it brings, as a rule of owned reach: power of touch and organic_cvr are its."""
    days: Annotated[list[Moment], Field(min_length=1)]
    """Days on which it is sent; the visits come on the same day."""
    audience: dict[str, Share]
    """Share of each audience band that can be addressed; missing bands are 0."""
    segments: list[str] = []
    """Segments that it addresses; empty means all."""
    reach: Annotated[Rate, Field(le=1)] = 0.2
    """Share of the addressed who see the message (15-30%)."""
    ctr: Annotated[Rate, Field(le=1)] = 0.05
    """Share of those who see it that come to the shop (3-8%)."""
    cost: Annotated[Amount, Field(ge=0)] = 0.04
    """Cost of one message [CNY]; it is paid in every plan, the zero-spend lane included."""
