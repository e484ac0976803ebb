"""What the paid orders of a step bring, and what of it goes back with the goods (docs/model.md section 11).

symbol   meaning                                                     unit     shape
v        order values of the paid orders, against the list price     orders   [product, segment, lane]
rho      probability that an order comes back                        1        [product, segment (or 1), lane]

Odds of a refund and order values differ by segment: what comes back is no mean of all orders.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from simulator.market.groups import add_up

PRICE, AID, SIZE, REFUND = range(4)
"""Terms of an order: what the buyer of order value 1 pays and what coupons add to it for the seller [CNY], goods and
odds of a refund against an order without coupons [x]; the price alone where there are no coupons.
"""


@dataclass
class Balances:
    """What of a step's orders was agreed on before: deposits that are paid up."""

    part: np.ndarray
    """Of the value of a product's orders: [product, lane]."""
    terms: np.ndarray
    """Mean terms of their days: [term, product, lane]."""

    def among(self, terms: np.ndarray) -> np.ndarray:
        """Mean terms of all orders where the others have today's `terms` [term, product, lane]."""
        return np.asarray(terms + self.part * (self.terms - terms))


@dataclass
class Money:
    """Of orders [CNY]: [product, lane]."""

    gmv: np.ndarray
    """At the price paid by the buyer."""
    cost: np.ndarray
    """Unit cost of the goods."""
    aid: np.ndarray
    """What others add to the price."""


@dataclass
class Bill:
    """The paid orders of a step; amounts are of an order of value 1 [CNY]: [product, lane]."""

    values: np.ndarray
    """v"""
    price: np.ndarray
    """What the buyer pays, subsidies aside."""
    cost: np.ndarray
    aid: np.ndarray
    """What coupons add to the price."""
    granted: np.ndarray | None = None
    """Subsidies of the orders [CNY]: [product, segment, lane]; None where none is open."""

    @cached_property
    def value(self) -> np.ndarray:
        """The sum of v over segments: [product, lane]."""
        return add_up(self.values)

    @cached_property
    def _subsidy(self) -> np.ndarray | None:
        return None if self.granted is None else add_up(self.granted)

    @cached_property
    def total(self) -> Money:
        """Of all orders."""
        return self._money(self.value, self._subsidy)

    def coming_back(self, chance: np.ndarray) -> Money:
        """Of the orders that will come back, the mean; `chance` is rho."""
        granted = self._subsidy
        if self.granted is not None and granted is not None:
            granted = part_of(granted, self.granted, chance)
        return self._money(part_of(self.value, self.values, chance), granted)

    def _money(self, value: np.ndarray, granted: np.ndarray | None) -> Money:
        """Of orders of so much value, and the subsidies granted to them: [product, lane]."""
        gmv, cost, aid = value * self.price, value * self.cost, value * self.aid
        if granted is None:
            return Money(gmv, cost, aid)
        return Money(gmv - granted, cost, aid + granted)


def part_of(whole: np.ndarray, by_segment: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Sum over segments of a share of each [product, segment (or 1), lane]; `whole` is that of all of it.

    >>> three = np.array([[[1.0], [2.0]]])
    >>> [part_of(three.sum(axis=1), three, np.array(s)).item() for s in ([[[0.5]]], [[[0.5], [0.0]]])]
    [1.5, 0.5]
    """
    if share.shape[1] == 1:
        return np.asarray(whole * share[:, 0])
    return add_up(by_segment * share)
