"""What stands in favourites, carts and deposits (docs/model.md sections 8 and 9).

symbol   meaning                                                           unit     shape
v        what a step puts into baskets, by product                         1        [product, who, segment, lane]
like     how much its visits make people want, against an average shop     1        [who, segment, lane]
K, KT    product weights of standing baskets, and of deposits              baskets  [product, who, segment, lane]
VT       KT times the terms of the days when the deposits were paid        CNY, x   [term, product, who, segment, lane]

The axis who: strangers with favourites and carts, and customers.
"""

import numpy as np

from simulator.engine.floor import Floor
from simulator.engine.tally import Met
from simulator.engine.wanted import Wanted
from simulator.market.audience import CART, DECAY, DEPOSIT, FAVOURITE, ORDER, ratio
from simulator.market.basket import CustomerMoves, in_all, shares
from simulator.market.bill import Balances
from simulator.market.bounds import at_least
from simulator.market.groups import add_up
from simulator.scenario.chain import Stage

FULL = slice(Stage.FAVOURITE, Stage.DEPOSIT)


class Standing:
    """The products of baskets and of deposits, from step to step."""

    def __init__(self, floor: Floor, wanted: Wanted) -> None:
        self.floor, self.wanted = floor, wanted
        self.filling = np.zeros(())
        """v"""

    def fill(self, met: Met) -> np.ndarray:
        """like; what new baskets hold is kept for the end of the step."""
        self.filling, touches = met.filling
        taste = self.floor.today.taste
        if taste is not None:
            self.filling *= taste[:, None]
        return ratio(np.add.reduce(self.filling), touches)

    def settled(self, balances: np.ndarray, paid: np.ndarray, found: np.ndarray | None) -> Balances:
        """Balances [who, segment, lane] are paid on the terms of their deposits; `paid` orders of all kinds
        [product, segment, lane], `found` [product, lane].
        """
        held, value = self.floor.state.baskets, self.floor.world.people.order_value
        deposited = self.wanted.deposited * (balances * value)
        if found is not None:
            deposited *= found[:, None, None]
        today = self.floor.terms().order[:, :, None, None]
        then = np.where(held.presold > 0, ratio(held.agreed, held.presold), today)
        every, terms = in_all(deposited), add_up(np.add.reduce(deposited * then, axis=2))
        part = ratio(every, np.maximum(add_up(paid * value), every))
        return Balances(part, ratio(terms, every))

    def move(
        self, flows: np.ndarray, baskets: CustomerMoves, *,
        bought: np.ndarray, presold: np.ndarray, found: np.ndarray | None,
    ) -> None:  # fmt: skip
        """What comes is as the visits of today; what is `bought` or `presold` out of baskets [who, segment, lane]
        leaves as what it is, the rest that leaves in proportion. `found` [product, lane]: part of a product's orders
        that finds goods.
        """
        held, wanted = self.floor.state.baskets, self.wanted
        gone = bought * _of_products(wanted.released, found)
        if self.floor.schedule.presale[self.floor.step]:
            out = presold * _of_products(wanted.presold_standing)
            self._presell(flows, baskets, out, found)
            gone += out
        new = shares(self.filling, self.floor.today.free_mix[:, None, None])
        held.products += _filled(flows, baskets) * new
        held.products -= np.minimum(gone, held.products, out=gone)
        others, left = _emptied(flows, baskets) - np.add.reduce(gone), np.add.reduce(held.products)
        held.products *= at_least(1 - ratio(at_least(others, 0.0), left), 0.0)
        self.filling = np.zeros(())

    def _presell(
        self, flows: np.ndarray, baskets: CustomerMoves, out: np.ndarray, found: np.ndarray | None
    ) -> None:
        """Deposits, those `out` of baskets by product among them, take the place of balances."""
        held, visited = self.floor.state.baskets, self.wanted.presold_on_visits
        paid = np.array([flows[ORDER, Stage.DEPOSIT], baskets.balances])
        agreed = ratio(held.agreed, held.presold)
        held.presold -= paid * _of_products(self.wanted.deposited, found)
        at_least(held.presold, 0.0, out=held.presold)
        on_visits = np.add.reduce(flows[DEPOSIT]) - np.add.reduce(out[:, 0])
        new = out.copy()
        new[:, 0] += at_least(on_visits, 0.0) * _of_products(visited)
        today = self.floor.terms().order[:, :, None, None]
        held.agreed[...] = held.presold * agreed + new * today
        held.presold += new


def _of_products(mix: np.ndarray, found: np.ndarray | None = None) -> np.ndarray:
    """Product weights [product, .., segment, lane] of what finds goods, scaled to sum 1 where any does."""
    if found is not None:
        mix = mix * found[:, None, None]
    return ratio(mix, np.add.reduce(mix))


def _emptied(flows: np.ndarray, baskets: CustomerMoves) -> np.ndarray:
    """Baskets that are no more: [who, segment, lane]."""
    strangers = flows[[ORDER, DEPOSIT, DECAY], FULL].sum(axis=(0, 1))
    return np.array([strangers, baskets.orders + baskets.deposits + baskets.dropped])


def _filled(flows: np.ndarray, baskets: CustomerMoves) -> np.ndarray:
    """New ones: [who, segment, lane]."""
    strangers = flows[[CART, FAVOURITE], : Stage.FAVOURITE].sum(axis=(0, 1))
    return np.array([strangers, baskets.added])
