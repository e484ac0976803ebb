"""The consumer chain: its stages, the bands of an audience, and what a visit moves, a part of a scenario."""

from enum import IntEnum
from typing import Annotated

from pydantic import Field

from simulator.scenario.amounts import Amount, Level, Part, Rate, Share
from simulator.scenario.people import Repeat


class Stage(IntEnum):
    """Where a person stands; favourite, cart and deposit together are DEEPLINK's "perform" 行动."""

    OUTSIDE = 0
    DISCOVER = 1
    ENGAGE = 2
    ENTHUSE = 3
    FAVOURITE = 4
    CART = 5
    DEPOSIT = 6
    INITIAL = 7
    NUMEROUS = 8
    KEEN = 9
    LAPSED = 10


CHAIN_STAGES = tuple(stage.name.lower() for stage in Stage)

BANDS = ("outside", "aware", "active", "customers", "lapsed")
"""Audience bands that a scene can aim at; each chain stage lies in exactly one."""

BAND_OF_STAGE = (0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4)


class Moves(Part):
    """What becomes of a person of a chain stage: probabilities per visit, or in 30 days without any."""

    engage: Annotated[Rate, Field(le=1)] = 0.0
    """Comes to know the brand (Engage 种草)."""
    enthuse: Annotated[Rate, Field(le=1)] = 0.0
    """Follows, joins, searches the brand (Enthuse 互动)."""
    favourite: Annotated[Rate, Field(le=1)] = 0.0
    """Keeps a product as a favourite 收藏."""
    cart: Annotated[Rate, Field(le=1)] = 0.0
    """Puts a product of average power that is there into the cart 加购."""


class Chain(Part):
    """The consumer chain 深链 (DEEPLINK): moves, windows and buying propensities."""

    visit_moves: dict[str, Moves]
    """Moves per visit by chain stage; customers' carts are the row `customers`."""
    base_moves: dict[str, Moves] = {}
    """Moves per 30 days without any visit (word of mouth), by chain stage."""
    buy_propensity: dict[str, Annotated[Level, Field(le=1000)]]
    """Readiness to buy on a visit by chain stage [x], scaled by `reference_mix`."""
    reference_mix: dict[str, Share]
    """Stage mix of the visits at which the slots' cvr was measured; sums to 1."""
    discover_days: Annotated[Level, Field(gt=0)] = 15
    """Days without contact after which discover and engage are forgotten."""
    enthuse_days: Annotated[Level, Field(gt=0)] = 30
    """Days without contact after which enthuse falls back to engage."""
    basket_days: Annotated[Level, Field(gt=0)] = 30
    """Days without contact after which a favourite or cart is dropped."""
    favourite_release: Annotated[Rate, Field(le=1)] = 0.33
    """Readiness of a favourite to be bought on a sale day against a cart [x]."""
    keen_per_year: Annotated[Rate, Field(lt=1)] = 0.15
    """Share of repeat customers who become keen 挚爱 in a year."""
    repeat: Repeat | None = None
    """Repeat orders without a visit; none: customers buy again by visits and baskets alone."""
    lapse_days: Annotated[Amount, Field(gt=0)] = 180
    """Days since the last order after which a customer is lapsed 沉睡."""
    new_customer_window_days: Annotated[Amount, Field(gt=0)] = 365
    """Look-back: who has not bought for so long counts as new again."""
    frequency_shape: Annotated[Level, Field(gt=0.05)] = 0.6
    """Shape r of the negative binomial of exposures per person; large means even exposure."""
    reach_window_days: Annotated[Level, Field(gt=0)] = 15
    """Days over which past exposures count for reach."""
    fatigue: Annotated[Level, Field(ge=0, le=2)] = 0.1
    """Loss of log click odds per exposure beyond the first (wear-out)."""
    fatigue_half_life_days: Annotated[Level, Field(gt=0)] = 7
    """Half-life of wear-out [d]."""
