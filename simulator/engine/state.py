"""All that changes while a chunk of lanes runs."""

from dataclasses import dataclass

import numpy as np

from simulator.market.asset import liked_at_start, wanted_at_start
from simulator.market.audience import Crowd, ratio
from simulator.market.basket import BANDED, CUSTOMER_STAGES, Baskets, quiet_carts
from simulator.market.bill import PRICE, REFUND
from simulator.market.bounds import at_least
from simulator.market.contract import Bookings
from simulator.market.draws import Draws
from simulator.market.fulfilment import POOLS, Refunds, Stock
from simulator.market.lifecycle import LifeCycles, Shelf
from simulator.market.people import BANDS_N
from simulator.market.phases import NORMAL
from simulator.market.purse import Spent
from simulator.market.shipping import Queue
from simulator.market.world import World
from simulator.scenario.chain import Stage


@dataclass
class Day:
    """What the running day has brought: [product, lane] unless said otherwise."""

    paid: np.ndarray
    due_back: np.ndarray
    """Paid orders that will be refunded, mean."""
    take_back: np.ndarray
    """What these will take back [CNY], mean: [pool, product, lane], pools as in `POOLS`."""
    gmv: np.ndarray
    first: np.ndarray
    """First orders: [product, lane]."""
    first_back: np.ndarray
    """Of these, those that will come back, the mean: [product, lane]."""
    late: np.ndarray
    """Orders that are sent late: [lane]."""

    @classmethod
    def empty(cls, products: int, lanes: int) -> "Day":
        """A new day."""
        paid, due_back, gmv, first, first_back = np.zeros((5, products, lanes))
        take_back = np.zeros((len(POOLS), products, lanes))
        return cls(paid, due_back, take_back, gmv, first, first_back, np.zeros(lanes))


@dataclass
class State:
    """One chunk of lanes."""

    crowd: Crowd
    baskets: Baskets
    bookings: Bookings
    shelf: Shelf
    stock: Stock
    """Goods for sale, those in shops included."""
    depot: Stock | None
    """Goods in the depot alone, if shops send some too: it meets the same demand first."""
    queue: Queue | None
    """Orders that wait in the depot, if it has a capacity."""
    refunds: Refunds
    day: Day
    spent: np.ndarray
    """Auction spend [CNY]: [scene, phase, lane]."""
    purse: Spent
    bids: np.ndarray
    """ln alpha, of each scene's bid per action [ln CNY per action]: [scene, lane]."""
    newcomers: np.ndarray
    """New customers not (yet) refunded: [segment, lane]."""
    first_due: np.ndarray
    """First orders that are still to be refunded, the mean: [segment, lane]."""
    promised: np.ndarray
    """Gmv [CNY] and orders that scenes have by the last touch, where guarantees count them: [2, scene, lane]."""
    decided: dict[str, np.ndarray]
    """Buying visits whose order waits for a signature, by what they are counted by: [.., segment, lane]."""
    supply_noise: np.ndarray
    """Today's opportunities against the forecast: [slot, lane]."""


def first_state(
    world: World, cycles: LifeCycles, booked: np.ndarray, draws: Draws, *, sampled: bool
) -> State:
    """The world at the first second; `booked` [package, lane]."""
    lanes, names = booked.shape[-1], world.names
    products, segments = len(names.products), len(names.segments)
    n = first_people(world, lanes, draws, sampled=sampled)
    zeros, goods, carts = np.zeros((segments, lanes)), world.goods, first_carts(world, n, draws)
    terms = 1 + (PRICE if world.offers is None else REFUND)
    return State(
        crowd=Crowd(n, n[7:11].copy(), zeros.copy(), np.zeros((BANDS_N, segments, lanes))),
        baskets=Baskets.of(carts, first_goods(world, n, carts), terms), bookings=Bookings.of(booked),
        shelf=cycles.start(lanes, draws), stock=Stock.of(goods.stock + goods.pool, lanes),
        depot=Stock.of(goods.stock, lanes) if goods.pool.any() else None,
        queue=Queue.of(lanes) if world.depot else None,
        refunds=Refunds.of(products, lanes, _offsets(products, draws) if sampled else None),
        day=Day.empty(products, lanes),
        spent=np.zeros((len(names.scenes), len(names.phases), lanes)),
        purse=Spent(*np.zeros((2, len(names.scenes), lanes))),
        bids=np.zeros((len(names.scenes), lanes)),
        newcomers=zeros.copy(), first_due=zeros.copy(), promised=np.zeros((2, len(names.scenes), lanes)),
        decided={},
        supply_noise=np.ones((len(names.slots), lanes)),
    )  # fmt: skip


def first_carts(world: World, n: np.ndarray, draws: Draws) -> np.ndarray:
    """Carts of customers as normal days leave them: [segment, lane], whole when sampled."""
    touches, release = world.free.touches[NORMAL, BANDED], world.phases.release[NORMAL]
    quiet = quiet_carts(world.people, touches, wanted_at_start(world), release)
    carts = np.broadcast_to(quiet, n.shape[1:])
    return np.minimum(draws.round_off("carts", carts), n[CUSTOMER_STAGES].sum(axis=0))


def first_goods(world: World, n: np.ndarray, carts: np.ndarray) -> np.ndarray:
    """What the baskets of the start hold, put in by free visitors: [product, who, segment, lane]."""
    liked = liked_at_start(world)[:, None]
    held = np.array([n[Stage.FAVOURITE] + n[Stage.CART], carts])
    return np.asarray(ratio(liked, np.add.reduce(liked)) * held)


def _offsets(products: int, draws: Draws) -> np.ndarray:
    """One uniform per kind of refund and product, kept for the run: [kind * product, lane]."""
    return np.asarray(np.exp(-draws.exponential("refund_due", 2 * products)))


def whole_size(world: World, lanes: int, *, sampled: bool) -> np.ndarray:
    """People of each segment [segment, lane]; whole when sampled."""
    size = np.broadcast_to(world.people.size, (len(world.names.segments), lanes))
    return np.rint(size) if sampled else np.array(size)


def first_people(world: World, lanes: int, draws: Draws, *, sampled: bool) -> np.ndarray:
    """People by stage [stage, segment, lane]: whole people when sampled, outside takes the rest."""
    start = np.array(np.broadcast_to(world.people.start, (*world.people.start.shape[:2], lanes)))
    flat = start[1:].reshape(-1, lanes)
    start[1:] = draws.round_off("people", flat).reshape(start[1:].shape)
    start[0] = whole_size(world, lanes, sampled=sampled) - start[1:].sum(axis=0)
    # Each is rounded by itself: where together they are more than there are, the last ones give way.
    over = at_least(-start[0], 0.0)
    for people in start[:0:-1]:
        less = np.minimum(people, over)
        np.subtract(people, less, out=people)
        over -= less
    start[0] = at_least(start[0], 0.0)
    return start
