"""Own scenes at the auction: who enters which opportunity, at what bid, and at what pace.

symbol   meaning                                                unit                 shape
x        ln alpha: log bid per action of a scene                ln CNY per action    [scene, lane]
omega    priority at an opportunity, money x (alpha v)^4        -                    [placement, lane]
a, pi    share of a band selected; share of people in the band  1                    [pocket], [cell, lane]
Q        opportunities a placement may enter                    impressions          [placement, lane]
G, Y     spend and actions of a scene at x                      CNY, actions         [scene, lane]
theta    share of opportunities entered, so that money lasts    1                    [scene, lane]

One scene alone takes the share a of a band; equal halves take half each; a scene without money takes
nothing. One warm-started Newton step in x a step (docs/model.md section 5).
"""

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from simulator.market.audience import ratio
from simulator.market.auction import Market, Rates, evaluate
from simulator.market.world import World

PRIORITY = 2  # exponent of own priority: large means the highest score takes all
FRESH_STEPS = 8  # Newton steps where the market is new: the first step of a phase
LARGEST_STEP = 1.0
REACH = 3.0  # x stays within this distance of the level that meets the market
TINY = 1e-300


@dataclass
class Target:
    """What a scene may do in this step: [scene, lane]."""

    money: np.ndarray
    """Spend that the pace allows [CNY]."""


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
        self.world = world
        media, pockets = world.media, world.pockets
        self.market = Market(
            media.sigma, media.tau, lanes,
            mechanism=media.mechanism, clicks=_places(media.decay), reserve=media.reserve,
        )  # fmt: skip
        n, rows = media.auctions, pockets.auctions
        self.x = np.zeros((len(world.names.scenes), lanes))
        self.rates = Rates.of(n, lanes)
        self.place = np.zeros((6, n + 1, lanes))
        self.pocket = np.zeros((3, len(pockets.placement) + 1, lanes))
        self.rival = np.zeros((4, pockets.rivals.table.shape[1], lanes))
        self.cover = np.zeros((2, len(media.scene), lanes))
        self.scene = np.zeros((6, *self.x.shape))
        self.affinity = pockets.affinity[:rows]
        self.ln_value = media.ln_value - media.tau**2 / 2
        self.anchor = media.mu - media.ln_value  # keeps priorities near 1
        self.limited = (world.bidding.cost | world.bidding.roi) & ~world.bidding.held
        self.weights = self.pocket[0]
        self.keen = np.zeros((rows, lanes))
        """Share of an opportunity that a pocket takes: [pocket, lane]."""

    # ------------------------------------------------------------------ who enters
    def enter(self, money: np.ndarray, band_share: np.ndarray) -> np.ndarray:
        """Share of each placement's opportunities that it may enter; fills the pocket weights.

        `money` [scene, lane]: 0 where a scene cannot pay; `band_share` [cell, lane]: pi.
        """
        pockets, media = self.world.pockets, self.world.media
        rows = pockets.auctions
        priority, weight = self._priority(money), self.pocket[1, : rows + 1]
        np.take(priority, pockets.placement[:rows], axis=0, out=weight[:-1], mode="clip")
        weight[:-1] *= self.affinity
        first = pockets.rivals.sum(weight, self.rival[0], self.rival[2])
        own = self.pocket[2, : rows + 1]
        np.multiply(weight[:-1], self.affinity, out=own[:-1])
        second = pockets.rivals.sum(own, self.rival[1], self.rival[2])
        share = self.rival[3]
        np.divide(second, np.square(np.maximum(first, 1e-150)), out=share)
        self._keenness(weight[:-1], own[:-1], first, second)
        taken = self.weights[:rows]
        pockets.rivals.spread(share, taken)
        taken *= weight[:-1]
        taken *= np.take(band_share, pockets.cell[:rows], axis=0, out=own[:-1], mode="clip")
        self._contract_weights(band_share)
        cover = pockets.by_placement.sum(self.weights_padded, *self.cover)[: media.auctions].copy()
        np.multiply(self.keen, taken, out=own[:-1])
        full = self.pocket[1]
        full[:rows] = own[:-1]
        full[rows:] = 0.0
        self.cover_slope = pockets.by_placement.sum(full, *self.cover)[: media.auctions]
        return cover

    def _keenness(
        self, weight: np.ndarray, own: np.ndarray, first: np.ndarray, second: np.ndarray
    ) -> None:
        """d ln share / d x of each pocket: PRIORITY (1 + a^2 omega / S2 - 2 a omega / S1)."""
        rivals, keen = self.world.pockets.rivals, self.keen
        one, two = ratio(np.ones_like(first), first), ratio(np.ones_like(second), second)
        keen[...] = own * two[rivals.of_row] - 2 * weight * one[rivals.of_row] + 1
        keen *= PRIORITY

    @property
    def weights_padded(self) -> np.ndarray:
        """Pocket weights with the row of zeros that sums over groups need."""
        return self.pocket[0]

    def _priority(self, money: np.ndarray) -> np.ndarray:
        media, n = self.world.media, self.world.media.auctions
        scene = media.scene[:n]
        out, paying = self.place[0, :n], self.place[1, :n]
        np.take(self.x, scene, axis=0, out=out, mode="clip")
        out -= self.anchor
        out *= PRIORITY
        np.exp(out, out=out)
        out *= np.take(money, scene, axis=0, out=paying, mode="clip")
        return out

    def _contract_weights(self, band_share: np.ndarray) -> None:
        """e = precision x audience + (1 - precision) x everybody, summing to 1 over the bands."""
        pockets = self.world.pockets
        rows = slice(pockets.auctions, len(pockets.placement))
        if rows.start == rows.stop:
            return
        everybody = band_share[pockets.cell[rows]]
        aimed = pockets.affinity[rows] * everybody
        total = aimed.reshape(-1, 5, aimed.shape[1]).sum(axis=1)
        total = np.repeat(total, 5, axis=0)
        aimed = np.where(total > 0, ratio(aimed, total), everybody)
        self.weights[rows] = pockets.precision * aimed + (1 - pockets.precision) * everybody

    # ------------------------------------------------------------------ at what bid
    def follow(self, phase: int, before: int | None) -> None:
        """Move bids with the market's level; at the first step of the run take that level."""
        level = self.world.phases.level
        if before is None:
            self.x[...] = level[phase]
        else:
            self.x += level[phase] - level[before]
        held = self.world.bidding.held[:, None]
        if held.any():
            self.x[...] = np.where(held, np.log(self.world.bidding.target), self.x)

    def pace(
        self, money: np.ndarray, supply: np.ndarray, band_share: np.ndarray,
        actions: np.ndarray | None, mu: np.ndarray, ln_quality: np.ndarray, *, phase: int, fresh: bool,
    ) -> Entered:  # fmt: skip
        """Find the bids that spend `money` [scene, lane] and the share of opportunities entered."""
        self.market.meet(mu, np.exp(ln_quality))
        for _ in range(FRESH_STEPS if fresh else 1):
            opportunities = supply * self.enter(money, band_share)
            self._evaluate(ln_quality)
            self._newton(money, opportunities, supply * self.cover_slope, actions, phase)
        opportunities = supply * self.enter(money, band_share)
        rates = self._evaluate(ln_quality)
        n = self.world.media.auctions
        cost = self.place[2]
        np.multiply(opportunities, rates.cost, out=cost[:n])
        spend = self._by_scene(cost, self.scene[1])
        theta = np.minimum(1.0, ratio(money, spend), out=self.scene[2])
        theta[(spend <= 0) & (money > 0)] = 1.0
        entered = np.take(theta, self.world.media.scene[:n], axis=0, out=self.place[3, :n], mode="clip")
        cost[:n] *= entered
        entered *= opportunities
        return Entered(entered, cost[:n], rates)

    def _evaluate(self, ln_quality: np.ndarray) -> Rates:
        media, n = self.world.media, self.world.media.auctions
        score = np.take(self.x, media.scene[:n], axis=0, out=self.place[0, :n], mode="clip")
        score += self.ln_value
        score += ln_quality
        return evaluate(score, self.market, self.rates)

    def _by_scene(self, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
        return self.world.media.auction_by_scene.sum(rows, out, self.scene[5])

    def _weighted(self, rows: np.ndarray, weight: np.ndarray, out: np.ndarray) -> np.ndarray:
        n, work = self.world.media.auctions, self.place[1]
        np.multiply(rows, weight, out=work[:n])
        return self._by_scene(work, out)

    def _newton(
        self, money: np.ndarray, opportunities: np.ndarray, gain: np.ndarray,
        actions: np.ndarray | None, phase: int,
    ) -> None:  # fmt: skip
        rates, bidding = self.rates, self.world.bidding
        spend = self._weighted(rates.cost, opportunities, self.scene[1])
        alone = self._weighted(rates.cost_slope, opportunities, self.scene[2])
        slope = alone + self._weighted(rates.cost, gain, self.scene[3])
        spend, slope = np.maximum(spend, TINY), np.maximum(slope, TINY)
        step = np.log(np.maximum(money, TINY) / spend) * spend / slope
        step = np.clip(step, -LARGEST_STEP, LARGEST_STEP)
        if actions is not None and self.limited.any():
            limit = self._limit_step(spend, alone, opportunities * actions)
            step = np.where(self.limited[:, None], np.minimum(step, limit), step)
        step[(money <= 0) | bidding.held[:, None]] = 0.0
        self.x += step
        level = self.world.phases.level[phase]
        free = np.clip(self.x, level - REACH, level + REACH)
        self.x[...] = np.where(bidding.held[:, None], self.x, free)

    def _limit_step(self, spend: np.ndarray, slope: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Newton step towards an average cost per action (or gmv per yuan) at its limit."""
        bidding, rates = self.world.bidding, self.rates
        seen = bidding.action[self.world.media.scene[: len(weight)], None] == 0
        weight = np.where(seen, weight, weight * rates.click_factor)
        shown = np.where(seen, rates.win, rates.value)
        actions = np.maximum(self._weighted(shown, weight, self.scene[3]), TINY)
        gain = self._weighted(rates.value_slope, weight, self.scene[4])
        limit = np.where(bidding.roi[:, None], 1 / bidding.target, bidding.target)
        steepness = np.maximum(slope / spend - gain / actions, 0.05)
        step = np.clip(np.log(limit * actions / spend) / steepness, -LARGEST_STEP, LARGEST_STEP)
        step = np.where(actions <= TINY, -LARGEST_STEP, step)
        return np.where(spend <= TINY, LARGEST_STEP, step)


def _places(decay: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """Click rate of each place against the first, 0 after the last: [place, placement]."""
    return np.array(list(zip_longest(*decay, fillvalue=0.0)))
