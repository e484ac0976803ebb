"""What bought traffic does to free traffic, for good and for ill (docs/model.md sections 6 and 10).

symbol   meaning                                                   unit               shape
R        free visits that bought visits would replace              visits per step    [band, segment, lane]
F        free visits that would come without them                  visits per step    [band, segment, lane]
kappa_i  lift of free visits per share of sales that a scene made   x                  [scene, lane]
w, l     sales; sales made on scenes' visits x kappa_i, 7-day mean  CNY per day        [product, lane]
f        yesterday's sales that no scene's visit made               CNY per market day [product, lane]

Ads may bring free visits (organic weight, see `lifecycle`) and may take their place: some who click would have
come anyway (Blake, Nosko and Tadelis 2013). Both signs are parameters of the scenario.
"""

from dataclasses import dataclass

import numpy as np

from simulator.market.audience import ratio
from simulator.market.world import World

WEEK = 7.0  # days over which sales are averaged


def not_replaced(taken: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Share of free visits that stays when `taken` of them are replaced: exp(-R / F).

    Every replaced visit is one of the free ones at random, and none is replaced twice: R where R is small,
    never more than F.

    >>> not_replaced(np.array([0.0, 1.0, 50.0]), np.array([100.0, 100.0, 0.0])).round(4).tolist()
    [1.0, 0.99, 0.0]
    """
    return np.asarray(np.exp(-ratio(taken, free)))


@dataclass
class Linkage:
    """Whole-site promotion 全站推广: sales that scenes made lift free visits, and free sales count for a target."""

    kappa: np.ndarray
    """[scene, lane], like `counts` of bool, whose target counts free sales: [scene]."""
    counts: np.ndarray
    cap: float
    """Most of the lift."""
    week: np.ndarray
    """w, l, f as above, and of the running day what scenes' visits made, x kappa_i and all of it."""
    lifted: np.ndarray
    free: np.ndarray
    lifted_today: np.ndarray
    bought_today: np.ndarray

    def sell(self, gmv: np.ndarray, bought: np.ndarray) -> None:
        """Sales of a step [product, lane], and which part scenes' visits made [scene, product, lane]."""
        self.lifted_today += gmv * (bought * self.kappa[:, None]).sum(axis=0)
        self.bought_today += gmv * bought.sum(axis=0)

    def close_day(self, gmv: np.ndarray, market: float) -> None:
        """Midnight: `gmv` of the finished day, whose purchases were `market` normal days."""
        self.week += (gmv - self.week) / WEEK
        self.lifted += (self.lifted_today - self.lifted) / WEEK
        self.free = np.maximum(gmv - self.bought_today, 0.0) / market
        self.lifted_today[...] = self.bought_today[...] = 0.0

    def boost(self) -> np.ndarray:
        """Free visits to a product against what its organic weight brings: 1 + min(cap, l / w)."""
        return np.asarray(1 + np.minimum(self.cap, ratio(self.lifted, self.week)))

    def counted(self, money: np.ndarray, mix: np.ndarray, market: float) -> np.ndarray | None:
        """Free sales of a step that count for each scene [CNY]: [scene, lane]; None if none counts any.

        Scenes that count a product share its free sales by money x weight of the product, so that two
        halves of a scene count what the whole did and a scene without money counts nothing.
        """
        if not self.counts.any():
            return None
        claim = (money * self.counts[:, None])[:, None] * mix
        return np.asarray((ratio(claim, claim.sum(axis=0)) * self.free).sum(axis=1) * market)


def open_linkage(world: World, week: np.ndarray) -> Linkage | None:
    """At the start, with `week` orders a day [product, lane]; None where no scene uses it."""
    bidding = world.bidding
    if not (bidding.boost.any() or bidding.counts.any()):
        return None
    lifted, free, lifted_today, bought_today = np.zeros((4, *week.shape))
    return Linkage(
        bidding.boost, bidding.counts, world.scenario.life_cycle.organic_boost_cap,
        week * world.goods.list_price, lifted, free, lifted_today, bought_today,
    )  # fmt: skip
