"""What buyers pay and what others add: discounts, coupons and subsidies (docs/model.md section 17).

symbol   meaning                                                     unit     shape
P        what the buyer pays for an order, subsidy aside             CNY      [phase, product, replication]
h        goods in an order against one without coupons               x        [phase, product, replication]
v        order value of a segment against the list price             x        [segment, replication]
eps      price elasticity of the odds of buying                      1        [segment, replication]
s        subsidy of an order, mean of min(rate P v X, cap)           CNY      [product, segment, lane]
X        value of a single order against the mean, gamma             1
A        probability that the next order finds subsidy money         1        [product, lane]

A subsidy's quota is a stock of money, met like goods in a warehouse: by its mean, or exactly when sampled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import mul
from typing import Any

import numpy as np
from scipy.special import gammainc, gammaincc

from simulator.market.audience import ratio
from simulator.market.bill import AID, PRICE, SIZE, Bill
from simulator.market.calendar import RUNOFF, Steps, phase_of_runoff, seconds_between
from simulator.market.columns import column, stack
from simulator.market.fulfilment import Stock
from simulator.market.groups import add_up, membership
from simulator.scenario.incentives import Coupon, Subsidy
from simulator.scenario.people import order_value_of
from simulator.scenario.schema import Scenario

LEAST_SPREAD = 1e-3  # of single orders' values: below it they are all alike
FREE = 1e6  # a cap so many times the mean subsidy binds no order
LEAST_PRICE = 0.01  # of the usual price: below it nobody is readier to buy
ALWAYS = np.iinfo(np.int64).max  # seconds; later than any step


@dataclass(frozen=True)
class Offers:
    """What coupons and subsidies make of prices: [phase, product, replication] unless said otherwise."""

    price: np.ndarray
    """What the buyer pays for an order of value 1, subsidies aside [CNY]."""
    aid: np.ndarray
    """What platform coupons add to it for the seller [CNY]."""
    size: np.ndarray
    """Goods in an order against one without coupons."""
    refund: np.ndarray
    """Odds multiplier of a refund."""
    elastic: bool
    """Some segment answers to prices."""
    response: np.ndarray
    """Odds multiplier of buying, without and with subsidy: [2, phase, product, segment, replication]."""
    programme: np.ndarray
    """Subsidy of each product, -1 for none: [product]."""
    rate: np.ndarray
    """Part of the price that is subsidised: [product, 1]."""
    cap: np.ndarray
    """Most for one order [CNY]: [product, 1]."""
    spread: float
    """Relative sd of single orders' values: commerce.order_value_sd."""
    quota: np.ndarray
    """Money of each subsidy [CNY]: [programme]."""
    unit: np.ndarray
    """A typical subsidy of an order [CNY]: [programme, replication]."""
    window: np.ndarray
    """Start and end of each subsidy [s]: [2, programme]."""


# --------------------------------------------------------------------------- prices
def price_response(price: np.ndarray, usual: np.ndarray, elasticity: np.ndarray) -> np.ndarray:
    """(usual / price)^eps: odds of buying at a price against the usual one  [x].

    >>> float(price_response(np.array(50.0), np.array(100.0), np.array(2.0)))
    4.0
    """
    return np.asarray(np.power(np.maximum(price / usual, LEAST_PRICE), -elasticity))


def seller_price(scenario: Scenario, phases: Sequence[str]) -> np.ndarray:
    """max(list price (1 - discount) x (1 - own part of each coupon), salvage): [phase, product, replication]."""
    goods = scenario.products.values()
    price = column([p.price for p in goods])
    cut = stack([column([p.discount.get(f, 0.0) for p in goods]) for f in phases])
    own = _of_coupons(scenario, phases, lambda coupon: 1 - coupon.merchant)
    return np.maximum(price * (1 - cut) * own, salvage_of(scenario))


def salvage_of(scenario: Scenario) -> np.ndarray:
    """Salvage value of a unit, 0 where the file gives none: [product, replication]."""
    return column([0.0 if p.salvage is None else p.salvage for p in scenario.products.values()])


def _of_coupons(
    scenario: Scenario, phases: Sequence[str], read: Callable[[Coupon], Any]
) -> np.ndarray:
    """Product of a figure over the coupons that are valid: [phase, product, replication]."""
    coupons = scenario.incentives.coupons.values()
    rows = [
        column([
            reduce(mul, (read(c) for c in coupons if _is_valid(c, phase, p)), 1.0)
            for p in scenario.products
        ])
        for phase in phases
    ]  # fmt: skip
    return stack(rows)


def _is_valid(coupon: Coupon, phase: str, product: str) -> bool:
    during = phase in coupon.phases if coupon.phases else phase != RUNOFF
    return during and (not coupon.products or product in coupon.products)


def make_offers(scenario: Scenario, steps: Steps) -> Offers | None:
    """Prices that buyers meet, or None where no coupon, subsidy or elasticity makes a difference."""
    incentives, phases = scenario.incentives, steps.phases
    elasticity = column([g.price_elasticity for g in scenario.segments.values()])
    elastic = bool((elasticity > 0).any())
    if not (incentives.coupons or incentives.subsidies or elastic):
        return None
    taken = seller_price(scenario, phases)
    size = _of_coupons(scenario, phases, lambda coupon: coupon.order_value)
    price = taken * _of_coupons(scenario, phases, lambda coupon: 1 - coupon.platform) * size
    subsidies = list(incentives.subsidies.values())
    programme, rate, cap = _by_product(scenario, subsidies)
    response = (
        _responses(scenario, phases, (price, size), (rate, cap)) if elastic else np.ones((2, 1))
    )
    return Offers(
        price=price, aid=taken * size - price, size=size,
        refund=_of_coupons(scenario, phases, lambda coupon: coupon.refund),
        elastic=elastic, response=response, programme=programme, rate=rate, cap=cap,
        spread=scenario.commerce.order_value_sd,
        quota=np.array([s.quota for s in subsidies]),
        unit=_typical(scenario, programme, rate, cap, len(subsidies)),
        window=_windows(subsidies, steps),
    )  # fmt: skip


def _by_product(
    scenario: Scenario, subsidies: list[Subsidy]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Subsidy of each product [product], its rate and its cap [product, 1]; none: -1, 0, no limit."""
    chosen = [
        next((n for n, s in enumerate(subsidies) if not s.products or p in s.products), -1)
        for p in scenario.products
    ]
    rate = [subsidies[n].rate if n >= 0 else 0.0 for n in chosen]
    caps = [subsidies[n].cap if n >= 0 else None for n in chosen]
    cap = [np.inf if c is None else c for c in caps]
    return np.array(chosen, dtype=np.intp), column(rate), column(cap)


def _responses(
    scenario: Scenario, phases: Sequence[str], prices: tuple[np.ndarray, np.ndarray],
    subsidy: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:  # fmt: skip
    """Odds multipliers without and with the subsidy: [2, phase, product, segment, replication]."""
    segments, products = scenario.segments.values(), scenario.products.values()
    eps = column([g.price_elasticity for g in segments])
    value = column([order_value_of(g) for g in segments])
    ends = scenario.calendar
    usual = [ends.phases[f] if f != RUNOFF else phase_of_runoff(ends.end) for f in phases]
    cut = column([1 - phase.usual_discount for phase in usual])[:, None]
    price, size = prices
    usual_price = (column([p.price for p in products]) * cut * size)[:, :, None]
    full = price[:, :, None] * value
    rate, cap = (part[:, None] for part in subsidy)
    aid = subsidy_of(full, rate, cap, scenario.commerce.order_value_sd)
    rows = [price_response(paid, usual_price * value, eps) for paid in (full, full - aid)]
    return stack(rows)


def subsidy_of(
    price: np.ndarray, rate: np.ndarray, cap: np.ndarray, sd: np.ndarray | float = 0.0
) -> np.ndarray:
    """E[min(rate x price x X, cap)]: mean subsidy of orders whose values X have mean 1 and this sd  [CNY].

    X is gamma of shape a = 1 / sd^2: with k = cap / (rate price) it is rate price [P(a + 1, k a) + k Q(a, k a)], P and
    Q the regularised incomplete gamma functions.

    >>> subsidy_of(np.array([3000.0, 20000.0]), np.array(0.15), np.array(2000.0)).tolist()
    [450.0, 2000.0]
    >>> float(subsidy_of(np.array(100.0), np.array(0.1), np.array(10.0), 1.0).round(4))  # 10 (1 - 1/e)
    6.3212
    """
    full = rate * price
    most = np.minimum(full, cap)
    if not np.isfinite(cap).any() or not np.any(sd):
        return most
    shape = 1 / np.square(np.maximum(sd, LEAST_SPREAD))
    k = np.minimum(ratio(cap, full), FREE)
    mean = full * (gammainc(shape + 1, k * shape) + k * gammaincc(shape, k * shape))
    return np.where((full > 0) & np.isfinite(cap), np.minimum(mean, most), most)


def _typical(
    scenario: Scenario, programme: np.ndarray, rate: np.ndarray, cap: np.ndarray, count: int
) -> np.ndarray:
    """Mean subsidy of a programme's products at list price: [programme, replication]."""
    each = subsidy_of(column([p.price for p in scenario.products.values()]), rate, cap)
    own = [each[programme == n] for n in range(count)]
    means = [rows.mean(axis=0) if len(rows) else np.ones(1) for rows in own]
    return np.maximum(column(means), 1e-9)


def _windows(subsidies: list[Subsidy], steps: Steps) -> np.ndarray:
    """Start and end [s]: [2, programme]."""
    origin = steps.shape.origin
    rows = [
        (
            seconds_between(origin, s.start) if s.start else 0,
            seconds_between(origin, s.end) if s.end else ALWAYS,
        )
        for s in subsidies
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 2).T


# --------------------------------------------------------------------------- at the till
class Till:
    """Prices of the moment, and money left in the subsidies."""

    def __init__(
        self, offers: Offers, order_value: np.ndarray, lanes: int, *, sampled: bool
    ) -> None:
        """`order_value` [segment, lane] or [segment, 1]."""
        self.offers, self.order_value, self.sampled = offers, order_value, sampled
        count = len(offers.quota)
        units = np.broadcast_to(offers.quota[:, None] / offers.unit, (count, lanes))
        self.funds = Stock(np.array(units), np.zeros((count, lanes)))
        self.members = membership(offers.programme, count)
        self.granted = np.zeros((count, lanes))
        """Subsidies paid so far [CNY]: [programme, lane]."""
        self.phase, self.open = -1, np.zeros(count, dtype=bool)
        self.found = np.zeros((count, lanes))

    def look(self, phase: int, second: int) -> bool:
        """Stand at a moment; whether buyers pay otherwise than before."""
        start, end = self.offers.window
        opened = (start <= second) & (second < end)
        found = self.funds.available(self.sampled) * opened[:, None]
        same = phase == self.phase and np.array_equal(found, self.found)
        self.phase, self.open, self.found = phase, opened, found
        return not same

    def response(self) -> np.ndarray | None:
        """Odds multiplier of the prices [product, segment, lane], None where they move nobody."""
        if not self.offers.elastic:
            return None
        plain, helped = self.offers.response[:, self.phase]
        if not self.found.any():
            return np.asarray(plain)
        return np.asarray(plain + (helped - plain) * self._chance())

    def foreseen(self, price: np.ndarray) -> np.ndarray:
        """Subsidy that the next order at a price [product, segment, lane] finds, in the mean [CNY]."""
        offers = self.offers
        each = subsidy_of(price, offers.rate[:, None], offers.cap[:, None], offers.spread)
        return np.asarray(each * self._chance())

    def _chance(self) -> np.ndarray:
        """That the next order finds subsidy money: [product, 1, lane]."""
        return np.einsum("cp,cl->pl", self.members, self.found)[:, None]

    def charge(
        self, orders: np.ndarray, terms: np.ndarray, noise: np.ndarray, unit_cost: np.ndarray
    ) -> Bill:
        """Bill paid orders [product, segment, lane] by their terms [term, product, lane]; `noise` of their value and
        unit cost of a usual order [product, lane].
        """
        price, aid = terms[PRICE] * noise, terms[AID] * noise
        granted = self._subsidise(orders, price[:, None]) if self.open.any() else None
        return Bill(orders * self.order_value, price, unit_cost * terms[SIZE], aid, granted)

    def _subsidise(self, orders: np.ndarray, price: np.ndarray) -> np.ndarray:
        """Subsidies granted [CNY]: [product, segment, lane]. Single orders scatter about a mean that is drawn."""
        offers = self.offers
        sd: np.ndarray | float = offers.spread
        if self.sampled:
            others = np.maximum(1 - 1 / np.maximum(add_up(orders), 1.0), 0.0)
            sd = sd * np.sqrt(others)[:, None]
        each = subsidy_of(price * self.order_value, offers.rate[:, None], offers.cap[:, None], sd)
        asked = orders * each
        total = np.einsum("cp,pgl->cl", self.members * self.open[:, None], asked)
        paid = self.funds.sell(total / offers.unit, self.sampled) * offers.unit
        self.granted += paid
        share = np.einsum("cp,cl->pl", self.members, ratio(paid, total))
        return np.asarray(asked * share[:, None])
