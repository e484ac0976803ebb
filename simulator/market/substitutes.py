"""What those take who find their product sold out (docs/model.md section 9).

symbol   meaning                                                            unit     shape
b        what a way of visiting adds to product weights of orders           1        [product, buyers, segment, lane]
w        product weights of a page, or of all visits of a segment           1        [product, 1, segment or 1, lane]
avail    part of a product's first choices that finds goods                 1        [product, lane]
c        how likely it is taken of w where it is there, p not being gone    1        as w
go       how surely anything else of w is there, for those who miss p       1        as w
k, e     what c is multiplied by, and what of the rest comes too, so that   1        as w
         who misses p takes all that is there
y        what turns to each product, in the worlds that have it             1        as b
"""

from dataclasses import dataclass, field

import numpy as np

from simulator.market.audience import ratio
from simulator.market.bounds import at_least, at_most

Array = np.ndarray
SCARCE = 0.01  # share of first choices that are found, below which fewer fill a basket with another


@dataclass(frozen=True, eq=False)
class Beside:
    """What is beside each product of some weights for those who miss it."""

    likely: Array
    """c"""
    go: Array
    straight: Array
    """k (1 - e)"""
    spread: Array
    """e"""

    @classmethod
    def of(cls, mix: Array, found: Array) -> "Beside":
        """Of weights w `mix`, if `found` [product, lane] of a product's first choices is there.

        >>> gone, some = np.array([0.0, 0.1, 1.0]), np.array([1.0, 1.0, 0.001])
        >>> beside = Beside.of(some[:, None, None, None], gone[:, None])
        >>> tries = beside.likely * beside.straight[0] + beside.spread[0]
        >>> tries[1:].ravel().round(3).tolist()  # the second while it is there, the third where it is not
        [1.0, 0.9]
        """
        there = found[:, None, None] * (mix > 0)
        likely = mix * there
        likely = ratio(mix, mix + at_least(np.add.reduce(likely) - likely, 0.0))
        go = 1 - _product_of_others(1 - there)
        taken = there * likely
        taken = at_least(np.add.reduce(taken) - taken, 0.0)
        scale = np.minimum(ratio(go, taken), 1 / at_least(_most_of_others(likely), 1e-200))
        taken *= scale
        room = at_least(np.add.reduce(there) - there - taken, 0.0)
        spread = at_most(ratio(at_least(go - taken, 0.0), room), 1.0)
        return cls(likely, go, scale * (1 - spread), spread)

    def tries(self, missed: Array) -> Array:
        """What turns to each product, y, of what has `missed` its own: as it is."""
        straight, spread = missed * self.straight, missed * self.spread
        for turning in (straight, spread):
            at_least(np.subtract(np.add.reduce(turning), turning, out=turning), 0.0, out=turning)
        straight *= self.likely
        spread *= self.likely > 0
        spread += straight
        return spread


@dataclass(frozen=True, eq=False)
class Substitutes:
    """What visitors find in a step in which a product runs short."""

    found: Array
    """avail"""
    beyond: Beside
    """Of what all visits of a segment want."""
    substitution: Array
    """Part of those who find neither their product nor another beside it that takes one of those."""
    short: Array
    """Which products anybody may miss: [product]."""
    last: list[tuple[Array, Beside]] = field(default_factory=list)
    """The page that was seen last."""

    @classmethod
    def of(cls, wanted: Array, found: Array, substitution: Array) -> "Substitutes":
        """For segments whose visits want w `wanted`."""
        short = np.asarray((found < 1).any(axis=1))
        return cls(found, Beside.of(wanted, found), substitution, short)

    def turn(self, first: Array, page: Array | None = None) -> tuple[Array, Array]:
        """What is tried, and what is wanted, of a way whose first choices are b, on a page w if it has one. The array
        `first` becomes what is tried.

        b + y, and b - (what leaves) + avail y: of those who miss p the part go finds another product on the page, and
        of the others the part substitution, as far as it is there, what the segment wants.

        >>> half, gone = np.full((2, 1, 1, 1), 0.5), np.array([[0.0], [1.0]])
        >>> shop = Substitutes.of(half, gone, np.array([0.4]))
        >>> [weights.ravel().tolist() for weights in shop.turn(half.copy())]
        [[0.5, 0.7], [0.3, 0.7]]
        >>> [weights.ravel().tolist() for weights in shop.turn(half.copy(), half)]
        [[0.5, 1.0], [0.0, 1.0]]
        """
        if not np.count_nonzero(first[self.short]):
            return first, first
        missed = first * (1 - self.found)[:, None, None]
        wanted, tried = first.copy(), first
        if page is not None:
            self._move(missed, self._beside(page), wanted, tried)
        missed *= self.substitution
        self._move(missed, self.beyond, wanted, tried)
        return tried, at_least(wanted, 0.0, out=wanted)

    def _beside(self, page: Array) -> Beside:
        """What is beside each product of a page: scenes without products of their own all show the same."""
        if not (self.last and np.array_equal(self.last[0][0], page)):
            self.last.clear()
            self.last.append((page, Beside.of(page, self.found)))
        return self.last[0][1]

    def _move(self, missed: Array, beside: Beside, wanted: Array, tried: Array) -> None:
        """Those who have `missed` their product turn to what is beside it; some of them stay who want it still."""
        come = beside.tries(missed)
        tried += come
        come *= self.found[:, None, None]
        wanted += come
        np.multiply(missed, beside.go, out=come)
        wanted -= come
        missed -= come


def _product_of_others(x: Array) -> Array:
    """Product of all rows but each one."""
    before, after = np.ones_like(x), np.ones_like(x)
    np.cumprod(x[:-1], axis=0, out=before[1:])
    np.cumprod(x[:0:-1], axis=0, out=after[-2::-1])
    before *= after
    return before


def _most_of_others(x: Array) -> Array:
    """Largest of all rows but each one, 0 where there is none."""
    if len(x) == 1:
        return np.zeros_like(x)
    second, first = np.partition(x, -2, axis=0)[-2:]
    return np.where(x == first, second, first)
