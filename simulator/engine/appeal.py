"""What shelf and phase make of impressions and visits: read anew at midnight and with each phase."""

from dataclasses import dataclass

import numpy as np

from simulator.engine.floor import Floor
from simulator.market.audience import deciding, ratio
from simulator.market.columns import prob
from simulator.market.groups import add_up, weigh
from simulator.market.media import Media
from simulator.market.phases import NORMAL
from simulator.market.scenes import BUYABLE
from simulator.market.today import Halo, Today

CLICK, CART = BUYABLE.index("click"), BUYABLE.index("cart")


@dataclass
class HaloAppeal:
    """What hits bring to the other products, until midnight or the next phase."""

    seen: np.ndarray
    """Further looks per visit: [use, 1, lane]."""
    buys: np.ndarray
    """Buying ones among them, per visit: [use, segment, lane]."""
    free_seen: np.ndarray
    """Per free visit: [lane]."""
    free_buys: np.ndarray
    """Per person and normal day of browsing, as the free buying visits: [band, segment, lane]."""


@dataclass
class Appeal:
    """What shelf and phase make of impressions and visits, until midnight or the next phase."""

    today: Today
    phase: int
    click: np.ndarray
    """Odds of a click without wear and lift: [use, segment, lane]."""
    buy: np.ndarray
    """Odds that a visit buys, without lift: [use, segment, lane]."""
    per_click: np.ndarray
    """What a bounded scene counts per click: [bounded use, segment, lane]."""
    free_buys: np.ndarray
    """Free buying visits per person and normal day of browsing: [band, segment, lane]."""
    free_chance: np.ndarray
    """Probability that a free visit buys: [source, segment, lane]."""
    halo: HaloAppeal | None


def read_appeal(floor: Floor, media: Media, uses: np.ndarray, action: np.ndarray) -> Appeal:
    """The appeal of the day; `uses` are the bounded ones, `action` what each of them bids for [use, 1, 1]."""
    world, demand, today, phase = floor.world, floor.demand, floor.today, floor.phase
    phases = world.phases
    click = today.scene_ctr.take(media.scene, axis=0)[:, None] * (
        media.click_odds * phases.ctr[phase]
    )
    ready = today.scene_kappa * (phases.cvr[phase] * demand)
    buy = ready.take(media.scene, axis=0) * media.buy_odds
    free = world.free
    free_odds = free.buy_odds * (today.free_kappa * phases.cvr[phase] * demand)
    if today.eager is not None:
        buy, free_odds = buy * today.eager, free_odds * today.eager
    chance = prob(free_odds)
    free_buys = weigh("mbs,msl->bsl", free.by_phase[phase], chance)
    halo = _halo(floor, media.scene, today.halo) if today.halo else None
    per_click = _per_click(floor, media, buy, uses, action)
    return Appeal(today, phase, click, buy, per_click, free_buys, chance, halo)


def usual_free_sales(floor: Floor) -> np.ndarray:
    """What free visits of a normal day sell as the run begins [CNY]: [product, lane]."""
    world, today, crowd = floor.world, floor.today, floor.state.crowd
    chance = prob(world.free.buy_odds * today.free_kappa)
    buys = weigh("mbs,msl->bsl", world.free.by_phase[NORMAL], chance)
    orders = (buys * deciding(crowd.n, world.people.propensity)).sum(axis=0)
    return add_up(today.bought_free() * (orders * world.people.order_value)) * floor.price()


def _halo(floor: Floor, scene: np.ndarray, halo: Halo) -> HaloAppeal:
    """How often visits go on to another product, and buy it; `scene` of each use."""
    world, phase, eager = floor.world, floor.phase, floor.today.eager
    ready = halo.kappa * (world.phases.cvr[phase] * floor.demand)
    odds = world.free.halo_odds * ready  # [way, segment, lane]
    buys = halo.seen[:, None] * prob(odds if eager is None else odds * eager)
    free_buys = world.free.visits[phase] * buys[-1]
    return HaloAppeal(halo.seen[scene][:, None], buys[scene], halo.seen[-1], free_buys)


def _per_click(
    floor: Floor, media: Media, buy: np.ndarray, uses: np.ndarray, action: np.ndarray
) -> np.ndarray:
    """Clicks, touches, carts, orders or order value per click."""
    arrival, bought = media.arrival[uses], set(action.ravel().tolist())
    counts = np.where(action == CLICK, 1.0, arrival * media.touch[uses])
    if CART in bought:
        carts = _carts(floor, media.scene[uses]) * arrival
        counts = np.where(action == CART, carts, counts)
    if max(bought, default=CLICK) > CART:
        orders = _orders(floor, media.scene[uses], buy.take(uses, axis=0)) * arrival
        counts = np.where(action > CART, orders, counts)
    return counts


def _carts(floor: Floor, scene: np.ndarray) -> np.ndarray:
    """Carts per visit of a use, whose scenes are given: [use, segment, lane]."""
    world, moves = floor.world, floor.world.people.visit_moves
    power = floor.today.scene_power.take(scene, axis=0)
    return np.asarray(power * (moves[3, 2] * world.phases.cart[floor.phase]))


def _orders(floor: Floor, scene: np.ndarray, buy: np.ndarray) -> np.ndarray:
    """Orders per visit of a use, or their value [CNY]; readiness is the mean of the day: [use, segment, lane]."""
    roi = floor.world.bidding.roi[scene]
    order = prob(buy) * floor.schedule.readiness[floor.step]
    if not np.count_nonzero(roi):
        return np.asarray(order)
    worth = _gmv(floor).take(scene, axis=0)
    return np.asarray(np.multiply(order, worth, out=order, where=roi[:, None, None]))


def _gmv(floor: Floor) -> np.ndarray:
    """Mean gmv of an order on a visit of each scene, subsidies by others left out [CNY]: [scene, segment, lane]."""
    today = floor.today
    worth = np.einsum("ipl,pgl->igl", today.mix, today.kappa * floor.price_paid())
    return ratio(worth, today.scene_kappa)
