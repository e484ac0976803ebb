"""Own scenes at the auction: at what bid, and at what pace.

symbol   meaning                                                unit                 shape
x        ln alpha: log bid per action of a scene                ln CNY per action    [scene, lane]
Q        opportunities a placement may enter                    impressions          [placement, lane]
G, Y     spend and actions of a scene at x                      CNY, actions         [scene, lane]
theta    share of opportunities entered, so that money lasts    1                    [scene, lane]

One Newton step in x a step, started from the last step's bid and what it was seen to bring
(docs/model.md section 5). Who enters which opportunity is decided in `entry`.
"""

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from simulator.market.auction import Market, Rates, evaluate
from simulator.market.audience import ratio
from simulator.market.entry import PRIORITY, TINY, Entry
from simulator.market.groups import Groups
from simulator.market.world import World

FRESH_STEPS = 8  # Newton steps where the market is new: the first step of a phase
LARGEST_STEP = 1.0
SHARE_RESPONSE = 1.0  # elasticity of a scene's share of opportunities to its bid, for the step
REACH = 3.0  # x stays within this distance of the level that meets the market


@dataclass
class Field:
    """What scenes meet in one step: arrays [placement, lane] unless said otherwise."""

    money: np.ndarray
    """Spend that the pace allows each scene [CNY]: [scene, lane]."""
    smooth: np.ndarray
    """The same if every scene were paced smoothly: its weight among own scenes."""
    supply: np.ndarray
    """Opportunities of the placement's slot and segment."""
    bands: np.ndarray
    """Share of a segment's people in each band: [band, segment, lane]."""
    mu: np.ndarray
    ln_quality: np.ndarray
    actions: np.ndarray | None
    """Actions per impression of the bounded placements: [bounded placement, lane]."""
    phase: int
    fresh: bool
    """First step of a phase."""


@dataclass
class Entered:
    """The outcome of bidding, before chance: [placement, lane]."""

    opportunities: np.ndarray
    """theta Q: opportunities entered."""
    cost: np.ndarray
    """Expected spend [CNY]."""
    rates: Rates


class Bidder:
    """Bids of one chunk of lanes; work arrays are made once."""

    def __init__(self, world: World, lanes: int) -> None:
        self.world, self.entry = world, Entry(world, lanes)
        media, n, scenes = world.media, world.media.auctions, len(world.names.scenes)
        self.market = Market(
            media.sigma, media.tau, lanes,
            mechanism=media.mechanism, clicks=_places(media.decay), reserve=media.reserve,
        )  # fmt: skip
        self.places = media.scene[:n]
        self.x = np.zeros((scenes, lanes))
        self.offset = np.zeros((scenes, lanes))
        """Log of the factor that a user's process puts on the bids."""
        self.rates = Rates.of(n, lanes)
        self.score, self.work, self.opportunities = np.zeros((3, n, lanes))
        self.rows = np.zeros((2, n, lanes))
        """What is summed by scene in one go."""
        self.sums = np.zeros((3, 2, scenes, lanes))
        self.ln_value = media.ln_value - media.tau**2 / 2
        self.anchor = media.mu - media.ln_value  # keeps priorities near 1
        bidding = world.bidding
        self.limited = (bidding.cost | bidding.roi) & ~bidding.held
        self.held = bidding.held[:, None]
        self.bounded = np.flatnonzero(self.limited[self.places])
        """Placements of the scenes whose cost per action is bounded."""
        self.bounded_by_scene = Groups.of(self.places[self.bounded], scenes)
        self.seen = bidding.action[self.places[self.bounded], None] == 0

    def follow(self, phase: int, before: int | None) -> None:
        """Move bids with the market's level; at the first step of the run take that level."""
        level = self.world.phases.level
        if before is None:
            self.x[...] = level[phase]
        elif before != phase:
            self.x += level[phase] - level[before]
        if self.held.any():
            self.x[...] = np.where(self.held, np.log(self.world.bidding.target), self.x)

    def pace(self, field: Field) -> Entered:
        """Find the bids that spend the money, and the share of opportunities entered."""
        self.market.meet(field.mu, np.exp(field.ln_quality))
        for _ in range(FRESH_STEPS if field.fresh else 1):
            if field.fresh:
                self._divide(field)
                self._evaluate(field)
            if field.fresh or field.actions is None:
                self.entry.meet(field.bands)
            self._offer(field)
            self._newton(field)
        self._divide(field)
        self.entry.meet(field.bands)
        self._offer(field)
        self._evaluate(field)
        return self._throttle(field)

    def prepare(self, field: Field) -> None:
        """Where the market is new, shares first (actions per impression depend on them)."""
        if field.fresh:
            self._divide(field)
        self.entry.meet(field.bands)

    # ------------------------------------------------------------------ who enters
    def _divide(self, field: Field) -> None:
        """Omega = smooth x (alpha v / exp mu0)^2, and the shares that follow."""
        omega = np.take(self.x, self.places, axis=0, out=self.score, mode="clip")
        omega -= self.anchor
        omega *= PRIORITY
        np.exp(omega, out=omega)
        omega *= np.take(field.smooth, self.places, axis=0, out=self.work, mode="clip")
        self.entry.divide(omega)

    def _offer(self, field: Field) -> None:
        n = len(self.places)
        np.multiply(field.supply, self.entry.cover[:n], out=self.opportunities)

    # ------------------------------------------------------------------ at what bid
    def _evaluate(self, field: Field) -> None:
        score = np.take(self.x + self.offset, self.places, axis=0, out=self.score, mode="clip")
        score += self.ln_value
        score += field.ln_quality
        evaluate(score, self.market, self.rates)

    def _newton(self, field: Field) -> None:
        rates, (spend, alone) = self.rates, self.rows
        np.multiply(self.opportunities, rates.cost, out=spend)
        np.multiply(self.opportunities, rates.cost_slope, out=alone)
        spend, alone = self._by_scene()
        spend = np.maximum(spend, TINY)
        slope = alone + SHARE_RESPONSE * spend
        step = np.log(np.maximum(field.money, TINY) / spend) * (spend / slope)
        step = np.clip(step, -LARGEST_STEP, LARGEST_STEP)
        if field.actions is not None:
            limit = self._limit_step(field.actions, spend, alone)
            step = np.where(self.limited[:, None], np.minimum(step, limit), step)
        step[(field.money <= 0) | self.held] = 0.0
        self.x += step
        level = self.world.phases.level[field.phase]
        free = np.clip(self.x, level - REACH, level + REACH)
        self.x[...] = np.where(self.held, self.x, free)

    def _by_scene(self) -> np.ndarray:
        """The rows summed by scene: [row, scene, lane]."""
        return self.world.media.auction_by_scene.sum(self.rows, self.sums[0], self.sums[1:])

    def _limit_step(self, actions: np.ndarray, spend: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """Newton step towards an average cost per action (or gmv per yuan) at its limit."""
        bidding, rates, rows = self.world.bidding, self.rates, self.bounded
        clicked = np.where(self.seen, 1.0, rates.click_factor[rows])
        weight = self.opportunities[rows] * actions * clicked
        shown = np.where(self.seen, rates.win[rows], rates.value[rows])
        done, gain = self.bounded_by_scene.sum(
            np.array([weight * shown, weight * rates.value_slope[rows]])
        )
        done = np.maximum(done, TINY)
        limit = np.where(bidding.roi[:, None], 1 / bidding.target, bidding.target)
        steepness = np.maximum(slope / spend - gain / done, 0.05)
        step = np.clip(np.log(limit * done / spend) / steepness, -LARGEST_STEP, LARGEST_STEP)
        step = np.where(done <= TINY, -LARGEST_STEP, step)
        return np.where(spend <= TINY, LARGEST_STEP, step)

    def _throttle(self, field: Field) -> Entered:
        cost = np.multiply(self.opportunities, self.rates.cost, out=self.rows[0])
        spend = self.world.media.auction_by_scene.sum(cost)
        theta = np.minimum(1.0, ratio(field.money, spend))
        theta[(spend <= 0) & (field.money > 0)] = 1.0
        entered = np.take(theta, self.places, axis=0, out=self.work, mode="clip")
        cost *= entered
        entered *= self.opportunities
        return Entered(entered, cost, self.rates)


def _places(decay: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """Click rate of each place against the first, 0 after the last: [place, placement]."""
    return np.array(list(zip_longest(*decay, fillvalue=0.0)))
