"""Products: stages of the life cycle, sales level, and organic weight (paid-to-free linkage).

symbol   meaning                                                    unit            shape
y        share of each stage (one-hot when sampled)                 1               [stage, product, lane]
o7       orders per day, averaged over about 7 days                 orders per day  [product, lane]
b7, b28  the same over 7 and 28 days, each day per market level     orders per day  [product, lane]
k        items for which a product stands: stages follow the mean   items           [product, 1]
w        organic weight                                             1               [product, lane]
score    service score of the shop                                  points          [1, lane]
kappa    odds multiplier of buying                                  x               [product, lane]

Stages: sampling, launch, potential, hit, core, clearance. Thresholds are smooth hazards relative to the
category's median product (docs/model.md section 10).
"""

from dataclasses import dataclass

import numpy as np

from simulator.market.audience import ratio
from simulator.market.bounds import at_least
from simulator.market.draws import Draws
from simulator.market.goods import ANY_DAY, Goods
from simulator.market.groups import membership
from simulator.market.rivals import USUAL
from simulator.scenario.goods import LifeCycle

FIRST_LEVEL = np.array([0.05, 0.3, 1.0, 4.0, 2.0, 0.3])  # orders per day at the start [x median]
NEXT = ((0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (2, 5), (3, 5), (4, 5))
SOURCE, TARGET = np.array(NEXT).T
LEAVES = membership(SOURCE, len(FIRST_LEVEL))
CHANGES = membership(TARGET, len(FIRST_LEVEL)) - LEAVES
SAMPLING, LAUNCH = 0, 1
NEW_STAGES = slice(SAMPLING, LAUNCH + 1)
LAUNCH_RATE = 1 / 3  # per day, of products without a date


@dataclass
class Shelf:
    """State of the products."""

    at: np.ndarray
    """y: share of each stage at the start of the day, one-hot when sampled: [stage, product, lane]."""
    stage: np.ndarray
    """The same in the mean of the day."""
    week: np.ndarray
    trend: np.ndarray
    """Orders against the market's day, over about 7 and 28 days: [2, product, lane]."""
    weight: np.ndarray
    score: np.ndarray
    clock: np.ndarray
    """Integrated hazard left before each transition rings (sampled): [transition * product, lane]."""


@dataclass
class Effects:
    """What the stages mean today: [product, lane]."""

    ctr: np.ndarray
    cvr: np.ndarray
    quality: np.ndarray
    refund: np.ndarray


def hill(x: np.ndarray, steepness: float) -> np.ndarray:
    """Smooth threshold x^s / (1 + x^s).

    >>> float(hill(np.array(1.0), 3.0))
    0.5
    """
    power = np.power(at_least(x, 0.0), steepness)
    return np.asarray(power / (1 + power))


class LifeCycles:
    """The products of one chunk of lanes."""

    def __init__(
        self, goods: Goods, rules: LifeCycle, sampled: bool, luck: np.ndarray | None = None
    ) -> None:
        """`luck` [product, lane]: the products' fortune; none: 1."""
        self.goods, self.rules, self.sampled = goods, rules, sampled
        self.items = goods.items[:, None]
        self.luck = np.ones((len(goods.power), 1)) if luck is None else luck
        self._table = np.array([rules.ctr, rules.cvr, rules.quality], dtype=float)
        self._refund = np.array(rules.refund, dtype=float)
        self._cvr = np.array(rules.cvr, dtype=float)[:, None, None]

    def start(self, lanes: int, draws: Draws) -> Shelf:
        """Products as the scenario says."""
        stage = np.repeat(self.goods.stage.T[:, :, None].astype(float), lanes, axis=2)
        orders = (self.goods.stage @ FIRST_LEVEL)[:, None] * self.rules.category_orders * self.items
        week = np.array(np.broadcast_to(orders, stage.shape[1:]))
        cells = len(NEXT) * len(week)
        clock = np.array(np.broadcast_to(draws.exponential("life_cycle", cells), (cells, lanes)))
        score = np.array(np.broadcast_to(self.goods.score, (1, lanes)))
        shelf = Shelf(stage, stage.copy(), week, np.array([week, week]), week, score, clock)
        shelf.weight = self.organic_target(shelf)
        return shelf

    def organic_target(self, shelf: Shelf) -> np.ndarray:
        """a0 + a1 ln(1 + orders of seven days per item / scale) + a2 (kappa - 1) + a3 (score - 4.6);
        with a3 at least 1% of a0.
        """
        r = self.rules
        orders = 7 * shelf.week / self.items / r.organic_orders_scale
        target = np.asarray(r.organic_base + r.organic_orders * np.log1p(orders))
        if r.organic_conversion:
            kappa = self.goods.power * self.luck * self.effects(shelf).cvr
            target += r.organic_conversion * (kappa - 1)
        if not r.organic_score:
            return target
        return np.maximum(target + r.organic_score * (shelf.score - USUAL), 0.01 * r.organic_base)

    def organic_pull(self, shelf: Shelf) -> np.ndarray:
        """G = w / (w + rivals): pull of a product on free traffic."""
        return np.asarray(shelf.weight / (shelf.weight + self.rules.organic_rivals))

    def effects(self, shelf: Shelf) -> Effects:
        """Means of the stage figures over the stage shares; that of refunds over the orders."""
        ctr, cvr, quality = np.einsum("fs,spl->fpl", self._table, shelf.stage)
        refund = np.einsum("s,spl->pl", self._refund, self.ordered(shelf))
        return Effects(ctr, cvr, quality, refund)

    def ordered(self, shelf: Shelf) -> np.ndarray:
        """Share of each stage in a product's orders: y cvr, scaled to sum 1  [stage, product, lane].

        A stage in which people buy more readily counts for more in what an order brings.
        """
        ready = shelf.stage * self._cvr
        return np.asarray(ready / ready.sum(axis=0))

    def price(self, shelf: Shelf, phase: int) -> np.ndarray:
        """Price against that of the phase, 1 less what the stages take off an order: [product, lane].

        No stage takes it below the salvage value: the mean over the stages is of prices that are paid.
        """
        cut = 1 - np.array(self.rules.price, dtype=float)[:, None, None]
        most = 1 - self.goods.least_price[phase]
        return np.asarray(1 - (np.minimum(cut, most) * self.ordered(shelf)).sum(axis=0))

    def close_day(self, shelf: Shelf, orders: np.ndarray, market: float) -> None:
        """End of a day: sales level, organic weight, stage moves; `market`: purchases of the day in the
        calendar, a normal day being 1, so that the end of a sale is no decline of the product.
        """
        shelf.week += (orders - shelf.week) / 7
        shelf.trend += (orders / market - shelf.trend) / np.array([7.0, 28.0])[:, None, None]
        memory = self.rules.organic_memory
        shelf.weight += (1 - memory) * (self.organic_target(shelf) - shelf.weight)
        hazard = self._hazards(shelf)
        if self.sampled:
            self._ring(shelf, hazard)
        else:
            self._flow(shelf, hazard)

    def _hazards(self, shelf: Shelf) -> np.ndarray:
        """Hazards of one day: [transition, product, lane]."""
        r = self.rules
        level = shelf.week / (r.category_orders * self.items)
        against = level / np.array([r.potential_at, r.hit_at], dtype=float)[:, None, None]
        fall = ratio(*shelf.trend) / r.decline_at
        decline = (1 - hill(fall, r.steepness)) / r.decline_days
        rows = np.empty((len(NEXT), *shelf.week.shape))
        rows[0] = (self.goods.launch == ANY_DAY)[:, None] * LAUNCH_RATE
        rows[1:3] = hill(against, r.steepness) / r.promotion_days
        rows[3] = 1 / np.asarray(r.core_days, dtype=float)
        rows[4:] = decline
        return rows

    @staticmethod
    def launch(shelf: Shelf, product: int) -> None:
        """The day of a launch has come: no samples are sold any more."""
        for stage in (shelf.at, shelf.stage):
            stage[LAUNCH, product] += stage[SAMPLING, product]
            stage[SAMPLING, product] = 0.0

    def _flow(self, shelf: Shelf, hazard: np.ndarray) -> None:
        """Shares that leave in the course of the coming day, and the mean of the day: y (1 - e^-H)/H stays."""
        total = np.einsum("st,tpl->spl", LEAVES, hazard)
        stays = ratio(-np.expm1(-total), total)  # where nothing leaves it is not used
        away = (1 - stays) * ratio(shelf.at, total)
        shelf.stage = shelf.at + self._carried(away.take(SOURCE, axis=0) * hazard)
        shelf.at += self._carried((shelf.at * stays).take(SOURCE, axis=0) * hazard)

    def _ring(self, shelf: Shelf, hazard: np.ndarray) -> None:
        """Exponential clocks: the first that runs out in the course of the coming day moves the product;
        the day has the stages before and after in the proportion of its parts.
        """
        clock, here = shelf.clock.reshape(hazard.shape), shelf.at[SOURCE]
        moment = np.where((here > 0) & (hazard > 0), ratio(clock, hazard), np.inf)
        first = np.minimum(moment.min(axis=0), 1.0)
        rings = here * (moment <= first) * (first < 1)
        clock -= here * hazard * first
        shelf.stage = shelf.at + self._carried(rings * (1 - first))
        shelf.at += self._carried(rings)

    @staticmethod
    def _carried(moved: np.ndarray) -> np.ndarray:
        """Change of the stages by what each transition moves: [stage, product, lane]."""
        return np.einsum("st,tpl->spl", CHANGES, moved)
