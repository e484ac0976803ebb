"""Baskets and orders: customers' carts and deposits, which product an order is for, what is in stock.

symbol   meaning                                                   unit     shape
B, T     carts and paid deposits of existing customers             baskets  [segment, lane]
K, KT    weights of products in standing baskets / deposits        baskets  [product, who, segment, lane]
u        product weights of direct orders, sum 1                   1        [product, buyers, segment, lane]

The axis who: strangers, whose orders are first orders, and customers; the axis buyers is the same, but both in one
where there is one product.

Customers stay in their stage while a basket waits; prospects with a basket are people of the chain
(docs/model.md sections 8 and 9).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from simulator.market.audience import (
    Contact,
    Crowd,
    Pulse,
    deciding,
    habitual,
    into_baskets,
    ratio,
    renewal,
)
from simulator.market.bounds import at_least, at_most
from simulator.market.draws import Draws
from simulator.market.groups import add_up
from simulator.market.people import CUSTOMERS, STRANGERS, People
from simulator.scenario.chain import Stage

Array = np.ndarray
CUSTOMER_STAGES, BANDED = slice(Stage.INITIAL, Stage.LAPSED), 3  # and their band


@dataclass
class Baskets:
    """What waits to be bought."""

    carts: np.ndarray
    deposits: np.ndarray
    products: np.ndarray
    """K"""
    presold: np.ndarray
    """KT"""
    agreed: np.ndarray
    """VT: KT times the terms of the days when the deposits were paid: [term, product, who, segment, lane]."""

    @classmethod
    def of(cls, carts: Array, products: Array, terms: int) -> "Baskets":
        """Customers' carts of the start [segment, lane], and what is in baskets [product, who, segment, lane]."""
        none, *agreed = np.zeros((1 + terms, *products.shape))
        return cls(carts, np.zeros_like(carts), products, none, np.array(agreed))


def quiet_carts(people: People, touches: Array, wanted: Array, release: Array) -> Array:
    """Carts of customers in a market that is at rest: [segment, replication].

    C f / (f + r + d) of C customers, where as many are filled (f) as are released (r) and dropped (d) on a
    normal day with `touches` per customer [segment, replication] of products `wanted` so much against the
    average one [segment or 1, replication]; `release` is a hazard per day.
    """
    fill, drop = touches * people.cart_again * wanted, _dropping(touches, people)
    return np.asarray(people.start[CUSTOMER_STAGES].sum(axis=0) * fill / (fill + release + drop))


@dataclass
class CustomerMoves:
    """What happens to customers' baskets in a step: [segment, lane]."""

    orders: np.ndarray
    deposits: np.ndarray
    dropped: np.ndarray
    balances: np.ndarray
    added: np.ndarray


@dataclass
class BasketHazards:
    """What may happen to customers' baskets in a step: [segment, lane]."""

    balance: np.ndarray
    """Probability that a deposit's balance is paid."""
    free: np.ndarray
    """Customers without a basket."""
    fill: np.ndarray
    """Probability that one of them fills a cart."""
    out: np.ndarray
    """Hazards of a cart: order, deposit, drop [3, segment, lane]."""

    def leaving(self, before: np.ndarray, carts: np.ndarray) -> np.ndarray:
        """Probability that one of the carts leaves; those not there `before` the step get half of the hazard."""
        total = np.add.reduce(self.out, axis=0)
        late = -np.expm1(-total / 2) * ratio(self.free * self.fill, carts)
        out = -np.expm1(-total) * ratio(before, carts) + late
        return at_most(out, 1.0)


def basket_hazards(
    baskets: Baskets, crowd: Crowd, contact: Contact, pulse: Pulse, people: People
) -> BasketHazards:
    """Competing hazards of customers' baskets."""
    touches = contact.touches[BANDED]
    out = np.empty((3, *touches.shape))
    out[0], out[1] = pulse.pay * pulse.release[CUSTOMERS], pulse.presell(CUSTOMERS)
    out[2] = _dropping(touches, people, browse=pulse.browse, days=pulse.days)
    free = without_basket(baskets, crowd)
    fill = -np.expm1(-touches * people.cart_again * pulse.cart[CUSTOMERS])
    balance = np.broadcast_to(-np.expm1(-pulse.balance), free.shape)
    return BasketHazards(balance, free, fill, out)


def without_basket(baskets: Baskets, crowd: Crowd) -> Array:
    """Customers with neither cart nor deposit: [segment, lane]."""
    held = baskets.carts + baskets.deposits
    return at_least(np.add.reduce(crowd.n[CUSTOMER_STAGES]) - held, 0.0)


def filling(baskets: Baskets, crowd: Crowd, people: People) -> Array:
    """Baskets that people of each band fill per touch, at usual wishes: [band, segment, lane]."""
    fills = into_baskets(crowd.n, people.visit_moves)
    fills[BANDED] = without_basket(baskets, crowd) * people.cart_again
    return fills


def _dropping(touches: Array, people: People, *, browse: float = 1.0, days: float = 1.0) -> Array:
    """Hazard that a customer's cart is dropped [segment, lane] in a step of so many days, `browse` normal ones."""
    window = people.forget[4]
    return renewal(touches * window / browse, people.frequency_shape) * days / window


def payment_attempts(
    baskets: Baskets,
    crowd: Crowd,
    contact: Contact,
    people: People,
    *,
    release: Array,
    balance: Array,
    now: float,
    buy: float,
) -> Array:
    """Orders that buyers will try to pay for in a step, as its start knows them  [lane].

    sum over segments and stages of n s Z, plus the baskets and deposits whose time comes: (n_favourite (1 -
    e^(-phi h)) + (n_cart + B) (1 - e^-h) + (n_deposit + T) q, h the hazard `release` of a cart [who, segment, lane],
    q the share `balance` of deposits; and orders of habit at time `now` [d] of the step's intensity `buy`.
    """
    visits = np.einsum("bsl,bsl->l", deciding(crowd.n, people.propensity), contact.buys)
    due = -np.expm1(-people.favourite_release * release[STRANGERS]) * crowd.n[4]
    due += -np.expm1(-release[STRANGERS]) * crowd.n[5]
    due += -np.expm1(-release[CUSTOMERS]) * baskets.carts
    due += balance * (crowd.n[6] + baskets.deposits)
    if people.habit is not None:
        due += (habitual(people, crowd, now) * (crowd.n[7:10] * buy)).sum(axis=0)
    return np.asarray(visits + np.add.reduce(due))


def apply_baskets(baskets: Baskets, moves: CustomerMoves) -> None:
    """Carry the moves out."""
    baskets.carts += moves.added - moves.orders - moves.deposits - moves.dropped
    baskets.deposits += moves.deposits - moves.balances
    for rest in (baskets.carts, baskets.deposits):  # nothing, where rounding leaves less
        np.maximum(rest, 0.0, out=rest)


def shares(weights: np.ndarray, instead: np.ndarray, least: float = 1e-9) -> np.ndarray:
    """Weights [product, .., lane] scaled to sum 1, or `instead` where they sum to `least` or less.

    >>> shares(np.array([[1.0], [3.0]]), np.array([[0.5], [0.5]])).ravel().tolist()
    [0.25, 0.75]
    """
    total = np.add.reduce(weights)
    some = total > least
    if np.count_nonzero(some) == some.size:
        return np.asarray(weights / total)
    return np.where(some, ratio(weights, total), instead)


@dataclass
class Orders:
    """Orders of a step: [product, buyers, segment, lane]."""

    wanted: np.ndarray
    paid: np.ndarray
    """The same array where all are."""

    @classmethod
    def of(cls, wanted: Array, paid: Array, shape: tuple[int, ...]) -> "Orders":
        """Orders [product, buyers and segment, lane] in their shape."""
        every = wanted.reshape(shape)
        return cls(every, every if paid is wanted else paid.reshape(shape))

    @cached_property
    def total(self) -> np.ndarray:
        """Paid orders of strangers and customers: [product, segment, lane]."""
        return np.add.reduce(self.paid, axis=1)

    def first(self, new: Array) -> np.ndarray:
        """Paid first orders [product, segment, lane], which are `new` [segment, lane] in all."""
        if self.paid.shape[1] > 1:
            return self.paid[:, 0]
        return np.asarray(self.total * ratio(new, np.add.reduce(self.total)))

    @property
    def unmet(self) -> np.ndarray:
        """Orders that found no goods: [product, lane]."""
        return add_up(add_up(self.wanted - self.paid))


def flat(orders: np.ndarray) -> np.ndarray:
    """Orders [.., buyers, segment, lane] as [.., buyers and segment, lane]."""
    *before, buyers, segments, lanes = orders.shape
    return orders.reshape(*before, buyers * segments, lanes)


def in_all(orders: np.ndarray) -> np.ndarray:
    """Orders [product, buyers, segment, lane] of all buyers and segments: [product, lane]."""
    return add_up(flat(orders))


def wishes(orders: list[np.ndarray], mixes: list[np.ndarray]) -> np.ndarray:
    """Mean orders [product, buyers, segment, lane] when each kind [buyers, segment, lane] has its mix
    [product, buyers, segment, lane], with one buyer or segment where all are alike.
    """
    total = np.asarray(mixes[0] * orders[0])
    for amount, mix in zip(orders[1:], mixes[1:], strict=True):
        total += mix * amount
    return total


def cut_by_stock(wanted: Array, tried: Array, demand: Array, sold: Array, draws: Draws) -> Array:
    """Paid orders [product, buyers and segment, lane] when of each product's `demand`, the sum of what is `tried`,
    only `sold` [product, lane] is there: no more than are `wanted`.
    """
    short = sold < demand
    if not np.count_nonzero(short):
        return wanted
    parts = draws.split("stock", sold, np.ascontiguousarray(tried.swapaxes(0, 1))).swapaxes(0, 1)
    return np.where(short[:, None], np.minimum(parts, wanted), wanted)
