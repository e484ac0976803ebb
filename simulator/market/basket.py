"""Baskets and orders: customers' carts and deposits, which product an order is for, what is in stock.

symbol   meaning                                                   unit     shape
B, T     carts and paid deposits of existing customers             baskets  [segment, lane]
K, KT    weights of products in all standing baskets / deposits    baskets  [product, lane]
u        product weights of direct orders, sum 1                   1        [product, buyers, segment, lane]

The axis buyers: strangers, whose orders are first orders, and customers; both in one where there is one product.

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
from simulator.market.people import People
from simulator.scenario.chain import Stage

Array = np.ndarray
SCARCE = 0.01  # share of first choices that are found, below which fewer take another
CUSTOMER_STAGES, BANDED = slice(Stage.INITIAL, Stage.LAPSED), 3  # and their band


@dataclass
class Baskets:
    """What waits to be bought."""

    carts: np.ndarray
    deposits: np.ndarray
    products: np.ndarray
    """K: [product, lane]."""
    presold: np.ndarray
    """KT: [product, lane]."""
    agreed: np.ndarray
    """VT: KT at the prices of the days when the deposits were paid [CNY]: [product, lane]."""

    @classmethod
    def of(cls, carts: Array, products: Array) -> "Baskets":
        """Customers' carts of the start [segment, lane], and what is in all baskets [product, lane]."""
        none = np.zeros((2, *products.shape))
        return cls(carts, np.zeros_like(carts), products, *none)


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
    out[0], out[1] = pulse.pay * pulse.release, pulse.presell()
    out[2] = _dropping(touches, people, browse=pulse.browse, days=pulse.days)
    free = without_basket(baskets, crowd)
    fill = -np.expm1(-touches * people.cart_again * pulse.cart)
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
    e^(-phi h)) + (n_cart + B) (1 - e^-h) + (n_deposit + T) q, h the hazard `release` of a cart, q the
    share `balance` of deposits; and orders of habit at time `now` [d] of the step's intensity `buy`.
    """
    visits = np.einsum("bsl,bsl->l", deciding(crowd.n, people.propensity), contact.buys)
    due = -np.expm1(-people.favourite_release * release) * crowd.n[4]
    due += -np.expm1(-release) * (crowd.n[5] + baskets.carts)
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


@dataclass(frozen=True, eq=False)
class Assortment:
    """What visitors find in a step in which a product runs short."""

    found: Array
    """Part of a product's orders that finds goods: [product, lane]."""
    there: Array
    """What all visits of a segment want and can have: [product, 1, segment, lane]."""
    substitution: Array
    """Part of those who find their product sold out and no other beside it that takes another."""

    @classmethod
    def of(cls, wanted: Array, found: Array, substitution: Array) -> "Assortment":
        """The assortment for segments whose visits want `wanted` [product, segment, lane]."""
        return cls(found, (wanted * found[:, None])[:, None], substitution)

    def goes_on(self, pages: np.ndarray) -> np.ndarray:
        """How surely a page still has another product once one is gone: the surest of the others on it
        [way, product, lane]; `pages`: what is on them [way, product].

        >>> assortment = Assortment.of(np.ones((3, 1, 1)), np.array([[0.0], [0.4], [0.9]]), np.array([0.4]))
        >>> assortment.goes_on(np.array([[True, True, True], [True, False, False]])).squeeze().tolist()
        [[0.9, 0.9, 0.4], [0.0, 0.0, 0.0]]
        """
        surest = np.zeros((*pages.shape, self.found.shape[1]))
        for way, page in enumerate(pages):
            if np.count_nonzero(page) > 1:
                found = self.found[page]
                second, first = np.partition(found, -2, axis=0)[-2:]
                surest[way, page] = np.where(found == first, second, first)
        return surest

    def instead(self, mix: Array, shown: Array) -> np.ndarray:
        """Product weights once visitors have seen what is sold out  [product, buyers, segment, lane].

        w - r A + t (sum r - r), r = (1 - a) [v + s (w - v)] / max(A, 1%), a what is `found`, t what is `there`, A
        the sum of t over the other products: of those who find the first choice w sold out the part s takes
        another, and all for whom a page that shows several products goes on with what is there, v (`shown`); the
        others go on wanting it, and so does everybody where next to nothing else is there.

        >>> half, gone = np.full((2, 1, 1, 1), 0.5), np.array([[0.0], [1.0]])
        >>> assortment = Assortment.of(half[:, 0], gone, np.array([0.4]))
        >>> assortment.instead(half, 0 * half).ravel().tolist(), assortment.instead(half, half).ravel().tolist()
        ([0.3, 0.7], [0.0, 1.0])
        """
        others = at_least(np.add.reduce(self.there) - self.there, 0.0)
        gone = (1 - self.found)[:, None, None]
        turned = gone * (self.substitution * mix + (1 - self.substitution) * shown)
        rate = turned / np.maximum(others, SCARCE)
        left = at_least(mix - rate * others, 0.0)
        return np.asarray(left + self.there * at_least(np.add.reduce(rate) - rate, 0.0))


def cut_by_stock(wanted: Array, demand: Array, sold: Array, draws: Draws) -> Array:
    """Paid orders [product, buyers and segment, lane] when of each product's `demand` only `sold` [product, lane]
    is there.
    """
    short = sold < demand
    if not np.count_nonzero(short):
        return wanted
    parts = draws.split("stock", sold, np.ascontiguousarray(wanted.swapaxes(0, 1))).swapaxes(0, 1)
    return np.where(short[:, None], np.minimum(parts, wanted), wanted)
