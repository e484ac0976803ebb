"""What a step's visitors would buy, and what baskets and deposits hold.

Docs/model.md section 9.

symbol   meaning                                                     unit   shape
u        product weights of orders on visits, first choices           1      [product, buyers, segment, lane]
K^       those of standing baskets; released: as prices move them     1      [product, lane]
KT^      those of standing deposits                                   1      [product, lane]

The axis buyers: us of strangers, uc of customers; both in one where there is one product.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from simulator.engine.floor import Floor
from simulator.engine.tally import Met
from simulator.market.audience import ratio
from simulator.market.basket import in_all, shares
from simulator.market.bounds import at_least, at_most
from simulator.market.groups import add_up
from simulator.market.substitutes import Substitutes
from simulator.market.today import HIT, Pages

TINY = 1e-12  # a hazard that releases nothing


class Way(NamedTuple):
    """A way of visiting."""

    first: np.ndarray
    """What it adds to the weights of products: [product, buyers, segment, lane]."""
    page: np.ndarray | None = None
    """What else is beside it: [product, 1, segment, lane]."""
    row: int | None = None
    """Number of the scene or, after these, of the partner that has the credit."""


class Wanted:
    """Product weights of the orders that a step may bring, each summing to 1; KT^ in steps of a presale alone."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.asked = bool(floor.linkage or floor.partners or floor.tracers)
        """Somebody asks on whose visits a product was bought."""
        self.bought = np.zeros((0, 1, floor.lanes))
        """Part of a product's orders made on visits of a scene, then of a partner: [.., product, lane]."""
        self.due, self.every = self.bought, np.zeros((1, floor.lanes))
        """Orders of the step that they bring, and those of all visits: by product, as tried [product, lane]."""
        self.made = self.due[:, 0]
        """Those of first choices, of all products: [.., lane]."""
        self.each = np.zeros(())
        """Orders for each one that u is made of, before it is scaled: [buyers, segment, lane]."""
        self.on_visits = self.standing = self.deposited = self.released = np.zeros(())
        """u, K^, KT^, and K^ of released baskets."""
        self.total = np.zeros(())
        """Of the weights u, before they are scaled: [buyers, segment, lane]."""
        self.readiness = np.ones((2, 1, 1))
        """Hazard of a release at the prices of the step against that at the usual ones: [who, segment, lane]."""
        self.presold_on_visits = self.presold_standing = np.zeros(())
        """What of us and of K^ is a presale and can be had, in steps in which deposits are asked for."""

    def read(self, met: Met) -> None:
        """As the step begins, before anybody has moved."""
        baskets, today, goods = self.floor.state.baskets, self.floor.today, self.floor.world.goods
        weights = self._choices(met, today.pages())
        self.on_visits = shares(weights, today.free_mix[:, None, None], least=0.0)
        self.total = np.add.reduce(weights)
        free = today.free_mix[:, None, None]
        self.standing = self.released = shares(baskets.products, free)
        schedule, s = self.floor.schedule, self.floor.step
        if schedule.can_deposit[s] or schedule.presale[s]:
            presale = self.on_visits * goods.presale[:, None, None, None]
            self.deposited = shares(baskets.presold, shares(presale, self.on_visits))
            self.presold_on_visits = self._presold(self.on_visits[:, 0])
            self.presold_standing = self._presold(self.standing)
        if today.prices is not None:
            hazard = (
                self.floor.world.phases.release[self.floor.phase] * self.floor.world.steps.buy[s]
            )
            self.released, self.readiness = released(self.standing, today.prices[:, None], hazard)

    def forget(self) -> None:
        """The step is over: its weights make room for what the next one holds at first."""
        self.on_visits = self.standing = self.deposited = self.released = np.zeros(())
        self.presold_on_visits = self.presold_standing = np.zeros(())

    def _presold(self, mix: np.ndarray) -> np.ndarray:
        """What of product weights [product, .., segment, lane] is a presale and can be had, or is announced."""
        goods, steps = self.floor.world.goods, self.floor.world.steps
        awaited = goods.awaited(int(steps.start[self.floor.step]))
        part = goods.presale[:, None] * np.where(awaited, 1.0, self.floor.available)
        return mix * part.reshape(len(part), *(1,) * (mix.ndim - 2), -1)

    def with_habit(self, on_visits: np.ndarray, usual: np.ndarray, part: np.ndarray) -> np.ndarray:
        """Product weights of direct orders [product, buyers, segment, lane]; the part of customers' that is by habit
        [segment, lane] is for what is `usual` [product, 1, segment, lane].
        """
        own = on_visits[:, -1:]
        mixed = own + (usual - own) * part
        if len(self.floor.buyers) == 1:
            return np.asarray(mixed)
        return np.concatenate([on_visits[:, :1], mixed], axis=1)

    def pages_in_full(self) -> Pages:
        """What visitors would choose from if everything were there."""
        world, shelf = self.floor.world, self.floor.state.shelf
        return self.floor.today.pages_in_full(world.partners.mix, shelf.stage[HIT])

    def first_choices(self, met: Met, pages: Pages) -> np.ndarray:
        """First choices u of visitors who choose from `pages`: [product, buyers, segment, lane]."""
        free = self.floor.today.free_mix[:, None, None]
        return shares(self._choices(met, pages), free, least=0.0)

    def substitutes(self, first: np.ndarray, found: np.ndarray) -> Substitutes:
        """What a step has for visitors whose first choices are u if `found` [product, lane] of a product's orders
        finds goods; they turn to what all visits of their segment want.
        """
        every, free = np.add.reduce(first * self.total, axis=1), self.floor.today.free_mix
        wanted = shares(every, free[:, None], least=0.0)[:, None]
        return Substitutes.of(wanted, found, self.floor.world.goods.substitution)

    def turn(
        self, met: Met, pages: Pages, shop: Substitutes, short: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the orders on visits try, and want, where something runs `short` [lane]: [product, buyers, segment,
        lane] both. What is credited to scenes and partners is what their visitors try.
        """
        tried, wanted = np.zeros_like(self.on_visits), np.zeros_like(self.on_visits)
        due = np.zeros_like(self.due)
        for first, page, row in self._ways(met, pages):
            if first.shape != tried.shape:
                continue  # ads are shown to nobody in this step
            tries, wants = shop.turn(first, page)
            if self.floor.sampled:
                tries = wants
            tried += tries
            wanted += wants
            if self.asked and row is not None:
                due[row] += in_all(tries * self.each)
            del first, page, tries, wants  # room for the next
        if self.asked:
            np.copyto(self.due, due, where=short)
            self.every = np.where(short, in_all(tried * self.each), self.every)
        turned = short & (self.total > 0)
        return self._scaled(tried, turned), self._scaled(wanted, turned)

    def _scaled(self, weights: np.ndarray, turned: np.ndarray) -> np.ndarray:
        """Of an order of visits, where they have turned; elsewhere u as it was."""
        return np.where(turned, ratio(weights, self.total), self.on_visits)

    def turn_usual(self, shop: Substitutes, short: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of orders of habit: [product, 1, segment, lane] both."""
        free = self.floor.today.bought_free()[:, None]
        usual = np.broadcast_to(free, self.on_visits[:, :1].shape)
        tried, wanted = shop.turn(usual.copy())
        tried = wanted if self.floor.sampled else tried
        return np.where(short, tried, usual), np.where(short, wanted, usual)

    def _ways(self, met: Met, pages: Pages) -> Iterator[Way]:
        """Every way of visiting."""
        scenes = len(pages.scenes)
        yield from self._paged(0, pages.scenes, met.scene_buys, pages.scene_kappa)
        if pages.looks is not None and met.halo_buys is not None:
            for row, (looks, buys) in enumerate(zip(pages.looks, met.halo_buys, strict=True)):
                page = looks[:, None]
                yield Way(page * buys, page, row if row < scenes else None)
        if met.guest_buys is not None:
            yield from self._paged(scenes, pages.partners, met.guest_buys, pages.partner_kappa)
        yield Way(self._free(met) * self.floor.today.kappa[:, None])

    def _paged(
        self, first: int, mixes: np.ndarray, buys: np.ndarray, kappa: np.ndarray
    ) -> Iterator[Way]:
        """Visits of scenes, or of partners, the first of which has the number `first`."""
        own = self.floor.today.kappa[:, None]
        for row, (mix, buying, mean) in enumerate(zip(mixes, buys, kappa, strict=True), first):
            page = mix[:, None, None] * own
            yield Way(page * ratio(buying, mean), page, row)

    def _free(self, met: Met) -> np.ndarray:
        """Weights of free visits, before kappa: [product, buyers, segment, lane]."""
        today = self.floor.today
        return np.asarray(today.free_mix[:, None, None] * ratio(met.free_buys, today.free_kappa))

    def _choices(self, met: Met, pages: Pages) -> np.ndarray:
        """Product weights of orders from visits, paid ones by scene and free ones: [product, buyers, segment, lane]."""
        today = self.floor.today
        weights = self._free(met)
        weights += _by_product(pages.scenes, ratio(met.scene_buys, pages.scene_kappa[:, None]))
        weights *= today.kappa[:, None]
        looks = _looks(pages, met.halo_buys)
        if looks is not None:
            weights += np.add.reduce(looks)
        if met.guest_buys is not None:
            each = ratio(met.guest_buys, pages.partner_kappa[:, None])
            weights = weights + _by_product(pages.partners, each) * today.kappa[:, None]
        return weights

    def credit(self, met: Met, orders: np.ndarray) -> None:
        """Write down on whose visits the `orders` [buyers, segment, lane] that visits brought are by first choices."""
        pages, self.each = self.floor.today.pages(), ratio(orders, self.total)
        due = self._due(pages.scenes, met.scene_buys, pages.scene_kappa)
        looks = _looks(pages, met.halo_buys, self.each)
        if looks is not None:
            due += looks[:-1].sum(axis=(2, 3))
        if met.guest_buys is not None:
            guests = self._due(pages.partners, met.guest_buys, pages.partner_kappa)
            due = np.concatenate([due, guests])
        self.due, self.every = due, in_all(self.on_visits * orders)
        self.made = due.sum(axis=1)

    def _due(self, mix: np.ndarray, buys: np.ndarray, kappa: np.ndarray) -> np.ndarray:
        """Orders of ways by product: [way, product, lane]."""
        each = (ratio(buys, kappa[:, None]) * self.each).sum(axis=1)
        return np.asarray(mix * np.einsum("igl,pgl->ipl", each, self.floor.today.kappa))

    def share_out(self, orders: np.ndarray) -> None:
        """Who made which part of a product's `orders` [product, lane]."""
        self.bought = ratio(self.due, orders)

    def served(self, found: np.ndarray) -> np.ndarray:
        """Part of the orders on visits of each scene, of all partners, and on free visits that finds goods; `found`
        [product, lane] of what is tried does: [scene + 2, lane].
        """
        scenes = len(self.floor.world.names.scenes)
        paid, every = add_up(self.due * found), add_up(self.every * found)
        return np.array(
            [
                *_part(paid[:scenes], self.made[:scenes]),
                _part(paid[scenes:].sum(axis=0), self.made[scenes:].sum(axis=0)),
                _part(
                    every - paid.sum(axis=0), in_all(self.total * self.each) - self.made.sum(axis=0)
                ),
            ]
        )


def released(
    standing: np.ndarray, response: np.ndarray, hazard: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Product weights of what a sale of this hazard releases of baskets, and its hazard against that at usual prices.

    Baskets of a product [product, .., lane] are released at `response` times the hazard [lane]: of few that are very
    welcome no more are bought than there are.

    >>> few = np.array([[0.1], [0.9]]), np.array([[8.0], [1.0]])
    >>> [x.round(3).tolist() for x in released(*few, np.array([0.5]))]
    [[[0.217], [0.783]], [1.204]]
    >>> [x.round(3).tolist() for x in released(*few, np.array([0.0]))]
    [[[0.471], [0.529]], [1.7]]
    """
    part = -np.expm1(-np.maximum(hazard, TINY) * response)
    weights = standing * part / np.maximum(hazard, TINY)
    total = np.add.reduce(weights)
    gone = at_most(total * np.maximum(hazard, TINY), 1 - TINY)
    return weights / total, -np.log1p(-gone) / np.maximum(hazard, TINY)


def _part(paid: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Paid orders of those that are made, 1 where there is none  [.., lane]."""
    return np.where(made > 0, np.minimum(ratio(at_least(paid, 0.0), made), 1.0), 1.0)


def _looks(
    pages: Pages, buys: np.ndarray | None, each: np.ndarray | float = 1.0
) -> np.ndarray | None:
    """What looks after a hit add, buying ones [way, buyers, segment, lane] having orders `each`:
    [way, product, buyers, segment, lane].
    """
    if pages.looks is None or buys is None:
        return None
    return np.asarray(pages.looks[:, :, None] * (buys * each)[:, None])


def _by_product(mix: np.ndarray, each: np.ndarray) -> np.ndarray:
    """Sum over ways [way, ..] of product weights [way, product, lane] x [way, buyers, segment, lane]."""
    return np.einsum("ipl,ibgl->pbgl", mix, each)
