"""The other way to simulate ads: every impression is a SimPy process of its own.

One market with the mean slot of a scenario. For each opportunity a process is born; it meets the best
rival bid, and if the ad wins, the person sees it, may click, arrives after a while, looks around and
decides whether to buy. There is no audience, no budget, no fatigue and no stock here, all of which
would cost more; so the figure flatters this way of doing it.
"""

import math
import random
from collections.abc import Generator
from dataclasses import dataclass

import simpy

from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot

DAY = 86400.0


@dataclass(frozen=True)
class Market:
    """The mean auction slot."""

    median_cpm: float
    sigma: float
    ctr: float
    arrival: float
    cvr: float
    price: float


@dataclass
class Counts:
    """What came of the opportunities."""

    opportunities: int = 0
    impressions: int = 0
    clicks: int = 0
    visits: int = 0
    orders: int = 0
    spend: float = 0.0
    gmv: float = 0.0


def mean_market(scenario: Scenario) -> Market:
    """Means over the auction slots, weighted by what they offer."""
    slots = [slot for slot in scenario.slots.values() if isinstance(slot, AuctionSlot)]
    total = sum(float(slot.opportunities) for slot in slots)

    def mean(field: str) -> float:
        return (
            sum(float(slot.opportunities) * float(getattr(slot, field)) for slot in slots) / total
        )

    prices = [float(product.price) for product in scenario.products.values()]
    named = {name: mean(name) for name in ("median_cpm", "sigma", "ctr", "arrival", "cvr")}
    return Market(**named, price=sum(prices) / len(prices))


def run_impressions(market: Market, opportunities: int, seed: int = 11) -> Counts:
    """One day in which so many opportunities come along."""
    env, counts, rng = simpy.Environment(), Counts(), random.Random(seed)
    env.process(_arrivals(env, market, counts, opportunities, rng))
    env.run()
    return counts


def _arrivals(
    env: simpy.Environment, market: Market, counts: Counts, many: int, rng: random.Random
) -> Generator[simpy.Event, None, None]:
    """Opportunities at random moments of the day."""
    for _ in range(many):
        yield env.timeout(rng.expovariate(many / DAY))
        env.process(_impression(env, market, counts, rng))


def _impression(
    env: simpy.Environment, market: Market, counts: Counts, rng: random.Random
) -> Generator[simpy.Event, None, None]:
    """One opportunity, from the auction to the purchase."""
    counts.opportunities += 1
    rival = rng.lognormvariate(math.log(market.median_cpm), market.sigma)
    if rival > market.median_cpm:  # bid the median: half of the auctions are won
        return
    counts.impressions += 1
    counts.spend += rival / 1000
    yield env.timeout(rng.expovariate(1 / 20))  # seconds until the ad is noticed
    if rng.random() >= market.ctr:
        return
    counts.clicks += 1
    yield env.timeout(rng.expovariate(1 / 5))  # the page loads
    if rng.random() >= market.arrival:
        return
    counts.visits += 1
    yield env.timeout(rng.expovariate(1 / 180))  # the visit
    if rng.random() < market.cvr:
        counts.orders += 1
        counts.gmv += market.price
