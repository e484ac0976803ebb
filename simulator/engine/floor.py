"""What all parts of one chunk of lanes share."""

from dataclasses import dataclass

import numpy as np

from simulator.engine.lanes import (
    Chunk,
    make_draws,
    plan_bookings,
    plan_money,
    plan_partners,
    shock_names,
)
from simulator.engine.points import Points, make_points
from simulator.engine.schedule import Schedule, make_schedule
from simulator.engine.state import State, first_state
from simulator.market.bill import PRICE
from simulator.market.choice import Trial, start_trials
from simulator.market.commission import Partnership
from simulator.market.draws import Draws
from simulator.market.lifecycle import LifeCycles
from simulator.market.linkage import Linkage, open_linkage
from simulator.market.people import WHO
from simulator.market.promotion import Till
from simulator.market.shocks import Weather
from simulator.market.today import Assortment, Today
from simulator.market.tracers import Trail
from simulator.market.world import World
from simulator.outcomes.ledger import Ledger

LIKELY = 0.5  # probability that the next order finds goods, below which a product is sold out


@dataclass
class Controls:
    """What a user's process may set: [scene, lane], effective with the next step."""

    bid: np.ndarray
    """Factor on the scene's bids."""
    pace: np.ndarray
    """Factor on the money that a scene may spend in a step."""


@dataclass
class Terms:
    """What an order costs and how likely it comes back, for one page and phase."""

    today: Today
    phase: int
    order: np.ndarray
    """Of an order of value 1, as market/bill.py has them: [term, product, lane]."""
    refund_odds: np.ndarray
    """Odds that an order will be refunded: [product, segment (or 1), lane]."""


@dataclass
class Floor:
    """World, state and books of one chunk, and where the clock stands."""

    world: World
    chunk: Chunk
    draws: Draws
    sampled: bool
    money: np.ndarray
    """Auction money of the plans [CNY]: [scene, phase, lane]."""
    schedule: Schedule
    state: State
    cycles: LifeCycles
    assortment: Assortment
    today: Today
    demand: np.ndarray
    """Demand factor of the run: [1, lane]."""
    controls: Controls
    book: Ledger
    tracers: Trail | None
    linkage: Linkage | None
    """What scenes did for free traffic; None where nothing asks for it."""
    partners: Partnership | None
    """Commissioned media; None where there is none."""
    weather: Weather | None
    till: Till | None
    """None where prices are the sellers' own and move nobody."""
    available: np.ndarray
    """Probability that the next order finds goods, as `today` has it: [product, lane]."""
    trials: list[Trial]
    """Product tests."""
    step: int = 0
    phase: int = 0
    day: int = 0
    steered: bool = False
    """A user's process may set the controls."""
    read: Terms | None = None
    """The terms that were asked for last."""

    @property
    def lanes(self) -> int:
        """Number of lanes."""
        return self.chunk.lanes

    def move_to(self, step: int) -> None:
        """Stand at a step."""
        steps = self.world.steps
        self.step, self.phase, self.day = step, int(steps.phase[step]), int(steps.day[step])
        self.draws.at(step)

    def terms(self) -> Terms:
        """The terms of this step."""
        if self.read is None or self.read.today is not self.today or self.read.phase != self.phase:
            price = self.cycles.price(self.state.shelf, self.phase)
            odds = self._read_refund_odds()
            self.read = Terms(self.today, self.phase, self._read_order(price), odds)
        return self.read

    def price(self) -> np.ndarray:
        """What a buyer of order value 1 pays, subsidies aside [CNY]: [product, lane]."""
        return np.asarray(self.terms().order[PRICE])

    def price_paid(self) -> np.ndarray:
        """What buyers pay for an order, subsidies off as far as there is money for them [CNY]:
        [product, segment, lane].
        """
        paid = self.price()[:, None] * self.world.people.order_value
        return paid - self.till.foreseen(paid) if self.till else paid

    def _read_order(self, by_stage: np.ndarray) -> np.ndarray:
        """Terms of an order; prices move with the stage [product, lane]."""
        offers, f = self.world.offers, self.phase
        if offers is None:
            return np.asarray(self.world.goods.price[f] * by_stage)[None]
        rows = (
            offers.price[f] * by_stage,
            offers.aid[f] * by_stage,
            offers.size[f],
            offers.refund[f],
        )
        return np.array(np.broadcast_arrays(*rows))

    def _read_refund_odds(self) -> np.ndarray:
        odds = self.today.refund_odds * self.world.phases.refund[self.phase]
        if self.world.offers:
            odds = odds * self.world.offers.refund[self.phase]
        by_segment = self.world.people.refund_odds
        return np.asarray(odds[:, None] if by_segment is None else odds[:, None] * by_segment)

    def refresh(self) -> None:
        """Read anew what the products mean."""
        self._look_at_prices()
        self._read_page()

    def look_at_sky(self) -> None:
        """Weather and news of the step."""
        if self.weather and self.weather.read(self.step):
            self._read_page()

    def look_again(self) -> None:
        """Take off the page what is sold out by now, put back what has come, and new prices: at every step."""
        new_prices = self._look_at_prices()
        if new_prices or not np.array_equal(
            self.state.stock.available(self.sampled), self.available
        ):
            self._read_page()

    def _look_at_prices(self) -> bool:
        """Whether buyers answer otherwise than before."""
        start = self.world.steps.start[self.step]
        return self.till is not None and self.till.look(self.phase, int(start))

    def note_sold_out(self, step: int) -> None:
        """Write down what went in a finished step: the next order likely finds nothing, where it likely did before."""
        self._note_gone(self.state.stock.available(self.sampled), step)

    def _note_gone(self, available: np.ndarray, step: int) -> None:
        gone = (available < LIKELY) & (self.available >= LIKELY)
        if np.count_nonzero(gone):
            day, first = self.world.steps.since_midnight(step), self.book.products["sold_out_day"]
            first[gone & np.isinf(first)] = day

    def _read_page(self) -> None:
        available = self.state.stock.available(self.sampled)
        self._note_gone(available, self.step - 1)
        self.available = available
        response = self.till.response() if self.till else None
        boost = self.linkage.boost() if self.linkage else None
        awaited = self.world.goods.awaited(int(self.world.steps.start[self.step]))
        self.today = self.assortment.today(
            self.state.shelf,
            self.available,
            response,
            boost=boost,
            weather=self.weather,
            awaited=awaited,
        )

    @property
    def by_segment(self) -> bool:
        """Buying visits are kept apart by segment: there is a choice of products, or signatures are waited for."""
        choice = self.today.response is not None or len(self.world.names.products) > 1
        return choice or self.world.people.order_delay is not None

    @property
    def buyers(self) -> tuple[slice, ...]:
        """Bands whose buying visits are kept apart: strangers' and customers', where there is a choice of products."""
        return WHO if len(self.world.names.products) > 1 else (slice(None),)

    def learn(self, scene_buys: np.ndarray, ready: float) -> None:
        """Orders of this step that tell variants apart; `scene_buys` [scene, buyers, segment, lane], and their
        readiness.
        """
        today = self.today
        for trial in self.trials:
            if trial.open:
                i, p = trial.scene, trial.product
                share = today.mix[i, p] * today.kappa[p] / today.scene_kappa[i]
                trial.orders += (scene_buys[i] * share).sum(axis=(0, 1)) * ready

    def decide(self, number: int) -> None:
        """A product test ends: from now on the product is the chosen variant."""
        trial = self.trials[number]
        trial.open = False
        self.assortment.luck[trial.product] *= trial.chosen() / trial.before()


def open_floor(
    world: World, chunk: Chunk, seed: int, *, sampled: bool, daily: bool, attribution: bool,
    points: Points | None = None,
) -> Floor:  # fmt: skip
    """Everything at the first second; `world` has the axis [replication]."""
    world = world.over_plans(len(chunk.plans))
    reps, lanes, names = len(chunk.replications), chunk.lanes, world.names
    draws = make_draws(world, chunk, seed, sampled)
    if not sampled and points is None:
        points = make_points(world.scenario, 0)
    demand, luck = _shocks(world, chunk, draws, points)
    trials = start_trials(world.trials, draws, lanes, sampled=sampled) if world.trials else []
    for trial in trials:
        luck[trial.product] *= trial.before()
    pictures = world.pictures.luck(draws) if world.pictures and sampled else None
    cycles = LifeCycles(world.goods, world.scenario.life_cycle, sampled, luck)
    booked = plan_bookings(chunk.plans, world, reps)
    state = first_state(world, cycles, booked, draws, sampled=sampled)
    assortment = Assortment(world, cycles, luck, state.shelf, pictures)
    available = state.stock.available(sampled)
    shocks, steps = world.shocks, world.steps
    weather = Weather(shocks, steps, draws, sampled=sampled) if shocks else None
    till = _open_till(world, lanes, sampled=sampled)
    response = till.response() if till else None
    days = int(world.steps.day[-1]) + 1 if daily else 0
    counts = (len(names.scenes), len(names.phases), len(names.segments), len(names.products))
    return Floor(
        world=world, chunk=chunk, draws=draws, sampled=sampled,
        money=plan_money(chunk.plans, world, reps), schedule=make_schedule(world), state=state,
        cycles=cycles, assortment=assortment,
        today=assortment.today(
            state.shelf, available, response, weather=weather, awaited=world.goods.awaited(0)
        ),
        demand=demand, till=till, weather=weather, available=available,
        controls=Controls(*np.ones((2, len(names.scenes), lanes))),
        book=Ledger.empty(*counts, lanes=lanes, days=days), trials=trials,
        tracers=_open_trail(world, state.crowd.n.shape, attribution=attribution),
        linkage=open_linkage(world, state.shelf.week),
        partners=_partnership(world, plan_partners(chunk.plans, world, reps), sampled=sampled),
    )  # fmt: skip


def _open_till(world: World, lanes: int, *, sampled: bool) -> Till | None:
    """The till at the first second, if prices are more than the sellers' own."""
    if world.offers is None:
        return None
    till = Till(world.offers, world.people.order_value, lanes, sampled=sampled)
    till.look(int(world.steps.phase[0]), int(world.steps.start[0]))
    return till


def _open_trail(world: World, people: tuple[int, ...], *, attribution: bool) -> Trail | None:
    """Touches are followed for reports, and where a guarantee counts the gmv credited to scenes."""
    rule, guarantees = world.scenario.attribution, world.scenario.incentives.roi_guarantees.values()
    promised = any(not guarantee.organic for guarantee in guarantees)
    if not (attribution or promised):
        return None
    size = len(world.names.scenes), people
    return Trail(rule.model, rule.window_days, *size, promised=promised)


def _partnership(world: World, running: np.ndarray, *, sampled: bool) -> Partnership | None:
    return Partnership(world.partners, running, whole=sampled) if len(running) else None


def _shocks(
    world: World, chunk: Chunk, draws: Draws, points: Points | None
) -> tuple[np.ndarray, np.ndarray]:
    """Demand factor [1, lane] and luck of each product [product, lane]; sampled where there are no points."""
    demand, luck = np.ones((1, chunk.lanes)), np.ones((len(world.names.products), chunk.lanes))
    for row, (name, sd) in enumerate(shock_names(world.scenario)):
        if points is None:
            factor = draws.factor(name, sd, 1)
        else:
            some = points.shocks[row, list(chunk.replications)]
            factor = np.tile(some, len(chunk.plans))[None]
        if name == "demand":
            demand = factor
        else:
            luck[world.names.products.index(name.removeprefix("luck."))] = factor[0]
    return demand, luck
