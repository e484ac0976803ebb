"""Baskets and orders: customers' carts and deposits, which product an order is for, what is in stock.

symbol   meaning                                                   unit     shape
B, T     carts and paid deposits of existing customers             baskets  [segment, lane]
K, KT    weights of products in all standing baskets / deposits    baskets  [product, lane]
u        product weights of direct orders, sum 1                   1        [product, lane]

Customers stay in their stage while a basket waits; prospects with a basket are people of the chain
(docs/model.md sections 8 and 9).
"""

from dataclasses import dataclass

import numpy as np

from simulator.market.audience import Pulse, ratio, renewal
from simulator.market.draws import Draws
from simulator.market.world import People

CUSTOMERS = slice(7, 10)


@dataclass
class Baskets:
    """What waits to be bought."""

    carts: np.ndarray
    deposits: np.ndarray
    products: np.ndarray
    """K: [product, lane]."""
    presold: np.ndarray
    """KT: [product, lane]."""

    @classmethod
    def of(cls, segments: int, products: int, lanes: int) -> "Baskets":
        """Nothing waits."""
        people = [np.zeros((segments, lanes)) for _ in range(2)]
        return cls(*people, *[np.zeros((products, lanes)) for _ in range(2)])


@dataclass
class CustomerMoves:
    """What happens to customers' baskets in a step: [segment, lane]."""

    orders: np.ndarray
    deposits: np.ndarray
    dropped: np.ndarray
    balances: np.ndarray
    added: np.ndarray


def move_baskets(
    baskets: Baskets, n: np.ndarray, touches: np.ndarray, views: np.ndarray, pulse: Pulse,
    *, people: People, draws: Draws,
) -> CustomerMoves:  # fmt: skip
    """Competing hazards of customers' baskets; `touches`, `views` of the band customers."""
    contacts = (views + touches) * people.forget[4] / pulse.browse
    drop = renewal(contacts, people.frequency_shape) * pulse.days / people.forget[4]
    order = np.broadcast_to(pulse.pay * pulse.release, drop.shape)
    deposit = np.broadcast_to(pulse.deposit_release, drop.shape)
    weights = np.array([order, deposit, drop])
    total = weights.sum(axis=0)
    paid = draws.binomial("basket_balance", baskets.deposits, -np.expm1(-pulse.balance))
    free = np.maximum(n[CUSTOMERS].sum(axis=0) - baskets.carts - baskets.deposits, 0.0)
    share = -np.expm1(-touches * people.cart_again * pulse.cart)
    added = draws.binomial("basket_in", free, share)
    late = -np.expm1(-total / 2) * ratio(free * share, baskets.carts + added)
    out = -np.expm1(-total) * ratio(baskets.carts, baskets.carts + added) + late
    leaving = draws.binomial("basket_out", baskets.carts + added, np.minimum(out, 1.0))
    orders, deposits, dropped = draws.split("basket_to", leaving, weights)
    return CustomerMoves(orders, deposits, dropped, paid, added)


def apply_baskets(baskets: Baskets, moves: CustomerMoves) -> None:
    """Carry the moves out."""
    baskets.carts += moves.added - moves.orders - moves.deposits - moves.dropped
    baskets.deposits += moves.deposits - moves.balances


def shares(weights: np.ndarray, instead: np.ndarray) -> np.ndarray:
    """Weights [product, lane] scaled to sum 1, or `instead` where there are none.

    >>> shares(np.array([[1.0], [3.0]]), np.array([[0.5], [0.5]])).ravel().tolist()
    [0.25, 0.75]
    """
    total = weights.sum(axis=0)
    return np.where(total > 1e-9, ratio(weights, total), instead)


@dataclass
class Orders:
    """Orders of a step by product and segment: [product, segment, lane]."""

    wanted: np.ndarray
    paid: np.ndarray

    @property
    def unmet(self) -> np.ndarray:
        """Orders that found no goods: [product, lane]."""
        return np.asarray((self.wanted - self.paid).sum(axis=1))


def want(
    direct: np.ndarray,
    release: np.ndarray,
    balance: np.ndarray,
    mixes: list[np.ndarray],
    draws: Draws,
) -> np.ndarray:
    """Split orders [segment, lane] of three kinds over products by their mixes [product, lane]."""
    parts = zip((direct, release, balance), mixes, strict=True)
    weights = sum(mix[:, None] * amount for amount, mix in parts)
    return draws.split("product", direct + release + balance, np.asarray(weights))


def cut_by_stock(wanted: np.ndarray, sold: np.ndarray, draws: Draws) -> np.ndarray:
    """Paid orders [product, segment, lane] when of each product only `sold` [product, lane] is there."""
    total = wanted.sum(axis=1)
    short = sold < total
    if not short.any():
        return wanted
    parts = draws.split("stock", sold, np.ascontiguousarray(wanted.swapaxes(0, 1))).swapaxes(0, 1)
    return np.where(short[:, None], np.minimum(parts, wanted), wanted)


def scale_orders(flows: list[np.ndarray], paid: np.ndarray, draws: Draws) -> list[np.ndarray]:
    """Order flows [.., segment, lane] cut down to what is paid for in each segment [segment, lane]."""
    wanted = sum(np.asarray(f.sum(axis=0)) for f in flows)
    short = paid < wanted
    if not np.any(short):
        return flows
    rows = np.concatenate(flows)
    parts = np.where(short, np.minimum(draws.split("cut", paid, rows), rows), rows)
    return np.split(parts, np.cumsum([len(f) for f in flows])[:-1])
