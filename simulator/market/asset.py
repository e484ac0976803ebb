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
from simulator.market.world import BANDS_N, STAGES, World, prob
from simulator.scenario.schema import LifeCycle

DAYS = 365
NORMAL = -1  # the run-off is a stretch of normal days


def order_contribution(world: World) -> np.ndarray:
    """Mean contribution of an order of each segment at list price: [segment, replication]."""
    goods, costs = world.goods, world.costs
    refund = prob(goods.refund_odds * _stage(world, "refund"))
    kept = goods.list_price * (1 - refund) * (1 - costs.commission)
    fees = goods.list_price * costs.payment_fee
    cost = goods.unit_cost * (1 - refund + refund * costs.depreciation)
    each = (goods.organic * (kept - fees - cost)).sum(axis=0)
    per_order = (goods.organic * (costs.fulfilment + refund * costs.refund_handling)).sum(axis=0)
    return np.asarray(each * world.people.order_value - per_order)


def _stage(world: World, figure: str) -> np.ndarray:
    """A life-cycle figure at the products' first stage: [product, 1]."""
    rules: LifeCycle = world.scenario.life_cycle
    table = np.array(getattr(rules, figure))
    return np.asarray((world.goods.stage * table).sum(axis=1, keepdims=True))


def people_value(world: World) -> tuple[np.ndarray, np.ndarray]:
    """V [stage, segment, replication], and the value of a customer's cart [segment, replication]."""
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
    cart = worth * pulse.release / (pulse.release + drop)
    return np.moveaxis(value, -1, 0), cart


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
        days=1.0, browse=1.0, now=0.0, pay=one, cart=one, release=world.phases.release[NORMAL] * one,
        deposit=none, deposit_release=none, balance=none,
    )  # fmt: skip
    crowd = Crowd(
        np.ones((STAGES, segments, lanes)), np.ones((4, segments, lanes)),
        np.zeros((segments, lanes)), np.zeros((segments, lanes)),
    )  # fmt: skip
    chain = Chain(people, segments, lanes)
    chain.fill(crowd, contact, pulse)
    return chain.hazards, pulse


def _free_contact(world: World, segments: int) -> Contact:
    """Free visits of a normal day by band, at the products' first mix and stage."""
    free, goods = world.free, world.goods
    kappa = (goods.organic * goods.power * _stage(world, "cvr")).sum(axis=0)
    touches = (free.rate * free.touch[:, None, None]).sum(axis=0)
    buys = (free.rate * prob(free.buy_odds * kappa)[:, None]).sum(axis=0)
    shape = (BANDS_N, segments, world.replications)
    return Contact(np.zeros(shape), *(np.broadcast_to(x, shape).copy() for x in (touches, buys)))
