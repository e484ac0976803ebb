"""Products and their costs, as arrays.

symbol   meaning                                          unit    shape
pi       share of free visits at the start, sums to 1     1       [product, replication]
w        weights of the products of a scene, sum to 1     1       [scene, product, replication]
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.market.audience import ratio
from simulator.market.columns import column, odds, stack, unless
from simulator.market.layout import Layout
from simulator.market.promotion import salvage_of, seller_price
from simulator.scenario.goods import PRODUCT_STAGES, UNLIMITED, Product
from simulator.scenario.schema import Scenario

ANY_DAY = np.iinfo(np.int64).max  # the launch of a product without a date


@dataclass(frozen=True)
class Goods:
    """Products and their costs: [product, replication] unless said otherwise."""

    price: np.ndarray
    """What the seller takes for an order by phase: [phase, product, replication]."""
    least_price: np.ndarray
    """Salvage value against that price, 0 where there is none: [phase, product, replication]."""
    list_price: np.ndarray
    unit_cost: np.ndarray
    salvage: np.ndarray
    """Worth of a unit left at the end [CNY], where `clearing`; else 0, and not read."""
    clearing: np.ndarray
    """It has a salvage value: [product] of bool."""
    refund_odds: np.ndarray
    power: np.ndarray
    stock: np.ndarray
    """Units in the depot at the start: [product]."""
    pool: np.ndarray
    """Units in shops that online orders may take: [product]."""
    pool_cost: np.ndarray
    """Fulfilment of an order sent from a shop [CNY]."""
    restocks: tuple[tuple[int, int, int], ...]
    """(second, product, units) in order of time."""
    presale: np.ndarray
    deposit: np.ndarray
    """Deposit paid [CNY]."""
    organic: np.ndarray
    """pi: share of free visits, sums to 1."""
    mix: np.ndarray
    """Weights of the products of a scene: [scene, product, replication]."""
    stage_affinity: np.ndarray | None
    """Weights of the product stages in a scene: [scene, stage, replication]; None where all are 1."""
    stage: np.ndarray
    """One-hot stage at the start: [product, stage]."""
    launch: np.ndarray
    """When a sampling product is launched [s]; ANY_DAY where it may be at any time: [product]."""
    items: np.ndarray
    """Items for which each product stands: [product]."""
    score: np.ndarray
    """Service score of the shop at the start: [1, replication]."""
    substitution: np.ndarray
    """Part of those whose choice is sold out that takes another product: [1, replication]."""

    def for_sale(self, second: int) -> np.ndarray:
        """Units that have come by then, in shops as well: [product]."""
        units = self.stock + self.pool
        for at, product, more in self.restocks:
            units[product] += more if at <= second else 0
        return units

    def limited(self) -> np.ndarray:
        """Rows of the products of which the file limits how many there will be: [row]."""
        return np.flatnonzero(self.for_sale(ANY_DAY) < UNLIMITED)

    def awaited(self, second: int) -> np.ndarray:
        """Whether more units come later: [product, 1] of bool."""
        last = np.full(len(self.stock), -1)
        for at, product, _ in self.restocks:
            last[product] = max(last[product], at)
        return last[:, None] > second


def make_goods(layout: Layout) -> Goods:
    """Arrays of the products of a scenario."""
    s, origin = layout.scenario, layout.steps.shape.origin
    goods = list(s.products.values())
    organic = column([p.organic for p in goods])
    restocks = sorted(
        (round((r.at - origin).total_seconds()), n, int(r.units))
        for n, p in enumerate(goods)
        for r in p.restocks
    )
    price, salvage = seller_price(s, layout.steps.phases), salvage_of(s)
    launch = [
        ANY_DAY if p.launch is None else round((p.launch - origin).total_seconds()) for p in goods
    ]
    return Goods(
        price=price, least_price=ratio(salvage, price), list_price=column([p.price for p in goods]),
        unit_cost=column([p.price * (1 - p.margin) for p in goods]), salvage=salvage,
        clearing=np.array([p.salvage is not None for p in goods]),
        refund_odds=odds(column([p.refund for p in goods])),
        power=column([_power_of(s, p) for p in goods]),
        stock=np.array([float(p.stock) for p in goods]),
        pool=np.array([_pool_units(p) for p in goods]), pool_cost=_pool_cost(s),
        restocks=tuple(restocks),
        presale=np.array([p.presale for p in goods]),
        deposit=column([p.deposit for p in goods]),
        organic=organic / organic.sum(axis=0), mix=_mix(s), stage_affinity=_stage_affinity(s),
        stage=np.array([[p.product_stage == x for x in PRODUCT_STAGES] for p in goods]),
        launch=np.array(launch), items=np.array([float(p.items) for p in goods]),
        score=column([s.service_score]), substitution=column([s.commerce.substitution]),
    )  # fmt: skip


def _mix(s: Scenario) -> np.ndarray:
    rows = [
        column([i.products.get(p, 0.0) if i.products else 1.0 for p in s.products])
        for i in s.scenes.values()
    ]
    table = stack(rows)
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def _stage_affinity(s: Scenario) -> np.ndarray | None:
    rows = [
        column([i.product_stages.get(x, 0.0) if i.product_stages else 1.0 for x in PRODUCT_STAGES])
        for i in s.scenes.values()
    ]  # fmt: skip
    return unless(stack(rows), 1.0)


def first_mix(s: Scenario) -> np.ndarray:
    """w, by the products' stages at the start."""
    affinity, mix = _stage_affinity(s), _mix(s)
    if affinity is None:
        return mix
    stage = [PRODUCT_STAGES.index(p.product_stage) for p in s.products.values()]
    suited = mix * affinity[:, stage]
    total = suited.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, suited / np.maximum(total, 1e-300), mix))


def _power_of(s: Scenario, product: Product) -> Any:
    """Product power of a generation: power x (1 - decay)^(generation - 1)."""
    kept = 1 - np.asarray(s.life_cycle.generation_decay, dtype=float)
    return product.product_power * kept ** (product.generation - 1)


def _pool_units(product: Product) -> float:
    """Whole units in shops that online orders may take."""
    pool = product.pooled
    return 0.0 if pool is None else float(np.floor(pool.units * pool.share + 1e-9))


def _pool_cost(s: Scenario) -> np.ndarray:
    usual, pools = s.commerce.fulfilment, [p.pooled for p in s.products.values()]
    return column([
        usual if pool is None or pool.fulfilment is None else pool.fulfilment for pool in pools
    ])  # fmt: skip
