"""Asset value: what the people of each chain stage will bring without further advertising.

symbol   meaning                                                   unit            shape
V        future contribution of one person                         CNY             [stage, segment, replication]
P        moves of one normal day without ads                       1               [stage, stage] per segment
w        contribution of an order before advertising               CNY             [segment, replication]
beta     discount of one day                                       1

V = beta (w P(order) + P V): a linear system, from the model's own hazards (docs/model.md section 14).
"""

import numpy as np

from simulator.market.audience import ORDER, TO, Chain, Contact, Crowd, Pulse
from simulator.market.columns import prob
from simulator.market.lifecycle import NEW_STAGES
from simulator.market.people import BANDS_N, CUSTOMERS, STAGES
from simulator.market.phases import NORMAL
from simulator.market.world import World
from simulator.scenario.chain import Stage
from simulator.scenario.goods import LifeCycle

DAYS = 365


def order_contribution(world: World) -> np.ndarray:
    """Mean contribution of an order of each segment at list price: [segment, replication]."""
    goods, costs, people = world.goods, world.costs, world.people
    price, unit_cost, weight = (
        x[:, None] for x in (goods.list_price, goods.unit_cost, goods.organic)
    )
    usual = (goods.refund_odds * _stage(world, "refund"))[:, None]
    refund = prob(usual if people.refund_odds is None else usual * people.refund_odds)
    kept = price * (1 - refund) * (1 - costs.commission)
    lost = costs.depreciation - (0.0 if people.spared is None else people.spared)
    sent = refund * (1 - costs.unsent)
    cost = unit_cost * (1 - refund + sent * lost)
    each = (weight * (kept - price * costs.payment_fee - cost)).sum(axis=0)
    extra = 0.0 if people.return_cost is None else people.return_cost
    freight = costs.fulfilment * (1 - refund + sent) + sent * (costs.refund_handling + extra)
    per_order = (weight * freight).sum(axis=0)
    return np.asarray(each * people.order_value - per_order)


def _stage(world: World, figure: str) -> np.ndarray:
    """A life-cycle figure at the products' first stage: [product, 1]."""
    rules: LifeCycle = world.scenario.life_cycle
    table = np.array(getattr(rules, figure))
    return np.asarray((world.goods.stage * table).sum(axis=1, keepdims=True))


def wanted_at_start(world: World) -> np.ndarray:
    """Product power that free visits meet at the start, tastes included, without luck: [segment or 1, replication]."""
    return np.asarray(liked_at_start(world).sum(axis=0))


def liked_at_start(world: World) -> np.ndarray:
    """The same by product: [product, segment or 1, replication]."""
    goods = world.goods
    liked = (goods.organic * goods.power * _stage(world, "cvr"))[:, None]
    if world.people.new_taste is not None:
        young = goods.stage[:, NEW_STAGES].sum(axis=1)[:, None, None]
        liked = liked * (1 + world.people.new_taste * young)
    return np.asarray(liked)


def people_value(world: World) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """V [stage, segment, replication]; of a customer's cart, and what those lack whom the event won:
    [segment, replication] each.
    """
    hazards, pulse = _normal_day(world)
    total = hazards.sum(axis=0)
    leave = -np.expm1(-total) * hazards / np.maximum(total, 1e-200)
    beta = (1 - float(world.scenario.commerce.discount_rate)) ** (1 / DAYS)
    worth = np.broadcast_to(order_contribution(world), total.shape[1:])
    moves = _matrix(leave, 1 + np.expm1(-total))
    gain = beta * (leave[ORDER] * worth)
    system = np.eye(STAGES) - beta * moves
    value = np.linalg.solve(system, np.moveaxis(gain, 0, -1)[..., None])[..., 0]
    drop = pulse.days / world.people.forget[4]
    release = pulse.release[CUSTOMERS]
    cart = worth * release / (release + drop)
    value = np.moveaxis(value, -1, 0)
    return value, cart, _event_gap(world, hazards, value, beta * worth)


def _event_gap(
    world: World, hazards: np.ndarray, value: np.ndarray, worth: np.ndarray
) -> np.ndarray:
    """V of a first-time buyer of the run less that of an older one: fewer orders of habit.

    `worth`: contribution of an order, discounted by a day [segment, replication].
    """
    people = world.people
    if people.habit is None:
        return np.zeros_like(worth)
    own = hazards[:, Stage.INITIAL].copy()
    own[ORDER] -= people.habit.mean_rate(0.0, people.lapse_days) * (1 - people.habit.event)
    total = own.sum(axis=0)
    leave = -np.expm1(-total) * own / np.maximum(total, 1e-200)
    beta = (1 - float(world.scenario.commerce.discount_rate)) ** (1 / DAYS)
    later = sum(leave[kind] * value[to] for kind, to in enumerate(TO[:, Stage.INITIAL]) if to >= 0)
    won = (leave[ORDER] * worth + beta * later) / (1 - beta * np.exp(-total))
    return np.asarray(won - value[Stage.INITIAL])


def _matrix(leave: np.ndarray, stay: np.ndarray) -> np.ndarray:
    """One-day matrix [segment, replication, from, to]."""
    moves = np.zeros((*stay.shape[1:], STAGES, STAGES))
    for stage in range(STAGES):
        moves[..., stage, stage] = stay[stage]
        for kind, target in enumerate(TO[:, stage]):
            moves[..., stage, stage if target < 0 else target] += leave[kind, stage]
    return moves


def _normal_day(world: World) -> tuple[np.ndarray, Pulse]:
    """Hazards of a normal day with free visits only: [kind, stage, segment, replication]."""
    people, segments = world.people, len(world.names.segments)
    contact = _free_contact(world, segments)
    lanes = world.replications
    one, none = np.ones((1, lanes)), np.zeros((1, lanes))
    pulse = Pulse(
        days=1.0, browse=1.0, now=0.0, pay=one,
        cart=_of_all(wanted_at_start(world) * one), release=_of_all(world.phases.release[NORMAL] * one),
        deposit=none, deposit_release=none, balance=none,
    )  # fmt: skip
    crowd = Crowd(
        np.ones((STAGES, segments, lanes)), np.ones((4, segments, lanes)),
        np.zeros((segments, lanes)), np.zeros((segments, lanes)),
    )  # fmt: skip
    chain = Chain(people, segments, lanes)
    chain.fill(crowd, contact, pulse)
    return chain.hazards, pulse


def _of_all(number: np.ndarray) -> np.ndarray:
    """The same for strangers and customers: [who, segment or 1, replication]."""
    return np.broadcast_to(number, (2, *number.shape))


def _free_contact(world: World, segments: int) -> Contact:
    """Free visits of a normal day by band, at the products' first mix and stage."""
    free, kappa = world.free, wanted_at_start(world)
    touches = (free.rate * free.touch[:, None, None]).sum(axis=0)
    buys = (free.rate * prob(free.buy_odds * kappa)[:, None]).sum(axis=0)
    shape = (BANDS_N, segments, world.replications)
    touches, buys = (np.broadcast_to(x, shape).copy() for x in (touches, buys))
    return Contact(np.zeros(shape), touches, buys, touches[0].copy())
