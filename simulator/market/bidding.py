"""Own scenes at the auction: at what bid, and at what pace.

symbol   meaning                                                unit                 shape
x        ln alpha: log bid per action of a scene                ln CNY per action    [scene, lane]
Q        opportunities a use may enter                          impressions          [use, segment, lane]
G, Y     spend and actions of a scene at x                      CNY, actions         [scene, lane]
theta    share of opportunities entered, so that money lasts    1                    [scene, lane]

One Newton step in x a step, a few where it is long, started from the last step's bid and what it was seen to bring
(docs/model.md section 5). Who enters which opportunity is decided in `entry`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import zip_longest

import numpy as np

from simulator.market.auction import Bids, Market, Rates, evaluate
from simulator.market.audience import ratio
from simulator.market.bounds import at_least, at_most
from simulator.market.columns import wide
from simulator.market.entry import PRIORITY, Entry
from simulator.market.groups import Groups, add_up
from simulator.market.media import Media
from simulator.market.scenes import BUYABLE
from simulator.market.world import World

FRESH_STEPS = 8  # Newton steps where the market is new
LONG, TRIES = 0.25, 3  # Newton steps in a step of so many days and more, else one
LARGEST_STEP = 1.0
SHARE_RESPONSE = 1.0  # elasticity of a scene's share of opportunities to its bid, for the step
LEAST_SPENT = 0.8  # of the money, after a step down of the bid
REACH = 3.0  # x stays within this distance of the levels that meet the market
TINY = 1e-250
RATES = [rate.name for rate in fields(Rates)]


@dataclass
class Field:
    """What scenes meet in one step: arrays [use, segment, lane] unless said otherwise."""

    money: np.ndarray
    """Spend that the pace allows each scene [CNY]: [scene, lane]."""
    smooth: np.ndarray
    """The same if every scene were paced smoothly, as far as it is on sale: its weight among own scenes."""
    on_sale: np.ndarray
    """Part of a scene that still sells, of runs that stop with the goods: [scene, lane]."""
    supply: np.ndarray
    """Opportunities of the use's slot and segment."""
    bands: np.ndarray
    """Share of a segment's people in each band: [band, segment, lane]."""
    ln_quality: np.ndarray
    """[scene, lane]"""
    actions: np.ndarray | None
    """Actions per impression of the bounded uses: [bounded use, segment, lane]."""
    slept: np.ndarray
    """No money in the step before: of the bid nothing is known but what it was [scene, lane] of bool."""
    new: np.ndarray
    """The first step with money since the market was new [scene, lane] of bool."""
    phase: int
    tries: int
    """Newton steps where it is not."""
    fresh: bool
    """The market is new: the first step of a phase, or of a day where free sales count."""
    free: np.ndarray | None = None
    """Free sales that count towards a return target [CNY]: [scene, lane]."""
    late: np.ndarray | None = None
    """The day's money is nearly spent: [scene, lane] of bool; None where no scene keeps money by day."""


@dataclass
class Entered:
    """The outcome of bidding, before chance: [use, segment, lane]."""

    opportunities: np.ndarray
    """theta Q: opportunities entered."""
    rates: Rates
    """What each of them brings."""
    allowed: np.ndarray | None
    """Spend that limits allow for what is done [CNY]: [scene, lane]; None where no scene has one."""


class Bidder:
    """Bids of one chunk of lanes; work arrays are made once."""

    def __init__(self, world: World, media: Media, x: np.ndarray) -> None:
        """`media`: the uses that are open; `x` [scene, lane]: the bids, kept up to date in place."""
        n, segments, (scenes, lanes) = media.auctions, len(world.names.segments), x.shape
        self.world, self.scene = world, media.scene[:n]
        self.of_scene = Groups(self.scene, scenes)
        self.market = _market(media, segments, lanes)
        every = np.ones((len(RATES), n, segments, lanes))
        self.flat, self.rates = Rates(*every.reshape(len(RATES), -1, lanes)), Rates(*every)
        self.costs = every[RATES.index("cost") : RATES.index("cost_slope") + 1]
        self.x, self.offset = x, np.zeros((scenes, lanes))
        """Offset: log of the factor that a user's process puts on the bids."""
        self.before, self.enough = x.copy(), np.zeros(x.shape, dtype=bool)
        """Bids before the last Newton step, and whether they would have spent the money."""
        self.score, self.price, self.opportunities = np.zeros((3, n, segments, lanes))
        self.bids = Bids(
            self.score.reshape(n * segments, lanes), self.price.reshape(n * segments, lanes)
        )
        self.ln_value = wide(media.ln_value - media.tau**2 / 2, lanes)
        self.value = wide(np.exp(media.ln_value) / 1000, lanes)
        """Actions per impression, as the own prediction has them: [use, segment, replication]."""
        anchor = media.mu - media.ln_value  # keeps priorities near 1
        prior = np.where(media.valid[:n, :, None], np.exp(-PRIORITY * anchor), 0.0)
        self.prior = wide(prior, lanes)
        bidding = world.bidding
        self.limited = (bidding.cost | bidding.roi) & ~bidding.held
        self.held, self.holds = bidding.held[:, None], bool(bidding.held.any())
        self.limit = np.where(bidding.roi[:, None], 1 / bidding.target, bidding.target)
        """Most cost per action, or per yuan of gmv."""
        self.bounded = np.flatnonzero(self.limited[self.scene])
        """Uses of the scenes whose cost per action is bounded."""
        self.bounded_of = Groups(self.scene[self.bounded], scenes)
        self.entry = Entry(media, scenes, segments, lanes, self.bounded)
        self.seen = bidding.action[self.scene[self.bounded], None, None] < BUYABLE.index("click")
        """Bought by what is seen: clicks and their lift do not matter."""
        self.every = every.reshape(-1, segments, lanes)
        rows = [RATES.index(rate) for rate in ("value", "value_slope", "click_factor")]
        self.valued = np.add.outer(np.array(rows) * n, self.bounded)
        self.valued[0, self.seen[:, 0, 0]] -= n
        """Of the bounded uses what is shown (the value, or the win where it is bought by what is seen), its slope,
        and the clicks: rows of `every`."""

    def follow(self, phase: int, before: int | None) -> None:
        """Move bids with the market's level; at the first step of the run take that level."""
        level = self.world.phases.level
        if before is None:
            self.x[...] = level[phase]
        elif before != phase:
            self.x += level[phase] - level[before]
        if self.holds:
            self.x[...] = np.where(self.held, np.log(self.world.bidding.target), self.x)

    def meet(self, mu: np.ndarray, ln_quality: np.ndarray) -> None:
        """Rivals' level [use, segment, lane] and own quality [scene, lane] of the steps to come."""
        quality = np.repeat(np.exp(ln_quality).take(self.scene, axis=0), mu.shape[1], axis=0)
        self.market.meet(mu.reshape(len(quality), -1), quality)

    def pace(self, field: Field) -> Entered:
        """Find the bids that spend the money, and the share of opportunities entered."""
        if field.fresh:
            self._look(field)
        elif field.actions is None:
            self.entry.meet(field.bands)
        self._offer(field)
        for moved in self._rounds(field):
            self._newton(field, moved)
            self._look(field)
        self._take_back(field)
        return self._throttle(field)

    def _rounds(self, field: Field) -> Iterator[np.ndarray]:
        """Which bids move [scene, lane], round by round."""
        every = np.ones_like(field.slept) if field.fresh else ~field.slept
        yield from [every] * (FRESH_STEPS if field.fresh else field.tries)
        if not field.fresh and np.count_nonzero(field.new):
            yield from [field.new] * FRESH_STEPS

    def _look(self, field: Field) -> None:
        """What the bids of the moment bring, with the shares that they have."""
        self._divide(field)
        self.entry.meet(field.bands)
        self._offer(field)
        self._evaluate(field)

    def prepare(self, field: Field) -> None:
        """Where the market is new, shares first (actions per impression depend on them)."""
        if field.fresh:
            self._divide(field)
        self.entry.meet(field.bands)

    # ------------------------------------------------------------------ who enters
    def _divide(self, field: Field) -> None:
        """Omega = smooth x (alpha v / exp mu0)^2, and the shares that follow."""
        priority = field.smooth * np.exp(PRIORITY * self.x)
        self.entry.divide(priority.take(self.scene, axis=0)[:, None] * self.prior)

    def _offer(self, field: Field) -> None:
        np.multiply(field.supply, self.entry.cover, out=self.opportunities)

    # ------------------------------------------------------------------ at what bid
    def _evaluate(self, field: Field) -> None:
        ln_bid = self.x + self.offset
        score = (ln_bid + field.ln_quality).take(self.scene, axis=0)
        np.add(score[:, None], self.ln_value, out=self.score)
        bid = np.exp(ln_bid).take(self.scene, axis=0)
        np.multiply(bid[:, None], self.value, out=self.price)
        evaluate(self.bids, self.market, self.flat)

    def _newton(self, field: Field, moved: np.ndarray) -> None:
        """One step of the bids that are `moved` [scene, lane]."""
        spend, alone = _sums(self.of_scene, self.opportunities, self.costs)
        spend = at_least(spend, TINY)
        slope = alone + SHARE_RESPONSE * spend
        step = np.log(at_least(field.money, TINY) / spend) * (spend / slope)
        step = _bounded(step)
        enough = spend >= field.money
        if field.actions is not None:
            limit = self._limit_step(field, spend, alone)
            enough &= ~self.limited[:, None] | (step <= limit)
            np.minimum(step, limit, out=step, where=self.limited[:, None])
        if field.late is not None:
            step = np.where(field.late, at_least(step, 0.0), step)
        np.copyto(step, 0.0, where=(field.money <= 0) | self.held | ~moved)
        np.copyto(self.before, self.x, where=moved)
        np.copyto(self.enough, enough, where=moved)
        self.x += step
        phases, f = self.world.phases, field.phase
        free = np.minimum(np.maximum(self.x, phases.lowest[f] - REACH), phases.highest[f] + REACH)
        np.copyto(self.x, free, where=~self.held)

    def _limit_step(self, field: Field, spend: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """Newton step towards an average cost per action (or gmv per yuan) at its limit."""
        done, gain = self._done(field)
        done = at_least(done, TINY)
        steepness = at_least(slope / spend - gain / done, 0.05)
        step = _bounded(np.log(self.limit * done / spend) / steepness)
        step = np.where(done <= TINY, -LARGEST_STEP, step)
        return np.where(spend <= TINY, LARGEST_STEP, step)

    def _done(self, field: Field) -> np.ndarray:
        """Actions that limits count, and what they gain with x: [2, scene, lane]."""
        assert field.actions is not None
        *shown, clicked = self.every.take(self.valued, axis=0)
        weight = self.opportunities.take(self.bounded, axis=0) * field.actions
        np.copyto(clicked, 1.0, where=self.seen)
        weight *= clicked
        found = _sums(self.bounded_of, weight, shown)
        if field.free is not None:
            found[0] += field.free
        return found

    def _take_back(self, field: Field) -> None:
        """A step down that loses much of the money, for there is a reserve in between, is not made: theta slows."""
        (spend,) = _sums(self.of_scene, self.opportunities, self.costs[:1])
        lost = self.enough & (spend < LEAST_SPENT * field.money)
        self.enough[...] = False
        if np.count_nonzero(lost):
            self.x[lost] = self.before[lost]
            self._look(field)

    def _throttle(self, field: Field) -> Entered:
        (spend,) = _sums(self.of_scene, self.opportunities, self.costs[:1])
        theta = at_most(ratio(field.money, spend), 1.0)
        theta[(spend <= 0) & (field.money > 0)] = 1.0
        theta *= field.on_sale
        self.opportunities *= theta.take(self.scene, axis=0)[:, None]
        allowed = None if field.actions is None else self.limit * self._done(field)[0]
        return Entered(self.opportunities, self.rates, allowed)


def tries(days: float) -> int:
    """Newton steps in a step of so many days where the market is not new."""
    return TRIES if days >= LONG else 1


def _market(media: Media, segments: int, lanes: int) -> Market:
    """The auctions of all uses and segments."""
    sigma, tau, reserve = (
        column.reshape(-1, column.shape[-1]) for column in (media.sigma, media.tau, media.reserve)
    )
    clicks = np.repeat(_places(media.decay), segments, axis=1)
    mechanism = np.repeat(media.mechanism, segments).tolist()
    return Market(sigma, tau, lanes, mechanism=mechanism, clicks=clicks, reserve=reserve)


def _sums(of_scene: Groups, amount: np.ndarray, rates: Iterable[np.ndarray]) -> np.ndarray:
    """Sums by scene of amount x rate [use, segment, lane], for each of the rates: [rate, scene, lane]."""
    return of_scene.sum(np.array([add_up(amount * rate) for rate in rates]))


def _bounded(step: np.ndarray) -> np.ndarray:
    """A step of at most LARGEST_STEP, up or down."""
    return at_least(at_most(step, LARGEST_STEP), -LARGEST_STEP)


def _places(decay: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """Click rate of each place against the first, 0 after the last: [place, use]."""
    rows = list(zip_longest(*decay, fillvalue=0.0)) or [()]
    return np.array(rows, dtype=float)
